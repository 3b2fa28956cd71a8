#include "studio/noise.h"

static uint32_t mix32(uint32_t x) {
    x ^= x >> 16;
    x *= 0x7feb352du;
    x ^= x >> 15;
    x *= 0x846ca68bu;
    x ^= x >> 16;
    return x;
}

/* Uniform [0,1) of an integer lattice point. */
static float lattice(int x, int y, int z) {
    uint32_t h = mix32((uint32_t)z * 83492791u + 7u);
    h = mix32((uint32_t)y * 19349663u ^ h);
    h = mix32((uint32_t)x * 73856093u ^ h);
    return (float)(h >> 8) * (1.0f / 16777216.0f);
}

void tg_noise_init(tg_noise *noise) {
    float *v = noise->value;
    for (int z = 0; z < TG_NOISE_SIZE; z++)
        for (int y = 0; y < TG_NOISE_SIZE; y++)
            for (int x = 0; x < TG_NOISE_SIZE; x++)
                *v++ = lattice(x, y, z);
}

float tg_noise_at(const tg_noise *noise, tg_vec3 p) {
    enum { N = TG_NOISE_SIZE, MASK = N - 1 };
    int xi = tg_floori(p.x), yi = tg_floori(p.y), zi = tg_floori(p.z);
    float fx = p.x - (float)xi, fy = p.y - (float)yi, fz = p.z - (float)zi;
    fx = fx * fx * (3 - 2 * fx);
    fy = fy * fy * (3 - 2 * fy);
    fz = fz * fz * (3 - 2 * fz);
    int x0 = xi & MASK, x1 = (xi + 1) & MASK;
    const float *v = noise->value;
    const float *r00 = v + (size_t)(((zi & MASK) * N + (yi & MASK)) * N);
    const float *r01 = v + (size_t)(((zi & MASK) * N + ((yi + 1) & MASK)) * N);
    const float *r10 = v + (size_t)((((zi + 1) & MASK) * N + (yi & MASK)) * N);
    const float *r11 = v + (size_t)((((zi + 1) & MASK) * N + ((yi + 1) & MASK)) * N);
    float a00 = r00[x0] + fx * (r00[x1] - r00[x0]), a01 = r01[x0] + fx * (r01[x1] - r01[x0]);
    float a10 = r10[x0] + fx * (r10[x1] - r10[x0]), a11 = r11[x0] + fx * (r11[x1] - r11[x0]);
    float a0 = a00 + fy * (a01 - a00), a1 = a10 + fy * (a11 - a10);
    return a0 + fz * (a1 - a0);
}

float tg_noise_fbm(const tg_noise *noise, tg_vec3 p, int octaves) {
    float sum = 0, weight = 0, a = 0.5f;
    for (int i = 0; i < octaves; i++) {
        sum += a * tg_noise_at(noise, p);
        weight += a;
        a *= 0.5f;
        p = tg_v3_scale(p, 2.03f);
    }
    return sum / weight;
}

tg_vec3 tg_noise_gradient(const tg_noise *noise, tg_vec3 p, int octaves, float step) {
    float f = tg_noise_fbm(noise, p, octaves);
    return tg_v3(tg_noise_fbm(noise, tg_v3(p.x + step, p.y, p.z), octaves) - f,
                 tg_noise_fbm(noise, tg_v3(p.x, p.y + step, p.z), octaves) - f,
                 tg_noise_fbm(noise, tg_v3(p.x, p.y, p.z + step), octaves) - f);
}

float tg_noise_dots(tg_vec3 p, float cell, float share, float r0, float r1) {
    float s = 1 / cell, best = 0;
    /* A dot reaches r1 beyond its own cell at most, so few cells can matter. */
    int x0 = tg_floori((p.x - r1) * s), x1 = tg_floori((p.x + r1) * s);
    int y0 = tg_floori((p.y - r1) * s), y1 = tg_floori((p.y + r1) * s);
    int z0 = tg_floori((p.z - r1) * s), z1 = tg_floori((p.z + r1) * s);
    for (int z = z0; z <= z1; z++)
        for (int y = y0; y <= y1; y++)
            for (int x = x0; x <= x1; x++) {
                if (lattice(x, y, z) > share)
                    continue;
                tg_vec3 c = tg_v3(((float)x + lattice(x + 91, y, z)) * cell,
                                  ((float)y + lattice(x, y + 57, z)) * cell,
                                  ((float)z + lattice(x, y, z + 33)) * cell);
                float r = r0 + (r1 - r0) * lattice(x + 5, y + 9, z + 2);
                tg_vec3 d = tg_v3_sub(p, c);
                float dark = 1 - tg_smoothstep(0.35f, 1, sqrtf(tg_v3_dot(d, d)) / r);
                dark *= 0.4f + 0.6f * lattice(x + 1, y + 2, z + 3);
                best = tg_maxf(best, dark);
            }
    return best;
}
