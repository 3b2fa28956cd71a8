/* The gated convolution stack shared by the VAE's encoder, its decoder and the flow; private. */
#ifndef TG_MOTION_WAVENET_H
#define TG_MOTION_WAVENET_H

#include "talkgen/tensor.h"

enum { TG_WAVENET_MAX_LAYERS = 16 };

/* A convolution whose kernel is stored as g * v / ||v|| (weight norm over all but the output axis).
 */
typedef struct {
    tg_tensor *g, *v, *bias;
} tg_normed_conv;

/* WN(hidden, kernel, layers): per layer a = in(x) + its slice of cond(g); gate = tanh(a1)
 * sigmoid(a2); r = res_skip(gate); x = (x + r1) * mask, out += r2; the last layer has no residual
 * half. Dilation is 1 throughout, as GeneFace configures it. */
typedef struct {
    int hidden, kernel, layers;
    tg_normed_conv cond, in[TG_WAVENET_MAX_LAYERS], res_skip[TG_WAVENET_MAX_LAYERS];
} tg_wavenet;

/* Registers parameters under prefix ("vae.decoder.wn."). false = no memory. */
bool tg_wavenet_register(tg_params *set, tg_wavenet *wn, const char *prefix, int hidden, int kernel,
                         int layers, int condition);
/* weight_g starts as the norm of weight_v, so that the first kernel is v itself. After
 * tg_params_init. */
void tg_wavenet_init(tg_wavenet *wn);
/* x [B,hidden,T], condition [B,C,T], mask [B,T] or NULL (all ones) -> [B,hidden,T] */
tg_tensor *tg_wavenet_forward(tg_tape *tape, const tg_wavenet *wn, tg_tensor *x,
                              tg_tensor *condition, const tg_tensor *mask);

/* Convolution with bias registered as prefix + "weight", prefix + "bias" (unless bias is NULL). */
bool tg_conv_register(tg_params *set, const char *prefix, int64_t d0, int64_t d1, int64_t d2,
                      int64_t fan_in, tg_tensor **weight, tg_tensor **bias, int64_t bias_size);
/* Multiplies when there is a mask. */
tg_tensor *tg_masked(tg_tape *tape, tg_tensor *x, const tg_tensor *mask);

#endif
