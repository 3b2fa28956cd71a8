/* The behaviour model: from the sound around a step, the head's last control points and noise to
 * the next control point, and whether a blink begins. */
#include "talkgen/motion.h"

#include "motion/config.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
    MAX_WIDTH = 1024,
    MAX_LAYERS = 16,
    MAX_MIXTURE = 32,
    D = TG_DRAWN_DIM,
    A = D / 2,
    B = D - A,
    HEADS = 3,
    GAUSSIAN = 2 * D + 1 /* means, logs of deviations, log of its share */
};
/* Logs of deviations stay within e^+-3 of a typical step, logs of a blink's length above 5 %. */
static const float widest_log = 3, least_log = -3;
static const float half_log_2pi = 0.918938533f;

typedef struct {
    tg_tensor *w, *b;
} linear;

struct tg_behaviour {
    tg_behaviour_config config;
    tg_params *params;
    linear look[2], base, mixture, blink;
    int inputs;
    linear in[MAX_LAYERS], out[MAX_LAYERS];
    tg_tensor *step_scale, *blink_scale, *input_scale;
};

tg_behaviour_config tg_behaviour_defaults(void) {
    return (tg_behaviour_config){
        .hidden = 128, .layers = 6, .coupling = 64, .past = 8, .mixture = 8, .noise = 0.1f};
}

tg_status tg_behaviour_config_parse(tg_context *ctx, const tg_json *json, const char *name,
                                    tg_behaviour_config *out) {
    tg_behaviour_config c = tg_behaviour_defaults();
    c.past = 4;
    c.mixture = 1;
    double noise = tg_json_number(tg_json_get(json, "noise"), 0);
    tg_status s = tg_config_int(ctx, json, name, "hidden", 1, MAX_WIDTH, &c.hidden);
    if (s == TG_OK)
        s = tg_config_int(ctx, json, name, "layers", 0, MAX_LAYERS, &c.layers);
    if (s == TG_OK)
        s = tg_config_int(ctx, json, name, "coupling", 1, MAX_WIDTH, &c.coupling);
    if (s == TG_OK)
        s = tg_config_int(ctx, json, name, "past", 1, TG_PAST_STEPS, &c.past);
    if (s == TG_OK)
        s = tg_config_int(ctx, json, name, "mixture", 1, MAX_MIXTURE, &c.mixture);
    if (s == TG_OK && !(noise >= 0 && noise <= 1))
        s = tg_fail(ctx, TG_EMODEL,
                    "%s: configuration value 'noise' is not usable\n"
                    "  expected: a number from 0 to 1\n  try: talkgen info on the file",
                    name);
    /* A file says that its model was trained with noise; how much of it drawing adds is not learnt.
     */
    c.noise = noise > 0 ? tg_behaviour_defaults().noise : 0;
    if (s == TG_OK)
        *out = c;
    return s;
}

void tg_behaviour_config_write(const tg_behaviour_config *config, tg_json *object) {
    tg_json_set_number(object, "hidden", config->hidden);
    tg_json_set_number(object, "layers", config->layers);
    tg_json_set_number(object, "coupling", config->coupling);
    tg_json_set_number(object, "past", config->past);
    tg_json_set_number(object, "mixture", config->mixture);
    tg_json_set_number(object, "noise", round(1e6 * (double)config->noise) / 1e6);
}

int tg_behaviour_input_count(const tg_behaviour_config *config) {
    return TG_PAST_AT + D * (config->past + 2) + 3 + (config->noise > 0);
}

static bool add_linear(tg_params *set, const char *name, int in, int out, bool zero, linear *l) {
    char text[64];
    tg_init init = zero ? (tg_init){TG_INIT_ZERO, 0} : tg_init_fan_in(in);
    snprintf(text, sizeof text, "%s.weight", name);
    l->w = tg_params_add(set, text, 2, (int64_t[]){out, in}, init);
    snprintf(text, sizeof text, "%s.bias", name);
    l->b = tg_params_add(set, text, 1, (int64_t[]){out}, init);
    return l->w && l->b;
}

tg_status tg_behaviour_create(tg_context *ctx, const tg_behaviour_config *config,
                              tg_behaviour **out) {
    *out = NULL;
    tg_behaviour *m = calloc(1, sizeof *m);
    bool ok = m && (m->params = tg_params_create());
    if (ok) {
        tg_params *set = m->params;
        int h = config->hidden;
        m->config = *config;
        m->inputs = tg_behaviour_input_count(config);
        ok = add_linear(set, "look.0", m->inputs, h, false, &m->look[0]) &&
             add_linear(set, "look.1", h, h, false, &m->look[1]) &&
             add_linear(set, "flow.base", h, 2 * D, false, &m->base) &&
             add_linear(set, "blink", h, HEADS, false, &m->blink);
        for (int i = 0; ok && i < config->layers; i++) {
            char name[32];
            snprintf(name, sizeof name, "flow.%d.in", i);
            ok = add_linear(set, name, A + h, config->coupling, false, &m->in[i]);
            snprintf(name, sizeof name, "flow.%d.out", i);
            ok = ok && add_linear(set, name, config->coupling, 2 * B, true, &m->out[i]);
        }
        if (config->mixture > 1)
            ok =
                ok && add_linear(set, "mixture", h, config->mixture * GAUSSIAN, false, &m->mixture);
        m->step_scale = tg_params_add_buffer(set, "scale.step", 1, (int64_t[]){D}, 1);
        m->blink_scale = tg_params_add_buffer(set, "scale.blink", 1, (int64_t[]){2}, 1);
        m->input_scale = tg_params_add_buffer(set, "scale.input", 2, (int64_t[]){2, m->inputs}, 0);
        ok = ok && m->step_scale && m->blink_scale && m->input_scale;
    }
    if (!ok) {
        tg_behaviour_destroy(&m);
        return tg_fail(ctx, TG_ENOMEM, "out of memory for the behaviour model");
    }
    *out = m;
    return TG_OK;
}

void tg_behaviour_destroy(tg_behaviour **model) {
    if (!model || !*model)
        return;
    tg_params_destroy(&(*model)->params);
    free(*model);
    *model = NULL;
}

const tg_behaviour_config *tg_behaviour_config_of(const tg_behaviour *model) {
    return &model->config;
}

tg_params *tg_behaviour_params(tg_behaviour *model) {
    return model->params;
}

void tg_behaviour_init(tg_behaviour *model, uint64_t seed) {
    tg_params_init(model->params, seed);
    for (int i = 0; i < model->inputs; i++) /* (x - 0) * 1 */
        model->input_scale->data[model->inputs + i] = 1;
}

/* ---- inputs -------------------------------------------------------------------------------- */

void tg_behaviour_advance(tg_behaviour_past *past, const float drawn[TG_DRAWN_DIM]) {
    const float keep = expf(-(float)TG_STEP_FRAMES / 25 / 8);
    memmove(past->past, past->past + D, TG_PAST_STEPS * D * sizeof *past->past);
    memcpy(past->past + TG_PAST_STEPS * D, drawn, D * sizeof *drawn);
    for (int k = 0; k < D; k++)
        past->slow[k] = keep * past->slow[k] + (1 - keep) * drawn[k];
    past->since_blink += (float)TG_STEP_FRAMES / 25;
}

void tg_behaviour_inputs(const tg_behaviour_config *config, const tg_behaviour_past *past,
                         const float *rows, float noise, float *out) {
    for (int i = 0; i < TG_HEARD_FRAMES; i += 2) /* pairs of frames, what changes fast */
        for (int k = 0; k < 4; k++)
            *out++ = 0.5f * (rows[i * TG_HEARD_DIM + k] + rows[(i + 1) * TG_HEARD_DIM + k]);
    for (int k = 4; k < TG_HEARD_DIM; k++)
        *out++ = rows[TG_HEARD_BEFORE * TG_HEARD_DIM + k];
    const float *now = past->past + TG_PAST_STEPS * D;
    memcpy(out, now, D * sizeof *out);
    out += D;
    for (const float *p = now - config->past * D; p < now; p++)
        *out++ = p[D] - p[0];
    for (int k = 0; k < D; k++)
        *out++ = past->slow[k] - now[k];
    static const float fade[3] = {0.4f, 1.5f, 5};
    for (int k = 0; k < 3; k++)
        *out++ = expf(-past->since_blink / fade[k]);
    if (config->noise > 0)
        *out = noise;
}

/* ---- network -----------------------------------------------------------------------------------
 */

static tg_tensor *apply(tg_tape *tape, const linear *l, tg_tensor *x) {
    return tg_linear(tape, x, l->w, l->b);
}

/* Inputs [N,I] as they are -> what the heads see [N,hidden]. */
static tg_tensor *look(tg_tape *tape, const tg_behaviour *m, int64_t n, const float *inputs) {
    tg_tensor *x = tg_input(tape, 2, (int64_t[]){n, m->inputs}, inputs);
    if (tg_tape_status(tape) != TG_OK)
        return x;
    const float *mean = m->input_scale->data, *scale = mean + m->inputs;
    for (int64_t i = 0; i < n; i++)
        for (int k = 0; k < m->inputs; k++) {
            float *v = &x->data[i * m->inputs + k];
            *v = (*v - mean[k]) * scale[k];
        }
    for (int i = 0; i < 2; i++)
        x = tg_gelu(tape, apply(tape, &m->look[i], x));
    return x;
}

/* x between -limit and limit, itself near 0 */
static float limited(float x, float limit) {
    return limit * tanhf(x / limit);
}

static tg_tensor *soften(tg_tape *tape, tg_tensor *x, float limit) {
    return tg_affine(tape, tg_tanh(tape, tg_affine(tape, x, 1 / limit, 0)), limit, 0);
}

/* Log scale and shift of a coupling's second part [N,B], from its first part [N,A]. */
static void couple(tg_tape *tape, const tg_behaviour *m, int layer, tg_tensor *first, tg_tensor *h,
                   tg_tensor **scale, tg_tensor **shift) {
    tg_tensor *x = tg_concat(tape, (tg_tensor *[]){first, h}, 2, 1);
    x = apply(tape, &m->out[layer], tg_gelu(tape, apply(tape, &m->in[layer], x)));
    *scale = soften(tape, tg_slice(tape, x, 1, 0, B), 1);
    *shift = tg_slice(tape, x, 1, B, 2 * B);
}

/* Row n of the mixture: logits of the K shares, then means [K,D], then logs of deviations [K,D]. */
typedef struct {
    const float *logit, *mean, *spread;
} gaussians;

static gaussians gaussians_at(const tg_behaviour *m, const tg_tensor *raw, int64_t row) {
    int k = m->config.mixture;
    const float *at = raw->data + row * k * GAUSSIAN;
    return (gaussians){at, at + k, at + k + k * D};
}

/* Logs of the shares p(k) of a row, by their logits. */
static void log_shares(const float *logit, int n, double out[MAX_MIXTURE]) {
    double most = -INFINITY, sum = 0;
    for (int k = 0; k < n; k++)
        most = fmax(most, (double)logit[k]);
    for (int k = 0; k < n; k++)
        sum += exp((double)logit[k] - most);
    for (int k = 0; k < n; k++)
        out[k] = (double)logit[k] - most - log(sum);
}

/* Sum over rows of -log sum_k p(k) N(x; mean_k, deviation_k), without the constant. Its gradient is
 * that of the expected complete likelihood, sum_k r(k) (log p(k) + log N_k), with the
 * responsibilities r held fixed (Dempster, Laird and Rubin 1977): so that is what the tape gets,
 * and the value is put right by a constant. */
static tg_tensor *mixture_loss(tg_tape *tape, const tg_behaviour *m, tg_tensor *h, tg_tensor *x,
                               int64_t n) {
    int count = m->config.mixture;
    tg_tensor *raw = apply(tape, &m->mixture, h);
    tg_tensor *push = tg_input(tape, 2, (int64_t[]){n, count}, NULL);
    tg_tensor *share = tg_input(tape, 3, (int64_t[]){count, n, D}, NULL);
    if (tg_tape_status(tape) != TG_OK)
        return x;
    double total = 0;
    for (int64_t i = 0; i < n; i++) {
        gaussians g = gaussians_at(m, raw, i);
        double prior[MAX_MIXTURE], joint[MAX_MIXTURE], most = -INFINITY, sum = 0;
        log_shares(g.logit, count, prior);
        for (int k = 0; k < count; k++) {
            joint[k] = prior[k];
            for (int d = 0; d < D; d++) {
                double spread = (double)limited(g.spread[k * D + d], widest_log);
                double z = ((double)x->data[i * D + d] - (double)g.mean[k * D + d]) / exp(spread);
                joint[k] -= 0.5 * z * z + spread;
            }
            most = fmax(most, joint[k]);
        }
        for (int k = 0; k < count; k++)
            sum += exp(joint[k] - most);
        total -= most + log(sum);
        for (int k = 0; k < count; k++) {
            float r = (float)(exp(joint[k] - most) / sum);
            push->data[i * count + k] = (float)exp(prior[k]) - r;
            for (int d = 0; d < D; d++)
                share->data[(k * n + i) * D + d] = r;
        }
    }
    tg_tensor *term[2 * MAX_MIXTURE + 1];
    float weight[2 * MAX_MIXTURE + 1];
    int terms = 0;
    term[terms] = tg_sum(tape, tg_mul(tape, push, tg_slice(tape, raw, 1, 0, count)));
    weight[terms++] = 1;
    for (int k = 0; k < count; k++) {
        int at = count + k * D;
        tg_tensor *mean = tg_slice(tape, raw, 1, at, at + D);
        at += count * D;
        tg_tensor *spread = soften(tape, tg_slice(tape, raw, 1, at, at + D), widest_log);
        tg_tensor *r = tg_reshape(tape, tg_slice(tape, share, 0, k, k + 1), 2, (int64_t[]){n, D});
        tg_tensor *z =
            tg_mul(tape, tg_sub(tape, x, mean), tg_exp(tape, tg_affine(tape, spread, -1, 0)));
        term[terms] = tg_sum(tape, tg_mul(tape, r, tg_square(tape, z)));
        weight[terms++] = 0.5f;
        term[terms] = tg_sum(tape, tg_mul(tape, r, spread));
        weight[terms++] = 1;
    }
    tg_tensor *sum = tg_weighted_sum(tape, term, weight, terms);
    if (tg_tape_status(tape) != TG_OK)
        return sum;
    return tg_affine(tape, sum, 1, (float)(total - (double)sum->data[0]));
}

/* The flow from steps to noise: mean over batch and numbers of -log p. */
static tg_tensor *motion_loss(tg_tape *tape, const tg_behaviour *m, tg_tensor *h, int64_t n,
                              const float *step) {
    tg_tensor *x = tg_input(tape, 2, (int64_t[]){n, D}, step);
    if (tg_tape_status(tape) != TG_OK)
        return x;
    for (int64_t i = 0; i < n * D; i++)
        x->data[i] /= m->step_scale->data[i % D];
    tg_tensor *base = apply(tape, &m->base, h);
    tg_tensor *mean = tg_slice(tape, base, 1, 0, D);
    tg_tensor *spread = soften(tape, tg_slice(tape, base, 1, D, 2 * D), widest_log);
    x = tg_mul(tape, tg_sub(tape, x, mean), tg_exp(tape, tg_affine(tape, spread, -1, 0)));
    tg_tensor *volume = tg_sum(tape, spread);
    for (int i = 0; i < m->config.layers; i++) {
        tg_tensor *first = tg_slice(tape, x, 1, 0, A), *second = tg_slice(tape, x, 1, A, D);
        tg_tensor *scale, *shift;
        couple(tape, m, i, first, h, &scale, &shift);
        second = tg_mul(tape, tg_add(tape, second, shift), tg_exp(tape, scale));
        x = tg_flip(tape, tg_concat(tape, (tg_tensor *[]){first, second}, 2, 1), 1);
        volume = tg_sub(tape, volume, tg_sum(tape, scale));
    }
    float count = (float)(n * D), each = m->config.mixture > 1 ? 1 / count : 0.5f / count;
    tg_tensor *noise =
        m->config.mixture > 1 ? mixture_loss(tape, m, h, x, n) : tg_sum(tape, tg_square(tape, x));
    tg_tensor *terms[] = {noise, volume};
    tg_tensor *sum = tg_weighted_sum(tape, terms, (float[]){each, 1 / count}, 2);
    return tg_affine(tape, sum, 1, half_log_2pi);
}

/* -log p of the lengths of the blinks that begin. */
static tg_tensor *length_loss(tg_tape *tape, tg_tensor *head, const tg_behaviour_batch *batch) {
    int64_t n = batch->count, dim[2] = {n, 1};
    double count = 0;
    for (int64_t i = 0; i < n; i++)
        count += (double)batch->blink[i];
    float each = (float)(1 / fmax(count, 1));
    tg_tensor *mask = tg_borrow(tape, 2, dim, batch->blink);
    tg_tensor *y = tg_borrow(tape, 2, dim, batch->length);
    tg_tensor *mean = tg_slice(tape, head, 1, 1, 2);
    tg_tensor *spread = soften(tape, tg_slice(tape, head, 1, 2, 3), -least_log);
    tg_tensor *z =
        tg_mul(tape, tg_sub(tape, y, mean), tg_exp(tape, tg_affine(tape, spread, -1, 0)));
    tg_tensor *terms[] = {tg_sum(tape, tg_mul(tape, mask, tg_square(tape, z))),
                          tg_sum(tape, tg_mul(tape, mask, spread))};
    return tg_weighted_sum(tape, terms, (float[]){0.5f * each, each}, 2);
}

tg_behaviour_terms tg_behaviour_loss(tg_tape *tape, tg_behaviour *model,
                                     const tg_behaviour_batch *batch) {
    tg_tensor *h = look(tape, model, batch->count, batch->inputs);
    tg_tensor *head = apply(tape, &model->blink, h);
    tg_tensor *p = tg_sigmoid(tape, tg_slice(tape, head, 1, 0, 1));
    return (tg_behaviour_terms){
        .motion = motion_loss(tape, model, h, batch->count, batch->step),
        .blink = tg_bce(tape, p, batch->blink),
        .length = length_loss(tape, head, batch),
    };
}

/* ---- drawing ------------------------------------------------------------------------------------
 */

/* Noise as the mixture has it. */
static void unmix(tg_tape *tape, const tg_behaviour *m, tg_tensor *h, float pick, float x[D]) {
    tg_tensor *raw = apply(tape, &m->mixture, h);
    if (tg_tape_status(tape) != TG_OK)
        return;
    gaussians g = gaussians_at(m, raw, 0);
    double share[MAX_MIXTURE], sum = 0;
    int k = 0;
    log_shares(g.logit, m->config.mixture, share);
    while (k + 1 < m->config.mixture && (double)pick >= (sum += exp(share[k])))
        k++;
    for (int d = 0; d < D; d++)
        x[d] = g.mean[k * D + d] + x[d] * expf(limited(g.spread[k * D + d], widest_log));
}

/* From noise to a step: the flow backwards, from its last coupling. */
static void unflow(tg_tape *tape, const tg_behaviour *m, tg_tensor *h, const float z[D], float pick,
                   float out[D]) {
    tg_tensor *base = apply(tape, &m->base, h);
    tg_tensor *spread = soften(tape, tg_slice(tape, base, 1, D, 2 * D), widest_log);
    float x[D];
    memcpy(x, z, sizeof x);
    if (m->config.mixture > 1)
        unmix(tape, m, h, pick, x);
    for (int i = m->config.layers - 1; i >= 0; i--) {
        float y[D];
        for (int k = 0; k < D; k++)
            y[k] = x[D - 1 - k];
        tg_tensor *scale, *shift;
        couple(tape, m, i, tg_input(tape, 2, (int64_t[]){1, A}, y), h, &scale, &shift);
        if (tg_tape_status(tape) != TG_OK)
            return;
        memcpy(x, y, A * sizeof *x);
        for (int k = 0; k < B; k++)
            x[A + k] = y[A + k] * expf(-scale->data[k]) - shift->data[k];
    }
    if (tg_tape_status(tape) != TG_OK)
        return;
    for (int k = 0; k < D; k++)
        out[k] = m->step_scale->data[k] * (base->data[k] + x[k] * expf(spread->data[k]));
}

tg_status tg_behaviour_step(tg_tape *tape, tg_behaviour *model, const float *inputs,
                            const float z[TG_DRAWN_DIM], float pick, tg_behaviour_draw *out) {
    memset(out, 0, sizeof *out);
    tg_tensor *h = look(tape, model, 1, inputs);
    tg_tensor *head = apply(tape, &model->blink, h);
    unflow(tape, model, h, z, pick, out->step);
    if (tg_tape_status(tape) != TG_OK)
        return tg_fail(tg_tape_context(tape), tg_tape_status(tape),
                       "out of memory for the behaviour model");
    out->blink = 1 / (1 + expf(-head->data[0]));
    out->length_mean = head->data[1];
    out->length_deviation = expf(-least_log * tanhf(head->data[2] / -least_log));
    bool ok = isfinite(out->blink) && isfinite(out->length_mean);
    for (int k = 0; k < D; k++)
        ok = ok && isfinite(out->step[k]);
    if (!ok)
        return tg_fail(tg_tape_context(tape), TG_EMODEL,
                       "the behaviour model gives numbers that are not finite\n"
                       "  expected: weights as talkgen train behaviour leaves them\n"
                       "  try: another voice file");
    return TG_OK;
}
