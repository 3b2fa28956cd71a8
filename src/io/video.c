/* Reading videos, and what FFmpeg and the other file libraries mean for the binary's licence. */
#include "talkgen/io.h"
#include "io/ffmpeg.h"

#include <libavcodec/avcodec.h>
#include <libavutil/opt.h>
#include <libswscale/swscale.h>
#include <pthread.h>
#include <sndfile.h>
#include <stdio.h>
#include <string.h>

struct tg_video {
    char *path;
    AVFormatContext *format;
    AVCodecContext *codec;
    struct SwsContext *scale;
    AVPacket *packet;
    AVFrame *frame;
    int stream;
    int width, height;
    enum AVPixelFormat pixel_format;
    double fps;
    int64_t frames;
    uint8_t *row_padded; /* swscale writes past the end of rows in whole vectors */
    int row_bytes;
};

enum { MAX_SIDE = 16384 };

static tg_status broken(tg_context *ctx, const tg_video *v, int error) {
    if (error == AVERROR(ENOMEM)) {
        return tg_fail(ctx, TG_ENOMEM, "%s: not enough memory to decode it", v->path);
    }
    return tg_fail(ctx, TG_EINPUT,
                   "%s: video cannot be decoded after frame %lld: %s\n"
                   "  expected: an undamaged file\n  try: ffmpeg -i %s -f null -",
                   v->path, (long long)v->frames, tg_ffmpeg_reason(error), v->path);
}

static tg_status open_codec(tg_context *ctx, tg_video *v) {
    const AVCodec *codec = NULL;
    v->stream = av_find_best_stream(v->format, AVMEDIA_TYPE_VIDEO, -1, -1, &codec, 0);
    if (v->stream < 0 || !codec) {
        return tg_fail(ctx, TG_EINPUT,
                       "%s: no pictures in it\n  expected: a file with a video stream\n"
                       "  try: ffprobe %s",
                       v->path, v->path);
    }
    AVStream *stream = v->format->streams[v->stream];
    int width = stream->codecpar->width, height = stream->codecpar->height;
    if (width < 1 || height < 1 || width > MAX_SIDE || height > MAX_SIDE) {
        return tg_fail(ctx, TG_EINPUT,
                       "%s: %d x %d pixels\n  expected: 1 to %d on a side\n  try: ffprobe %s",
                       v->path, width, height, MAX_SIDE, v->path);
    }
    v->codec = avcodec_alloc_context3(codec);
    v->packet = av_packet_alloc();
    v->frame = av_frame_alloc();
    if (!v->codec || !v->packet || !v->frame) {
        return broken(ctx, v, AVERROR(ENOMEM));
    }
    int error = avcodec_parameters_to_context(v->codec, stream->codecpar);
    v->codec->pkt_timebase = stream->time_base;
    v->codec->thread_count = 1;
    if (error >= 0) {
        error = avcodec_open2(v->codec, codec, NULL);
    }
    if (error < 0) {
        return broken(ctx, v, error);
    }
    v->width = width;
    v->height = height;
    AVRational rate = av_guess_frame_rate(v->format, stream, NULL);
    v->fps = rate.num > 0 && rate.den > 0 ? av_q2d(rate) : 0.0;
    return TG_OK;
}

tg_status tg_video_open(tg_context *ctx, const char *path, tg_video **out) {
    *out = NULL;
    tg_video *v = tg_calloc(sizeof *v);
    size_t length = strlen(path) + 1;
    if (!v || !(v->path = tg_alloc(length))) {
        tg_free(v);
        return tg_fail(ctx, TG_ENOMEM, "%s: not enough memory to open it", path);
    }
    memcpy(v->path, path, length);
    tg_status status = tg_ffmpeg_open(ctx, path, "video", &v->format);
    if (status == TG_OK) {
        status = open_codec(ctx, v);
    }
    if (status != TG_OK) {
        tg_video_close(&v);
        return status;
    }
    *out = v;
    return TG_OK;
}

void tg_video_close(tg_video **video) {
    if (!video || !*video) {
        return;
    }
    tg_video *v = *video;
    avformat_close_input(&v->format);
    avcodec_free_context(&v->codec);
    sws_freeContext(v->scale);
    av_packet_free(&v->packet);
    av_frame_free(&v->frame);
    tg_free(v->row_padded);
    tg_free(v->path);
    tg_free(v);
    *video = NULL;
}

void tg_video_size(const tg_video *v, int *width, int *height, double *fps) {
    *width = v->width;
    *height = v->height;
    *fps = v->fps;
}

/* The next decoded frame in v->frame; AVERROR_EOF at the end. */
static int next_frame(tg_video *v) {
    for (;;) {
        int error = avcodec_receive_frame(v->codec, v->frame);
        if (error != AVERROR(EAGAIN)) {
            return error;
        }
        do {
            av_packet_unref(v->packet);
            error = av_read_frame(v->format, v->packet);
        } while (error >= 0 && v->packet->stream_index != v->stream);
        if (error < 0 && error != AVERROR_EOF) {
            return error;
        }
        error = avcodec_send_packet(v->codec, error == AVERROR_EOF ? NULL : v->packet);
        av_packet_unref(v->packet);
        if (error < 0) {
            return error;
        }
    }
}

/* The matrix a stream means when it says nothing: players go by the height. */
static int matrix_of(const AVFrame *f) {
    if (f->colorspace != AVCOL_SPC_UNSPECIFIED && f->colorspace != AVCOL_SPC_RESERVED) {
        return f->colorspace;
    }
    return f->height < 720 ? AVCOL_SPC_SMPTE170M : AVCOL_SPC_BT709;
}

static bool start_scaler(tg_video *v) {
    const AVFrame *f = v->frame;
    struct SwsContext *s = sws_alloc_context();
    v->scale = s;
    v->pixel_format = f->format;
    v->row_bytes = (v->width * 3 + 63) / 64 * 64 + 64;
    v->row_padded = tg_alloc((size_t)v->row_bytes * (size_t)v->height);
    if (!s || !v->row_padded) {
        return false;
    }
    bool full = f->color_range == AVCOL_RANGE_JPEG;
    av_opt_set_int(s, "srcw", v->width, 0);
    av_opt_set_int(s, "srch", v->height, 0);
    av_opt_set_int(s, "src_format", f->format, 0);
    av_opt_set_int(s, "src_range", full, 0);
    av_opt_set_int(s, "dstw", v->width, 0);
    av_opt_set_int(s, "dsth", v->height, 0);
    av_opt_set_int(s, "dst_format", AV_PIX_FMT_RGB24, 0);
    av_opt_set_int(s, "dst_range", 1, 0);
    if (f->chroma_location == AVCHROMA_LOC_LEFT || f->chroma_location == AVCHROMA_LOC_UNSPECIFIED) {
        av_opt_set_int(s, "src_h_chr_pos", 0, 0);
        av_opt_set_int(s, "src_v_chr_pos", 128, 0);
    }
    av_opt_set_int(s, "sws_flags",
                   SWS_BICUBIC | SWS_ACCURATE_RND | SWS_FULL_CHR_H_INT | SWS_BITEXACT, 0);
    const int *table = sws_getCoefficients(matrix_of(f));
    sws_setColorspaceDetails(s, table, full, table, 1, 0, 1 << 16, 1 << 16);
    return sws_init_context(s, NULL, NULL) >= 0;
}

tg_status tg_video_read(tg_context *ctx, tg_video *v, uint8_t *rgb, bool *done) {
    *done = false;
    int error = next_frame(v);
    if (error == AVERROR_EOF) {
        *done = true;
        return TG_OK;
    }
    if (error < 0) {
        return broken(ctx, v, error);
    }
    AVFrame *f = v->frame;
    if (f->width != v->width || f->height != v->height ||
        (v->scale && f->format != (int)v->pixel_format)) {
        tg_status status = tg_fail(ctx, TG_EINPUT,
                                   "%s: frame %lld is %d x %d, the first ones %d x %d\n"
                                   "  expected: one size and format for the whole video\n"
                                   "  try: ffmpeg -i %s and encode it again",
                                   v->path, (long long)v->frames, f->width, f->height, v->width,
                                   v->height, v->path);
        av_frame_unref(f);
        return status;
    }
    if (!v->scale && !start_scaler(v)) {
        av_frame_unref(f);
        return broken(ctx, v, AVERROR(ENOMEM));
    }
    uint8_t *const planes[1] = {v->row_padded};
    const int strides[1] = {v->row_bytes};
    sws_scale(v->scale, (const uint8_t *const *)f->data, f->linesize, 0, v->height, planes,
              strides);
    for (int y = 0; y < v->height; y++) {
        memcpy(rgb + (size_t)y * (size_t)v->width * 3,
               v->row_padded + (size_t)y * (size_t)v->row_bytes, (size_t)v->width * 3);
    }
    av_frame_unref(f);
    v->frames++;
    return TG_OK;
}

/* ---- licences ------------------------------------------------------------------------- */

static char licences[512];

static void compose(void) {
    unsigned version = avcodec_version();
    snprintf(licences, sizeof licences,
             "FFmpeg (libavcodec %u.%u.%u): %s\n"
             "%s: LGPL version 2.1 or later\n"
             "cJSON: MIT\n"
             "stb: MIT or public domain\n",
             version >> 16, version >> 8 & 255, version & 255, avcodec_license(),
             sf_version_string());
}

const char *tg_io_licences(void) {
    static pthread_once_t once = PTHREAD_ONCE_INIT;
    pthread_once(&once, compose);
    return licences;
}
