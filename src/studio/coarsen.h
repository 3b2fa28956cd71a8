/* The faces from before the last smoothing step, for uses that need no finer ones. */
#ifndef TG_STUDIO_COARSEN_H
#define TG_STUDIO_COARSEN_H

#include "studio/actor.h"

typedef struct {
    int triangles;
    const int32_t *triangle; /* [triangles,3] vertices of the mesh */
    int32_t *owned;          /* tg_free, NULL when `triangle` is the mesh's own */
} tg_triangles;

/* Catmull-Clark splits a quad q0..q3 into four quads (q_k, edge, face, edge) that follow each other
 * and share the face point. Where a mesh consists of such fours, the list holds the two triangles
 * of q0..q3 for the eight of the mesh: they span the same moved points. Other meshes: their own
 * triangles. false = no memory. */
bool tg_coarsen(const tg_mesh *mesh, tg_triangles *out);

#endif
