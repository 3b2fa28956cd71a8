/* A smoothed surface over control points: what is constant, and its evaluation per frame. */
#ifndef TG_STUDIO_SURFACE_H
#define TG_STUDIO_SURFACE_H

#include "studio/actor.h"
#include "studio/sparse.h"

enum { TG_MAX_LEVELS = 2 };

typedef struct {
    tg_mesh mesh; /* static members; position and normal are NULL here */
    int controls;
    int32_t *control; /* [controls] rows of the body's control points */
    int levels;
    tg_sparse level[TG_MAX_LEVELS]; /* level[0] reads the controls */
    int quads;
    int32_t (*quad)[4]; /* of the finest level; a triangle repeats its last corner */
    int32_t *fan_start; /* [vertices + 1] */
    int32_t *fan;       /* quads around each vertex */
    float *rest, *uv, *attr, *region;
    int32_t *triangle;
} tg_surface;

/* What a surface is built from. Arrays are per point of one mesh; `row` maps its points to rows of
 * the control points. */
typedef struct {
    tg_material material;
    const char *name;
    bool two_sided;
    int levels;
    int points;
    const int32_t (*face)[4];
    int faces;
    const int32_t *row;
    const float (*rest)[3];
    const float (*attr)[TG_ATTR];
    const float *region; /* NULL: part everywhere */
    tg_part part;
    const float (*uv)[2]; /* NULL: zero */
} tg_surface_plan;

tg_status tg_surface_build(tg_context *ctx, const tg_surface_plan *plan, tg_surface *out);
void tg_surface_free(tg_surface *surface);

/* Buffers for evaluating surfaces one after another, large enough for the largest of them. */
typedef struct {
    tg_v4 *point[TG_MAX_LEVELS + 1];
    tg_v4 *area; /* of quads */
} tg_surface_scratch;

/* Adds what `surface` needs to the sizes [TG_MAX_LEVELS + 2]. */
void tg_surface_sizes(const tg_surface *surface, size_t size[TG_MAX_LEVELS + 2]);
/* Positions and area-weighted normals of the surface into mesh->position and mesh->normal. */
void tg_surface_evaluate(const tg_surface *surface, const tg_v4 *control, tg_pool *pool,
                         const tg_surface_scratch *scratch, tg_mesh *mesh);

#endif
