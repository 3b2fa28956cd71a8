/* Movies: H.264 and AAC in MP4, MOV or Matroska through FFmpeg.
 *
 * Sync: picture n is shown from n/fps on; sound starts with picture 0 and is cut or filled up with
 * silence to the end of the last picture. The AAC encoder's priming samples are hidden by the edit
 * list (MP4) or codec delay (Matroska). There are no B-frames, so pictures need no edit list of
 * their own and players that ignore those stay in sync.
 */
#include "io/video_movie.h"
#include "io/provenance.h"

#include <math.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

/* The first that this FFmpeg has and that opens. */
static const char *const encoders[] = {"libx264", "libopenh264", "mpeg4"};

static void movie_free(tg_movie *m) {
    tg_movie_sound_free(&m->audio);
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

void tg_movie_drop(void *state) {
    tg_movie *m = state;
    if (m->format) {
        avio_closep(&m->format->pb); /* before its file goes */
    }
    tg_temp_abort(&m->temp);
    movie_free(m);
}

tg_status tg_movie_failed(tg_context *ctx, const tg_movie *m, const char *what, int error) {
    if (error == AVERROR(ENOMEM)) {
        return tg_fail(ctx, TG_ENOMEM, "%s: not enough memory to encode it", m->temp.target);
    }
    /* System errors (disk full, no permission) have errno values; FFmpeg's own are large tags. */
    if (AVERROR(error) > 0 && AVERROR(error) < 200 && error != AVERROR(EINVAL)) {
        return tg_temp_failed(ctx, &m->temp, AVERROR(error));
    }
    return tg_fail(ctx, TG_EOUTPUT,
                   "%s: %s: %s\n  expected: FFmpeg to take it\n"
                   "  try: talkgen doctor, or another kind of output such as frame_%%05d.png",
                   m->temp.target, what, tg_ffmpeg_reason(error));
}

/* ---- packets ------------------------------------------------------------------------ */

/* Sends a frame (NULL = end) and muxes every packet that comes out. */
tg_status tg_movie_encode(tg_context *ctx, tg_movie *m, AVCodecContext *codec, AVStream *stream,
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
    return tg_movie_failed(ctx, m, "encoding failed", error);
}

/* ---- pictures -------------------------------------------------------------------------- */

static int try_encoder(tg_movie *m, const AVCodec *codec, const tg_sink_options *o) {
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
    c->gop_size = o->gop > 0                        ? o->gop
                  : 5 * o->fps_num / o->fps_den > 0 ? 5 * o->fps_num / o->fps_den
                                                    : 1;
    c->max_b_frames = 0;
    c->thread_count = 1; /* x264's output depends on it */
    c->flags |= AV_CODEC_FLAG_BITEXACT;
    if (m->format->oformat->flags & AVFMT_GLOBALHEADER) {
        c->flags |= AV_CODEC_FLAG_GLOBAL_HEADER;
    }
    AVDictionary *options = NULL;
    if (strcmp(codec->name, "libx264") == 0) {
        av_dict_set(&options, "preset", "medium", 0);
        char own[96] = "";
        /* Its AVX-512 code (164) does not always give the same bytes for pictures of 32x32 when
         * two encoders share a processor: 6 of 168 clips differed, none of them with AVX2. */
        if (tg_cpu_detect() >= TG_CPU_AVX512) {
            strcpy(own, "asm=AVX2:");
        }
        if (o->gop > 0) {
            /* What crf spends on a picture depends on those before it, in other GOPs too. */
            av_dict_set_int(&options, "qp", o->crf < 50 ? o->crf + 2 : 51, 0);
            size_t used = strlen(own);
            snprintf(own + used, sizeof own - used, "keyint=%d:min-keyint=%d:scenecut=0:mbtree=0",
                     o->gop, o->gop);
        } else {
            av_dict_set_int(&options, "crf", o->crf, 0);
        }
        if (own[0]) {
            av_dict_set(&options, "x264-params", own, 0);
        }
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

static tg_status video_open(tg_context *ctx, tg_movie *m, const tg_sink_options *o,
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
        return tg_movie_failed(ctx, m, "no video encoder opens", error);
    }
    if (strcmp(m->codec->codec->name, encoders[0]) != 0) {
        tg_note(ctx, "libx264 is not available in this FFmpeg; the video is encoded with %s (%s)",
                m->codec->codec->name, avcodec_get_name(m->codec->codec_id));
    }
    m->stream = avformat_new_stream(m->format, NULL);
    m->yuv = tg_yuv_create(o->width, o->height, AVCOL_SPC_BT709);
    if (!m->stream || !m->yuv) {
        return tg_movie_failed(ctx, m, "opening", AVERROR(ENOMEM));
    }
    m->stream->time_base = m->codec->time_base;
    m->stream->avg_frame_rate = m->stream->r_frame_rate = m->fps;
    m->stream->sample_aspect_ratio = (AVRational){1, 1};
    error = avcodec_parameters_from_context(m->stream->codecpar, m->codec);
    return error < 0 ? tg_movie_failed(ctx, m, "opening", error) : TG_OK;
}

tg_status tg_movie_begin(tg_context *ctx, tg_movie *m) {
    AVDictionary *options = NULL;
    if (m->provenance) {
        char comment[256], title[128];
        tg_provenance_comment(m->provenance, comment, sizeof comment);
        snprintf(title, sizeof title, "Synthetic video of %.64s",
                 m->provenance->identity ? m->provenance->identity : "a person");
        av_dict_set(&m->format->metadata, "title", title, 0);
        av_dict_set(&m->format->metadata, "comment", comment, 0);
    }
    /* faststart moves the index to the front, so that browsers play while they load. */
    av_dict_set(&options, "movflags", "+faststart+write_colr", 0);
    m->format->flags |= AVFMT_FLAG_BITEXACT;
    int error = avio_open(&m->format->pb, m->url, AVIO_FLAG_WRITE);
    if (error >= 0) {
        error = avformat_write_header(m->format, &options);
    }
    av_dict_free(&options);
    return error < 0 ? tg_movie_failed(ctx, m, "the file cannot be started", error) : TG_OK;
}

tg_status tg_movie_create(tg_context *ctx, const char *path, const tg_sink_options *o,
                          tg_movie **out) {
    tg_ffmpeg_quiet();
    *out = NULL;
    tg_movie *m = tg_calloc(sizeof *m);
    if (!m) {
        return tg_fail(ctx, TG_ENOMEM, "%s: not enough memory to open it", path);
    }
    tg_status status = tg_temp_open_away(ctx, path, o->tmp_dir, &m->temp);
    if (status != TG_OK) {
        tg_free(m);
        return status;
    }
    close(m->temp.fd); /* FFmpeg opens it by name, once more for faststart */
    m->temp.fd = -1;
    snprintf(m->url, sizeof m->url, "file:%s", m->temp.name);
    m->provenance = o->provenance;
    m->has_xmp = o->provenance && !tg_has_extension(path, "mkv");
    const char *muxer = tg_has_extension(path, "mkv")   ? "matroska"
                        : tg_has_extension(path, "mov") ? "mov"
                                                        : "mp4";
    int error = avformat_alloc_output_context2(&m->format, NULL, muxer, m->url);
    m->packet = av_packet_alloc();
    if (error < 0 || !m->packet) {
        status = tg_movie_failed(ctx, m, "opening", error < 0 ? error : AVERROR(ENOMEM));
        tg_movie_drop(m);
        return status;
    }
    *out = m;
    return TG_OK;
}

tg_status tg_movie_open(tg_context *ctx, const char *path, const tg_sink_options *o,
                        const char *encoder, void **state) {
    tg_movie *m;
    tg_status status = tg_movie_create(ctx, path, o, &m);
    if (status != TG_OK) {
        return status;
    }
    m->fps = (AVRational){o->fps_num, o->fps_den};
    status = video_open(ctx, m, o, encoder);
    if (status == TG_OK && o->audio_path) {
        status = tg_movie_sound_open(ctx, m, o);
    }
    if (status == TG_OK) {
        status = tg_movie_begin(ctx, m);
    }
    if (status != TG_OK) {
        tg_movie_drop(m);
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
    tg_movie *m = state;
    AVFrame *frame = tg_yuv_convert(m->yuv, rgb);
    if (!frame) {
        return tg_movie_failed(ctx, m, "a frame cannot be converted", AVERROR(ENOMEM));
    }
    frame->pts = m->frames++;
    frame->color_primaries = AVCOL_PRI_BT709;
    frame->color_trc = AVCOL_TRC_BT709;
    frame->quality = m->codec->global_quality;
    tg_status status = tg_movie_encode(ctx, m, m->codec, m->stream, frame);
    if (status == TG_OK && m->has_audio) {
        status = tg_movie_sound_catch_up(ctx, m, false);
    }
    return status;
}

tg_status tg_movie_end(tg_context *ctx, tg_movie *m, const tg_sink_ending *ending) {
    tg_status status = TG_OK;
    if (m->has_audio) {
        status = tg_movie_sound_catch_up(ctx, m, true);
        if (status == TG_OK) {
            status = tg_movie_encode(ctx, m, m->audio.codec, m->audio.stream, NULL);
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
            status = tg_movie_failed(ctx, m, "the file cannot be completed", error);
        }
    }
    if (status == TG_OK && m->has_xmp) {
        char *xmp = tg_provenance_xmp(m->provenance, ending->frame_hash);
        status = xmp ? tg_provenance_append(ctx, m->temp.name, m->temp.target, xmp)
                     : tg_movie_failed(ctx, m, "its origin", AVERROR(ENOMEM));
        tg_free(xmp);
    }
    if (status != TG_OK) {
        tg_movie_drop(m);
        return status;
    }
    status = tg_sink_commit(ctx, &m->temp, ending);
    movie_free(m);
    return status;
}

static tg_status movie_finish(tg_context *ctx, void *state, const tg_sink_ending *ending) {
    tg_movie *m = state;
    tg_status status = tg_movie_encode(ctx, m, m->codec, m->stream, NULL);
    if (status != TG_OK) {
        tg_movie_drop(m);
        return status;
    }
    return tg_movie_end(ctx, m, ending);
}

const tg_sink_kind tg_sink_movie = {movie_open, movie_write, movie_finish, tg_movie_drop};

const char *tg_movie_encoder(int i, bool *offered) {
    enum { VIDEO = sizeof encoders / sizeof encoders[0] };
    const char *name = i < VIDEO ? encoders[i] : i == VIDEO ? "aac" : NULL;
    *offered = name && avcodec_find_encoder_by_name(name);
    return name;
}

const char *tg_video_encoder_name(void) {
    for (size_t i = 0; i < sizeof encoders / sizeof encoders[0]; i++) {
        if (avcodec_find_encoder_by_name(encoders[i])) {
            return encoders[i];
        }
    }
    return "none";
}
