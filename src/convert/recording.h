/* What a recording of the RAD-NeRF family tells about a person: cameras, background, eyes; private
 * to convert. */
#ifndef TG_CONVERT_RECORDING_H
#define TG_CONVERT_RECORDING_H

#include "talkgen/convert.h"

typedef struct {
    tg_image background; /* bc.jpg: its size is that of the recording */
    float focal, cx, cy;
    int64_t frames, train; /* of transforms_train.json, then transforms_val.json */
    float *c2w;            /* [frames,4,4] */
    int64_t *image_id;     /* [frames] */
    float *eye_area;       /* [frames] percent of the picture; NULL without ori_imgs/N.lms */
} tg_recording;

/* DIR: transforms_train.json, bc.jpg, and if there transforms_val.json, ori_imgs/N.lms. TG_EINPUT
 * when something is missing or unusable. */
tg_status tg_recording_open(tg_context *ctx, const char *directory, tg_recording *out);
void tg_recording_close(tg_recording *recording);
/* near and far of AD-NeRF's rays: HeadNeRF_config.txt, else 0.2 before and 0.4 behind the mean
 * distance of the camera. */
void tg_recording_depths(tg_context *ctx, const char *directory, const tg_recording *recording,
                         float *near, float *far);
/* Everything of an identity that comes from the recording. */
void tg_recording_parts(const tg_recording *recording, tg_identity_parts *parts);
/* name, or the output's file name without folder and ending. */
void tg_recording_name(const tg_convert_options *options, char out[64]);

#endif
