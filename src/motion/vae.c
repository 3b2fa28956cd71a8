/* VAEModel and PitchContourVAEModel: FVAE with WaveNet encoder and decoder and a flow prior. */
#include "talkgen/motion.h"

#include "motion/config.h"
#include "motion/flow.h"
#include "motion/wavenet.h"

#include <assert.h>
#include <math.h>
#include <stdlib.h>
#include <stdio.h>

enum { BRANCH_WIDTH = 64, G_KERNEL = 8, MAX_WIDTH = 4096 };

/* Conv k3 without bias, batch norm, GELU, conv k3 without bias. */
typedef struct {
    tg_tensor *conv0, *gain, *bias, *mean, *var, *conv3;
} branch;

struct tg_vae {
    tg_vae_config config;
    tg_params *params;
    branch mel, pitch;
    tg_tensor *pitch_embed;
    tg_tensor *g_w, *g_b; /* g_pre_net: condition to the latent rate */
    tg_tensor *enc_pre_w, *enc_pre_b, *enc_out_w, *enc_out_b;
    tg_tensor *dec_pre_w, *dec_pre_b, *dec_out_w, *dec_out_b;
    tg_wavenet enc, dec;
    tg_flow flow;
};

tg_vae_config tg_vae_defaults(void) {
    return (tg_vae_config){.in_out_dim = TG_MOTION_DIM,
                           .hidden_channels = 256,
                           .kernel_size = 5,
                           .enc_n_layers = 8,
                           .dec_n_layers = 4,
                           .glow_hidden = 64,
                           .glow_kernel_size = 3,
                           .glow_n_blocks = 4,
                           .latent_size = 16,
                           .mel_in_dim = 1024,
                           .mel_feat_dim = 64,
                           .pitch_feat_dim = 32};
}

tg_status tg_vae_config_parse(tg_context *ctx, const tg_json *json, const char *name,
                              tg_vae_config *out) {
    tg_vae_config c = tg_vae_defaults();
    const struct {
        const char *key;
        int low, high, *value;
    } rows[] = {
        {"in_out_dim", 1, MAX_WIDTH, &c.in_out_dim},
        {"hidden_channels", 1, MAX_WIDTH, &c.hidden_channels},
        {"kernel_size", 1, 31, &c.kernel_size},
        {"enc_n_layers", 1, TG_WAVENET_MAX_LAYERS, &c.enc_n_layers},
        {"dec_n_layers", 1, TG_WAVENET_MAX_LAYERS, &c.dec_n_layers},
        {"glow_hidden", 1, MAX_WIDTH, &c.glow_hidden},
        {"glow_kernel_size", 1, 31, &c.glow_kernel_size},
        {"glow_n_blocks", 1, TG_FLOW_MAX_BLOCKS, &c.glow_n_blocks},
        {"latent_size", 2, MAX_WIDTH, &c.latent_size},
        {"mel_in_dim", 1, MAX_WIDTH, &c.mel_in_dim},
        {"mel_feat_dim", 1, MAX_WIDTH, &c.mel_feat_dim},
        {"pitch_feat_dim", 1, MAX_WIDTH / 2, &c.pitch_feat_dim},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        tg_status s =
            tg_config_int(ctx, json, name, rows[i].key, rows[i].low, rows[i].high, rows[i].value);
        if (s != TG_OK)
            return s;
    }
    c.pitch = tg_json_bool(tg_json_get(json, "pitch"), false);
    c.decoder_only = tg_json_bool(tg_json_get(json, "decoder_only"), false);
    const tg_json *strides = tg_json_get(json, "strides");
    bool plain = (!strides || (tg_json_count(strides) == 1 &&
                               tg_json_number(tg_json_at(strides, 0), 0) == TG_VAE_STRIDE)) &&
                 !tg_json_bool(tg_json_get(json, "sqz_prior"), false) &&
                 tg_json_bool(tg_json_get(json, "use_prior_flow"), true);
    if (!plain || c.latent_size % 2 || !(c.kernel_size % 2) || !(c.glow_kernel_size % 2))
        return tg_fail(
            ctx, TG_EMODEL,
            "%s: this kind of VAE is not known\n"
            "  expected: strides [4], use_prior_flow, no sqz_prior, an even latent_size, "
            "odd kernels\n  try: the published lm3d_vae_sync configuration",
            name);
    *out = c;
    return TG_OK;
}

void tg_vae_config_write(const tg_vae_config *c, tg_json *object) {
    tg_json_set_number(object, "in_out_dim", c->in_out_dim);
    tg_json_set_number(object, "hidden_channels", c->hidden_channels);
    tg_json_set_number(object, "kernel_size", c->kernel_size);
    tg_json_set_number(object, "enc_n_layers", c->enc_n_layers);
    tg_json_set_number(object, "dec_n_layers", c->dec_n_layers);
    tg_json_set_number(object, "glow_hidden", c->glow_hidden);
    tg_json_set_number(object, "glow_kernel_size", c->glow_kernel_size);
    tg_json_set_number(object, "glow_n_blocks", c->glow_n_blocks);
    tg_json_set_number(object, "latent_size", c->latent_size);
    tg_json_set_number(object, "mel_in_dim", c->mel_in_dim);
    tg_json_set_number(object, "mel_feat_dim", c->mel_feat_dim);
    tg_json_set_bool(object, "pitch", c->pitch);
    tg_json_set_number(object, "pitch_feat_dim", c->pitch_feat_dim);
    if (c->decoder_only)
        tg_json_set_bool(object, "decoder_only", true);
}

static bool register_branch(tg_params *set, branch *b, const char *prefix, int in, int out) {
    char name[96];
    int64_t width[] = {BRANCH_WIDTH};
    snprintf(name, sizeof name, "%s.0.", prefix);
    bool ok = tg_conv_register(set, name, BRANCH_WIDTH, in, 3, 3 * (int64_t)in, &b->conv0, NULL, 0);
    snprintf(name, sizeof name, "%s.1.weight", prefix);
    b->gain = tg_params_add(set, name, 1, width, (tg_init){TG_INIT_ONE, 1});
    snprintf(name, sizeof name, "%s.1.bias", prefix);
    b->bias = tg_params_add(set, name, 1, width, (tg_init){TG_INIT_ZERO, 0});
    snprintf(name, sizeof name, "%s.1.running_mean", prefix);
    b->mean = tg_params_add_buffer(set, name, 1, width, 0);
    snprintf(name, sizeof name, "%s.1.running_var", prefix);
    b->var = tg_params_add_buffer(set, name, 1, width, 1);
    snprintf(name, sizeof name, "%s.3.", prefix);
    ok = ok &&
         tg_conv_register(set, name, out, BRANCH_WIDTH, 3, 3 * BRANCH_WIDTH, &b->conv3, NULL, 0);
    return ok && b->gain && b->bias && b->mean && b->var;
}

static int condition_width(const tg_vae_config *c) {
    return c->mel_feat_dim + (c->pitch ? c->pitch_feat_dim : 0);
}

static bool register_encoder(tg_vae *m) {
    const tg_vae_config *c = &m->config;
    int h = c->hidden_channels, z = c->latent_size, d = c->in_out_dim;
    return tg_conv_register(m->params, "vae.encoder.pre_net.0.", h, d, 2 * TG_VAE_STRIDE,
                            (int64_t)d * 2 * TG_VAE_STRIDE, &m->enc_pre_w, &m->enc_pre_b, h) &&
           tg_wavenet_register(m->params, &m->enc, "vae.encoder.wn.", h, c->kernel_size,
                               c->enc_n_layers, condition_width(c)) &&
           tg_conv_register(m->params, "vae.encoder.out_proj.", 2 * z, h, 1, h, &m->enc_out_w,
                            &m->enc_out_b, 2 * z);
}

tg_status tg_vae_create(tg_context *ctx, const tg_vae_config *config, tg_vae **out) {
    *out = NULL;
    tg_vae *m = calloc(1, sizeof *m);
    if (!m || !(m->params = tg_params_create())) {
        free(m);
        return tg_fail(ctx, TG_ENOMEM, "out of memory for the motion model");
    }
    m->config = *config;
    const tg_vae_config *c = &m->config;
    tg_params *p = m->params;
    int g = condition_width(c), h = c->hidden_channels, z = c->latent_size, d = c->in_out_dim;
    bool ok = register_branch(p, &m->mel, "mel_encoder", c->mel_in_dim, c->mel_feat_dim);
    if (c->pitch) {
        int e = 2 * c->pitch_feat_dim;
        m->pitch_embed = tg_params_add(p, "pitch_embed.weight", 2, (int64_t[]){TG_PITCH_BINS, e},
                                       (tg_init){TG_INIT_NORMAL, 1 / sqrtf((float)e)});
        ok = ok && m->pitch_embed &&
             register_branch(p, &m->pitch, "pitch_encoder", e, c->pitch_feat_dim);
    }
    ok = ok && tg_conv_register(p, "vae.g_pre_net.0.", g, g, G_KERNEL, (int64_t)g * G_KERNEL,
                                &m->g_w, &m->g_b, g);
    ok = ok && (c->decoder_only || register_encoder(m));
    ok = ok && tg_flow_register(p, &m->flow, "vae.prior_flow.", z, c->glow_hidden,
                                c->glow_kernel_size, c->glow_n_blocks, TG_FLOW_LAYERS, g);
    /* PyTorch counts the fan-in of a transposed convolution over its outputs. */
    ok = ok && tg_conv_register(p, "vae.decoder.pre_net.0.", z, h, TG_VAE_STRIDE,
                                (int64_t)h * TG_VAE_STRIDE, &m->dec_pre_w, &m->dec_pre_b, h);
    ok = ok &&
         tg_wavenet_register(p, &m->dec, "vae.decoder.wn.", h, c->kernel_size, c->dec_n_layers, g);
    ok = ok &&
         tg_conv_register(p, "vae.decoder.out_proj.", d, h, 1, h, &m->dec_out_w, &m->dec_out_b, d);
    if (!ok) {
        tg_vae_destroy(&m);
        return tg_fail(ctx, TG_ENOMEM, "out of memory for the motion model");
    }
    *out = m;
    return TG_OK;
}

void tg_vae_destroy(tg_vae **vae) {
    if (!vae || !*vae)
        return;
    tg_params_destroy(&(*vae)->params);
    free(*vae);
    *vae = NULL;
}

const tg_vae_config *tg_vae_config_of(const tg_vae *vae) {
    return &vae->config;
}

tg_params *tg_vae_params(tg_vae *vae) {
    return vae->params;
}

void tg_vae_init(tg_vae *vae, uint64_t seed) {
    tg_params_init(vae->params, seed);
    if (!vae->config.decoder_only)
        tg_wavenet_init(&vae->enc);
    tg_wavenet_init(&vae->dec);
    tg_flow_init(&vae->flow);
}

static tg_tensor *run_branch(tg_tape *tape, const branch *b, tg_tensor *x) {
    x = tg_conv1d(tape, x, b->conv0, NULL, 1, 1, 1);
    x = tg_batch_norm(tape, x, b->gain, b->bias, b->mean, b->var, 0.1f, 1e-5f);
    return tg_conv1d(tape, tg_gelu(tape, x), b->conv3, NULL, 1, 1, 1);
}

tg_tensor *tg_vae_condition(tg_tape *tape, tg_vae *vae, tg_tensor *features,
                            const int32_t *f0_coarse) {
    /* GeneFace drops the odd rows: nearest-neighbour interpolation by one half. */
    tg_tensor *even = tg_stride(tape, features, 1, 0, 2);
    tg_tensor *cond = run_branch(tape, &vae->mel, tg_transpose(tape, even));
    if (!vae->config.pitch)
        return cond;
    int64_t b = features->dim[0], rows = features->dim[1], e = vae->pitch_embed->dim[1];
    tg_tensor *p = tg_embedding(tape, vae->pitch_embed, f0_coarse, b * rows);
    p = tg_stride(tape, tg_reshape(tape, p, 3, (int64_t[]){b, rows, e}), 1, 0, 2);
    p = run_branch(tape, &vae->pitch, tg_transpose(tape, p));
    return tg_concat(tape, (tg_tensor *[]){cond, p}, 2, 1);
}

/* Condition at the latent rate, [B,C,T/4]. */
static tg_tensor *latent_condition(tg_tape *tape, tg_vae *vae, tg_tensor *condition) {
    return tg_conv1d(tape, condition, vae->g_w, vae->g_b, TG_VAE_STRIDE, 2, 1);
}

/* latent [B,16,T/4] -> motion [B,T,204] */
static tg_tensor *decode(tg_tape *tape, tg_vae *vae, tg_tensor *latent, tg_tensor *condition,
                         const tg_tensor *mask) {
    tg_tensor *x = tg_conv_transpose1d(tape, latent, vae->dec_pre_w, vae->dec_pre_b, TG_VAE_STRIDE);
    x = tg_wavenet_forward(tape, &vae->dec, tg_masked(tape, x, mask), condition, mask);
    x = tg_conv1d(tape, x, vae->dec_out_w, vae->dec_out_b, 1, 0, 1);
    return tg_transpose(tape, tg_masked(tape, x, mask));
}

tg_tensor *tg_vae_sample(tg_tape *tape, tg_vae *vae, tg_tensor *condition, tg_tensor *z,
                         const tg_tensor *mask, tg_tensor **z_p) {
    tg_tensor *g = latent_condition(tape, vae, condition);
    tg_tensor *latent = tg_flow_run(tape, &vae->flow, z, g, NULL, true);
    if (z_p)
        *z_p = tg_transpose(tape, latent);
    /* The reference decodes without a mask and cuts afterwards. */
    tg_tensor *y = decode(tape, vae, latent, condition, NULL);
    if (!mask)
        return y;
    return tg_transpose(tape, tg_mul_mask(tape, tg_transpose(tape, y), mask));
}

/* Sum over frames and coordinates of weight*(a-b)^2, divided by (sum of mask) * width. */
static tg_tensor *masked_square(tg_tape *tape, tg_tensor *a, tg_tensor *b, tg_tensor *weight,
                                double frames) {
    tg_tensor *d = b ? tg_sub(tape, a, b) : a;
    tg_tensor *sum = tg_sum(tape, tg_mul(tape, tg_square(tape, d), weight));
    return tg_affine(tape, sum, (float)(1 / (frames * (double)a->dim[2])), 0);
}

tg_vae_pass tg_vae_train(tg_tape *tape, tg_vae *vae, tg_tensor *condition, tg_tensor *y,
                         tg_tensor *y_mask, tg_tensor *eps, const float *point_weight) {
    tg_vae_pass pass;
    assert(!vae->config.decoder_only);
    int64_t b = y->dim[0], t = y->dim[1], d = y->dim[2], zc = vae->config.latent_size;
    tg_tensor *mask4 =
        tg_stride(tape, tg_reshape(tape, y_mask, 2, (int64_t[]){b, t}), 1, 0, TG_VAE_STRIDE);
    tg_tensor *g = latent_condition(tape, vae, condition);

    tg_tensor *x =
        tg_conv1d(tape, tg_transpose(tape, y), vae->enc_pre_w, vae->enc_pre_b, TG_VAE_STRIDE, 2, 1);
    x = tg_wavenet_forward(tape, &vae->enc, tg_masked(tape, x, mask4), g, mask4);
    x = tg_conv1d(tape, x, vae->enc_out_w, vae->enc_out_b, 1, 0, 1);
    pass.m_q = tg_slice(tape, x, 1, 0, zc);
    pass.logs_q = tg_slice(tape, x, 1, zc, 2 * zc);
    pass.z_q = tg_add(tape, pass.m_q, tg_mul(tape, eps, tg_exp(tape, pass.logs_q)));
    pass.pred = decode(tape, vae, pass.z_q, condition, y_mask);

    /* log q(z) - log N(flow(z)), one sample: the constants cancel and eps is (z-m)/sigma. */
    pass.z_p = tg_flow_run(tape, &vae->flow, pass.z_q, g, mask4, false);
    tg_tensor *kl =
        tg_affine(tape, tg_sub(tape, tg_square(tape, pass.z_p), tg_square(tape, eps)), 0.5f, 0);
    kl = tg_mul_mask(tape, tg_sub(tape, kl, pass.logs_q), mask4);
    double latent_frames = 0, frames = 0;
    for (int64_t i = 0; i < b * (t / TG_VAE_STRIDE); i++)
        latent_frames += mask4->data[i];
    for (int64_t i = 0; i < b * t; i++)
        frames += y_mask->data[i];
    latent_frames = latent_frames > 0 ? latent_frames : 1;
    frames = frames > 0 ? frames : 1;
    pass.loss_kl = tg_affine(tape, tg_sum(tape, kl), (float)(1 / (latent_frames * (double)zc)), 0);

    /* Weight of each coordinate of each frame, and the same for velocities (frames 1..). */
    tg_tensor *w = tg_input(tape, 3, (int64_t[]){b, t, d}, NULL);
    for (int64_t i = 0; i < b * t; i++)
        for (int64_t k = 0; k < d; k++)
            w->data[i * d + k] = y_mask->data[i] * (point_weight ? point_weight[k] : 1);
    pass.mse = masked_square(tape, pass.pred, y, w, frames);
    tg_tensor *error = tg_sub(tape, pass.pred, y);
    tg_tensor *velocity =
        tg_sub(tape, tg_slice(tape, error, 1, 1, t), tg_slice(tape, error, 1, 0, t - 1));
    tg_tensor *first = tg_slice(tape, error, 1, 0, 1);
    tg_tensor *ones = tg_input(tape, 3, (int64_t[]){b, 1, d}, NULL);
    for (int64_t i = 0; i < b; i++)
        for (int64_t k = 0; k < d; k++)
            ones->data[i * d + k] = point_weight ? point_weight[k] : 1;
    tg_tensor *parts[] = {masked_square(tape, velocity, NULL, tg_slice(tape, w, 1, 1, t), frames),
                          masked_square(tape, first, NULL, ones, frames)};
    pass.continuity = tg_weighted_sum(tape, parts, (float[]){1, 1}, 2);
    return pass;
}
