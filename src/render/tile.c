/* Choice of kernels, and the memory that they work on. */
#include "tile.h"

#include <math.h>
#include <string.h>

const tg_tile_kernels *tg_tile_kernels_for(tg_cpu_level level, bool full_precision) {
#if defined(__x86_64__)
    if (level >= TG_CPU_AVX512BF16 && !full_precision) {
        return &tg_tile_avx512bf16;
    }
    if (level == TG_CPU_AVX512VNNI && !full_precision) {
        return &tg_tile_avx512vnni;
    }
    if (level >= TG_CPU_AVX512) {
        return &tg_tile_avx512;
    }
    if (level >= TG_CPU_AVX2) {
        return &tg_tile_avx2;
    }
#elif defined(__aarch64__)
    if (level >= TG_CPU_NEON) {
        return &tg_tile_neon;
    }
#endif
    (void)level;
    (void)full_precision;
    return &tg_tile_portable;
}

bool tg_tile_grid_create(tg_tile_grid *out, const tg_tile_kernels *kernels, const tg_grid *grid) {
    out->grid = *grid;
    const size_t rows = (size_t)grid->offset[grid->levels] + (size_t)grid->levels;
    out->table = tg_alloc(rows * kernels->grid_row);
    return out->table != NULL;
}

void tg_tile_grid_fill(tg_tile_grid *out, const tg_tile_kernels *kernels, const float *table) {
    const tg_grid *grid = &out->grid;
    for (int l = 0; l < grid->levels; l++) {
        const size_t begin = grid->offset[l], rows = grid->offset[l + 1] - begin;
        char *to = (char *)out->table + (begin + (size_t)l) * kernels->grid_row;
        out->unit[l] = kernels->grid_pack(table + begin * TG_GRID_FEATURES, rows, to);
        memcpy(to + rows * kernels->grid_row, to, kernels->grid_row);
    }
}

float tg_grid_pack_f32(const float *rows, size_t n, void *packed) {
    memcpy(packed, rows, n * TG_GRID_FEATURES * sizeof(float));
    return 1.0f;
}

float tg_grid_pack_int16(const float *rows, size_t n, void *packed) {
    int16_t *to = packed;
    float most = 0.0f;
    for (size_t i = 0; i < n * TG_GRID_FEATURES; i++) {
        most = fmaxf(most, fabsf(rows[i]));
    }
    const float factor = most > 1e-30f ? INT16_MAX / most : 0.0f;
    for (size_t i = 0; i < n * TG_GRID_FEATURES; i++) {
        to[i] = (int16_t)lrintf(rows[i] * factor);
    }
    /* the kernel reads an integer from the upper half of 32 bits */
    return most / ((float)INT16_MAX * 65536.0f);
}

bool tg_layer_create(tg_layer *layer, const tg_tile_kernels *kernels, int in, int out) {
    layer->in = in;
    layer->out = out;
    layer->weight = tg_alloc(kernels->layer_bytes(in, out));
    return layer->weight != NULL;
}

void tg_layer_destroy(tg_layer *layer) {
    tg_free(layer->weight);
    layer->weight = NULL;
}

void tg_layer_fill(tg_layer *layer, const tg_tile_kernels *kernels, const float *weight,
                   int64_t ld) {
    kernels->layer_pack(layer->in, layer->out, weight, ld, layer->weight);
}

void tg_tile_compress(const float *in, int rows, uint32_t mask, float *out, int out_stride,
                      int at) {
    int lane[TG_TILE], count = 0;
    for (; mask != 0; mask &= mask - 1) {
        lane[count++] = __builtin_ctz(mask);
    }
    for (int row = 0; row < rows; row++, in += TG_TILE, out += out_stride) {
        for (int i = 0; i < count; i++) {
            out[at + i] = in[lane[i]];
        }
    }
}

size_t tg_layer_bytes_f32(int in, int out) {
    return (size_t)in * (size_t)out * sizeof(float);
}

void tg_layer_pack_f32(int in, int out, const float *weight, int64_t ld, void *packed) {
    float *to = packed;
    for (int block = 0; block < out; block += TG_LAYER_BLOCK) {
        const int width = out - block < TG_LAYER_BLOCK ? out - block : TG_LAYER_BLOCK;
        for (int i = 0; i < in; i++) {
            for (int o = 0; o < width; o++) {
                *to++ = weight[(block + o) * ld + i];
            }
        }
    }
}
