/* Everything constant of a person who is to be drawn: control points with their skinning, smoothed
 * surfaces, strands. Inside the studio only. */
#ifndef TG_STUDIO_BODY_H
#define TG_STUDIO_BODY_H

#include "studio/person.h"
#include "studio/proxy.h"
#include "studio/strands.h"
#include "studio/surface.h"

enum { TG_MAX_PIECES = 8, TG_MAX_SURFACES = 8 };

/* A worn proxy. Its points are rows first .. first + proxy.mesh.vertices of the control points. */
typedef struct {
    tg_proxy proxy;
    tg_sparse skin;
    int first;
    float (*rest)[3];    /* fitted to the unmorphed base */
    float (*neutral)[3]; /* fitted to this person */
} tg_piece;

/* Eyeballs: the sphere of each eye relative to the mean of its points, for the cornea's bulge. */
typedef struct {
    int surface;        /* index of the surface, -1 = none */
    uint8_t *side;      /* [vertices of the surface] 0 left (+x), 1 right */
    float center[2][3]; /* centre minus mean of the points, neutral */
    float axis[2][3];   /* unit, centre to iris, neutral */
} tg_eyeballs;

typedef struct tg_body {
    float (*x)[3]; /* [base vertices] neutral morphed base */
    int base_points;
    int32_t *base_vertex; /* [base_points] base vertex of control rows 0 .. base_points */
    int32_t *base_row;    /* [base vertices] control row, -1 = not a control point */
    tg_sparse base_skin;  /* [base_points] */
    int pieces;
    tg_piece piece[TG_MAX_PIECES];
    int controls; /* rows of all control points */
    int surfaces;
    tg_surface surface[TG_MAX_SURFACES];
    int strand_sets;
    tg_strand_set strands[TG_STRAND_KINDS];
    tg_eyeballs eyes;
} tg_body;

tg_status tg_body_create(tg_context *ctx, const tg_recipe *recipe, const tg_person *person,
                         tg_body **out);
void tg_body_destroy(tg_body **body);

/* Posed control points of a scene, [controls] in the rows of the body. */
const tg_v4 *tg_scene_controls(const tg_scene *scene);

/* Part labels of base vertices, region[base vertices]: 0 torso .. 1 neck .. 2 head. */
void tg_label_regions(const tg_actor *actor, float *region);

#endif
