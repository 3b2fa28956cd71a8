#include "train/nerf_files.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* [32, cond_dim, 3]: where landmarks and gaze go in. */
static const char first_layer[] = "cond_prenet.encoder_conv.0.weight";

static bool of_torso(const char *name) {
    return strncmp(name, "torso", 5) == 0 || strncmp(name, "head_color", 10) == 0;
}

static tg_status no_memory(tg_context *ctx, const char *path) {
    return tg_fail(ctx, TG_ENOMEM, "%s: not enough memory to write it", path);
}

/* ---- state -------------------------------------------------------------------------------- */

static int64_t torso_cells(const tg_nerf *nerf) {
    return (int64_t)nerf->config.grid_size * nerf->config.grid_size;
}

tg_status tg_nerf_state_save(tg_context *ctx, const char *path, const tg_nerf *nerf,
                             const nerf_adam *adam, int64_t step, double seconds) {
    tg_st_writer *w = tg_st_writer_create();
    char number[64];
    if (!w)
        return no_memory(ctx, path);
    int64_t cells = (int64_t)nerf->cells, flat = torso_cells(nerf);
    bool good = tg_nerf_adam_store(adam, w);
    for (int i = 0; i < tg_params_count(nerf->params); i++) {
        const tg_param *p = tg_params_at(nerf->params, i);
        good = good &&
               tg_st_add_f32(w, p->name, TG_F32, p->value->ndim, p->value->dim, p->value->data);
    }
    good = good && tg_st_add_f32(w, "density_grid", TG_F32, 1, &cells, nerf->density_grid);
    if (nerf->density_grid_torso)
        good = good &&
               tg_st_add_f32(w, "density_grid_torso", TG_F32, 1, &flat, nerf->density_grid_torso);
    snprintf(number, sizeof(number), "%lld", (long long)step);
    good = good && tg_st_add_meta(w, "step", number);
    snprintf(number, sizeof(number), "%lld", (long long)tg_nerf_adam_steps(adam));
    good = good && tg_st_add_meta(w, "adam_steps", number);
    snprintf(number, sizeof(number), "%.3f", seconds);
    good = good && tg_st_add_meta(w, "seconds", number);
    tg_status status = good ? tg_st_write(ctx, w, path) : no_memory(ctx, path);
    tg_st_writer_destroy(&w);
    return status;
}

static double meta_number(const tg_st *st, const char *key) {
    const char *text = tg_st_meta(st, key);
    return text ? strtod(text, NULL) : NAN;
}

tg_status tg_nerf_state_load(tg_context *ctx, const char *path, tg_nerf *nerf, nerf_adam *adam,
                             int64_t *step, double *seconds) {
    tg_st *st = NULL;
    tg_status status = tg_st_open(ctx, path, &st);
    if (status != TG_OK)
        return status;
    const tg_st_tensor *first = tg_st_find(st, first_layer);
    if (first && first->ndim == 3 && first->dim[1] != nerf->config.cond_dim)
        status = tg_fail(ctx, TG_EINPUT,
                         "%s: it began with %lld numbers for a frame, the recording has %d\n"
                         "  expected: the recording as it was, with gaze.npy or without\n"
                         "  try: another --work, and --init with the head.safetensors of this one",
                         path, (long long)first->dim[1], nerf->config.cond_dim);
    for (int i = 0; i < tg_params_count(nerf->params) && status == TG_OK; i++) {
        const tg_param *p = tg_params_at(nerf->params, i);
        status = tg_st_load(ctx, st, p->name, p->value->ndim, p->value->dim, p->value->data);
    }
    int64_t cells = (int64_t)nerf->cells, flat = torso_cells(nerf);
    if (status == TG_OK)
        status = tg_st_load(ctx, st, "density_grid", 1, &cells, nerf->density_grid);
    if (status == TG_OK && nerf->density_grid_torso)
        status = tg_st_load(ctx, st, "density_grid_torso", 1, &flat, nerf->density_grid_torso);
    double at = meta_number(st, "step"), adam_steps = meta_number(st, "adam_steps");
    *seconds = meta_number(st, "seconds");
    if (status == TG_OK && !(at >= 0 && at < 1e15 && adam_steps >= 0 && adam_steps < 1e15 &&
                             *seconds >= 0 && *seconds < 1e12))
        status = tg_fail(ctx, TG_EMODEL,
                         "%s: no step and time in it\n  expected: a training state\n"
                         "  try: removing it to start afresh",
                         path);
    if (status == TG_OK) {
        *step = (int64_t)at;
        status = tg_nerf_adam_load(ctx, adam, st, (int64_t)adam_steps);
    }
    tg_st_close(&st);
    return status;
}

/* ---- models --------------------------------------------------------------------------------- */

static const char *prefix_of(bool torso) {
    return torso ? "render.torso." : "render.head.";
}

static bool add_half(tg_st_writer *w, const tg_nerf *nerf, bool torso) {
    char name[256];
    bool good = true;
    for (int i = 0; i < tg_params_count(nerf->params); i++) {
        const tg_param *p = tg_params_at(nerf->params, i);
        if (of_torso(p->name) != torso)
            continue;
        snprintf(name, sizeof(name), "%s%s", prefix_of(torso), p->name);
        /* float16: 2^-11 of a value, far below what training noise moves */
        good =
            good && tg_st_add_f32(w, name, TG_F16, p->value->ndim, p->value->dim, p->value->data);
    }
    int64_t bytes = (int64_t)nerf->bitfield_bytes, flat = torso_cells(nerf);
    snprintf(name, sizeof(name), "%s%s", prefix_of(torso),
             torso ? "density_grid_torso" : "density_bitfield");
    if (torso)
        return good && tg_st_add_f32(w, name, TG_F32, 1, &flat, nerf->density_grid_torso);
    return good && tg_st_add_raw(w, name, TG_U8, 1, &bytes, nerf->bitfield);
}

tg_status tg_nerf_model_save(tg_context *ctx, const char *path, const tg_nerf *nerf, bool torso) {
    tg_st_writer *w = tg_st_writer_create();
    tg_json *config = tg_json_new_object();
    char *text = NULL;
    if (config) {
        tg_nerf_config_write(&nerf->config, config);
        text = tg_json_print(config, false);
    }
    bool good = w && text && add_half(w, nerf, torso) && tg_st_add_meta(w, "talkgen.config", text);
    tg_status status = good ? tg_st_write(ctx, w, path) : no_memory(ctx, path);
    tg_free(text);
    tg_json_destroy(&config);
    tg_st_writer_destroy(&w);
    return status;
}

/* The first layer of a head that saw less of a frame: what it did not see weighs nothing. */
static tg_status load_widened(tg_context *ctx, const tg_st *st, const char *name,
                              const tg_st_tensor *from, tg_tensor *to) {
    const int64_t rows = from->dim[0], taps = from->dim[2];
    const int64_t narrow = from->dim[1] * taps, wide = to->dim[1] * taps;
    float *x = tg_alloc((size_t)(rows * narrow) * sizeof *x);
    if (!x)
        return tg_fail(ctx, TG_ENOMEM, "%s: out of memory", tg_st_path(st));
    tg_status status = tg_st_load(ctx, st, name, 3, from->dim, x);
    for (int64_t r = 0; status == TG_OK && r < rows; r++) {
        memset(to->data + r * wide, 0, (size_t)wide * sizeof *to->data);
        memcpy(to->data + r * wide, x + r * narrow, (size_t)narrow * sizeof *x);
    }
    tg_free(x);
    return status;
}

tg_status tg_nerf_model_warm(tg_context *ctx, const char *path, tg_nerf *nerf, bool torso) {
    tg_st *st = NULL;
    tg_status status = tg_st_open(ctx, path, &st);
    if (status != TG_OK)
        return status;
    for (int i = 0; i < tg_params_count(nerf->params) && status == TG_OK; i++) {
        const tg_param *p = tg_params_at(nerf->params, i);
        if (of_torso(p->name) != torso || p->value == nerf->individual_embeddings ||
            p->value == nerf->torso_codes)
            continue;
        char name[256];
        snprintf(name, sizeof(name), "%s%s", prefix_of(torso), p->name);
        const tg_st_tensor *t = tg_st_find(st, name);
        const int64_t *dim = p->value->dim;
        if (t && strcmp(p->name, first_layer) == 0 && t->ndim == 3 && t->dim[0] == dim[0] &&
            t->dim[1] >= 1 && t->dim[1] < dim[1] && t->dim[2] == dim[2])
            status = load_widened(ctx, st, name, t, p->value);
        else
            status = tg_st_load(ctx, st, name, p->value->ndim, dim, p->value->data);
    }
    tg_st_close(&st);
    return status;
}

/* All tensors of one model file; its configuration is merged into config by the caller. */
static tg_status copy_model(tg_context *ctx, const char *path, tg_st_writer *w,
                            tg_nerf_config *config) {
    tg_st *st = NULL;
    tg_json *json = NULL;
    tg_status status = tg_st_open(ctx, path, &st);
    if (status != TG_OK)
        return status;
    for (int i = 0; i < tg_st_count(st) && status == TG_OK; i++) {
        const tg_st_tensor *t = tg_st_at(st, i);
        if (!tg_st_add_raw(w, t->name, t->dtype, t->ndim, t->dim, t->data))
            status = no_memory(ctx, path);
    }
    const char *text = tg_st_meta(st, "talkgen.config");
    if (status == TG_OK && !text)
        status = tg_fail(ctx, TG_EMODEL,
                         "%s: no talkgen.config in it\n  expected: a model that talkgen trained\n"
                         "  try: the file in the training's state directory",
                         path);
    if (status == TG_OK)
        status = tg_json_parse(ctx, text, strlen(text), path, &json);
    if (status == TG_OK)
        status = tg_nerf_config_read(ctx, json, config);
    tg_json_destroy(&json);
    tg_st_close(&st);
    return status;
}

int tg_nerf_train_resolution(const tg_dataset *dataset) {
    const int side = dataset->width > dataset->height ? dataset->width : dataset->height;
    return side <= 256 ? 512 : side >= 1024 ? 2048 : 2 * side;
}

tg_status tg_train_export_nerf(tg_context *ctx, const char *head, const char *torso,
                               tg_st_writer *writer, tg_json *config) {
    tg_nerf_config of_head = tg_nerf_config_defaults(), both;
    tg_status status = copy_model(ctx, head, writer, &of_head);
    both = of_head;
    if (status == TG_OK && torso) {
        tg_nerf_config torso_config = tg_nerf_config_defaults();
        status = copy_model(ctx, torso, writer, &torso_config);
        if (status == TG_OK && (torso_config.num_levels != of_head.num_levels ||
                                torso_config.base_resolution != of_head.base_resolution ||
                                torso_config.desired_resolution != of_head.desired_resolution ||
                                torso_config.grid_size != of_head.grid_size))
            status = tg_fail(ctx, TG_EMODEL,
                             "%s: its grids differ in resolution from those of %s\n"
                             "  expected: head and torso of one configuration\n"
                             "  try: training the torso again",
                             torso, head);
        both.torso = true;
        both.torso_head_aware = false;
        both.torso_individual_embedding_num = torso_config.torso_individual_embedding_num;
        both.torso_individual_embedding_dim = torso_config.torso_individual_embedding_dim;
        both.torso_log2_hashmap_size = torso_config.torso_log2_hashmap_size;
        both.torso_hidden_deform = torso_config.torso_hidden_deform;
        both.torso_hidden_canonical = torso_config.torso_hidden_canonical;
        both.torso_shrink = torso_config.torso_shrink;
        both.density_thresh_torso = torso_config.density_thresh_torso;
        both.mean_density_torso = torso_config.mean_density_torso;
    }
    if (status == TG_OK)
        tg_nerf_config_write(&both, config);
    return status;
}
