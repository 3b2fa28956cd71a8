/* Vector kernels: the portable table against libm in double, the wider tables against the portable
 * one, over odd sizes, unaligned pointers and with guard values around every output. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "tensor/kernels.h"

#include <float.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

enum { MOST = 5000, GUARD = 8 };
static const int64_t sizes[] = {0,  1,  2,  3,   7,   8,    15,   16,  17,
                                31, 33, 64, 100, 255, 1023, 1025, 4999};
enum { SIZES = sizeof sizes / sizeof *sizes };

static float input[4][MOST + 64];
static float storage[6][MOST + 64];

/* Output of n floats at an odd address, guard values before and behind. */
static float *guarded(int index, int64_t n) {
    float *p = storage[index] + GUARD + 1;
    for (int64_t i = -GUARD; i < n + GUARD; i++)
        p[i] = i < 0 || i >= n ? -12345.5f : 0.25f * (float)(i % 5); /* for kernels that add */
    return p;
}

static void assert_guards(const float *p, int64_t n) {
    for (int64_t i = 1; i <= GUARD; i++) {
        assert_true(p[-i] == -12345.5f);
        assert_true(p[n + i - 1] == -12345.5f);
    }
}

static void assert_near(const char *what, const float *a, const float *b, int64_t n,
                        double tolerance) {
    double most = 1e-30;
    for (int64_t i = 0; i < n; i++)
        most = fmax(most, fabs((double)b[i]));
    for (int64_t i = 0; i < n; i++)
        if (!(fabs((double)a[i] - (double)b[i]) <= tolerance * most))
            fail_msg("%s, n %lld: element %lld is %.9g, portable says %.9g", what, (long long)n,
                     (long long)i, (double)a[i], (double)b[i]);
}

static int fill_inputs(void **state) {
    (void)state;
    for (int k = 0; k < 4; k++) {
        tg_rng rng = tg_rng_make((uint64_t)k, "", "kernels");
        tg_rng_fill_normal(&rng, 0, input[k], MOST + 64);
        for (int i = 0; i < MOST + 64; i++)
            input[k][i] *= 2;
    }
    return 0;
}

/* ---- accuracy of the functions ----------------------------------------------------------- */

static double exact(tg_unary_kind kind, double x) {
    switch (kind) {
    case TG_UNARY_GELU:
        return 0.5 * x * erfc(-x / sqrt(2));
    case TG_UNARY_TANH:
        return tanh(x);
    case TG_UNARY_SIGMOID:
        return 1 / (1 + exp(-x));
    default:
        return exp(x);
    }
}

static void functions_are_accurate(void **state) {
    (void)state;
    static const struct {
        tg_unary_kind kind;
        double from, to, tolerance;
    } range[] = {
        {TG_UNARY_EXP, -87, 88.5, 2.5e-7},    {TG_UNARY_TANH, -12, 12, 3e-7},
        {TG_UNARY_SIGMOID, -80, 80, 4e-7},    {TG_UNARY_GELU, -3, 40, 1e-6},
        {TG_UNARY_TANH, -1e-3, 1e-3, 1.5e-7}, {TG_UNARY_GELU, -1e-3, 1e-3, 6e-7},
        {TG_UNARY_TANH, 0.6, 0.65, 3e-7},
    };
    for (int level = 0; level < TG_CPU_LEVELS; level++) {
        if (!tg_cpu_has((tg_cpu_level)level))
            continue;
        const tg_kernels *kernels = tg_kernels_at((tg_cpu_level)level);
        for (size_t r = 0; r < sizeof range / sizeof *range; r++) {
            enum { N = 40000 };
            static float x[N], y[N];
            for (int i = 0; i < N; i++)
                x[i] = (float)(range[r].from + (range[r].to - range[r].from) * i / (N - 1));
            kernels->unary[range[r].kind](x, y, N, 0);
            for (int i = 0; i < N; i++) {
                double want = exact(range[r].kind, (double)x[i]);
                if (!(fabs((double)y[i] - want) <= range[r].tolerance * fabs(want)))
                    fail_msg("kind %d at %.9g: %.9g, expected %.9g", range[r].kind, (double)x[i],
                             (double)y[i], want);
            }
        }
    }
}

static void functions_at_the_ends(void **state) {
    (void)state;
    for (int level = 0; level < TG_CPU_LEVELS; level++) {
        if (!tg_cpu_has((tg_cpu_level)level))
            continue;
        const tg_kernels *kernels = tg_kernels_at((tg_cpu_level)level);
        const float x[8] = {INFINITY, -INFINITY, NAN, 0, 1000, -1000, 89, -100};
        float y[8];
        kernels->unary[TG_UNARY_EXP](x, y, 8, 0);
        assert_true(isinf(y[0]) && y[1] == 0 && isnan(y[2]) && y[3] == 1 && isinf(y[4]) &&
                    y[5] == 0 && isinf(y[6]));
        assert_true(fabs((double)y[7] / exp(-100) - 1) < 0.03); /* denormal: 5 bits are left */
        kernels->unary[TG_UNARY_TANH](x, y, 8, 0);
        assert_true(y[0] == 1 && y[1] == -1 && isnan(y[2]) && y[3] == 0 && y[4] == 1 && y[5] == -1);
        kernels->unary[TG_UNARY_SIGMOID](x, y, 8, 0);
        assert_true(y[0] == 1 && y[1] == 0 && isnan(y[2]) && y[3] == 0.5f && y[4] == 1 &&
                    y[5] == 0);
        kernels->unary[TG_UNARY_GELU](x, y, 8, 0);
        assert_true(isinf(y[0]) && isnan(y[2]) && y[3] == 0 && y[4] == 1000 && y[5] == 0);
        const float far[4] = {-13, -13.5f, -INFINITY, 13.5f}; /* Phi(-13) = 6e-39 */
        kernels->unary[TG_UNARY_GELU](far, y, 4, 0);
        assert_true(y[0] <= 0 && y[0] > -1e-37f && y[1] == 0 && y[2] == 0 && y[3] == 13.5f);
        const float low[8] = {0, -87, -88, -1000, -INFINITY, -3e38f, NAN, -1};
        const double total = kernels->exp_sum(low, 1, 0, y, 8);
        assert_true(y[0] == 1 && fabs((double)y[1] / exp(-87) - 1) < 3e-7 && y[2] == 0 &&
                    y[3] == 0 && y[4] == 0 && y[5] == 0 && isnan(y[6]) && isnan(total));
        kernels->unary[TG_UNARY_RELU](x, y, 8, 0);
        assert_true(isinf(y[0]) && y[1] == 0 && isnan(y[2]) && y[3] == 0 && y[5] == 0);
        assert_true(kernels->max(x, 0) == -INFINITY);
        assert_true(kernels->max((float[]){-3, -1, -2}, 3) == -1);
    }
}

/* ---- levels against the portable table ------------------------------------------------------ */

/* 2e-6 of the largest value: FMA and other orders of summation. */
static const double level_tolerance = 2e-6;

static void check_unary(const tg_kernels *fast, const tg_kernels *slow, int64_t n) {
    for (int kind = 0; kind < TG_UNARY_KINDS; kind++) {
        const float *x = input[0] + 3, *dy = input[1] + 1;
        float *a = guarded(0, n), *b = guarded(1, n);
        fast->unary[kind](x, a, n, 0.1f);
        slow->unary[kind](x, b, n, 0.1f);
        assert_near("unary", a, b, n, level_tolerance);
        assert_guards(a, n);
        for (int add = 0; add < 2; add++) {
            float *da = guarded(2, n), *db = guarded(3, n);
            fast->unary_grad[kind](x, b, dy, da, n, 0.1f, add);
            slow->unary_grad[kind](x, b, dy, db, n, 0.1f, add);
            assert_near("unary gradient", da, db, n, level_tolerance);
            assert_guards(da, n);
        }
    }
}

static void check_pairs(const tg_kernels *fast, const tg_kernels *slow, int64_t n) {
    const float *x = input[0] + 3, *z = input[1] + 1;
    for (int kind = 0; kind < 8; kind++) {
        float *a = guarded(0, n), *b = guarded(1, n);
        for (int side = 0; side < 2; side++) {
            const tg_kernels *k = side ? slow : fast;
            float *y = side ? b : a;
            switch (kind) {
            case 0:
                k->add(x, z, y, n);
                break;
            case 1:
                k->sub(x, z, y, n);
                break;
            case 2:
            case 3:
                k->mul(x, z, y, n, kind == 3);
                break;
            case 4:
            case 5:
                k->affine(x, 1.5f, -0.5f, y, n, kind == 5);
                break;
            default:
                k->blend(x, 1.5f, z, -0.25f, 0.125f, y, n, kind == 7);
                break;
            }
        }
        assert_near("pair", a, b, n, level_tolerance);
        assert_guards(a, n);
    }
}

static void check_gate(const tg_kernels *fast, const tg_kernels *slow, int64_t n) {
    const float *in[4] = {input[0] + 3, input[1] + 1, input[2] + 2, input[3]};
    for (int with = 0; with < 2; with++) {
        float *y[2], *t[2], *s[2];
        for (int side = 0; side < 2; side++) {
            y[side] = guarded(side, n);
            t[side] = guarded(2 + side, n);
            s[side] = guarded(4 + side, n);
            (side ? slow : fast)
                ->gated(in[0], in[1], with ? in[2] : NULL, with ? in[3] : NULL, t[side], s[side],
                        y[side], n);
        }
        assert_near("gate", y[0], y[1], n, level_tolerance);
        assert_near("gate, tanh", t[0], t[1], n, level_tolerance);
        assert_near("gate, sigmoid", s[0], s[1], n, level_tolerance);
        assert_guards(y[0], n);
        assert_guards(t[0], n);
        assert_guards(s[0], n);
        float *kept = guarded(1, n);
        fast->gated(in[0], in[1], with ? in[2] : NULL, with ? in[3] : NULL, NULL, NULL, kept, n);
        assert_near("gate without factors", kept, y[0], n, 0);
    }
    for (int add = 0; add < 2; add++) {
        float *da[2], *db[2];
        for (int side = 0; side < 2; side++) {
            da[side] = guarded(side, n);
            db[side] = guarded(2 + side, n);
            (side ? slow : fast)->gated_grad(in[0], in[1], in[2], da[side], db[side], n, add);
        }
        assert_near("gate gradient", da[0], da[1], n, level_tolerance);
        assert_near("gate gradient", db[0], db[1], n, level_tolerance);
        assert_guards(da[0], n);
        assert_guards(db[0], n);
    }
}

static void check_sums(const tg_kernels *k, int64_t n) {
    const float *x = input[0] + 3, *z = input[1] + 1;
    double sum = 0, dot = 0, deviation = 0, size = 1e-3;
    float most = -INFINITY;
    for (int64_t i = 0; i < n; i++) {
        sum += (double)x[i];
        dot += (double)x[i] * (double)z[i];
        deviation += ((double)x[i] - 0.5) * ((double)x[i] - 0.5);
        size += fabs((double)x[i]) + fabs((double)x[i] * (double)z[i]) + (double)(x[i] * x[i]);
        most = x[i] > most ? x[i] : most;
    }
    assert_true(fabs(k->sum(x, n) - sum) <= 1e-6 * size);
    assert_true(fabs(k->dot(x, z, n) - dot) <= 1e-6 * size);
    assert_true(fabs(k->deviation(x, 0.5f, n) - deviation) <= 1e-6 * size);
    assert_true(k->max(x, n) == most);
    float *e = guarded(0, n);
    double total = k->exp_sum(x, 0.5f, 1.5f, e, n), want = 0;
    for (int64_t i = 0; i < n; i++) {
        double value = exp((double)x[i] * 0.5 - 1.5);
        assert_true(fabs((double)e[i] - value) <= 1e-6 * value);
        want += value;
    }
    assert_true(fabs(total - want) <= 1e-6 * want);
    assert_guards(e, n);
}

static void check_norm(const tg_kernels *fast, const tg_kernels *slow, int64_t n) {
    if (n == 0)
        return;
    const float *x = input[0] + 3, *gain = input[1] + 1, *bias = input[2] + 2, *dy = input[3];
    for (int with = 0; with < 2; with++) {
        const float *g = with ? gain : NULL, *b = with ? bias : NULL;
        float *y[2], *dx[2], *dgain[2];
        for (int side = 0; side < 2; side++) {
            const tg_kernels *k = side ? slow : fast;
            y[side] = guarded(side, n);
            k->norm_row(x, 0.1f, 0.7f, g, b, y[side], n);
        }
        assert_near("norm", y[0], y[1], n, level_tolerance);
        assert_guards(y[0], n);
        for (int add = 0; add < 2; add++) {
            for (int side = 0; side < 2; side++) {
                const tg_kernels *k = side ? slow : fast;
                dx[side] = guarded(side, n);
                dgain[side] = guarded(2 + side, n);
                float *dbias = guarded(4 + side, n);
                k->norm_row_grad(x, 0.1f, 0.7f, g, dy, dx[side], dgain[side], dbias, n, add);
                assert_guards(dbias, n);
                for (int64_t i = 0; i < n; i++)
                    assert_true(dbias[i] == 0.25f * (float)(i % 5) + dy[i]);
            }
            assert_near("norm gradient", dx[0], dx[1], n, level_tolerance);
            assert_near("norm gradient of gain", dgain[0], dgain[1], n, level_tolerance);
            assert_guards(dx[0], n);
            assert_guards(dgain[0], n);
        }
    }
    for (int add = 0; add < 2; add++) {
        float *a = guarded(0, n), *b = guarded(1, n);
        fast->softmax_grad(x, dy, 0.3f, 0.5f, a, n, add);
        slow->softmax_grad(x, dy, 0.3f, 0.5f, b, n, add);
        assert_near("softmax gradient", a, b, n, level_tolerance);
        assert_guards(a, n);
    }
}

static void check_adam(const tg_kernels *fast, const tg_kernels *slow, int64_t n) {
    float *w[2], *m[2], *v[2];
    for (int side = 0; side < 2; side++) {
        w[side] = guarded(side, n);
        m[side] = guarded(2 + side, n);
        v[side] = guarded(4 + side, n);
        (side ? slow : fast)
            ->adam(w[side], m[side], v[side], input[0] + 3, n, 0.9f, 0.99f, 0.01f, 1.25f, 1e-8f,
                   1e-3f);
        assert_guards(w[side], n);
        assert_guards(m[side], n);
        assert_guards(v[side], n);
    }
    assert_near("adam", w[0], w[1], n, level_tolerance);
    assert_near("adam, first moment", m[0], m[1], n, level_tolerance);
    assert_near("adam, second moment", v[0], v[1], n, level_tolerance);
}

static void levels_agree(void **state) {
    (void)state;
    const tg_kernels *portable = tg_kernels_at(TG_CPU_PORTABLE);
    for (int level = 0; level < TG_CPU_LEVELS; level++) {
        if (!tg_cpu_has((tg_cpu_level)level))
            continue;
        const tg_kernels *kernels = tg_kernels_at((tg_cpu_level)level);
        for (int i = 0; i < SIZES; i++) {
            check_unary(kernels, portable, sizes[i]);
            check_pairs(kernels, portable, sizes[i]);
            check_gate(kernels, portable, sizes[i]);
            check_sums(kernels, sizes[i]);
            check_norm(kernels, portable, sizes[i]);
            check_adam(kernels, portable, sizes[i]);
        }
    }
}

static void random_words_are_those_of_core(void **state) {
    (void)state;
    tg_rng rng = tg_rng_make(77, "clip", "purpose");
    const uint64_t first = 0xfffffff0u; /* the counter carries into its second word */
    for (int level = 0; level < TG_CPU_LEVELS; level++)
        if (tg_cpu_has((tg_cpu_level)level))
            for (int64_t blocks = 0; blocks < 200; blocks += 33) {
                uint32_t word[4 * 200 + 1];
                word[4 * blocks] = 0xabcdef;
                tg_kernels_at((tg_cpu_level)level)->random_words(&rng, first, word, blocks);
                assert_int_equal(word[4 * blocks], 0xabcdef);
                for (int64_t i = 0; i < 4 * blocks; i++)
                    assert_int_equal(word[i], tg_rng_u32(&rng, 4 * first + (uint64_t)i));
            }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(functions_are_accurate),
        cmocka_unit_test(functions_at_the_ends),
        cmocka_unit_test(levels_agree),
        cmocka_unit_test(random_words_are_those_of_core),
    };
    return cmocka_run_group_tests(tests, fill_inputs, NULL);
}
