/* The vanilla renderer: blocks of rays through the coarse and the fine perceptron of the head, then
 * of the torso, which stands behind it in the light that the head lets through. */
#include "vanilla.h"

#include <math.h>
#include <string.h>

tg_vanilla_options tg_vanilla_options_defaults(int width, int height, float focal) {
    return (tg_vanilla_options){.width = width,
                                .height = height,
                                .focal = focal,
                                .cx = (float)width / 2.0f,
                                .cy = (float)height / 2.0f};
}

static tg_status check_options(tg_context *ctx, const tg_vanilla_options *o, bool torso) {
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
    if (torso && o->torso_c2w == NULL) {
        return tg_fail(ctx, TG_EUSAGE,
                       "no camera for the torso\n  expected: the pose of the first training frame\n"
                       "  try: a data set with transforms_train.json");
    }
    return TG_OK;
}

static float *floats(size_t n) {
    return tg_calloc(n * sizeof(float));
}

static double *doubles(size_t n) {
    return tg_calloc(n * sizeof(double));
}

static bool create_bias(const tg_vanilla_net *net, int rows, tg_vanilla_bias *bias) {
    bias->shared = rows == 1;
    bias->first = floats((size_t)rows * (size_t)net->width);
    bias->again = floats((size_t)rows * (size_t)net->width);
    return bias->first != NULL && bias->again != NULL;
}

static void destroy_bias(tg_vanilla_bias *bias) {
    tg_free(bias->first);
    tg_free(bias->again);
}

static tg_status create_stage(tg_context *ctx, const tg_vanilla *model, tg_vanilla_stage *stage) {
    const tg_vanilla_config *config = &model->config;
    stage->model = model;
    stage->samples = config->n_samples_per_ray;
    stage->all_samples = stage->samples + config->n_samples_per_ray_fine;
    tg_status status = tg_vanilla_net_create(ctx, config, &model->coarse, &stage->coarse);
    if (status == TG_OK) {
        status = tg_vanilla_net_create(ctx, config, &model->fine, &stage->fine);
    }
    if (status != TG_OK) {
        return status;
    }
    stage->depths = doubles((size_t)stage->samples);
    stage->condition = floats((size_t)stage->coarse.condition);
    if (stage->depths == NULL || stage->condition == NULL ||
        !create_bias(&stage->coarse, 1, &stage->coarse_bias) ||
        !create_bias(&stage->fine, 1, &stage->fine_bias)) {
        return tg_fail(ctx, TG_ENOMEM, "not enough memory for the renderer");
    }
    tg_vanilla_depths((double)config->near, (double)config->far, stage->samples, stage->depths);
    return TG_OK;
}

static void destroy_stage(tg_vanilla_stage *stage) {
    tg_vanilla_net_destroy(&stage->coarse);
    tg_vanilla_net_destroy(&stage->fine);
    tg_free(stage->depths);
    tg_free(stage->condition);
    destroy_bias(&stage->coarse_bias);
    destroy_bias(&stage->fine_bias);
}

static bool create_workers(tg_vanilla_renderer *r) {
    const tg_vanilla_net *nets[4] = {&r->head.coarse, &r->head.fine, &r->torso.coarse,
                                     &r->torso.fine};
    size_t samples = (size_t)r->head.all_samples;
    if (r->has_torso && (size_t)r->torso.all_samples > samples) {
        samples = (size_t)r->torso.all_samples;
    }
    r->workers = tg_calloc((size_t)r->threads * sizeof *r->workers);
    if (r->workers == NULL) {
        return false;
    }
    for (int i = 0; i < r->threads; i++) {
        tg_vanilla_worker *w = &r->workers[i];
        w->xyz = doubles(TG_VANILLA_RAYS * samples * 3);
        w->raw = floats(TG_VANILLA_RAYS * samples * 4);
        w->z = doubles(TG_VANILLA_RAYS * samples);
        w->weights = doubles(samples);
        bool ok = w->xyz != NULL && w->raw != NULL && w->z != NULL && w->weights != NULL &&
                  tg_vanilla_scratch_create(nets, r->has_torso ? 4 : 2, &w->net);
        if (ok && r->has_torso && r->torso.model->config.color_dim > 0) {
            w->condition = floats(TG_VANILLA_RAYS * (size_t)r->torso.coarse.condition);
            ok = w->condition != NULL &&
                 create_bias(&r->torso.coarse, TG_VANILLA_RAYS, &w->coarse_bias) &&
                 create_bias(&r->torso.fine, TG_VANILLA_RAYS, &w->fine_bias);
        }
        if (!ok) {
            return false;
        }
    }
    return true;
}

/* The two models of a person must be of the kinds that the renderer puts together. */
static tg_status check_models(tg_context *ctx, const tg_vanilla *head, const tg_vanilla *torso) {
    if (head->config.pose_octaves != 0 || head->config.color_dim != 0) {
        return tg_fail(ctx, TG_EMODEL,
                       "the head's network is conditioned by a pose or a colour\n"
                       "  expected: a head, which sees the code of the frame alone\n"
                       "  try: exchange head and torso");
    }
    if (torso != NULL && torso->config.cond_from_head &&
        torso->config.cond_out_dim != head->config.cond_out_dim) {
        return tg_fail(ctx, TG_EMODEL,
                       "the torso's network expects a code of %d numbers, the head's gives %d\n"
                       "  expected: equal numbers\n  try: head and torso of the same person",
                       torso->config.cond_out_dim, head->config.cond_out_dim);
    }
    return TG_OK;
}

tg_status tg_vanilla_renderer_create(tg_context *ctx, const tg_vanilla *head,
                                     const tg_vanilla *torso, const tg_vanilla_options *options,
                                     tg_vanilla_renderer **out) {
    *out = NULL;
    tg_status status = check_options(ctx, options, torso != NULL);
    if (status == TG_OK) {
        status = check_models(ctx, head, torso);
    }
    if (status != TG_OK) {
        return status;
    }
    tg_vanilla_renderer *r = tg_calloc(sizeof *r);
    if (r == NULL) {
        return tg_fail(ctx, TG_ENOMEM, "not enough memory for the renderer");
    }
    r->options = *options;
    r->has_torso = torso != NULL;
    r->threads = tg_pool_threads(tg_context_pool(ctx));
    r->background = floats((size_t)options->width * (size_t)options->height * 3);
    r->tape = tg_tape_create(ctx, false);
    status = create_stage(ctx, head, &r->head);
    if (status == TG_OK && torso != NULL) {
        status = create_stage(ctx, torso, &r->torso);
        memcpy(r->torso.c2w, options->torso_c2w, sizeof r->torso.c2w);
    }
    if (status == TG_OK && (r->background == NULL || r->tape == NULL || !create_workers(r))) {
        status = tg_fail(ctx, TG_ENOMEM, "not enough memory for a renderer of %dx%d pixels",
                         options->width, options->height);
    }
    if (status != TG_OK) {
        tg_vanilla_renderer_destroy(&r);
        return status;
    }
    tg_vanilla_renderer_set_background(r, options->background);
    r->options.background = NULL;
    r->options.torso_c2w = NULL;
    *out = r;
    return TG_OK;
}

void tg_vanilla_renderer_destroy(tg_vanilla_renderer **renderer) {
    if (renderer == NULL || *renderer == NULL) {
        return;
    }
    tg_vanilla_renderer *r = *renderer;
    for (int i = 0; r->workers != NULL && i < r->threads; i++) {
        tg_vanilla_worker *w = &r->workers[i];
        tg_vanilla_scratch_destroy(&w->net);
        tg_free(w->xyz);
        tg_free(w->raw);
        tg_free(w->z);
        tg_free(w->weights);
        tg_free(w->condition);
        destroy_bias(&w->coarse_bias);
        destroy_bias(&w->fine_bias);
    }
    tg_free(r->workers);
    destroy_stage(&r->head);
    destroy_stage(&r->torso);
    tg_free(r->background);
    tg_tape_destroy(&r->tape);
    tg_free(r);
    *renderer = NULL;
}

void tg_vanilla_renderer_set_background(tg_vanilla_renderer *r, const uint8_t *background) {
    const size_t n = (size_t)r->options.width * (size_t)r->options.height * 3;
    for (size_t i = 0; i < n; i++) {
        r->background[i] = background != NULL ? (float)background[i] / 255.0f : 0.0f;
    }
}

void tg_vanilla_stage_prepare(tg_vanilla_stage *stage) {
    if (stage->model->config.color_dim == 0) {
        tg_vanilla_net_bias(&stage->coarse, stage->condition, 1, &stage->coarse_bias);
        tg_vanilla_net_bias(&stage->fine, stage->condition, 1, &stage->fine_bias);
    }
}

/* tg_ray_adnerf in double precision. */
static void ray(const float c2w[16], const tg_vanilla_options *o, double col, double row,
                double d[3]) {
    const double v[3] = {(col - (double)o->cx) / (double)o->focal,
                         -(row - (double)o->cy) / (double)o->focal, -1.0};
    for (int a = 0; a < 3; a++) {
        d[a] = (double)c2w[4 * a] * v[0] + (double)c2w[4 * a + 1] * v[1] +
               (double)c2w[4 * a + 2] * v[2];
    }
}

/* o + z d for the n distances z of one ray. */
static void place(const float c2w[16], const double d[3], const double *z, int n, double *xyz) {
    for (int i = 0; i < n; i++) {
        for (int a = 0; a < 3; a++) {
            xyz[3 * i + a] = (double)c2w[4 * a + 3] + d[a] * z[i];
        }
    }
}

/* One stage for pixels [begin, begin + rays) of the picture; head: what the head shows there, NULL
 * for the head itself. */
static void run_stage(const tg_vanilla_renderer *r, const tg_vanilla_stage *stage,
                      tg_vanilla_worker *w, int64_t begin, int rays, const tg_vanilla_pixel *head,
                      tg_vanilla_pixel *pixel) {
    const tg_vanilla_options *o = &r->options;
    const tg_vanilla_probe *probe = stage->probe;
    const int n = stage->samples, all = stage->all_samples;
    const tg_vanilla_bias *coarse_bias = &stage->coarse_bias, *fine_bias = &stage->fine_bias;
    if (stage->model->config.color_dim > 0) {
        const int width = stage->coarse.condition, color = stage->model->config.color_dim;
        for (int k = 0; k < rays; k++) {
            float *row = w->condition + (size_t)k * (size_t)width;
            memcpy(row, stage->condition, (size_t)(width - color) * sizeof *row);
            tg_vanilla_color_code(stage->model, head[k].rgb, row + width - color);
        }
        coarse_bias = &w->coarse_bias;
        fine_bias = &w->fine_bias;
        tg_vanilla_net_bias(&stage->coarse, w->condition, rays, coarse_bias);
        tg_vanilla_net_bias(&stage->fine, w->condition, rays, fine_bias);
    }
    double d[TG_VANILLA_RAYS][3], length[TG_VANILLA_RAYS];
    float unit[TG_VANILLA_RAYS * 3];
    for (int k = 0; k < rays; k++) {
        const int64_t p = begin + k;
        ray(stage->c2w, o, (double)(p % o->width), (double)(p / o->width), d[k]);
        length[k] = sqrt(d[k][0] * d[k][0] + d[k][1] * d[k][1] + d[k][2] * d[k][2]);
        for (int a = 0; a < 3; a++) {
            unit[3 * k + a] = (float)(d[k][a] / length[k]);
        }
        place(stage->c2w, d[k], stage->depths, n, w->xyz + 3 * (size_t)k * (size_t)n);
    }
    /* of the coarse pass only the densities matter, and its colours to those who ask */
    const bool coarse_color = probe != NULL && probe->coarse != NULL;
    tg_vanilla_net_eval(&stage->coarse, &w->net, coarse_bias, w->xyz, unit, rays, n, coarse_color,
                        w->raw);
    for (int k = 0; k < rays; k++) {
        const float *background = r->background + 3 * (begin + k);
        double *z = w->z + (size_t)k * (size_t)all;
        tg_vanilla_integrate(w->raw + 4 * (size_t)k * (size_t)n, stage->depths, n, length[k],
                             background, w->weights,
                             coarse_color ? &probe->coarse[begin + k] : NULL);
        tg_vanilla_refine(stage->depths, w->weights, n, all - n, z);
        if (probe != NULL && probe->z != NULL) {
            for (int i = 0; i < all; i++) {
                probe->z[(begin + k) * all + i] = (float)z[i];
            }
        }
    }
    for (int k = 0; k < rays; k++) {
        place(stage->c2w, d[k], w->z + (size_t)k * (size_t)all, all,
              w->xyz + 3 * (size_t)k * (size_t)all);
    }
    tg_vanilla_net_eval(&stage->fine, &w->net, fine_bias, w->xyz, unit, rays, all, true, w->raw);
    for (int k = 0; k < rays; k++) {
        tg_vanilla_integrate(w->raw + 4 * (size_t)k * (size_t)all, w->z + (size_t)k * (size_t)all,
                             all, length[k], r->background + 3 * (begin + k), w->weights,
                             &pixel[k]);
        if (probe != NULL && probe->fine != NULL) {
            probe->fine[begin + k] = pixel[k];
        }
    }
}

static void write_pixel(const tg_vanilla_renderer *r, int64_t p, const tg_vanilla_pixel *head,
                        const tg_vanilla_pixel *torso) {
    const tg_picture *picture = r->picture;
    const tg_vanilla_config *config = &r->head.model->config;
    for (int c = 0; c < 3; c++) {
        float v = head->rgb[c];
        if (torso != NULL) {
            v = v * torso->last_weight + torso->foreground[c];
        }
        v = v > 0.0f ? v < 1.0f ? v : 1.0f : 0.0f; /* and what is no number is black */
        if (picture->rgb != NULL) {
            picture->rgb[3 * p + c] = v;
        }
        if (picture->rgb8 != NULL) {
            picture->rgb8[3 * p + c] = (uint8_t)(v * 255.0f);
        }
    }
    if (picture->alpha != NULL) {
        picture->alpha[p] = 1.0f - head->last_weight * (torso != NULL ? torso->last_weight : 1.0f);
    }
    if (picture->weights != NULL) {
        picture->weights[p] = 1.0f - head->last_weight;
    }
    if (picture->depth != NULL) {
        picture->depth[p] = (head->depth - config->near) / (config->far - config->near);
    }
}

typedef struct {
    tg_vanilla_renderer *r;
    int64_t first; /* pixel of this round */
} round_of_rays;

static void run_rays(void *arg, int64_t begin, int64_t end, int worker) {
    const round_of_rays *round = arg;
    const tg_vanilla_renderer *r = round->r;
    tg_vanilla_worker *w = &r->workers[worker];
    tg_vanilla_pixel head[TG_VANILLA_RAYS], torso[TG_VANILLA_RAYS];
    const int rays = (int)(end - begin);
    const int64_t first = round->first + begin;
    run_stage(r, &r->head, w, first, rays, NULL, head);
    if (r->has_torso) {
        run_stage(r, &r->torso, w, first, rays, head, torso);
    }
    for (int k = 0; k < rays; k++) {
        write_pixel(r, first + k, &head[k], r->has_torso ? &torso[k] : NULL);
    }
}

tg_status tg_vanilla_run(tg_context *ctx, tg_vanilla_renderer *r) {
    /* A published network needs some 3 ms for a ray and stage: rounds small enough that a user
     * who stops the program does not wait. */
    const int64_t pixels = (int64_t)r->options.width * r->options.height;
    const int64_t step = (int64_t)TG_VANILLA_RAYS * 8 * r->threads;
    for (int64_t first = 0; first < pixels; first += step) {
        const tg_status status = tg_cancelled(ctx);
        if (status != TG_OK) {
            return status;
        }
        round_of_rays round = {r, first};
        tg_pool_run(tg_context_pool(ctx), pixels - first < step ? pixels - first : step,
                    TG_VANILLA_RAYS, run_rays, &round);
    }
    return TG_OK;
}

/* Poses come from files. */
static tg_status check_pose(tg_context *ctx, const float c2w[16]) {
    for (int i = 0; i < 12; i++) {
        if (!(fabsf(c2w[i]) <= 1e4f)) {
            return tg_fail(ctx, TG_EINPUT,
                           "camera pose: element [%d,%d] is %g\n"
                           "  expected: finite numbers up to 1e4\n"
                           "  try: camera-to-world matrices [4,4], translations in metres",
                           i / 4, i % 4, (double)c2w[i]);
        }
    }
    return TG_OK;
}

/* The code of a frame, in the tape's memory. */
static tg_status code_of(tg_context *ctx, tg_vanilla_renderer *r, const tg_vanilla *model,
                         const float *windows, const float **code) {
    const tg_vanilla_config *config = &model->config;
    const int64_t dim[3] = {config->smo_win_size, config->cond_win_size, config->cond_dim};
    for (int64_t i = 0; i < dim[0] * dim[1] * dim[2]; i++) {
        if (!isfinite(windows[i])) {
            return tg_fail(ctx, TG_EINPUT,
                           "condition of a frame: value %lld is %g\n"
                           "  expected: finite numbers\n  try: check the landmarks or features",
                           (long long)i, (double)windows[i]);
        }
    }
    *code = tg_vanilla_condition(r->tape, model, tg_borrow(r->tape, 3, dim, windows))->data;
    return tg_tape_status(r->tape);
}

tg_status tg_vanilla_renderer_frame(tg_context *ctx, tg_vanilla_renderer *r, const float *windows,
                                    const float *torso_windows, const float c2w[16],
                                    const tg_picture *picture) {
    if (tg_pool_threads(tg_context_pool(ctx)) > r->threads) {
        return tg_fail(ctx, TG_EINTERNAL, "a renderer for %d threads is used with %d", r->threads,
                       tg_pool_threads(tg_context_pool(ctx)));
    }
    tg_tape_reset(r->tape);
    const float *code = NULL;
    tg_status status = check_pose(ctx, c2w);
    if (status == TG_OK) {
        status = code_of(ctx, r, r->head.model, windows, &code);
    }
    if (status != TG_OK) {
        return status;
    }
    memcpy(r->head.c2w, c2w, sizeof r->head.c2w);
    memcpy(r->head.condition, code, (size_t)r->head.coarse.condition * sizeof *code);
    tg_vanilla_stage_prepare(&r->head);
    if (r->has_torso) {
        const tg_vanilla_config *config = &r->torso.model->config;
        if (!config->cond_from_head) {
            status = code_of(ctx, r, r->torso.model,
                             torso_windows != NULL ? torso_windows : windows, &code);
        }
        if (status != TG_OK) {
            return status;
        }
        float angles[3];
        const float translation[3] = {c2w[3], c2w[7], c2w[11]};
        (config->adnerf_angles ? tg_euler_adnerf : tg_euler_extrinsic)(c2w, angles);
        tg_vanilla_pose_condition(config, code, angles, translation, r->torso.condition);
        tg_vanilla_stage_prepare(&r->torso);
    }
    r->picture = picture;
    status = tg_vanilla_run(ctx, r);
    r->picture = NULL;
    return status;
}
