#include "studio/mouth.h"

void tg_mouth_window_open(tg_mouth_window *window, const float (*lips)[3]) {
    tg_vec3 area = {0, 0, 0}, sum = {0, 0, 0};
    for (int i = 0; i < TG_LIP_RING; i++) {
        window->lip[i] = tg_v3_load(lips[i]);
        sum = tg_v3_add(sum, window->lip[i]);
    }
    window->center = tg_v3_scale(sum, 1.0f / TG_LIP_RING);
    for (int i = 1; i + 1 < TG_LIP_RING; i++) {
        tg_vec3 a = tg_v3_sub(window->lip[i], window->lip[0]);
        tg_vec3 b = tg_v3_sub(window->lip[i + 1], window->lip[0]);
        area = tg_v3_add(area, tg_v3_cross(a, b));
    }
    /* Landmarks run along the upper lip to the subject's left: clockwise for who looks at the face.
     * Pressed lips overlap and turn the ring around. */
    window->area = tg_maxf(0, -0.5f * area.z);
    window->normal = tg_v3_normal(tg_v3_scale(area, -1));
}

/* Angle between unit vectors, without libm: error below 1e-4. */
static float angle(float c) {
    float x = fabsf(tg_clampf(c, -1, 1));
    float a = sqrtf(1 - x) * (1.5707963f + x * (-0.2121144f + x * (0.0742610f + x * -0.0187293f)));
    return c < 0 ? 3.1415927f - a : a;
}

/* Lambert's formula for the form factor of a polygon of unit vectors (Baum et al. 1989). */
static float form_factor(const tg_vec3 *v, int count, tg_vec3 n) {
    float sum = 0;
    for (int i = 0; i < count; i++) {
        tg_vec3 a = v[i], b = v[(i + 1) % count], side = tg_v3_cross(b, a);
        float size = tg_v3_dot(side, side);
        if (size > 1e-12f)
            sum += angle(tg_v3_dot(a, b)) * tg_v3_dot(side, n) / sqrtf(size);
    }
    return sum * 0.15915494f;
}

/* Of a triangle seen from the origin, without what lies below the horizon of n; negative when it
 * shows its other side. */
static float triangle_share(const tg_vec3 corner[3], tg_vec3 n) {
    tg_vec3 seen[4];
    int count = 0;
    for (int i = 0; i < 3; i++) {
        tg_vec3 a = corner[i], b = corner[(i + 1) % 3];
        float ha = tg_v3_dot(a, n), hb = tg_v3_dot(b, n);
        if (ha >= 0)
            seen[count++] = tg_v3_normal(a);
        if ((ha < 0) != (hb < 0))
            seen[count++] = tg_v3_normal(tg_v3_mad(a, ha / (ha - hb), tg_v3_sub(b, a)));
    }
    return form_factor(seen, count, n);
}

/* Solid angle of the fan of triangles in half spaces (van Oosterom and Strackee 1983): close to the
 * window it is 1 on the inner side and -1 on the outer. Unit vectors. */
static float half_spaces(tg_vec3 center, const tg_vec3 *ring) {
    float sum = 0;
    for (int i = 0; i < TG_LIP_RING; i++) {
        tg_vec3 a = ring[i], b = ring[(i + 1) % TG_LIP_RING];
        float volume = tg_v3_dot(center, tg_v3_cross(b, a));
        sum += atan2f(volume, 1 + tg_v3_dot(center, a) + tg_v3_dot(center, b) + tg_v3_dot(a, b));
    }
    return sum * 0.31830989f;
}

float tg_mouth_window_share(const tg_mouth_window *window, tg_vec3 p, tg_vec3 n) {
    tg_vec3 center = tg_v3_sub(window->center, p), ring[TG_LIP_RING];
    float net = 0; /* parts of the ring that hide each other cancel */
    if (window->area <= 0)
        return 0;
    for (int i = 0; i < TG_LIP_RING; i++)
        ring[i] = tg_v3_sub(window->lip[i], p);
    for (int i = 0; i < TG_LIP_RING; i++) { /* the ring is not flat, but its triangles are */
        tg_vec3 corner[3] = {center, ring[i], ring[(i + 1) % TG_LIP_RING]};
        net += triangle_share(corner, n);
    }
    float inside = tg_clampf(net, 0, 1);
    float height = -tg_v3_dot(center, window->normal);
    if (height < -0.05f)
        return inside;
    /* Teeth and tongue may stand out of the window. It then lies behind them, and light comes from
     * everywhere else; further out, from the half space before the face. */
    for (int i = 0; i < TG_LIP_RING; i++)
        ring[i] = tg_v3_normal(ring[i]);
    float outside = tg_smoothstep(0, 0.5f, -half_spaces(tg_v3_normal(center), ring));
    float away = tg_smoothstep(0.01f, 0.08f, height);
    float sky = tg_clampf(1 + net, 0, 1);
    sky += away * (0.5f + 0.5f * tg_v3_dot(n, window->normal) - sky);
    return inside + tg_maxf(outside, away) * (sky - inside);
}
