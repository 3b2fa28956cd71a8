/* Vector operations of tile_simd.h with AVX-512: 16 lanes. */
#ifndef TALKGEN_RENDER_SIMD_AVX512_H
#define TALKGEN_RENDER_SIMD_AVX512_H

#include <immintrin.h>
#include <stdint.h>

enum { VL = 16, BLOCK_OUTPUTS = 8 /* x 2 vectors = 16 of 32 registers */ };
typedef __m512 vf;
typedef __m512i vi;
typedef __mmask16 vm;

static inline vf v_load(const float *p) {
    return _mm512_loadu_ps(p);
}
static inline void v_store(float *p, vf a) {
    _mm512_storeu_ps(p, a);
}
static inline vf v_set(float x) {
    return _mm512_set1_ps(x);
}
static inline vf v_add(vf a, vf b) {
    return _mm512_add_ps(a, b);
}
static inline vf v_sub(vf a, vf b) {
    return _mm512_sub_ps(a, b);
}
static inline vf v_mul(vf a, vf b) {
    return _mm512_mul_ps(a, b);
}
static inline vf v_div(vf a, vf b) {
    return _mm512_div_ps(a, b);
}
/* a * b + c */
static inline vf v_fma(vf a, vf b, vf c) {
    return _mm512_fmadd_ps(a, b, c);
}
/* either operand NaN: b */
static inline vf v_max(vf a, vf b) {
    return _mm512_max_ps(a, b);
}
static inline vf v_min(vf a, vf b) {
    return _mm512_min_ps(a, b);
}
static inline vf v_floor(vf a) {
    return _mm512_roundscale_ps(a, _MM_FROUND_TO_NEG_INF | _MM_FROUND_NO_EXC);
}
static inline vf v_round(vf a) {
    return _mm512_roundscale_ps(a, _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC);
}
static inline vf v_abs(vf a) {
    return _mm512_abs_ps(a);
}
static inline vf v_with_sign(vf magnitude, vf sign) {
    const __m512i bit = _mm512_set1_epi32(INT32_MIN);
    return _mm512_castsi512_ps(_mm512_ternarylogic_epi32(bit, _mm512_castps_si512(sign),
                                                         _mm512_castps_si512(magnitude), 0xca));
}
static inline vm v_less(vf a, vf b) {
    return _mm512_cmp_ps_mask(a, b, _CMP_LT_OQ);
}
static inline vm v_equal(vf a, vf b) {
    return _mm512_cmp_ps_mask(a, b, _CMP_EQ_OQ);
}
static inline vm m_and(vm a, vm b) {
    return a & b;
}
static inline vf v_select(vm mask, vf yes, vf no) {
    return _mm512_mask_blend_ps(mask, no, yes);
}
/* a * 2^n, n integral */
static inline vf v_scale2(vf a, vf n) {
    return _mm512_scalef_ps(a, n);
}
static inline vi v_to_int(vf a) {
    return _mm512_cvttps_epi32(a);
}
static inline vi i_set(uint32_t x) {
    return _mm512_set1_epi32((int)x);
}
static inline vi i_add(vi a, vi b) {
    return _mm512_add_epi32(a, b);
}
static inline vi i_mul(vi a, vi b) {
    return _mm512_mullo_epi32(a, b);
}
static inline vi i_and(vi a, vi b) {
    return _mm512_and_si512(a, b);
}
static inline vi i_xor(vi a, vi b) {
    return _mm512_xor_si512(a, b);
}
static inline void i_store(uint32_t *p, vi a) {
    _mm512_storeu_si512(p, a);
}

static inline vf four_quads(const float *a, const float *b, const float *c, const float *d) {
    vf z = _mm512_castps128_ps512(_mm_loadu_ps(a));
    z = _mm512_mask_broadcast_f32x4(z, 0x00f0, _mm_loadu_ps(b));
    z = _mm512_mask_broadcast_f32x4(z, 0x0f00, _mm_loadu_ps(c));
    return _mm512_mask_broadcast_f32x4(z, 0xf000, _mm_loadu_ps(d));
}

/* out[k] = table[2 * rows[lane] + k], k = 0..3 */
static inline void v_load_quads(const float *table, const uint32_t *rows, vf out[4]) {
    vf z[4];
    for (int j = 0; j < 4; j++) {
        z[j] = four_quads(table + 2 * (size_t)rows[j], table + 2 * (size_t)rows[4 + j],
                          table + 2 * (size_t)rows[8 + j], table + 2 * (size_t)rows[12 + j]);
    }
    const __m512d t0 = _mm512_castps_pd(_mm512_unpacklo_ps(z[0], z[1]));
    const __m512d t1 = _mm512_castps_pd(_mm512_unpackhi_ps(z[0], z[1]));
    const __m512d t2 = _mm512_castps_pd(_mm512_unpacklo_ps(z[2], z[3]));
    const __m512d t3 = _mm512_castps_pd(_mm512_unpackhi_ps(z[2], z[3]));
    out[0] = _mm512_castpd_ps(_mm512_unpacklo_pd(t0, t2));
    out[1] = _mm512_castpd_ps(_mm512_unpackhi_pd(t0, t2));
    out[2] = _mm512_castpd_ps(_mm512_unpacklo_pd(t1, t3));
    out[3] = _mm512_castpd_ps(_mm512_unpackhi_pd(t1, t3));
}

/* two integers of 16 bits -> floats of 65536 times their value */
static inline void two_floats(__m512i rows, vf out[2]) {
    out[0] = _mm512_cvtepi32_ps(_mm512_slli_epi32(rows, 16));
    out[1] = _mm512_cvtepi32_ps(_mm512_and_si512(rows, _mm512_set1_epi32((int)0xffff0000u)));
}

/* out[k] = 65536 table[2 * rows[lane] + k], k = 0..3. Two rows of integers are what a gather takes
 * in one piece; that is 1.6 times as fast as pieces put together, and as rows of floats. */
static inline void v_load_quads16(const int16_t *table, vi rows, vf out[4]) {
    const __m512i low = _mm512_i32gather_epi64(_mm512_castsi512_si256(rows), table, 4);
    const __m512i high = _mm512_i32gather_epi64(_mm512_extracti64x4_epi64(rows, 1), table, 4);
    const __m512i even =
        _mm512_setr_epi32(0, 2, 4, 6, 8, 10, 12, 14, 16, 18, 20, 22, 24, 26, 28, 30);
    const __m512i odd = _mm512_add_epi32(even, _mm512_set1_epi32(1));
    two_floats(_mm512_permutex2var_epi32(low, even, high), out);
    two_floats(_mm512_permutex2var_epi32(low, odd, high), out + 2);
}

/* out[k] = 65536 table[2 * rows[lane] + k], k = 0..1 */
static inline void v_load_pairs16(const int16_t *table, vi rows, vf out[2]) {
    two_floats(_mm512_i32gather_epi32(rows, table, 4), out);
}

static void tile_compress(const float *in, int rows, uint32_t mask, float *out, int out_stride,
                          int at) {
    const __mmask16 low = (__mmask16)mask, high = (__mmask16)(mask >> 16);
    const int first = __builtin_popcount(low);
    for (int row = 0; row < rows; row++, in += 32, out += out_stride) {
        /* compressing into memory directly is microcoded on Zen; through a register it is not */
        _mm512_storeu_ps(out + at, _mm512_maskz_compress_ps(low, _mm512_loadu_ps(in)));
        _mm512_storeu_ps(out + at + first,
                         _mm512_maskz_compress_ps(high, _mm512_loadu_ps(in + 16)));
    }
}

#endif
