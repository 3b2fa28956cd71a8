/* What the tensors of a HuBERT or wav2vec2 checkpoint say about the network, and what its
 * config.json adds. */
#include "convert/hubert_shape.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Names that no other model of the hub has all of; one is enough, so that a damaged encoder is told
 * what it lacks. */
static const char *const marks[] = {
    "feature_extractor.conv_layers.0.conv.weight",
    "feature_projection.projection.weight",
    "encoder.pos_conv_embed.conv.bias",
    "encoder.layers.0.attention.q_proj.weight",
};
enum { MARKS = sizeof marks / sizeof marks[0], NAME_BYTES = 160 };

const char *tg_hubert_prefix(const tg_st *st) {
    static const char *const prefixes[] = {"", "hubert.", "wav2vec2."};
    const char *best = NULL;
    int most = 0;
    for (size_t i = 0; i < sizeof prefixes / sizeof prefixes[0]; i++) {
        int found = 0;
        for (int k = 0; k < MARKS; k++)
            found += tg_st_find_param(st, prefixes[i], marks[k]) != NULL;
        if (found > most) {
            most = found;
            best = prefixes[i];
        }
    }
    return best;
}

typedef struct {
    tg_context *ctx;
    const tg_st *st;
    const char *prefix;
    tg_status status;
} reader;

static void shape_text(const tg_st_tensor *t, char *out, size_t size) {
    size_t used = (size_t)snprintf(out, size, "[");
    for (int d = 0; d < t->ndim && used < size; d++)
        used += (size_t)snprintf(out + used, size - used, "%s%" PRId64, d ? ", " : "", t->dim[d]);
    if (used < size)
        snprintf(out + used, size - used, "]");
}

static bool has(const reader *r, const char *name) {
    return tg_st_find_param(r->st, r->prefix, name) != NULL;
}

/* A tensor whose sizes are to be read: `ndim` sizes of 1 to 65536, `expected` for the message. */
static const tg_st_tensor *look(reader *r, const char *name, int ndim, const char *expected) {
    if (r->status != TG_OK)
        return NULL;
    const tg_st_tensor *t = tg_st_find_param(r->st, r->prefix, name);
    if (!t) {
        r->status = tg_fail(r->ctx, TG_EMODEL,
                            "%s: tensor %s%s is missing\n  expected: %s\n"
                            "  try: to download the checkpoint again (talkgen info %s lists it)",
                            tg_st_path(r->st), r->prefix, name, expected, tg_st_path(r->st));
        return NULL;
    }
    bool ok = t->ndim == ndim;
    for (int d = 0; ok && d < ndim; d++)
        ok = t->dim[d] >= 1 && t->dim[d] <= 65536;
    if (ok)
        return t;
    char found[192];
    shape_text(t, found, sizeof found);
    r->status = tg_fail(r->ctx, TG_EMODEL,
                        "%s: tensor %s has shape %s\n  expected: %s\n"
                        "  try: a HuBERT or wav2vec2 checkpoint of the Hugging Face hub",
                        tg_st_path(r->st), t->name, found, expected);
    return NULL;
}

/* One more than the highest N of names stem + N + "."; so that a gap is found missing later. */
static int count_under(const reader *r, const char *stem, int limit) {
    char start[NAME_BYTES];
    int highest = -1;
    int n = snprintf(start, sizeof start, "%s%s", r->prefix, stem);
    for (int i = 0; i < tg_st_count(r->st); i++) {
        const char *name = tg_st_at(r->st, i)->name;
        if (strncmp(name, start, (size_t)n) != 0 || name[n] < '0' || name[n] > '9')
            continue;
        char *end;
        long index = strtol(name + n, &end, 10);
        if (*end == '.' && index > highest)
            highest = index < limit ? (int)index : limit;
    }
    return highest + 1;
}

static tg_status too_many(reader *r, const char *what, int limit) {
    return tg_fail(r->ctx, TG_EMODEL,
                   "%s: too many %s\n  expected: 1 to %d\n"
                   "  try: a HuBERT or wav2vec2 checkpoint of the Hugging Face hub",
                   tg_st_path(r->st), what, limit);
}

static tg_status read_tensors(reader *r, tg_hubert_config *c) {
    static const int strides[7] = {5, 2, 2, 2, 2, 2, 2};
    char name[NAME_BYTES];
    const tg_st_tensor *t;
    c->convs = count_under(r, "feature_extractor.conv_layers.", TG_HUBERT_MAX_CONVS);
    c->layers = count_under(r, "encoder.layers.", TG_HUBERT_MAX_LAYERS);
    if (c->convs > TG_HUBERT_MAX_CONVS)
        return too_many(r, "convolutions", TG_HUBERT_MAX_CONVS);
    if (c->layers > TG_HUBERT_MAX_LAYERS)
        return too_many(r, "layers", TG_HUBERT_MAX_LAYERS);
    c->convs = c->convs ? c->convs : 1; /* the first one is then found missing */
    c->layers = c->layers ? c->layers : 1;
    for (int i = 0; i < c->convs; i++) {
        snprintf(name, sizeof name, "feature_extractor.conv_layers.%d.conv.weight", i);
        if ((t = look(r, name, 3, "[channels, channels before, kernel]"))) {
            c->conv_dim[i] = (int)t->dim[0];
            c->conv_kernel[i] = (int)t->dim[2];
            c->conv_stride[i] = c->convs == 7 ? strides[i] : 0;
        }
    }
    /* Two names each: where one of them is missing, it is told, and not the variant changed. */
    c->conv_bias = has(r, "feature_extractor.conv_layers.0.conv.bias") ||
                   has(r, "feature_extractor.conv_layers.1.conv.bias");
    c->conv_layer_norm = has(r, "feature_extractor.conv_layers.1.layer_norm.weight") ||
                         has(r, "feature_extractor.conv_layers.1.layer_norm.bias");
    c->feat_proj_layer_norm = has(r, "feature_projection.layer_norm.weight") ||
                              has(r, "feature_projection.layer_norm.bias");
    c->stable_layer_norm = c->conv_layer_norm;
    if ((t = look(r, "feature_projection.projection.weight", 2, "[width, channels]")))
        c->hidden_size = (int)t->dim[0];
    t = look(r, "encoder.layers.0.feed_forward.intermediate_dense.weight", 2,
             "[inner width, width]");
    if (t)
        c->intermediate_size = (int)t->dim[0];
    t = look(r, "encoder.pos_conv_embed.conv.weight_v", 3, "[width, width / groups, kernel]");
    if (t) {
        c->pos_kernel = (int)t->dim[2];
        c->pos_groups = (int)(c->hidden_size / t->dim[1]);
        c->pos_groups = c->pos_groups ? c->pos_groups : 1;
    }
    if (tg_st_find(r->st, "lm_head.weight") || tg_st_find(r->st, "lm_head.bias")) {
        const char *prefix = r->prefix;
        r->prefix = "";
        if ((t = look(r, "lm_head.weight", 2, "[letters, width]")))
            c->logits = (int)t->dim[0];
        r->prefix = prefix;
    }
    c->heads = c->hidden_size % 64 == 0 ? c->hidden_size / 64 : 0;
    c->eps = 1e-5f;
    c->frames_per_clip = 1000;
    return r->status;
}

/* ---- config.json ---------------------------------------------------------------------- */

static tg_status contradiction(tg_context *ctx, const char *config, const char *key, double said,
                               const char *weights, double found) {
    return tg_fail(ctx, TG_EMODEL,
                   "%s: %s is %g\n  expected: %g, as the tensors of %s are\n"
                   "  try: --config with the config.json of these weights",
                   config, key, said, found, weights);
}

/* What both sides say must be the same. */
static tg_status compare(tg_context *ctx, const char *path, const char *weights,
                         const tg_hubert_config *said, const tg_hubert_config *found) {
    const struct {
        const char *key;
        int said, found;
    } rows[] = {
        {"hidden_size", said->hidden_size, found->hidden_size},
        {"intermediate_size", said->intermediate_size, found->intermediate_size},
        {"num_hidden_layers", said->layers, found->layers},
        {"num_conv_pos_embeddings", said->pos_kernel, found->pos_kernel},
        {"num_conv_pos_embedding_groups", said->pos_groups, found->pos_groups},
        {"the length of conv_dim", said->convs, found->convs},
        {"conv_bias (0 false, 1 true)", said->conv_bias, found->conv_bias},
        {"feat_extract_norm (0 group, 1 layer)", said->conv_layer_norm, found->conv_layer_norm},
        {"feat_proj_layer_norm (0 false, 1 true)", said->feat_proj_layer_norm,
         found->feat_proj_layer_norm},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++)
        if (rows[i].said != rows[i].found)
            return contradiction(ctx, path, rows[i].key, rows[i].said, weights, rows[i].found);
    for (int i = 0; i < said->convs; i++) {
        char key[64];
        snprintf(key, sizeof key, "conv_dim[%d]", i);
        if (said->conv_dim[i] != found->conv_dim[i])
            return contradiction(ctx, path, key, said->conv_dim[i], weights, found->conv_dim[i]);
        snprintf(key, sizeof key, "conv_kernel[%d]", i);
        if (said->conv_kernel[i] != found->conv_kernel[i])
            return contradiction(ctx, path, key, said->conv_kernel[i], weights,
                                 found->conv_kernel[i]);
    }
    return TG_OK;
}

static tg_status read_config(tg_context *ctx, const char *path, const char *weights,
                             tg_hubert_config *c) {
    tg_json *json = NULL;
    tg_hubert_config said;
    tg_status s = tg_json_read(ctx, path, &json);
    if (s == TG_EINPUT)
        s = tg_fail(ctx, TG_EMODEL, "%s", tg_message(ctx));
    const char *type = tg_json_string(tg_json_get(json, "model_type"), "hubert");
    if (s == TG_OK && strcmp(type, "hubert") != 0 && strcmp(type, "wav2vec2") != 0)
        s = tg_fail(ctx, TG_EMODEL,
                    "%s: model_type is '%.40s'\n  expected: 'hubert' or 'wav2vec2'\n"
                    "  try: --config with the config.json of these weights",
                    path, type);
    if (s == TG_OK && tg_json_bool(tg_json_get(json, "add_adapter"), false))
        s = tg_fail(ctx, TG_EMODEL,
                    "%s: add_adapter is true, which is not supported\n  expected: false\n"
                    "  try: a checkpoint whose output is the encoder's",
                    path);
    if (s == TG_OK)
        s = tg_hubert_config_parse(ctx, json, path, &said);
    if (s == TG_OK)
        s = compare(ctx, path, weights, &said, c);
    if (s == TG_OK) {
        said.logits = c->logits;
        *c = said;
    }
    tg_json_destroy(&json);
    return s;
}

/* Without a config.json: what the published models of this shape have, checked all the same. */
static tg_status assume(tg_context *ctx, const char *weights, tg_hubert_config *c) {
    if (c->heads == 0 || c->convs != 7)
        return tg_fail(ctx, TG_EMODEL,
                       "%s: %s of this encoder cannot be told from its tensors (width %d, %d "
                       "convolutions)\n"
                       "  expected: its config.json beside it\n  try: --config config.json",
                       weights, c->convs != 7 ? "the strides" : "the number of heads",
                       c->hidden_size, c->convs);
    tg_json *json = tg_hubert_config_json(c);
    int logits = c->logits;
    tg_status s = json ? tg_hubert_config_parse(ctx, json, weights, c)
                       : tg_fail(ctx, TG_ENOMEM, "%s: out of memory", weights);
    c->logits = logits;
    tg_json_destroy(&json);
    return s;
}

tg_status tg_hubert_shape(tg_context *ctx, const tg_st *st, const char *prefix, const char *config,
                          tg_hubert_config *out) {
    reader r = {ctx, st, prefix, TG_OK};
    *out = (tg_hubert_config){0};
    tg_status s = read_tensors(&r, out);
    if (s == TG_OK)
        s = config ? read_config(ctx, config, tg_st_path(st), out)
                   : assume(ctx, tg_st_path(st), out);
    return s;
}
