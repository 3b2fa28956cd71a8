/* The grid renderer against itself: what its fast rules cost in the picture, and what they save. */
#include "systems/portrait.h"

#include "systems/background.h"

#include <math.h>
#include <string.h>

enum { FAST, EXHAUSTIVE, RULES };

typedef struct {
    tg_renderer *renderer[RULES];
    float *rgb[RULES], *head;
    uint8_t *background;
    tg_pose_source *poses;
    tg_condition *condition;
} pair;

/* Squared differences and how many. */
typedef struct {
    double sum, count;
} difference;

static double decibels(difference d) {
    return -10 * log10(d.sum / d.count + 1e-20);
}

static void pair_close(pair *p) {
    for (int k = 0; k < RULES; k++) {
        tg_renderer_destroy(&p->renderer[k]);
        tg_free(p->rgb[k]);
    }
    tg_free(p->head);
    tg_free(p->background);
    tg_pose_source_close(&p->poses);
    tg_condition_close(&p->condition);
}

static tg_status pair_open(tg_context *ctx, const tg_identity *id, tg_motion_source *motion,
                           const tg_portrait_options *o, tg_painter_options *camera, pair *p) {
    if (!id->nerf || tg_identity_hears(id))
        return tg_fail(ctx, TG_EUSAGE,
                       "'%s' is not rendered from landmarks with the grid renderer\n"
                       "  expected: a person of system geneface\n"
                       "  try: a person made by talkgen train",
                       id->name);
    tg_status s = tg_portrait_camera(ctx, id, o, camera);
    if (s != TG_OK)
        return s;
    size_t pixels = (size_t)camera->width * (size_t)camera->height;
    p->background = tg_alloc(pixels * 3);
    p->head = tg_alloc(pixels * sizeof *p->head);
    for (int k = 0; k < RULES; k++)
        p->rgb[k] = tg_alloc(pixels * 3 * sizeof *p->rgb[k]);
    if (!p->background || !p->head || !p->rgb[FAST] || !p->rgb[EXHAUSTIVE])
        return tg_fail(ctx, TG_ENOMEM, "out of memory for pictures of %dx%d", camera->width,
                       camera->height);
    s = tg_background_make(ctx, id, "dataset", camera->width, camera->height, p->background);
    for (int k = 0; s == TG_OK && k < RULES; k++) {
        tg_renderer_options r = tg_renderer_defaults(camera->width, camera->height, camera->focal);
        r.cx = camera->cx;
        r.cy = camera->cy;
        r.background = p->background;
        r.device = k == FAST ? o->device : TG_DEVICE_CPU;
        tg_renderer_options_march(&r, k == FAST ? TG_MARCH_FAST : TG_MARCH_EXHAUSTIVE);
        s = tg_renderer_create(ctx, id->nerf, &r, &p->renderer[k]);
    }
    const tg_pose_options pose = {.spec = o->pose, .smooth = o->pose_smooth, .gaze = o->gaze};
    if (s == TG_OK)
        s = tg_pose_source_open(ctx, id, &pose, &p->poses);
    if (s == TG_OK)
        s = tg_condition_of_landmarks(ctx, id, motion, &pose, &p->condition);
    return s;
}

static tg_status compare_frame(tg_context *ctx, pair *p, size_t pixels, const float *windows,
                               const float c2w[16], difference *head, difference *all,
                               tg_march_score *out) {
    for (int k = 0; k < RULES; k++) {
        const tg_picture picture = {.rgb = p->rgb[k], .weights = k == EXHAUSTIVE ? p->head : NULL};
        const double began = tg_now_s();
        tg_status s = tg_renderer_frame(ctx, p->renderer[k], windows, c2w, &picture);
        if (s != TG_OK)
            return s;
        tg_march_cost *cost = k == FAST ? &out->fast : &out->exhaustive;
        const tg_render_counts n = tg_renderer_counts(p->renderer[k]);
        cost->seconds += tg_now_s() - began;
        cost->rays += (double)n.rays;
        cost->density_samples += (double)n.density_samples;
        cost->color_samples += (double)n.color_samples;
        cost->torso_pixels += (double)n.torso_pixels;
    }
    for (size_t i = 0; i < pixels; i++) {
        double sum = 0;
        for (size_t c = 0; c < 3; c++) {
            const double d =
                (double)p->rgb[FAST][3 * i + c] - (double)p->rgb[EXHAUSTIVE][3 * i + c];
            sum += d * d;
        }
        all->sum += sum;
        all->count += 3;
        if (p->head[i] > 0.5f) {
            head->sum += sum;
            head->count += 3;
        }
    }
    return TG_OK;
}

static void mean_cost(tg_march_cost *cost, int64_t frames) {
    cost->rays /= (double)frames;
    cost->density_samples /= (double)frames;
    cost->color_samples /= (double)frames;
    cost->torso_pixels /= (double)frames;
}

tg_status tg_compare_march(tg_context *ctx, const tg_identity *identity, tg_motion_source *motion,
                           const tg_portrait_options *options, int64_t limit, tg_march_score *out) {
    memset(out, 0, sizeof *out);
    out->worst_head_psnr = INFINITY;
    pair p = {.poses = NULL};
    tg_painter_options camera = {.march = TG_MARCH_FAST};
    tg_status s = pair_open(ctx, identity, motion, options, &camera, &p);
    const size_t pixels = (size_t)camera.width * (size_t)camera.height;
    const int64_t total = s == TG_OK ? tg_condition_frames(p.condition) : 0;
    const int64_t count = limit > 0 && limit < total ? limit : total;
    difference head = {0, 0}, all = {0, 0};
    for (int64_t i = 0, at = 0; s == TG_OK && i < total && at < count; i++) {
        const float *windows = NULL;
        float c2w[16];
        s = tg_condition_next(ctx, p.condition, &windows);
        if (s != TG_OK || i < at * total / count)
            continue;
        difference here = {0, 0};
        s = tg_pose_source_at(ctx, p.poses, i, c2w);
        if (s != TG_OK)
            break;
        s = compare_frame(ctx, &p, pixels, windows, c2w, &here, &all, out);
        head.sum += here.sum;
        head.count += here.count;
        if (here.count > 0)
            out->worst_head_psnr = fmin(out->worst_head_psnr, decibels(here));
        tg_progress(ctx, "march", (double)++at, (double)count, NULL);
        if (s == TG_OK)
            s = tg_cancelled(ctx);
    }
    if (s == TG_OK) {
        out->frames = count;
        out->head_psnr = decibels(head);
        out->all_psnr = decibels(all);
        mean_cost(&out->fast, count);
        mean_cost(&out->exhaustive, count);
    }
    pair_close(&p);
    return s;
}
