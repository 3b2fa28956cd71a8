#include <immintrin.h>

#define LANES     8
#define BLOCK_OUT 4
#define BLOCK_VEC 2
#define TABLE     tg_nerf_kernels_avx2

#define splat(x)     ((vf)_mm256_set1_ps(x))
#define floor_vec(v) ((vf)_mm256_floor_ps((__m256)(v)))
#define sqrt_vec(v)  ((vf)_mm256_sqrt_ps((__m256)(v)))
#define gather_pairs(table, row, a, b)                                                             \
    gather_pairs_256(table, (__m256i)(row), (__m256 *)(a), (__m256 *)(b))

static inline void gather_pairs_256(const float *table, __m256i row, __m256 *a, __m256 *b) {
    const double *pairs = (const double *)table;
    __m256 low = _mm256_castpd_ps(_mm256_i32gather_pd(pairs, _mm256_castsi256_si128(row), 8));
    __m256 high = _mm256_castpd_ps(_mm256_i32gather_pd(pairs, _mm256_extracti128_si256(row, 1), 8));
    /* lanes 0 1 | 4 5 and 2 3 | 6 7, so that the in-lane shuffle leaves them in order */
    __m256 p = _mm256_permute2f128_ps(low, high, 0x20);
    __m256 q = _mm256_permute2f128_ps(low, high, 0x31);
    *a = _mm256_shuffle_ps(p, q, 0x88);
    *b = _mm256_shuffle_ps(p, q, 0xdd);
}

static inline void transpose_block(const float *x, int ldx, float *y, int ldy) {
    __m256 a[8], b[8];
    for (int i = 0; i < 8; i++)
        a[i] = _mm256_loadu_ps(x + i * ldx);
    for (int i = 0; i < 8; i += 2) {
        b[i] = _mm256_unpacklo_ps(a[i], a[i + 1]);
        b[i + 1] = _mm256_unpackhi_ps(a[i], a[i + 1]);
    }
    for (int i = 0; i < 8; i += 4)
        for (int k = 0; k < 2; k++) {
            a[i + 2 * k] = _mm256_shuffle_ps(b[i + k], b[i + 2 + k], 0x44);
            a[i + 2 * k + 1] = _mm256_shuffle_ps(b[i + k], b[i + 2 + k], 0xee);
        }
    for (int k = 0; k < 4; k++) {
        _mm256_storeu_ps(y + k * ldy, _mm256_permute2f128_ps(a[k], a[4 + k], 0x20));
        _mm256_storeu_ps(y + (k + 4) * ldy, _mm256_permute2f128_ps(a[k], a[4 + k], 0x31));
    }
}

#include "train/nerf_kernels_simd.h"
