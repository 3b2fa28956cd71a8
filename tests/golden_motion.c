/* Stored numbers of the motion networks. */
#include "golden.h"
#include "talkgen/motion.h"
#include "talkgen/speech.h"

#include <string.h>

static tg_tensor *input_tensor(golden_case *c, tg_tape *tape, const char *name) {
    const tg_st_tensor *t = NULL;
    float *data = golden_input(c, name, &t);
    tg_tensor *x = data ? tg_input(tape, t->ndim, t->dim, data) : NULL;
    tg_free(data);
    return x;
}

static void compare_tensor(golden_case *c, const char *name, const tg_tensor *t) {
    golden_compare(c, name, t->data, tg_numel(t));
}

static void compare_param(golden_case *c, const char *name, tg_params *set, const char *key,
                          bool gradient) {
    tg_param *p = tg_params_find(set, key);
    const float *data = !p ? NULL : gradient ? p->value->grad : p->value->data;
    golden_compare(c, name, data, data ? tg_numel(p->value) : 0);
}

static tg_status run_vae(golden_case *c) {
    tg_vae_config config;
    tg_vae *vae = NULL;
    tg_status s = c->published ? tg_vae_config_from(c->ctx, c->weights, "", &config)
                               : tg_vae_config_parse(c->ctx, c->config, c->name, &config);
    if (s == TG_OK)
        s = tg_vae_create(c->ctx, &config, &vae);
    if (s == TG_OK)
        s = tg_params_load(c->ctx, tg_vae_params(vae), c->weights, "");
    if (s != TG_OK) {
        tg_vae_destroy(&vae);
        return s;
    }
    tg_tape *tape = tg_tape_create(c->ctx, false);
    tg_tensor *features = input_tensor(c, tape, "hubert"), *z = input_tensor(c, tape, "z");
    int32_t coarse[4096];
    int64_t wide[4096];
    const tg_st_tensor *f0_shape = NULL;
    if (config.pitch) {
        float *f0 = golden_input(c, "f0", &f0_shape);
        int64_t n = f0_shape->dim[0] * f0_shape->dim[1];
        for (int64_t i = 0; i < n && i < 4096; i++)
            wide[i] = coarse[i] = tg_f0_coarse(f0[i]);
        golden_compare_int(c, "f0_coarse", wide, n);
        tg_free(f0);
    }
    const int32_t *pitch = config.pitch ? coarse : NULL;
    tg_tensor *z_p = NULL, *cond = tg_vae_condition(tape, vae, features, pitch);
    compare_tensor(c, "cond", cond);
    tg_tensor *mask = input_tensor(c, tape, "y_mask");
    compare_tensor(c, "pred", tg_vae_sample(tape, vae, cond, z, mask, &z_p));
    compare_tensor(c, "z_p", z_p);
    tg_tape_destroy(&tape);

    /* Training pass: batch statistics in the norms, mask active, gradient of
     * mse + 3 continuity + lambda_kl kl. */
    tape = tg_tape_create(c->ctx, true);
    tg_tape_set_training(tape, true);
    s = tg_params_zero_grad(c->ctx, tg_vae_params(vae));
    tg_tensor *y = input_tensor(c, tape, "y");
    mask = input_tensor(c, tape, "y_mask");
    tg_tensor *eps = input_tensor(c, tape, "eps");
    cond = tg_vae_condition(tape, vae, input_tensor(c, tape, "hubert"), pitch);
    tg_vae_pass pass = tg_vae_train(tape, vae, cond, y, mask, eps, NULL);
    float weights[] = {(float)tg_json_number(tg_json_get(c->config, "lambda_mse"), 1),
                       (float)tg_json_number(tg_json_get(c->config, "lambda_continuity"), 3),
                       (float)tg_json_number(tg_json_get(c->config, "lambda_kl"), 0.4)};
    tg_tensor *total =
        tg_weighted_sum(tape, (tg_tensor *[]){pass.mse, pass.continuity, pass.loss_kl}, weights, 3);
    tg_backward(tape, total);
    compare_tensor(c, "train.pred", pass.pred);
    compare_tensor(c, "train.m_q", tg_transpose(tape, pass.m_q));
    compare_tensor(c, "train.logs_q", tg_transpose(tape, pass.logs_q));
    compare_tensor(c, "train.z_q", tg_transpose(tape, pass.z_q));
    compare_tensor(c, "train.z_p", tg_transpose(tape, pass.z_p));
    compare_tensor(c, "train.loss_kl", pass.loss_kl);
    compare_tensor(c, "train.mse", pass.mse);
    compare_tensor(c, "train.continuity", pass.continuity);
    compare_tensor(c, "train.total", total);
    for (int i = 0; i < tg_st_count(c->outputs); i++) {
        const char *name = tg_st_at(c->outputs, i)->name;
        if (strncmp(name, "train.grad.", 11) == 0)
            compare_param(c, name, tg_vae_params(vae), name + 11, true);
        else if (strstr(name, ".running_"))
            compare_param(c, name, tg_vae_params(vae), name + 6, false);
    }
    s = tg_tape_status(tape);
    tg_tape_destroy(&tape);
    tg_vae_destroy(&vae);
    return s;
}
GOLDEN(vae, run_vae)
GOLDEN(vae_pitch, run_vae)

static tg_status run_postnet(golden_case *c) {
    tg_postnet_config config;
    tg_postnet *postnet = NULL;
    tg_status s = c->published ? tg_postnet_config_from(c->ctx, c->weights, "", &config)
                               : tg_postnet_config_parse(c->ctx, c->config, c->name, &config);
    if (s == TG_OK)
        s = tg_postnet_create(c->ctx, &config, &postnet);
    if (s == TG_OK)
        s = tg_params_load(c->ctx, tg_postnet_params(postnet), c->weights, "");
    if (s == TG_OK) {
        tg_tape *tape = tg_tape_create(c->ctx, false);
        tg_tensor *x = input_tensor(c, tape, "x");
        tg_tensor *pitch = config.pitch_dim ? input_tensor(c, tape, "pitch") : NULL;
        compare_tensor(c, "y", tg_postnet_forward(tape, postnet, x, pitch));
        s = tg_tape_status(tape);
        tg_tape_destroy(&tape);
    }
    tg_postnet_destroy(&postnet);
    return s;
}
GOLDEN(postnet, run_postnet)
GOLDEN(postnet_pitch, run_postnet)

static tg_status run_syncnet(golden_case *c) {
    tg_syncnet_config config;
    tg_syncnet *net = NULL;
    tg_status s = tg_syncnet_config_parse(c->ctx, c->config, c->name, &config);
    if (s == TG_OK)
        s = tg_syncnet_create(c->ctx, &config, &net);
    if (s == TG_OK)
        s = tg_params_load(c->ctx, tg_syncnet_params(net), c->weights, "");
    float *label = s == TG_OK ? golden_input(c, "label", NULL) : NULL;
    if (label) {
        tg_tape *tape = tg_tape_create(c->ctx, false);
        tg_tensor *audio = tg_syncnet_audio(tape, net, input_tensor(c, tape, "hubert"));
        tg_tensor *mouth = tg_syncnet_mouth(tape, net, input_tensor(c, tape, "mouth_lm"));
        tg_tensor *cosine = tg_syncnet_cosine(tape, audio, mouth);
        compare_tensor(c, "audio_embedding", audio);
        compare_tensor(c, "mouth_embedding", mouth);
        compare_tensor(c, "cosine", cosine);
        compare_tensor(c, "loss", tg_bce(tape, cosine, label));
        s = tg_tape_status(tape);
        tg_tape_destroy(&tape);
    }
    tg_free(label);
    tg_syncnet_destroy(&net);
    return s;
}
GOLDEN(syncnet, run_syncnet)
