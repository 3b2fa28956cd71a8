/* Catmull-Clark subdivision (Catmull & Clark 1978) as a sparse matrix. */
#ifndef TG_STUDIO_SUBDIVIDE_H
#define TG_STUDIO_SUBDIVIDE_H

#include "studio/sparse.h"

/* One level over `faces` quads (a triangle repeats its last corner) on `vertices` points: *matrix
 * has rows [moved old points; face points; edge points], *out_face (tg_free) the quads. Edges that
 * do not have exactly two faces are creases: mid-points, and 1/8 + 3/4 + 1/8 at their vertices. */
tg_status tg_subdivide(tg_context *ctx, int vertices, const int32_t (*face)[4], int faces,
                       tg_sparse *matrix, int32_t (**out_face)[4], int *out_faces);

#endif
