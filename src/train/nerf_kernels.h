/* Kernels that train the grid NeRF: everything works on tiles of NERF_TILE samples.
 *
 * A tile matrix X has one row of NERF_TILE samples per feature (X[feature][sample]), so that a
 * layer is Y = W X with the weights broadcast and samples in the lanes. Buffers are 64-byte
 * aligned. The portable table is the oracle; wider ones differ from it by rounding only.
 */
#ifndef TALKGEN_TRAIN_NERF_KERNELS_H
#define TALKGEN_TRAIN_NERF_KERNELS_H

#include "talkgen/core.h"
#include "talkgen/render.h"

enum {
    NERF_TILE = 32,    /* samples of one tile */
    NERF_OUT_BLOCK = 8 /* packed weights interleave this many outputs */
};

/* One level of a linear grid, out of the arrays of tg_grid. A corner's row is the sum (hashed: the
 * exclusive or) of its coordinates times their factors. */
typedef struct {
    float scale;
    uint32_t factor[TG_GRID_MAX_DIMS], mask, offset;
    bool hashed;
    int look; /* dimensions it looks at; fine tiled levels drop the last */
} nerf_level;

static inline nerf_level nerf_level_of(const tg_grid *grid, int l) {
    nerf_level level = {.scale = grid->scale[l],
                        .mask = grid->mask[l],
                        .offset = grid->offset[l],
                        .hashed = grid->hashed[l],
                        .look = grid->dims};
    for (int d = 0; d < grid->dims; d++)
        level.factor[d] = level.hashed ? tg_grid_primes[d] : grid->stride[l][d];
    if (!level.hashed && level.factor[grid->dims - 1] == 0)
        level.look--;
    return level;
}

/* What Adam does to n parameters with gradients g (moments m, v). sparse: entries whose gradient
 * is exactly zero keep value and moments. Gradients are zeroed. */
typedef struct {
    float rate;         /* learning rate / (1 - beta1^t) */
    float beta1, beta2; /* decays of the moments */
    float second_scale; /* 1 / (1 - beta2^t) */
    float eps;
    bool sparse;
} nerf_adam_rule;

typedef struct {
    /* y[n_out] = w x + bias, through ReLU when asked. w packed by tg_nerf_layer_pack; rows of y are
     * written up to n_out rounded up to NERF_OUT_BLOCK (the rest are zero weights). bias [n_out] or
     * NULL.
     */
    void (*forward)(const float *w, int n_in, int n_out, const float *bias, const float *x,
                    float *y, bool relu);
    /* dx[n_in] = w^T dy, where act is not NULL times (act > 0), and added to dx when `add`. wt is
     * the transposed matrix, packed. */
    void (*backward_input)(const float *wt, int n_in, int n_out, const float *dy, const float *act,
                           float *dx, bool add);
    /* dw[o][i] += sum over samples dy[o] x[i], row length n_in (a multiple of 16), n_out a multiple
     * of NERF_OUT_BLOCK; xt is the transposed tile [NERF_TILE][n_in]. */
    void (*backward_weight)(int n_in, int n_out, const float *dy, const float *xt, float *dw);
    /* xt[sample][row] of n rows, n a multiple of 16 */
    void (*transpose)(const float *x, int n, float *xt);
    /* Features of positions u[dims][NERF_TILE] in [0,1] (others: zero): out[levels*2][NERF_TILE].
     */
    void (*encode)(const tg_grid *grid, const float *table, const float *u, float *out);
    /* d loss/d u from d loss/d features. */
    void (*encode_backward)(const tg_grid *grid, const float *table, const float *u,
                            const float *d_out, float *d_u);
    /* Adds the gradient of one level's entries: for `tiles` tiles with positions u (stride
     * u_stride floats between tiles) and feature gradients d_out (stride d_stride; rows 2*level and
     * 2*level+1 are used). grad is the whole table's gradient. */
    void (*scatter)(const tg_grid *grid, int level, int tiles, const float *const *u,
                    const float *const *d_out, float *grad);
    void (*adam)(const nerf_adam_rule *rule, int64_t n, float *value, float *grad, float *m,
                 float *v);
} nerf_kernels;

extern const nerf_kernels tg_nerf_kernels_portable;
extern const nerf_kernels tg_nerf_kernels_neon;
extern const nerf_kernels tg_nerf_kernels_avx2;
extern const nerf_kernels tg_nerf_kernels_avx512;

/* Fastest table for a CPU level. */
const nerf_kernels *tg_nerf_kernels_for(tg_cpu_level level);

/* Floats that a packed [n_out,n_in] matrix needs, blocks of [n_in][NERF_OUT_BLOCK]. */
int64_t tg_nerf_packed_size(int n_in, int n_out);

#endif
