/* Hairs bound to control points: each point of a strand is a weighted sum of four control points
 * plus an offset that turns with the head. */
#ifndef TG_STUDIO_STRANDS_H
#define TG_STUDIO_STRANDS_H

#include "studio/actor.h"
#include "studio/sparse.h"

enum { TG_STRAND_KINDS = 3 };

typedef struct {
    tg_strand_kind kind;
    int strands, points;
    uint16_t (*corner)[4]; /* [strands * points] rows of the control points */
    float (*weight)[4];
    float (*offset)[3];
    float (*normal)[3];                     /* [strands] in the head's neutral orientation */
    float *radius;                          /* [points] */
    float *scale, *albedo, *random, *shade; /* [strands], albedo [strands,3] */
} tg_strand_set;

/* Arrays for at most `strands` strands; strands is left 0 and counted up by the binder. */
tg_status tg_strands_create(tg_context *ctx, tg_strand_kind kind, int strands, int points,
                            tg_strand_set *out);
void tg_strands_free(tg_strand_set *set);
/* Points and normals for posed control points and the head's rigid map. */
void tg_strands_evaluate(const tg_strand_set *set, const tg_v4 *control, const float head[12],
                         tg_pool *pool, tg_strands *out);

#endif
