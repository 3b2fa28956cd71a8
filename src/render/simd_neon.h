/* Vector operations of tile_simd.h with NEON: 4 lanes, 32 registers. */
#ifndef TALKGEN_RENDER_SIMD_NEON_H
#define TALKGEN_RENDER_SIMD_NEON_H

#include <arm_neon.h>
#include <stddef.h>
#include <stdint.h>

enum { VL = 4, BLOCK_OUTPUTS = 8 /* x 2 vectors = 16 of 32 registers */ };
typedef float32x4_t vf;
typedef uint32x4_t vi;
typedef uint32x4_t vm;

static inline vf v_load(const float *p) {
    return vld1q_f32(p);
}
static inline void v_store(float *p, vf a) {
    vst1q_f32(p, a);
}
static inline vf v_set(float x) {
    return vdupq_n_f32(x);
}
static inline vf v_add(vf a, vf b) {
    return vaddq_f32(a, b);
}
static inline vf v_sub(vf a, vf b) {
    return vsubq_f32(a, b);
}
static inline vf v_mul(vf a, vf b) {
    return vmulq_f32(a, b);
}
static inline vf v_div(vf a, vf b) {
    return vdivq_f32(a, b);
}
/* a * b + c */
static inline vf v_fma(vf a, vf b, vf c) {
    return vfmaq_f32(c, a, b);
}
/* either operand NaN: b, which ARM's own maximum and minimum do not promise */
static inline vf v_max(vf a, vf b) {
    return vbslq_f32(vcgtq_f32(a, b), a, b);
}
static inline vf v_min(vf a, vf b) {
    return vbslq_f32(vcltq_f32(a, b), a, b);
}
static inline vf v_floor(vf a) {
    return vrndmq_f32(a);
}
static inline vf v_round(vf a) {
    return vrndnq_f32(a);
}
static inline vf v_abs(vf a) {
    return vabsq_f32(a);
}
static inline vf v_with_sign(vf magnitude, vf sign) {
    return vbslq_f32(vdupq_n_u32(0x80000000u), sign, magnitude);
}
static inline vm v_less(vf a, vf b) {
    return vcltq_f32(a, b);
}
static inline vm v_equal(vf a, vf b) {
    return vceqq_f32(a, b);
}
static inline vm m_and(vm a, vm b) {
    return vandq_u32(a, b);
}
static inline vf v_select(vm mask, vf yes, vf no) {
    return vbslq_f32(mask, yes, no);
}
static inline vf power_of_two(int32x4_t n) {
    return vreinterpretq_f32_s32(vshlq_n_s32(vaddq_s32(n, vdupq_n_s32(127)), 23));
}
/* a * 2^n, n integral, |n| <= 200; in two steps, so that neither factor overflows */
static inline vf v_scale2(vf a, vf n) {
    const int32x4_t whole = vcvtq_s32_f32(n), half = vshrq_n_s32(whole, 1);
    return vmulq_f32(vmulq_f32(a, power_of_two(half)), power_of_two(vsubq_s32(whole, half)));
}
static inline vi v_to_int(vf a) {
    return vreinterpretq_u32_s32(vcvtq_s32_f32(a));
}
static inline vi i_set(uint32_t x) {
    return vdupq_n_u32(x);
}
static inline vi i_add(vi a, vi b) {
    return vaddq_u32(a, b);
}
static inline vi i_mul(vi a, vi b) {
    return vmulq_u32(a, b);
}
static inline vi i_and(vi a, vi b) {
    return vandq_u32(a, b);
}
static inline vi i_xor(vi a, vi b) {
    return veorq_u32(a, b);
}
static inline void i_store(uint32_t *p, vi a) {
    vst1q_u32(p, a);
}

/* out[k] = table[2 * rows[lane] + k], k = 0..3 */
static inline void v_load_quads(const float *table, const uint32_t *rows, vf out[4]) {
    const vf r0 = vld1q_f32(table + 2 * (size_t)rows[0]),
             r1 = vld1q_f32(table + 2 * (size_t)rows[1]);
    const vf r2 = vld1q_f32(table + 2 * (size_t)rows[2]),
             r3 = vld1q_f32(table + 2 * (size_t)rows[3]);
    const float32x4x2_t even = vuzpq_f32(r0, r1), odd = vuzpq_f32(r2, r3);
    out[0] = vuzp1q_f32(even.val[0], odd.val[0]);
    out[1] = vuzp1q_f32(even.val[1], odd.val[1]);
    out[2] = vuzp2q_f32(even.val[0], odd.val[0]);
    out[3] = vuzp2q_f32(even.val[1], odd.val[1]);
}

#endif
