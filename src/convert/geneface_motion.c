/* GeneFace's motion networks from the postnet's checkpoint. The VAE in it is not the published one:
 * its batch statistics went on drifting while the postnet trained, and the reference infers with
 * this copy. */
#include "convert/geneface.h"

#include <stdio.h>
#include <string.h>

#define VAE     "audio2motion_task.model."
#define POSTNET "model."
#define WANTED  "a checkpoint of lm3d_postnet_sync, which holds VAE and postnet"

static tg_status check_width(tg_context *ctx, const tg_checkpoint *c, const char *what, int width) {
    if (width == TG_MOTION_DIM)
        return TG_OK;
    return tg_fail(ctx, TG_EMODEL,
                   "%s: its %s makes %d numbers per frame\n"
                   "  expected: %d, the 68 landmarks of the lm3d models\n"
                   "  try: --postnet " WANTED,
                   tg_st_path(c->state), what, width, TG_MOTION_DIM);
}

static tg_status open_vae(tg_context *ctx, const tg_checkpoint *c, tg_vae **vae) {
    tg_vae_config config;
    tg_status s = tg_vae_config_from(ctx, c->state, VAE, &config);
    if (s == TG_OK)
        s = check_width(ctx, c, "VAE", config.in_out_dim);
    config.decoder_only = true; /* nobody trains with it: 28 MB less at the published size */
    if (s == TG_OK)
        s = tg_vae_create(ctx, &config, vae);
    if (s == TG_OK)
        s = tg_params_load(ctx, tg_vae_params(*vae), c->state, VAE);
    return s;
}

static tg_status open_postnet(tg_context *ctx, const tg_checkpoint *c, tg_postnet **postnet) {
    tg_postnet_config config;
    tg_status s = tg_postnet_config_from(ctx, c->state, POSTNET, &config);
    if (s == TG_OK)
        s = check_width(ctx, c, "postnet", config.in_out_dim);
    if (s == TG_OK)
        s = tg_postnet_create(ctx, &config, postnet);
    if (s == TG_OK)
        s = tg_params_load(ctx, tg_postnet_params(*postnet), c->state, POSTNET);
    if (s == TG_OK && config.pitch_dim > 0) {
        const char *own = "pitch_embed.weight";
        s = tg_st_load(ctx, c->state, tg_checkpoint_has(c, own) ? own : VAE "pitch_embed.weight", 2,
                       (int64_t[]){TG_PITCH_BINS, config.pitch_dim},
                       tg_postnet_pitch_table(*postnet));
    }
    return s;
}

tg_status tg_geneface_motion(tg_context *ctx, const char *path, tg_vae **vae,
                             tg_postnet **postnet) {
    static const char *const marks[] = {POSTNET "block1.0.conv_block.0.weight",
                                        VAE "mel_encoder.0.weight"};
    tg_checkpoint c;
    *vae = NULL;
    *postnet = NULL;
    tg_status s = tg_checkpoint_open(ctx, path, "--postnet", WANTED, &c);
    for (int i = 0; s == TG_OK && i < 2; i++)
        if (!tg_checkpoint_has(&c, marks[i]))
            s = tg_checkpoint_unsuited(ctx, &c, marks[i], "--postnet", WANTED);
    if (s == TG_OK)
        s = open_vae(ctx, &c, vae);
    if (s == TG_OK)
        s = open_postnet(ctx, &c, postnet);
    tg_checkpoint_close(&c);
    if (s != TG_OK) {
        tg_vae_destroy(vae);
        tg_postnet_destroy(postnet);
    }
    return s;
}
