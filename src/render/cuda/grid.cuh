/* Encoders of a point on the device: one level of a grid, spherical harmonics. As grid.c and sh.c.
 */
#ifndef TALKGEN_RENDER_CUDA_GRID_CUH
#define TALKGEN_RENDER_CUDA_GRID_CUH

#include "device.cuh"

#include "../sh_terms.h"

/* Rows of a table. */
struct table_full {
    const float2 *rows;
    TG_METHOD explicit table_full(const tg_cuda_grid &grid)
        : rows(reinterpret_cast<const float2 *>(grid.full)) {
    }
    TG_METHOD float2 row(uint32_t i) const {
        return rows[i];
    }
};
struct table_half {
    const uint32_t *rows;
    TG_METHOD explicit table_half(const tg_cuda_grid &grid) : rows(grid.half) {
    }
    TG_METHOD float2 row(uint32_t i) const {
        return unpack_half(rows[i]);
    }
};

/* The two features of point u [DIMS] in [0,1] at a level; zeros outside. An axis that the index
 * ignores has two equal halves, whose weights add up to one: only one of them is looked up. */
template <int DIMS, class Table>
TG_DEVICE float2 grid_features(const Table &table, const tg_cuda_level &level, bool smoothstep,
                               const float *u) {
    float2 sum = make_float2(0.0f, 0.0f);
    float f[DIMS];
    uint32_t base[DIMS];
    bool inside = true;
    for (int a = 0; a < DIMS; a++) {
        inside = inside && u[a] >= 0.0f && u[a] <= 1.0f;
    }
    if (!inside) {
        return sum;
    }
    for (int a = 0; a < DIMS; a++) {
        const float p = u[a] * level.scale + 0.5f, cell = floorf(p);
        base[a] = (uint32_t)cell;
        f[a] = p - cell;
        f[a] = smoothstep ? f[a] * f[a] * (3.0f - 2.0f * f[a]) : f[a];
    }
    const uint32_t axes = level.axes;
    for (uint32_t corner = 0; corner < (1u << DIMS); corner++) {
        if (corner >> axes != 0) {
            break;
        }
        const uint32_t primes[3] = {1u, 2654435761u, 805459861u};
        float weight = 1.0f;
        uint32_t dense = 0, hash = 0;
        for (int a = 0; a < DIMS; a++) {
            const uint32_t bit = corner >> a & 1u;
            weight *= (uint32_t)a >= axes ? 1.0f : bit ? f[a] : 1.0f - f[a];
            dense += (base[a] + bit) * level.stride[a];
            hash ^= (base[a] + bit) * primes[a];
        }
        const float2 row = table.row(level.offset + ((level.hashed ? hash : dense) & level.mask));
        sum.x += weight * row.x;
        sum.y += weight * row.y;
    }
    return sum;
}

TG_DEVICE float sigmoid(float x) {
    return 1.0f / (1.0f + expf(-x));
}

#endif
