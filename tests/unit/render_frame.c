/* Whole pictures: the same for any number of threads, near the oracle at every CPU level, and what
 * must hold of them in any case. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <math.h>
#include <stdio.h>
#include <string.h>

#include "render/frame.h"

enum { W = 75, H = 50 }; /* no multiples of a block */

/* A ball of texture in front of a torso that fills the lower half. */
static tg_nerf *make_model(tg_context *ctx, bool torso) {
    tg_nerf_config config = tg_nerf_config_defaults();
    config.grid_size = 32;
    config.log2_hashmap_size = config.torso_log2_hashmap_size = 10;
    config.hidden_dim_ambient = config.hidden_dim_sigma = 32;
    config.geo_feat_dim = 24;
    config.hidden_dim_color = 20;
    config.individual_embedding_num = 2;
    config.torso_individual_embedding_num = 2;
    config.torso = torso;
    tg_nerf *nerf;
    assert_int_equal(tg_nerf_create(ctx, &config, 11, &nerf), TG_OK);
    tg_tensor *grids[3] = {nerf->position_embeddings, nerf->ambient_embeddings,
                           nerf->torso_embeddings};
    const tg_rng rng = tg_rng_make(4, "", "model");
    for (int g = 0; g < (torso ? 3 : 2); g++) {
        for (int64_t i = 0; i < tg_numel(grids[g]); i++) {
            grids[g]->data[i] = (g == 0 ? 0.5f : 0.1f) * tg_rng_normal(&rng, (uint64_t)i);
        }
    }
    for (int64_t i = 0; i < config.hidden_dim_sigma; i++) { /* dense enough to become opaque */
        nerf->sigma_net[2]->data[i] = fabsf(nerf->sigma_net[2]->data[i]) * 40.0f;
    }
    memset(nerf->bitfield, 0, nerf->bitfield_bytes);
    for (uint32_t i = 0; i < nerf->cells; i++) {
        uint32_t p[3];
        tg_morton3_inverse(i, p);
        float q = 0;
        for (int a = 0; a < 3; a++) {
            const float x = ((float)p[a] + 0.5f) / 16.0f - 1.0f;
            q += x * x;
        }
        if (q < 0.2f) {
            nerf->bitfield[i / 8] |= (uint8_t)(1u << (i % 8));
        }
    }
    for (int i = 0; torso && i < 32 * 32; i++) {
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

static void render(tg_context *ctx, const tg_nerf *nerf, bool reference, bool full_precision,
                   const uint8_t *background, result *out) {
    tg_renderer_options options = tg_renderer_defaults(W, H, 150.0f);
    options.background = background;
    options.reference_schedule = reference;
    options.full_precision = full_precision;
    tg_renderer *r;
    assert_int_equal(tg_renderer_create(ctx, nerf, &options, &r), TG_OK);
    float windows[5 * 204];
    const tg_rng rng = tg_rng_make(4, "", "windows");
    tg_rng_fill_normal(&rng, 0, windows, 5 * 204);
    const tg_picture picture = {.rgb8 = out->rgb8,
                                .rgb = out->rgb,
                                .alpha = out->alpha,
                                .depth = out->depth,
                                .weights = out->weights};
    for (int i = 0; i < 2; i++) { /* the second frame must not see the first */
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

static result one, two;
static uint8_t background[3 * W * H];

static void threads(void **state) {
    (void)state;
    tg_context *first = tg_context_create(1), *second = tg_context_create(5);
    tg_nerf *nerf = make_model(first, true);
    for (int reference = 0; reference < 2; reference++) {
        render(first, nerf, reference, false, background, &one);
        render(second, nerf, reference, false, background, &two);
        assert_memory_equal(one.rgb, two.rgb, sizeof one.rgb);
        assert_memory_equal(one.alpha, two.alpha, sizeof one.alpha);
        assert_memory_equal(one.depth, two.depth, sizeof one.depth);
        assert_memory_equal(&one.counts, &two.counts, sizeof one.counts);
    }
    tg_nerf_destroy(&nerf);
    tg_context_destroy(&second);
    tg_context_destroy(&first);
}

static void levels(void **state) {
    (void)state;
    tg_context *ctx = tg_context_create(2);
    tg_nerf *nerf = make_model(ctx, true);
    const tg_cpu_level best = tg_cpu_detect();
    assert_int_equal(tg_context_set_cpu(ctx, TG_CPU_PORTABLE), TG_OK);
    render(ctx, nerf, false, true, background, &one);
    assert_true(one.counts.density_samples > 2000 && one.counts.torso_pixels > 500);
    for (int level = 1; level < TG_CPU_LEVELS; level++) {
        if (!tg_cpu_has((tg_cpu_level)level)) {
            continue;
        }
        assert_int_equal(tg_context_set_cpu(ctx, (tg_cpu_level)level), TG_OK);
        render(ctx, nerf, false, true, background, &two);
        /* a sample on the edge of min_weight or of the end of a ray may change sides: half a byte
         */
        for (int i = 0; i < 3 * W * H; i++) {
            assert_true(fabsf(one.rgb[i] - two.rgb[i]) < 2e-3f);
        }
        assert_true(psnr(one.rgb, two.rgb) > 80);
    }
    if (best >= TG_CPU_AVX512BF16) { /* white-noise tables are the worst case for bf16 */
        render(ctx, nerf, false, false, background, &two);
        assert_true(psnr(one.rgb, two.rgb) > 45);
    }
    tg_nerf_destroy(&nerf);
    tg_context_destroy(&ctx);
}

/* The product's rule differs from the published schedule by samples that hardly weigh. */
static void schedules(void **state) {
    (void)state;
    tg_context *ctx = tg_context_create(2);
    tg_nerf *nerf = make_model(ctx, true);
    render(ctx, nerf, true, true, background, &one);
    render(ctx, nerf, false, true, background, &two);
    assert_true(psnr(one.rgb, two.rgb) > 55);
    assert_true(two.counts.density_samples < one.counts.density_samples);
    assert_true(two.counts.torso_pixels < one.counts.torso_pixels);
    tg_nerf_destroy(&nerf);
    tg_context_destroy(&ctx);
}

static void composition(void **state) {
    (void)state;
    tg_context *ctx = tg_context_create(1);
    tg_nerf *nerf = make_model(ctx, false);
    for (int i = 0; i < 3 * W * H; i++) {
        background[i] = (uint8_t)(i * 7);
    }
    render(ctx, nerf, false, false, background, &one);
    render(ctx, nerf, false, false, NULL, &two);
    int empty = 0, solid = 0;
    for (int p = 0; p < W * H; p++) {
        assert_true(one.alpha[p] >= 0.0f && one.alpha[p] <= 1.0f);
        assert_true(fabsf(one.alpha[p] - one.weights[p]) < 1e-6f); /* no torso */
        for (int c = 0; c < 3; c++) {
            const float behind = (1.0f - one.weights[p]) * (float)background[3 * p + c] / 255.0f;
            assert_true(fabsf(one.rgb[3 * p + c] - two.rgb[3 * p + c] - behind) < 1e-5f);
            assert_int_equal(one.rgb8[3 * p + c], (uint8_t)(one.rgb[3 * p + c] * 255.0f));
        }
        if (one.weights[p] == 0.0f) {
            empty++;
            assert_memory_equal(one.rgb8 + 3 * p, background + 3 * p, 3);
        }
        solid += one.weights[p] > 0.95f;
    }
    assert_true(empty > 500 && solid > 200);
    /* an empty volume is the background */
    memset(nerf->bitfield, 0, nerf->bitfield_bytes);
    render(ctx, nerf, false, false, background, &one);
    assert_memory_equal(one.rgb8, background, sizeof background);
    assert_int_equal(one.counts.density_samples, 0);
    tg_nerf_destroy(&nerf);
    tg_context_destroy(&ctx);
}

/* The named tolerances of the narrow kernels against the stored pictures of the golden cases. */
static void narrow_golden(tg_cpu_level level, const char *name, double least) {
    static const char *const cases[] = {"lm3d_radnerf_head", "lm3d_radnerf_torso",
                                        "lm3d_radnerf_hash", "radnerf_head"};
    if (tg_cpu_detect() < level) {
        print_message("skip %s: this processor does not have it\n", name);
        skip();
    }
    tg_context *ctx = tg_context_create(2);
    assert_int_equal(tg_context_set_cpu(ctx, level), TG_OK);
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        char file[512];
        tg_st *part[3];
        static const char *const parts[3] = {"weights", "inputs", "outputs"};
        for (int k = 0; k < 3; k++) {
            snprintf(file, sizeof file, TG_TESTS_DIR "/golden/%s/%s.safetensors", cases[i],
                     parts[k]);
            assert_int_equal(tg_st_open(ctx, file, &part[k]), TG_OK);
        }
        tg_json *json;
        snprintf(file, sizeof file, TG_TESTS_DIR "/golden/%s/config.json", cases[i]);
        assert_int_equal(tg_json_read(ctx, file, &json), TG_OK);
        tg_nerf_config config = tg_nerf_config_defaults();
        assert_int_equal(tg_nerf_config_read(ctx, json, &config), TG_OK);
        tg_nerf *nerf;
        assert_int_equal(tg_nerf_load(ctx, part[0], "", "", &config, &nerf), TG_OK);
        const int size = (int)tg_json_number(tg_json_get(json, "W"), 0);
        tg_renderer_options options =
            tg_renderer_defaults(size, size, (float)tg_json_number(tg_json_get(json, "focal"), 0));
        options.cx = (float)tg_json_number(tg_json_get(json, "cx"), 0);
        options.cy = (float)tg_json_number(tg_json_get(json, "cy"), 0);
        tg_renderer *r;
        assert_int_equal(tg_renderer_create(ctx, nerf, &options, &r), TG_OK);
        memcpy(r->background, tg_st_find(part[1], "bg_img")->data,
               (size_t)(size * size) * 3 * sizeof(float)); /* no bytes: it has to be exact */
        float *rgb = tg_alloc((size_t)(size * size) * 3 * sizeof *rgb);
        const tg_picture picture = {.rgb = rgb};
        assert_int_equal(tg_renderer_frame(ctx, r, tg_st_find(part[1], "cond_wins")->data,
                                           tg_st_find(part[1], "c2w")->data, &picture),
                         TG_OK);
        const float *stored = tg_st_find(part[2], "rgb_map")->data;
        double sum = 0;
        for (int p = 0; p < size * size * 3; p++) {
            sum += (double)(rgb[p] - stored[p]) * (double)(rgb[p] - stored[p]);
        }
        const double db = -10 * log10(sum / (size * size * 3));
        print_message("%s, %s: %.1f dB\n", cases[i], name, db);
        assert_true(db > least);
        tg_free(rgb);
        tg_renderer_destroy(&r);
        tg_nerf_destroy(&nerf);
        tg_json_destroy(&json);
        for (int k = 0; k < 3; k++) {
            tg_st_close(&part[k]);
        }
    }
    tg_context_destroy(&ctx);
}

static void bf16_golden(void **state) {
    (void)state;
    narrow_golden(TG_CPU_AVX512BF16, "bf16", 55);
}

static void int16_golden(void **state) {
    (void)state;
    narrow_golden(TG_CPU_AVX512VNNI, "int16", 72);
}

static void limits(void **state) {
    (void)state;
    tg_context *ctx = tg_context_create(1);
    tg_nerf *nerf = make_model(ctx, false);
    tg_renderer *r;
    tg_renderer_options options = tg_renderer_defaults(0, 50, 100.0f);
    assert_int_equal(tg_renderer_create(ctx, nerf, &options, &r), TG_EUSAGE);
    options = tg_renderer_defaults(64, 64, 0.0f);
    assert_int_equal(tg_renderer_create(ctx, nerf, &options, &r), TG_EUSAGE);
    options = tg_renderer_defaults(64, 64, NAN);
    assert_int_equal(tg_renderer_create(ctx, nerf, &options, &r), TG_EUSAGE);
    assert_null(r);
    /* poses and conditions from damaged files */
    options = tg_renderer_defaults(64, 64, 100.0f);
    assert_int_equal(tg_renderer_create(ctx, nerf, &options, &r), TG_OK);
    float windows[5 * 204] = {0}, pose[16];
    const tg_picture picture = {.rgb8 = one.rgb8};
    assert_int_equal(tg_renderer_frame(ctx, r, windows, c2w, &picture), TG_OK);
    static const struct {
        int at;
        float value;
    } damage[] = {{3, NAN}, {7, INFINITY}, {11, 1e9f}, {0, 0.5f}, {5, NAN}, {1, 0.3f}};
    for (size_t i = 0; i < sizeof damage / sizeof damage[0]; i++) {
        memcpy(pose, c2w, sizeof pose);
        pose[damage[i].at] = damage[i].value;
        assert_int_equal(tg_renderer_frame(ctx, r, windows, pose, &picture), TG_EINPUT);
    }
    windows[700] = NAN;
    assert_int_equal(tg_renderer_frame(ctx, r, windows, c2w, &picture), TG_EINPUT);
    tg_renderer_destroy(&r);
    tg_nerf_destroy(&nerf);
    tg_context_destroy(&ctx);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(threads),     cmocka_unit_test(levels),
        cmocka_unit_test(schedules),   cmocka_unit_test(composition),
        cmocka_unit_test(bf16_golden), cmocka_unit_test(int16_golden),
        cmocka_unit_test(limits),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
