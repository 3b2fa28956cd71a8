/* What is known of a clip: its inputs, its job, and what the sidecar remembers; private to batch.
 */
#ifndef TG_BATCH_RECORD_H
#define TG_BATCH_RECORD_H

#include "talkgen/batch.h"

#include <limits.h>

/* A file that frames depend on, as it was looked at. */
typedef struct {
    char *path; /* owned; NULL = the job has no such input */
    int64_t bytes, mtime_ns;
    char md5[33]; /* "" = not computed */
} tg_job_file;
enum {
    TG_IN_AUDIO,
    TG_IN_IDENTITY,
    TG_IN_VOICE,
    TG_IN_POSE,
    TG_IN_BACKGROUND,
    TG_IN_GAZE,
    TG_INPUTS
};
extern const char *const tg_job_file_names[TG_INPUTS];

typedef enum {
    TG_RECORD_NONE,
    TG_RECORD_DAMAGED,
    TG_RECORD_COMPLETE,
    TG_RECORD_FAILED
} tg_record_status;

typedef struct {
    tg_record_status status;
    char id[TG_CLIP_ID + 1];
    char job[33];    /* MD5 of parameters and inputs, "" = not known */
    char params[33]; /* MD5 of the parameters alone */
    tg_job_file input[TG_INPUTS];
    /* of a complete clip */
    int64_t bytes, mtime_ns;
    char md5[33], frame_hash[33];
    int64_t frames;
    double audio_s, wall_s;
    int threads;
    /* of a failed one */
    int code;
    char *error;   /* owned */
    char *options; /* owned: the parameters as text */
} tg_record;

void tg_record_free(tg_record *record);
/* path is the sidecar's. What cannot be read is TG_RECORD_NONE or TG_RECORD_DAMAGED. TG_ENOMEM. */
tg_status tg_record_read(tg_context *ctx, const char *path, tg_record *out);
/* Size and time of the file at input->path; TG_EINPUT. */
tg_status tg_job_file_look(tg_context *ctx, tg_job_file *input);
/* Its MD5, when it is not known yet. */
tg_status tg_job_file_hash(tg_context *ctx, tg_job_file *input);
/* The job's hash; all inputs hashed. */
tg_status tg_job_hash(tg_context *ctx, const char *params, const tg_job_file input[TG_INPUTS],
                      char out[33]);

#endif
