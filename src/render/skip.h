/* Where rays need not look. With the published settings every step of a ray has the same length, no
 * shorter than the diagonal of a cell, so marching is a walk over t = near + k dt with one bit test
 * each; and the occupied part of the volume, projected to the screen, says for every square of 8x8
 * pixels which k can hit anything at all. */
#ifndef TALKGEN_RENDER_SKIP_H
#define TALKGEN_RENDER_SKIP_H

#include "talkgen/render.h"

enum { TG_SKIP_TILE = 8 };

typedef struct {
    bool usable; /* constant step, one cascade */
    float dt, bound, to_cell;
    int size;
    uint32_t *bits;    /* occupancy again, row by row: index (x * size + y) * size + z */
    float (*brick)[3]; /* centres of occupied bricks of 4^3 cells */
    int32_t bricks;
    float radius; /* around a brick */
    int across, down;
    float (*range)[2]; /* [down][across]: first and last distance from the camera; empty: first >
                          last */
} tg_skip;

tg_status tg_skip_create(tg_context *ctx, const tg_nerf *nerf, int width, int height, tg_skip *out);
void tg_skip_destroy(tg_skip *skip);
/* After the occupancy changed. */
void tg_skip_update(tg_skip *skip, const tg_nerf *nerf);
/* For the camera of a frame. */
void tg_skip_frame(tg_skip *skip, const tg_renderer_options *camera, const float pose[16]);
/* As tg_march_ray, for steps *step <= k <= last. */
int tg_skip_march(const tg_skip *skip, const float o[3], const float d[3], float near,
                  int32_t *step, int32_t last, int max, float *xyz, float *delta);
/* Whether no ray of a pixel's square meets anything. */
bool tg_skip_empty(const tg_skip *skip, int row, int column);
/* First and last step of a ray whose pixel is given; false when it meets nothing. */
bool tg_skip_range(const tg_skip *skip, int row, int column, float near, float far, int32_t *first,
                   int32_t *last);

#endif
