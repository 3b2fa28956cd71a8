/* Hyper-parameters of the grid NeRF: defaults, JSON and limits. */
#include "talkgen/render.h"

#include <stddef.h>
#include <string.h>

tg_nerf_config tg_nerf_config_defaults(void) {
    return (tg_nerf_config){
        .cond_dim = 204,
        .cond_win_size = 1,
        .smo_win_size = 5,
        .cond_out_dim = 64,
        .with_att = true,
        .hidden_dim_ambient = 128,
        .num_layers_ambient = 3,
        .ambient_out_dim = 2,
        .hidden_dim_sigma = 128,
        .num_layers_sigma = 3,
        .geo_feat_dim = 128,
        .hidden_dim_color = 128,
        .num_layers_color = 2,
        .individual_embedding_num = 13000,
        .individual_embedding_dim = 4,
        .num_levels = 16,
        .base_resolution = 16,
        .desired_resolution = 2048,
        .log2_hashmap_size = 16,
        .bound = 1.0f,
        .grid_size = 128,
        .max_steps = 16,
        .dt_gamma = 1.0f / 256.0f,
        .min_near = 0.05f,
        .density_thresh = 10.0f,
        .T_thresh = 1e-4f,
        .camera_scale = 4.0f,
        .torso_individual_embedding_num = 13000,
        .torso_individual_embedding_dim = 8,
        .torso_log2_hashmap_size = 16,
        .torso_hidden_deform = 64,
        .torso_hidden_canonical = 32,
        .torso_shrink = 0.8f,
        .density_thresh_torso = 0.01f,
    };
}

/* One row per number: its key, where it lives, and what is sane. */
typedef struct {
    const char *key;
    size_t at;
    char type; /* 'i', 'f' or 'b' */
    double low, high;
} field;

#define INT(name, low, high)                                                                       \
    { #name, offsetof(tg_nerf_config, name), 'i', low, high }
#define FLOAT(name, low, high)                                                                     \
    { #name, offsetof(tg_nerf_config, name), 'f', low, high }
#define BOOL(name)                                                                                 \
    { #name, offsetof(tg_nerf_config, name), 'b', 0, 1 }

static const field fields[] = {
    INT(cond_dim, 1, 4096),
    INT(cond_win_size, 1, 16),
    INT(smo_win_size, 1, 64),
    INT(cond_out_dim, 1, 1024),
    BOOL(with_att),
    INT(hidden_dim_ambient, 1, 512),
    INT(num_layers_ambient, 2, TG_NERF_MAX_LAYERS),
    INT(ambient_out_dim, 2, 3),
    INT(hidden_dim_sigma, 1, 512),
    INT(num_layers_sigma, 2, TG_NERF_MAX_LAYERS),
    INT(geo_feat_dim, 1, 512),
    INT(hidden_dim_color, 1, 512),
    INT(num_layers_color, 2, TG_NERF_MAX_LAYERS),
    INT(individual_embedding_num, 1, 1 << 24),
    INT(individual_embedding_dim, 1, 64),
    INT(eye_dim, 0, 1),
    INT(num_levels, 1, TG_GRID_MAX_LEVELS),
    INT(base_resolution, 1, 1024),
    INT(desired_resolution, 1, 1 << 16),
    INT(log2_hashmap_size, 3, 24),
    FLOAT(bound, 0.0625, 64),
    INT(grid_size, 8, 512),
    INT(max_steps, 1, 4096),
    FLOAT(dt_gamma, 0, 1),
    FLOAT(min_near, 0, 1e6),
    FLOAT(density_thresh, 0, 1e9),
    FLOAT(T_thresh, 0, 1),
    FLOAT(camera_scale, 1e-6, 1e6),
    BOOL(torso),
    BOOL(torso_head_aware),
    INT(torso_individual_embedding_num, 1, 1 << 24),
    INT(torso_individual_embedding_dim, 1, 64),
    INT(torso_log2_hashmap_size, 3, 24),
    INT(torso_hidden_deform, 1, 512),
    INT(torso_hidden_canonical, 1, 512),
    FLOAT(torso_shrink, 1e-3, 10),
    FLOAT(density_thresh_torso, 0, 1e9),
    FLOAT(mean_density_torso, 0, 1e9),
};
enum { FIELDS = sizeof fields / sizeof fields[0] };

static double field_value(const tg_nerf_config *config, const field *f) {
    const char *at = (const char *)config + f->at;
    int i;
    float x;
    bool b;
    switch (f->type) {
    case 'i':
        memcpy(&i, at, sizeof i);
        return i;
    case 'f':
        memcpy(&x, at, sizeof x);
        return (double)x;
    default:
        memcpy(&b, at, sizeof b);
        return b;
    }
}

tg_status tg_nerf_config_check(tg_context *ctx, const tg_nerf_config *config) {
    for (int i = 0; i < FIELDS; i++) {
        const double value = field_value(config, &fields[i]);
        if (!(value >= fields[i].low && value <= fields[i].high)) {
            return tg_fail(ctx, TG_EMODEL,
                           "model configuration: %s is %g\n  expected: %g to %g\n"
                           "  try: the configuration that was stored with the weights",
                           fields[i].key, value, fields[i].low, fields[i].high);
        }
    }
    const float smaller = config->bound < 1.0f ? config->bound : 1.0f;
    if ((float)config->desired_resolution * smaller < (float)config->base_resolution) {
        return tg_fail(ctx, TG_EMODEL,
                       "model configuration: desired_resolution is %d with bound %g\n"
                       "  expected: at least base_resolution, %d\n"
                       "  try: the configuration that was stored with the weights",
                       config->desired_resolution, (double)config->bound, config->base_resolution);
    }
    const int size = config->grid_size;
    if ((size & (size - 1)) != 0) {
        return tg_fail(ctx, TG_EMODEL,
                       "model configuration: grid_size is %d\n  expected: a power of two\n"
                       "  try: 128, the published value",
                       size);
    }
    const int win = config->cond_win_size;
    if (win != 1 && win != 2 && win != 3 && win != 4 && win != 5 && win != 8 && win != 16) {
        return tg_fail(ctx, TG_EMODEL,
                       "model configuration: cond_win_size is %d\n"
                       "  expected: 1, 2, 3, 4, 5, 8 or 16\n  try: 1 for landmarks, 16 for audio",
                       win);
    }
    return TG_OK;
}

tg_status tg_nerf_config_read(tg_context *ctx, const tg_json *object, tg_nerf_config *config) {
    const char *kind = tg_json_string(tg_json_get(object, "cond_type"), "");
    if (strcmp(kind, "deepspeech") == 0) {
        config->cond_dim = 29;
    } else if (strcmp(kind, "esperanto") == 0) {
        config->cond_dim = 44;
    } else if (strcmp(kind, "idexp_lm3d_normalized") == 0) {
        config->cond_dim = 204;
    }
    for (int i = 0; i < FIELDS; i++) {
        const tg_json *value = tg_json_get(object, fields[i].key);
        if (value == NULL) {
            continue;
        }
        char *at = (char *)config + fields[i].at;
        if (fields[i].type == 'b') {
            bool now;
            memcpy(&now, at, sizeof now);
            now = tg_json_bool(value, now);
            memcpy(at, &now, sizeof now);
            continue;
        }
        const double number = tg_json_number(value, -1e300);
        if (!(number >= fields[i].low && number <= fields[i].high)) {
            return tg_fail(ctx, TG_EMODEL,
                           "model configuration: %s is out of range or no number\n"
                           "  expected: %g to %g\n"
                           "  try: the configuration that was stored with the weights",
                           fields[i].key, fields[i].low, fields[i].high);
        }
        if (fields[i].type == 'i') {
            const int now = (int)number;
            memcpy(at, &now, sizeof now);
        } else {
            const float now = (float)number;
            memcpy(at, &now, sizeof now);
        }
    }
    const tg_json *offset = tg_json_get(object, "camera_offset");
    for (int a = 0; a < 3 && a < tg_json_count(offset); a++) {
        config->camera_offset[a] = (float)tg_json_number(tg_json_at(offset, a), 0);
    }
    const char *grid = tg_json_string(tg_json_get(object, "grid_type"),
                                      config->grid_hash ? "hashgrid" : "tiledgrid");
    config->grid_hash = strcmp(grid, "hashgrid") == 0;
    const char *interpolation = tg_json_string(tg_json_get(object, "grid_interpolation_type"),
                                               config->grid_smoothstep ? "smoothstep" : "linear");
    config->grid_smoothstep = strcmp(interpolation, "smoothstep") == 0;
    if ((!config->grid_hash && strcmp(grid, "tiledgrid") != 0) ||
        (!config->grid_smoothstep && strcmp(interpolation, "linear") != 0)) {
        return tg_fail(ctx, TG_EMODEL,
                       "model configuration: grid_type \"%s\", grid_interpolation_type \"%s\"\n"
                       "  expected: \"tiledgrid\" or \"hashgrid\", \"linear\" or \"smoothstep\"\n"
                       "  try: the configuration that was stored with the weights",
                       grid, interpolation);
    }
    return tg_nerf_config_check(ctx, config);
}

void tg_nerf_config_write(const tg_nerf_config *config, tg_json *object) {
    for (int i = 0; i < FIELDS; i++) {
        const double value = field_value(config, &fields[i]);
        if (fields[i].type == 'b') {
            tg_json_set_bool(object, fields[i].key, value != 0);
        } else {
            tg_json_set_number(object, fields[i].key, value);
        }
    }
    tg_json *offset = tg_json_set_array(object, "camera_offset");
    for (int a = 0; a < 3; a++) {
        tg_json_set_number(offset, NULL, (double)config->camera_offset[a]);
    }
    tg_json_set_string(object, "grid_type", config->grid_hash ? "hashgrid" : "tiledgrid");
    tg_json_set_string(object, "grid_interpolation_type",
                       config->grid_smoothstep ? "smoothstep" : "linear");
}
