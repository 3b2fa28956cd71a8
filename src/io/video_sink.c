/* Where frames go: picks the kind of sink by its path and keeps the frame hash. */
#include "io/video_sink.h"
#include "io/files.h"
#include "io/md5.h"

#include <string.h>

enum { MAX_SIDE = 16384 };

struct tg_sink {
    const tg_sink_kind *kind; /* NULL for null: */
    void *state;
    size_t frame_bytes;
    int64_t frames;
    tg_md5 *hash;
    tg_sink_ending ending;
};

tg_status tg_output_exists(tg_context *ctx, const char *path) {
    return tg_fail(ctx, TG_EUSAGE,
                   "%s exists already\n  expected: the name of a new file\n"
                   "  try: -y to overwrite it, or another name",
                   path);
}

bool tg_is_movie(const char *path) {
    return tg_has_extension(path, "mp4") || tg_has_extension(path, "m4v") ||
           tg_has_extension(path, "mov") || tg_has_extension(path, "mkv");
}

static tg_status choose(tg_context *ctx, const char *path, const tg_sink_kind **kind) {
    *kind = NULL;
    if (strcmp(path, "null:") == 0) {
        return TG_OK;
    }
    if (strcmp(path, "-") == 0 || tg_has_extension(path, "y4m")) {
        *kind = &tg_sink_y4m;
    } else if (tg_has_extension(path, "framemd5")) {
        *kind = &tg_sink_framemd5;
    } else if (tg_has_extension(path, "png") && strchr(path, '%')) {
        *kind = &tg_sink_sequence;
    } else if (tg_is_movie(path)) {
        *kind = &tg_sink_movie;
    }
    if (*kind) {
        return TG_OK;
    }
    return tg_fail(ctx, TG_EUSAGE,
                   "%s: unknown kind of video output\n"
                   "  expected: a name ending in .mp4, .mov, .mkv, .y4m or .framemd5, a sequence "
                   "such as frame_%%05d.png, - or null:\n  try: a name ending in .mp4",
                   path);
}

tg_status tg_sink_open(tg_context *ctx, const char *path, const tg_sink_options *options,
                       tg_sink **out) {
    *out = NULL;
    const tg_sink_kind *kind;
    tg_status status = choose(ctx, path, &kind);
    if (status != TG_OK) {
        return status;
    }
    tg_sink_options o = *options;
    if (o.fps_num == 0 && o.fps_den == 0) {
        o.fps_num = 25;
        o.fps_den = 1;
    }
    o.crf = o.crf ? o.crf : 18;
    o.channels = o.channels ? o.channels : 3;
    if (o.channels == 4 && kind != &tg_sink_sequence) {
        return tg_fail(ctx, TG_EUSAGE,
                       "%s: this kind of output has no transparency\n"
                       "  expected: a sequence of PNG files\n  try: frame_%%05d.png",
                       path);
    }
    if (o.channels != 3 && o.channels != 4) {
        return tg_fail(ctx, TG_EINTERNAL, "a video of %d channels", o.channels);
    }
    if (o.width < 1 || o.height < 1 || o.width > MAX_SIDE || o.height > MAX_SIDE || o.fps_num < 1 ||
        o.fps_den < 1 || o.fps_num / o.fps_den > 1000 || o.crf < 1 || o.crf > 51) {
        return tg_fail(ctx, TG_EUSAGE,
                       "%s: %d x %d pixels, %d/%d frames/s, crf %d\n"
                       "  expected: 1 to %d pixels on a side, up to 1000 frames/s, crf 1 to 51\n"
                       "  try: 512x512 at 25 frames/s",
                       path, o.width, o.height, o.fps_num, o.fps_den, o.crf, MAX_SIDE);
    }
    /* A sequence looks at each of its names itself. */
    if (kind && kind != &tg_sink_sequence && strcmp(path, "-") != 0 && !o.overwrite &&
        tg_file_exists(path)) {
        return tg_output_exists(ctx, path);
    }
    tg_sink *sink = tg_calloc(sizeof *sink);
    if (sink) {
        sink->kind = kind;
        sink->frame_bytes = (size_t)o.width * (size_t)o.height * (size_t)o.channels;
        sink->hash = tg_md5_create();
        sink->ending.ready = o.ready;
        sink->ending.user = o.ready_user;
    }
    if (!sink || !sink->hash) {
        tg_free(sink);
        return tg_fail(ctx, TG_ENOMEM, "%s: not enough memory to open it", path);
    }
    if (kind) {
        status = kind->open(ctx, path, &o, &sink->state);
    }
    if (status != TG_OK) {
        tg_md5_destroy(&sink->hash);
        tg_free(sink);
        return status;
    }
    *out = sink;
    return TG_OK;
}

tg_status tg_sink_commit(tg_context *ctx, tg_temp *temp, const tg_sink_ending *ending) {
    tg_status status = tg_temp_sync(ctx, temp);
    if (status == TG_OK && ending->ready) {
        status = ending->ready(ctx, ending->user, temp->name, ending->frame_hash);
    }
    if (status != TG_OK) {
        tg_temp_abort(temp);
        return status;
    }
    return tg_temp_commit(ctx, temp);
}

tg_status tg_sink_write(tg_context *ctx, tg_sink *sink, const uint8_t *rgb) {
    tg_md5_add(sink->hash, rgb, sink->frame_bytes);
    sink->frames++;
    return sink->kind ? sink->kind->write(ctx, sink->state, rgb) : TG_OK;
}

tg_status tg_sink_finish(tg_context *ctx, tg_sink **sink) {
    if (!*sink) {
        return TG_OK;
    }
    tg_sink *s = *sink;
    if (s->frames == 0) {
        tg_sink_abort(sink);
        return tg_fail(ctx, TG_EINTERNAL, "a video without frames");
    }
    tg_md5_digest(s->hash, s->ending.frame_hash);
    tg_status status = s->kind ? s->kind->finish(ctx, s->state, &s->ending) : TG_OK;
    tg_md5_destroy(&s->hash);
    tg_free(s);
    *sink = NULL;
    return status;
}

void tg_sink_abort(tg_sink **sink) {
    if (!sink || !*sink) {
        return;
    }
    if ((*sink)->kind) {
        (*sink)->kind->drop((*sink)->state);
    }
    tg_md5_destroy(&(*sink)->hash);
    tg_free(*sink);
    *sink = NULL;
}

void tg_sink_frame_hash(const tg_sink *sink, char out[33]) {
    tg_md5_digest(sink->hash, out);
}
