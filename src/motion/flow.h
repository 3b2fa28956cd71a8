/* The VAE's prior: residual couplings with flips between them; private to motion. */
#ifndef TG_MOTION_FLOW_H
#define TG_MOTION_FLOW_H

#include "motion/wavenet.h"

enum { TG_FLOW_MAX_BLOCKS = 8 };

typedef struct {
    tg_tensor *pre_w, *pre_b, *post_w, *post_b;
    tg_wavenet enc;
} tg_coupling;

typedef struct {
    int blocks, channels;
    tg_coupling coupling[TG_FLOW_MAX_BLOCKS];
} tg_flow;

bool tg_flow_register(tg_params *set, tg_flow *flow, const char *prefix, int channels, int hidden,
                      int kernel, int blocks, int layers, int condition);
/* post starts at zero: the flow begins as a permutation. After tg_params_init. */
void tg_flow_init(tg_flow *flow);
/* z [B,channels,T/4], condition [B,C,T/4], mask [B,T/4] or NULL. Reverse: noise -> latent. The
 * transform is volume preserving, so there is no log-determinant. */
tg_tensor *tg_flow_run(tg_tape *tape, const tg_flow *flow, tg_tensor *z, tg_tensor *condition,
                       const tg_tensor *mask, bool reverse);

#endif
