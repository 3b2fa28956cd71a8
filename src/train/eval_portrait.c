/* Held-out frames of a recording against what a finished identity makes of their true landmarks and
 * poses: head over torso over background, by region. */
#include "talkgen/systems.h"
#include "talkgen/train.h"

#include <math.h>
#include <string.h>

enum { CONTROL_SHIFT = 25 }; /* landmarks of one second later */

/* Normalised landmarks of the five frames around `row`, as the identity sees them. */
static void window_of(const tg_identity *id, const tg_dataset *data, int64_t row,
                      float out[TG_COND_WINDOW * TG_COND_DIM]) {
    for (int i = 0; i < TG_COND_WINDOW; i++) {
        int64_t r = row + i - TG_COND_WINDOW / 2;
        r = r < 0 ? 0 : r >= data->landmark_rows ? data->landmark_rows - 1 : r;
        float *x = out + i * TG_COND_DIM;
        for (int k = 0; k < TG_COND_DIM; k++)
            x[k] = 10 * (data->landmarks[r * TG_COND_DIM + k] - id->lm_mean[k]);
        tg_motion_normalize(&id->stats, INFINITY, x);
    }
}

typedef struct {
    tg_region_score head, mouth, torso, all, control;
} sums;

static tg_status score_frame(tg_context *ctx, const tg_identity *id, const tg_dataset *data,
                             tg_renderer *renderer, int64_t frame, uint8_t *rgb, float *ssim,
                             sums *s) {
    size_t pixels = (size_t)data->width * (size_t)data->height;
    const uint8_t *truth = data->frame_rgb + (size_t)frame * pixels * 3;
    const uint8_t *parsing = data->parsing + (size_t)frame * pixels;
    const float *c2w = data->c2w + 16 * frame;
    float window[TG_COND_WINDOW * TG_COND_DIM];
    int w = data->width, h = data->height;
    tg_box mouth = tg_dataset_mouth(data, frame);
    tg_picture picture = {.rgb8 = rgb};

    window_of(id, data, data->image_id[frame], window);
    tg_status status = tg_renderer_frame(ctx, renderer, window, c2w, &picture);
    if (status == TG_OK)
        status = tg_ssim_map(ctx, w, h, rgb, truth, ssim);
    if (status != TG_OK)
        return status;
    tg_region_add(&s->head, w, h, rgb, truth, ssim, parsing, TG_PIXEL_HEAD_REGION, NULL);
    tg_region_add(&s->torso, w, h, rgb, truth, ssim, parsing, TG_PIXEL_TORSO_REGION, NULL);
    tg_region_add(&s->mouth, w, h, rgb, truth, ssim, NULL, 0, &mouth);
    tg_region_add(&s->all, w, h, rgb, truth, ssim, NULL, 0, NULL);

    /* The last second of the recording has no later landmarks and is left out. */
    int64_t later = data->image_id[frame] + CONTROL_SHIFT;
    if (later >= data->landmark_rows)
        return TG_OK;
    window_of(id, data, later, window);
    status = tg_renderer_frame(ctx, renderer, window, c2w, &picture);
    if (status == TG_OK)
        tg_region_add(&s->control, w, h, rgb, truth, NULL, NULL, 0, &mouth);
    return status;
}

tg_status tg_eval_portrait(tg_context *ctx, const tg_identity *identity, const char *dataset,
                           int64_t limit, tg_march_rule march, tg_portrait_score *out) {
    memset(out, 0, sizeof *out);
    if (!identity->nerf || tg_identity_hears(identity))
        return tg_fail(ctx, TG_EUSAGE,
                       "'%s' is not measured by its landmarks\n"
                       "  expected: a person of system geneface with the grid renderer\n"
                       "  try: a person made by talkgen train",
                       identity->name);
    tg_dataset *data = NULL;
    tg_renderer *renderer = NULL;
    uint8_t *rgb = NULL;
    float *ssim = NULL;
    sums s;
    memset(&s, 0, sizeof s);
    tg_status status = tg_dataset_open(ctx, dataset, TG_LOAD_FRAMES | TG_LOAD_PARSING, 0, &data);
    if (status == TG_OK && data->train_frames >= data->frames)
        status = tg_fail(ctx, TG_EINPUT,
                         "%s: no held-out frames\n  expected: frames in transforms_val.json\n"
                         "  try: another recording",
                         dataset);
    if (status == TG_OK) {
        size_t pixels = (size_t)data->width * (size_t)data->height;
        rgb = tg_alloc(pixels * 3);
        ssim = tg_alloc(pixels * sizeof *ssim);
        if (!rgb || !ssim)
            status = tg_fail(ctx, TG_ENOMEM, "%s: out of memory", dataset);
    }
    if (status == TG_OK) {
        if (identity->nerf->config.smo_win_size != TG_COND_WINDOW ||
            identity->nerf->config.cond_win_size != 1)
            status = tg_fail(ctx, TG_EUSAGE,
                             "'%s' sees other windows of landmarks\n  expected: 5 windows of 1\n"
                             "  try: a person made by talkgen train",
                             identity->name);
    }
    if (status == TG_OK) {
        tg_renderer_options o = tg_renderer_defaults(data->width, data->height, data->focal);
        o.cx = data->cx;
        o.cy = data->cy;
        o.background = data->background;
        tg_renderer_options_march(&o, march);
        status = tg_renderer_create(ctx, identity->nerf, &o, &renderer);
    }
    int64_t held_out = status == TG_OK ? data->frames - data->train_frames : 0;
    int64_t count = limit > 0 && limit < held_out ? limit : held_out;
    for (int64_t i = 0; status == TG_OK && i < count; i++) {
        int64_t frame = data->train_frames + i * held_out / count;
        status = score_frame(ctx, identity, data, renderer, frame, rgb, ssim, &s);
        tg_progress(ctx, "eval", (double)(i + 1), (double)count, NULL);
        if (status == TG_OK)
            status = tg_cancelled(ctx);
    }
    if (status == TG_OK)
        *out = (tg_portrait_score){.frames = count,
                                   .head_psnr = tg_region_psnr(&s.head),
                                   .head_ssim = tg_region_ssim(&s.head),
                                   .mouth_psnr = tg_region_psnr(&s.mouth),
                                   .mouth_ssim = tg_region_ssim(&s.mouth),
                                   .torso_psnr = tg_region_psnr(&s.torso),
                                   .torso_ssim = tg_region_ssim(&s.torso),
                                   .all_psnr = tg_region_psnr(&s.all),
                                   .all_ssim = tg_region_ssim(&s.all),
                                   .control_psnr = tg_region_psnr(&s.control)};
    tg_renderer_destroy(&renderer);
    tg_dataset_close(&data);
    tg_free(rgb);
    tg_free(ssim);
    return status;
}
