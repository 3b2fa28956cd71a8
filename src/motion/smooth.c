/* Between the postnet and the renderer: statistics, clamp, causal smoothing (GeneFace's
 * lm3d_radnerf inference). */
#include "talkgen/motion.h"

#include <math.h>

void tg_motion_stats_of(const float *motion, int64_t n, tg_motion_stats *out) {
    for (int k = 0; k < TG_MOTION_DIM; k++) {
        double mean = 0, var = 0;
        for (int64_t i = 0; i < n; i++)
            mean += motion[i * TG_MOTION_DIM + k];
        mean = n > 0 ? mean / (double)n : 0;
        for (int64_t i = 0; i < n; i++) {
            double d = motion[i * TG_MOTION_DIM + k] - mean;
            var += d * d;
        }
        out->mean[k] = (float)mean;
        /* A point that never moves (rigid nose) would divide by nothing. */
        out->std[k] = fmaxf((float)sqrt(n > 0 ? var / (double)n : 0), 1e-4f);
    }
}

void tg_motion_normalize(const tg_motion_stats *stats, float clamp_std,
                         float frame[TG_MOTION_DIM]) {
    for (int k = 0; k < TG_MOTION_DIM; k++) {
        int point = k / 3, axis = k % 3;
        bool brow_or_eye = (point >= 17 && point < 27) || (point >= 36 && point < 48);
        float limit = brow_or_eye && axis < 2 ? clamp_std / 2 : clamp_std;
        float x = (frame[k] - stats->mean[k]) / stats->std[k];
        frame[k] = x < -limit ? -limit : x > limit ? limit : x;
    }
}

void tg_motion_smooth(tg_motion_ema *state, float lambda, float frame[TG_MOTION_DIM]) {
    for (int k = 0; k < TG_MOTION_DIM; k++) {
        float before = state->started ? state->value[k] : frame[k];
        state->value[k] = frame[k] = lambda * before + (1 - lambda) * frame[k];
    }
    state->started = true;
}
