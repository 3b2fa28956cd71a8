#include "studio/shade.h"

void tg_shade_cloth(const tg_studio_set *set, const tg_point *p, tg_surface *s) {
    float slow = tg_noise_fbm(set->noise, tg_v3_scale(p->rest, 9), 3) - 0.5f;
    float weave = tg_noise_at(set->noise, tg_v3_scale(p->rest, 160)) - 0.5f;
    weave *= tg_clampf(1.6f - 160 * set->footprint, 0, 1);
    s->albedo = tg_v3_scale(s->albedo, 1 + 0.12f * slow + 0.16f * weave);
    s->rough = p->attr[3];
    s->gloss = p->attr[4];
    tg_vec3 g = tg_noise_gradient(set->noise, tg_v3_scale(p->rest, 2.2f), 3, 0.02f);
    g = tg_v3_mad(g, -tg_v3_dot(g, p->normal), p->normal);
    s->normal = tg_v3_normal(tg_v3_mad(p->normal, -p->attr[5], g));
}
