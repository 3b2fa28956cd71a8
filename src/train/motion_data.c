/* Features and landmarks of many speakers in memory. */
#include "train/motion_data.h"

#include "talkgen/io.h"
#include "dataset/motion.h"
#include "eval/made_motion.h"
#include "train/speech_noise.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define CLIPS_META "talkgen.clips"

enum { HELD_OUT_SHARE = 10, MAX_SPEAKERS = 100000 };
static const double motion_scale = 10;
/* Gap, in motion space, at which lips count as 1/e closed: a tenth of a wide open mouth. */
static const double closure_scale = 0.25;

void tg_motion_data_close(tg_motion_data **data) {
    if (!data || !*data)
        return;
    tg_motion_data *d = *data;
    tg_free(d->block);
    tg_free(d->motion);
    tg_free(d->closure);
    free(d->clip);
    free(d);
    *data = NULL;
}

tg_status tg_motion_data_need(tg_context *ctx, const tg_motion_data *data, int64_t frames,
                              const char *corpus) {
    for (int i = 0; i < data->count; i++)
        if (data->clip[i].frames >= frames)
            return TG_OK;
    return tg_fail(ctx, TG_EINPUT,
                   "%s: every clip is shorter than %lld frames\n  expected: clips of 5 to 20 s\n"
                   "  try: talkgen studio corpus",
                   corpus, (long long)frames);
}

/* ---- landmarks ------------------------------------------------------------------------- */

/* Reads the landmarks and speakers of all clips; motion holds absolute points for now. */
static tg_status read_landmarks(tg_context *ctx, const char *corpus, tg_motion_data *d) {
    size_t room = 0, used = 0;
    for (int i = 0; i < d->count; i++) {
        char path[1200];
        tg_npy lm = {0};
        tg_json *about = NULL;
        int number = d->clip[i].number;
        snprintf(path, sizeof path, "%s/%05d.json", corpus, number);
        tg_status s = tg_json_read(ctx, path, &about);
        if (s == TG_OK) {
            double speaker = tg_json_number(tg_json_get(about, "speaker"), -1);
            if (speaker >= 0 && speaker < MAX_SPEAKERS)
                d->clip[i].speaker = (int)speaker;
            else
                s = tg_fail(ctx, TG_EINPUT,
                            "%s: its speaker is no number from 0 to %d\n  expected: a voice "
                            "corpus\n  try: talkgen studio corpus",
                            path, MAX_SPEAKERS - 1);
        }
        tg_json_destroy(&about);
        snprintf(path, sizeof path, "%s/%05d.npy", corpus, number);
        if (s == TG_OK)
            s = tg_landmarks_read(ctx, path, &lm);
        if (s != TG_OK)
            return s;
        size_t n = (size_t)lm.dim[0] * TG_MOTION_DIM;
        if (used + n > room) {
            room = 2 * (used + n);
            float *grown = tg_alloc(room * sizeof *grown);
            if (!grown) {
                tg_npy_free(&lm);
                return tg_fail(ctx, TG_ENOMEM, "%s: out of memory", corpus);
            }
            if (used)
                memcpy(grown, d->motion, used * sizeof *grown);
            tg_free(d->motion);
            d->motion = grown;
        }
        memcpy(d->motion + used, lm.data, n * sizeof *lm.data);
        d->clip[i].frames = lm.dim[0];
        used += n;
        d->frames += lm.dim[0];
        tg_npy_free(&lm);
    }
    return TG_OK;
}

/* How nearly the lips of absolute points touch. The smallest gap of a face is its closed mouth. */
static void find_closures(tg_motion_data *d, double *least) {
    for (int i = 0; i < d->count; i++)
        least[d->clip[i].speaker] = INFINITY;
    for (int i = 0; i < d->count; i++) {
        const tg_motion_clip *c = &d->clip[i];
        for (int64_t f = 0; f < c->frames; f++) {
            c->closure[f] = (float)(motion_scale * tg_lip_gap(c->motion + f * TG_MOTION_DIM));
            least[c->speaker] = fmin(least[c->speaker], c->closure[f]);
        }
    }
    for (int i = 0; i < d->count; i++)
        for (int64_t f = 0; f < d->clip[i].frames; f++)
            d->clip[i].closure[f] =
                (float)exp((least[d->clip[i].speaker] - d->clip[i].closure[f]) / closure_scale);
}

/* 10 (P - M) with M the mean of each speaker over those of the first `counted` clips that are its
 * own. mean [speakers,205] zeroed. */
static void subtract_means(tg_motion_data *d, int counted, double *mean) {
    for (int i = 0; i < counted; i++) {
        double *m = mean + (size_t)d->clip[i].speaker * (TG_MOTION_DIM + 1);
        for (int64_t k = 0; k < d->clip[i].frames * TG_MOTION_DIM; k++)
            m[k % TG_MOTION_DIM] += d->clip[i].motion[k];
        m[TG_MOTION_DIM] += (double)d->clip[i].frames;
    }
    for (int i = 0; i < d->count; i++) {
        const double *m = mean + (size_t)d->clip[i].speaker * (TG_MOTION_DIM + 1);
        for (int64_t k = 0; k < d->clip[i].frames * TG_MOTION_DIM; k++)
            d->clip[i].motion[k] =
                (float)(motion_scale *
                        (d->clip[i].motion[k] - m[k % TG_MOTION_DIM] / m[TG_MOTION_DIM]));
    }
}

/* d->motion holds the absolute points of all clips, one behind the other. */
static tg_status to_motion_space(tg_context *ctx, tg_motion_data *d, int counted) {
    int speakers = 0;
    for (int i = 0; i < d->count; i++)
        speakers = d->clip[i].speaker >= speakers ? d->clip[i].speaker + 1 : speakers;
    double *least = malloc((size_t)speakers * sizeof *least);
    double *mean = calloc((size_t)speakers * (TG_MOTION_DIM + 1), sizeof *mean);
    d->closure = tg_alloc((size_t)d->frames * sizeof *d->closure);
    tg_status s = least && mean && d->closure
                      ? TG_OK
                      : tg_fail(ctx, TG_ENOMEM, "out of memory for %d speakers", speakers);
    int64_t at = 0;
    for (int i = 0; s == TG_OK && i < d->count; at += d->clip[i].frames, i++) {
        d->clip[i].motion = d->motion + at * TG_MOTION_DIM;
        d->clip[i].closure = d->closure + at;
    }
    if (s == TG_OK) {
        find_closures(d, least);
        subtract_means(d, counted, mean);
    }
    free(least);
    free(mean);
    return s;
}

/* ---- features ------------------------------------------------------------------------------ */

/* A worse microphone in a worse place; time is not touched. scratch [n]. */
static void disturb(tg_draws *d, float *x, float *scratch, int64_t n) {
    double level = fmax(tg_signal_rms(x, n), 1e-4);
    if (tg_draw_chance(d, 0.4))
        tg_room(d, tg_draw_between(d, 0.1, 0.5), tg_draw_between(d, 0.05, 0.4), x, scratch, n);
    if (tg_draw_chance(d, 0.35))
        tg_filter_high_pass(tg_draw_between(d, 60, 350), 0.7, x, n);
    if (tg_draw_chance(d, 0.35))
        tg_filter_low_pass(tg_draw_between(d, 2800, 7000), 0.7, x, n);
    if (tg_draw_chance(d, 0.5))
        tg_filter_peak(tg_draw_between(d, 300, 4000), 0.7, tg_draw_between(d, -8, 8), x, n);
    if (tg_draw_chance(d, 0.85)) {
        tg_noise_kind kind = (tg_noise_kind)(tg_draw(d) * TG_NOISE_KINDS);
        double snr = tg_draw_between(d, 6, 40);
        tg_noise_add(d, kind, level * pow(10, -snr / 20), x, scratch, n);
    }
}

/* Rows of one take into F16, cut or with the last row repeated to 2 * frames. */
static tg_status encode(tg_context *ctx, tg_hubert *hubert, const float *samples, int64_t n,
                        int64_t frames, int dim, uint16_t *out) {
    tg_wave16k *wave = NULL;
    float *rows = NULL;
    int64_t count = 0;
    tg_status s = tg_wave16k_borrow(ctx, samples, n, &wave);
    if (s == TG_OK)
        s = tg_features_read_all(ctx, hubert, wave, &rows, &count);
    for (int64_t r = 0; s == TG_OK && r < 2 * frames; r++)
        for (int k = 0; k < dim; k++)
            out[r * dim + k] = tg_f32_to_f16(rows[(r < count ? r : count - 1) * dim + k]);
    tg_free(rows);
    tg_wave16k_close(&wave);
    return s;
}

static tg_status encode_clip(tg_context *ctx, const char *path, tg_hubert *hubert, int takes,
                             tg_draws *draws, int64_t frames, int dim, uint16_t *const out[]) {
    tg_wave16k *wave = NULL;
    float *samples = NULL;
    int64_t n = 0;
    tg_status s = tg_wave16k_open(ctx, path, NULL, &wave);
    if (s == TG_OK)
        s = tg_wave16k_read_all(ctx, wave, &samples, &n);
    tg_wave16k_close(&wave);
    if (s == TG_OK)
        s = encode(ctx, hubert, samples, n, frames, dim, out[0]);
    if (s == TG_OK && takes > 1) {
        float *scratch = tg_alloc((size_t)n * sizeof *scratch);
        s = scratch ? TG_OK : tg_fail(ctx, TG_ENOMEM, "%s: out of memory", path);
        if (s == TG_OK) {
            disturb(draws, samples, scratch, n);
            s = encode(ctx, hubert, samples, n, frames, dim, out[1]);
        }
        tg_free(scratch);
    }
    tg_free(samples);
    return s;
}

static tg_status save_cache(tg_context *ctx, const tg_motion_data *d, const char *id, int takes,
                            const char *cache) {
    tg_st_writer *w = tg_st_writer_create();
    int64_t rows = 2 * d->frames * takes;
    char clips[16];
    snprintf(clips, sizeof clips, "%d", d->count);
    bool ok = w && tg_st_add_meta(w, "talkgen.encoder", id) &&
              tg_st_add_meta(w, CLIPS_META, clips) &&
              tg_st_add_raw(w, "features", TG_F16, 2, (int64_t[]){rows, d->feature_dim}, d->block);
    tg_status s =
        ok ? tg_st_write(ctx, w, cache) : tg_fail(ctx, TG_ENOMEM, "%s: out of memory", cache);
    tg_st_writer_destroy(&w);
    return s;
}

/* How many clips the cache holds; 0 = there is no cache. */
static int cached_clips(tg_context *ctx, const char *cache) {
    tg_st *st = NULL;
    bool ok = cache && tg_file_exists(cache) && tg_st_open(ctx, cache, &st) == TG_OK;
    const char *text = ok ? tg_st_meta(st, CLIPS_META) : NULL;
    int clips = text ? atoi(text) : 0;
    tg_st_close(&st);
    tg_fail(ctx, TG_OK, " ");
    return clips > 0 ? clips : 0;
}

/* True when the cache fits and was copied. */
static bool load_cache(tg_context *ctx, tg_motion_data *d, const char *id, int takes,
                       const char *cache) {
    tg_st *st = NULL;
    bool ok = tg_file_exists(cache) && tg_st_open(ctx, cache, &st) == TG_OK;
    const tg_st_tensor *t = ok ? tg_st_find(st, "features") : NULL;
    const char *encoder = ok ? tg_st_meta(st, "talkgen.encoder") : NULL;
    ok = t && encoder && strcmp(encoder, id) == 0 && t->dtype == TG_F16 && t->ndim == 2 &&
         t->dim[0] == 2 * d->frames * takes && t->dim[1] == d->feature_dim;
    if (ok)
        memcpy(d->block, t->data, t->bytes);
    tg_st_close(&st);
    tg_fail(ctx, TG_OK, " "); /* an unusable cache is made again */
    return ok;
}

/* Gives every clip its rows in the block: takes of a clip behind each other. */
static tg_status lay_out(tg_context *ctx, tg_motion_data *d, int takes) {
    size_t n = (size_t)d->frames * 2 * (size_t)takes * (size_t)d->feature_dim;
    d->block = tg_alloc(n * sizeof *d->block);
    if (!d->block)
        return tg_fail(ctx, TG_ENOMEM, "out of memory for the features of %lld frames",
                       (long long)d->frames);
    const uint16_t *at = d->block;
    for (int i = 0; i < d->count; i++) {
        int64_t size = d->clip[i].frames * 2 * d->feature_dim;
        for (int k = 0; k < TG_TAKES; k++)
            d->clip[i].take[k] = at + (k < takes ? k : 0) * size;
        at += size * takes;
    }
    return TG_OK;
}

static tg_motion_data *new_data(int count, tg_hubert *hubert) {
    tg_motion_data *d = calloc(1, sizeof *d);
    if (!d)
        return NULL;
    d->count = count;
    d->feature_dim = tg_hubert_config_of(hubert)->hidden_size;
    d->clip = calloc((size_t)count, sizeof *d->clip);
    if (!d->clip)
        tg_motion_data_close(&d);
    return d;
}

/* Clips that are complete: NNNNN.json is written last. */
static int count_clips(const char *corpus) {
    int n = 0;
    char path[1200];
    do
        snprintf(path, sizeof path, "%s/%05d.json", corpus, n);
    while (tg_file_exists(path) && ++n);
    return n;
}

/* Names an encoder by its weights as they are stored, so that a copy inside a voice file counts as
 * the same. */
static void name_encoder(tg_hubert *hubert, char out[17]) {
    tg_params *set = tg_hubert_params(hubert);
    uint64_t hash = 0;
    for (int i = 0; i < tg_params_count(set); i++) {
        const tg_tensor *t = tg_params_at(set, i)->value;
        for (int64_t k = 0; k < tg_numel(t); k++) {
            uint16_t half = tg_f32_to_f16(t->data[k]);
            hash = tg_hash_bytes(&half, sizeof half, hash);
        }
    }
    snprintf(out, 17, "%016llx", (unsigned long long)hash);
}

tg_status tg_motion_data_open(tg_context *ctx, const char *corpus, int limit, tg_hubert *hubert,
                              const char *cache, int takes, uint64_t seed, tg_motion_data **out) {
    *out = NULL;
    char encoder_id[17];
    name_encoder(hubert, encoder_id);
    if (limit < 0)
        limit = cached_clips(ctx, cache);
    int all = count_clips(corpus), count = limit > 0 && limit < all ? limit : all;
    if (count == 0)
        return tg_fail(ctx, TG_EINPUT,
                       "%s: no clips\n  expected: 00000.flac, 00000.json, 00000.npy, ...\n"
                       "  try: talkgen studio corpus",
                       corpus);
    tg_motion_data *d = new_data(count, hubert);
    for (int i = 0; d && i < count; i++)
        d->clip[i].number = (int)((int64_t)i * all / count);
    tg_status s =
        d ? read_landmarks(ctx, corpus, d) : tg_fail(ctx, TG_ENOMEM, "%s: out of memory", corpus);
    if (s == TG_OK)
        s = to_motion_space(ctx, d, d->count);
    if (s == TG_OK)
        s = lay_out(ctx, d, takes);
    if (s == TG_OK && !(cache && load_cache(ctx, d, encoder_id, takes, cache))) {
        for (int i = 0; s == TG_OK && i < count; i++) {
            char path[1200];
            snprintf(path, sizeof path, "%s/%05d.flac", corpus, d->clip[i].number);
            tg_draws draws = tg_draws_make(seed, 0, (uint64_t)d->clip[i].number);
            uint16_t *take[TG_TAKES];
            for (int k = 0; k < TG_TAKES; k++)
                take[k] = d->block + (d->clip[i].take[k] - d->block);
            s = encode_clip(ctx, path, hubert, takes, &draws, d->clip[i].frames, d->feature_dim,
                            take);
            tg_progress(ctx, "features", i + 1, count, NULL);
            if (s == TG_OK)
                s = tg_cancelled(ctx);
        }
        if (s == TG_OK && cache)
            s = save_cache(ctx, d, encoder_id, takes, cache);
    }
    if (s != TG_OK)
        tg_motion_data_close(&d);
    *out = d;
    return s;
}

tg_status tg_motion_data_takes(tg_context *ctx, const tg_train_take *takes, int count,
                               tg_hubert *hubert, bool clean, uint64_t seed, uint64_t block,
                               tg_motion_data **out) {
    *out = NULL;
    tg_motion_data *d = new_data(count, hubert);
    int64_t longest = 0, at = 0;
    for (int i = 0; d && i < count; i++) {
        d->clip[i] = (tg_motion_clip){.frames = takes[i].frames, .speaker = i, .number = i};
        d->frames += takes[i].frames;
        longest = takes[i].count > longest ? takes[i].count : longest;
    }
    float *sound = tg_alloc((size_t)(2 * longest) * sizeof *sound);
    if (d)
        d->motion = tg_alloc((size_t)(d->frames * TG_MOTION_DIM) * sizeof *d->motion);
    tg_status s =
        d && d->motion && sound ? TG_OK : tg_fail(ctx, TG_ENOMEM, "out of memory for takes");
    for (int i = 0; s == TG_OK && i < count; at += takes[i].frames, i++)
        if (takes[i].landmarks)
            memcpy(d->motion + at * TG_MOTION_DIM, takes[i].landmarks,
                   (size_t)(takes[i].frames * TG_MOTION_DIM) * sizeof *d->motion);
        else
            memset(d->motion + at * TG_MOTION_DIM, 0,
                   (size_t)(takes[i].frames * TG_MOTION_DIM) * sizeof *d->motion);
    if (s == TG_OK)
        s = to_motion_space(ctx, d, count);
    if (s == TG_OK)
        s = lay_out(ctx, d, 1);
    for (int i = 0; s == TG_OK && i < count; i++) {
        tg_draws draws = tg_draws_make(seed, block, (uint64_t)i);
        memcpy(sound, takes[i].samples, (size_t)takes[i].count * sizeof *sound);
        if (!clean && tg_draw_chance(&draws, 0.5))
            disturb(&draws, sound, sound + longest, takes[i].count);
        s = encode(ctx, hubert, sound, takes[i].count, d->clip[i].frames, d->feature_dim,
                   d->block + (d->clip[i].take[0] - d->block));
        if (s == TG_OK)
            s = tg_cancelled(ctx);
    }
    tg_free(sound);
    if (s != TG_OK)
        tg_motion_data_close(&d);
    *out = d;
    return s;
}

tg_status tg_motion_data_person(tg_context *ctx, const char *dataset, tg_hubert *hubert,
                                tg_motion_data **out) {
    *out = NULL;
    char path[1200];
    dataset_motion lm = {0};
    tg_motion_data *d = new_data(2, hubert);
    tg_status s = d ? tg_dataset_motion(ctx, dataset, &lm)
                    : tg_fail(ctx, TG_ENOMEM, "%s: out of memory", dataset);
    if (s == TG_OK && lm.rows < 50)
        s = tg_fail(ctx, TG_EINPUT,
                    "%s/%s: %lld frames are no recording\n"
                    "  expected: at least 50\n  try: talkgen studio film",
                    dataset, tg_motion_origin_name(lm.origin), (long long)lm.rows);
    if (s == TG_OK) {
        int64_t n = lm.rows, train = n - n / HELD_OUT_SHARE;
        d->frames = n;
        d->clip[0].frames = train;
        d->clip[1].frames = n - train;
        d->motion = lm.landmarks; /* both blocks are freed by tg_free */
        lm.landmarks = NULL;
        s = to_motion_space(ctx, d, 1);
    }
    if (s == TG_OK)
        s = lay_out(ctx, d, 1);
    if (s == TG_OK) {
        /* The recording is heard as one, then cut. */
        uint16_t *take[TG_TAKES] = {d->block, d->block};
        snprintf(path, sizeof path, "%s/aud.wav", dataset);
        s = encode_clip(ctx, path, hubert, 1, NULL, d->frames, d->feature_dim, take);
    }
    tg_free(lm.landmarks);
    if (s != TG_OK)
        tg_motion_data_close(&d);
    *out = d;
    return s;
}

/* ---- batches -----------------------------------------------------------------------------------
 */

void tg_motion_rows(const tg_motion_data *data, int clip, int take, int64_t begin, int64_t n,
                    float *out) {
    const uint16_t *rows = data->clip[clip].take[take] + begin * data->feature_dim;
    for (int64_t i = 0; i < n * data->feature_dim; i++)
        out[i] = tg_f16_to_f32(rows[i]);
}

void tg_motion_cut(const tg_motion_data *data, int clip, int take, int64_t begin, int64_t frames,
                   float *features, float *motion, float *closure) {
    const tg_motion_clip *c = &data->clip[clip];
    tg_motion_rows(data, clip, take, 2 * begin, 2 * frames, features);
    memcpy(motion, c->motion + begin * TG_MOTION_DIM,
           (size_t)(frames * TG_MOTION_DIM) * sizeof *motion);
    if (closure)
        memcpy(closure, c->closure + begin, (size_t)frames * sizeof *closure);
}

void tg_motion_batch(const tg_motion_data *data, tg_draws *draws, int64_t batch, int64_t frames,
                     float *features, float *motion, float *closure) {
    for (int64_t b = 0; b < batch; b++) {
        int clip = -1;
        while (clip < 0) {
            int64_t at = (int64_t)(tg_draw(draws) * (double)data->frames);
            int i = 0;
            while (i + 1 < data->count && at >= data->clip[i].frames)
                at -= data->clip[i++].frames;
            clip = data->clip[i].frames >= frames ? i : -1;
        }
        int64_t slack = data->clip[clip].frames - frames;
        int64_t begin = (int64_t)(tg_draw(draws) * (double)(slack + 1));
        int take = tg_draw_chance(draws, 0.5);
        tg_motion_cut(data, clip, take, begin, frames,
                      features + b * 2 * frames * data->feature_dim,
                      motion + b * frames * TG_MOTION_DIM, closure ? closure + b * frames : NULL);
    }
}
