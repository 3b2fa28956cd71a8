/* One clip with everything that decides its frames; private to batch. */
#ifndef TG_BATCH_JOB_H
#define TG_BATCH_JOB_H

#include "batch/models.h"
#include "batch/record.h"

typedef struct {
    const tg_clip *clip;
    char path[PATH_MAX], sidecar[PATH_MAX];
    tg_synth_options synth; /* paths point into the clip and here */
    char params_text[1024];
    char params[33], job[33]; /* job "" until the inputs are hashed */
    tg_job_file input[TG_INPUTS];
    tg_model model;
    tg_models *models;
} tg_job;

/* Loads the person, looks at the inputs. To be closed also after a failure. */
tg_status tg_job_open(tg_context *ctx, const tg_batch_options *options, tg_models *models,
                      const tg_clip *clip, tg_job *job);
void tg_job_close(tg_job *job);

typedef enum {
    TG_JOB_ABSENT,   /* never rendered, or its output is gone */
    TG_JOB_COMPLETE, /* this very job is there */
    TG_JOB_STALE,    /* something else of ours is there: another job, a damaged output */
    TG_JOB_FAILED,   /* this very job failed before */
    TG_JOB_FOREIGN   /* a file that no sidecar knows */
} tg_job_state;
/* A cheap look: files whose size and time are as the sidecar has them are taken for the same. */
tg_status tg_job_look(tg_context *ctx, tg_job *job, tg_record *record, tg_job_state *state);
/* The job's hash. */
tg_status tg_job_identify(tg_context *ctx, tg_job *job);

/* ---- sidecars ---- */

typedef struct {
    const char *run_id;
    const tg_synth_report *report;
    double began_s; /* tg_now_s() */
    int attempts, threads;
    const tg_json *warnings; /* array, or NULL */
} tg_job_told;
/* Of the complete output that still has its temporary name. */
tg_status tg_job_write_complete(tg_context *ctx, const tg_job *job, const tg_job_told *told,
                                const char *temporary, const char frame_hash[33]);
tg_status tg_job_write_failed(tg_context *ctx, const tg_job *job, const tg_job_told *told, int code,
                              const char *message);
/* "2026-01-31T12:00:00Z" */
void tg_time_utc(char out[32]);
/* Puts what was renamed or written in the folder of path on the disk. */
void tg_sync_folder(const char *path);

#endif
