/* Landmarks as an identity makes them of a sound, and what lips measure. */
#ifndef TALKGEN_EVAL_MADE_MOTION_H
#define TALKGEN_EVAL_MADE_MOTION_H

#include "talkgen/eval.h"
#include "talkgen/systems.h"

/* Of the whole sound: landmarks [rows,204], head coordinates in dm, tg_free. The temperature and
 * the seed are those of options, the sound is `audio`. */
tg_status tg_made_motion(tg_context *ctx, const tg_identity *identity, const char *audio,
                         const tg_motion_options *options, float **landmarks, int64_t *rows);

/* Distance of two points of a frame [68,3]. */
double tg_landmark_distance(const float *frame, int a, int b);
/* Mean distance of the inner lips: 61-67, 62-66, 63-65. */
double tg_lip_gap(const float *frame);

#endif
