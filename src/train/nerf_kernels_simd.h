/* Body of the vector kernels, included once per instruction set by nerf_kernels_<level>.c, which
 * defines before:
 *   LANES                      floats of a vector
 *   BLOCK_OUT x BLOCK_VEC      register block: outputs x vectors of samples
 *   gather_pairs(t, i, a, b)   a, b = t[2 i], t[2 i + 1] for a vector of rows i
 *   transpose_block(x, ldx, y, ldy)  y[j][i] = x[i][j], LANES x LANES
 *   splat(x), floor_vec(v), sqrt_vec(v)
 *   TABLE                      name of the kernel table
 */
#include "train/nerf_kernels.h"

#include <string.h>

#define UNROLLED(i, n) _Pragma("GCC unroll 16") for (int i = 0; i < (n); i++)

enum { VECS = NERF_TILE / LANES };

typedef float vf __attribute__((vector_size(LANES * 4), may_alias));
typedef int32_t vi __attribute__((vector_size(LANES * 4), may_alias));
typedef uint32_t vu __attribute__((vector_size(LANES * 4), may_alias));
typedef float vf_unaligned __attribute__((vector_size(LANES * 4), may_alias, aligned(4)));

static inline vf select_vec(vi mask, vf a, vf b) {
    return (vf)(((vi)a & mask) | ((vi)b & ~mask));
}

/* acc[o][v] = start + sum_k w[k][o] x[k][v]: the one loop behind both directions of a layer. */
static inline __attribute__((always_inline)) void dense_block(const float *w, int n, const float *x,
                                                              vf acc[BLOCK_OUT][BLOCK_VEC]) {
    for (int k = 0; k < n; k++) {
        vf xv[BLOCK_VEC];
        UNROLLED(v, BLOCK_VEC) {
            xv[v] = *(const vf *)(x + k * NERF_TILE + v * LANES);
        }
        UNROLLED(o, BLOCK_OUT) {
            vf weight = splat(w[k * NERF_OUT_BLOCK + o]);
            UNROLLED(v, BLOCK_VEC) {
                acc[o][v] += weight * xv[v];
            }
        }
    }
}

static void forward(const float *w, int n_in, int n_out, const float *bias, const float *x,
                    float *y, bool relu) {
    for (int o0 = 0; o0 < n_out; o0 += NERF_OUT_BLOCK, w += (int64_t)NERF_OUT_BLOCK * n_in)
        for (int sub = 0; sub < NERF_OUT_BLOCK; sub += BLOCK_OUT)
            for (int v0 = 0; v0 < VECS; v0 += BLOCK_VEC) {
                vf acc[BLOCK_OUT][BLOCK_VEC];
                UNROLLED(o, BLOCK_OUT) {
                    int out = o0 + sub + o;
                    vf start = splat(bias && out < n_out ? bias[out] : 0);
                    UNROLLED(v, BLOCK_VEC) {
                        acc[o][v] = start;
                    }
                }
                dense_block(w + sub, n_in, x + v0 * LANES, acc);
                float *to = y + (o0 + sub) * NERF_TILE + v0 * LANES;
                UNROLLED(o, BLOCK_OUT) {
                    UNROLLED(v, BLOCK_VEC) {
                        vf r = acc[o][v];
                        if (relu)
                            r = select_vec(r > splat(0), r, splat(0));
                        *(vf *)(to + o * NERF_TILE + v * LANES) = r;
                    }
                }
            }
}

static void backward_input(const float *wt, int n_in, int n_out, const float *dy, const float *act,
                           float *dx, bool add) {
    for (int i0 = 0; i0 < n_in; i0 += NERF_OUT_BLOCK, wt += (int64_t)NERF_OUT_BLOCK * n_out)
        for (int sub = 0; sub < NERF_OUT_BLOCK; sub += BLOCK_OUT)
            for (int v0 = 0; v0 < VECS; v0 += BLOCK_VEC) {
                vf acc[BLOCK_OUT][BLOCK_VEC];
                UNROLLED(o, BLOCK_OUT) {
                    UNROLLED(v, BLOCK_VEC) {
                        acc[o][v] = splat(0);
                    }
                }
                dense_block(wt + sub, n_out, dy + v0 * LANES, acc);
                UNROLLED(o, BLOCK_OUT) {
                    if (i0 + sub + o >= n_in)
                        break;
                    int64_t at = (int64_t)(i0 + sub + o) * NERF_TILE + v0 * LANES;
                    UNROLLED(v, BLOCK_VEC) {
                        vf r = acc[o][v];
                        if (act)
                            r = select_vec(*(const vf *)(act + at + v * LANES) > splat(0), r,
                                           splat(0));
                        vf *to = (vf *)(dx + at + v * LANES);
                        if (add)
                            r += *to;
                        *to = r;
                    }
                }
            }
}

static inline __attribute__((always_inline)) void
weight_block(int n_in, const float *dy, const float *xt, float *dw, int vecs) {
    vf acc[BLOCK_OUT][BLOCK_VEC];
    UNROLLED(o, BLOCK_OUT) {
        UNROLLED(v, vecs) {
            acc[o][v] = *(const vf_unaligned *)(dw + (int64_t)o * n_in + v * LANES);
        }
    }
    for (int s = 0; s < NERF_TILE; s++) {
        vf xv[BLOCK_VEC];
        UNROLLED(v, vecs) {
            xv[v] = *(const vf_unaligned *)(xt + s * n_in + v * LANES);
        }
        UNROLLED(o, BLOCK_OUT) {
            vf g = splat(dy[o * NERF_TILE + s]);
            UNROLLED(v, vecs) {
                acc[o][v] += g * xv[v];
            }
        }
    }
    UNROLLED(o, BLOCK_OUT) {
        UNROLLED(v, vecs) {
            *(vf_unaligned *)(dw + (int64_t)o * n_in + v * LANES) = acc[o][v];
        }
    }
}

static void backward_weight(int n_in, int n_out, const float *dy, const float *xt, float *dw) {
    const int wide = BLOCK_VEC * LANES;
    for (int o = 0; o < n_out; o += BLOCK_OUT) {
        const float *g = dy + o * NERF_TILE;
        float *row = dw + (int64_t)o * n_in;
        int i = 0;
        for (; i + wide <= n_in; i += wide)
            weight_block(n_in, g, xt + i, row + i, BLOCK_VEC);
        for (; i < n_in; i += LANES)
            weight_block(n_in, g, xt + i, row + i, 1);
    }
}

static void transpose(const float *x, int n, float *xt) {
    for (int s = 0; s < NERF_TILE; s += LANES)
        for (int i = 0; i < n; i += LANES)
            transpose_block(x + i * NERF_TILE + s, NERF_TILE, xt + s * n + i, n);
}

/* Positions of a vector of samples at one level. Samples outside the unit cube sit at the origin
 * with mask 0, so that every gather stays inside the table. */
typedef struct {
    vu base[3];
    vf frac[3];
} located;

static inline vi inside_mask(int dims, const float *u, int v) {
    vi inside = (vi){0} - 1;
    for (int d = 0; d < dims; d++) {
        vf x = *(const vf *)(u + d * NERF_TILE + v * LANES);
        inside &= (x >= splat(0)) & (x <= splat(1));
    }
    return inside;
}

static inline __attribute__((always_inline)) void
locate_vec(int dims, const nerf_level *level, const float *u, int v, vi inside, located *at) {
    UNROLLED(d, dims) {
        vf x = *(const vf *)(u + d * NERF_TILE + v * LANES);
        x = (vf)((vi)x & inside);
        vf pos = x * splat(level->scale) + splat(0.5f);
        vf low = floor_vec(pos);
        at->frac[d] = pos - low;
        at->base[d] = (vu) __builtin_convertvector(low, vi) * level->factor[d];
    }
}

/* Weight of the upper or lower side of a cell. */
static inline vf side(vf frac, bool upper) {
    if (upper)
        return frac;
    return splat(1) - frac;
}

/* Row of a corner; dims is what the level looks at (2 when it ignores the third). */
static inline __attribute__((always_inline)) vu corner_vec(int dims, bool hashed,
                                                           const nerf_level *level,
                                                           const located *at, int corner,
                                                           vf *weight) {
    vu index = (vu){0};
    vf w = splat(1);
    UNROLLED(d, dims) {
        w *= side(at->frac[d], corner >> d & 1);
        vu part = at->base[d];
        if (corner >> d & 1)
            part += (vu){0} + level->factor[d];
        if (hashed)
            index ^= part;
        else
            index += part;
    }
    *weight = w;
    return (index & level->mask) + level->offset;
}

static inline __attribute__((always_inline)) void encode_level(int look, bool hashed,
                                                               const nerf_level *level,
                                                               const float *table, const float *u,
                                                               int v, vi inside, float *out) {
    located at;
    vf f0 = splat(0), f1 = splat(0);
    locate_vec(look, level, u, v, inside, &at);
    UNROLLED(corner, 1 << look) {
        vf w, a, b;
        vu row = corner_vec(look, hashed, level, &at, corner, &w);
        gather_pairs(table, row, &a, &b);
        f0 += w * a;
        f1 += w * b;
    }
    *(vf *)(out + v * LANES) = (vf)((vi)f0 & inside);
    *(vf *)(out + NERF_TILE + v * LANES) = (vf)((vi)f1 & inside);
}

static void encode(const tg_grid *grid, const float *table, const float *u, float *out) {
    for (int v = 0; v < VECS; v++) {
        vi inside = inside_mask(grid->dims, u, v);
        for (int l = 0; l < grid->levels; l++) {
            const nerf_level level = nerf_level_of(grid, l);
            float *to = out + 2 * l * NERF_TILE;
            if (level.look == 2)
                encode_level(2, level.hashed, &level, table, u, v, inside, to);
            else if (level.hashed)
                encode_level(3, true, &level, table, u, v, inside, to);
            else
                encode_level(3, false, &level, table, u, v, inside, to);
        }
    }
}

/* The slope along d of the interpolation is the difference between its two sides, each weighted
 * by the other dimensions. A dimension with stride 0 has slope 0. */
static inline __attribute__((always_inline)) void
slope_level(int look, bool hashed, const nerf_level *level, const float *table, const float *u,
            int v, vi inside, const float *g, vf *sum) {
    located at;
    vf g0 = *(const vf *)(g + v * LANES), g1 = *(const vf *)(g + NERF_TILE + v * LANES);
    vf part[3] = {splat(0), splat(0), splat(0)};
    locate_vec(look, level, u, v, inside, &at);
    UNROLLED(corner, 1 << look) {
        vf w, a, b;
        vu row = corner_vec(look, hashed, level, &at, corner, &w);
        gather_pairs(table, row, &a, &b);
        vf value = g0 * a + g1 * b;
        UNROLLED(d, look) {
            vf slope = value;
            UNROLLED(e, look) {
                if (e != d)
                    slope *= side(at.frac[e], corner >> e & 1);
            }
            if (corner >> d & 1)
                part[d] += slope;
            else
                part[d] -= slope;
        }
    }
    UNROLLED(d, look) {
        sum[d] += part[d] * splat(level->scale);
    }
}

static void encode_backward(const tg_grid *grid, const float *table, const float *u,
                            const float *d_out, float *d_u) {
    for (int v = 0; v < VECS; v++) {
        vi inside = inside_mask(grid->dims, u, v);
        vf sum[3] = {splat(0), splat(0), splat(0)};
        for (int l = 0; l < grid->levels; l++) {
            const nerf_level level = nerf_level_of(grid, l);
            const float *g = d_out + 2 * l * NERF_TILE;
            if (level.look == 2)
                slope_level(2, level.hashed, &level, table, u, v, inside, g, sum);
            else
                slope_level(3, level.hashed, &level, table, u, v, inside, g, sum);
        }
        for (int d = 0; d < grid->dims; d++)
            *(vf *)(d_u + d * NERF_TILE + v * LANES) = (vf)((vi)sum[d] & inside);
    }
}

typedef float pair __attribute__((vector_size(8), may_alias, aligned(4)));

static inline __attribute__((always_inline)) void
scatter_tile(int look, bool hashed, const tg_grid *grid, const nerf_level *level, const float *u,
             const float *g, float *grad) {
    uint32_t rows[8][NERF_TILE] __attribute__((aligned(64)));
    float weights[8][NERF_TILE] __attribute__((aligned(64)));
    int32_t valid[NERF_TILE] __attribute__((aligned(64)));
    for (int v = 0; v < VECS; v++) {
        located at;
        vi inside = inside_mask(grid->dims, u, v);
        vf g0 = *(const vf *)(g + v * LANES), g1 = *(const vf *)(g + NERF_TILE + v * LANES);
        *(vi *)(valid + v * LANES) = inside & ((g0 != splat(0)) | (g1 != splat(0)));
        locate_vec(look, level, u, v, inside, &at);
        UNROLLED(corner, 1 << look) {
            *(vu *)(rows[corner] + v * LANES) =
                corner_vec(look, hashed, level, &at, corner, (vf *)(weights[corner] + v * LANES));
        }
    }
    for (int s = 0; s < NERF_TILE; s++) {
        if (!valid[s])
            continue;
        pair value = {g[s], g[NERF_TILE + s]};
        UNROLLED(corner, 1 << look) {
            *(pair *)(grad + 2 * (size_t)rows[corner][s]) += value * weights[corner][s];
        }
    }
}

static void scatter(const tg_grid *grid, int level, int tiles, const float *const *u,
                    const float *const *d_out, float *grad) {
    const nerf_level at = nerf_level_of(grid, level);
    for (int t = 0; t < tiles; t++) {
        const float *g = d_out[t] + 2 * level * NERF_TILE;
        if (at.look == 2)
            scatter_tile(2, at.hashed, grid, &at, u[t], g, grad);
        else if (at.hashed)
            scatter_tile(3, true, grid, &at, u[t], g, grad);
        else
            scatter_tile(3, false, grid, &at, u[t], g, grad);
    }
}

static void adam(const nerf_adam_rule *rule, int64_t n, float *value, float *grad, float *m,
                 float *v) {
    vf b1 = splat(rule->beta1), b2 = splat(rule->beta2);
    vf c1 = splat(1 - rule->beta1), c2 = splat(1 - rule->beta2);
    int64_t i = 0;
    for (; i + LANES <= n; i += LANES) {
        vf g = *(const vf_unaligned *)(grad + i);
        vi touched = g != splat(0);
        if (rule->sparse) {
            uint64_t any[LANES / 2];
            memcpy(any, &touched, sizeof(any));
            uint64_t all = 0;
            UNROLLED(k, LANES / 2) {
                all |= any[k];
            }
            if (!all)
                continue;
        } else {
            touched = (vi){0} - 1;
        }
        vf m0 = *(vf_unaligned *)(m + i), v0 = *(vf_unaligned *)(v + i);
        vf m1 = b1 * m0 + c1 * g, v1 = b2 * v0 + c2 * g * g;
        vf x = *(vf_unaligned *)(value + i);
        vf moved = x - splat(rule->rate) * m1 /
                           (sqrt_vec(v1 * splat(rule->second_scale)) + splat(rule->eps));
        *(vf_unaligned *)(m + i) = select_vec(touched, m1, m0);
        *(vf_unaligned *)(v + i) = select_vec(touched, v1, v0);
        *(vf_unaligned *)(value + i) = select_vec(touched, moved, x);
        *(vf_unaligned *)(grad + i) = splat(0);
    }
    tg_nerf_kernels_portable.adam(rule, n - i, value + i, grad + i, m + i, v + i);
}

const nerf_kernels TABLE = {
    .forward = forward,
    .backward_input = backward_input,
    .backward_weight = backward_weight,
    .transpose = transpose,
    .encode = encode,
    .encode_backward = encode_backward,
    .scatter = scatter,
    .adam = adam,
};
