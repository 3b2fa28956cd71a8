/* A stream of random numbers drawn one after another; the n-th draw depends on nothing but the
 * seed, the name and n. */
#ifndef TG_STUDIO_DICE_H
#define TG_STUDIO_DICE_H

#include "talkgen/core.h"

typedef struct {
    tg_rng rng;
    uint64_t next;
} tg_dice;

static inline tg_dice tg_dice_make(uint64_t seed, const char *who, const char *purpose) {
    return (tg_dice){.rng = tg_rng_make(seed, who, purpose)};
}

/* [0,1) */
static inline float tg_roll(tg_dice *d) {
    return tg_rng_uniform(&d->rng, d->next++);
}

static inline float tg_roll_between(tg_dice *d, float low, float high) {
    return low + (high - low) * tg_roll(d);
}

static inline float tg_roll_normal(tg_dice *d, float sigma) {
    return sigma * tg_rng_normal(&d->rng, d->next++);
}

#endif
