/* Any file as 16 kHz mono: rates, channels, parts, repeated reading. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "talkgen/speech.h"

#include <math.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

static tg_context *ctx;
static char path[64];

static int set_up(void **state) {
    (void)state;
    ctx = tg_context_create(1);
    snprintf(path, sizeof path, "speech_wave_%ld.wav", (long)getpid());
    return ctx == NULL;
}

static int tear_down(void **state) {
    (void)state;
    unlink(path);
    tg_context_destroy(&ctx);
    return 0;
}

/* A tone of 300 Hz; channel c has amplitude 0.1 (c + 1). */
static void write_tone(int rate, int channels, double seconds) {
    int64_t n = llround(rate * seconds);
    float *x = tg_alloc(sizeof(float) * (size_t)(n * channels));
    assert_non_null(x);
    for (int64_t i = 0; i < n; i++)
        for (int c = 0; c < channels; c++)
            x[i * channels + c] = (float)(0.1 * (c + 1) * sin(2 * M_PI * 300 * (double)i / rate));
    assert_int_equal(tg_audio_write(ctx, path, x, n, channels, rate), TG_OK);
    tg_free(x);
}

static void test_rates_and_channels(void **state) {
    (void)state;
    static const int forms[][2] = {{8000, 1}, {16000, 1}, {16000, 2}, {44100, 2}, {96000, 6}};
    for (int k = 0; k < 5; k++) {
        int rate = forms[k][0], channels = forms[k][1];
        write_tone(rate, channels, 0.5);
        tg_wave16k *wave;
        float *x;
        int64_t n;
        tg_wave_stats stats;
        assert_int_equal(tg_wave16k_open(ctx, path, NULL, &wave), TG_OK);
        assert_int_equal(tg_wave16k_stats(ctx, wave, &stats), TG_OK);
        assert_int_equal(stats.samples, 8000);
        assert_int_equal(tg_wave16k_read_all(ctx, wave, &x, &n), TG_OK);
        assert_int_equal(n, 8000);
        double amplitude = 0.1 * (channels + 1) / 2.0; /* mean of the channels */
        for (int64_t i = 1000; i < 7000; i++)
            assert_true(fabs(x[i] - amplitude * sin(2 * M_PI * 300 * (double)i / 16000)) < 2e-4);
        assert_true(fabs(stats.variance - amplitude * amplitude / 2) < 1e-3 * amplitude);
        tg_free(x);
        tg_wave16k_close(&wave);
    }
}

static void test_reading_in_pieces_and_again(void **state) {
    (void)state;
    write_tone(44100, 2, 0.7);
    tg_wave16k *wave;
    float *x, piece[777];
    int64_t n, at = 0, got;
    assert_int_equal(tg_wave16k_open(ctx, path, NULL, &wave), TG_OK);
    assert_int_equal(tg_wave16k_read_all(ctx, wave, &x, &n), TG_OK);
    do {
        assert_int_equal(tg_wave16k_read(ctx, wave, piece, 777, &got), TG_OK);
        assert_true(at + got <= n);
        assert_memory_equal(x + at, piece, sizeof(float) * (size_t)got);
        at += got;
    } while (got > 0);
    assert_int_equal(at, n);
    tg_free(x);
    tg_wave16k_close(&wave);
}

static void test_part_of_a_file(void **state) {
    (void)state;
    write_tone(16000, 1, 1);
    tg_wave16k *wave;
    float *x;
    int64_t n;
    tg_wave_range range = {.start_s = 0.25, .duration_s = 0.125};
    assert_int_equal(tg_wave16k_open(ctx, path, &range, &wave), TG_OK);
    assert_int_equal(tg_wave16k_read_all(ctx, wave, &x, &n), TG_OK);
    assert_int_equal(n, 2000);
    for (int64_t i = 0; i < n; i++)
        assert_true(fabs(x[i] - 0.1 * sin(2 * M_PI * 300 * (double)(i + 4000) / 16000)) < 1e-4);
    tg_free(x);
    tg_wave16k_close(&wave);

    range = (tg_wave_range){.start_s = 2};
    assert_int_equal(tg_wave16k_open(ctx, path, &range, &wave), TG_EINPUT);
    assert_null(wave);
    assert_non_null(strstr(tg_message(ctx), "ends after 1.000 s"));
    range = (tg_wave_range){.start_s = -1};
    assert_int_equal(tg_wave16k_open(ctx, path, &range, &wave), TG_EUSAGE);
    range = (tg_wave_range){.start_s = 0, .duration_s = 1e-6};
    assert_int_equal(tg_wave16k_open(ctx, path, &range, &wave), TG_EINPUT);
}

static void test_missing_and_empty(void **state) {
    (void)state;
    tg_wave16k *wave;
    assert_int_equal(tg_wave16k_open(ctx, "no such file.wav", NULL, &wave), TG_EINPUT);
    assert_null(wave);
    assert_int_equal(tg_wave16k_borrow(ctx, NULL, 0, &wave), TG_EINPUT);
    assert_null(wave);
}

static void test_video_frames(void **state) {
    (void)state;
    assert_int_equal(tg_wave_video_frames(1), 1);
    assert_int_equal(tg_wave_video_frames(639), 1);
    assert_int_equal(tg_wave_video_frames(959), 1);
    assert_int_equal(tg_wave_video_frames(960), 2);
    assert_int_equal(tg_wave_video_frames(16000), 25);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_rates_and_channels),
        cmocka_unit_test(test_reading_in_pieces_and_again),
        cmocka_unit_test(test_part_of_a_file),
        cmocka_unit_test(test_missing_and_empty),
        cmocka_unit_test(test_video_frames),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
