/* Frames of a recording as a finished identity paints them. */
#ifndef TALKGEN_EVAL_PORTRAIT_FRAMES_H
#define TALKGEN_EVAL_PORTRAIT_FRAMES_H

#include "talkgen/systems.h"
#include "talkgen/eval.h"

typedef struct {
    const tg_identity *identity; /* borrowed */
    tg_dataset *data;            /* frames and parsing */
    tg_renderer *renderer;       /* of the recording's size, over its background */
    size_t pixels;
} portrait_frames;

/* TG_EUSAGE for an identity that is not driven by five landmark frames; TG_EINPUT without held-out
 * frames. Close it in any case. */
tg_status tg_portrait_frames_open(tg_context *ctx, const tg_identity *identity, const char *dataset,
                                  tg_march_rule march, portrait_frames *out);
void tg_portrait_frames_close(portrait_frames *frames);
/* rgb [height,width,3]: the pose of `frame` with landmarks around `row` of `landmarks` [rows,204]
 * (head coordinates, dm; ends repeated). */
tg_status tg_portrait_frame(tg_context *ctx, const portrait_frames *frames, int64_t frame,
                            const float *landmarks, int64_t rows, int64_t row, uint8_t *rgb);

#endif
