#include <arm_neon.h>
#include <stddef.h>

#define LANES     4
#define BLOCK_OUT 4
#define BLOCK_VEC 4
#define TABLE     tg_nerf_kernels_neon

#define splat(x)     ((vf)vdupq_n_f32(x))
#define floor_vec(v) ((vf)vrndmq_f32((float32x4_t)(v)))
#define sqrt_vec(v)  ((vf)vsqrtq_f32((float32x4_t)(v)))
#define gather_pairs(table, row, a, b)                                                             \
    gather_pairs_128(table, (uint32x4_t)(row), (float32x4_t *)(a), (float32x4_t *)(b))

static inline void gather_pairs_128(const float *table, uint32x4_t row, float32x4_t *a,
                                    float32x4_t *b) {
    const float32x4_t low = vcombine_f32(vld1_f32(table + 2 * (size_t)vgetq_lane_u32(row, 0)),
                                         vld1_f32(table + 2 * (size_t)vgetq_lane_u32(row, 1)));
    const float32x4_t high = vcombine_f32(vld1_f32(table + 2 * (size_t)vgetq_lane_u32(row, 2)),
                                          vld1_f32(table + 2 * (size_t)vgetq_lane_u32(row, 3)));
    *a = vuzp1q_f32(low, high);
    *b = vuzp2q_f32(low, high);
}

static inline void transpose_block(const float *x, int ldx, float *y, int ldy) {
    const float32x4x2_t a = vzipq_f32(vld1q_f32(x), vld1q_f32(x + 2 * ldx));
    const float32x4x2_t b = vzipq_f32(vld1q_f32(x + ldx), vld1q_f32(x + 3 * ldx));
    const float32x4x2_t low = vzipq_f32(a.val[0], b.val[0]), high = vzipq_f32(a.val[1], b.val[1]);
    vst1q_f32(y, low.val[0]);
    vst1q_f32(y + ldy, low.val[1]);
    vst1q_f32(y + 2 * ldy, high.val[0]);
    vst1q_f32(y + 3 * ldy, high.val[1]);
}

#include "train/nerf_kernels_simd.h"
