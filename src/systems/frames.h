/* Where pictures go: a video, pictures with or without alpha, or an array; private to systems. */
#ifndef TG_SYSTEMS_FRAMES_H
#define TG_SYSTEMS_FRAMES_H

#include "talkgen/systems.h"

typedef struct {
    const char *path;
    int width, height;
    int64_t frames;
    bool transparent; /* straight alpha; pictures are rendered over `background` all the same */
    const uint8_t *background; /* [height,width,3], borrowed; read when transparent */
    bool overwrite;
    int crf;
    const char *audio; /* muxed, or NULL */
    double start_s, duration_s;
    int gop; /* as tg_sink_options */
    int64_t first_number;
    const tg_provenance *provenance;
    tg_sink_ready_fn *ready; /* or NULL */
    void *ready_user;
    const char *tmp_dir; /* as tg_sink_options */
} tg_frames_options;

typedef struct tg_frames tg_frames;
tg_status tg_frames_open(tg_context *ctx, const tg_frames_options *options, tg_frames **out);
/* Buffers for the next picture. */
tg_picture tg_frames_next(tg_frames *frames);
/* The picture is rendered: writes it while the caller goes on. */
tg_status tg_frames_put(tg_context *ctx, tg_frames *frames);
/* Waits for the writer. */
tg_status tg_frames_wait(tg_context *ctx, tg_frames *frames);
/* Completes the output; hash is "" for an array. */
tg_status tg_frames_finish(tg_context *ctx, tg_frames *frames, char hash[33]);
/* Removes what is not complete. */
void tg_frames_close(tg_frames **frames);

#endif
