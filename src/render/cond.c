/* Condition of a frame: AD-NeRF's audio network on every window, then attention over the windows
 * (Guo et al. 2021), in the variants of RAD-NeRF and GeneFace. */
#include "cond.h"

#include "talkgen/render.h"

#include <assert.h>
#include <stdio.h>

static tg_tensor *param(tg_params *params, const char *net, const char *layer, int index,
                        const char *what) {
    char name[128];
    snprintf(name, sizeof name, "%s.%s.%d.%s", net, layer, index, what);
    const tg_param *p = tg_params_find(params, name);
    assert(p != NULL);
    return p->value;
}

static tg_tensor *conv(tg_tape *tape, tg_params *params, const char *net, const char *layer,
                       int index, int stride, tg_tensor *x) {
    x = tg_conv1d(tape, x, param(params, net, layer, index, "weight"),
                  param(params, net, layer, index, "bias"), stride, 1, 1);
    return tg_leaky_relu(tape, x, 0.02f);
}

static tg_tensor *linear(tg_tape *tape, tg_params *params, const char *net, const char *layer,
                         int index, tg_tensor *x) {
    return tg_linear(tape, x, param(params, net, layer, index, "weight"),
                     param(params, net, layer, index, "bias"));
}

tg_tensor *tg_condition_codes(tg_tape *tape, tg_params *params, const char *net, int win,
                              tg_tensor *windows) {
    tg_tensor *x = tg_transpose(tape, windows);
    for (int l = 0; l < 4; l++) {
        const int halvings = win == 1 ? 0 : win == 2 ? 1 : win <= 4 ? 2 : win <= 8 ? 3 : 4;
        x = conv(tape, params, net, "encoder_conv", 2 * l, l < halvings ? 2 : 1, x);
    }
    assert(x->dim[2] == 1 || tg_tape_status(tape) != TG_OK);
    x = tg_reshape(tape, x, 2, (int64_t[]){x->dim[0], x->dim[1]});
    x = tg_leaky_relu(tape, linear(tape, params, net, "encoder_fc1", 0, x), 0.02f);
    return linear(tape, params, net, "encoder_fc1", 2, x);
}

tg_tensor *tg_condition_attend(tg_tape *tape, tg_params *params, const char *net,
                               tg_tensor *codes) {
    const int64_t s = codes->dim[0];
    const int64_t seen = param(params, net, "attentionConvNet", 0, "weight")->dim[1];
    tg_tensor *x = codes->dim[1] > seen ? tg_slice(tape, codes, 1, 0, seen) : codes;
    x = tg_transpose(tape, tg_reshape(tape, x, 3, (int64_t[]){1, s, seen}));
    for (int l = 0; l < 5; l++) {
        x = conv(tape, params, net, "attentionConvNet", 2 * l, 1, x);
    }
    x = linear(tape, params, net, "attentionNet", 0, tg_reshape(tape, x, 2, (int64_t[]){1, s}));
    return tg_matmul(tape, tg_softmax(tape, x), codes, false);
}

tg_tensor *tg_nerf_condition(tg_tape *tape, const tg_nerf *nerf, tg_tensor *windows) {
    const int win = nerf->config.cond_win_size;
    assert((windows->ndim == 3 && windows->dim[1] == win) || tg_tape_status(tape) != TG_OK);
    if (!nerf->config.with_att) {
        const int64_t middle = windows->dim[0] / 2;
        return tg_condition_codes(tape, nerf->params, "cond_prenet", win,
                                  tg_slice(tape, windows, 0, middle, middle + 1));
    }
    assert(windows->dim[0] == nerf->config.smo_win_size || tg_tape_status(tape) != TG_OK);
    return tg_condition_attend(tape, nerf->params, "cond_att_net",
                               tg_condition_codes(tape, nerf->params, "cond_prenet", win, windows));
}
