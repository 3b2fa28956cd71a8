/* The two halves of looking a recording through: what it says, and its pictures. */
#ifndef TALKGEN_DATASET_CHECK_H
#define TALKGEN_DATASET_CHECK_H

#include "dataset/findings.h"

typedef struct {
    int64_t id;
    bool held_out, posed; /* posed: c2w is a rigid camera in front of the head */
    float c2w[16];
} listed_frame;

/* Decodes gt_imgs, parsing and torso_imgs of every frame on the pool. `points` [frames,68,2]
 * (NULL = not known): where the landmarks should lie, NaN where they have no place. */
tg_status tg_check_pictures(tg_context *ctx, const char *directory, const listed_frame *frames,
                            int64_t count, int width, int height, const float *points,
                            tg_findings *findings);

#endif
