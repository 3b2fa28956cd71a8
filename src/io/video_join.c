/* Parts of a clip, made by different workers, become one movie: pictures are copied as they were
 * encoded, sound is encoded once for the whole. */
#include "io/video_movie.h"

#include <inttypes.h>
#include <string.h>

static tg_status does_not_fit(tg_context *ctx, const char *part, const char *what) {
    return tg_fail(ctx, TG_EINPUT,
                   "%s: %s\n  expected: parts made by talkgen --frames with the same options\n"
                   "  try: to render this part again",
                   part, what);
}

static int find_video(const AVFormatContext *in) {
    for (unsigned i = 0; i < in->nb_streams; i++)
        if (in->streams[i]->codecpar->codec_type == AVMEDIA_TYPE_VIDEO)
            return (int)i;
    return -1;
}

/* Parameter sets are part of it: slices of one encoder do not decode with those of another. */
static bool same_coding(const AVCodecParameters *a, const AVCodecParameters *b) {
    return a->codec_id == b->codec_id && a->width == b->width && a->height == b->height &&
           a->format == b->format && a->extradata_size == b->extradata_size &&
           (a->extradata_size <= 0 ||
            memcmp(a->extradata, b->extradata, (size_t)a->extradata_size) == 0);
}

/* The stream of the pictures, as the first part has it. */
static tg_status begin(tg_context *ctx, tg_movie *m, const AVStream *from, const char *part,
                       const tg_sink_options *o) {
    m->fps = from->avg_frame_rate;
    if (m->fps.num < 1 || m->fps.den < 1 || m->fps.num / m->fps.den > 1000)
        return does_not_fit(ctx, part, "no frame rate");
    m->stream = avformat_new_stream(m->format, NULL);
    if (!m->stream || avcodec_parameters_copy(m->stream->codecpar, from->codecpar) < 0)
        return tg_movie_failed(ctx, m, "opening", AVERROR(ENOMEM));
    m->stream->codecpar->codec_tag = 0; /* each container has its own */
    m->stream->time_base = av_inv_q(m->fps);
    m->stream->avg_frame_rate = m->stream->r_frame_rate = m->fps;
    m->stream->sample_aspect_ratio = (AVRational){1, 1};
    tg_status s = o->audio_path ? tg_movie_sound_open(ctx, m, o) : TG_OK;
    return s == TG_OK ? tg_movie_begin(ctx, m) : s;
}

/* There are no B-frames: packet n of the whole is picture n. */
static tg_status copy(tg_context *ctx, tg_movie *m, AVFormatContext *in, int stream,
                      const char *part) {
    int64_t before = m->frames;
    for (;;) {
        int error = av_read_frame(in, m->packet);
        if (error == AVERROR_EOF)
            break;
        if (error < 0)
            return does_not_fit(ctx, part, tg_ffmpeg_reason(error));
        if (m->packet->stream_index != stream) {
            av_packet_unref(m->packet);
            continue;
        }
        if (m->frames == before && !(m->packet->flags & AV_PKT_FLAG_KEY)) {
            av_packet_unref(m->packet);
            return does_not_fit(ctx, part, "it does not begin with a key frame");
        }
        m->packet->stream_index = m->stream->index;
        m->packet->pts = m->packet->dts = m->frames++;
        m->packet->duration = 1;
        m->packet->pos = -1;
        av_packet_rescale_ts(m->packet, av_inv_q(m->fps), m->stream->time_base);
        error = av_interleaved_write_frame(m->format, m->packet);
        av_packet_unref(m->packet);
        if (error >= 0 && m->format->pb->error < 0)
            error = m->format->pb->error;
        if (error < 0)
            return tg_movie_failed(ctx, m, "joining failed", error);
        tg_status s = m->has_audio ? tg_movie_sound_catch_up(ctx, m, false) : TG_OK;
        if (s == TG_OK)
            s = tg_cancelled(ctx);
        if (s != TG_OK)
            return s;
    }
    return m->frames > before ? TG_OK : does_not_fit(ctx, part, "no pictures in it");
}

tg_status tg_movie_join(tg_context *ctx, const char *const *parts, int count, const char *path,
                        const tg_sink_options *o, int64_t *frames) {
    tg_movie *m;
    *frames = 0;
    if (!tg_is_movie(path))
        return tg_fail(ctx, TG_EUSAGE,
                       "%s: not the name of a movie\n  expected: a name ending in .mp4, .mov or "
                       ".mkv\n  try: whole.mp4",
                       path);
    if (!o->overwrite && tg_file_exists(path))
        return tg_output_exists(ctx, path);
    tg_status s = tg_movie_create(ctx, path, o, &m);
    if (s != TG_OK)
        return s;
    for (int i = 0; i < count && s == TG_OK; i++) {
        AVFormatContext *in = NULL;
        s = tg_ffmpeg_open(ctx, parts[i], "video", &in);
        int stream = s == TG_OK ? find_video(in) : -1;
        if (s == TG_OK && stream < 0)
            s = does_not_fit(ctx, parts[i], "no pictures in it");
        if (s == TG_OK && i == 0)
            s = begin(ctx, m, in->streams[stream], parts[i], o);
        else if (s == TG_OK && !same_coding(m->stream->codecpar, in->streams[stream]->codecpar))
            s = does_not_fit(ctx, parts[i],
                             "its pictures are encoded otherwise than the first part");
        if (s == TG_OK)
            s = copy(ctx, m, in, stream, parts[i]);
        avformat_close_input(&in);
    }
    *frames = m->frames;
    if (s != TG_OK) {
        tg_movie_drop(m);
        return s;
    }
    tg_sink_ending ending = {.frame_hash = "", .ready = o->ready, .user = o->ready_user};
    return tg_movie_end(ctx, m, &ending);
}
