/* The random numbers of one training example. */
#ifndef TALKGEN_TRAIN_DRAWS_H
#define TALKGEN_TRAIN_DRAWS_H

#include "talkgen/core.h"

/* A stream of them (splitmix64, Steele et al. 2014: millions per second of noise). */
typedef struct {
    uint64_t state;
} tg_draws;
tg_draws tg_draws_make(uint64_t seed, uint64_t step, uint64_t example);
double tg_draw(tg_draws *d);                             /* [0,1) */
double tg_draw_between(tg_draws *d, double a, double b); /* [a,b) */
bool tg_draw_chance(tg_draws *d, double p);

/* 64 random bits. */
static inline uint64_t tg_draw_word(tg_draws *d) {
    d->state += 0x9E3779B97F4A7C15u;
    uint64_t z = d->state;
    z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9u;
    z = (z ^ (z >> 27)) * 0x94D049BB133111EBu;
    return z ^ (z >> 31);
}

#endif
