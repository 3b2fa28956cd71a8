/* Rays on the device, by the rules of camera.c, occupancy.c and skip.c: where they begin and end,
 * and which of their samples lie in occupied cells. */
#ifndef TALKGEN_RENDER_CUDA_MARCH_CUH
#define TALKGEN_RENDER_CUDA_MARCH_CUH

#include "device.cuh"

TG_DEVICE float clamp_to(float x, float low, float high) {
    return fminf(fmaxf(x, low), high);
}

TG_DEVICE uint32_t spread_bits(uint32_t v) {
    v = (v | v << 16) & 0x030000ffu;
    v = (v | v << 8) & 0x0300f00fu;
    v = (v | v << 4) & 0x030c30c3u;
    v = (v | v << 2) & 0x09249249u;
    return v;
}

TG_DEVICE void ray_direction(const tg_cuda_scene &s, const tg_cuda_view &view, int row, int column,
                             float d[3]) {
    if (view.rays_d != NULL) {
        const float *at = view.rays_d + 3 * ((size_t)row * (size_t)s.width + (size_t)column);
        d[0] = at[0];
        d[1] = at[1];
        d[2] = at[2];
        return;
    }
    float v[3] = {((float)column + 0.5f - s.cx) / s.focal, ((float)row + 0.5f - s.cy) / s.focal,
                  1.0f};
    const float norm = sqrtf(v[0] * v[0] + v[1] * v[1] + v[2] * v[2]);
    for (int a = 0; a < 3; a++) {
        v[a] /= norm;
    }
    for (int a = 0; a < 3; a++) {
        const float *m = view.pose + 4 * a;
        d[a] = m[0] * v[0] + m[1] * v[1] + m[2] * v[2];
    }
}

TG_DEVICE void ray_box(const tg_cuda_scene &s, const tg_cuda_view &view, const float d[3],
                       float *near, float *far) {
    float enter = -FLT_MAX, leave = FLT_MAX;
    *near = *far = FLT_MAX;
    for (int a = 0; a < 3; a++) {
        const float origin = view.pose[4 * a + 3], inverse = 1.0f / d[a];
        const float t0 = (s.aabb[a] - origin) * inverse, t1 = (s.aabb[a + 3] - origin) * inverse;
        const float low = t0 > t1 ? t1 : t0, high = t0 > t1 ? t0 : t1;
        if (enter > high || low > leave) {
            return;
        }
        enter = low > enter ? low : enter;
        leave = high < leave ? high : leave;
    }
    *near = enter < s.min_near ? s.min_near : enter;
    *far = leave;
}

/* False when the ray meets nothing. */
TG_DEVICE bool begin_ray(const tg_cuda_scene &s, const tg_cuda_view &view, int row, int column,
                         tg_cuda_ray &ray) {
    ray_direction(s, view, row, column, ray.d);
    ray_box(s, view, ray.d, &ray.near, &ray.far);
    ray.t = ray.near;
    ray.step = ray.last_step = 0;
    ray.rgb[0] = ray.rgb[1] = ray.rgb[2] = ray.weight = ray.depth = 0.0f;
    ray.samples = ray.ended = ray.opaque = 0;
    if (!s.skips) {
        return ray.near < ray.far;
    }
    const int square = row / TG_CUDA_SQUARE * s.across + column / TG_CUDA_SQUARE;
    const float *range = view.range + 2 * (size_t)square;
    const float begin = fmaxf(range[0], ray.near), end = fminf(range[1], ray.far);
    if (!(begin <= end)) {
        return false;
    }
    const float k = floorf((begin - ray.near) / s.dt_max) - 1.0f;
    ray.step = k > 0.0f ? (int32_t)k : 0;
    const int32_t last = (int32_t)floorf((end - ray.near) / s.dt_max) + 1;
    const int32_t inside = (int32_t)ceilf((ray.far - ray.near) / s.dt_max) - 1;
    ray.last_step = last < inside ? last : inside;
    return true;
}

/* A walk of constant steps. */
TG_DEVICE bool next_step(const tg_cuda_scene &s, const tg_cuda_view &view, tg_cuda_ray &ray,
                         float p[3], float *dt, float *t_after) {
    const int size = s.grid_size;
    const float shift = 0.5f * (float)size;
    while (ray.step <= ray.last_step) {
        const float t = ray.near + (float)ray.step++ * s.dt_max;
        int cell[3];
        for (int a = 0; a < 3; a++) {
            p[a] = view.pose[4 * a + 3] + t * ray.d[a];
            cell[a] = (int)clamp_to(p[a] * s.to_cell + shift, 0.0f, (float)(size - 1));
        }
        const uint32_t index = (uint32_t)((cell[0] * size + cell[1]) * size + cell[2]);
        if ((s.bits[index / 32] >> (index % 32) & 1u) != 0) {
            for (int a = 0; a < 3; a++) {
                p[a] = clamp_to(p[a], -s.bound, s.bound);
            }
            *dt = s.dt_max;
            *t_after = t + s.dt_max;
            return true;
        }
    }
    return false;
}

TG_DEVICE int cascade_of(float size, int cascades) {
    int exponent;
    frexpf(size, &exponent);
    exponent = exponent < 0 ? 0 : exponent;
    return exponent < cascades - 1 ? exponent : cascades - 1;
}

/* The published march: steps that grow with distance, empty cells jumped over. */
TG_DEVICE bool next_cell(const tg_cuda_scene &s, const tg_cuda_view &view, tg_cuda_ray &ray,
                         float p[3], float *dt_out, float *t_after) {
    const int size = s.grid_size;
    const uint32_t level_cells = (uint32_t)size * (uint32_t)size * (uint32_t)size;
    float t = ray.t;
    while (t < ray.far) {
        float dt = clamp_to(t * s.dt_gamma, s.dt_min, s.dt_max), extent = 0.0f;
        for (int a = 0; a < 3; a++) {
            p[a] = clamp_to(view.pose[4 * a + 3] + t * ray.d[a], -s.bound, s.bound);
            extent = fmaxf(extent, fabsf(p[a]));
        }
        int level = 0;
        if (s.cascades > 1) {
            const int by_position = cascade_of(extent, s.cascades);
            const int by_step = cascade_of(dt * (float)size * 0.5f, s.cascades);
            level = by_position > by_step ? by_position : by_step;
        }
        const float half = fminf(ldexpf(1.0f, level), s.bound), inverse_half = 1.0f / half;
        uint32_t code = 0;
        int cell[3];
        for (int a = 0; a < 3; a++) {
            cell[a] = (int)clamp_to(0.5f * (p[a] * inverse_half + 1.0f) * (float)size, 0.0f,
                                    (float)(size - 1));
            code |= spread_bits((uint32_t)cell[a]) << a;
        }
        const uint32_t bit = (uint32_t)level * level_cells + code;
        if ((s.bitfield[bit / 8] >> (bit % 8) & 1u) != 0) {
            t += dt;
            *dt_out = dt;
            *t_after = ray.t = t;
            return true;
        }
        float leave = FLT_MAX;
        for (int a = 0; a < 3; a++) {
            const float side = 0.5f + copysignf(0.5f, ray.d[a]);
            const float wall = (((float)cell[a] + side) / (float)size * 2.0f - 1.0f) * half;
            leave = fminf(leave, (wall - p[a]) * (1.0f / ray.d[a]));
        }
        const float target = t + fmaxf(0.0f, leave);
        do {
            dt = clamp_to(t * s.dt_gamma, s.dt_min, s.dt_max);
            t += dt;
        } while (t < target);
    }
    ray.t = t;
    return false;
}

TG_DEVICE bool next_sample(const tg_cuda_scene &s, const tg_cuda_view &view, tg_cuda_ray &ray,
                           float p[3], float *dt, float *t_after) {
    return s.skips ? next_step(s, view, ray, p, dt, t_after)
                   : next_cell(s, view, ray, p, dt, t_after);
}

/* A sample's share of its ray; returns its weight. */
TG_DEVICE float add_density(const tg_cuda_scene &s, tg_cuda_ray &ray, float sigma, float dt,
                            float t_after) {
    const float transmittance = 1.0f - ray.weight;
    const float weight = (1.0f - expf(-sigma * dt)) * transmittance;
    ray.weight += weight;
    ray.depth += weight * t_after;
    /* the published rule sees a sample's transmittance only with the next one */
    ray.opaque = (s.published ? transmittance : 1.0f - ray.weight) < s.min_transmittance;
    return weight;
}

#endif
