/* Body of the matrix product's kernels in the vector extension that gcc and clang share. The
 * including file defines TG_LANES (floats per vector), TG_MR (rows of a tile: 6 or 12; twice as
 * many vectors as rows must fit the register file with three to spare), TG_DEPTH and TG_GEMM (name
 * of the table). */
#include "tensor/gemm_kernels.h"

#include <string.h>

enum { L = TG_LANES, MR = TG_MR, NR = 2 * TG_LANES };
_Static_assert(TG_DEPTH <= TG_GEMM_DEPTH && MR * NR <= (int)TG_GEMM_MOST_TILE &&
                   NR <= (int)TG_GEMM_MOST_WIDTH,
               "buffers of gemm.c");

typedef float vf __attribute__((vector_size(4 * TG_LANES)));
typedef float v4 __attribute__((vector_size(16)));

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
#define STEP(i)                                                                                    \
    l##i += a[i] * left;                                                                           \
    r##i += a[i] * right;
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

static void tile_into(int64_t kc, const float *a, const float *b, int count, float *const *c,
                      const float *sign) {
    ROWS(ZERO)
    for (int d = 0; d < count; d++)
        for (int i = 0; i < MR * NR; i += 16)
            __builtin_prefetch(c[d] + i, 1);
    for (int64_t p = 0; p < kc; p++) {
        vf left = load(b), right = load(b + L);
        ROWS(STEP)
        a += MR;
        b += NR;
    }
#define ADD_TO(i)                                                                                  \
    store(to + i * NR, load(to + i * NR) + s * l##i);                                              \
    store(to + i * NR + L, load(to + i * NR + L) + s * r##i);
    for (int d = 0; d < count; d++) {
        float *to = c[d];
        const float s = sign[d];
        ROWS(ADD_TO)
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

/* Every factor in one pass, so that quarters are read once. */
static void factors(int64_t n, float *const *x, float sign, float *const *y, bool of_b,
                    float *const *f) {
    const float *x0 = x[0], *x1 = x[1], *x2 = x[2], *x3 = x[3];
    const float *y0 = y ? y[0] : x0, *y1 = y ? y[1] : x1, *y2 = y ? y[2] : x2, *y3 = y ? y[3] : x3;
    float *sum03 = f[0], *sum23 = f[of_b ? 6 : 1], *sum01 = f[of_b ? 5 : 4];
    float *from2 = f[of_b ? 3 : 5], *from1 = f[of_b ? 2 : 6];
    float *only0 = f[of_b ? 1 : 2], *only3 = f[of_b ? 4 : 3];
    int64_t i = 0;
    for (; i + L <= n; i += L) {
        vf q0 = load(x0 + i), q1 = load(x1 + i), q2 = load(x2 + i), q3 = load(x3 + i);
        if (y) {
            q0 += sign * load(y0 + i);
            q1 += sign * load(y1 + i);
            q2 += sign * load(y2 + i);
            q3 += sign * load(y3 + i);
            store(only0 + i, q0);
            store(only3 + i, q3);
        }
        store(sum03 + i, q0 + q3);
        store(sum23 + i, q2 + q3);
        store(sum01 + i, q0 + q1);
        store(from2 + i, q2 - q0);
        store(from1 + i, q1 - q3);
    }
    for (; i < n; i++) {
        float q0 = x0[i], q1 = x1[i], q2 = x2[i], q3 = x3[i];
        if (y) {
            q0 += sign * y0[i];
            q1 += sign * y1[i];
            q2 += sign * y2[i];
            q3 += sign * y3[i];
            only0[i] = q0;
            only3[i] = q3;
        }
        sum03[i] = q0 + q3;
        sum23[i] = q2 + q3;
        sum01[i] = q0 + q1;
        from2[i] = q2 - q0;
        from1[i] = q1 - q3;
    }
}

/* x[lane * ld + p] of four lanes -> panel[p * width + lane], 4 x 4 elements at a time. */
static inline void transpose_lanes(const float *x, int64_t ld, int64_t kc, int width,
                                   float *panel) {
    int64_t p = 0;
    for (; p + 4 <= kc; p += 4) {
        v4 r[4];
        for (int i = 0; i < 4; i++)
            memcpy(&r[i], x + i * ld + p, sizeof r[i]);
        v4 a = __builtin_shufflevector(r[0], r[1], 0, 4, 1, 5);
        v4 b = __builtin_shufflevector(r[2], r[3], 0, 4, 1, 5);
        v4 c = __builtin_shufflevector(r[0], r[1], 2, 6, 3, 7);
        v4 d = __builtin_shufflevector(r[2], r[3], 2, 6, 3, 7);
        r[0] = __builtin_shufflevector(a, b, 0, 1, 4, 5);
        r[1] = __builtin_shufflevector(a, b, 2, 3, 6, 7);
        r[2] = __builtin_shufflevector(c, d, 0, 1, 4, 5);
        r[3] = __builtin_shufflevector(c, d, 2, 3, 6, 7);
        for (int i = 0; i < 4; i++)
            memcpy(panel + (p + i) * width, &r[i], sizeof r[i]);
    }
    for (; p < kc; p++)
        for (int i = 0; i < 4; i++)
            panel[p * width + i] = x[i * ld + p];
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
        transpose_lanes(x + lane * ld, ld, kc, width, panel + lane);
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
                                 .tile_into = tile_into,
                                 .write = write_tile,
                                 .factors = factors,
                                 .pack_a = pack_a,
                                 .pack_b = pack_b,
                                 .small = small};
