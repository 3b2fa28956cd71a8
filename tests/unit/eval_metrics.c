/* Picture measures against values worked out by hand or by definition. */
#include "talkgen/eval.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

enum { W = 40, H = 30, N = W * H };

static void fill(uint8_t *rgb, uint64_t seed) {
    tg_rng rng = tg_rng_make(seed, "", "picture");
    for (int i = 0; i < 3 * N; i++)
        rgb[i] = (uint8_t)(128 + 60 * sinf((float)(i % (3 * W)) * 0.1f) +
                           20 * tg_rng_uniform(&rng, (uint64_t)i));
}

static void psnr_of_known_errors(void **unused) {
    (void)unused;
    uint8_t a[3 * N], b[3 * N], mask[N] = {0};
    fill(a, 1);
    memcpy(b, a, sizeof(b));
    tg_region_score all = {0}, masked = {0}, boxed = {0};
    for (int i = 0; i < 3 * N; i++)
        b[i] = (uint8_t)(a[i] - 51); /* a fifth of the range */
    tg_region_add(&all, W, H, a, b, NULL, NULL, 0, NULL);
    assert_true(fabs(tg_region_psnr(&all) - 20 * log10(5)) < 1e-9);
    assert_int_equal(all.pixels, N);

    /* a mask and a box leave out what is wrong elsewhere */
    memcpy(b, a, sizeof(b));
    mask[3 * W + 4] = 2;
    b[3 * (3 * W + 4)] = (uint8_t)(a[3 * (3 * W + 4)] - 51);
    b[3 * (20 * W + 4)] ^= 255;
    tg_region_add(&masked, W, H, a, b, NULL, mask, 2 | 4, NULL);
    assert_int_equal(masked.pixels, 1);
    assert_true(fabs(tg_region_psnr(&masked) - 10 * log10(3 * 25)) < 1e-9);
    tg_box box = {2, 2, 6, 7};
    tg_region_add(&boxed, W, H, a, b, NULL, NULL, 0, &box);
    assert_int_equal(boxed.pixels, 4 * 5);
    assert_true(fabs(tg_region_psnr(&boxed) - 10 * log10(3 * 25 * 20)) < 1e-9);

    /* errors are pooled over frames before they become dB */
    tg_region_score two = {0};
    tg_region_add(&two, W, H, a, a, NULL, NULL, 0, &box);
    tg_region_add(&two, W, H, a, b, NULL, NULL, 0, &box);
    assert_true(fabs(tg_region_psnr(&two) - 10 * log10(3 * 25 * 40)) < 1e-9);
}

/* The definition, one pixel and channel at a time, in double. */
static double ssim_at(const uint8_t *a, const uint8_t *b, int x, int y, int c) {
    double sum = 0, ma = 0, mb = 0, aa = 0, bb = 0, ab = 0;
    for (int dy = -5; dy <= 5; dy++)
        for (int dx = -5; dx <= 5; dx++) {
            if (x + dx < 0 || x + dx >= W || y + dy < 0 || y + dy >= H)
                continue;
            int at = 3 * ((y + dy) * W + x + dx) + c;
            double g = exp(-(dx * dx + dy * dy) / (2 * 1.5 * 1.5));
            double p = a[at] / 255.0, q = b[at] / 255.0;
            sum += g, ma += g * p, mb += g * q, aa += g * p * p, bb += g * q * q, ab += g * p * q;
        }
    ma /= sum, mb /= sum;
    double va = aa / sum - ma * ma, vb = bb / sum - mb * mb, cov = ab / sum - ma * mb;
    return (2 * ma * mb + 1e-4) * (2 * cov + 9e-4) /
           ((ma * ma + mb * mb + 1e-4) * (va + vb + 9e-4));
}

static void ssim_is_its_definition(void **unused) {
    (void)unused;
    tg_context *ctx = tg_context_create(1);
    uint8_t a[3 * N], b[3 * N];
    float map[N];
    fill(a, 1);
    fill(b, 2);
    assert_int_equal(tg_ssim_map(ctx, W, H, a, b, map), TG_OK);
    double mean = 0;
    for (int i = 0; i < N; i++) {
        double expected = 0;
        for (int c = 0; c < 3; c++)
            expected += ssim_at(a, b, i % W, i / W, c) / 3;
        assert_true(fabs((double)map[i] - expected) < 1e-4);
        mean += expected / N;
    }
    assert_true(mean > 0.2 && mean < 0.98);
    tg_region_score score = {0};
    tg_region_add(&score, W, H, a, b, map, NULL, 0, NULL);
    assert_true(fabs(tg_region_ssim(&score) - mean) < 1e-4);
    assert_int_equal(tg_ssim_map(ctx, W, H, a, a, map), TG_OK);
    for (int i = 0; i < N; i++)
        assert_true(fabsf(map[i] - 1) < 1e-5f);
    tg_context_destroy(&ctx);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(psnr_of_known_errors),
        cmocka_unit_test(ssim_is_its_definition),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
