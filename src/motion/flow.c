/* Mean-only residual couplings (VITS's ResidualCouplingBlock): half of the channels shift the other
 * half by what a small WaveNet says; a flip swaps the roles. */
#include "motion/flow.h"

#include <stdio.h>
#include <string.h>

bool tg_flow_register(tg_params *set, tg_flow *flow, const char *prefix, int channels, int hidden,
                      int kernel, int blocks, int layers, int condition) {
    *flow = (tg_flow){.blocks = blocks, .channels = channels};
    int half = channels / 2;
    bool ok = true;
    for (int i = 0; i < blocks; i++) {
        tg_coupling *c = &flow->coupling[i];
        char name[96];
        /* Flips sit at the odd places of the published list. */
        snprintf(name, sizeof name, "%sflows.%d.pre.", prefix, 2 * i);
        ok = ok && tg_conv_register(set, name, hidden, half, 1, half, &c->pre_w, &c->pre_b, hidden);
        snprintf(name, sizeof name, "%sflows.%d.enc.", prefix, 2 * i);
        ok = ok && tg_wavenet_register(set, &c->enc, name, hidden, kernel, layers, condition);
        snprintf(name, sizeof name, "%sflows.%d.post.", prefix, 2 * i);
        ok = ok &&
             tg_conv_register(set, name, half, hidden, 1, hidden, &c->post_w, &c->post_b, half);
    }
    return ok;
}

void tg_flow_init(tg_flow *flow) {
    for (int i = 0; i < flow->blocks; i++) {
        tg_coupling *c = &flow->coupling[i];
        tg_wavenet_init(&c->enc);
        memset(c->post_w->data, 0, (size_t)tg_numel(c->post_w) * sizeof(float));
        memset(c->post_b->data, 0, (size_t)tg_numel(c->post_b) * sizeof(float));
    }
}

static tg_tensor *couple(tg_tape *tape, const tg_coupling *c, tg_tensor *z, tg_tensor *condition,
                         const tg_tensor *mask, bool reverse) {
    int64_t half = z->dim[1] / 2;
    tg_tensor *x0 = tg_slice(tape, z, 1, 0, half), *x1 = tg_slice(tape, z, 1, half, 2 * half);
    tg_tensor *h = tg_masked(tape, tg_conv1d(tape, x0, c->pre_w, c->pre_b, 1, 0, 1), mask);
    h = tg_wavenet_forward(tape, &c->enc, h, condition, mask);
    tg_tensor *m = tg_masked(tape, tg_conv1d(tape, h, c->post_w, c->post_b, 1, 0, 1), mask);
    if (reverse)
        x1 = tg_masked(tape, tg_sub(tape, x1, m), mask);
    else
        x1 = tg_add(tape, m, tg_masked(tape, x1, mask));
    return tg_concat(tape, (tg_tensor *[]){x0, x1}, 2, 1);
}

tg_tensor *tg_flow_run(tg_tape *tape, const tg_flow *flow, tg_tensor *z, tg_tensor *condition,
                       const tg_tensor *mask, bool reverse) {
    for (int i = 0; i < flow->blocks; i++) {
        if (reverse) {
            z = tg_flip(tape, z, 1);
            z = couple(tape, &flow->coupling[flow->blocks - 1 - i], z, condition, mask, true);
        } else {
            z = couple(tape, &flow->coupling[i], z, condition, mask, false);
            z = tg_flip(tape, z, 1);
        }
    }
    return z;
}
