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
enum { TG_GAP_DIM = 9 };
/* Those vectors of one frame [204]. */
void tg_gap_vectors(const float *motion, float out[TG_GAP_DIM]);
/* Their squared error from those of one closed mouth, counted where the lips touch in the motion
 * `before` [B,T,204] that pred was made from: an adaptation must not open them. */
tg_tensor *tg_closed_loss(tg_tape *tape, tg_tensor *pred, const float *before,
                          const float closed[TG_GAP_DIM]);
/* How far mean and covariance of a clip's frames [1,T,204] are from the truth's, as shares of the
 * truth's variance and covariance, squared; eyes do not count. After CORAL (Sun, Saenko 2016). */
tg_tensor *tg_moment_loss(tg_tape *tape, tg_tensor *pred, tg_tensor *truth);

#endif
