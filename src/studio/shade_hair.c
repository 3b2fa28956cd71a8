#include "studio/shade.h"

void tg_shade_hair_cap(const tg_studio_set *set, const tg_point *p, tg_surface *s) {
    float n = tg_noise_at(set->noise, tg_v3(p->u * 400, p->v * 6, 0)) - 0.5f;
    s->albedo = tg_v3_scale(s->albedo, 1 + 0.5f * n);
    s->gloss = 0.05f;
}

/* Sky irradiance on a fibre: it sees more than the half space of the surface below. */
static tg_vec3 fibre_ambient(const tg_studio_set *set, tg_vec3 p, tg_vec3 normal) {
    tg_vec3 sum = {0, 0, 0};
    float weight = 0;
    for (int k = 0; k < TG_SKY_MAPS; k++) {
        const tg_depth_map *map = &set->sky[k];
        float nl = 0.3f + 0.7f * tg_v3_dot(normal, map->d);
        if (nl <= 0)
            continue;
        float open = tg_depth_map_light(map, tg_v3_mad(p, 0.05f, map->d), 0.02f, 0.1f);
        sum = tg_v3_mad(sum, nl * open, set->sky_color[k]);
        weight += nl;
    }
    return weight > 0 ? tg_v3_scale(sum, 1 / weight) : sum;
}

/* Diffuse fibre (Kajiya and Kay 1989) and two shifted highlights after Marschner et al. 2003: the
 * white reflection at the surface (R) and the coloured one from within (TRT). */
static tg_vec3 fibre_light(const tg_light *light, float lit, tg_vec3 albedo, tg_vec3 tangent,
                           tg_vec3 normal, tg_vec3 view, float tilt) {
    float tl = tg_v3_dot(tangent, light->direction), tv = tg_v3_dot(tangent, view);
    float sl = sqrtf(tg_maxf(0, 1 - tl * tl)), sv = sqrtf(tg_maxf(0, 1 - tv * tv));
    float nl = tg_v3_dot(normal, light->direction);
    /* cosine and sine of the angle between the view and the mirror cone of the light */
    float c = sl * sv - tl * tv, s = tl * sv + sl * tv;
    float r = tg_clampf(c * cosf(tilt - 0.08f) + s * sinf(tilt - 0.08f), 0, 1);
    float trt = tg_clampf(c * cosf(tilt + 0.12f) + s * sinf(tilt + 0.12f), 0, 1);
    float edge = tg_smoothstep(-0.1f, 0.35f, nl) * sl;
    float diffuse = 0.8f * sl * tg_clampf(0.35f + 0.65f * nl, 0, 1);
    diffuse += 0.45f * tg_fast_pow(trt, 14) * edge;
    float white = 0.055f * tg_fast_pow(r, 28) * edge;
    tg_vec3 f = tg_v3_add(tg_v3_scale(albedo, diffuse), tg_v3(white, white, white));
    return tg_v3_scale(tg_v3_mul(f, light->color), lit);
}

/* Where a fibre's point looks. */
typedef struct {
    tg_vec3 position, tangent, view, normal;
} fibre_frame;

static fibre_frame frame_at(const tg_studio_set *set, const tg_strands *strands, int n, int j) {
    const float *p = strands->point + 3 * (size_t)n * (size_t)strands->points;
    int last = strands->points - 1;
    fibre_frame f;
    f.position = tg_v3_load(p + 3 * j);
    f.tangent = tg_v3_normal(tg_v3_sub(tg_v3_load(p + 3 * (j < last ? j + 1 : j)),
                                       tg_v3_load(p + 3 * (j > 0 ? j - 1 : 0))));
    f.view = tg_v3_normal(tg_v3_sub(set->eye, f.position));
    tg_vec3 across = tg_v3_cross(f.tangent, tg_v3_cross(f.view, f.tangent));
    f.normal = tg_v3_normal(
        tg_v3_mad(tg_v3_load(strands->normal + 3 * (size_t)n), 0.6f, tg_v3_normal(across)));
    return f;
}

/* Brows and lashes are drawn at least one sample wide (a quarter of the footprint on each side of
 * their axis); what they lack in width they give back to the skin behind them. */
static tg_vec3 thin(const tg_studio_set *set, float radius, tg_vec3 albedo) {
    float cover = tg_clampf(radius / (0.25f * set->footprint), 0, 1);
    return tg_v3_mix(tg_v3_scale(tg_v3_load(set->look->skin_albedo), 0.5f), albedo, cover);
}

/* Occlusion is smooth along a strand: it is looked up at every fourth point (a knot). */
enum { EVERY = 4 };

typedef struct {
    int at; /* point of the first knot, -1 = none yet */
    tg_vec3 sky[2];
} knots;

static tg_vec3 knot_sky(const tg_studio_set *set, const tg_strands *strands, int n, int j) {
    fibre_frame f = frame_at(set, strands, n, j);
    return fibre_ambient(set, f.position, f.normal);
}

static tg_vec3 sky_at(const tg_studio_set *set, const tg_strands *strands, int n, int j, knots *k) {
    int last = strands->points - 1, first = j / EVERY * EVERY;
    first = first < last ? first : first - EVERY; /* the last point ends the last stretch */
    int second = first + EVERY < last ? first + EVERY : last;
    if (k->at != first) {
        k->sky[0] =
            k->at >= 0 && k->at + EVERY == first ? k->sky[1] : knot_sky(set, strands, n, first);
        k->sky[1] = knot_sky(set, strands, n, second);
        k->at = first;
    }
    return tg_v3_mix(k->sky[0], k->sky[1], (float)(j - first) / (float)(second - first));
}

void tg_shade_strand(const tg_studio_set *set, const tg_strands *strands, int n,
                     const uint8_t *seen, float *out) {
    int last = strands->points - 1;
    tg_vec3 root = tg_v3_load(strands->albedo + 3 * (size_t)n);
    float tilt = (strands->random[n] - 0.5f) * 0.16f;
    knots k = {.at = -1};
    for (int j = 0; j <= last; j++) {
        if (!seen[j])
            continue;
        fibre_frame f = frame_at(set, strands, n, j);
        float along = (float)j / (float)last;
        tg_vec3 albedo = tg_v3_scale(root, 0.55f + 0.45f * tg_smoothstep(0, 0.5f, along));
        if (strands->kind != TG_STRANDS_HAIR)
            albedo = thin(set, strands->radius[j] * strands->scale[n], root);
        tg_vec3 color = tg_v3_mul(sky_at(set, strands, n, j, &k), albedo);
        for (int l = 0; l < TG_LIGHTS; l++) {
            const tg_light *light = &set->light[l];
            tg_vec3 from = tg_v3_mad(f.position, 0.06f, light->direction);
            float lit = tg_depth_map_disc(&set->shadow[l], from, 0, 1, 0.02f);
            color = tg_v3_add(color, fibre_light(light, 0.15f + 0.85f * lit, albedo, f.tangent,
                                                 f.normal, f.view, tilt));
        }
        color = tg_v3_scale(color, strands->shade[n]);
        out[3 * j] = color.x;
        out[3 * j + 1] = color.y;
        out[3 * j + 2] = color.z;
    }
}
