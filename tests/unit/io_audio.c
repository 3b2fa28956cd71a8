/* Audio: round trips, streaming and rewinding, FFmpeg's formats, damaged and absurd files. */
#include "io_test.h"

#include <math.h>

/* A chord that differs per channel, below full scale. */
static float *chord(int64_t frames, int channels, int rate) {
    float *x = tg_alloc((size_t)(frames * channels) * sizeof *x);
    for (int64_t i = 0; i < frames; i++) {
        for (int c = 0; c < channels; c++) {
            x[i * channels + c] =
                0.6f * sinf(6.2831853f * (float)(200 + 50 * c) * (float)i / (float)rate);
        }
    }
    return x;
}

static void round_trip(void **state) {
    (void)state;
    const struct {
        const char *name;
        int channels, rate;
        int64_t frames;
    } cases[] = {{"a.wav", 1, 16000, 5000}, {"a.flac", 2, 44100, 5000}, {"b.wav", 6, 48000, 1000},
                 {"c.wav", 1, 8000, 1},     {"d.flac", 1, 96000, 639},  {"e.flac", 6, 16000, 999}};
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        const char *path = in_folder(cases[i].name);
        float *x = chord(cases[i].frames, cases[i].channels, cases[i].rate);
        assert_ok(tg_audio_write(ctx, path, x, cases[i].frames, cases[i].channels, cases[i].rate));
        float *y;
        int64_t frames;
        int channels, rate;
        assert_ok(tg_audio_read_all(ctx, path, &y, &frames, &channels, &rate));
        assert_int_equal(frames, cases[i].frames);
        assert_int_equal(channels, cases[i].channels);
        assert_int_equal(rate, cases[i].rate);
        for (int64_t k = 0; k < frames * channels; k++) {
            assert_true(fabsf(x[k] - y[k]) <= 0.5001f / 32768.0f); /* half a 16-bit step */
        }
        tg_free(x);
        tg_free(y);
    }
    assert_int_equal(files_in_folder(), sizeof cases / sizeof cases[0]);
    empty_folder();
}

static void full_scale_is_clipped_and_nan_refused(void **state) {
    (void)state;
    float x[4] = {1.0f, -1.0f, 7.0f, -7.0f};
    assert_ok(tg_audio_write(ctx, in_folder("a.wav"), x, 4, 1, 16000));
    float *y;
    int64_t frames;
    int channels, rate;
    assert_ok(tg_audio_read_all(ctx, in_folder("a.wav"), &y, &frames, &channels, &rate));
    const float expected[4] = {32767.0f / 32768.0f, -1.0f, 32767.0f / 32768.0f, -1.0f};
    assert_memory_equal(y, expected, sizeof expected);
    tg_free(y);
    x[2] = NAN;
    assert_int_equal(tg_audio_write(ctx, in_folder("b.wav"), x, 4, 1, 16000), TG_EINPUT);
    assert_message("sample 2");
    assert_int_equal(tg_audio_write(ctx, in_folder("b.ogg"), x, 2, 1, 16000), TG_EUSAGE);
    assert_int_equal(tg_audio_write(ctx, in_folder("no/b.wav"), x, 2, 1, 16000), TG_EOUTPUT);
    assert_int_equal(tg_audio_write(ctx, in_folder("b.flac"), x, 0, 9, 16000), TG_EOUTPUT);
    assert_int_equal(files_in_folder(), 1);
    empty_folder();
}

static void streams_and_rewinds(void **state) {
    (void)state;
    float *x = chord(3000, 2, 22050);
    assert_ok(tg_audio_write(ctx, in_folder("a.wav"), x, 3000, 2, 22050));
    tg_audio *a;
    assert_ok(tg_audio_open(ctx, in_folder("a.wav"), &a));
    assert_int_equal(tg_audio_frames(a), 3000);
    float first[2 * 3001] = {0}, again[2 * 3001] = {0}; /* room to ask past the end */
    for (int pass = 0; pass < 2; pass++) {
        float *to = pass ? again : first;
        int64_t total = 0, got, step = pass ? 700 : 333;
        do {
            int64_t room = 3000 - total < step ? 3000 - total : step;
            assert_ok(tg_audio_read(ctx, a, to + 2 * total, room ? room : 1, &got));
            total += got;
        } while (got);
        assert_int_equal(total, 3000);
        assert_ok(tg_audio_rewind(ctx, a));
    }
    assert_memory_equal(first, again, sizeof first);
    tg_audio_close(&a);
    assert_null(a);
    tg_free(x);
    empty_folder();
}

static void u16(uint8_t *p, unsigned x) {
    p[0] = (uint8_t)x;
    p[1] = (uint8_t)(x >> 8);
}

static void u32(uint8_t *p, unsigned long x) {
    u16(p, (unsigned)(x & 0xffff));
    u16(p + 2, (unsigned)(x >> 16 & 0xffff));
}

/* A canonical WAV header; format 1 = PCM, 3 = float. */
static void wav_header(uint8_t h[44], unsigned format, unsigned channels, unsigned long rate,
                       unsigned bits, unsigned long data_bytes) {
    memcpy(h, "RIFF....WAVEfmt ....", 20);
    u32(h + 4, 36 + data_bytes);
    u32(h + 16, 16);
    u16(h + 20, format);
    u16(h + 22, channels);
    u32(h + 24, rate);
    u32(h + 28, rate * channels * bits / 8);
    u16(h + 32, channels * bits / 8);
    u16(h + 34, bits);
    memcpy(h + 36, "data", 4);
    u32(h + 40, data_bytes);
}

static void names_the_first_bad_sample(void **state) {
    (void)state;
    uint8_t file[44 + 8000];
    float *x = calloc(2000, sizeof *x);
    wav_header(file, 3, 2, 16000, 32, 8000);
    x[2 * 700 + 1] = NAN;
    x[2 * 800] = NAN;
    memcpy(file + 44, x, 8000);
    put_file(in_folder("nan.wav"), file, sizeof file);
    float *y;
    int64_t frames;
    int channels, rate;
    assert_int_equal(tg_audio_read_all(ctx, in_folder("nan.wav"), &y, &frames, &channels, &rate),
                     TG_EINPUT);
    assert_null(y);
    assert_message("sample 700 (0.044 s) of channel 2 is not a number");
    /* Also when it comes in a later block. */
    tg_audio *a;
    float block[2 * 64];
    int64_t got = 1, total = 0;
    assert_ok(tg_audio_open(ctx, in_folder("nan.wav"), &a));
    tg_status status = TG_OK;
    while (status == TG_OK && got) {
        status = tg_audio_read(ctx, a, block, 64, &got);
        total += got;
    }
    assert_int_equal(status, TG_EINPUT);
    assert_message("sample 700 ");
    assert_int_equal(total, 640);
    tg_audio_close(&a);
    x[2 * 700 + 1] = 0;
    x[2 * 800] = -INFINITY;
    memcpy(file + 44, x, 8000);
    put_file(in_folder("inf.wav"), file, sizeof file);
    assert_int_equal(tg_audio_read_all(ctx, in_folder("inf.wav"), &y, &frames, &channels, &rate),
                     TG_EINPUT);
    assert_message("sample 800 (0.050 s) of channel 1 is infinite");
    free(x);
    empty_folder();
}

static void refuses_bad_files(void **state) {
    (void)state;
    uint8_t file[44 + 64] = {0};
    const struct {
        unsigned format, channels;
        unsigned long rate;
        unsigned bits;
        unsigned long announced;
        size_t bytes;
        const char *message;
    } cases[] = {
        {1, 1, 16000, 16, 0, 44, "0 samples"},
        {1, 0, 16000, 16, 64, 108, ""},
        {1, 1, 0, 16, 64, 108, ""},
        {1, 1, 10, 16, 64, 108, "expected: 1000 to"},
        {1, 1, 4000000000ul, 16, 64, 108, ""},
        {1, 65, 16000, 8, 64, 108, ""},
        {1, 1, 16000, 7777, 64, 108, ""},
        {77, 1, 16000, 16, 64, 108, ""},
        {1, 1, 16000, 16, 64, 20, ""},
        {1, 1, 16000, 16, 64, 44, "0 samples"},
        {1, 1, 16000, 16, 64, 4, ""},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        wav_header(file, cases[i].format, cases[i].channels, cases[i].rate, cases[i].bits,
                   cases[i].announced);
        put_file(in_folder("bad.wav"), file, cases[i].bytes);
        float *y = (float *)1;
        int64_t frames;
        int channels, rate;
        tg_status status =
            tg_audio_read_all(ctx, in_folder("bad.wav"), &y, &frames, &channels, &rate);
        if (status != TG_EINPUT) {
            print_error("case %zu accepted\n", i);
        }
        assert_int_equal(status, TG_EINPUT);
        assert_null(y);
        assert_message(cases[i].message);
    }
    /* A data chunk that says more than the file has is what an interrupted recorder leaves. */
    wav_header(file, 1, 1, 16000, 16, 0xffffffdbul);
    put_file(in_folder("pipe.wav"), file, sizeof file);
    float *y;
    int64_t frames;
    int channels, rate;
    assert_ok(tg_audio_read_all(ctx, in_folder("pipe.wav"), &y, &frames, &channels, &rate));
    assert_int_equal(frames, 32);
    tg_free(y);
    /* Files of other kinds. */
    const char *others[] = {"", "hello, I am text", "\x89PNG\r\n\x1a\n", "#EXTM3U\n/etc/passwd\n"};
    for (size_t i = 0; i < sizeof others / sizeof others[0]; i++) {
        put_file(in_folder("other.mp3"), others[i], strlen(others[i]));
        assert_int_equal(
            tg_audio_read_all(ctx, in_folder("other.mp3"), &y, &frames, &channels, &rate),
            TG_EINPUT);
        assert_message("other.mp3");
    }
    assert_int_equal(tg_audio_read_all(ctx, in_folder("absent"), &y, &frames, &channels, &rate),
                     TG_EINPUT);
    assert_message("No such file");
    assert_int_equal(tg_audio_read_all(ctx, folder, &y, &frames, &channels, &rate), TG_EINPUT);
    /* A FLAC that ends early. */
    float *x = chord(20000, 1, 16000);
    assert_ok(tg_audio_write(ctx, in_folder("a.flac"), x, 20000, 1, 16000));
    char *text;
    size_t bytes;
    assert_ok(tg_file_read(ctx, in_folder("a.flac"), 1 << 20, &text, &bytes));
    put_file(in_folder("cut.flac"), text, bytes / 2);
    assert_int_equal(tg_audio_read_all(ctx, in_folder("cut.flac"), &y, &frames, &channels, &rate),
                     TG_EINPUT);
    assert_message("damaged after sample");
    tg_free(text);
    tg_free(x);
    empty_folder();
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(round_trip),
        cmocka_unit_test(full_scale_is_clipped_and_nan_refused),
        cmocka_unit_test(streams_and_rewinds),
        cmocka_unit_test(names_the_first_bad_sample),
        cmocka_unit_test(refuses_bad_files),
    };
    return cmocka_run_group_tests(tests, start, stop);
}
