/* Optimizers, moving averages and learning rates. */
#include "tensor/tape.h"

#include <math.h>
#include <string.h>

/* One block of floats per parameter; what Adam, RMSprop and the average keep. */
typedef struct {
    tg_params *set;
    int count;
    float **block;
} store;

static void store_free(store *s) {
    for (int i = 0; s->block && i < s->count; i++)
        tg_free(s->block[i]);
    tg_free(s->block);
    s->block = NULL;
}

static bool store_create(tg_context *ctx, store *s, tg_params *set, bool buffers) {
    s->set = set;
    s->count = tg_params_count(set);
    s->block = tg_calloc((size_t)s->count * sizeof(float *));
    bool ok = s->block != NULL;
    for (int i = 0; ok && i < s->count; i++) {
        tg_param *param = tg_params_at(set, i);
        if (!param->trainable && !buffers)
            continue;
        s->block[i] = tg_calloc((size_t)tg_numel(param->value) * sizeof(float));
        ok = s->block[i] != NULL;
    }
    if (!ok) {
        store_free(s);
        tg_fail(ctx, TG_ENOMEM,
                "out of memory: optimizer state of %d parameters\n  expected: to fit in this "
                "machine's memory\n  try: a smaller model",
                s->count);
    }
    return ok;
}

static float *store_at(const store *s, int index) {
    return index >= 0 && index < s->count ? s->block[index] : NULL;
}

/* Parameter with a gradient to follow, or NULL. */
static tg_param *moving(tg_params *set, int index) {
    tg_param *param = tg_params_at(set, index);
    return param->trainable && !param->frozen && param->value->grad ? param : NULL;
}

/* ---- Adam (Kingma & Ba 2015) with decoupled decay (Loshchilov & Hutter 2019) ------------ */

struct tg_adam {
    tg_context *ctx;
    store first, second;
    tg_adam_options options;
    int64_t steps;
};

tg_adam_options tg_adam_defaults(void) {
    return (tg_adam_options){0.9f, 0.999f, 1e-8f, 0};
}

tg_adam *tg_adam_create(tg_context *ctx, tg_params *set, tg_adam_options options) {
    tg_adam *adam = tg_calloc(sizeof *adam);
    if (!adam)
        return NULL;
    adam->ctx = ctx;
    adam->options = options;
    if (!store_create(ctx, &adam->first, set, false) ||
        !store_create(ctx, &adam->second, set, false))
        tg_adam_destroy(&adam);
    return adam;
}

void tg_adam_destroy(tg_adam **adam) {
    if (!adam || !*adam)
        return;
    store_free(&(*adam)->first);
    store_free(&(*adam)->second);
    tg_free(*adam);
    *adam = NULL;
}

typedef struct {
    const tg_kernels *kernels;
    float *w, *m, *v;
    const float *grad;
    float beta1, beta2, step, scale, eps, decay;
} adam_job;

static void adam_range(void *arg, int64_t begin, int64_t end, int worker) {
    (void)worker;
    const adam_job *j = arg;
    j->kernels->adam(j->w + begin, j->m + begin, j->v + begin, j->grad + begin, end - begin,
                     j->beta1, j->beta2, j->step, j->scale, j->eps, j->decay);
}

void tg_adam_step(tg_adam *adam, float lr) {
    const tg_adam_options *o = &adam->options;
    double t = (double)++adam->steps;
    double first = 1 - pow((double)o->beta1, t), second = 1 - pow((double)o->beta2, t);
    for (int i = 0; i < adam->first.count; i++) {
        tg_param *param = moving(adam->first.set, i);
        if (!param)
            continue;
        double rate = (double)lr * (double)param->lr_scale;
        adam_job job = {.kernels = tg_kernels_at(tg_context_cpu(adam->ctx)),
                        .w = param->value->data,
                        .m = adam->first.block[i],
                        .v = adam->second.block[i],
                        .grad = param->value->grad,
                        .beta1 = o->beta1,
                        .beta2 = o->beta2,
                        .step = (float)(rate / first),
                        .scale = (float)(1 / sqrt(second)),
                        .eps = o->eps,
                        .decay = (float)(rate * (double)o->weight_decay)};
        tg_pool_run(tg_context_pool(adam->ctx), tg_numel(param->value), tg_grain(1), adam_range,
                    &job);
    }
}

float *tg_adam_moment(tg_adam *adam, int index, int order) {
    return store_at(order == 1 ? &adam->first : &adam->second, index);
}

int64_t *tg_adam_steps(tg_adam *adam) {
    return &adam->steps;
}

/* ---- RMSprop -------------------------------------------------------------------------- */

struct tg_rmsprop {
    store square;
    float alpha, eps;
};

tg_rmsprop *tg_rmsprop_create(tg_context *ctx, tg_params *set, float alpha, float eps) {
    tg_rmsprop *opt = tg_calloc(sizeof *opt);
    if (!opt)
        return NULL;
    opt->alpha = alpha;
    opt->eps = eps;
    if (!store_create(ctx, &opt->square, set, false))
        tg_rmsprop_destroy(&opt);
    return opt;
}

void tg_rmsprop_destroy(tg_rmsprop **opt) {
    if (!opt || !*opt)
        return;
    store_free(&(*opt)->square);
    tg_free(*opt);
    *opt = NULL;
}

void tg_rmsprop_step(tg_rmsprop *opt, float lr) {
    for (int i = 0; i < opt->square.count; i++) {
        tg_param *param = moving(opt->square.set, i);
        if (!param)
            continue;
        float *w = param->value->data, *v = opt->square.block[i], rate = lr * param->lr_scale;
        const float *grad = param->value->grad;
        for (int64_t k = 0, n = tg_numel(param->value); k < n; k++) {
            v[k] = opt->alpha * v[k] + (1 - opt->alpha) * grad[k] * grad[k];
            w[k] -= rate * grad[k] / (sqrtf(v[k]) + opt->eps);
        }
    }
}

float *tg_rmsprop_moment(tg_rmsprop *opt, int index) {
    return store_at(&opt->square, index);
}

/* ---- moving average --------------------------------------------------------------------- */

struct tg_ema {
    store average;
    float decay;
};

tg_ema *tg_ema_create(tg_context *ctx, tg_params *set, float decay) {
    tg_ema *ema = tg_calloc(sizeof *ema);
    if (!ema)
        return NULL;
    ema->decay = decay;
    if (!store_create(ctx, &ema->average, set, true)) {
        tg_ema_destroy(&ema);
        return NULL;
    }
    for (int i = 0; i < ema->average.count; i++) {
        tg_tensor *value = tg_params_at(set, i)->value;
        memcpy(ema->average.block[i], value->data, (size_t)tg_numel(value) * sizeof(float));
    }
    return ema;
}

void tg_ema_destroy(tg_ema **ema) {
    if (!ema || !*ema)
        return;
    store_free(&(*ema)->average);
    tg_free(*ema);
    *ema = NULL;
}

void tg_ema_update(tg_ema *ema) {
    for (int i = 0; i < ema->average.count; i++) {
        tg_tensor *value = tg_params_at(ema->average.set, i)->value;
        float *average = ema->average.block[i];
        for (int64_t k = 0, n = tg_numel(value); k < n; k++)
            average[k] += (1 - ema->decay) * (value->data[k] - average[k]);
    }
}

void tg_ema_swap(tg_ema *ema) {
    for (int i = 0; i < ema->average.count; i++) {
        tg_tensor *value = tg_params_at(ema->average.set, i)->value;
        float *average = ema->average.block[i];
        for (int64_t k = 0, n = tg_numel(value); k < n; k++) {
            float kept = value->data[k];
            value->data[k] = average[k];
            average[k] = kept;
        }
    }
}

float *tg_ema_value(tg_ema *ema, int index) {
    return store_at(&ema->average, index);
}

/* ---- learning rates ---------------------------------------------------------------------- */

/* Linear from 0 over `warmup` steps, then lr 0.1^(step / decay_steps), never below floor. */
float tg_lr_warmup_exp(int64_t step, float lr, int64_t warmup, double decay_steps, float floor) {
    double rate = step < warmup ? (double)lr * (double)step / (double)warmup
                                : (double)lr * pow(0.1, (double)step / decay_steps);
    return rate > (double)floor ? (float)rate : floor;
}

/* Linear from 0 over `warmup` steps, then half a cosine from lr down to final_lr at `total`. */
float tg_lr_cosine(int64_t step, float lr, int64_t warmup, int64_t total, float final_lr) {
    if (step < warmup)
        return (float)((double)lr * (double)step / (double)warmup);
    if (step >= total)
        return final_lr;
    double done = (double)(step - warmup) / (double)(total - warmup);
    double part = 0.5 * (1 + cos(3.14159265358979324 * done));
    return (float)((double)final_lr + ((double)lr - (double)final_lr) * part);
}
