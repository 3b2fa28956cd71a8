/* The renderer on a GPU against the one on the CPU. Without a GPU its kernels run on the CPU, in a
 * build with -DTALKGEN_CUDA_EMULATE=ON; other builds only say that they have none. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "render/frame.h"

#ifndef TALKGEN_CUDA

static void absent(void **state) {
    (void)state;
    tg_context *ctx = tg_context_create(1);
    tg_nerf_config config = tg_nerf_config_defaults();
    config.log2_hashmap_size = 8;
    config.grid_size = 8;
    config.individual_embedding_num = 1;
    tg_nerf *nerf;
    assert_int_equal(tg_nerf_create(ctx, &config, 1, &nerf), TG_OK);
    tg_renderer_options options = tg_renderer_defaults(8, 8, 20.0f);
    options.device = TG_DEVICE_CUDA;
    tg_renderer *r;
    assert_int_equal(tg_renderer_create(ctx, nerf, &options, &r), TG_EUSAGE);
    assert_non_null(strstr(tg_message(ctx), "built without CUDA"));
    assert_null(r);
    tg_nerf_destroy(&nerf);
    tg_context_destroy(&ctx);
    printf("skip pictures by CUDA: built without it; cmake -DTALKGEN_CUDA_EMULATE=ON has them\n");
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(absent)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}

#else

#ifdef TALKGEN_CUDA_EMULATE
#include "render/cuda/emulate/cuda_runtime_api.h"
#endif

enum { W = 21, H = 14, WINDOWS = 5 * 204 };

/* What differs between the models below. */
typedef struct {
    int ambient, sigma, color, layers, levels, ambient_out, eye, deform, canonical;
    bool torso, aware, hash, smoothstep;
    float bound;
    int max_steps;
} shape;

static const shape narrow = {32, 32, 20, 3, 16, 2, 0, 64, 32, true, false, false, false, 1.0f, 16};

/* A ball of texture in front of a torso that fills the lower half. */
static tg_nerf *make_model(tg_context *ctx, const shape *s) {
    tg_nerf_config config = tg_nerf_config_defaults();
    config.grid_size = 32;
    config.log2_hashmap_size = config.torso_log2_hashmap_size = 10;
    config.hidden_dim_ambient = s->ambient;
    config.hidden_dim_sigma = s->sigma;
    config.hidden_dim_color = s->color;
    config.num_layers_ambient = config.num_layers_sigma = s->layers;
    config.num_levels = s->levels;
    config.ambient_out_dim = s->ambient_out;
    config.eye_dim = s->eye;
    config.geo_feat_dim = 24;
    config.individual_embedding_num = 2;
    config.torso_individual_embedding_num = 2;
    config.torso = s->torso;
    config.torso_head_aware = s->aware;
    config.torso_hidden_deform = s->deform;
    config.torso_hidden_canonical = s->canonical;
    config.grid_hash = s->hash;
    config.grid_smoothstep = s->smoothstep;
    config.bound = s->bound;
    config.max_steps = s->max_steps;
    tg_nerf *nerf;
    assert_int_equal(tg_nerf_create(ctx, &config, 11, &nerf), TG_OK);
    tg_tensor *grids[3] = {nerf->position_embeddings, nerf->ambient_embeddings,
                           nerf->torso_embeddings};
    const tg_rng rng = tg_rng_make(4, "", "model");
    for (int g = 0; g < (s->torso ? 3 : 2); g++) {
        for (int64_t i = 0; i < tg_numel(grids[g]); i++) {
            grids[g]->data[i] = (g == 0 ? 0.5f : 0.1f) * tg_rng_normal(&rng, (uint64_t)i);
        }
    }
    tg_tensor *density = nerf->sigma_net[s->layers - 1];
    for (int64_t i = 0; i < density->dim[1]; i++) { /* dense enough to become opaque */
        density->data[i] = fabsf(density->data[i]) * 40.0f;
    }
    memset(nerf->bitfield, 0, nerf->bitfield_bytes);
    for (uint32_t i = 0; i < nerf->cells; i++) {
        uint32_t p[3];
        const uint32_t each = 32 * 32 * 32;
        tg_morton3_inverse(i % each, p);
        float q = 0;
        for (int a = 0; a < 3; a++) {
            const float x = (((float)p[a] + 0.5f) / 16.0f - 1.0f) * (float)(1 << (i / each));
            q += x * x;
        }
        if (q < 0.2f) {
            nerf->bitfield[i / 8] |= (uint8_t)(1u << (i % 8));
        }
    }
    for (int i = 0; s->torso && i < 32 * 32; i++) {
        nerf->density_grid_torso[i] = i % 32 >= 16 ? 1.0f : 0.0f;
    }
    return nerf;
}

typedef struct {
    uint8_t rgb8[3 * W * H];
    float rgb[3 * W * H], alpha[W * H], depth[W * H], weights[W * H];
    tg_render_counts counts;
} result;

static const float c2w[16] = {1, 0, 0, 0, 0, 1, 0, 0, 0, 0, 1, 0.8f, 0, 0, 0, 1};
static uint8_t background[3 * W * H];

static tg_renderer_options options_of(tg_device device, tg_march_rule rule, bool full) {
    tg_renderer_options options = tg_renderer_defaults(W, H, 42.0f);
    tg_renderer_options_march(&options, rule);
    options.device = device;
    options.full_precision = full;
    options.max_contrast = 0.0f; /* the GPU follows every ray */
    options.background = background;
    return options;
}

static void render(tg_context *ctx, const tg_nerf *nerf, const tg_renderer_options *options,
                   result *out) {
    tg_renderer *r;
    assert_int_equal(tg_renderer_create(ctx, nerf, options, &r), TG_OK);
    float windows[WINDOWS];
    const tg_rng rng = tg_rng_make(4, "", "windows");
    tg_rng_fill_normal(&rng, 0, windows, WINDOWS);
    tg_renderer_set_eye(r, 0.2f);
    const tg_picture picture = {.rgb8 = out->rgb8,
                                .rgb = out->rgb,
                                .alpha = out->alpha,
                                .depth = out->depth,
                                .weights = out->weights};
    for (int i = 0; i < 2; i++) { /* the second frame must not see the first */
        memset(out, 0x55, sizeof *out);
        assert_int_equal(tg_renderer_frame(ctx, r, windows, c2w, &picture), TG_OK);
    }
    out->counts = tg_renderer_counts(r);
    tg_renderer_destroy(&r);
}

static double psnr(const float *a, const float *b) {
    double sum = 0;
    for (int i = 0; i < 3 * W * H; i++) {
        sum += (double)(a[i] - b[i]) * (double)(a[i] - b[i]);
    }
    return -10 * log10(sum / (3.0 * W * H) + 1e-20);
}

static float largest(const float *a, const float *b, int n) {
    float most = 0;
    for (int i = 0; i < n; i++) {
        const bool both_nan = isnan(a[i]) && isnan(b[i]);
        const float d = both_nan ? 0.0f : fabsf(a[i] - b[i]);
        most = d > most || isnan(d) ? d : most;
    }
    return most;
}

static result cpu, gpu;

/* float32: the order of sums and the last bit of exp; seen 144 dB and more. fp16: 11 bits of
 * weights and activations; seen 91 dB and more, on the shipped person 81 dB at 256x256. */
static const double full_psnr = 120, half_psnr = 75;

static void same(const char *name, const tg_nerf *nerf, tg_context *ctx, tg_march_rule rule,
                 bool full) {
    tg_renderer_options options = options_of(TG_DEVICE_CPU, rule, true);
    render(ctx, nerf, &options, &cpu);
    options = options_of(TG_DEVICE_CUDA, rule, full);
    render(ctx, nerf, &options, &gpu);
    const double db = psnr(cpu.rgb, gpu.rgb);
    const float alpha = largest(cpu.alpha, gpu.alpha, W * H);
    fprintf(stderr, "  %-10s %-10s %-4s %6.1f dB, alpha within %.1e, samples %lld and %lld\n", name,
            rule == TG_MARCH_FAST        ? "fast"
            : rule == TG_MARCH_REFERENCE ? "reference"
                                         : "exhaustive",
            full ? "fp32" : "fp16", db, (double)alpha, (long long)cpu.counts.density_samples,
            (long long)gpu.counts.density_samples);
    assert_true(db > (full ? full_psnr : half_psnr));
    assert_true(alpha < (full ? 1e-4f : 1e-2f));
    for (int i = 0; i < 3 * W * H; i++) {
        const float value = gpu.rgb[i] * 255.0f;
        assert_true(gpu.rgb8[i] == (uint8_t)value);
    }
    if (full) {
        assert_true(largest(cpu.depth, gpu.depth, W * H) < 1e-3f);
        assert_true(largest(cpu.weights, gpu.weights, W * H) < 1e-3f);
        assert_true(cpu.counts.rays == gpu.counts.rays);
        assert_true(llabs(cpu.counts.torso_pixels - gpu.counts.torso_pixels) <= 8);
        assert_true(llabs(cpu.counts.color_samples - gpu.counts.color_samples) <=
                    8 + cpu.counts.color_samples / 100);
    }
}

static void rules(void **state) {
    (void)state;
    static const struct {
        const char *name;
        shape shape;
    } models[] = {
        {"narrow", {32, 32, 20, 3, 16, 2, 0, 64, 32, true, false, false, false, 1.0f, 16}},
        {"64", {64, 64, 64, 3, 16, 3, 1, 64, 32, true, true, false, true, 1.0f, 16}},
        {"wide", {128, 96, 128, 2, 12, 2, 0, 40, 20, true, true, true, false, 1.0f, 16}},
        {"cascades", {64, 64, 64, 4, 16, 2, 0, 64, 32, false, false, false, false, 2.0f, 256}},
        {"beyond", {144, 130, 64, 3, 18, 2, 1, 72, 36, true, false, false, false, 1.0f, 16}},
    };
    tg_context *ctx = tg_context_create(2);
    for (size_t i = 0; i < sizeof background; i++) {
        background[i] = (uint8_t)(i * 7);
    }
    for (size_t m = 0; m < sizeof models / sizeof *models; m++) {
        tg_nerf *nerf = make_model(ctx, &models[m].shape);
        for (int rule = 0; rule < 3; rule++) {
            same(models[m].name, nerf, ctx, (tg_march_rule)rule, true);
            same(models[m].name, nerf, ctx, (tg_march_rule)rule, false);
        }
        tg_nerf_destroy(&nerf);
    }
    tg_context_destroy(&ctx);
}

/* A model that changes, a background that changes. */
static void updates(void **state) {
    (void)state;
    tg_context *ctx = tg_context_create(1);
    tg_nerf *nerf = make_model(ctx, &narrow);
    tg_renderer_options options = options_of(TG_DEVICE_CUDA, TG_MARCH_FAST, false);
    static uint8_t before[3 * W * H], after[3 * W * H], black[3 * W * H];
    float windows[WINDOWS] = {0};
    tg_renderer *r;
    assert_int_equal(tg_renderer_create(ctx, nerf, &options, &r), TG_OK);
    assert_int_equal(tg_renderer_frame(ctx, r, windows, c2w, &(tg_picture){.rgb8 = before}), TG_OK);
    tg_renderer_set_background(r, black);
    assert_int_equal(tg_renderer_frame(ctx, r, windows, c2w, &(tg_picture){.rgb8 = after}), TG_OK);
    assert_true(before[30] != 0 && after[30] == 0);
    tg_renderer_set_background(r, background);
    memset(nerf->bitfield, 0, nerf->bitfield_bytes);
    assert_int_equal(tg_renderer_update(ctx, r), TG_OK);
    assert_int_equal(tg_renderer_frame(ctx, r, windows, c2w, &(tg_picture){.rgb8 = after}), TG_OK);
    assert_int_equal(tg_renderer_counts(r).density_samples, 0);
    assert_true(memcmp(before, after, sizeof after) != 0);
    windows[3] = NAN;
    assert_int_equal(tg_renderer_frame(ctx, r, windows, c2w, &(tg_picture){.rgb8 = after}),
                     TG_EINPUT);
    tg_renderer_destroy(&r);
    tg_nerf_destroy(&nerf);
    tg_context_destroy(&ctx);
}

/* Two frames under way give the pictures of two frames one after the other. */
static void overlap(void **state) {
    (void)state;
    tg_context *ctx = tg_context_create(1);
    tg_nerf *nerf = make_model(ctx, &narrow);
    const tg_renderer_options options = options_of(TG_DEVICE_CUDA, TG_MARCH_FAST, false);
    static uint8_t one[3][3 * W * H], two[3][3 * W * H];
    float windows[3][WINDOWS], pose[16];
    const tg_rng rng = tg_rng_make(5, "", "windows");
    tg_renderer *r;
    assert_int_equal(tg_renderer_create(ctx, nerf, &options, &r), TG_OK);
    assert_true(tg_renderer_overlaps(r));
    memcpy(pose, c2w, sizeof pose);
    for (int i = 0; i < 3; i++) {
        tg_rng_fill_normal(&rng, (uint64_t)(i * WINDOWS), windows[i], WINDOWS);
        pose[11] = 0.8f + 0.1f * (float)i;
        assert_int_equal(tg_renderer_frame(ctx, r, windows[i], pose, &(tg_picture){.rgb8 = one[i]}),
                         TG_OK);
    }
    assert_true(memcmp(one[0], one[1], sizeof one[0]) != 0);
    for (int i = 0; i < 3; i++) {
        pose[11] = 0.8f + 0.1f * (float)i;
        assert_int_equal(tg_renderer_begin(ctx, r, windows[i], pose, false), TG_OK);
        if (i > 0) {
            assert_int_equal(tg_renderer_finish(ctx, r, &(tg_picture){.rgb8 = two[i - 1]}), TG_OK);
        }
    }
    assert_int_equal(tg_renderer_finish(ctx, r, &(tg_picture){.rgb8 = two[2]}), TG_OK);
    assert_memory_equal(one, two, sizeof one);
    assert_int_equal(tg_renderer_finish(ctx, r, &(tg_picture){.rgb8 = two[2]}), TG_EINTERNAL);
    for (int i = 0; i < 3; i++) {
        assert_int_equal(tg_renderer_begin(ctx, r, windows[i], pose, false),
                         i < 2 ? TG_OK : TG_EINTERNAL);
    }
    tg_renderer_destroy(&r); /* with two frames under way */
    tg_nerf_destroy(&nerf);
    tg_context_destroy(&ctx);
}

#ifdef TALKGEN_CUDA_EMULATE
/* Threads of a block in another order between two barriers: a kernel that lacks one gives another
 * picture. */
static void order(void **state) {
    (void)state;
    tg_context *ctx = tg_context_create(1);
    shape models[2] = {narrow, narrow};
    models[1].sigma = models[1].ambient = 128;
    models[1].aware = true;
    for (int m = 0; m < 2; m++) {
        tg_nerf *nerf = make_model(ctx, &models[m]);
        for (int full = 0; full < 2; full++) {
            for (int rule = 0; rule < 2; rule++) {
                const tg_renderer_options options =
                    options_of(TG_DEVICE_CUDA, (tg_march_rule)rule, full != 0);
                render(ctx, nerf, &options, &cpu);
                tg_emulate_order(1);
                render(ctx, nerf, &options, &gpu);
                tg_emulate_order(0);
                assert_memory_equal(&cpu, &gpu, sizeof cpu);
            }
        }
        tg_nerf_destroy(&nerf);
    }
    tg_context_destroy(&ctx);
}

/* A GPU whose multiprocessors have no room for the weights reads them through its cache. */
static void small_device(void **state) {
    (void)state;
    tg_context *ctx = tg_context_create(1);
    shape models[2] = {narrow, narrow};
    models[1].sigma = models[1].ambient = 128;
    for (int m = 0; m < 2; m++) {
        tg_nerf *nerf = make_model(ctx, &models[m]);
        const tg_renderer_options options = options_of(TG_DEVICE_CUDA, TG_MARCH_FAST, false);
        render(ctx, nerf, &options, &cpu);
        tg_emulate_shared(32 * 1024);
        render(ctx, nerf, &options, &gpu);
        assert_memory_equal(&cpu, &gpu, sizeof cpu);
        tg_emulate_shared(1024);
        tg_renderer *r;
        assert_int_equal(tg_renderer_create(ctx, nerf, &options, &r), TG_EINTERNAL);
        tg_emulate_shared(163 * 1024);
        tg_nerf_destroy(&nerf);
    }
    tg_context_destroy(&ctx);
}

/* Every call of the runtime fails once: a message, no leak (the sanitizer looks), no picture. */
static void failures(void **state) {
    (void)state;
    tg_context *ctx = tg_context_create(1);
    tg_nerf *nerf = make_model(ctx, &narrow);
    float windows[WINDOWS] = {0};
    for (int rule = 0; rule < 2; rule++) {
        const tg_renderer_options options = options_of(TG_DEVICE_CUDA, (tg_march_rule)rule, false);
        int failed = 0, ended = 0;
        for (int calls = 0; !ended && calls < 500; calls++) {
            tg_renderer *r = NULL;
            tg_emulate_fail_after(calls);
            tg_status status = tg_renderer_create(ctx, nerf, &options, &r);
            if (status == TG_OK) {
                status = tg_renderer_frame(ctx, r, windows, c2w, &(tg_picture){.rgb = gpu.rgb});
            } else {
                assert_null(r);
            }
            if (status == TG_OK) {
                ended = 1;
            } else {
                failed++;
                assert_true(status == TG_ENOMEM || status == TG_EINTERNAL || status == TG_EUSAGE);
                assert_non_null(strstr(tg_message(ctx), "GPU"));
                assert_non_null(strstr(tg_message(ctx), "try: "));
            }
            tg_emulate_fail_after(-1);
            if (r != NULL && status != TG_OK) { /* it can be used again */
                assert_int_equal(
                    tg_renderer_frame(ctx, r, windows, c2w, &(tg_picture){.rgb = gpu.rgb}), TG_OK);
            }
            tg_renderer_destroy(&r);
        }
        fprintf(stderr, "  %d calls, each failed once\n", failed);
        assert_true(ended && failed > 40);
    }
    tg_nerf_destroy(&nerf);
    tg_context_destroy(&ctx);
}
#endif

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(rules), cmocka_unit_test(updates),      cmocka_unit_test(overlap),
#ifdef TALKGEN_CUDA_EMULATE
        cmocka_unit_test(order), cmocka_unit_test(small_device), cmocka_unit_test(failures),
#endif
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

#endif
