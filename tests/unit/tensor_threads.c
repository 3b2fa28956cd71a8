/* Outputs and gradients are equal to the last bit whatever the number of threads. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "talkgen/tensor.h"

#include <stdio.h>
#include <string.h>

#define DIM(...)                                                                                   \
    (int64_t[]) {                                                                                  \
        __VA_ARGS__                                                                                \
    }
enum { B = 3, C = 48, T = 1500 };

enum {
    WAVE,
    CONV0,
    CONV0_BIAS,
    GROUP_GAIN,
    GROUP_BIAS,
    CONV1,
    CONV1_BIAS,
    CHANNEL_GAIN,
    CHANNEL_BIAS,
    BATCH_GAIN,
    BATCH_BIAS,
    CONV2,
    UP,
    UP_BIAS,
    DOWN,
    LAYER_GAIN,
    LAYER_BIAS,
    OUT,
    OUT_BIAS,
    PARAMS
};

static const struct {
    int ndim;
    int64_t dim[3];
} shapes[PARAMS] = {
    [WAVE] = {3, {B, 1, T * 5 + 5}}, [CONV0] = {3, {C, 1, 10}}, [CONV0_BIAS] = {1, {C}},
    [GROUP_GAIN] = {1, {C}},         [GROUP_BIAS] = {1, {C}},   [CONV1] = {3, {C, C / 4, 3}},
    [CONV1_BIAS] = {1, {C}},         [CHANNEL_GAIN] = {1, {C}}, [CHANNEL_BIAS] = {1, {C}},
    [BATCH_GAIN] = {1, {C}},         [BATCH_BIAS] = {1, {C}},   [CONV2] = {3, {2 * C, C, 1}},
    [UP] = {3, {C, C, 2}},           [UP_BIAS] = {1, {C}},      [DOWN] = {3, {C, C, 2}},
    [LAYER_GAIN] = {1, {C}},         [LAYER_BIAS] = {1, {C}},   [OUT] = {2, {4 * C, C}},
    [OUT_BIAS] = {1, {4 * C}},
};

/* Large enough that every operation is cut into several blocks. */
static tg_tensor *forward(tg_tape *t, tg_tensor **p) {
    tg_tensor *x = tg_conv1d(t, p[WAVE], p[CONV0], p[CONV0_BIAS], 5, 0, 1); /* [B,C,T] */
    x = tg_gelu(t, tg_group_norm(t, x, p[GROUP_GAIN], p[GROUP_BIAS], 6, 1e-5f));
    x = tg_add(t, x, tg_conv1d(t, x, p[CONV1], p[CONV1_BIAS], 1, 1, 4));
    x = tg_channel_norm(t, x, p[CHANNEL_GAIN], p[CHANNEL_BIAS], 1e-5f);
    tg_tensor *mean = tg_input(t, 1, DIM(C), NULL), *var = tg_input(t, 1, DIM(C), NULL);
    x = tg_batch_norm(t, x, p[BATCH_GAIN], p[BATCH_BIAS], mean, var, 0.1f, 1e-5f);
    x = tg_gated(t, tg_conv1d(t, x, p[CONV2], NULL, 1, 0, 1), NULL);
    x = tg_conv_transpose1d(t, x, p[UP], p[UP_BIAS], 2);
    x = tg_conv1d(t, x, p[DOWN], NULL, 2, 0, 1);
    tg_tensor *rows = tg_transpose(t, x); /* [B,T,C] */
    tg_tensor *h = tg_layer_norm(t, rows, p[LAYER_GAIN], p[LAYER_BIAS], 1e-5f);
    tg_rng rng = tg_rng_make(4, "", "drop");
    h = tg_dropout(t, tg_attention(t, h, h, h, 4, 0.3f), 0.1f, &rng, 1);
    h = tg_linear(t, tg_add(t, rows, h), p[OUT], p[OUT_BIAS]);
    return tg_softmax(t, h);
}

static uint64_t run(int threads) {
    tg_context *ctx = tg_context_create(threads);
    tg_params *set = tg_params_create();
    tg_tensor *p[PARAMS];
    for (int i = 0; i < PARAMS; i++) {
        char name[16];
        snprintf(name, sizeof name, "p%d", i);
        p[i] = tg_params_add(set, name, shapes[i].ndim, shapes[i].dim,
                             (tg_init){TG_INIT_NORMAL, 0.1f});
        assert_non_null(p[i]);
    }
    tg_params_init(set, 1);
    assert_int_equal(tg_params_zero_grad(ctx, set), TG_OK);
    tg_tape *tape = tg_tape_create(ctx, true);
    tg_tape_set_training(tape, true);
    tg_tensor *y = forward(tape, p);
    uint64_t hash = tg_hash_bytes(y->data, (size_t)tg_numel(y) * sizeof(float), 0);
    tg_backward(tape, tg_mean(tape, tg_square(tape, y)));
    assert_int_equal(tg_tape_status(tape), TG_OK);
    assert_true(tg_params_grad_norm(set) > 0);
    for (int i = 0; i < PARAMS; i++)
        hash = tg_hash_bytes(p[i]->grad, (size_t)tg_numel(p[i]) * sizeof(float), hash);
    tg_adam *adam = tg_adam_create(ctx, set, tg_adam_defaults());
    tg_adam_step(adam, 0.01f);
    for (int i = 0; i < PARAMS; i++)
        hash = tg_hash_bytes(p[i]->data, (size_t)tg_numel(p[i]) * sizeof(float), hash);
    tg_adam_destroy(&adam);
    tg_tape_destroy(&tape);
    tg_params_destroy(&set);
    tg_context_destroy(&ctx);
    return hash;
}

static void thread_count_changes_nothing(void **state) {
    (void)state;
    uint64_t one = run(1);
    assert_true(one == run(1));
    assert_true(one == run(2));
    assert_true(one == run(3));
    assert_true(one == run(7));
}

typedef struct {
    float *a, *b, *c;
} gemm_arg;

static void gemm_in_worker(void *arg, int64_t begin, int64_t end, int worker) {
    (void)worker;
    gemm_arg *g = arg;
    enum { N = 96 };
    for (int64_t i = begin; i < end; i++)
        tg_sgemm(NULL, false, true, N, N, N, 1, g->a, N, g->b + i, N, 0, g->c + i * N * N, N);
}

/* Products from several workers at once, many times. */
static void products_from_many_workers(void **state) {
    (void)state;
    enum { N = 96, ITEMS = 64 };
    tg_rng rng = tg_rng_make(2, "", "gemm");
    gemm_arg g = {tg_alloc(N * N * 4), tg_alloc((N * N + ITEMS) * 4), NULL};
    tg_rng_fill_normal(&rng, 0, g.a, N * N);
    tg_rng_fill_normal(&rng, 1 << 20, g.b, N * N + ITEMS);
    uint64_t hash[2];
    for (int k = 0; k < 2; k++) {
        tg_pool *pool = tg_pool_create(k ? 6 : 1);
        g.c = tg_calloc((size_t)ITEMS * N * N * 4);
        tg_pool_run(pool, ITEMS, 1, gemm_in_worker, &g);
        hash[k] = tg_hash_bytes(g.c, (size_t)ITEMS * N * N * 4, 0);
        tg_free(g.c);
        tg_pool_destroy(&pool);
    }
    assert_true(hash[0] == hash[1]);
    tg_free(g.a);
    tg_free(g.b);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(thread_count_changes_nothing),
        cmocka_unit_test(products_from_many_workers),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
