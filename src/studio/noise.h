/* Procedural textures: value noise, its octave sums and jittered dots. All are functions of a point
 * alone, so that a texture sticks to the surface point it is evaluated at. */
#ifndef TG_STUDIO_NOISE_H
#define TG_STUDIO_NOISE_H

#include "studio/vec3.h"

/* Lattice of the value noise: TG_NOISE_SIZE^3 values in [0,1], periodic. */
enum { TG_NOISE_SIZE = 32 };
typedef struct {
    float value[TG_NOISE_SIZE * TG_NOISE_SIZE * TG_NOISE_SIZE];
} tg_noise;

/* Fills the lattice; the same values on every machine. */
void tg_noise_init(tg_noise *noise);
/* Smoothly interpolated value noise in [0,1], one cell per unit. */
float tg_noise_at(const tg_noise *noise, tg_vec3 p);
/* Sum of `octaves` octaves (each half as strong and 2.03 times as fine), normalised to [0,1]. */
float tg_noise_fbm(const tg_noise *noise, tg_vec3 p, int octaves);
/* Gradient of fbm by forward differences of `step` (in units of p). */
tg_vec3 tg_noise_gradient(const tg_noise *noise, tg_vec3 p, int octaves, float step);
/* Soft dots: one in `share` of the cells of edge `cell` holds a dot of radius r0..r1 (< cell/2).
 * Returns its darkness at p, 0..1. */
float tg_noise_dots(tg_vec3 p, float cell, float share, float r0, float r1);

#endif
