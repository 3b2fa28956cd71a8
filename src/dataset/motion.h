/* Where a recording's landmarks come from. */
#ifndef TALKGEN_DATASET_MOTION_H
#define TALKGEN_DATASET_MOTION_H

#include "talkgen/dataset.h"
#include "talkgen/io.h"

#include "dataset/lift.h"

/* Landmarks [T,68,3] of a .npy file, T >= 1; tg_npy_free. TG_EINPUT: another shape, or a value that
 * is not finite. */
tg_status tg_landmarks_read(tg_context *ctx, const char *path, tg_npy *out);

typedef struct {
    tg_motion_origin origin;
    int64_t rows;
    float *landmarks; /* [rows,68,3] head coordinates, dm; row = img_id; owned (tg_free) */
    int64_t
        without; /* frames of the transforms that had no usable .lms, or no sample, of their own */
    lift_report lifted; /* unless they come from landmarks.npy */
} dataset_motion;

/* landmarks.npy, else trainval_dataset.npy, else ori_imgs/N.lms with the poses of
 * transforms_*.json. A file that is there and wrong is TG_EINPUT: the next kind is not tried. */
tg_status tg_dataset_motion(tg_context *ctx, const char *directory, dataset_motion *out);

#endif
