#include "pack.h"

#include "talkgen/tensor.h"

static uint32_t half_of(float x) {
    const float most = 65504.0f;
    return tg_f32_to_f16(x > most ? most : x < -most ? -most : x);
}

/* Inputs `i` and i + 1 of output o. */
static uint32_t pair(const float *weight, int64_t ld, int in, int out, int i, int o) {
    uint32_t word = 0;
    for (int k = 0; k < 2; k++) {
        if (i + k < in && o < out) {
            word |= half_of(weight[o * ld + i + k]) << (16 * k);
        }
    }
    return word;
}

int tg_cuda_pack_layer(const float *weight, int64_t ld, int in, int out, int wide_in, int wide_out,
                       uint32_t *to) {
    const uint32_t *begin = to;
    for (int o = 0; o < wide_out; o += 16) {
        for (int i = 0; i < wide_in; i += 16) {
            for (int lane = 0; lane < TG_CUDA_WARP; lane++) {
                for (int word = 0; word < 4; word++) {
                    *to++ = pair(weight, ld, in, out, i + lane % 4 * 2 + word % 2 * 8,
                                 o + word / 2 * 8 + lane / 4);
                }
            }
        }
    }
    return (int)(to - begin);
}

int tg_cuda_pack_last(const float *weight, int64_t ld, int in, int out, int wide_in, uint32_t *to) {
    const uint32_t *begin = to;
    for (int i = 0; i < wide_in; i += 16) {
        for (int lane = 0; lane < TG_CUDA_WARP; lane++) {
            for (int word = 0; word < 2; word++) {
                *to++ = pair(weight, ld, in, out, i + lane % 4 * 2 + word * 8, lane / 4);
            }
        }
    }
    return (int)(to - begin);
}

void tg_cuda_pack_table(const float *table, size_t rows, uint32_t *to) {
    for (size_t i = 0; i < rows; i++) {
        to[i] = half_of(table[2 * i]) | half_of(table[2 * i + 1]) << 16;
    }
}

void tg_cuda_pack_levels(const tg_grid *grid, tg_cuda_level *to) {
    for (int l = 0; l < grid->levels; l++) {
        const bool flat = grid->stride[l][grid->dims - 1] == 0 && !grid->hashed[l];
        to[l] = (tg_cuda_level){.scale = grid->scale[l],
                                .mask = grid->mask[l],
                                .offset = grid->offset[l],
                                .hashed = grid->hashed[l],
                                .axes = (uint32_t)(flat ? grid->dims - 1 : grid->dims)};
        for (int a = 0; a < grid->dims; a++) {
            to[l].stride[a] = grid->stride[l][a];
        }
    }
}
