#include "eval/portrait_frames.h"

#include <math.h>
#include <string.h>

tg_status tg_portrait_frames_open(tg_context *ctx, const tg_identity *identity, const char *dataset,
                                  tg_march_rule march, portrait_frames *out) {
    *out = (portrait_frames){.identity = identity};
    if (!identity->nerf || tg_identity_hears(identity))
        return tg_fail(ctx, TG_EUSAGE,
                       "'%s' is not measured by its landmarks\n"
                       "  expected: a person of system geneface with the grid renderer\n"
                       "  try: a person made by talkgen train",
                       identity->name);
    if (identity->nerf->config.smo_win_size != TG_COND_WINDOW ||
        identity->nerf->config.cond_win_size != 1)
        return tg_fail(ctx, TG_EUSAGE,
                       "'%s' sees other windows of landmarks\n  expected: 5 windows of 1\n"
                       "  try: a person made by talkgen train",
                       identity->name);
    tg_status s = tg_dataset_open(ctx, dataset, TG_LOAD_FRAMES | TG_LOAD_PARSING, 0, &out->data);
    if (s != TG_OK)
        return s;
    const tg_dataset *data = out->data;
    out->pixels = (size_t)data->width * (size_t)data->height;
    if (data->train_frames >= data->frames)
        return tg_fail(ctx, TG_EINPUT,
                       "%s: no held-out frames\n  expected: frames in transforms_val.json\n"
                       "  try: another recording",
                       dataset);
    tg_renderer_options o = tg_renderer_defaults(data->width, data->height, data->focal);
    o.cx = data->cx;
    o.cy = data->cy;
    o.background = data->background;
    tg_renderer_options_march(&o, march);
    return tg_renderer_create(ctx, identity->nerf, &o, &out->renderer);
}

void tg_portrait_frames_close(portrait_frames *frames) {
    tg_renderer_destroy(&frames->renderer);
    tg_dataset_close(&frames->data);
}

tg_status tg_portrait_frame(tg_context *ctx, const portrait_frames *f, int64_t frame,
                            const float *landmarks, int64_t rows, int64_t row, uint8_t *rgb) {
    const tg_identity *id = f->identity;
    const tg_dataset *data = f->data;
    const int width = id->nerf->config.cond_dim;
    float window[TG_COND_WINDOW * TG_MAX_COND_DIM];
    for (int i = 0; i < TG_COND_WINDOW; i++) {
        int64_t r = row + i - TG_COND_WINDOW / 2;
        float *x = window + i * width;
        r = r < 0 ? 0 : r >= rows ? rows - 1 : r;
        for (int k = 0; k < TG_COND_DIM; k++)
            x[k] = 10 * (landmarks[r * TG_COND_DIM + k] - id->lm_mean[k]);
        tg_motion_normalize(&id->stats, INFINITY, x);
        const bool seen = data->gaze && r < data->landmark_rows;
        for (int k = 0; id->gaze && k < TG_GAZE_DIM; k++)
            x[TG_COND_DIM + k] = seen ? data->gaze[r * TG_GAZE_DIM + k] / TG_GAZE_DEGREES : 0;
    }
    tg_picture picture = {.rgb8 = rgb};
    return tg_renderer_frame(ctx, f->renderer, window, f->data->c2w + 16 * frame, &picture);
}
