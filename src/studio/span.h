/* The part of a pixel row that lies in a triangle. */
#ifndef TG_STUDIO_SPAN_H
#define TG_STUDIO_SPAN_H

#include "studio/vec3.h"

/* Barycentric weights along a row: wb + i*bx, wc + i*cx for step i. inverse[k] = 1 / step of the
 * weights b, c, a; 0 where a weight does not change along the row. */
typedef struct {
    float bx, cx, inverse[3];
} tg_span_steps;

#define TG_SPAN_SLACK 1e-5f /* shared edges belong to both triangles, so that no gap shows */

static inline tg_span_steps tg_span_steps_of(float bx, float cx) {
    float ax = -bx - cx;
    return (tg_span_steps){bx,
                           cx,
                           {fabsf(bx) > 1e-12f ? 1 / bx : 0, fabsf(cx) > 1e-12f ? 1 / cx : 0,
                            fabsf(ax) > 1e-12f ? 1 / ax : 0}};
}

/* Narrows the steps [*first, *last] to those whose three weights are not negative. */
static inline void tg_span_clip(const tg_span_steps *s, float wb, float wc, int *first, int *last) {
    float w[3] = {wb + TG_SPAN_SLACK, wc + TG_SPAN_SLACK, 1 - wb - wc + TG_SPAN_SLACK};
    float low = (float)*first, high = (float)*last;
    for (int k = 0; k < 3; k++) {
        float root = -w[k] * s->inverse[k]; /* the step where the weight is 0 */
        if (s->inverse[k] > 0)
            low = tg_maxf(low, root);
        else if (s->inverse[k] < 0)
            high = tg_minf(high, root);
        else if (w[k] < 0)
            high = low - 1;
    }
    if (high < low) {
        *last = *first - 1;
        return;
    }
    *last = tg_floori(high);
    int up = tg_floori(low);
    *first = up + ((float)up < low);
}

#endif
