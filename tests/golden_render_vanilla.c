/* Golden cases of the vanilla NeRF: bare networks, conditions, samples and pictures of head and
 * torso, in GeneFace's and in AD-NeRF's own wiring. */
#include "golden.h"

#include <stdio.h>
#include <string.h>

#include "../src/render/vanilla.h"

static float number(const golden_case *c, const char *key) {
    return (float)tg_json_number(tg_json_get(c->config, key), 0);
}

/* AD-NeRF's own names of the numbers. */
static void original_config(const golden_case *c, tg_vanilla_config *config) {
    config->cond_win_size = (int)number(c, "win_size");
    config->n_samples_per_ray = (int)number(c, "N_samples");
    config->n_samples_per_ray_fine = (int)number(c, "N_importance");
    config->cond_from_head = config->adnerf_angles = true;
}

/* Output "<prefix><name>" from one member of every pixel. */
static void compare_member(golden_case *c, const char *prefix, const char *name,
                           const tg_vanilla_pixel *pixels, int64_t n, size_t offset, int width) {
    char full[64];
    snprintf(full, sizeof full, "%s%s", prefix, name);
    if (golden_output(c, full) == NULL) {
        return; /* each case stores a selection; what it stores must be compared */
    }
    float *values = tg_alloc((size_t)n * (size_t)width * sizeof *values);
    for (int64_t i = 0; i < n; i++) {
        memcpy(values + i * width, (const char *)&pixels[i] + offset,
               (size_t)width * sizeof *values);
    }
    golden_compare(c, full, values, n * width);
    tg_free(values);
}

static void compare_stage(golden_case *c, const char *prefix, const tg_vanilla_probe *probe,
                          int64_t pixels) {
#define MEMBER(name, from, member, width)                                                          \
    compare_member(c, prefix, name, probe->from, pixels, offsetof(tg_vanilla_pixel, member), width)
    MEMBER("rgb_map", fine, rgb, 3);
    MEMBER("rgb_map_fg", fine, foreground, 3);
    MEMBER("last_weight", fine, last_weight, 1);
    MEMBER("disp_map", fine, disparity, 1);
    MEMBER("acc_map", fine, opacity, 1);
    MEMBER("rgb_map_coarse", coarse, rgb, 3);
    MEMBER("rgb_map_fg0", coarse, foreground, 3);
    MEMBER("last_weight0", coarse, last_weight, 1);
#undef MEMBER
}

/* The two perceptrons at given points. */
static void compare_raw(golden_case *c, tg_vanilla_renderer *r) {
    const tg_st_tensor *t;
    if (tg_st_find(c->inputs, "x") == NULL) {
        return;
    }
    float *x = golden_input(c, "x", &t), *view = golden_input(c, "view", NULL);
    float *condition = golden_input(c, "raw_cond", NULL);
    const int rays = (int)t->dim[0], samples = (int)t->dim[1];
    float *raw = tg_alloc((size_t)rays * (size_t)samples * 4 * sizeof *raw);
    double *points = tg_alloc((size_t)rays * (size_t)samples * 3 * sizeof *points);
    for (int i = 0; i < rays * samples * 3; i++) {
        points[i] = (double)x[i];
    }
    memcpy(r->head.condition, condition, (size_t)r->head.coarse.condition * sizeof *condition);
    tg_vanilla_stage_prepare(&r->head);
    for (int fine = 0; fine < 2; fine++) {
        for (int k = 0; k < rays; k += TG_VANILLA_RAYS) {
            const int count = rays - k < TG_VANILLA_RAYS ? rays - k : TG_VANILLA_RAYS;
            tg_vanilla_net_eval(fine ? &r->head.fine : &r->head.coarse, &r->workers[0].net,
                                fine ? &r->head.fine_bias : &r->head.coarse_bias,
                                points + 3 * k * samples, view + 3 * k, count, samples, true,
                                raw + 4 * k * samples);
        }
        golden_compare(c, fine ? "raw_fine" : "raw_coarse", raw, 4 * rays * samples);
    }
    tg_free(points);
    tg_free(x);
    tg_free(view);
    tg_free(condition);
    tg_free(raw);
}

static void compare_rays(golden_case *c, const tg_vanilla_renderer *r) {
    const tg_vanilla_options *o = &r->options;
    const int pixels = o->width * o->height;
    float *d = tg_alloc((size_t)pixels * 3 * sizeof *d);
    for (int p = 0; p < pixels; p++) {
        tg_ray_adnerf(r->head.c2w, o->focal, o->cx, o->cy, (float)(p % o->width),
                      (float)(p / o->width), d + 3 * p);
    }
    golden_compare(c, "rays_d", d, 3 * pixels);
    tg_free(d);
}

/* Code of a frame under `output`, and with its first window alone under `alone`. */
static const float *compare_code(golden_case *c, tg_tape *tape, const tg_vanilla *model,
                                 const char *input, const char *output, const char *alone) {
    const tg_vanilla_config *config = &model->config;
    int64_t dim[3] = {config->smo_win_size, config->cond_win_size, config->cond_dim};
    const tg_st_tensor *t;
    float *windows = golden_input(c, input, &t);
    if (windows == NULL || t->dim[0] != dim[0] || t->dim[1] != dim[1] || t->dim[2] != dim[2]) {
        tg_free(windows);
        return NULL;
    }
    const float *code = tg_vanilla_condition(tape, model, tg_input(tape, 3, dim, windows))->data;
    if (output != NULL) {
        golden_compare(c, output, code, config->cond_out_dim);
    }
    dim[0] = 1;
    if (alone != NULL) {
        const tg_tensor *one = tg_vanilla_condition(tape, model, tg_input(tape, 3, dim, windows));
        golden_compare(c, alone, one->data, config->cond_out_dim);
    }
    tg_free(windows);
    return code;
}

static void fill_background(golden_case *c, tg_vanilla_renderer *r) {
    float *background = golden_input(c, "bg_img", NULL);
    const size_t pixels = (size_t)r->options.width * (size_t)r->options.height;
    memcpy(r->background, background, pixels * 3 * sizeof *background);
    tg_free(background);
}

static tg_vanilla_probe create_probe(size_t pixels, int samples) {
    return (tg_vanilla_probe){.fine = tg_calloc(pixels * sizeof(tg_vanilla_pixel)),
                              .coarse = tg_calloc(pixels * sizeof(tg_vanilla_pixel)),
                              .z = tg_calloc(pixels * (size_t)samples * sizeof(float))};
}

static void destroy_probe(tg_vanilla_probe *probe) {
    tg_free(probe->fine);
    tg_free(probe->coarse);
    tg_free(probe->z);
}

static tg_vanilla_options options_of(const golden_case *c) {
    tg_vanilla_options options =
        tg_vanilla_options_defaults((int)number(c, "W"), (int)number(c, "H"), number(c, "focal"));
    if (tg_json_get(c->config, "cx") != NULL) {
        options.cx = number(c, "cx");
        options.cy = number(c, "cy");
    }
    return options;
}

/* torso: only of converted weights */
static tg_status read_config(golden_case *c, tg_vanilla_config *config, tg_vanilla_config *torso) {
    *config = tg_vanilla_config_defaults();
    tg_json *converted = golden_converted_config(c);
    const tg_status status =
        tg_vanilla_config_read(c->ctx, converted != NULL ? converted : c->config, config);
    if (status == TG_OK && converted != NULL && torso != NULL) {
        *torso = *config;
        const tg_status s = tg_vanilla_config_read(c->ctx, tg_json_get(converted, "torso"), torso);
        tg_json_destroy(&converted);
        return s;
    }
    tg_json_destroy(&converted);
    return status;
}

/* ---- head alone ---- */

static tg_status head_case(golden_case *c) {
    tg_vanilla_config config;
    tg_vanilla *head = NULL;
    tg_vanilla_renderer *r = NULL;
    const tg_vanilla_options options = options_of(c);
    tg_status status = read_config(c, &config, NULL);
    if (status == TG_OK) {
        status = tg_vanilla_load(c->ctx, c->weights, "", &config, &head);
    }
    if (status == TG_OK) {
        status = tg_vanilla_renderer_create(c->ctx, head, NULL, &options, &r);
    }
    if (status != TG_OK) {
        tg_vanilla_destroy(&head);
        return status;
    }
    const size_t pixels = (size_t)options.width * (size_t)options.height;
    tg_tape *tape = tg_tape_create(c->ctx, false);
    tg_vanilla_probe probe = create_probe(pixels, r->head.all_samples);
    float *rgb = tg_alloc(pixels * 3 * sizeof *rgb);
    tg_picture picture = {.rgb = rgb};
    float *windows = golden_input(c, "cond_wins", NULL), *c2w = golden_input(c, "c2w", NULL);
    compare_raw(c, r);
    compare_code(c, tape, head, "cond_wins", "cond_feat", "cond_feat_noatt");
    fill_background(c, r);
    r->head.probe = &probe;
    status = tg_vanilla_renderer_frame(c->ctx, r, windows, NULL, c2w, &picture);
    compare_rays(c, r);
    compare_stage(c, "", &probe, (int64_t)pixels);
    golden_compare_picture(c, "rgb_map", rgb, 3 * (int64_t)pixels);
    const tg_st_tensor *z = golden_output(c, "z_vals");
    golden_compare(c, "z_vals", probe.z, (z != NULL ? z->dim[0] : 0) * r->head.all_samples);
    destroy_probe(&probe);
    tg_free(rgb);
    tg_free(windows);
    tg_free(c2w);
    tg_tape_destroy(&tape);
    tg_vanilla_renderer_destroy(&r);
    tg_vanilla_destroy(&head);
    return status;
}
GOLDEN(adnerf_head, head_case)
GOLDEN(lm3d_nerf_head, head_case)

/* ---- head and torso ---- */

/* What the torso's network was told; where it is stored. */
static void compare_torso_condition(golden_case *c, const tg_vanilla_renderer *r) {
    const tg_st_tensor *stored = golden_output(c, "torso_cond_feat");
    const int width = r->torso.coarse.condition, color = r->torso.model->config.color_dim;
    if (stored == NULL) {
        return;
    }
    if (color == 0) {
        golden_compare(c, "torso_cond_feat", r->torso.condition, width);
        return;
    }
    const int64_t rows = stored->dim[0];
    float *out = tg_calloc((size_t)rows * (size_t)width * sizeof *out);
    for (int64_t i = 0; i < rows; i++) {
        memcpy(out + i * width, r->torso.condition, (size_t)(width - color) * sizeof *out);
        tg_vanilla_color_code(r->torso.model, r->head.probe->fine[i].rgb,
                              out + i * width + width - color);
    }
    golden_compare(c, "torso_cond_feat", out, rows * width);
    tg_free(out);
}

static void compare_person(golden_case *c, tg_vanilla_renderer *r) {
    const size_t pixels = (size_t)r->options.width * (size_t)r->options.height;
    tg_vanilla_probe head = create_probe(pixels, r->head.all_samples);
    tg_vanilla_probe torso = create_probe(pixels, r->torso.all_samples);
    float *rgb = tg_alloc(pixels * 3 * sizeof *rgb);
    tg_picture picture = {.rgb = rgb};
    const bool original = tg_st_find(c->inputs, "auds") != NULL;
    float *windows = golden_input(c, original ? "auds" : "cond_wins", NULL);
    float *audio = tg_st_find(c->inputs, "deepspeech_wins") != NULL
                       ? golden_input(c, "deepspeech_wins", NULL)
                       : NULL;
    float *c2w = golden_input(c, "c2w", NULL), angles[3];
    fill_background(c, r);
    r->head.probe = &head;
    r->torso.probe = &torso;
    if (windows == NULL || c2w == NULL ||
        tg_vanilla_renderer_frame(c->ctx, r, windows, audio, c2w, &picture) != TG_OK) {
        c->failed++;
        printf("     %s: %s\n", c->name, tg_message(c->ctx));
    } else if (original) {
        tg_euler_adnerf(c2w, angles);
        golden_compare(c, "euler", angles, 3);
        golden_compare(c, "aud", r->head.condition, r->head.coarse.condition);
        golden_compare(c, "signal", r->torso.condition, r->torso.coarse.condition);
    }
    compare_torso_condition(c, r);
    compare_stage(c, "head.", &head, (int64_t)pixels);
    compare_stage(c, "torso.", &torso, (int64_t)pixels);
    golden_compare_picture(c, "rgb_com", rgb, 3 * (int64_t)pixels);
    destroy_probe(&head);
    destroy_probe(&torso);
    tg_free(rgb);
    tg_free(windows);
    tg_free(audio);
    tg_free(c2w);
}

static tg_status person_case(golden_case *c) {
    const bool original = tg_st_find(c->inputs, "auds") != NULL;
    tg_vanilla_config config, torso_config;
    tg_vanilla *head = NULL, *torso = NULL;
    tg_vanilla_renderer *r = NULL;
    tg_vanilla_options options = options_of(c);
    const bool converted = c->published && tg_st_meta(c->weights, "talkgen.config") != NULL;
    tg_status status = read_config(c, &config, &torso_config);
    if (!converted) {
        torso_config = config;
        torso_config.cond_win_size = 16; /* GeneFace's torso hears audio, whatever the head sees */
    }
    if (original && !converted) {
        original_config(c, &config);
        torso_config = config;
    }
    float *torso_c2w = golden_input(c, "c2w_t0", NULL);
    options.torso_c2w = torso_c2w;
    if (status == TG_OK) {
        status =
            tg_vanilla_load(c->ctx, c->weights, original ? "head." : "head_model.", &config, &head);
    }
    if (status == TG_OK) {
        status = tg_vanilla_load(c->ctx, c->weights, original ? "body." : "model.", &torso_config,
                                 &torso);
    }
    if (status == TG_OK) {
        status = tg_vanilla_renderer_create(c->ctx, head, torso, &options, &r);
    }
    if (status == TG_OK) {
        tg_tape *tape = tg_tape_create(c->ctx, false);
        if (!original) {
            compare_code(c, tape, head, "cond_wins", "cond_feat", NULL);
        }
        compare_person(c, r);
        tg_tape_destroy(&tape);
    }
    tg_free(torso_c2w);
    tg_vanilla_renderer_destroy(&r);
    tg_vanilla_destroy(&head);
    tg_vanilla_destroy(&torso);
    return status;
}
GOLDEN(adnerf_torso, person_case)
GOLDEN(lm3d_nerf_torso, person_case)
GOLDEN(adnerf_orig, person_case)
