/* Movies: H.264 and AAC in MP4, MOV or Matroska through FFmpeg.
 *
 * Sync: picture n is shown from n/fps on; sound starts with picture 0 and is cut or filled up with
 * silence to the end of the last picture. The AAC encoder's priming samples are hidden by the edit
 * list (MP4) or codec delay (Matroska). There are no B-frames, so pictures need no edit list of
 * their own and players that ignore those stay in sync.
 */
#include "io/video_sink.h"
#include "io/ffmpeg.h"
#include "io/files.h"
#include "io/video_color.h"

#include <libavcodec/avcodec.h>
#include <libavutil/audio_fifo.h>
#include <libswresample/swresample.h>
#include <math.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* The first that this FFmpeg has and that opens. */
static const char *const encoders[] = {"libx264", "libopenh264", "mpeg4"};

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
} movie_audio;

typedef struct {
    tg_temp temp;
    char url[PATH_MAX + 8];
    AVFormatContext *format;
    AVCodecContext *codec;
    AVStream *stream;
    AVPacket *packet;
    tg_yuv *yuv;
    movie_audio audio;
    bool has_audio;
    int64_t frames;
    AVRational fps;
} movie;

enum { BLOCK = 4096 };

static void audio_free(movie_audio *a) {
    tg_audio_close(&a->file);
    avcodec_free_context(&a->codec);
    swr_free(&a->convert);
    av_audio_fifo_free(a->samples);
    av_frame_free(&a->frame);
    tg_free(a->block);
    tg_free(a->mixed);
}

static void movie_free(movie *m) {
    audio_free(&m->audio);
    avcodec_free_context(&m->codec);
    if (m->format) {
        avio_closep(&m->format->pb);
        avformat_free_context(m->format);
    }
    av_packet_free(&m->packet);
    if (m->yuv) {
        tg_yuv_destroy(&m->yuv);
    }
    tg_free(m);
}

static void movie_drop(void *state) {
    movie *m = state;
    char name[PATH_MAX];
    strcpy(name, m->temp.name);
    movie_free(m);
    unlink(name);
}

static tg_status av_failed(tg_context *ctx, const movie *m, const char *what, int error) {
    if (error == AVERROR(ENOMEM)) {
        return tg_fail(ctx, TG_ENOMEM, "%s: not enough memory to encode it", m->temp.target);
    }
    /* System errors (disk full, no permission) have errno values; FFmpeg's own are large tags. */
    if (AVERROR(error) > 0 && AVERROR(error) < 200 && error != AVERROR(EINVAL)) {
        struct stat st;
        int64_t bytes = stat(m->temp.name, &st) == 0 ? st.st_size : -1;
        return tg_write_failed_at(ctx, m->temp.target, AVERROR(error), bytes);
    }
    return tg_fail(ctx, TG_EOUTPUT,
                   "%s: %s: %s\n  expected: FFmpeg to take it\n"
                   "  try: talkgen doctor, or another kind of output such as frame_%%05d.png",
                   m->temp.target, what, tg_ffmpeg_reason(error));
}

/* ---- packets ------------------------------------------------------------------------ */

/* Sends a frame (NULL = end) and muxes every packet that comes out. */
static tg_status encode(tg_context *ctx, movie *m, AVCodecContext *codec, AVStream *stream,
                        AVFrame *frame) {
    int error = avcodec_send_frame(codec, frame);
    while (error >= 0) {
        error = avcodec_receive_packet(codec, m->packet);
        if (error == AVERROR(EAGAIN) || error == AVERROR_EOF) {
            return TG_OK;
        }
        if (error >= 0) {
            if (codec->codec_type == AVMEDIA_TYPE_VIDEO && m->packet->duration == 0) {
                m->packet->duration = 1; /* libx264 leaves it open: the last picture's length */
            }
            av_packet_rescale_ts(m->packet, codec->time_base, stream->time_base);
            m->packet->stream_index = stream->index;
            error = av_interleaved_write_frame(m->format, m->packet);
            av_packet_unref(m->packet);
            if (error >= 0 && m->format->pb->error < 0) {
                error = m->format->pb->error;
            }
        }
    }
    return av_failed(ctx, m, "encoding failed", error);
}

/* ---- sound --------------------------------------------------------------------------- */

/* Sample rates that AAC has. */
static int aac_rate(int rate) {
    static const int rates[] = {7350,  8000,  11025, 12000, 16000, 22050, 24000,
                                32000, 44100, 48000, 64000, 88200, 96000};
    for (size_t i = 0; i < sizeof rates / sizeof rates[0]; i++) {
        if (rates[i] >= rate) {
            return rates[i];
        }
    }
    return 96000;
}

/* Names for the channels of a file, among those that AAC has. FFmpeg's default for three is 2.1,
 * whose last channel the encoder would cut to low frequencies. */
static void aac_layout(int channels, AVChannelLayout *layout) {
    static const uint64_t masks[] = {0,
                                     AV_CH_LAYOUT_MONO,
                                     AV_CH_LAYOUT_STEREO,
                                     AV_CH_LAYOUT_SURROUND,
                                     AV_CH_LAYOUT_4POINT0,
                                     AV_CH_LAYOUT_5POINT0_BACK,
                                     AV_CH_LAYOUT_5POINT1_BACK,
                                     AV_CH_LAYOUT_6POINT1,
                                     AV_CH_LAYOUT_7POINT1_WIDE_BACK};
    av_channel_layout_from_mask(layout, masks[channels]);
}

enum { AAC_CHANNELS = 8 };

static int open_aac(movie *m, int rate, int channels) {
    movie_audio *a = &m->audio;
    const AVCodec *codec = avcodec_find_encoder(AV_CODEC_ID_AAC);
    if (!codec) {
        return AVERROR_ENCODER_NOT_FOUND;
    }
    a->codec = avcodec_alloc_context3(codec);
    a->stream = avformat_new_stream(m->format, NULL);
    if (!a->codec || !a->stream) {
        return AVERROR(ENOMEM);
    }
    a->codec->sample_fmt = AV_SAMPLE_FMT_FLTP;
    a->codec->sample_rate = rate;
    aac_layout(channels, &a->codec->ch_layout);
    /* 64 kbit/s per channel of 16 kHz speech: transparent, and below AAC's limit of 6 bits per
     * sample at any rate. */
    a->codec->bit_rate = (int64_t)channels * (rate * 4 < 96000 ? rate * 4 : 96000);
    a->codec->time_base = (AVRational){1, rate};
    a->codec->thread_count = 1;
    a->codec->flags |= AV_CODEC_FLAG_BITEXACT;
    if (m->format->oformat->flags & AVFMT_GLOBALHEADER) {
        a->codec->flags |= AV_CODEC_FLAG_GLOBAL_HEADER;
    }
    int error = avcodec_open2(a->codec, codec, NULL);
    if (error >= 0) {
        error = avcodec_parameters_from_context(a->stream->codecpar, a->codec);
    }
    a->stream->time_base = a->codec->time_base;
    return error;
}

static int open_converter(movie_audio *a, int file_rate, int channels) {
    AVChannelLayout layout = {0};
    aac_layout(channels, &layout);
    int error = swr_alloc_set_opts2(&a->convert, &layout, AV_SAMPLE_FMT_FLTP, a->codec->sample_rate,
                                    &layout, AV_SAMPLE_FMT_FLT, file_rate, 0, NULL);
    if (error >= 0) {
        error = swr_init(a->convert);
    }
    a->samples = av_audio_fifo_alloc(AV_SAMPLE_FMT_FLTP, channels, BLOCK);
    a->frame = av_frame_alloc();
    if (error < 0 || !a->samples || !a->frame) {
        return error < 0 ? error : AVERROR(ENOMEM);
    }
    a->frame->format = AV_SAMPLE_FMT_FLTP;
    a->frame->sample_rate = a->codec->sample_rate;
    a->frame->nb_samples = a->codec->frame_size;
    error = av_channel_layout_copy(&a->frame->ch_layout, &layout);
    return error < 0 ? error : av_frame_get_buffer(a->frame, 0);
}

static tg_status skip_to_start(tg_context *ctx, movie_audio *a, double start_s) {
    int64_t skip = start_s > 0 ? llround(start_s * tg_audio_rate(a->file)) : 0;
    while (skip > 0) {
        int64_t got;
        tg_status status = tg_audio_read(ctx, a->file, a->block, skip < BLOCK ? skip : BLOCK, &got);
        if (status != TG_OK || got == 0) {
            return status;
        }
        skip -= got;
    }
    return TG_OK;
}

static tg_status audio_open(tg_context *ctx, movie *m, const tg_sink_options *o) {
    movie_audio *a = &m->audio;
    tg_status status = tg_audio_open(ctx, o->audio_path, &a->file);
    if (status != TG_OK) {
        return status;
    }
    int file_rate = tg_audio_rate(a->file), file_channels = tg_audio_channels(a->file);
    int rate = aac_rate(file_rate), channels = file_channels <= AAC_CHANNELS ? file_channels : 1;
    if (rate != file_rate) {
        tg_note(ctx, "%s: AAC has no sample rate of %d Hz; the video gets %d Hz", o->audio_path,
                file_rate, rate);
    }
    a->block = tg_alloc((size_t)BLOCK * (size_t)file_channels * sizeof(float));
    if (channels != file_channels) {
        tg_note(ctx, "%s: AAC has no layout for %d channels; the video gets their mean",
                o->audio_path, file_channels);
        a->mixed = tg_alloc(BLOCK * sizeof(float));
    }
    if (!a->block || (channels != file_channels && !a->mixed)) {
        return tg_fail(ctx, TG_ENOMEM, "%s: not enough memory to read it", o->audio_path);
    }
    int error = open_aac(m, rate, channels);
    if (error >= 0) {
        error = open_converter(a, file_rate, channels);
    }
    if (error < 0) {
        return av_failed(ctx, m, "the AAC encoder does not open", error);
    }
    a->left = o->audio_duration_s > 0 ? llround(o->audio_duration_s * file_rate) : INT64_MAX;
    m->has_audio = true;
    return skip_to_start(ctx, a, o->audio_start_s);
}

/* Interleaved frames of the file (NULL, 0 = flush the resampler) -> fifo. */
static int convert_samples(movie_audio *a, const float *in, int frames) {
    int room = swr_get_out_samples(a->convert, frames);
    if (room <= 0) {
        return room;
    }
    uint8_t **out = NULL;
    int channels = a->codec->ch_layout.nb_channels;
    int n = av_samples_alloc_array_and_samples(&out, NULL, channels, room, AV_SAMPLE_FMT_FLTP, 0);
    if (n < 0) {
        return n;
    }
    const uint8_t *from = (const uint8_t *)in;
    n = swr_convert(a->convert, out, room, in ? &from : NULL, frames);
    if (n > 0 && av_audio_fifo_write(a->samples, (void **)out, n) < n) {
        n = AVERROR(ENOMEM);
    }
    av_freep(&out[0]);
    av_freep(&out);
    return n;
}

/* Reads until the fifo has `wanted` samples or the sound ends. */
static tg_status fill(tg_context *ctx, movie *m, int wanted) {
    movie_audio *a = &m->audio;
    while (!a->ended && av_audio_fifo_size(a->samples) < wanted) {
        int64_t got = 0, step = a->left < BLOCK ? a->left : BLOCK;
        tg_status status = step > 0 ? tg_audio_read(ctx, a->file, a->block, step, &got) : TG_OK;
        if (status != TG_OK) {
            return status;
        }
        a->left -= a->left == INT64_MAX ? 0 : got;
        a->ended = got == 0;
        const float *in = a->block;
        if (a->mixed) {
            int channels = tg_audio_channels(a->file);
            for (int64_t i = 0; i < got; i++) {
                float sum = 0;
                for (int c = 0; c < channels; c++) {
                    sum += a->block[i * channels + c];
                }
                a->mixed[i] = sum / (float)channels;
            }
            in = a->mixed;
        }
        int error = convert_samples(a, got ? in : NULL, (int)got);
        if (error < 0) {
            return av_failed(ctx, m, "the sound cannot be converted", error);
        }
    }
    return TG_OK;
}

/* One encoder frame of n samples, silence where the sound has ended. */
static tg_status encode_samples(tg_context *ctx, movie *m, int n) {
    movie_audio *a = &m->audio;
    tg_status status = fill(ctx, m, n);
    if (status != TG_OK) {
        return status;
    }
    if (av_frame_make_writable(a->frame) < 0) {
        return av_failed(ctx, m, "encoding sound", AVERROR(ENOMEM));
    }
    a->frame->nb_samples = n;
    int got = av_audio_fifo_read(a->samples, (void **)a->frame->extended_data, n);
    got = got < 0 ? 0 : got;
    for (int c = 0; c < a->frame->ch_layout.nb_channels; c++) {
        memset((float *)(void *)a->frame->extended_data[c] + got, 0,
               (size_t)(n - got) * sizeof(float));
    }
    a->frame->pts = a->encoded;
    a->encoded += n;
    return encode(ctx, m, a->codec, a->stream, a->frame);
}

/* Sound up to the end of the last picture; whole encoder frames only, unless `all`. */
static tg_status audio_catch_up(tg_context *ctx, movie *m, bool all) {
    movie_audio *a = &m->audio;
    int64_t target = av_rescale_q(m->frames, av_inv_q(m->fps), a->codec->time_base);
    int step = a->codec->frame_size;
    tg_status status = TG_OK;
    while (status == TG_OK && a->encoded + step <= target) {
        status = encode_samples(ctx, m, step);
    }
    if (status == TG_OK && all && a->encoded < target) {
        status = encode_samples(ctx, m, (int)(target - a->encoded));
    }
    return status;
}

/* ---- pictures -------------------------------------------------------------------------- */

static int try_encoder(movie *m, const AVCodec *codec, const tg_sink_options *o) {
    AVCodecContext *c = avcodec_alloc_context3(codec);
    if (!c) {
        return AVERROR(ENOMEM);
    }
    c->width = o->width + (o->width & 1);
    c->height = o->height + (o->height & 1);
    c->pix_fmt = AV_PIX_FMT_YUV420P;
    c->time_base = av_inv_q(m->fps);
    c->framerate = m->fps;
    c->sample_aspect_ratio = (AVRational){1, 1};
    c->colorspace = AVCOL_SPC_BT709;
    c->color_primaries = AVCOL_PRI_BT709;
    c->color_trc = AVCOL_TRC_BT709;
    c->color_range = AVCOL_RANGE_MPEG;
    c->chroma_sample_location = AVCHROMA_LOC_LEFT;
    c->gop_size = 5 * o->fps_num / o->fps_den > 0 ? 5 * o->fps_num / o->fps_den : 1;
    c->max_b_frames = 0;
    c->thread_count = 1; /* x264's output depends on it */
    c->flags |= AV_CODEC_FLAG_BITEXACT;
    if (m->format->oformat->flags & AVFMT_GLOBALHEADER) {
        c->flags |= AV_CODEC_FLAG_GLOBAL_HEADER;
    }
    AVDictionary *options = NULL;
    if (strcmp(codec->name, "libx264") == 0) {
        av_dict_set(&options, "preset", "medium", 0);
        av_dict_set_int(&options, "crf", o->crf, 0);
        /* Lips are told by their red: finer chroma gives +0.6 dB in RGB for +15 % bytes. */
        av_dict_set_int(&options, "chromaoffset", -4, 0);
    } else if (codec->id == AV_CODEC_ID_MPEG4) {
        c->flags |= AV_CODEC_FLAG_QSCALE;
        c->global_quality = 2 * FF_QP2LAMBDA; /* about what crf 18 looks like */
    } else {
        c->bit_rate = (int64_t)(0.4 * c->width * c->height * o->fps_num / o->fps_den) + 100000;
    }
    int error = avcodec_open2(c, codec, &options);
    av_dict_free(&options);
    if (error < 0) {
        avcodec_free_context(&c);
    } else {
        m->codec = c;
    }
    return error;
}

static tg_status video_open(tg_context *ctx, movie *m, const tg_sink_options *o,
                            const char *encoder) {
    int error = AVERROR_ENCODER_NOT_FOUND;
    size_t count = encoder ? 1 : sizeof encoders / sizeof encoders[0];
    for (size_t i = 0; i < count && !m->codec; i++) {
        const char *name = encoder ? encoder : encoders[i];
        const AVCodec *codec = avcodec_find_encoder_by_name(name);
        if (codec) {
            error = try_encoder(m, codec, o);
        }
    }
    if (!m->codec) {
        return av_failed(ctx, m, "no video encoder opens", error);
    }
    if (strcmp(m->codec->codec->name, encoders[0]) != 0) {
        tg_note(ctx, "libx264 is not available in this FFmpeg; the video is encoded with %s (%s)",
                m->codec->codec->name, avcodec_get_name(m->codec->codec_id));
    }
    m->stream = avformat_new_stream(m->format, NULL);
    m->yuv = tg_yuv_create(o->width, o->height, AVCOL_SPC_BT709);
    if (!m->stream || !m->yuv) {
        return av_failed(ctx, m, "opening", AVERROR(ENOMEM));
    }
    m->stream->time_base = m->codec->time_base;
    m->stream->avg_frame_rate = m->stream->r_frame_rate = m->fps;
    m->stream->sample_aspect_ratio = (AVRational){1, 1};
    error = avcodec_parameters_from_context(m->stream->codecpar, m->codec);
    return error < 0 ? av_failed(ctx, m, "opening", error) : TG_OK;
}

static tg_status write_header(tg_context *ctx, movie *m) {
    AVDictionary *options = NULL;
    /* faststart moves the index to the front, so that browsers play while they load. */
    av_dict_set(&options, "movflags", "+faststart+write_colr", 0);
    m->format->flags |= AVFMT_FLAG_BITEXACT;
    int error = avio_open(&m->format->pb, m->url, AVIO_FLAG_WRITE);
    if (error >= 0) {
        error = avformat_write_header(m->format, &options);
    }
    av_dict_free(&options);
    return error < 0 ? av_failed(ctx, m, "the file cannot be started", error) : TG_OK;
}

tg_status tg_movie_open(tg_context *ctx, const char *path, const tg_sink_options *o,
                        const char *encoder, void **state) {
    tg_ffmpeg_quiet();
    movie *m = tg_calloc(sizeof *m);
    if (!m) {
        return tg_fail(ctx, TG_ENOMEM, "%s: not enough memory to open it", path);
    }
    tg_status status = tg_temp_open(ctx, path, &m->temp);
    if (status != TG_OK) {
        tg_free(m);
        return status;
    }
    close(m->temp.fd); /* FFmpeg opens it by name, once more for faststart */
    m->temp.fd = -1;
    snprintf(m->url, sizeof m->url, "file:%s", m->temp.name);
    m->fps = (AVRational){o->fps_num, o->fps_den};
    const char *muxer = tg_has_extension(path, "mkv")   ? "matroska"
                        : tg_has_extension(path, "mov") ? "mov"
                                                        : "mp4";
    int error = avformat_alloc_output_context2(&m->format, NULL, muxer, m->url);
    m->packet = av_packet_alloc();
    if (error < 0 || !m->packet) {
        status = av_failed(ctx, m, "opening", error < 0 ? error : AVERROR(ENOMEM));
    }
    if (status == TG_OK) {
        status = video_open(ctx, m, o, encoder);
    }
    if (status == TG_OK && o->audio_path) {
        status = audio_open(ctx, m, o);
    }
    if (status == TG_OK) {
        status = write_header(ctx, m);
    }
    if (status != TG_OK) {
        movie_drop(m);
        return status;
    }
    *state = m;
    return TG_OK;
}

static tg_status movie_open(tg_context *ctx, const char *path, const tg_sink_options *o,
                            void **state) {
    return tg_movie_open(ctx, path, o, NULL, state);
}

static tg_status movie_write(tg_context *ctx, void *state, const uint8_t *rgb) {
    movie *m = state;
    AVFrame *frame = tg_yuv_convert(m->yuv, rgb);
    if (!frame) {
        return av_failed(ctx, m, "a frame cannot be converted", AVERROR(ENOMEM));
    }
    frame->pts = m->frames++;
    frame->color_primaries = AVCOL_PRI_BT709;
    frame->color_trc = AVCOL_TRC_BT709;
    frame->quality = m->codec->global_quality;
    tg_status status = encode(ctx, m, m->codec, m->stream, frame);
    if (status == TG_OK && m->has_audio) {
        status = audio_catch_up(ctx, m, false);
    }
    return status;
}

static tg_status movie_finish(tg_context *ctx, void *state, const tg_sink_ending *ending) {
    movie *m = state;
    tg_status status = encode(ctx, m, m->codec, m->stream, NULL);
    if (status == TG_OK && m->has_audio) {
        status = audio_catch_up(ctx, m, true);
        if (status == TG_OK) {
            status = encode(ctx, m, m->audio.codec, m->audio.stream, NULL);
        }
    }
    if (status == TG_OK) {
        int error = av_write_trailer(m->format);
        if (error >= 0) {
            avio_flush(m->format->pb);
            error = m->format->pb->error;
        }
        int closing = avio_closep(&m->format->pb);
        error = error < 0 ? error : closing;
        if (error < 0) {
            status = av_failed(ctx, m, "the file cannot be completed", error);
        }
    }
    if (status != TG_OK) {
        movie_drop(m);
        return status;
    }
    status = tg_sink_commit(ctx, &m->temp, ending);
    movie_free(m);
    return status;
}

const tg_sink_kind tg_sink_movie = {movie_open, movie_write, movie_finish, movie_drop};

const char *tg_video_encoder_name(void) {
    for (size_t i = 0; i < sizeof encoders / sizeof encoders[0]; i++) {
        if (avcodec_find_encoder_by_name(encoders[i])) {
            return encoders[i];
        }
    }
    return "none";
}
