/* The kernels in plain C: short loops over the 32 lanes of a tile. The oracle of all other levels,
 * and what runs on processors without AVX2. */
#include "tile.h"

#include <math.h>
#include <string.h>

enum {
    LANES = 8,
    OUTPUTS = 4 /* of one step: 32 sums, which fit the registers of most machines */
};

static inline void activate(float x[LANES], tg_act act) {
    if (act == TG_ACT_RELU) {
        for (int s = 0; s < LANES; s++) {
            x[s] = x[s] > 0.0f ? x[s] : 0.0f;
        }
    } else if (act == TG_ACT_LEAKY) {
        for (int s = 0; s < LANES; s++) {
            x[s] = x[s] > 0.0f ? x[s] : 0.02f * x[s];
        }
    }
}

/* `outputs` <= 4 outputs of 8 lanes; weight [in][width] */
static inline void layer_step(const float *weight, int width, int in, const float *x, int stride,
                              const float *bias, const float *rows, tg_act act, float *out,
                              const int outputs) {
    float sum[OUTPUTS][LANES];
    for (int o = 0; o < outputs; o++) {
        for (int s = 0; s < LANES; s++) {
            sum[o][s] = rows != NULL ? rows[o * TG_TILE + s] : bias != NULL ? bias[o] : 0.0f;
        }
    }
    for (int i = 0; i < in; i++, x += stride, weight += width) {
        for (int o = 0; o < outputs; o++) {
            for (int s = 0; s < LANES; s++) {
                sum[o][s] += weight[o] * x[s];
            }
        }
    }
    for (int o = 0; o < outputs; o++) {
        activate(sum[o], act);
        memcpy(out + o * TG_TILE, sum[o], sizeof sum[o]);
    }
}

static void layer(const tg_layer *layer, const float *in, int in_stride, const float *bias,
                  const float *rows, tg_act act, float *out) {
    const float *weight = layer->weight;
    for (int block = 0; block < layer->out; block += TG_LAYER_BLOCK) {
        const int left = layer->out - block;
        const int width = left < TG_LAYER_BLOCK ? left : TG_LAYER_BLOCK;
        for (int lane = 0; lane < TG_TILE; lane += LANES) {
            int o = 0;
            for (; o + OUTPUTS <= width; o += OUTPUTS) {
                layer_step(weight + o, width, layer->in, in + lane, in_stride,
                           bias != NULL ? bias + block + o : NULL,
                           rows != NULL ? rows + (block + o) * TG_TILE + lane : NULL, act,
                           out + (block + o) * TG_TILE + lane, OUTPUTS);
            }
            for (; o < width; o++) {
                layer_step(weight + o, width, layer->in, in + lane, in_stride,
                           bias != NULL ? bias + block + o : NULL,
                           rows != NULL ? rows + (block + o) * TG_TILE + lane : NULL, act,
                           out + (block + o) * TG_TILE + lane, 1);
            }
        }
        weight += (size_t)layer->in * (size_t)width;
    }
}

static void grid_lane(const tg_tile_grid *tile, const float u[3], float *out) {
    const tg_grid *grid = &tile->grid;
    for (int l = 0; l < grid->levels; l++) {
        uint32_t base[3] = {0};
        float f[3] = {0};
        for (int d = 0; d < grid->dims; d++) {
            const float p = u[d] * grid->scale[l] + 0.5f, cell = floorf(p);
            base[d] = (uint32_t)cell;
            f[d] = p - cell;
            f[d] = grid->smoothstep ? f[d] * f[d] * (3.0f - 2.0f * f[d]) : f[d];
        }
        const float *level = (const float *)tile->table + ((size_t)grid->offset[l] + (size_t)l) * 2;
        float sum[2] = {0, 0};
        /* an ignored last axis has two equal halves: its weights add up to one */
        const int dims =
            grid->stride[l][grid->dims - 1] == 0 && !grid->hashed[l] ? grid->dims - 1 : grid->dims;
        for (int corner = 0; corner < 1 << dims; corner++) {
            float weight = 1.0f;
            uint32_t dense = 0, hash = 0;
            for (int d = 0; d < grid->dims; d++) {
                const uint32_t bit = (uint32_t)corner >> d & 1u;
                weight *= d >= dims ? 1.0f : bit ? f[d] : 1.0f - f[d];
                dense += (base[d] + bit) * grid->stride[l][d];
                hash ^= (base[d] + bit) * tg_grid_primes[d];
            }
            const uint32_t row = (grid->hashed[l] ? hash : dense) & grid->mask[l];
            sum[0] += weight * level[2 * (size_t)row];
            sum[1] += weight * level[2 * (size_t)row + 1];
        }
        out[(2 * l) * TG_TILE] = sum[0];
        out[(2 * l + 1) * TG_TILE] = sum[1];
    }
}

static void grid(const tg_tile_grid *tile, const float *u, float *out) {
    for (int s = 0; s < TG_TILE; s++) {
        float point[3] = {0};
        bool inside = true;
        for (int d = 0; d < tile->grid.dims; d++) {
            point[d] = u[d * TG_TILE + s];
            inside = inside && point[d] >= 0.0f && point[d] <= 1.0f;
        }
        if (inside) {
            grid_lane(tile, point, out + s);
            continue;
        }
        for (int row = 0; row < tile->grid.levels * TG_GRID_FEATURES; row++) {
            out[row * TG_TILE + s] = 0.0f;
        }
    }
}

static void sh(const float *d, float *out, int stride) {
    for (int s = 0; s < TG_TILE; s++) {
        float values[16];
        tg_sh_encode((float[]){d[s], d[stride + s], d[2 * stride + s]}, values);
        for (int i = 0; i < 16; i++) {
            out[i * stride + s] = values[i];
        }
    }
}

static void exp_all(float *x, int n) {
    for (int i = 0; i < n; i++) {
        x[i] = expf(x[i]);
    }
}

static void tanh_all(float *x, int n) {
    for (int i = 0; i < n; i++) {
        x[i] = tanhf(x[i]);
    }
}

static void sigmoid_all(float *x, int n) {
    for (int i = 0; i < n; i++) {
        x[i] = 1.0f / (1.0f + expf(-x[i]));
    }
}

const tg_tile_kernels tg_tile_portable = {
    .name = "portable",
    .fine = true,
    .layer_bytes = tg_layer_bytes_f32,
    .layer_pack = tg_layer_pack_f32,
    .layer = layer,
    .grid_row = TG_GRID_FEATURES * sizeof(float),
    .grid_pack = tg_grid_pack_f32,
    .grid = grid,
    .sh = sh,
    .exp = exp_all,
    .tanh = tanh_all,
    .sigmoid = sigmoid_all,
    .compress = tg_tile_compress,
};
