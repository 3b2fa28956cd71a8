/* Orthographic depth maps: how far the scene reaches towards a light. */
#ifndef TG_STUDIO_SHADOW_H
#define TG_STUDIO_SHADOW_H

#include "studio/coarsen.h"
#include "studio/vec3.h"

typedef struct {
    int size;        /* texels per side */
    float scale;     /* texels per dm */
    tg_vec3 u, v, d; /* right, up, towards the light */
    tg_vec3 center;  /* world point in the middle */
    float *depth;    /* [size,size] greatest dot(p - center, d); owned */
} tg_depth_map;

/* Square of half side `extent` around `center`, seen from `direction` (unit). false: no memory. */
bool tg_depth_map_init(tg_depth_map *map, int size, tg_vec3 direction, tg_vec3 center,
                       float extent);
void tg_depth_map_free(tg_depth_map *map);
/* Buffers of one thread that draws. */
typedef struct {
    float *vertex; /* [3 * vertices of the largest mesh] */
    int32_t *keep; /* [triangles of the largest mesh + 1] */
} tg_depth_scratch;
/* Draws all meshes, and of the hair strands every `strand_step`-th as points (0 = none).
 * faces [meshes]: what to draw of each mesh. */
void tg_depth_map_draw(tg_depth_map *map, const tg_scene *scene, const tg_triangles *faces,
                       int strand_step, tg_depth_scratch *scratch);
/* Share of light at p, bilinear over four texels; falls from 1 to 0 while an occluder is 0..soft
 * (dm) nearer to the light than p + bias. Outside of the map: 1. */
float tg_depth_map_light(const tg_depth_map *map, tg_vec3 p, float bias, float soft);
/* Percentage-closer filter on a disc of `radius` steps of `step` dm. */
float tg_depth_map_disc(const tg_depth_map *map, tg_vec3 p, float bias, int radius, float step);

#endif
