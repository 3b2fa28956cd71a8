/* Body of the matrix product in 16-bit integers, compiled once per CPU level as gemm_body.h is. The
 * including file defines TG_LANES (32-bit lanes of a vector), TG_MR (6 or 12 rows of a tile),
 * TG_DOT(sum, a, b) on vectors of its vi (to each 32-bit lane of sum the two products of the 16-bit
 * halves of a and b), TG_PLAIN (table in float of the level) and TG_GEMM.
 *
 * Block floating point: the part of a row of A or of a column of B that a panel holds has one
 * scale, by which its 2-norm becomes FULL; products are then summed exactly in 32 bits. By Cauchy
 * and Schwarz no sum passes FULL^2 < 2^31, so nothing overflows whatever the numbers are. Against
 * the norm of what it comes from an element is off by at most 1 / (2 FULL) = 1.6e-5; where the 256
 * numbers of a panel are of one size, as in a network, that is 2e-4 of an element in the mean
 * (bfloat16: 1.7e-3, float16: 2e-4 and less range). */
#include "tensor/gemm_kernels.h"
#include "tensor/gemm_transpose.h"

#include <math.h>
#include <string.h>

enum { L = TG_LANES, MR = TG_MR, NR = 2 * TG_LANES, FULL = 32700 };
_Static_assert(MR *NR <= (int)TG_GEMM_MOST_TILE && NR <= (int)TG_GEMM_MOST_WIDTH,
               "buffers of gemm.c");

typedef float vf __attribute__((vector_size(4 * TG_LANES)));
typedef int32_t vi __attribute__((vector_size(4 * TG_LANES)));
/* Pairs lie in memory that gemm.c knows as floats. */
typedef int32_t pair __attribute__((may_alias));

static inline vf load(const float *p) {
    vf v;
    memcpy(&v, p, sizeof v);
    return v;
}

static inline void store(float *p, vf v) {
    memcpy(p, &v, sizeof v);
}

static inline vi load_pairs(const pair *p) {
    vi v;
    memcpy(&v, p, sizeof v);
    return v;
}

/* A panel of `width` lanes and kc numbers each lies in the room of as many floats: pairs of numbers
 * [pairs][width], then what an integer of each lane is worth, float [width]. Numbers are paired
 * over the distance of a vector, L of each 2 L, and filled up with zeros to whole vectors. */
static inline int64_t pairs_of(int64_t kc) {
    return (kc + 2 * L - 1) / (2 * L) * L;
}

#if TG_MR == 6
#define ROWS(DO) DO(0) DO(1) DO(2) DO(3) DO(4) DO(5)
#elif TG_MR == 12
#define ROWS(DO) DO(0) DO(1) DO(2) DO(3) DO(4) DO(5) DO(6) DO(7) DO(8) DO(9) DO(10) DO(11)
#else
#error "TG_MR is 6 or 12"
#endif

static void tile(int64_t kc, const float *panel_a, const float *panel_b, const float *start,
                 int64_t start_ld, float *c, int64_t ldc) {
    const pair *a = (const pair *)panel_a, *b = (const pair *)panel_b;
#define ZERO(i) vi l##i = {0}, r##i = {0};
    ROWS(ZERO)
#define FETCH(i)                                                                                   \
    __builtin_prefetch(c + i * ldc, 1);                                                            \
    __builtin_prefetch(c + i * ldc + NR - 1, 1);
    ROWS(FETCH)
    const int64_t pairs = pairs_of(kc);
    for (int64_t p = 0; p < pairs; p++) {
        const vi left = load_pairs(b), right = load_pairs(b + L);
#define STEP(i)                                                                                    \
    {                                                                                              \
        const vi x = (vi){0} + a[i];                                                               \
        l##i = TG_DOT(l##i, x, left);                                                              \
        r##i = TG_DOT(r##i, x, right);                                                             \
    }
        ROWS(STEP)
        a += MR;
        b += NR;
    }
    const float *worth_a = (const float *)a;
    const vf left = load((const float *)b), right = load((const float *)b + L);
#define STORE(i)                                                                                   \
    store(c + i * ldc, __builtin_convertvector(l##i, vf) * (left * worth_a[i]));                   \
    store(c + i * ldc + L, __builtin_convertvector(r##i, vf) * (right * worth_a[i]));
#define ADD(i)                                                                                     \
    store(c + i * ldc,                                                                             \
          load(start + i * start_ld) + __builtin_convertvector(l##i, vf) * (left * worth_a[i]));   \
    store(c + i * ldc + L, load(start + i * start_ld + L) +                                        \
                               __builtin_convertvector(r##i, vf) * (right * worth_a[i]));
    if (start) {
        ROWS(ADD)
    } else {
        ROWS(STORE)
    }
}

/* A row of kc <= TG_GEMM_DEPTH floats `step` apart as pairs of integers; returns what one is worth.
 * NaN and infinities make that NaN or infinite. */
static inline float quantize(const float *x, int64_t step, int64_t kc, float scale, float *pairs) {
    float row[TG_GEMM_DEPTH + 2 * TG_LANES];
    const int64_t whole = 2 * pairs_of(kc);
    if (step != 1 || whole != kc) {
        for (int64_t p = 0; p < whole; p++)
            row[p] = p < kc ? x[p * step] : 0;
        x = row;
    }
    vf even = {0}, odd = {0};
    for (int64_t p = 0; p < whole; p += 2 * L) {
        even += load(x + p) * load(x + p);
        odd += load(x + p + L) * load(x + p + L);
    }
    even += odd;
    float sum = 0;
    for (int i = 0; i < L; i++)
        sum += even[i];
    const float norm = sqrtf(sum);
    const float factor = norm > 0 ? FULL / norm : 0;
    /* What is added moves the integer, rounded to even, into the low bits of the float. */
    const float rounder = 12582912.0f;
    for (int64_t p = 0; p < whole; p += 2 * L) {
        const vi low = (vi)(load(x + p) * factor + rounder);
        const vi high = (vi)(load(x + p + L) * factor + rounder);
        const vi both = (low & 0xffff) | (high << 16);
        memcpy(pairs + p / 2, &both, sizeof both);
    }
    return norm / FULL * scale;
}

static inline void pack(const float *x, int64_t ld, bool across, int64_t lanes, int64_t kc,
                        float scale, int width, float *panel) {
    enum { ROOM = TG_GEMM_DEPTH / 2 + TG_LANES };
    float group[4][ROOM] __attribute__((aligned(64)));
    const int64_t pairs = pairs_of(kc);
    float *worth = panel + pairs * width;
    int64_t lane = 0;
    for (; lane + 4 <= lanes; lane += 4) {
        for (int i = 0; i < 4; i++) {
            const float *row = x + (across ? lane + i : (lane + i) * ld);
            worth[lane + i] = quantize(row, across ? ld : 1, kc, scale, group[i]);
        }
        tg_transpose_lanes(group[0], ROOM, pairs, width, panel + lane);
    }
    for (; lane < width; lane++) {
        worth[lane] = 0;
        if (lane < lanes) {
            const float *row = x + (across ? lane : lane * ld);
            worth[lane] = quantize(row, across ? ld : 1, kc, scale, group[0]);
        }
        for (int64_t p = 0; p < pairs; p++)
            panel[p * width + lane] = lane < lanes ? group[0][p] : 0;
    }
}

static void pack_a(const float *x, int64_t ld, bool across, int64_t lanes, int64_t kc, float scale,
                   float *panel) {
    pack(x, ld, across, lanes, kc, scale, MR, panel);
}

static void pack_b(const float *x, int64_t ld, bool across, int64_t lanes, int64_t kc,
                   float *panel) {
    pack(x, ld, across, lanes, kc, 1, NR, panel);
}

const tg_gemm_kernels TG_GEMM = {.mr = MR,
                                 .nr = NR,
                                 .depth = TG_GEMM_DEPTH,
                                 .tile = tile,
                                 .pack_a = pack_a,
                                 .pack_b = pack_b,
                                 .plain = &TG_PLAIN};
