/* How well predicted motion fits the truth. */
#include "train/motion_check.h"
#include "eval/correlation.h"

#include <math.h>
#include <string.h>

enum { MOUTH_FIRST = 48 * 3, UPPER = 62 * 3, LOWER = 66 * 3 };

/* Vertical opening of the inner lips in motion space; its offset does not matter. */
static double gap_of(const float *frame) {
    return frame[UPPER + 1] - frame[LOWER + 1];
}

/* Motion of one clip: out [frames,204]. */
static tg_status predict(tg_context *ctx, tg_vae *vae, tg_postnet *postnet,
                         const tg_motion_sampling *sampling, const tg_motion_data *data, int clip,
                         float *out) {
    int64_t frames = data->clip[clip].frames, pushed = 0, have = 0, dim = data->feature_dim;
    float *rows = tg_alloc((size_t)(2 * frames * dim) * sizeof *rows);
    if (!rows)
        return tg_fail(ctx, TG_ENOMEM, "out of memory for a check of the motion");
    tg_motion_rows(data, clip, 0, 0, 2 * frames, rows);
    tg_motion_stream *stream = NULL;
    tg_status s = tg_motion_stream_open(ctx, vae, postnet, sampling, frames, &stream);
    while (s == TG_OK && have < frames) {
        int64_t n = 0;
        pushed += tg_motion_stream_push(stream, rows + pushed * dim, NULL, 2 * frames - pushed);
        if (pushed == 2 * frames)
            tg_motion_stream_finish(stream);
        s = tg_motion_stream_pull(ctx, stream, out + have * TG_MOTION_DIM, frames - have, &n);
        have += n;
    }
    tg_motion_stream_close(&stream);
    tg_free(rows);
    return s;
}

tg_status tg_motion_check(tg_context *ctx, tg_vae *vae, tg_postnet *postnet,
                          const tg_motion_data *data, int first, int clips,
                          tg_motion_figures *out) {
    double error = 0, power = 0, scatter = 0, count = 0;
    tg_pairs gaps = {0};
    tg_motion_sampling mean = {.clip_id = "", .temperature = 0},
                       wide = {.seed = 1, .clip_id = "", .temperature = 1};
    tg_status s = TG_OK;
    for (int c = first; s == TG_OK && c < first + clips && c < data->count; c++) {
        int64_t frames = data->clip[c].frames;
        float *pred = tg_alloc((size_t)(frames * TG_MOTION_DIM) * sizeof *pred);
        float *other = tg_alloc((size_t)(frames * TG_MOTION_DIM) * sizeof *other);
        if (!pred || !other)
            s = tg_fail(ctx, TG_ENOMEM, "out of memory for a check of the motion");
        if (s == TG_OK)
            s = predict(ctx, vae, postnet, &mean, data, c, pred);
        if (s == TG_OK)
            s = predict(ctx, vae, postnet, &wide, data, c, other);
        for (int64_t i = 0; s == TG_OK && i < frames; i++) {
            const float *p = pred + i * TG_MOTION_DIM, *z = other + i * TG_MOTION_DIM,
                        *y = data->clip[c].motion + i * TG_MOTION_DIM;
            for (int k = MOUTH_FIRST; k < TG_MOTION_DIM; k++) {
                error += ((double)p[k] - y[k]) * ((double)p[k] - y[k]);
                scatter += ((double)p[k] - z[k]) * ((double)p[k] - z[k]);
                power += (double)y[k] * y[k];
                count++;
            }
            tg_pairs_add(&gaps, gap_of(p), gap_of(y));
        }
        tg_free(pred);
        tg_free(other);
    }
    if (s != TG_OK)
        return s;
    out->mouth_error = sqrt(error / count);
    out->mouth_deviation = sqrt(power / count);
    out->scatter = sqrt(scatter / count);
    out->gap_corr = tg_pairs_correlation(&gaps);
    return TG_OK;
}

tg_status tg_motion_bias(tg_context *ctx, tg_vae *vae, tg_postnet *postnet,
                         const tg_motion_data *data, int clip, float temperature,
                         float bias[TG_MOTION_DIM]) {
    const tg_motion_clip *c = &data->clip[clip];
    tg_motion_sampling sampling = {.seed = 1, .clip_id = "", .temperature = temperature};
    float *pred = tg_alloc((size_t)(c->frames * TG_MOTION_DIM) * sizeof *pred);
    tg_status s = pred ? predict(ctx, vae, postnet, &sampling, data, clip, pred)
                       : tg_fail(ctx, TG_ENOMEM, "out of memory for a check of the motion");
    for (int k = 0; s == TG_OK && k < TG_MOTION_DIM; k++) {
        double sum = 0;
        for (int64_t f = 0; f < c->frames; f++)
            sum += (double)pred[f * TG_MOTION_DIM + k] - c->motion[f * TG_MOTION_DIM + k];
        bias[k] = (float)(sum / (double)c->frames);
    }
    tg_free(pred);
    return s;
}
