/* What the torso's perceptrons are told beside the code of the frame: where the head is, and which
 * colour it has at this pixel. */
#include "vanilla.h"

#include <string.h>

void tg_vanilla_pose_condition(const tg_vanilla_config *config, const float *code,
                               const float angles[3], const float translation[3], float *out) {
    memcpy(out, code, (size_t)config->cond_out_dim * sizeof *out);
    if (config->pose_octaves > 0) {
        float *at = out + config->cond_out_dim;
        tg_freq_encode_ad(angles, 3, config->pose_octaves, at);
        tg_freq_encode_ad(translation, 3, config->pose_octaves,
                          at + 3 * (1 + 2 * config->pose_octaves));
    }
}

void tg_vanilla_color_code(const tg_vanilla *model, const float rgb[3], float *out) {
    float hidden[2][TG_VANILLA_MAX_WIDTH];
    const float *x = rgb;
    for (int l = 0; l < 3; l++) {
        const tg_tensor *w = model->color_encoder_w[l], *b = model->color_encoder_b[l];
        const int64_t n = w->dim[1];
        float *y = l < 2 ? hidden[l] : out;
        for (int64_t o = 0; o < w->dim[0]; o++) {
            float sum = b->data[o];
            for (int64_t i = 0; i < n; i++) {
                sum += w->data[o * n + i] * x[i];
            }
            y[o] = l < 2 && sum < 0.0f ? 0.02f * sum : sum;
        }
        x = y;
    }
}
