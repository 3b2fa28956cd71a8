/* Whether an MP4 can be made here: encoders, a folder that takes files, what comes back. */
#include "cli/self_check.h"

#include "talkgen/io.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { SIDE = 32, FRAMES = 13, RATE = 16000, SAMPLES = RATE / 2, WAV_HEAD = 44 };

static tg_status write_silence(tg_context *ctx, const char *path) {
    static const unsigned char head[WAV_HEAD] = {'R',
                                                 'I',
                                                 'F',
                                                 'F',
                                                 (36 + 2 * SAMPLES) & 255,
                                                 (36 + 2 * SAMPLES) >> 8,
                                                 0,
                                                 0,
                                                 'W',
                                                 'A',
                                                 'V',
                                                 'E',
                                                 'f',
                                                 'm',
                                                 't',
                                                 ' ',
                                                 16,
                                                 0,
                                                 0,
                                                 0,
                                                 1,
                                                 0,
                                                 1,
                                                 0,
                                                 RATE & 255,
                                                 RATE >> 8,
                                                 0,
                                                 0,
                                                 2 * RATE & 255,
                                                 2 * RATE >> 8,
                                                 0,
                                                 0,
                                                 2,
                                                 0,
                                                 16,
                                                 0,
                                                 'd',
                                                 'a',
                                                 't',
                                                 'a',
                                                 2 * SAMPLES & 255,
                                                 2 * SAMPLES >> 8,
                                                 0,
                                                 0};
    static unsigned char wav[WAV_HEAD + 2 * SAMPLES];
    memcpy(wav, head, sizeof head);
    return tg_file_write(ctx, path, wav, sizeof wav);
}

static tg_status write_movie(tg_context *ctx, const char *path, const char *sound) {
    const tg_sink_options o = {
        .width = SIDE, .height = SIDE, .fps_num = 25, .fps_den = 1, .audio_path = sound};
    uint8_t rgb[SIDE * SIDE * 3];
    tg_sink *sink = NULL;
    tg_status s = tg_sink_open(ctx, path, &o, &sink);
    for (int f = 0; s == TG_OK && f < FRAMES; f++) {
        memset(rgb, 10 * f, sizeof rgb);
        s = tg_sink_write(ctx, sink, rgb);
    }
    if (s == TG_OK)
        return tg_sink_finish(ctx, &sink);
    tg_sink_abort(&sink);
    return s;
}

static tg_status read_movie(tg_context *ctx, const char *path) {
    uint8_t rgb[SIDE * SIDE * 3];
    int width, height, frames = 0;
    double fps;
    bool done = false;
    tg_video *v = NULL;
    tg_status s = tg_video_open(ctx, path, &v);
    if (s != TG_OK)
        return s;
    tg_video_size(v, &width, &height, &fps);
    const bool fits = width == SIDE && height == SIDE;
    while (fits && s == TG_OK && !done)
        if ((s = tg_video_read(ctx, v, rgb, &done)) == TG_OK)
            frames += !done;
    tg_video_close(&v);
    if (s == TG_OK && (!fits || frames != FRAMES))
        s = tg_fail(ctx, TG_EOUTPUT,
                    "%s: of %d frames of %dx%d, %d of %dx%d came back\n"
                    "  expected: FFmpeg to read what it wrote\n  try: another build of FFmpeg",
                    path, FRAMES, SIDE, SIDE, frames, width, height);
    return s;
}

tg_status cli_self_check(tg_context *ctx, char folder[CLI_PATH]) {
    const char *base = getenv("TMPDIR");
    char sound[CLI_PATH + 16], movie[CLI_PATH + 16];
    const int n =
        snprintf(folder, CLI_PATH, "%s/talkgen-doctor-XXXXXX", base && *base ? base : "/tmp");
    if (n >= CLI_PATH || !mkdtemp(folder)) {
        const char *why = n >= CLI_PATH ? "its path is too long" : strerror(errno);
        return tg_fail(ctx, TG_EOUTPUT,
                       "%s: the folder for temporary files cannot be made: %s\n"
                       "  expected: a folder that can be written\n  try: TMPDIR=FOLDER",
                       folder, why);
    }
    snprintf(sound, sizeof sound, "%s/silence.wav", folder);
    snprintf(movie, sizeof movie, "%s/check.mp4", folder);
    tg_status s = write_silence(ctx, sound);
    if (s == TG_OK)
        s = write_movie(ctx, movie, sound);
    if (s == TG_OK)
        s = read_movie(ctx, movie);
    unlink(sound);
    unlink(movie);
    rmdir(folder);
    *strrchr(folder, '/') = '\0'; /* its own name is gone */
    return s;
}
