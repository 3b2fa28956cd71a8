/* The model: which parameters it has, under which published names, and how they are created, loaded
 * and stored. */
#include "talkgen/render.h"

#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

/* Registers parameters one after the other and remembers whether one failed. */
typedef struct {
    tg_nerf *nerf;
    bool failed;
} builder;

static tg_tensor *add(builder *b, tg_init init, float lr_scale, const int64_t *dim, int ndim,
                      const char *format, ...) __attribute__((format(printf, 6, 7)));

static tg_tensor *add(builder *b, tg_init init, float lr_scale, const int64_t *dim, int ndim,
                      const char *format, ...) {
    char name[128];
    va_list args;
    va_start(args, format);
    vsnprintf(name, sizeof name, format, args);
    va_end(args);
    tg_tensor *t = tg_params_add(b->nerf->params, name, ndim, dim, init);
    if (t == NULL) {
        b->failed = true;
        return NULL;
    }
    tg_params_find(b->nerf->params, name)->lr_scale = lr_scale;
    return t;
}

static void add_mlp(builder *b, const char *name, int in, int hidden, int out, int layers,
                    tg_tensor **weights) {
    for (int l = 0; l < layers; l++) {
        const int64_t i = l == 0 ? in : hidden, o = l == layers - 1 ? out : hidden;
        weights[l] =
            add(b, tg_init_fan_in(i), 1, (int64_t[]){o, i}, 2, "%s.net.%d.weight", name, l);
    }
}

static void add_conv(builder *b, const char *name, int in, int out, float lr_scale) {
    const tg_init init = tg_init_fan_in(3 * (int64_t)in);
    add(b, init, lr_scale, (int64_t[]){out, in, 3}, 3, "%s.weight", name);
    add(b, init, lr_scale, (int64_t[]){out}, 1, "%s.bias", name);
}

static void add_linear(builder *b, const char *name, int in, int out, float lr_scale,
                       tg_tensor **weight, tg_tensor **bias) {
    const tg_init init = tg_init_fan_in(in);
    tg_tensor *w = add(b, init, lr_scale, (int64_t[]){out, in}, 2, "%s.weight", name);
    tg_tensor *c = add(b, init, lr_scale, (int64_t[]){out}, 1, "%s.bias", name);
    if (weight != NULL) {
        *weight = w;
        *bias = c;
    }
}

static tg_tensor *add_grid(builder *b, const char *name, const tg_grid *grid) {
    const tg_init init = {TG_INIT_UNIFORM, 1e-4f};
    const int64_t dim[2] = {grid->offset[grid->levels], TG_GRID_FEATURES};
    return add(b, init, 10, dim, 2, "%s.embeddings", name);
}

static void add_condition(builder *b, const tg_nerf_config *config) {
    add_conv(b, "cond_prenet.encoder_conv.0", config->cond_dim, 32, 1);
    add_conv(b, "cond_prenet.encoder_conv.2", 32, 32, 1);
    add_conv(b, "cond_prenet.encoder_conv.4", 32, 64, 1);
    add_conv(b, "cond_prenet.encoder_conv.6", 64, 64, 1);
    add_linear(b, "cond_prenet.encoder_fc1.0", 64, 64, 1, NULL, NULL);
    add_linear(b, "cond_prenet.encoder_fc1.2", 64, config->cond_out_dim, 1, NULL, NULL);
    if (config->with_att) {
        static const int width[6] = {0, 16, 8, 4, 2, 1};
        for (int l = 0; l < 5; l++) {
            char name[64];
            snprintf(name, sizeof name, "cond_att_net.attentionConvNet.%d", 2 * l);
            add_conv(b, name, l == 0 ? config->cond_out_dim : width[l], width[l + 1], 5);
        }
        const int s = config->smo_win_size;
        add_linear(b, "cond_att_net.attentionNet.0", s, s, 5, NULL, NULL);
    }
}

static void add_head(builder *b, const tg_nerf_config *config) {
    tg_nerf *nerf = b->nerf;
    const int grid = config->num_levels * TG_GRID_FEATURES;
    nerf->position_embeddings = add_grid(b, "position_embedder", &nerf->position_grid);
    nerf->ambient_embeddings = add_grid(b, "ambient_embedder", &nerf->ambient_grid);
    add_mlp(b, "ambient_net", grid + config->cond_out_dim, config->hidden_dim_ambient,
            config->ambient_out_dim, config->num_layers_ambient, nerf->ambient_net);
    add_mlp(b, "sigma_net", 2 * grid + config->eye_dim, config->hidden_dim_sigma,
            1 + config->geo_feat_dim, config->num_layers_sigma, nerf->sigma_net);
    add_mlp(b, "color_net", 16 + config->geo_feat_dim + config->individual_embedding_dim,
            config->hidden_dim_color, 3, config->num_layers_color, nerf->color_net);
    nerf->individual_embeddings =
        add(b, (tg_init){TG_INIT_NORMAL, 0.1f}, 1,
            (int64_t[]){config->individual_embedding_num, config->individual_embedding_dim}, 2,
            "individual_embeddings");
}

static void add_torso(builder *b, const tg_nerf_config *config) {
    tg_nerf *nerf = b->nerf;
    const int features =
        42 + 54 + config->torso_individual_embedding_dim + (config->torso_head_aware ? 16 : 0);
    const int grid = config->num_levels * TG_GRID_FEATURES;
    nerf->torso_embeddings = add_grid(b, "torso_embedder", &nerf->torso_grid);
    add_mlp(b, "torso_deform_net", features, config->torso_hidden_deform, 2, 3,
            nerf->torso_deform_net);
    add_mlp(b, "torso_canonicial_net", grid + features, config->torso_hidden_canonical, 4, 3,
            nerf->torso_canonical_net);
    nerf->torso_codes = add(
        b, (tg_init){TG_INIT_NORMAL, 0.1f}, 1,
        (int64_t[]){config->torso_individual_embedding_num, config->torso_individual_embedding_dim},
        2, "torso_individual_codes");
    if (config->torso_head_aware) {
        static const int width[4] = {4, 16, 32, 16};
        for (int l = 0; l < 3; l++) {
            char name[64];
            snprintf(name, sizeof name, "head_color_weights_encoder.%d", 2 * l);
            add_linear(b, name, width[l], width[l + 1], 1, &nerf->head_encoder_w[l],
                       &nerf->head_encoder_b[l]);
        }
    }
}

/* A model with all its memory; parameters and occupancy zero. */
static tg_status allocate(tg_context *ctx, const tg_nerf_config *config, tg_nerf **out) {
    *out = NULL;
    const tg_status status = tg_nerf_config_check(ctx, config);
    if (status != TG_OK) {
        return status;
    }
    tg_nerf *nerf = tg_calloc(sizeof *nerf);
    if (nerf == NULL) {
        return tg_fail(ctx, TG_ENOMEM, "not enough memory for the model");
    }
    nerf->config = *config;
    nerf->params = tg_params_create();
    const float b = config->bound;
    const float aabb[6] = {-b, -b / 2, -b, b, b / 2, b};
    memcpy(nerf->aabb, aabb, sizeof aabb);
    nerf->cascades = 1;
    while ((float)(1 << (nerf->cascades - 1)) < b) {
        nerf->cascades++;
    }
    const int levels = config->num_levels, base = config->base_resolution,
              finest = config->desired_resolution;
    const bool hash = config->grid_hash, smooth = config->grid_smoothstep;
    /* the published head keeps the cell size when the box grows */
    tg_grid_init(&nerf->position_grid, 3, levels, base, (int)((float)finest * b),
                 config->log2_hashmap_size, hash, smooth);
    tg_grid_init(&nerf->ambient_grid, config->ambient_out_dim, levels, base, finest,
                 config->log2_hashmap_size, hash, smooth);
    tg_grid_init(&nerf->torso_grid, 2, levels, base, finest, config->torso_log2_hashmap_size, false,
                 false);
    const size_t size = (size_t)config->grid_size;
    nerf->cells = (size_t)nerf->cascades * size * size * size;
    nerf->bitfield_bytes = nerf->cells / 8;
    nerf->density_grid = tg_calloc(nerf->cells * sizeof(float));
    nerf->bitfield = tg_calloc(nerf->bitfield_bytes);
    builder build = {nerf,
                     nerf->params == NULL || nerf->density_grid == NULL || nerf->bitfield == NULL};
    if (!build.failed) {
        add_condition(&build, config);
        add_head(&build, config);
    }
    if (!build.failed && config->torso) {
        nerf->density_grid_torso = tg_calloc(size * size * sizeof(float));
        build.failed = nerf->density_grid_torso == NULL;
        add_torso(&build, config);
    }
    if (build.failed) {
        tg_nerf_destroy(&nerf);
        return tg_fail(ctx, TG_ENOMEM, "not enough memory for the model");
    }
    *out = nerf;
    return TG_OK;
}

tg_status tg_nerf_create(tg_context *ctx, const tg_nerf_config *config, uint64_t seed,
                         tg_nerf **out) {
    const tg_status status = allocate(ctx, config, out);
    if (status != TG_OK) {
        return status;
    }
    tg_nerf *nerf = *out;
    tg_params_init(nerf->params, seed);
    memset(nerf->bitfield, 0xff, nerf->bitfield_bytes);
    for (size_t i = 0; config->torso && i < (size_t)config->grid_size * config->grid_size; i++) {
        nerf->density_grid_torso[i] = 1.0f;
    }
    return TG_OK;
}

void tg_nerf_destroy(tg_nerf **nerf) {
    if (nerf == NULL || *nerf == NULL) {
        return;
    }
    tg_params_destroy(&(*nerf)->params);
    tg_free((*nerf)->density_grid);
    tg_free((*nerf)->bitfield);
    tg_free((*nerf)->density_grid_torso);
    tg_free(*nerf);
    *nerf = NULL;
}

static bool of_torso(const char *name) {
    return strncmp(name, "torso", 5) == 0 || strncmp(name, "head_color", 10) == 0 ||
           strcmp(name, "density_grid_torso") == 0;
}

enum { NAME_SIZE = 256 };

static const char *full_name(char buffer[NAME_SIZE], const char *head_prefix,
                             const char *torso_prefix, const char *name) {
    snprintf(buffer, NAME_SIZE, "%s%s", of_torso(name) ? torso_prefix : head_prefix, name);
    return buffer;
}

static const tg_st_tensor *find(const tg_st *st, const char *head_prefix, const char *torso_prefix,
                                const char *name) {
    char buffer[NAME_SIZE];
    return tg_st_find(st, full_name(buffer, head_prefix, torso_prefix, name));
}

static tg_status check_offsets(tg_context *ctx, const tg_st *st, const char *name,
                               const tg_grid *grid) {
    const tg_st_tensor *t = tg_st_find(st, name);
    if (t == NULL) {
        return TG_OK;
    }
    float offset[TG_GRID_MAX_LEVELS + 1];
    const int64_t dim = grid->levels + 1;
    const tg_status status = tg_st_load(ctx, st, name, 1, &dim, offset);
    for (int l = 0; status == TG_OK && l <= grid->levels; l++) {
        if (offset[l] != (float)grid->offset[l]) {
            return tg_fail(ctx, TG_EMODEL,
                           "%s: %s[%d] is %.0f\n  expected: %u for this configuration\n"
                           "  try: the resolution and table size that the model was trained with",
                           tg_st_path(st), name, l, (double)offset[l], grid->offset[l]);
        }
    }
    return status;
}

static tg_status load_occupancy(tg_context *ctx, const tg_st *st, const char *head_prefix,
                                const char *torso_prefix, tg_nerf *nerf) {
    char name[NAME_SIZE];
    const tg_st_tensor *grid = find(st, head_prefix, torso_prefix, "density_grid");
    const tg_st_tensor *bits = find(st, head_prefix, torso_prefix, "density_bitfield");
    tg_status status = TG_OK;
    if (grid != NULL) {
        const int64_t dim[2] = {nerf->cascades, (int64_t)nerf->cells / nerf->cascades};
        full_name(name, head_prefix, torso_prefix, "density_grid");
        status = tg_st_load(ctx, st, name, 2, dim, nerf->density_grid);
    }
    if (status == TG_OK && bits != NULL) {
        if (bits->bytes != nerf->bitfield_bytes || bits->dtype != TG_U8) {
            return tg_fail(ctx, TG_EMODEL,
                           "%s: %sdensity_bitfield is %s with %zu bytes\n"
                           "  expected: U8 with %zu bytes for grid_size %d\n"
                           "  try: the configuration that was stored with the weights",
                           tg_st_path(st), head_prefix, tg_dtype_name(bits->dtype), bits->bytes,
                           nerf->bitfield_bytes, nerf->config.grid_size);
        }
        memcpy(nerf->bitfield, bits->data, bits->bytes);
    } else if (status == TG_OK && grid != NULL) {
        tg_nerf_pack_occupancy(nerf);
    } else if (status == TG_OK) {
        return tg_fail(ctx, TG_EMODEL,
                       "%s: no tensor %sdensity_bitfield or %sdensity_grid\n"
                       "  expected: the occupancy of the volume\n"
                       "  try: a checkpoint saved after the first refresh of the grid",
                       tg_st_path(st), head_prefix, head_prefix);
    }
    if (status == TG_OK && nerf->config.torso) {
        const int64_t cells = (int64_t)nerf->config.grid_size * nerf->config.grid_size;
        full_name(name, head_prefix, torso_prefix, "density_grid_torso");
        status = tg_st_load(ctx, st, name, 1, &cells, nerf->density_grid_torso);
    }
    return status;
}

static void codes_from_file(const tg_st_tensor *t, int *number) {
    if (t != NULL && t->ndim == 2 && t->dim[0] >= 1 && t->dim[0] <= 1 << 24) {
        *number = (int)t->dim[0];
    }
}

tg_status tg_nerf_load(tg_context *ctx, const tg_st *st, const char *head_prefix,
                       const char *torso_prefix, const tg_nerf_config *given, tg_nerf **out) {
    tg_nerf_config config = *given;
    codes_from_file(find(st, head_prefix, torso_prefix, "individual_embeddings"),
                    &config.individual_embedding_num);
    codes_from_file(find(st, head_prefix, torso_prefix, "torso_individual_codes"),
                    &config.torso_individual_embedding_num);
    config.torso = tg_nerf_has_torso(st, torso_prefix);
    config.torso_head_aware = config.torso && find(st, head_prefix, torso_prefix,
                                                   "head_color_weights_encoder.0.weight") != NULL;
    tg_status status = allocate(ctx, &config, out);
    if (status != TG_OK) {
        return status;
    }
    tg_nerf *nerf = *out;
    char name[NAME_SIZE];
    for (int i = 0; status == TG_OK && i < tg_params_count(nerf->params); i++) {
        const tg_param *p = tg_params_at(nerf->params, i);
        full_name(name, head_prefix, torso_prefix, p->name);
        status = tg_st_load(ctx, st, name, p->value->ndim, p->value->dim, p->value->data);
    }
    const struct {
        const char *name;
        const tg_grid *grid;
    } grids[3] = {{"position_embedder.offsets", &nerf->position_grid},
                  {"ambient_embedder.offsets", &nerf->ambient_grid},
                  {"torso_embedder.offsets", &nerf->torso_grid}};
    for (int i = 0; status == TG_OK && i < 3; i++) {
        full_name(name, head_prefix, torso_prefix, grids[i].name);
        status = check_offsets(ctx, st, name, grids[i].grid);
    }
    if (status == TG_OK) {
        status = load_occupancy(ctx, st, head_prefix, torso_prefix, nerf);
    }
    if (status != TG_OK) {
        tg_nerf_destroy(out);
    }
    return status;
}

bool tg_nerf_store(const tg_nerf *nerf, tg_st_writer *w, const char *head_prefix,
                   const char *torso_prefix, tg_dtype dtype, bool with_grid, int codes) {
    char name[NAME_SIZE];
    bool ok = true;
    for (int i = 0; ok && i < tg_params_count(nerf->params); i++) {
        const tg_param *p = tg_params_at(nerf->params, i);
        int64_t dim[TG_MAX_DIMS];
        memcpy(dim, p->value->dim, sizeof dim);
        if ((p->value == nerf->individual_embeddings || p->value == nerf->torso_codes) &&
            codes > 0 && codes < dim[0]) {
            dim[0] = codes;
        }
        full_name(name, head_prefix, torso_prefix, p->name);
        ok = tg_st_add_f32(w, name, dtype, p->value->ndim, dim, p->value->data);
    }
    if (ok && with_grid) {
        const int64_t dim[2] = {nerf->cascades, (int64_t)nerf->cells / nerf->cascades};
        full_name(name, head_prefix, torso_prefix, "density_grid");
        ok = tg_st_add_f32(w, name, TG_F32, 2, dim, nerf->density_grid);
    }
    const int64_t bytes = (int64_t)nerf->bitfield_bytes;
    full_name(name, head_prefix, torso_prefix, "density_bitfield");
    ok = ok && tg_st_add_raw(w, name, TG_U8, 1, &bytes, nerf->bitfield);
    if (nerf->config.torso) {
        const int64_t cells = (int64_t)nerf->config.grid_size * nerf->config.grid_size;
        full_name(name, head_prefix, torso_prefix, "density_grid_torso");
        ok = ok && tg_st_add_f32(w, name, TG_F32, 1, &cells, nerf->density_grid_torso);
    }
    return ok;
}
