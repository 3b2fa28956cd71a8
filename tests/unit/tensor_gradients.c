/* Every operation's backward pass against finite differences of its forward pass.
 *
 * The output is projected on fixed random numbers, L = sum R y (in double), and each element of
 * each input is moved by +-h and +-2h: the five-point stencil has an error of h^4, so the step can
 * be large enough (0.02) for float noise to stay near 1e-5 of the largest gradient. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "talkgen/tensor.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

enum { MAX_INPUTS = 5 };

typedef struct {
    const char *name;
    int inputs;
    struct {
        int ndim;
        int64_t dim[TG_MAX_DIMS];
        float scale, shift; /* values are scale N(0,1) + shift */
    } in[MAX_INPUTS];
    tg_tensor *(*build)(tg_tape *tape, tg_tensor **in);
    bool training;
    int buffers; /* the last `buffers` inputs get no gradient (running statistics) */
} grad_case;

static void fill(tg_tensor *t, const char *name, int index, float scale, float shift) {
    char purpose[64];
    snprintf(purpose, sizeof purpose, "%s.%d", name, index);
    tg_rng rng = tg_rng_make(7, "", purpose);
    for (int64_t i = 0, n = tg_numel(t); i < n; i++) {
        float v = tg_rng_normal(&rng, (uint64_t)i);
        if (fabsf(v) < 0.1f) /* away from the kinks of relu and its kind */
            v += v < 0 ? -0.1f : 0.1f;
        t->data[i] = v * scale + shift;
    }
}

static double project(tg_tape *tape, const grad_case *c, tg_tensor **in) {
    /* Operations that write their inputs (running statistics) start from the same values. */
    for (int i = c->inputs - c->buffers; i < c->inputs; i++)
        fill(in[i], c->name, i, c->in[i].scale, c->in[i].shift);
    tg_tape_reset(tape);
    tg_tensor *y = c->build(tape, in);
    assert_int_equal(tg_tape_status(tape), TG_OK);
    tg_rng rng = tg_rng_make(11, "", c->name);
    double total = 0;
    for (int64_t i = 0, n = tg_numel(y); i < n; i++)
        total += (double)y->data[i] * (double)tg_rng_normal(&rng, (uint64_t)i);
    return total;
}

/* Largest difference between the two gradients, as a share of the largest gradient of that input.
 */
static double check_case(tg_context *ctx, const grad_case *c) {
    tg_params *set = tg_params_create();
    tg_tensor *in[MAX_INPUTS] = {0};
    for (int i = 0; i < c->inputs; i++) {
        char name[16];
        snprintf(name, sizeof name, "in%d", i);
        in[i] = i < c->inputs - c->buffers
                    ? tg_params_add(set, name, c->in[i].ndim, c->in[i].dim, tg_init_fan_in(1))
                    : tg_params_add_buffer(set, name, c->in[i].ndim, c->in[i].dim, 0);
        assert_non_null(in[i]);
        fill(in[i], c->name, i, c->in[i].scale, c->in[i].shift);
    }
    assert_int_equal(tg_params_zero_grad(ctx, set), TG_OK);

    tg_tape *record = tg_tape_create(ctx, true), *plain = tg_tape_create(ctx, false);
    tg_tape_set_training(record, c->training);
    tg_tape_set_training(plain, c->training);
    tg_tensor *y = c->build(record, in);
    tg_tensor *weights = tg_input(record, y->ndim, y->dim, NULL);
    tg_rng rng = tg_rng_make(11, "", c->name);
    for (int64_t i = 0, n = tg_numel(y); i < n; i++)
        weights->data[i] = tg_rng_normal(&rng, (uint64_t)i);
    tg_backward(record, tg_sum(record, tg_mul(record, y, weights)));
    assert_int_equal(tg_tape_status(record), TG_OK);

    const double h = 0.02;
    double worst = 0;
    for (int k = 0; k < c->inputs - c->buffers; k++) {
        double most = 0, error = 0;
        for (int64_t i = 0, n = tg_numel(in[k]); i < n; i++) {
            float kept = in[k]->data[i];
            double at[4], moved[4];
            static const double step[4] = {-2, -1, 1, 2};
            for (int s = 0; s < 4; s++) {
                in[k]->data[i] = kept + (float)(step[s] * h);
                moved[s] = (double)in[k]->data[i] - (double)kept; /* what float made of it */
                at[s] = project(plain, c, in);
            }
            in[k]->data[i] = kept;
            double near = (at[2] - at[1]) / (moved[2] - moved[1]);
            double far = (at[3] - at[0]) / (moved[3] - moved[0]);
            double numeric = (4 * near - far) / 3, analytic = (double)in[k]->grad[i];
            most = fmax(most, fmax(fabs(numeric), fabs(analytic)));
            error = fmax(error, fabs(numeric - analytic));
            if (isnan(numeric) || isnan(analytic))
                error = INFINITY;
        }
        worst = fmax(worst, most > 0 ? error / most : error);
    }
    tg_tape_destroy(&record);
    tg_tape_destroy(&plain);
    tg_params_destroy(&set);
    return worst;
}

/* ---- operations -------------------------------------------------------------------- */

#define BUILD(NAME, EXPRESSION)                                                                    \
    static tg_tensor *NAME(tg_tape *t, tg_tensor **in) {                                           \
        return EXPRESSION;                                                                         \
    }

BUILD(b_reshape, tg_square(t, tg_reshape(t, in[0], 2, (int64_t[]){6, 4})))
BUILD(b_reshape_used_twice,
      tg_mul(t, tg_reshape(t, in[0], 1, (int64_t[]){24}), tg_reshape(t, in[0], 1, (int64_t[]){24})))
BUILD(b_transpose, tg_square(t, tg_transpose(t, in[0])))
BUILD(b_transpose_twice, tg_add(t, tg_transpose(t, in[0]), tg_square(t, tg_transpose(t, in[0]))))
BUILD(b_slice, tg_slice(t, tg_square(t, in[0]), 1, 1, 3))
BUILD(b_slice_view, tg_mul(t, tg_slice(t, in[0], 0, 0, 2), tg_slice(t, in[0], 0, 1, 3)))
BUILD(b_slice_last, tg_slice(t, in[0], 2, 2, 5))
BUILD(b_stride, tg_square(t, tg_stride(t, in[0], 1, 1, 2)))
BUILD(b_stride_last, tg_stride(t, in[0], 2, 0, 2))
BUILD(b_concat, tg_square(t, tg_concat(t, in, 3, 1)))
BUILD(b_concat_first, tg_square(t, tg_concat(t, (tg_tensor *[]){in[0], in[0]}, 2, 0)))
BUILD(b_flip, tg_mul(t, in[0], tg_flip(t, in[0], 1)))
BUILD(b_gather, tg_square(t, tg_gather_rows(t, in[0], (int32_t[]){2, 0, 2, 1, 2}, 5)))
BUILD(b_embedding, tg_square(t, tg_embedding(t, in[0], (int32_t[]){3, 1, 1, 0}, 4)))
BUILD(b_detach, tg_add(t, in[0], tg_detach(t, tg_affine(t, in[0], 0, 3))))

BUILD(b_add, tg_add(t, in[0], tg_square(t, in[1])))
BUILD(b_add_self, tg_add(t, in[0], in[0]))
BUILD(b_sub, tg_sub(t, tg_square(t, in[0]), tg_square(t, in[1])))
BUILD(b_mul, tg_mul(t, in[0], in[1]))
BUILD(b_mul_self, tg_mul(t, in[0], in[0]))
BUILD(b_affine, tg_affine(t, in[0], -1.5f, 0.25f))
BUILD(b_add_row, tg_square(t, tg_add_row(t, in[0], in[1])))
BUILD(b_relu, tg_relu(t, in[0]))
BUILD(b_leaky, tg_leaky_relu(t, in[0], 0.2f))
BUILD(b_gelu, tg_gelu(t, in[0]))
BUILD(b_tanh, tg_tanh(t, in[0]))
BUILD(b_sigmoid, tg_sigmoid(t, in[0]))
BUILD(b_exp, tg_exp(t, in[0]))
BUILD(b_square, tg_square(t, in[0]))
BUILD(b_all_added, tg_add(t,
                          tg_add(t, tg_add(t, tg_relu(t, in[0]), tg_leaky_relu(t, in[0], 0.1f)),
                                 tg_add(t, tg_gelu(t, in[0]), tg_tanh(t, in[0]))),
                          tg_add(t, tg_add(t, tg_sigmoid(t, in[0]), tg_exp(t, in[0])),
                                 tg_add(t, tg_square(t, in[0]), tg_softmax(t, in[0])))))
BUILD(b_softmax, tg_softmax(t, in[0]))
BUILD(b_gated, tg_gated(t, in[0], in[1]))
BUILD(b_gated_alone, tg_gated(t, in[0], NULL))
BUILD(b_gated_self, tg_gated(t, in[0], in[0]))

static tg_tensor *b_mask(tg_tape *t, tg_tensor **in) {
    static const float mask[6] = {1, 1, 0, 1, 0, 0.5f};
    return tg_mul_mask(t, tg_square(t, in[0]), tg_borrow(t, 2, (int64_t[]){2, 3}, mask));
}

static tg_tensor *b_dropout(tg_tape *t, tg_tensor **in) {
    tg_rng rng = tg_rng_make(3, "", "dropout");
    return tg_dropout(t, in[0], 0.4f, &rng, 100);
}

BUILD(b_linear, tg_linear(t, in[0], in[1], in[2]))
BUILD(b_linear_no_bias, tg_linear(t, in[0], in[1], NULL))
BUILD(b_linear_twice, tg_linear(t, tg_linear(t, in[0], in[1], NULL), in[1], NULL))
BUILD(b_matmul, tg_matmul(t, in[0], in[1], false))
BUILD(b_matmul_t, tg_matmul(t, in[0], in[1], true))
BUILD(b_matmul_self, tg_matmul(t, in[0], in[0], true))
BUILD(b_conv, tg_conv1d(t, in[0], in[1], in[2], 1, 1, 1))
BUILD(b_conv_valid, tg_conv1d(t, in[0], in[1], in[2], 1, 0, 1))
BUILD(b_conv_wide_pad, tg_conv1d(t, in[0], in[1], in[2], 1, 4, 1))
BUILD(b_conv_stride, tg_conv1d(t, in[0], in[1], in[2], 2, 1, 1))
BUILD(b_conv_stride_large, tg_conv1d(t, in[0], in[1], NULL, 5, 0, 1))
BUILD(b_conv_groups, tg_conv1d(t, in[0], in[1], in[2], 1, 2, 2))
BUILD(b_conv_depthwise, tg_conv1d(t, in[0], in[1], in[2], 2, 1, 4))
BUILD(b_conv_one, tg_conv1d(t, in[0], in[1], in[2], 1, 0, 1))
BUILD(b_conv_added, tg_add(t, tg_conv1d(t, in[0], in[1], in[2], 1, 1, 1),
                           tg_conv1d(t, tg_square(t, in[0]), in[1], in[2], 1, 1, 1)))
BUILD(b_convt, tg_conv_transpose1d(t, in[0], in[1], in[2], 1))
BUILD(b_convt_stride, tg_conv_transpose1d(t, in[0], in[1], in[2], 2))
BUILD(b_convt_gaps, tg_conv_transpose1d(t, in[0], in[1], NULL, 4))

BUILD(b_layer_norm, tg_layer_norm(t, in[0], in[1], in[2], 1e-5f))
BUILD(b_layer_norm_bare, tg_layer_norm(t, in[0], NULL, NULL, 1e-5f))
BUILD(b_layer_norm_added, tg_add(t, in[0], tg_layer_norm(t, in[0], in[1], in[2], 1e-5f)))
BUILD(b_channel_norm, tg_channel_norm(t, in[0], in[1], in[2], 1e-5f))
BUILD(b_channel_norm_added,
      tg_add(t, tg_channel_norm(t, in[0], in[1], in[2], 1e-5f), tg_square(t, in[0])))
BUILD(b_group_norm, tg_group_norm(t, in[0], in[1], in[2], 2, 1e-5f))
BUILD(b_group_norm_each, tg_group_norm(t, in[0], in[1], in[2], 4, 1e-5f))
BUILD(b_batch_norm, tg_batch_norm(t, in[0], in[1], in[2], in[3], in[4], 0.1f, 1e-5f))
BUILD(b_weight_norm, tg_weight_norm(t, in[0], in[1], 0))
BUILD(b_weight_norm_last, tg_weight_norm(t, in[0], in[1], 2))
BUILD(b_weight_norm_middle, tg_weight_norm(t, in[0], in[1], 1))
BUILD(b_attention, tg_attention(t, in[0], in[1], in[2], 2, 0.6f))
BUILD(b_attention_self, tg_attention(t, in[0], in[0], in[0], 2, 0.6f))
BUILD(b_normalize, tg_normalize_rows(t, in[0], 1e-6f))
BUILD(b_normalize_floor, tg_normalize_rows(t, in[0], 100))

BUILD(b_sum, tg_square(t, tg_sum(t, in[0])))
BUILD(b_mean, tg_square(t, tg_mean(t, tg_square(t, in[0]))))
BUILD(b_row_dot, tg_row_dot(t, in[0], in[1]))
BUILD(b_mse, tg_mse(t, in[0], in[1], NULL))
BUILD(b_bce, tg_bce(t, tg_sigmoid(t, in[0]), (float[]){1, 0, 0.3f, 1, 0, 0.9f}))
BUILD(b_cross_entropy, tg_cross_entropy(t, in[0], (int32_t[]){2, 0, -1, 4}, NULL))
BUILD(b_cross_entropy_weighted,
      tg_cross_entropy(t, in[0], (int32_t[]){2, 0, -1, 4}, (float[]){1, 2, 3, 0.5f}))

static tg_tensor *b_mse_weighted(tg_tape *t, tg_tensor **in) {
    static const float weight[6] = {1, 0, 2, 0.5f, 0, 1};
    return tg_mse(t, in[0], in[1], tg_borrow(t, 2, (int64_t[]){2, 3}, weight));
}

static tg_tensor *b_weighted_sum(tg_tape *t, tg_tensor **in) {
    tg_tensor *square = tg_mean(t, tg_square(t, in[0]));
    return tg_weighted_sum(t, (tg_tensor *[]){tg_sum(t, in[0]), NULL, square, square},
                           (float[]){0.5f, 9, -2, 3}, 4);
}

/* A residual block with everything shared: checks that several paths add up. */
static tg_tensor *b_block(tg_tape *t, tg_tensor **in) {
    tg_tensor *h = tg_linear(t, tg_layer_norm(t, in[0], in[2], NULL, 1e-5f), in[1], NULL);
    tg_tensor *x = tg_add(t, in[0], tg_gelu(t, h));
    h = tg_linear(t, tg_layer_norm(t, x, in[2], NULL, 1e-5f), in[1], NULL);
    return tg_add(t, x, tg_attention(t, h, x, h, 2, 0.5f));
}

#define X1                                                                                         \
    { 1, {7}, 1, 0 }
#define X324                                                                                       \
    { 3, {3, 2, 4}, 1, 0 }
#define BTC                                                                                        \
    { 3, {2, 5, 4}, 1, 0 }
#define ROWS45                                                                                     \
    { 2, {4, 5}, 1, 0 }
#define VEC(N)                                                                                     \
    { 1, {N}, 1, 0 }
#define GAIN4                                                                                      \
    { 1, {4}, 0.5f, 1 }

static const grad_case cases[] = {
    {"reshape", 1, {X324}, b_reshape, false, 0},
    {"reshape used twice", 1, {X324}, b_reshape_used_twice, false, 0},
    {"transpose", 1, {X324}, b_transpose, false, 0},
    {"transpose twice", 1, {X324}, b_transpose_twice, false, 0},
    {"slice", 1, {BTC}, b_slice, false, 0},
    {"slice view", 1, {ROWS45}, b_slice_view, false, 0},
    {"slice last", 1, {{3, {2, 3, 6}, 1, 0}}, b_slice_last, false, 0},
    {"stride", 1, {BTC}, b_stride, false, 0},
    {"stride last", 1, {{3, {2, 3, 5}, 1, 0}}, b_stride_last, false, 0},
    {"concat",
     3,
     {{3, {2, 1, 3}, 1, 0}, {3, {2, 4, 3}, 1, 0}, {3, {2, 2, 3}, 1, 0}},
     b_concat,
     false,
     0},
    {"concat with itself", 1, {ROWS45}, b_concat_first, false, 0},
    {"flip", 1, {BTC}, b_flip, false, 0},
    {"gather rows", 1, {X324}, b_gather, false, 0},
    {"embedding", 1, {ROWS45}, b_embedding, false, 0},
    {"detach", 1, {X1}, b_detach, false, 0},
    {"add", 2, {X1, X1}, b_add, false, 0},
    {"add to itself", 1, {X1}, b_add_self, false, 0},
    {"sub", 2, {X1, X1}, b_sub, false, 0},
    {"mul", 2, {X1, X1}, b_mul, false, 0},
    {"mul by itself", 1, {X1}, b_mul_self, false, 0},
    {"affine", 1, {X1}, b_affine, false, 0},
    {"mul mask", 1, {{3, {2, 4, 3}, 1, 0}}, b_mask, false, 0},
    {"add row", 2, {BTC, VEC(4)}, b_add_row, false, 0},
    {"relu", 1, {VEC(37)}, b_relu, false, 0},
    {"leaky relu", 1, {VEC(37)}, b_leaky, false, 0},
    {"gelu", 1, {{1, {37}, 2, 0}}, b_gelu, false, 0},
    {"tanh", 1, {VEC(37)}, b_tanh, false, 0},
    {"sigmoid", 1, {{1, {37}, 3, 0}}, b_sigmoid, false, 0},
    {"exp", 1, {VEC(37)}, b_exp, false, 0},
    {"square", 1, {VEC(37)}, b_square, false, 0},
    {"eight paths", 1, {{2, {3, 19}, 1, 0}}, b_all_added, false, 0},
    {"softmax", 1, {{2, {3, 19}, 1, 0}}, b_softmax, false, 0},
    {"gated", 2, {{3, {2, 6, 5}, 1, 0}, {3, {2, 6, 5}, 1, 0}}, b_gated, false, 0},
    {"gated alone", 1, {{3, {2, 6, 5}, 1, 0}}, b_gated_alone, false, 0},
    {"gated with itself", 1, {{3, {2, 6, 5}, 1, 0}}, b_gated_self, false, 0},
    {"dropout", 1, {VEC(37)}, b_dropout, true, 0},
    {"linear", 3, {BTC, {2, {3, 4}, 1, 0}, VEC(3)}, b_linear, false, 0},
    {"linear without bias", 2, {BTC, {2, {3, 4}, 1, 0}}, b_linear_no_bias, false, 0},
    {"linear twice", 2, {BTC, {2, {4, 4}, 1, 0}}, b_linear_twice, false, 0},
    {"matmul", 2, {{3, {3, 4, 5}, 1, 0}, {3, {3, 5, 2}, 1, 0}}, b_matmul, false, 0},
    {"matmul transposed", 2, {{3, {3, 4, 5}, 1, 0}, {3, {3, 2, 5}, 1, 0}}, b_matmul_t, false, 0},
    {"matmul of one", 2, {{2, {4, 5}, 1, 0}, {2, {5, 3}, 1, 0}}, b_matmul, false, 0},
    {"matmul with itself", 1, {{3, {2, 4, 5}, 1, 0}}, b_matmul_self, false, 0},
    {"conv1d", 3, {{3, {2, 3, 9}, 1, 0}, {3, {4, 3, 3}, 1, 0}, VEC(4)}, b_conv, false, 0},
    {"conv1d valid",
     3,
     {{3, {2, 3, 9}, 1, 0}, {3, {4, 3, 4}, 1, 0}, VEC(4)},
     b_conv_valid,
     false,
     0},
    {"conv1d with more padding than taps",
     3,
     {{3, {1, 2, 5}, 1, 0}, {3, {3, 2, 2}, 1, 0}, VEC(3)},
     b_conv_wide_pad,
     false,
     0},
    {"conv1d stride 2",
     3,
     {{3, {2, 3, 10}, 1, 0}, {3, {4, 3, 3}, 1, 0}, VEC(4)},
     b_conv_stride,
     false,
     0},
    {"conv1d stride 5",
     2,
     {{3, {2, 1, 37}, 1, 0}, {3, {4, 1, 10}, 1, 0}},
     b_conv_stride_large,
     false,
     0},
    {"conv1d groups",
     3,
     {{3, {2, 4, 7}, 1, 0}, {3, {6, 2, 4}, 1, 0}, VEC(6)},
     b_conv_groups,
     false,
     0},
    {"conv1d depthwise",
     3,
     {{3, {2, 4, 7}, 1, 0}, {3, {4, 1, 3}, 1, 0}, VEC(4)},
     b_conv_depthwise,
     false,
     0},
    {"conv1d one tap",
     3,
     {{3, {2, 3, 7}, 1, 0}, {3, {4, 3, 1}, 1, 0}, VEC(4)},
     b_conv_one,
     false,
     0},
    {"conv1d one tap, stride 2",
     3,
     {{3, {2, 3, 7}, 1, 0}, {3, {4, 3, 1}, 1, 0}, VEC(4)},
     b_conv_stride,
     false,
     0},
    {"conv1d twice",
     3,
     {{3, {2, 3, 6}, 1, 0}, {3, {3, 3, 3}, 1, 0}, VEC(3)},
     b_conv_added,
     false,
     0},
    {"conv transpose", 3, {{3, {2, 3, 5}, 1, 0}, {3, {3, 4, 3}, 1, 0}, VEC(4)}, b_convt, false, 0},
    {"conv transpose stride 2",
     3,
     {{3, {2, 3, 5}, 1, 0}, {3, {3, 4, 4}, 1, 0}, VEC(4)},
     b_convt_stride,
     false,
     0},
    {"conv transpose with gaps",
     2,
     {{3, {2, 3, 5}, 1, 0}, {3, {3, 4, 2}, 1, 0}},
     b_convt_gaps,
     false,
     0},
    {"layer norm", 3, {{2, {5, 19}, 1, 0.5f}, VEC(19), VEC(19)}, b_layer_norm, false, 0},
    {"layer norm bare", 1, {{2, {5, 9}, 1, 0.5f}}, b_layer_norm_bare, false, 0},
    {"layer norm added", 3, {{2, {5, 9}, 1, 0.5f}, VEC(9), VEC(9)}, b_layer_norm_added, false, 0},
    {"channel norm", 3, {{3, {2, 6, 5}, 1, 0.5f}, VEC(6), VEC(6)}, b_channel_norm, false, 0},
    {"channel norm added",
     3,
     {{3, {2, 6, 5}, 1, 0.5f}, VEC(6), VEC(6)},
     b_channel_norm_added,
     false,
     0},
    {"group norm", 3, {{3, {2, 4, 5}, 1, 0.5f}, VEC(4), VEC(4)}, b_group_norm, false, 0},
    {"group norm per channel",
     3,
     {{3, {2, 4, 9}, 1, 0.5f}, VEC(4), VEC(4)},
     b_group_norm_each,
     false,
     0},
    {"batch norm training",
     5,
     {{3, {3, 4, 5}, 1, 0.5f}, VEC(4), VEC(4), VEC(4), {1, {4}, 0.1f, 1}},
     b_batch_norm,
     true,
     2},
    {"batch norm training [B,C]",
     5,
     {{2, {7, 4}, 1, 0.5f}, VEC(4), VEC(4), VEC(4), {1, {4}, 0.1f, 1}},
     b_batch_norm,
     true,
     2},
    {"batch norm inference",
     5,
     {{3, {3, 4, 5}, 1, 0.5f}, VEC(4), VEC(4), VEC(4), {1, {4}, 0.1f, 1}},
     b_batch_norm,
     false,
     2},
    {"weight norm axis 0",
     2,
     {{3, {4, 3, 2}, 1, 0}, {3, {4, 1, 1}, 1, 0}},
     b_weight_norm,
     false,
     0},
    {"weight norm axis 1",
     2,
     {{3, {4, 3, 2}, 1, 0}, {3, {1, 3, 1}, 1, 0}},
     b_weight_norm_middle,
     false,
     0},
    {"weight norm axis 2",
     2,
     {{3, {4, 3, 5}, 1, 0}, {3, {1, 1, 5}, 1, 0}},
     b_weight_norm_last,
     false,
     0},
    {"attention",
     3,
     {{3, {2, 3, 6}, 1, 0}, {3, {2, 5, 6}, 1, 0}, {3, {2, 5, 6}, 1, 0}},
     b_attention,
     false,
     0},
    {"attention over several blocks",
     3,
     {{3, {1, 70, 2}, 1, 0}, {3, {1, 5, 2}, 1, 0}, {3, {1, 5, 2}, 1, 0}},
     b_attention,
     false,
     0},
    {"attention to itself", 1, {{3, {2, 5, 6}, 1, 0}}, b_attention_self, false, 0},
    {"normalize rows", 1, {{2, {4, 5}, 1, 0}}, b_normalize, false, 0},
    {"normalize short rows", 1, {{2, {4, 5}, 1, 0}}, b_normalize_floor, false, 0},
    {"sum", 1, {X1}, b_sum, false, 0},
    {"mean", 1, {X1}, b_mean, false, 0},
    {"row dot", 2, {ROWS45, ROWS45}, b_row_dot, false, 0},
    {"mse", 2, {ROWS45, ROWS45}, b_mse, false, 0},
    {"mse weighted", 2, {{2, {2, 3}, 1, 0}, {2, {2, 3}, 1, 0}}, b_mse_weighted, false, 0},
    {"bce", 1, {VEC(6)}, b_bce, false, 0},
    {"cross entropy", 1, {ROWS45}, b_cross_entropy, false, 0},
    {"cross entropy weighted", 1, {ROWS45}, b_cross_entropy_weighted, false, 0},
    {"weighted sum", 1, {X1}, b_weighted_sum, false, 0},
    {"residual block", 3, {{3, {2, 5, 4}, 1, 0}, {2, {4, 4}, 0.7f, 0}, GAIN4}, b_block, false, 0},
};

static void every_operation(void **state) {
    (void)state;
    const double tolerance = 1e-4; /* noise seen: up to 2e-5; a wrong formula gives 1e-2 or more */
    int bad = 0;
    for (int level = 0; level < TG_CPU_LEVELS; level++) {
        if (!tg_cpu_has((tg_cpu_level)level))
            continue;
        tg_context *ctx = tg_context_create(2);
        assert_int_equal(tg_context_set_cpu(ctx, (tg_cpu_level)level), TG_OK);
        for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
            double error = check_case(ctx, &cases[i]);
            if (!(error < tolerance)) {
                print_error("%s at %s: gradient differs by %.2g of its largest\n", cases[i].name,
                            tg_cpu_level_name((tg_cpu_level)level), error);
                bad++;
            }
        }
        tg_context_destroy(&ctx);
    }
    assert_int_equal(bad, 0);
}

/* ---- the check itself must be able to fail --------------------------------------------- */

/* One percent of the value hidden from the gradient. */
BUILD(b_wrong_by_one_percent, tg_add(t, tg_affine(t, tg_square(t, in[0]), 0.99f, 0),
                                     tg_detach(t, tg_affine(t, tg_square(t, in[0]), 0.01f, 0))))
BUILD(b_missing_path, tg_mul(t, in[0], tg_detach(t, in[0])))

static void wrong_gradients_are_found(void **state) {
    (void)state;
    tg_context *ctx = tg_context_create(1);
    grad_case small = {"one percent", 1, {X1}, b_wrong_by_one_percent, false, 0};
    grad_case large = {"missing path", 1, {X1}, b_missing_path, false, 0};
    double error = check_case(ctx, &small);
    assert_true(error > 5e-3 && error < 2e-2);
    assert_true(check_case(ctx, &large) > 0.4);
    tg_context_destroy(&ctx);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_operation),
        cmocka_unit_test(wrong_gradients_are_found),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
