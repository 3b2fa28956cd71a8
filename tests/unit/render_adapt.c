/* Pictures from coarse to fine against pictures of all rays: nearly the same with fewer samples,
 * the same for any number of threads; and rays that are begun too late. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <float.h>
#include <math.h>
#include <string.h>

#include "render/frame.h"

enum { W = 203, H = 197 }; /* no multiples of a patch */

static const float c2w[16] = {1, 0, 0, 0, 0, 1, 0, 0, 0, 0, 1, 0.8f, 0, 0, 0, 1};

static float distance_to(const float x[3], float px, float py, float pz) {
    const float a = x[0] - px, b = x[1] - py, c = x[2] - pz;
    return sqrtf(a * a + b * b + c * c);
}

/* A solid ball with a bead beside it, in thin air, all of it called occupied; smooth colours. The
 * coarsest level of the position grid holds the distance to the surface in its first feature, and
 * the first hidden unit is what is inside, the second what is outside. */
static tg_nerf *make_model(tg_context *ctx, bool torso, bool aware) {
    tg_nerf_config config = tg_nerf_config_defaults();
    config.log2_hashmap_size = 16;
    config.base_resolution = 24;
    config.desired_resolution = 48;
    config.hidden_dim_ambient = config.hidden_dim_sigma = config.hidden_dim_color = 16;
    config.geo_feat_dim = 16;
    config.individual_embedding_num = config.torso_individual_embedding_num = 1;
    config.torso = torso;
    config.torso_head_aware = aware;
    tg_nerf *nerf;
    assert_int_equal(tg_nerf_create(ctx, &config, 11, &nerf), TG_OK);
    const tg_rng rng = tg_rng_make(4, "", "model");
    float *table = nerf->position_embeddings->data;
    for (int64_t i = 0; i < tg_numel(nerf->position_embeddings); i++) {
        table[i] = 0.1f * tg_rng_normal(&rng, (uint64_t)i);
    }
    const tg_grid *grid = &nerf->position_grid;
    const uint32_t n = grid->resolution[0] + 1;
    for (uint32_t i = 0; i < n * n * n; i++) {
        const uint32_t c[3] = {i % n, i / n % n, i / n / n};
        uint32_t row = 0;
        float x[3];
        for (int a = 0; a < 3; a++) {
            row += c[a] * grid->stride[0][a];
            x[a] = 2.0f * ((float)c[a] - 0.5f) / grid->scale[0] - 1.0f;
        }
        const float ball = 0.3f - distance_to(x, 0, 0, 0);
        const float bead = 0.1f - distance_to(x, 0.25f, 0.3f, 0.1f);
        table[2 * (size_t)(row & grid->mask[0])] = fmaxf(ball, bead);
    }
    float *first = nerf->sigma_net[0]->data, *second = nerf->sigma_net[1]->data;
    float *out = nerf->sigma_net[2]->data;
    const int64_t inputs = nerf->sigma_net[0]->dim[1];
    memset(first, 0, (size_t)(2 * inputs) * sizeof *first);
    first[0] = 1.0f;
    first[inputs] = -1.0f;
    memset(second, 0, 2 * 16 * sizeof *second);
    second[0] = second[16 + 1] = 1.0f;
    memset(out, 0, 16 * sizeof *out);
    out[0] = 200.0f; /* e-fold in 5 mm of a metre, so to speak */
    out[1] = -200.0f;
    memset(nerf->bitfield, 0xff, nerf->bitfield_bytes);
    for (int64_t i = 0; torso && i < tg_numel(nerf->torso_embeddings); i++) {
        nerf->torso_embeddings->data[i] = 0.02f * tg_rng_normal(&rng, (uint64_t)i);
    }
    for (int i = 0; torso && i < 128 * 128; i++) {
        nerf->density_grid_torso[i] = i % 128 >= 50 ? 1.0f : 0.0f;
    }
    return nerf;
}

typedef struct {
    float rgb[3 * W * H], alpha[W * H], depth[W * H];
    tg_render_counts counts;
} result;
static result all, fast, other;

static void render(tg_context *ctx, const tg_nerf *nerf, float contrast, result *out) {
    tg_renderer_options options = tg_renderer_defaults(W, H, 500.0f);
    options.max_contrast = contrast;
    tg_renderer *r;
    assert_int_equal(tg_renderer_create(ctx, nerf, &options, &r), TG_OK);
    assert_int_equal(r->coarse, contrast == 0.0f ? 1 : 4);
    float windows[5 * 204];
    const tg_rng rng = tg_rng_make(4, "", "windows");
    tg_rng_fill_normal(&rng, 0, windows, 5 * 204);
    const tg_picture picture = {.rgb = out->rgb, .alpha = out->alpha, .depth = out->depth};
    for (int i = 0; i < 2; i++) { /* the second frame must not see the first */
        assert_int_equal(tg_renderer_frame(ctx, r, windows, c2w, &picture), TG_OK);
    }
    out->counts = tg_renderer_counts(r);
    tg_renderer_destroy(&r);
}

static double psnr(const float *a, const float *b, int n) {
    double sum = 0;
    for (int i = 0; i < n; i++) {
        const bool miss = isnan(a[i]) || isnan(b[i]); /* depth beside the box */
        assert_true(!miss || (isnan(a[i]) && isnan(b[i])));
        sum += miss ? 0 : (double)(a[i] - b[i]) * (double)(a[i] - b[i]);
    }
    return -10 * log10(sum / n + 1e-20);
}

static void near_the_whole(void **state) {
    (void)state;
    tg_context *ctx = tg_context_create(2);
    tg_nerf *nerf = make_model(ctx, false, false);
    render(ctx, nerf, 0.0f, &all);
    assert_true(all.counts.density_samples > 20000);
    /* every ray that meets something, begun late */
    render(ctx, nerf, 1e-6f, &fast);
    assert_true(fast.counts.density_samples < all.counts.density_samples);
    assert_true(psnr(all.rgb, fast.rgb, 3 * W * H) > 60);
    assert_true(psnr(all.depth, fast.depth, W * H) > 60);
    /* and some of them interpolated */
    render(ctx, nerf, -1.0f, &other);
    assert_true(other.counts.rays < fast.counts.rays);
    assert_true(other.counts.density_samples < fast.counts.density_samples);
    assert_true(psnr(all.rgb, other.rgb, 3 * W * H) > 48);
    assert_true(psnr(all.alpha, other.alpha, W * H) > 48);
    assert_true(psnr(all.depth, other.depth, W * H) > 48);
    tg_nerf_destroy(&nerf);
    tg_context_destroy(&ctx);
}

static void threads(void **state) {
    (void)state;
    tg_context *one = tg_context_create(1), *five = tg_context_create(5);
    tg_nerf *nerf = make_model(one, true, false);
    render(one, nerf, -1.0f, &fast);
    render(five, nerf, -1.0f, &other);
    assert_memory_equal(fast.rgb, other.rgb, sizeof fast.rgb);
    assert_memory_equal(fast.alpha, other.alpha, sizeof fast.alpha);
    assert_memory_equal(fast.depth, other.depth, sizeof fast.depth);
    assert_memory_equal(&fast.counts, &other.counts, sizeof fast.counts);
    tg_nerf_destroy(&nerf);
    tg_context_destroy(&five);
    tg_context_destroy(&one);
}

/* A torso that sees the head is not smooth where the head is: all of its pixels are looked at. */
static void torso(void **state) {
    (void)state;
    tg_context *ctx = tg_context_create(2);
    for (int aware = 0; aware < 2; aware++) {
        tg_nerf *nerf = make_model(ctx, true, aware);
        render(ctx, nerf, 0.0f, &all);
        assert_true(all.counts.torso_pixels > W * H / 3);
        render(ctx, nerf, -1.0f, &fast);
        assert_true(psnr(all.rgb, fast.rgb, 3 * W * H) > 48);
        assert_true(psnr(all.alpha, fast.alpha, W * H) > 48);
        /* a plain cloth: colours of a quarter of the spread that random weights have */
        for (int64_t i = 0; !aware && i < tg_numel(nerf->torso_canonical_net[2]); i++) {
            nerf->torso_canonical_net[2]->data[i] *= 0.25f;
        }
        render(ctx, nerf, 0.0f, &all);
        render(ctx, nerf, -1.0f, &fast);
        assert_true(psnr(all.rgb, fast.rgb, 3 * W * H) > 48);
        const int64_t pixels = all.counts.torso_pixels;
        assert_true(aware ? fast.counts.torso_pixels > pixels * 9 / 10
                          : fast.counts.torso_pixels < pixels * 3 / 4);
        tg_nerf_destroy(&nerf);
    }
    tg_context_destroy(&ctx);
}

/* A ray through the ball that is begun behind its front finds the front all the same; one that is
 * begun before it takes fewer samples for the same sums. */
static void begun_late(void **state) {
    (void)state;
    tg_context *ctx = tg_context_create(1);
    tg_nerf *nerf = make_model(ctx, false, false);
    tg_renderer_options options = tg_renderer_defaults(W, H, 500.0f);
    tg_renderer *r;
    assert_int_equal(tg_renderer_create(ctx, nerf, &options, &r), TG_OK);
    float windows[5 * 204] = {0};
    const tg_picture picture = {.rgb = all.rgb};
    assert_int_equal(tg_renderer_frame(ctx, r, windows, c2w, &picture), TG_OK);
    tg_worker *w = &r->workers[0];
    float d[3];
    tg_ray_direction(r, NULL, H / 2, W / 2, d);
    tg_ray whole;
    for (int i = -1; i < 12; i++) {
        tg_ray *ray = &w->rays[0];
        assert_true(tg_ray_start(r, d, H / 2, W / 2, ray));
        if (i >= 0) {
            tg_ray_guess(r, ray, whole.begin + (float)(i - 4) * r->skip.dt);
        }
        w->alive[0] = 0;
        tg_rays_march(r, w, 1);
        if (i < 0) {
            whole = *ray;
            assert_true(whole.weight > 0.99f && whole.begin < FLT_MAX);
            continue;
        }
        assert_true(fabsf(ray->weight - whole.weight) < 0.01f);
        assert_true(fabsf(ray->begin - whole.begin) < 1.5f * r->skip.dt);
        for (int c = 0; c < 3; c++) {
            assert_true(fabsf(ray->rgb[c] - whole.rgb[c]) < 0.01f);
        }
    }
    tg_renderer_destroy(&r);
    tg_nerf_destroy(&nerf);
    tg_context_destroy(&ctx);
}

static void sizes(void **state) {
    (void)state;
    assert_int_equal(tg_adapt_coarse(1, 1), 1);
    assert_int_equal(tg_adapt_coarse(75, 50), 1);
    assert_int_equal(tg_adapt_coarse(256, 256), 4);
    assert_int_equal(tg_adapt_coarse(100, 512), 8);
    assert_int_equal(tg_adapt_coarse(8192, 8192), 8);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(sizes),   cmocka_unit_test(near_the_whole), cmocka_unit_test(torso),
        cmocka_unit_test(threads), cmocka_unit_test(begun_late),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
