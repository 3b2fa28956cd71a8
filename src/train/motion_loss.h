/* Losses on landmarks in motion space, beside those of the networks' own training passes. All are
 * means over [B,T,204] tensors on the tape. */
#ifndef TALKGEN_TRAIN_MOTION_LOSS_H
#define TALKGEN_TRAIN_MOTION_LOSS_H

#include "talkgen/motion.h"
#include "talkgen/tensor.h"

/* out[0]: squared error, out[1]: squared error of the velocity; both with a weight per coordinate
 * [204]. */
void tg_motion_errors(tg_tape *tape, tg_tensor *pred, tg_tensor *truth, const float *point_weight,
                      tg_tensor *out[2]);
/* Weighed mean of |a - b|. */
tg_tensor *tg_motion_distance(tg_tape *tape, tg_tensor *a, tg_tensor *b, const float *point_weight);
/* Squared error of the vectors between the inner lips (61-67, 62-66, 63-65); a frame whose lips
 * touch (closure [B,T] = 1) counts five times. */
tg_tensor *tg_gap_loss(tg_tape *tape, tg_tensor *pred, tg_tensor *truth, const float *closure);

#endif
