/* Inside of a renderer: the rays of a picture, the workers that advance them, and the composition
 * of head, torso and background. */
#ifndef TALKGEN_RENDER_FRAME_H
#define TALKGEN_RENDER_FRAME_H

#include "head.h"
#include "skip.h"
#include "torso.h"

enum {
    TG_BLOCK = 32,       /* pixels on a side of the squares that workers render */
    TG_QUEUE = 64,       /* lanes waiting for their colour */
    TG_ROUND_SAMPLES = 8 /* of a ray in one round, at most */
};

typedef struct {
    float d[3], t, near, far;
    int32_t step, last_step;     /* of the lattice near + k dt, when the renderer skips */
    int32_t first, start;        /* of the same: where it could begin, where it was begun */
    float weight, depth, rgb[3]; /* sums over the samples so far */
    float begin;                 /* t of the first sample that counts, FLT_MAX so far */
    int32_t samples;             /* taken so far, with those behind the point of opacity */
    bool guessed;                /* begun late, and no sample seen yet */
    bool again;                  /* begun too late: what is under way does not count */
    bool ended;                  /* no occupied cell is left */
    bool opaque;                 /* transmittance below the limit */
} tg_ray;

/* What a pixel sees: of the head the sums of its ray, of the torso behind it colour times alpha and
 * alpha. */
typedef struct {
    float rgb[3], weight, depth, begin;
    float torso[4];
} tg_seen;

/* Optional record of a frame for tests, all NULL or [pixels]. */
typedef struct {
    int32_t *samples;
    int32_t (*schedule)[2]; /* [max_steps]: rays alive, samples per ray */
    int rounds;
    float *near, *far;
    float *torso_alpha, *torso_rgb, *torso_dx; /* torso_rgb over the background; dx [pixels,2] */
    bool blind_torso;                          /* head-aware torso sees zeros */
} tg_probe;

/* Scratch of one thread. */
typedef struct {
    float *scratch; /* of head and torso, the larger */
    float *hidden;  /* [head.hidden] rows of 32 */
    float *queue;   /* [head.hidden + 16 + 3] rows of 64 */
    float *first;   /* [torso.first] rows of 32 */
    tg_ray *rays;   /* of one block */
    int32_t *alive; /* of one block */
    float xyz[3 * TG_TILE];
    float dt[TG_TILE], t_after[TG_TILE];
    tg_ray *lane_ray[TG_TILE];
    int lanes;
    float queue_weight[TG_QUEUE];
    tg_ray *queue_ray[TG_QUEUE];
    int queued;
    tg_render_counts counts;
} tg_worker;

struct tg_renderer {
    const tg_nerf *nerf;
    tg_renderer_options options; /* defaults resolved */
    tg_head head;
    tg_torso torso;
    bool has_torso;
    float *background; /* [height,width,3] in [0,1] */
    unsigned background_version;
    uint8_t *torso_mask; /* [height,width]: torso occupancy above its threshold */
    tg_march march;
    tg_skip skip;
    bool skips; /* each ray for itself, and skip.usable */
    tg_tape *tape;
    int threads;
    tg_worker *workers;
    tg_ray *rays;         /* whole picture, reference schedule only */
    int32_t *alive;       /* likewise */
    tg_seen *seen;        /* whole picture, when coarse > 1 */
    int coarse;           /* distance of the first rays in pixels, a power of two */
    struct tg_cuda *cuda; /* draws, when not NULL */
    /* this frame */
    float origin[3], pose[16], eye;
    const tg_picture *picture;
    tg_probe *probe;
    tg_render_counts counts;
};

/* Next samples of rays[ids[0..count)], at most n each: density, weights, colour. After the last
 * call of a block, tg_rays_finish. */
void tg_rays_advance(const tg_renderer *r, tg_worker *w, tg_ray *rays, const int32_t *ids,
                     int32_t count, int n);
void tg_rays_finish(const tg_renderer *r, tg_worker *w);
/* w->rays of the first `alive` entries of w->alive to their ends. */
void tg_rays_march(const tg_renderer *r, tg_worker *w, int32_t alive);
/* Takes those that ended out of ids; returns how many are left. */
int32_t tg_rays_keep(const tg_ray *rays, int32_t *ids, int32_t count);
/* Begins the ray at distance t rather than where it could; when the first sample there counts
 * already, tg_rays_advance goes back some steps. Only while r->skips. */
void tg_ray_guess(const tg_renderer *r, tg_ray *ray, float t);
/* From the pose, or from rays_d [pixels,3] when not NULL. */
void tg_ray_direction(const tg_renderer *r, const float *rays_d, int row, int col, float d[3]);
/* The picture from coarse to fine: see adapt.c. */
void tg_render_adaptive(tg_renderer *r, tg_pool *pool, const float *rays_d);
/* Distance of the coarsest rays for a picture: 1 for small ones. */
int tg_adapt_coarse(int width, int height);
/* Starts a ray: box entry and exit, sums zero. False when it meets nothing. */
bool tg_ray_start(const tg_renderer *r, const float d[3], int row, int column, tg_ray *ray);
/* Torso, background and output of `count` <= 32 pixels to the right of (row, column). */
void tg_compose_run(const tg_renderer *r, tg_worker *w, int row, int column, int count,
                    const tg_ray *const *rays);
tg_seen tg_ray_seen(const tg_ray *ray); /* without a torso */
/* Whether a pixel behind a head of such opacity shows the torso. */
bool tg_torso_shows(const tg_renderer *r, size_t pixel, float weight);
/* The torso at `count` <= 32 pixels (row * width + column) with the head in front of them; dx [2]
 * rows of 32. */
void tg_compose_torso(const tg_renderer *r, tg_worker *w, int count, const uint32_t *pixel,
                      const tg_seen *const *seen, float (*torso)[4], float *dx);
/* Head over torso over background for `count` pixels from `at` on; box: where their rays enter and
 * leave it, needed with picture->depth only. */
void tg_compose_write(const tg_renderer *r, size_t at, int count, const tg_seen *seen,
                      const float (*box)[2]);
/* What a frame's condition [cond_out_dim], pose vector and r->pose make constant. */
void tg_renderer_condition(tg_renderer *r, const float *condition, const float pose[6]);
/* As tg_renderer_run, by the device of r->cuda; probe (or NULL): samples, near, far, schedule of
 * the published schedule and blind_torso. */
tg_status tg_renderer_draw(tg_context *ctx, tg_renderer *r, const float *condition,
                           const float pose[6], const float *rays_d, tg_probe *probe,
                           const tg_picture *picture);
/* A whole frame with the condition [cond_out_dim] already known. rays_d [pixels,3] or NULL = from
 * the pose. */
void tg_renderer_run(tg_renderer *r, tg_pool *pool, const float *condition, const float pose[6],
                     const float *rays_d);

#endif
