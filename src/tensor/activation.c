/* Pointwise nonlinearities, softmax, the WaveNet gate and dropout. */
#include "tensor/tape.h"

#include <string.h>

typedef struct {
    const tg_kernels *kernels;
    tg_unary_kind kind;
    const float *x, *y, *dy;
    float *out;
    float parameter;
    bool add;
} unary_job;

typedef struct {
    tg_node node;
    tg_unary_kind kind;
    float parameter;
} unary_node;

static void unary_range(void *arg, int64_t begin, int64_t end, int worker) {
    (void)worker;
    const unary_job *j = arg;
    j->kernels->unary[j->kind](j->x + begin, j->out + begin, end - begin, j->parameter);
}

static void unary_grad_range(void *arg, int64_t begin, int64_t end, int worker) {
    (void)worker;
    const unary_job *j = arg;
    j->kernels->unary_grad[j->kind](j->x + begin, j->y + begin, j->dy + begin, j->out + begin,
                                    end - begin, j->parameter, j->add);
}

static void unary_backward(tg_tape *tape, tg_node *base) {
    unary_node *node = (unary_node *)base;
    tg_tensor *x = base->in[0];
    bool add;
    float *dx = tg_tape_grad(tape, x, &add);
    if (!dx)
        return;
    unary_job job = {tg_tape_kernels(tape), node->kind, x->data,         base->out->data,
                     base->out->grad,       dx,         node->parameter, add};
    tg_pool_run(tg_tape_pool(tape), tg_numel(x), tg_grain(1), unary_grad_range, &job);
}

static tg_tensor *unary(tg_tape *tape, tg_unary_kind kind, tg_tensor *x, float parameter) {
    tg_tensor *y = tg_tape_status(tape) == TG_OK ? tg_tape_like(tape, x) : NULL;
    if (!y)
        return tg_tape_poison(tape);
    unary_job job = {tg_tape_kernels(tape), kind, x->data, NULL, NULL, y->data, parameter, false};
    tg_pool_run(tg_tape_pool(tape), tg_numel(x), tg_grain(1), unary_range, &job);
    unary_node *node = tg_tape_record(tape, sizeof *node, unary_backward, y, 1, &x);
    if (node) {
        node->kind = kind;
        node->parameter = parameter;
    }
    return y;
}

tg_tensor *tg_relu(tg_tape *tape, tg_tensor *x) {
    return unary(tape, TG_UNARY_RELU, x, 0);
}

tg_tensor *tg_leaky_relu(tg_tape *tape, tg_tensor *x, float slope) {
    return unary(tape, TG_UNARY_LEAKY_RELU, x, slope);
}

tg_tensor *tg_gelu(tg_tape *tape, tg_tensor *x) {
    return unary(tape, TG_UNARY_GELU, x, 0);
}

tg_tensor *tg_tanh(tg_tape *tape, tg_tensor *x) {
    return unary(tape, TG_UNARY_TANH, x, 0);
}

tg_tensor *tg_sigmoid(tg_tape *tape, tg_tensor *x) {
    return unary(tape, TG_UNARY_SIGMOID, x, 0);
}

tg_tensor *tg_exp(tg_tape *tape, tg_tensor *x) {
    return unary(tape, TG_UNARY_EXP, x, 0);
}

tg_tensor *tg_square(tg_tape *tape, tg_tensor *x) {
    return unary(tape, TG_UNARY_SQUARE, x, 0);
}

/* ---- softmax ----------------------------------------------------------------- */

typedef struct {
    const tg_kernels *kernels;
    const float *x, *dy;
    float *y;
    int64_t cols;
    bool add;
} rows_job;

static void softmax_range(void *arg, int64_t begin, int64_t end, int worker) {
    (void)worker;
    const rows_job *j = arg;
    for (int64_t r = begin; r < end; r++)
        tg_softmax_row(j->kernels, j->x + r * j->cols, 1, j->y + r * j->cols, j->cols);
}

/* dx = y (dy - sum y dy) */
static void softmax_grad_range(void *arg, int64_t begin, int64_t end, int worker) {
    (void)worker;
    const rows_job *j = arg;
    for (int64_t r = begin; r < end; r++) {
        const float *y = j->x + r * j->cols, *dy = j->dy + r * j->cols;
        j->kernels->softmax_grad(y, dy, (float)j->kernels->dot(y, dy, j->cols), 1,
                                 j->y + r * j->cols, j->cols, j->add);
    }
}

static void softmax_backward(tg_tape *tape, tg_node *node) {
    tg_tensor *x = node->in[0];
    rows_job job = {.kernels = tg_tape_kernels(tape),
                    .x = node->out->data,
                    .dy = node->out->grad,
                    .cols = x->dim[x->ndim - 1]};
    job.y = tg_tape_grad(tape, x, &job.add);
    if (job.y && job.cols)
        tg_pool_run(tg_tape_pool(tape), tg_numel(x) / job.cols, tg_grain(job.cols),
                    softmax_grad_range, &job);
}

tg_tensor *tg_softmax(tg_tape *tape, tg_tensor *x) {
    tg_tensor *y = tg_tape_status(tape) == TG_OK ? tg_tape_like(tape, x) : NULL;
    if (!y)
        return tg_tape_poison(tape);
    rows_job job = {
        .kernels = tg_tape_kernels(tape), .x = x->data, .y = y->data, .cols = x->dim[x->ndim - 1]};
    if (job.cols)
        tg_pool_run(tg_tape_pool(tape), tg_numel(x) / job.cols, tg_grain(job.cols), softmax_range,
                    &job);
    tg_tape_record(tape, sizeof(tg_node), softmax_backward, y, 1, &x);
    return y;
}

/* ---- WaveNet gate -------------------------------------------------------------- */

typedef struct {
    const tg_kernels *kernels;
    const float *a, *g, *dy;
    float *t, *s, *y, *da;
    int64_t channels, time;
    bool add;
} gate_job;

typedef struct {
    tg_node node;
    float *t, *s; /* tanh and sigmoid factors */
} gate_node;

/* Items are rows (b, c); consecutive rows of one batch item are one stretch of memory. */
static int64_t gate_stretch(const gate_job *j, int64_t row, int64_t end) {
    int64_t stop = (row / j->channels + 1) * j->channels;
    return (stop < end ? stop : end) - row;
}

static void gate_range(void *arg, int64_t begin, int64_t end, int worker) {
    (void)worker;
    const gate_job *j = arg;
    int64_t half = j->channels * j->time;
    for (int64_t r = begin, rows; r < end; r += rows) {
        rows = gate_stretch(j, r, end);
        int64_t one = r * j->time, two = one + r / j->channels * half; /* in [B,C,T], [B,2C,T] */
        j->kernels->gated(j->a + two, j->a + two + half, j->g ? j->g + two : NULL,
                          j->g ? j->g + two + half : NULL, j->t ? j->t + one : NULL,
                          j->s ? j->s + one : NULL, j->y + one, rows * j->time);
    }
}

static void gate_grad_range(void *arg, int64_t begin, int64_t end, int worker) {
    (void)worker;
    const gate_job *j = arg;
    int64_t half = j->channels * j->time;
    for (int64_t r = begin, rows; r < end; r += rows) {
        rows = gate_stretch(j, r, end);
        int64_t one = r * j->time, two = one + r / j->channels * half;
        j->kernels->gated_grad(j->t + one, j->s + one, j->dy + one, j->da + two, j->da + two + half,
                               rows * j->time, j->add);
    }
}

static void gate_backward(tg_tape *tape, tg_node *base) {
    gate_node *node = (gate_node *)base;
    tg_tensor *y = base->out;
    gate_job job = {.kernels = tg_tape_kernels(tape),
                    .dy = y->grad,
                    .t = node->t,
                    .s = node->s,
                    .channels = y->dim[1],
                    .time = y->dim[2]};
    for (int i = 0; i < 2; i++) {
        job.da = tg_tape_grad(tape, base->in[i], &job.add);
        if (job.da)
            tg_pool_run(tg_tape_pool(tape), y->dim[0] * y->dim[1], tg_grain(y->dim[2]),
                        gate_grad_range, &job);
    }
}

tg_tensor *tg_gated(tg_tape *tape, tg_tensor *a, tg_tensor *g) {
    if (!tg_tape_expect(tape, a->ndim == 3 && a->dim[1] % 2 == 0 && (!g || tg_same_shape(a, g)),
                        "gated", "a [B,2C,T] and g of the same shape", a, g))
        return tg_tape_poison(tape);
    tg_tensor *y = tg_tape_new(tape, 3, (int64_t[]){a->dim[0], a->dim[1] / 2, a->dim[2]});
    if (!y)
        return tg_tape_poison(tape);
    tg_tensor *in[2] = {a, g};
    gate_job job = {.kernels = tg_tape_kernels(tape),
                    .a = a->data,
                    .g = g ? g->data : NULL,
                    .y = y->data,
                    .channels = y->dim[1],
                    .time = y->dim[2]};
    if (tg_tape_records(tape, 2, in)) {
        job.t = tg_tape_alloc(tape, tg_numel(y), sizeof *job.t);
        job.s = tg_tape_alloc(tape, tg_numel(y), sizeof *job.s);
        if (!job.t || !job.s)
            return tg_tape_poison(tape);
    }
    tg_pool_run(tg_tape_pool(tape), y->dim[0] * y->dim[1], tg_grain(y->dim[2]), gate_range, &job);
    gate_node *node = tg_tape_record(tape, sizeof *node, gate_backward, y, 2, in);
    if (node) {
        node->t = job.t;
        node->s = job.s;
    }
    return y;
}

/* ---- dropout ------------------------------------------------------------------- */

typedef struct {
    const tg_kernels *kernels;
    const float *x;
    float *y;
    tg_rng rng;
    uint64_t first;
    float p, scale;
    uint8_t *kept;
    bool add;
} dropout_job;

typedef struct {
    tg_node node;
    uint8_t *kept;
    float scale;
} dropout_node;

/* Element i is dropped when tg_rng_uniform(rng, first + i) < p; the numbers come in blocks of 4. */
static void dropout_range(void *arg, int64_t begin, int64_t end, int worker) {
    (void)worker;
    enum { WORDS = 512 };
    const dropout_job *j = arg;
    uint32_t word[WORDS];
    for (int64_t i = begin; i < end;) {
        uint64_t index = j->first + (uint64_t)i;
        int64_t skip = (int64_t)(index & 3), n = WORDS - skip < end - i ? WORDS - skip : end - i;
        j->kernels->random_words(&j->rng, index >> 2, word, (skip + n + 3) / 4);
        for (int64_t k = 0; k < n; k++) {
            bool keep = (float)(word[skip + k] >> 8) * 0x1p-24f >= j->p;
            j->y[i + k] = keep ? j->x[i + k] * j->scale : 0.0f;
            if (j->kept)
                j->kept[i + k] = keep;
        }
        i += n;
    }
}

static void dropout_grad_range(void *arg, int64_t begin, int64_t end, int worker) {
    (void)worker;
    const dropout_job *j = arg;
    for (int64_t i = begin; i < end; i++) {
        float d = j->x[i] * (j->scale * (float)j->kept[i]);
        j->y[i] = j->add ? j->y[i] + d : d;
    }
}

static void dropout_backward(tg_tape *tape, tg_node *base) {
    dropout_node *node = (dropout_node *)base;
    dropout_job job = {.x = base->out->grad, .scale = node->scale, .kept = node->kept};
    job.y = tg_tape_grad(tape, base->in[0], &job.add);
    if (job.y)
        tg_pool_run(tg_tape_pool(tape), tg_numel(base->out), tg_grain(1), dropout_grad_range, &job);
}

tg_tensor *tg_dropout(tg_tape *tape, tg_tensor *x, float p, const tg_rng *rng, uint64_t first) {
    if (!tg_tape_expect(tape, p >= 0 && p < 1, "dropout", "a probability in [0,1)", x, NULL))
        return tg_tape_poison(tape);
    if (!tg_tape_training(tape) || p == 0)
        return x;
    tg_tensor *y = tg_tape_like(tape, x);
    if (!y)
        return tg_tape_poison(tape);
    dropout_job job = {.kernels = tg_tape_kernels(tape),
                       .x = x->data,
                       .y = y->data,
                       .rng = *rng,
                       .first = first,
                       .p = p,
                       .scale = 1 / (1 - p)};
    if (tg_tape_records(tape, 1, &x) &&
        !(job.kept = tg_tape_alloc(tape, tg_numel(x), sizeof *job.kept)))
        return tg_tape_poison(tape);
    tg_pool_run(tg_tape_pool(tape), tg_numel(x), 4096, dropout_range, &job);
    dropout_node *node = tg_tape_record(tape, sizeof *node, dropout_backward, y, 1, &x);
    if (node) {
        node->kept = job.kept;
        node->scale = job.scale;
    }
    return y;
}
