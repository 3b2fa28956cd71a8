/* talkgen convert: published PyTorch files become one identity, or one encoder file.
 *
 *     tg_convert_options o = tg_convert_defaults();
 *     o.weights = "pytorch_model.bin", o.output = "hubert.safetensors";
 *     tg_convert_hubert(ctx, &o);
 *
 * Nothing in a file is executed (talkgen/io.h, tg_torch). Sizes of networks are those of the
 * tensors; what tensors do not tell comes from `config`, otherwise from the published defaults.
 * Weights keep their terms: a converted file is as free as what it was made from.
 */
#ifndef TALKGEN_CONVERT_H
#define TALKGEN_CONVERT_H

#include "talkgen/core.h"
#include "talkgen/io.h"
#include "talkgen/systems.h"

#ifdef __cplusplus
extern "C" {
#endif

/* Every path is borrowed; NULL = not given. */
typedef struct {
    const char *weights; /* hubert: pytorch_model.bin or model.safetensors */
    const char *encoder; /* persons: a file made by tg_convert_hubert, named by hash and path */
    const char *postnet; /* geneface: checkpoint of lm3d_postnet_sync, which holds the VAE too */
    const char *head;  /* geneface: only where the torso's file lacks it; adnerf: 000000_head.tar */
    const char *torso; /* geneface: lm3d_radnerf_torso or lm3d_nerf_torso; adnerf: body.tar */
    const char *checkpoint; /* radnerf: ngp.pth */
    const char *dataset;    /* trainval_dataset.npy or the folder of the recording */
    const char *config;     /* config.json or config.yaml of the published model */
    const char *name;       /* of the person; NULL = from the output's file name */
    const char *output;
    bool embed;     /* copy the encoder into the identity */
    bool overwrite; /* otherwise an existing output is TG_EUSAGE */
} tg_convert_options;
tg_convert_options tg_convert_defaults(void);

/* Which published model a file is, by the names in it: "GeneFace postnet", "AD-NeRF head",
 * "HuBERT encoder", "talkgen identity", ..., "unknown". */
const char *tg_torch_guess(const tg_torch_value *root);
const char *tg_st_guess(const tg_st *st);
/* What takes a file of that kind, for a message ("talkgen convert adnerf --head FILE"); NULL. */
const char *tg_convert_command(const char *kind);

/* A HuBERT or wav2vec2 checkpoint of the Hugging Face hub, base or large, to an encoder file:
 * metadata talkgen.kind "encoder", talkgen.speech, talkgen.hash; float32 tensors speech.*, with
 * speech.lm_head.* of CTC models. The shape is that of the tensors; strides, heads and the order of
 * norms come from `config`, else from config.json beside the weights, else from the published
 * models (heads of 64, strides 5 2 2 2 2 2 2, pre-LN where every convolution has a layer norm).
 * One tensor at a time is in memory. TG_EMODEL names the tensor that is missing or misshapen. */
tg_status tg_convert_hubert(tg_context *ctx, const tg_convert_options *options);
/* GeneFace: flow VAE and postnet from the postnet's checkpoint, RAD-NeRF or vanilla renderer. */
tg_status tg_convert_geneface(tg_context *ctx, const tg_convert_options *options);
tg_status tg_convert_radnerf(tg_context *ctx, const tg_convert_options *options);
tg_status tg_convert_adnerf(tg_context *ctx, const tg_convert_options *options);

#ifdef __cplusplus
}
#endif
#endif
