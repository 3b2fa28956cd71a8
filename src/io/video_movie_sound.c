/* The sound of a movie: any recording as AAC, as long as the pictures. */
#include "io/video_movie.h"

#include <math.h>
#include <string.h>

enum { BLOCK = 4096 };

void tg_movie_sound_free(tg_movie_sound *a) {
    tg_audio_close(&a->file);
    avcodec_free_context(&a->codec);
    swr_free(&a->convert);
    av_audio_fifo_free(a->samples);
    av_frame_free(&a->frame);
    tg_free(a->block);
    tg_free(a->mixed);
}

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

static int open_aac(tg_movie *m, int rate, int channels) {
    tg_movie_sound *a = &m->audio;
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

static int open_converter(tg_movie_sound *a, int file_rate, int channels) {
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

static tg_status skip_to_start(tg_context *ctx, tg_movie_sound *a, double start_s) {
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

tg_status tg_movie_sound_open(tg_context *ctx, tg_movie *m, const tg_sink_options *o) {
    tg_movie_sound *a = &m->audio;
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
        return tg_movie_failed(ctx, m, "the AAC encoder does not open", error);
    }
    a->left = o->audio_duration_s > 0 ? llround(o->audio_duration_s * file_rate) : INT64_MAX;
    m->has_audio = true;
    return skip_to_start(ctx, a, o->audio_start_s);
}

/* Interleaved frames of the file (NULL, 0 = flush the resampler) -> fifo. */
static int convert_samples(tg_movie_sound *a, const float *in, int frames) {
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
static tg_status fill(tg_context *ctx, tg_movie *m, int wanted) {
    tg_movie_sound *a = &m->audio;
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
            return tg_movie_failed(ctx, m, "the sound cannot be converted", error);
        }
    }
    return TG_OK;
}

/* One encoder frame of n samples, silence where the sound has ended. */
static tg_status encode_samples(tg_context *ctx, tg_movie *m, int n) {
    tg_movie_sound *a = &m->audio;
    tg_status status = fill(ctx, m, n);
    if (status != TG_OK) {
        return status;
    }
    if (av_frame_make_writable(a->frame) < 0) {
        return tg_movie_failed(ctx, m, "encoding sound", AVERROR(ENOMEM));
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
    return tg_movie_encode(ctx, m, a->codec, a->stream, a->frame);
}

/* Sound up to the end of the last picture; whole encoder frames only, unless `all`. */
tg_status tg_movie_sound_catch_up(tg_context *ctx, tg_movie *m, bool all) {
    tg_movie_sound *a = &m->audio;
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
