/* Inner kernels of the matrix product, one table per CPU level. gemm_body.h is compiled once per
 * level with other flags and another vector width; the portable table is the oracle of the others.
 *
 * A panel holds `width` lanes of one operand for a run of the inner dimension: element (lane, p) is
 * at panel[p * width + lane]. Panels of A have mr lanes (rows of C), panels of B nr (columns). */
#ifndef TALKGEN_TENSOR_GEMM_KERNELS_H
#define TALKGEN_TENSOR_GEMM_KERNELS_H

#include "talkgen/core.h"

enum {
    TG_GEMM_DEPTH = 256,     /* most of the inner dimension in a panel */
    TG_GEMM_MOST_WIDTH = 32, /* of a panel */
    TG_GEMM_MOST_TILE = 16 * 32,
    TG_GEMM_SMALL_DEPTH = 1024 /* most of the inner dimension of `small` */
};

typedef struct tg_gemm_kernels tg_gemm_kernels;
struct tg_gemm_kernels {
    int mr, nr;
    /* The inner dimension is summed in runs of this many products, each of them from 0; a run is
     * then added to C. Elements of C depend on nothing else. */
    int depth;
    /* c [mr,nr] = start + a b over kc products; start [mr,nr] may be c, has rows start_ld apart (0:
     * one row for all), NULL = zeros. a, b: panels, aligned to 64 bytes. */
    void (*tile)(int64_t kc, const float *a, const float *b, const float *start, int64_t start_ld,
                 float *c, int64_t ldc);
    /* c [mr,nr] += a b, other [mr,nr] += sign a b (NULL: only c); the sign is 1 or -1. */
    void (*tile_into_two)(int64_t kc, const float *a, const float *b, float *c, float *other,
                          float sign);
    /* The first m rows and n columns of a tile to c: c = tile + start + row_bias, where start is
     * NULL or has rows start_ld apart (0: one for all, c: adds) and row_bias [m] is NULL or added
     * to all of a row. */
    void (*write)(int64_t m, int64_t n, const float *tile, const float *start, int64_t start_ld,
                  const float *row_bias, float *c, int64_t ldc);
    /* sum [n] = x + sign y; sum may be x or y. */
    void (*add_panels)(int64_t n, const float *x, float sign, const float *y, float *sum);
    /* Panel of `lanes` <= mr or nr lanes, zeros in the others; source element (lane, p) is at
     * x[lane * ld + p], or with `across` at x[p * ld + lane]. Values are multiplied by scale. */
    void (*pack_a)(const float *x, int64_t ld, bool across, int64_t lanes, int64_t kc, float scale,
                   float *panel);
    void (*pack_b)(const float *x, int64_t ld, bool across, int64_t lanes, int64_t kc,
                   float *panel);
    /* out [n] = row b, sums in double: products too small to be worth packing. Columns of b are
     * contiguous (across: element (p, j) at b[p * ld + j]) or rows of its transpose are. */
    void (*small)(int64_t n, int64_t k, const double *row, const float *b, int64_t ld, bool across,
                  double *out);
    /* NULL, or the table that takes what is too small for this one: then a panel is not floats but
     * what this table's own functions make of the room, and tile_into_two, write, add_panels and
     * small are missing. */
    const tg_gemm_kernels *plain;
};

extern const tg_gemm_kernels tg_gemm_portable, tg_gemm_neon, tg_gemm_avx2, tg_gemm_avx512;
const tg_gemm_kernels *tg_gemm_at(tg_cpu_level level);

/* The same with factors rounded to 16 bits (gemm_int16_body.h), at twice the rate where the
 * processor has AVX512-VNNI. */
extern const tg_gemm_kernels tg_gemm_int16_portable, tg_gemm_int16_neon, tg_gemm_int16_avx2,
    tg_gemm_int16_avx512, tg_gemm_int16_avx512vnni;
const tg_gemm_kernels *tg_gemm_int16_at(tg_cpu_level level);

#endif
