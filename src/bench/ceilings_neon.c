/* Multiply-add peak of 64-bit ARM. Its widest cores begin four vectors a cycle and need four cycles
 * for each, so twice CHAINS. */
#include "bench/ceilings.h"

#include <arm_neon.h>

#define DECLARE(i) float32x4_t a##i = vdupq_n_f32(1.0f + i), b##i = vdupq_n_f32(2.0f + i);
#define STEP(i)                                                                                    \
    a##i = vfmaq_f32(a##i, x, y);                                                                  \
    b##i = vfmaq_f32(b##i, x, y);                                                                  \
    __asm__ volatile("" : "+w"(a##i), "+w"(b##i));

double tg_bench_fma_neon(int64_t rounds) {
    const float32x4_t x = vdupq_n_f32(0.999f), y = vdupq_n_f32(0.001f);
    CHAINS(DECLARE)
    for (int64_t k = 0; k < rounds; k++) {
        CHAINS(STEP)
    }
    return 2.0 * 4 * 2 * CHAIN_COUNT * (double)rounds;
}
