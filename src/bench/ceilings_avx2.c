/* Multiply-add peak with AVX2 and FMA. */
#include "bench/ceilings.h"

#include <immintrin.h>

#define DECLARE(i) __m256 a##i = _mm256_set1_ps(1.0f + i);
#define STEP(i)                                                                                    \
    a##i = _mm256_fmadd_ps(a##i, x, y);                                                            \
    __asm__ volatile("" : "+x"(a##i));

double tg_bench_fma_avx2(int64_t rounds) {
    const __m256 x = _mm256_set1_ps(0.999f), y = _mm256_set1_ps(0.001f);
    CHAINS(DECLARE)
    for (int64_t k = 0; k < rounds; k++) {
        CHAINS(STEP)
    }
    return 2.0 * 8 * CHAIN_COUNT * (double)rounds;
}
