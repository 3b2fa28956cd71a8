#include <immintrin.h>

#define LANES     16
#define BLOCK_OUT 8
#define BLOCK_VEC 2
#define TABLE     tg_nerf_kernels_avx512

#define splat(x)     ((vf)_mm512_set1_ps(x))
#define floor_vec(v) ((vf)_mm512_floor_ps((__m512)(v)))
#define sqrt_vec(v)  ((vf)_mm512_sqrt_ps((__m512)(v)))
#define gather_pairs(table, row, a, b)                                                             \
    gather_pairs_512(table, (__m512i)(row), (__m512 *)(a), (__m512 *)(b))

static inline void gather_pairs_512(const float *table, __m512i row, __m512 *a, __m512 *b) {
    const __m512i even =
        _mm512_set_epi32(30, 28, 26, 24, 22, 20, 18, 16, 14, 12, 10, 8, 6, 4, 2, 0);
    const __m512i odd = _mm512_set_epi32(31, 29, 27, 25, 23, 21, 19, 17, 15, 13, 11, 9, 7, 5, 3, 1);
    __m512 low = _mm512_castpd_ps(_mm512_i32gather_pd(_mm512_castsi512_si256(row), table, 8));
    __m512 high =
        _mm512_castpd_ps(_mm512_i32gather_pd(_mm512_extracti64x4_epi64(row, 1), table, 8));
    *a = _mm512_permutex2var_ps(low, even, high);
    *b = _mm512_permutex2var_ps(low, odd, high);
}

/* 16 x 16 in four rounds: pairs of rows, pairs of pairs, then 128-bit lanes twice. */
static inline void transpose_block(const float *x, int ldx, float *y, int ldy) {
    __m512 a[16], b[16];
    for (int i = 0; i < 16; i++)
        a[i] = _mm512_loadu_ps(x + i * ldx);
    for (int i = 0; i < 16; i += 2) {
        b[i] = _mm512_unpacklo_ps(a[i], a[i + 1]);
        b[i + 1] = _mm512_unpackhi_ps(a[i], a[i + 1]);
    }
    for (int i = 0; i < 16; i += 4)
        for (int k = 0; k < 2; k++) {
            __m512d p = _mm512_castps_pd(b[i + k]), q = _mm512_castps_pd(b[i + 2 + k]);
            a[i + 2 * k] = _mm512_castpd_ps(_mm512_unpacklo_pd(p, q));
            a[i + 2 * k + 1] = _mm512_castpd_ps(_mm512_unpackhi_pd(p, q));
        }
    for (int k = 0; k < 4; k++) {
        b[k] = _mm512_shuffle_f32x4(a[k], a[4 + k], 0x88);
        b[4 + k] = _mm512_shuffle_f32x4(a[k], a[4 + k], 0xdd);
        b[8 + k] = _mm512_shuffle_f32x4(a[8 + k], a[12 + k], 0x88);
        b[12 + k] = _mm512_shuffle_f32x4(a[8 + k], a[12 + k], 0xdd);
    }
    for (int k = 0; k < 4; k++) {
        _mm512_storeu_ps(y + (k + 0) * ldy, _mm512_shuffle_f32x4(b[k], b[8 + k], 0x88));
        _mm512_storeu_ps(y + (k + 8) * ldy, _mm512_shuffle_f32x4(b[k], b[8 + k], 0xdd));
        _mm512_storeu_ps(y + (k + 4) * ldy, _mm512_shuffle_f32x4(b[4 + k], b[12 + k], 0x88));
        _mm512_storeu_ps(y + (k + 12) * ldy, _mm512_shuffle_f32x4(b[4 + k], b[12 + k], 0xdd));
    }
}

#include "train/nerf_kernels_simd.h"
