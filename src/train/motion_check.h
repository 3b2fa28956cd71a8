/* How well predicted motion fits the truth: figures shared by the motion and postnet trainers. */
#ifndef TALKGEN_TRAIN_MOTION_CHECK_H
#define TALKGEN_TRAIN_MOTION_CHECK_H

#include "train/motion_data.h"

typedef struct {
    double mouth_error, mouth_deviation; /* RMS over points 48-67 and the frames looked at */
    double gap_corr; /* of the distance of points 62 and 66 from the clip's first frame on */
    double scatter;  /* RMS of samples at temperature 1 about the prediction at 0: as large as
                        mouth_error where samples differ as truth does from what can be heard */
} tg_motion_figures;

/* Predicts up to `clips` clips at temperature 0 (postnet NULL = raw) and compares. */
tg_status tg_motion_check(tg_context *ctx, tg_vae *vae, tg_postnet *postnet,
                          const tg_motion_data *data, int first, int clips, tg_motion_figures *out);

/* Mean over clip `clip` of what is predicted at `temperature` minus the truth: bias [204], motion
 * space. What the sentences do to the mean, they do to both. */
tg_status tg_motion_bias(tg_context *ctx, tg_vae *vae, tg_postnet *postnet,
                         const tg_motion_data *data, int clip, float temperature,
                         float bias[TG_MOTION_DIM]);

#endif
