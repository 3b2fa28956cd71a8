/* Peaks of the dot products of narrow numbers: pairs of bf16 or int16, fours of int8. */
#include "bench/ceilings.h"

#include <immintrin.h>

#define DECLARE_F(i) __m512 a##i = _mm512_set1_ps(1.0f + i);
#define STEP_F(i)                                                                                  \
    a##i = _mm512_dpbf16_ps(a##i, x, y);                                                           \
    __asm__ volatile("" : "+v"(a##i));
#define STEP_W(i)                                                                                  \
    a##i = _mm512_dpwssd_epi32(a##i, x, y);                                                        \
    __asm__ volatile("" : "+v"(a##i));
#define DECLARE_I(i) __m512i a##i = _mm512_set1_epi32(i);
#define STEP_I(i)                                                                                  \
    a##i = _mm512_dpbusd_epi32(a##i, x, y);                                                        \
    __asm__ volatile("" : "+v"(a##i));

double tg_bench_bf16_avx512bf16(int64_t rounds) {
    const __m512bh x = (__m512bh)_mm512_set1_epi32(0x38003800), y = x; /* 2^-15 each */
    CHAINS(DECLARE_F)
    for (int64_t k = 0; k < rounds; k++) {
        CHAINS(STEP_F)
    }
    return 2.0 * 32 * CHAIN_COUNT * (double)rounds;
}

bool tg_bench_has_vnni(void) {
    __builtin_cpu_init();
    return __builtin_cpu_supports("avx512vnni") && __builtin_cpu_supports("avx512f");
}

__attribute__((target("avx512vnni"))) double tg_bench_int16_avx512vnni(int64_t rounds) {
    const __m512i x = _mm512_set1_epi32(0x00010002), y = x;
    CHAINS(DECLARE_I)
    for (int64_t k = 0; k < rounds; k++) {
        CHAINS(STEP_W)
    }
    return 2.0 * 32 * CHAIN_COUNT * (double)rounds;
}

__attribute__((target("avx512vnni"))) double tg_bench_int8_avx512vnni(int64_t rounds) {
    const __m512i x = _mm512_set1_epi32(0x01020304), y = x;
    CHAINS(DECLARE_I)
    for (int64_t k = 0; k < rounds; k++) {
        CHAINS(STEP_I)
    }
    return 2.0 * 64 * CHAIN_COUNT * (double)rounds;
}
