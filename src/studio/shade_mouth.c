#include "studio/shade.h"

/* Sky before the face, and what walls of red skin make of the light that fell in: bounced light
 * grows with the opening. */
static const tg_vec3 OUTSIDE = {0.50f, 0.50f, 0.51f}, BOUNCE = {1.25f, 0.52f, 0.46f};

/* Light of the window takes the place of the sky's; shadows of lamps come from their own maps.
 * Returns the window's share of what p looks at. */
static float indoors(const tg_studio_set *set, const tg_point *p, tg_surface *s) {
    float share = tg_mouth_window_share(&set->mouth, p->position, s->normal);
    float opening = sqrtf(0.10f * tg_minf(set->mouth.area, 0.10f));
    s->ambient = tg_v3_scale(OUTSIDE, share);
    /* the deeper, the less of the lit walls is seen */
    s->extra = tg_v3_scale(BOUNCE, opening * (0.35f + tg_minf(2.5f * share, 1.6f)));
    s->sky_gloss = 0.8f * tg_minf(2 * share, 1);
    return share;
}

void tg_shade_teeth(const tg_studio_set *set, const tg_point *p, tg_surface *s) {
    float gum = p->attr[4], along = p->attr[5];
    s->rough = 0.24f + 0.16f * gum;
    s->gloss = 0.9f;
    float share = indoors(set, p, s);
    s->shadow_floor = 0.45f * share; /* enamel passes light on to its neighbours */
    float wrap = 0.30f - 0.15f * gum;
    s->wrap = tg_v3(wrap, wrap * 0.9f, wrap * 0.8f);
    if (gum > 0.5f) {
        float n = tg_noise_fbm(set->noise, tg_v3_scale(p->rest, 45), 2) - 0.5f;
        s->albedo = tg_v3_mul(s->albedo, tg_v3(1 + 0.15f * n, 1 - 0.35f * n, 1 - 0.3f * n));
        return;
    }
    /* Dentine shows through at the neck of a tooth, the dark of the mouth through its thin edge. */
    float edge = tg_smoothstep(0.72f, 1, along), neck = 1 - tg_smoothstep(0, 0.55f, along);
    s->albedo = tg_v3_mul(s->albedo, tg_v3(1 - 0.22f * edge, 1 - 0.19f * edge, 1 - 0.12f * edge));
    s->albedo = tg_v3_mul(s->albedo, tg_v3(1 - 0.04f * neck, 1 - 0.10f * neck, 1 - 0.20f * neck));
}

void tg_shade_tongue(const tg_studio_set *set, const tg_point *p, tg_surface *s) {
    float n = tg_noise_fbm(set->noise, tg_v3_scale(p->rest, 60), 2) - 0.5f;
    float groove = 1 - 0.16f * (1 - tg_smoothstep(0, 0.035f, fabsf(p->rest.x)));
    s->albedo = tg_v3_scale(s->albedo, groove * (1 + 0.35f * n));
    /* papillae */
    tg_vec3 g = tg_noise_gradient(set->noise, tg_v3_scale(p->rest, 70), 2, 0.2f);
    g = tg_v3_mad(g, -tg_v3_dot(g, p->normal), p->normal);
    s->normal = tg_v3_normal(tg_v3_mad(p->normal, -0.16f, g));
    s->wrap = tg_v3(0.35f, 0.15f, 0.12f);
    s->rough = 0.34f;
    s->gloss = 0.85f;
    float share = indoors(set, p, s);
    s->shadow_floor = 0.25f * share;
}

void tg_shade_inner_mouth(const tg_studio_set *set, const tg_point *p, float inner, tg_surface *s) {
    tg_surface in = *s;
    indoors(set, p, &in);
    s->ambient = tg_v3_mix(s->ambient, in.ambient, inner);
    s->extra = tg_v3_scale(in.extra, inner);
    s->sky_gloss += inner * (in.sky_gloss - s->sky_gloss);
    s->shade += inner * (1 - s->shade); /* the painted dark of the lip line is the window's here */
}
