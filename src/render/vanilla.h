/* Inside of the vanilla renderer: its perceptrons on batches of samples, the sampling rules, and
 * the stages of a picture. */
#ifndef TALKGEN_RENDER_VANILLA_H
#define TALKGEN_RENDER_VANILLA_H

#include "talkgen/render.h"

enum {
    TG_VANILLA_RAYS = 8,   /* of a block of work */
    TG_VANILLA_ROWS = 256, /* samples of a batch: its activations stay in the second-level cache */
    TG_VANILLA_MAX_WIDTH = 8192 /* of a layer */
};

/* ---- perceptron (vanilla_net.c) ---- */

struct tg_gemm_kernels;

/* A perceptron made ready: the trunk input is split into the encoded position, which differs from
 * sample to sample, and the condition, which is constant along a ray and is therefore added to the
 * biases of the two layers that see it. */
typedef struct {
    const tg_vanilla_mlp *mlp;
    const struct tg_gemm_kernels *gemm; /* float32, or 16-bit integers as the context wants it */
    int position_octaves, view_octaves;
    int position, condition, view; /* widths of the inputs */
    int position_ld;               /* position, padded */
    int width;                     /* of the widest trunk layer */
    int color_width;               /* of the widest colour layer */
    int skip_width;                /* of the activations that join the input again, 0 = none */
    float *first;                  /* [h, position_ld] position columns of layer 0 */
    float *again; /* [h, position_ld + skip_width] those of the skip layer and its others */
} tg_vanilla_net;

tg_status tg_vanilla_net_create(tg_context *ctx, const tg_vanilla_config *config,
                                const tg_vanilla_mlp *mlp, tg_vanilla_net *net);
void tg_vanilla_net_destroy(tg_vanilla_net *net);

/* Biases [rays, width] of layer 0 and the skip layer with the condition in them; with `shared` one
 * row for all rays. */
typedef struct {
    float *first, *again;
    bool shared;
} tg_vanilla_bias;
/* condition [rows, net->condition] */
void tg_vanilla_net_bias(const tg_vanilla_net *net, const float *condition, int rows,
                         const tg_vanilla_bias *bias);

/* Scratch of one thread, large enough for all perceptrons of a renderer. */
typedef struct {
    float *input;    /* [ROWS, position_ld + skip_width] */
    float *trunk[2]; /* [ROWS, width] */
    float *color[2]; /* [ROWS, color_width] */
    float *view;     /* [RAYS, color_width] direction's part of the first colour layer */
} tg_vanilla_scratch;
bool tg_vanilla_scratch_create(const tg_vanilla_net *const *nets, int n,
                               tg_vanilla_scratch *scratch);
void tg_vanilla_scratch_destroy(tg_vanilla_scratch *scratch);

/* xyz [rays*samples,3] in double precision, since the encoding multiplies its rounding by 2^9 and
 * more; direction [rays,3] unit -> raw [rays*samples,4]: rgb before the sigmoid,
 * density before the ReLU. Without color only the density is computed. rays <= RAYS. */
void tg_vanilla_net_eval(const tg_vanilla_net *net, tg_vanilla_scratch *scratch,
                         const tg_vanilla_bias *bias, const double *xyz, const float *direction,
                         int rays, int samples, bool color, float *raw);

/* ---- sampling (vanilla_sample.c) ---- */

/* What a ray sees. */
typedef struct {
    float rgb[3];        /* over the background */
    float foreground[3]; /* without the background sample */
    float last_weight;   /* of the background sample */
    float opacity;       /* sum of all weights */
    float disparity;     /* 1 / expected distance */
    float depth;         /* expected distance of what is before the background sample */
} tg_vanilla_pixel;

/* n depths from near to far, evenly. */
void tg_vanilla_depths(double near, double far, int n, double *z);
/* The volume integral: raw [n,4] at distances z [n] (ascending) along a direction of length
 * `length`; the colour of the last sample is the background's and its interval endless. weights
 * [n] out, pixel NULL when only they are wanted. */
void tg_vanilla_integrate(const float *raw, const double *z, int n, double length,
                          const float background[3], double *weights, tg_vanilla_pixel *pixel);
/* out [n + more]: the n coarse distances and `more` at even quantiles of the distribution of their
 * weights, ascending. */
void tg_vanilla_refine(const double *z, const double *weights, int n, int more, double *out);

/* ---- stages and picture (vanilla_render.c) ---- */

/* Where the results of one stage go for tests; NULL members are not written. All [pixels]. */
typedef struct {
    tg_vanilla_pixel *fine, *coarse;
    float *z; /* [pixels, samples of the fine pass] */
} tg_vanilla_probe;

typedef struct {
    const tg_vanilla *model;
    tg_vanilla_net coarse, fine;
    int samples, all_samples; /* of the coarse and the fine pass */
    double *depths;           /* [samples] */
    float *condition;         /* [coarse.condition] of this frame, colour code last (not set) */
    tg_vanilla_bias coarse_bias, fine_bias; /* without colour code: of this frame, shared */
    float c2w[16];
    tg_vanilla_probe *probe;
} tg_vanilla_stage;

typedef struct {
    tg_vanilla_scratch net;
    double *xyz;         /* [RAYS, all_samples, 3] */
    float *raw;          /* [RAYS, all_samples, 4] */
    double *z, *weights; /* [RAYS, all_samples], [all_samples] */
    float *condition;    /* [RAYS, condition]: with colour codes */
    tg_vanilla_bias coarse_bias, fine_bias;
} tg_vanilla_worker;

struct tg_vanilla_renderer {
    tg_vanilla_options options;
    tg_vanilla_stage head, torso;
    bool has_torso;
    float *background; /* [height,width,3] in [0,1] */
    tg_tape *tape;
    int threads;
    tg_vanilla_worker *workers;
    const tg_picture *picture; /* of this frame */
};

/* Condition of the torso [.., without colour code]: code, angles and translation of the head, each
 * pair encoded by the configuration. */
void tg_vanilla_pose_condition(const tg_vanilla_config *config, const float *code,
                               const float angles[3], const float translation[3], float *out);
/* The head's colour rgb [3] -> code [color_dim], by color_encoder. */
void tg_vanilla_color_code(const tg_vanilla *model, const float rgb[3], float *out);
/* A picture with the conditions of its stages set. */
tg_status tg_vanilla_run(tg_context *ctx, tg_vanilla_renderer *r);
/* After stage->condition was written. */
void tg_vanilla_stage_prepare(tg_vanilla_stage *stage);

#endif
