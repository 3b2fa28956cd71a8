/* From linear light to the bytes of a picture. */
#ifndef TG_STUDIO_TONE_H
#define TG_STUDIO_TONE_H

#include "studio/vec3.h"

/* Filmic curve and sRGB encoding of one channel, 0..1. Samples are encoded first and averaged
 * then, so that a pixel is an exact alpha blend of what its samples see. */
tg_vec3 tg_tone(tg_vec3 linear);
/* Backdrop at x, y in 0..1 of the picture (linear, before tg_tone), between its colours behind the
 * head and far from it. */
tg_vec3 tg_backdrop(tg_vec3 middle, tg_vec3 corner, float x, float y);
uint8_t tg_tone_byte(float encoded);
enum { TG_TONE_MAX_WIDTH = 2048 };
/* Grows the torso layer upward below the head, after the dataset recipe of the RAD-NeRF family:
 * pixels that the head hides continue the colours of the row below, darkened by 0.98 per
 * row of a 512 picture; skin reaches 53/512 of the height, cloth 9/512.
 * rgba [h,w,4] straight alpha; head [h,w] 1 where what the layer lacks is
 * hidden by the head; skin [h,w] 1 where the layer is skin;
 * w <= TG_TONE_MAX_WIDTH. */
void tg_tone_grow_torso(uint8_t *rgba, const uint8_t *head, const uint8_t *skin, int w, int h);

#endif
