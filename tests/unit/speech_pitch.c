/* Pitch of synthetic voices, coarse bins. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <stdint.h>

#include <cmocka.h>

#include "talkgen/speech.h"

#include <math.h>

enum { RATE = 16000, LENGTH = 2 * RATE };

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

/* Harmonics of a falling spectrum, pitch gliding from `from` to `to`; silent in the middle third
 * when asked. */
static void voice(float *x, double from, double to, int pause) {
    double phase = 0;
    for (int i = 0; i < LENGTH; i++) {
        double sum = 0;
        phase += 2 * M_PI * (from + (to - from) * i / LENGTH) / RATE;
        for (int k = 1; k <= 10; k++)
            sum += sin(k * phase) / k;
        x[i] = pause && i > LENGTH / 3 && i < 2 * LENGTH / 3 ? 0 : (float)(0.1 * sum);
    }
}

static void test_glides_are_followed(void **state) {
    (void)state;
    static const double glides[][2] = {{100, 130}, {220, 180}, {300, 320}, {90, 90}, {500, 620}};
    static float x[LENGTH], f0[400];
    tg_pitch_config config = tg_pitch_defaults();
    double first;
    int64_t frames = tg_pitch_frames(&config, RATE, LENGTH, &first);
    /* (2 s - window of 3 / 80 s) / 0.02 s, centred */
    assert_int_equal(frames, 99);
    assert_true(fabs(first - 0.02) < 1e-9);
    for (int g = 0; g < 5; g++) {
        voice(x, glides[g][0], glides[g][1], 0);
        assert_int_equal(tg_pitch(ctx, &config, x, LENGTH, RATE, f0), TG_OK);
        for (int64_t t = 0; t < frames; t++) {
            double time = first + 0.02 * (double)t;
            double want = glides[g][0] + (glides[g][1] - glides[g][0]) * time / 2;
            assert_true(fabs(f0[t] - want) < 0.004 * want);
        }
    }
}

static void test_silence_and_noise_are_unvoiced(void **state) {
    (void)state;
    static float x[LENGTH], f0[400];
    tg_pitch_config config = tg_pitch_defaults();
    voice(x, 120, 120, 1);
    assert_int_equal(tg_pitch(ctx, &config, x, LENGTH, RATE, f0), TG_OK);
    for (int t = 36; t < 63; t++)
        assert_true(f0[t] == 0);
    assert_true(f0[10] > 0 && f0[85] > 0);

    tg_rng rng = tg_rng_make(1, "", "test.noise");
    tg_rng_fill_normal(&rng, 0, x, LENGTH);
    assert_int_equal(tg_pitch(ctx, &config, x, LENGTH, RATE, f0), TG_OK);
    int voiced = 0;
    for (int t = 0; t < 99; t++)
        voiced += f0[t] > 0;
    assert_true(voiced < 10);

    for (int i = 0; i < LENGTH; i++)
        x[i] = 0;
    assert_int_equal(tg_pitch(ctx, &config, x, LENGTH, RATE, f0), TG_OK);
    for (int t = 0; t < 99; t++)
        assert_true(f0[t] == 0);
}

static void test_f0_has_the_length_asked_for(void **state) {
    (void)state;
    static float x[LENGTH], f0[200];
    voice(x, 150, 150, 0);
    assert_int_equal(tg_f0(ctx, x, LENGTH, f0, 110), TG_OK);
    assert_true(fabs(f0[50] - 150) < 0.5);
    /* beyond the track its last value is repeated */
    assert_true(f0[109] == f0[105]);
    assert_int_equal(tg_f0(ctx, x, 100, f0, 3), TG_OK);
    assert_true(f0[0] == 0 && f0[2] == 0);
}

/* 50 seconds of glides, pauses and noise: the stream gives tg_f0's numbers however it is asked. */
static void test_stream_equals_the_whole(void **state) {
    (void)state;
    enum { SECONDS = 50, N = SECONDS * RATE + 123, FRAMES = SECONDS * 50 + 9 };
    float *x = calloc(N, sizeof *x), *whole = calloc(FRAMES, sizeof *whole);
    float *stream = calloc(FRAMES, sizeof *stream);
    tg_rng rng = tg_rng_make(2, "", "test.noise");
    double phase = 0;
    for (int i = 0; i < N; i++) {
        double t = (double)i / RATE, hz = 180 + 80 * sin(1.7 * t) + 30 * sin(11 * t);
        phase += 2 * M_PI * hz / RATE;
        double loud = fmod(t, 3) < 2.2 ? 0.2 : 0;
        x[i] = (float)(loud * (sin(phase) + 0.6 * sin(2 * phase) + 0.3 * sin(3 * phase)) + 0.01) +
               0.02f * tg_rng_normal(&rng, (uint64_t)i);
    }
    const int lengths[] = {N, RATE / 7, 700, 1};
    for (int k = 0; k < 4; k++) {
        assert_int_equal(tg_f0(ctx, x, lengths[k], whole, FRAMES), TG_OK);
        for (int step = 1; step < 2000; step = step * 40 + 3) {
            tg_wave16k *wave;
            tg_f0_stream *f0;
            assert_int_equal(tg_wave16k_borrow(ctx, x, lengths[k], &wave), TG_OK);
            assert_int_equal(tg_f0_open(ctx, wave, &f0), TG_OK);
            for (int at = 0; at < FRAMES; at += step) {
                int n = FRAMES - at < step ? FRAMES - at : step;
                assert_int_equal(tg_f0_next(ctx, f0, stream + at, n), TG_OK);
            }
            assert_memory_equal(stream, whole, FRAMES * sizeof *whole);
            tg_f0_close(&f0);
            tg_wave16k_close(&wave);
        }
    }
    assert_int_equal(tg_f0(ctx, x, N, whole, FRAMES), TG_OK);
    int voiced = 0;
    for (int t = 0; t < FRAMES; t++)
        voiced += whole[t] > 0;
    assert_true(voiced > FRAMES / 2 && voiced < 9 * FRAMES / 10);
    free(x);
    free(whole);
    free(stream);
}

/* Constants of the published bins: mel 77.755 .. 1064.408 over 254 bins. */
static void test_coarse_bins(void **state) {
    (void)state;
    assert_int_equal(tg_f0_coarse(0), 1);
    assert_int_equal(tg_f0_coarse(40), 1);
    assert_int_equal(tg_f0_coarse(50), 1);
    assert_int_equal(tg_f0_coarse(1100), 255);
    assert_int_equal(tg_f0_coarse(1500), 255);
    double mel = 1127 * log(1 + 220.0 / 700);
    assert_int_equal(tg_f0_coarse(220),
                     (int)floor((mel - 77.755) * 254 / (1064.408 - 77.755) + 1.5));
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_glides_are_followed),
        cmocka_unit_test(test_silence_and_noise_are_unvoiced),
        cmocka_unit_test(test_f0_has_the_length_asked_for),
        cmocka_unit_test(test_stream_equals_the_whole),
        cmocka_unit_test(test_coarse_bins),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
