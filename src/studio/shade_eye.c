#include "studio/shade.h"

/* Bilinear texel of the iris picture; uv origin bottom left. */
static tg_vec3 texel(const tg_studio_set *set, float u, float v) {
    int n = set->iris_size;
    float x = tg_clampf(u, 0, 1) * (float)(n - 1), y = (1 - tg_clampf(v, 0, 1)) * (float)(n - 1);
    int xi = (int)x < n - 2 ? (int)x : n - 2, yi = (int)y < n - 2 ? (int)y : n - 2;
    float fx = x - (float)xi, fy = y - (float)yi;
    const float *a = set->iris + 3 * ((size_t)yi * (size_t)n + (size_t)xi), *b = a + 3 * n;
    tg_vec3 top = tg_v3_mix(tg_v3_load(a), tg_v3_load(a + 3), fx);
    return tg_v3_mix(top, tg_v3_mix(tg_v3_load(b), tg_v3_load(b + 3), fx), fy);
}

void tg_shade_eye(const tg_studio_set *set, const tg_point *p, tg_surface *s) {
    tg_vec3 t = texel(set, p->u, p->v);
    float radius = p->attr[0]; /* 1 at the limbus */
    float grey = 0.5f * t.x + 0.35f * t.y + 0.15f * t.z;
    tg_vec3 iris = tg_v3_scale(tg_v3_load(set->look->iris), tg_fast_pow(grey * 9, 1.25f));
    iris = tg_v3_scale(iris, 1 - 0.75f * tg_smoothstep(0.78f, 1, radius));
    /* The cornea bundles the key light on the far side of the iris. */
    tg_vec3 l = set->light[0].direction;
    float far = tg_v3_dot(p->normal, p->view) * tg_v3_dot(l, p->view) - tg_v3_dot(p->normal, l);
    iris = tg_v3_scale(iris, 1 + tg_clampf(2.5f * far + 0.1f, -0.25f, 0.9f));
    iris = tg_v3_scale(iris, 0.03f + 0.97f * tg_smoothstep(0.30f, 0.40f, radius));
    float bright = 0.40f * t.x + 0.45f * t.y + 0.15f * t.z;
    tg_vec3 white = tg_v3_mix(t, tg_v3(bright * 1.04f, bright, bright * 0.99f), 0.65f);
    float corner = tg_smoothstep(1.35f, 2.3f, radius); /* blood shows towards the corners */
    white = tg_v3_mul(white, tg_v3(1, 1 - 0.13f * corner, 1 - 0.15f * corner));
    s->albedo = tg_v3_mix(tg_v3_scale(white, 0.57f), iris, 1 - tg_smoothstep(0.93f, 1.06f, radius));
    s->wrap = tg_v3(0.12f, 0.12f, 0.12f);
    s->rough = 0.22f;
    s->gloss = 0.7f;
    s->sky_gloss = 1.2f / 0.7f * tg_clampf(p->open, 0, 1);
    s->shadow_floor = 0.12f;
    s->ambient = tg_v3_scale(p->ambient, 0.35f + 0.65f * p->open);
    s->shade = 0.60f + 0.40f * tg_smoothstep(0.15f, 0.60f, p->open); /* lids and lashes above */
    /* The window of the key light, mirrored in the cornea: what makes an eye look alive. */
    tg_vec3 mirror = tg_v3_sub(tg_v3_scale(p->normal, 2 * tg_v3_dot(p->normal, p->view)), p->view);
    float window = tg_smoothstep(0.94f, 0.975f, tg_v3_dot(mirror, set->light[0].direction));
    window *= 1 - tg_smoothstep(1.05f, 1.35f, radius);
    s->glint = tg_v3_scale(set->light[0].color, 0.35f * window);
}
