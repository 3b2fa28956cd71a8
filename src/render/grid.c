/* Multi-resolution grid encoder: table layout and the portable lookup. */
#include "talkgen/render.h"

#include <assert.h>
#include <math.h>
#include <string.h>

const uint32_t tg_grid_primes[TG_GRID_MAX_DIMS] = {1u, 2654435761u, 805459861u};

void tg_grid_init(tg_grid *grid, int dims, int levels, int base_resolution, int finest_resolution,
                  int log2_rows, bool hash, bool smoothstep) {
    assert(dims >= 2 && dims <= TG_GRID_MAX_DIMS && levels >= 1 && levels <= TG_GRID_MAX_LEVELS);
    assert(log2_rows >= 3 && log2_rows <= 24 && finest_resolution >= base_resolution);
    memset(grid, 0, sizeof *grid);
    grid->dims = dims;
    grid->levels = levels;
    grid->smoothstep = smoothstep;
    const uint32_t cap = 1u << log2_rows;
    /* The published encoder keeps log2 of the growth as float32. */
    const float growth =
        levels > 1
            ? (float)(log2((double)finest_resolution / (double)base_resolution) / (levels - 1))
            : 0.0f;
    uint32_t offset = 0;
    for (int l = 0; l < levels; l++) {
        grid->scale[l] = exp2f((float)l * growth) * (float)base_resolution - 1.0f;
        const uint32_t resolution = (uint32_t)ceilf(grid->scale[l]) + 1u;
        grid->resolution[l] = resolution;
        double points = 1;
        for (int d = 0; d < dims; d++) {
            points *= (double)resolution + 1.0;
        }
        const bool capped = points > (double)cap;
        const uint32_t rows = capped ? cap : (uint32_t)((points + 7) / 8) * 8u;
        uint64_t stride = 1;
        for (int d = 0; d < dims && stride <= rows; d++) {
            grid->stride[l][d] = (uint32_t)stride;
            stride *= resolution + 1u;
        }
        grid->hashed[l] = hash && stride > rows;
        grid->mask[l] = capped ? cap - 1u : UINT32_MAX;
        grid->offset[l] = offset;
        offset += rows;
    }
    grid->offset[levels] = offset;
}

static void encode_level(const tg_grid *grid, int l, const float *table, const float *u,
                         float out[2]) {
    uint32_t base[TG_GRID_MAX_DIMS] = {0};
    float fraction[TG_GRID_MAX_DIMS] = {0};
    for (int d = 0; d < grid->dims; d++) {
        const float p = u[d] * grid->scale[l] + 0.5f;
        const float cell = floorf(p);
        base[d] = (uint32_t)cell;
        const float f = p - cell;
        fraction[d] = grid->smoothstep ? f * f * (3.0f - 2.0f * f) : f;
    }
    const float *level = table + (size_t)grid->offset[l] * TG_GRID_FEATURES;
    out[0] = out[1] = 0.0f;
    for (int corner = 0; corner < 1 << grid->dims; corner++) {
        float weight = 1.0f;
        uint32_t dense = 0, hash = 0;
        for (int d = 0; d < grid->dims; d++) {
            const uint32_t bit = (uint32_t)corner >> d & 1u;
            weight *= bit ? fraction[d] : 1.0f - fraction[d];
            dense += (base[d] + bit) * grid->stride[l][d];
            hash ^= (base[d] + bit) * tg_grid_primes[d];
        }
        const uint32_t row = (grid->hashed[l] ? hash : dense) & grid->mask[l];
        out[0] += weight * level[2 * (size_t)row];
        out[1] += weight * level[2 * (size_t)row + 1];
    }
}

void tg_grid_encode(const tg_grid *grid, const float *table, const float *u, int64_t n,
                    float *out) {
    const int width = grid->levels * TG_GRID_FEATURES;
    for (int64_t i = 0; i < n; i++) {
        const float *point = u + i * grid->dims;
        float *result = out + i * width;
        bool inside = true;
        for (int d = 0; d < grid->dims; d++) {
            inside = inside && point[d] >= 0.0f && point[d] <= 1.0f;
        }
        if (!inside) {
            memset(result, 0, (size_t)width * sizeof *result);
            continue;
        }
        for (int l = 0; l < grid->levels; l++) {
            encode_level(grid, l, table, point, result + l * TG_GRID_FEATURES);
        }
    }
}
