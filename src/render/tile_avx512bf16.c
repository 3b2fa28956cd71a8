/* The renderer's kernels for AVX-512 with BF16: dense layers multiply pairs of bf16 and add in
 * float32; everything else is float32. */
#include "simd_avx512.h"
#define TILE_INT16_TABLES
#include "tile_pairs.h"
#include "tile_simd.h"

/* An odd last input is paired with zero. */
static size_t bf16_bytes(int in, int out) {
    return (size_t)pairs_of(in) * (size_t)out * 2 * sizeof(uint16_t);
}

static void bf16_pack(int in, int out, const float *weight, int64_t ld, void *packed) {
    uint16_t *to = packed;
    for (int block = 0; block < out; block += TG_LAYER_BLOCK) {
        const int width = out - block < TG_LAYER_BLOCK ? out - block : TG_LAYER_BLOCK;
        for (int i = 0; i < in; i += 2) {
            for (int o = 0; o < width; o++) {
                const float *row = weight + (block + o) * ld;
                *to++ = tg_f32_to_bf16(row[i]);
                *to++ = i + 1 < in ? tg_f32_to_bf16(row[i + 1]) : 0;
            }
        }
    }
}

/* lane s of the result: (a[s], b[s]) as two bf16 */
INLINE __m512i pair(vf a, vf b) {
    const __m512i low = _mm512_cvtepu16_epi32((__m256i)_mm512_cvtneps_pbh(a));
    const __m512i high = _mm512_cvtepu16_epi32((__m256i)_mm512_cvtneps_pbh(b));
    return _mm512_or_si512(low, _mm512_slli_epi32(high, 16));
}

INLINE void bf16_block(const uint32_t *weight, int width, int pairs, const __m512i *x,
                       const float *bias, const float *rows, tg_act act, float *out,
                       const int outputs) {
    vf sum[8][2];
#pragma GCC unroll 8
    for (int o = 0; o < outputs; o++) {
#pragma GCC unroll 2
        for (int v = 0; v < 2; v++) {
            sum[o][v] = rows != NULL   ? v_load(rows + o * TG_TILE + v * VL)
                        : bias != NULL ? v_set(bias[o])
                                       : v_set(0.0f);
        }
    }
    for (int i = 0; i < pairs; i++) {
        const __m512bh x0 = (__m512bh)x[2 * i], x1 = (__m512bh)x[2 * i + 1];
#pragma GCC unroll 8
        for (int o = 0; o < outputs; o++) {
            const __m512bh w = (__m512bh)_mm512_set1_epi32((int)weight[o]);
            sum[o][0] = _mm512_dpbf16_ps(sum[o][0], w, x0);
            sum[o][1] = _mm512_dpbf16_ps(sum[o][1], w, x1);
        }
        weight += width;
    }
#pragma GCC unroll 8
    for (int o = 0; o < outputs; o++) {
#pragma GCC unroll 2
        for (int v = 0; v < 2; v++) {
            v_store(out + o * TG_TILE + v * VL, v_activate(sum[o][v], act));
        }
    }
}

static void bf16_layer(const tg_layer *layer, const float *in, int in_stride, const float *bias,
                       const float *rows, tg_act act, float *out) {
    __m512i x[2 * MAX_PAIRS];
    const int pairs = pairs_of(layer->in);
    for (int i = 0; i < pairs; i++) {
        const float *a = in + (size_t)(2 * i) * (size_t)in_stride, *b = a + in_stride;
        const bool both = 2 * i + 1 < layer->in;
        for (int v = 0; v < 2; v++) {
            x[2 * i + v] = pair(v_load(a + v * VL), both ? v_load(b + v * VL) : v_set(0.0f));
        }
    }
#define BF16(weight, width, at, outputs)                                                           \
    bf16_block(weight, width, pairs, x, bias ? bias + (at) : NULL,                                 \
               rows ? rows + (at)*TG_TILE : NULL, act, out + (at)*TG_TILE, outputs)
    EACH_BLOCK_OF_PAIRS(layer, BF16);
}

const tg_tile_kernels tg_tile_avx512bf16 = {
    .name = "avx512bf16",
    .layer_bytes = bf16_bytes,
    .layer_pack = bf16_pack,
    .layer = bf16_layer,
    .grid_row = TG_GRID_FEATURES * sizeof(int16_t),
    .grid_pack = tg_grid_pack_int16,
    .grid = tile_grid,
    .sh = tile_sh,
    .exp = tile_exp,
    .tanh = tile_tanh,
    .sigmoid = tile_sigmoid,
    .compress = tile_compress,
};
