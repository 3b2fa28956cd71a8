/* What the kernels see, as plain structures that host C and device code share. Pointers are to
 * device memory. A scene changes with the model, a view with every frame; both travel as kernel
 * arguments. */
#ifndef TALKGEN_RENDER_CUDA_SCENE_H
#define TALKGEN_RENDER_CUDA_SCENE_H

#include <stdint.h>

enum {
    TG_CUDA_WARP = 32,
    TG_CUDA_LAYERS = 6, /* TG_NERF_MAX_LAYERS */
    TG_CUDA_SQUARE = 8, /* pixels on a side of the squares in whose order rays begin */
    TG_CUDA_HEAD_THREADS_64 = 128,
    TG_CUDA_HEAD_THREADS_128 = 256,
    TG_CUDA_TORSO_THREADS = 128,
    TG_CUDA_FULL_THREADS = 64
};

/* One level of a grid: tg_grid, by level. */
typedef struct {
    float scale;
    uint32_t stride[3], mask, offset, hashed;
    uint32_t axes; /* that its index depends on */
} tg_cuda_level;

typedef struct {
    const float *full;          /* [rows][2], NULL when only half is wanted */
    const uint32_t *half;       /* [rows] pairs of fp16, NULL likewise */
    const tg_cuda_level *level; /* [levels] */
    int levels, dims, smoothstep;
} tg_cuda_grid;

typedef struct {
    const float *weight; /* [out][in] */
    int in, out;
} tg_cuda_dense;

typedef struct {
    int layers;
    tg_cuda_dense dense[TG_CUDA_LAYERS];
} tg_cuda_net;

/* A ray of the published schedule, which lives between kernels, and of every other while it is
 * followed. */
typedef struct {
    float d[3], t, near, far;
    int32_t step, last_step;
    float rgb[3], weight, depth;
    int32_t samples, ended, opaque;
} tg_cuda_ray;

typedef struct {
    /* camera and box */
    int width, height;
    float focal, cx, cy, aabb[6], min_near, bound;
    /* rules */
    int max_samples, published, see_all;
    float min_weight, min_transmittance;
    /* occupancy: Morton bits for any march, rows of bits for a walk of constant steps */
    int skips, grid_size, cascades, across;
    float dt_min, dt_max, dt_gamma, to_cell;
    const uint8_t *bitfield;
    const uint32_t *bits;
    /* head; widths of the biases and, with tensor cores, of all hidden layers */
    tg_cuda_grid position, ambient;
    tg_cuda_net ambient_net, sigma_net, color_net;
    int width_ambient, width_sigma, width_color, ambient_out;
    const uint32_t *fragments; /* of the three nets, see tensor.cuh */
    int fragment_words;
    /* torso; first = width_deform + width_canonical, both padded */
    int torso, head_aware, width_deform, width_canonical;
    float shrink;
    tg_cuda_grid torso_grid;
    tg_cuda_net deform, canonical, head_encoder;
    tg_cuda_dense canonical_head;
    const float *head_encoder_bias[3];
    const uint32_t *torso_fragments;
    const float *by_row, *by_column; /* [height], [width] times first */
    const uint8_t *torso_mask;       /* [height][width] */
    const float *background;         /* [height][width][3] */
    float *scratch;                  /* of the float32 networks: [warps][scratch_rows][32] */
    int scratch_rows;
} tg_cuda_scene;

typedef struct {
    float pose[16];
    const float *ambient_bias, *sigma_bias, *color_bias, *torso_bias;
    const float *range;         /* [squares][2], as tg_skip */
    const float *rays_d;        /* [pixels][3] or NULL = from the pose */
    int blind;                  /* a head-aware torso sees zeros */
    int32_t *next;              /* rays taken so far */
    tg_cuda_ray *rays;          /* [pixels], published schedule only */
    int32_t *alive[2];          /* likewise */
    int32_t *alive_count;       /* of the list that a round writes */
    float *rgb_weight;          /* [pixels][4]: sums of the head */
    float *depth_sum;           /* [pixels] */
    unsigned long long *counts; /* rays, density samples, colour samples, torso pixels */
    /* the picture; NULL = not asked for */
    uint8_t *rgb8;
    float *rgb, *alpha, *depth, *weights;
} tg_cuda_view;

#endif
