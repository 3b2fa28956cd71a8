/* The renderer's kernels for AVX-512 with VNNI: dense layers multiply pairs of 16-bit integers and
 * add in 32 bits, two products where an FMA makes one; everything else is float32.
 *
 * Block floating point: the inputs of a sample have one scale, by which their 2-norm becomes FULL,
 * and so have the weights of an output. By Cauchy and Schwarz no sum passes FULL^2 < 2^31. Of 64
 * inputs of one size each is off by 7e-5 of itself in the mean (bfloat16: 1.7e-3). */
#include "simd_avx512.h"
#define TILE_INT16_TABLES
#include "tile_pairs.h"
#include "tile_simd.h"

enum { FULL = 32700 };

/* The pairs, an odd last input with zero, then what an integer of each output is worth, float
 * [out]. */
static size_t int16_bytes(int in, int out) {
    return (size_t)pairs_of(in) * (size_t)out * 2 * sizeof(int16_t) + (size_t)out * sizeof(float);
}

static void int16_pack(int in, int out, const float *weight, int64_t ld, void *packed) {
    int16_t *to = packed;
    float *worth = (float *)(to + (size_t)pairs_of(in) * (size_t)out * 2);
    float factor[TG_LAYER_BLOCK];
    for (int block = 0; block < out; block += TG_LAYER_BLOCK) {
        const int width = out - block < TG_LAYER_BLOCK ? out - block : TG_LAYER_BLOCK;
        for (int o = 0; o < width; o++) {
            double sum = 0;
            for (int i = 0; i < in; i++) {
                const double w = (double)weight[(block + o) * ld + i];
                sum += w * w;
            }
            const double norm = sqrt(sum);
            factor[o] = (float)(norm > 0 ? FULL / norm : 0);
            worth[block + o] = (float)(norm / FULL);
        }
        for (int i = 0; i < 2 * pairs_of(in); i += 2) {
            for (int o = 0; o < width; o++) {
                for (int k = i; k < i + 2; k++) {
                    const float w = k < in ? weight[(block + o) * ld + k] * factor[o] : 0;
                    *to++ = (int16_t)lrintf(w);
                }
            }
        }
    }
}

/* lane s of the result: (a[s], b[s]) as two integers */
INLINE __m512i pair(vf a, vf b) {
    const __m512i low = _mm512_cvtps_epi32(a);
    const __m512i high = _mm512_slli_epi32(_mm512_cvtps_epi32(b), 16);
    return _mm512_mask_blend_epi16(0xaaaaaaaa, low, high);
}

/* The instruction itself: gcc 12 copies the sum before and after _mm512_dpwssd_epi32. */
INLINE void add_products(__m512i *sum, __m512i a, __m512i b) {
    __asm__("vpdpwssd %2, %1, %0" : "+v"(*sum) : "v"(a), "v"(b));
}

INLINE void int16_block(const uint32_t *weight, int width, int pairs, const __m512i *x,
                        const vf lanes[2], const float *worth, const float *bias, const float *rows,
                        tg_act act, float *out, const int outputs) {
    __m512i sum[8][2];
#pragma GCC unroll 8
    for (int o = 0; o < outputs; o++) {
        sum[o][0] = sum[o][1] = _mm512_setzero_si512();
    }
    for (int i = 0; i < pairs; i++) {
        const __m512i x0 = x[2 * i], x1 = x[2 * i + 1];
#pragma GCC unroll 8
        for (int o = 0; o < outputs; o++) {
            const __m512i w = _mm512_set1_epi32((int)weight[o]);
            add_products(&sum[o][0], w, x0);
            add_products(&sum[o][1], w, x1);
        }
        weight += width;
    }
#pragma GCC unroll 8
    for (int o = 0; o < outputs; o++) {
        const vf unit = v_set(worth[o]);
#pragma GCC unroll 2
        for (int v = 0; v < 2; v++) {
            const vf start = rows != NULL   ? v_load(rows + o * TG_TILE + v * VL)
                             : bias != NULL ? v_set(bias[o])
                                            : v_set(0.0f);
            const vf y = v_fma(_mm512_cvtepi32_ps(sum[o][v]), v_mul(unit, lanes[v]), start);
            v_store(out + o * TG_TILE + v * VL, v_activate(y, act));
        }
    }
}

INLINE void add_squares(const float *x, vf squares[2]) {
    const vf a = v_load(x), b = v_load(x + VL);
    squares[0] = v_fma(a, a, squares[0]);
    squares[1] = v_fma(b, b, squares[1]);
}

static void int16_layer(const tg_layer *layer, const float *in, int in_stride, const float *bias,
                        const float *rows, tg_act act, float *out) {
    __m512i x[2 * MAX_PAIRS];
    const int pairs = pairs_of(layer->in);
    /* four sums, or each addition would wait for the one before it */
    vf squares[4][2] = {{v_set(0.0f), v_set(0.0f)},
                        {v_set(0.0f), v_set(0.0f)},
                        {v_set(0.0f), v_set(0.0f)},
                        {v_set(0.0f), v_set(0.0f)}};
    int row = 0;
    for (; row + 4 <= layer->in; row += 4) {
#pragma GCC unroll 4
        for (int k = 0; k < 4; k++) {
            add_squares(in + (row + k) * (int64_t)in_stride, squares[k]);
        }
    }
    for (; row < layer->in; row++) {
        add_squares(in + row * (int64_t)in_stride, squares[0]);
    }
    vf lanes[2], scale[2];
#pragma GCC unroll 2
    for (int v = 0; v < 2; v++) {
        const vf sum = v_max(v_set(1e-30f), v_add(v_add(squares[0][v], squares[1][v]),
                                                  v_add(squares[2][v], squares[3][v])));
        /* 1 / norm: 14 bits, then one of Newton's steps */
        vf r = _mm512_rsqrt14_ps(sum);
        r = v_mul(r, v_fma(v_mul(v_mul(sum, v_set(-0.5f)), r), r, v_set(1.5f)));
        scale[v] = v_mul(r, v_set(FULL));
        lanes[v] = v_mul(v_mul(sum, r), v_set(1.0f / FULL));
    }
    for (int i = 0; i < pairs; i++) {
        const float *a = in + (size_t)(2 * i) * (size_t)in_stride, *b = a + in_stride;
        const bool both = 2 * i + 1 < layer->in;
#pragma GCC unroll 2
        for (int v = 0; v < 2; v++) {
            x[2 * i + v] = pair(v_mul(v_load(a + v * VL), scale[v]),
                                both ? v_mul(v_load(b + v * VL), scale[v]) : v_set(0.0f));
        }
    }
    const float *worth =
        (const float *)((const uint32_t *)layer->weight + (size_t)pairs * (size_t)layer->out);
#define INT16(weight, width, at, outputs)                                                          \
    int16_block(weight, width, pairs, x, lanes, worth + (at), bias ? bias + (at) : NULL,           \
                rows ? rows + (at)*TG_TILE : NULL, act, out + (at)*TG_TILE, outputs)
    EACH_BLOCK_OF_PAIRS(layer, INT16);
}

const tg_tile_kernels tg_tile_avx512vnni = {
    .name = "avx512vnni",
    .fine = true,
    .layer_bytes = int16_bytes,
    .layer_pack = int16_pack,
    .layer = int16_layer,
    .grid_row = TG_GRID_FEATURES * sizeof(int16_t),
    .grid_pack = tg_grid_pack_int16,
    .grid = tile_grid,
    .sh = tile_sh,
    .exp = tile_exp,
    .tanh = tile_tanh,
    .sigmoid = tile_sigmoid,
    .compress = tile_compress,
};
