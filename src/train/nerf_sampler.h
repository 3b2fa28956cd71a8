/* Which rays a training step looks at: mouth and eyes far more often than their area. */
#ifndef TALKGEN_TRAIN_NERF_SAMPLER_H
#define TALKGEN_TRAIN_NERF_SAMPLER_H

#include "talkgen/train.h"
#include "train/nerf_rays.h"

typedef struct {
    tg_box mouth, eyes, face, head; /* head: box of the head region */
    float ngp[16];
} nerf_sampler_frame;

typedef struct {
    const tg_dataset *dataset; /* needs frames, behind and parsing */
    nerf_sampler_frame *frame; /* [frames] */
} nerf_sampler;

tg_status nerf_sampler_init(tg_context *ctx, nerf_sampler *sampler, const tg_dataset *dataset,
                            const tg_nerf_config *config);
/* Regions of the frames that are ready now, after the dataset grew. */
void nerf_sampler_update(nerf_sampler *sampler);
void nerf_sampler_free(nerf_sampler *sampler);

/* The ray through a pixel, without jitter, with the colours of the recording. Opacity: 1 inside the
 * head, 0 away from it, none at its border. ambient: weight of the regulariser outside the face. */
void nerf_sampler_ray(const nerf_sampler *sampler, int64_t frame, int x, int y, float ambient,
                      nerf_ray *ray);
/* n rays of a frame; value = f(rng, first ...), uses up to 64 numbers per ray. */
void nerf_sampler_draw(const nerf_sampler *sampler, int64_t frame, const tg_rng *rng,
                       uint64_t first, int n, float ambient, nerf_ray *rays);

#endif
