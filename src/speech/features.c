/* Encoder features of a whole recording, window by window, as GeneFace cuts it. */
#include "talkgen/speech.h"

#include "speech/hubert.h"

#include <math.h>
#include <string.h>

enum { EXTRACT_ROWS = 100 }; /* rows of conv features computed at once */

struct tg_features {
    tg_hubert *model;
    tg_wave16k *wave;
    tg_tape *tape;
    float mean, scale;
    int64_t total, given;   /* rows */
    int64_t left;           /* samples not read yet */
    int64_t stride, window; /* samples from window to window, samples of a full window */
    float *samples;         /* [window], the first `kept` carried over from the last window */
    int64_t kept;
    float *conv; /* [frames_per_clip, C] */
    float *rows; /* [frames_per_clip, D] */
    bool logits; /* rows are those of the CTC head */
};

int64_t tg_features_rows(const tg_hubert_config *config, int64_t samples) {
    int overlap = tg_hubert_field(config) - tg_hubert_stride(config);
    int64_t rows = samples > overlap ? (samples - overlap) / tg_hubert_stride(config) : 0;
    return rows > 2 ? rows : 2;
}

static tg_status open_stream(tg_context *ctx, tg_hubert *model, tg_wave16k *wave, bool logits,
                             tg_features **out) {
    *out = NULL;
    const tg_hubert_config *c = tg_hubert_config_of(model);
    tg_wave_stats stats;
    tg_status status = tg_wave16k_stats(ctx, wave, &stats);
    if (status != TG_OK)
        return status;
    tg_features *f = tg_calloc(sizeof *f);
    if (f == NULL)
        return tg_fail(ctx, TG_ENOMEM, "out of memory for speech features");
    f->model = model;
    f->wave = wave;
    f->mean = (float)stats.mean;
    f->scale = (float)(1 / sqrt(stats.variance + 1e-7));
    f->total = tg_features_rows(c, stats.samples);
    f->left = stats.samples;
    f->stride = (int64_t)c->frames_per_clip * tg_hubert_stride(c);
    f->window = f->stride + tg_hubert_field(c) - tg_hubert_stride(c);
    size_t rows = (size_t)c->frames_per_clip + 2;
    f->logits = logits;
    f->tape = tg_tape_create(ctx, false);
    f->samples = tg_alloc(sizeof(float) * (size_t)f->window);
    f->conv = tg_alloc(sizeof(float) * rows * (size_t)c->conv_dim[c->convs - 1]);
    f->rows = tg_alloc(sizeof(float) * rows * (size_t)tg_features_dim(f));
    if (f->tape == NULL || f->samples == NULL || f->conv == NULL || f->rows == NULL) {
        tg_features_close(&f);
        return tg_fail(ctx, TG_ENOMEM, "out of memory for speech features");
    }
    *out = f;
    return TG_OK;
}

tg_status tg_features_open(tg_context *ctx, tg_hubert *model, tg_wave16k *wave, tg_features **out) {
    return open_stream(ctx, model, wave, false, out);
}

tg_status tg_features_open_logits(tg_context *ctx, tg_hubert *model, tg_wave16k *wave,
                                  tg_features **out) {
    *out = NULL;
    if (!tg_hubert_has_logits(model))
        return tg_fail(ctx, TG_EMODEL,
                       "the speech encoder has no CTC head, so it gives no logits\n"
                       "  expected: an encoder with tensors lm_head.weight and lm_head.bias\n"
                       "  try: talkgen convert hubert on a fine-tuned model, such as "
                       "wav2vec2-large-xlsr-53-esperanto");
    return open_stream(ctx, model, wave, true, out);
}

void tg_features_close(tg_features **features) {
    tg_features *f = *features;
    if (f != NULL) {
        tg_tape_destroy(&f->tape);
        tg_free(f->samples);
        tg_free(f->conv);
        tg_free(f->rows);
        tg_free(f);
    }
    *features = NULL;
}

int64_t tg_features_total(const tg_features *features) {
    return features->total;
}

int tg_features_dim(const tg_features *features) {
    const tg_hubert_config *c = tg_hubert_config_of(features->model);
    return features->logits ? c->logits : c->hidden_size;
}

/* Fills the window behind what the last one left over; *n = samples in it. */
static tg_status read_window(tg_context *ctx, tg_features *f, int64_t *n) {
    *n = f->kept;
    while (*n < f->window && f->left > 0) {
        int64_t want = f->window - *n < f->left ? f->window - *n : f->left, got;
        tg_status status = tg_wave16k_read(ctx, f->wave, f->samples + *n, want, &got);
        if (status != TG_OK)
            return status;
        if (got == 0)
            return tg_fail(ctx, TG_EINPUT,
                           "%s: ends %lld samples early on the second reading\n"
                           "  expected: a file that does not change while it is read\n"
                           "  try: again when it is complete",
                           tg_wave16k_path(f->wave), (long long)f->left);
        for (int64_t i = *n; i < *n + got; i++)
            f->samples[i] = (f->samples[i] - f->mean) * f->scale;
        *n += got;
        f->left -= got;
    }
    return TG_OK;
}

/* Conv features of n samples in pieces: the first layers are 300 times longer than the result.
 * Group norm looks at the whole window, so there it is done in one piece. */
static tg_status extract(tg_features *f, int64_t n, int64_t rows) {
    const tg_hubert_config *c = tg_hubert_config_of(f->model);
    int64_t channels = c->conv_dim[c->convs - 1], hop = tg_hubert_stride(c);
    int64_t piece = c->conv_layer_norm ? EXTRACT_ROWS : rows;
    for (int64_t row = 0; row < rows; row += piece) {
        int64_t count = rows - row < piece ? rows - row : piece;
        int64_t length = piece == rows ? n : (count - 1) * hop + tg_hubert_field(c);
        tg_tape_reset(f->tape);
        tg_tensor *x = tg_borrow(f->tape, 2, (int64_t[]){1, length}, f->samples + row * hop);
        tg_tensor *y = tg_hubert_extract(f->tape, f->model, x);
        if (tg_tape_status(f->tape) != TG_OK)
            return tg_tape_status(f->tape);
        memcpy(f->conv + row * channels, y->data, sizeof(float) * (size_t)(count * channels));
    }
    return TG_OK;
}

tg_status tg_features_next(tg_context *ctx, tg_features *f, const float **rows, int64_t *n) {
    const tg_hubert_config *c = tg_hubert_config_of(f->model);
    int64_t dim = tg_features_dim(f);
    *rows = f->rows;
    *n = 0;
    if (f->given == f->total)
        return TG_OK;
    tg_status status = tg_cancelled(ctx);
    int64_t length = 0;
    if (status == TG_OK)
        status = read_window(ctx, f, &length);
    if (status != TG_OK)
        return status;
    int64_t least = (f->total - f->given - 1) * tg_hubert_stride(c) + tg_hubert_field(c);
    if (f->given == 0 && f->total == 2 && length < least) {
        memset(f->samples + length, 0, sizeof(float) * (size_t)(least - length));
        length = least;
    }
    int64_t found = tg_hubert_conv_rows(c, length);
    status = extract(f, length, found);
    if (status != TG_OK)
        return status;
    tg_tape_reset(f->tape);
    tg_tensor *x = tg_borrow(f->tape, 3, (int64_t[]){1, found, c->conv_dim[c->convs - 1]}, f->conv);
    tg_tensor *y = tg_hubert_infer(f->tape, f->model, x);
    if (f->logits)
        y = tg_hubert_head(f->tape, f->model, y);
    status = tg_tape_status(f->tape);
    if (status != TG_OK)
        return status;
    memcpy(f->rows, y->data, sizeof(float) * (size_t)(found * dim));
    /* The next window begins one stride later. A tail without a row never comes here: all rows are
     * given by then. */
    f->kept = length > f->stride ? length - f->stride : 0;
    if (f->kept > 0)
        memmove(f->samples, f->samples + f->stride, sizeof(float) * (size_t)f->kept);
    *n = found < f->total - f->given ? found : f->total - f->given;
    f->given += *n;
    return TG_OK;
}

tg_status tg_features_collect(tg_context *ctx, tg_features *f, float **out, int64_t *n) {
    *out = NULL;
    *n = 0;
    size_t dim = (size_t)tg_features_dim(f);
    int64_t left = f->total - f->given;
    float *all = tg_alloc(sizeof(float) * dim * (size_t)left);
    tg_status status = TG_OK;
    if (all == NULL)
        status = tg_fail(ctx, TG_ENOMEM, "out of memory for %lld rows of speech features",
                         (long long)left);
    while (status == TG_OK && *n < left) {
        const float *rows;
        int64_t count;
        status = tg_features_next(ctx, f, &rows, &count);
        if (status == TG_OK)
            memcpy(all + (size_t)*n * dim, rows, sizeof(float) * dim * (size_t)count);
        *n += count;
    }
    if (status != TG_OK)
        tg_free(all);
    else
        *out = all;
    return status;
}

tg_status tg_features_read_all(tg_context *ctx, tg_hubert *model, tg_wave16k *wave, float **out,
                               int64_t *n) {
    *out = NULL;
    *n = 0;
    tg_features *f = NULL;
    tg_status status = tg_features_open(ctx, model, wave, &f);
    if (status == TG_OK)
        status = tg_features_collect(ctx, f, out, n);
    tg_features_close(&f);
    return status;
}
