/* Optimizers against the published formulas in double, schedules, averages, half floats. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "talkgen/tensor.h"

#include <math.h>
#include <string.h>

#define DIM(...)                                                                                   \
    (int64_t[]) {                                                                                  \
        __VA_ARGS__                                                                                \
    }
enum { N = 37, STEPS = 5 };

typedef struct {
    tg_context *ctx;
    tg_params *set;
    tg_tensor *w, *slow, *frozen, *buffer;
} fixture;

static fixture make(void) {
    fixture f = {.ctx = tg_context_create(2), .set = tg_params_create()};
    f.w = tg_params_add(f.set, "w", 1, DIM(N), (tg_init){TG_INIT_NORMAL, 1});
    f.buffer = tg_params_add_buffer(f.set, "running", 1, DIM(2), 3);
    f.slow = tg_params_add(f.set, "slow", 1, DIM(N), (tg_init){TG_INIT_NORMAL, 1});
    f.frozen = tg_params_add(f.set, "frozen", 1, DIM(N), (tg_init){TG_INIT_NORMAL, 1});
    tg_params_find(f.set, "slow")->lr_scale = 0.1f;
    tg_params_init(f.set, 1);
    assert_int_equal(tg_params_zero_grad(f.ctx, f.set), TG_OK);
    tg_params_freeze(f.set, "frozen", true);
    return f;
}

static void drop(fixture *f) {
    tg_params_destroy(&f->set);
    tg_context_destroy(&f->ctx);
}

static float gradient(int step, int i) {
    tg_rng rng = tg_rng_make(3, "", "gradient");
    return tg_rng_normal(&rng, (uint64_t)(step * N + i)) * (i % 5 == 0 ? 1e-3f : 1.0f);
}

static void set_gradients(fixture *f, int step) {
    for (int i = 0; i < N; i++)
        f->w->grad[i] = f->slow->grad[i] = f->frozen->grad[i] = gradient(step, i);
}

static void adam(void **state) {
    (void)state;
    fixture f = make();
    tg_adam_options options = {0.9f, 0.99f, 1e-6f, 0.05f};
    tg_adam *opt = tg_adam_create(f.ctx, f.set, options);
    double w[2][N], m[N] = {0}, v[N] = {0};
    float frozen[N];
    for (int i = 0; i < N; i++) {
        w[0][i] = (double)f.w->data[i];
        w[1][i] = (double)f.slow->data[i];
        frozen[i] = f.frozen->data[i];
    }
    const double b1 = (double)options.beta1, b2 = (double)options.beta2;
    for (int t = 1; t <= STEPS; t++) {
        set_gradients(&f, t);
        tg_adam_step(opt, 0.01f);
        for (int i = 0; i < N; i++) {
            double g = (double)gradient(t, i);
            m[i] = b1 * m[i] + (1 - b1) * g;
            v[i] = b2 * v[i] + (1 - b2) * g * g;
            double mh = m[i] / (1 - pow(b1, t)), vh = v[i] / (1 - pow(b2, t));
            for (int k = 0; k < 2; k++) {
                double lr = k ? 0.001 : 0.01;
                w[k][i] -= lr * (mh / (sqrt(vh) + 1e-6) + 0.05 * w[k][i]);
            }
        }
    }
    for (int i = 0; i < N; i++) {
        assert_float_equal(f.w->data[i], w[0][i], 2e-6);
        assert_float_equal(f.slow->data[i], w[1][i], 2e-6);
        assert_float_equal(tg_adam_moment(opt, 0, 1)[i], m[i], 1e-6);
        assert_float_equal(tg_adam_moment(opt, 0, 2)[i], v[i], 1e-6);
    }
    assert_memory_equal(frozen, f.frozen->data, sizeof frozen);
    assert_null(tg_adam_moment(opt, 1, 1)); /* a buffer */
    assert_true(f.buffer->data[0] == 3);
    assert_int_equal(*tg_adam_steps(opt), STEPS);
    tg_adam_destroy(&opt);
    drop(&f);
}

/* Resuming from copied moments and step count continues bit for bit. */
static void adam_resumes(void **state) {
    (void)state;
    fixture a = make(), b = make();
    tg_adam *one = tg_adam_create(a.ctx, a.set, tg_adam_defaults());
    for (int t = 0; t < 6; t++) {
        set_gradients(&a, t);
        tg_adam_step(one, 0.01f);
        if (t == 2) {
            for (int k = 0; k < tg_params_count(a.set); k++)
                memcpy(tg_params_at(b.set, k)->value->data, tg_params_at(a.set, k)->value->data,
                       (size_t)tg_numel(tg_params_at(a.set, k)->value) * sizeof(float));
            tg_adam *two = tg_adam_create(b.ctx, b.set, tg_adam_defaults());
            *tg_adam_steps(two) = *tg_adam_steps(one);
            for (int k = 0; k < tg_params_count(a.set); k++)
                for (int order = 1; order <= 2 && tg_adam_moment(one, k, order); order++)
                    memcpy(tg_adam_moment(two, k, order), tg_adam_moment(one, k, order),
                           N * sizeof(float));
            for (int u = 3; u < 6; u++) {
                set_gradients(&b, u);
                tg_adam_step(two, 0.01f);
            }
            tg_adam_destroy(&two);
        }
    }
    assert_memory_equal(a.w->data, b.w->data, N * sizeof(float));
    assert_memory_equal(a.slow->data, b.slow->data, N * sizeof(float));
    tg_adam_destroy(&one);
    drop(&a);
    drop(&b);
}

static void rmsprop(void **state) {
    (void)state;
    fixture f = make();
    tg_rmsprop *opt = tg_rmsprop_create(f.ctx, f.set, 0.99f, 1e-8f);
    double w[N], v[N] = {0};
    for (int i = 0; i < N; i++)
        w[i] = (double)f.w->data[i];
    for (int t = 0; t < STEPS; t++) {
        set_gradients(&f, t);
        tg_rmsprop_step(opt, 0.01f);
        for (int i = 0; i < N; i++) {
            double g = (double)gradient(t, i), alpha = (double)0.99f;
            v[i] = alpha * v[i] + (1 - alpha) * g * g;
            w[i] -= 0.01 * g / (sqrt(v[i]) + 1e-8);
        }
    }
    for (int i = 0; i < N; i++) {
        assert_float_equal(f.w->data[i], w[i], 1e-5);
        assert_float_equal(tg_rmsprop_moment(opt, 0)[i], v[i], 1e-6);
    }
    assert_null(tg_rmsprop_moment(opt, 1));
    tg_rmsprop_destroy(&opt);
    drop(&f);
}

static void moving_average(void **state) {
    (void)state;
    fixture f = make();
    float first = f.w->data[0];
    tg_ema *ema = tg_ema_create(f.ctx, f.set, 0.9f);
    f.w->data[0] = first + 1;
    f.buffer->data[1] = 13;
    tg_ema_update(ema);
    assert_float_equal(tg_ema_value(ema, 0)[0], first + 0.1f, 1e-6);
    assert_float_equal(tg_ema_value(ema, 1)[1], 4, 1e-5);
    tg_ema_swap(ema);
    assert_float_equal(f.w->data[0], first + 0.1f, 1e-6);
    assert_true(tg_ema_value(ema, 0)[0] == first + 1);
    tg_ema_swap(ema);
    assert_true(f.w->data[0] == first + 1);
    tg_ema_destroy(&ema);
    drop(&f);
}

/* A model that must be found: y = A x fitted by Adam. */
static void a_line_is_fitted(void **state) {
    (void)state;
    enum { ROWS = 64, IN = 3, OUT = 2 };
    tg_context *ctx = tg_context_create(1);
    tg_params *set = tg_params_create();
    tg_tensor *w = tg_params_add(set, "w", 2, DIM(OUT, IN), tg_init_fan_in(IN));
    tg_tensor *b = tg_params_add(set, "b", 1, DIM(OUT), tg_init_fan_in(IN));
    tg_params_init(set, 1);
    static const float true_w[OUT * IN] = {1, -2, 0.5f, 0, 3, -1}, true_b[OUT] = {0.25f, -4};
    float x[ROWS * IN], y[ROWS * OUT];
    tg_rng rng = tg_rng_make(1, "", "line");
    tg_rng_fill_normal(&rng, 0, x, ROWS * IN);
    for (int r = 0; r < ROWS; r++)
        for (int o = 0; o < OUT; o++) {
            y[r * OUT + o] = true_b[o];
            for (int i = 0; i < IN; i++)
                y[r * OUT + o] += true_w[o * IN + i] * x[r * IN + i];
        }
    tg_tape *tape = tg_tape_create(ctx, true);
    tg_adam *opt = tg_adam_create(ctx, set, tg_adam_defaults());
    for (int step = 0; step < 1500; step++) {
        tg_tape_reset(tape);
        assert_int_equal(tg_params_zero_grad(ctx, set), TG_OK);
        tg_tensor *out = tg_linear(tape, tg_borrow(tape, 2, DIM(ROWS, IN), x), w, b);
        tg_backward(tape, tg_mse(tape, out, tg_borrow(tape, 2, DIM(ROWS, OUT), y), NULL));
        tg_params_clip_grad(set, 1);
        tg_adam_step(opt, tg_lr_cosine(step, 0.03f, 50, 1500, 1e-5f));
    }
    for (int i = 0; i < OUT * IN; i++)
        assert_float_equal(w->data[i], true_w[i], 1e-3);
    for (int i = 0; i < OUT; i++)
        assert_float_equal(b->data[i], true_b[i], 1e-3);
    tg_adam_destroy(&opt);
    tg_tape_destroy(&tape);
    tg_params_destroy(&set);
    tg_context_destroy(&ctx);
}

static void learning_rates(void **state) {
    (void)state;
    assert_float_equal(tg_lr_warmup_exp(500, 5e-4f, 1000, 250000, 1e-7f), 2.5e-4, 1e-9);
    assert_float_equal(tg_lr_warmup_exp(0, 5e-4f, 1000, 250000, 1e-7f), 1e-7, 1e-12);
    /* the value GeneFace's users log at step 1197 */
    assert_float_equal(tg_lr_warmup_exp(1197, 5e-4f, 1000, 250000, 1e-7f), 4.945e-4, 1e-6);
    assert_float_equal(tg_lr_warmup_exp(250000, 5e-4f, 0, 250000, 1e-7f), 5e-5, 1e-9);
    assert_float_equal(tg_lr_warmup_exp(10000000, 5e-4f, 0, 250000, 1e-7f), 1e-7, 1e-12);
    assert_float_equal(tg_lr_cosine(5, 1, 10, 110, 0.1f), 0.5, 1e-6);
    assert_float_equal(tg_lr_cosine(10, 1, 10, 110, 0.1f), 1, 1e-6);
    assert_float_equal(tg_lr_cosine(60, 1, 10, 110, 0.1f), 0.55, 1e-6);
    assert_float_equal(tg_lr_cosine(110, 1, 10, 110, 0.1f), 0.1, 1e-6);
    assert_float_equal(tg_lr_cosine(500, 1, 10, 110, 0.1f), 0.1, 1e-6);
}

/* ---- half floats ------------------------------------------------------------------------ */

static float from_bits(uint32_t bits) {
    float x;
    memcpy(&x, &bits, sizeof x);
    return x;
}

static void half_floats_round_to_nearest_even(void **state) {
    (void)state;
    for (uint32_t h = 0; h < 0x10000; h++) {
        float x = tg_f16_to_f32((uint16_t)h), b = tg_bf16_to_f32((uint16_t)h);
        if (isnan(x))
            assert_true((h & 0x7c00) == 0x7c00 && isnan(tg_f16_to_f32(tg_f32_to_f16(x))));
        else
            assert_int_equal(tg_f32_to_f16(x), h);
        if (isnan(b))
            assert_true(isnan(tg_bf16_to_f32(tg_f32_to_bf16(b))));
        else
            assert_int_equal(tg_f32_to_bf16(b), h);
    }
    /* Between neighbours: the middle goes to the even one, a hair more or less to its side. */
    for (uint32_t h = 0; h < 0x7bff; h++) {
        float low = tg_f16_to_f32((uint16_t)h), high = tg_f16_to_f32((uint16_t)(h + 1));
        float middle = 0.5f * (low + high);
        assert_int_equal(tg_f32_to_f16(middle), h + (h & 1));
        assert_int_equal(tg_f32_to_f16(nextafterf(middle, 0)), h);
        assert_int_equal(tg_f32_to_f16(nextafterf(middle, 1e9f)), h + 1);
        assert_int_equal(tg_f32_to_f16(-nextafterf(middle, 0)), h | 0x8000);
    }
    for (uint32_t h = 0; h < 0x7f7f; h++) {
        uint32_t middle = h << 16 | 0x8000;
        assert_int_equal(tg_f32_to_bf16(from_bits(middle)), h + (h & 1));
        assert_int_equal(tg_f32_to_bf16(from_bits(middle - 1)), h);
        assert_int_equal(tg_f32_to_bf16(from_bits(middle + 1)), h + 1);
    }
    assert_true(tg_f16_to_f32(0x3c00) == 1 && tg_f16_to_f32(0xc000) == -2);
    assert_true(tg_f16_to_f32(0x0001) == 0x1p-24f && tg_f16_to_f32(0x7bff) == 65504);
    assert_true(isinf(tg_f16_to_f32(tg_f32_to_f16(65520))));
    assert_int_equal(tg_f32_to_f16(65519.9f), 0x7bff);
    assert_true(isinf(tg_bf16_to_f32(tg_f32_to_bf16(3.4e38f))));
    assert_true(isnan(tg_bf16_to_f32(tg_f32_to_bf16(from_bits(0x7f800001)))));
    assert_true(isnan(tg_f16_to_f32(tg_f32_to_f16(from_bits(0x7f800001)))));
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(adam),
        cmocka_unit_test(adam_resumes),
        cmocka_unit_test(rmsprop),
        cmocka_unit_test(moving_average),
        cmocka_unit_test(a_line_is_fitted),
        cmocka_unit_test(learning_rates),
        cmocka_unit_test(half_floats_round_to_nearest_even),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
