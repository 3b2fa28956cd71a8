/* Files that GeneFace's trainer wrote, and what they turn out to be. */
#include "convert/geneface.h"

#include <stdio.h>
#include <string.h>

bool tg_checkpoint_has(const tg_checkpoint *checkpoint, const char *tensor) {
    return tg_st_find(checkpoint->state, tensor) != NULL;
}

/* By a tensor that only such a file has. */
static const char *kind_of(const tg_checkpoint *c) {
    static const struct {
        const char *tensor, *kind;
    } rows[] = {
        {"model.block1.0.conv_block.0.weight", "a GeneFace postnet"},
        {"model.vae.decoder.pre_net.0.weight", "a GeneFace audio-to-motion VAE"},
        {"model.hubert_encoder.0.conv_block.0.weight", "a GeneFace SyncNet"},
        {"model.torso_embedder.embeddings", "a GeneFace RAD-NeRF renderer with torso"},
        {"model.position_embedder.embeddings", "a GeneFace RAD-NeRF renderer, head only"},
        {"head_model.model_coarse.density_linears.0.weight",
         "a GeneFace vanilla NeRF renderer with torso"},
        {"model.lm_encoder.encoder_conv.0.weight", "a GeneFace vanilla NeRF renderer, head only"},
        {"model.model_coarse.density_linears.0.weight", "GeneFace's AD-NeRF renderer"},
        {"model.encoder_ambient.embeddings", "a RAD-NeRF checkpoint"},
        {"network_fn_state_dict.density_linears.0.weight", "an AD-NeRF checkpoint"},
        {"encoder.pos_conv_embed.conv.bias", "a HuBERT or wav2vec2 encoder"},
        {"hubert.encoder.pos_conv_embed.conv.bias", "a HuBERT encoder"},
        {"wav2vec2.encoder.pos_conv_embed.conv.bias", "a wav2vec2 encoder"},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++)
        if (tg_checkpoint_has(c, rows[i].tensor))
            return rows[i].kind;
    return "an unknown PyTorch file";
}

tg_status tg_checkpoint_unsuited(tg_context *ctx, const tg_checkpoint *checkpoint,
                                 const char *tensor, const char *option, const char *wanted) {
    return tg_fail(ctx, TG_EMODEL,
                   "%s: tensor %s is missing, this is %s\n  expected: %s %s\n"
                   "  try: talkgen info %s",
                   tg_st_path(checkpoint->state), tensor, kind_of(checkpoint), option, wanted,
                   tg_st_path(checkpoint->state));
}

tg_status tg_checkpoint_open(tg_context *ctx, const char *path, const char *option,
                             const char *wanted, tg_checkpoint *out) {
    memset(out, 0, sizeof *out);
    if (tg_file_exists(path) && !tg_torch_recognise(path))
        return tg_fail(ctx, TG_EMODEL,
                       "%s: this is no PyTorch file\n  expected: %s %s\n"
                       "  try: the file as it was downloaded, model_ckpt_steps_N.ckpt",
                       path, option, wanted);
    tg_status s = tg_torch_open(ctx, path, &out->file);
    const tg_torch_value *state = NULL;
    if (s == TG_OK) {
        const tg_torch_value *root = tg_torch_root(out->file);
        state = tg_torch_get(root, "state_dict");
        s = tg_st_from_torch(ctx, out->file, state ? state : root, &out->state);
    }
    if (s == TG_OK && !state)
        s = tg_fail(ctx, TG_EMODEL,
                    "%s: it has no state_dict, this is %s\n  expected: %s %s\n"
                    "  try: talkgen info %s",
                    path, kind_of(out), option, wanted, path);
    if (s != TG_OK)
        tg_checkpoint_close(out);
    return s;
}

void tg_checkpoint_close(tg_checkpoint *checkpoint) {
    tg_st_close(&checkpoint->state);
    tg_torch_close(&checkpoint->file);
}
