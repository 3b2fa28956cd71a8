/* Plain C, written to be read: the faster tables are tested against these. */
#include "train/nerf_kernels.h"

#include <math.h>
#include <string.h>

static void forward(const float *w, int n_in, int n_out, const float *bias, const float *x,
                    float *y, bool relu) {
    for (int o0 = 0; o0 < n_out; o0 += NERF_OUT_BLOCK, w += (int64_t)NERF_OUT_BLOCK * n_in)
        for (int k = 0; k < NERF_OUT_BLOCK; k++) {
            float *row = y + (o0 + k) * NERF_TILE;
            float start = bias && o0 + k < n_out ? bias[o0 + k] : 0;
            for (int s = 0; s < NERF_TILE; s++)
                row[s] = start;
            for (int i = 0; i < n_in; i++) {
                float weight = w[i * NERF_OUT_BLOCK + k];
                for (int s = 0; s < NERF_TILE; s++)
                    row[s] += weight * x[i * NERF_TILE + s];
            }
            for (int s = 0; relu && s < NERF_TILE; s++)
                row[s] = row[s] > 0 ? row[s] : 0;
        }
}

static void backward_input(const float *wt, int n_in, int n_out, const float *dy, const float *act,
                           float *dx, bool add) {
    for (int i0 = 0; i0 < n_in; i0 += NERF_OUT_BLOCK, wt += (int64_t)NERF_OUT_BLOCK * n_out)
        for (int k = 0; k < NERF_OUT_BLOCK && i0 + k < n_in; k++) {
            float sum[NERF_TILE] = {0};
            for (int o = 0; o < n_out; o++) {
                float weight = wt[o * NERF_OUT_BLOCK + k];
                for (int s = 0; s < NERF_TILE; s++)
                    sum[s] += weight * dy[o * NERF_TILE + s];
            }
            for (int s = 0; s < NERF_TILE; s++) {
                int at = (i0 + k) * NERF_TILE + s;
                float value = act && !(act[at] > 0) ? 0 : sum[s];
                dx[at] = add ? dx[at] + value : value;
            }
        }
}

static void backward_weight(int n_in, int n_out, const float *dy, const float *xt, float *dw) {
    for (int o = 0; o < n_out; o++)
        for (int s = 0; s < NERF_TILE; s++) {
            float g = dy[o * NERF_TILE + s];
            for (int i = 0; i < n_in; i++)
                dw[(int64_t)o * n_in + i] += g * xt[s * n_in + i];
        }
}

static void transpose(const float *x, int n, float *xt) {
    for (int i = 0; i < n; i++)
        for (int s = 0; s < NERF_TILE; s++)
            xt[s * n + i] = x[i * NERF_TILE + s];
}

/* Corner cell and fraction of one sample at one level; false outside the unit cube. */
static bool locate(const tg_grid *grid, const nerf_level *level, const float *u, int s,
                   uint32_t cell[3], float frac[3]) {
    for (int d = 0; d < grid->dims; d++) {
        float x = u[d * NERF_TILE + s];
        if (!(x >= 0 && x <= 1))
            return false;
        float pos = x * level->scale + 0.5f;
        float low = floorf(pos);
        cell[d] = (uint32_t)low;
        frac[d] = pos - low;
    }
    return true;
}

/* Entry and weight of corner `corner` (bit d set: upper side of dimension d). A dimension with
 * factor 0 has both corners in the same entry, whose weights then sum to one. */
static uint32_t corner_entry(const tg_grid *grid, const nerf_level *level, const uint32_t cell[3],
                             const float frac[3], int corner, float *weight) {
    uint32_t index = 0;
    float w = 1;
    for (int d = 0; d < grid->dims; d++) {
        uint32_t up = (uint32_t)(corner >> d) & 1;
        uint32_t part = (cell[d] + up) * level->factor[d];
        index = level->hashed ? index ^ part : index + part;
        w *= up ? frac[d] : 1 - frac[d];
    }
    *weight = w;
    return level->offset + (index & level->mask);
}

static void encode(const tg_grid *grid, const float *table, const float *u, float *out) {
    for (int l = 0; l < grid->levels; l++) {
        nerf_level level = nerf_level_of(grid, l);
        for (int s = 0; s < NERF_TILE; s++) {
            uint32_t cell[3];
            float frac[3], f0 = 0, f1 = 0;
            if (locate(grid, &level, u, s, cell, frac))
                for (int corner = 0; corner < 1 << grid->dims; corner++) {
                    float w;
                    uint32_t row = corner_entry(grid, &level, cell, frac, corner, &w);
                    f0 += w * table[2 * row];
                    f1 += w * table[2 * row + 1];
                }
            out[(2 * l) * NERF_TILE + s] = f0;
            out[(2 * l + 1) * NERF_TILE + s] = f1;
        }
    }
}

static void encode_backward(const tg_grid *grid, const float *table, const float *u,
                            const float *d_out, float *d_u) {
    memset(d_u, 0, sizeof(float) * (size_t)grid->dims * NERF_TILE);
    for (int l = 0; l < grid->levels; l++) {
        nerf_level level = nerf_level_of(grid, l);
        for (int s = 0; s < NERF_TILE; s++) {
            uint32_t cell[3];
            float frac[3];
            if (!locate(grid, &level, u, s, cell, frac))
                continue;
            float g0 = d_out[(2 * l) * NERF_TILE + s], g1 = d_out[(2 * l + 1) * NERF_TILE + s];
            for (int corner = 0; corner < 1 << grid->dims; corner++) {
                float w;
                uint32_t row = corner_entry(grid, &level, cell, frac, corner, &w);
                float value = g0 * table[2 * row] + g1 * table[2 * row + 1];
                for (int d = 0; d < grid->dims; d++) {
                    float slope = level.scale;
                    for (int e = 0; e < grid->dims; e++)
                        if (e != d)
                            slope *= corner >> e & 1 ? frac[e] : 1 - frac[e];
                    d_u[d * NERF_TILE + s] += corner >> d & 1 ? slope * value : -slope * value;
                }
            }
        }
    }
}

static void scatter(const tg_grid *grid, int level, int tiles, const float *const *u,
                    const float *const *d_out, float *grad) {
    nerf_level at = nerf_level_of(grid, level);
    for (int t = 0; t < tiles; t++)
        for (int s = 0; s < NERF_TILE; s++) {
            uint32_t cell[3];
            float frac[3];
            float g0 = d_out[t][(2 * level) * NERF_TILE + s];
            float g1 = d_out[t][(2 * level + 1) * NERF_TILE + s];
            if ((g0 == 0 && g1 == 0) || !locate(grid, &at, u[t], s, cell, frac))
                continue;
            for (int corner = 0; corner < 1 << grid->dims; corner++) {
                float w;
                uint32_t row = corner_entry(grid, &at, cell, frac, corner, &w);
                grad[2 * row] += w * g0;
                grad[2 * row + 1] += w * g1;
            }
        }
}

static void adam(const nerf_adam_rule *rule, int64_t n, float *value, float *grad, float *m,
                 float *v) {
    for (int64_t i = 0; i < n; i++) {
        float g = grad[i];
        if (rule->sparse && g == 0)
            continue;
        m[i] = rule->beta1 * m[i] + (1 - rule->beta1) * g;
        v[i] = rule->beta2 * v[i] + (1 - rule->beta2) * g * g;
        value[i] -= rule->rate * m[i] / (sqrtf(v[i] * rule->second_scale) + rule->eps);
        grad[i] = 0;
    }
}

const nerf_kernels tg_nerf_kernels_portable = {
    .forward = forward,
    .backward_input = backward_input,
    .backward_weight = backward_weight,
    .transpose = transpose,
    .encode = encode,
    .encode_backward = encode_backward,
    .scatter = scatter,
    .adam = adam,
};
