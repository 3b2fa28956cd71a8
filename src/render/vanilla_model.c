/* The vanilla NeRF's parameters: their names, and what shapes a file may give them. */
#include "cond.h"
#include "vanilla.h"

#include <assert.h>
#include <stdio.h>
#include <string.h>

enum { MAX_WIDTH = TG_VANILLA_MAX_WIDTH };

/* Walks the layers of a file. The first misfit stays. */
typedef struct {
    tg_context *ctx;
    const tg_st *st;
    const char *prefix;
    tg_params *params;
    tg_status status;
} reader;

static const tg_st_tensor *find(const reader *r, const char *name) {
    char full[512];
    const int n = snprintf(full, sizeof full, "%s%s", r->prefix, name);
    return n > 0 && (size_t)n < sizeof full ? tg_st_find(r->st, full) : NULL;
}

static bool present(const reader *r, const char *layer) {
    char name[128];
    snprintf(name, sizeof name, "%s.weight", layer);
    return find(r, name) != NULL;
}

static tg_tensor *add(reader *r, const char *layer, const char *what, int ndim,
                      const int64_t *dim) {
    char name[128];
    snprintf(name, sizeof name, "%s.%s", layer, what);
    tg_tensor *t = tg_params_add(r->params, name, ndim, dim, (tg_init){TG_INIT_ZERO, 0});
    if (t == NULL) {
        r->status = tg_fail(r->ctx, TG_ENOMEM, "not enough memory for the model");
    }
    return t;
}

/* Registers a layer's weight [out,in] (taps 1) or [out,in,taps] and bias [out] with the widths
 * found. in and out: what is expected, 0 = any. Returns out, 0 after a failure. */
static int add_layer(reader *r, const char *layer, int in, int out, int taps, tg_tensor **weight,
                     tg_tensor **bias) {
    if (r->status != TG_OK) {
        return 0;
    }
    char name[128];
    snprintf(name, sizeof name, "%s.weight", layer);
    const tg_st_tensor *t = find(r, name);
    if (t == NULL) {
        r->status = tg_fail(r->ctx, TG_EMODEL,
                            "%s: no tensor %s%s\n  expected: a layer of a vanilla NeRF\n"
                            "  try: a checkpoint of AD-NeRF or of GeneFace's lm3d_nerf",
                            tg_st_path(r->st), r->prefix, name);
        return 0;
    }
    const bool fits = t->ndim == (taps > 1 ? 3 : 2) && t->dim[0] >= 1 && t->dim[0] <= MAX_WIDTH &&
                      t->dim[1] >= 1 && t->dim[1] <= 2 * MAX_WIDTH &&
                      (in == 0 || t->dim[1] == in) && (out == 0 || t->dim[0] == out) &&
                      (taps == 1 || t->dim[2] == taps);
    if (!fits) {
        char want[2][16] = {"any", "any"};
        if (out != 0) {
            snprintf(want[0], sizeof want[0], "%d", out);
        }
        if (in != 0) {
            snprintf(want[1], sizeof want[1], "%d", in);
        }
        r->status = tg_fail(
            r->ctx, TG_EMODEL,
            "%s: tensor %s%s has %d dimensions, the first %lld x %lld\n"
            "  expected: [%s,%s%s]\n  try: a checkpoint of AD-NeRF or of GeneFace's lm3d_nerf",
            tg_st_path(r->st), r->prefix, name, t->ndim, (long long)(t->ndim > 0 ? t->dim[0] : 0),
            (long long)(t->ndim > 1 ? t->dim[1] : 0), want[0], want[1], taps > 1 ? ",3" : "");
        return 0;
    }
    tg_tensor *w = add(r, layer, "weight", taps > 1 ? 3 : 2, t->dim);
    tg_tensor *b = add(r, layer, "bias", 1, t->dim);
    if (weight != NULL) {
        *weight = w;
        *bias = b;
    }
    return r->status == TG_OK ? (int)t->dim[0] : 0;
}

static int input_width(const reader *r, const char *layer) {
    char name[128];
    snprintf(name, sizeof name, "%s.weight", layer);
    const tg_st_tensor *t = find(r, name);
    return t != NULL && t->ndim >= 2 && t->dim[1] >= 1 && t->dim[1] <= 2 * MAX_WIDTH
               ? (int)t->dim[1]
               : 0;
}

static void add_condition(reader *r, tg_vanilla *model) {
    tg_vanilla_config *config = &model->config;
    char layer[96];
    model->landmarks = present(r, "lm_encoder.encoder_conv.0");
    const char *net = model->landmarks ? "lm_encoder" : "aud_net";
    const char *att = model->landmarks ? "lmatt_encoder" : "audatt_net";
    int width = 0;
    for (int l = 0; l < 4; l++) {
        snprintf(layer, sizeof layer, "%s.encoder_conv.%d", net, 2 * l);
        if (l == 0) {
            config->cond_dim = input_width(r, layer);
        }
        width = add_layer(r, layer, width, 0, 3, NULL, NULL);
    }
    for (int l = 0; l < 2; l++) {
        snprintf(layer, sizeof layer, "%s.encoder_fc1.%d", net, 2 * l);
        width = add_layer(r, layer, width, 0, 1, NULL, NULL);
    }
    config->cond_out_dim = width;
    config->smo_win_size = 1;
    snprintf(layer, sizeof layer, "%s.attentionNet.0", att);
    config->with_att = config->with_att && present(r, layer);
    if (!config->with_att) {
        return;
    }
    config->smo_win_size = input_width(r, layer);
    add_layer(r, layer, config->smo_win_size, config->smo_win_size, 1, NULL, NULL);
    for (int l = 0; l < 5; l++) {
        snprintf(layer, sizeof layer, "%s.attentionConvNet.%d", att, 2 * l);
        if (l == 0) { /* AD-NeRF lets it see the first half of a code only */
            const int seen = input_width(r, layer);
            width = seen <= config->cond_out_dim ? seen : config->cond_out_dim;
        }
        width = add_layer(r, layer, width, l == 4 ? 1 : 0, 3, NULL, NULL);
    }
}

/* Trunk and view branch. *input, *view: their widths, 0 = as found. */
static void add_mlp(reader *r, const char *net, tg_vanilla_mlp *mlp, int *input, int *view) {
    char layer[96];
    int width = 0;
    for (int l = 0; l < TG_VANILLA_MAX_LAYERS && r->status == TG_OK; l++) {
        snprintf(layer, sizeof layer, "%s.density_linears.%d", net, l);
        if (l > 0 && !present(r, layer)) {
            break;
        }
        int in = l == 0 ? *input : width;
        if (l > 0 && mlp->skip == 0 && input_width(r, layer) == width + *input) {
            mlp->skip = l;
            in += *input;
        } else if (l == 0 && in == 0) {
            *input = input_width(r, layer);
        }
        width = add_layer(r, layer, in, 0, 1, &mlp->density_w[l], &mlp->density_b[l]);
        mlp->layers = l + 1;
    }
    snprintf(layer, sizeof layer, "%s.density_out_linear", net);
    add_layer(r, layer, width, 1, 1, &mlp->density_out_w, &mlp->density_out_b);
    for (int l = 0; l < TG_VANILLA_MAX_LAYERS && r->status == TG_OK; l++) {
        snprintf(layer, sizeof layer, "%s.color_linears.%d", net, l);
        if (l > 0 && !present(r, layer)) {
            break;
        }
        if (l == 0) {
            *view = *view > 0 ? *view : input_width(r, layer) - width;
            width += *view > 0 ? *view : 0;
        }
        width = add_layer(r, layer, width, 0, 1, &mlp->color_w[l], &mlp->color_b[l]);
        mlp->color_layers = l + 1;
    }
    snprintf(layer, sizeof layer, "%s.color_out_linear", net);
    add_layer(r, layer, width, 3, 1, &mlp->color_out_w, &mlp->color_out_b);
}

static void add_color_encoder(reader *r, tg_vanilla *model) {
    if (!present(r, "color_encoder.0")) {
        return;
    }
    int width = 3;
    for (int l = 0; l < 3; l++) {
        char layer[64];
        snprintf(layer, sizeof layer, "color_encoder.%d", 2 * l);
        width = add_layer(r, layer, width, 0, 1, &model->color_encoder_w[l],
                          &model->color_encoder_b[l]);
    }
    model->config.color_dim = width;
}

/* `width` as dims * (1 + 2 octaves); -1 when it is none. */
static int octaves_of(int width, int dims) {
    return width > 0 && width % dims == 0 && (width / dims - 1) % 2 == 0 ? (width / dims - 1) / 2
                                                                         : -1;
}

/* What is left of the trunk input after position, code and colour are angles and translation. */
static void split_input(reader *r, tg_vanilla_config *config, int input, int view) {
    if (r->status != TG_OK) {
        return;
    }
    const int position = 3 * (1 + 2 * config->position_octaves);
    const int pose = input - position - config->cond_out_dim - config->color_dim;
    config->view_octaves = octaves_of(view, 3);
    config->pose_octaves = pose == 0 ? 0 : octaves_of(pose, 6);
    if (config->view_octaves < 0 || config->view_octaves > 24 || config->pose_octaves < 0 ||
        config->pose_octaves > 24 || (pose != 0 && config->pose_octaves == 0)) {
        r->status =
            tg_fail(r->ctx, TG_EMODEL,
                    "%s: %smodel_coarse takes %d numbers and %d of the direction\n"
                    "  expected: %d of the position, %d of the code, %d of the head's colour, "
                    "the rest two frequency encodings\n"
                    "  try: the configuration that was stored with the weights",
                    tg_st_path(r->st), r->prefix, input, view, position, config->cond_out_dim,
                    config->color_dim);
    }
}

tg_status tg_vanilla_load(tg_context *ctx, const tg_st *st, const char *prefix,
                          const tg_vanilla_config *given, tg_vanilla **out) {
    *out = NULL;
    tg_vanilla *model = tg_calloc(sizeof *model);
    tg_params *params = tg_params_create();
    if (model == NULL || params == NULL) {
        tg_free(model);
        tg_params_destroy(&params);
        return tg_fail(ctx, TG_ENOMEM, "not enough memory for the model");
    }
    model->config = *given;
    model->config.color_dim = 0;
    model->params = params;
    reader r = {.ctx = ctx, .st = st, .prefix = prefix, .params = params};
    int input = 0, view = 0;
    add_condition(&r, model);
    add_color_encoder(&r, model);
    add_mlp(&r, "model_coarse", &model->coarse, &input, &view);
    add_mlp(&r, "model_fine", &model->fine, &input, &view);
    split_input(&r, &model->config, input, view);
    if (r.status == TG_OK) {
        r.status = tg_params_load(ctx, params, st, prefix);
    }
    if (r.status != TG_OK) {
        tg_vanilla_destroy(&model);
        return r.status;
    }
    *out = model;
    return TG_OK;
}

bool tg_vanilla_store(const tg_vanilla *model, tg_st_writer *w, const char *prefix,
                      tg_dtype dtype) {
    return tg_params_store(w, model->params, prefix, dtype);
}

void tg_vanilla_destroy(tg_vanilla **model) {
    if (model == NULL || *model == NULL) {
        return;
    }
    tg_params_destroy(&(*model)->params);
    tg_free(*model);
    *model = NULL;
}

tg_tensor *tg_vanilla_condition(tg_tape *tape, const tg_vanilla *model, tg_tensor *windows) {
    const tg_vanilla_config *config = &model->config;
    assert((windows->ndim == 3 && windows->dim[1] == config->cond_win_size &&
            (windows->dim[0] == 1 || windows->dim[0] == config->smo_win_size)) ||
           tg_tape_status(tape) != TG_OK);
    tg_tensor *codes =
        tg_condition_codes(tape, model->params, model->landmarks ? "lm_encoder" : "aud_net",
                           config->cond_win_size, windows);
    if (windows->dim[0] == 1) {
        return codes;
    }
    return tg_condition_attend(tape, model->params,
                               model->landmarks ? "lmatt_encoder" : "audatt_net", codes);
}
