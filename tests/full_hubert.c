/* full_hubert OUT.safetensors [base|large|esperanto] [f32|f16]
 *
 * A checkpoint of full size under the published names, with random weights: what measures of time
 * and memory are taken with (1.26 GB for large, so no test runs it). large is
 * hubert-large-ls960-ft with its head of 32 letters, esperanto the same shape as
 * wav2vec2-large-xlsr-53-esperanto with 44, base hubert-base-ls960. Needs the memory of the
 * network.
 */
#include "talkgen/speech.h"

#include <stdio.h>
#include <string.h>

static tg_hubert_config shape(bool large, int letters) {
    tg_hubert_config c = tg_hubert_small();
    for (int i = 0; i < c.convs; i++)
        c.conv_dim[i] = 512;
    c.conv_bias = c.conv_layer_norm = c.stable_layer_norm = large;
    c.hidden_size = large ? 1024 : 768;
    c.intermediate_size = 4 * c.hidden_size;
    c.heads = c.hidden_size / 64;
    c.layers = large ? 24 : 12;
    c.logits = letters;
    return c;
}

static tg_status write_model(tg_context *ctx, const tg_hubert_config *config, const char *prefix,
                             tg_dtype dtype, const char *path) {
    tg_hubert *model = NULL;
    tg_status s = tg_hubert_create(ctx, config, &model);
    if (s != TG_OK)
        return s;
    tg_hubert_init(model, 1);
    tg_params *params = tg_hubert_params(model);
    tg_st_writer *w = tg_st_writer_create();
    bool ok = w != NULL;
    for (int i = 0; ok && i < tg_params_count(params); i++) {
        const tg_param *p = tg_params_at(params, i);
        const tg_tensor *v = p->value;
        char name[256];
        snprintf(name, sizeof name, "%s%s", strncmp(p->name, "lm_head.", 8) == 0 ? "" : prefix,
                 p->name);
        ok = dtype == TG_F32 ? tg_st_add_view(w, name, TG_F32, v->ndim, v->dim, v->data)
                             : tg_st_add_f32(w, name, dtype, v->ndim, v->dim, v->data);
    }
    s = ok ? tg_st_write(ctx, w, path) : tg_fail(ctx, TG_ENOMEM, "out of memory");
    tg_st_writer_destroy(&w);
    tg_hubert_destroy(&model);
    return s;
}

int main(int argc, char **argv) {
    const char *kind = argc > 2 ? argv[2] : "large", *dtype = argc > 3 ? argv[3] : "f32";
    bool base = strcmp(kind, "base") == 0, esperanto = strcmp(kind, "esperanto") == 0;
    bool half = strcmp(dtype, "f16") == 0;
    if (argc < 2 || argc > 4 || !(base || esperanto || strcmp(kind, "large") == 0) ||
        !(half || strcmp(dtype, "f32") == 0)) {
        fprintf(stderr, "usage: full_hubert OUT.safetensors [base|large|esperanto] [f32|f16]\n");
        return 2;
    }
    tg_context *ctx = tg_context_create(0);
    tg_hubert_config config = shape(!base, base ? 0 : esperanto ? 44 : 32);
    tg_status s = write_model(ctx, &config,
                              base        ? ""
                              : esperanto ? "wav2vec2."
                                          : "hubert.",
                              half ? TG_F16 : TG_F32, argv[1]);
    if (s != TG_OK)
        fprintf(stderr, "full_hubert: %s\n", tg_message(ctx));
    tg_context_destroy(&ctx);
    return tg_exit_code(s);
}
