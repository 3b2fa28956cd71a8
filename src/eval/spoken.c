/* What a person's motion is worth: landmarks made from the recording's own sound against its true
 * ones, and judges that know no truth. */
#include "talkgen/eval.h"
#include "talkgen/systems.h"

#include "eval/correlation.h"
#include "eval/domain.h"
#include "eval/made_motion.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
    MOUTH_FIRST = 48,
    MOUTH_END = 68,
    TAKES = 4,      /* seeds at temperature 1 */
    MAX_OFFSET = 15 /* frames that sound and lips are shifted against each other */
};

static const float usual_temperature = 0.3f;

typedef struct {
    int64_t rows;
    float *landmarks; /* [rows,204] */
} take;

static tg_status make_take(tg_context *ctx, const tg_identity *identity, const char *audio,
                           float temperature, uint64_t seed, bool raw, take *out) {
    tg_motion_options o = tg_synth_defaults().motion;
    o.seed = seed;
    o.temperature = temperature;
    o.raw = raw;
    return tg_made_motion(ctx, identity, audio, &o, &out->landmarks, &out->rows);
}

/* Mean squared distance of the mouth's points, dm^2. */
static double mouth_distance(const float *a, const float *b) {
    double sum = 0;
    for (int k = 3 * MOUTH_FIRST; k < 3 * MOUTH_END; k++)
        sum += (double)(a[k] - b[k]) * (double)(a[k] - b[k]);
    return sum / (MOUTH_END - MOUTH_FIRST);
}

/* Against the truth of the held-out frames. */
static void compare_truth(const tg_dataset *data, const take *flat, tg_spoken_score *out) {
    double error = 0, spread = 0, n = 0;
    tg_pairs gaps = {0};
    for (int64_t f = data->train_frames; f < data->frames; f++) {
        int64_t row = data->image_id[f];
        if (row >= flat->rows)
            continue;
        const float *made = flat->landmarks + row * TG_COND_DIM;
        const float *truth = data->landmarks + row * TG_COND_DIM;
        error += mouth_distance(made, truth);
        spread += mouth_distance(data->mean, truth);
        tg_pairs_add(&gaps, tg_lip_gap(made), tg_lip_gap(truth));
        n++;
    }
    out->frames = (int64_t)n;
    out->mouth_mm = 100 * sqrt(error / n);
    out->mean_face_mm = 100 * sqrt(spread / n);
    out->gap_corr = tg_pairs_correlation(&gaps);
}

/* Made and true landmarks of the held-out frames, packed: [n,204] each; n <= frames held out. */
static int64_t pack_held_out(const tg_dataset *data, const take *made, float *cloud, float *truth) {
    int64_t n = 0;
    for (int64_t f = data->train_frames; f < data->frames; f++) {
        int64_t row = data->image_id[f];
        if (row >= made->rows)
            continue;
        memcpy(cloud + n * TG_COND_DIM, made->landmarks + row * TG_COND_DIM,
               TG_COND_DIM * sizeof *cloud);
        memcpy(truth + n++ * TG_COND_DIM, data->landmarks + row * TG_COND_DIM,
               TG_COND_DIM * sizeof *truth);
    }
    return n;
}

/* As a cloud beside the person's, and what the postnet has to do with that. */
static tg_status compare_domain(tg_context *ctx, const tg_identity *identity,
                                const tg_dataset *data, const char *audio, const take *usual,
                                uint64_t seed, tg_spoken_score *out) {
    take raw = {0};
    tg_status s = TG_OK;
    out->has_postnet = identity->postnet != NULL;
    if (out->has_postnet)
        s = make_take(ctx, identity, audio, usual_temperature, seed, true, &raw);
    size_t held_out = (size_t)(data->frames - data->train_frames);
    float *block = tg_alloc(2 * held_out * TG_COND_DIM * sizeof *block);
    bool ok = block != NULL;
    if (ok && s == TG_OK) {
        float *truth = block + held_out * TG_COND_DIM;
        int64_t half = data->landmark_rows / 2, n = pack_held_out(data, usual, block, truth);
        const float *second_half = data->landmarks + half * TG_COND_DIM;
        ok = tg_domain_distance(block, n, truth, n, &out->domain) &&
             tg_domain_distance(second_half, data->landmark_rows - half, data->landmarks, half,
                                &out->own_domain);
        if (ok && out->has_postnet) {
            n = pack_held_out(data, &raw, block, truth);
            ok = tg_domain_distance(block, n, truth, n, &out->raw_domain);
        }
    }
    tg_free(block);
    tg_free(raw.landmarks);
    return ok ? s : tg_fail(ctx, TG_ENOMEM, "out of memory for two covariances");
}

/* Root mean square over frames and points of the standard deviation between takes. */
static double spread_of(const take t[TAKES]) {
    double sum = 0;
    int64_t rows = t[0].rows;
    for (int k = 1; k < TAKES; k++)
        rows = t[k].rows < rows ? t[k].rows : rows;
    for (int64_t r = 0; r < rows; r++) {
        float mean[TG_COND_DIM] = {0};
        for (int k = 0; k < TAKES; k++)
            for (int i = 0; i < TG_COND_DIM; i++)
                mean[i] += t[k].landmarks[r * TG_COND_DIM + i] / TAKES;
        for (int k = 0; k < TAKES; k++)
            sum += mouth_distance(t[k].landmarks + r * TG_COND_DIM, mean) / (TAKES - 1);
    }
    return 100 * sqrt(sum / (double)rows);
}

/* Mean length of the second difference of the mouth's points, mm per frame^2. */
static double jitter_of(const float *landmarks, int64_t rows) {
    double sum = 0;
    for (int64_t r = 2; r < rows; r++)
        for (int p = MOUTH_FIRST; p < MOUTH_END; p++) {
            double square = 0;
            for (int k = 3 * p; k < 3 * p + 3; k++) {
                const float *x = landmarks + r * TG_COND_DIM + k;
                double d = (double)(x[0] - 2 * x[-TG_COND_DIM] + x[-2 * TG_COND_DIM]);
                square += d * d;
            }
            sum += 100 * sqrt(square) / (MOUTH_END - MOUTH_FIRST);
        }
    return sum / (double)(rows - 2);
}

static double gap_deviation(const float *landmarks, int64_t rows) {
    double sum = 0, square = 0;
    for (int64_t r = 0; r < rows; r++) {
        double g = tg_lip_gap(landmarks + r * TG_COND_DIM);
        sum += g;
        square += g * g;
    }
    return sqrt(fmax(0, square / (double)rows - sum * sum / ((double)rows * (double)rows)));
}

/* ---- the sync expert ----------------------------------------------------------------------- */

/* Unit vectors of windows that start at every frame: [windows,E]. */
static tg_status embed(tg_context *ctx, tg_syncnet *net, bool mouth, const float *rows,
                       int64_t width, int64_t step, int64_t length, int64_t windows, float **out,
                       int64_t *size) {
    enum { BATCH = 64 };
    float *in = tg_alloc((size_t)(BATCH * length * width) * sizeof *in);
    tg_tape *tape = tg_tape_create(ctx, false);
    tg_status s = in && tape ? TG_OK : tg_fail(ctx, TG_ENOMEM, "out of memory for the sync expert");
    *out = NULL;
    for (int64_t w = 0; s == TG_OK && w < windows; w += BATCH) {
        int64_t n = windows - w < BATCH ? windows - w : BATCH;
        for (int64_t i = 0; i < n; i++)
            memcpy(in + i * length * width, rows + (w + i) * step * width,
                   (size_t)(length * width) * sizeof *in);
        tg_tape_reset(tape);
        tg_tensor *x = tg_borrow(tape, 3, (int64_t[]){n, length, width}, in);
        tg_tensor *e = mouth ? tg_syncnet_mouth(tape, net, x) : tg_syncnet_audio(tape, net, x);
        s = tg_tape_status(tape);
        if (s != TG_OK)
            break;
        int64_t dim = 1;
        for (int d = 1; d < e->ndim; d++)
            dim *= e->dim[d];
        if (!*out) {
            *size = dim;
            *out = tg_alloc((size_t)(windows * dim) * sizeof **out);
            if (!*out)
                s = tg_fail(ctx, TG_ENOMEM, "out of memory for the sync expert");
        }
        for (int64_t i = 0; s == TG_OK && i < n; i++) {
            double square = 0;
            for (int64_t k = 0; k < dim; k++)
                square += (double)e->data[i * dim + k] * (double)e->data[i * dim + k];
            for (int64_t k = 0; k < dim; k++)
                (*out)[(w + i) * dim + k] = e->data[i * dim + k] / (float)sqrt(square + 1e-12);
        }
    }
    tg_tape_destroy(&tape);
    tg_free(in);
    return s;
}

static int ascending(const void *a, const void *b) {
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

/* Mean cosine of sound and lips when the lips are read d frames later, d from -MAX_OFFSET on. */
static void judge_offsets(const float *audio, const float *mouth, int64_t windows, int64_t dim,
                          tg_sync_figures *out) {
    double mean[2 * MAX_OFFSET + 1], sorted[2 * MAX_OFFSET + 1];
    int best = 0;
    for (int d = -MAX_OFFSET; d <= MAX_OFFSET; d++) {
        double sum = 0;
        for (int64_t w = MAX_OFFSET; w < windows - MAX_OFFSET; w++)
            for (int64_t k = 0; k < dim; k++)
                sum += (double)audio[w * dim + k] * (double)mouth[(w + d) * dim + k];
        mean[d + MAX_OFFSET] = sum / (double)(windows - 2 * MAX_OFFSET);
        if (mean[d + MAX_OFFSET] > mean[best])
            best = d + MAX_OFFSET;
    }
    memcpy(sorted, mean, sizeof mean);
    qsort(sorted, 2 * MAX_OFFSET + 1, sizeof *sorted, ascending);
    out->cosine = mean[MAX_OFFSET];
    out->confidence = mean[best] - sorted[MAX_OFFSET];
    out->offset_ms = 40.0 * (best - MAX_OFFSET);
}

static tg_status judge(tg_context *ctx, tg_syncnet *net, const tg_identity *identity,
                       const float *landmarks, int64_t frames, const float *audio,
                       int64_t audio_dim, int64_t windows, tg_sync_figures *out) {
    float *mouth = tg_alloc((size_t)frames * TG_SYNC_MOUTH * sizeof *mouth), *embedded = NULL;
    int64_t dim = 0;
    tg_status s = mouth ? TG_OK : tg_fail(ctx, TG_ENOMEM, "out of memory for the sync expert");
    for (int64_t f = 0; s == TG_OK && f < frames; f++)
        for (int k = 0; k < TG_SYNC_MOUTH; k++)
            mouth[f * TG_SYNC_MOUTH + k] = 10 * (landmarks[f * TG_COND_DIM + TG_SYNC_FIRST + k] -
                                                 identity->lm_mean[TG_SYNC_FIRST + k]);
    if (s == TG_OK)
        s = embed(ctx, net, true, mouth, TG_SYNC_MOUTH, 1, TG_SYNC_FRAMES, windows, &embedded,
                  &dim);
    if (s == TG_OK && dim == audio_dim)
        judge_offsets(audio, embedded, windows, dim, out);
    tg_free(mouth);
    tg_free(embedded);
    return s;
}

/* Features of the whole recording as its encoder hears it. */
static tg_status hear(tg_context *ctx, const tg_identity *identity, const char *audio,
                      float **features, int64_t *rows) {
    tg_wave16k *wave = NULL;
    tg_features *f = NULL;
    tg_status s = tg_wave16k_open(ctx, audio, NULL, &wave);
    if (s == TG_OK)
        s = tg_features_open(ctx, identity->hubert, wave, &f);
    if (s == TG_OK)
        s = tg_features_collect(ctx, f, features, rows);
    tg_features_close(&f);
    tg_wave16k_close(&wave);
    return s;
}

static tg_status judge_sync(tg_context *ctx, const char *path, const tg_identity *identity,
                            const tg_dataset *data, const char *audio, const take *made,
                            tg_spoken_score *out) {
    tg_syncnet *net = NULL;
    float *features = NULL, *embedded = NULL;
    int64_t rows = 0, dim = 0;
    int width = identity->hubert ? tg_hubert_config_of(identity->hubert)->hidden_size : 0;
    tg_status s = tg_syncnet_open(ctx, path, width, &net);
    if (s == TG_OK)
        s = hear(ctx, identity, audio, &features, &rows);
    int64_t frames = rows / 2 < made->rows ? rows / 2 : made->rows;
    frames = frames < data->landmark_rows ? frames : data->landmark_rows;
    int64_t windows = frames - TG_SYNC_FRAMES + 1;
    if (s == TG_OK && windows > 4 * MAX_OFFSET) {
        s = embed(ctx, net, false, features, width, 2, TG_SYNC_ROWS, windows, &embedded, &dim);
        if (s == TG_OK)
            s = judge(ctx, net, identity, made->landmarks, frames, embedded, dim, windows,
                      &out->sync);
        if (s == TG_OK)
            s = judge(ctx, net, identity, data->landmarks, frames, embedded, dim, windows,
                      &out->true_sync);
        out->has_sync = s == TG_OK;
    }
    tg_syncnet_destroy(&net);
    tg_free(features);
    tg_free(embedded);
    return s;
}

/* ---- all ----------------------------------------------------------------------------------- */

tg_status tg_eval_spoken(tg_context *ctx, const tg_identity *identity, const char *dataset,
                         const tg_spoken_options *options, tg_spoken_score *out) {
    char audio[1200];
    tg_dataset *data = NULL;
    take flat = {0}, usual = {0}, wide[TAKES];
    memset(out, 0, sizeof *out);
    memset(wide, 0, sizeof wide);
    snprintf(audio, sizeof audio, "%s/aud.wav", dataset);
    if (!identity->vae || identity->idexp)
        return tg_fail(ctx, TG_EUSAGE,
                       "'%s' makes no landmarks that can be compared\n"
                       "  expected: a person of system geneface with its voice and its place in "
                       "space\n  try: a person made by talkgen train",
                       identity->name);
    tg_status s = tg_dataset_open(ctx, dataset, 0, 0, &data);
    if (s == TG_OK)
        s = make_take(ctx, identity, audio, 0, options->seed, false, &flat);
    if (s == TG_OK)
        s = make_take(ctx, identity, audio, usual_temperature, options->seed, false, &usual);
    for (int k = 0; s == TG_OK && k < TAKES; k++) {
        tg_progress(ctx, "eval motion", k, TAKES, "");
        s = make_take(ctx, identity, audio, 1, options->seed + 1 + (uint64_t)k, false, &wide[k]);
    }
    if (s == TG_OK && (usual.rows < 3 || data->landmark_rows < 3))
        s = tg_fail(ctx, TG_EINPUT,
                    "%s: too short to measure\n  expected: some seconds\n"
                    "  try: another recording",
                    audio);
    if (s == TG_OK) {
        compare_truth(data, &flat, out);
        out->diversity_mm = spread_of(wide);
        out->jitter = jitter_of(usual.landmarks, usual.rows);
        out->true_jitter = jitter_of(data->landmarks, data->landmark_rows);
        out->gap_ratio = gap_deviation(usual.landmarks, usual.rows) /
                         gap_deviation(data->landmarks, data->landmark_rows);
    }
    if (s == TG_OK)
        s = compare_domain(ctx, identity, data, audio, &usual, options->seed, out);
    if (s == TG_OK && options->phones) {
        tg_lipsync_clip clip = {.phones = options->phones,
                                .audio = audio,
                                .landmarks = usual.landmarks,
                                .rows = usual.rows};
        s = tg_lipsync(ctx, &clip, 1, 25, &out->lipsync);
        out->has_lipsync = s == TG_OK;
    }
    const char *sync = options->sync;
    bool within = false;
    if (s == TG_OK && !sync && identity->voice_path[0])
        s = tg_voice_has_sync(ctx, identity->voice_path, &within);
    if (within)
        sync = identity->voice_path;
    if (s == TG_OK && sync)
        s = judge_sync(ctx, sync, identity, data, audio, &usual, out);
    tg_dataset_close(&data);
    tg_free(flat.landmarks);
    tg_free(usual.landmarks);
    for (int k = 0; k < TAKES; k++)
        tg_free(wide[k].landmarks);
    return s;
}
