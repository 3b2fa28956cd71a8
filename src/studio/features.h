/* Surfaces of the worn pieces: eyes, teeth, tongue, the cap of hair. Inside the studio only. */
#ifndef TG_STUDIO_FEATURES_H
#define TG_STUDIO_FEATURES_H

#include "studio/body.h"

/* Arrays that a surface plan over a whole piece needs; the caller fills attr and may drop faces. */
typedef struct {
    int32_t *row;           /* [vertices] control rows */
    float (*attr)[TG_ATTR]; /* [vertices] zero */
    float (*uv)[2];         /* [vertices] from the last face that names them */
    int32_t *label;         /* [vertices] connected component */
    int parts;              /* connected components */
    int32_t (*face)[4];     /* [faces] copy */
} tg_fitting;

tg_status tg_fitting_create(tg_context *ctx, const tg_piece *piece, tg_fitting *out);
void tg_fitting_free(tg_fitting *fitting);
/* A plan over all faces of the piece, part head. */
tg_surface_plan tg_fitting_plan(const tg_piece *piece, const tg_fitting *fitting,
                                tg_material material, const char *name, int levels);

tg_status tg_eyes_build(tg_context *ctx, const tg_piece *piece, tg_surface *out);
tg_status tg_teeth_build(tg_context *ctx, const tg_piece *piece, tg_surface *out);
tg_status tg_tongue_build(tg_context *ctx, const tg_piece *piece, tg_surface *out);
/* The hair mesh below the strands. */
tg_status tg_cap_build(tg_context *ctx, const tg_recipe *recipe, const tg_piece *piece,
                       tg_surface *out);
/* Cloth with its coloured regions: up to `room` surfaces, *made of them. */
tg_status tg_cloth_build(tg_context *ctx, const tg_actor *actor, const tg_recipe *recipe,
                         const tg_piece *piece, tg_surface *out, int room, int *made);

/* Spheres of the eyes; neutral: control points of the person. */
tg_status tg_eyeballs_measure(tg_context *ctx, const tg_surface *surface, const float (*neutral)[3],
                              tg_eyeballs *out);

#endif
