/* Networks in their published sizes, with random weights: what scripts/bench_peers sets beside
 * PyTorch. */
#include "bench/bench.h"
#include "speech/hubert.h"

#include <math.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

enum { SECONDS = 10, AUDIO = SECONDS * TG_SPEECH_RATE, FRAMES = 25 * SECONDS };

/* ---- HuBERT ---- */

typedef struct {
    tg_tape *tape;
    tg_hubert *model;
    float *samples;
} hubert_job;

static tg_status run_hubert(void *arg) {
    hubert_job *j = arg;
    tg_tape_reset(j->tape);
    tg_tensor *x = tg_borrow(j->tape, 2, (int64_t[]){1, AUDIO}, j->samples);
    const tg_tensor *y =
        tg_hubert_infer(j->tape, j->model, tg_hubert_extract(j->tape, j->model, x));
    TG_BENCH_KEEP(y->data);
    return tg_tape_status(j->tape);
}

static tg_status measure_hubert(bench *b, const bench_entry *entry) {
    const char *text = entry->shape;
    tg_context *ctx = tg_bench_context(b, entry);
    hubert_job j = {.tape = tg_tape_create(ctx, false),
                    .samples = tg_bench_noise(AUDIO, "audio", 1)};
    tg_hubert_config config;
    tg_json *json = NULL;
    tg_status s = !j.tape || !j.samples ? tg_bench_no_memory(b) : TG_OK;
    if (s == TG_OK)
        s = tg_bench_passed(b, ctx, tg_json_parse(ctx, text, strlen(text), entry->name, &json));
    if (s == TG_OK)
        s = tg_bench_passed(b, ctx, tg_hubert_config_parse(ctx, json, entry->name, &config));
    if (s == TG_OK)
        s = tg_bench_passed(b, ctx, tg_hubert_create(ctx, &config, &j.model));
    if (s == TG_OK) {
        tg_hubert_init(j.model, 1);
        tg_context_set_precision(ctx, (tg_precision)entry->kind);
        const bench_plan plan = {FRAMES, TG_BENCH_FRAME,
                                 entry->kind == TG_INT16 ? CEILING_INT16 : CEILING_FMA,
                                 tg_hubert_flop_per_second(&config) * SECONDS, false};
        s = tg_bench_time(b, entry, &plan, run_hubert, &j);
    }
    tg_context_set_precision(ctx, TG_FLOAT32);
    tg_hubert_destroy(&j.model);
    tg_json_destroy(&json);
    tg_tape_destroy(&j.tape);
    tg_free(j.samples);
    return s;
}

static const char hubert_large[] =
    "{\"feat_extract_norm\": \"layer\", \"do_stable_layer_norm\": true, \"conv_bias\": true,"
    " \"hidden_size\": 1024, \"intermediate_size\": 4096, \"num_hidden_layers\": 24,"
    " \"num_attention_heads\": 16}";
static const char hubert_base[] = "{}"; /* the defaults */

/* ---- the flow VAE of GeneFace, 10 s ---- */

typedef struct {
    tg_tape *tape;
    tg_vae *vae;
    float *features, *noise;
} vae_job;

enum { LATENT_FRAMES = 252 / TG_VAE_STRIDE, VAE_FRAMES = LATENT_FRAMES * TG_VAE_STRIDE };

static tg_status run_vae(void *arg) {
    vae_job *j = arg;
    const tg_vae_config *c = tg_vae_config_of(j->vae);
    tg_tape_reset(j->tape);
    tg_tensor *x =
        tg_borrow(j->tape, 3, (int64_t[]){1, 2 * VAE_FRAMES, c->mel_in_dim}, j->features);
    tg_tensor *z = tg_borrow(j->tape, 3, (int64_t[]){1, c->latent_size, LATENT_FRAMES}, j->noise);
    const tg_tensor *y =
        tg_vae_sample(j->tape, j->vae, tg_vae_condition(j->tape, j->vae, x, NULL), z, NULL, NULL);
    TG_BENCH_KEEP(y->data);
    return tg_tape_status(j->tape);
}

static tg_status measure_vae(bench *b, const bench_entry *entry) {
    tg_context *ctx = tg_bench_context(b, entry);
    const tg_vae_config c = tg_vae_defaults();
    vae_job j = {.tape = tg_tape_create(ctx, false),
                 .features = tg_bench_noise(2 * VAE_FRAMES * (size_t)c.mel_in_dim, "features", 1),
                 .noise = tg_bench_noise(LATENT_FRAMES * (size_t)c.latent_size, "noise", 0.3f)};
    tg_status s = !j.tape || !j.features || !j.noise ? tg_bench_no_memory(b) : TG_OK;
    if (s == TG_OK)
        s = tg_bench_passed(b, ctx, tg_vae_create(ctx, &c, &j.vae));
    if (s == TG_OK) {
        tg_vae_init(j.vae, 1);
        const bench_plan plan = {VAE_FRAMES, TG_BENCH_FRAME, CEILING_NONE, 0, false};
        s = tg_bench_time(b, entry, &plan, run_vae, &j);
    }
    tg_vae_destroy(&j.vae);
    tg_tape_destroy(&j.tape);
    tg_free(j.features);
    tg_free(j.noise);
    return s;
}

/* ---- AD-NeRF: head and torso ---- */

enum { MOST_SIDE = 64, WINDOWS = 8 * 16 * 29, POSITION = 63, VIEW = 27, TRUNK = 256, SHADE = 128 };

/* One layer of random weights; `kernel` 0 = a linear one. */
static bool add_layer(tg_st_writer *w, const char *prefix, const char *name, int64_t out,
                      int64_t in, int64_t kernel) {
    char full[128];
    const int64_t dim[3] = {out, in, kernel};
    const int64_t fan = in * (kernel > 0 ? kernel : 1);
    float *weight = tg_bench_noise((size_t)(out * fan), name, sqrtf(2.0f / (float)fan));
    float *bias = tg_bench_noise((size_t)out, "bias", 0.1f);
    snprintf(full, sizeof full, "%s%s.weight", prefix, name);
    bool ok = weight && bias && tg_st_add_f32(w, full, TG_F32, kernel > 0 ? 3 : 2, dim, weight);
    snprintf(full, sizeof full, "%s%s.bias", prefix, name);
    ok = ok && tg_st_add_f32(w, full, TG_F32, 1, dim, bias);
    tg_free(weight);
    tg_free(bias);
    return ok;
}

/* AD-NeRF's perceptrons: 8 layers of 256 with the input again at the sixth, colour 3 of 128. */
static bool add_perceptron(tg_st_writer *w, const char *prefix, const char *net,
                           int64_t condition) {
    char name[64];
    bool ok = true;
    for (int l = 0; l < 8 && ok; l++) {
        const int64_t in = l == 0   ? POSITION + condition
                           : l == 5 ? TRUNK + POSITION + condition
                                    : TRUNK;
        snprintf(name, sizeof name, "%s.density_linears.%d", net, l);
        ok = add_layer(w, prefix, name, TRUNK, in, 0);
    }
    snprintf(name, sizeof name, "%s.density_out_linear", net);
    ok = ok && add_layer(w, prefix, name, 1, TRUNK, 0);
    for (int l = 0; l < 3 && ok; l++) {
        snprintf(name, sizeof name, "%s.color_linears.%d", net, l);
        ok = add_layer(w, prefix, name, SHADE, l == 0 ? TRUNK + VIEW : SHADE, 0);
    }
    snprintf(name, sizeof name, "%s.color_out_linear", net);
    return ok && add_layer(w, prefix, name, 3, SHADE, 0);
}

/* condition: 64 of the audio code; for the torso also the frequencies of its pose, 42. */
static bool add_stage(tg_st_writer *w, const char *prefix, int64_t condition, bool attention) {
    static const int conv[4][2] = {{32, 29}, {32, 32}, {64, 32}, {64, 64}};
    static const int att[5][2] = {{16, 64}, {8, 16}, {4, 8}, {2, 4}, {1, 2}};
    char name[64];
    bool ok = true;
    for (int l = 0; l < 4 && ok; l++) {
        snprintf(name, sizeof name, "aud_net.encoder_conv.%d", 2 * l);
        ok = add_layer(w, prefix, name, conv[l][0], conv[l][1], 3);
    }
    for (int l = 0; l < 2 && ok; l++) {
        snprintf(name, sizeof name, "aud_net.encoder_fc1.%d", 2 * l);
        ok = add_layer(w, prefix, name, 64, 64, 0);
    }
    for (int l = 0; l < 5 && ok && attention; l++) {
        snprintf(name, sizeof name, "audatt_net.attentionConvNet.%d", 2 * l);
        ok = add_layer(w, prefix, name, att[l][0], att[l][1], 3);
    }
    if (attention)
        ok = ok && add_layer(w, prefix, "audatt_net.attentionNet.0", 8, 8, 0);
    return ok && add_perceptron(w, prefix, "model_coarse", condition) &&
           add_perceptron(w, prefix, "model_fine", condition);
}

static tg_status write_person(tg_context *ctx, const char *path) {
    tg_st_writer *w = tg_st_writer_create();
    tg_status s = TG_ENOMEM;
    if (w && add_stage(w, "head.", 64, true) && add_stage(w, "body.", 64 + 42, false))
        s = tg_st_write(ctx, w, path);
    else
        tg_fail(ctx, s, "out of memory for a vanilla NeRF");
    tg_st_writer_destroy(&w);
    return s;
}

typedef struct {
    tg_context *ctx;
    tg_vanilla *head, *torso;
    tg_vanilla_renderer *renderer;
    int side; /* pixels */
    float rgb[MOST_SIDE * MOST_SIDE * 3];
    float *windows;
} vanilla_job;

static const float camera[16] = {1, 0, 0, 0.02f, 0, 1, 0, -0.01f, 0, 0, 1, 0.6f, 0, 0, 0, 1};

static tg_status run_vanilla(void *arg) {
    vanilla_job *j = arg;
    const tg_picture picture = {.rgb = j->rgb};
    return tg_vanilla_renderer_frame(j->ctx, j->renderer, j->windows, NULL, camera, &picture);
}

static tg_status open_vanilla(bench *b, vanilla_job *j) {
    char path[1024];
    const int n = snprintf(path, sizeof path, "%s/adnerf.safetensors", b->options->folder);
    if (n < 0 || (size_t)n >= sizeof path)
        return tg_fail(
            j->ctx, TG_EOUTPUT,
            "the path of the temporary folder is too long\n  expected: under 1000 bytes\n"
            "  try: TMPDIR=/tmp");
    tg_vanilla_config config = tg_vanilla_config_defaults();
    config.cond_win_size = 16;
    config.cond_from_head = config.adnerf_angles = true;
    tg_st *st = NULL;
    tg_status s = write_person(j->ctx, path);
    if (s == TG_OK)
        s = tg_st_open(j->ctx, path, &st);
    if (s == TG_OK)
        s = tg_vanilla_load(j->ctx, st, "head.", &config, &j->head);
    if (s == TG_OK)
        s = tg_vanilla_load(j->ctx, st, "body.", &config, &j->torso);
    tg_st_close(&st);
    unlink(path);
    tg_vanilla_options options =
        tg_vanilla_options_defaults(j->side, j->side, 1.5f * (float)j->side);
    options.torso_c2w = camera;
    if (s == TG_OK)
        s = tg_vanilla_renderer_create(j->ctx, j->head, j->torso, &options, &j->renderer);
    return s;
}

/* Multiply-adds of one evaluation, of what is really evaluated: not what is constant along a ray or
 * in a picture, nor colours of the coarse pass. */
static double evaluation(const tg_vanilla *model, const tg_vanilla_mlp *mlp, bool color) {
    const int64_t position = 3 * (1 + 2 * model->config.position_octaves);
    double sum = (double)mlp->density_out_w->dim[1];
    for (int l = 0; l < mlp->layers; l++) {
        const tg_tensor *w = mlp->density_w[l];
        int64_t in = w->dim[1];
        if (l == 0)
            in = position;
        else if (l == mlp->skip)
            in = position + mlp->density_w[l - 1]->dim[0];
        sum += (double)(w->dim[0] * in);
    }
    for (int l = 0; l < mlp->color_layers && color; l++) {
        const tg_tensor *w = mlp->color_w[l];
        const int64_t in = l == 0 ? mlp->density_w[mlp->layers - 1]->dim[0] : w->dim[1];
        sum += (double)(w->dim[0] * in);
    }
    return sum + (color ? 3.0 * (double)mlp->color_out_w->dim[1] : 0);
}

static double flop_of_ray(const tg_vanilla *model) {
    const int n = model->config.n_samples_per_ray, fine = n + model->config.n_samples_per_ray_fine;
    return 2 * (n * evaluation(model, &model->coarse, false) +
                fine * evaluation(model, &model->fine, true));
}

/* kind: pixels across; shape: NULL, or in 16-bit integers. */
static tg_status measure_vanilla(bench *b, const bench_entry *entry) {
    const bool narrow = entry->shape != NULL;
    vanilla_job j = {.ctx = tg_bench_context(b, entry),
                     .side = entry->kind,
                     .windows = tg_bench_noise(WINDOWS, "windows", 1)};
    tg_context_set_precision(j.ctx, narrow ? TG_INT16 : TG_FLOAT32);
    tg_status s =
        j.windows ? tg_bench_passed(b, j.ctx, open_vanilla(b, &j)) : tg_bench_no_memory(b);
    if (s == TG_OK) {
        /* 64 coarse and 192 fine evaluations, head and torso */
        const double rays = (double)j.side * j.side;
        const int n = j.head->config.n_samples_per_ray;
        const bench_plan plan = {2 * rays * (2 * n + j.head->config.n_samples_per_ray_fine),
                                 TG_BENCH_SAMPLE, narrow ? CEILING_INT16 : CEILING_FMA,
                                 rays * (flop_of_ray(j.head) + flop_of_ray(j.torso)), false};
        s = tg_bench_time(b, entry, &plan, run_vanilla, &j);
    }
    tg_context_set_precision(j.ctx, TG_FLOAT32);
    tg_vanilla_renderer_destroy(&j.renderer);
    tg_vanilla_destroy(&j.head);
    tg_vanilla_destroy(&j.torso);
    tg_free(j.windows);
    return s;
}

const bench_entry tg_bench_networks[] = {
    {"network/hubert-large", measure_hubert, TG_FLOAT32, false, hubert_large},
    {"network/hubert-int16", measure_hubert, TG_INT16, false, hubert_large},
    {"network/hubert-base", measure_hubert, TG_FLOAT32, false, hubert_base},
    {"network/vae", measure_vae, 0, false, NULL},
    {"network/adnerf", measure_vanilla, 16, false, NULL},
    {"network/int16-adnerf", measure_vanilla, 16, false, "int16"},
    {"network/frame64-adnerf", measure_vanilla, MOST_SIDE, false, NULL},
    {NULL, NULL, 0, false, NULL},
};
