/* One bias-free layer inside a tile program: a rectangle of a weight matrix, packed for the kernels
 * in both directions, and its place in a block of weight gradients.
 *
 * Columns of the matrix that are constant for a frame (condition, individual code, pose) do not
 * pass through the tiles; they make a bias per frame (tg_nerf_frame_bias).
 */
#ifndef TALKGEN_TRAIN_NERF_LAYER_H
#define TALKGEN_TRAIN_NERF_LAYER_H

#include "talkgen/tensor.h"
#include "train/nerf_kernels.h"

typedef struct {
    tg_tensor *weight;   /* [rows, columns], borrowed */
    int column, n_in;    /* the part that tiles see: columns [column, column + n_in) */
    int n_out;           /* rows of the matrix */
    int rotate;          /* output o of the layer is row (o + rotate) % n_out of the matrix */
    int pad_in, pad_out; /* n_in to a multiple of 16 and n_out of 8: rows in tiles and gradients */
    float *packed, *packed_t;
    int64_t gradient; /* offset of [pad_out][pad_in] in a gradient block */
} nerf_layer;

/* Describes a layer; memory comes from arena, *gradient_size grows by the layer's. */
tg_status tg_nerf_layer_init(tg_context *ctx, tg_arena *arena, nerf_layer *layer, tg_tensor *weight,
                             int column, int n_in, int rotate, int64_t *gradient_size);
/* Packs the weights as they are now. */
void tg_nerf_layer_pack(nerf_layer *layer);
/* weight->grad += the layer's part of a gradient block. */
void tg_nerf_layer_add_gradient(const nerf_layer *layer, const float *block);

/* Backward through a layer for one tile: dw += dy x^T (xt is scratch of NERF_TILE * pad_in), and
 * unless dx is NULL dx = (add: +=) w^T dy masked by act > 0. */
void tg_nerf_layer_backward(const nerf_kernels *k, const nerf_layer *layer, const float *x,
                            const float *dy, const float *act, float *dx, bool add, float *xt,
                            float *block);

/* bias[o] = sum_j w[row(o)][column + j] input[j] */
void tg_nerf_frame_bias(const tg_tensor *weight, int column, int n, const float *input,
                        float *bias);
/* Adds to the gradients of those columns and, unless NULL, of the input. */
void tg_nerf_frame_bias_backward(tg_tensor *weight, int column, int n, const float *input,
                                 const float *d_bias, float *d_input);
/* sum[r] += sum over samples of x[r], r < n */
void tg_nerf_row_sums(const float *x, int n, float *sum);

#endif
