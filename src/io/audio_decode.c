/* Audio through FFmpeg: demux, decode, convert to interleaved float at the stream's own rate. */
#include "io/audio_decode.h"
#include "io/ffmpeg.h"
#include "talkgen/io.h"

#include <libavcodec/avcodec.h>
#include <libswresample/swresample.h>
#include <string.h>

struct tg_decoder {
    char *path;
    AVFormatContext *format;
    AVCodecContext *codec;
    SwrContext *convert;
    AVPacket *packet;
    AVFrame *frame;
    int stream;
    int rate, channels;
    enum AVSampleFormat sample_format;
    float *block; /* converted samples of one decoded frame */
    int64_t room, used, at;
    int64_t done; /* frames handed out */
    bool drained;
    bool is_mp4; /* the MOV family */
};

static tg_status broken(tg_context *ctx, const tg_decoder *d, int error) {
    if (error == AVERROR(ENOMEM)) {
        return tg_fail(ctx, TG_ENOMEM, "%s: not enough memory to decode it", d->path);
    }
    return tg_fail(ctx, TG_EINPUT,
                   "%s: audio cannot be decoded after %.2f s: %s\n"
                   "  expected: an undamaged file\n  try: ffmpeg -i %s -f null -",
                   d->path, d->rate ? (double)d->done / d->rate : 0.0, tg_ffmpeg_reason(error),
                   d->path);
}

/* The layout that decoders leave unnamed still needs a name for the converter. */
static int frame_layout(const AVFrame *frame, AVChannelLayout *layout) {
    if (frame->ch_layout.order == AV_CHANNEL_ORDER_UNSPEC || frame->ch_layout.nb_channels <= 0) {
        av_channel_layout_default(layout, frame->ch_layout.nb_channels);
        return 0;
    }
    return av_channel_layout_copy(layout, &frame->ch_layout);
}

static tg_status start_converter(tg_context *ctx, tg_decoder *d) {
    AVFrame *f = d->frame;
    AVChannelLayout layout = {0};
    int error = frame_layout(f, &layout);
    if (error >= 0) {
        error = swr_alloc_set_opts2(&d->convert, &layout, AV_SAMPLE_FMT_FLT, f->sample_rate,
                                    &layout, f->format, f->sample_rate, 0, NULL);
    }
    if (error >= 0) {
        error = swr_init(d->convert);
    }
    av_channel_layout_uninit(&layout);
    if (error < 0) {
        return broken(ctx, d, error);
    }
    d->rate = f->sample_rate;
    d->channels = f->ch_layout.nb_channels;
    d->sample_format = f->format;
    return TG_OK;
}

/* Samples of the frame that belong to the recording. In MP4 the last AAC frame is padded to its
 * full size and only the packet's duration tells; this demuxer leaves cutting to its reader. */
static int samples_in(const tg_decoder *d) {
#if LIBAVUTIL_VERSION_INT >= AV_VERSION_INT(57, 30, 100)
    int64_t ticks = d->frame->duration;
#else
    int64_t ticks = d->frame->pkt_duration;
#endif
    if (!d->is_mp4 || ticks <= 0) {
        return d->frame->nb_samples;
    }
    AVRational tick = d->format->streams[d->stream]->time_base;
    int64_t n = av_rescale_q(ticks, tick, (AVRational){1, d->frame->sample_rate});
    return n < d->frame->nb_samples ? (int)n : d->frame->nb_samples;
}

/* Decoded frame -> block. */
static tg_status convert_frame(tg_context *ctx, tg_decoder *d) {
    AVFrame *f = d->frame;
    if (f->nb_samples <= 0) {
        return TG_OK;
    }
    if (!d->convert) {
        tg_status status = start_converter(ctx, d);
        if (status != TG_OK) {
            return status;
        }
    }
    if (f->sample_rate != d->rate || f->ch_layout.nb_channels != d->channels ||
        (enum AVSampleFormat)f->format != d->sample_format) {
        return tg_fail(ctx, TG_EINPUT,
                       "%s: audio changes from %d Hz, %d channels to %d Hz, %d channels after "
                       "%.2f s\n  expected: one format for the whole file\n"
                       "  try: ffmpeg -i %s converted.wav",
                       d->path, d->rate, d->channels, f->sample_rate, f->ch_layout.nb_channels,
                       (double)d->done / d->rate, d->path);
    }
    if (f->nb_samples > d->room) {
        tg_free(d->block);
        d->room = f->nb_samples;
        d->block = tg_alloc((size_t)d->room * (size_t)d->channels * sizeof(float));
        if (!d->block) {
            d->room = 0;
            return broken(ctx, d, AVERROR(ENOMEM));
        }
    }
    uint8_t *out = (uint8_t *)d->block;
    int n = swr_convert(d->convert, &out, (int)d->room, (const uint8_t **)f->extended_data,
                        samples_in(d));
    if (n < 0) {
        return broken(ctx, d, n);
    }
    d->used = n;
    d->at = 0;
    return TG_OK;
}

/* Next packet of our stream into the codec; NULL packet at the end of the file. Damaged packets
 * are stepped over as every player does: streams cut from a broadcast begin with one. */
static int feed(tg_decoder *d) {
    for (;;) {
        int error = av_read_frame(d->format, d->packet);
        if (error == AVERROR_EOF) {
            error = avcodec_send_packet(d->codec, NULL);
            return error == AVERROR_EOF ? 0 : error;
        }
        if (error < 0) {
            return error;
        }
        if (d->packet->stream_index != d->stream) {
            av_packet_unref(d->packet);
            continue;
        }
        error = avcodec_send_packet(d->codec, d->packet);
        av_packet_unref(d->packet);
        if (error != AVERROR_INVALIDDATA) {
            return error;
        }
    }
}

/* Fills the block with the next decoded samples, or sets drained. */
static tg_status next_block(tg_context *ctx, tg_decoder *d) {
    d->used = d->at = 0;
    while (!d->drained && d->used == 0) {
        int error = avcodec_receive_frame(d->codec, d->frame);
        if (error == AVERROR_EOF) {
            d->drained = true;
        } else if (error == AVERROR(EAGAIN)) {
            error = feed(d);
            if (error < 0) {
                return broken(ctx, d, error);
            }
        } else if (error == AVERROR_INVALIDDATA) {
            continue;
        } else if (error < 0) {
            return broken(ctx, d, error);
        } else {
            tg_status status = convert_frame(ctx, d);
            av_frame_unref(d->frame);
            if (status != TG_OK) {
                return status;
            }
        }
    }
    return TG_OK;
}

static tg_status open_codec(tg_context *ctx, tg_decoder *d) {
    const AVCodec *codec = NULL;
    d->stream = av_find_best_stream(d->format, AVMEDIA_TYPE_AUDIO, -1, -1, &codec, 0);
    if (d->stream < 0 || !codec) {
        return tg_fail(ctx, TG_EINPUT,
                       "%s: no sound in it\n  expected: a file with an audio stream\n"
                       "  try: ffprobe %s",
                       d->path, d->path);
    }
    for (unsigned i = 0; i < d->format->nb_streams; i++) {
        d->format->streams[i]->discard = (int)i == d->stream ? AVDISCARD_DEFAULT : AVDISCARD_ALL;
    }
    d->is_mp4 = strstr(d->format->iformat->name, "mp4") != NULL;
    AVStream *stream = d->format->streams[d->stream];
    d->codec = avcodec_alloc_context3(codec);
    d->packet = av_packet_alloc();
    d->frame = av_frame_alloc();
    if (!d->codec || !d->packet || !d->frame) {
        return broken(ctx, d, AVERROR(ENOMEM));
    }
    int error = avcodec_parameters_to_context(d->codec, stream->codecpar);
    d->codec->pkt_timebase = stream->time_base; /* trimming of priming samples needs it */
    d->codec->thread_count = 1;
    if (error >= 0) {
        error = avcodec_open2(d->codec, codec, NULL);
    }
    return error < 0 ? broken(ctx, d, error) : TG_OK;
}

tg_status tg_decoder_open(tg_context *ctx, const char *path, tg_decoder **out) {
    *out = NULL;
    tg_decoder *d = tg_calloc(sizeof *d);
    size_t length = strlen(path) + 1;
    if (!d || !(d->path = tg_alloc(length))) {
        tg_free(d);
        return tg_fail(ctx, TG_ENOMEM, "%s: not enough memory to open it", path);
    }
    memcpy(d->path, path, length);
    tg_status status = tg_ffmpeg_open(ctx, path, "audio", &d->format);
    if (status == TG_OK) {
        status = open_codec(ctx, d);
    }
    if (status == TG_OK) { /* rate and channels are sure only after decoding (HE-AAC doubles it) */
        status = next_block(ctx, d);
    }
    if (status == TG_OK && d->used == 0) {
        status = tg_fail(ctx, TG_EINPUT,
                         "%s: 0 audio samples\n  expected: at least one\n"
                         "  try: ffprobe %s",
                         path, path);
    }
    if (status != TG_OK) {
        tg_decoder_close(&d);
        return status;
    }
    *out = d;
    return TG_OK;
}

void tg_decoder_close(tg_decoder **decoder) {
    if (!decoder || !*decoder) {
        return;
    }
    tg_decoder *d = *decoder;
    avformat_close_input(&d->format);
    avcodec_free_context(&d->codec);
    swr_free(&d->convert);
    av_packet_free(&d->packet);
    av_frame_free(&d->frame);
    tg_free(d->block);
    tg_free(d->path);
    tg_free(d);
    *decoder = NULL;
}

int tg_decoder_rate(const tg_decoder *decoder) {
    return decoder->rate;
}

int tg_decoder_channels(const tg_decoder *decoder) {
    return decoder->channels;
}

tg_status tg_decoder_read(tg_context *ctx, tg_decoder *d, float *out, int64_t frames,
                          int64_t *got) {
    *got = 0;
    while (*got < frames) {
        if (d->at == d->used) {
            tg_status status = next_block(ctx, d);
            if (status != TG_OK) {
                return status;
            }
            if (d->used == 0) {
                break;
            }
        }
        int64_t n = d->used - d->at < frames - *got ? d->used - d->at : frames - *got;
        memcpy(out + *got * d->channels, d->block + d->at * d->channels,
               (size_t)(n * d->channels) * sizeof(float));
        d->at += n;
        d->done += n;
        *got += n;
    }
    return TG_OK;
}
