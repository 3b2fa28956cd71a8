/* Kernels of the speech and motion networks, in the shapes that those use. */
#include "bench/bench.h"

#include <string.h>

/* ---- matrix products ---- */

typedef struct {
    bool ta, tb;
    int64_t m, n, k;
} product;

typedef struct {
    tg_context *ctx;
    const product *shape;
    float *a, *b, *c;
} product_job;

static tg_status run_product(void *arg) {
    product_job *j = arg;
    const product *p = j->shape;
    tg_sgemm(j->ctx, p->ta, p->tb, p->m, p->n, p->k, 1, j->a, p->ta ? p->m : p->k, j->b,
             p->tb ? p->k : p->n, 0, j->c, p->n);
    TG_BENCH_KEEP(j->c);
    return TG_OK;
}

static tg_status measure_product(bench *b, const bench_entry *entry) {
    const product *p = entry->shape;
    product_job j = {.ctx = tg_bench_context(b, entry), .shape = p};
    j.a = tg_bench_noise((size_t)(p->m * p->k), "a", 1);
    j.b = tg_bench_noise((size_t)(p->n * p->k), "b", 1);
    j.c = tg_calloc((size_t)(p->m * p->n) * sizeof *j.c);
    tg_status s = TG_OK;
    if (!j.a || !j.b || !j.c)
        s = tg_bench_no_memory(b);
    const bench_plan plan = {2.0 * (double)p->m * (double)p->n * (double)p->k, TG_BENCH_FLOP,
                             CEILING_FMA, 0, false};
    if (s == TG_OK)
        s = tg_bench_time(b, entry, &plan, run_product, &j);
    tg_free(j.a);
    tg_free(j.b);
    tg_free(j.c);
    return s;
}

/* ---- operations on a tape ---- */

typedef enum {
    CONV,
    CONV_ROWS,
    ATTENTION,
    GELU,
    TANH,
    SIGMOID,
    SOFTMAX,
    LAYER_NORM,
    CHANNEL_NORM
} operation;

/* CONV: channels, outputs, kernel, time, stride, pad, groups; ATTENTION: channels, time and heads
 * (groups); others: time x channels. */
typedef struct {
    int64_t channels, outputs, kernel, time;
    int stride, pad, groups;
} shape;

typedef struct {
    tg_tape *tape;
    operation op;
    const shape *shape;
    float *x, *w, *bias;
} tape_job;

static tg_status run_operation(void *arg) {
    tape_job *j = arg;
    const shape *p = j->shape;
    tg_tape *tape = j->tape;
    tg_tape_reset(tape);
    const bool channels_first = j->op == CONV || j->op == CHANNEL_NORM;
    tg_tensor *x = tg_borrow(tape, 3,
                             channels_first ? (int64_t[]){1, p->channels, p->time}
                                            : (int64_t[]){1, p->time, p->channels},
                             j->x);
    tg_tensor *y = NULL, *w = NULL, *bias = NULL;
    if (j->op == CONV || j->op == CONV_ROWS) {
        w = tg_borrow(tape, 3, (int64_t[]){p->outputs, p->channels / p->groups, p->kernel}, j->w);
        bias = tg_borrow(tape, 1, (int64_t[]){p->outputs}, j->bias);
    }
    switch (j->op) {
    case CONV:
        y = tg_conv1d(tape, x, w, bias, p->stride, p->pad, p->groups);
        break;
    case CONV_ROWS:
        y = tg_conv1d_rows(tape, x, w, bias, p->stride);
        break;
    case ATTENTION:
        y = tg_attention(tape, x, x, x, p->groups, 0.125f);
        break;
    case GELU:
        y = tg_gelu(tape, x);
        break;
    case TANH:
        y = tg_tanh(tape, x);
        break;
    case SIGMOID:
        y = tg_sigmoid(tape, x);
        break;
    case SOFTMAX:
        y = tg_softmax(tape, x);
        break;
    case LAYER_NORM:
        y = tg_layer_norm(tape, x, NULL, NULL, 1e-5f);
        break;
    case CHANNEL_NORM:
        y = tg_channel_norm(tape, x, NULL, NULL, 1e-5f);
        break;
    }
    TG_BENCH_KEEP(y->data);
    return tg_tape_status(tape);
}

static tg_status measure_operation(bench *b, const bench_entry *entry) {
    const shape *p = entry->shape;
    tape_job j = {.op = (operation)entry->kind, .shape = p};
    const bool conv = j.op == CONV || j.op == CONV_ROWS;
    j.tape = tg_tape_create(tg_bench_context(b, entry), false);
    j.x = tg_bench_noise((size_t)(p->channels * p->time), "x", 1);
    j.w = tg_bench_noise(conv ? (size_t)(p->outputs * p->channels / p->groups * p->kernel) : 1, "w",
                         0.1f);
    j.bias = tg_bench_noise(conv ? (size_t)p->outputs : 1, "bias", 0.1f);
    bench_plan plan = {(double)(p->channels * p->time), TG_BENCH_NUMBER, CEILING_NONE, 0, false};
    if (conv) {
        const int64_t rows = (p->time + 2 * p->pad - p->kernel) / p->stride + 1;
        plan.work = 2.0 * (double)(rows * p->outputs * p->channels / p->groups * p->kernel);
    } else if (j.op == ATTENTION) {
        plan.work = 4.0 * (double)(p->time * p->time * p->channels);
    }
    if (conv || j.op == ATTENTION) {
        plan.unit = TG_BENCH_FLOP;
        plan.ceiling = CEILING_FMA;
    }
    tg_status s = TG_OK;
    if (!j.tape || !j.x || !j.w || !j.bias)
        s = tg_bench_no_memory(b);
    if (s == TG_OK)
        s = tg_bench_time(b, entry, &plan, run_operation, &j);
    tg_tape_destroy(&j.tape);
    tg_free(j.x);
    tg_free(j.w);
    tg_free(j.bias);
    return s;
}

#define SHAPE(...)   (&(const shape){__VA_ARGS__})
#define PRODUCT(...) (&(const product){__VA_ARGS__})

/* large and base: HuBERT on 10 s; small: the shipped encoder; vae, flow: GeneFace's published
 * motion model on a piece of 400 frames. */
const bench_entry tg_bench_tensors[] = {
    {"kernel/sgemm-large-qkv/1", measure_product, 0, true, PRODUCT(0, 1, 499, 1024, 1024)},
    {"kernel/sgemm-large-qkv/all", measure_product, 0, false, PRODUCT(0, 1, 499, 1024, 1024)},
    {"kernel/sgemm-large-up/all", measure_product, 0, false, PRODUCT(0, 1, 499, 4096, 1024)},
    {"kernel/sgemm-large-down/all", measure_product, 0, false, PRODUCT(0, 1, 499, 1024, 4096)},
    {"kernel/sgemm-base-qkv/all", measure_product, 0, false, PRODUCT(0, 1, 499, 768, 768)},
    {"kernel/sgemm-base-up/all", measure_product, 0, false, PRODUCT(0, 1, 499, 3072, 768)},
    {"kernel/sgemm-small-qkv/all", measure_product, 0, false, PRODUCT(0, 1, 499, 192, 192)},
    {"kernel/sgemm-small-up/all", measure_product, 0, false, PRODUCT(0, 1, 499, 768, 192)},
    {"kernel/sgemm-256/1", measure_product, 0, true, PRODUCT(0, 1, 256, 256, 256)},
    {"kernel/sgemm-gradient-x/1", measure_product, 0, true, PRODUCT(0, 0, 2048, 192, 192)},
    {"kernel/sgemm-gradient-w/1", measure_product, 0, true, PRODUCT(1, 0, 192, 192, 2048)},
    {"kernel/sgemm-eight-rows/1", measure_product, 0, true, PRODUCT(0, 1, 8, 256, 96)},
    {"kernel/conv-large-features/all", measure_operation, CONV_ROWS, false,
     SHAPE(512, 512, 3, 7999, 2, 0, 1)},
    {"kernel/conv-small-features/all", measure_operation, CONV_ROWS, false,
     SHAPE(64, 96, 3, 31999, 2, 0, 1)},
    {"kernel/conv-large-position/all", measure_operation, CONV, false,
     SHAPE(1024, 1024, 128, 499, 1, 64, 16)},
    {"kernel/conv-small-position/all", measure_operation, CONV, false,
     SHAPE(192, 192, 128, 499, 1, 64, 16)},
    {"kernel/conv-vae-decoder/all", measure_operation, CONV, false,
     SHAPE(256, 512, 5, 400, 1, 2, 1)},
    {"kernel/conv-flow/all", measure_operation, CONV, false, SHAPE(64, 128, 3, 100, 1, 1, 1)},
    {"kernel/conv-postnet/all", measure_operation, CONV, false, SHAPE(128, 256, 3, 400, 1, 1, 1)},
    {"kernel/attention-large/all", measure_operation, ATTENTION, false,
     SHAPE(1024, 0, 0, 499, 0, 0, 16)},
    {"kernel/attention-small/all", measure_operation, ATTENTION, false,
     SHAPE(192, 0, 0, 499, 0, 0, 4)},
    {"kernel/gelu/all", measure_operation, GELU, false, SHAPE(4096, 0, 0, 499, 0, 0, 1)},
    {"kernel/tanh/all", measure_operation, TANH, false, SHAPE(1024, 0, 0, 499, 0, 0, 1)},
    {"kernel/sigmoid/all", measure_operation, SIGMOID, false, SHAPE(1024, 0, 0, 499, 0, 0, 1)},
    {"kernel/softmax/all", measure_operation, SOFTMAX, false, SHAPE(499, 0, 0, 8000, 0, 0, 1)},
    {"kernel/layer-norm/all", measure_operation, LAYER_NORM, false,
     SHAPE(1024, 0, 0, 499, 0, 0, 1)},
    {"kernel/channel-norm/all", measure_operation, CHANNEL_NORM, false,
     SHAPE(128, 0, 0, 8000, 0, 0, 1)},
    {NULL, NULL, 0, false, NULL},
};
