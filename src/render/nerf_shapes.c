/* Sizes of the grid NeRF read from the shapes of its published tensors. */
#include "talkgen/render.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

/* Names belong to the head or the torso; the first failure stays. */
typedef struct {
    tg_context *ctx;
    const tg_st *st;
    const char *head_prefix, *torso_prefix;
    tg_status status;
} reader;

static void full_name(const reader *r, const char *name, char out[256]) {
    const bool torso = strncmp(name, "torso", 5) == 0 || strncmp(name, "head_color", 10) == 0 ||
                       strcmp(name, "density_grid_torso") == 0;
    snprintf(out, 256, "%s%s", torso ? r->torso_prefix : r->head_prefix, name);
}

static const tg_st_tensor *find(const reader *r, const char *name) {
    char full[256];
    full_name(r, name, full);
    return tg_st_find(r->st, full);
}

/* Size of axis `axis` of a tensor of `ndim` axes; 0 after a failure. */
static int size_of(reader *r, const char *name, int ndim, int axis) {
    char full[256];
    if (r->status != TG_OK) {
        return 0;
    }
    full_name(r, name, full);
    const tg_st_tensor *t = tg_st_find(r->st, full);
    if (t == NULL) {
        r->status = tg_fail(r->ctx, TG_EMODEL,
                            "%s: tensor %s is missing\n"
                            "  expected: a layer of RAD-NeRF or of GeneFace's lm3d_radnerf\n"
                            "  try: talkgen info %s to see what this file is",
                            tg_st_path(r->st), full, tg_st_path(r->st));
        return 0;
    }
    if (t->ndim != ndim || t->dim[axis] < 1 || t->dim[axis] > 1 << 24) {
        r->status =
            tg_fail(r->ctx, TG_EMODEL,
                    "%s: tensor %s has %d dimensions, number %d is %lld\n"
                    "  expected: %d dimensions of at least 1\n"
                    "  try: talkgen info %s to see what this file is",
                    tg_st_path(r->st), full, t->ndim, axis,
                    (long long)(axis < t->ndim ? t->dim[axis] : 0), ndim, tg_st_path(r->st));
        return 0;
    }
    return (int)t->dim[axis];
}

/* A bias-free perceptron NAME.net.0 .. n-1: its layers, hidden width and output. */
static void read_mlp(reader *r, const char *name, int *layers, int *hidden, int *out) {
    char layer[96];
    int n = 0;
    for (; n < TG_NERF_MAX_LAYERS; n++) {
        snprintf(layer, sizeof layer, "%s.net.%d.weight", name, n);
        if (n > 0 && find(r, layer) == NULL) {
            break;
        }
        const int width = size_of(r, layer, 2, 0);
        if (n == 0 && hidden != NULL) {
            *hidden = width;
        }
        if (out != NULL) {
            *out = width;
        }
    }
    if (layers != NULL) {
        *layers = n;
    }
}

/* Levels and table size from the stored offsets: a level that does not fit the table fills it, and
 * only then does its size tell the cap. */
static void read_grid(reader *r, const char *name, int *levels, int *log2_rows) {
    float offset[TG_GRID_MAX_LEVELS + 1];
    char full[256];
    const tg_st_tensor *t = find(r, name);
    if (r->status != TG_OK || t == NULL || t->ndim != 1 || t->dim[0] < 2 ||
        t->dim[0] > TG_GRID_MAX_LEVELS + 1) {
        return; /* the embeddings decide */
    }
    full_name(r, name, full);
    r->status = tg_st_load(r->ctx, r->st, full, 1, t->dim, offset);
    *levels = (int)t->dim[0] - 1;
    float most = 0;
    for (int l = 0; l < *levels; l++) {
        most = fmaxf(most, offset[l + 1] - offset[l]);
    }
    const int cap = most >= 8 && most <= 1 << 24 ? (int)lroundf(log2f(most)) : 0;
    if (cap > 0 && most == (float)(1 << cap)) {
        *log2_rows = cap;
    }
}

/* The published box is [-b,b] x [-b/2,b/2] x [-b,b]. */
static void read_volume(reader *r, tg_nerf_config *config) {
    char full[256];
    float box[6];
    if (find(r, "aabb_infer") != NULL && r->status == TG_OK) {
        full_name(r, "aabb_infer", full);
        r->status = tg_st_load(r->ctx, r->st, full, 1, (int64_t[]){6}, box);
        if (r->status == TG_OK) {
            config->bound = box[3];
            if (!(box[0] == -box[3] && box[4] == box[3] / 2 && box[1] == -box[4] &&
                  box[5] == box[3] && box[2] == -box[3])) {
                r->status = tg_fail(r->ctx, TG_EMODEL,
                                    "%s: tensor %s is [%g, %g, %g, %g, %g, %g]\n"
                                    "  expected: a box [-b, -b/2, -b, b, b/2, b]\n"
                                    "  try: a model trained with the published volume",
                                    tg_st_path(r->st), full, (double)box[0], (double)box[1],
                                    (double)box[2], (double)box[3], (double)box[4], (double)box[5]);
            }
        }
    }
    const tg_st_tensor *grid = find(r, "density_grid");
    if (grid != NULL && grid->ndim == 2 && grid->dim[1] >= 512 && grid->dim[1] <= 1 << 27) {
        config->grid_size = (int)lround(cbrt((double)grid->dim[1]));
    }
    /* RAD-NeRF's best files keep only the bits, those of all cascades */
    const tg_st_tensor *bits = find(r, "density_bitfield");
    if (grid == NULL && bits != NULL && bits->bytes >= 64 && bits->bytes <= (size_t)1 << 26) {
        int cascades = 1;
        while (cascades < 8 && (float)(1 << (cascades - 1)) < config->bound) {
            cascades++;
        }
        config->grid_size = (int)lround(cbrt(8 * (double)bits->bytes / cascades));
    }
}

static void read_condition(reader *r, tg_nerf_config *config) {
    config->cond_dim = size_of(r, "cond_prenet.encoder_conv.0.weight", 3, 1);
    config->cond_out_dim = size_of(r, "cond_prenet.encoder_fc1.2.weight", 2, 0);
    config->with_att = config->with_att && find(r, "cond_att_net.attentionNet.0.weight") != NULL;
    if (config->with_att) {
        config->smo_win_size = size_of(r, "cond_att_net.attentionNet.0.weight", 2, 0);
    }
}

bool tg_nerf_has_torso(const tg_st *st, const char *torso_prefix) {
    static const char *const names[] = {
        "torso_embedder.embeddings", "torso_deform_net.net.0.weight",
        "torso_canonicial_net.net.0.weight", "torso_individual_codes", "density_grid_torso"};
    char full[256];
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        snprintf(full, sizeof full, "%s%s", torso_prefix, names[i]);
        if (tg_st_find(st, full) != NULL) {
            return true;
        }
    }
    return false;
}

tg_status tg_nerf_config_from(tg_context *ctx, const tg_st *st, const char *head_prefix,
                              const char *torso_prefix, tg_nerf_config *config) {
    reader r = {ctx, st, head_prefix, torso_prefix, TG_OK};
    tg_nerf_config c = *config;
    read_condition(&r, &c);
    read_mlp(&r, "ambient_net", &c.num_layers_ambient, &c.hidden_dim_ambient, &c.ambient_out_dim);
    read_mlp(&r, "sigma_net", &c.num_layers_sigma, &c.hidden_dim_sigma, &c.geo_feat_dim);
    c.geo_feat_dim -= 1;
    read_mlp(&r, "color_net", &c.num_layers_color, &c.hidden_dim_color, NULL);
    c.individual_embedding_num = size_of(&r, "individual_embeddings", 2, 0);
    c.individual_embedding_dim = size_of(&r, "individual_embeddings", 2, 1);
    read_grid(&r, "position_embedder.offsets", &c.num_levels, &c.log2_hashmap_size);
    if (r.status == TG_OK) { /* what is left of the density network's input */
        c.eye_dim =
            size_of(&r, "sigma_net.net.0.weight", 2, 1) - 2 * c.num_levels * TG_GRID_FEATURES;
    }
    read_volume(&r, &c);
    c.torso = tg_nerf_has_torso(st, torso_prefix);
    c.torso_head_aware = c.torso && find(&r, "head_color_weights_encoder.0.weight") != NULL;
    if (c.torso) {
        int levels;
        c.torso_individual_embedding_num = size_of(&r, "torso_individual_codes", 2, 0);
        c.torso_individual_embedding_dim = size_of(&r, "torso_individual_codes", 2, 1);
        read_mlp(&r, "torso_deform_net", NULL, &c.torso_hidden_deform, NULL);
        read_mlp(&r, "torso_canonicial_net", NULL, &c.torso_hidden_canonical, NULL);
        read_grid(&r, "torso_embedder.offsets", &levels, &c.torso_log2_hashmap_size);
    }
    tg_status status = r.status;
    if (status == TG_OK) {
        status = tg_nerf_config_check(ctx, &c);
    }
    if (status == TG_OK) {
        *config = c;
    }
    return status;
}
