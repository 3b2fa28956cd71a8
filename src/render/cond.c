/* Condition of a frame: AD-NeRF's audio network on every window, then attention over the windows
 * (Guo et al. 2021), in the variants of RAD-NeRF and GeneFace. */
#include "talkgen/render.h"

#include <assert.h>
#include <stdio.h>

static tg_tensor *param(const tg_nerf *nerf, const char *format, int index) {
    char name[128];
    snprintf(name, sizeof name, format, index);
    const tg_param *p = tg_params_find(nerf->params, name);
    assert(p != NULL);
    return p->value;
}

static tg_tensor *conv(tg_tape *tape, const tg_nerf *nerf, const char *net, int index, int stride,
                       tg_tensor *x) {
    char weight[96], bias[96];
    snprintf(weight, sizeof weight, "%s.%%d.weight", net);
    snprintf(bias, sizeof bias, "%s.%%d.bias", net);
    x = tg_conv1d(tape, x, param(nerf, weight, index), param(nerf, bias, index), stride, 1, 1);
    return tg_leaky_relu(tape, x, 0.02f);
}

/* [B, win, C] -> [B, cond_out_dim]. Strides shrink the window to one frame. */
static tg_tensor *prenet(tg_tape *tape, const tg_nerf *nerf, tg_tensor *windows) {
    const int win = nerf->config.cond_win_size;
    tg_tensor *x = tg_transpose(tape, windows);
    for (int l = 0; l < 4; l++) {
        const int halvings = win == 1 ? 0 : win == 2 ? 1 : win <= 4 ? 2 : win <= 8 ? 3 : 4;
        x = conv(tape, nerf, "cond_prenet.encoder_conv", 2 * l, l < halvings ? 2 : 1, x);
    }
    assert(x->dim[2] == 1);
    x = tg_reshape(tape, x, 2, (int64_t[]){x->dim[0], x->dim[1]});
    x = tg_linear(tape, x, param(nerf, "cond_prenet.encoder_fc1.%d.weight", 0),
                  param(nerf, "cond_prenet.encoder_fc1.%d.bias", 0));
    x = tg_leaky_relu(tape, x, 0.02f);
    return tg_linear(tape, x, param(nerf, "cond_prenet.encoder_fc1.%d.weight", 2),
                     param(nerf, "cond_prenet.encoder_fc1.%d.bias", 2));
}

/* Codes [S, C] -> [1, C]: softmax weights over time from five small convolutions. */
static tg_tensor *attention(tg_tape *tape, const tg_nerf *nerf, tg_tensor *codes) {
    const int64_t s = codes->dim[0], c = codes->dim[1];
    tg_tensor *x = tg_transpose(tape, tg_reshape(tape, codes, 3, (int64_t[]){1, s, c}));
    for (int l = 0; l < 5; l++) {
        x = conv(tape, nerf, "cond_att_net.attentionConvNet", 2 * l, 1, x);
    }
    x = tg_reshape(tape, x, 2, (int64_t[]){1, s});
    x = tg_linear(tape, x, param(nerf, "cond_att_net.attentionNet.%d.weight", 0),
                  param(nerf, "cond_att_net.attentionNet.%d.bias", 0));
    return tg_matmul(tape, tg_softmax(tape, x), codes, false);
}

tg_tensor *tg_nerf_condition(tg_tape *tape, const tg_nerf *nerf, tg_tensor *windows) {
    assert(windows->ndim == 3 && windows->dim[1] == nerf->config.cond_win_size);
    if (!nerf->config.with_att) {
        const int64_t middle = windows->dim[0] / 2;
        return prenet(tape, nerf, tg_slice(tape, windows, 0, middle, middle + 1));
    }
    assert(windows->dim[0] == nerf->config.smo_win_size);
    return attention(tape, nerf, prenet(tape, nerf, windows));
}
