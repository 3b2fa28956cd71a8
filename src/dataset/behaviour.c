/* Sound, head poses and eyelids of a corpus in memory. */
#include "dataset/behaviour.h"

#include "talkgen/dataset.h"
#include "talkgen/io.h"
#include "talkgen/speech.h"

#include <math.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { EYE_FIRST = 3 * 36, MOST_CLIPS = 100000, SHORTEST = 100, BLINKS_PER_FRAME = 4 };

/* Lids jump with the eyes; the points of their spline shall not swing about it. A nod is as short
 * as three points apart, and stiff ones would cut it off. */
static const double stiffness[TG_DRAWN_DIM] = {3e-3, 3e-3, 3e-3, 3e-3, 3e-3, 3e-3, 0.03};

/* One clip as it is read, before its speaker is known. */
typedef struct {
    int speaker;
    int64_t frames;
    float *heard; /* [frames, TG_HEARD_DIM] */
    float *c2w;   /* [frames,4,4] */
    float *eyes;  /* [frames, TG_EYE_DIM] */
} raw_clip;

static void free_raw(raw_clip *r) {
    tg_free(r->heard);
    tg_free(r->c2w);
    tg_free(r->eyes);
    *r = (raw_clip){0};
}

static void free_clip(tg_behaviour_clip *c) {
    tg_free(c->heard);
    tg_free(c->moved);
    tg_free(c->closure);
    tg_free(c->point);
    tg_free(c->blink);
}

void tg_behaviour_data_close(tg_behaviour_data **data) {
    if (!data || !*data)
        return;
    for (int i = 0; i < (*data)->count; i++)
        free_clip(&(*data)->clip[i]);
    tg_free((*data)->clip);
    tg_free(*data);
    *data = NULL;
}

/* ---- reading --------------------------------------------------------------------------- */

static tg_status hear_all(tg_context *ctx, const char *path, raw_clip *r) {
    tg_prosody *p = NULL;
    tg_status s = tg_prosody_open(ctx, path, NULL, &p);
    int64_t n = s == TG_OK ? tg_prosody_frames(p) : 0;
    if (s == TG_OK && n < r->frames)
        r->frames = n;
    if (s == TG_OK && r->frames < SHORTEST)
        s = tg_fail(ctx, TG_EINPUT,
                    "%s: %lld frames are too short\n  expected: %d at least\n"
                    "  try: talkgen studio corpus --conversation",
                    path, (long long)r->frames, SHORTEST);
    if (s == TG_OK && !(r->heard = tg_alloc((size_t)r->frames * TG_HEARD_DIM * sizeof *r->heard)))
        s = tg_fail(ctx, TG_ENOMEM, "%s: out of memory", path);
    bool done = false;
    for (int64_t i = 0; s == TG_OK && i < r->frames; i++)
        s = tg_prosody_next(ctx, p, r->heard + i * TG_HEARD_DIM, &done);
    tg_prosody_close(&p);
    return s;
}

/* Poses and eyes: [n,4,4] and landmarks [n,68,3]. */
static tg_status keep_motion(tg_context *ctx, const char *path, const tg_npy *pose,
                             const tg_npy *lm, raw_clip *r) {
    bool ok = pose->ndim == 3 && pose->dim[1] == 4 && pose->dim[2] == 4 && lm->ndim == 3 &&
              lm->dim[1] == TG_MOTION_POINTS && lm->dim[2] == 3 && lm->dim[0] == pose->dim[0] &&
              lm->dim[0] >= 1;
    for (int64_t i = 0; ok && i < pose->dim[0] * 16; i++)
        ok = isfinite(pose->data[i]);
    for (int64_t i = 0; ok && i < lm->dim[0] * TG_MOTION_DIM; i++)
        ok = isfinite(lm->data[i]);
    if (!ok)
        return tg_fail(ctx, TG_EINPUT,
                       "%s: landmarks and head poses do not belong together\n"
                       "  expected: finite [frames,68,3] and [frames,4,4]\n"
                       "  try: talkgen studio corpus --conversation",
                       path);
    r->frames = lm->dim[0];
    r->c2w = tg_alloc((size_t)r->frames * 16 * sizeof *r->c2w);
    r->eyes = tg_alloc((size_t)r->frames * TG_EYE_DIM * sizeof *r->eyes);
    if (!r->c2w || !r->eyes)
        return tg_fail(ctx, TG_ENOMEM, "%s: out of memory", path);
    memcpy(r->c2w, pose->data, (size_t)r->frames * 16 * sizeof *r->c2w);
    for (int64_t i = 0; i < r->frames; i++)
        memcpy(r->eyes + i * TG_EYE_DIM, lm->data + i * TG_MOTION_DIM + EYE_FIRST,
               TG_EYE_DIM * sizeof *r->eyes);
    return TG_OK;
}

static tg_status read_clip(tg_context *ctx, const char *corpus, int number, raw_clip *r) {
    char path[1200];
    tg_json *card = NULL;
    tg_npy pose = {0}, lm = {0};
    snprintf(path, sizeof path, "%s/%05d.json", corpus, number);
    tg_status s = tg_json_read(ctx, path, &card);
    if (s == TG_OK) {
        double speaker = tg_json_number(tg_json_get(card, "speaker"), -1);
        r->speaker = speaker >= 0 && speaker < MOST_CLIPS ? (int)speaker : -1;
        if (r->speaker < 0)
            s = tg_fail(ctx, TG_EINPUT,
                        "%s: its speaker is no number from 0 to %d\n  expected: a voice corpus\n"
                        "  try: talkgen studio corpus --conversation",
                        path, MOST_CLIPS - 1);
    }
    tg_json_destroy(&card);
    snprintf(path, sizeof path, "%s/%05d.pose.npy", corpus, number);
    if (s == TG_OK && !tg_file_exists(path))
        s = tg_fail(ctx, TG_EINPUT,
                    "%s is missing: this corpus has no head poses\n"
                    "  expected: a corpus made since there are, with long pauses\n"
                    "  try: talkgen studio corpus --conversation -o NEW",
                    path);
    if (s == TG_OK)
        s = tg_npy_read(ctx, path, &pose);
    snprintf(path, sizeof path, "%s/%05d.npy", corpus, number);
    if (s == TG_OK)
        s = tg_npy_read(ctx, path, &lm);
    if (s == TG_OK)
        s = keep_motion(ctx, path, &pose, &lm, r);
    tg_npy_free(&pose);
    tg_npy_free(&lm);
    snprintf(path, sizeof path, "%s/%05d.flac", corpus, number);
    return s == TG_OK ? hear_all(ctx, path, r) : s;
}

typedef struct {
    const char *corpus;
    raw_clip *raw;
    tg_context *main, **ctx;
    _Atomic int failed;
    _Atomic tg_status status;
} reading;

static void read_some(void *arg, int64_t begin, int64_t end, int worker) {
    reading *job = arg;
    for (int64_t i = begin; i < end; i++) {
        if (atomic_load(&job->failed) || tg_cancelled(job->main) != TG_OK)
            return;
        tg_status s = read_clip(job->ctx[worker], job->corpus, (int)i, &job->raw[i]);
        int nobody = 0;
        if (s != TG_OK && atomic_compare_exchange_strong(&job->failed, &nobody, worker + 1))
            atomic_store(&job->status, s);
    }
}

static tg_status read_clips(tg_context *ctx, const char *corpus, int count, raw_clip *raw) {
    int workers = tg_pool_threads(tg_context_pool(ctx));
    reading job = {.corpus = corpus, .raw = raw, .main = ctx};
    job.ctx = tg_calloc((size_t)workers * sizeof(tg_context *));
    tg_status s = job.ctx ? TG_OK : tg_fail(ctx, TG_ENOMEM, "%s: out of memory", corpus);
    for (int w = 0; s == TG_OK && w < workers; w++)
        if (!(job.ctx[w] = tg_context_create(1)))
            s = tg_fail(ctx, TG_ENOMEM, "%s: out of memory", corpus);
    if (s == TG_OK) {
        tg_pool_run(tg_context_pool(ctx), count, 1, read_some, &job);
        int failed = atomic_load(&job.failed);
        s = failed ? tg_fail(ctx, atomic_load(&job.status), "%s", tg_message(job.ctx[failed - 1]))
                   : tg_cancelled(ctx);
    }
    for (int w = 0; job.ctx && w < workers; w++)
        tg_context_destroy(&job.ctx[w]);
    tg_free(job.ctx);
    return s;
}

/* ---- a speaker's own numbers -------------------------------------------------------------- */

/* Lids that do not follow the eyes say nothing about gaze. What stands for them are fixations of
 * half a second to two, each with lids of its own. */
static void fixate(uint64_t clip, int64_t frames, float *lid) {
    tg_rng place = tg_rng_make(clip, "", "behaviour.fixation");
    tg_rng length = tg_rng_make(clip, "", "behaviour.fixation.length");
    double next = 0;
    uint64_t fixation = 0;
    for (int64_t i = 0; i < frames; i++) {
        for (; (double)i / 25 >= next; fixation++)
            next += 0.5 + 1.5 * (double)tg_rng_uniform(&length, fixation);
        lid[i] = tg_rng_normal(&place, fixation);
    }
}

static tg_status describe(tg_context *ctx, const char *name, const tg_pose_stats *head,
                          const tg_eyelid_stats *lids, uint64_t clip, raw_clip *r,
                          tg_behaviour_clip *c) {
    int64_t n = r->frames, most = n / BLINKS_PER_FRAME + 1;
    float *lid = tg_alloc((size_t)n * sizeof *lid);
    c->frames = n;
    c->heard = r->heard;
    r->heard = NULL;
    c->moved = tg_alloc((size_t)n * TG_DRAWN_DIM * sizeof *c->moved);
    c->closure = tg_alloc((size_t)n * sizeof *c->closure);
    c->blink = tg_alloc((size_t)most * sizeof *c->blink);
    bool ok = lid && c->moved && c->closure && c->blink;
    if (ok) {
        int64_t found = tg_blinks_find(lids, r->eyes, n, c->blink, most, c->closure, lid);
        c->blinks = found < most ? found : most;
        if (!lids->follows)
            fixate(clip, n, lid);
        for (int k = 0; k < 3; k++)
            c->degrees[k] = head->deviation[k] * 57.29578f;
        for (int64_t i = 0; i < n; i++) {
            tg_pose_numbers(head, r->c2w + 16 * i, c->moved + i * TG_DRAWN_DIM);
            c->moved[i * TG_DRAWN_DIM + TG_POSE_DIM] = fminf(fmaxf(lid[i], -4), 4);
        }
        ok = tg_spline_fit(c->moved, n, stiffness, &c->point, &c->points);
    }
    tg_free(lid);
    return ok ? TG_OK : tg_fail(ctx, TG_ENOMEM, "%s: out of memory", name);
}

/* The clips of one speaker, whose statistics are taken over all of them. */
static tg_status describe_speaker(tg_context *ctx, const char *name, raw_clip *raw, int count,
                                  int speaker, tg_behaviour_data *d) {
    int64_t n = 0;
    for (int i = 0; i < count; i++)
        n += raw[i].speaker == speaker ? raw[i].frames : 0;
    if (n == 0)
        return TG_OK;
    float *c2w = tg_alloc((size_t)n * 16 * sizeof *c2w);
    float *eyes = tg_alloc((size_t)n * TG_EYE_DIM * sizeof *eyes);
    tg_pose_stats head;
    tg_eyelid_stats lids;
    int64_t at = 0;
    for (int i = 0; c2w && eyes && i < count; i++) {
        if (raw[i].speaker != speaker)
            continue;
        memcpy(c2w + 16 * at, raw[i].c2w, (size_t)raw[i].frames * 16 * sizeof *c2w);
        memcpy(eyes + TG_EYE_DIM * at, raw[i].eyes,
               (size_t)raw[i].frames * TG_EYE_DIM * sizeof *eyes);
        at += raw[i].frames;
    }
    bool ok = c2w && eyes && tg_pose_stats_of(c2w, n, &head) && tg_eyelid_stats_of(eyes, n, &lids);
    tg_free(c2w);
    tg_free(eyes);
    tg_status s = ok ? TG_OK : tg_fail(ctx, TG_ENOMEM, "%s: out of memory", name);
    for (int i = 0; s == TG_OK && i < count; i++) {
        if (raw[i].speaker != speaker)
            continue;
        tg_behaviour_clip *c = &d->clip[d->count++];
        s = describe(ctx, name, &head, &lids, (uint64_t)d->count, &raw[i], c);
        d->frames += c->frames;
        d->blinks += c->blinks;
    }
    return s;
}

tg_status tg_behaviour_data_open(tg_context *ctx, const char *corpus, tg_behaviour_data **out) {
    *out = NULL;
    char path[1200];
    tg_json *index = NULL;
    snprintf(path, sizeof path, "%s/corpus.json", corpus);
    tg_status s = tg_json_read(ctx, path, &index);
    double clips = s == TG_OK ? tg_json_number(tg_json_get(index, "clips"), 0) : 0;
    double speakers = s == TG_OK ? tg_json_number(tg_json_get(index, "speakers"), 0) : 0;
    tg_json_destroy(&index);
    if (s == TG_OK && !(clips >= 1 && clips <= MOST_CLIPS && speakers >= 1 && speakers <= 1e6))
        s = tg_fail(ctx, TG_EINPUT,
                    "%s: no clips\n  expected: a voice corpus\n"
                    "  try: talkgen studio corpus --conversation",
                    path);
    if (s != TG_OK)
        return s;
    int count = (int)clips;
    raw_clip *raw = tg_calloc((size_t)count * sizeof *raw);
    tg_behaviour_data *d = tg_calloc(sizeof *d);
    if (d)
        d->clip = tg_calloc((size_t)(count + 1) * sizeof *d->clip);
    s = raw && d && d->clip ? TG_OK : tg_fail(ctx, TG_ENOMEM, "%s: out of memory", corpus);
    if (s == TG_OK)
        s = read_clips(ctx, corpus, count, raw);
    for (int k = 0; s == TG_OK && k < (int)speakers; k++)
        s = describe_speaker(ctx, corpus, raw, count, k, d);
    if (s == TG_OK && d->count == 0)
        s = tg_fail(ctx, TG_EINPUT,
                    "%s: no clip is of one of its %d speakers\n  expected: a voice corpus\n"
                    "  try: talkgen studio corpus --conversation",
                    corpus, (int)speakers);
    for (int i = 0; raw && i < count; i++)
        free_raw(&raw[i]);
    tg_free(raw);
    if (s != TG_OK)
        tg_behaviour_data_close(&d);
    *out = d;
    return s;
}

/* ---- a person's recording ------------------------------------------------------------------- */

/* Poses of frames 0, 1, 2, ... of a recording that may lack some: the one before stands for it. */
static tg_status person_motion(tg_context *ctx, const char *dataset, const tg_dataset *set,
                               raw_clip *r) {
    int64_t n = 0;
    for (int64_t i = 0; i < set->train_frames; i++)
        n = set->image_id[i] >= n ? set->image_id[i] + 1 : n;
    n = n < set->landmark_rows ? n : set->landmark_rows;
    r->frames = n;
    r->c2w = tg_calloc((size_t)n * 16 * sizeof *r->c2w);
    r->eyes = tg_alloc((size_t)n * TG_EYE_DIM * sizeof *r->eyes);
    if (!r->c2w || !r->eyes)
        return tg_fail(ctx, TG_ENOMEM, "%s: out of memory", dataset);
    for (int64_t i = 0; i < set->train_frames; i++)
        if (set->image_id[i] < n)
            memcpy(r->c2w + 16 * set->image_id[i], set->c2w + 16 * i, 16 * sizeof *r->c2w);
    for (int64_t i = 0; i < n; i++) {
        float *pose = r->c2w + 16 * i;
        if (pose[15] == 0)
            memcpy(pose, i > 0 ? pose - 16 : set->c2w, 16 * sizeof *pose);
        memcpy(r->eyes + i * TG_EYE_DIM, set->landmarks + i * TG_MOTION_DIM + EYE_FIRST,
               TG_EYE_DIM * sizeof *r->eyes);
    }
    return TG_OK;
}

tg_status tg_behaviour_data_person(tg_context *ctx, const char *dataset, tg_behaviour_data *data) {
    tg_dataset *set = NULL;
    raw_clip raw = {0};
    char path[1200];
    tg_status s = tg_dataset_open(ctx, dataset, 0, 0, &set);
    if (s == TG_OK)
        s = person_motion(ctx, dataset, set, &raw);
    snprintf(path, sizeof path, "%s/aud.wav", dataset);
    if (s == TG_OK)
        s = hear_all(ctx, path, &raw);
    tg_behaviour_clip *grown =
        s == TG_OK ? tg_calloc((size_t)(data->count + 1) * sizeof *grown) : NULL;
    if (s == TG_OK && !grown)
        s = tg_fail(ctx, TG_ENOMEM, "%s: out of memory", dataset);
    if (s == TG_OK) {
        memcpy(grown, data->clip, (size_t)data->count * sizeof *grown);
        tg_free(data->clip);
        data->clip = grown;
        int before = data->count;
        s = describe_speaker(ctx, dataset, &raw, 1, 0, data);
        data->own += data->count - before;
    }
    free_raw(&raw);
    tg_dataset_close(&set);
    return s;
}
