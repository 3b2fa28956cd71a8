#include "studio/shade.h"

#define PI 3.14159265f

tg_vec3 tg_sky(tg_vec3 d) {
    const tg_vec3 up = {0.50f, 0.54f, 0.60f}, horizon = {0.30f, 0.305f, 0.325f},
                  ground = {0.17f, 0.145f, 0.13f};
    return d.y > 0 ? tg_v3_mix(horizon, up, d.y) : tg_v3_mix(horizon, ground, sqrtf(-d.y));
}

tg_vec3 tg_sky_direction(int k) {
    float y = 1 - ((float)k + 0.5f) / TG_SKY_MAPS * 1.55f, around = (float)k * 2.399963f;
    float r = sqrtf(tg_maxf(0, 1 - y * y));
    return tg_v3(r * cosf(around), y, r * sinf(around));
}

void tg_shade_material(const tg_studio_set *set, tg_material material, const tg_point *p,
                       tg_surface *s) {
    *s = (tg_surface){.normal = p->normal,
                      .albedo = tg_v3(p->attr[0], p->attr[1], p->attr[2]),
                      .rough = 0.5f,
                      .f0 = 0.04f,
                      .gloss = 1,
                      .sky_gloss = 0.8f * p->open,
                      .shade = 1,
                      .ambient = p->ambient};
    switch (material) {
    case TG_MATERIAL_SKIN:
        tg_shade_skin(set, p, s);
        break;
    case TG_MATERIAL_EYE:
        tg_shade_eye(set, p, s);
        break;
    case TG_MATERIAL_TEETH:
        tg_shade_teeth(set, p, s);
        break;
    case TG_MATERIAL_TONGUE:
        tg_shade_tongue(set, p, s);
        break;
    case TG_MATERIAL_CLOTH:
        tg_shade_cloth(set, p, s);
        break;
    case TG_MATERIAL_HAIR:
        tg_shade_hair_cap(set, p, s);
        break;
    }
}

/* GGX distribution (Walter et al. 2007) with alpha = roughness^2. */
static inline float ggx(float nh, float rough) {
    float a = rough * rough, a2 = a * a, d = nh * nh * (a2 - 1) + 1;
    return a2 / (PI * d * d + 1e-7f);
}

/* Height-correlated Smith visibility, already divided by 4 nl nv (Heitz 2014). */
static inline float smith(float nl, float nv, float rough) {
    float a2 = rough * rough * rough * rough;
    return 0.5f /
           (nl * sqrtf(nv * nv * (1 - a2) + a2) + nv * sqrtf(nl * nl * (1 - a2) + a2) + 1e-5f);
}

static inline float fifth(float x) {
    float x2 = x * x;
    return x2 * x2 * x;
}

static inline float wrapped(float nl, float w) {
    return tg_maxf(0, (nl + w) / (1 + w));
}

void tg_shade_light(const tg_studio_set *set, const tg_point *p, const tg_surface *s,
                    tg_vec3 *irradiance, tg_vec3 *highlight) {
    tg_vec3 e = {0, 0, 0}, h = {0, 0, 0};
    float nv = tg_maxf(tg_v3_dot(s->normal, p->view), 1e-3f);
    float reach = tg_maxf(s->wrap.x, tg_maxf(s->wrap.y, s->wrap.z));
    for (int l = 0; l < TG_LIGHTS; l++) {
        const tg_light *light = &set->light[l];
        float nl = tg_v3_dot(s->normal, light->direction);
        if (nl + reach <= 0)
            continue;
        float lit =
            tg_depth_map_disc(&set->shadow[l], tg_v3_mad(p->position, light->offset, p->normal),
                              light->bias, light->disc, light->step);
        lit = s->shadow_floor + (1 - s->shadow_floor) * lit;
        if (lit <= 0)
            continue;
        tg_vec3 d = tg_v3(wrapped(nl, s->wrap.x), wrapped(nl, s->wrap.y), wrapped(nl, s->wrap.z));
        if (s->skin) {
            d = tg_v3(tg_fast_pow(d.x, 1.15f), tg_fast_pow(d.y, 1.15f), tg_fast_pow(d.z, 1.15f));
            d.x *= 1 + 0.12f * (1 - lit);
        }
        e = tg_v3_add(e, tg_v3_mul(light->color, tg_v3_scale(d, lit)));
        if (nl <= 0 || tg_v3_dot(p->normal, light->direction) <= -0.1f)
            continue;
        tg_vec3 half = tg_v3_normal(tg_v3_add(light->direction, p->view));
        float nh = tg_maxf(0, tg_v3_dot(s->normal, half));
        float fresnel = s->f0 + (1 - s->f0) * fifth(1 - tg_maxf(0, tg_v3_dot(p->view, half)));
        float lobe = ggx(nh, s->rough) * smith(nl, nv, s->rough);
        if (s->lobe2 > 0)
            lobe += s->lobe2 * (ggx(nh, s->rough2) * smith(nl, nv, s->rough2) - lobe);
        h = tg_v3_mad(h, lobe * fresnel * nl * lit * s->gloss * PI, light->color);
    }
    e = tg_v3_scale(tg_v3_add(e, s->ambient), s->shade);
    e = tg_v3_add(e, s->extra);
    float fresnel = s->f0 + (tg_maxf(1 - s->rough, s->f0) - s->f0) * fifth(1 - nv);
    tg_vec3 mirror = tg_v3_sub(tg_v3_scale(s->normal, 2 * tg_v3_dot(s->normal, p->view)), p->view);
    h = tg_v3_mad(h, fresnel * s->sky_gloss * s->gloss, tg_sky(mirror));
    *irradiance = e;
    *highlight = tg_v3_add(tg_v3_scale(h, s->shade), s->glint);
}

void tg_shade_ambient(const tg_studio_set *set, tg_vec3 position, tg_vec3 normal, float out[4]) {
    tg_vec3 sum = {0, 0, 0};
    float open = 0, weight = 0;
    tg_vec3 from = tg_v3_mad(position, 0.03f, normal);
    for (int k = 0; k < TG_SKY_MAPS; k++) {
        float nl = tg_v3_dot(normal, set->sky[k].d);
        if (nl <= 0)
            continue;
        float light = nl * tg_depth_map_light(&set->sky[k], from, -0.02f, 0.02f);
        sum = tg_v3_mad(sum, light, set->sky_color[k]);
        open += light;
        weight += nl;
    }
    float inv = weight > 0 ? 1 / weight : 0;
    out[0] = sum.x * inv;
    out[1] = sum.y * inv;
    out[2] = sum.z * inv;
    out[3] = open * inv;
}
