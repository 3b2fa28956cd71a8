/* Body of the matrix product's kernels in the vector extension that gcc and clang share. The
 * including file defines TG_LANES (floats per vector), TG_MR (rows of a tile: 6 or 12; twice as
 * many vectors as rows must fit the register file with three to spare), TG_DEPTH and TG_GEMM (name
 * of the table); and, if it knows better than the compiler, TG_FACTORS (before the products of a
 * step) and TG_ADD(sum, i, x), sum += a[i] x. */
#include "tensor/gemm_kernels.h"
#include "tensor/gemm_transpose.h"

#include <string.h>

enum { L = TG_LANES, MR = TG_MR, NR = 2 * TG_LANES };
_Static_assert(TG_DEPTH <= TG_GEMM_DEPTH && MR * NR <= (int)TG_GEMM_MOST_TILE &&
                   NR <= (int)TG_GEMM_MOST_WIDTH,
               "buffers of gemm.c");

typedef float vf __attribute__((vector_size(4 * TG_LANES)));

static inline vf load(const float *p) {
    vf v;
    memcpy(&v, p, sizeof v);
    return v;
}

static inline void store(float *p, vf v) {
    memcpy(p, &v, sizeof v);
}

/* Accumulators are variables of their own: arrays would leave it to the compiler whether they are
 * kept in registers. */
#if TG_MR == 6
#define ROWS(DO) DO(0) DO(1) DO(2) DO(3) DO(4) DO(5)
#elif TG_MR == 12
#define ROWS(DO) DO(0) DO(1) DO(2) DO(3) DO(4) DO(5) DO(6) DO(7) DO(8) DO(9) DO(10) DO(11)
#else
#error "TG_MR is 6 or 12"
#endif

#ifndef TG_FACTORS
#define TG_FACTORS
#define TG_ADD(sum, i, x) ((sum) += a[i] * (x))
#endif

static void tile(int64_t kc, const float *a, const float *b, const float *start, int64_t start_ld,
                 float *c, int64_t ldc) {
#define ZERO(i) vf l##i = {0}, r##i = {0};
    ROWS(ZERO)
#define FETCH(i)                                                                                   \
    __builtin_prefetch(c + i * ldc, 1);                                                            \
    __builtin_prefetch(c + i * ldc + NR - 1, 1);
    ROWS(FETCH)
    for (int64_t p = 0; p < kc; p++) {
        vf left = load(b), right = load(b + L);
        TG_FACTORS
#define STEP(i)                                                                                    \
    TG_ADD(l##i, i, left);                                                                         \
    TG_ADD(r##i, i, right);
        ROWS(STEP)
        a += MR;
        b += NR;
    }
#define STORE(i)                                                                                   \
    store(c + i * ldc, l##i);                                                                      \
    store(c + i * ldc + L, r##i);
#define ADD(i)                                                                                     \
    store(c + i * ldc, load(start + i * start_ld) + l##i);                                         \
    store(c + i * ldc + L, load(start + i * start_ld + L) + r##i);
    if (start) {
        ROWS(ADD)
    } else {
        ROWS(STORE)
    }
}

static void tile_into_two(int64_t kc, const float *a, const float *b, float *c, float *other,
                          float sign) {
    ROWS(ZERO)
    for (int i = 0; i < MR * NR; i += 16) {
        __builtin_prefetch(c + i, 1);
        if (other)
            __builtin_prefetch(other + i, 1);
    }
    for (int64_t p = 0; p < kc; p++) {
        vf left = load(b), right = load(b + L);
        TG_FACTORS
        ROWS(STEP)
        a += MR;
        b += NR;
    }
#define ADD_TO(i)                                                                                  \
    store(c + i * NR, load(c + i * NR) + l##i);                                                    \
    store(c + i * NR + L, load(c + i * NR + L) + r##i);
    ROWS(ADD_TO)
#define ADD_OTHER(i)                                                                               \
    store(other + i * NR, load(other + i * NR) + sign * l##i);                                     \
    store(other + i * NR + L, load(other + i * NR + L) + sign * r##i);
    if (other) {
        ROWS(ADD_OTHER)
    }
}

static void write_tile(int64_t m, int64_t n, const float *x, const float *start, int64_t start_ld,
                       const float *row_bias, float *c, int64_t ldc) {
    for (int64_t i = 0; i < m; i++) {
        const float bias = row_bias ? row_bias[i] : 0;
        if (n == NR) {
            vf left = load(x + i * NR) + bias, right = load(x + i * NR + L) + bias;
            if (start) {
                left += load(start + i * start_ld);
                right += load(start + i * start_ld + L);
            }
            store(c + i * ldc, left);
            store(c + i * ldc + L, right);
        } else {
            for (int64_t j = 0; j < n; j++)
                c[i * ldc + j] = x[i * NR + j] + bias + (start ? start[i * start_ld + j] : 0);
        }
    }
}

static void add_panels(int64_t n, const float *x, float sign, const float *y, float *sum) {
    int64_t i = 0;
    for (; i + L <= n; i += L)
        store(sum + i, load(x + i) + sign * load(y + i));
    for (; i < n; i++)
        sum[i] = x[i] + sign * y[i];
}

static inline void pack(const float *x, int64_t ld, bool across, int64_t lanes, int64_t kc,
                        int width, float *panel) {
    if (across) {
        if (lanes == width)
            for (int64_t p = 0; p < kc; p++)
                memcpy(panel + p * width, x + p * ld, (size_t)width * sizeof *panel);
        else
            for (int64_t p = 0; p < kc; p++)
                for (int i = 0; i < width; i++)
                    panel[p * width + i] = i < lanes ? x[p * ld + i] : 0;
        return;
    }
    int64_t lane = 0;
    for (; lane + 4 <= lanes; lane += 4)
        tg_transpose_lanes(x + lane * ld, ld, kc, width, panel + lane);
    for (; lane + 2 <= lanes; lane += 2)
        for (int64_t p = 0; p < kc; p++) {
            panel[p * width + lane] = x[lane * ld + p];
            panel[p * width + lane + 1] = x[(lane + 1) * ld + p];
        }
    for (; lane < width; lane++)
        for (int64_t p = 0; p < kc; p++)
            panel[p * width + lane] = lane < lanes ? x[lane * ld + p] : 0;
}

static void pack_a(const float *x, int64_t ld, bool across, int64_t lanes, int64_t kc, float scale,
                   float *panel) {
    pack(x, ld, across, lanes, kc, MR, panel);
    if (scale != 1)
        for (int64_t i = 0; i < kc * MR; i++)
            panel[i] *= scale;
}

static void pack_b(const float *x, int64_t ld, bool across, int64_t lanes, int64_t kc,
                   float *panel) {
    pack(x, ld, across, lanes, kc, NR, panel);
}

static void small(int64_t n, int64_t k, const double *restrict row, const float *restrict b,
                  int64_t ld, bool across, double *restrict out) {
    if (across) {
        for (int64_t j = 0; j < n; j++)
            out[j] = 0;
        for (int64_t p = 0; p < k; p++)
            for (int64_t j = 0; j < n; j++)
                out[j] += row[p] * (double)b[p * ld + j];
        return;
    }
    for (int64_t j = 0; j < n; j++) {
        const float *column = b + j * ld;
        double part[8] = {0};
        int64_t p = 0;
        for (; p + 8 <= k; p += 8)
            for (int i = 0; i < 8; i++)
                part[i] += row[p + i] * (double)column[p + i];
        for (; p < k; p++)
            part[0] += row[p] * (double)column[p];
        out[j] = ((part[0] + part[4]) + (part[1] + part[5])) +
                 ((part[2] + part[6]) + (part[3] + part[7]));
    }
}

const tg_gemm_kernels TG_GEMM = {.mr = MR,
                                 .nr = NR,
                                 .depth = TG_DEPTH,
                                 .tile = tile,
                                 .tile_into_two = tile_into_two,
                                 .write = write_tile,
                                 .add_panels = add_panels,
                                 .pack_a = pack_a,
                                 .pack_b = pack_b,
                                 .small = small};
