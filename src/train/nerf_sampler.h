/* Which rays a training step looks at: mouth and eyes far more often than their area. */
#ifndef TALKGEN_TRAIN_NERF_SAMPLER_H
#define TALKGEN_TRAIN_NERF_SAMPLER_H

#include "talkgen/dataset.h"
#include "train/nerf_rays.h"

typedef struct {
    tg_box mouth, eyes, face, head; /* head: box of the head region */
    float ngp[16];
} nerf_sampler_frame;

enum { NERF_MEASURES = 3, NERF_BINS = 6 };

/* Ready training frames in equal steps of one measure of the face. */
typedef struct {
    int64_t *frame;               /* [ready_trains] sorted by bin */
    int64_t first[NERF_BINS + 1]; /* of each bin; empty bins are left out */
    int bins;
} nerf_bins;

typedef struct {
    const tg_dataset *dataset;     /* needs frames, behind and parsing */
    nerf_sampler_frame *frame;     /* [frames] */
    nerf_bins bins[NERF_MEASURES]; /* lip gap, mouth width, eye gap */
} nerf_sampler;

tg_status tg_nerf_sampler_init(tg_context *ctx, nerf_sampler *sampler, const tg_dataset *dataset,
                               const tg_nerf_config *config);
/* Regions of the frames that are ready now, after the dataset grew. */
void tg_nerf_sampler_update(nerf_sampler *sampler);
void tg_nerf_sampler_free(nerf_sampler *sampler);

/* A training frame: half of the time any, otherwise one of a randomly chosen stage of the lips'
 * gap, the mouth's width or the eyes' gap, so that blinks and wide mouths, which are rare, are
 * learned as well as a face at rest. value = f(rng, index). */
int64_t tg_nerf_sampler_pick(const nerf_sampler *sampler, const tg_rng *rng, uint64_t index);

/* The ray through a pixel, without jitter, with the colours of the recording. Opacity: 1 inside the
 * head, 0 away from it, none at its border. ambient: weight of the regulariser outside the face. */
void tg_nerf_sampler_ray(const nerf_sampler *sampler, int64_t frame, int x, int y, float ambient,
                         nerf_ray *ray);
/* n rays of a frame; value = f(rng, first ...), uses up to 64 numbers per ray. */
void tg_nerf_sampler_draw(const nerf_sampler *sampler, int64_t frame, const tg_rng *rng,
                          uint64_t first, int n, float ambient, nerf_ray *rays);

#endif
