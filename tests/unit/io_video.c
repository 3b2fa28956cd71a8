/* Sinks and videos: what is in the files, sync at both ends, colours, clean failures. */
#include "io_test.h"

#include "io/video_color.h"
#include "io/video_sink.h"

#include <errno.h>
#include <fcntl.h>
#include <libavformat/avformat.h>
#include <math.h>
#include <sched.h>
#include <signal.h>
#include <sys/mount.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>

/* Smooth skin-like shading, an edge, a red spot and fine texture, all moving a little. */
static void picture(uint8_t *rgb, int width, int height, int frame) {
    for (int y = 0; y < height; y++) {
        for (int x = 0; x < width; x++) {
            double u = (x + 2.0 * sin(frame * 0.2)) / width, v = (y + frame * 0.1) / height;
            double shade = 0.6 + 0.25 * cos(5 * u) * sin(4 * v);
            double face = 1 / (1 + exp((hypot(u - 0.5, v - 0.5) - 0.33) * 90));
            double lips = exp(-(pow((u - 0.5) / 0.12, 2) + pow((v - 0.7) / 0.05, 2)));
            double hair = 0.06 * sin(60 * u + 20 * v) * (1 - face);
            uint8_t *p = rgb + ((size_t)y * (size_t)width + (size_t)x) * 3;
            p[0] = (uint8_t)(255 * fmin(1, face * shade * 1.2 + (1 - face) * (0.3 + hair)));
            p[1] = (uint8_t)(255 * (face * shade * (0.9 - 0.5 * lips) + (1 - face) * (0.4 + hair)));
            p[2] = (uint8_t)(255 * (face * shade * (0.8 - 0.4 * lips) + (1 - face) * (0.5 + hair)));
        }
    }
}

static char notes[1024];

static void keep_note(void *user, const char *text) {
    (void)user;
    snprintf(notes, sizeof notes, "%s", text);
}

static double psnr(const uint8_t *a, const uint8_t *b, size_t n) {
    double sum = 0;
    for (size_t i = 0; i < n; i++) {
        sum += (double)(a[i] - b[i]) * (a[i] - b[i]);
    }
    return sum > 0 ? 10 * log10(65025.0 * (double)n / sum) : 99;
}

/* Silence with 4 ms bursts that start at the given times. */
static void clicks(const char *path, int rate, int channels, double seconds, const double *at,
                   int count) {
    int64_t n = llround(seconds * rate), burst = (int64_t)(0.004 * rate);
    float *x = tg_calloc((size_t)(n * channels) * sizeof *x);
    for (int k = 0; k < count; k++) {
        for (int64_t i = 0; i < burst; i++) {
            int64_t to = llround(at[k] * rate) + i;
            for (int c = 0; c < channels && to < n; c++) {
                x[to * channels + c] =
                    0.8f * (float)(sin(M_PI * ((double)i + 0.5) / (double)burst) *
                                   cos(2 * M_PI * 1000 * (double)i / rate));
            }
        }
    }
    assert_ok(tg_audio_write(ctx, path, x, n, channels, rate));
    tg_free(x);
}

/* Centre of energy, in seconds, of the sound between two times. */
static double burst_at(const float *x, int64_t frames, int channels, int rate, double from,
                       double to) {
    double sum = 0, moment = 0;
    for (int64_t i = (int64_t)fmax(0, from * rate); i < frames && (double)i < to * rate; i++) {
        double e = (double)x[i * channels] * x[i * channels];
        sum += e;
        moment += e * ((double)i + 0.5) / rate;
    }
    return sum > 0.5 ? moment / sum : -1;
}

static void write_movie(const char *path, const tg_sink_options *o, int frames) {
    uint8_t *rgb = malloc((size_t)o->width * (size_t)o->height * 3);
    tg_sink *sink;
    assert_ok(tg_sink_open(ctx, path, o, &sink));
    for (int i = 0; i < frames; i++) {
        picture(rgb, o->width, o->height, i);
        assert_ok(tg_sink_write(ctx, sink, rgb));
    }
    assert_ok(tg_sink_finish(ctx, &sink));
    assert_null(sink);
    free(rgb);
}

static void movie_is_tagged_and_close(void **state) {
    (void)state;
    const double at[] = {0.0, 1.0, 1.97};
    clicks(in_folder("a.wav"), 16000, 1, 2.013, at, 3);
    tg_sink_options o = {.width = 256, .height = 192, .fps_num = 25, .fps_den = 1};
    o.audio_path = in_folder("a.wav");
    write_movie(in_folder("a.mp4"), &o, 50);

    AVFormatContext *format = NULL;
    assert_int_equal(avformat_open_input(&format, in_folder("a.mp4"), NULL, NULL), 0);
    assert_true(avformat_find_stream_info(format, NULL) >= 0);
    assert_int_equal(format->nb_streams, 2);
    const AVStream *video = format->streams[0], *sound = format->streams[1];
    assert_int_equal(video->codecpar->codec_id, AV_CODEC_ID_H264);
    assert_int_equal(video->codecpar->format, AV_PIX_FMT_YUV420P);
    assert_int_equal(video->codecpar->color_space, AVCOL_SPC_BT709);
    assert_int_equal(video->codecpar->color_primaries, AVCOL_PRI_BT709);
    assert_int_equal(video->codecpar->color_trc, AVCOL_TRC_BT709);
    assert_int_equal(video->codecpar->color_range, AVCOL_RANGE_MPEG);
    assert_int_equal(video->codecpar->width, 256);
    assert_int_equal(video->codecpar->height, 192);
    assert_int_equal(video->nb_frames, 50);
    assert_int_equal(video->avg_frame_rate.num, 25 * video->avg_frame_rate.den);
    assert_int_equal(video->start_time, 0);
    assert_int_equal(sound->codecpar->codec_id, AV_CODEC_ID_AAC);
    assert_int_equal(sound->codecpar->sample_rate, 16000);
    assert_int_equal(sound->codecpar->ch_layout.nb_channels, 1);
    assert_int_equal(sound->start_time, 0);
    double video_s = (double)video->duration * av_q2d(video->time_base);
    double sound_s = (double)sound->duration * av_q2d(sound->time_base);
    assert_true(fabs(video_s - 2.0) < 1e-9);
    assert_true(fabs(sound_s - video_s) < 0.001);
    avformat_close_input(&format);

    /* Index before the data. */
    char *bytes;
    size_t size;
    assert_ok(tg_file_read(ctx, in_folder("a.mp4"), 1 << 24, &bytes, &size));
    const char *moov = memmem(bytes, size, "moov", 4), *mdat = memmem(bytes, size, "mdat", 4);
    assert_true(moov && mdat && moov < mdat);
    tg_free(bytes);

    /* Pictures. */
    size_t n = 256 * 192 * 3;
    uint8_t *rgb = malloc(n), *decoded = malloc(n);
    tg_video *v;
    int width, height, frames = 0;
    double fps, worst = 99;
    bool done = false;
    assert_ok(tg_video_open(ctx, in_folder("a.mp4"), &v));
    tg_video_size(v, &width, &height, &fps);
    assert_int_equal(width, 256);
    assert_int_equal(height, 192);
    assert_true(fabs(fps - 25) < 1e-9);
    for (;; frames++) {
        assert_ok(tg_video_read(ctx, v, decoded, &done));
        if (done) {
            break;
        }
        picture(rgb, 256, 192, frames);
        worst = fmin(worst, psnr(rgb, decoded, n));
    }
    assert_int_equal(frames, 50);
    assert_true(worst >= 38);
    tg_video_close(&v);
    free(rgb);
    free(decoded);

    /* Sound: each click within a millisecond of where it was. */
    float *x;
    int64_t count;
    int channels, rate;
    assert_ok(tg_audio_read_all(ctx, in_folder("a.mp4"), &x, &count, &channels, &rate));
    assert_int_equal(rate, 16000);
    assert_int_equal(channels, 1);
    assert_int_equal(count, 32000);
    for (int k = 0; k < 3; k++) {
        double found = burst_at(x, count, 1, rate, at[k] - 0.02, at[k] + 0.024);
        assert_true(fabs(found - (at[k] + 0.002)) < 0.001);
    }
    tg_free(x);
    empty_folder();
}

static void keeps_rates_and_channels(void **state) {
    (void)state;
    const struct {
        int rate, channels, rate_out, channels_out;
    } cases[] = {{8000, 1, 8000, 1},   {44100, 2, 44100, 2},  {48000, 6, 48000, 6},
                 {96000, 1, 96000, 1}, {32000, 3, 32000, 3},  {16000, 4, 16000, 4},
                 {24000, 5, 24000, 5}, {16000, 7, 16000, 7},  {16000, 8, 16000, 8},
                 {37800, 1, 44100, 1}, {192000, 2, 96000, 2}, {16000, 12, 16000, 1}};
    const double at[] = {0.1, 0.7};
    tg_context_set_note(ctx, keep_note, NULL);
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        notes[0] = '\0';
        clicks(in_folder("a.wav"), cases[i].rate, cases[i].channels, 0.8, at, 2);
        tg_sink_options o = {.width = 32, .height = 32, .fps_num = 25, .fps_den = 1};
        o.audio_path = in_folder("a.wav");
        o.overwrite = true;
        write_movie(in_folder("a.mp4"), &o, 20);
        float *x;
        int64_t count;
        int channels, rate;
        assert_ok(tg_audio_read_all(ctx, in_folder("a.mp4"), &x, &count, &channels, &rate));
        assert_int_equal(rate, cases[i].rate_out);
        assert_int_equal(channels, cases[i].channels_out);
        assert_true(fabs((double)count / rate - 0.8) <= 0.001);
        for (int k = 0; k < 2; k++) {
            double found = burst_at(x, count, channels, rate, at[k] - 0.05, at[k] + 0.05);
            assert_true(fabs(found - (at[k] + 0.002)) < 0.001);
        }
        bool changed = rate != cases[i].rate || channels != cases[i].channels;
        assert_int_equal(changed, strstr(notes, "AAC has no") != NULL);
        tg_free(x);
    }
    tg_context_set_note(ctx, NULL, NULL);
    empty_folder();
}

static void sound_is_cut_and_filled(void **state) {
    (void)state;
    const double at[] = {0.3, 0.5};
    clicks(in_folder("a.wav"), 16000, 1, 0.52, at, 2);
    tg_sink_options o = {.width = 32, .height = 32, .fps_num = 25, .fps_den = 1};
    o.audio_path = in_folder("a.wav");
    o.audio_start_s = 0.2;
    o.audio_duration_s = 0.15; /* the second click is outside */
    write_movie(in_folder("a.mov"), &o, 10);
    float *x;
    int64_t count;
    int channels, rate;
    assert_ok(tg_audio_read_all(ctx, in_folder("a.mov"), &x, &count, &channels, &rate));
    assert_int_equal(count, 6400);
    assert_true(fabs(burst_at(x, count, 1, rate, 0.05, 0.2) - 0.102) < 0.001);
    assert_true(burst_at(x, count, 1, rate, 0.2, 0.4) < 0);
    tg_free(x);
    o.audio_start_s = 7; /* behind its end: silence */
    write_movie(in_folder("b.mkv"), &o, 3);
    assert_ok(tg_audio_read_all(ctx, in_folder("b.mkv"), &x, &count, &channels, &rate));
    assert_true(burst_at(x, count, 1, rate, 0, 1) < 0);
    tg_free(x);
    /* One sample of sound, one picture. */
    assert_ok(tg_audio_write(ctx, in_folder("one.wav"), (float[]){0.5f}, 1, 1, 16000));
    o = (tg_sink_options){.width = 32, .height = 32, .fps_num = 25, .fps_den = 1};
    o.audio_path = in_folder("one.wav");
    write_movie(in_folder("c.mp4"), &o, 1);
    assert_ok(tg_audio_read_all(ctx, in_folder("c.mp4"), &x, &count, &channels, &rate));
    assert_int_equal(count, 640);
    tg_free(x);
    empty_folder();
}

static void odd_sizes_are_padded(void **state) {
    (void)state;
    const int sizes[][2] = {{33, 17}, {34, 17}, {1, 1}, {129, 130}};
    for (size_t i = 0; i < sizeof sizes / sizeof sizes[0]; i++) {
        int w = sizes[i][0], h = sizes[i][1], width, height;
        double fps;
        bool done;
        tg_sink_options o = {.width = w, .height = h, .overwrite = true}; /* 25 fps by default */
        write_movie(in_folder("a.mp4"), &o, 2);
        tg_video *v;
        assert_ok(tg_video_open(ctx, in_folder("a.mp4"), &v));
        tg_video_size(v, &width, &height, &fps);
        assert_int_equal(width, w + (w & 1));
        assert_int_equal(height, h + (h & 1));
        uint8_t *decoded = malloc((size_t)width * (size_t)height * 3);
        uint8_t *rgb = malloc((size_t)w * (size_t)h * 3);
        picture(rgb, w, h, 0);
        assert_ok(tg_video_read(ctx, v, decoded, &done));
        assert_false(done);
        for (int y = 0; y < height; y++) {
            int from = y < h ? y : h - 1;
            assert_true(psnr(rgb + (size_t)from * (size_t)w * 3,
                             decoded + (size_t)y * (size_t)width * 3, (size_t)w * 3) > 25);
        }
        tg_video_close(&v);
        free(decoded);
        free(rgb);
    }
    empty_folder();
}

static void same_frames_same_file(void **state) {
    (void)state;
    char a[33], b[33];
    const double at[] = {0.1};
    clicks(in_folder("a.wav"), 22050, 2, 0.4, at, 1);
    tg_sink_options o = {.width = 64, .height = 64, .fps_num = 25, .fps_den = 1};
    o.audio_path = in_folder("a.wav");
    write_movie(in_folder("a.mp4"), &o, 10);
    write_movie(in_folder("b.mp4"), &o, 10);
    assert_ok(tg_file_md5(ctx, in_folder("a.mp4"), a));
    assert_ok(tg_file_md5(ctx, in_folder("b.mp4"), b));
    assert_string_equal(a, b);
    empty_folder();
}

static void works_without_x264(void **state) {
    (void)state;
    assert_true(strlen(tg_video_encoder_name()) > 0);
    tg_context_set_note(ctx, keep_note, NULL);
    tg_sink_options o = {.width = 128, .height = 128, .fps_num = 25, .fps_den = 1, .crf = 18};
    void *movie;
    assert_ok(tg_movie_open(ctx, in_folder("a.mp4"), &o, "mpeg4", &movie));
    assert_non_null(strstr(notes, "encoded with mpeg4"));
    uint8_t rgb[128 * 128 * 3], decoded[128 * 128 * 3];
    for (int i = 0; i < 5; i++) {
        picture(rgb, 128, 128, i);
        assert_ok(tg_sink_movie.write(ctx, movie, rgb));
    }
    assert_ok(tg_sink_movie.finish(ctx, movie, &(tg_sink_ending){.frame_hash = ""}));
    tg_video *v;
    bool done = false;
    assert_ok(tg_video_open(ctx, in_folder("a.mp4"), &v));
    for (int i = 0; i < 5; i++) {
        assert_ok(tg_video_read(ctx, v, decoded, &done));
        assert_false(done);
    }
    assert_true(psnr(rgb, decoded, sizeof rgb) > 36);
    tg_video_close(&v);
    assert_int_equal(tg_movie_open(ctx, in_folder("b.mp4"), &o, "no such encoder", &movie),
                     TG_EOUTPUT);
    assert_int_equal(files_in_folder(), 1);
    tg_context_set_note(ctx, NULL, NULL);
    empty_folder();
}

static void colours_are_exact(void **state) {
    (void)state;
    const struct {
        uint8_t rgb[3], bt709[3], bt601[3]; /* Y, Cb, Cr of the standards' formulas */
    } cases[] = {{{255, 255, 255}, {235, 128, 128}, {235, 128, 128}},
                 {{0, 0, 0}, {16, 128, 128}, {16, 128, 128}},
                 {{255, 0, 0}, {63, 102, 240}, {81, 90, 240}},
                 {{0, 255, 0}, {173, 42, 26}, {145, 54, 34}},
                 {{0, 0, 255}, {32, 240, 118}, {41, 240, 110}},
                 {{128, 128, 128}, {126, 128, 128}, {126, 128, 128}}};
    for (int matrix = 0; matrix < 2; matrix++) {
        tg_yuv *yuv = tg_yuv_create(16, 16, matrix ? AVCOL_SPC_SMPTE170M : AVCOL_SPC_BT709);
        assert_non_null(yuv);
        for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
            uint8_t rgb[16 * 16 * 3];
            for (int p = 0; p < 16 * 16; p++) {
                memcpy(rgb + 3 * p, cases[i].rgb, 3);
            }
            const AVFrame *f = tg_yuv_convert(yuv, rgb);
            assert_non_null(f);
            for (int c = 0; c < 3; c++) {
                int expected = matrix ? cases[i].bt601[c] : cases[i].bt709[c];
                assert_true(abs(f->data[c][4 * f->linesize[c] + 4] - expected) <= 1);
            }
        }
        tg_yuv_destroy(&yuv);
    }
}

static void plain_sinks(void **state) {
    (void)state;
    /* Three frames: all bytes a, all b, all c. Sums by md5sum. */
    tg_sink_options o = {.width = 4, .height = 2, .fps_num = 25, .fps_den = 1};
    const char *outputs[] = {"null:", in_folder("a.framemd5"), in_folder("a.y4m"),
                             in_folder("f_%03d.png")};
    char hash[4][33];
    for (int k = 0; k < 4; k++) {
        tg_sink *sink;
        assert_ok(tg_sink_open(ctx, outputs[k], &o, &sink));
        for (int i = 0; i < 3; i++) {
            uint8_t rgb[24];
            memset(rgb, 'a' + i, sizeof rgb);
            assert_ok(tg_sink_write(ctx, sink, rgb));
            tg_sink_frame_hash(sink, hash[k]); /* asking does not disturb it */
        }
        assert_ok(tg_sink_finish(ctx, &sink));
        assert_string_equal(hash[k], hash[0]);
    }
    assert_string_equal(hash[0], "bc3ff00f00a2deccc7326700dc804eda");
    char *text;
    size_t bytes;
    assert_ok(tg_file_read(ctx, in_folder("a.framemd5"), 1 << 16, &text, &bytes));
    assert_non_null(strstr(text, "#format: frame checksums\n#version: 2\n#hash: MD5\n"));
    assert_non_null(strstr(text, "#tb 0: 1/25\n"));
    assert_non_null(strstr(text, "#dimensions 0: 4x2\n"));
    assert_non_null(strstr(
        text, "\n0,          0,          0,        1,       24, 40edae4bad0e5bf6d6c2dc5615a86afb\n"
              "0,          1,          1,        1,       24, ebefd540c0955c9d12240104aafdb4f3\n"));
    tg_free(text);
    assert_ok(tg_file_read(ctx, in_folder("a.y4m"), 1 << 16, &text, &bytes));
    const char *header = "YUV4MPEG2 W4 H2 F25:1 Ip A1:1 C420mpeg2 ";
    assert_memory_equal(text, header, strlen(header));
    size_t head = (size_t)(strchr(text, '\n') + 1 - text);
    assert_int_equal(bytes, head + 3 * (6 + 8 + 2 + 2));
    assert_memory_equal(text + head, "FRAME\n", 6);
    assert_int_equal((uint8_t)text[head + 6], 99); /* 16 + 97 * 219 / 255 */
    tg_free(text);
    tg_image image;
    assert_ok(tg_image_read(ctx, in_folder("f_002.png"), 3, &image));
    assert_int_equal(image.data[5], 'c');
    tg_image_free(&image);
    assert_int_equal(files_in_folder(), 5);
    empty_folder();
}

static void sequence_names(void **state) {
    (void)state;
    char name[32];
    assert_true(tg_sequence_name("a_%05d.png", 7, name, sizeof name));
    assert_string_equal(name, "a_00007.png");
    assert_true(tg_sequence_name("100%%_%d.png", 123, name, sizeof name));
    assert_string_equal(name, "100%_123.png");
    const char *bad[] = {
        "a.png", "%s.png", "%d_%d.png", "%n%d.png", "%099d.png",
        "%",     "%5",     "%-5d.png",  "%ld.png",  "a_very_long_name_of_a_sequence_%d.png"};
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        assert_false(tg_sequence_name(bad[i], 7, name, sizeof name));
    }
}

static void refuses_and_leaves_nothing(void **state) {
    (void)state;
    uint8_t rgb[32 * 32 * 3] = {0};
    tg_sink_options o = {.width = 32, .height = 32, .fps_num = 25, .fps_den = 1};
    tg_sink *sink = NULL;
    const char *outputs[] = {"a.mp4", "a.mkv", "a.y4m", "a.framemd5", "a_%d.png"};
    for (size_t i = 0; i < sizeof outputs / sizeof outputs[0]; i++) {
        const char *first = strchr(outputs[i], '%') ? "a_0.png" : outputs[i];
        /* Given up: nothing stays. */
        assert_ok(tg_sink_open(ctx, in_folder(outputs[i]), &o, &sink));
        assert_ok(tg_sink_write(ctx, sink, rgb));
        tg_sink_abort(&sink);
        assert_null(sink);
        assert_int_equal(files_in_folder(), 0);
        /* Existing output stays as it is, until it is to be overwritten. */
        put_file(in_folder(first), "precious", 8);
        assert_int_equal(tg_sink_open(ctx, in_folder(outputs[i]), &o, &sink), TG_EUSAGE);
        assert_message("exists already");
        o.overwrite = true;
        assert_ok(tg_sink_open(ctx, in_folder(outputs[i]), &o, &sink));
        assert_ok(tg_sink_write(ctx, sink, rgb));
        tg_sink_abort(&sink);
        char *text;
        size_t bytes;
        assert_ok(tg_file_read(ctx, in_folder(first), 100, &text, &bytes));
        assert_string_equal(text, "precious");
        tg_free(text);
        assert_ok(tg_sink_open(ctx, in_folder(outputs[i]), &o, &sink));
        assert_ok(tg_sink_write(ctx, sink, rgb));
        assert_ok(tg_sink_finish(ctx, &sink));
        assert_int_equal(files_in_folder(), 1);
        assert_ok(tg_file_read(ctx, in_folder(first), 1 << 20, &text, &bytes));
        assert_string_not_equal(text, "precious");
        tg_free(text);
        empty_folder();
        o.overwrite = false;
    }
    tg_sink_abort(&sink); /* NULL is fine */
    const struct {
        const char *path;
        int width;
        const char *audio;
        tg_status status;
    } bad[] = {{"a.avi", 32, NULL, TG_EUSAGE},        {"a", 32, NULL, TG_EUSAGE},
               {"a.png", 32, NULL, TG_EUSAGE},        {"%s.png", 32, NULL, TG_EUSAGE},
               {"a.mp4", 0, NULL, TG_EUSAGE},         {"a.mp4", 1 << 20, NULL, TG_EUSAGE},
               {"no/a.mp4", 32, NULL, TG_EOUTPUT},    {"no/a.y4m", 32, NULL, TG_EOUTPUT},
               {"no/%d.png", 32, NULL, TG_EOUTPUT},   {"no/a.framemd5", 32, NULL, TG_EOUTPUT},
               {"a.mp4", 32, "absent.wav", TG_EINPUT}};
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        o.width = bad[i].width;
        o.audio_path = bad[i].audio;
        assert_int_equal(tg_sink_open(ctx, in_folder(bad[i].path), &o, &sink), bad[i].status);
        assert_null(sink);
        assert_message("");
        assert_int_equal(files_in_folder(), 0);
    }
    /* A film without frames is no film. */
    o = (tg_sink_options){.width = 32, .height = 32};
    assert_ok(tg_sink_open(ctx, in_folder("a.mp4"), &o, &sink));
    assert_int_equal(tg_sink_finish(ctx, &sink), TG_EINTERNAL);
    assert_int_equal(files_in_folder(), 0);
}

/* Writes 12 frames with sound; whatever the status is, a sink that failed leaves nothing. */
static tg_status try_to_write(const char *name, int crf) {
    static uint8_t rgb[96 * 96 * 3];
    const char *path = in_folder(name);
    tg_sink_options o = {.width = 96, .height = 96, .fps_num = 25, .fps_den = 1};
    o.audio_path = in_folder("a.wav");
    o.crf = crf;
    tg_sink *sink;
    tg_status status = tg_sink_open(ctx, path, &o, &sink);
    for (int i = 0; i < 12 && status == TG_OK; i++) {
        picture(rgb, 96, 96, i);
        status = tg_sink_write(ctx, sink, rgb);
    }
    if (status == TG_OK) {
        return tg_sink_finish(ctx, &sink);
    }
    tg_sink_abort(&sink);
    return status;
}

/* The disk fills at every stage of the file: every 512 bytes up to its size. */
static void full_at_every_size(const char *name) {
    int failed = 0;
    for (rlim_t limit = 0;; limit += 512) {
        struct rlimit old, new;
        assert_int_equal(getrlimit(RLIMIT_FSIZE, &old), 0);
        new = old;
        new.rlim_cur = limit;
        assert_int_equal(setrlimit(RLIMIT_FSIZE, &new), 0);
        tg_status status = try_to_write(name, 30);
        assert_int_equal(setrlimit(RLIMIT_FSIZE, &old), 0);
        if (status == TG_OK) {
            break;
        }
        failed++;
        assert_int_equal(status, TG_EOUTPUT);
        assert_message("cannot write");
        assert_int_equal(files_in_folder(), 1); /* the sound */
        assert_true(limit < 1 << 20);
    }
    assert_true(failed > 0);
    empty_folder();
}

static void files_that_cannot_grow(void **state) {
    (void)state;
    const double at[] = {0.1};
    signal(SIGXFSZ, SIG_IGN); /* so that write fails with EFBIG, as a full disk does */
    const char *names[] = {"a.mp4", "a.mkv", "a.framemd5", "a_%d.png"};
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        clicks(in_folder("a.wav"), 8000, 1, 0.5, at, 1);
        full_at_every_size(names[i]);
    }
    signal(SIGXFSZ, SIG_DFL);
}

/* A real full disk, where a private tmpfs may be mounted. In a child process, which has a name
 * space of its own. Exit code 77: not permitted here. */
static void full_disk(void **state) {
    (void)state;
    const double at[] = {0.1};
    clicks(in_folder("a.wav"), 8000, 1, 0.5, at, 1);
    pid_t child = fork();
    assert_true(child >= 0);
    if (child == 0) {
        if (unshare(CLONE_NEWNS) != 0 || mount("none", "/", NULL, MS_REC | MS_PRIVATE, NULL) != 0 ||
            mkdir(in_folder("disk"), 0777) != 0 ||
            mount("tmpfs", in_folder("disk"), "tmpfs", 0, "size=4k") != 0) {
            rmdir(in_folder("disk"));
            _exit(77);
        }
        const char *names[] = {"disk/a.mp4", "disk/a.y4m", "disk/a_%d.png"};
        int wrong = 0;
        for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
            wrong += try_to_write(names[i], 5) != TG_EOUTPUT;
            wrong += strstr(tg_message(ctx), "No space left") == NULL;
        }
        float *x = tg_calloc(40000 * sizeof *x);
        wrong += tg_audio_write(ctx, in_folder("disk/b.wav"), x, 40000, 1, 16000) != TG_EOUTPUT;
        wrong += tg_npy_write(ctx, in_folder("disk/b.npy"), 1, (int64_t[]){40000}, x) != TG_EOUTPUT;
        tg_st_writer *w = tg_st_writer_create();
        wrong += !tg_st_add_f32(w, "x", TG_F32, 1, (int64_t[]){40000}, x);
        wrong += tg_st_write(ctx, w, in_folder("disk/b.ckpt")) != TG_EOUTPUT;
        strcat(folder, "/disk");
        wrong += files_in_folder();
        _exit(wrong ? 1 : 0);
    }
    int result;
    assert_int_equal(waitpid(child, &result, 0), child);
    rmdir(in_folder("disk"));
    empty_folder();
    assert_true(WIFEXITED(result));
    if (WEXITSTATUS(result) == 77) {
        print_message("skip full disk: a private tmpfs cannot be mounted here\n");
        skip();
    }
    assert_int_equal(WEXITSTATUS(result), 0);
}

static void refuses_bad_videos(void **state) {
    (void)state;
    tg_sink_options o = {.width = 64, .height = 64, .fps_num = 25, .fps_den = 1};
    write_movie(in_folder("good.mp4"), &o, 5);
    char *text;
    size_t bytes;
    assert_ok(tg_file_read(ctx, in_folder("good.mp4"), 1 << 20, &text, &bytes));
    uint8_t *rgb = malloc(64 * 64 * 3);
    /* Cut anywhere: an error, or fewer frames, and never a crash. */
    for (size_t n = 0; n < bytes; n += 97) {
        put_file(in_folder("cut.mp4"), text, n);
        tg_video *v;
        bool done = false;
        int frames = 0;
        tg_status status = tg_video_open(ctx, in_folder("cut.mp4"), &v);
        while (status == TG_OK && !done) {
            status = tg_video_read(ctx, v, rgb, &done);
            frames += status == TG_OK && !done;
        }
        assert_true(status == TG_EINPUT || (status == TG_OK && frames < 5));
        tg_video_close(&v);
    }
    tg_free(text);
    free(rgb);
    tg_video *v;
    assert_ok(tg_audio_write(ctx, in_folder("a.wav"), (float[800]){0}, 800, 1, 16000));
    assert_int_equal(tg_video_open(ctx, in_folder("a.wav"), &v), TG_EINPUT);
    assert_message("no pictures");
    put_file(in_folder("list.mp4"), "#EXTM3U\n#EXTINF:1,\na.ts\n", 25);
    assert_int_equal(tg_video_open(ctx, in_folder("list.mp4"), &v), TG_EINPUT);
    assert_int_equal(tg_video_open(ctx, in_folder("absent.mp4"), &v), TG_EINPUT);
    assert_int_equal(tg_video_open(ctx, folder, &v), TG_EINPUT);
    float *x;
    int64_t count;
    int channels, rate;
    assert_int_equal(tg_audio_read_all(ctx, in_folder("good.mp4"), &x, &count, &channels, &rate),
                     TG_EINPUT);
    assert_message("no sound");
    assert_non_null(strstr(tg_io_licences(), "FFmpeg"));
    empty_folder();
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(movie_is_tagged_and_close),
        cmocka_unit_test(keeps_rates_and_channels),
        cmocka_unit_test(sound_is_cut_and_filled),
        cmocka_unit_test(odd_sizes_are_padded),
        cmocka_unit_test(same_frames_same_file),
        cmocka_unit_test(works_without_x264),
        cmocka_unit_test(colours_are_exact),
        cmocka_unit_test(plain_sinks),
        cmocka_unit_test(sequence_names),
        cmocka_unit_test(refuses_and_leaves_nothing),
        cmocka_unit_test(files_that_cannot_grow),
        cmocka_unit_test(full_disk),
        cmocka_unit_test(refuses_bad_videos),
    };
    return cmocka_run_group_tests(tests, start, stop);
}
