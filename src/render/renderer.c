/* The renderer: its memory, and how a frame is cut into work. */
#include "frame.h"

#ifdef TALKGEN_CUDA
#include "render/cuda/backend.h"
#endif

#include <math.h>
#include <stdio.h>
#include <string.h>

void tg_device_describe(tg_device device, char *text, size_t size) {
    if (device == TG_DEVICE_CPU) {
        tg_cpu_model(text, size);
        return;
    }
#ifdef TALKGEN_CUDA
    tg_cuda_describe(text, size);
#else
    snprintf(text, size, "not in this build");
#endif
}

tg_renderer_options tg_renderer_defaults(int width, int height, float focal) {
    return (tg_renderer_options){.width = width,
                                 .height = height,
                                 .focal = focal,
                                 .cx = (float)width / 2.0f,
                                 .cy = (float)height / 2.0f,
                                 .min_weight = -1.0f,
                                 .max_contrast = -1.0f,
                                 .min_transmittance = -1.0f};
}

void tg_renderer_options_march(tg_renderer_options *options, tg_march_rule rule) {
    options->reference_schedule = rule == TG_MARCH_REFERENCE;
    options->exhaustive = rule == TG_MARCH_EXHAUSTIVE;
    options->full_precision = rule != TG_MARCH_FAST;
}

static tg_status check_options(tg_context *ctx, const tg_renderer_options *o) {
    if (o->width < 1 || o->width > 8192 || o->height < 1 || o->height > 8192) {
        return tg_fail(ctx, TG_EUSAGE,
                       "picture size %dx%d\n  expected: 1 to 8192 on each side\n"
                       "  try: --size 512x512",
                       o->width, o->height);
    }
    if (!(o->focal > 0.0f) || !isfinite(o->focal) || !isfinite(o->cx) || !isfinite(o->cy)) {
        return tg_fail(ctx, TG_EUSAGE,
                       "camera with focal length %g, centre %g, %g\n"
                       "  expected: finite numbers, the focal length above 0\n"
                       "  try: the camera that is stored with the person",
                       (double)o->focal, (double)o->cx, (double)o->cy);
    }
    if (o->exhaustive && o->reference_schedule) {
        return tg_fail(ctx, TG_EUSAGE,
                       "two schedules of samples at once\n"
                       "  expected: the published one or an exhaustive one\n  try: either");
    }
#ifndef TALKGEN_CUDA
    if (o->device == TG_DEVICE_CUDA) {
        return tg_fail(ctx, TG_EUSAGE,
                       "this talkgen was built without CUDA\n"
                       "  expected: a build with cmake -DTALKGEN_CUDA=ON\n  try: --device cpu");
    }
#endif
    if (o->max_samples < 0 || o->max_samples > 4096) {
        return tg_fail(ctx, TG_EUSAGE, "%d samples per ray\n  expected: 0 to 4096\n  try: 0",
                       o->max_samples);
    }
    return TG_OK;
}

static bool create_workers(tg_renderer *r) {
    const int head_rows = r->head.scratch_rows, torso_rows = r->torso.scratch_rows;
    const size_t scratch = (size_t)(head_rows > torso_rows ? head_rows : torso_rows) * TG_TILE;
    const size_t queue = (size_t)(r->head.hidden + 16 + 3) * TG_QUEUE;
    r->workers = tg_calloc((size_t)r->threads * sizeof *r->workers);
    if (r->workers == NULL) {
        return false;
    }
    for (int i = 0; i < r->threads; i++) {
        tg_worker *w = &r->workers[i];
        w->scratch = tg_calloc(scratch * sizeof(float));
        w->hidden = tg_calloc((size_t)r->head.hidden * TG_TILE * sizeof(float));
        w->queue = tg_calloc(queue * sizeof(float));
        w->first = tg_calloc((size_t)(r->torso.first + 1) * TG_TILE * sizeof(float));
        w->rays = tg_calloc(TG_BLOCK * TG_BLOCK * sizeof *w->rays);
        w->alive = tg_calloc(TG_BLOCK * TG_BLOCK * sizeof *w->alive);
        if (w->scratch == NULL || w->hidden == NULL || w->queue == NULL || w->first == NULL ||
            w->rays == NULL || w->alive == NULL) {
            return false;
        }
    }
    return true;
}

tg_status tg_renderer_create(tg_context *ctx, const tg_nerf *nerf,
                             const tg_renderer_options *options, tg_renderer **out) {
    *out = NULL;
    tg_status status = check_options(ctx, options);
    if (status != TG_OK) {
        return status;
    }
    tg_renderer *r = tg_calloc(sizeof *r);
    if (r == NULL) {
        return tg_fail(ctx, TG_ENOMEM, "not enough memory for the renderer");
    }
    r->nerf = nerf;
    r->options = *options;
    if (options->exhaustive) {
        r->options.max_samples = 4096;
        r->options.min_weight = r->options.min_transmittance = 0.0f;
    } else if (r->options.max_samples == 0) {
        r->options.max_samples = nerf->config.max_steps + 8;
    }
    if (r->options.max_contrast < 0.0f) {
        r->options.max_contrast = 0.025f;
    }
    if (r->options.min_weight < 0.0f) {
        r->options.min_weight = options->reference_schedule ? 0.0f : 1.0f / 2048.0f;
    }
    if (r->options.min_transmittance < 0.0f) {
        r->options.min_transmittance = options->reference_schedule ? nerf->config.T_thresh : 1e-3f;
    }
    r->has_torso = nerf->config.torso;
    r->threads = tg_pool_threads(tg_context_pool(ctx));
    const size_t pixels = (size_t)options->width * (size_t)options->height;
    r->background = tg_calloc(pixels * 3 * sizeof *r->background);
    r->torso_mask = tg_calloc(pixels);
    r->tape = tg_tape_create(ctx, false);
    const bool on_cpu = options->device == TG_DEVICE_CPU;
    bool ok = r->background != NULL && r->torso_mask != NULL && r->tape != NULL;
    if (ok && on_cpu && options->reference_schedule) {
        r->rays = tg_alloc(pixels * sizeof *r->rays);
        r->alive = tg_alloc(pixels * sizeof *r->alive);
        ok = r->rays != NULL && r->alive != NULL;
    }
    r->coarse = !on_cpu || options->reference_schedule || options->exhaustive ||
                        r->options.max_contrast == 0.0f
                    ? 1
                    : tg_adapt_coarse(options->width, options->height);
    if (ok && r->coarse > 1) {
        r->seen = tg_alloc(pixels * sizeof *r->seen);
        ok = r->seen != NULL;
    }
    if (ok) {
        status = tg_head_create(ctx, nerf, options->full_precision, &r->head);
    }
    if (ok && status == TG_OK && r->has_torso) {
        status = tg_torso_create(ctx, nerf, options->full_precision, options->width,
                                 options->height, &r->torso);
    }
    if (ok && status == TG_OK) {
        status = tg_skip_create(ctx, nerf, options->width, options->height, &r->skip);
    }
    if (status == TG_OK && (!ok || (on_cpu && !create_workers(r)))) {
        status = tg_fail(ctx, TG_ENOMEM, "not enough memory for a renderer of %dx%d pixels",
                         options->width, options->height);
    }
    if (status == TG_OK) {
        tg_renderer_set_background(r, options->background);
        r->options.background = NULL;
        status = tg_renderer_update(ctx, r);
    }
#ifdef TALKGEN_CUDA
    if (status == TG_OK && !on_cpu) {
        status = tg_cuda_create(ctx, r, &r->cuda);
    }
#endif
    if (status != TG_OK) {
        tg_renderer_destroy(&r);
        return status;
    }
    *out = r;
    return TG_OK;
}

void tg_renderer_destroy(tg_renderer **renderer) {
    if (renderer == NULL || *renderer == NULL) {
        return;
    }
    tg_renderer *r = *renderer;
#ifdef TALKGEN_CUDA
    tg_cuda_destroy(&r->cuda);
#endif
    for (int i = 0; r->workers != NULL && i < r->threads; i++) {
        tg_worker *w = &r->workers[i];
        tg_free(w->scratch);
        tg_free(w->hidden);
        tg_free(w->queue);
        tg_free(w->first);
        tg_free(w->rays);
        tg_free(w->alive);
    }
    tg_free(r->workers);
    tg_head_destroy(&r->head);
    tg_torso_destroy(&r->torso);
    tg_skip_destroy(&r->skip);
    tg_tape_destroy(&r->tape);
    tg_free(r->background);
    tg_free(r->torso_mask);
    tg_free(r->rays);
    tg_free(r->alive);
    tg_free(r->seen);
    tg_free(r);
    *renderer = NULL;
}

void tg_renderer_set_background(tg_renderer *r, const uint8_t *background) {
    const size_t n = (size_t)r->options.width * (size_t)r->options.height * 3;
    for (size_t i = 0; i < n; i++) {
        r->background[i] = background != NULL ? (float)background[i] / 255.0f : 0.0f;
    }
    r->background_version++;
}

static void update_tables(tg_renderer *r) {
    tg_head_update(&r->head);
    r->march = tg_nerf_march(r->nerf);
    tg_skip_update(&r->skip, r->nerf);
    r->skips = r->skip.usable && !r->options.reference_schedule && !r->options.exhaustive;
    if (!r->has_torso) {
        return;
    }
    tg_torso_update(&r->torso);
    const tg_nerf_config *config = &r->nerf->config;
    const float threshold = fminf(config->density_thresh_torso, config->mean_density_torso);
    for (int row = 0; row < r->options.height; row++) {
        const float y = tg_screen_coord(row, r->options.height);
        for (int col = 0; col < r->options.width; col++) {
            const float x = tg_screen_coord(col, r->options.width);
            r->torso_mask[(size_t)row * (size_t)r->options.width + (size_t)col] =
                tg_nerf_torso_occupancy(r->nerf, y, x) > threshold;
        }
    }
}

tg_status tg_renderer_update(tg_context *ctx, tg_renderer *r) {
    update_tables(r);
#ifdef TALKGEN_CUDA
    if (r->cuda != NULL) {
        return tg_cuda_update(ctx, r->cuda, r);
    }
#endif
    (void)ctx;
    return TG_OK;
}

/* A camera that the volume can be seen from: a rotation, and a place so near that steps along a ray
 * still change the distance in float32. Poses come from files. */
static tg_status check_pose(tg_context *ctx, const tg_renderer *r, const float pose[16]) {
    for (int a = 0; a < 3; a++) {
        if (!(fabsf(pose[4 * a + 3]) <= 1e4f)) {
            return tg_fail(ctx, TG_EINPUT,
                           "camera at %g, %g, %g (times %g)\n"
                           "  expected: finite numbers, at most 1e4 from the volume\n"
                           "  try: translations in metres",
                           (double)pose[3], (double)pose[7], (double)pose[11],
                           (double)r->nerf->config.camera_scale);
        }
        for (int b = 0; b <= a; b++) {
            float dot = 0;
            for (int k = 0; k < 3; k++) {
                dot += pose[4 * a + k] * pose[4 * b + k];
            }
            if (!(fabsf(dot - (a == b ? 1.0f : 0.0f)) < 0.02f)) {
                return tg_fail(ctx, TG_EINPUT,
                               "camera pose without a rotation: rows %d and %d multiply to %g\n"
                               "  expected: an orthonormal matrix in [0:3, 0:3]\n"
                               "  try: camera-to-world matrices [4,4]",
                               b, a, (double)dot);
            }
        }
    }
    return TG_OK;
}

static tg_status check_windows(tg_context *ctx, const float *windows, int64_t n) {
    for (int64_t i = 0; i < n; i++) {
        if (!isfinite(windows[i])) {
            return tg_fail(ctx, TG_EINPUT,
                           "condition of a frame: value %lld is %g\n"
                           "  expected: finite numbers\n  try: check the landmarks or features",
                           (long long)i, (double)windows[i]);
        }
    }
    return TG_OK;
}

static bool wants_floats(const tg_picture *p) {
    return p->rgb != NULL || p->alpha != NULL || p->depth != NULL || p->weights != NULL;
}

/* What condition, pose and camera change, for a device that draws by itself. */
static tg_status draw_begin(tg_context *ctx, tg_renderer *r, const float *condition,
                            const float pose[6], const float *rays_d, tg_probe *probe,
                            bool floats) {
#ifdef TALKGEN_CUDA
    tg_renderer_condition(r, condition, pose);
    return tg_cuda_begin(ctx, r->cuda, r, rays_d, probe, floats);
#else
    (void)r, (void)condition, (void)pose, (void)rays_d, (void)probe, (void)floats;
    return tg_fail(ctx, TG_EINTERNAL, "this renderer draws by itself");
#endif
}

static tg_status draw_finish(tg_context *ctx, tg_renderer *r, const tg_picture *picture) {
#ifdef TALKGEN_CUDA
    return tg_cuda_finish(ctx, r->cuda, picture, &r->counts);
#else
    (void)r, (void)picture;
    return tg_fail(ctx, TG_EINTERNAL, "this renderer draws by itself");
#endif
}

tg_status tg_renderer_draw(tg_context *ctx, tg_renderer *r, const float *condition,
                           const float pose[6], const float *rays_d, tg_probe *probe,
                           const tg_picture *picture) {
    const tg_status status =
        draw_begin(ctx, r, condition, pose, rays_d, probe, wants_floats(picture));
    return status == TG_OK ? draw_finish(ctx, r, picture) : status;
}

/* Condition [cond_out_dim], borrowed from the tape, and pose vector of a frame. */
static tg_status look(tg_context *ctx, tg_renderer *r, const float *windows, const float c2w[16],
                      const float **code, float pose[6]) {
    const tg_nerf_config *config = &r->nerf->config;
    const int64_t dim[3] = {config->smo_win_size, config->cond_win_size, config->cond_dim};
    tg_pose_to_ngp(c2w, config->camera_scale, config->camera_offset, r->pose);
    tg_status status = check_pose(ctx, r, r->pose);
    if (status == TG_OK) {
        status = check_windows(ctx, windows, dim[0] * dim[1] * dim[2]);
    }
    if (status != TG_OK) {
        return status;
    }
    tg_tape_reset(r->tape);
    const tg_tensor *condition =
        tg_nerf_condition(r->tape, r->nerf, tg_borrow(r->tape, 3, dim, windows));
    *code = condition->data;
    tg_pose_vector(r->pose, pose);
    return tg_tape_status(r->tape);
}

tg_status tg_renderer_frame(tg_context *ctx, tg_renderer *r, const float *windows,
                            const float c2w[16], const tg_picture *picture) {
    if (r->cuda == NULL && tg_pool_threads(tg_context_pool(ctx)) > r->threads) {
        return tg_fail(ctx, TG_EINTERNAL, "a renderer for %d threads is used with %d", r->threads,
                       tg_pool_threads(tg_context_pool(ctx)));
    }
    const float *condition;
    float pose[6];
    const tg_status status = look(ctx, r, windows, c2w, &condition, pose);
    if (status != TG_OK) {
        return status;
    }
    if (r->cuda != NULL) {
        return tg_renderer_draw(ctx, r, condition, pose, NULL, NULL, picture);
    }
    r->picture = picture;
    tg_renderer_run(r, tg_context_pool(ctx), condition, pose, NULL);
    r->picture = NULL;
    return TG_OK;
}

bool tg_renderer_overlaps(const tg_renderer *r) {
    return r->cuda != NULL;
}

tg_status tg_renderer_begin(tg_context *ctx, tg_renderer *r, const float *windows,
                            const float c2w[16], bool floats) {
    const float *condition;
    float pose[6];
    const tg_status status = look(ctx, r, windows, c2w, &condition, pose);
    return status == TG_OK ? draw_begin(ctx, r, condition, pose, NULL, NULL, floats) : status;
}

tg_status tg_renderer_finish(tg_context *ctx, tg_renderer *r, const tg_picture *picture) {
    return draw_finish(ctx, r, picture);
}

void tg_renderer_set_eye(tg_renderer *r, float area) {
    r->eye = area;
}

tg_render_counts tg_renderer_counts(const tg_renderer *r) {
    return r->counts;
}
