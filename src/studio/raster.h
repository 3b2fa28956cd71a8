/* The visibility buffer: which triangle or strand segment each sample sees. */
#ifndef TG_STUDIO_RASTER_H
#define TG_STUDIO_RASTER_H

#include "studio/film.h"

#define TG_NOTHING UINT32_MAX

enum { TG_RASTER_MAX_SETS = 32 };

/* Numbers for all primitives of a scene: triangles of mesh m are tri_base[m] + t; segment j of
 * strand i of set s is seg_base[s] + i*(points-1) + j. All segments come after all triangles. */
typedef struct {
    int meshes, strand_sets;
    uint32_t tri_base[TG_RASTER_MAX_SETS + 1], seg_base[TG_RASTER_MAX_SETS + 1];
    uint32_t vertex_base[TG_RASTER_MAX_SETS + 1], point_base[TG_RASTER_MAX_SETS + 1];
} tg_primitives;

/* false when the scene has more sets than fit. */
bool tg_primitives_init(tg_primitives *prims, const tg_scene *scene);
static inline int tg_primitive_mesh(const tg_primitives *prims, uint32_t id) {
    int m = 0;
    while (id >= prims->tri_base[m + 1])
        m++;
    return m;
}
static inline int tg_primitive_set(const tg_primitives *prims, uint32_t id) {
    int s = 0;
    while (id >= prims->seg_base[s + 1])
        s++;
    return s;
}
/* First point of a segment, among the points of all sets. */
static inline size_t tg_primitive_point(const tg_primitives *prims, const tg_scene *scene,
                                        uint32_t id) {
    int s = tg_primitive_set(prims, id);
    uint32_t k = id - prims->seg_base[s], segments = (uint32_t)scene->strands[s].points - 1;
    return prims->point_base[s] + (size_t)(k / segments) * (segments + 1) + k % segments;
}

typedef struct {
    int width, height;     /* samples */
    tg_film_camera camera; /* in samples */
    tg_primitives prims;
    float *vertex;        /* [vertices,3] projected: x, y, depth */
    float *point;         /* [strand points,3] */
    int16_t *span;        /* [triangles,2] first and last row, last < first = not drawn */
    int16_t *strand_span; /* [strands,2] */
    uint32_t strand_base[TG_RASTER_MAX_SETS + 1];
    float *depth[2]; /* [height,width]: all; neck and torso only (NULL without layers) */
    uint32_t *id[2];
} tg_raster;

tg_status tg_raster_init(tg_context *ctx, tg_raster *raster, const tg_scene *scene, int width,
                         int height, const tg_film_camera *camera, bool layers);
void tg_raster_free(tg_raster *raster);
/* Draws the scene; sizes as at init. */
void tg_raster_draw(tg_raster *raster, const tg_scene *scene, tg_pool *pool);
/* Perspective-correct weights of the three corners of a triangle at sample position x, y. */
void tg_raster_weights(const tg_raster *raster, const tg_mesh *mesh, int m, int triangle, float x,
                       float y, float weight[3]);

#endif
