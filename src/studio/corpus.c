/* The voice corpus: clips of many voices with many faces, landmarks and head poses. A clip is a
 * function of (seed, clip index) alone, so clips can be made in any order and a broken run goes on
 * where it stopped: NNNNN.json is written last and marks a finished clip. */
#include <math.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>

#include "studio/cast.h"
#include "studio/film.h"
#include "talkgen/io.h"
#include "talkgen/studio.h"

/* Conversation: each speaker long enough, in a few hours, to know their manners. */
enum { BATCH = 32, DEFAULT_SPEAKERS = 300, CONVERSATION_SPEAKERS = 60 };

/* ---- one clip ------------------------------------------------------------------------ */

static float between(const tg_rng *rng, uint64_t index, float low, float high) {
    return low + (high - low) * tg_rng_uniform(rng, index);
}

static double planned_seconds(const tg_studio_corpus_options *options, int clip) {
    char id[32];
    snprintf(id, sizeof id, "clip %d", clip);
    tg_rng rng = tg_rng_make(options->seed, id, "length");
    double seconds = 6 + 9 * tg_rng_uniform(&rng, 0);
    return options->conversation ? 5 * seconds : seconds;
}

typedef struct {
    const tg_studio_corpus_options *options;
    const char *dir;
    const tg_actor *actor;
    tg_context *main;   /* asked for cancellation only */
    tg_context **ctx;   /* one per worker */
    int first;          /* clip of item 0 */
    _Atomic int failed; /* worker + 1 of a failure */
    _Atomic tg_status status;
} corpus_job;

static tg_status write_card(tg_context *ctx, const char *path, const tg_speaker *who, int index,
                            const tg_speech *speech) {
    tg_json *root = tg_json_new_object();
    tg_json *rows = NULL;
    bool ok = root && tg_json_set_string(root, "voice", who->voice.name) &&
              tg_json_set_string(root, "language", who->voice.language) &&
              tg_json_set_number(root, "speaker", index) &&
              tg_json_set_number(root, "seconds", (double)speech->count / TG_STUDIO_RATE) &&
              (rows = tg_json_set_array(root, "phones"));
    for (int i = 0; ok && i < speech->phones.count; i++) {
        const tg_segment *p = &speech->phones.phone[i];
        tg_json *row = tg_json_set_array(rows, NULL);
        ok = row && tg_json_set_string(row, NULL, p->name) &&
             tg_json_set_number(row, NULL, round(p->start * 1000) / 1000) &&
             tg_json_set_number(row, NULL, round(p->end * 1000) / 1000);
    }
    tg_status status =
        ok ? tg_json_write(ctx, path, root) : tg_fail(ctx, TG_ENOMEM, "%s: no memory", path);
    tg_json_destroy(&root);
    return status;
}

static tg_status write_landmarks(tg_context *ctx, const char *path, const tg_person *person,
                                 const tg_face_state *state, int64_t frames) {
    float(*lm)[TG_LANDMARKS][3] = tg_alloc((size_t)frames * sizeof *lm);
    if (!lm)
        return tg_fail(ctx, TG_ENOMEM, "%s: no memory for landmarks", path);
    for (int64_t i = 0; i < frames; i++)
        tg_person_landmarks(person, &state[i], lm[i]);
    tg_status status = tg_npy_write(ctx, path, 3, (int64_t[]){frames, TG_LANDMARKS, 3}, lm[0][0]);
    tg_free(lm);
    return status;
}

/* Poses as a portrait camera sees them, [frames,4,4] camera-to-world. */
static tg_status write_poses(tg_context *ctx, const char *path, const tg_person *person,
                             const tg_face_state *state, int64_t frames) {
    float anchor[3], head[12];
    float(*c2w)[16] = tg_alloc((size_t)frames * sizeof *c2w);
    if (!c2w)
        return tg_fail(ctx, TG_ENOMEM, "%s: no memory for head poses", path);
    tg_person_anchor(person, anchor);
    const tg_film_camera camera = tg_film_portrait(anchor, 512, 512);
    for (int64_t i = 0; i < frames; i++) {
        tg_person_head_matrix(person, &state[i], head);
        tg_film_head_camera(&camera, head, c2w[i]);
    }
    tg_status status = tg_npy_write(ctx, path, 3, (int64_t[]){frames, 4, 4}, c2w[0]);
    tg_free(c2w);
    return status;
}

/* Long takes whose pauses are long enough to listen in; how long differs from clip to clip. */
static void converse(const tg_rng *rng, uint64_t seed, tg_read_options *read, tg_style *style) {
    read->longest = 0;
    read->first_pause = between(rng, 4, 0.3f, 4);
    read->widest_pause = between(rng, 5, 0.9f, 8);
    tg_style_conversation(seed, style);
}

static tg_status make_clip(tg_context *ctx, const corpus_job *job, int clip) {
    const tg_studio_corpus_options *options = job->options;
    int index = clip % options->speakers;
    enum { SOUND, LANDMARKS, POSES, CARD, FILES };
    char path[FILES][1024], id[32];
    static const char *const kinds[] = {"flac", "npy", "pose.npy", "json"};
    for (int k = 0; k < FILES; k++)
        if (snprintf(path[k], sizeof path[k], "%s/%05d.%s", job->dir, clip, kinds[k]) >=
            (int)sizeof path[k])
            return tg_fail(ctx, TG_EUSAGE,
                           "%.64s...: path too long\n  expected: fewer than 1000 bytes\n  try: a "
                           "shorter directory name",
                           job->dir);
    if (tg_file_exists(path[CARD]))
        return TG_OK;

    tg_speaker who;
    tg_performance *take = NULL;
    tg_person *person = NULL;
    snprintf(id, sizeof id, "clip %d", clip);
    tg_rng rng = tg_rng_make(options->seed, id, "reading");
    uint64_t seed = tg_hash_bytes(id, strlen(id), options->seed);
    tg_read_options read = {.seconds = planned_seconds(options, clip),
                            .longest = 19.5,
                            .first_pause = between(&rng, 0, 0.25f, 0.7f),
                            .shortest_pause = 0.28,
                            .widest_pause = 1.1,
                            .seed = seed};
    tg_status status = tg_cast_speaker(
        ctx, &(tg_cast){.seed = options->seed, .heldout = options->heldout}, index, &who);
    /* kal has no units for transitions that English lacks. */
    if (!strcmp(who.voice.language, "en") && strncmp(who.voice.name, "kal", 3) &&
        tg_rng_uniform(&rng, 3) < 0.35f)
        snprintf(who.voice.language, sizeof who.voice.language, "en-words");
    who.voice.tempo *= between(&rng, 1, 0.92f, 1.08f);
    who.voice.pitch *= between(&rng, 2, 0.94f, 1.06f);
    who.style.seed = seed;
    if (options->conversation) /* manners are the speaker's */
        converse(&rng, tg_hash_bytes(&index, sizeof index, options->seed), &read, &who.style);
    if (status == TG_OK)
        status = tg_cast_face(ctx, job->actor, &who, &person);
    if (status == TG_OK)
        status = tg_performance_record(ctx, job->actor, &who.voice, &read, &who.style, &take);
    if (status == TG_OK)
        status = tg_audio_write(ctx, path[SOUND], take->speech.samples, take->speech.count, 1,
                                TG_STUDIO_RATE);
    if (status == TG_OK)
        status = write_landmarks(ctx, path[LANDMARKS], person, take->state, take->frames);
    if (status == TG_OK)
        status = write_poses(ctx, path[POSES], person, take->state, take->frames);
    if (status == TG_OK)
        status = write_card(ctx, path[CARD], &who, index, &take->speech);
    tg_performance_destroy(&take);
    tg_person_destroy(&person);
    return status;
}

static void work(void *arg, int64_t begin, int64_t end, int worker) {
    corpus_job *job = arg;
    for (int64_t i = begin; i < end; i++) {
        if (atomic_load(&job->failed) || tg_cancelled(job->main) != TG_OK)
            return;
        tg_status status = make_clip(job->ctx[worker], job, job->first + (int)i);
        if (status == TG_OK)
            continue;
        int nobody = 0;
        if (atomic_compare_exchange_strong(&job->failed, &nobody, worker + 1))
            atomic_store(&job->status, status);
        return;
    }
}

/* ---- the whole ----------------------------------------------------------------------- */

/* corpus.json counts the clips that exist, so that training may begin while more are made. */
static tg_status write_index(tg_context *ctx, const char *path, const corpus_job *job, int clips,
                             int planned) {
    tg_json *root = tg_json_new_object();
    bool ok = root && tg_json_set_number(root, "clips", clips) &&
              tg_json_set_number(root, "planned", planned) &&
              tg_json_set_number(root, "speakers", job->options->speakers) &&
              tg_json_set_number(root, "seed", (double)job->options->seed) &&
              tg_json_set_bool(root, "heldout", job->options->heldout) &&
              tg_json_set_bool(root, "conversation", job->options->conversation) &&
              tg_json_set_number(root, "sample_rate", TG_STUDIO_RATE) &&
              tg_json_set_number(root, "fps", TG_VIDEO_FPS);
    tg_status status =
        ok ? tg_json_write(ctx, path, root) : tg_fail(ctx, TG_ENOMEM, "%s: no memory", path);
    tg_json_destroy(&root);
    return status;
}

static tg_status check_index(tg_context *ctx, const char *path, const corpus_job *job) {
    if (!tg_file_exists(path))
        return TG_OK;
    tg_json *root;
    tg_status status = tg_json_read(ctx, path, &root);
    if (status != TG_OK)
        return status;
    bool same =
        tg_json_number(tg_json_get(root, "seed"), -1) == (double)job->options->seed &&
        tg_json_number(tg_json_get(root, "speakers"), -1) == (double)job->options->speakers &&
        tg_json_bool(tg_json_get(root, "heldout"), !job->options->heldout) ==
            job->options->heldout &&
        tg_json_bool(tg_json_get(root, "conversation"), false) == job->options->conversation;
    tg_json_destroy(&root);
    if (same)
        return TG_OK;
    return tg_fail(
        ctx, TG_EUSAGE,
        "%s was made with another seed, number of speakers, choice of voices or kind of talk\n"
        "  expected: the options of that corpus, to go on with it\n"
        "  try: another directory",
        path);
}

static tg_status run_batches(tg_context *ctx, corpus_job *job, const char *index, int planned) {
    for (int first = 0; first < planned; first += BATCH) {
        int n = planned - first < BATCH ? planned - first : BATCH;
        job->first = first;
        tg_pool_run(tg_context_pool(ctx), n, 1, work, job);
        int failed = atomic_load(&job->failed);
        if (failed)
            return tg_fail(ctx, atomic_load(&job->status), "%s", tg_message(job->ctx[failed - 1]));
        tg_status status = tg_cancelled(ctx);
        if (status == TG_OK)
            status = write_index(ctx, index, job, first + n, planned);
        if (status != TG_OK)
            return status;
        tg_progress(ctx, "corpus", first + n, planned, "clips");
    }
    return TG_OK;
}

tg_status tg_studio_corpus(tg_context *ctx, const char *dir,
                           const tg_studio_corpus_options *given) {
    tg_studio_corpus_options options = *given;
    if (options.speakers <= 0)
        options.speakers = options.conversation ? CONVERSATION_SPEAKERS : DEFAULT_SPEAKERS;
    if (!(options.hours > 0 && options.hours <= 1000))
        return tg_fail(ctx, TG_EUSAGE,
                       "%g hours of corpus\n  expected: 0 < hours <= 1000\n"
                       "  try: 6",
                       options.hours);
    int planned = 0;
    for (double s = 0; s < options.hours * 3600; planned++)
        s += planned_seconds(&options, planned);

    char index[1024];
    if (snprintf(index, sizeof index, "%s/corpus.json", dir) >= (int)sizeof index)
        return tg_fail(ctx, TG_EUSAGE,
                       "%.64s...: path too long\n  expected: fewer than 1000 bytes\n  try: a "
                       "shorter directory name",
                       dir);
    corpus_job job = {.options = &options, .dir = dir, .main = ctx};
    int workers = tg_pool_threads(tg_context_pool(ctx));
    tg_actor *actor = NULL;
    tg_status status = check_index(ctx, index, &job);
    if (status == TG_OK)
        status = tg_make_dirs(ctx, dir);
    if (status == TG_OK)
        status = tg_actor_load(ctx, options.actor_dir, options.tables_dir, &actor);
    job.actor = actor;
    job.ctx = tg_calloc((size_t)workers * sizeof(tg_context *));
    if (status == TG_OK && !job.ctx)
        status = tg_fail(ctx, TG_ENOMEM, "no memory for workers");
    for (int w = 0; status == TG_OK && w < workers; w++) {
        job.ctx[w] = tg_context_create(1);
        if (!job.ctx[w])
            status = tg_fail(ctx, TG_ENOMEM, "no memory for workers");
    }
    if (status == TG_OK)
        status = run_batches(ctx, &job, index, planned);
    for (int w = 0; job.ctx && w < workers; w++)
        tg_context_destroy(&job.ctx[w]);
    tg_free(job.ctx);
    tg_actor_destroy(&actor);
    return status;
}
