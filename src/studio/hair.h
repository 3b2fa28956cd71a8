/* Where hairs grow: binding of head hair, brows and lashes on a person's neutral face. */
#ifndef TG_STUDIO_HAIR_H
#define TG_STUDIO_HAIR_H

#include "studio/body.h"

/* A body whose pieces and control rows are ready; `neutral` are its control points [controls]. */
typedef struct {
    const tg_actor *actor;
    const tg_recipe *recipe;
    const tg_body *body;
    const float (*neutral)[3];
} tg_grower;

/* Strands along the quads of a hair mesh, in the directions of hairflow.json. */
tg_status tg_hair_grow(tg_context *ctx, const tg_grower *grower, const tg_piece *piece,
                       tg_strand_set *out);
/* TG_SKIN_SCALP of mask[base vertices]: 1 where hairs of the set stand close to the skin. */
tg_status tg_scalp_paint(tg_context *ctx, const tg_grower *grower, const tg_strand_set *hair,
                         float (*mask)[TG_ATTR]);
tg_status tg_brows_grow(tg_context *ctx, const tg_grower *grower, const tg_piece *piece,
                        tg_strand_set *out);
tg_status tg_lashes_grow(tg_context *ctx, const tg_grower *grower, const tg_piece *piece,
                         tg_strand_set *out);

/* Picks faces by area. */
typedef struct {
    int faces;
    float *sum; /* [faces] running area */
} tg_face_lottery;

/* Faces with skip[f] != 0 never win; skip may be NULL. */
tg_status tg_lottery_create(tg_context *ctx, const float (*position)[3], const int32_t (*face)[4],
                            int faces, const uint8_t *skip, tg_face_lottery *out);
void tg_lottery_free(tg_face_lottery *lottery);
int tg_lottery_draw(const tg_face_lottery *lottery, float number); /* number in [0,1) */

/* Piecewise linear y(t) through n points with ascending x, constant outside. */
float tg_interpolate(float t, const float *x, const float *y, int n);

static inline float tg_clampf(float v, float low, float high) {
    return v < low ? low : v > high ? high : v;
}

#endif
