/* Landmarks seen in pictures, lifted to 3-D. */
#ifndef TALKGEN_DATASET_LIFT_H
#define TALKGEN_DATASET_LIFT_H

#include "talkgen/dataset.h"

typedef struct {
    int64_t rows;
    float focal, cx, cy;
    const float *c2w;    /* [rows,4,4], metres */
    const float *pixels; /* [rows,68,2] */
    bool *seen;          /* [rows] whether camera and pixels of the row are known; lost ones are
                            taken out */
} lift_views;

typedef struct {
    double noise;    /* of the pixels, as the points of the skull show it */
    double error;    /* RMS of what is left between lifted points and pixels */
    double turn_deg; /* standard deviation of the direction the head is seen from */
    int64_t lost;    /* rows whose landmarks are not on the face; taken as not seen */
} lift_report;

/* Head coordinates (dm) of 68 points in every row, from known cameras. Each point is the mean place
 * that its rays agree on, and a displacement per row: the most probable one when the displacement
 * is a stationary process of the variance and the correlation from row to row that the pixels show,
 * and the pixels have Gaussian noise with outliers (Cauchy weights). What no camera sees, the
 * displacement along the ray, stays near the mean. Rows that are not seen are filled in.
 * landmarks [rows,68,3]. TG_EINPUT: fewer than 10 rows seen. */
tg_status tg_lift_landmarks(tg_context *ctx, const char *name, const lift_views *views,
                            float *landmarks, lift_report *report);

#endif
