/* Rate conversion: length, accuracy inside the band, rejection outside, streaming. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "talkgen/speech.h"

#include <math.h>
#include <string.h>

static tg_context *ctx;

static int set_up(void **state) {
    (void)state;
    ctx = tg_context_create(1);
    return ctx == NULL;
}

static int tear_down(void **state) {
    (void)state;
    tg_context_destroy(&ctx);
    return 0;
}

static float *tone(double hz, int rate, int64_t n) {
    float *x = tg_alloc(sizeof(float) * (size_t)n);
    assert_non_null(x);
    for (int64_t i = 0; i < n; i++)
        x[i] = (float)sin(2 * M_PI * hz * (double)i / rate + 0.3);
    return x;
}

/* Largest difference to the ideal tone, away from the ends. */
static double error_of_tone(double hz, int from, int to) {
    int64_t n = from / 4, out_n;
    float *x = tone(hz, from, n), *y;
    assert_int_equal(tg_resample(ctx, x, n, from, to, &y, &out_n), TG_OK);
    assert_int_equal(out_n, (n * to + from - 1) / from);
    double worst = 0;
    bool kept = hz < 0.5 * to;
    for (int64_t i = out_n / 5; i < out_n * 4 / 5; i++) {
        double ideal = kept ? sin(2 * M_PI * hz * (double)i / to + 0.3) : 0;
        worst = fmax(worst, fabs(y[i] - ideal));
    }
    tg_free(x);
    tg_free(y);
    return worst;
}

static void test_tones_pass(void **state) {
    (void)state;
    static const int rates[] = {8000, 11025, 16000, 22050, 32000, 44100, 48000, 96000, 192000};
    for (size_t i = 0; i < sizeof rates / sizeof rates[0]; i++)
        for (int k = 1; k <= 3; k++) {
            double band = 0.5 * (rates[i] < 16000 ? rates[i] : 16000);
            /* 2e-4 = -74 dB: ripple of the Kaiser window at the edge of the pass band */
            assert_true(error_of_tone(0.28 * k * band, rates[i], 16000) < 2e-4);
        }
}

static void test_tones_above_the_band_vanish(void **state) {
    (void)state;
    assert_true(error_of_tone(8800, 44100, 16000) < 1e-4);
    assert_true(error_of_tone(15000, 48000, 16000) < 1e-4);
    assert_true(error_of_tone(30000, 96000, 16000) < 1e-4);
}

/* A rate without common divisor takes the blended table. */
static void test_odd_rate(void **state) {
    (void)state;
    assert_true(error_of_tone(3000, 44101, 16000) < 2e-4);
    assert_true(error_of_tone(3000, 95999, 16000) < 2e-4);
}

static void test_pieces_do_not_matter(void **state) {
    (void)state;
    int64_t n = 9001, whole_n, made = 0;
    float *x = tone(440, 44100, n), *whole, part[40], *pieces;
    assert_int_equal(tg_resample(ctx, x, n, 44100, 16000, &whole, &whole_n), TG_OK);
    pieces = tg_alloc(sizeof(float) * (size_t)whole_n);
    tg_resampler *r;
    assert_int_equal(tg_resampler_create(ctx, 44100, 16000, &r), TG_OK);
    for (int64_t at = 0, step = 1; at < n; at += step, step = step * 3 % 997 + 1) {
        int64_t count = at + step < n ? step : n - at, got;
        assert_true(tg_resampler_push(r, x + at, count));
        while ((got = tg_resampler_pull(r, part, 40)) > 0) {
            assert_true(made + got <= whole_n);
            memcpy(pieces + made, part, sizeof(float) * (size_t)got);
            made += got;
        }
    }
    tg_resampler_finish(r);
    made += tg_resampler_pull(r, pieces + made, whole_n - made);
    assert_int_equal(made, whole_n);
    assert_int_equal(tg_resampler_pull(r, part, 40), 0);
    assert_memory_equal(whole, pieces, sizeof(float) * (size_t)whole_n);
    tg_resampler_destroy(&r);
    tg_free(pieces);
    tg_free(whole);
    tg_free(x);
}

static void test_constant_stays_constant(void **state) {
    (void)state;
    float x[4000], *y;
    int64_t n;
    for (int i = 0; i < 4000; i++)
        x[i] = 0.5f;
    assert_int_equal(tg_resample(ctx, x, 4000, 44100, 16000, &y, &n), TG_OK);
    for (int64_t i = n / 4; i < n * 3 / 4; i++)
        assert_true(fabs(y[i] - 0.5) < 1e-6);
    tg_free(y);
}

static void test_impossible_rates(void **state) {
    (void)state;
    tg_resampler *r;
    assert_int_equal(tg_resampler_create(ctx, 0, 16000, &r), TG_EINPUT);
    assert_null(r);
    assert_int_equal(tg_resampler_create(ctx, 1000000, 16000, &r), TG_EINPUT);
    assert_non_null(strstr(tg_message(ctx), "1000000 Hz"));
}

static void test_one_sample(void **state) {
    (void)state;
    float x = 1, *y;
    int64_t n;
    assert_int_equal(tg_resample(ctx, &x, 1, 48000, 16000, &y, &n), TG_OK);
    assert_int_equal(n, 1);
    assert_true(isfinite(y[0]) && y[0] > 0.1);
    tg_free(y);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_tones_pass),
        cmocka_unit_test(test_tones_above_the_band_vanish),
        cmocka_unit_test(test_odd_rate),
        cmocka_unit_test(test_pieces_do_not_matter),
        cmocka_unit_test(test_constant_stays_constant),
        cmocka_unit_test(test_impossible_rates),
        cmocka_unit_test(test_one_sample),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
