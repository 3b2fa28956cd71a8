/* Domain adaptation to one person: adversarial and sync terms on many speakers, mse on the person.
 */
#include "talkgen/systems.h"
#include "talkgen/train.h"

#include "train/discriminator.h"
#include "train/motion_check.h"
#include "train/motion_feed.h"
#include "train/motion_loss.h"
#include "train/state.h"
#include "train/sync_expert.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

enum { BATCH = TG_FEED_BATCH, FRAMES = 96, PERSON_FRAMES = 512, SYNC_WINDOWS = 128, WARMUP = 200 };
static const float peak_lr = 5e-4f, disc_lr = 1e-4f;

/* What the generator is asked for. Adversary, sync expert and mse are GeneFace's, whose weight of
 * the person's own recording, 0.05, is for 20,000 steps. A short schedule gives it a hundred times
 * that, or the adversary has moved lips before the recording holds them; and the gap between the
 * lips, which is what is seen of them, a weight of its own.
 * The adversary knows faces and not sounds: the longer it pulls, the more of the lips that other
 * voices close it leaves ajar, and the further it takes the person's own motion from theirs. So
 * lips that would touch on this person without the postnet touch with it as the person's do, and
 * mean and covariance are asked for by themselves. */
enum { ADV, SYNC, MSE, GAP, CLOSED, MOMENTS, TERMS };
static const float weight_of[TERMS] = {0.85f, 0.1f, 5, 1, 1, 2};
/* The person's part learns from what motion is made with, where GeneFace samples at temperature 1:
 * noise that has nothing to do with the recording would teach the network to suppress what a seed
 * changes. */
static const float person_temperature = 0.3f;

typedef struct {
    tg_context *ctx;
    const tg_train_postnet_options *o;
    tg_train_postnet_result *result;
    tg_hubert *hubert;
    tg_vae *vae;
    tg_syncnet *sync;
    tg_motion_data *data, *person; /* data: a stored corpus, NULL = takes */
    tg_motion_feed feed;
    tg_postnet *postnet;
    tg_discriminator disc;
    tg_rmsprop *opt, *disc_opt;
    tg_tape *tape;
    float *features, *motion, *raw;                 /* of the corpus batch */
    float *person_rows, *person_raw, *person_truth; /* of the person's crop */
    int64_t person_frames, person_begin;            /* length and place of the crop */
    float closed[TG_GAP_DIM];                       /* the person's closed mouth */
    tg_state_place place;
    double terms[TERMS], disc_loss; /* smoothed */
    bool fresh;                     /* no step yet in this run */
    char state_path[1100], log_path[1100];
} trainer;

static void parts_of(const trainer *t, tg_state_part parts[2]) {
    parts[0] = (tg_state_part){"postnet", tg_postnet_params(t->postnet), NULL, t->opt, NULL};
    parts[1] = (tg_state_part){"disc", t->disc.params, NULL, t->disc_opt, NULL};
}

/* Mean over the person's frames whose lips touch. */
static void find_closed_mouth(trainer *t) {
    const tg_motion_clip *c = &t->person->clip[0];
    double sum[TG_GAP_DIM] = {0}, weight = 1e-300; /* not 0, if they never do */
    for (int64_t f = 0; f < c->frames; f++) {
        float gap[TG_GAP_DIM];
        tg_gap_vectors(c->motion + f * TG_MOTION_DIM, gap);
        double w = pow(c->closure[f], 16); /* half a millimetre apart: 0.04 */
        weight += w;
        for (int k = 0; k < TG_GAP_DIM; k++)
            sum[k] += w * gap[k];
    }
    for (int k = 0; k < TG_GAP_DIM; k++)
        t->closed[k] = (float)(sum[k] / weight);
}

static tg_status set_up(trainer *t) {
    const tg_train_postnet_options *o = t->o;
    tg_context *ctx = t->ctx;
    tg_status s = tg_make_dirs(ctx, o->state);
    if (s == TG_OK)
        s = tg_voice_open(ctx, o->voice, &t->hubert, &t->vae);
    if (s == TG_OK)
        s = tg_syncnet_open(ctx, o->sync ? o->sync : o->voice,
                            tg_hubert_config_of(t->hubert)->hidden_size, &t->sync);
    if (s == TG_OK)
        s = tg_motion_data_person(ctx, o->dataset, t->hubert, &t->person);
    if (s == TG_OK && !o->takes)
        s = tg_motion_data_open(ctx, o->corpus, -1, t->hubert, o->cache, TG_TAKES, o->seed,
                                &t->data);
    if (s == TG_OK && !o->takes)
        s = tg_motion_data_need(ctx, t->data, FRAMES, o->corpus);
    t->feed.data = t->data;
    if (s == TG_OK) {
        tg_postnet_config config = tg_postnet_defaults();
        s = tg_postnet_create(ctx, &config, &t->postnet);
    }
    if (s != TG_OK)
        return s;
    tg_postnet_init(t->postnet, o->seed);
    tg_params_freeze(tg_syncnet_params(t->sync), "", true);
    tg_params_freeze(tg_vae_params(t->vae), "", true);
    int64_t all = t->person->clip[0].frames / TG_VAE_STRIDE * TG_VAE_STRIDE;
    t->person_frames = all < PERSON_FRAMES ? all : PERSON_FRAMES;
    int dim = t->person->feature_dim;
    t->features = tg_alloc((size_t)(BATCH * 2 * FRAMES * dim) * sizeof(float));
    t->motion = tg_alloc((size_t)BATCH * FRAMES * TG_MOTION_DIM * sizeof(float));
    t->raw = tg_alloc((size_t)BATCH * FRAMES * TG_MOTION_DIM * sizeof(float));
    t->person_rows = tg_alloc((size_t)(2 * t->person_frames * dim) * sizeof(float));
    t->person_raw = tg_alloc((size_t)t->person_frames * TG_MOTION_DIM * sizeof(float));
    t->person_truth = tg_alloc((size_t)t->person_frames * TG_MOTION_DIM * sizeof(float));
    t->opt = tg_rmsprop_create(ctx, tg_postnet_params(t->postnet), 0.99f, 1e-8f);
    bool disc = tg_discriminator_create(&t->disc, TG_MOTION_DIM, o->seed + 1);
    t->disc_opt = disc ? tg_rmsprop_create(ctx, t->disc.params, 0.99f, 1e-8f) : NULL;
    t->tape = tg_tape_create(ctx, true);
    if (!t->features || !t->motion || !t->raw || !t->person_rows || !t->person_raw ||
        !t->person_truth || !t->opt || !t->disc_opt || !t->tape)
        return tg_fail(ctx, TG_ENOMEM, "out of memory for the postnet trainer");
    find_closed_mouth(t);
    tg_state_part parts[2];
    parts_of(t, parts);
    s = tg_state_load(ctx, t->state_path, "postnet", parts, 2, &t->place);
    if (s == TG_OK && o->takes)
        s = tg_motion_feed_open(ctx, o->takes, t->hubert, o->seed, t->place.step / TG_FEED_STEPS,
                                &t->feed);
    return s;
}

/* The frozen VAE's motion for features [batch,2*frames,F], with fresh noise of that purpose. */
static tg_status sample(trainer *t, const float *features, int64_t batch, int64_t frames,
                        const char *purpose, float temperature, float *out) {
    tg_tape *tape = t->tape;
    int64_t latent = tg_vae_config_of(t->vae)->latent_size, steps = frames / TG_VAE_STRIDE;
    tg_tape_reset(tape);
    tg_tape_pause(tape, true);
    tg_tape_set_training(tape, false);
    tg_tensor *x =
        tg_borrow(tape, 3, (int64_t[]){batch, 2 * frames, t->person->feature_dim}, features);
    tg_tensor *z = tg_input(tape, 3, (int64_t[]){batch, latent, steps}, NULL);
    tg_status s = tg_tape_status(tape);
    if (s == TG_OK) {
        int64_t n = batch * latent * steps;
        tg_rng rng = tg_rng_make(t->o->seed, "", purpose);
        tg_rng_fill_normal(&rng, (uint64_t)(t->place.step * n), z->data, (size_t)n);
        for (int64_t i = 0; i < n; i++)
            z->data[i] *= temperature;
        tg_tensor *y =
            tg_vae_sample(tape, t->vae, tg_vae_condition(tape, t->vae, x, NULL), z, NULL, NULL);
        s = tg_tape_status(tape);
        if (s == TG_OK)
            memcpy(out, y->data, (size_t)(batch * frames * TG_MOTION_DIM) * sizeof *out);
    }
    tg_tape_pause(tape, false);
    tg_tape_reset(tape);
    return s == TG_OK ? s : tg_fail(t->ctx, s, "out of memory in a training step");
}

static tg_tensor *rows_of(tg_tape *tape, tg_tensor *x) {
    return tg_reshape(tape, x, 2, (int64_t[]){x->dim[0] * x->dim[1], x->dim[2]});
}

/* mean (1 - x)^2 or mean x^2 */
static tg_tensor *to_one(tg_tape *tape, tg_tensor *x) {
    return tg_mean(tape, tg_square(tape, tg_affine(tape, x, -1, 1)));
}

static tg_status generator_step(trainer *t, tg_draws *draws) {
    tg_tape *tape = t->tape;
    tg_status s = tg_params_zero_grad(t->ctx, tg_postnet_params(t->postnet));
    if (s != TG_OK)
        return s;
    tg_rng dropout = tg_rng_make(t->o->seed, "", "train.disc.dropout");
    tg_params_freeze(t->disc.params, "", true); /* the judge does not learn from this side */
    tg_tape_set_training(tape, true);
    tg_tensor *x = tg_borrow(tape, 3, (int64_t[]){BATCH, FRAMES, TG_MOTION_DIM}, t->raw);
    tg_tensor *fake = tg_postnet_forward(tape, t->postnet, x, NULL);
    tg_tensor *p =
        tg_borrow(tape, 3, (int64_t[]){1, t->person_frames, TG_MOTION_DIM}, t->person_raw);
    tg_tensor *truth =
        tg_borrow(tape, 3, (int64_t[]){1, t->person_frames, TG_MOTION_DIM}, t->person_truth);
    tg_tensor *own = tg_postnet_forward(tape, t->postnet, p, NULL);
    tg_tensor *term[TERMS];
    term[MSE] = tg_mse(tape, own, truth, NULL);
    term[ADV] = to_one(tape, tg_discriminator_forward(tape, &t->disc, rows_of(tape, fake), &dropout,
                                                      (uint64_t)t->place.step << 20));
    tg_tape_set_training(tape, false);
    term[SYNC] =
        tg_sync_loss(tape, t->sync, fake, t->features, t->person->feature_dim, SYNC_WINDOWS, draws);
    term[GAP] = tg_gap_loss(tape, own, truth, t->person->clip[0].closure + t->person_begin);
    term[CLOSED] = tg_closed_loss(tape, fake, t->raw, t->closed);
    term[MOMENTS] = tg_moment_loss(tape, own, truth);
    tg_backward(tape, tg_weighted_sum(tape, term, weight_of, TERMS));
    s = tg_tape_status(tape);
    if (s != TG_OK)
        return tg_fail(t->ctx, s, "out of memory in a training step");
    tg_params_clip_grad(tg_postnet_params(t->postnet), 1);
    float lr = tg_lr_warmup_exp(t->place.step, peak_lr, WARMUP, 250000, 1e-7f);
    double share = tg_state_share(&t->place, t->o->steps, t->o->time_s);
    lr *= (float)(0.5 + 0.5 * cos(3.14159265358979 * share));
    tg_rmsprop_step(t->opt, lr);
    for (int k = 0; k < TERMS; k++)
        t->terms[k] += (t->fresh ? 1 : 0.02) * (term[k]->data[0] - t->terms[k]);
    /* What the discriminator sees next is this step's output. */
    memcpy(t->raw, fake->data, (size_t)(BATCH * FRAMES * TG_MOTION_DIM) * sizeof *t->raw);
    tg_tape_reset(tape);
    return TG_OK;
}

static tg_status discriminator_step(trainer *t) {
    tg_tape *tape = t->tape;
    tg_params_freeze(t->disc.params, "", false);
    tg_status s = tg_params_zero_grad(t->ctx, t->disc.params);
    if (s != TG_OK)
        return s;
    tg_rng dropout = tg_rng_make(t->o->seed, "", "train.disc.dropout");
    uint64_t at = ((uint64_t)t->place.step << 20) + ((uint64_t)1 << 19);
    tg_tape_set_training(tape, true);
    tg_tensor *fake =
        tg_borrow(tape, 2, (int64_t[]){(int64_t)BATCH * FRAMES, TG_MOTION_DIM}, t->raw);
    tg_tensor *real =
        tg_borrow(tape, 2, (int64_t[]){t->person_frames, TG_MOTION_DIM}, t->person_truth);
    tg_tensor *d_fake = tg_discriminator_forward(tape, &t->disc, fake, &dropout, at);
    tg_tensor *d_real = tg_discriminator_forward(tape, &t->disc, real, &dropout, at + (1 << 18));
    tg_tensor *parts[] = {tg_mean(tape, tg_square(tape, d_fake)), to_one(tape, d_real)};
    tg_tensor *loss = tg_weighted_sum(tape, parts, (float[]){1, 1}, 2);
    tg_backward(tape, loss);
    s = tg_tape_status(tape);
    if (s != TG_OK)
        return tg_fail(t->ctx, s, "out of memory in a training step");
    tg_params_clip_grad(t->disc.params, 1);
    tg_rmsprop_step(t->disc_opt, disc_lr);
    t->disc_loss += (t->fresh ? 1 : 0.02) * (loss->data[0] - t->disc_loss);
    t->fresh = false;
    tg_tape_reset(tape);
    return TG_OK;
}

static tg_status train_step(trainer *t) {
    tg_draws draws = tg_draws_make(t->o->seed + 2, (uint64_t)t->place.step, 0);
    tg_status s = tg_motion_feed_batch(t->ctx, &t->feed, t->place.step, &draws, FRAMES, t->features,
                                       t->motion, NULL);
    if (s != TG_OK)
        return s;
    int64_t slack = t->person->clip[0].frames - t->person_frames;
    int64_t begin = (int64_t)(tg_draw(&draws) * (double)(slack + 1));
    t->person_begin = begin;
    tg_motion_rows(t->person, 0, 0, 2 * begin, 2 * t->person_frames, t->person_rows);
    memcpy(t->person_truth, t->person->clip[0].motion + begin * TG_MOTION_DIM,
           (size_t)(t->person_frames * TG_MOTION_DIM) * sizeof(float));
    s = sample(t, t->features, BATCH, FRAMES, "train.postnet.z", 1, t->raw);
    if (s == TG_OK)
        s = sample(t, t->person_rows, 1, t->person_frames, "train.postnet.person",
                   person_temperature, t->person_raw);
    if (s == TG_OK)
        s = generator_step(t, &draws);
    if (s == TG_OK)
        s = discriminator_step(t);
    if (s == TG_OK)
        t->place.step++;
    return s;
}

/* Takes off the output's bias what the whole recording, made from its own sound as it will be heard
 * (no dropout, no crops), lies beside the truth. `bias` [204] receives the weights from before. */
static tg_status centre(trainer *t, float bias[TG_MOTION_DIM]) {
    float beside[TG_MOTION_DIM];
    float *w = tg_postnet_bias(t->postnet);
    memcpy(bias, w, TG_MOTION_DIM * sizeof *w);
    tg_status s =
        tg_motion_bias(t->ctx, t->vae, t->postnet, t->person, 0, person_temperature, beside);
    for (int k = 0; s == TG_OK && k < TG_MOTION_DIM; k++)
        w[k] -= beside[k];
    return s;
}

/* What the held-out tenth says is told and not listened to: a step chosen by it would have been
 * trained on it. What is written is centred; training goes on with the weights as they are. */
static tg_status check(trainer *t) {
    tg_motion_figures f = {0};
    float bias[TG_MOTION_DIM];
    tg_status s = centre(t, bias);
    if (s == TG_OK)
        s = tg_motion_check(t->ctx, t->vae, t->postnet, t->person, 1, 1, &f);
    if (s == TG_OK)
        s = tg_postnet_write(t->ctx, t->postnet, t->result->postnet);
    memcpy(tg_postnet_bias(t->postnet), bias, sizeof bias);
    if (s != TG_OK)
        return s;
    char path[1100], line[200];
    snprintf(path, sizeof path, "%s/postnet_check.csv", t->o->state);
    snprintf(line, sizeof line, "%lld,%.1f,%.5f,%.4f,%.4f", (long long)t->place.step,
             t->place.time_s, f.mouth_error, f.gap_corr, t->terms[SYNC]);
    t->result->error = f.mouth_error;
    t->result->gap_corr = f.gap_corr;
    t->result->sync = t->terms[SYNC];
    return tg_log_line(t->ctx, path, "step,time_s,mouth_error,gap_corr,sync", line);
}

static tg_status log_losses(const trainer *t) {
    char line[200];
    snprintf(line, sizeof line, "%lld,%.1f,%.5f,%.5f,%.6f,%.6f,%.6f,%.6f,%.5f",
             (long long)t->place.step, t->place.time_s, t->terms[ADV], t->terms[SYNC],
             t->terms[MSE], t->terms[GAP], t->terms[CLOSED], t->terms[MOMENTS], t->disc_loss);
    return tg_log_line(t->ctx, t->log_path, "step,time_s,adv,sync,mse,gap,closed,moments,disc",
                       line);
}

static tg_status save(trainer *t) {
    tg_state_part parts[2];
    parts_of(t, parts);
    return tg_state_save(t->ctx, t->state_path, "postnet", parts, 2, &t->place);
}

static tg_status loop(trainer *t) {
    double save_every = t->o->save_every_s > 0 ? t->o->save_every_s : 120;
    double check_every = t->o->check_every_s > 0 ? t->o->check_every_s : 30;
    double last = tg_now_s(), saved = last, checked = last;
    tg_motion_figures raw;
    tg_status s = tg_motion_check(t->ctx, t->vae, NULL, t->person, 1, 1, &raw);
    if (s == TG_OK) {
        t->result->raw_error = raw.mouth_error;
        t->result->raw_gap_corr = raw.gap_corr;
    }
    double share = tg_state_share(&t->place, t->o->steps, t->o->time_s);
    t->fresh = true;
    while (s == TG_OK && share < 1 && (s = tg_cancelled(t->ctx)) == TG_OK) {
        s = train_step(t);
        double now = tg_now_s();
        t->place.time_s += now - last;
        share = tg_state_share(&t->place, t->o->steps, t->o->time_s);
        char text[128];
        snprintf(text, sizeof text, "adv %.3f sync %.3f mse %.4f disc %.3f", t->terms[ADV],
                 t->terms[SYNC], t->terms[MSE], t->disc_loss);
        tg_progress(t->ctx, "postnet", share, 1, text);
        if (s == TG_OK && t->place.step % 20 == 0)
            s = log_losses(t);
        if (s == TG_OK && now - checked > check_every) {
            s = check(t);
            checked = tg_now_s();
        }
        if (s == TG_OK && now - saved > save_every) {
            s = save(t);
            saved = tg_now_s();
        }
        last = tg_now_s();
    }
    if (s == TG_OK)
        s = check(t);
    if (s == TG_OK || s == TG_ESTOPPED || s == TG_EINTR) {
        tg_status saved_status = save(t);
        s = saved_status != TG_OK ? saved_status : s;
    }
    return s;
}

tg_status tg_train_postnet(tg_context *ctx, const tg_train_postnet_options *options,
                           tg_train_postnet_result *result) {
    memset(result, 0, sizeof *result);
    trainer t = {.ctx = ctx, .o = options, .result = result};
    snprintf(t.state_path, sizeof t.state_path, "%s/postnet.state", options->state);
    snprintf(t.log_path, sizeof t.log_path, "%s/postnet.csv", options->state);
    snprintf(result->postnet, sizeof result->postnet, "%s/postnet.safetensors", options->state);
    char checks[1100];
    snprintf(checks, sizeof checks, "%s/postnet_check.csv", options->state);
    tg_status s = set_up(&t);
    if (s == TG_OK)
        s = tg_log_trim(ctx, t.log_path, t.place.step);
    if (s == TG_OK)
        s = tg_log_trim(ctx, checks, t.place.step);
    if (s == TG_OK)
        s = loop(&t);
    result->steps = t.place.step;
    result->time_s = t.place.time_s;
    tg_tape_destroy(&t.tape);
    tg_rmsprop_destroy(&t.opt);
    tg_rmsprop_destroy(&t.disc_opt);
    tg_discriminator_destroy(&t.disc);
    tg_postnet_destroy(&t.postnet);
    tg_syncnet_destroy(&t.sync);
    tg_vae_destroy(&t.vae);
    tg_hubert_destroy(&t.hubert);
    tg_motion_feed_close(&t.feed);
    tg_motion_data_close(&t.data);
    tg_motion_data_close(&t.person);
    tg_free(t.features);
    tg_free(t.motion);
    tg_free(t.raw);
    tg_free(t.person_rows);
    tg_free(t.person_raw);
    tg_free(t.person_truth);
    return s;
}
