/* FFmpeg, kept quiet and kept to local files. */
#include "io/ffmpeg.h"
#include "io/files.h"

#include <errno.h>
#include <libavutil/log.h>
#include <libavutil/mem.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

static _Thread_local char last_error[256];

static void keep_error(void *object, int level, const char *format, va_list args) {
    (void)object;
    if (level <= AV_LOG_ERROR) {
        vsnprintf(last_error, sizeof last_error, format, args);
        last_error[strcspn(last_error, "\r\n")] = '\0';
    }
}

/* Bytes that FFmpeg may ask for at once: twice a picture of 8192 x 8192 in RGB. A file of 2 KB made
 * it ask for 1.1 GB. */
enum { MOST = 512 << 20 };

static void install(void) {
    av_log_set_callback(keep_error);
    av_max_alloc(MOST);
}

void tg_ffmpeg_quiet(void) {
    static pthread_once_t once = PTHREAD_ONCE_INIT;
    pthread_once(&once, install);
}

const char *tg_ffmpeg_reason(int error) {
    static _Thread_local char text[sizeof last_error];
    if (last_error[0]) {
        memcpy(text, last_error, sizeof text);
        last_error[0] = '\0';
    } else if (av_strerror(error, text, sizeof text) != 0) {
        snprintf(text, sizeof text, "error %d", error);
    }
    return text;
}

/* Containers and streams that hold their own samples. Playlists (HLS, concat, DASH) are left out:
 * they make the reader open whatever they name. */
static const char containers[] =
    "aac,ac3,aiff,amr,ape,asf,au,avi,caf,dts,eac3,flac,flv,loas,matroska,mov,mp3,mpc,mpc8,mpeg,"
    "mpegts,nut,ogg,rm,tak,tta,voc,w64,wav,wv,yuv4mpegpipe";

tg_status tg_ffmpeg_open(tg_context *ctx, const char *path, const char *kind,
                         AVFormatContext **out) {
    *out = NULL;
    tg_ffmpeg_quiet();
    struct stat st;
    if (stat(path, &st) != 0) {
        return tg_read_failed(ctx, TG_EINPUT, path, errno);
    }
    if (S_ISDIR(st.st_mode)) {
        return tg_read_failed(ctx, TG_EINPUT, path, EISDIR);
    }
    char url[PATH_MAX + 8];
    snprintf(url, sizeof url, "file:%s", path); /* a colon in the name is no protocol */
    AVDictionary *options = NULL;
    av_dict_set(&options, "protocol_whitelist", "file", 0);
    av_dict_set(&options, "format_whitelist", containers, 0);
    last_error[0] = '\0';
    int error = avformat_open_input(out, url, NULL, &options);
    av_dict_free(&options);
    if (error >= 0) {
        error = avformat_find_stream_info(*out, NULL);
    }
    if (error < 0) {
        avformat_close_input(out);
        if (error == AVERROR(ENOMEM)) {
            return tg_fail(ctx, TG_ENOMEM, "%s: not enough memory to open it", path);
        }
        if (error == AVERROR(EACCES) || error == AVERROR(EPERM)) {
            return tg_read_failed(ctx, TG_EINPUT, path, -error);
        }
        return tg_fail(ctx, TG_EINPUT,
                       "%s: not %s that can be read (%s)\n"
                       "  expected: a WAV, FLAC, OGG, MP3, M4A or MP4 file\n"
                       "  try: ffmpeg -i %s and convert it to WAV or MP4",
                       path, strcmp(kind, "audio") == 0 ? "audio" : "a video",
                       tg_ffmpeg_reason(error), path);
    }
    return TG_OK;
}
