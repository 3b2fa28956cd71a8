/* Inside io: the kinds of sink. */
#ifndef TALKGEN_IO_VIDEO_SINK_H
#define TALKGEN_IO_VIDEO_SINK_H

#include "talkgen/io.h"
#include "io/files.h"

/* What the end of an output needs to know. */
typedef struct {
    char frame_hash[33];
    tg_sink_ready_fn *ready;
    void *user;
} tg_sink_ending;
/* A complete file: synced, told to `ready`, given its name; on failure nothing is left. */
tg_status tg_sink_commit(tg_context *ctx, tg_temp *temp, const tg_sink_ending *ending);

/* One kind of sink. `state` is its own; finish and drop free it, finish also when it fails. */
typedef struct {
    tg_status (*open)(tg_context *ctx, const char *path, const tg_sink_options *options,
                      void **state);
    tg_status (*write)(tg_context *ctx, void *state, const uint8_t *rgb);
    tg_status (*finish)(tg_context *ctx, void *state, const tg_sink_ending *ending);
    void (*drop)(void *state); /* removes everything written */
} tg_sink_kind;

extern const tg_sink_kind tg_sink_movie;    /* MP4, MOV, Matroska */
extern const tg_sink_kind tg_sink_sequence; /* PNG files */
extern const tg_sink_kind tg_sink_y4m;
extern const tg_sink_kind tg_sink_framemd5;

/* Opens a movie with the named encoder instead of the best one: what a user without libx264 gets.
 * NULL = the best one. */
tg_status tg_movie_open(tg_context *ctx, const char *path, const tg_sink_options *options,
                        const char *encoder, void **state);

/* The n-th file name of a pattern with one %d or %0Nd (%% is a percent sign). false when the
 * pattern has none, more than one, or something else after its %, or the name does not fit. */
bool tg_sequence_name(const char *pattern, int64_t number, char *out, size_t size);
tg_status tg_output_exists(tg_context *ctx, const char *path);

#endif
