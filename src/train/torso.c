/* Training of the torso: RAD-NeRF's deformable picture on torso_imgs, the head left alone. */
#include "talkgen/dataset.h"
#include "talkgen/eval.h"
#include "talkgen/train.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#include "eval/contact_sheet.h"
#include "train/nerf_files.h"
#include "train/state.h"
#include "train/torso_step.h"

enum {
    FRAMES_PER_STEP = 8,
    SHEET_FRAMES = 6,     /* held-out frames of a check */
    FINAL_FRAMES = 60,    /* held-out frames of the final score */
    OCCUPANCY_FRAMES = 48 /* poses under which the occupancy is looked up */
};

static const float lr_default = 2e-3f;
static const double lr_end = 0.03; /* share of the learning rate at the end */
static const float entropy_weight = 1e-4f, alpha_weight = 0.05f;
static const float own_code_share = 0.25f; /* frames that use their own individual code */
/* Noise on the pose, in its own deviations: shoulders do not follow the head exactly, and a network
 * that tells frames apart by their poses would remember each one and flicker in between. */
static const float pose_noise = 0.3f;
/* Below this the published renderer, too, sees nothing (density_thresh_torso). */
static const float occupied_alpha = 0.01f;

static const char log_header[] = "step,seconds,kind,torso_or_pixels_db,ssim";

typedef struct {
    const tg_train_torso_options *options;
    tg_train_torso_result *result;
    tg_dataset *dataset;
    tg_nerf *nerf;
    torso_stepper *stepper, *lattice; /* of the picture, of the occupancy grid */
    nerf_adam *adam;
    torso_pixel *pixels;
    tg_box *body; /* [frames] where torso_imgs are not empty */
    int n_pixels;
    float pose_deviation[6];
    tg_rng frame_rng, pixel_rng, code_rng, noise_rng;
    int64_t step;
    double before_s, start_s, smooth_error;
    char log_path[1200];
} torso_training;

static double trained_s(const torso_training *t) {
    return t->before_s + tg_now_s() - t->start_s;
}

static double progress_of(const torso_training *t) {
    double done = t->options->steps > 0 ? (double)t->step / (double)t->options->steps
                                        : trained_s(t) / t->options->time_s;
    return done < 1 ? done : 1;
}

static torso_frame frame_pose(const torso_training *t, int64_t frame) {
    const tg_nerf_config *c = &t->nerf->config;
    torso_frame out = {.code = 0};
    float ngp[16];
    tg_pose_to_ngp(t->dataset->c2w + 16 * frame, c->camera_scale, c->camera_offset, ngp);
    tg_pose_vector(ngp, out.pose);
    return out;
}

/* ---- steps -------------------------------------------------------------------------------- */

static const uint8_t *rgba_of(const torso_training *t, int64_t frame) {
    return t->dataset->torso_rgba + frame * t->dataset->width * t->dataset->height * 4;
}

static void fill_pixel(const torso_training *t, int64_t frame, int x, int y, torso_pixel *out) {
    int64_t at = (int64_t)y * t->dataset->width + x;
    const uint8_t *rgba = rgba_of(t, frame) + 4 * at;
    *out = (torso_pixel){.row = (int16_t)y, .column = (int16_t)x};
    out->alpha = (float)rgba[3] / 255;
    for (int c = 0; c < 3; c++) {
        out->background[c] = (float)t->dataset->background[3 * at + c] / 255;
        out->target[c] = out->alpha * (float)rgba[c] / 255 + (1 - out->alpha) * out->background[c];
    }
}

/* Half of the pixels on the torso, a quarter in its box, a quarter anywhere. */
static void draw_pixels(const torso_training *t, int64_t frame, uint64_t first, int n,
                        torso_pixel *out) {
    const tg_dataset *set = t->dataset;
    const uint8_t *rgba = rgba_of(t, frame);
    const tg_box all = {0, 0, set->width, set->height};
    for (int p = 0; p < n; p++) {
        const tg_box *box = p < n * 3 / 4 ? &t->body[frame] : &all;
        uint64_t at = (first + (uint64_t)p) * 16;
        int x = 0, y = 0;
        for (int k = 0; k < (p < n / 2 ? 8 : 1); k++) {
            x = box->left +
                (int)(tg_rng_u32(&t->pixel_rng, at++) % (uint32_t)(box->right - box->left));
            y = box->top +
                (int)(tg_rng_u32(&t->pixel_rng, at++) % (uint32_t)(box->bottom - box->top));
            if (rgba[4 * ((int64_t)y * set->width + x) + 3])
                break;
        }
        fill_pixel(t, frame, x, y, &out[p]);
    }
}

static tg_status train_step(tg_context *ctx, torso_training *t) {
    int per_frame = t->n_pixels / FRAMES_PER_STEP;
    torso_frame frames[FRAMES_PER_STEP];
    for (int f = 0; f < FRAMES_PER_STEP; f++) {
        uint64_t index = (uint64_t)t->step * FRAMES_PER_STEP + (uint64_t)f;
        const tg_dataset *set = t->dataset;
        int64_t frame =
            set->ready_train[tg_rng_u32(&t->frame_rng, index) % (uint32_t)set->ready_trains];
        frames[f] = frame_pose(t, frame);
        for (int i = 0; i < 6; i++)
            frames[f].pose[i] += pose_noise * t->pose_deviation[i] *
                                 tg_rng_normal(&t->noise_rng, index * 6 + (uint64_t)i);
        if (tg_rng_uniform(&t->code_rng, index) < own_code_share)
            frames[f].code = (int)frame;
        draw_pixels(t, frame, index * (uint64_t)per_frame, per_frame, t->pixels + f * per_frame);
    }
    torso_weights weights = {entropy_weight, alpha_weight, 1.0f / (float)t->n_pixels};
    torso_result result;
    tg_torso_step_gradients(ctx, t->stepper, frames, FRAMES_PER_STEP, t->pixels, per_frame,
                            &weights, &result);
    float lr = t->options->lr > 0 ? t->options->lr : lr_default;
    tg_nerf_adam_step(ctx, t->adam, lr * (float)pow(lr_end, progress_of(t)));
    t->step++;
    double error = result.squared_error / (3.0 * t->n_pixels);
    double keep = t->smooth_error > 0 ? 0.98 : 0;
    t->smooth_error = keep * t->smooth_error + (1 - keep) * error;
    if (!isfinite(error))
        return tg_fail(ctx, TG_EINTERNAL, "the loss of the torso became infinite at step %lld",
                       (long long)t->step);
    return TG_OK;
}

/* Largest alpha of each lattice point under many poses, spread by two points as RAD-NeRF's 5 x 5
 * pooling does; nothing where it stays invisible. */
static tg_status find_occupancy(tg_context *ctx, torso_training *t) {
    int size = t->nerf->config.grid_size, points = size * size;
    torso_pixel *pixels = tg_calloc(sizeof(torso_pixel) * (size_t)points);
    float *rgba = tg_alloc(sizeof(float) * 4 * (size_t)points);
    float *most = tg_calloc(sizeof(float) * (size_t)points);
    if (!pixels || !rgba || !most) {
        tg_free(pixels);
        tg_free(rgba);
        tg_free(most);
        return tg_fail(ctx, TG_ENOMEM, "no memory for the torso's occupancy");
    }
    for (int i = 0; i < points; i++) {
        pixels[i].column = (int16_t)(i / size);
        pixels[i].row = (int16_t)(i % size);
    }
    for (int k = 0; k < OCCUPANCY_FRAMES; k++) {
        torso_frame frame = frame_pose(t, k * t->dataset->frames / OCCUPANCY_FRAMES);
        tg_torso_step_render(ctx, t->lattice, &frame, pixels, points, rgba);
        for (int i = 0; i < points; i++)
            most[i] = fmaxf(most[i], rgba[4 * i + 3]);
    }
    for (int i = 0; i < points; i++) {
        float best = 0;
        for (int dc = -2; dc <= 2; dc++)
            for (int dr = -2; dr <= 2; dr++) {
                int c = i / size + dc, r = i % size + dr;
                if (c >= 0 && c < size && r >= 0 && r < size)
                    best = fmaxf(best, most[c * size + r]);
            }
        t->nerf->density_grid_torso[i] = best < occupied_alpha ? 0 : best;
    }
    tg_free(pixels);
    tg_free(rgba);
    tg_free(most);
    return TG_OK;
}

/* ---- held-out frames --------------------------------------------------------------------------
 */

typedef struct {
    torso_pixel *pixels;
    float *rgba, *ssim;
    uint8_t *truth, *picture;
} score_memory;

static tg_status score_frame(tg_context *ctx, torso_training *t, int64_t frame, score_memory *m,
                             tg_region_score *sum) {
    const tg_dataset *set = t->dataset;
    int n = set->width * set->height;
    torso_frame pose = frame_pose(t, frame);
    for (int i = 0; i < n; i++)
        fill_pixel(t, frame, i % set->width, i / set->width, &m->pixels[i]);
    tg_torso_step_render(ctx, t->stepper, &pose, m->pixels, n, m->rgba);
    for (int i = 0; i < n; i++)
        for (int c = 0; c < 3; c++) {
            float alpha = m->rgba[4 * i + 3], back = m->pixels[i].background[c];
            m->picture[3 * i + c] =
                (uint8_t)((alpha * m->rgba[4 * i + c] + (1 - alpha) * back) * 255);
            m->truth[3 * i + c] = (uint8_t)(m->pixels[i].target[c] * 255 + 0.5f);
        }
    tg_status status = tg_ssim_map(ctx, set->width, set->height, m->picture, m->truth, m->ssim);
    if (status == TG_OK)
        tg_region_add(sum, set->width, set->height, m->picture, m->truth, m->ssim,
                      set->parsing + (int64_t)frame * n, TG_PIXEL_TORSO_REGION, NULL);
    return status;
}

static tg_status score(tg_context *ctx, torso_training *t, int n, const char *sheet) {
    const tg_dataset *set = t->dataset;
    /* while nothing held out has been filmed, what was seen must do */
    bool seen = set->ready_held_outs == 0;
    const int64_t *list = seen ? set->ready_train : set->ready_held_out;
    int64_t held_out = seen ? set->ready_trains : set->ready_held_outs;
    size_t pixels = (size_t)set->width * (size_t)set->height;
    n = held_out < n ? (int)held_out : n;
    score_memory m = {tg_alloc(sizeof(torso_pixel) * pixels), tg_alloc(sizeof(float) * 4 * pixels),
                      tg_alloc(sizeof(float) * pixels), tg_alloc(3 * pixels), tg_alloc(3 * pixels)};
    tg_region_score sum = {0};
    contact_sheet pictures = {0};
    tg_status status = TG_OK;
    if (!m.pixels || !m.rgba || !m.ssim || !m.truth || !m.picture)
        status = tg_fail(ctx, TG_ENOMEM, "no memory to render a held-out frame");
    if (status == TG_OK)
        status = tg_contact_sheet_init(ctx, &pictures, sheet ? n : 0, 2, set->width, set->height);
    for (int k = 0; k < n && status == TG_OK; k++) {
        int64_t frame = list[(2 * k + 1) * held_out / (2 * n)];
        status = score_frame(ctx, t, frame, &m, &sum);
        if (status == TG_OK && sheet) {
            tg_contact_sheet_put(&pictures, k, 0, m.truth);
            tg_contact_sheet_put(&pictures, k, 1, m.picture);
        }
        if (status == TG_OK)
            status = tg_cancelled(ctx);
    }
    if (status == TG_OK && sheet)
        status = tg_contact_sheet_write(ctx, &pictures, sheet);
    t->result->torso_psnr = tg_region_psnr(&sum);
    t->result->torso_ssim = tg_region_ssim(&sum);
    tg_contact_sheet_free(&pictures);
    tg_free(m.pixels);
    tg_free(m.rgba);
    tg_free(m.ssim);
    tg_free(m.truth);
    tg_free(m.picture);
    return status;
}

/* ---- loop ---------------------------------------------------------------------------- */

static void measure_poses(torso_training *t) {
    double sum[6] = {0}, squares[6] = {0}, n = (double)t->dataset->train_frames;
    for (int64_t f = 0; f < t->dataset->train_frames; f++) {
        torso_frame frame = frame_pose(t, f);
        for (int i = 0; i < 6; i++) {
            sum[i] += frame.pose[i];
            squares[i] += (double)frame.pose[i] * frame.pose[i];
        }
    }
    for (int i = 0; i < 6; i++)
        t->pose_deviation[i] = (float)sqrt(fmax(0, squares[i] / n - sum[i] * sum[i] / (n * n)));
}

static void find_bodies(torso_training *t) {
    const tg_dataset *set = t->dataset;
    for (int64_t i = 0; i < set->ready_trains; i++) {
        int64_t f = set->ready_train[i];
        tg_box box = {set->width, set->height, 0, 0};
        const uint8_t *rgba = rgba_of(t, f);
        for (int y = 0; y < set->height; y++)
            for (int x = 0; x < set->width; x++)
                if (rgba[4 * ((int64_t)y * set->width + x) + 3]) {
                    box.left = x < box.left ? x : box.left;
                    box.top = y < box.top ? y : box.top;
                    box.right = x >= box.right ? x + 1 : box.right;
                    box.bottom = y >= box.bottom ? y + 1 : box.bottom;
                }
        if (box.right <= box.left)
            box = (tg_box){0, 0, set->width, set->height};
        t->body[f] = box;
    }
}

static tg_status save_state(tg_context *ctx, const torso_training *t) {
    char path[1200];
    snprintf(path, sizeof(path), "%s/torso.state", t->options->state);
    return tg_nerf_state_save(ctx, path, t->nerf, t->adam, t->step, trained_s(t));
}

static tg_status check(tg_context *ctx, torso_training *t) {
    char path[1200], line[200];
    double paused = tg_now_s();
    snprintf(path, sizeof(path), "%s/sheet_%07lld.png", t->options->state, (long long)t->step);
    tg_status status = score(ctx, t, SHEET_FRAMES, path);
    snprintf(line, sizeof(line), "%lld,%.1f,%s,%.3f,%.4f", (long long)t->step, trained_s(t),
             t->dataset->ready_held_outs ? "held_out" : "seen", t->result->torso_psnr,
             t->result->torso_ssim);
    if (status == TG_OK)
        status = tg_log_line(ctx, t->log_path, log_header, line);
    if (status == TG_OK)
        status = find_occupancy(ctx, t);
    snprintf(t->result->model, sizeof(t->result->model), "%s/torso.safetensors", t->options->state);
    if (status == TG_OK)
        status = tg_nerf_model_save(ctx, t->result->model, t->nerf, true);
    int64_t added = 0;
    if (status == TG_OK)
        status = tg_dataset_grow(ctx, t->dataset, &added);
    if (added > 0)
        find_bodies(t);
    t->start_s += tg_now_s() - paused; /* checks are not training time */
    return status;
}

static tg_status loop(tg_context *ctx, torso_training *t) {
    const tg_train_torso_options *o = t->options;
    double save_every = o->save_every_s > 0 ? o->save_every_s : 180;
    double check_every = o->check_every_s > 0 ? o->check_every_s : 300;
    double saved = trained_s(t), checked = saved, logged = saved;
    tg_status status = TG_OK;
    while (status == TG_OK && progress_of(t) < 1) {
        status = train_step(ctx, t);
        double now = trained_s(t);
        if (status == TG_OK && t->step % 16 == 0) {
            char text[96];
            snprintf(text, sizeof(text), "step %lld, pixels %.2f dB", (long long)t->step,
                     -10 * log10(t->smooth_error));
            tg_progress(ctx, "train torso", progress_of(t), 1, text);
        }
        if (status == TG_OK && (now - logged >= 5 || t->step <= 1)) {
            logged = now;
            char line[200];
            snprintf(line, sizeof(line), "%lld,%.1f,train,%.3f,", (long long)t->step, now,
                     -10 * log10(t->smooth_error));
            status = tg_log_line(ctx, t->log_path, log_header, line);
        }
        if (status == TG_OK && now - saved >= save_every) {
            saved = now;
            status = save_state(ctx, t);
        }
        if (status == TG_OK && now - checked >= check_every) {
            checked = now;
            status = check(ctx, t);
        }
        tg_status stop = tg_cancelled(ctx);
        if (status == TG_OK && stop != TG_OK) {
            status = save_state(ctx, t);
            if (status == TG_OK)
                status = tg_fail(ctx, stop, "training of the torso was stopped at step %lld",
                                 (long long)t->step);
        }
    }
    return status;
}

static tg_status create_model(tg_context *ctx, torso_training *t) {
    const tg_train_torso_options *o = t->options;
    tg_nerf_config c = tg_nerf_config_defaults();
    c.torso = true;
    c.desired_resolution = tg_nerf_train_resolution(t->dataset);
    /* the head of this model is never used: as small as can be */
    c.hidden_dim_ambient = c.hidden_dim_sigma = c.hidden_dim_color = c.geo_feat_dim = 16;
    c.log2_hashmap_size = 3;
    c.individual_embedding_num = 1;
    c.torso_individual_embedding_num = (int)t->dataset->train_frames;
    char path[1200];
    snprintf(path, sizeof(path), "%s/torso.state", o->state);
    tg_status status = tg_nerf_create(ctx, &c, o->seed, &t->nerf);
    if (status == TG_OK)
        status = tg_nerf_adam_create(ctx, t->nerf, true, &t->adam);
    if (status == TG_OK && tg_file_exists(path))
        status = tg_nerf_state_load(ctx, path, t->nerf, t->adam, &t->step, &t->before_s);
    else if (status == TG_OK && o->init)
        status = tg_nerf_model_warm(ctx, o->init, t->nerf, true);
    int size = c.grid_size;
    if (status == TG_OK)
        status = tg_torso_stepper_create(ctx, t->nerf, t->dataset->width, t->dataset->height,
                                         t->n_pixels, &t->stepper);
    if (status == TG_OK)
        status = tg_torso_stepper_create(ctx, t->nerf, size, size, TORSO_BLOCK_TILES * NERF_TILE,
                                         &t->lattice);
    return status;
}

static tg_status set_up(tg_context *ctx, torso_training *t) {
    const tg_train_torso_options *o = t->options;
    const int unit = FRAMES_PER_STEP * TORSO_BLOCK_TILES * NERF_TILE;
    t->n_pixels = o->pixels > 0 ? o->pixels : 16384;
    if (!(o->time_s > 0) && o->steps <= 0)
        return tg_fail(ctx, TG_EUSAGE,
                       "neither a training time nor a number of steps\n  expected: one of them\n"
                       "  try: --time 25m");
    if (t->n_pixels % unit)
        return tg_fail(ctx, TG_EUSAGE,
                       "%d pixels per step\n  expected: a multiple of %d\n  try: 16384",
                       t->n_pixels, unit);
    tg_status status = tg_make_dirs(ctx, o->state);
    if (status == TG_OK)
        status = tg_dataset_open(
            ctx, o->dataset, TG_LOAD_TORSO | TG_LOAD_PARSING | (o->growing ? TG_LOAD_GROWING : 0),
            o->limit, &t->dataset);
    if (status != TG_OK)
        return status;
    t->pixels = tg_alloc(sizeof(torso_pixel) * (size_t)t->n_pixels);
    t->body = tg_alloc(sizeof(tg_box) * (size_t)t->dataset->frames);
    if (!t->pixels || !t->body)
        return tg_fail(ctx, TG_ENOMEM, "no memory to train the torso");
    find_bodies(t);
    t->frame_rng = tg_rng_make(o->seed, "", "torso.frame");
    t->pixel_rng = tg_rng_make(o->seed, "", "torso.pixel");
    t->code_rng = tg_rng_make(o->seed, "", "torso.code");
    t->noise_rng = tg_rng_make(o->seed, "", "torso.noise");
    status = create_model(ctx, t);
    if (status == TG_OK)
        measure_poses(t);
    if (status == TG_OK)
        status = tg_log_trim(ctx, t->log_path, t->step);
    return status;
}

tg_status tg_train_torso(tg_context *ctx, const tg_train_torso_options *options,
                         tg_train_torso_result *result) {
    *result = (tg_train_torso_result){0};
    torso_training t = {.options = options, .result = result};
    snprintf(t.log_path, sizeof(t.log_path), "%s/torso.csv", options->state);
    tg_status status = set_up(ctx, &t);
    t.start_s = tg_now_s();
    if (status == TG_OK)
        status = loop(ctx, &t);
    if (status == TG_OK)
        status = check(ctx, &t);
    if (status == TG_OK)
        status = save_state(ctx, &t);
    if (status == TG_OK)
        status = score(ctx, &t, FINAL_FRAMES, NULL);
    result->steps = t.step;
    result->time_s = trained_s(&t);
    tg_torso_stepper_destroy(&t.lattice);
    tg_torso_stepper_destroy(&t.stepper);
    tg_nerf_adam_destroy(&t.adam);
    tg_nerf_destroy(&t.nerf);
    tg_dataset_close(&t.dataset);
    tg_free(t.pixels);
    tg_free(t.body);
    return status;
}
