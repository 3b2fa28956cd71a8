/* Multiply-add peak with AVX-512. */
#include "bench/ceilings.h"

#include <immintrin.h>

#define DECLARE(i) __m512 a##i = _mm512_set1_ps(1.0f + i);
#define STEP(i)                                                                                    \
    a##i = _mm512_fmadd_ps(a##i, x, y);                                                            \
    __asm__ volatile("" : "+v"(a##i));

double tg_bench_fma_avx512(int64_t rounds) {
    const __m512 x = _mm512_set1_ps(0.999f), y = _mm512_set1_ps(0.001f);
    CHAINS(DECLARE)
    for (int64_t k = 0; k < rounds; k++) {
        CHAINS(STEP)
    }
    return 2.0 * 16 * CHAIN_COUNT * (double)rounds;
}
