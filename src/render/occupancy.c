/* Occupancy grid of the volume and the samples of a ray that lie in occupied cells. */
#include "talkgen/render.h"

#include <float.h>
#include <math.h>
#include <string.h>

static uint32_t spread_bits(uint32_t v) {
    v = (v | v << 16) & 0x030000ffu;
    v = (v | v << 8) & 0x0300f00fu;
    v = (v | v << 4) & 0x030c30c3u;
    v = (v | v << 2) & 0x09249249u;
    return v;
}

static uint32_t gather_bits(uint32_t v) {
    v &= 0x09249249u;
    v = (v | v >> 2) & 0x030c30c3u;
    v = (v | v >> 4) & 0x0300f00fu;
    v = (v | v >> 8) & 0x030000ffu;
    v = (v | v >> 16) & 0x000003ffu;
    return v;
}

uint32_t tg_morton3(uint32_t x, uint32_t y, uint32_t z) {
    return spread_bits(x) | spread_bits(y) << 1 | spread_bits(z) << 2;
}

void tg_morton3_inverse(uint32_t code, uint32_t out[3]) {
    for (int d = 0; d < 3; d++) {
        out[d] = gather_bits(code >> d);
    }
}

float tg_nerf_pack_occupancy(tg_nerf *nerf) {
    const float *grid = nerf->density_grid;
    const int64_t cells = (int64_t)nerf->cells;
    double sum = 0;
    for (int64_t i = 0; i < cells; i++) {
        sum += grid[i] > 0.0f ? grid[i] : 0.0f;
    }
    const float mean = (float)(sum / (double)cells);
    const float threshold = fminf(mean, nerf->config.density_thresh);
    memset(nerf->bitfield, 0, nerf->bitfield_bytes);
    for (int64_t i = 0; i < cells; i++) {
        if (grid[i] > threshold) {
            nerf->bitfield[i / 8] |= (uint8_t)(1u << (i % 8));
        }
    }
    return mean;
}

tg_march tg_nerf_march(const tg_nerf *nerf) {
    const tg_nerf_config *config = &nerf->config;
    const float diagonal = 2.0f * 1.7320508075688772f;
    tg_march march = {.bitfield = nerf->bitfield,
                      .grid_size = config->grid_size,
                      .cascades = nerf->cascades,
                      .bound = config->bound,
                      .dt_gamma = config->dt_gamma};
    march.dt_max = diagonal * (float)(1 << (nerf->cascades - 1)) / (float)config->grid_size;
    march.dt_min = fminf(march.dt_max, diagonal / (float)config->max_steps);
    return march;
}

void tg_ray_box(const float aabb[6], float min_near, const float o[3], const float d[3],
                float *near, float *far) {
    float enter = -FLT_MAX, leave = FLT_MAX;
    *near = *far = FLT_MAX;
    for (int a = 0; a < 3; a++) {
        const float inverse = 1.0f / d[a];
        float t0 = (aabb[a] - o[a]) * inverse, t1 = (aabb[a + 3] - o[a]) * inverse;
        if (t0 > t1) {
            const float swap = t0;
            t0 = t1;
            t1 = swap;
        }
        if (enter > t1 || t0 > leave) {
            return;
        }
        enter = t0 > enter ? t0 : enter;
        leave = t1 < leave ? t1 : leave;
    }
    *near = enter < min_near ? min_near : enter;
    *far = leave;
}

static float clampf(float x, float low, float high) {
    return fminf(fmaxf(x, low), high);
}

/* Cascade of a size: smallest k with size <= 2^k, limited to the cascades there are. */
static int cascade_of(float size, int cascades) {
    int exponent;
    frexpf(size, &exponent);
    exponent = exponent < 0 ? 0 : exponent;
    return exponent < cascades - 1 ? exponent : cascades - 1;
}

int tg_march_ray(const tg_march *march, const float o[3], const float d[3], float far, float *t_io,
                 int max, float *xyz, float *delta) {
    const int size = march->grid_size;
    const uint32_t level_cells = (uint32_t)size * (uint32_t)size * (uint32_t)size;
    const float inverse_size = 1.0f / (float)size;
    const float inverse_d[3] = {1.0f / d[0], 1.0f / d[1], 1.0f / d[2]};
    float t = *t_io;
    int count = 0;
    while (t < far && count < max) {
        float p[3], dt = clampf(t * march->dt_gamma, march->dt_min, march->dt_max);
        float extent = 0;
        for (int a = 0; a < 3; a++) {
            p[a] = clampf(o[a] + t * d[a], -march->bound, march->bound);
            extent = fmaxf(extent, fabsf(p[a]));
        }
        int level = 0;
        if (march->cascades > 1) {
            const int by_position = cascade_of(extent, march->cascades);
            const int by_step = cascade_of(dt * (float)size * 0.5f, march->cascades);
            level = by_position > by_step ? by_position : by_step;
        }
        const float half = fminf(ldexpf(1.0f, level), march->bound), inverse_half = 1.0f / half;
        int cell[3];
        for (int a = 0; a < 3; a++) {
            cell[a] = (int)clampf(0.5f * (p[a] * inverse_half + 1.0f) * (float)size, 0.0f,
                                  (float)(size - 1));
        }
        const uint32_t bit = (uint32_t)level * level_cells +
                             tg_morton3((uint32_t)cell[0], (uint32_t)cell[1], (uint32_t)cell[2]);
        if (march->bitfield[bit / 8] >> (bit % 8) & 1u) {
            t += dt;
            memcpy(xyz + 3 * count, p, sizeof p);
            delta[2 * count] = dt;
            delta[2 * count + 1] = t;
            count++;
            continue;
        }
        float leave = FLT_MAX;
        for (int a = 0; a < 3; a++) {
            const float side = 0.5f + copysignf(0.5f, d[a]);
            const float wall = (((float)cell[a] + side) * inverse_size * 2.0f - 1.0f) * half;
            leave = fminf(leave, (wall - p[a]) * inverse_d[a]);
        }
        const float target = t + fmaxf(0.0f, leave);
        do {
            dt = clampf(t * march->dt_gamma, march->dt_min, march->dt_max);
            t += dt;
        } while (t < target);
    }
    *t_io = t;
    return count;
}

float tg_nerf_torso_occupancy(const tg_nerf *nerf, float row, float col) {
    const int size = nerf->config.grid_size;
    const float *grid = nerf->density_grid_torso;
    /* index column*size + row: grid_sample reads the first coordinate along the fast axis */
    const float x = (row + 1.0f) * 0.5f * (float)(size - 1);
    const float y = (col + 1.0f) * 0.5f * (float)(size - 1);
    const float x0 = floorf(x), y0 = floorf(y);
    const float fx = x - x0, fy = y - y0;
    float sum = 0;
    for (int corner = 0; corner < 4; corner++) {
        const float cx = x0 + (float)(corner & 1), cy = y0 + (float)(corner >> 1);
        if (cx < 0.0f || cy < 0.0f || cx > (float)(size - 1) || cy > (float)(size - 1)) {
            continue;
        }
        const float weight = (corner & 1 ? fx : 1.0f - fx) * (corner >> 1 ? fy : 1.0f - fy);
        sum += weight * grid[(size_t)cy * (size_t)size + (size_t)cx];
    }
    return sum;
}
