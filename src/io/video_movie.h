/* Inside io: a movie while it is written, its pictures encoded here or copied from other movies. */
#ifndef TALKGEN_IO_VIDEO_MOVIE_H
#define TALKGEN_IO_VIDEO_MOVIE_H

#include "io/ffmpeg.h"
#include "io/files.h"
#include "io/video_color.h"
#include "io/video_sink.h"

#include <libavcodec/avcodec.h>
#include <libavutil/audio_fifo.h>
#include <libswresample/swresample.h>

typedef struct {
    tg_audio *file;
    AVCodecContext *codec;
    AVStream *stream;
    SwrContext *convert;  /* interleaved float at the file's rate -> what the encoder takes */
    AVAudioFifo *samples; /* converted, not yet encoded */
    AVFrame *frame;
    float *block, *mixed; /* block as read; mixed: one channel of it, NULL when not needed */
    int64_t left;         /* frames of the file still to be read; INT64_MAX = to its end */
    int64_t encoded;      /* samples given to the encoder */
    bool ended;
} tg_movie_sound;

typedef struct {
    tg_temp temp;
    char url[PATH_MAX + 8];
    AVFormatContext *format;
    AVCodecContext *codec;
    AVStream *stream;
    AVPacket *packet;
    tg_yuv *yuv;
    tg_movie_sound audio;
    bool has_audio;
    int64_t frames;
    AVRational fps;
    const tg_provenance *provenance; /* borrowed, or NULL */
    bool has_xmp;
} tg_movie;

/* A temporary file and its muxer, without streams; *out belongs to tg_movie_drop. */
tg_status tg_movie_create(tg_context *ctx, const char *path, const tg_sink_options *options,
                          tg_movie **out);
/* Tags and header, when the streams are known. */
tg_status tg_movie_begin(tg_context *ctx, tg_movie *m);
/* After the last picture: the rest of the sound, the index, the XMP packet, the name. Frees the
 * movie, also when it fails. */
tg_status tg_movie_end(tg_context *ctx, tg_movie *m, const tg_sink_ending *ending);
/* Removes what was written. */
void tg_movie_drop(void *movie);
/* Sends a frame (NULL = end) and muxes every packet that comes out. */
tg_status tg_movie_encode(tg_context *ctx, tg_movie *m, AVCodecContext *codec, AVStream *stream,
                          AVFrame *frame);
tg_status tg_movie_failed(tg_context *ctx, const tg_movie *m, const char *what, int error);

/* The sound of options->audio_path. */
tg_status tg_movie_sound_open(tg_context *ctx, tg_movie *m, const tg_sink_options *options);
/* Sound up to the end of the last picture; whole encoder frames only, unless `all`. */
tg_status tg_movie_sound_catch_up(tg_context *ctx, tg_movie *m, bool all);
void tg_movie_sound_free(tg_movie_sound *sound);

#endif
