/* Kernels of the matrix product, neon table: tiles of 12 x 8, since 64-bit ARM has 32 registers and
 * its wide cores need more than the 12 sums of a portable tile in flight. Factors come four to a
 * load and stay in their vectors, whose elements multiply a vector as fast. */
#include <arm_neon.h>
#define TG_LANES 4
#define TG_MR    12
#define TG_DEPTH 256
#define TG_FACTORS                                                                                 \
    const float32x4_t a0 = vld1q_f32(a), a4 = vld1q_f32(a + 4), a8 = vld1q_f32(a + 8);
#define TG_ADD(sum, i, x)                                                                          \
    ((sum) = vfmaq_laneq_f32(sum, x, (i) < 4 ? a0 : (i) < 8 ? a4 : a8, (i) % 4))
#define TG_GEMM tg_gemm_neon
#include "tensor/gemm_body.h"
