/* Golden cases of the grid NeRF: encoders, cameras, head and torso, and whole pictures with
 * GeneFace's marching schedule. Networks and pictures run at every CPU level of this machine, in
 * float32. */
#include "golden.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "../src/render/frame.h"

/* ---- encoders ---- */

static tg_status grid_encoder(golden_case *c) {
    static const char *const kinds[2] = {"tiled", "hash"}, *const shapes[2] = {"linear",
                                                                               "smoothstep"};
    const int levels = (int)tg_json_number(tg_json_get(c->config, "num_levels"), 0);
    const int base = (int)tg_json_number(tg_json_get(c->config, "base_resolution"), 0);
    const int finest = (int)tg_json_number(tg_json_get(c->config, "desired_resolution"), 0);
    const int log2_rows = (int)tg_json_number(tg_json_get(c->config, "log2_hashmap_size"), 0);
    const float bound = (float)tg_json_number(tg_json_get(c->config, "bound"), 1);
    if (levels < 1 || levels > TG_GRID_MAX_LEVELS || base < 1 || finest < base || log2_rows < 3 ||
        log2_rows > 24 || tg_json_number(tg_json_get(c->config, "level_dim"), 2) != 2 ||
        tg_json_bool(tg_json_get(c->config, "align_corners"), false)) {
        return tg_fail(c->ctx, TG_EINPUT, "config.json describes an encoder that we do not have");
    }
    for (int dims = 2; dims <= 3; dims++) {
        char name[64];
        const tg_st_tensor *t;
        snprintf(name, sizeof name, "x%d", dims);
        float *x = golden_input(c, name, &t);
        snprintf(name, sizeof name, "encoder%d.embeddings", dims);
        const tg_st_tensor *e = tg_st_find(c->weights, name);
        if (x == NULL || e == NULL) {
            return TG_EINPUT;
        }
        const int64_t n = t->dim[0];
        float *table = tg_alloc((size_t)e->dim[0] * 2 * sizeof *table);
        float *out = tg_alloc((size_t)(n * levels * 2) * sizeof *out);
        tg_status status = tg_st_read_f32(c->ctx, c->weights, e, table);
        for (int64_t i = 0; i < n * dims; i++) {
            x[i] = (x[i] + bound) / (2.0f * bound);
        }
        for (int kind = 0; kind < 2; kind++) {
            for (int shape = 0; shape < 2; shape++) {
                tg_grid grid;
                tg_grid_init(&grid, dims, levels, base, finest, log2_rows, kind == 1, shape == 1);
                if (grid.offset[levels] != (uint32_t)e->dim[0]) {
                    return tg_fail(c->ctx, TG_EDIFF, "grid layout has %u rows, stored are %lld",
                                   grid.offset[levels], (long long)e->dim[0]);
                }
                snprintf(name, sizeof name, "%s_%dd_%s", kinds[kind], dims, shapes[shape]);
                tg_grid_encode(&grid, table, x, n, out);
                golden_compare(c, name, out, n * levels * 2);
                /* the kernels of all levels */
                for (int level = 0; level < TG_CPU_LEVELS; level++) {
                    if (!tg_cpu_has((tg_cpu_level)level)) {
                        continue;
                    }
                    const tg_tile_kernels *k = tg_tile_kernels_for((tg_cpu_level)level, true);
                    tg_tile_grid tile;
                    if (!tg_tile_grid_create(&tile, k, &grid)) {
                        return TG_ENOMEM;
                    }
                    tg_tile_grid_fill(&tile, k, table);
                    for (int64_t i = 0; i < n; i += TG_TILE) {
                        float u[3 * TG_TILE], rows[2 * TG_GRID_MAX_LEVELS * TG_TILE];
                        const int count = (int)(n - i < TG_TILE ? n - i : TG_TILE);
                        for (int s = 0; s < TG_TILE; s++) {
                            for (int d = 0; d < dims; d++) {
                                u[d * TG_TILE + s] = s < count ? x[(i + s) * dims + d] : 0.0f;
                            }
                        }
                        k->grid(&tile, u, rows);
                        for (int s = 0; s < count; s++) {
                            for (int j = 0; j < 2 * levels; j++) {
                                out[(i + s) * 2 * levels + j] = rows[j * TG_TILE + s];
                            }
                        }
                    }
                    tg_free(tile.table);
                    golden_compare(c, name, out, n * levels * 2);
                }
            }
        }
        tg_free(x);
        tg_free(table);
        tg_free(out);
        if (status != TG_OK) {
            return status;
        }
    }
    return TG_OK;
}
GOLDEN(grid_encoder, grid_encoder)

static tg_status sh_encoder(golden_case *c) {
    const tg_st_tensor *t;
    if (tg_json_number(tg_json_get(c->config, "degree"), 4) != 4) {
        return tg_fail(c->ctx, TG_EINPUT, "config.json asks for another degree than 4");
    }
    float *dirs = golden_input(c, "dirs", &t);
    if (dirs == NULL) {
        return TG_EINPUT;
    }
    const int64_t n = t->dim[0];
    float *out = tg_alloc((size_t)n * 16 * sizeof *out);
    for (int64_t i = 0; i < n; i++) {
        tg_sh_encode(dirs + 3 * i, out + 16 * i);
    }
    golden_compare(c, "y", out, n * 16);
    tg_free(dirs);
    tg_free(out);
    return TG_OK;
}
GOLDEN(sh_encoder, sh_encoder)

/* An output FAMILY_INPUT_OCTAVES tells by its name what it is made of. */
static tg_status freq_encoder(golden_case *c) {
    for (int i = 0; i < tg_st_count(c->outputs); i++) {
        const char *output = tg_st_at(c->outputs, i)->name;
        char family[16], input[64];
        int octaves;
        if (sscanf(output, "%15[a-z]_%63[a-z]_%d", family, input, &octaves) != 3 || octaves < 0 ||
            octaves > 32) {
            return tg_fail(c->ctx, TG_EINPUT, "output '%s' names no encoder", output);
        }
        const tg_st_tensor *t;
        float *x = golden_input(c, input, &t);
        if (x == NULL) {
            return TG_EINPUT;
        }
        const int dims = (int)t->dim[1], width = dims * (1 + 2 * octaves);
        float *out = tg_alloc((size_t)t->dim[0] * (size_t)width * sizeof *out);
        const bool ad = strcmp(family, "ad") == 0;
        for (int64_t p = 0; p < t->dim[0]; p++) {
            (ad ? tg_freq_encode_ad : tg_freq_encode_rad)(x + p * dims, dims, octaves,
                                                          out + p * width);
        }
        golden_compare(c, output, out, t->dim[0] * width);
        tg_free(x);
        tg_free(out);
    }
    return TG_OK;
}
GOLDEN(freq_encoder, freq_encoder)

/* ---- cameras ---- */

static float number(const golden_case *c, const char *key) {
    return (float)tg_json_number(tg_json_get(c->config, key), 0);
}

static float *floats(tg_arena *arena, int64_t n) {
    return tg_arena_calloc(arena, (size_t)n * sizeof(float));
}

static tg_status camera(golden_case *c) {
    const tg_st_tensor *t;
    float *c2w = golden_input(c, "c2w", &t);
    if (c2w == NULL) {
        return TG_EINPUT;
    }
    const int n = (int)t->dim[0], width = (int)number(c, "W"), height = (int)number(c, "H");
    const int pixels = width * height;
    const float focal = number(c, "focal"), cx = number(c, "cx"), cy = number(c, "cy");
    float offset[3];
    for (int a = 0; a < 3; a++) {
        offset[a] = (float)tg_json_number(tg_json_at(tg_json_get(c->config, "offset"), a), 0);
    }
    tg_arena *arena = tg_arena_create(0);
    float *ngp = floats(arena, n * 16), *smooth = floats(arena, n * 16);
    float *vector = floats(arena, n * 6), *matrix = floats(arena, n * 9);
    float *extrinsic = floats(arena, n * 3), *adnerf = floats(arena, n * 3);
    float *ngp_rays = floats(arena, n * pixels * 3), *adnerf_rays = floats(arena, n * pixels * 3);
    float *coords = floats(arena, pixels * 2);
    for (int i = 0; i < n; i++) {
        tg_pose_to_ngp(c2w + 16 * i, number(c, "scale"), offset, ngp + 16 * i);
        tg_pose_vector(ngp + 16 * i, vector + 6 * i);
        tg_pose_matrix(vector + 6 * i, matrix + 9 * i);
        tg_euler_extrinsic(c2w + 16 * i, extrinsic + 3 * i);
        tg_euler_adnerf(c2w + 16 * i, adnerf + 3 * i);
        for (int p = 0; p < pixels; p++) {
            const float col = (float)(p % width), row = (float)(p / width);
            const size_t at = 3 * (size_t)(i * pixels + p);
            tg_ray_ngp(ngp + 16 * i, focal, cx, cy, col, row, ngp_rays + at);
            tg_ray_adnerf(c2w + 16 * i, focal, cx, cy, col, row, adnerf_rays + at);
        }
    }
    for (int p = 0; p < pixels; p++) {
        coords[2 * p] = tg_screen_coord(p / width, height);
        coords[2 * p + 1] = tg_screen_coord(p % width, width);
    }
    tg_poses_smooth(ngp, n, (int)number(c, "smooth_kernel"), smooth);
    golden_compare(c, "ngp_pose", ngp, 16 * n);
    golden_compare(c, "pose", vector, 6 * n);
    golden_compare(c, "matrix_of_pose", matrix, 9 * n);
    golden_compare(c, "ngp_rays_d", ngp_rays, 3 * n * pixels);
    golden_compare(c, "adnerf_rays_d", adnerf_rays, 3 * n * pixels);
    golden_compare(c, "euler_extrinsic", extrinsic, 3 * n);
    golden_compare(c, "euler_adnerf", adnerf, 3 * n);
    golden_compare(c, "ngp_pose_smooth", smooth, 16 * n);
    golden_compare_float32(c, "bg_coords", coords, 2 * pixels);
    tg_arena_destroy(&arena);
    tg_free(c2w);
    return TG_OK;
}
GOLDEN(camera, camera)

/* ---- the networks and the picture ---- */

/* Inputs of a radnerf case, NULL where the case has none. */
typedef struct {
    float *c2w, *pose_matrix, *pose, *rays_o, *rays_d, *windows, *bg_img, *bg_coords, *x, *dirs,
        *xy, *head_rgba;
    int64_t points;
} nerf_inputs;

static float *optional(golden_case *c, const char *name) {
    return tg_st_find(c->inputs, name) != NULL ? golden_input(c, name, NULL) : NULL;
}

static void inputs_free(nerf_inputs *in) {
    float *all[] = {in->c2w,    in->pose_matrix, in->pose, in->rays_o, in->rays_d, in->windows,
                    in->bg_img, in->bg_coords,   in->x,    in->dirs,   in->xy,     in->head_rgba};
    for (size_t i = 0; i < sizeof all / sizeof all[0]; i++) {
        tg_free(all[i]);
    }
}

static void compare_points(golden_case *c, tg_renderer *r, const nerf_inputs *in) {
    const int64_t n = in->points;
    tg_arena *arena = tg_arena_create(0);
    float *sigma = floats(arena, n), *rgb = floats(arena, 3 * n), *ambient = floats(arena, 3 * n);
    const int dim = r->nerf->config.ambient_out_dim;
    tg_worker *w = &r->workers[0];
    for (int64_t i = 0; i < n; i += TG_TILE) {
        float xyz[3 * TG_TILE] = {0}, s[TG_TILE], a[3 * TG_TILE], color[3 * TG_TILE];
        const int count = (int)(n - i < TG_TILE ? n - i : TG_TILE);
        float *direction = w->queue + (size_t)(r->head.hidden + 16) * TG_QUEUE;
        for (int k = 0; k < count; k++) {
            for (int d = 0; d < 3; d++) {
                xyz[d * TG_TILE + k] = in->x[3 * (i + k) + d];
                direction[d * TG_QUEUE + k] = in->dirs[3 * (i + k) + d];
            }
        }
        tg_head_density(&r->head, w->scratch, xyz, s, w->hidden, a);
        r->head.kernels->compress(w->hidden, r->head.hidden, UINT32_MAX, w->queue, TG_QUEUE, 0);
        tg_head_color(&r->head, w->scratch, w->queue, TG_QUEUE, color);
        for (int k = 0; k < count; k++) {
            sigma[i + k] = s[k];
            for (int d = 0; d < dim; d++) {
                ambient[dim * (i + k) + d] = a[d * TG_TILE + k];
            }
            for (int d = 0; d < 3; d++) {
                rgb[3 * (i + k) + d] = color[d * TG_TILE + k];
            }
        }
    }
    golden_compare(c, "sigma", sigma, n);
    golden_compare(c, "ambient", ambient, dim * n);
    golden_compare(c, "rgb", rgb, 3 * n);
    tg_arena_destroy(&arena);
}

static void compare_torso_points(golden_case *c, tg_renderer *r, const nerf_inputs *in) {
    const tg_torso *torso = &r->torso;
    const int64_t n = in->points;
    tg_arena *arena = tg_arena_create(0);
    float *alpha = floats(arena, n), *rgb = floats(arena, 3 * n), *dx = floats(arena, 2 * n);
    float by_row[1024], by_column[1024];
    for (int64_t i = 0; i < n; i += TG_TILE) {
        float screen[2 * TG_TILE] = {0}, head[4 * TG_TILE] = {0}, rgba[4 * TG_TILE],
                         moved[2 * TG_TILE];
        const int count = (int)(n - i < TG_TILE ? n - i : TG_TILE);
        for (int k = 0; k < count; k++) {
            for (int d = 0; d < 2; d++) {
                screen[d * TG_TILE + k] = in->xy[2 * (i + k) + d];
            }
            tg_torso_axis(torso, 0, screen[k], by_row);
            tg_torso_axis(torso, 1, screen[TG_TILE + k], by_column);
            for (int j = 0; j < torso->first; j++) {
                r->workers[0].first[j * TG_TILE + k] = by_row[j] + by_column[j] + torso->bias[j];
            }
            for (int d = 0; in->head_rgba != NULL && d < 4; d++) {
                head[d * TG_TILE + k] = in->head_rgba[4 * (i + k) + d];
            }
        }
        tg_torso_tile(torso, r->workers[0].scratch, screen, r->workers[0].first,
                      in->head_rgba != NULL ? head : NULL, rgba, moved);
        for (int k = 0; k < count; k++) {
            alpha[i + k] = rgba[k];
            for (int d = 0; d < 3; d++) {
                rgb[3 * (i + k) + d] = rgba[(1 + d) * TG_TILE + k];
            }
            for (int d = 0; d < 2; d++) {
                dx[2 * (i + k) + d] = moved[d * TG_TILE + k];
            }
        }
    }
    golden_compare(c, "alpha", alpha, n);
    golden_compare(c, "torso_rgb", rgb, 3 * n);
    golden_compare(c, "dx", dx, 2 * n);
    tg_arena_destroy(&arena);
}

static void compare_first_samples(golden_case *c, const tg_renderer *r, const tg_probe *probe,
                                  const nerf_inputs *in, int pixels) {
    float *xyz = tg_calloc((size_t)pixels * 3 * sizeof *xyz);
    float *delta = tg_calloc((size_t)pixels * 2 * sizeof *delta);
    for (int p = 0; p < pixels; p++) {
        float t = probe->near[p];
        tg_march_ray(&r->march, in->rays_o + 3 * p, in->rays_d + 3 * p, probe->far[p], &t, 1,
                     xyz + 3 * p, delta + 2 * p);
    }
    golden_compare_float32(c, "first_xyz", xyz, 3 * pixels);
    golden_compare_float32(c, "first_delta", delta, 2 * pixels);
    tg_free(xyz);
    tg_free(delta);
}

static void compare_torso_maps(golden_case *c, const tg_renderer *r, const tg_probe *probe,
                               int pixels) {
    float *occupancy = tg_alloc((size_t)pixels * sizeof *occupancy);
    float *deform = tg_alloc((size_t)pixels * 2 * sizeof *deform);
    int64_t *mask = tg_alloc((size_t)pixels * sizeof *mask);
    int64_t masked = 0;
    const int width = r->options.width;
    for (int p = 0; p < pixels; p++) {
        occupancy[p] =
            tg_nerf_torso_occupancy(r->nerf, tg_screen_coord(p / width, r->options.height),
                                    tg_screen_coord(p % width, width));
        mask[p] = r->torso_mask[p];
        if (mask[p]) {
            memcpy(deform + 2 * masked++, probe->torso_dx + 2 * p, 2 * sizeof *deform);
        }
    }
    golden_compare_float32(c, "torso_occupancy", occupancy, pixels);
    golden_compare_int(c, "torso_mask", mask, pixels);
    golden_compare(c, "deform", deform, 2 * masked);
    golden_compare(c, "torso_alpha_map", probe->torso_alpha, pixels);
    golden_compare(c, "torso_rgb_map", probe->torso_rgb, 3 * pixels);
    tg_free(occupancy);
    tg_free(deform);
    tg_free(mask);
}

static void compare_picture(golden_case *c, tg_renderer *r, const nerf_inputs *in,
                            const float *condition) {
    const int pixels = r->options.width * r->options.height;
    const size_t n = (size_t)pixels;
    int32_t(*schedule)[2] = tg_calloc((size_t)r->nerf->config.max_steps * sizeof *schedule);
    tg_probe probe = {.samples = tg_alloc(n * sizeof(int32_t)),
                      .schedule = schedule,
                      .near = tg_alloc(n * sizeof(float)),
                      .far = tg_alloc(n * sizeof(float)),
                      .torso_alpha = tg_alloc(n * sizeof(float)),
                      .torso_rgb = tg_alloc(n * 3 * sizeof(float)),
                      .torso_dx = tg_alloc(n * 2 * sizeof(float))};
    tg_picture picture = {.rgb = tg_alloc(n * 3 * sizeof(float)),
                          .depth = tg_alloc(n * sizeof(float)),
                          .weights = tg_alloc(n * sizeof(float))};
    int64_t *integers = tg_alloc(n * sizeof *integers);
    memcpy(r->background, in->bg_img, n * 3 * sizeof *r->background);
    memcpy(r->pose, in->pose_matrix, sizeof r->pose);
    r->picture = &picture;
    r->probe = &probe;
    tg_renderer_run(r, tg_context_pool(c->ctx), condition, in->pose, in->rays_d);
    golden_compare_float32(c, "nears", probe.near, pixels);
    golden_compare_float32(c, "fars", probe.far, pixels);
    for (int p = 0; p < pixels; p++) {
        integers[p] = probe.samples[p];
    }
    golden_compare_int(c, "n_samples", integers, pixels);
    for (int i = 0; i < probe.rounds; i++) {
        integers[2 * i] = schedule[i][0];
        integers[2 * i + 1] = schedule[i][1];
    }
    golden_compare_int(c, "schedule", integers, 2 * probe.rounds);
    golden_compare(c, "weights_sum", picture.weights, pixels);
    golden_compare(c, "depth_map", picture.depth, pixels);
    golden_compare_picture(c, "rgb_map", picture.rgb, 3 * pixels);
    compare_first_samples(c, r, &probe, in, pixels);
    if (r->has_torso) {
        compare_torso_maps(c, r, &probe, pixels);
    }
    if (golden_output(c, "rgb_map_zero_head") != NULL) {
        probe.blind_torso = true;
        tg_renderer_run(r, tg_context_pool(c->ctx), condition, in->pose, in->rays_d);
        golden_compare_picture(c, "rgb_map_zero_head", picture.rgb, 3 * pixels);
        golden_compare(c, "torso_alpha_map_zero_head", probe.torso_alpha, pixels);
    }
    r->picture = NULL;
    r->probe = NULL;
    void *all[] = {probe.samples,   probe.near,     probe.far,   probe.torso_alpha,
                   probe.torso_rgb, probe.torso_dx, picture.rgb, picture.depth,
                   picture.weights, integers,       schedule};
    for (size_t i = 0; i < sizeof all / sizeof all[0]; i++) {
        tg_free(all[i]);
    }
}

/* Everything at one CPU level. */
static tg_status run_level(golden_case *c, const tg_nerf *nerf, const nerf_inputs *in) {
    const tg_nerf_config *config = &nerf->config;
    tg_renderer_options options =
        tg_renderer_defaults((int)number(c, "W"), (int)number(c, "H"), number(c, "focal"));
    options.cx = number(c, "cx");
    options.cy = number(c, "cy");
    options.reference_schedule = true;
    options.full_precision = true;
    tg_renderer *r;
    const tg_status status = tg_renderer_create(c->ctx, nerf, &options, &r);
    if (status != TG_OK) {
        return status;
    }
    tg_tape *tape = tg_tape_create(c->ctx, false);
    const int64_t dim[3] = {config->smo_win_size, config->cond_win_size, config->cond_dim};
    const tg_tensor *condition = tg_nerf_condition(tape, nerf, tg_input(tape, 3, dim, in->windows));
    golden_compare(c, "cond_feat", condition->data, config->cond_out_dim);
    tg_head_condition(&r->head, condition->data, 0, 0);
    compare_points(c, r, in);
    if (config->torso) {
        tg_torso_pose(&r->torso, in->pose, 0);
        compare_torso_points(c, r, in);
    }
    compare_picture(c, r, in, condition->data);
    tg_tape_destroy(&tape);
    tg_renderer_destroy(&r);
    return TG_OK;
}

#ifdef TALKGEN_CUDA
/* The picture by the GPU's float32 kernels (or their emulation). */
static tg_status run_device(golden_case *c, const tg_nerf *nerf, const nerf_inputs *in) {
    tg_renderer_options options =
        tg_renderer_defaults((int)number(c, "W"), (int)number(c, "H"), number(c, "focal"));
    options.device = TG_DEVICE_CUDA;
    options.cx = number(c, "cx");
    options.cy = number(c, "cy");
    tg_renderer_options_march(&options, TG_MARCH_REFERENCE);
    const int pixels = options.width * options.height;
    const size_t n = (size_t)pixels;
    tg_renderer *r = NULL;
    tg_status status = tg_renderer_create(c->ctx, nerf, &options, &r);
    if (status != TG_OK) {
        return status;
    }
    tg_tape *tape = tg_tape_create(c->ctx, false);
    tg_arena *arena = tg_arena_create(0);
    const int64_t dim[3] = {nerf->config.smo_win_size, nerf->config.cond_win_size,
                            nerf->config.cond_dim};
    const tg_tensor *condition = tg_nerf_condition(tape, nerf, tg_input(tape, 3, dim, in->windows));
    int32_t(*schedule)[2] =
        tg_arena_calloc(arena, (size_t)nerf->config.max_steps * sizeof *schedule);
    int64_t *integers = tg_arena_calloc(arena, n * sizeof *integers);
    tg_probe probe = {.samples = tg_arena_calloc(arena, n * sizeof(int32_t)),
                      .schedule = schedule,
                      .near = floats(arena, pixels),
                      .far = floats(arena, pixels)};
    const tg_picture picture = {.rgb = floats(arena, 3 * pixels),
                                .depth = floats(arena, pixels),
                                .weights = floats(arena, pixels)};
    memcpy(r->background, in->bg_img, n * 3 * sizeof *r->background);
    r->background_version++;
    memcpy(r->pose, in->pose_matrix, sizeof r->pose);
    status = tg_renderer_draw(c->ctx, r, condition->data, in->pose, in->rays_d, &probe, &picture);
    if (status == TG_OK) {
        golden_compare_float32(c, "nears", probe.near, pixels);
        golden_compare_float32(c, "fars", probe.far, pixels);
        for (int p = 0; p < pixels; p++) {
            integers[p] = probe.samples[p];
        }
        golden_compare_int(c, "n_samples", integers, pixels);
        for (int i = 0; i < probe.rounds; i++) {
            integers[2 * i] = schedule[i][0];
            integers[2 * i + 1] = schedule[i][1];
        }
        golden_compare_int(c, "schedule", integers, 2 * probe.rounds);
        golden_compare(c, "weights_sum", picture.weights, pixels);
        golden_compare(c, "depth_map", picture.depth, pixels);
        golden_compare_picture(c, "rgb_map", picture.rgb, 3 * pixels);
    }
    if (status == TG_OK && golden_output(c, "rgb_map_zero_head") != NULL) {
        probe.blind_torso = true;
        status =
            tg_renderer_draw(c->ctx, r, condition->data, in->pose, in->rays_d, &probe, &picture);
        golden_compare_picture(c, "rgb_map_zero_head", picture.rgb, 3 * pixels);
    }
    tg_arena_destroy(&arena);
    tg_tape_destroy(&tape);
    tg_renderer_destroy(&r);
    return status;
}
#endif

static tg_status radnerf(golden_case *c) {
    tg_nerf_config config = tg_nerf_config_defaults();
    tg_nerf *nerf = NULL;
    tg_status status = TG_OK;
    tg_json *converted = golden_converted_config(c);
    if (converted != NULL) {
        status = tg_nerf_config_read(c->ctx, converted, &config);
        tg_json_destroy(&converted);
    } else if (c->published) { /* only what the tensors do not tell */
        static const char *const keys[] = {"grid_type", "grid_interpolation_type", "max_steps",
                                           "cond_win_size"};
        tg_json *switches = tg_json_new_object();
        for (int i = 0; i < 4; i++) {
            const tg_json *v = tg_json_get(c->config, keys[i]);
            if (tg_json_is_number(v)) {
                tg_json_set_number(switches, keys[i], tg_json_number(v, 0));
            } else {
                tg_json_set_string(switches, keys[i], tg_json_string(v, ""));
            }
        }
        status = tg_nerf_config_read(c->ctx, switches, &config);
        tg_json_destroy(&switches);
        if (status == TG_OK) {
            status = tg_nerf_config_from(c->ctx, c->weights, "", "", &config);
        }
    } else {
        status = tg_nerf_config_read(c->ctx, c->config, &config);
    }
    if (status == TG_OK) {
        status = tg_nerf_load(c->ctx, c->weights, "", "", &config, &nerf);
    }
    if (status != TG_OK) {
        return status;
    }
    const tg_st_tensor *points = tg_st_find(c->inputs, "x");
    nerf_inputs in = {
        .c2w = golden_input(c, "c2w", NULL),
        .pose_matrix = golden_input(c, "pose_matrix", NULL),
        .pose = golden_input(c, "pose", NULL),
        .rays_o = golden_input(c, "rays_o", NULL),
        .rays_d = golden_input(c, "rays_d", NULL),
        .windows = golden_input(c, "cond_wins", NULL),
        .bg_img = golden_input(c, "bg_img", NULL),
        .bg_coords = golden_input(c, "bg_coords", NULL),
        .x = golden_input(c, "x", NULL),
        .dirs = golden_input(c, "dirs", NULL),
        .xy = optional(c, "xy"),
        .head_rgba = optional(c, "head_rgba"),
        .points = points != NULL ? points->dim[0] : 0,
    };
    const tg_cpu_level before = tg_context_cpu(c->ctx);
    for (int level = 0; status == TG_OK && level < TG_CPU_LEVELS; level++) {
        if (!tg_cpu_has((tg_cpu_level)level)) {
            continue;
        }
        status = tg_context_set_cpu(c->ctx, (tg_cpu_level)level);
        if (status == TG_OK) {
            status = run_level(c, nerf, &in);
        }
    }
    tg_context_set_cpu(c->ctx, before);
#ifdef TALKGEN_CUDA
    if (status == TG_OK) {
        status = run_device(c, nerf, &in);
    }
#endif
    inputs_free(&in);
    tg_nerf_destroy(&nerf);
    return status;
}
GOLDEN(radnerf_head, radnerf)
GOLDEN(lm3d_radnerf_head, radnerf)
GOLDEN(lm3d_radnerf_hash, radnerf)
GOLDEN(lm3d_radnerf_torso, radnerf)
GOLDEN(lm3d_radnerf_torso_aware, radnerf)
