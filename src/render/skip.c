#include "skip.h"

#include <float.h>
#include <math.h>
#include <string.h>

enum { BRICK = 4 /* cells on a side */ };

tg_status tg_skip_create(tg_context *ctx, const tg_nerf *nerf, int width, int height,
                         tg_skip *skip) {
    memset(skip, 0, sizeof *skip);
    const size_t size = (size_t)nerf->config.grid_size, side = size / BRICK;
    skip->size = nerf->config.grid_size;
    skip->across = (width + TG_SKIP_TILE - 1) / TG_SKIP_TILE;
    skip->down = (height + TG_SKIP_TILE - 1) / TG_SKIP_TILE;
    skip->bits = tg_alloc(size * size * size / 8);
    skip->brick = tg_alloc(side * side * side * sizeof *skip->brick);
    skip->range = tg_alloc((size_t)skip->across * (size_t)skip->down * sizeof *skip->range);
    if (skip->bits == NULL || skip->brick == NULL || skip->range == NULL) {
        tg_skip_destroy(skip);
        return tg_fail(ctx, TG_ENOMEM, "not enough memory for the occupancy of the renderer");
    }
    tg_skip_update(skip, nerf);
    return TG_OK;
}

void tg_skip_destroy(tg_skip *skip) {
    tg_free(skip->bits);
    tg_free(skip->brick);
    tg_free(skip->range);
    memset(skip, 0, sizeof *skip);
}

void tg_skip_update(tg_skip *skip, const tg_nerf *nerf) {
    const tg_march march = tg_nerf_march(nerf);
    skip->usable = march.cascades == 1 && march.dt_min >= march.dt_max;
    skip->bricks = 0;
    if (!skip->usable) {
        return;
    }
    const uint32_t size = (uint32_t)skip->size;
    skip->dt = march.dt_max;
    skip->bound = march.bound;
    skip->to_cell = 0.5f * (float)skip->size / march.bound;
    const float cell = 1.0f / skip->to_cell;
    skip->radius = 0.5f * 1.7320509f * BRICK * cell;
    memset(skip->bits, 0, (size_t)size * size * size / 8);
    /* A brick of 4^3 cells is 64 neighbouring bits in Morton order. */
    const uint32_t side = size / BRICK;
    for (uint32_t code = 0; code < side * side * side; code++) {
        uint64_t bits;
        memcpy(&bits, nerf->bitfield + (size_t)code * 8, sizeof bits);
        if (bits == 0) {
            continue;
        }
        uint32_t corner[3], at[3];
        tg_morton3_inverse(code, corner);
        for (int a = 0; a < 3; a++) {
            skip->brick[skip->bricks][a] = ((float)corner[a] + 0.5f) * BRICK * cell - march.bound;
        }
        skip->bricks++;
        for (uint32_t k = 0; k < 64; k++) {
            if ((nerf->bitfield[(size_t)code * 8 + k / 8] >> (k % 8) & 1u) == 0) {
                continue;
            }
            tg_morton3_inverse(code * 64 + k, at);
            const uint32_t index = (at[0] * size + at[1]) * size + at[2];
            skip->bits[index / 32] |= 1u << (index % 32);
        }
    }
}

/* Tangents from the origin to a circle around (x, z): range of x / z. */
static void tangents(float x, float z, float r, float *low, float *high) {
    const float root = r * sqrtf(x * x + z * z - r * r), scale = 1.0f / (z * z - r * r);
    *low = (x * z - root) * scale;
    *high = (x * z + root) * scale;
}

static int clamp_tile(float pixel, int tiles) {
    const float tile = floorf(pixel / TG_SKIP_TILE);
    return !(tile > 0.0f) ? 0 : tile > (float)(tiles - 1) ? tiles - 1 : (int)tile;
}

void tg_skip_frame(tg_skip *skip, const tg_renderer_options *camera, const float pose[16]) {
    const size_t tiles = (size_t)skip->across * (size_t)skip->down;
    for (size_t i = 0; i < tiles; i++) {
        skip->range[i][0] = FLT_MAX;
        skip->range[i][1] = -FLT_MAX;
    }
    const float r = skip->radius;
    for (int32_t i = 0; i < skip->bricks; i++) {
        float v[3], distance = 0;
        for (int a = 0; a < 3; a++) {
            v[a] = 0;
            for (int k = 0; k < 3; k++) {
                v[a] += pose[4 * k + a] * (skip->brick[i][k] - pose[4 * k + 3]);
            }
            distance += v[a] * v[a];
        }
        distance = sqrtf(distance);
        if (v[2] < -r) {
            continue;
        }
        int left = 0, right = skip->across - 1, top = 0, bottom = skip->down - 1;
        if (v[2] > 1.01f * r) { /* otherwise the camera may be inside: everywhere */
            float low, high;
            /* one pixel of slack on each side covers the rounding of these formulas */
            tangents(v[0], v[2], r, &low, &high);
            const float first = camera->cx + camera->focal * low - 1.5f;
            const float last = camera->cx + camera->focal * high + 0.5f;
            tangents(v[1], v[2], r, &low, &high);
            const float first_row = camera->cy + camera->focal * low - 1.5f;
            const float last_row = camera->cy + camera->focal * high + 0.5f;
            if (last < 0.0f || last_row < 0.0f || first > (float)camera->width ||
                first_row > (float)camera->height) {
                continue;
            }
            left = clamp_tile(first, skip->across);
            right = clamp_tile(last, skip->across);
            top = clamp_tile(first_row, skip->down);
            bottom = clamp_tile(last_row, skip->down);
        }
        for (int row = top; row <= bottom; row++) {
            for (int column = left; column <= right; column++) {
                float *range = skip->range[row * skip->across + column];
                range[0] = fminf(range[0], distance - r);
                range[1] = fmaxf(range[1], distance + r);
            }
        }
    }
}

bool tg_skip_empty(const tg_skip *skip, int row, int column) {
    const float *range = skip->range[(row / TG_SKIP_TILE) * skip->across + column / TG_SKIP_TILE];
    return !(range[0] <= range[1]);
}

bool tg_skip_range(const tg_skip *skip, int row, int column, float near, float far, int32_t *first,
                   int32_t *last) {
    const float *range = skip->range[(row / TG_SKIP_TILE) * skip->across + column / TG_SKIP_TILE];
    const float begin = fmaxf(range[0], near), end = fminf(range[1], far);
    if (!(begin <= end)) {
        return false;
    }
    /* one step of slack for rounding; bits decide in the end */
    const float k = floorf((begin - near) / skip->dt) - 1.0f;
    *first = k > 0.0f ? (int32_t)k : 0;
    *last = (int32_t)floorf((end - near) / skip->dt) + 1;
    /* bits do not say where the box ends: positions beyond it are moved into it */
    const int32_t inside = (int32_t)ceilf((far - near) / skip->dt) - 1;
    *last = *last < inside ? *last : inside;
    return true;
}

static float clampf(float x, float low, float high) {
    return x < low ? low : x > high ? high : x;
}

int tg_skip_march(const tg_skip *skip, const float o[3], const float d[3], float near,
                  int32_t *step, int32_t last, int max, float *xyz, float *delta) {
    const int size = skip->size;
    const float scale = skip->to_cell, shift = 0.5f * (float)size;
    int32_t k = *step;
    int count = 0;
    for (; k <= last && count < max; k++) {
        const float t = near + (float)k * skip->dt;
        float p[3];
        int cell[3];
        for (int a = 0; a < 3; a++) {
            p[a] = o[a] + t * d[a];
            cell[a] = (int)clampf(p[a] * scale + shift, 0.0f, (float)(size - 1));
        }
        const uint32_t index = (uint32_t)((cell[0] * size + cell[1]) * size + cell[2]);
        if ((skip->bits[index / 32] >> (index % 32) & 1u) == 0) {
            continue;
        }
        for (int a = 0; a < 3; a++) {
            xyz[3 * count + a] = clampf(p[a], -skip->bound, skip->bound);
        }
        delta[2 * count] = skip->dt;
        delta[2 * count + 1] = t + skip->dt;
        count++;
    }
    *step = k;
    return count;
}
