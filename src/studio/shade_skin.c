#include "studio/shade.h"

/* How much of a texture with `f` cells per dm survives averaging over a shading cell. */
static float kept(const tg_studio_set *set, float f) {
    return tg_clampf(1.6f - f * set->footprint, 0, 1);
}

static void tint(tg_vec3 *albedo, float amount, float r, float g, float b) {
    *albedo = tg_v3_mul(*albedo, tg_v3(1 - r * amount, 1 - g * amount, 1 - b * amount));
}

void tg_shade_skin(const tg_studio_set *set, const tg_point *p, tg_surface *s) {
    const tg_noise *noise = set->noise;
    const tg_look *look = set->look;
    const float *mask = p->attr;
    tg_vec3 r = p->rest;
    float n1 = tg_noise_fbm(noise, tg_v3_scale(r, 3.1f), 3) - 0.5f;
    float n2 = tg_noise_fbm(noise, tg_v3_scale(r, 13), 3) - 0.5f;
    float n3 = (tg_noise_at(noise, tg_v3_scale(r, 55)) - 0.5f) * kept(set, 55);
    float n4 = (tg_noise_at(noise, tg_v3_scale(r, 110)) - 0.5f) * kept(set, 110);

    /* Blood and melanin: slow mottling towards red, fine speckle in brightness. */
    tg_vec3 a = tg_v3_load(look->skin_albedo);
    float blood = 0.26f * n1 + 0.20f * n2 + 0.12f * n3;
    a = tg_v3_mul(a, tg_v3(1 + 0.30f * blood, 1 - 0.9f * blood, 1 - 0.8f * blood));
    a = tg_v3_scale(a, 1 + 0.09f * n3 + 0.08f * n4 + 0.07f * n2);
    if (look->freckles > 0) {
        float f = tg_noise_dots(r, 0.055f, 0.35f, 0.004f, 0.011f) * look->freckles * kept(set, 60);
        tint(&a, f, 0.22f, 0.36f, 0.44f);
        float m = tg_noise_dots(tg_v3_add(r, tg_v3(3, 1, 2)), 0.35f, 0.16f, 0.007f, 0.013f);
        tint(&a, m * tg_minf(1, 2 * look->freckles), 0.50f, 0.60f, 0.62f);
    }
    float blush = tg_clampf(mask[TG_SKIN_BLUSH], 0, 1.5f) * look->blush;
    tint(&a, blush, -0.02f, 0.24f, 0.19f);
    tint(&a, mask[TG_SKIN_RED] * 0.8f, 0, 0.20f, 0.17f);
    tint(&a, mask[TG_SKIN_LID] * 0.6f, 0.28f, 0.36f, 0.32f);
    tint(&a, tg_clampf(mask[TG_SKIN_CAVITY], 0, 1), 0.55f, 0.42f, 0.34f);
    float beard = mask[TG_SKIN_BEARD] * look->beard * (1 + 0.5f * n3 + 1.1f * n4);
    tint(&a, beard, 0.42f, 0.36f, 0.30f);
    float scalp = tg_smoothstep(0.05f, 0.95f, mask[TG_SKIN_SCALP] + 0.35f * n4 + 0.12f * n3);
    a = tg_v3_mix(a, tg_v3_scale(tg_v3_load(look->hair_albedo), 0.72f), scalp * 0.9f);

    float lip = tg_smoothstep(0.30f, 0.62f, mask[TG_SKIN_LIPS] + 0.10f * n2);
    tg_vec3 lips = tg_v3_scale(tg_v3_load(look->lip_albedo), 1 + 0.20f * n2 + 0.18f * n3);
    a = tg_v3_mix(a, lips, lip * look->lip_opacity);
    float inner = tg_smoothstep(0.30f, 0.75f, mask[TG_SKIN_INNER_MOUTH]);
    a = tg_v3_mix(a, tg_v3(0.44f, 0.13f, 0.115f), inner);

    /* Fine relief; creases across the lips. */
    tg_vec3 g = tg_v3_scale(tg_noise_gradient(noise, tg_v3_scale(r, 62), 2, 0.2f), kept(set, 90));
    if (lip > 0) {
        tg_vec3 q = tg_v3(r.x * 75, r.y * 9, r.z * 9);
        g.x += lip * 0.5f * kept(set, 75) *
               (tg_noise_at(noise, tg_v3(q.x + 0.35f, q.y, q.z)) - tg_noise_at(noise, q));
    }
    g = tg_v3_mad(g, -tg_v3_dot(g, p->normal), p->normal);
    float face = tg_maxf(mask[TG_SKIN_RED], mask[TG_SKIN_BLUSH]); /* where pores are widest */
    float amplitude = (0.13f + 0.09f * tg_minf(face, 1)) * (1 - 0.3f * lip) * (1 - inner);
    s->normal = tg_v3_normal(tg_v3_mad(p->normal, -amplitude, g));

    s->albedo = a;
    s->skin = true;
    s->wrap = tg_v3(0.30f, 0.12f, 0.07f);
    s->f0 = 0.03f;
    s->rough = 0.54f + 0.10f * n2;
    s->rough2 = s->rough * 0.62f;
    s->lobe2 = 0.25f;
    s->gloss = 0.48f * (1 + 0.8f * n2 + 0.5f * n4);
    s->sky_gloss *= 0.8f;
    s->rough += lip * (0.44f - s->rough);
    s->rough2 += lip * (0.20f - s->rough2); /* a wet film over the creases */
    s->gloss += lip * (0.95f + 0.7f * (look->lip_opacity - 0.85f) - s->gloss); /* bare lips: dry */
    s->gloss *= 1 - 0.4f * tg_clampf(mask[TG_SKIN_LID], 0, 1);
    s->gloss *= 1 - 0.8f * scalp;
    s->gloss *= 1 - 0.7f * tg_smoothstep(0.66f, 0.76f, fabsf(r.x)); /* ears are dull */
    s->rough += inner * (0.35f - s->rough);
    s->gloss += inner * (0.6f - s->gloss);
    s->shade = 1 - 0.85f * tg_clampf(mask[TG_SKIN_CAVITY], 0, 1);
    /* Light that bounces between folds of skin comes out warm. */
    float open = tg_clampf(p->open, 1e-3f, 1);
    s->ambient =
        tg_v3_mul(p->ambient, tg_v3(tg_fast_pow(open, -0.17f), tg_fast_pow(open, -0.05f), 1));
    if (inner > 0)
        tg_shade_inner_mouth(set, p, inner, s);
}
