/* HuBERT (Hsu et al. 2021; network of wav2vec 2.0, Baevski et al. 2020), both published variants,
 * under the parameter names of the published files.
 */
#include "speech/hubert.h"

#include "talkgen/speech.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

typedef struct {
    tg_tensor *weight, *bias;
} affine;

typedef struct {
    affine q, k, v, out;
    affine attention_norm; /* before attention (pre-LN) or after it (post-LN) */
    affine up, down;
    affine ffn_norm;
} encoder_layer;

struct tg_hubert {
    tg_hubert_config config;
    tg_params *params;
    affine conv[TG_HUBERT_MAX_CONVS], conv_norm[TG_HUBERT_MAX_CONVS];
    affine projection_norm, projection;
    tg_tensor *pos_g, *pos_v, *pos_bias;
    affine encoder_norm;
    encoder_layer layer[TG_HUBERT_MAX_LAYERS];
    affine head; /* of CTC models */
};

static bool add(tg_hubert *m, tg_tensor **out, const char *name, const char *part, int ndim,
                const int64_t *dim, tg_init init) {
    char full[128];
    snprintf(full, sizeof full, "%s.%s", name, part);
    *out = tg_params_add(m->params, full, ndim, dim, init);
    return *out != NULL;
}

static bool add_norm(tg_hubert *m, affine *norm, const char *name, int64_t size) {
    return add(m, &norm->weight, name, "weight", 1, &size, (tg_init){TG_INIT_ONE, 0}) &&
           add(m, &norm->bias, name, "bias", 1, &size, (tg_init){TG_INIT_ZERO, 0});
}

/* gain: 1 keeps the variance; smaller where the result is added to the residual stream. */
static bool add_linear(tg_hubert *m, affine *linear, const char *name, int64_t in, int64_t out,
                       double gain) {
    tg_init init = {TG_INIT_NORMAL, (float)(gain / sqrt((double)in))};
    return add(m, &linear->weight, name, "weight", 2, (int64_t[]){out, in}, init) &&
           add(m, &linear->bias, name, "bias", 1, &out, (tg_init){TG_INIT_ZERO, 0});
}

static bool add_convs(tg_hubert *m) {
    const tg_hubert_config *c = &m->config;
    int64_t in = 1;
    for (int i = 0; i < c->convs; i++) {
        char name[TG_HUBERT_NAME_ROOM];
        int64_t out = c->conv_dim[i], taps = c->conv_kernel[i];
        tg_init init = {TG_INIT_NORMAL, (float)sqrt(2.0 / (double)(in * taps))};
        snprintf(name, sizeof name, "feature_extractor.conv_layers.%d.conv", i);
        if (!add(m, &m->conv[i].weight, name, "weight", 3, (int64_t[]){out, in, taps}, init))
            return false;
        if (c->conv_bias &&
            !add(m, &m->conv[i].bias, name, "bias", 1, &out, (tg_init){TG_INIT_ZERO, 0}))
            return false;
        snprintf(name, sizeof name, "feature_extractor.conv_layers.%d.layer_norm", i);
        if ((c->conv_layer_norm || i == 0) && !add_norm(m, &m->conv_norm[i], name, out))
            return false;
        in = out;
    }
    return true;
}

static bool add_encoder(tg_hubert *m) {
    const tg_hubert_config *c = &m->config;
    int64_t features = c->conv_dim[c->convs - 1], hidden = c->hidden_size;
    int64_t inner = c->intermediate_size;
    if (c->feat_proj_layer_norm &&
        !add_norm(m, &m->projection_norm, "feature_projection.layer_norm", features))
        return false;
    if (!add_linear(m, &m->projection, "feature_projection.projection", features, hidden, 1))
        return false;
    int64_t per_group = hidden / c->pos_groups, taps = c->pos_kernel;
    tg_init pos = {TG_INIT_NORMAL, (float)(2 / sqrt((double)(taps * hidden)))};
    if (!add(m, &m->pos_bias, "encoder.pos_conv_embed.conv", "bias", 1, &hidden,
             (tg_init){TG_INIT_ZERO, 0}) ||
        !add(m, &m->pos_g, "encoder.pos_conv_embed.conv", "weight_g", 3, (int64_t[]){1, 1, taps},
             (tg_init){TG_INIT_ONE, 0}) ||
        !add(m, &m->pos_v, "encoder.pos_conv_embed.conv", "weight_v", 3,
             (int64_t[]){hidden, per_group, taps}, pos) ||
        !add_norm(m, &m->encoder_norm, "encoder.layer_norm", hidden))
        return false;
    double into_residual = 1 / sqrt(2.0 * c->layers);
    for (int i = 0; i < c->layers; i++) {
        encoder_layer *l = &m->layer[i];
        const struct {
            affine *linear;
            const char *part;
            int64_t in, out;
            double gain;
        } linears[] = {
            {&l->k, "attention.k_proj", hidden, hidden, 1},
            {&l->v, "attention.v_proj", hidden, hidden, 1},
            {&l->q, "attention.q_proj", hidden, hidden, 1},
            {&l->out, "attention.out_proj", hidden, hidden, into_residual},
            {&l->up, "feed_forward.intermediate_dense", hidden, inner, 1},
            {&l->down, "feed_forward.output_dense", inner, hidden, into_residual},
        };
        char name[TG_HUBERT_NAME_ROOM];
        for (size_t k = 0; k < sizeof linears / sizeof linears[0]; k++) {
            snprintf(name, sizeof name, "encoder.layers.%d.%s", i, linears[k].part);
            if (!add_linear(m, linears[k].linear, name, linears[k].in, linears[k].out,
                            linears[k].gain))
                return false;
        }
        snprintf(name, sizeof name, "encoder.layers.%d.layer_norm", i);
        if (!add_norm(m, &l->attention_norm, name, hidden))
            return false;
        snprintf(name, sizeof name, "encoder.layers.%d.final_layer_norm", i);
        if (!add_norm(m, &l->ffn_norm, name, hidden))
            return false;
    }
    return c->logits == 0 || add_linear(m, &m->head, "lm_head", hidden, c->logits, 1);
}

/* deferred: parameters have no memory yet. */
static tg_status create(tg_context *ctx, const tg_hubert_config *config, bool deferred,
                        tg_hubert **out) {
    *out = NULL;
    tg_hubert *m = tg_calloc(sizeof *m);
    if (m != NULL) {
        m->config = *config;
        m->params = tg_params_create();
    }
    if (m != NULL && m->params != NULL && deferred)
        tg_params_defer(m->params);
    if (m == NULL || m->params == NULL || !add_convs(m) || !add_encoder(m)) {
        tg_hubert_destroy(&m);
        return tg_fail(ctx, TG_ENOMEM, "out of memory for a speech encoder of width %d",
                       config->hidden_size);
    }
    *out = m;
    return TG_OK;
}

tg_status tg_hubert_create(tg_context *ctx, const tg_hubert_config *config, tg_hubert **out) {
    return create(ctx, config, false, out);
}

tg_status tg_hubert_outline(tg_context *ctx, const tg_hubert_config *config, tg_hubert **out) {
    return create(ctx, config, true, out);
}

void tg_hubert_destroy(tg_hubert **model) {
    if (*model != NULL) {
        tg_params_destroy(&(*model)->params);
        tg_free(*model);
    }
    *model = NULL;
}

const tg_hubert_config *tg_hubert_config_of(const tg_hubert *model) {
    return &model->config;
}

tg_params *tg_hubert_params(tg_hubert *model) {
    return model->params;
}

void tg_hubert_init(tg_hubert *m, uint64_t seed) {
    tg_params_init(m->params, seed);
    /* Weight norm starts with w = v: g[k] is the norm of tap k. */
    const tg_tensor *v = m->pos_v;
    int64_t taps = v->dim[2], rows = v->dim[0] * v->dim[1];
    for (int64_t k = 0; k < taps; k++) {
        double sum = 0;
        for (int64_t r = 0; r < rows; r++)
            sum += (double)v->data[r * taps + k] * v->data[r * taps + k];
        m->pos_g->data[k] = (float)sqrt(sum);
    }
}

/* ---- files ------------------------------------------------------------------- */

static tg_status load(tg_context *ctx, tg_hubert *model, const tg_st *st, const char *prefix,
                      bool in_place) {
    char full[TG_HUBERT_NAME_ROOM + 128];
    snprintf(full, sizeof full, "%.*shubert.feature_projection.projection.weight",
             TG_HUBERT_NAME_ROOM, prefix);
    bool nested = tg_st_find(st, full) != NULL;
    snprintf(full, sizeof full, "%.*s%s", TG_HUBERT_NAME_ROOM, prefix, nested ? "hubert." : "");
    return in_place ? tg_params_map(ctx, model->params, st, full)
                    : tg_params_load(ctx, model->params, st, full);
}

tg_status tg_hubert_load(tg_context *ctx, tg_hubert *model, const tg_st *st, const char *prefix) {
    return load(ctx, model, st, prefix, false);
}

bool tg_hubert_store(tg_st_writer *w, tg_hubert *model, const char *prefix, tg_dtype dtype) {
    tg_json *json = tg_hubert_config_json(&model->config);
    char *text = json != NULL ? tg_json_print(json, false) : NULL;
    bool good = text != NULL && tg_st_add_meta(w, TG_HUBERT_META, text) &&
                tg_params_store(w, model->params, prefix, dtype);
    tg_free(text);
    tg_json_destroy(&json);
    return good;
}

/* Outputs of the CTC head, 0 when the file has none. Its shape is checked by the load. */
static int logits_in(const tg_st *st, const char *prefix) {
    char full[TG_HUBERT_NAME_ROOM + 32];
    snprintf(full, sizeof full, "%.*slm_head.weight", TG_HUBERT_NAME_ROOM, prefix);
    const tg_st_tensor *t = tg_st_find(st, full);
    return t && t->ndim == 2 && t->dim[0] >= 1 && t->dim[0] <= TG_HUBERT_MAX_LOGITS ? (int)t->dim[0]
                                                                                    : 0;
}

/* A file of the Hugging Face hub as it was downloaded. */
static bool unconverted(const tg_st *st) {
    static const char *const prefixes[] = {"", "hubert.", "wav2vec2."};
    char name[64];
    for (size_t i = 0; i < sizeof prefixes / sizeof prefixes[0]; i++) {
        snprintf(name, sizeof name, "%sencoder.pos_conv_embed.conv.bias", prefixes[i]);
        if (tg_st_find(st, name))
            return true;
    }
    return false;
}

tg_status tg_hubert_open(tg_context *ctx, const tg_st *st, const char *prefix, tg_hubert **out) {
    *out = NULL;
    const char *text = tg_st_meta(st, TG_HUBERT_META);
    if (text == NULL && unconverted(st))
        return tg_fail(ctx, TG_EMODEL,
                       "%s: a published speech encoder, not converted yet\n"
                       "  expected: what talkgen convert hubert makes of it\n"
                       "  try: talkgen convert hubert --weights %s -o hubert.safetensors",
                       tg_st_path(st), tg_st_path(st));
    if (text == NULL)
        return tg_fail(ctx, TG_EMODEL,
                       "%s: no speech encoder in this file (metadata %s is missing)\n"
                       "  expected: a voice file, such as models/voice.safetensors\n"
                       "  try: --encoder models/voice.safetensors",
                       tg_st_path(st), TG_HUBERT_META);
    tg_json *json = NULL;
    tg_hubert_config config;
    tg_status status = tg_json_parse(ctx, text, strlen(text), tg_st_path(st), &json);
    if (status == TG_OK)
        status = tg_hubert_config_parse(ctx, json, tg_st_path(st), &config);
    tg_json_destroy(&json);
    if (status == TG_OK)
        config.logits = logits_in(st, prefix);
    if (status == TG_OK)
        status = create(ctx, &config, true, out);
    if (status == TG_OK)
        status = load(ctx, *out, st, prefix, true);
    if (status != TG_OK)
        tg_hubert_destroy(out);
    return status;
}

/* ---- network -------------------------------------------------------------------- */

static bool records(const tg_tape *tape, const tg_tensor *x) {
    return x != NULL && tg_tape_recording(tape, x);
}

static bool extract_records(const tg_tape *tape, const tg_hubert *m, const tg_tensor *input) {
    bool any = records(tape, input);
    for (int i = 0; i < m->config.convs; i++)
        any = any || records(tape, m->conv[i].weight) || records(tape, m->conv[i].bias) ||
              records(tape, m->conv_norm[i].weight) || records(tape, m->conv_norm[i].bias);
    return any;
}

/* Norms over the channels and no gradient: the signal is kept as rows of channels, where a norm is
 * one of rows and a convolution needs no unfolding. */
static tg_tensor *extract_rows(tg_tape *tape, tg_hubert *m, tg_tensor *input) {
    const tg_hubert_config *c = &m->config;
    tg_tensor *x = tg_reshape(tape, input, 3, (int64_t[]){input->dim[0], input->dim[1], 1});
    for (int i = 0; i < c->convs; i++) {
        const affine *norm = &m->conv_norm[i];
        x = tg_conv1d_rows(tape, x, m->conv[i].weight, m->conv[i].bias, c->conv_stride[i]);
        x = tg_gelu(tape, tg_layer_norm(tape, x, norm->weight, norm->bias, 1e-5f));
    }
    return x;
}

tg_tensor *tg_hubert_extract(tg_tape *tape, tg_hubert *m, tg_tensor *input) {
    const tg_hubert_config *c = &m->config;
    if (c->conv_layer_norm && !extract_records(tape, m, input))
        return extract_rows(tape, m, input);
    tg_tensor *x = tg_reshape(tape, input, 3, (int64_t[]){input->dim[0], 1, input->dim[1]});
    for (int i = 0; i < c->convs; i++) {
        x = tg_conv1d(tape, x, m->conv[i].weight, m->conv[i].bias, c->conv_stride[i], 0, 1);
        const affine *norm = &m->conv_norm[i];
        /* The published networks leave these norms at PyTorch's eps, whatever the config says. */
        if (c->conv_layer_norm)
            x = tg_channel_norm(tape, x, norm->weight, norm->bias, 1e-5f);
        else if (i == 0)
            x = tg_group_norm(tape, x, norm->weight, norm->bias, c->conv_dim[0], 1e-5f);
        x = tg_gelu(tape, x);
    }
    return tg_transpose(tape, x);
}

static tg_tensor *linear(tg_tape *tape, tg_tensor *x, const affine *l) {
    return tg_linear(tape, x, l->weight, l->bias);
}

static tg_tensor *norm(tg_tape *tape, const tg_hubert *m, tg_tensor *x, const affine *n) {
    return tg_layer_norm(tape, x, n->weight, n->bias, m->config.eps);
}

static tg_tensor *position(tg_tape *tape, tg_hubert *m, tg_tensor *x) {
    const tg_hubert_config *c = &m->config;
    int64_t rows = x->dim[1];
    tg_tensor *w = tg_weight_norm(tape, m->pos_v, m->pos_g, 2);
    tg_tensor *y =
        tg_conv1d(tape, tg_transpose(tape, x), w, m->pos_bias, 1, c->pos_kernel / 2, c->pos_groups);
    /* An even kernel gives one row too many. */
    if (y->dim[2] > rows)
        y = tg_slice(tape, y, 2, 0, rows);
    return tg_transpose(tape, tg_gelu(tape, y));
}

static tg_tensor *attention(tg_tape *tape, const tg_hubert *m, const encoder_layer *l,
                            tg_tensor *x) {
    int heads = m->config.heads;
    float scale = (float)(1 / sqrt((double)m->config.hidden_size / heads));
    tg_tensor *y = tg_attention(tape, linear(tape, x, &l->q), linear(tape, x, &l->k),
                                linear(tape, x, &l->v), heads, scale);
    return linear(tape, y, &l->out);
}

static tg_tensor *feed_forward(tg_tape *tape, const encoder_layer *l, tg_tensor *x) {
    return linear(tape, tg_gelu(tape, linear(tape, x, &l->up)), &l->down);
}

static tg_tensor *run_layer(tg_tape *tape, const tg_hubert *m, const encoder_layer *l,
                            tg_tensor *x) {
    if (m->config.stable_layer_norm) {
        x = tg_add(tape, x, attention(tape, m, l, norm(tape, m, x, &l->attention_norm)));
        return tg_add(tape, x, feed_forward(tape, l, norm(tape, m, x, &l->ffn_norm)));
    }
    x = norm(tape, m, tg_add(tape, x, attention(tape, m, l, x)), &l->attention_norm);
    return norm(tape, m, tg_add(tape, x, feed_forward(tape, l, x)), &l->ffn_norm);
}

/* in_place: nothing is recorded, so a layer's result may replace its input and all that was
 * computed between them is given back: 24 layers then need the memory of one. */
static tg_tensor *run_encoder(tg_tape *tape, tg_hubert *m, tg_tensor *conv_features,
                              tg_tensor **hidden_states, bool in_place) {
    const tg_hubert_config *c = &m->config;
    tg_tensor *x = conv_features;
    if (c->feat_proj_layer_norm)
        x = norm(tape, m, x, &m->projection_norm);
    x = linear(tape, x, &m->projection);
    x = tg_add(tape, x, position(tape, m, x));
    if (!c->stable_layer_norm)
        x = norm(tape, m, x, &m->encoder_norm);
    for (int i = 0; i < c->layers; i++) {
        if (hidden_states != NULL)
            hidden_states[i] = x;
        tg_mark mark = tg_tape_mark(tape);
        tg_tensor *y = run_layer(tape, m, &m->layer[i], x);
        if (in_place && tg_tape_status(tape) == TG_OK) {
            memcpy(x->data, y->data, sizeof(float) * (size_t)tg_numel(x));
            tg_tape_release(tape, mark);
        } else {
            x = y;
        }
    }
    return c->stable_layer_norm ? norm(tape, m, x, &m->encoder_norm) : x;
}

tg_tensor *tg_hubert_contextualize(tg_tape *tape, tg_hubert *model, tg_tensor *conv_features,
                                   tg_tensor **hidden_states) {
    return run_encoder(tape, model, conv_features, hidden_states, false);
}

tg_tensor *tg_hubert_infer(tg_tape *tape, tg_hubert *model, tg_tensor *conv_features) {
    return run_encoder(tape, model, conv_features, NULL, true);
}

tg_tensor *tg_hubert_forward(tg_tape *tape, tg_hubert *model, tg_tensor *input) {
    return tg_hubert_contextualize(tape, model, tg_hubert_extract(tape, model, input), NULL);
}

bool tg_hubert_has_logits(const tg_hubert *model) {
    return model->config.logits > 0;
}

tg_tensor *tg_hubert_head(tg_tape *tape, tg_hubert *model, tg_tensor *hidden) {
    return linear(tape, hidden, &model->head);
}
