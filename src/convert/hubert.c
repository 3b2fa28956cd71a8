/* HuBERT and wav2vec2 of the Hugging Face hub to an encoder file. */
#include "convert/hubert_shape.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

/* One parameter on its way from the checkpoint to the encoder file. */
typedef struct {
    const tg_st *st;
    const tg_st_tensor *from;
    int index, count; /* for progress */
} passage;

static tg_status fill(tg_context *ctx, void *user, void *out) {
    const passage *p = user;
    tg_status s = tg_st_read_f32(ctx, p->st, p->from, out);
    int64_t n = 1;
    for (int d = 0; d < p->from->ndim; d++)
        n *= p->from->dim[d];
    for (int64_t i = 0; s == TG_OK && i < n; i++)
        if (!isfinite(((float *)out)[i]))
            s = tg_fail(ctx, TG_EMODEL,
                        "%s: number %lld of tensor %s is not finite as float32\n"
                        "  expected: finite weights\n  try: to download the checkpoint again",
                        tg_st_path(p->st), (long long)i, p->from->name);
    tg_progress(ctx, "convert", p->index + 1, p->count, NULL);
    return s;
}

/* Names that are in published files and no part of the encoder: pre-training, classification. */
static bool beside_the_encoder(const char *name) {
    static const char *const known[] = {"masked_spec_embed", "quantizer.",        "project_q.",
                                        "project_hid.",      "classifier.",       "projector.",
                                        "layer_weights",     "label_embs_concat", "final_proj.",
                                        "dropout_features",  "lm_head."};
    for (size_t i = 0; i < sizeof known / sizeof known[0]; i++)
        if (strncmp(name, known[i], strlen(known[i])) == 0)
            return true;
    return false;
}

static bool part_of_the_encoder(const char *name) {
    static const char *const parts[] = {"feature_extractor.", "feature_projection.", "encoder.",
                                        "adapter."};
    for (size_t i = 0; i < sizeof parts / sizeof parts[0]; i++)
        if (strncmp(name, parts[i], strlen(parts[i])) == 0)
            return true;
    return false;
}

/* Tensors that nothing takes: inside the encoder they would change its result. */
static tg_status check_others(tg_context *ctx, const tg_st *st, const char *prefix,
                              const passage *taken, int count) {
    int unknown = 0;
    const char *first = NULL;
    for (int i = 0; i < tg_st_count(st); i++) {
        const tg_st_tensor *t = tg_st_at(st, i);
        bool used = false;
        for (int k = 0; !used && k < count; k++)
            used = taken[k].from == t;
        size_t skip = strncmp(t->name, prefix, strlen(prefix)) == 0 ? strlen(prefix) : 0;
        if (used || beside_the_encoder(t->name + skip) || beside_the_encoder(t->name))
            continue;
        if (part_of_the_encoder(t->name + skip))
            return tg_fail(ctx, TG_EMODEL,
                           "%s: tensor %s belongs to no HuBERT or wav2vec2 encoder of this shape\n"
                           "  expected: the published network without additions\n"
                           "  try: another checkpoint (adapters, WavLM and others are not "
                           "supported)",
                           tg_st_path(st), t->name);
        first = first ? first : t->name;
        unknown++;
    }
    if (unknown)
        tg_note(ctx, "%s: %d tensors are not known and were left out, the first is %s",
                tg_st_path(st), unknown, first);
    return TG_OK;
}

static tg_status find_passage(tg_context *ctx, const tg_st *st, const char *prefix,
                              const tg_param *param, passage *p) {
    bool head = strncmp(param->name, "lm_head.", 8) == 0;
    const tg_st_tensor *t = tg_st_find_param(st, head ? "" : prefix, param->name);
    char name[256];
    snprintf(name, sizeof name, "%s%s", head ? "" : prefix, param->name);
    p->st = st;
    /* The check of name and shape, with its message. */
    tg_status s =
        tg_st_expect(ctx, st, t ? t->name : name, param->value->ndim, param->value->dim, &p->from);
    if (s == TG_OK && t->dtype != TG_F32 && t->dtype != TG_F16 && t->dtype != TG_BF16 &&
        t->dtype != TG_F64)
        s = tg_fail(ctx, TG_EMODEL,
                    "%s: tensor %s is stored as %s\n  expected: F32, F16, BF16 or F64\n"
                    "  try: the checkpoint as it was published, not a quantised one",
                    tg_st_path(st), t->name, tg_dtype_name(t->dtype));
    return s;
}

static tg_status write_encoder(tg_context *ctx, const tg_st *st, const char *prefix,
                               const tg_hubert_config *config, const char *output) {
    tg_hubert *outline = NULL;
    tg_status s = tg_hubert_outline(ctx, config, &outline);
    if (s != TG_OK)
        return s;
    tg_params *params = tg_hubert_params(outline);
    int count = tg_params_count(params);
    passage *passages = tg_calloc((size_t)count * sizeof *passages);
    tg_st_writer *w = tg_st_writer_create();
    tg_json *json = tg_hubert_config_json(config);
    char *text = json ? tg_json_print(json, false) : NULL;
    bool ok = passages && w && text && tg_st_add_meta(w, "talkgen.format", TG_IDENTITY_FORMAT) &&
              tg_st_add_meta(w, "talkgen.kind", "encoder") &&
              tg_st_add_meta(w, TG_HUBERT_META, text) && tg_st_add_hash(w);
    for (int i = 0; ok && s == TG_OK && i < count; i++) {
        const tg_param *p = tg_params_at(params, i);
        char name[256];
        snprintf(name, sizeof name, "speech.%s", p->name);
        passages[i].index = i;
        passages[i].count = count;
        s = find_passage(ctx, st, prefix, p, &passages[i]);
        ok = s != TG_OK ||
             tg_st_add_later(w, name, TG_F32, p->value->ndim, p->value->dim, fill, &passages[i]);
    }
    if (s == TG_OK && !ok)
        s = tg_fail(ctx, TG_ENOMEM, "%s: out of memory", output);
    if (s == TG_OK)
        s = check_others(ctx, st, prefix, passages, count);
    if (s == TG_OK)
        s = tg_st_write(ctx, w, output);
    tg_st_writer_destroy(&w);
    tg_free(passages);
    tg_free(text);
    tg_json_destroy(&json);
    tg_hubert_destroy(&outline);
    return s;
}

/* --config, else config.json beside the weights, else NULL. */
static const char *find_config(const tg_convert_options *o, char *room, size_t size) {
    const char *slash = strrchr(o->weights, '/');
    if (o->config)
        return o->config;
    int n = snprintf(room, size, "%.*sconfig.json", slash ? (int)(slash - o->weights + 1) : 0,
                     o->weights);
    return n > 0 && (size_t)n < size && tg_file_exists(room) ? room : NULL;
}

tg_status tg_convert_hubert(tg_context *ctx, const tg_convert_options *o) {
    char room[4096];
    tg_weights weights = {0};
    tg_hubert_config config;
    tg_status s = tg_convert_need(ctx, o->weights, "weights", "the published encoder");
    if (s == TG_OK)
        s = tg_convert_output(ctx, o);
    if (s == TG_OK)
        s = tg_weights_open(ctx, o->weights, &weights);
    const char *prefix = s == TG_OK ? tg_hubert_prefix(weights.st) : NULL;
    if (s == TG_OK && !prefix)
        s = tg_convert_foreign(ctx, o->weights, weights.kind,
                               "HuBERT or wav2vec2 of the Hugging Face hub (pytorch_model.bin or "
                               "model.safetensors)");
    const char *path = s == TG_OK ? find_config(o, room, sizeof room) : NULL;
    if (s == TG_OK)
        s = tg_hubert_shape(ctx, weights.st, prefix, path, &config);
    if (s == TG_OK)
        s = write_encoder(ctx, weights.st, prefix, &config, o->output);
    if (s == TG_OK)
        tg_note(ctx, "%s: %d layers, %d wide, %d heads, %s-LN, %d logits, %s", o->output,
                config.layers, config.hidden_size, config.heads,
                config.stable_layer_norm ? "pre" : "post", config.logits,
                path ? path : "no config.json: heads and strides as published");
    tg_weights_close(&weights);
    return s;
}
