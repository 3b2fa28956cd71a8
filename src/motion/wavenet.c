/* Gated convolutions with global conditioning (van den Oord et al. 2016, in the non-causal form of
 * WaveGlow and VITS that GeneFace uses). */
#include "motion/wavenet.h"

#include <math.h>
#include <stdio.h>

bool tg_conv_register(tg_params *set, const char *prefix, int64_t d0, int64_t d1, int64_t d2,
                      int64_t fan_in, tg_tensor **weight, tg_tensor **bias, int64_t bias_size) {
    char name[128];
    snprintf(name, sizeof name, "%sweight", prefix);
    *weight = tg_params_add(set, name, 3, (int64_t[]){d0, d1, d2}, tg_init_fan_in(fan_in));
    if (!bias)
        return *weight != NULL;
    snprintf(name, sizeof name, "%sbias", prefix);
    *bias = tg_params_add(set, name, 1, (int64_t[]){bias_size}, tg_init_fan_in(fan_in));
    return *weight && *bias;
}

static bool register_normed(tg_params *set, tg_normed_conv *conv, const char *prefix, int64_t out,
                            int64_t in, int64_t kernel) {
    char name[128];
    tg_init init = tg_init_fan_in(in * kernel);
    snprintf(name, sizeof name, "%sbias", prefix);
    conv->bias = tg_params_add(set, name, 1, (int64_t[]){out}, init);
    snprintf(name, sizeof name, "%sweight_g", prefix);
    conv->g = tg_params_add(set, name, 3, (int64_t[]){out, 1, 1}, (tg_init){TG_INIT_ONE, 1});
    snprintf(name, sizeof name, "%sweight_v", prefix);
    conv->v = tg_params_add(set, name, 3, (int64_t[]){out, in, kernel}, init);
    return conv->bias && conv->g && conv->v;
}

static void init_normed(tg_normed_conv *conv) {
    int64_t out = conv->v->dim[0], per = conv->v->dim[1] * conv->v->dim[2];
    for (int64_t o = 0; o < out; o++) {
        double sum = 0;
        for (int64_t i = 0; i < per; i++)
            sum += (double)conv->v->data[o * per + i] * conv->v->data[o * per + i];
        conv->g->data[o] = (float)sqrt(sum);
    }
}

static tg_tensor *run_normed(tg_tape *tape, const tg_normed_conv *conv, tg_tensor *x, int pad) {
    return tg_conv1d(tape, x, tg_weight_norm(tape, conv->v, conv->g, 0), conv->bias, 1, pad, 1);
}

bool tg_wavenet_register(tg_params *set, tg_wavenet *wn, const char *prefix, int hidden, int kernel,
                         int layers, int condition) {
    char name[96];
    *wn = (tg_wavenet){.hidden = hidden, .kernel = kernel, .layers = layers};
    snprintf(name, sizeof name, "%scond_layer.", prefix);
    bool ok = register_normed(set, &wn->cond, name, 2 * (int64_t)hidden * layers, condition, 1);
    for (int i = 0; i < layers; i++) {
        snprintf(name, sizeof name, "%sin_layers.%d.", prefix, i);
        ok = ok && register_normed(set, &wn->in[i], name, 2 * hidden, hidden, kernel);
        snprintf(name, sizeof name, "%sres_skip_layers.%d.", prefix, i);
        ok = ok && register_normed(set, &wn->res_skip[i], name,
                                   i + 1 < layers ? 2 * hidden : hidden, hidden, 1);
    }
    return ok;
}

void tg_wavenet_init(tg_wavenet *wn) {
    init_normed(&wn->cond);
    for (int i = 0; i < wn->layers; i++) {
        init_normed(&wn->in[i]);
        init_normed(&wn->res_skip[i]);
    }
}

tg_tensor *tg_masked(tg_tape *tape, tg_tensor *x, const tg_tensor *mask) {
    return mask ? tg_mul_mask(tape, x, mask) : x;
}

tg_tensor *tg_wavenet_forward(tg_tape *tape, const tg_wavenet *wn, tg_tensor *x,
                              tg_tensor *condition, const tg_tensor *mask) {
    int64_t h = wn->hidden;
    tg_tensor *g = run_normed(tape, &wn->cond, condition, 0); /* [B, 2h*layers, T] */
    tg_tensor *out = NULL;
    for (int i = 0; i < wn->layers; i++) {
        tg_tensor *a = run_normed(tape, &wn->in[i], x, wn->kernel / 2);
        tg_tensor *gate = tg_gated(tape, a, tg_slice(tape, g, 1, 2 * h * i, 2 * h * (i + 1)));
        tg_tensor *r = run_normed(tape, &wn->res_skip[i], gate, 0);
        if (i + 1 < wn->layers) {
            x = tg_masked(tape, tg_add(tape, x, tg_slice(tape, r, 1, 0, h)), mask);
            r = tg_slice(tape, r, 1, h, 2 * h);
        }
        out = out ? tg_add(tape, out, r) : r;
    }
    return tg_masked(tape, out, mask);
}
