/* talkgen batch: many clips from one manifest, one load of the people, any number of workers and
 * machines on one output folder, and nothing lost when one of them dies.
 *
 * A clip is complete when its output has its name and the sidecar beside it (OUTPUT.json) tells of
 * exactly that output: the sidecar is written first, the rename of the output is the one moment
 * from which on the clip counts. A run that is started again skips what is complete, as long as the
 * job is the same: audio, models, parameters and the program's TG_FRAMES_VERSION.
 *
 *     tg_clip_list clips;
 *     tg_manifest_read(ctx, "jobs.jsonl", false, problem, user, &clips);
 *     tg_batch_options options = tg_batch_defaults();
 *     options.identity = "person.ckpt", options.out_dir = "renders";
 *     tg_batch_run(ctx, &options, &clips, NULL, &summary);
 */
#ifndef TALKGEN_BATCH_H
#define TALKGEN_BATCH_H

#include "talkgen/core.h"
#include "talkgen/io.h"
#include "talkgen/systems.h"

#ifdef __cplusplus
extern "C" {
#endif

/* ---- manifest ------------------------------------------------------------------------- */

enum { TG_CLIP_ID = 128, TG_CLIP_OUT = 1024 }; /* longest id, longest output name, bytes */

/* One line of a manifest. Strings are owned by the clip. */
typedef struct {
    int64_t line, column; /* from 1; column of `problem` */
    char *id;             /* letters, digits, "._-"; "line-7" when the line has none */
    char *audio;
    char *identity, *pose, *background; /* NULL = those of the run */
    char *out;     /* below the output folder; 46/ID.mp4 when the line names none */
    char *tags;    /* JSON text that is only passed on, or NULL */
    char *problem; /* what is wrong with the line, NULL = nothing */
    bool has_seed;
    uint64_t seed;
    double start_s, duration_s; /* duration 0 = to the end */
} tg_clip;
void tg_clip_free(tg_clip **clip);

/* JSON Lines or CSV with a header line, whichever the first character tells; "-" is standard input.
 * Keys: id and audio; identity (or model), pose, background, seed, start_s, duration_s, out, tags;
 * keys that start with x_ are ignored, others, and ids or outputs that occur twice, are problems of
 * their line. */
typedef struct tg_manifest tg_manifest;
/* TG_EUSAGE: missing, or a CSV header with wrong names. */
tg_status tg_manifest_open(tg_context *ctx, const char *path, tg_manifest **out);
void tg_manifest_close(tg_manifest **manifest);
/* The next clip, owned by the caller; NULL at the end. Waits for a pipe; cancelling ctx ends that.
 */
tg_status tg_manifest_next(tg_context *ctx, tg_manifest *manifest, tg_clip **out);

typedef struct {
    tg_clip **clip;
    int64_t count, room;
} tg_clip_list;
typedef void tg_manifest_problem_fn(void *user, int64_t line, int64_t column, const char *text);
/* The whole of a manifest. Every line that is wrong is told to `problem` (or NULL); then the result
 * is TG_EUSAGE, unless skip_bad keeps such clips in the list. */
tg_status tg_manifest_read(tg_context *ctx, const char *path, bool skip_bad,
                           tg_manifest_problem_fn *problem, void *user, tg_clip_list *out);
void tg_clip_list_free(tg_clip_list *list);

/* Part of the clips by the hash of their ids, so that new lines do not move others. */
typedef struct {
    int index, count; /* 0 <= index < count; count 0 = everything */
} tg_shard;
/* "3/32": the fourth of 32. */
tg_status tg_shard_parse(tg_context *ctx, const char *text, tg_shard *out);
/* Of a Slurm array, from its variables (NULL = not set): SLURM_ARRAY_TASK_ID, _COUNT, _MIN, _MAX,
 * _STEP. TG_EUSAGE unless the array is 0 to count - 1: in a part of it the numbers mean others. */
tg_status tg_shard_of_array(tg_context *ctx, const char *id, const char *count, const char *min,
                            const char *max, const char *step, tg_shard *out);
bool tg_shard_has(const tg_shard *shard, const char *id);

/* ---- run ---------------------------------------------------------------------------- */

typedef enum { TG_RERUN_FAILED, TG_RERUN_ALL, TG_RERUN_NONE } tg_rerun;

typedef struct {
    const char *identity, *encoder; /* of clips that name none; encoder NULL = the identity's */
    const char *out_dir;
    const char *report;     /* JSON Lines, written at the end, or NULL */
    tg_synth_options synth; /* everything that is not of a clip */
    tg_shard shard;
    int jobs;             /* clips at the same time, 0 = as many as processors and memory allow */
    int threads;          /* of all clips together, 0 = all processors */
    int retries;          /* of what another try may cure: output and memory */
    int64_t max_failures; /* < 0 = any number */
    double max_failures_percent; /* of the clips of this shard; < 0 = any */
    double job_timeout_s;        /* 0 = none */
    double grace_s;              /* that clips under way get after a signal */
    int64_t limit;               /* clips to be rendered, 0 = all */
    tg_rerun rerun;
    bool overwrite; /* also outputs that no sidecar knows */
    /* One event as a line of JSON without its end, from any thread, one at a time; NULL. */
    void (*event)(void *user, const char *json);
    /* A clip failed; the message has three parts. NULL. */
    void (*failed)(void *user, const char *id, int code, const char *message);
    void *user;
} tg_batch_options;
tg_batch_options tg_batch_defaults(void);

typedef struct {
    int64_t clips;                 /* of this shard, as far as read */
    int64_t done, skipped, failed; /* rendered now, complete before, failed */
    int64_t left;                  /* not begun, or abandoned at a signal */
    int64_t frames;                /* rendered now */
    double audio_s, wall_s;        /* of those */
    int jobs, threads;             /* workers, threads of them together */
} tg_batch_summary;

/* Either `clips` (borrowed) or `stream` (read while it arrives). TG_OK: every clip is complete;
 * TG_EPARTIAL: some failed; TG_EGIVEUP: too many did; TG_EOUTPUT: the disk is full or lost, so that
 * the others would fail too; TG_ESTOPPED, TG_EINTR: cancelled, run again. */
tg_status tg_batch_run(tg_context *ctx, const tg_batch_options *options, const tg_clip_list *clips,
                       tg_manifest *stream, tg_batch_summary *summary);

/* What a run would do, without writing anything. */
typedef struct {
    int64_t clips, complete, failed, bad, stale, absent; /* bad: audio that cannot be read */
    int64_t frames;                                      /* to be rendered */
    double audio_s;
    double frames_per_s; /* of all workers, from sidecars or from a few frames rendered now */
    double wall_s;
    double bytes;        /* of the new outputs, 0 = not known */
    size_t memory_bytes; /* peak, all workers */
    int jobs, threads;
} tg_batch_plan;
tg_status tg_batch_dry_run(tg_context *ctx, const tg_batch_options *options,
                           const tg_clip_list *clips, tg_batch_plan *plan);

/* What names a job: the hash of audio, models, parameters and TG_FRAMES_VERSION, 32 hex digits. The
 * part of a clip has the hash of the clip. */
tg_status tg_synth_job_hash(tg_context *ctx, const char *identity_path, const tg_identity *identity,
                            const tg_synth_options *options, char out[33]);

/* ---- parts -------------------------------------------------------------------------------- */

/* Joins the parts of one clip (portrait.part), in any order, with the sound of `audio` (NULL =
 * none) from start_s on. tmp_dir: as tg_sink_options has it. TG_EINPUT: not parts, of different
 * jobs, one missing or twice. */
tg_status tg_clip_concat(tg_context *ctx, const char *const *parts, int count, const char *path,
                         const char *audio, double start_s, double duration_s, bool overwrite,
                         const char *tmp_dir, int64_t *frames);

/* ---- verify ------------------------------------------------------------------------------ */

typedef struct {
    int64_t clips, good, wrong;
} tg_verify_summary;
/* Reads every output again. `clips` (or NULL: every sidecar below out_dir) tells what has to be
 * there. Each finding: state is "ok", "missing", "failed", "truncated", "changed", "stale" (the
 * inputs are others now), "untagged" (does not say that it is synthetic). TG_EDIFF when anything is
 * not ok. */
typedef void tg_verify_fn(void *user, const char *id, const char *path, const char *state,
                          const char *text);
tg_status tg_batch_verify(tg_context *ctx, const char *out_dir, const tg_clip_list *clips,
                          const tg_shard *shard, tg_verify_fn *found, void *user,
                          tg_verify_summary *summary);

#ifdef __cplusplus
}
#endif
#endif
