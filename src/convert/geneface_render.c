/* GeneFace's renderers: the grid NeRF (lm3d_radnerf, lm3d_radnerf_torso) and the vanilla one of the
 * paper (lm3d_nerf, lm3d_nerf_torso). What tensors do not tell comes from config.yaml. */
#include "convert/geneface.h"

#include <limits.h>
#include <stdio.h>
#include <string.h>

#define MODEL "model."
#define WANTED                                                                                     \
    "a checkpoint of lm3d_radnerf_torso or lm3d_nerf_torso, or of lm3d_radnerf or lm3d_nerf for "  \
    "a "                                                                                           \
    "head alone"

/* options->config, else config.yaml beside `path`, else NULL: published defaults. */
static tg_status read_config(tg_context *ctx, const tg_convert_options *o, const char *path,
                             tg_json **out) {
    *out = NULL;
    if (o->config)
        return tg_yaml_read(ctx, o->config, out);
    char beside[PATH_MAX];
    const char *slash = strrchr(path, '/');
    int n = snprintf(beside, sizeof beside, "%.*sconfig.yaml", slash ? (int)(slash + 1 - path) : 0,
                     path);
    if (n > 0 && n < PATH_MAX && tg_file_exists(beside))
        return tg_yaml_read(ctx, beside, out);
    tg_note(ctx,
            "%s: no config.yaml beside it, kinds of the grids, resolutions and steps are the "
            "published ones; --config FILE for others",
            path);
    return TG_OK;
}

static tg_status open_grid(tg_context *ctx, const tg_checkpoint *c, const tg_json *yaml,
                           tg_geneface_renderer *out) {
    tg_nerf_config config = tg_nerf_config_defaults();
    tg_status s = tg_nerf_config_read(ctx, yaml, &config);
    if (s == TG_OK)
        s = tg_nerf_config_from(ctx, c->state, MODEL, MODEL, &config);
    if (s == TG_OK && config.cond_dim != TG_MOTION_DIM)
        return tg_fail(ctx, TG_EMODEL,
                       "%s: the renderer is driven by %d numbers per frame\n"
                       "  expected: %d landmark coordinates (lm3d_radnerf)\n"
                       "  try: talkgen convert radnerf for renderers driven by audio",
                       tg_st_path(c->state), config.cond_dim, TG_MOTION_DIM);
    if (s == TG_OK)
        s = tg_nerf_load(ctx, c->state, MODEL, MODEL, &config, &out->nerf);
    out->clamp_std = 2.5f;
    out->smooth = 0.2f;
    return s;
}

static tg_status open_vanilla(tg_context *ctx, const tg_convert_options *o,
                              const tg_checkpoint *torso, const tg_json *yaml,
                              tg_geneface_renderer *out) {
    tg_vanilla_config config = tg_vanilla_config_defaults(), torso_config;
    tg_checkpoint own = {0};
    const tg_checkpoint *head = torso;
    const bool both = tg_checkpoint_has(torso, "head_model.model_coarse.density_linears.0.weight");
    tg_status s = tg_vanilla_config_read(ctx, yaml, &config);
    torso_config = config;
    config.cond_win_size = 1;        /* landmarks */
    torso_config.cond_win_size = 16; /* the torso hears DeepSpeech's logits */
    if (s == TG_OK && o->head && o->torso) {
        s = tg_checkpoint_open(ctx, o->head, "--head", "a checkpoint of lm3d_nerf", &own);
        head = &own;
    }
    const char *prefix = head == torso && both ? "head_model." : MODEL;
    char mark[96];
    snprintf(mark, sizeof mark, "%slm_encoder.encoder_conv.0.weight", prefix);
    if (s == TG_OK && !tg_checkpoint_has(head, mark))
        s = tg_checkpoint_unsuited(ctx, head, mark, head == torso ? "--torso" : "--head",
                                   "a checkpoint of lm3d_nerf_torso, or lm3d_nerf as --head");
    if (s == TG_OK)
        s = tg_vanilla_load(ctx, head->state, prefix, &config, &out->head);
    if (s == TG_OK && (both || head != torso))
        s = tg_vanilla_load(ctx, torso->state, MODEL, &torso_config, &out->torso);
    if (s == TG_OK && out->head->config.cond_dim != TG_MOTION_DIM)
        s = tg_fail(ctx, TG_EMODEL,
                    "%s: the head is driven by %d numbers\n  expected: %d landmark coordinates\n"
                    "  try: a checkpoint of lm3d_nerf",
                    tg_st_path(head->state), out->head->config.cond_dim, TG_MOTION_DIM);
    tg_checkpoint_close(&own);
    out->clamp_std = 2.0f;
    out->smooth = -1; /* no smoothing over time */
    return s;
}

tg_status tg_geneface_render(tg_context *ctx, const tg_convert_options *o,
                             tg_geneface_renderer *out) {
    tg_checkpoint c;
    tg_json *yaml = NULL;
    memset(out, 0, sizeof *out);
    const char *path = o->torso ? o->torso : o->head, *option = o->torso ? "--torso" : "--head";
    const char *grid = MODEL "position_embedder.embeddings";
    tg_status s = tg_checkpoint_open(ctx, path, option, WANTED, &c);
    const bool vanilla =
        s == TG_OK && tg_checkpoint_has(&c, MODEL "model_coarse.density_linears.0.weight");
    if (s == TG_OK && !vanilla && !tg_checkpoint_has(&c, grid))
        s = tg_checkpoint_unsuited(ctx, &c, grid, option, WANTED);
    if (s == TG_OK)
        s = read_config(ctx, o, path, &yaml);
    if (s == TG_OK)
        s = vanilla ? open_vanilla(ctx, o, &c, yaml, out) : open_grid(ctx, &c, yaml, out);
    if (s == TG_OK && out->nerf && o->torso && !out->nerf->config.torso)
        s = tg_checkpoint_unsuited(ctx, &c, MODEL "torso_embedder.embeddings", option,
                                   "a checkpoint of lm3d_radnerf_torso (a head alone is --head)");
    if (s == TG_OK && out->nerf && o->torso && o->head)
        tg_note(ctx, "%s is not read: %s holds the head that its torso was trained with", o->head,
                o->torso);
    double clamp = tg_json_number(tg_json_get(yaml, "infer_lm3d_clamp_std"), 0);
    if (clamp > 0 && clamp < 1e6)
        out->clamp_std = (float)clamp;
    tg_json_destroy(&yaml);
    tg_checkpoint_close(&c);
    if (s != TG_OK)
        tg_geneface_render_free(out);
    return s;
}

void tg_geneface_render_free(tg_geneface_renderer *renderer) {
    tg_nerf_destroy(&renderer->nerf);
    tg_vanilla_destroy(&renderer->head);
    tg_vanilla_destroy(&renderer->torso);
}
