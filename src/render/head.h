/* The head's networks on tiles of samples: position -> density, then colour for those samples that
 * count. Layers are packed for the kernels, what is constant in a frame is a bias, and the geometry
 * features are multiplied out: sigma_net's last layer is linear, so its product with the colour
 * network's first layer is one matrix.
 */
#ifndef TALKGEN_RENDER_HEAD_H
#define TALKGEN_RENDER_HEAD_H

#include "tile.h"

typedef struct {
    const tg_nerf *nerf; /* borrowed */
    const tg_tile_kernels *kernels;
    /* Not bf16: the ambient coordinate is multiplied by up to 2047 cells, where that costs 15 dB
     * (54
     * -> 70 dB against float32 on the golden head). */
    const tg_tile_kernels *exact;
    tg_tile_grid position, ambient;
    tg_layer ambient_net[TG_NERF_MAX_LAYERS], sigma_net[TG_NERF_MAX_LAYERS],
        color_net[TG_NERF_MAX_LAYERS];
    int features;                     /* numbers of one grid lookup: levels * 2 */
    int hidden;                       /* rows that density hands to colour */
    float *ambient_bias, *color_bias; /* of the first layers, for this frame */
    float *sigma_bias;                /* the eyes' part; NULL when the model has no such input */
    float *fused;                     /* colour x geometry, [hidden_color][hidden + 16] */
    int widest;                       /* rows of the widest layer */
    int scratch_rows;                 /* rows of 32 floats that one tile needs */
} tg_head;

tg_status tg_head_create(tg_context *ctx, const tg_nerf *nerf, bool full_precision, tg_head *out);
void tg_head_destroy(tg_head *head);
/* Packs the parameters again. */
void tg_head_update(tg_head *head);
/* What a frame's condition [cond_out_dim], individual code and open eyes change. */
void tg_head_condition(tg_head *head, const float *condition, int code, float eye);
/* xyz [3] rows of 32 in the box -> sigma [32], hidden [head.hidden] rows of 32, ambient coordinates
 * [ambient_out_dim] rows of 32 (NULL when nobody asks). scratch: head.scratch_rows rows of 32. */
void tg_head_density(const tg_head *head, float *scratch, const float *xyz, float *sigma,
                     float *hidden, float *ambient);
/* inputs [head.hidden + 16 + 3] rows of `stride` floats: the rows of tg_head_density, room for the
 * spherical harmonics, the ray's direction; of each row 32 lanes are used. -> rgb [3] rows of 32.
 */
void tg_head_color(const tg_head *head, float *scratch, float *inputs, int stride, float *rgb);

#endif
