/* How far a picture's details lie from where they belong. */
#ifndef TALKGEN_EVAL_DISPLACEMENT_H
#define TALKGEN_EVAL_DISPLACEMENT_H

#include "talkgen/eval.h"

/* Grey pictures, [height,width] in [0,1]. */
void tg_grey(const uint8_t *rgb, int64_t pixels, float *out);
/* Displacement (pixels) of the patch of `b` that looks like the patch of `a` around (x, y): Lucas
 * and Kanade's translation, iterated, of a window of 2 radius + 1. Directions in which the patch
 * has no detail stay at zero, and the length is at most `radius`. NaN when the window leaves the
 * picture. */
double tg_displacement(const float *a, const float *b, int width, int height, double x, double y,
                       int radius);

#endif
