#include "studio/shade.h"

void tg_shade_cloth(const tg_studio_set *set, const tg_point *p, tg_surface *s) {
    tg_vec3 r = p->rest;
    float slow = tg_noise_fbm(set->noise, tg_v3_scale(r, 9), 3) - 0.5f;
    /* Threads: uneven along weft and warp, as fine as the picture can hold. */
    float weft = tg_noise_at(set->noise, tg_v3(r.x * 22, r.y * 190, r.z * 40));
    float warp = tg_noise_at(set->noise, tg_v3(r.x * 190, r.y * 22, r.z * 40));
    float weave = (weft + warp - 1) * tg_clampf(1.6f - 190 * set->footprint, 0, 1);
    s->albedo = tg_v3_scale(s->albedo, 1 + 0.12f * slow + 0.20f * weave);
    s->rough = p->attr[3];
    s->gloss = p->attr[4];
    /* Soft folds and small wrinkles. */
    tg_vec3 g = tg_noise_gradient(set->noise, tg_v3_scale(r, 2.2f), 3, 0.02f);
    tg_vec3 w = tg_noise_gradient(set->noise, tg_v3(r.x * 7, r.y * 4, r.z * 7), 2, 0.05f);
    g = tg_v3_mad(g, 0.5f, w);
    g = tg_v3_mad(g, -tg_v3_dot(g, p->normal), p->normal);
    s->normal = tg_v3_normal(tg_v3_mad(p->normal, -2 * p->attr[5], g));
    /* Fibres that stand up catch light at the rim. */
    float edge = 1 - tg_clampf(tg_v3_dot(p->normal, p->view), 0, 1);
    s->albedo = tg_v3_scale(s->albedo, 1 + 0.5f * edge * edge * edge);
    /* Light goes through: linings are not black, nor are rims, whose two layers the maps confuse.
     */
    float through = 1 - tg_smoothstep(0.02f, 0.30f, p->open);
    if (p->back) {
        s->shade = 0.25f;
        s->gloss = 0;
        through = 1;
    }
    s->extra = tg_v3_scale(tg_v3(0.40f, 0.39f, 0.38f), through);
}
