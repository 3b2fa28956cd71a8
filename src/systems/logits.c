/* Logits of a speech recogniser as a condition: AD-NeRF's and RAD-NeRF's windows of 16 rows (0.32
 * s) around each frame, eight rows of zeros at both ends. */
#include "systems/condition.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { ROWS_PER_FRAME = 2, FPS = 25 };

typedef struct {
    tg_npy npy;
    int64_t row, rows;
} stored;

static tg_status read_stored(tg_context *ctx, void *user, float *row, bool *done) {
    (void)ctx;
    stored *s = user;
    int64_t width = 1;
    for (int d = 1; d < s->npy.ndim; d++)
        width *= s->npy.dim[d];
    *done = s->row >= s->rows;
    if (!*done)
        memcpy(row, s->npy.data + s->row++ * width, (size_t)width * sizeof *row);
    return TG_OK;
}

static void close_stored(void *user) {
    stored *s = user;
    tg_npy_free(&s->npy);
    free(s);
}

static tg_status check(tg_context *ctx, const char *path, const tg_npy *npy, const int dim[3]) {
    char expected[128], shape[160] = "";
    snprintf(expected, sizeof expected, "windows [frames,%d,%d] or rows at 50 Hz [rows,%d]", dim[1],
             dim[2], dim[2]);
    bool fits = (npy->ndim == 3 && npy->dim[1] == dim[1] && npy->dim[2] == dim[2]) ||
                (npy->ndim == 2 && npy->dim[1] == dim[2]);
    if (!fits || npy->dim[0] < 1) {
        for (int i = 0; i < npy->ndim; i++)
            snprintf(shape + strlen(shape), sizeof shape - strlen(shape), "%s%lld", i ? "," : "",
                     (long long)npy->dim[i]);
        return tg_fail(ctx, TG_EINPUT,
                       "%s: its shape is [%s]\n  expected: %s, which this identity takes\n"
                       "  try: the features that its renderer was trained with "
                       "(29 = DeepSpeech, 44 = wav2vec2 esperanto)",
                       path, shape, expected);
    }
    int64_t n = npy->dim[0] * npy->dim[1] * (npy->ndim == 3 ? npy->dim[2] : 1);
    for (int64_t i = 0; i < n; i++)
        if (!isfinite(npy->data[i]))
            return tg_fail(ctx, TG_EINPUT,
                           "%s: number %lld is not finite\n  expected: %s\n"
                           "  try: to make the features again",
                           path, (long long)i, expected);
    return TG_OK;
}

tg_status tg_condition_of_features(tg_context *ctx, const char *path, const int dim[3],
                                   int64_t first, int64_t frames, tg_condition **out) {
    *out = NULL;
    stored *s = calloc(1, sizeof *s);
    if (!s)
        return tg_fail(ctx, TG_ENOMEM, "%s: out of memory", path);
    tg_status status = tg_npy_read(ctx, path, &s->npy);
    if (status == TG_OK)
        status = check(ctx, path, &s->npy, dim);
    s->rows = status == TG_OK ? s->npy.dim[0] : 0;
    const bool windows = s->npy.ndim == 3;
    const int64_t all = windows ? s->rows : (s->rows + 1) / ROWS_PER_FRAME;
    if (status == TG_OK && first >= all)
        status = tg_fail(ctx, TG_EINPUT,
                         "%s: it ends after %lld frames, before --start\n"
                         "  expected: features that go on after %.2f s\n  try: a smaller --start",
                         path, (long long)all, (double)first / FPS);
    if (status != TG_OK) {
        close_stored(s);
        return status;
    }
    /* a stored window is one row as wide as the window */
    tg_condition_rows rows = {.windows = dim[0],
                              .size = windows ? 1 : dim[1],
                              .width = windows ? dim[1] * dim[2] : dim[2],
                              .rows_per_frame = windows ? 1 : ROWS_PER_FRAME,
                              .first = first,
                              .frames = frames > 0 ? frames : all - first,
                              .read = read_stored,
                              .close = close_stored,
                              .user = s};
    return tg_condition_open(ctx, &rows, out);
}

/* Frames of the range that the options ask for. */
static void range_of(const tg_motion_options *o, int64_t *first, int64_t *frames) {
    *first = (int64_t)llround(o->start_s * FPS);
    *frames = (int64_t)llround(o->duration_s * FPS);
    if (o->duration_s > 0 && *frames < 1)
        *frames = 1;
}

/* ---- heard ---- */

typedef struct {
    tg_wave16k *wave;
    tg_features *features;
    const float *rows; /* of the current window, not yet given */
    int64_t left;
} heard;

static tg_status read_heard(tg_context *ctx, void *user, float *row, bool *done) {
    heard *h = user;
    if (h->left == 0) {
        tg_status s = tg_features_next(ctx, h->features, &h->rows, &h->left);
        if (s != TG_OK)
            return s;
    }
    *done = h->left == 0;
    if (*done)
        return TG_OK;
    const int width = tg_features_dim(h->features);
    memcpy(row, h->rows, (size_t)width * sizeof *row);
    h->rows += width;
    h->left--;
    return TG_OK;
}

static void close_heard(void *user) {
    heard *h = user;
    tg_features_close(&h->features);
    tg_wave16k_close(&h->wave);
    free(h);
}

static tg_status hear(tg_context *ctx, const tg_identity *id, const tg_motion_options *o,
                      const int dim[3], tg_condition **out) {
    heard *h = calloc(1, sizeof *h);
    if (!h)
        return tg_fail(ctx, TG_ENOMEM, "%s: out of memory", o->audio);
    tg_wave_range range = {o->start_s, o->duration_s};
    tg_wave_stats stats = {0};
    tg_status s = tg_wave16k_open(ctx, o->audio, &range, &h->wave);
    if (s == TG_OK)
        s = tg_wave16k_stats(ctx, h->wave, &stats);
    if (s == TG_OK)
        s = tg_features_open_logits(ctx, id->hubert, h->wave, &h->features);
    if (s == TG_OK && tg_features_dim(h->features) != dim[2])
        s = tg_fail(
            ctx, TG_EMODEL,
            "%s: this encoder gives %d logits\n  expected: %d, which '%s' was trained with\n"
            "  try: another --encoder, or --features aud.npy",
            *id->voice_path ? id->voice_path : id->name, tg_features_dim(h->features), dim[2],
            id->name);
    if (s != TG_OK) {
        close_heard(h);
        return s;
    }
    tg_condition_rows rows = {.windows = dim[0],
                              .size = dim[1],
                              .width = dim[2],
                              .rows_per_frame = ROWS_PER_FRAME,
                              .frames = tg_wave_video_frames(stats.samples),
                              .read = read_heard,
                              .close = close_heard,
                              .user = h};
    return tg_condition_open(ctx, &rows, out);
}

tg_status tg_condition_of_speech(tg_context *ctx, const tg_identity *id, const tg_motion_options *o,
                                 tg_condition **out) {
    *out = NULL;
    int dim[3];
    tg_condition_shape(id, dim);
    if (o->features) {
        int64_t first, most;
        range_of(o, &first, &most);
        tg_status s = tg_condition_of_features(ctx, o->features, dim, first, 0, out);
        if (s == TG_OK && most > 0)
            tg_condition_limit(*out, most);
        return s;
    }
    if (id->hubert)
        return hear(ctx, id, o, dim, out);
    const bool adnerf = id->system == TG_SYSTEM_ADNERF;
    return tg_fail(
        ctx, TG_EUSAGE,
        "'%s' is driven by %s, and nothing makes them of the audio\n"
        "  expected: --features aud.npy, windows [frames,%d,%d] or rows at 50 Hz [rows,%d]\n"
        "  try: %s",
        id->name, dim[2] == 29 ? "DeepSpeech logits" : "a recogniser's logits", dim[1], dim[2],
        dim[2],
        adnerf || dim[2] == 29
            ? "the features script of AD-NeRF or RAD-NeRF (DeepSpeech is not part of "
              "talkgen); --audio then adds the sound"
            : "talkgen convert radnerf --hubert ENCODER, with the encoder it was trained "
              "with");
}
