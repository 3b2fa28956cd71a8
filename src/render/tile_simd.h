/* The kernels of tile.h over the vector operations of simd_*.h. Included once by each kernel file,
 * which is compiled for its CPU level. */
#include "tile.h"

#include <math.h>

enum { NV = TG_TILE / VL /* vectors in a row */ };

#define INLINE static inline __attribute__((always_inline))

/* ---- dense layers ---- */

INLINE vf v_activate(vf x, tg_act act) {
    switch (act) {
    case TG_ACT_RELU:
        return v_max(x, v_set(0.0f));
    case TG_ACT_LEAKY:
        return v_max(x, v_mul(x, v_set(0.02f)));
    default:
        return x;
    }
}

/* `outputs` outputs of 2 vectors of lanes. The inputs are summed in `split` interleaved parts, so
 * that narrow blocks keep enough independent additions in flight. weight [in][width]. */
INLINE void layer_block(const float *weight, int width, int in, const float *x, int stride,
                        const float *bias, const float *rows, tg_act act, float *out,
                        const int outputs, const int split) {
    vf sum[4][8][2];
#pragma GCC unroll 4
    for (int k = 0; k < split; k++) {
#pragma GCC unroll 8
        for (int o = 0; o < outputs; o++) {
#pragma GCC unroll 2
            for (int v = 0; v < 2; v++) {
                sum[k][o][v] = k > 0          ? v_set(0.0f)
                               : rows != NULL ? v_load(rows + o * TG_TILE + v * VL)
                               : bias != NULL ? v_set(bias[o])
                                              : v_set(0.0f);
            }
        }
    }
    int i = 0;
    for (; i + split <= in; i += split) {
#pragma GCC unroll 4
        for (int k = 0; k < split; k++) {
            const vf x0 = v_load(x), x1 = v_load(x + VL);
#pragma GCC unroll 8
            for (int o = 0; o < outputs; o++) {
                const vf w = v_set(weight[o]);
                sum[k][o][0] = v_fma(w, x0, sum[k][o][0]);
                sum[k][o][1] = v_fma(w, x1, sum[k][o][1]);
            }
            x += stride;
            weight += width;
        }
    }
    for (; i < in; i++) {
        const vf x0 = v_load(x), x1 = v_load(x + VL);
#pragma GCC unroll 8
        for (int o = 0; o < outputs; o++) {
            const vf w = v_set(weight[o]);
            sum[0][o][0] = v_fma(w, x0, sum[0][o][0]);
            sum[0][o][1] = v_fma(w, x1, sum[0][o][1]);
        }
        x += stride;
        weight += width;
    }
#pragma GCC unroll 8
    for (int o = 0; o < outputs; o++) {
#pragma GCC unroll 2
        for (int v = 0; v < 2; v++) {
            vf total = sum[0][o][v];
#pragma GCC unroll 4
            for (int k = 1; k < split; k++) {
                total = v_add(total, sum[k][o][v]);
            }
            v_store(out + o * TG_TILE + v * VL, v_activate(total, act));
        }
    }
}

/* Outputs of one packed block: the widest pieces that fit the registers. */
INLINE void layer_outputs(const float *weight, int width, int in, const float *x, int stride,
                          const float *bias, const float *rows, tg_act act, float *out) {
    int o = 0;
    while (o < width) {
        const float *b = bias != NULL ? bias + o : NULL;
        const float *r = rows != NULL ? rows + o * TG_TILE : NULL;
        if (BLOCK_OUTPUTS == 8 && width - o >= 8) {
            layer_block(weight + o, width, in, x, stride, b, r, act, out + o * TG_TILE, 8, 1);
            o += 8;
        } else if (width - o >= 4) {
            layer_block(weight + o, width, in, x, stride, b, r, act, out + o * TG_TILE, 4, 1);
            o += 4;
        } else if (width - o >= 2) {
            layer_block(weight + o, width, in, x, stride, b, r, act, out + o * TG_TILE, 2, 2);
            o += 2;
        } else {
            layer_block(weight + o, width, in, x, stride, b, r, act, out + o * TG_TILE, 1, 4);
            o += 1;
        }
    }
}

static __attribute__((unused)) void tile_layer(const tg_layer *layer, const float *in,
                                               int in_stride, const float *bias, const float *rows,
                                               tg_act act, float *out) {
    const float *weight = layer->weight;
    for (int block = 0; block < layer->out; block += TG_LAYER_BLOCK) {
        const int left = layer->out - block;
        const int width = left < TG_LAYER_BLOCK ? left : TG_LAYER_BLOCK;
        for (int lanes = 0; lanes < TG_TILE; lanes += 2 * VL) {
            layer_outputs(weight, width, layer->in, in + lanes, in_stride,
                          bias != NULL ? bias + block : NULL,
                          rows != NULL ? rows + block * TG_TILE + lanes : NULL, act,
                          out + block * TG_TILE + lanes);
        }
        weight += (size_t)layer->in * (size_t)width;
    }
}

/* ---- grid lookup ---- */

/* A table's numbers as floats: out[k] = table[2 * rows[lane] + k], in the level's unit. */
#ifdef TILE_INT16_TABLES
typedef int16_t number;

INLINE void load_quads(const number *table, vi rows, vf out[4]) {
    v_load_quads16(table, rows, out);
}
INLINE void load_rows(const number *table, vi rows, vf out[2]) {
    v_load_pairs16(table, rows, out);
}
INLINE vf in_unit(vf x, float unit) {
    return v_mul(x, v_set(unit));
}
#else
typedef float number;

INLINE void load_quads(const number *table, vi rows, vf out[4]) {
    uint32_t row[VL];
    i_store(row, rows);
    v_load_quads(table, row, out);
}
INLINE void load_rows(const number *table, vi rows, vf out[2]) {
    uint32_t row[VL];
    float value[2][VL];
    i_store(row, rows);
    for (int s = 0; s < VL; s++) {
        value[0][s] = table[2 * (size_t)row[s]];
        value[1][s] = table[2 * (size_t)row[s] + 1];
    }
    out[0] = v_load(value[0]);
    out[1] = v_load(value[1]);
}
INLINE vf in_unit(vf x, float unit) {
    (void)unit; /* 1 */
    return x;
}
#endif

typedef struct {
    vi row;  /* index without the corner's share */
    vf f[3]; /* interpolation weights */
} cell;

INLINE vf lerp(vf a, vf b, vf f) {
    return v_fma(f, v_sub(b, a), a);
}

/* Both features at one corner along y and z, interpolated along x: the two rows lie side by side.
 */
INLINE void lookup_pair(const number *table, vi row, uint32_t mask, vf fx, vf out[2]) {
    vf quad[4];
    load_quads(table, i_and(row, i_set(mask)), quad);
    out[0] = lerp(quad[0], quad[2], fx);
    out[1] = lerp(quad[1], quad[3], fx);
}

INLINE void lookup_dense(const number *table, const uint32_t stride[3], uint32_t mask, vi row,
                         const vf f[3], vf out[2]) {
    vf other[2];
    lookup_pair(table, row, mask, f[0], out);
    if (stride[1] == 0) {
        return;
    }
    lookup_pair(table, i_add(row, i_set(stride[1])), mask, f[0], other);
    out[0] = lerp(out[0], other[0], f[1]);
    out[1] = lerp(out[1], other[1], f[1]);
    if (stride[2] == 0) {
        return;
    }
    vf far[2];
    const vi behind = i_add(row, i_set(stride[2]));
    lookup_pair(table, behind, mask, f[0], far);
    lookup_pair(table, i_add(behind, i_set(stride[1])), mask, f[0], other);
    out[0] = lerp(out[0], lerp(far[0], other[0], f[1]), f[2]);
    out[1] = lerp(out[1], lerp(far[1], other[1], f[1]), f[2]);
}

INLINE void lookup_hashed(const number *table, int dims, uint32_t mask, const vi base[3],
                          const vf f[3], vf out[2]) {
    out[0] = out[1] = v_set(0.0f);
    for (int corner = 0; corner < 1 << dims; corner++) {
        vf weight = v_set(1.0f);
        vi hash = i_set(0);
        for (int d = 0; d < dims; d++) {
            const bool upper = corner >> d & 1;
            weight = v_mul(weight, upper ? f[d] : v_sub(v_set(1.0f), f[d]));
            hash = i_xor(hash, i_mul(i_add(base[d], i_set(upper)), i_set(tg_grid_primes[d])));
        }
        vf value[2];
        load_rows(table, i_and(hash, i_set(mask)), value);
        out[0] = v_fma(weight, value[0], out[0]);
        out[1] = v_fma(weight, value[1], out[1]);
    }
}

INLINE void grid_lanes(const tg_tile_grid *tile, const float *u, float *out, const int dims) {
    const tg_grid *grid = &tile->grid;
    vf point[3] = {v_set(0.0f), v_set(0.0f), v_set(0.0f)};
    vm inside = v_equal(v_set(0.0f), v_set(0.0f));
    for (int d = 0; d < dims; d++) {
        const vf x = v_load(u + d * TG_TILE);
        point[d] = v_min(v_max(x, v_set(0.0f)), v_set(1.0f)); /* NaN becomes 0 */
        inside = m_and(inside, v_equal(x, point[d]));
    }
    for (int l = 0; l < grid->levels; l++) {
        const number *table =
            (const number *)tile->table + ((size_t)grid->offset[l] + (size_t)l) * TG_GRID_FEATURES;
        const uint32_t *stride = grid->stride[l];
        vi base[3] = {i_set(0), i_set(0), i_set(0)};
        vf f[3] = {v_set(0.0f), v_set(0.0f), v_set(0.0f)}, value[2];
        for (int d = 0; d < dims; d++) {
            const vf p = v_fma(point[d], v_set(grid->scale[l]), v_set(0.5f)), c = v_floor(p);
            base[d] = v_to_int(c);
            f[d] = v_sub(p, c);
            if (grid->smoothstep) {
                f[d] = v_mul(v_mul(f[d], f[d]), v_sub(v_set(3.0f), v_add(f[d], f[d])));
            }
        }
        if (grid->hashed[l]) {
            lookup_hashed(table, dims, grid->mask[l], base, f, value);
        } else {
            vi row = i_add(base[0], i_mul(base[1], i_set(stride[1])));
            if (dims == 3) {
                row = i_add(row, i_mul(base[2], i_set(stride[2])));
            }
            lookup_dense(table, stride, grid->mask[l], row, f, value);
        }
        for (int k = 0; k < 2; k++) {
            const vf x = in_unit(value[k], tile->unit[l]);
            v_store(out + (2 * l + k) * TG_TILE, v_select(inside, x, v_set(0.0f)));
        }
    }
}

static void tile_grid(const tg_tile_grid *tile, const float *u, float *out) {
    for (int lanes = 0; lanes < TG_TILE; lanes += VL) {
        if (tile->grid.dims == 3) {
            grid_lanes(tile, u + lanes, out + lanes, 3);
        } else {
            grid_lanes(tile, u + lanes, out + lanes, 2);
        }
    }
}

/* ---- elementwise ---- */

static void tile_sh(const float *d, float *out, int stride) {
    for (int s = 0; s < TG_TILE; s++) {
        const float x = d[s], y = d[stride + s], z = d[2 * stride + s];
        const float xx = x * x, yy = y * y, zz = z * z;
        float *at = out + s;
        at[0 * stride] = 0.28209479177387814f;
        at[1 * stride] = -0.48860251190291987f * y;
        at[2 * stride] = 0.48860251190291987f * z;
        at[3 * stride] = -0.48860251190291987f * x;
        at[4 * stride] = 1.0925484305920792f * x * y;
        at[5 * stride] = -1.0925484305920792f * y * z;
        at[6 * stride] = 0.94617469575756008f * zz - 0.31539156525252005f;
        at[7 * stride] = -1.0925484305920792f * x * z;
        at[8 * stride] = 0.54627421529603959f * (xx - yy);
        at[9 * stride] = 0.59004358992664352f * y * (yy - 3.0f * xx);
        at[10 * stride] = 2.8906114426405538f * x * y * z;
        at[11 * stride] = 0.45704579946446572f * y * (1.0f - 5.0f * zz);
        at[12 * stride] = 0.3731763325901154f * z * (5.0f * zz - 3.0f);
        at[13 * stride] = 0.45704579946446572f * x * (1.0f - 5.0f * zz);
        at[14 * stride] = 1.4453057213202769f * z * (xx - yy);
        at[15 * stride] = 0.59004358992664352f * x * (3.0f * yy - xx);
    }
}

/* exp(x) = 2^n exp(r), |r| <= ln 2 / 2, the latter by Cephes' polynomial of degree 6; relative
 * error 1e-7. NaN stays NaN. */
INLINE vf v_exp(vf x) {
    x = v_max(v_set(-104.0f), v_min(v_set(104.0f), x));
    const vf n = v_round(v_mul(x, v_set(1.44269504088896341f)));
    vf r = v_fma(n, v_set(-0.693359375f), x);
    r = v_fma(n, v_set(2.12194440e-4f), r);
    vf p = v_set(1.9875691500e-4f);
    p = v_fma(p, r, v_set(1.3981999507e-3f));
    p = v_fma(p, r, v_set(8.3334519073e-3f));
    p = v_fma(p, r, v_set(4.1665795894e-2f));
    p = v_fma(p, r, v_set(1.6666665459e-1f));
    p = v_fma(p, r, v_set(5.0000001201e-1f));
    p = v_fma(p, v_mul(r, r), v_add(r, v_set(1.0f)));
    return v_scale2(p, n);
}

/* Cephes: an odd polynomial below 0.625, 1 - 2 / (exp(2x) + 1) above. */
INLINE vf v_tanh(vf x) {
    const vf magnitude = v_abs(x), square = v_mul(x, x);
    vf p = v_set(-5.70498872745e-3f);
    p = v_fma(p, square, v_set(2.06390887954e-2f));
    p = v_fma(p, square, v_set(-5.37397155531e-2f));
    p = v_fma(p, square, v_set(1.33314422036e-1f));
    p = v_fma(p, square, v_set(-3.33332819422e-1f));
    const vf near = v_fma(v_mul(p, square), x, x);
    const vf e = v_exp(v_add(magnitude, magnitude));
    const vf far = v_sub(v_set(1.0f), v_div(v_set(2.0f), v_add(e, v_set(1.0f))));
    return v_select(v_less(magnitude, v_set(0.625f)), near, v_with_sign(far, x));
}

static void tile_exp(float *x, int n) {
    for (int i = 0; i < n; i += VL) {
        v_store(x + i, v_exp(v_load(x + i)));
    }
}

static void tile_tanh(float *x, int n) {
    for (int i = 0; i < n; i += VL) {
        v_store(x + i, v_tanh(v_load(x + i)));
    }
}

static void tile_sigmoid(float *x, int n) {
    for (int i = 0; i < n; i += VL) {
        const vf e = v_exp(v_sub(v_set(0.0f), v_load(x + i)));
        v_store(x + i, v_div(v_set(1.0f), v_add(v_set(1.0f), e)));
    }
}
