/* Which published model a file is, by the names in it. */
#include "talkgen/convert.h"

#include <stdio.h>
#include <string.h>

static bool has(const tg_torch_value *v, const char *key) {
    return tg_torch_get(v, key) != NULL;
}

/* GeneFace: one state dict for each network of the task that was trained. */
static const char *geneface_kind(const tg_torch_value *children) {
    const tg_torch_value *model = tg_torch_get(children, "model");
    if (has(children, "disc_model") || has(model, "block1.0.conv_block.0.weight"))
        return "GeneFace postnet";
    if (has(model, "vae.decoder.pre_net.0.weight"))
        return "GeneFace audio-to-motion VAE";
    if (has(model, "hubert_encoder.0.conv_block.0.weight"))
        return "GeneFace SyncNet";
    if (has(model, "torso_embedder.embeddings"))
        return "GeneFace RAD-NeRF renderer, head and torso";
    if (has(model, "position_embedder.embeddings"))
        return "GeneFace RAD-NeRF renderer, head";
    if (has(children, "head_model"))
        return has(tg_torch_get(children, "head_model"), "lm_encoder.encoder_conv.0.weight")
                   ? "GeneFace vanilla NeRF renderer, torso"
                   : "GeneFace's AD-NeRF renderer, torso";
    if (has(model, "model_coarse.density_linears.0.weight"))
        return has(model, "lm_encoder.encoder_conv.0.weight")
                   ? "GeneFace vanilla NeRF renderer, head"
                   : "GeneFace's AD-NeRF renderer, head";
    return "GeneFace checkpoint of an unknown task";
}

const char *tg_torch_guess(const tg_torch_value *root) {
    static const char *const prefixes[] = {"", "hubert.", "wav2vec2."};
    const tg_torch_value *children = tg_torch_get(root, "state_dict");
    const tg_torch_value *model = tg_torch_get(root, "model");
    if (has(root, "network_fn_state_dict"))
        return has(root, "network_audattnet_state_dict") ? "AD-NeRF head" : "AD-NeRF torso";
    if (has(model, "encoder_ambient.embeddings"))
        return has(model, "torso_encoder.embeddings") ? "RAD-NeRF head and torso" : "RAD-NeRF head";
    if (children && tg_torch_count(children) > 0 &&
        tg_torch_kind_of(tg_torch_at(children, 0)) == TG_TORCH_DICT)
        return geneface_kind(children);
    if (has(model, "feature_extractor.conv_layers.0.0.weight") ||
        has(model, "w2v_encoder.w2v_model.feature_extractor.conv_layers.0.0.weight"))
        return "fairseq speech encoder";
    if (has(root, "train_samples") && has(root, "idexp_lm3d_mean"))
        return "GeneFace data set of one person";
    for (size_t i = 0; i < sizeof prefixes / sizeof prefixes[0]; i++) {
        char key[96];
        snprintf(key, sizeof key, "%sencoder.pos_conv_embed.conv.bias", prefixes[i]);
        if (has(root, key))
            return prefixes[i][0] == 'w' ? "wav2vec2 encoder" : "HuBERT encoder";
    }
    return tg_torch_tensor_of(root) ? "one array" : "unknown";
}

const char *tg_st_guess(const tg_st *st) {
    static const char *const prefixes[] = {"", "hubert.", "wav2vec2."};
    const char *kind = tg_st_meta(st, "talkgen.kind");
    if (kind)
        return strcmp(kind, "encoder") == 0 ? "talkgen encoder"
               : strcmp(kind, "voice") == 0 ? "talkgen voice"
                                            : "talkgen file";
    if (tg_st_meta(st, "talkgen.system"))
        return "talkgen identity";
    for (size_t i = 0; i < sizeof prefixes / sizeof prefixes[0]; i++) {
        char key[96];
        snprintf(key, sizeof key, "%sencoder.pos_conv_embed.conv.bias", prefixes[i]);
        if (tg_st_find(st, key))
            return prefixes[i][0] == 'w' ? "wav2vec2 encoder" : "HuBERT encoder";
    }
    return tg_st_find(st, "position_embedder.embeddings") ? "RAD-NeRF renderer" : "unknown";
}

const char *tg_convert_command(const char *kind) {
    static const struct {
        const char *kind, *command;
    } rows[] = {
        {"GeneFace postnet", "talkgen convert geneface --postnet FILE, for what GeneFace made"},
        {"GeneFace RAD-NeRF renderer, head and torso", "talkgen convert geneface --torso FILE"},
        {"GeneFace RAD-NeRF renderer, head", "talkgen convert geneface --head FILE"},
        {"GeneFace vanilla NeRF renderer, torso", "talkgen convert geneface --torso FILE"},
        {"GeneFace vanilla NeRF renderer, head", "talkgen convert geneface --head FILE"},
        {"GeneFace's AD-NeRF renderer, head", "talkgen convert adnerf --head FILE"},
        {"GeneFace's AD-NeRF renderer, torso", "talkgen convert adnerf --torso FILE"},
        {"GeneFace data set", "talkgen convert geneface --dataset FILE"},
        {"GeneFace audio-to-motion", "the postnet's checkpoint, which holds this model too"},
        {"RAD-NeRF head", "talkgen convert radnerf --checkpoint FILE"},
        {"AD-NeRF head", "talkgen convert adnerf --head FILE"},
        {"AD-NeRF torso", "talkgen convert adnerf --torso FILE"},
        {"HuBERT encoder", "talkgen convert hubert --weights FILE -o hubert.safetensors"},
        {"wav2vec2 encoder", "talkgen convert hubert --weights FILE -o hubert.safetensors"},
        {"fairseq", "the same model as the Hugging Face hub has it (pytorch_model.bin)"},
        {"talkgen", "talkgen info FILE; a file of this program needs no converting"},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++)
        if (strncmp(kind, rows[i].kind, strlen(rows[i].kind)) == 0)
            return rows[i].command;
    return NULL;
}
