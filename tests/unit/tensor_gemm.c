/* The matrix product at every CPU level that this machine has: against sums in double, with odd
 * sizes, unaligned pointers and guard values; what is not read, what is passed on, and that no bit
 * depends on how the work was cut. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "tensor/gemm_product.h"

#include <math.h>
#include <string.h>

/* The sixteen-lane kernels translated for any processor: their logic is tested where AVX-512 is
 * missing. */
#pragma GCC diagnostic ignored "-Wpsabi"
#define TG_LANES 16
#define TG_MR    12
#define TG_DEPTH 192
#define TG_GEMM  sixteen_lanes
#include "tensor/gemm_body.h"

static const tg_gemm_kernels *tables[TG_CPU_LEVELS + 1], *int16_tables[TG_CPU_LEVELS + 1];
static int table_count, int16_count;

static int find_tables(void **state) {
    (void)state;
    for (int level = 0; level < TG_CPU_LEVELS; level++)
        if (tg_cpu_has((tg_cpu_level)level))
            tables[table_count++] = tg_gemm_at((tg_cpu_level)level);
    tables[table_count++] = &sixteen_lanes;
    for (int level = 0; level < TG_CPU_LEVELS; level++)
        if (tg_cpu_has((tg_cpu_level)level))
            int16_tables[int16_count++] = tg_gemm_int16_at((tg_cpu_level)level);
    return 0;
}

enum { GUARD = 16 };
static const float guard_value = -12345.5f;

/* A matrix at an address that no vector likes, guards around it and between its rows. */
typedef struct {
    float *block, *at;
    int64_t rows, cols, ld;
} matrix;

static matrix make(int64_t rows, int64_t cols, int64_t ld, uint64_t seed) {
    const size_t n = (size_t)(rows * ld) + 2 * GUARD + 1;
    matrix m = {tg_alloc(n * sizeof(float)), NULL, rows, cols, ld};
    assert_non_null(m.block);
    for (size_t i = 0; i < n; i++)
        m.block[i] = guard_value;
    m.at = m.block + GUARD + 1;
    tg_rng rng = tg_rng_make(seed, "", "gemm");
    for (int64_t i = 0; i < rows; i++)
        tg_rng_fill_normal(&rng, (uint64_t)i << 20, m.at + i * ld, (size_t)cols);
    return m;
}

static void assert_guards(const matrix *m) {
    for (int i = 0; i <= GUARD; i++)
        assert_true(m->block[i] == guard_value);
    for (int64_t i = 0; i < m->rows; i++)
        for (int64_t j = m->cols; j < m->ld; j++)
            assert_true(m->at[i * m->ld + j] == guard_value);
    for (int i = 0; i < GUARD; i++)
        assert_true(m->at[m->rows * m->ld + i] == guard_value);
}

typedef enum { PLAIN, ADD, ROW_BIAS, COL_BIAS, BOTH_BIASES, STARTS } start_kind;

/* Products of halves are bounded by the norms of whole rows and columns, others element by element.
 */
typedef enum { USUAL, HALVES } way;

static void multiply(const tg_gemm_kernels *g, way way, bool ta, bool tb, int64_t m, int64_t n,
                     int64_t k, float alpha, const matrix *a, const matrix *b, start_kind start,
                     const float *row_bias, const float *col_bias, matrix *c) {
    if (start != ROW_BIAS && start != BOTH_BIASES)
        row_bias = NULL;
    if (start != COL_BIAS && start != BOTH_BIASES)
        col_bias = NULL;
    if (way == HALVES)
        assert_true(tg_gemm_strassen(NULL, &(tg_gemm_product){.g = g,
                                                              .trans_a = ta,
                                                              .trans_b = tb,
                                                              .add = start == ADD,
                                                              .m = m,
                                                              .n = n,
                                                              .k = k,
                                                              .alpha = alpha,
                                                              .a = a->at,
                                                              .b = b->at,
                                                              .row_bias = row_bias,
                                                              .col_bias = col_bias,
                                                              .lda = a->ld,
                                                              .ldb = b->ld,
                                                              .ldc = c->ld,
                                                              .c = c->at}));
    else if (start == ADD)
        tg_gemm_block(g, ta, tb, m, n, k, a->at, a->ld, b->at, b->ld, true, c->at, c->ld);
    else
        tg_gemm_bias(g, NULL, ta, tb, m, n, k, a->at, a->ld, b->at, b->ld, row_bias, col_bias,
                     c->at, c->ld);
}

static void check(const tg_gemm_kernels *g, way way, bool ta, bool tb, int64_t m, int64_t n,
                  int64_t k, float alpha, start_kind start) {
    matrix a = make(ta ? k : m, ta ? m : k, (ta ? m : k) + 3, 1);
    matrix b = make(tb ? n : k, tb ? k : n, (tb ? k : n) + 5, 2);
    matrix c = make(m, n, n + 2, 3), before = make(m, n, n + 2, 3);
    matrix bias = make(2, m > n ? m : n, m > n ? m : n, 4);
    const float *row_bias = bias.at, *col_bias = bias.at + bias.ld;
    if (start != ADD)
        for (int64_t i = 0; i < m; i++)
            for (int64_t j = 0; j < n; j++)
                c.at[i * c.ld + j] = NAN; /* must not be read */
    multiply(g, way, ta, tb, m, n, k, alpha, &a, &b, start, row_bias, col_bias, &c);
    for (int64_t i = 0; i < m; i++)
        for (int64_t j = 0; j < n; j++) {
            double want = start == ADD ? (double)before.at[i * c.ld + j] : 0;
            if (start == ROW_BIAS || start == BOTH_BIASES)
                want += (double)row_bias[i];
            if (start == COL_BIAS || start == BOTH_BIASES)
                want += (double)col_bias[j];
            double size = way == HALVES ? 0 : fabs(want), row = 0, column = 0;
            for (int64_t p = 0; p < k; p++) {
                const double x = (double)alpha * (double)a.at[ta ? p * a.ld + i : i * a.ld + p];
                const double y = (double)b.at[tb ? j * b.ld + p : p * b.ld + j];
                want += x * y;
                size += way == HALVES ? 0 : fabs(x * y);
                row += x * x;
                column += y * y;
            }
            size += 1 + (way == HALVES ? sqrt(row * column) : 0);
            /* A run of 256 sums at most, then one addition for each run, each at 2^-24 of the
             * partial sums; errors add up like a random walk. */
            if (!(fabs((double)c.at[i * c.ld + j] - want) <= 4e-7 * size))
                fail_msg("%d x %d tiles%s, %lld x %lld x %lld, transposed %d %d, start %d: element "
                         "%lld,%lld is %.9g, not %.9g",
                         g->mr, g->nr, way == HALVES ? " of halves" : "", (long long)m,
                         (long long)n, (long long)k, ta, tb, start, (long long)i, (long long)j,
                         (double)c.at[i * c.ld + j], want);
        }
    assert_guards(&a), assert_guards(&b), assert_guards(&c);
    tg_free(a.block), tg_free(b.block), tg_free(c.block), tg_free(before.block);
    tg_free(bias.block);
}

static void odd_sizes(void **state) {
    (void)state;
    static const int64_t sizes[] = {1, 2, 5, 6, 7, 12, 13, 15, 16, 17, 31, 32, 33, 50};
    enum { SIZES = sizeof sizes / sizeof *sizes };
    for (int t = 0; t < table_count; t++)
        for (int i = 0; i < SIZES; i++)
            for (int j = 0; j < SIZES; j++)
                check(tables[t], USUAL, (i + j) & 1, (i + j) & 2, sizes[i], sizes[j],
                      sizes[(i * 5 + j * 3) % SIZES], 1, (start_kind)((i + 2 * j) % STARTS));
}

/* Across the edges of every block: runs of the inner dimension, rows, columns, shared panels. */
static void block_edges(void **state) {
    (void)state;
    static const int64_t sizes[][3] = {
        {97, 257, 193}, {95, 255, 257}, {193, 300, 511},
        {600, 65, 385}, {20, 600, 513}, {7, 9, 2305},
    };
    for (int t = 0; t < table_count; t++)
        for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++)
            for (int form = 0; form < 4; form++)
                check(tables[t], USUAL, form & 1, form & 2, sizes[i][0], sizes[i][1], sizes[i][2],
                      1, (start_kind)((i + (size_t)form) % STARTS));
}

static void nothing_to_sum(void **state) {
    (void)state;
    for (int t = 0; t < table_count; t++)
        for (int start = 0; start < STARTS; start++)
            check(tables[t], USUAL, false, false, 3, 5, 0, 1, (start_kind)start);
    matrix c = make(4, 4, 4, 1), copy = make(4, 4, 4, 1);
    tg_gemm_block(tables[0], false, false, 0, 4, 4, NULL, 4, NULL, 4, false, c.at, 4);
    tg_gemm_block(tables[0], false, false, 4, 0, 4, NULL, 4, NULL, 4, false, c.at, 4);
    assert_memory_equal(c.at, copy.at, 16 * sizeof(float));
    /* alpha 0 reads no factor, beta 0 no sum */
    for (int i = 0; i < 16; i++)
        c.at[i] = NAN;
    tg_sgemm(NULL, false, false, 4, 4, 1 << 20, 0, NULL, 1, NULL, 1, 0, c.at, 4);
    for (int i = 0; i < 16; i++)
        assert_true(c.at[i] == 0);
    tg_free(c.block), tg_free(copy.block);
}

/* NaN and infinity reach the row and column they belong to, and no other. */
static void special_values_are_passed_on(void **state) {
    (void)state;
    enum { M = 23, N = 37, K = 300 };
    for (int t = 0; t < table_count; t++) {
        matrix a = make(M, K, K, 1), b = make(N, K, K, 2), c = make(M, N, N, 3);
        a.at[22 * K + 299] = NAN;
        b.at[36 * K + 7] = INFINITY;
        tg_gemm_block(tables[t], false, true, M, N, K, a.at, K, b.at, K, false, c.at, N);
        for (int i = 0; i < M; i++)
            for (int j = 0; j < N; j++) {
                const float v = c.at[i * N + j];
                assert_true(i == 22 ? isnan(v) : j == 36 ? isinf(v) : isfinite(v));
            }
        tg_free(a.block), tg_free(b.block), tg_free(c.block);
    }
}

/* Rows that overlap are the windows of a signal: a convolution without a copy. */
static void overlapping_rows(void **state) {
    (void)state;
    enum { ROWS = 400, STEP = 5, TAPS = 10, OUT = 33 };
    matrix x = make(1, ROWS * STEP + TAPS, ROWS * STEP + TAPS, 1), w = make(OUT, TAPS, TAPS, 2);
    matrix c = make(ROWS, OUT, OUT, 3);
    for (int t = 0; t < table_count; t++) {
        tg_gemm_bias(tables[t], NULL, false, true, ROWS, OUT, TAPS, x.at, STEP, w.at, TAPS, NULL,
                     NULL, c.at, OUT);
        for (int i = 0; i < ROWS; i++)
            for (int j = 0; j < OUT; j++) {
                double want = 0;
                for (int p = 0; p < TAPS; p++)
                    want += (double)x.at[i * STEP + p] * (double)w.at[j * TAPS + p];
                assert_true(fabs((double)c.at[i * OUT + j] - want) < 2e-5);
            }
    }
    tg_free(x.block), tg_free(w.block), tg_free(c.block);
}

/* Any number of threads gives the same bits; so does any part of the product alone, unless it is
 * made of products of halves. */
static void same_bits(const tg_gemm_kernels *g, int64_t m, int64_t n, int64_t k, bool part_too) {
    matrix a = make(m, k, k, 1), b = make(n, k, k, 2), one = make(m, n, n, 3);
    tg_gemm_bias(g, NULL, false, true, m, n, k, a.at, k, b.at, k, NULL, b.at, one.at, n);
    for (int threads = 1; threads <= 5; threads++) {
        tg_pool *pool = tg_pool_create(threads);
        matrix c = make(m, n, n, 4);
        tg_gemm_bias(g, pool, false, true, m, n, k, a.at, k, b.at, k, NULL, b.at, c.at, n);
        assert_memory_equal(c.at, one.at, (size_t)(m * n) * sizeof(float));
        tg_free(c.block);
        tg_pool_destroy(&pool);
    }
    matrix part = make(11, 29, 29, 5);
    const int64_t i = 77, j = n - 30;
    tg_gemm_bias(g, NULL, false, true, 11, 29, k, a.at + i * k, k, b.at + j * k, k, NULL, b.at + j,
                 part.at, 29);
    for (int r = 0; r < 11 && part_too; r++)
        assert_memory_equal(part.at + r * 29, one.at + (i + r) * n + j, 29 * sizeof(float));
    tg_free(a.block), tg_free(b.block), tg_free(one.block), tg_free(part.block);
}

static void the_cut_changes_nothing(void **state) {
    (void)state;
    for (int t = 0; t < table_count; t++) {
        if (tables[t] == &sixteen_lanes)
            continue; /* slow without its instructions, and nothing new */
        /* shared panels in two depths and two heights */
        same_bits(tables[t], 613, 255, 2100, true);
        /* two passes over rows and three over the inner dimension */
        same_bits(tables[t], 900, 405, 2100, false);
    }
}

/* What is lacking to whole tiles or to an even number counts as zeros. */
static void products_of_halves(void **state) {
    (void)state;
    static const int64_t sizes[][3] = {
        {1, 1, 1},    {2, 33, 2},     {13, 5, 7},      {23, 17, 385},
        {49, 65, 97}, {130, 131, 50}, {98, 200, 1025},
    };
    for (int t = 0; t < table_count; t++)
        for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++)
            for (int form = 0; form < 4; form++)
                check(tables[t], HALVES, form & 1, form & 2, sizes[i][0], sizes[i][1], sizes[i][2],
                      form == 2 ? -0.5f : 1, (start_kind)((i + (size_t)form) % STARTS));
}

/* ---- factors of 16 bits ---------------------------------------------------------------- */

/* The error of an element in the norms of what a run multiplies: rounding moves each of 256 factors
 * by at most 1 / 65400 of the norm, some two thirds of it in the mean and in random directions:
 * 1.3e-5 of the product of the norms is usual, 1e-4 does not happen. */
static void check_int16(const tg_gemm_kernels *g, bool ta, bool tb, int64_t m, int64_t n, int64_t k,
                        start_kind start) {
    matrix a = make(ta ? k : m, ta ? m : k, (ta ? m : k) + 3, 1);
    matrix b = make(tb ? n : k, tb ? k : n, (tb ? k : n) + 5, 2);
    matrix c = make(m, n, n + 2, 3);
    matrix bias = make(2, m > n ? m : n, m > n ? m : n, 4);
    /* One row and one column of another size than the rest. */
    for (int64_t p = 0; p < k; p++) {
        a.at[ta ? p * a.ld + 3 : 3 * a.ld + p] *= 1e12f;
        b.at[tb ? 5 * b.ld + p : p * b.ld + 5] *= 1e-12f;
    }
    multiply(g, USUAL, ta, tb, m, n, k, 1, &a, &b, start, bias.at, bias.at + bias.ld, &c);
    double error = 0, usual = 0;
    for (int64_t i = 0; i < m; i++)
        for (int64_t j = 0; j < n; j++) {
            double want = 0, size = 0, offset = 0;
            if (start == ROW_BIAS || start == BOTH_BIASES)
                offset += (double)bias.at[i];
            if (start == COL_BIAS || start == BOTH_BIASES)
                offset += (double)bias.at[bias.ld + j];
            for (int64_t k0 = 0; k0 < k; k0 += g->depth) {
                double row = 0, column = 0;
                for (int64_t p = k0; p < tg_least(k, k0 + g->depth); p++) {
                    const double x = (double)a.at[ta ? p * a.ld + i : i * a.ld + p];
                    const double y = (double)b.at[tb ? j * b.ld + p : p * b.ld + j];
                    want += x * y;
                    row += x * x;
                    column += y * y;
                }
                size += row * column;
            }
            size = sqrt(size);
            const double off = fabs((double)c.at[i * c.ld + j] - want - offset);
            if (i != 3 && j != 5) { /* where a bias is not all there is */
                error += off / size * (off / size);
                usual += 1;
            }
            if (!(off <= 1e-4 * size + 1e-6 * (fabs(want) + fabs(offset))))
                fail_msg("%lld x %lld x %lld, transposed %d %d: element %lld,%lld is off by %g of "
                         "%g",
                         (long long)m, (long long)n, (long long)k, ta, tb, (long long)i,
                         (long long)j, off, size);
        }
    error = sqrt(error / usual);
    /* Below that it would be another table's work. */
    if (!(error > 3e-6 && error < 2e-5))
        fail_msg("%lld x %lld x %lld: off by %g of the norms in the mean", (long long)m,
                 (long long)n, (long long)k, error);
    assert_guards(&a), assert_guards(&b), assert_guards(&c);
    tg_free(a.block), tg_free(b.block), tg_free(c.block), tg_free(bias.block);
}

static void int16_sizes(void **state) {
    (void)state;
    static const int64_t sizes[][3] = {{97, 257, 256}, {13, 1300, 320}, {611, 65, 449},
                                       {50, 331, 511}, {25, 630, 256},  {613, 127, 1024}};
    for (int t = 0; t < int16_count; t++)
        for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++)
            for (int form = 0; form < 4; form++)
                check_int16(int16_tables[t], form & 1, form & 2, sizes[i][0], sizes[i][1],
                            sizes[i][2],
                            (start_kind[]){PLAIN, ROW_BIAS, COL_BIAS, BOTH_BIASES}[form]);
}

/* The largest sums that can come: all factors alike, and one alone. */
static void int16_extremes(void **state) {
    (void)state;
    enum { M = 48, N = 350, K = 256 };
    for (int t = 0; t < int16_count; t++)
        for (int kind = 0; kind < 4; kind++) {
            matrix a = make(M, K, K, 1), b = make(N, K, K, 2), c = make(M, N, N, 3);
            const float x = kind & 2 ? -3e16f : 7e-16f;
            for (int64_t i = 0; i < M * K; i++)
                a.at[i] = kind & 1 && i % K != 77 ? 0 : x;
            for (int64_t i = 0; i < N * K; i++)
                b.at[i] = kind & 1 && i % K != 77 ? 0 : -x;
            tg_gemm_bias(int16_tables[t], NULL, false, true, M, N, K, a.at, K, b.at, K, NULL, NULL,
                         c.at, N);
            const double want = -(double)x * (double)x * (kind & 1 ? 1 : K);
            for (int64_t i = 0; i < M * N; i++)
                assert_true(fabs((double)c.at[i] / want - 1) < 3e-4);
            tg_free(a.block), tg_free(b.block), tg_free(c.block);
        }
}

static void int16_special_values(void **state) {
    (void)state;
    enum { M = 23, N = 370, K = 512 };
    for (int t = 0; t < int16_count; t++) {
        matrix a = make(M, K, K, 1), b = make(N, K, K, 2), c = make(M, N, N, 3);
        a.at[22 * K + 299] = NAN;
        b.at[36 * K + 7] = INFINITY;
        memset(a.at + 7 * K, 0, K * sizeof *a.at);
        tg_gemm_bias(int16_tables[t], NULL, false, true, M, N, K, a.at, K, b.at, K, NULL, NULL,
                     c.at, N);
        for (int i = 0; i < M; i++)
            for (int j = 0; j < N; j++) {
                const float v = c.at[i * N + j];
                if (i == 22 || j == 36)
                    assert_false(isfinite(v));
                else
                    assert_true(isfinite(v) && (i != 7 || v == 0));
            }
        tg_free(a.block), tg_free(b.block), tg_free(c.block);
    }
}

/* What is too small, or whose last run is too short, is computed in float32: the same bits. */
static void int16_leaves_the_small_alone(void **state) {
    (void)state;
    static const int64_t sizes[][3] = {{5, 7, 64}, {10, 100, 256}, {97, 300, 257}, {40, 9000, 12}};
    for (int t = 0; t < int16_count; t++)
        for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
            const int64_t m = sizes[i][0], n = sizes[i][1], k = sizes[i][2];
            matrix a = make(m, k, k, 1), b = make(n, k, k, 2), c = make(m, n, n, 3);
            matrix plain = make(m, n, n, 4);
            tg_gemm_bias(int16_tables[t], NULL, false, true, m, n, k, a.at, k, b.at, k, NULL, NULL,
                         c.at, n);
            tg_gemm_bias(int16_tables[t]->plain, NULL, false, true, m, n, k, a.at, k, b.at, k, NULL,
                         NULL, plain.at, n);
            assert_memory_equal(c.at, plain.at, (size_t)(m * n) * sizeof(float));
            tg_free(a.block), tg_free(b.block), tg_free(c.block), tg_free(plain.block);
        }
}

static void int16_cut_changes_nothing(void **state) {
    (void)state;
    for (int t = 0; t < int16_count; t++)
        same_bits(int16_tables[t], 613, 255, 1024, false);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(odd_sizes),
        cmocka_unit_test(block_edges),
        cmocka_unit_test(nothing_to_sum),
        cmocka_unit_test(special_values_are_passed_on),
        cmocka_unit_test(overlapping_rows),
        cmocka_unit_test(the_cut_changes_nothing),
        cmocka_unit_test(products_of_halves),
        cmocka_unit_test(int16_sizes),
        cmocka_unit_test(int16_extremes),
        cmocka_unit_test(int16_special_values),
        cmocka_unit_test(int16_leaves_the_small_alone),
        cmocka_unit_test(int16_cut_changes_nothing),
    };
    return cmocka_run_group_tests_name("tensor_gemm", tests, find_tables, NULL);
}
