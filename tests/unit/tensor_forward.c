/* Values of the operations against plain loops in double that follow the definitions. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "talkgen/tensor.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

typedef struct {
    tg_context *ctx;
    tg_tape *tape;
} fixture;

static int setup(void **state) {
    fixture *f = calloc(1, sizeof *f);
    f->ctx = tg_context_create(2);
    f->tape = tg_tape_create(f->ctx, false);
    *state = f;
    return 0;
}

static int teardown(void **state) {
    fixture *f = *state;
    tg_tape_destroy(&f->tape);
    tg_context_destroy(&f->ctx);
    free(f);
    return 0;
}

static tg_tensor *noise(tg_tape *tape, const char *name, int ndim, const int64_t *dim) {
    tg_tensor *t = tg_input(tape, ndim, dim, NULL);
    tg_rng rng = tg_rng_make(5, "", name);
    tg_rng_fill_normal(&rng, 0, t->data, (size_t)tg_numel(t));
    return t;
}

#define DIM(...)                                                                                   \
    (int64_t[]) {                                                                                  \
        __VA_ARGS__                                                                                \
    }

/* y[i] = want[i] within 3e-6 of the largest value: a few roundings of float sums. */
static void assert_close(const tg_tensor *y, const double *want) {
    double most = 0;
    int64_t n = tg_numel(y);
    for (int64_t i = 0; i < n; i++)
        most = fmax(most, fabs(want[i]));
    for (int64_t i = 0; i < n; i++)
        if (!(fabs((double)y->data[i] - want[i]) <= 3e-6 * most))
            fail_msg("element %lld is %.9g, expected %.9g", (long long)i, (double)y->data[i],
                     want[i]);
}

static double *zeros(int64_t n) {
    return calloc((size_t)n, sizeof(double));
}

/* ---- convolutions ------------------------------------------------------------------ */

static void check_conv(tg_tape *tape, int64_t batch, int64_t in, int64_t out, int64_t time,
                       int64_t k, int stride, int pad, int groups) {
    tg_tape_reset(tape);
    tg_tensor *x = noise(tape, "x", 3, DIM(batch, in, time));
    tg_tensor *w = noise(tape, "w", 3, DIM(out, in / groups, k));
    tg_tensor *b = noise(tape, "b", 1, DIM(out));
    tg_tensor *y = tg_conv1d(tape, x, w, b, stride, pad, groups);
    assert_int_equal(tg_tape_status(tape), TG_OK);
    int64_t t_out = (time + 2 * pad - k) / stride + 1, per_in = in / groups, per_out = out / groups;
    assert_true(y->ndim == 3 && y->dim[0] == batch && y->dim[1] == out && y->dim[2] == t_out);
    double *want = zeros(tg_numel(y));
    for (int64_t n = 0; n < batch; n++)
        for (int64_t o = 0; o < out; o++)
            for (int64_t t = 0; t < t_out; t++) {
                double sum = (double)b->data[o];
                for (int64_t i = 0; i < per_in; i++)
                    for (int64_t tap = 0; tap < k; tap++) {
                        int64_t at = t * stride + tap - pad, c = o / per_out * per_in + i;
                        if (at >= 0 && at < time)
                            sum += (double)w->data[(o * per_in + i) * k + tap] *
                                   (double)x->data[(n * in + c) * time + at];
                    }
                want[(n * out + o) * t_out + t] = sum;
            }
    assert_close(y, want);
    free(want);
}

static void conv1d(void **state) {
    tg_tape *tape = ((fixture *)*state)->tape;
    check_conv(tape, 2, 3, 5, 11, 3, 1, 1, 1);
    check_conv(tape, 1, 1, 4, 400, 10, 5, 0, 1);
    check_conv(tape, 2, 4, 6, 9, 2, 2, 0, 2);
    check_conv(tape, 1, 8, 8, 37, 16, 1, 8, 4);
    check_conv(tape, 1, 2, 3, 1, 5, 1, 2, 1);
    check_conv(tape, 2, 3, 5, 7, 1, 1, 0, 1);
    check_conv(tape, 1, 64, 16, 5000, 3, 1, 1, 1); /* several blocks */
    check_conv(tape, 1, 2, 2, 6, 3, 4, 3, 2);
    check_conv(tape, 1, 2, 2, 3, 2, 1, 6, 1); /* whole outputs in the padding */
}

/* The same numbers as tg_conv1d between two transpositions. */
static void conv1d_rows(void **state) {
    tg_tape *tape = ((fixture *)*state)->tape;
    static const struct {
        int64_t batch, in, out, time, k;
        int stride;
    } cases[] = {
        {2, 3, 5, 17, 3, 2}, {1, 1, 4, 100, 10, 5}, {3, 4, 2, 2, 2, 1}, {1, 64, 96, 801, 3, 2}};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        tg_tape_reset(tape);
        tg_tensor *x = noise(tape, "x", 3, DIM(cases[i].batch, cases[i].time, cases[i].in));
        tg_tensor *w = noise(tape, "w", 3, DIM(cases[i].out, cases[i].in, cases[i].k));
        tg_tensor *b = noise(tape, "b", 1, DIM(cases[i].out));
        tg_tensor *y = tg_conv1d_rows(tape, x, w, b, cases[i].stride);
        tg_tensor *z =
            tg_transpose(tape, tg_conv1d(tape, tg_transpose(tape, x), w, b, cases[i].stride, 0, 1));
        assert_int_equal(tg_tape_status(tape), TG_OK);
        assert_true(y->dim[0] == z->dim[0] && y->dim[1] == z->dim[1] && y->dim[2] == z->dim[2]);
        for (int64_t k = 0; k < tg_numel(y); k++)
            assert_true(fabsf(y->data[k] - z->data[k]) <= 1e-5f * sqrtf((float)cases[i].in));
    }
}

static void check_conv_transpose(tg_tape *tape, int64_t batch, int64_t in, int64_t out,
                                 int64_t time, int64_t k, int stride) {
    tg_tape_reset(tape);
    tg_tensor *x = noise(tape, "x", 3, DIM(batch, in, time));
    tg_tensor *w = noise(tape, "w", 3, DIM(in, out, k));
    tg_tensor *b = noise(tape, "b", 1, DIM(out));
    tg_tensor *y = tg_conv_transpose1d(tape, x, w, b, stride);
    int64_t t_out = (time - 1) * stride + k;
    assert_true(y->dim[0] == batch && y->dim[1] == out && y->dim[2] == t_out);
    double *want = zeros(tg_numel(y));
    for (int64_t n = 0; n < batch; n++)
        for (int64_t o = 0; o < out; o++) {
            double *row = want + (n * out + o) * t_out;
            for (int64_t t = 0; t < t_out; t++)
                row[t] = (double)b->data[o];
            for (int64_t i = 0; i < in; i++)
                for (int64_t t = 0; t < time; t++)
                    for (int64_t tap = 0; tap < k; tap++)
                        row[t * stride + tap] += (double)x->data[(n * in + i) * time + t] *
                                                 (double)w->data[(i * out + o) * k + tap];
        }
    assert_close(y, want);
    free(want);
}

static void conv_transpose1d(void **state) {
    tg_tape *tape = ((fixture *)*state)->tape;
    check_conv_transpose(tape, 2, 3, 4, 7, 4, 4);
    check_conv_transpose(tape, 1, 2, 5, 9, 4, 2);
    check_conv_transpose(tape, 3, 2, 2, 1, 3, 1);
    check_conv_transpose(tape, 1, 3, 2, 5, 2, 3);
    check_conv_transpose(tape, 1, 16, 8, 3000, 4, 4);
}

/* ---- products ----------------------------------------------------------------------- */

static void check_gemm(tg_context *ctx, bool ta, bool tb, int64_t m, int64_t n, int64_t k,
                       float alpha, float beta) {
    tg_rng rng = tg_rng_make(1, "", "gemm");
    int64_t lda = (ta ? m : k) + 3, ldb = (tb ? k : n) + 1, ldc = n + 2;
    int64_t size_a = (ta ? k : m) * lda, size_b = (tb ? n : k) * ldb, size_c = m * ldc;
    float *a = tg_alloc((size_t)size_a * 4), *b = tg_alloc((size_t)size_b * 4);
    float *c = tg_alloc((size_t)size_c * 4), *before = tg_alloc((size_t)size_c * 4);
    tg_rng_fill_normal(&rng, 0, a, (size_t)size_a);
    tg_rng_fill_normal(&rng, 1 << 24, b, (size_t)size_b);
    tg_rng_fill_normal(&rng, 1 << 25, c, (size_t)size_c);
    memcpy(before, c, (size_t)size_c * 4);
    tg_sgemm(ctx, ta, tb, m, n, k, alpha, a, lda, b, ldb, beta, c, ldc);
    double tolerance = 3e-6 * sqrt((double)k + 1) * 4;
    for (int64_t i = 0; i < m; i++)
        for (int64_t j = 0; j < ldc; j++) {
            double want = (double)before[i * ldc + j];
            if (j < n) {
                want *= (double)beta;
                for (int64_t p = 0; p < k; p++)
                    want += (double)alpha * (double)a[ta ? p * lda + i : i * lda + p] *
                            (double)b[tb ? j * ldb + p : p * ldb + j];
            }
            assert_true(fabs((double)c[i * ldc + j] - want) <= tolerance); /* j >= n: untouched */
        }
    tg_free(a), tg_free(b), tg_free(c), tg_free(before);
}

static void gemm(void **state) {
    tg_context *ctx = ((fixture *)*state)->ctx;
    for (int t = 0; t < 4; t++) {
        check_gemm(ctx, t & 1, t & 2, 5, 7, 3, 1, 0);
        check_gemm(ctx, t & 1, t & 2, 1, 1, 1, 2, -1);
        check_gemm(ctx, t & 1, t & 2, 300, 277, 130, 0.5f, 1);
        check_gemm(ctx, t & 1, t & 2, 3, 1000, 65, 1, 0.5f);
        check_gemm(ctx, t & 1, t & 2, 4, 4, 0, 1, 0.5f);
    }
}

static void linear_and_matmul(void **state) {
    tg_tape *tape = ((fixture *)*state)->tape;
    tg_tape_reset(tape);
    enum { ROWS = 2 * 150, IN = 33, OUT = 129 };
    tg_tensor *x = noise(tape, "x", 3, DIM(2, 150, IN)), *w = noise(tape, "w", 2, DIM(OUT, IN));
    tg_tensor *b = noise(tape, "b", 1, DIM(OUT)), *y = tg_linear(tape, x, w, b);
    assert_true(y->ndim == 3 && y->dim[1] == 150 && y->dim[2] == OUT);
    double *want = zeros(ROWS * OUT);
    for (int r = 0; r < ROWS; r++)
        for (int o = 0; o < OUT; o++) {
            want[r * OUT + o] = (double)b->data[o];
            for (int i = 0; i < IN; i++)
                want[r * OUT + o] += (double)x->data[r * IN + i] * (double)w->data[o * IN + i];
        }
    assert_close(y, want);
    tg_tensor *wt = tg_transpose(tape, w); /* [IN,OUT] */
    tg_tensor *flat = tg_reshape(tape, x, 2, DIM(ROWS, IN));
    tg_tensor *p = tg_add_row(tape, tg_matmul(tape, flat, wt, false), b);
    assert_close(p, want);
    p = tg_add_row(tape, tg_matmul(tape, flat, w, true), b);
    assert_close(p, want);
    free(want);
}

/* ---- attention, softmax -------------------------------------------------------------- */

static void attention(void **state) {
    tg_tape *tape = ((fixture *)*state)->tape;
    tg_tape_reset(tape);
    enum { B = 2, TQ = 150, TK = 37, H = 3, D = 5, C = H * D };
    const double scale = 0.4;
    tg_tensor *q = noise(tape, "q", 3, DIM(B, TQ, C)), *k = noise(tape, "k", 3, DIM(B, TK, C));
    tg_tensor *v = noise(tape, "v", 3, DIM(B, TK, C));
    tg_tensor *y = tg_attention(tape, q, k, v, H, (float)scale);
    double *want = zeros(B * TQ * C);
    for (int b = 0; b < B; b++)
        for (int h = 0; h < H; h++)
            for (int i = 0; i < TQ; i++) {
                double p[TK], sum = 0;
                for (int j = 0; j < TK; j++) {
                    double s = 0;
                    for (int d = 0; d < D; d++)
                        s += (double)q->data[(b * TQ + i) * C + h * D + d] *
                             (double)k->data[(b * TK + j) * C + h * D + d];
                    sum += p[j] = exp(s * (double)(float)scale);
                }
                for (int d = 0; d < D; d++)
                    for (int j = 0; j < TK; j++)
                        want[(b * TQ + i) * C + h * D + d] +=
                            p[j] / sum * (double)v->data[(b * TK + j) * C + h * D + d];
            }
    assert_close(y, want);
    free(want);
}

static void softmax_of_large_numbers(void **state) {
    tg_tape *tape = ((fixture *)*state)->tape;
    tg_tape_reset(tape);
    static const float x[8] = {1000, 1001, 999, -1000, -2000, -2001, -2000, -2003};
    tg_tensor *y = tg_softmax(tape, tg_input(tape, 2, DIM(2, 4), x));
    double want[8];
    for (int r = 0; r < 2; r++) {
        double most = r == 0 ? 1001 : -2000, sum = 0;
        for (int i = 0; i < 4; i++)
            sum += want[r * 4 + i] = exp((double)x[r * 4 + i] - most);
        for (int i = 0; i < 4; i++)
            want[r * 4 + i] /= sum;
    }
    assert_close(y, want);
}

/* ---- norms ---------------------------------------------------------------------------- */

/* y over n values at x[at(i)]: (x - mean) / sqrt(var + eps) */
static void normalise(const float *x, const int64_t *at, int64_t n, double eps, double *y) {
    double mean = 0, var = 0;
    for (int64_t i = 0; i < n; i++)
        mean += (double)x[at[i]] / (double)n;
    for (int64_t i = 0; i < n; i++)
        var += ((double)x[at[i]] - mean) * ((double)x[at[i]] - mean) / (double)n;
    for (int64_t i = 0; i < n; i++)
        y[at[i]] = ((double)x[at[i]] - mean) / sqrt(var + eps);
}

static void norms(void **state) {
    tg_tape *tape = ((fixture *)*state)->tape;
    tg_tape_reset(tape);
    enum { B = 2, C = 12, T = 2100, G = 3 };
    const double eps = 1e-5;
    tg_tensor *x = tg_affine(tape, noise(tape, "x", 3, DIM(B, C, T)), 2, 3);
    tg_tensor *gain = noise(tape, "gain", 1, DIM(C)), *bias = noise(tape, "bias", 1, DIM(C));
    double *channel = zeros(B * C * T), *group = zeros(B * C * T), *batch = zeros(B * C * T);
    int64_t *at = calloc(B * C * T, sizeof *at);
    for (int b = 0; b < B; b++)
        for (int t = 0; t < T; t++) {
            for (int c = 0; c < C; c++)
                at[c] = (b * C + c) * T + t;
            normalise(x->data, at, C, eps, channel);
        }
    for (int g = 0; g < B * G; g++) {
        for (int i = 0; i < C / G * T; i++)
            at[i] = g * (C / G) * T + i;
        normalise(x->data, at, C / G * T, eps, group);
    }
    for (int c = 0; c < C; c++) {
        for (int b = 0; b < B; b++)
            for (int t = 0; t < T; t++)
                at[b * T + t] = (b * C + c) * T + t;
        normalise(x->data, at, B * T, eps, batch);
    }
    double *all[3] = {channel, group, batch};
    for (int k = 0; k < 3; k++)
        for (int i = 0; i < B * C * T; i++) {
            int c = i / T % C;
            all[k][i] = all[k][i] * (double)gain->data[c] + (double)bias->data[c];
        }
    assert_close(tg_channel_norm(tape, x, gain, bias, 1e-5f), channel);
    assert_close(tg_group_norm(tape, x, gain, bias, G, 1e-5f), group);
    tg_tensor *transposed = tg_transpose(tape, x);
    assert_close(tg_transpose(tape, tg_layer_norm(tape, transposed, gain, bias, 1e-5f)), channel);

    tg_tensor *mean = tg_input(tape, 1, DIM(C), NULL), *var = tg_input(tape, 1, DIM(C), NULL);
    for (int c = 0; c < C; c++) {
        mean->data[c] = 0.5f;
        var->data[c] = 2;
    }
    tg_tape_set_training(tape, true);
    assert_close(tg_batch_norm(tape, x, gain, bias, mean, var, 0.1f, 1e-5f), batch);
    tg_tape_set_training(tape, false);
    double want[C], unbiased[C];
    for (int c = 0; c < C; c++) {
        double m = 0, v = 0, n = B * T;
        for (int b = 0; b < B; b++)
            for (int t = 0; t < T; t++)
                m += (double)x->data[(b * C + c) * T + t] / n;
        for (int b = 0; b < B; b++)
            for (int t = 0; t < T; t++)
                v += pow((double)x->data[(b * C + c) * T + t] - m, 2) / (n - 1);
        want[c] = 0.9 * 0.5 + 0.1 * m;
        unbiased[c] = 0.9 * 2 + 0.1 * v;
    }
    assert_close(mean, want);
    assert_close(var, unbiased);
    for (int i = 0; i < B * C * T; i++) {
        int c = i / T % C;
        batch[i] =
            ((double)x->data[i] - want[c]) / sqrt(unbiased[c] + eps) * (double)gain->data[c] +
            (double)bias->data[c];
    }
    assert_close(tg_batch_norm(tape, x, gain, bias, mean, var, 0.1f, 1e-5f), batch);
    free(channel), free(group), free(batch), free(at);
}

static void weight_norm(void **state) {
    tg_tape *tape = ((fixture *)*state)->tape;
    enum { A = 4, B = 3, C = 5 };
    for (int axis = 0; axis < 3; axis++) {
        tg_tape_reset(tape);
        int64_t n = DIM(A, B, C)[axis], shape[3] = {1, 1, 1};
        shape[axis] = n;
        tg_tensor *v = noise(tape, "v", 3, DIM(A, B, C)), *g = noise(tape, "g", 3, shape);
        double norm[5] = {0}, want[A * B * C];
        for (int i = 0; i < A * B * C; i++)
            norm[DIM(i / (B * C), i / C % B, i % C)[axis]] +=
                (double)v->data[i] * (double)v->data[i];
        for (int i = 0; i < A * B * C; i++) {
            int64_t k = DIM(i / (B * C), i / C % B, i % C)[axis];
            want[i] = (double)g->data[k] * (double)v->data[i] / sqrt(norm[k]);
        }
        assert_close(tg_weight_norm(tape, v, g, axis), want);
    }
}

static void rows_of_length_one(void **state) {
    tg_tape *tape = ((fixture *)*state)->tape;
    tg_tape_reset(tape);
    static const float x[6] = {3, 4, 0, 0, 0.3f, -0.4f};
    const double want[6] = {0.6, 0.8, 0, 0, 0.3, -0.4}; /* the last is shorter than eps = 1 */
    assert_close(tg_normalize_rows(tape, tg_input(tape, 2, DIM(3, 2), x), 1), want);
}

/* ---- shape ------------------------------------------------------------------------------ */

static void shapes(void **state) {
    tg_tape *tape = ((fixture *)*state)->tape;
    tg_tape_reset(tape);
    float x[24];
    for (int i = 0; i < 24; i++)
        x[i] = (float)i;
    tg_tensor *t = tg_input(tape, 3, DIM(2, 3, 4), x);
    tg_tensor *y = tg_transpose(tape, t);
    assert_true(y->dim[1] == 4 && y->dim[2] == 3);
    assert_true(y->data[(1 * 4 + 2) * 3 + 1] == 12 + 4 + 2);
    y = tg_slice(tape, t, 1, 1, 3);
    assert_true(y->dim[1] == 2 && y->data[0] == 4 && y->data[8] == 16);
    y = tg_slice(tape, t, 0, 1, 2);
    assert_true(y->dim[0] == 1 && y->data[0] == 12);
    y = tg_stride(tape, t, 2, 1, 2);
    assert_true(y->dim[2] == 2 && y->data[0] == 1 && y->data[1] == 3 && y->data[2] == 5);
    y = tg_stride(tape, t, 1, 0, 2);
    assert_true(y->dim[1] == 2 && y->data[4] == 8);
    y = tg_flip(tape, t, 1);
    assert_true(y->data[0] == 8 && y->data[4] == 4 && y->data[12] == 20);
    y = tg_flip(tape, t, 2);
    assert_true(y->data[0] == 3 && y->data[3] == 0);
    y = tg_concat(tape, (tg_tensor *[]){t, t}, 2, 1);
    assert_true(y->dim[1] == 6 && y->data[12] == 0 && y->data[24] == 12 && y->data[36] == 12);
    y = tg_gather_rows(tape, t, (int32_t[]){1, 1, 0}, 3);
    assert_true(y->dim[0] == 3 && y->data[0] == 12 && y->data[12] == 12 && y->data[24] == 0);
    y = tg_reshape(tape, t, 2, DIM(6, 4));
    assert_true(y->data == t->data && y->ndim == 2);
    assert_int_equal(tg_tape_status(tape), TG_OK);
}

/* ---- losses ------------------------------------------------------------------------------- */

static void losses(void **state) {
    tg_tape *tape = ((fixture *)*state)->tape;
    tg_tape_reset(tape);
    tg_tensor *x = tg_input(tape, 2, DIM(2, 2), (float[]){1, 2, 3, 4});
    tg_tensor *y = tg_input(tape, 2, DIM(2, 2), (float[]){0, 2, 5, 1});
    tg_tensor *w = tg_input(tape, 2, DIM(2, 2), (float[]){1, 1, 0.5f, 0});
    assert_float_equal(tg_sum(tape, x)->data[0], 10, 1e-6);
    assert_float_equal(tg_mean(tape, x)->data[0], 2.5, 1e-6);
    assert_float_equal(tg_mse(tape, x, y, NULL)->data[0], (1 + 0 + 4 + 9) / 4.0, 1e-6);
    assert_float_equal(tg_mse(tape, x, y, w)->data[0], (1 + 0 + 2) / 2.5, 1e-6);
    tg_tensor *dot = tg_row_dot(tape, x, y);
    assert_float_equal(dot->data[0], 4, 1e-6);
    assert_float_equal(dot->data[1], 19, 1e-6);
    tg_tensor *p = tg_input(tape, 1, DIM(4), (float[]){0.25f, 0.5f, 0, 1});
    double bce = -(log(0.25) + log(0.5) + 0 - 100) / 4; /* log 0 counts as -100 */
    assert_float_equal(tg_bce(tape, p, (float[]){1, 0, 0, 0})->data[0], bce, 1e-5);
    tg_tensor *logits = tg_input(tape, 2, DIM(3, 3), (float[]){1, 2, 3, 0, 0, 0, 9, 9, 9});
    double first = log(exp(1) + exp(2) + exp(3)) - 2, second = log(3);
    assert_float_equal(tg_cross_entropy(tape, logits, (int32_t[]){1, 2, -1}, NULL)->data[0],
                       (first + second) / 2, 1e-6);
    assert_float_equal(
        tg_cross_entropy(tape, logits, (int32_t[]){1, 2, -1}, (float[]){3, 1, 7})->data[0],
        (3 * first + second) / 4, 1e-6);
    assert_float_equal(tg_cross_entropy(tape, logits, (int32_t[]){-1, -1, -1}, NULL)->data[0], 0,
                       0);
    tg_tensor *terms[3] = {tg_sum(tape, x), NULL, tg_mean(tape, x)};
    assert_float_equal(tg_weighted_sum(tape, terms, (float[]){2, 5, -1}, 3)->data[0], 17.5, 1e-5);
    assert_int_equal(tg_tape_status(tape), TG_OK);
}

static void masks_and_gates(void **state) {
    tg_tape *tape = ((fixture *)*state)->tape;
    tg_tape_reset(tape);
    tg_tensor *a = noise(tape, "a", 3, DIM(2, 6, 70)), *g = noise(tape, "g", 3, DIM(2, 6, 70));
    tg_tensor *y = tg_gated(tape, a, g), *alone = tg_gated(tape, a, NULL);
    double want[2 * 3 * 70], want_alone[2 * 3 * 70];
    for (int i = 0; i < 2 * 3 * 70; i++) {
        int one = i / 210 * 420 + i % 210, two = one + 210;
        double u = (double)a->data[one], w = (double)a->data[two];
        want_alone[i] = tanh(u) / (1 + exp(-w));
        u += (double)g->data[one];
        w += (double)g->data[two];
        want[i] = tanh(u) / (1 + exp(-w));
    }
    assert_close(y, want);
    assert_close(alone, want_alone);
    tg_tensor *mask = tg_input(tape, 2, DIM(2, 70), NULL);
    for (int t = 0; t < 140; t++)
        mask->data[t] = t % 3 ? 1 : 0.25f;
    tg_tensor *m = tg_mul_mask(tape, y, mask);
    for (int i = 0; i < 2 * 3 * 70; i++)
        want[i] *= (double)mask->data[i / 210 * 70 + i % 70];
    assert_close(m, want);
}

static void dropout(void **state) {
    tg_tape *tape = ((fixture *)*state)->tape;
    tg_tape_reset(tape);
    enum { N = 20000 };
    tg_tensor *x = tg_affine(tape, tg_input(tape, 1, DIM(N), NULL), 1, 1);
    tg_rng rng = tg_rng_make(9, "", "dropout");
    assert_true(tg_dropout(tape, x, 0.25f, &rng, 0) == x); /* not training */
    tg_tape_set_training(tape, true);
    tg_tensor *y = tg_dropout(tape, x, 0.25f, &rng, 0);
    tg_tensor *tail = tg_dropout(tape, tg_slice(tape, x, 0, 0, 1000), 0.25f, &rng, 5000);
    tg_tape_set_training(tape, false);
    int kept = 0;
    for (int i = 0; i < N; i++) {
        assert_true(y->data[i] == 0 || fabsf(y->data[i] - 4.0f / 3) < 1e-6f);
        kept += y->data[i] != 0;
    }
    assert_true(kept > N * 0.73 && kept < N * 0.77); /* 6.5 standard deviations */
    for (int i = 0; i < 1000; i++)
        assert_true(tail->data[i] == y->data[5000 + i]);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(conv1d, setup, teardown),
        cmocka_unit_test_setup_teardown(conv1d_rows, setup, teardown),
        cmocka_unit_test_setup_teardown(conv_transpose1d, setup, teardown),
        cmocka_unit_test_setup_teardown(gemm, setup, teardown),
        cmocka_unit_test_setup_teardown(linear_and_matmul, setup, teardown),
        cmocka_unit_test_setup_teardown(attention, setup, teardown),
        cmocka_unit_test_setup_teardown(softmax_of_large_numbers, setup, teardown),
        cmocka_unit_test_setup_teardown(norms, setup, teardown),
        cmocka_unit_test_setup_teardown(weight_norm, setup, teardown),
        cmocka_unit_test_setup_teardown(rows_of_length_one, setup, teardown),
        cmocka_unit_test_setup_teardown(shapes, setup, teardown),
        cmocka_unit_test_setup_teardown(losses, setup, teardown),
        cmocka_unit_test_setup_teardown(masks_and_gates, setup, teardown),
        cmocka_unit_test_setup_teardown(dropout, setup, teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
