/* Head and blinks from speech: the behaviour model on a corpus of people who speak and listen.
 * Every step of every clip is an example with the truth before it, so a batch is any few hundred.
 */
#include "talkgen/systems.h"
#include "talkgen/train.h"

#include "dataset/behaviour.h"
#include "train/speech_augment.h"
#include "train/state.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

enum { BATCH = 256, WARMUP = 200, D = TG_DRAWN_DIM, CHECK_STEPS = 500 };
static const float peak_lr = 3e-3f, last_lr = 2e-5f, decay = 0.03f;
/* The past is given with up to so much noise, in deviations of a step, and the model is told how
 * much: it learns to come back from errors as its own draws have them, and at little noise still
 * sees a nod begin. */
static const float most_noise = 0.2f;
static const float blink_weight = 0.5f, length_weight = 0.02f;
/* A person's minutes beside a corpus' hours: so much of a batch. */
static const float own_share = 0.25f;

/* All steps of a data set. */
typedef struct {
    tg_behaviour_config config;            /* of the model that looks at them */
    int width;                             /* I */
    int64_t count, own;                    /* N; the last `own` of them are a person's recording */
    float *inputs, *step, *blink, *length; /* [N,I] [N,7] [N] [N] */
} examples;

typedef struct {
    tg_context *ctx;
    const tg_train_behaviour_options *o;
    tg_train_behaviour_result *result;
    tg_behaviour_data *data, *held_out;
    examples train, check;
    tg_behaviour *model;
    tg_adam *adam;
    tg_ema *ema;
    tg_tape *tape;
    float inputs[BATCH * TG_BEHAVIOUR_INPUTS], step[BATCH * D], blink[BATCH], length[BATCH];
    tg_state_place place;
    double terms[3]; /* smoothed */
    bool fresh;
    char state_path[1100], log_path[1100], checks_path[1100];
} trainer;

/* ---- examples -------------------------------------------------------------------------- */

static void free_examples(examples *e) {
    tg_free(e->inputs);
    tg_free(e->step);
    tg_free(e->blink);
    tg_free(e->length);
}

/* Rows around a frame, the ends repeated, as the stream hears them. */
static void rows_around(const tg_behaviour_clip *c, int64_t frame, float *out) {
    for (int64_t i = frame - TG_HEARD_BEFORE; i < frame - TG_HEARD_BEFORE + TG_HEARD_FRAMES; i++) {
        int64_t at = i < 0 ? 0 : i < c->frames ? i : c->frames - 1;
        memcpy(out, c->heard + at * TG_HEARD_DIM, TG_HEARD_DIM * sizeof *out);
        out += TG_HEARD_DIM;
    }
}

/* The steps of one clip behind those that are there. The first few only make the past. */
static void add_steps(const tg_behaviour_clip *c, examples *e) {
    tg_behaviour_past past = {.since_blink = 2};
    float rows[TG_HEARD_FRAMES * TG_HEARD_DIM];
    int64_t next = 0; /* blink */
    for (int k = 0; k <= TG_PAST_STEPS; k++)
        memcpy(past.past + k * D, c->point, D * sizeof *past.past);
    memcpy(past.slow, c->point, sizeof past.slow);
    for (int64_t k = 1; k < c->points; k++) {
        int64_t frame = (k - 1) * TG_STEP_FRAMES;
        double from = (double)frame / 25, to = from + TG_STEP_FRAMES / 25.0;
        while (next < c->blinks && c->blink[next].onset < from)
            next++;
        if (next > 0)
            past.since_blink = (float)(from - c->blink[next - 1].onset);
        if (k > TG_PAST_STEPS && frame < c->frames) {
            int64_t at = e->count++;
            bool blinks = next < c->blinks && c->blink[next].onset < to;
            rows_around(c, frame, rows);
            tg_behaviour_inputs(&e->config, &past, rows, 0, e->inputs + at * e->width);
            for (int i = 0; i < D; i++)
                e->step[at * D + i] = c->point[k * D + i] - c->point[(k - 1) * D + i];
            e->blink[at] = blinks;
            e->length[at] = blinks ? (float)log(c->blink[next].length) : 0;
        }
        tg_behaviour_advance(&past, c->point + k * D);
    }
}

static tg_status make_examples(tg_context *ctx, const tg_behaviour_data *d,
                               const tg_behaviour_config *config, examples *e) {
    int64_t most = 0;
    e->config = *config;
    e->width = tg_behaviour_input_count(config);
    for (int i = 0; i < d->count; i++)
        most += d->clip[i].points;
    e->inputs = tg_alloc((size_t)(most * e->width) * sizeof(float));
    e->step = tg_alloc((size_t)(most * D) * sizeof(float));
    e->blink = tg_alloc((size_t)most * sizeof(float));
    e->length = tg_alloc((size_t)most * sizeof(float));
    if (!e->inputs || !e->step || !e->blink || !e->length)
        return tg_fail(ctx, TG_ENOMEM, "out of memory for %lld steps", (long long)most);
    for (int i = 0; i < d->count; i++) {
        int64_t before = e->count;
        add_steps(&d->clip[i], e);
        e->own += i >= d->count - d->own ? e->count - before : 0;
    }
    return TG_OK;
}

/* ---- scales ------------------------------------------------------------------------------ */

static float *buffer(trainer *t, const char *name) {
    return tg_params_find(tg_behaviour_params(t->model), name)->value->data;
}

/* Mean and deviation of a column of [n,width]. */
static void column(const float *x, int64_t n, int width, int at, double *mean, double *deviation) {
    double sum = 0, square = 0;
    for (int64_t i = 0; i < n; i++) {
        double v = (double)x[i * width + at];
        sum += v;
        square += v * v;
    }
    *mean = sum / (double)n;
    *deviation = sqrt(fmax(square / (double)n - *mean * *mean, 0));
}

static void set_scales(trainer *t) {
    const examples *e = &t->train;
    double mean, deviation, seconds = (double)t->data->frames / 25, log_length = 0, blinks = 0;
    float *input = buffer(t, "scale.input"), *step = buffer(t, "scale.step");
    for (int k = 0; k < e->width; k++) {
        column(e->inputs, e->count, e->width, k, &mean, &deviation);
        input[k] = (float)mean;
        input[e->width + k] = (float)(1 / fmax(deviation, 0.01));
    }
    if (e->config.noise > 0) { /* uniform, see fill_batch */
        input[e->width - 1] = 0.5f * most_noise;
        input[2 * e->width - 1] = sqrtf(12) / most_noise;
    }
    for (int k = 0; k < D; k++) {
        column(e->step, e->count, D, k, &mean, &deviation);
        step[k] = (float)fmax(deviation, 1e-3);
    }
    for (int64_t i = 0; i < e->count; i++) {
        blinks += (double)e->blink[i];
        log_length += (double)e->length[i];
    }
    float *blink = buffer(t, "scale.blink");
    blink[0] = (float)((double)t->data->blinks * 60 / seconds);
    blink[1] = blinks > 0 ? (float)exp(log_length / blinks) : 0.25f;
    /* The heads begin with what is true everywhere. */
    float *bias = buffer(t, "blink.bias");
    bias[0] = (float)log((blinks + 1) / ((double)e->count - blinks + 1));
    bias[1] = logf(blink[1]);
    bias[2] = -1;
}

/* ---- a step ---------------------------------------------------------------------------------- */

/* Left and right exchanged: turns about y and z, shifts along x. */
static void mirror(int past, float *inputs, float *step) {
    static const int other_way[] = {1, 2, 3};
    for (int j = 0; j < 3; j++) {
        for (int k = 0; k < past + 2; k++)
            inputs[TG_PAST_AT + k * D + other_way[j]] *= -1;
        step[other_way[j]] *= -1;
    }
}

/* Noise on the past: every control point is off by itself, and the step leads from where the newest
 * is to the truth. */
static void disturb(const examples *e, float noise, const float *scale, const tg_rng *rng,
                    uint64_t index, float *inputs, float *step) {
    int past = e->config.past;
    float *now = inputs + TG_PAST_AT, *difference = now + D, *slow = difference + past * D;
    float off[(TG_PAST_STEPS + 1) * D];
    tg_rng_fill_normal(rng, index * (TG_PAST_STEPS + 1) * D, off, (size_t)(past + 1) * D);
    for (int j = 0; j <= past; j++)
        for (int k = 0; k < D; k++)
            off[j * D + k] *= noise * scale[k];
    for (int i = 0; i < past * D; i++)
        difference[i] += off[i + D] - off[i];
    for (int k = 0; k < D; k++) {
        now[k] += off[past * D + k];
        slow[k] -= off[past * D + k];
        step[k] -= off[past * D + k];
    }
    if (e->config.noise > 0)
        inputs[e->width - 1] = noise;
}

/* Example `at` as number i of the batch. */
static void take(trainer *t, const examples *e, int64_t at, int64_t i) {
    memcpy(t->inputs + i * e->width, e->inputs + at * e->width,
           (size_t)e->width * sizeof *t->inputs);
    memcpy(t->step + i * D, e->step + at * D, D * sizeof *t->step);
    t->blink[i] = e->blink[at];
    t->length[i] = e->length[at];
}

static void fill_batch(trainer *t) {
    const examples *e = &t->train;
    tg_draws draws = tg_draws_make(t->o->seed + 11, (uint64_t)t->place.step, 0);
    tg_rng rng = tg_rng_make(t->o->seed, "", "train.behaviour.error");
    const float *scale = buffer(t, "scale.step");
    for (int64_t i = 0; i < BATCH; i++) {
        float *inputs = t->inputs + i * e->width, *step = t->step + i * D;
        bool own = e->own > 0 && tg_draw_chance(&draws, own_share);
        int64_t first = own ? e->count - e->own : 0;
        take(t, e, first + (int64_t)(tg_draw(&draws) * (double)(e->count - first)), i);
        if (tg_draw_chance(&draws, 0.5))
            mirror(e->config.past, inputs, step);
        float noise = most_noise * (float)tg_draw(&draws);
        disturb(e, noise, scale, &rng, (uint64_t)t->place.step * BATCH + (uint64_t)i, inputs, step);
    }
}

static tg_behaviour_terms batch_loss(trainer *t) {
    const tg_behaviour_batch batch = {BATCH, t->inputs, t->step, t->blink, t->length};
    return tg_behaviour_loss(t->tape, t->model, &batch);
}

static tg_status train_step(trainer *t) {
    tg_params *params = tg_behaviour_params(t->model);
    tg_status s = tg_params_zero_grad(t->ctx, params);
    if (s != TG_OK)
        return s;
    fill_batch(t);
    tg_behaviour_terms l = batch_loss(t);
    tg_tensor *terms[] = {l.motion, l.blink, l.length};
    tg_backward(t->tape,
                tg_weighted_sum(t->tape, terms, (float[]){1, blink_weight, length_weight}, 3));
    s = tg_tape_status(t->tape);
    if (s != TG_OK)
        return tg_fail(t->ctx, s, "out of memory in a training step");
    for (int k = 0; k < 3; k++)
        t->terms[k] += (t->fresh ? 1 : 0.01) * (terms[k]->data[0] - t->terms[k]);
    tg_params_clip_grad(params, 1);
    double share = tg_state_share(&t->place, t->o->steps, t->o->time_s);
    float warm = fminf(1, (float)(t->place.step + 1) / WARMUP);
    tg_adam_step(t->adam, warm * (last_lr + (peak_lr - last_lr) *
                                                (float)(0.5 + 0.5 * cos(3.14159265 * share))));
    tg_ema_update(t->ema);
    t->fresh = false;
    t->place.step++;
    tg_tape_reset(t->tape);
    return TG_OK;
}

/* ---- checks and files -------------------------------------------------------------------------
 */

static tg_status export_model(trainer *t) {
    tg_st_writer *w = tg_st_writer_create();
    bool ok = w && tg_behaviour_store(w, t->model, TG_F32);
    tg_status s = ok ? tg_st_write(t->ctx, w, t->result->model)
                     : tg_fail(t->ctx, TG_ENOMEM, "%s: out of memory", t->result->model);
    tg_st_writer_destroy(&w);
    return s;
}

/* Losses of the averaged weights on what is not trained on, with the noise that drawing has; the
 * best are kept. */
static tg_status check(trainer *t) {
    const examples *e = t->check.count > 0 ? &t->check : &t->train;
    double sum[3] = {0}, count = 0, blinks = 0;
    char line[200];
    tg_status s = TG_OK;
    tg_rng rng = tg_rng_make(t->o->seed, "", "train.behaviour.check");
    const float *scale = buffer(t, "scale.step");
    tg_ema_swap(t->ema);
    tg_tape_pause(t->tape, true);
    for (int64_t at = 0; s == TG_OK && at + BATCH <= e->count; at += BATCH) {
        for (int64_t i = 0; i < BATCH; i++) {
            take(t, e, at + i, i);
            disturb(e, e->config.noise, scale, &rng, (uint64_t)(at + i), t->inputs + i * e->width,
                    t->step + i * D);
        }
        tg_behaviour_terms l = batch_loss(t);
        if ((s = tg_tape_status(t->tape)) != TG_OK)
            s = tg_fail(t->ctx, s, "out of memory in a check");
        double here = 0;
        for (int64_t i = 0; i < BATCH; i++)
            here += (double)e->blink[at + i];
        if (s == TG_OK) {
            sum[0] += (double)l.motion->data[0];
            sum[1] += (double)l.blink->data[0];
            sum[2] += here * (double)l.length->data[0];
        }
        count++;
        blinks += here;
        tg_tape_reset(t->tape);
    }
    tg_tape_pause(t->tape, false);
    double motion = sum[0] / fmax(count, 1), blink = sum[1] / fmax(count, 1);
    double score = motion + (double)blink_weight * blink;
    if (s == TG_OK && !isfinite(score))
        s = tg_fail(t->ctx, TG_EINTERNAL, "the held-out loss after step %lld is not finite",
                    (long long)t->place.step);
    if (s == TG_OK && (t->place.best == 0 || score < t->place.score)) {
        t->place.score = score;
        t->place.best = t->place.step;
        t->place.loss = motion;
        s = export_model(t);
    }
    tg_ema_swap(t->ema);
    snprintf(line, sizeof line, "%lld,%.1f,%.5f,%.5f,%.5f", (long long)t->place.step,
             t->place.time_s, motion, blink, sum[2] / fmax(blinks, 1));
    if (s == TG_OK)
        s = tg_log_line(t->ctx, t->checks_path, "step,time_s,motion,blink,length", line);
    return s;
}

static tg_status save(trainer *t) {
    tg_state_part part = {"behaviour", tg_behaviour_params(t->model), t->adam, NULL, t->ema};
    return tg_state_save(t->ctx, t->state_path, "behaviour", &part, 1, &t->place);
}

/* One batch at least, to learn from or to be judged by. */
static tg_status need_steps(tg_context *ctx, const examples *e, const char *corpus) {
    if (e->count >= BATCH)
        return TG_OK;
    return tg_fail(
        ctx, TG_EINPUT,
        "%s: %lld steps are too few\n  expected: minutes of talk, %d steps of %d frames\n"
        "  try: talkgen studio corpus --conversation --hours 2",
        corpus, (long long)e->count, BATCH, TG_STEP_FRAMES);
}

static tg_status set_up(trainer *t) {
    const tg_train_behaviour_options *o = t->o;
    tg_context *ctx = t->ctx;
    tg_behaviour_config config = tg_behaviour_defaults();
    tg_status s = tg_make_dirs(ctx, o->state);
    if (s == TG_OK)
        s = tg_behaviour_data_open(ctx, o->corpus, &t->data);
    if (s == TG_OK && o->dataset)
        s = tg_behaviour_data_person(ctx, o->dataset, t->data);
    if (s == TG_OK && o->held_out)
        s = tg_behaviour_data_open(ctx, o->held_out, &t->held_out);
    if (s == TG_OK)
        s = make_examples(ctx, t->data, &config, &t->train);
    if (s == TG_OK && t->held_out)
        s = make_examples(ctx, t->held_out, &config, &t->check);
    if (s == TG_OK)
        s = need_steps(ctx, &t->train, o->corpus);
    if (s == TG_OK && t->held_out)
        s = need_steps(ctx, &t->check, o->held_out);
    if (s == TG_OK)
        s = tg_behaviour_create(ctx, &config, &t->model);
    if (s != TG_OK)
        return s;
    tg_behaviour_init(t->model, o->seed);
    set_scales(t);
    tg_adam_options adam = tg_adam_defaults();
    adam.weight_decay = decay;
    t->adam = tg_adam_create(ctx, tg_behaviour_params(t->model), adam);
    t->ema = tg_ema_create(ctx, tg_behaviour_params(t->model), 0.998f);
    t->tape = tg_tape_create(ctx, true);
    if (!t->adam || !t->ema || !t->tape)
        return tg_fail(ctx, TG_ENOMEM, "out of memory for the behaviour trainer");
    tg_state_part part = {"behaviour", tg_behaviour_params(t->model), t->adam, NULL, t->ema};
    return tg_state_load(ctx, t->state_path, "behaviour", &part, 1, &t->place);
}

static tg_status loop(trainer *t) {
    double save_every = t->o->save_every_s > 0 ? t->o->save_every_s : 60;
    double last = tg_now_s(), saved = last;
    double share = tg_state_share(&t->place, t->o->steps, t->o->time_s);
    tg_status s = TG_OK;
    t->fresh = true;
    while (s == TG_OK && share < 1 && (s = tg_cancelled(t->ctx)) == TG_OK) {
        s = train_step(t);
        double now = tg_now_s();
        t->place.time_s += now - last;
        last = now;
        share = tg_state_share(&t->place, t->o->steps, t->o->time_s);
        char text[128], line[200];
        snprintf(text, sizeof text, "motion %.3f blink %.4f length %.3f", t->terms[0], t->terms[1],
                 t->terms[2]);
        tg_progress(t->ctx, "behaviour", share, 1, text);
        if (s == TG_OK && t->place.step % 100 == 0) {
            snprintf(line, sizeof line, "%lld,%.1f,%.5f,%.5f,%.5f", (long long)t->place.step,
                     t->place.time_s, t->terms[0], t->terms[1], t->terms[2]);
            s = tg_log_line(t->ctx, t->log_path, "step,time_s,motion,blink,length", line);
        }
        if (s == TG_OK && t->place.step % CHECK_STEPS == 0)
            s = check(t);
        if (s == TG_OK && now - saved > save_every) {
            s = save(t);
            saved = tg_now_s();
        }
        last = tg_now_s();
    }
    if (s == TG_OK && (!tg_file_exists(t->result->model) || t->place.step % CHECK_STEPS != 0))
        s = check(t);
    if (s == TG_OK || s == TG_ESTOPPED || s == TG_EINTR) {
        tg_status stored = save(t);
        s = stored != TG_OK ? stored : s;
    }
    return s;
}

tg_status tg_train_behaviour(tg_context *ctx, const tg_train_behaviour_options *options,
                             tg_train_behaviour_result *result) {
    memset(result, 0, sizeof *result);
    trainer *t = tg_calloc(sizeof *t);
    if (!t)
        return tg_fail(ctx, TG_ENOMEM, "out of memory for the behaviour trainer");
    t->ctx = ctx;
    t->o = options;
    t->result = result;
    snprintf(t->state_path, sizeof t->state_path, "%s/behaviour.state", options->state);
    snprintf(t->log_path, sizeof t->log_path, "%s/behaviour.csv", options->state);
    snprintf(result->model, sizeof result->model, "%s/behaviour.safetensors", options->state);
    snprintf(t->checks_path, sizeof t->checks_path, "%s/behaviour_check.csv", options->state);
    tg_status s = set_up(t);
    if (s == TG_OK)
        s = tg_log_trim(ctx, t->log_path, t->place.step);
    if (s == TG_OK)
        s = tg_log_trim(ctx, t->checks_path, t->place.step);
    if (s == TG_OK)
        s = loop(t);
    result->steps = t->place.step;
    result->best_step = t->place.best;
    result->time_s = t->place.time_s;
    result->motion = t->place.loss;
    result->hours = t->data ? (double)t->data->frames / 25 / 3600 : 0;
    tg_tape_destroy(&t->tape);
    tg_ema_destroy(&t->ema);
    tg_adam_destroy(&t->adam);
    tg_behaviour_destroy(&t->model);
    free_examples(&t->train);
    free_examples(&t->check);
    tg_behaviour_data_close(&t->data);
    tg_behaviour_data_close(&t->held_out);
    tg_free(t);
    return s;
}
