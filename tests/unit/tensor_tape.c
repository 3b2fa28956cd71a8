/* The tape itself: sticky errors, pausing, several walks, flat memory; and parameter sets. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "talkgen/tensor.h"

#include <math.h>
#include <string.h>

#if defined(__SANITIZE_ADDRESS__)
#define UNDER_ADDRESS_SANITIZER
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
#define UNDER_ADDRESS_SANITIZER
#endif
#endif

#define DIM(...)                                                                                   \
    (int64_t[]) {                                                                                  \
        __VA_ARGS__                                                                                \
    }

static int make_context(void **state) {
    *state = tg_context_create(2);
    return 0;
}

static int drop_context(void **state) {
    tg_context *ctx = *state;
    tg_context_destroy(&ctx);
    return 0;
}

static void errors_are_sticky(void **state) {
    tg_context *ctx = *state;
    tg_tape *tape = tg_tape_create(ctx, true);
    tg_tensor *a = tg_input(tape, 2, DIM(2, 3), NULL), *b = tg_input(tape, 2, DIM(3, 2), NULL);
    tg_tensor *c = tg_add(tape, a, b);
    assert_int_equal(tg_tape_status(tape), TG_EINTERNAL);
    assert_non_null(strstr(tg_message(ctx), "add"));
    assert_non_null(strstr(tg_message(ctx), "[2,3]"));
    assert_true(tg_numel(c) == 1 && !c->needs_grad);
    /* Everything goes on harmlessly, with shapes that would not fit. */
    tg_tensor *d = tg_conv1d(tape, tg_linear(tape, c, a, NULL), c, NULL, 1, 0, 1);
    d = tg_concat(tape, (tg_tensor *[]){c, a}, 2, 3);
    d = tg_softmax(tape, tg_gelu(tape, tg_slice(tape, d, 2, 5, 9)));
    tg_backward(tape, tg_sum(tape, d));
    assert_int_equal(tg_tape_status(tape), TG_EINTERNAL);
    tg_tape_reset(tape);
    assert_int_equal(tg_tape_status(tape), TG_OK);
    a = tg_input(tape, 1, DIM(3), (float[]){1, 2, 3});
    assert_true(tg_sum(tape, a)->data[0] == 6);
    tg_tape_destroy(&tape);
}

static void impossible_sizes_are_refused(void **state) {
    tg_context *ctx = *state;
    tg_tape *tape = tg_tape_create(ctx, false);
    tg_tensor *t = tg_input(tape, 3, DIM(INT64_MAX / 2, 3, 5), NULL);
    assert_true(tg_numel(t) == 1);
    assert_int_equal(tg_tape_status(tape), TG_ENOMEM);
    tg_tape_reset(tape);
    tg_input(tape, 1, DIM((int64_t)1 << 60), NULL);
    assert_int_equal(tg_tape_status(tape), TG_ENOMEM);
    tg_tape_reset(tape);
    tg_input(tape, 1, DIM(-1), NULL);
    assert_int_equal(tg_tape_status(tape), TG_ENOMEM);
    tg_tape_destroy(&tape);
}

static void wrong_indices_are_refused(void **state) {
    tg_context *ctx = *state;
    tg_tape *tape = tg_tape_create(ctx, false);
    tg_tensor *table = tg_input(tape, 2, DIM(3, 2), NULL);
    tg_embedding(tape, table, (int32_t[]){0, 3}, 2);
    assert_int_equal(tg_tape_status(tape), TG_EINTERNAL);
    tg_tape_reset(tape);
    table = tg_input(tape, 2, DIM(3, 2), NULL);
    tg_cross_entropy(tape, table, (int32_t[]){0, 1, 2}, NULL);
    assert_int_equal(tg_tape_status(tape), TG_EINTERNAL);
    tg_tape_destroy(&tape);
}

static void what_is_recorded(void **state) {
    tg_context *ctx = *state;
    tg_params *set = tg_params_create();
    tg_tensor *w = tg_params_add(set, "w", 1, DIM(2), tg_init_fan_in(1));
    w->data[0] = 3;
    w->data[1] = -2;
    tg_tape *tape = tg_tape_create(ctx, true);
    tg_tensor *x = tg_input(tape, 1, DIM(2), (float[]){1, 1});
    assert_false(tg_add(tape, x, x)->needs_grad);
    assert_true(tg_add(tape, x, w)->needs_grad);
    tg_tape_pause(tape, true);
    assert_false(tg_square(tape, w)->needs_grad);
    tg_tape_pause(tape, false);
    assert_false(tg_detach(tape, tg_square(tape, w))->needs_grad);
    tg_params_freeze(set, "", true);
    assert_false(tg_square(tape, w)->needs_grad);
    tg_params_freeze(set, "", false);

    /* Gradients accumulate over walks; a walk over the same operations starts afresh inside. */
    assert_int_equal(tg_params_zero_grad(ctx, set), TG_OK);
    tg_tensor *loss = tg_sum(tape, tg_square(tape, tg_affine(tape, w, 2, 0)));
    tg_backward(tape, loss);
    assert_true(w->grad[0] == 24 && w->grad[1] == -16);
    tg_backward(tape, loss);
    assert_true(w->grad[0] == 48 && w->grad[1] == -32);
    assert_int_equal(tg_params_zero_grad(ctx, set), TG_OK);
    assert_true(w->grad[0] == 0);

    tg_tape *plain = tg_tape_create(ctx, false);
    assert_false(tg_square(plain, w)->needs_grad);
    tg_tape_destroy(&plain);
    tg_tape_destroy(&tape);
    tg_params_destroy(&set);
}

static void gradients_appear_without_being_asked(void **state) {
    tg_context *ctx = *state;
    tg_params *set = tg_params_create();
    tg_tensor *w = tg_params_add(set, "w", 1, DIM(2), tg_init_fan_in(1));
    tg_tape *tape = tg_tape_create(ctx, true);
    tg_backward(tape, tg_sum(tape, tg_affine(tape, w, 5, 0)));
    tg_tape_destroy(&tape); /* the gradient belongs to the set */
    assert_true(w->grad[0] == 5 && w->grad[1] == 5);
    tg_params_destroy(&set);
}

/* Inference gives everything back: after the first pass the arena hands out the same addresses. */
static void inference_memory_is_flat(void **state) {
    tg_context *ctx = *state;
    tg_tape *tape = tg_tape_create(ctx, false);
    tg_tensor *w = tg_input(tape, 3, DIM(8, 8, 3), NULL);
    float *where = NULL;
    size_t peak = 0;
    for (int i = 0; i < 40; i++) {
        tg_mark mark = tg_tape_mark(tape);
        tg_tensor *x = tg_input(tape, 3, DIM(1, 8, 200000), NULL);
        for (int k = 0; k < 3; k++)
            x = tg_conv1d(tape, x, w, NULL, 1, 1, 1);
        x = tg_transpose(tape, tg_slice(tape, x, 2, 0, 2000));
        x = tg_attention(tape, x, x, x, 2, 1);
        assert_int_equal(tg_tape_status(tape), TG_OK);
        if (i == 1) {
            where = x->data;
            peak = tg_peak_rss_bytes();
        }
        if (i > 1)
            assert_ptr_equal(x->data, where);
        tg_tape_release(tape, mark);
    }
    tg_tape_destroy(&tape);
#ifdef UNDER_ADDRESS_SANITIZER
    print_message("skip peak memory: the address sanitizer keeps what is freed\n");
    (void)peak;
#else
    assert_true(tg_peak_rss_bytes() <= peak + (1 << 20));
#endif
}

/* ---- parameters -------------------------------------------------------------------------- */

static void parameters_have_names(void **state) {
    (void)state;
    tg_params *set = tg_params_create();
    tg_tensor *w = tg_params_add(set, "a.weight", 2, DIM(3, 4), tg_init_fan_in(16));
    assert_non_null(w);
    assert_null(tg_params_add(set, "a.weight", 1, DIM(1), tg_init_fan_in(1)));
    assert_null(tg_params_add(set, "x", 1, DIM(-4), tg_init_fan_in(1)));
    assert_null(tg_params_add(set, "y", 2, DIM(INT64_MAX, INT64_MAX), tg_init_fan_in(1)));
    assert_non_null(tg_params_add_buffer(set, "a.running_var", 1, DIM(3), 1));
    for (int i = 0; i < 300; i++) {
        char name[3] = {'n', (char)(33 + i % 64), (char)(33 + i / 64)};
        char text[4] = {name[0], name[1], name[2], 0};
        assert_non_null(tg_params_add(set, text, 1, DIM(1), tg_init_fan_in(1)));
    }
    assert_ptr_equal(tg_params_find(set, "a.weight")->value, w); /* survived the growth */
    assert_null(tg_params_find(set, "b"));
    assert_null(tg_params_at(set, -1));
    assert_null(tg_params_at(set, 302));
    assert_int_equal(tg_params_count(set), 302);
    assert_int_equal(tg_params_numel(set, false), 12 + 3 + 300);
    assert_int_equal(tg_params_numel(set, true), 12 + 300);
    tg_params_freeze(set, "n", true);
    assert_int_equal(tg_params_numel(set, true), 12);
    tg_params_destroy(&set);
    assert_null(set);
}

static void initial_values_follow_name_and_seed(void **state) {
    (void)state;
    enum { N = 4000 };
    tg_params *a = tg_params_create(), *b = tg_params_create();
    tg_init uniform = tg_init_fan_in(25), normal = {TG_INIT_NORMAL, 0.02f};
    assert_true(fabsf(uniform.scale - 0.2f) < 1e-7f);
    tg_tensor *u = tg_params_add(a, "u", 1, DIM(N), uniform);
    tg_tensor *n = tg_params_add(a, "n", 1, DIM(N), normal);
    tg_tensor *one = tg_params_add(a, "one", 1, DIM(3), (tg_init){TG_INIT_ONE, 0});
    tg_tensor *buffer = tg_params_add_buffer(a, "buffer", 1, DIM(3), 0.25f);
    tg_tensor *n2 = tg_params_add(b, "n", 1, DIM(N), normal); /* another place in the list */
    tg_tensor *m = tg_params_add(b, "m", 1, DIM(N), normal);
    buffer->data[1] = 9;
    tg_params_init(a, 5);
    tg_params_init(b, 5);
    assert_memory_equal(n->data, n2->data, N * sizeof(float));
    assert_memory_not_equal(n->data, m->data, N * sizeof(float));
    double mean = 0, square = 0, mean_u = 0, square_u = 0;
    for (int i = 0; i < N; i++) {
        assert_true(u->data[i] >= -0.2f && u->data[i] <= 0.2f);
        mean += (double)n->data[i] / N;
        square += (double)n->data[i] * (double)n->data[i] / N;
        mean_u += (double)u->data[i] / N;
        square_u += (double)u->data[i] * (double)u->data[i] / N;
    }
    assert_true(fabs(mean) < 5 * 0.02 / sqrt(N) && fabs(sqrt(square) / 0.02 - 1) < 0.06);
    assert_true(fabs(mean_u) < 0.01 && fabs(sqrt(square_u * 3) / 0.2 - 1) < 0.05);
    for (int i = 0; i < 3; i++)
        assert_true(one->data[i] == 1 && buffer->data[i] == 0.25f);
    tg_params_init(b, 6);
    assert_memory_not_equal(n->data, n2->data, N * sizeof(float));
    tg_params_destroy(&a);
    tg_params_destroy(&b);
}

static void gradients_are_clipped_together(void **state) {
    tg_context *ctx = *state;
    tg_params *set = tg_params_create();
    tg_tensor *a = tg_params_add(set, "a", 1, DIM(2), tg_init_fan_in(1));
    tg_tensor *b = tg_params_add(set, "b", 1, DIM(1), tg_init_fan_in(1));
    tg_tensor *c = tg_params_add(set, "c", 1, DIM(1), tg_init_fan_in(1));
    assert_int_equal(tg_params_zero_grad(ctx, set), TG_OK);
    a->grad[0] = 3;
    b->grad[0] = -4;
    c->grad[0] = 1000;
    tg_params_freeze(set, "c", true);
    assert_float_equal(tg_params_grad_norm(set), 5, 1e-6);
    assert_float_equal(tg_params_clip_grad(set, 10), 5, 1e-6);
    assert_true(a->grad[0] == 3);
    assert_float_equal(tg_params_clip_grad(set, 1), 5, 1e-6);
    assert_float_equal(a->grad[0], 0.6, 1e-5);
    assert_float_equal(b->grad[0], -0.8, 1e-5);
    assert_true(c->grad[0] == 1000);
    tg_params_destroy(&set);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(errors_are_sticky),
        cmocka_unit_test(impossible_sizes_are_refused),
        cmocka_unit_test(wrong_indices_are_refused),
        cmocka_unit_test(what_is_recorded),
        cmocka_unit_test(gradients_appear_without_being_asked),
        cmocka_unit_test(inference_memory_is_flat),
        cmocka_unit_test(parameters_have_names),
        cmocka_unit_test(initial_values_follow_name_and_seed),
        cmocka_unit_test(gradients_are_clipped_together),
    };
    return cmocka_run_group_tests(tests, make_context, drop_context);
}
