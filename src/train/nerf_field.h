/* The head's networks as a tile program: density and colour of NERF_TILE points forwards, all
 * gradients backwards. All points of a tile belong to one frame, whose condition and individual
 * code enter as biases.
 *
 *     position -> grid 32 --+-> [+ cond] ambient net -> tanh -> grid 32 --+
 *                           +---------------------------------------------+-> sigma net
 *     sigma net -> geo, density;  [SH of the ray 16, geo] [+ code] -> colour net -> sigmoid
 */
#ifndef TALKGEN_TRAIN_NERF_FIELD_H
#define TALKGEN_TRAIN_NERF_FIELD_H

#include "talkgen/render.h"
#include "train/nerf_layer.h"

enum { NERF_SH = 16 };

typedef struct {
    const nerf_kernels *kernels;
    tg_nerf *nerf; /* borrowed */
    nerf_layer ambient[3], sigma[3], color[2];
    nerf_layer density; /* row 0 of the last sigma layer, for points without colour */
    int grid_width;     /* 32: features of either grid */
    int condition, code;
    int64_t gradient_size; /* floats of a block of weight gradients */
    int64_t tile_size;     /* floats that one tile's activations need */
    int64_t delta_size;    /* floats of the scratch of a backward pass */
    /* Rows of a tile, in floats from its start. */
    int64_t u3, features, a1, a2, a_out, amb, u2, s1, s2, color_in, density_row, c1, rgb;
} nerf_field;

/* What a frame contributes: biases of the first ambient and colour layers, and their gradients. */
typedef struct {
    const float *ambient_bias, *color_bias;
} nerf_frame;

/* TG_EUSAGE when the model has a shape that cannot be trained here: smoothstep grids,
 * other numbers of layers, more than one cascade. */
tg_status tg_nerf_field_init(tg_context *ctx, tg_arena *arena, nerf_field *field, tg_nerf *nerf);
/* After the parameters changed. */
void tg_nerf_field_pack(nerf_field *field);
/* Biases of a frame: condition [cond_out_dim], code [individual_embedding_dim]. */
void tg_nerf_field_frame(const nerf_field *field, const float *condition, const float *code,
                         float *ambient_bias, float *color_bias);

/* Density of the points at tile + field->u3 ([3][NERF_TILE], in [0,1]): fills everything up to s2,
 * density[NERF_TILE] = exp of the density row. The short pass for the occupancy grid. */
void tg_nerf_field_density(const nerf_field *field, const nerf_frame *frame, float *tile,
                           float *density);
/* Density and colour; rows color_in .. color_in + 16 hold SH of the directions beforehand. rgb is
 * [3][NERF_TILE] at tile + field->rgb. */
void tg_nerf_field_forward(const nerf_field *field, const nerf_frame *frame, float *tile,
                           float *density);

/* Gradients of a tile given those of density (already times exp), of colour before the sigmoid and
 * of the ambient coordinates (regulariser; after tanh). d_features [2*grid_width][NERF_TILE] are
 * left for the scatter into the tables; weights add to `block`, sums over samples of the biased
 * layers to d_ambient_bias and d_color_bias. scratch holds delta_size floats. */
typedef struct {
    const float *d_density; /* [NERF_TILE] */
    const float *d_rgb;     /* [8][NERF_TILE], rows 3.. zero */
    const float *d_ambient; /* [2][NERF_TILE] */
    float *d_features;
    float *block;
    float *d_ambient_bias, *d_color_bias;
    float *scratch;
} nerf_field_gradient;
void tg_nerf_field_backward(const nerf_field *field, const float *tile,
                            const nerf_field_gradient *g);

/* Adds a block of weight gradients to the parameters' gradients. */
void tg_nerf_field_add_gradient(const nerf_field *field, const float *block);

#endif
