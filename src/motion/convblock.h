/* Conv1d -> batch norm -> (+ input) -> activation, the unit of postnet and SyncNet; private. */
#ifndef TG_MOTION_CONVBLOCK_H
#define TG_MOTION_CONVBLOCK_H

#include "talkgen/tensor.h"

typedef struct {
    int stride, pad;
    bool residual;
    tg_tensor *weight, *bias, *gain, *shift, *mean, *var;
} tg_convblock;

/* Registers prefix + "conv_block.0.*" (conv) and "conv_block.1.*" (batch norm). */
bool tg_convblock_register(tg_params *set, tg_convblock *block, const char *prefix, int in, int out,
                           int kernel, int stride, int pad, bool residual);
/* x [B,in,T]; slope of the leaky ReLU, 0 = ReLU */
tg_tensor *tg_convblock_forward(tg_tape *tape, const tg_convblock *block, tg_tensor *x,
                                float slope);

#endif
