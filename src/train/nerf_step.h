/* One training step of the head: from rays of several frames to gradients of all parameters.
 *
 *     condition nets (tape) -> biases per frame -> blocks of rays on the pool -> tables level by
 *     level on the pool -> weights -> condition nets backwards
 *
 * Blocks, groups of blocks and levels are fixed cuts, so sums do not depend on threads.
 */
#ifndef TALKGEN_TRAIN_NERF_STEP_H
#define TALKGEN_TRAIN_NERF_STEP_H

#include "train/nerf_rays.h"

enum {
    NERF_GROUP_BLOCKS = 8, /* blocks that share a block of weight gradients */
    NERF_MAX_FRAMES = 64   /* of a step */
};

typedef struct {
    const float *windows; /* [smo_win_size, cond_win_size, cond_dim] normalised */
    int code;             /* row of the individual codes */
} nerf_step_frame;

typedef struct {
    double squared_error, loss; /* sums as in nerf_block_result */
    int64_t samples;
} nerf_step_result;

typedef struct nerf_stepper nerf_stepper;
/* max_rays: of a step, a multiple of NERF_BLOCK_RAYS. The model is borrowed. */
tg_status tg_nerf_stepper_create(tg_context *ctx, tg_nerf *nerf, int max_rays, nerf_stepper **out);
void tg_nerf_stepper_destroy(nerf_stepper **stepper);
nerf_field *tg_nerf_stepper_field(nerf_stepper *stepper);

/* Adds to the gradients of the model's parameters. Frame f owns rays [f, f+1) * rays_per_frame,
 * rays_per_frame is a multiple of NERF_BLOCK_RAYS, frames <= NERF_MAX_FRAMES. */
tg_status tg_nerf_step_gradients(tg_context *ctx, nerf_stepper *stepper,
                                 const nerf_step_frame *frames, int n_frames, const nerf_ray *rays,
                                 int rays_per_frame, const nerf_loss_weights *weights,
                                 nerf_step_result *result);

/* The same forwards only, any number of rays of one frame: rgb [n,3]. opacity of a ray may be
 * negative and target anything. */
tg_status tg_nerf_step_render(tg_context *ctx, nerf_stepper *stepper, const nerf_step_frame *frame,
                              const nerf_ray *rays, int n, float *rgb);

/* Biases of frames for other users of the field (the occupancy): [n][hidden_ambient] and
 * [n][hidden_color]. Packs the weights first. */
tg_status tg_nerf_step_biases(tg_context *ctx, nerf_stepper *stepper, const nerf_step_frame *frames,
                              int n, float *ambient_bias, float *color_bias);

/* Adam over the parameters whose name starts with "torso" (torso true) or does not. */
typedef struct nerf_adam nerf_adam;
tg_status tg_nerf_adam_create(tg_context *ctx, tg_nerf *nerf, bool torso, nerf_adam **out);
void tg_nerf_adam_destroy(nerf_adam **adam);
/* One step with the gradients now in the parameters, which are zeroed; rates times lr_scale. */
void tg_nerf_adam_step(tg_context *ctx, nerf_adam *adam, float lr);
/* State for checkpoints: tensors "adam.m.<name>", "adam.v.<name>" and the step count. */
bool tg_nerf_adam_store(const nerf_adam *adam, tg_st_writer *w);
tg_status tg_nerf_adam_load(tg_context *ctx, nerf_adam *adam, const tg_st *st, int64_t steps);
int64_t tg_nerf_adam_steps(const nerf_adam *adam);

#endif
