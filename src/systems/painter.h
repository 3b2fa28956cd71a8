/* The two renderers of an identity behind one face; private to systems. */
#ifndef TG_SYSTEMS_PAINTER_H
#define TG_SYSTEMS_PAINTER_H

#include "talkgen/systems.h"

typedef struct {
    int width, height;
    float focal, cx, cy;
    const uint8_t *background; /* [height,width,3], copied */
    tg_march_rule march;       /* of the grid renderer */
    tg_device device;          /* likewise */
} tg_painter_options;

typedef struct tg_painter tg_painter;
tg_status tg_painter_open(tg_context *ctx, const tg_identity *identity,
                          const tg_painter_options *options, tg_painter **out);
void tg_painter_close(tg_painter **painter);
/* One frame: conditions as tg_condition_shape and tg_condition_torso_shape tell (torso_windows NULL
 * when the latter is false), eye area in percent, c2w [4,4]. */
tg_status tg_painter_frame(tg_context *ctx, tg_painter *painter, const float *windows,
                           const float *torso_windows, float eye_area, const float c2w[16],
                           const tg_picture *picture);
/* A painter that draws while the CPU goes on: tg_renderer_begin and tg_renderer_finish. */
bool tg_painter_overlaps(const tg_painter *painter);
tg_status tg_painter_begin(tg_context *ctx, tg_painter *painter, const float *windows,
                           float eye_area, const float c2w[16], bool floats);
tg_status tg_painter_finish(tg_context *ctx, tg_painter *painter, const tg_picture *picture);

#endif
