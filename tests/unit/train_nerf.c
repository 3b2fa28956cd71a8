/* Training of the head: vector kernels against portable ones, gradients against differences. */
#include "train/nerf_step.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static float *random_block(const char *purpose, size_t n, float scale) {
    tg_rng rng = tg_rng_make(7, "", purpose);
    float *x = tg_alloc(sizeof(float) * n);
    assert_non_null(x);
    tg_rng_fill_normal(&rng, 0, x, n);
    for (size_t i = 0; i < n; i++)
        x[i] *= scale;
    return x;
}

static void assert_close(const char *what, const float *a, const float *b, size_t n,
                         float tolerance) {
    for (size_t i = 0; i < n; i++)
        if (!(fabsf(a[i] - b[i]) <= tolerance * (1 + fabsf(b[i]))))
            fail_msg("%s[%zu]: %g, expected %g", what, i, (double)a[i], (double)b[i]);
}

static void compare_layers(const nerf_kernels *k, int n_in, int n_out) {
    int pad_out = (n_out + 7) / 8 * 8;
    size_t tile = (size_t)NERF_TILE;
    float *w = random_block("w", (size_t)tg_nerf_packed_size(n_in, pad_out), 0.2f);
    float *wt = random_block("wt", (size_t)tg_nerf_packed_size(pad_out, n_in), 0.2f);
    float *bias = random_block("bias", (size_t)n_out, 1);
    float *x = random_block("x", (size_t)n_in * tile, 1);
    float *act = random_block("act", (size_t)n_in * tile, 1);
    float *y[2], *dx[2], *dw[2], *xt[2];
    const nerf_kernels *both[2] = {&tg_nerf_kernels_portable, k};
    for (int i = 0; i < 2; i++) {
        y[i] = random_block("y", (size_t)pad_out * tile, 1);
        dx[i] = random_block("dx", (size_t)n_in * tile, 1);
        dw[i] = random_block("dw", (size_t)(pad_out * n_in), 1);
        xt[i] = random_block("xt", (size_t)n_in * tile, 1);
        both[i]->forward(w, n_in, n_out, bias, x, y[i], true);
        both[i]->backward_input(wt, n_in, pad_out, y[0], act, dx[i], false);
        both[i]->backward_input(wt, n_in, pad_out, y[0], NULL, dx[i], true);
        both[i]->transpose(x, n_in, xt[i]);
        both[i]->backward_weight(n_in, pad_out, y[0], xt[0], dw[i]);
    }
    assert_close("y", y[1], y[0], (size_t)pad_out * tile, 1e-5f);
    assert_close("dx", dx[1], dx[0], (size_t)n_in * tile, 1e-5f);
    assert_memory_equal(xt[1], xt[0], sizeof(float) * (size_t)n_in * tile);
    assert_close("dw", dw[1], dw[0], (size_t)(pad_out * n_in), 1e-5f);
    for (int i = 0; i < 2; i++) {
        tg_free(y[i]);
        tg_free(dx[i]);
        tg_free(dw[i]);
        tg_free(xt[i]);
    }
    tg_free(w);
    tg_free(wt);
    tg_free(bias);
    tg_free(x);
    tg_free(act);
}

static void compare_grid(const nerf_kernels *k, int dims, bool hash) {
    tg_grid grid;
    tg_grid_init(&grid, dims, 16, 16, 2048, 16, hash, false);
    size_t rows = grid.offset[grid.levels], outputs = (size_t)grid.levels * 2 * NERF_TILE;
    float *table = random_block("table", 2 * rows, 1);
    float *u = random_block("u", (size_t)dims * NERF_TILE, 0.2f);
    float *d_out = random_block("d_out", outputs, 1);
    for (int i = 0; i < dims * NERF_TILE; i++)
        u[i] += 0.5f;
    u[3] = 1.25f; /* outside */
    u[4] = 0;
    u[5] = 1;
    for (size_t l = 0; l < outputs; l += NERF_TILE)
        d_out[l + 6] = 0;
    float *out[2], *d_u[2], *grad[2];
    const nerf_kernels *both[2] = {&tg_nerf_kernels_portable, k};
    for (int i = 0; i < 2; i++) {
        out[i] = random_block("out", outputs, 1);
        d_u[i] = random_block("d_u", (size_t)dims * NERF_TILE, 1);
        grad[i] = tg_calloc(sizeof(float) * 2 * rows);
        both[i]->encode(&grid, table, u, out[i]);
        both[i]->encode_backward(&grid, table, u, d_out, d_u[i]);
        const float *us[2] = {u, u}, *ds[2] = {d_out, out[0]};
        for (int l = 0; l < grid.levels; l++)
            both[i]->scatter(&grid, l, 2, us, ds, grad[i]);
    }
    assert_close("features", out[1], out[0], outputs, 1e-5f);
    for (int i = 0; i < dims * NERF_TILE; i++)
        assert_true(fabsf(d_u[1][i] - d_u[0][i]) <= 2e-5f * 2048);
    assert_close("table gradient", grad[1], grad[0], 2 * rows, 1e-5f);
    float zeros[2] = {0, 0};
    assert_memory_equal(&out[0][3], zeros, sizeof(float)); /* the point outside */

    /* and the portable one against the renderer's encoder */
    float point[3], features[32];
    for (int d = 0; d < dims; d++)
        point[d] = u[d * NERF_TILE + 9];
    tg_grid_encode(&grid, table, point, 1, features);
    for (int j = 0; j < 32; j++)
        assert_true(fabsf(features[j] - out[0][j * NERF_TILE + 9]) < 1e-5f);
    for (int i = 0; i < 2; i++) {
        tg_free(out[i]);
        tg_free(d_u[i]);
        tg_free(grad[i]);
    }
    tg_free(table);
    tg_free(u);
    tg_free(d_out);
}

static void compare_adam(const nerf_kernels *k) {
    enum { N = 1000 };
    nerf_adam_rule rule = {1e-2f, 0.9f, 0.99f, 3, 1e-15f, true};
    for (int sparse = 0; sparse < 2; sparse++) {
        float *state[2][4];
        const nerf_kernels *both[2] = {&tg_nerf_kernels_portable, k};
        rule.sparse = sparse;
        for (int i = 0; i < 2; i++) {
            for (int j = 0; j < 4; j++)
                state[i][j] = random_block("adam", N, 1);
            for (int j = 0; j < N; j++) {
                state[i][3][j] = fabsf(state[i][3][j]);
                if (j / 8 % 3 || j % 5 == 0)
                    state[i][1][j] = 0;
            }
            both[i]->adam(&rule, N, state[i][0], state[i][1], state[i][2], state[i][3]);
        }
        for (int j = 0; j < 4; j++) {
            assert_close("adam", state[1][j], state[0][j], N, 1e-6f);
            tg_free(state[0][j]);
            tg_free(state[1][j]);
        }
    }
}

static void vector_kernels_equal_portable(void **unused) {
    (void)unused;
    for (int level = 1; level < TG_CPU_LEVELS; level++) {
        if (!tg_cpu_has((tg_cpu_level)level))
            continue;
        const nerf_kernels *k = tg_nerf_kernels_for((tg_cpu_level)level);
        compare_layers(k, 32, 64);
        compare_layers(k, 64, 65);
        compare_layers(k, 80, 64);
        compare_layers(k, 16, 3);
        for (int hash = 0; hash < 2; hash++) {
            compare_grid(k, 2, hash);
            compare_grid(k, 3, hash);
        }
        compare_adam(k);
    }
}

/* ---- gradients of a whole step ----------------------------------------------------------- */

enum { FRAMES = 2, RAYS = NERF_BLOCK_RAYS * FRAMES };

typedef struct {
    tg_context *ctx;
    tg_nerf *nerf;
    nerf_stepper *stepper;
    float *windows;
    nerf_step_frame frames[FRAMES];
    nerf_ray rays[RAYS];
    nerf_loss_weights weights;
} bench;

static bench make_bench(int threads, tg_cpu_level level) {
    bench b = {.ctx = tg_context_create(threads)};
    assert_int_equal(tg_context_set_cpu(b.ctx, level), TG_OK);
    tg_nerf_config c = tg_nerf_config_defaults();
    c.hidden_dim_ambient = c.hidden_dim_sigma = c.hidden_dim_color = c.geo_feat_dim = 16;
    c.num_levels = 8;
    c.desired_resolution = 64; /* differences of a fine grid would need finer steps */
    c.log2_hashmap_size = 10;
    c.individual_embedding_num = 5;
    c.grid_size = 32;
    assert_int_equal(tg_nerf_create(b.ctx, &c, 3, &b.nerf), TG_OK);
    assert_int_equal(tg_nerf_stepper_create(b.ctx, b.nerf, RAYS, &b.stepper), TG_OK);
    for (int i = 0; i < tg_params_count(b.nerf->params); i++) {
        tg_param *p = tg_params_at(b.nerf->params, i);
        if (strstr(p->name, "embedder")) {
            tg_rng rng = tg_rng_make(5, "", p->name);
            for (int64_t j = 0; j < tg_numel(p->value); j++)
                p->value->data[j] = 0.5f * tg_rng_normal(&rng, (uint64_t)j);
        }
    }
    size_t window = (size_t)c.smo_win_size * (size_t)c.cond_win_size * (size_t)c.cond_dim;
    b.windows = random_block("windows", FRAMES * window, 1);
    for (int f = 0; f < FRAMES; f++)
        b.frames[f] = (nerf_step_frame){b.windows + f * window, f + 1};
    tg_rng rng = tg_rng_make(11, "", "rays");
    for (int r = 0; r < RAYS; r++) {
        nerf_ray *ray = &b.rays[r];
        uint64_t at = (uint64_t)r * 16;
        float length = 0;
        ray->o[0] = 0.1f;
        ray->o[1] = 2;
        for (int d = 0; d < 3; d++) {
            ray->d[d] = d == 1 ? -1 : 0.2f * tg_rng_normal(&rng, at++);
            length += ray->d[d] * ray->d[d];
            ray->target[d] = tg_rng_uniform(&rng, at++);
            ray->background[d] = tg_rng_uniform(&rng, at++);
        }
        for (int d = 0; d < 3; d++)
            ray->d[d] /= sqrtf(length);
        ray->jitter = tg_rng_uniform(&rng, at++);
        ray->weight = 0.5f + tg_rng_uniform(&rng, at++);
        ray->opacity = (float)(r % 3) - 1;
        ray->ambient = r % 2 ? 0.1f : 0;
    }
    b.weights = (nerf_loss_weights){.entropy = 0.05f,
                                    .opacity = 0.3f,
                                    .distortion = 0.2f,
                                    .excess = 0.1f,
                                    .enough = 0.9f,
                                    .scale = 1.0f / RAYS};
    return b;
}

static void free_bench(bench *b) {
    tg_free(b->windows);
    tg_nerf_stepper_destroy(&b->stepper);
    tg_nerf_destroy(&b->nerf);
    tg_context_destroy(&b->ctx);
}

static double bench_loss(bench *b) {
    nerf_step_result result;
    assert_int_equal(tg_nerf_step_gradients(b->ctx, b->stepper, b->frames, FRAMES, b->rays,
                                            NERF_BLOCK_RAYS, &b->weights, &result),
                     TG_OK);
    assert_true(result.samples > 5 * RAYS);
    return result.loss * (double)b->weights.scale;
}

/* Central differences along the direction of the gradient itself, one parameter tensor at a time:
 * the slope there is the norm of the gradient. */
static void gradients_are_slopes(void **unused) {
    (void)unused;
    bench b = make_bench(1, TG_CPU_PORTABLE);
    int n = tg_params_count(b.nerf->params), checked = 0;
    bench_loss(&b);
    float **grad = tg_calloc(sizeof(float *) * (size_t)n);
    for (int i = 0; i < n; i++) {
        tg_tensor *t = tg_params_at(b.nerf->params, i)->value;
        size_t bytes = sizeof(float) * (size_t)tg_numel(t);
        grad[i] = tg_alloc(bytes);
        memcpy(grad[i], t->grad, bytes);
    }
    for (int i = 0; i < n; i++) {
        tg_param *p = tg_params_at(b.nerf->params, i);
        int64_t size = tg_numel(p->value);
        double square = 0;
        for (int64_t j = 0; j < size; j++)
            square += (double)grad[i][j] * (double)grad[i][j];
        double norm = sqrt(square);
        if (norm < 1e-7)
            continue;
        float *saved = tg_alloc(sizeof(float) * (size_t)size);
        memcpy(saved, p->value->data, sizeof(float) * (size_t)size);
        double best = 1e9, slope_at_best = 0;
        /* the best of three steps: rounding spoils small ones, kinks of ReLU large ones */
        for (int step = 0; step < 3; step++) {
            double h = 2e-3 * pow(4, step), loss[2];
            for (int side = 0; side < 2; side++) {
                for (int64_t j = 0; j < size; j++)
                    p->value->data[j] =
                        saved[j] + (float)((side ? h : -h) * (double)grad[i][j] / norm);
                loss[side] = bench_loss(&b);
            }
            double slope = (loss[1] - loss[0]) / (2 * h);
            double off = fabs(slope - norm) / norm;
            if (off < best) {
                best = off;
                slope_at_best = slope;
            }
        }
        memcpy(p->value->data, saved, sizeof(float) * (size_t)size);
        tg_free(saved);
        if (best > 0.02)
            fail_msg("%s: slope %g, gradient %g", p->name, slope_at_best, norm);
        checked++;
    }
    /* both tables, 8 weight matrices, the codes and most of the condition nets */
    assert_true(checked >= 25);
    for (int i = 0; i < n; i++)
        tg_free(grad[i]);
    tg_free(grad);
    free_bench(&b);
}

static void threads_and_levels_agree(void **unused) {
    (void)unused;
    bench one = make_bench(1, tg_cpu_detect()), two = make_bench(2, tg_cpu_detect());
    bench plain = make_bench(1, TG_CPU_PORTABLE);
    double loss = bench_loss(&one);
    assert_true(loss == bench_loss(&two));
    assert_true(fabs(loss - bench_loss(&plain)) < 1e-5);
    for (int i = 0; i < tg_params_count(one.nerf->params); i++) {
        tg_tensor *a = tg_params_at(one.nerf->params, i)->value;
        tg_tensor *c = tg_params_at(two.nerf->params, i)->value;
        tg_tensor *d = tg_params_at(plain.nerf->params, i)->value;
        size_t n = (size_t)tg_numel(a);
        assert_memory_equal(a->grad, c->grad, sizeof(float) * n);
        assert_close(tg_params_at(one.nerf->params, i)->name, a->grad, d->grad, n, 2e-5f);
    }
    free_bench(&one);
    free_bench(&two);
    free_bench(&plain);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(vector_kernels_equal_portable),
        cmocka_unit_test(gradients_are_slopes),
        cmocka_unit_test(threads_and_levels_agree),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
