#include "studio/shade.h"

/* Teeth and tongue: attribute 3 darkens with depth in the mouth, where depth maps are too coarse.
 */
static void cave(const tg_point *p, tg_surface *s, tg_vec3 floor) {
    s->shade = p->attr[3];
    s->extra = tg_v3_scale(floor, p->attr[3]);
}

void tg_shade_teeth(const tg_studio_set *set, const tg_point *p, tg_surface *s) {
    (void)set;
    s->wrap = tg_v3(0.25f, 0.25f, 0.25f);
    s->rough = 0.28f;
    s->gloss = 0.9f;
    s->shadow_floor = 0.2f; /* teeth pass light on to each other */
    cave(p, s, tg_v3(0.21f, 0.195f, 0.18f));
}

void tg_shade_tongue(const tg_studio_set *set, const tg_point *p, tg_surface *s) {
    float n = tg_noise_fbm(set->noise, tg_v3_scale(p->rest, 40), 2) - 0.5f;
    s->albedo = tg_v3_scale(s->albedo, 1 + 0.3f * n);
    s->wrap = tg_v3(0.20f, 0.20f, 0.20f);
    s->rough = 0.38f;
    s->gloss = 0.8f;
    cave(p, s, tg_v3(0.08f, 0.06f, 0.06f));
}
