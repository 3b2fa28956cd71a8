/* Three floats and the few inline functions that shading needs. Colours are linear RGB. */
#ifndef TG_STUDIO_VEC3_H
#define TG_STUDIO_VEC3_H

#include <math.h>
#include <stdint.h>
#include <string.h>

typedef struct {
    float x, y, z;
} tg_vec3;

static inline tg_vec3 tg_v3(float x, float y, float z) {
    return (tg_vec3){x, y, z};
}

static inline tg_vec3 tg_v3_load(const float *p) {
    return (tg_vec3){p[0], p[1], p[2]};
}

static inline tg_vec3 tg_v3_add(tg_vec3 a, tg_vec3 b) {
    return tg_v3(a.x + b.x, a.y + b.y, a.z + b.z);
}

static inline tg_vec3 tg_v3_sub(tg_vec3 a, tg_vec3 b) {
    return tg_v3(a.x - b.x, a.y - b.y, a.z - b.z);
}

static inline tg_vec3 tg_v3_scale(tg_vec3 a, float s) {
    return tg_v3(a.x * s, a.y * s, a.z * s);
}

static inline tg_vec3 tg_v3_mul(tg_vec3 a, tg_vec3 b) {
    return tg_v3(a.x * b.x, a.y * b.y, a.z * b.z);
}

/* a + s*b */
static inline tg_vec3 tg_v3_mad(tg_vec3 a, float s, tg_vec3 b) {
    return tg_v3(a.x + s * b.x, a.y + s * b.y, a.z + s * b.z);
}

static inline tg_vec3 tg_v3_mix(tg_vec3 a, tg_vec3 b, float t) {
    return tg_v3_mad(tg_v3_scale(a, 1 - t), t, b);
}

static inline float tg_v3_dot(tg_vec3 a, tg_vec3 b) {
    return a.x * b.x + a.y * b.y + a.z * b.z;
}

static inline tg_vec3 tg_v3_cross(tg_vec3 a, tg_vec3 b) {
    return tg_v3(a.y * b.z - a.z * b.y, a.z * b.x - a.x * b.z, a.x * b.y - a.y * b.x);
}

static inline tg_vec3 tg_v3_normal(tg_vec3 a) {
    float n = tg_v3_dot(a, a);
    return n > 1e-24f ? tg_v3_scale(a, 1 / sqrtf(n)) : tg_v3(0, 0, 1);
}

static inline float tg_clampf(float x, float low, float high) {
    return x < low ? low : x > high ? high : x;
}

static inline float tg_maxf(float a, float b) {
    return a > b ? a : b;
}

static inline float tg_minf(float a, float b) {
    return a < b ? a : b;
}

static inline float tg_smoothstep(float low, float high, float x) {
    x = tg_clampf((x - low) / (high - low), 0, 1);
    return x * x * (3 - 2 * x);
}

/* floor as int; the baseline x86-64 has no rounding instruction and libm's floorf is a call. */
static inline int tg_floori(float x) {
    int i = (int)x;
    return i - (x < (float)i);
}

/* log2 and exp2 by polynomials, relative error below 1e-4 of the power they are used for: gloss
 * and tone need no more, and powf costs more than the rest of a light. x > 0. */
static inline float tg_fast_log2(float x) {
    uint32_t bits;
    memcpy(&bits, &x, 4);
    int e = (int)(bits >> 23) - 127;
    bits = (bits & 0x007fffffu) | 0x3f800000u;
    float m;
    memcpy(&m, &bits, 4);
    float t = (m - 1) / (m + 1), t2 = t * t;
    /* log2(m) = 2/ln2 * atanh(t), t in [0,1/3] */
    return (float)e + t * (2.8853901f + t2 * (0.9617967f + t2 * (0.5770780f + t2 * 0.4121986f)));
}

static inline float tg_fast_exp2(float x) {
    x = tg_clampf(x, -126, 126);
    int i = tg_floori(x);
    float f = x - (float)i;
    float p = 1 + f * (0.69314718f +
                       f * (0.24022651f + f * (0.05550411f + f * (0.00961813f + f * 0.00133389f))));
    uint32_t bits = (uint32_t)(i + 127) << 23;
    float s;
    memcpy(&s, &bits, 4);
    return p * s;
}

/* x^y for x >= 0 */
static inline float tg_fast_pow(float x, float y) {
    return x <= 1e-12f ? 0 : tg_fast_exp2(y * tg_fast_log2(x));
}

#endif
