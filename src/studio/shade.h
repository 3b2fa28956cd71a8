/* Materials and lights. A tg_point is what the visibility buffer found; a material turns it into a
 * tg_surface; the lights turn that into irradiance and highlights. Light colours are irradiances:
 * diffuse has no 1/pi, highlights carry a factor pi instead. */
#ifndef TG_STUDIO_SHADE_H
#define TG_STUDIO_SHADE_H

#include "studio/actor.h"
#include "studio/mouth.h"
#include "studio/noise.h"
#include "studio/shadow.h"

enum { TG_LIGHTS = 4, TG_SKY_MAPS = 28 };

typedef struct {
    tg_vec3 direction; /* unit, towards the light */
    tg_vec3 color;
    int disc;     /* shadow filter: radius in steps */
    float step;   /* and their length, dm */
    float offset; /* start of the shadow test along the normal, dm */
    float bias;   /* and its allowance, dm */
} tg_light;

typedef struct {
    const tg_noise *noise;
    const tg_look *look;
    const float *iris; /* texture, [iris_size, iris_size, 3] linear */
    int iris_size;
    tg_vec3 eye; /* of the camera */
    tg_light light[TG_LIGHTS];
    tg_depth_map shadow[TG_LIGHTS];
    tg_depth_map sky[TG_SKY_MAPS];
    tg_vec3 sky_color[TG_SKY_MAPS]; /* of each map's direction */
    float footprint;                /* width of a shading cell at the subject, dm */
    tg_mouth_window mouth;          /* of this frame */
} tg_studio_set;

/* Sky radiance from direction d (unit). */
tg_vec3 tg_sky(tg_vec3 d);
/* Directions of the occlusion maps: a spiral from zenith to a little below the horizon. */
tg_vec3 tg_sky_direction(int k);

typedef struct {
    tg_vec3 position, rest, view; /* view: unit, towards the camera */
    tg_vec3 normal;               /* interpolated, unit, turned to the camera if two-sided */
    bool back;                    /* the back of a two-sided mesh is seen */
    float u, v, attr[TG_ATTR];
    tg_vec3 ambient; /* sky irradiance with occlusion */
    float open;      /* unoccluded share of the sky, 0..1 */
} tg_point;

typedef struct {
    tg_vec3 normal, albedo;
    tg_vec3 wrap;               /* diffuse light reaches this far around the edge, per channel */
    bool skin;                  /* soft terminator, red shadow edge */
    float rough, rough2, lobe2; /* GGX; a second lobe with share lobe2 */
    float f0, gloss;            /* reflectance at normal incidence; factor on highlights */
    float sky_gloss;            /* factor on the mirrored sky */
    float shadow_floor;         /* light that shadows let through */
    float shade;                /* factor on all light (cavities) */
    tg_vec3 ambient;            /* after the material's own opinion on occlusion */
    tg_vec3 extra;              /* light from inside the material's surroundings */
    tg_vec3 glint;              /* added to the highlights as it is */
} tg_surface;

void tg_shade_skin(const tg_studio_set *set, const tg_point *p, tg_surface *s);
void tg_shade_eye(const tg_studio_set *set, const tg_point *p, tg_surface *s);
void tg_shade_teeth(const tg_studio_set *set, const tg_point *p, tg_surface *s);
void tg_shade_tongue(const tg_studio_set *set, const tg_point *p, tg_surface *s);
/* Light inside the mouth for skin that is `inner` of it, 0..1. */
void tg_shade_inner_mouth(const tg_studio_set *set, const tg_point *p, float inner, tg_surface *s);
void tg_shade_cloth(const tg_studio_set *set, const tg_point *p, tg_surface *s);
void tg_shade_hair_cap(const tg_studio_set *set, const tg_point *p, tg_surface *s);
void tg_shade_material(const tg_studio_set *set, tg_material material, const tg_point *p,
                       tg_surface *s);

/* Irradiance (to be multiplied by the albedo, after blurring where it is skin) and highlights. */
void tg_shade_light(const tg_studio_set *set, const tg_point *p, const tg_surface *s,
                    tg_vec3 *irradiance, tg_vec3 *highlight);

/* Sky irradiance at a vertex from the occlusion maps: rgb and open share. */
void tg_shade_ambient(const tg_studio_set *set, tg_vec3 position, tg_vec3 normal, float out[4]);

/* Linear colour of the points of strand n of a set where seen [points] is not 0; out [points,3]. */
void tg_shade_strand(const tg_studio_set *set, const tg_strands *strands, int n,
                     const uint8_t *seen, float *out);

#endif
