/* The torso: a deformable picture. Its first layers see the frequency encoding of the pixel's row
 * and column, which are constant for a renderer, and of the pose, which is constant in a frame:
 * what remains per pixel is a sum of two table rows. */
#ifndef TALKGEN_RENDER_TORSO_H
#define TALKGEN_RENDER_TORSO_H

#include "tile.h"

typedef struct {
    const tg_nerf *nerf; /* borrowed */
    const tg_tile_kernels *kernels;
    tg_tile_grid grid;
    tg_layer deform[3], canonical[3]; /* [0]: head part of deform, grid part of canonical */
    tg_layer canonical_head;          /* head-aware only */
    tg_layer head_encoder[3];
    int first; /* outputs of both first layers: deform, then canonical */
    int width, height;
    float *by_row;    /* [height][first] */
    float *by_column; /* [width][first] */
    float *bias;      /* [first], of this frame */
    int widest, scratch_rows;
} tg_torso;

/* Only for models with a torso. width, height: the picture's. */
tg_status tg_torso_create(tg_context *ctx, const tg_nerf *nerf, bool full_precision, int width,
                          int height, tg_torso *out);
void tg_torso_destroy(tg_torso *torso);
void tg_torso_update(tg_torso *torso);
/* What a frame's pose (angles and translation of the ngp pose) and code change. */
void tg_torso_pose(tg_torso *torso, const float pose[6], int code);
/* First layers' share of screen coordinate x on axis 0 (row) or 1 (column): out [torso.first]. */
void tg_torso_axis(const tg_torso *torso, int axis, float x, float *out);
/* 32 pixels: screen [2] rows of 32 (row and column coordinate), first [torso.first] rows of 32 =
 * sum of both axes and the bias (overwritten), head [4] rows of 32 (rgb, opacity; NULL unless
 * head-aware and wanted) -> rgba [4] rows of 32: alpha, r, g, b; dx [2] rows of 32 or NULL. */
void tg_torso_tile(const tg_torso *torso, float *scratch, const float *screen, float *first,
                   const float *head, float *rgba, float *dx);
/* One lane of `first`, for the pixel (row, column): first[32 j], j < torso.first. */
void tg_torso_first(const tg_torso *torso, int row, int column, float *first);

#endif
