/* Light that wanders below the skin: a blur of irradiance in the picture, wider for red. */
#ifndef TG_STUDIO_SSS_H
#define TG_STUDIO_SSS_H

#include "talkgen/core.h"

#define TG_SSS_OUTSIDE 1e9f /* depth of cells that are not skin */

typedef struct {
    int width, height;
    float *irradiance; /* [3,height,width] planes, blurred in place */
    float *depth;      /* [height,width] dm, TG_SSS_OUTSIDE where there is no skin */
    float *scratch;    /* [3,height,width] */
} tg_sss;

/* Separable Gaussian of sigma dm per channel (pixels_per_dm cells per dm), weighted by depth
 * difference with the same sigma; `share` of the result and the rest of the light as it was. Rows
 * outside [first,last] keep their values. */
void tg_sss_blur(const tg_sss *sss, const float sigma[3], const float share[3], float pixels_per_dm,
                 int first, int last, tg_pool *pool);

#endif
