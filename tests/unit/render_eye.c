/* Eye control: the density network's last input is how open the eyes are, one number of the frame.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <math.h>
#include <string.h>

#include "render/head.h"

enum { HIDDEN = 24, FEATURES = 32, CONDITION = 64 };

static tg_context *ctx;
static tg_rng rng;

static int start(void **state) {
    (void)state;
    ctx = tg_context_create(1);
    rng = tg_rng_make(7, "", "eye");
    return ctx ? 0 : -1;
}

static int stop(void **state) {
    (void)state;
    tg_context_destroy(&ctx);
    return 0;
}

static tg_nerf *make_model(int eye_dim) {
    tg_nerf_config config = tg_nerf_config_defaults();
    config.grid_size = 8;
    config.log2_hashmap_size = 8;
    config.hidden_dim_ambient = config.hidden_dim_sigma = HIDDEN;
    config.geo_feat_dim = config.hidden_dim_color = 8;
    config.individual_embedding_num = 1;
    config.eye_dim = eye_dim;
    tg_nerf *nerf;
    assert_int_equal(tg_nerf_create(ctx, &config, 3, &nerf), TG_OK);
    tg_tensor *grids[2] = {nerf->position_embeddings, nerf->ambient_embeddings};
    for (int g = 0; g < 2; g++) {
        for (int64_t i = 0; i < tg_numel(grids[g]); i++) {
            grids[g]->data[i] = tg_rng_normal(&rng, (uint64_t)i);
        }
    }
    return nerf;
}

/* The parameters of `from` in a model with one more column. */
static void copy_with_column(const tg_nerf *from, tg_nerf *to, float column) {
    for (int i = 0; i < tg_params_count(from->params); i++) {
        const tg_param *a = tg_params_at(from->params, i);
        tg_tensor *b = tg_params_find(to->params, a->name)->value;
        const int64_t columns = a->value->dim[1];
        if (tg_numel(b) == tg_numel(a->value)) {
            memcpy(b->data, a->value->data, (size_t)tg_numel(b) * sizeof(float));
            continue;
        }
        assert_string_equal(a->name, "sigma_net.net.0.weight");
        assert_int_equal(b->dim[1], columns + 1);
        for (int64_t o = 0; o < b->dim[0]; o++) {
            memcpy(b->data + o * (columns + 1), a->value->data + o * columns,
                   (size_t)columns * sizeof(float));
            b->data[o * (columns + 1) + columns] = column * (float)(o % 5 - 1);
        }
    }
}

static void density(const tg_nerf *nerf, const float *condition, float eye, const float *xyz,
                    float *sigma) {
    tg_head head;
    assert_int_equal(tg_head_create(ctx, nerf, true, &head), TG_OK);
    float *scratch = tg_calloc((size_t)head.scratch_rows * TG_TILE * sizeof *scratch);
    float *hidden = tg_calloc((size_t)head.hidden * TG_TILE * sizeof *hidden);
    tg_head_condition(&head, condition, 0, eye);
    tg_head_density(&head, scratch, xyz, sigma, hidden, NULL);
    tg_free(scratch);
    tg_free(hidden);
    tg_head_destroy(&head);
}

static void points(float condition[CONDITION], float xyz[3 * TG_TILE]) {
    for (int i = 0; i < CONDITION; i++) {
        condition[i] = tg_rng_normal(&rng, 1000 + (uint64_t)i);
    }
    for (int i = 0; i < 3 * TG_TILE; i++) {
        xyz[i] = (2 * tg_rng_uniform(&rng, 2000 + (uint64_t)i) - 1) * (i / TG_TILE == 1 ? 0.5f : 1);
    }
}

static void zero_column(void **state) {
    (void)state;
    tg_nerf *without = make_model(0), *with = make_model(1);
    copy_with_column(without, with, 0);
    float condition[CONDITION], xyz[3 * TG_TILE], a[TG_TILE], b[TG_TILE];
    points(condition, xyz);
    for (int level = 0; level < TG_CPU_LEVELS; level++) {
        if (!tg_cpu_has((tg_cpu_level)level)) {
            continue;
        }
        assert_int_equal(tg_context_set_cpu(ctx, (tg_cpu_level)level), TG_OK);
        density(without, condition, 0.3f, xyz, a);
        density(with, condition, 0.3f, xyz, b);
        assert_memory_equal(a, b, sizeof a);
    }
    tg_nerf_destroy(&without);
    tg_nerf_destroy(&with);
}

/* out[o] = relu(w x) in double; the last layer of a net without the relu. */
static void plain_layer(const tg_tensor *w, const double *x, bool relu, double *out) {
    for (int64_t o = 0; o < w->dim[0]; o++) {
        double sum = 0;
        for (int64_t i = 0; i < w->dim[1]; i++) {
            sum += (double)w->data[o * w->dim[1] + i] * x[i];
        }
        out[o] = relu && sum < 0 ? 0 : sum;
    }
}

static double plain_density(const tg_nerf *nerf, const float *condition, double eye,
                            const float p[3]) {
    double in[FEATURES + CONDITION], a[HIDDEN], b[HIDDEN], ambient[2], out[1 + 8];
    float u[3], features[FEATURES], second[FEATURES];
    for (int d = 0; d < 3; d++) {
        u[d] = (p[d] + 1) * 0.5f;
    }
    tg_grid_encode(&nerf->position_grid, nerf->position_embeddings->data, u, 1, features);
    for (int i = 0; i < FEATURES; i++) {
        in[i] = (double)features[i];
    }
    for (int i = 0; i < CONDITION; i++) {
        in[FEATURES + i] = (double)condition[i];
    }
    plain_layer(nerf->ambient_net[0], in, true, a);
    plain_layer(nerf->ambient_net[1], a, true, b);
    plain_layer(nerf->ambient_net[2], b, false, ambient);
    for (int d = 0; d < 2; d++) {
        u[d] = (float)((tanh(ambient[d]) + 1) / 2);
    }
    tg_grid_encode(&nerf->ambient_grid, nerf->ambient_embeddings->data, u, 1, second);
    for (int i = 0; i < FEATURES; i++) {
        in[FEATURES + i] = (double)second[i];
    }
    in[2 * FEATURES] = eye;
    plain_layer(nerf->sigma_net[0], in, true, a);
    plain_layer(nerf->sigma_net[1], a, true, b);
    plain_layer(nerf->sigma_net[2], b, false, out);
    return exp(out[0]);
}

static void column_counts(void **state) {
    (void)state;
    tg_nerf *without = make_model(0), *with = make_model(1);
    copy_with_column(without, with, 0.5f);
    float condition[CONDITION], xyz[3 * TG_TILE], sigma[TG_TILE];
    points(condition, xyz);
    for (int level = 0; level < TG_CPU_LEVELS; level++) {
        if (!tg_cpu_has((tg_cpu_level)level)) {
            continue;
        }
        assert_int_equal(tg_context_set_cpu(ctx, (tg_cpu_level)level), TG_OK);
        for (int k = 0; k < 2; k++) {
            const float eye = k == 0 ? 0.1f : 0.45f;
            double moved = 0;
            density(with, condition, eye, xyz, sigma);
            for (int s = 0; s < TG_TILE; s++) {
                const float p[3] = {xyz[s], xyz[TG_TILE + s], xyz[2 * TG_TILE + s]};
                const double expected = plain_density(with, condition, (double)eye, p);
                /* the ambient coordinate in float32 is multiplied by up to 2047 cells */
                assert_true(fabs((double)sigma[s] - expected) <= 2e-3 * expected);
                moved = fmax(moved, fabs(expected / plain_density(with, condition, 0, p) - 1));
            }
            assert_true(moved > 0.02); /* ten times the tolerance */
        }
    }
    tg_nerf_destroy(&without);
    tg_nerf_destroy(&with);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(zero_column, start, stop),
        cmocka_unit_test_setup_teardown(column_counts, start, stop),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
