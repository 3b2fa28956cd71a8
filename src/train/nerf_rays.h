/* Rays through the head's volume, forwards and backwards.
 *
 * A block of rays of one frame marches in rounds of a few samples: rays that have become opaque
 * stop before their later samples are evaluated. What the rounds computed is kept, so the backward
 * pass evaluates nothing twice. Gradients of the grid tables are not added here but left per tile
 * (nerf_tile_store): a later pass adds them level by level, in the order of blocks and tiles, so
 * that sums do not depend on threads.
 */
#ifndef TALKGEN_TRAIN_NERF_RAYS_H
#define TALKGEN_TRAIN_NERF_RAYS_H

#include "train/nerf_field.h"

enum {
    NERF_BLOCK_RAYS = 64,
    NERF_ROUND_SAMPLES = 4 /* of each ray, per round */
};

typedef struct {
    float o[3], d[3];    /* in the volume; d of unit length */
    float jitter;        /* of the first sample, in steps, [0,1) */
    float target[3];     /* colour that the composite should have */
    float background[3]; /* behind the head */
    float weight;        /* of the colour error */
    float opacity;       /* wanted opacity 0 or 1, negative: none */
    float ambient;       /* weight of the ambient regulariser */
} nerf_ray;

typedef struct {
    float entropy, opacity; /* loss weights */
    float distortion;       /* of the spread of a ray's weights along it (Barron et al. 2022), with
                               distances in steps of max_steps */
    float excess, enough; /* weight of (log density - log enough)^2 / 2 of every visible sample that
                             is denser than `enough`, the density that one step cannot be seen
                             through. What is denser looks the same but is past mending: nothing
                             behind it is seen, so its colour error has no slope in its density */
    float scale;          /* 1 / rays of the step */
} nerf_loss_weights;

typedef struct {
    double squared_error; /* sum over rays and channels, unweighted */
    double loss;          /* sum of everything that is minimised, before scale */
    int64_t samples;
} nerf_block_result;

/* What the scatter needs of one tile. */
typedef struct {
    float *u3, *u2, *d_features; /* [3], [2], [2*grid_width] rows of NERF_TILE */
} nerf_tile_store;

/* Scratch of one worker. */
typedef struct nerf_ray_scratch nerf_ray_scratch;
nerf_ray_scratch *tg_nerf_ray_scratch_create(tg_arena *arena, const nerf_field *field,
                                             int max_steps);
/* Tiles that a block of rays can fill at most. */
int tg_nerf_block_tiles(int max_steps);

/* Outputs of a block. store has tg_nerf_block_tiles entries, the used ones are counted in *tiles.
 */
typedef struct {
    float *block; /* weight gradients, added to */
    float *d_ambient_bias, *d_color_bias;
    nerf_tile_store *store;
    int *tiles;
} nerf_block_gradient;

/* rays: n <= NERF_BLOCK_RAYS of the frame. gradient NULL: only the result, and rgb [n,3] when not
 * NULL gets the composite. */
nerf_block_result tg_nerf_rays_run(const nerf_field *field, nerf_ray_scratch *scratch,
                                   const nerf_frame *frame, const nerf_ray *rays, int n,
                                   const nerf_loss_weights *weights,
                                   const nerf_block_gradient *gradient, float *rgb);

#endif
