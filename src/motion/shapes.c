/* Sizes of the motion networks read from the shapes of their published tensors. */
#include "talkgen/motion.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

enum { MAX_WIDTH = 4096, MAX_LAYERS = 64 };

/* Walks tensors by name; the first failure stays. */
typedef struct {
    tg_context *ctx;
    const tg_st *st;
    const char *prefix, *what;
    tg_status status;
} reader;

static const tg_st_tensor *find(const reader *r, const char *name) {
    char full[256];
    int n = snprintf(full, sizeof full, "%s%s", r->prefix, name);
    const tg_st_tensor *t = n > 0 && (size_t)n < sizeof full ? tg_st_find(r->st, full) : NULL;
    size_t length = strlen(name), tail = strlen("weight_v");
    if (!t && length > tail && strcmp(name + length - tail, "weight_v") == 0) {
        /* the name of newer PyTorch versions */
        snprintf(full, sizeof full, "%s%.*sparametrizations.weight.original1", r->prefix,
                 (int)(length - tail), name);
        t = tg_st_find(r->st, full);
    }
    return t;
}

/* Size of axis `axis` of a tensor of `ndim` axes; 0 after a failure. */
static int size_of(reader *r, const char *name, int ndim, int axis) {
    if (r->status != TG_OK)
        return 0;
    const tg_st_tensor *t = find(r, name);
    if (!t) {
        r->status = tg_fail(r->ctx, TG_EMODEL,
                            "%s: tensor %s%s is missing\n  expected: %s\n"
                            "  try: talkgen info %s to see what this file is",
                            tg_st_path(r->st), r->prefix, name, r->what, tg_st_path(r->st));
        return 0;
    }
    if (t->ndim != ndim || t->dim[axis] < 1 || t->dim[axis] > MAX_WIDTH) {
        r->status =
            tg_fail(r->ctx, TG_EMODEL,
                    "%s: tensor %s%s has %d dimensions, number %d is %" PRId64
                    "\n  expected: %s with %d dimensions of 1 to %d\n"
                    "  try: talkgen info %s to see what this file is",
                    tg_st_path(r->st), r->prefix, name, t->ndim, axis,
                    axis < t->ndim ? t->dim[axis] : 0, r->what, ndim, MAX_WIDTH, tg_st_path(r->st));
        return 0;
    }
    return (int)t->dim[axis];
}

/* How many of format % 0, step, 2 step, ... are there. */
static int count_of(const reader *r, int step, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

static int count_of(const reader *r, int step, const char *format, ...) {
    char stem[96], name[128];
    va_list args;
    va_start(args, format);
    vsnprintf(stem, sizeof stem, format, args);
    va_end(args);
    int n = 0;
    for (; n < MAX_LAYERS; n++) {
        const char *hole = strchr(stem, '*');
        snprintf(name, sizeof name, "%.*s%d%s", (int)(hole - stem), stem, n * step, hole + 1);
        if (!find(r, name))
            break;
    }
    return n;
}

tg_status tg_vae_config_from(tg_context *ctx, const tg_st *st, const char *prefix,
                             tg_vae_config *out) {
    reader r = {ctx, st, prefix, "a layer of GeneFace's lm3d_vae_sync", TG_OK};
    tg_vae_config c = tg_vae_defaults();
    c.mel_in_dim = size_of(&r, "mel_encoder.0.weight", 3, 1);
    c.mel_feat_dim = size_of(&r, "mel_encoder.3.weight", 3, 0);
    c.pitch = find(&r, "pitch_embed.weight") != NULL;
    int embedding = 0, bins = TG_PITCH_BINS;
    if (c.pitch) {
        c.pitch_feat_dim = size_of(&r, "pitch_encoder.3.weight", 3, 0);
        bins = size_of(&r, "pitch_embed.weight", 2, 0);
        embedding = size_of(&r, "pitch_embed.weight", 2, 1);
    }
    c.hidden_channels = size_of(&r, "vae.decoder.out_proj.weight", 3, 1);
    c.in_out_dim = size_of(&r, "vae.decoder.out_proj.weight", 3, 0);
    c.kernel_size = size_of(&r, "vae.decoder.wn.in_layers.0.weight_v", 3, 2);
    c.latent_size = size_of(&r, "vae.decoder.pre_net.0.weight", 3, 0);
    int stride = size_of(&r, "vae.decoder.pre_net.0.weight", 3, 2);
    c.glow_hidden = size_of(&r, "vae.prior_flow.flows.0.pre.weight", 3, 0);
    c.glow_kernel_size = size_of(&r, "vae.prior_flow.flows.0.enc.in_layers.0.weight_v", 3, 2);
    if (r.status != TG_OK)
        return r.status;
    c.enc_n_layers = count_of(&r, 1, "vae.encoder.wn.in_layers.*.bias");
    c.dec_n_layers = count_of(&r, 1, "vae.decoder.wn.in_layers.*.bias");
    c.glow_n_blocks = count_of(&r, 2, "vae.prior_flow.flows.*.pre.bias");
    int flow_layers = count_of(&r, 1, "vae.prior_flow.flows.0.enc.in_layers.*.bias");
    if (stride != TG_VAE_STRIDE || flow_layers != TG_FLOW_LAYERS || bins != TG_PITCH_BINS ||
        (c.pitch && embedding != 2 * c.pitch_feat_dim))
        return tg_fail(ctx, TG_EMODEL,
                       "%s: %svae has stride %d, %d layers per coupling, %d pitch bins of %d\n"
                       "  expected: stride %d, %d layers, %d bins of twice pitch_feat_dim\n"
                       "  try: a checkpoint of lm3d_vae_sync or lm3d_vae_sync_pitch",
                       tg_st_path(st), prefix, stride, flow_layers, bins, embedding, TG_VAE_STRIDE,
                       TG_FLOW_LAYERS, TG_PITCH_BINS);
    /* The limits of a configuration are those of parsing one. */
    tg_json *json = tg_json_new_object();
    if (!json)
        return tg_fail(ctx, TG_ENOMEM, "%s: out of memory", tg_st_path(st));
    tg_vae_config_write(&c, json);
    tg_status s = tg_vae_config_parse(ctx, json, tg_st_path(st), out);
    tg_json_destroy(&json);
    return s;
}

tg_status tg_postnet_config_from(tg_context *ctx, const tg_st *st, const char *prefix,
                                 tg_postnet_config *out) {
    reader r = {ctx, st, prefix, "a layer of GeneFace's lm3d_postnet_sync", TG_OK};
    tg_postnet_config c = tg_postnet_defaults();
    int in = size_of(&r, "block1.0.conv_block.0.weight", 3, 1);
    c.widths[0] = size_of(&r, "block1.0.conv_block.0.weight", 3, 0);
    c.widths[1] = size_of(&r, "block2.0.conv_block.0.weight", 3, 0);
    c.in_out_dim = size_of(&r, "block3.1.weight", 3, 0);
    if (r.status == TG_OK && in < c.in_out_dim)
        return tg_fail(ctx, TG_EMODEL,
                       "%s: %sblock1.0 takes %d numbers per frame\n"
                       "  expected: the %d of a frame, and those of the pitch\n"
                       "  try: talkgen info %s to see what this file is",
                       tg_st_path(st), prefix, in, c.in_out_dim, tg_st_path(st));
    c.pitch_dim = in - c.in_out_dim;
    if (r.status == TG_OK)
        *out = c;
    return r.status;
}
