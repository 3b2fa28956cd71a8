/* Polygon meshes of the MakeHuman assets: Wavefront OBJ with triangles and quads. */
#ifndef TG_STUDIO_MESH_H
#define TG_STUDIO_MESH_H

#include "talkgen/core.h"

typedef struct {
    int vertices, uvs, faces, groups;
    float (*position)[3];   /* [vertices] */
    float (*uv)[2];         /* [uvs], origin bottom left */
    int32_t (*face)[4];     /* [faces] vertex of each corner; a triangle repeats its last */
    int32_t (*face_uv)[4];  /* [faces] uv of each corner, 0 where the file has none */
    int32_t *face_group;    /* [faces] index of the name in force, -1 before the first */
    char (*group_name)[64]; /* [groups] in order of first use */
} tg_obj;

/* Lines v, vt, g, f; others are ignored. Indices are checked. TG_EINPUT with file and line. */
tg_status tg_obj_load(tg_context *ctx, const char *path, tg_obj *out);
void tg_obj_free(tg_obj *obj);
int tg_obj_group(const tg_obj *obj, const char *name); /* -1 when absent */

/* Connected components of `n` nodes joined by faces: label[n], numbered from 0 by their lowest
 * node. Returns the number of components, -1 when out of memory. */
int tg_components(int n, const int32_t (*face)[4], int faces, int32_t *label);

/* Area-weighted unit normals of vertices: normal[n][3]. */
void tg_vertex_normals(int n, const float (*position)[3], const int32_t (*face)[4], int faces,
                       float (*normal)[3]);

#endif
