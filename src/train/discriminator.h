/* MLPDiscriminator: does this one frame of landmarks look like the target person's? */
#ifndef TALKGEN_TRAIN_DISCRIMINATOR_H
#define TALKGEN_TRAIN_DISCRIMINATOR_H

#include "talkgen/tensor.h"

enum { TG_DISC_LAYERS = 5 };

/* 204 -> 128 -> 256 -> 256 -> 128 -> 1, leaky ReLU (.2, then .25) and dropout .25 between, the last
 * layer without bias (GeneFace 3.1). */
typedef struct {
    tg_params *params;
    tg_tensor *weight[TG_DISC_LAYERS], *bias[TG_DISC_LAYERS];
} tg_discriminator;

/* false = no memory. */
bool tg_discriminator_create(tg_discriminator *d, int dim, uint64_t seed);
void tg_discriminator_destroy(tg_discriminator *d);
/* frames [N,dim] -> [N,1]; rng and first for dropout. */
tg_tensor *tg_discriminator_forward(tg_tape *tape, const tg_discriminator *d, tg_tensor *frames,
                                    const tg_rng *rng, uint64_t first);

#endif
