#include "eval/made_motion.h"

#include <math.h>

tg_status tg_made_motion(tg_context *ctx, const tg_identity *identity, const char *audio,
                         const tg_motion_options *options, float **landmarks, int64_t *rows) {
    tg_motion_options o = *options;
    tg_motion_source *source = NULL;
    size_t bytes;
    bool done = false;
    o.audio = audio;
    *landmarks = NULL;
    *rows = 0;
    tg_status s = tg_motion_source_open(ctx, identity, &o, &source);
    int64_t frames = s == TG_OK ? tg_motion_source_frames(source) : 0;
    if (s == TG_OK && (!tg_mul_size((size_t)frames, TG_COND_DIM * sizeof(float), &bytes) ||
                       !(*landmarks = tg_alloc(bytes))))
        s = tg_fail(ctx, TG_ENOMEM, "%s: no memory for its landmarks", audio);
    while (s == TG_OK && !done && *rows < frames) {
        s = tg_motion_source_next(ctx, source, *landmarks + *rows * TG_COND_DIM, &done);
        *rows += s == TG_OK && !done;
        if (s == TG_OK)
            s = tg_cancelled(ctx);
    }
    tg_motion_source_close(&source);
    return s;
}

double tg_landmark_distance(const float *frame, int a, int b) {
    double sum = 0;
    for (int k = 0; k < 3; k++)
        sum += ((double)frame[3 * a + k] - frame[3 * b + k]) *
               ((double)frame[3 * a + k] - frame[3 * b + k]);
    return sqrt(sum);
}

double tg_lip_gap(const float *frame) {
    return (tg_landmark_distance(frame, 61, 67) + tg_landmark_distance(frame, 62, 66) +
            tg_landmark_distance(frame, 63, 65)) /
           3;
}
