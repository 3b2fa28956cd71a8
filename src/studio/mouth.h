/* The mouth as a room with one window: light gets in between the lips and nowhere else. The maps of
 * the sky are too coarse for a hole of two centimetres; the ring of the inner lips is exact. */
#ifndef TG_STUDIO_MOUTH_H
#define TG_STUDIO_MOUTH_H

#include "studio/actor.h"
#include "studio/vec3.h"

typedef struct {
    tg_vec3 lip[TG_LIP_RING]; /* world, clockwise as the camera sees them */
    tg_vec3 center, normal;   /* mean of the ring; outwards */
    float area;               /* of the opening, dm^2 */
} tg_mouth_window;

/* The window between inner lips in the order of landmarks 60..67. */
void tg_mouth_window_open(tg_mouth_window *window, const float (*lips)[3]);

/* Share of the cosine-weighted half space about the unit normal n that the opening fills as seen
 * from p, 0..1: the irradiance at p under a white sky outside. 0 when the lips are closed. */
float tg_mouth_window_share(const tg_mouth_window *window, tg_vec3 p, tg_vec3 n);

#endif
