/* Uncompressed and listed frames: YUV4MPEG2, framemd5, PNG sequences. */
#include "io/video_sink.h"
#include "io/files.h"
#include "io/md5.h"
#include "io/provenance.h"
#include "io/video_color.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

/* Formatted text into a file being written. */
static tg_status write_text(tg_context *ctx, tg_temp *temp, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

static tg_status write_text(tg_context *ctx, tg_temp *temp, const char *format, ...) {
    char text[512];
    va_list args;
    va_start(args, format);
    int n = vsnprintf(text, sizeof text, format, args);
    va_end(args);
    return tg_temp_write(ctx, temp, text, (size_t)n);
}

/* ---- YUV4MPEG2 ----------------------------------------------------------------- */

typedef struct {
    tg_temp temp;
    bool to_stdout;
    tg_yuv *yuv;
} y4m;

static void y4m_free(y4m *s) {
    if (s->yuv) {
        tg_yuv_destroy(&s->yuv);
    }
    tg_free(s);
}

static void y4m_drop(void *state) {
    y4m *s = state;
    if (s->to_stdout) {
        close(s->temp.fd);
    } else {
        tg_temp_abort(&s->temp);
    }
    y4m_free(s);
}

static tg_status y4m_open(tg_context *ctx, const char *path, const tg_sink_options *o,
                          void **state) {
    y4m *s = tg_calloc(sizeof *s);
    if (!s) {
        return tg_fail(ctx, TG_ENOMEM, "%s: not enough memory to open it", path);
    }
    tg_status status = TG_OK;
    s->to_stdout = strcmp(path, "-") == 0;
    if (s->to_stdout) {
        strcpy(s->temp.target, "standard output");
        s->temp.fd = fcntl(STDOUT_FILENO, F_DUPFD_CLOEXEC, 3);
        if (s->temp.fd < 0) {
            status = tg_write_failed(ctx, s->temp.target, errno);
        }
    } else {
        status = tg_temp_open_away(ctx, path, o->tmp_dir, &s->temp);
    }
    if (status != TG_OK) {
        tg_free(s);
        return status;
    }
    /* The format has no field for the matrix, and its readers (ffmpeg, x264, players at these
     * sizes) take BT.601; so it is BT.601 here although the movies are BT.709. */
    s->yuv = tg_yuv_create(o->width, o->height, AVCOL_SPC_SMPTE170M);
    if (!s->yuv) {
        status = tg_fail(ctx, TG_ENOMEM, "%s: not enough memory for a frame", path);
    } else {
        status = write_text(ctx, &s->temp,
                            "YUV4MPEG2 W%d H%d F%d:%d Ip A1:1 C420mpeg2 XYSCSS=420MPEG2 "
                            "XCOLORRANGE=LIMITED\n",
                            o->width + (o->width & 1), o->height + (o->height & 1), o->fps_num,
                            o->fps_den);
    }
    if (status != TG_OK) {
        y4m_drop(s);
        return status;
    }
    *state = s;
    return TG_OK;
}

static tg_status y4m_write(tg_context *ctx, void *state, const uint8_t *rgb) {
    y4m *s = state;
    const AVFrame *frame = tg_yuv_convert(s->yuv, rgb);
    if (!frame) {
        return tg_fail(ctx, TG_ENOMEM, "%s: a frame cannot be converted", s->temp.target);
    }
    tg_status status = write_text(ctx, &s->temp, "FRAME\n");
    for (int p = 0; p < 3 && status == TG_OK; p++) {
        int width = p ? frame->width / 2 : frame->width;
        int height = p ? frame->height / 2 : frame->height;
        for (int y = 0; y < height && status == TG_OK; y++) {
            status = tg_temp_write(ctx, &s->temp, frame->data[p] + y * frame->linesize[p],
                                   (size_t)width);
        }
    }
    return status;
}

static tg_status y4m_finish(tg_context *ctx, void *state, const tg_sink_ending *ending) {
    y4m *s = state;
    tg_status status;
    if (s->to_stdout) {
        status = close(s->temp.fd) != 0 ? tg_write_failed(ctx, s->temp.target, errno) : TG_OK;
    } else {
        status = tg_sink_commit(ctx, &s->temp, ending);
    }
    y4m_free(s);
    return status;
}

const tg_sink_kind tg_sink_y4m = {y4m_open, y4m_write, y4m_finish, y4m_drop};

/* ---- framemd5 -------------------------------------------------------------------- */

/* The lines of ffmpeg -f framemd5 for rgb24 frames, so that diff compares with other tools. */
typedef struct {
    tg_temp temp;
    size_t frame_bytes;
    int64_t number;
} framemd5;

static tg_status framemd5_open(tg_context *ctx, const char *path, const tg_sink_options *o,
                               void **state) {
    framemd5 *s = tg_calloc(sizeof *s);
    if (!s) {
        return tg_fail(ctx, TG_ENOMEM, "%s: not enough memory to open it", path);
    }
    s->frame_bytes = (size_t)o->width * (size_t)o->height * 3;
    s->number = o->first_number;
    tg_status status = tg_temp_open_away(ctx, path, o->tmp_dir, &s->temp);
    if (status != TG_OK) {
        tg_free(s);
        return status;
    }
    status = write_text(ctx, &s->temp,
                        "#format: frame checksums\n#version: 2\n#hash: MD5\n#software: talkgen\n"
                        "#digitalsourcetype: trainedAlgorithmicMedia\n"
                        "#tb 0: %d/%d\n#media_type 0: video\n#codec_id 0: rawvideo\n"
                        "#dimensions 0: %dx%d\n#sar 0: 1/1\n"
                        "#stream#, dts,        pts, duration,     size, hash\n",
                        o->fps_den, o->fps_num, o->width, o->height);
    if (status != TG_OK) {
        tg_temp_abort(&s->temp);
        tg_free(s);
        return status;
    }
    *state = s;
    return TG_OK;
}

static tg_status framemd5_write(tg_context *ctx, void *state, const uint8_t *rgb) {
    framemd5 *s = state;
    char digest[33];
    tg_md5 *md5 = tg_md5_create();
    if (!md5) {
        return tg_fail(ctx, TG_ENOMEM, "%s: not enough memory for a checksum", s->temp.target);
    }
    tg_md5_add(md5, rgb, s->frame_bytes);
    tg_md5_digest(md5, digest);
    tg_md5_destroy(&md5);
    int64_t n = s->number++;
    return write_text(ctx, &s->temp, "0, %10" PRId64 ", %10" PRId64 ", %8d, %8zu, %s\n", n, n, 1,
                      s->frame_bytes, digest);
}

static tg_status framemd5_finish(tg_context *ctx, void *state, const tg_sink_ending *ending) {
    framemd5 *s = state;
    tg_status status = tg_sink_commit(ctx, &s->temp, ending);
    tg_free(s);
    return status;
}

static void framemd5_drop(void *state) {
    framemd5 *s = state;
    tg_temp_abort(&s->temp);
    tg_free(s);
}

const tg_sink_kind tg_sink_framemd5 = {framemd5_open, framemd5_write, framemd5_finish,
                                       framemd5_drop};

/* ---- PNG sequence ------------------------------------------------------------------ */

/* Frames are numbered from 0 and carry a second extension until the sequence is complete, so an
 * abandoned one leaves nothing and an older one stays whole. */
typedef struct {
    char pattern[PATH_MAX];
    int width, height, channels;
    bool overwrite;
    int64_t first, frames; /* number of the first one; how many */
    char *xmp;             /* or NULL */
} sequence;

bool tg_sequence_name(const char *pattern, int64_t number, char *out, size_t size) {
    size_t used = 0;
    int numbers = 0;
    for (const char *p = pattern; *p; p++) {
        char digits[64];
        int n = 1;
        const char *text = p;
        if (*p == '%' && p[1] == '%') {
            p++;
        } else if (*p == '%') {
            int width = 0;
            bool zero = *++p == '0';
            while (*p >= '0' && *p <= '9' && width < 100) {
                width = width * 10 + (*p++ - '0');
            }
            if (*p != 'd' || width > 20 || numbers++) {
                return false;
            }
            n = zero ? snprintf(digits, sizeof digits, "%0*" PRId64, width, number)
                     : snprintf(digits, sizeof digits, "%*" PRId64, width, number);
            text = digits;
        }
        if (used + (size_t)n >= size) {
            return false;
        }
        memcpy(out + used, text, (size_t)n);
        used += (size_t)n;
    }
    out[used] = '\0';
    return numbers == 1;
}

static const char pending[] = ".part.png";

static void pending_name(const sequence *s, int64_t number, char out[PATH_MAX]) {
    if (tg_sequence_name(s->pattern, s->first + number, out, PATH_MAX - sizeof pending)) {
        strcat(out, pending);
    } else {
        out[0] = '\0';
    }
}

static tg_status sequence_open(tg_context *ctx, const char *path, const tg_sink_options *o,
                               void **state) {
    char first[PATH_MAX];
    size_t length = strlen(path);
    if (!tg_sequence_name(path, o->first_number, first, sizeof first - sizeof pending) ||
        length >= PATH_MAX) {
        return tg_fail(ctx, TG_EUSAGE,
                       "%s: not the name of a sequence\n"
                       "  expected: one number in the name, such as %%d or %%05d\n"
                       "  try: frame_%%05d.png",
                       path);
    }
    if (!o->overwrite && tg_file_exists(first)) {
        return tg_output_exists(ctx, first);
    }
    /* Find out now, not after the first frame was rendered, whether the folder takes files. */
    tg_temp temp;
    tg_status status = tg_temp_open(ctx, first, &temp);
    if (status != TG_OK) {
        return status;
    }
    tg_temp_abort(&temp);
    sequence *s = tg_calloc(sizeof *s);
    if (!s) {
        return tg_fail(ctx, TG_ENOMEM, "%s: not enough memory to open it", path);
    }
    memcpy(s->pattern, path, length + 1);
    s->width = o->width;
    s->height = o->height;
    s->channels = o->channels;
    s->overwrite = o->overwrite;
    s->first = o->first_number;
    if (o->provenance && !(s->xmp = tg_provenance_xmp(o->provenance, ""))) {
        tg_free(s);
        return tg_fail(ctx, TG_ENOMEM, "%s: not enough memory to open it", path);
    }
    *state = s;
    return TG_OK;
}

static tg_status sequence_write(tg_context *ctx, void *state, const uint8_t *rgb) {
    sequence *s = state;
    char name[PATH_MAX];
    if (!s->overwrite && tg_sequence_name(s->pattern, s->first + s->frames, name, sizeof name) &&
        tg_file_exists(name)) {
        return tg_output_exists(ctx, name);
    }
    pending_name(s, s->frames, name);
    tg_status status =
        s->xmp ? tg_image_write_png(ctx, name, s->width, s->height, s->channels, rgb, s->xmp)
               : tg_image_write(ctx, name, s->width, s->height, s->channels, rgb);
    s->frames += status == TG_OK;
    return status;
}

static void sequence_drop(void *state) {
    sequence *s = state;
    char name[PATH_MAX];
    for (int64_t i = 0; i < s->frames; i++) {
        pending_name(s, i, name);
        unlink(name);
    }
    tg_free(s->xmp);
    tg_free(s);
}

static tg_status sequence_finish(tg_context *ctx, void *state, const tg_sink_ending *ending) {
    (void)ending;
    sequence *s = state;
    char from[PATH_MAX], to[PATH_MAX];
    for (int64_t i = 0; i < s->frames; i++) {
        pending_name(s, i, from);
        if (!tg_sequence_name(s->pattern, s->first + i, to, sizeof to) || rename(from, to) != 0) {
            int error = errno;
            for (int64_t k = 0; k < i; k++) {
                tg_sequence_name(s->pattern, s->first + k, to, sizeof to);
                unlink(to);
            }
            tg_status status = tg_write_failed(ctx, s->pattern, error);
            sequence_drop(s);
            return status;
        }
    }
    tg_free(s->xmp);
    tg_free(s);
    return TG_OK;
}

const tg_sink_kind tg_sink_sequence = {sequence_open, sequence_write, sequence_finish,
                                       sequence_drop};
