/* Training of the head: RAD-NeRF's recipe with fewer, better chosen rays. */
#include "talkgen/dataset.h"
#include "talkgen/eval.h"
#include "talkgen/train.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#include "eval/contact_sheet.h"
#include "train/nerf_files.h"
#include "train/nerf_occupancy.h"
#include "train/nerf_sampler.h"
#include "train/state.h"

enum {
    REFRESH_STEPS = 16,  /* between refreshes of the occupancy grid, */
    SETTLED = 1024,      /* before this step; */
    SETTLED_STEPS = 64,  /* after it */
    REFRESH_FRAMES = 24, /* conditions of one refresh */
    SHEET_FRAMES = 6,    /* held-out frames of a check */
    FINAL_FRAMES = 60,   /* held-out frames of the final score */
    SECOND = 25          /* frames */
};

static const float lr_default = 2e-3f;
static const double lr_end = 0.03; /* share of the learning rate at the end */
static const float entropy_weight = 1e-4f, opacity_weight = 1e-2f, ambient_weight = 2e-3f,
                   distortion_weight = 1e-2f, excess_weight = 1e-5f;
/* Optical depth of one step that is opaque: a thousandth of the light passes. The weight of what
 * exceeds it may be tiny, since nothing else pulls at what hides all behind it, and must be: with
 * 1e-3 surfaces became soft (0.3 dB after five minutes). */
static const float enough_depth = 7;
static const float window_noise = 0.03f;   /* normalised landmarks are never exact */
static const float own_code_share = 0.25f; /* frames that use their own individual code */
/* A check this much below the best (dB) is noise of its few frames; this much means that training
 * has left the rails, which it was seen to do once after 30,000 and once after 19,000 steps: back
 * to the best model then, with fresh moments and half the learning rate. Training rays that lose
 * this much (dB) call for a check at once. */
static const double check_noise = 0.3, derailed = 1.0, falling = 1.5;

static const char log_header[] = "step,seconds,kind,head_or_rays_db,ssim_or_samples,mouth_db,"
                                 "control_db,frame_db,occupied";

typedef struct {
    const tg_train_head_options *options;
    tg_train_head_result *result;
    tg_dataset *dataset;
    nerf_sampler sampler;
    tg_nerf *nerf;
    nerf_stepper *stepper;
    nerf_adam *adam;
    nerf_occupancy *occupancy;
    nerf_ray *rays;
    float *windows;   /* [NERF_MAX_FRAMES][window] */
    uint8_t *picture; /* [height,width,3] */
    float *composite, *ssim;
    tg_rng frame_rng, ray_rng, noise_rng, code_rng, refresh_rng;
    int n_rays, frames_per_step;
    int64_t step;
    double before_s, start_s; /* trained in earlier runs; clock at the start of this one */
    double smooth_error, samples_ray;
    double best_psnr; /* of the checks of all runs; head.safetensors is (nearly) that good */
    int setbacks;     /* times training went back to the best model */
    double best_rays; /* dB of the training rays, the best since the last check */
    int64_t checked;  /* its step */
    char log_path[1200];
} head_training;

static size_t window_size(const head_training *t) {
    return (size_t)TG_COND_WINDOW * (size_t)t->dataset->cond_dim;
}

static double trained_s(const head_training *t) {
    return t->before_s + tg_now_s() - t->start_s;
}

/* 0 at the start of the schedule, 1 at its end. */
static double progress_of(const head_training *t) {
    double done = t->options->steps > 0 ? (double)t->step / (double)t->options->steps
                                        : trained_s(t) / t->options->time_s;
    return done < 1 ? done : 1;
}

/* ---- steps ------------------------------------------------------------------------------ */

static void step_frame(const head_training *t, int64_t frame, bool noise, uint64_t index, int slot,
                       nerf_step_frame *out) {
    const size_t size = window_size(t);
    float *window = t->windows + (size_t)slot * size;
    tg_dataset_window(t->dataset, t->dataset->image_id[frame], window);
    for (size_t i = 0; noise && i < size; i++)
        window[i] += window_noise * tg_rng_normal(&t->noise_rng, index * size + i);
    *out = (nerf_step_frame){window, 0};
}

static tg_status refresh(tg_context *ctx, head_training *t) {
    nerf_step_frame frames[REFRESH_FRAMES];
    int64_t round = t->step / REFRESH_STEPS;
    for (int f = 0; f < REFRESH_FRAMES; f++) {
        uint64_t index = (uint64_t)(round * REFRESH_FRAMES + f);
        int64_t frame = tg_nerf_sampler_pick(&t->sampler, &t->refresh_rng, index);
        step_frame(t, frame, false, index, f, &frames[f]);
    }
    return tg_nerf_occupancy_refresh(ctx, t->occupancy, t->stepper, frames, REFRESH_FRAMES,
                                     &t->refresh_rng, round);
}

static tg_status train_step(tg_context *ctx, head_training *t) {
    tg_status status = TG_OK;
    if (t->step % (t->step < SETTLED ? REFRESH_STEPS : SETTLED_STEPS) == 0 && t->step > 0)
        status = refresh(ctx, t);
    if (status != TG_OK)
        return status;
    double done = progress_of(t);
    int per_frame = t->n_rays / t->frames_per_step;
    nerf_step_frame frames[NERF_MAX_FRAMES];
    for (int f = 0; f < t->frames_per_step; f++) {
        uint64_t index = (uint64_t)t->step * (uint64_t)t->frames_per_step + (uint64_t)f;
        int64_t frame = tg_nerf_sampler_pick(&t->sampler, &t->frame_rng, index);
        step_frame(t, frame, true, index, f, &frames[f]);
        if (tg_rng_uniform(&t->code_rng, index) < own_code_share)
            frames[f].code = (int)frame;
        tg_nerf_sampler_draw(&t->sampler, frame, &t->ray_rng, index * (uint64_t)per_frame,
                             per_frame, ambient_weight * (float)done, t->rays + f * per_frame);
    }
    nerf_loss_weights weights = {.entropy = entropy_weight,
                                 .opacity = opacity_weight,
                                 .distortion = distortion_weight,
                                 .excess = excess_weight,
                                 .enough = enough_depth / tg_nerf_march(t->nerf).dt_max,
                                 .scale = 1.0f / (float)t->n_rays};
    nerf_step_result result;
    status = tg_nerf_step_gradients(ctx, t->stepper, frames, t->frames_per_step, t->rays, per_frame,
                                    &weights, &result);
    if (status != TG_OK)
        return status;
    float lr = t->options->lr > 0 ? t->options->lr : lr_default;
    tg_nerf_adam_step(ctx, t->adam, ldexpf(lr, -t->setbacks) * (float)pow(lr_end, done));
    t->step++;
    double error = result.squared_error / (3.0 * t->n_rays);
    double keep = t->smooth_error > 0 ? 0.98 : 0;
    t->smooth_error = keep * t->smooth_error + (1 - keep) * error;
    t->samples_ray =
        keep * t->samples_ray + (1 - keep) * (double)result.samples / (double)t->n_rays;
    if (!isfinite(error))
        return tg_fail(ctx, TG_EINTERNAL, "the loss of the head became infinite at step %lld",
                       (long long)t->step);
    return TG_OK;
}

/* ---- held-out frames ---------------------------------------------------------------------- */

/* t->picture = frame `frame` rendered with the landmarks of `row`. */
static tg_status render_frame(tg_context *ctx, head_training *t, int64_t frame, int64_t row,
                              nerf_ray *rays) {
    const tg_dataset *set = t->dataset;
    int64_t pixels = (int64_t)set->width * set->height;
    nerf_step_frame condition = {t->windows, 0};
    tg_dataset_window(set, row, t->windows);
    for (int64_t i = 0; i < pixels; i++)
        tg_nerf_sampler_ray(&t->sampler, frame, (int)(i % set->width), (int)(i / set->width), 0,
                            &rays[i]);
    tg_status status =
        tg_nerf_step_render(ctx, t->stepper, &condition, rays, (int)pixels, t->composite);
    for (int64_t i = 0; status == TG_OK && i < 3 * pixels; i++)
        t->picture[i] = (uint8_t)(fminf(fmaxf(t->composite[i], 0), 1) * 255);
    return status;
}

typedef struct {
    tg_region_score head, mouth, control, all;
} score_sums;

static tg_status score_frame(tg_context *ctx, head_training *t, int64_t frame, nerf_ray *rays,
                             bool control, score_sums *sums) {
    const tg_dataset *set = t->dataset;
    int64_t pixels = (int64_t)set->width * set->height;
    const uint8_t *truth = set->frame_rgb + frame * pixels * 3;
    const uint8_t *mask = set->parsing + frame * pixels;
    tg_box mouth = tg_dataset_mouth(set, frame);
    int64_t row = set->image_id[frame];
    tg_status status = TG_OK;
    if (control && row + SECOND < set->landmark_rows) {
        status = render_frame(ctx, t, frame, row + SECOND, rays);
        if (status == TG_OK)
            tg_region_add(&sums->control, set->width, set->height, t->picture, truth, NULL, NULL, 0,
                          &mouth);
    }
    if (status == TG_OK)
        status = render_frame(ctx, t, frame, row, rays);
    if (status == TG_OK)
        status = tg_ssim_map(ctx, set->width, set->height, t->picture, truth, t->ssim);
    if (status != TG_OK)
        return status;
    tg_region_add(&sums->head, set->width, set->height, t->picture, truth, t->ssim, mask,
                  TG_PIXEL_HEAD_REGION, NULL);
    tg_region_add(&sums->mouth, set->width, set->height, t->picture, truth, t->ssim, NULL, 0,
                  &mouth);
    tg_region_add(&sums->all, set->width, set->height, t->picture, truth, t->ssim, NULL, 0, NULL);
    return TG_OK;
}

/* Scores n held-out frames, evenly spread; a contact sheet when `sheet` is a path. */
static tg_status score(tg_context *ctx, head_training *t, int n, bool control, const char *sheet,
                       tg_head_score *out) {
    const tg_dataset *set = t->dataset;
    /* while nothing held out has been filmed, what was seen must do */
    bool seen = set->ready_held_outs == 0;
    const int64_t *list = seen ? set->ready_train : set->ready_held_out;
    int64_t held_out = seen ? set->ready_trains : set->ready_held_outs;
    int64_t pixels = (int64_t)set->width * set->height;
    n = held_out < n ? (int)held_out : n;
    nerf_ray *rays = tg_alloc(sizeof(nerf_ray) * (size_t)pixels);
    if (!rays)
        return tg_fail(ctx, TG_ENOMEM, "no memory to render a held-out frame");
    contact_sheet pictures;
    score_sums sums = {0};
    tg_status status =
        tg_contact_sheet_init(ctx, &pictures, sheet ? n : 0, 2, set->width, set->height);
    for (int k = 0; k < n && status == TG_OK; k++) {
        int64_t frame = list[(2 * k + 1) * held_out / (2 * n)];
        status = score_frame(ctx, t, frame, rays, control, &sums);
        if (status == TG_OK && sheet) {
            tg_contact_sheet_put(&pictures, k, 0, set->frame_rgb + frame * pixels * 3);
            tg_contact_sheet_put(&pictures, k, 1, t->picture);
        }
        if (status == TG_OK)
            status = tg_cancelled(ctx);
    }
    if (status == TG_OK && sheet)
        status = tg_contact_sheet_write(ctx, &pictures, sheet);
    tg_contact_sheet_free(&pictures);
    tg_free(rays);
    *out = (tg_head_score){.frames = n,
                           .head_psnr = tg_region_psnr(&sums.head),
                           .head_ssim = tg_region_ssim(&sums.head),
                           .mouth_psnr = tg_region_psnr(&sums.mouth),
                           .mouth_ssim = tg_region_ssim(&sums.mouth),
                           .control_psnr = tg_region_psnr(&sums.control),
                           .frame_psnr = tg_region_psnr(&sums.all),
                           .frame_ssim = tg_region_ssim(&sums.all)};
    return status;
}

/* ---- files ---------------------------------------------------------------------------------- */

static tg_status save_state(tg_context *ctx, const head_training *t) {
    char path[1200];
    snprintf(path, sizeof(path), "%s/head.state", t->options->state);
    return tg_nerf_state_save(ctx, path, t->nerf, t->adam, t->step, trained_s(t));
}

static tg_status save_model(tg_context *ctx, head_training *t) {
    return tg_nerf_model_save(ctx, t->result->model, t->nerf, false);
}

/* The best check and the setbacks so far live beside the state: a resumed run must not take a worse
 * model for a better one. */
static tg_status save_best(tg_context *ctx, const head_training *t) {
    char path[1200], text[64];
    snprintf(path, sizeof(path), "%s/head.best", t->options->state);
    int n = snprintf(text, sizeof(text), "%.6f %d\n", t->best_psnr, t->setbacks);
    return tg_file_write(ctx, path, text, (size_t)n);
}

static void load_best(tg_context *ctx, head_training *t) {
    char path[1200], *text = NULL;
    size_t bytes;
    snprintf(path, sizeof(path), "%s/head.best", t->options->state);
    if (!tg_file_exists(path) || tg_file_read(ctx, path, 64, &text, &bytes) != TG_OK)
        return;
    if (sscanf(text, "%lf %d", &t->best_psnr, &t->setbacks) != 2 || t->setbacks < 0)
        t->best_psnr = 0, t->setbacks = 0;
    tg_free(text);
}

static tg_status go_back(tg_context *ctx, head_training *t) {
    tg_note(ctx, "head: %.1f dB after %.1f dB at step %lld; going back with half the learning rate",
            t->result->score.head_psnr, t->best_psnr, (long long)t->step);
    tg_status status = tg_nerf_model_warm(ctx, t->result->model, t->nerf, false);
    tg_nerf_adam_destroy(&t->adam);
    if (status == TG_OK)
        status = tg_nerf_adam_create(ctx, t->nerf, false, &t->adam);
    tg_nerf_occupancy_destroy(&t->occupancy);
    if (status == TG_OK)
        status = tg_nerf_occupancy_create(ctx, t->nerf, t->dataset, true, &t->occupancy);
    t->smooth_error = 0;
    t->setbacks++;
    return status == TG_OK ? save_best(ctx, t) : status;
}

/* Keeps the model when it is as good as the best, goes back to the best when it is far worse. */
static tg_status judge(tg_context *ctx, head_training *t) {
    double psnr = t->result->score.head_psnr;
    snprintf(t->result->model, sizeof(t->result->model), "%s/head.safetensors", t->options->state);
    if (t->dataset->ready_held_outs == 0) /* frames that were trained on cannot be compared */
        return save_model(ctx, t);
    if (psnr < t->best_psnr - derailed && tg_file_exists(t->result->model))
        return go_back(ctx, t);
    if (psnr < t->best_psnr - check_noise)
        return TG_OK;
    t->best_psnr = fmax(psnr, t->best_psnr);
    tg_status status = save_best(ctx, t);
    return status == TG_OK ? save_model(ctx, t) : status;
}

/* Takes in frames that were filmed since the last look. */
static tg_status grow(tg_context *ctx, head_training *t) {
    int64_t added;
    tg_status status = tg_dataset_grow(ctx, t->dataset, &added);
    if (status != TG_OK || added == 0)
        return status;
    tg_nerf_sampler_update(&t->sampler);
    tg_nerf_occupancy_destroy(&t->occupancy);
    return tg_nerf_occupancy_create(ctx, t->nerf, t->dataset, false, &t->occupancy);
}

static tg_status check(tg_context *ctx, head_training *t) {
    char path[1200], line[200];
    snprintf(path, sizeof(path), "%s/sheet_%07lld.png", t->options->state, (long long)t->step);
    double paused = tg_now_s();
    tg_status status = score(ctx, t, SHEET_FRAMES, true, path, &t->result->score);
    const tg_head_score *s = &t->result->score;
    snprintf(line, sizeof(line), "%lld,%.1f,%s,%.3f,%.4f,%.3f,%.3f,%.3f,%.4f", (long long)t->step,
             trained_s(t), t->dataset->ready_held_outs ? "held_out" : "seen", s->head_psnr,
             s->head_ssim, s->mouth_psnr, s->control_psnr, s->frame_psnr,
             tg_nerf_occupancy_share(t->nerf));
    if (status == TG_OK)
        status = tg_log_line(ctx, t->log_path, log_header, line);
    if (status == TG_OK)
        status = judge(ctx, t);
    if (status == TG_OK)
        status = grow(ctx, t);
    t->start_s += tg_now_s() - paused; /* checks are not training time */
    t->best_rays = 0;
    t->checked = t->step;
    return status;
}

/* A head that leaves the rails does so in seconds; the next check by the clock is minutes away. */
static bool is_falling(head_training *t) {
    if (t->step - t->checked < SETTLED_STEPS) /* the mean is still that of a few steps */
        return false;
    double rays = -10 * log10(t->smooth_error);
    t->best_rays = fmax(t->best_rays, rays);
    return rays < t->best_rays - falling;
}

static void report(tg_context *ctx, head_training *t) {
    char text[160];
    double done = progress_of(t);
    snprintf(text, sizeof(text), "step %lld, rays %.2f dB, %.1f samples/ray", (long long)t->step,
             -10 * log10(t->smooth_error), t->samples_ray);
    tg_progress(ctx, "train head", done, 1, text);
}

static tg_status loop(tg_context *ctx, head_training *t) {
    const tg_train_head_options *o = t->options;
    double save_every = o->save_every_s > 0 ? o->save_every_s : 180;
    double check_every = o->check_every_s > 0 ? o->check_every_s : 300;
    double saved = trained_s(t), checked = saved, logged = saved;
    tg_status status = TG_OK;
    while (status == TG_OK && progress_of(t) < 1) {
        status = train_step(ctx, t);
        double now = trained_s(t);
        if (status == TG_OK && t->step % 16 == 0)
            report(ctx, t);
        if (status == TG_OK && (now - logged >= 5 || t->step <= 1)) {
            logged = now;
            char line[200];
            snprintf(line, sizeof(line), "%lld,%.1f,train,%.3f,%.2f,,,,%.4f", (long long)t->step,
                     now, -10 * log10(t->smooth_error), t->samples_ray,
                     tg_nerf_occupancy_share(t->nerf));
            status = tg_log_line(ctx, t->log_path, log_header, line);
        }
        if (status == TG_OK && now - saved >= save_every) {
            saved = now;
            status = save_state(ctx, t);
        }
        if (status == TG_OK && (now - checked >= check_every || is_falling(t))) {
            checked = now;
            status = check(ctx, t);
        }
        tg_status stop = tg_cancelled(ctx);
        if (status == TG_OK && stop != TG_OK) {
            status = save_state(ctx, t);
            if (status == TG_OK)
                status = tg_fail(ctx, stop, "training of the head was stopped at step %lld",
                                 (long long)t->step);
        }
    }
    return status;
}

/* ---- setting up --------------------------------------------------------------------------------
 */

static tg_status create_model(tg_context *ctx, head_training *t, bool *fresh) {
    const tg_train_head_options *o = t->options;
    tg_nerf_config c = tg_nerf_config_defaults();
    int hidden = o->hidden > 0 ? o->hidden : 64;
    c.hidden_dim_ambient = c.hidden_dim_sigma = c.hidden_dim_color = c.geo_feat_dim = hidden;
    c.individual_embedding_num = (int)t->dataset->train_frames;
    c.desired_resolution = tg_nerf_train_resolution(t->dataset);
    c.cond_dim = t->dataset->cond_dim;
    char path[1200];
    snprintf(path, sizeof(path), "%s/head.state", o->state);
    *fresh = true;
    tg_status status = tg_nerf_create(ctx, &c, o->seed, &t->nerf);
    if (status == TG_OK)
        status = tg_nerf_adam_create(ctx, t->nerf, false, &t->adam);
    if (status == TG_OK && tg_file_exists(path)) {
        *fresh = false;
        status = tg_nerf_state_load(ctx, path, t->nerf, t->adam, &t->step, &t->before_s);
    } else if (status == TG_OK && o->init) {
        status = tg_nerf_model_warm(ctx, o->init, t->nerf, false);
    }
    return status;
}

static tg_status check_options(tg_context *ctx, const tg_train_head_options *o, int n_rays,
                               int frames) {
    if (!(o->time_s > 0) && o->steps <= 0)
        return tg_fail(ctx, TG_EUSAGE,
                       "neither a training time nor a number of steps\n  expected: one of them\n"
                       "  try: --time 45m");
    if (frames < 1 || frames > NERF_MAX_FRAMES || n_rays % (frames * NERF_BLOCK_RAYS) != 0)
        return tg_fail(ctx, TG_EUSAGE,
                       "%d rays cannot be shared by %d frames\n"
                       "  expected: a multiple of %d for each of at most %d frames\n"
                       "  try: 4096 rays of 8 frames",
                       n_rays, frames, NERF_BLOCK_RAYS, NERF_MAX_FRAMES);
    return TG_OK;
}

static tg_status set_up(tg_context *ctx, head_training *t) {
    const tg_train_head_options *o = t->options;
    t->n_rays = o->rays > 0 ? o->rays : 4096;
    t->frames_per_step = o->frames_per_step > 0 ? o->frames_per_step : 8;
    tg_status status = check_options(ctx, o, t->n_rays, t->frames_per_step);
    if (status == TG_OK)
        status = tg_make_dirs(ctx, o->state);
    if (status == TG_OK)
        status = tg_dataset_open(ctx, o->dataset,
                                 TG_LOAD_FRAMES | TG_LOAD_BEHIND | TG_LOAD_PARSING |
                                     (o->growing ? TG_LOAD_GROWING : 0),
                                 o->limit, &t->dataset);
    if (status != TG_OK)
        return status;
    size_t pixels = (size_t)t->dataset->width * (size_t)t->dataset->height;
    t->rays = tg_alloc(sizeof(nerf_ray) * (size_t)t->n_rays);
    t->windows = tg_alloc(sizeof(float) * NERF_MAX_FRAMES * window_size(t));
    t->picture = tg_alloc(pixels * 3);
    t->composite = tg_alloc(sizeof(float) * pixels * 3);
    t->ssim = tg_alloc(sizeof(float) * pixels);
    if (!t->rays || !t->windows || !t->picture || !t->composite || !t->ssim)
        return tg_fail(ctx, TG_ENOMEM, "no memory to train the head");
    t->frame_rng = tg_rng_make(o->seed, "", "head.frame");
    t->ray_rng = tg_rng_make(o->seed, "", "head.ray");
    t->noise_rng = tg_rng_make(o->seed, "", "head.noise");
    t->code_rng = tg_rng_make(o->seed, "", "head.code");
    t->refresh_rng = tg_rng_make(o->seed, "", "head.refresh");
    bool fresh;
    status = create_model(ctx, t, &fresh);
    if (status == TG_OK)
        status = tg_nerf_sampler_init(ctx, &t->sampler, t->dataset, &t->nerf->config);
    if (status == TG_OK)
        status = tg_nerf_stepper_create(ctx, t->nerf, t->n_rays, &t->stepper);
    if (status == TG_OK)
        status = tg_nerf_occupancy_create(ctx, t->nerf, t->dataset, fresh, &t->occupancy);
    if (status == TG_OK)
        status = tg_log_trim(ctx, t->log_path, t->step);
    return status;
}

tg_status tg_train_head(tg_context *ctx, const tg_train_head_options *options,
                        tg_train_head_result *result) {
    *result = (tg_train_head_result){0};
    head_training t = {.options = options, .result = result};
    snprintf(t.log_path, sizeof(t.log_path), "%s/head.csv", options->state);
    tg_status status = set_up(ctx, &t);
    t.start_s = tg_now_s();
    if (status == TG_OK)
        load_best(ctx, &t);
    if (status == TG_OK)
        status = loop(ctx, &t);
    if (status == TG_OK)
        status = check(ctx, &t);
    if (status == TG_OK)
        status = save_state(ctx, &t);
    if (status == TG_OK) /* the score is that of the model that was kept */
        status = tg_nerf_model_warm(ctx, result->model, t.nerf, false);
    if (status == TG_OK)
        status = score(ctx, &t, FINAL_FRAMES, true, NULL, &result->score);
    result->steps = t.step;
    result->time_s = trained_s(&t);
    result->rays_psnr = -10 * log10(t.smooth_error);
    result->samples_ray = t.samples_ray;
    tg_nerf_occupancy_destroy(&t.occupancy);
    tg_nerf_stepper_destroy(&t.stepper);
    tg_nerf_adam_destroy(&t.adam);
    tg_nerf_destroy(&t.nerf);
    tg_nerf_sampler_free(&t.sampler);
    tg_dataset_close(&t.dataset);
    tg_free(t.rays);
    tg_free(t.windows);
    tg_free(t.picture);
    tg_free(t.composite);
    tg_free(t.ssim);
    return status;
}
