/* geneface: a person of GeneFace from its published checkpoints and its recording. */
#include "convert/geneface.h"

#include <stdio.h>
#include <string.h>

static tg_status needed(tg_context *ctx, const char *value, const char *option, const char *what) {
    if (value)
        return TG_OK;
    return tg_fail(ctx, TG_EUSAGE,
                   "convert geneface: %s is missing\n  expected: --%s FILE\n"
                   "  try: talkgen help convert",
                   what, option);
}

static tg_status check_options(tg_context *ctx, const tg_convert_options *o) {
    tg_status s = needed(ctx, o->postnet, "postnet", "the checkpoint of the motion");
    if (s == TG_OK)
        s = needed(ctx, o->torso ? o->torso : o->head, "torso", "the checkpoint of the renderer");
    if (s == TG_OK)
        s = needed(ctx, o->dataset, "dataset", "the recording");
    if (s == TG_OK)
        s = needed(ctx, o->encoder, "hubert", "the speech encoder");
    if (s == TG_OK && !o->overwrite && tg_file_exists(o->output))
        s = tg_fail(ctx, TG_EUSAGE,
                    "%s exists already\n  expected: a new file\n  try: -y to replace it",
                    o->output);
    return s;
}

/* The encoder is not touched, only looked at: does it make what the VAE takes? */
static tg_status check_encoder(tg_context *ctx, const char *path, const tg_vae *vae) {
    tg_hubert *hubert = NULL;
    tg_status s = tg_voice_open(ctx, path, &hubert, NULL);
    int wanted = tg_vae_config_of(vae)->mel_in_dim;
    if (s == TG_OK && tg_hubert_config_of(hubert)->hidden_size != wanted)
        s = tg_fail(ctx, TG_EMODEL,
                    "%s: the encoder gives %d features, the motion model takes %d\n"
                    "  expected: the encoder that GeneFace was trained with, "
                    "facebook/hubert-large-ls960-ft for %d\n"
                    "  try: talkgen convert hubert",
                    path, tg_hubert_config_of(hubert)->hidden_size, wanted, wanted);
    tg_hubert_destroy(&hubert);
    return s;
}

static tg_status add_render(tg_context *ctx, void *user, tg_st_writer *w, tg_json *config) {
    const tg_geneface_renderer *r = user;
    return r->nerf ? tg_identity_add_grid(ctx, r->nerf, w, config)
                   : tg_identity_add_vanilla(ctx, r->head, r->torso, w, config);
}

/* "x/may.ckpt" -> "may" */
static void name_of(const char *path, char *out, size_t size) {
    const char *slash = strrchr(path, '/'), *base = slash ? slash + 1 : path;
    const char *dot = strrchr(base, '.');
    snprintf(out, size, "%.*s", dot && dot > base ? (int)(dot - base) : (int)strlen(base), base);
}

tg_status tg_convert_geneface(tg_context *ctx, const tg_convert_options *o) {
    tg_vae *vae = NULL;
    tg_postnet *postnet = NULL;
    tg_geneface_renderer render = {0};
    tg_geneface_dataset data = {0};
    char name[64];
    name_of(o->output, name, sizeof name);
    tg_status s = check_options(ctx, o);
    if (s == TG_OK)
        s = tg_geneface_motion(ctx, o->postnet, &vae, &postnet);
    if (s == TG_OK)
        s = check_encoder(ctx, o->encoder, vae);
    if (s == TG_OK)
        s = tg_geneface_render(ctx, o, &render);
    if (s == TG_OK)
        s = tg_geneface_dataset_open(ctx, o->dataset, &data);
    if (s == TG_OK) {
        tg_identity_parts parts = {.name = o->name ? o->name : name,
                                   .width = data.width,
                                   .height = data.height,
                                   .focal = data.focal,
                                   .cx = data.cx,
                                   .cy = data.cy,
                                   .add_render = add_render,
                                   .user = &render,
                                   .postnet = postnet,
                                   .idexp = true,
                                   .stats = &data.stats,
                                   .clamp_std = render.clamp_std,
                                   .smooth = render.smooth,
                                   .lle = data.lle,
                                   .lle_frames = data.lle ? data.frames : 0,
                                   .poses = data.frames,
                                   .pose = data.pose,
                                   /* The vanilla torso stays where the first frame saw it. */
                                   .torso_pose = render.torso ? data.pose : NULL,
                                   .background = &data.background,
                                   .vae = vae,
                                   .voice_path = o->encoder,
                                   .embed = o->embed};
        s = tg_identity_write(ctx, o->output, &parts);
    }
    tg_geneface_dataset_free(&data);
    tg_geneface_render_free(&render);
    tg_postnet_destroy(&postnet);
    tg_vae_destroy(&vae);
    return s;
}
