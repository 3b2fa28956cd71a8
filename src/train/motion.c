/* The many-speaker motion model: features of the corpus, sync expert, flow VAE. */
#include "talkgen/systems.h"
#include "talkgen/train.h"

#include "train/motion_check.h"
#include "train/motion_feed.h"
#include "train/motion_loss.h"
#include "train/state.h"
#include "train/sync_expert.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

enum {
    BATCH = TG_FEED_BATCH,
    FRAMES = 128,
    SYNC_WINDOWS = 128,
    CHECK_CLIPS = 24,
    WARMUP = 100,
    TERMS = 7,
    PRIOR_BATCH = BATCH / 2,
    SPREAD_BATCH = BATCH / 4
};
/* Weights that were trained before keep what they have learnt at a quarter of the rate. */
static const float peak_lr = 1e-3f, warm_lr = 2.5e-4f, final_lr = 2e-5f, ema_decay = 0.99f;
/* GeneFace's weights, but for kl: 0.4 there. Landmarks with exact truth hold far less that cannot
 * be heard than fitted ones with their tracker's noise; at 0.4 the posterior collapses within
 * minutes and no seed changes anything. */
static const float weight_mse = 1, weight_continuity = 3, weight_kl = 0.02f, weight_sync = 0.01f;
/* Beyond GeneFace's terms: what is heard is made from the prior, not from the posterior that those
 * terms train. So its mean has to fit as well, and samples at temperature 1 have to scatter about
 * the truth as it scatters (continuous ranked probability score, Gneiting & Raftery 2007), or the
 * prior would be narrower than what it stands for. Lips are seen by the gap between them, a small
 * difference of large coordinates; one that does not close is seen most. */
static const float weight_prior = 1, weight_spread = 2, weight_gap = 0.5f;
/* Full scatter is that of everything unknown, most of it what was misheard. Two takes of a sentence
 * by the actor differ by about half of it, and so shall two seeds at the usual temperature. */
static const float usual_temperature = 0.3f, usual_scatter = 0.5f;
/* Blinks cannot be heard; what carries speech counts more. */
static const float mouth_weight = 2, eye_weight = 0.1f, brow_weight = 0.3f;

typedef struct {
    tg_context *ctx;
    const tg_train_motion_options *o;
    tg_train_motion_result *result;
    tg_hubert *hubert;
    tg_motion_data *data, *held_out; /* data NULL = takes */
    tg_motion_feed feed;
    tg_syncnet *sync;
    tg_vae *vae;
    tg_adam *adam;
    tg_ema *ema;
    tg_tape *tape;
    float *features, *motion, *closure;
    float point_weight[TG_MOTION_DIM];
    tg_state_place place;
    double budget_s;
    int64_t steps;       /* where the schedule ends, 0 = with the time */
    double terms[TERMS]; /* smoothed mse, continuity, kl, sync, prior, gap, spread */
    bool fresh;          /* no step yet in this run */
    char state_path[1100], log_path[1100], checks_path[1100];
} trainer;

static tg_state_part part_of(const trainer *t) {
    return (tg_state_part){"vae", tg_vae_params(t->vae), t->adam, NULL, t->ema};
}

static tg_status open_data(trainer *t) {
    const tg_train_motion_options *o = t->o;
    char cache[1100];
    tg_status s = tg_make_dirs(t->ctx, o->state);
    if (s == TG_OK)
        s = tg_voice_open(t->ctx, o->encoder, &t->hubert, NULL);
    if (o->takes)
        return s == TG_OK ? tg_motion_feed_held_out(t->ctx, o->takes, t->hubert, &t->held_out) : s;
    snprintf(cache, sizeof cache, "%s/features.safetensors", o->state);
    if (s == TG_OK)
        s = tg_motion_data_open(t->ctx, o->corpus, o->clips, t->hubert, cache, TG_TAKES, o->seed,
                                &t->data);
    snprintf(cache, sizeof cache, "%s/features_held_out.safetensors", o->state);
    if (s == TG_OK && o->held_out)
        s = tg_motion_data_open(t->ctx, o->held_out, 0, t->hubert, cache, 1, o->seed, &t->held_out);
    if (s == TG_OK)
        s = tg_motion_data_need(t->ctx, t->data, FRAMES, o->corpus);
    if (s == TG_OK && o->held_out)
        s = tg_motion_data_need(t->ctx, t->held_out, FRAMES, o->held_out);
    t->feed.data = t->data;
    return s;
}

/* Steps of so much speech, `per_block` to a block of takes. */
static int64_t steps_of(double seconds, int per_block) {
    return (int64_t)ceil(seconds / (TG_FEED_STEPS * BATCH * FRAMES / 25.0) * per_block);
}

static tg_status train_expert(trainer *t) {
    tg_syncnet_config config = {.hubert_dim = tg_hubert_config_of(t->hubert)->hidden_size,
                                .lm_dim = TG_SYNC_MOUTH,
                                .widths = {64, 96, 160},
                                .mouth_width = 64};
    tg_status s = tg_syncnet_create(t->ctx, &config, &t->sync);
    char state[1100], log[1100];
    snprintf(state, sizeof state, "%s/sync.state", t->o->state);
    snprintf(log, sizeof log, "%s/sync.csv", t->o->state);
    snprintf(t->result->sync, sizeof t->result->sync, "%s/sync.safetensors", t->o->state);
    double share = t->o->sync_share > 0 ? t->o->sync_share : 0.2;
    tg_sync_options o = {.feed = &t->feed,
                         .held_out = t->held_out,
                         .state = state,
                         .log = log,
                         .time_s = t->o->time_s * share,
                         .save_every_s = t->o->save_every_s > 0 ? t->o->save_every_s : 180,
                         .steps = t->o->sync_steps,
                         .seed = t->o->seed};
    t->budget_s = t->o->time_s * (1 - share);
    t->steps = t->o->steps;
    if (t->o->takes && t->o->hours > 0) {
        double seconds = 3600 * t->o->hours;
        o.steps = o.steps ? o.steps : steps_of(share * seconds, TG_SYNC_BLOCK_STEPS);
        t->steps = t->steps ? t->steps : steps_of(seconds, TG_FEED_STEPS);
    }
    int64_t done = 0;
    if (s == TG_OK && t->o->takes)
        s = tg_sync_steps_done(t->ctx, t->sync, state, &done);
    if (s == TG_OK && t->o->takes)
        s = tg_motion_feed_open(t->ctx, t->o->takes, t->hubert, t->o->seed,
                                done / TG_SYNC_BLOCK_STEPS, &t->feed);
    if (s == TG_OK)
        s = tg_sync_train(t->ctx, t->sync, &o, &t->result->sync_steps, &t->result->sync_accuracy);
    if (s == TG_OK)
        s = tg_syncnet_write(t->ctx, t->sync, t->result->sync);
    tg_params_freeze(tg_syncnet_params(t->sync), "", true);
    if (s == TG_OK && t->result->sync_accuracy >= 0)
        tg_note(t->ctx, "sync expert: %.1f %% of held-out windows judged right",
                100 * t->result->sync_accuracy);
    return s;
}

static tg_status set_up_vae(trainer *t) {
    tg_vae_config config = tg_vae_defaults();
    config.mel_in_dim = tg_hubert_config_of(t->hubert)->hidden_size;
    config.hidden_channels = t->o->hidden > 0 ? t->o->hidden : 128;
    tg_status s = TG_OK;
    if (t->o->init) {
        s = tg_voice_open(t->ctx, t->o->init, NULL, &t->vae);
        if (s == TG_OK && tg_vae_config_of(t->vae)->decoder_only)
            s = tg_fail(t->ctx, TG_EMODEL,
                        "%s: its motion model has no encoder (tensors motion.vae.encoder.*)\n"
                        "  expected: a whole one, as in a voice file; converted people are "
                        "for inference\n"
                        "  try: --init of a voice file, or no --init",
                        t->o->init);
        if (s == TG_OK)
            s = tg_params_own(t->ctx, tg_vae_params(t->vae), -1);
    } else {
        s = tg_vae_create(t->ctx, &config, &t->vae);
    }
    if (s != TG_OK)
        return s;
    if (!t->o->init)
        tg_vae_init(t->vae, t->o->seed);
    t->adam = tg_adam_create(t->ctx, tg_vae_params(t->vae), tg_adam_defaults());
    t->ema = tg_ema_create(t->ctx, tg_vae_params(t->vae), ema_decay);
    t->tape = tg_tape_create(t->ctx, true);
    t->features = tg_alloc((size_t)(BATCH * 2 * FRAMES * config.mel_in_dim) * sizeof(float));
    t->motion = tg_alloc((size_t)BATCH * FRAMES * TG_MOTION_DIM * sizeof(float));
    t->closure = tg_alloc((size_t)BATCH * FRAMES * sizeof(float));
    if (!t->adam || !t->ema || !t->tape || !t->features || !t->motion || !t->closure)
        return tg_fail(t->ctx, TG_ENOMEM, "out of memory for the motion trainer");
    tg_tape_set_training(t->tape, true);
    for (int k = 0; k < TG_MOTION_DIM; k++) {
        int p = k / 3;
        t->point_weight[k] = p >= 48              ? mouth_weight
                             : p >= 36            ? eye_weight
                             : p >= 17 && p <= 26 ? brow_weight
                                                  : 1;
    }
    tg_state_part part = part_of(t);
    s = tg_state_load(t->ctx, t->state_path, "motion", &part, 1, &t->place);
    if (s != TG_OK || !t->o->takes)
        return s;
    tg_motion_feed_close(&t->feed);
    return tg_motion_feed_open(t->ctx, t->o->takes, t->hubert, t->o->seed,
                               t->place.step / TG_FEED_STEPS, &t->feed);
}

/* Motion of the first `batch` crops from the prior; `part` tells the draws of one step apart. */
static tg_tensor *sample(trainer *t, tg_tensor *condition, int64_t batch, float temperature,
                         const char *part) {
    tg_tape *tape = t->tape;
    int64_t latent = tg_vae_config_of(t->vae)->latent_size, steps = FRAMES / TG_VAE_STRIDE;
    int64_t n = batch * latent * steps;
    tg_tensor *z = tg_input(tape, 3, (int64_t[]){batch, latent, steps}, NULL);
    if (tg_tape_status(tape) == TG_OK) {
        tg_rng rng = tg_rng_make(t->o->seed, part, "train.vae.z");
        tg_rng_fill_normal(&rng, (uint64_t)(t->place.step * n), z->data, (size_t)n);
        for (int64_t i = 0; i < n; i++)
            z->data[i] *= temperature;
    }
    return tg_vae_sample(tape, t->vae, tg_slice(tape, condition, 0, 0, batch), z, NULL, NULL);
}

/* What a sample with a part of the scatter stands for with all of it: farther from the mean. */
static tg_tensor *stretched(tg_tape *tape, tg_tensor *sample, tg_tensor *mean, float part) {
    return tg_add(tape, tg_affine(tape, sample, 1 / part, 0),
                  tg_affine(tape, mean, 1 - 1 / part, 0));
}

/* terms: error of the prior's mean, its gap, the spread of samples. Most steps look at the
 * temperature that is used most: without, the networks learn to ignore small latents. */
static void prior_losses(trainer *t, tg_tensor *condition, tg_tensor *truth, tg_tensor *terms[3]) {
    tg_tape *tape = t->tape;
    tg_tensor *y = tg_slice(tape, truth, 0, 0, PRIOR_BATCH);
    tg_tensor *mean = sample(t, condition, PRIOR_BATCH, 0, "mean");
    tg_tensor *error[2];
    tg_motion_errors(tape, mean, y, t->point_weight, error);
    terms[0] = tg_weighted_sum(tape, error, (float[]){weight_mse, weight_continuity}, 2);
    terms[1] = tg_gap_loss(tape, mean, y, t->closure);

    bool usual = t->place.step % 4 != 0;
    float tau = usual ? usual_temperature : 1, part = usual ? usual_scatter : 1;
    tg_tensor *a = sample(t, condition, SPREAD_BATCH, tau, "one");
    tg_tensor *b = sample(t, condition, SPREAD_BATCH, tau, "other");
    mean = tg_detach(tape, tg_slice(tape, mean, 0, 0, SPREAD_BATCH));
    a = stretched(tape, a, mean, part);
    b = stretched(tape, b, mean, part);
    y = tg_slice(tape, truth, 0, 0, SPREAD_BATCH);
    tg_tensor *parts[] = {tg_motion_distance(tape, a, y, t->point_weight),
                          tg_motion_distance(tape, b, y, t->point_weight),
                          tg_motion_distance(tape, a, b, t->point_weight)};
    terms[2] = tg_weighted_sum(tape, parts, (float[]){0.5f, 0.5f, -0.5f}, 3);
}

static tg_status train_step(trainer *t) {
    tg_draws draws = tg_draws_make(t->o->seed + 1, (uint64_t)t->place.step, 0);
    tg_status s = tg_motion_feed_batch(t->ctx, &t->feed, t->place.step, &draws, FRAMES, t->features,
                                       t->motion, t->closure);
    if (s == TG_OK)
        s = tg_params_zero_grad(t->ctx, tg_vae_params(t->vae));
    if (s != TG_OK)
        return s;
    tg_tape *tape = t->tape;
    int64_t dim = t->feed.data->feature_dim;
    tg_tape_reset(tape);
    tg_tensor *x = tg_borrow(tape, 3, (int64_t[]){BATCH, 2 * FRAMES, dim}, t->features);
    tg_tensor *y = tg_borrow(tape, 3, (int64_t[]){BATCH, FRAMES, TG_MOTION_DIM}, t->motion);
    tg_tensor *mask = tg_input(tape, 2, (int64_t[]){BATCH, FRAMES}, NULL);
    int64_t latent = tg_vae_config_of(t->vae)->latent_size, steps = FRAMES / TG_VAE_STRIDE;
    tg_tensor *eps = tg_input(tape, 3, (int64_t[]){BATCH, latent, steps}, NULL);
    if (s == TG_OK)
        s = tg_tape_status(tape);
    if (s != TG_OK)
        return tg_fail(t->ctx, s, "out of memory in a training step");
    for (int i = 0; i < BATCH * FRAMES; i++)
        mask->data[i] = 1;
    tg_rng rng = tg_rng_make(t->o->seed, "", "train.vae.eps");
    int64_t n = BATCH * latent * steps;
    tg_rng_fill_normal(&rng, (uint64_t)(t->place.step * n), eps->data, (size_t)n);

    tg_tensor *condition = tg_vae_condition(tape, t->vae, x, NULL);
    tg_vae_pass p = tg_vae_train(tape, t->vae, condition, y, mask, eps, t->point_weight);
    /* The judge is in evaluation mode and frozen, but lets gradients through to the lips. */
    tg_tape_set_training(tape, false);
    tg_tensor *sync = tg_sync_loss(tape, t->sync, p.pred, t->features, dim, SYNC_WINDOWS, &draws);
    tg_tape_set_training(tape, true);
    tg_tensor *terms[TERMS] = {p.mse, p.continuity, p.loss_kl, sync};
    prior_losses(t, condition, y, terms + 4);
    float weights[TERMS] = {weight_mse,   weight_continuity, weight_kl,    weight_sync,
                            weight_prior, weight_gap,        weight_spread};
    tg_tensor *loss = tg_weighted_sum(tape, terms, weights, TERMS);
    tg_backward(tape, loss);
    s = tg_tape_status(tape);
    if (s != TG_OK)
        return tg_fail(t->ctx, s, "out of memory in a training step");
    if (!isfinite(loss->data[0]))
        return tg_fail(t->ctx, TG_EINTERNAL, "the loss of step %lld is not finite",
                       (long long)t->place.step);
    tg_params_clip_grad(tg_vae_params(t->vae), 1);
    double share = tg_state_share(&t->place, t->steps, t->budget_s);
    float peak = t->o->init ? warm_lr : peak_lr;
    float lr = final_lr + (peak - final_lr) * (float)(0.5 + 0.5 * cos(3.14159265358979 * share));
    if (t->place.step < WARMUP)
        lr *= (float)(t->place.step + 1) / WARMUP;
    tg_adam_step(t->adam, lr);
    tg_ema_update(t->ema);
    for (int k = 0; k < TERMS; k++)
        t->terms[k] += (t->fresh ? 1 : 0.02) * (terms[k]->data[0] - t->terms[k]);
    t->place.loss += (t->place.step == 0 ? 1 : 0.02) * (loss->data[0] - t->place.loss);
    t->fresh = false;
    t->place.step++;
    return TG_OK;
}

/* Writes the voice file with the averaged weights. */
static tg_status export_voice(trainer *t) {
    tg_ema_swap(t->ema);
    tg_status s = tg_voice_write(t->ctx, t->result->voice, t->hubert, t->vae, t->sync);
    tg_ema_swap(t->ema);
    return s;
}

static tg_status check(trainer *t) {
    tg_motion_figures f = {0};
    const tg_motion_data *data = t->held_out ? t->held_out : t->feed.data;
    tg_ema_swap(t->ema);
    tg_status s = tg_motion_check(t->ctx, t->vae, NULL, data, 0, CHECK_CLIPS, &f);
    tg_ema_swap(t->ema);
    if (s != TG_OK)
        return s;
    t->result->mouth_error = f.mouth_error;
    t->result->mouth_deviation = f.mouth_deviation;
    t->result->scatter = f.scatter;
    t->result->gap_corr = t->place.score = f.gap_corr;
    char line[200];
    snprintf(line, sizeof line, "%lld,%.1f,%.5f,%.5f,%.4f,%.5f", (long long)t->place.step,
             t->place.time_s, f.mouth_error, f.mouth_deviation, f.gap_corr, f.scatter);
    return tg_log_line(t->ctx, t->checks_path,
                       "step,time_s,mouth_error,mouth_deviation,gap_corr,scatter", line);
}

static tg_status save(trainer *t) {
    tg_state_part part = part_of(t);
    tg_status s = tg_state_save(t->ctx, t->state_path, "motion", &part, 1, &t->place);
    return s == TG_OK ? export_voice(t) : s;
}

/* Of takes: the time says when to stop for now, the schedule ends with the hours. */
static bool out_of_time(const trainer *t) {
    return t->o->hours > 0 && t->budget_s > 0 && t->place.time_s >= t->budget_s;
}

static tg_status loop(trainer *t) {
    double save_every = t->o->save_every_s > 0 ? t->o->save_every_s : 180;
    double check_every = t->o->check_every_s > 0 ? t->o->check_every_s : 240;
    double last = tg_now_s(), saved = last, checked = last;
    tg_status s = TG_OK;
    double share = tg_state_share(&t->place, t->steps, t->budget_s);
    t->fresh = true;
    while (s == TG_OK && share < 1 && !out_of_time(t) && (s = tg_cancelled(t->ctx)) == TG_OK) {
        s = train_step(t);
        double now = tg_now_s();
        t->place.time_s += now - last;
        share = tg_state_share(&t->place, t->steps, t->budget_s);
        char text[128], line[200];
        snprintf(text, sizeof text, "mse %.4f kl %.3f sync %.3f prior %.3f gap %.3f spread %.3f",
                 t->terms[0], t->terms[2], t->terms[3], t->terms[4], t->terms[5], t->terms[6]);
        tg_progress(t->ctx, "motion", share, 1, text);
        if (s == TG_OK && t->place.step % 20 == 0) {
            snprintf(line, sizeof line, "%lld,%.1f,%.6f,%.6f,%.6f,%.5f,%.5f,%.5f,%.5f,%.5f",
                     (long long)t->place.step, t->place.time_s, t->place.loss, t->terms[0],
                     t->terms[1], t->terms[2], t->terms[3], t->terms[4], t->terms[5], t->terms[6]);
            s = tg_log_line(t->ctx, t->log_path,
                            "step,time_s,loss,mse,continuity,kl,sync,prior,gap,spread", line);
        }
        if (s == TG_OK && now - checked > check_every) {
            s = check(t);
            checked = tg_now_s();
        }
        if (s == TG_OK && now - saved > save_every) {
            s = save(t);
            saved = tg_now_s();
        }
        last = tg_now_s(); /* checks and saves are not training time */
    }
    if (s == TG_OK)
        s = check(t);
    if (s == TG_OK || s == TG_ESTOPPED || s == TG_EINTR) {
        tg_status saved_status = save(t);
        s = saved_status != TG_OK ? saved_status : s;
    }
    return s;
}

tg_status tg_train_motion(tg_context *ctx, const tg_train_motion_options *options,
                          tg_train_motion_result *result) {
    memset(result, 0, sizeof *result);
    trainer t = {.ctx = ctx, .o = options, .result = result};
    snprintf(t.state_path, sizeof t.state_path, "%s/motion.state", options->state);
    snprintf(t.log_path, sizeof t.log_path, "%s/motion.csv", options->state);
    snprintf(result->voice, sizeof result->voice, "%s/voice.safetensors", options->state);
    snprintf(t.checks_path, sizeof t.checks_path, "%s/motion_check.csv", options->state);
    tg_status s = open_data(&t);
    if (s == TG_OK)
        s = train_expert(&t);
    if (s == TG_OK)
        s = set_up_vae(&t);
    if (s == TG_OK)
        s = tg_log_trim(ctx, t.log_path, t.place.step);
    if (s == TG_OK)
        s = tg_log_trim(ctx, t.checks_path, t.place.step);
    if (s == TG_OK)
        s = loop(&t);
    result->steps = t.place.step;
    result->time_s = t.place.time_s;
    tg_tape_destroy(&t.tape);
    tg_ema_destroy(&t.ema);
    tg_adam_destroy(&t.adam);
    tg_vae_destroy(&t.vae);
    tg_syncnet_destroy(&t.sync);
    tg_hubert_destroy(&t.hubert);
    tg_motion_feed_close(&t.feed);
    tg_motion_data_close(&t.data);
    tg_motion_data_close(&t.held_out);
    tg_free(t.features);
    tg_free(t.motion);
    tg_free(t.closure);
    return s;
}
