/* Vector operations of tile_simd.h with AVX2 and FMA: 8 lanes. */
#ifndef TALKGEN_RENDER_SIMD_AVX2_H
#define TALKGEN_RENDER_SIMD_AVX2_H

#include <immintrin.h>
#include <stdint.h>

enum { VL = 8, BLOCK_OUTPUTS = 4 /* x 2 vectors = 8 of 16 registers */ };
typedef __m256 vf;
typedef __m256i vi;
typedef __m256 vm;

static inline vf v_load(const float *p) {
    return _mm256_loadu_ps(p);
}
static inline void v_store(float *p, vf a) {
    _mm256_storeu_ps(p, a);
}
static inline vf v_set(float x) {
    return _mm256_set1_ps(x);
}
static inline vf v_add(vf a, vf b) {
    return _mm256_add_ps(a, b);
}
static inline vf v_sub(vf a, vf b) {
    return _mm256_sub_ps(a, b);
}
static inline vf v_mul(vf a, vf b) {
    return _mm256_mul_ps(a, b);
}
static inline vf v_div(vf a, vf b) {
    return _mm256_div_ps(a, b);
}
/* a * b + c */
static inline vf v_fma(vf a, vf b, vf c) {
    return _mm256_fmadd_ps(a, b, c);
}
/* either operand NaN: b */
static inline vf v_max(vf a, vf b) {
    return _mm256_max_ps(a, b);
}
static inline vf v_min(vf a, vf b) {
    return _mm256_min_ps(a, b);
}
static inline vf v_floor(vf a) {
    return _mm256_floor_ps(a);
}
static inline vf v_round(vf a) {
    return _mm256_round_ps(a, _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC);
}
static inline vf v_abs(vf a) {
    return _mm256_andnot_ps(_mm256_set1_ps(-0.0f), a);
}
static inline vf v_with_sign(vf magnitude, vf sign) {
    return _mm256_or_ps(v_abs(magnitude), _mm256_and_ps(_mm256_set1_ps(-0.0f), sign));
}
static inline vm v_less(vf a, vf b) {
    return _mm256_cmp_ps(a, b, _CMP_LT_OQ);
}
static inline vm v_equal(vf a, vf b) {
    return _mm256_cmp_ps(a, b, _CMP_EQ_OQ);
}
static inline vm m_and(vm a, vm b) {
    return _mm256_and_ps(a, b);
}
static inline vf v_select(vm mask, vf yes, vf no) {
    return _mm256_blendv_ps(no, yes, mask);
}
static inline vf power_of_two(__m256i n) {
    return _mm256_castsi256_ps(_mm256_slli_epi32(_mm256_add_epi32(n, _mm256_set1_epi32(127)), 23));
}
/* a * 2^n, n integral, |n| <= 200; in two steps, so that neither factor overflows */
static inline vf v_scale2(vf a, vf n) {
    const __m256i whole = _mm256_cvtps_epi32(n), half = _mm256_srai_epi32(whole, 1);
    return _mm256_mul_ps(_mm256_mul_ps(a, power_of_two(half)),
                         power_of_two(_mm256_sub_epi32(whole, half)));
}
static inline vi v_to_int(vf a) {
    return _mm256_cvttps_epi32(a);
}
static inline vi i_set(uint32_t x) {
    return _mm256_set1_epi32((int)x);
}
static inline vi i_add(vi a, vi b) {
    return _mm256_add_epi32(a, b);
}
static inline vi i_mul(vi a, vi b) {
    return _mm256_mullo_epi32(a, b);
}
static inline vi i_and(vi a, vi b) {
    return _mm256_and_si256(a, b);
}
static inline vi i_xor(vi a, vi b) {
    return _mm256_xor_si256(a, b);
}
static inline void i_store(uint32_t *p, vi a) {
    _mm256_storeu_si256((__m256i *)(void *)p, a);
}

/* out[k] = table[2 * rows[lane] + k], k = 0..3 */
static inline void v_load_quads(const float *table, const uint32_t *rows, vf out[4]) {
    vf z[4];
    for (int j = 0; j < 4; j++) {
        z[j] =
            _mm256_insertf128_ps(_mm256_castps128_ps256(_mm_loadu_ps(table + 2 * (size_t)rows[j])),
                                 _mm_loadu_ps(table + 2 * (size_t)rows[4 + j]), 1);
    }
    const __m256d t0 = _mm256_castps_pd(_mm256_unpacklo_ps(z[0], z[1]));
    const __m256d t1 = _mm256_castps_pd(_mm256_unpackhi_ps(z[0], z[1]));
    const __m256d t2 = _mm256_castps_pd(_mm256_unpacklo_ps(z[2], z[3]));
    const __m256d t3 = _mm256_castps_pd(_mm256_unpackhi_ps(z[2], z[3]));
    out[0] = _mm256_castpd_ps(_mm256_unpacklo_pd(t0, t2));
    out[1] = _mm256_castpd_ps(_mm256_unpackhi_pd(t0, t2));
    out[2] = _mm256_castpd_ps(_mm256_unpacklo_pd(t1, t3));
    out[3] = _mm256_castpd_ps(_mm256_unpackhi_pd(t1, t3));
}

#endif
