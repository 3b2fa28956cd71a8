/* Conv1d -> batch norm -> (+ input) -> activation. */
#include "motion/convblock.h"

#include "motion/wavenet.h"

#include <stdio.h>

bool tg_convblock_register(tg_params *set, tg_convblock *block, const char *prefix, int in, int out,
                           int kernel, int stride, int pad, bool residual) {
    char name[128];
    int64_t width[] = {out};
    *block = (tg_convblock){.stride = stride, .pad = pad, .residual = residual};
    snprintf(name, sizeof name, "%sconv_block.0.", prefix);
    bool ok = tg_conv_register(set, name, out, in, kernel, (int64_t)in * kernel, &block->weight,
                               &block->bias, out);
    snprintf(name, sizeof name, "%sconv_block.1.weight", prefix);
    block->gain = tg_params_add(set, name, 1, width, (tg_init){TG_INIT_ONE, 1});
    snprintf(name, sizeof name, "%sconv_block.1.bias", prefix);
    block->shift = tg_params_add(set, name, 1, width, (tg_init){TG_INIT_ZERO, 0});
    snprintf(name, sizeof name, "%sconv_block.1.running_mean", prefix);
    block->mean = tg_params_add_buffer(set, name, 1, width, 0);
    snprintf(name, sizeof name, "%sconv_block.1.running_var", prefix);
    block->var = tg_params_add_buffer(set, name, 1, width, 1);
    return ok && block->gain && block->shift && block->mean && block->var;
}

tg_tensor *tg_convblock_forward(tg_tape *tape, const tg_convblock *block, tg_tensor *x,
                                float slope) {
    tg_tensor *y = tg_conv1d(tape, x, block->weight, block->bias, block->stride, block->pad, 1);
    y = tg_batch_norm(tape, y, block->gain, block->shift, block->mean, block->var, 0.1f, 1e-5f);
    if (block->residual)
        y = tg_add(tape, y, x);
    return slope > 0 ? tg_leaky_relu(tape, y, slope) : tg_relu(tape, y);
}
