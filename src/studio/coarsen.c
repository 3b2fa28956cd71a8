#include "studio/coarsen.h"

#include <string.h>

/* Triangles (a,b,f) and (a,f,d) at t: one quad a, b, f, d of a split face. */
static bool is_quad(const int32_t *t) {
    return t[0] == t[3] && t[2] == t[4];
}

/* Four such quads around one face point f, in turn: the edge after q_k is the edge before q_k+1. */
static bool is_split(const int32_t *t) {
    for (int k = 0; k < 4; k++) {
        const int32_t *q = t + 6 * k, *next = t + 6 * ((k + 1) % 4);
        if (!is_quad(q) || q[2] != t[2] || q[1] != next[5])
            return false;
    }
    return true;
}

bool tg_coarsen(const tg_mesh *mesh, tg_triangles *out) {
    *out = (tg_triangles){mesh->triangles, mesh->triangle, NULL};
    if (mesh->triangles < 8)
        return true;
    int32_t *coarse = tg_alloc(12 * (size_t)mesh->triangles);
    if (!coarse)
        return false;
    int n = 0;
    for (int i = 0; i < mesh->triangles;) {
        const int32_t *t = mesh->triangle + 3 * (size_t)i;
        int32_t *c = coarse + 3 * (size_t)n;
        if (i + 8 <= mesh->triangles && is_split(t)) {
            c[0] = c[3] = t[0];
            c[1] = t[6];
            c[2] = c[4] = t[12];
            c[5] = t[18];
            n += 2;
            i += 8;
        } else {
            memcpy(c, t, 12);
            n++;
            i++;
        }
    }
    *out = (tg_triangles){n, coarse, coarse};
    return true;
}
