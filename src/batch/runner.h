/* Workers over the clips of a run; private to batch. */
#ifndef TG_BATCH_RUNNER_H
#define TG_BATCH_RUNNER_H

#include "batch/events.h"
#include "batch/job.h"
#include "batch/lock.h"

#include <stdatomic.h>

typedef struct tg_runner tg_runner;

/* One clip at a time. What other threads touch is guarded by the runner's lock. */
typedef struct {
    tg_runner *runner;
    pthread_t thread;
    tg_context *ctx; /* of the clip under way; NULL between clips */
    int threads;
    double began_s;
    bool timed_out;
    /* of the clip under way, for its own thread alone */
    const tg_job *job;
    tg_synth_report report;
    tg_json *warnings;
    int attempts;
    double told_s; /* last progress event */
    char id[TG_CLIP_ID + 32];
} tg_batch_worker;

struct tg_runner {
    const tg_batch_options *o;
    tg_context *ctx; /* the caller's: cancellation, notes, progress */
    tg_models *models;
    tg_locks *locks;
    tg_events events;
    pthread_mutex_t lock;
    pthread_cond_t changed; /* a worker has ended */
    int jobs, threads, active, alive;
    tg_batch_worker *workers;
    /* where clips come from; `source` guards the pipe, and is taken before the lock */
    pthread_mutex_t source;
    tg_context *source_ctx;
    const tg_clip_list *clips;
    tg_manifest *stream;
    int64_t next, begun;
    tg_clip_list waiting; /* at which another run is */
    bool source_ended, told_waiting;
    /* outcome */
    tg_status stop; /* why no more clips are begun, TG_OK = they are */
    char message[1536];
    tg_batch_summary sum;
};

/* The next clip of the shard, NULL when there is none or the run stops. */
tg_clip *tg_runner_take(tg_runner *runner);
void tg_runner_done_with(tg_runner *runner, tg_clip *clip);
/* Another run is at this clip: it comes again later. */
bool tg_runner_wait(tg_runner *runner, tg_clip *clip);
/* No more clips; the first reason counts. Runner's lock held by nobody. */
void tg_runner_stop(tg_runner *runner, tg_status why, const char *message);
/* Everything about one clip: skip, render, tell. */
void tg_runner_clip(tg_batch_worker *worker, tg_clip *clip);

/* How many clips at the same time: `wanted` (0 = as many as useful), of at most `clips` (< 0 = not
 * known) with `threads`, as memory allows. per_job: bytes. */
int tg_runner_jobs(int wanted, int threads, int64_t clips, size_t per_job);
size_t tg_job_memory(const tg_identity *identity, int width, int height);

#endif
