/* One training step of the 2-D deformable torso: pixels of several frames to gradients.
 *
 *     [freq(pixel) 42, freq(pose) 54, code 8] -> deform net -> shift -> grid 32 at the shifted
 * pixel [grid 32, the above] -> canonical net -> alpha, rgb
 *
 * Pose and code are constant in a frame and enter as biases of the two first layers.
 */
#ifndef TALKGEN_TRAIN_TORSO_STEP_H
#define TALKGEN_TRAIN_TORSO_STEP_H

#include "talkgen/render.h"
#include "train/nerf_layer.h"

enum {
    TORSO_BLOCK_TILES = 8, /* tiles of one block, all of one frame */
    TORSO_GROUP_BLOCKS = 8,
    TORSO_MAX_FRAMES = 64
};

typedef struct {
    float pose[6]; /* angles and translation of the ngp pose */
    int code;
} torso_frame;

typedef struct {
    int16_t row, column; /* pixel, or lattice point of the stepper's height and width */
    float target[3];     /* torso over background */
    float background[3];
    float alpha; /* wanted opacity */
} torso_pixel;

typedef struct {
    float entropy, alpha; /* loss weights */
    float scale;          /* 1 / pixels of the step */
} torso_weights;

typedef struct {
    double squared_error, loss; /* over the background; sum of what is minimised */
} torso_result;

typedef struct torso_stepper torso_stepper;
/* width, height: lattice of the pixels, screen coordinates k / (size - 1) * 2 - 1. max_pixels: a
 * multiple of a block's. TG_EUSAGE for a head-aware torso. */
tg_status tg_torso_stepper_create(tg_context *ctx, tg_nerf *nerf, int width, int height,
                                  int max_pixels, torso_stepper **out);
void tg_torso_stepper_destroy(torso_stepper **stepper);
/* Adds to the gradients of the torso's parameters. Frame f owns pixels [f, f+1) * per_frame. */
void tg_torso_step_gradients(tg_context *ctx, torso_stepper *stepper, const torso_frame *frames,
                             int n_frames, const torso_pixel *pixels, int per_frame,
                             const torso_weights *weights, torso_result *result);
/* Forwards only: rgba [n,4] (not over the background), n pixels of one frame. */
void tg_torso_step_render(tg_context *ctx, torso_stepper *stepper, const torso_frame *frame,
                          const torso_pixel *pixels, int n, float *rgba);

#endif
