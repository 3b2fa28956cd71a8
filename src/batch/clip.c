/* One clip from its line to its sidecar. */
#include "batch/runner.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

/* ---- what is told ---- */

static void keep_warning(void *user, const char *text) {
    tg_batch_worker *w = user;
    if (tg_json_count(w->warnings) < 16)
        tg_json_set_string(w->warnings, NULL, text);
}

static void tell_progress(void *user, const char *stage, double done, double total,
                          const char *text) {
    tg_batch_worker *w = user;
    (void)text;
    double now = tg_now_s();
    if (now - w->told_s < 5)
        return;
    w->told_s = now;
    tg_json *e = tg_event(&w->runner->events, "progress", w->id);
    tg_json_set_string(e, "stage", stage);
    tg_json_set_number(e, "frames", done);
    tg_json_set_number(e, "frames_total", total);
    tg_json_set_number(e, "wall_s", now - w->began_s);
    tg_event_send(&w->runner->events, e, false);
}

static tg_job_told told_of(const tg_batch_worker *w) {
    return (tg_job_told){.run_id = w->runner->events.run_id,
                         .report = &w->report,
                         .began_s = w->began_s,
                         .attempts = w->attempts,
                         .threads = w->threads,
                         .warnings = w->warnings};
}

static void count(tg_runner *r, int64_t *what) {
    pthread_mutex_lock(&r->lock);
    ++*what;
    pthread_mutex_unlock(&r->lock);
}

/* Whether so many failures end the run; called with the lock held. */
static bool too_many(const tg_runner *r) {
    const tg_batch_options *o = r->o;
    return (o->max_failures >= 0 && r->sum.failed > o->max_failures) ||
           (o->max_failures_percent >= 0 &&
            (double)r->sum.failed > o->max_failures_percent / 100 * (double)r->sum.clips);
}

static void tell_failed(tg_batch_worker *w, const tg_clip *clip, tg_status status,
                        const char *message) {
    tg_runner *r = w->runner;
    int code = tg_exit_code(status);
    tg_json *e = tg_event(&r->events, "job_fail", clip->id);
    tg_json_set_number(e, "line", (double)clip->line);
    tg_json_set_number(e, "error_code", code);
    tg_json_set_string(e, "error", message);
    tg_json_set_number(e, "attempts", w->attempts);
    tg_json_set_number(e, "wall_s", tg_now_s() - w->began_s);
    tg_event_send(&r->events, e, true);
    pthread_mutex_lock(&r->lock);
    if (r->o->failed)
        r->o->failed(r->o->user, clip->id, code, message);
    r->sum.failed++;
    bool end = too_many(r);
    pthread_mutex_unlock(&r->lock);
    if (end)
        tg_runner_stop(r, TG_EGIVEUP, NULL);
}

static void tell_skipped(tg_batch_worker *w, const tg_job *job, const tg_record *record) {
    tg_runner *r = w->runner;
    tg_json *e = tg_event(&r->events, "job_skip", w->id);
    tg_json_set_string(e, "output", job->path);
    tg_json_set_string(e, "job", job->job);
    tg_json_set_string(e, "frame_hash", record->frame_hash);
    tg_json_set_number(e, "frames", (double)record->frames);
    tg_json_set_number(e, "audio_s", record->audio_s);
    tg_event_send(&r->events, e, true);
    count(r, &r->sum.skipped);
}

static void tell_done(tg_batch_worker *w, const tg_job *job) {
    tg_runner *r = w->runner;
    const tg_synth_report *p = &w->report;
    double wall = tg_now_s() - w->began_s;
    tg_json *e = tg_event(&r->events, "job_done", w->id);
    tg_json_set_string(e, "output", job->path);
    tg_json_set_string(e, "job", job->job);
    tg_json_set_string(e, "frame_hash", p->frame_hash);
    tg_json_set_number(e, "frames", (double)p->frames);
    tg_json_set_number(e, "audio_s", p->audio_s);
    tg_json_set_number(e, "wall_s", wall);
    tg_json_set_number(e, "rtf", p->audio_s > 0 ? wall / p->audio_s : 0);
    tg_json_set_number(e, "frames_per_s", wall > 0 ? (double)p->frames / wall : 0);
    tg_json_set_number(e, "peak_rss_bytes", (double)tg_peak_rss_bytes());
    tg_json_set_number(e, "attempts", w->attempts);
    tg_json *stages = tg_json_set_object(e, "stage_ms");
    tg_json_set_number(stages, "motion", 1000 * p->motion_s);
    tg_json_set_number(stages, "render", 1000 * p->render_s);
    tg_json_set_number(stages, "encode", 1000 * p->encode_s);
    tg_event_send(&r->events, e, true);
    pthread_mutex_lock(&r->lock);
    r->sum.done++;
    r->sum.frames += p->frames;
    r->sum.audio_s += p->audio_s;
    pthread_mutex_unlock(&r->lock);
}

/* ---- what is done ---- */

static tg_status on_ready(tg_context *ctx, void *user, const char *temporary,
                          const char frame_hash[33]) {
    tg_batch_worker *w = user;
    tg_job_told told = told_of(w);
    return tg_job_write_complete(ctx, w->job, &told, temporary, frame_hash);
}

/* Every other clip would fail as well. */
static bool is_of_the_disk(int error) {
    return error == ENOSPC || error == EDQUOT || error == EROFS || error == EIO || error == ESTALE;
}

static tg_status make_folder(tg_context *ctx, const tg_job *job) {
    char folder[PATH_MAX];
    snprintf(folder, sizeof folder, "%.*s", (int)(strrchr(job->path, '/') - job->path), job->path);
    return tg_make_dirs(ctx, folder);
}

static tg_status render(tg_batch_worker *w, tg_job *job) {
    tg_runner *r = w->runner;
    tg_context *ctx = w->ctx;
    tg_status s = make_folder(ctx, job);
    if (s == TG_OK)
        s = tg_job_identify(ctx, job);
    job->synth.portrait.job = job->job;
    job->synth.portrait.ready = on_ready;
    job->synth.portrait.ready_user = w;
    for (w->attempts = 1; s == TG_OK; w->attempts++) {
        memset(&w->report, 0, sizeof w->report);
        s = tg_synthesize(ctx, job->model.identity, &job->synth, &w->report);
        bool again = s == TG_EINTERNAL || s == TG_ENOMEM ||
                     (s == TG_EOUTPUT && !is_of_the_disk(tg_system_error(ctx)));
        if (!again || w->attempts > r->o->retries || tg_cancelled(ctx) != TG_OK)
            break;
        s = TG_OK;
    }
    if (s == TG_OK)
        tg_sync_folder(job->path);
    return s;
}

/* keep: the sidecar remembers it. */
static void fail(tg_batch_worker *w, tg_job *job, tg_status s, bool keep) {
    tg_runner *r = w->runner;
    char message[1536];
    int error = tg_system_error(w->ctx);
    snprintf(message, sizeof message, "%s", tg_message(w->ctx));
    if (w->timed_out) {
        s = TG_ESTOPPED;
        snprintf(message, sizeof message,
                 "%s: not complete after %g s\n  expected: less than --job-timeout\n"
                 "  try: a longer --job-timeout, or a shorter clip",
                 job->clip->audio, r->o->job_timeout_s);
    } else if (s == TG_EINTR || s == TG_ESTOPPED) {
        return; /* abandoned, nothing is known about it */
    }
    if (s == TG_EOUTPUT && is_of_the_disk(error)) {
        tg_runner_stop(r, s, message);
    } else if (keep) {
        tg_job_told told = told_of(w);
        if (make_folder(w->ctx, job) == TG_OK)
            (void)tg_job_write_failed(w->ctx, job, &told, tg_exit_code(s), message);
    }
    tell_failed(w, job->clip, s, message);
    if (s == TG_EUSAGE && !job->clip->pose && !job->clip->background)
        tg_runner_stop(r, s, message); /* it is the options of the run that are wrong */
}

static tg_status foreign(tg_context *ctx, const tg_job *job) {
    return tg_fail(ctx, TG_EOUTPUT,
                   "%s exists, and no sidecar tells that this program made it\n"
                   "  expected: a new file\n  try: to move it away, or -y to replace it",
                   job->path);
}

/* Counts a clip that is to be rendered, unless --limit are. Workers take clips before they know
 * which are complete, so this and not the taking is where the number is kept. */
static bool may_begin(tg_runner *r) {
    pthread_mutex_lock(&r->lock);
    bool may = r->o->limit <= 0 || r->begun < r->o->limit;
    r->begun += may;
    pthread_mutex_unlock(&r->lock);
    return may;
}

static void locked(tg_batch_worker *w, tg_clip *clip) {
    tg_runner *r = w->runner;
    tg_job *job = tg_calloc(sizeof *job);
    tg_record record = {0};
    tg_job_state state = TG_JOB_ABSENT;
    if (!job) {
        tell_failed(w, clip, TG_ENOMEM, "out of memory for a clip");
        return;
    }
    w->job = job;
    tg_status s = tg_job_open(w->ctx, r->o, r->models, clip, job);
    if (s == TG_OK)
        s = tg_job_look(w->ctx, job, &record, &state);
    if (s == TG_OK && state == TG_JOB_FOREIGN && !r->o->overwrite)
        s = foreign(w->ctx, job);
    if (s == TG_OK && state == TG_JOB_COMPLETE && r->o->rerun != TG_RERUN_ALL) {
        tell_skipped(w, job, &record);
    } else if (s == TG_OK && state == TG_JOB_FAILED && r->o->rerun == TG_RERUN_NONE) {
        tell_failed(w, clip, -record.code, record.error ? record.error : "failed before");
    } else if (s != TG_OK || may_begin(r)) {
        if (s == TG_OK) {
            tg_event_send(&r->events, tg_event(&r->events, "job_start", clip->id), false);
            s = render(w, job);
        }
        if (s == TG_OK)
            tell_done(w, job);
        else
            fail(w, job, s, state != TG_JOB_FOREIGN && job->path[0]);
    }
    tg_record_free(&record);
    tg_job_close(job);
    tg_free(job);
    w->job = NULL;
}

/* Threads for a clip that begins now: the last clips get what the others no longer need. Called
 * with the lock held. */
static int threads_for(const tg_runner *r) {
    int64_t others = r->jobs - 1;
    if (!r->stream) {
        int64_t left = r->clips->count - r->next + r->active;
        others = left < others ? left : others;
    }
    int share = r->threads / (int)(others + 1);
    return share > 1 ? share : 1;
}

static bool begin(tg_batch_worker *w, const tg_clip *clip) {
    tg_runner *r = w->runner;
    pthread_mutex_lock(&r->lock);
    w->threads = threads_for(r);
    r->active++;
    pthread_mutex_unlock(&r->lock);
    tg_context *ctx = tg_context_create(w->threads);
    w->warnings = tg_json_new_array();
    w->timed_out = false;
    w->attempts = 0;
    w->told_s = w->began_s = tg_now_s();
    memset(&w->report, 0, sizeof w->report);
    snprintf(w->id, sizeof w->id, "%s", clip->id);
    if (!ctx || !w->warnings) {
        tg_context_destroy(&ctx);
        return false;
    }
    tg_context_set_cpu(ctx, tg_context_cpu(r->ctx));
    tg_context_set_precision(ctx, tg_context_precision(r->ctx));
    tg_context_set_note(ctx, keep_warning, w);
    tg_context_set_progress(ctx, tell_progress, w);
    pthread_mutex_lock(&r->lock);
    w->ctx = ctx;
    pthread_mutex_unlock(&r->lock);
    return true;
}

static void end(tg_batch_worker *w) {
    tg_runner *r = w->runner;
    pthread_mutex_lock(&r->lock);
    tg_context *ctx = w->ctx;
    w->ctx = NULL;
    r->active--;
    pthread_mutex_unlock(&r->lock);
    tg_context_destroy(&ctx);
    tg_json_destroy(&w->warnings);
}

void tg_runner_clip(tg_batch_worker *w, tg_clip *clip) {
    tg_runner *r = w->runner;
    if (clip->problem) {
        char message[1024];
        w->began_s = tg_now_s();
        w->attempts = 0;
        snprintf(message, sizeof message,
                 "manifest:%lld:%lld: %s\n  expected: a line as talkgen help manifest has it\n"
                 "  try: to repair the line",
                 (long long)clip->line, (long long)clip->column, clip->problem);
        tell_failed(w, clip, TG_EUSAGE, message);
    } else if (!tg_locks_try(r->locks, clip->out)) {
        if (tg_runner_wait(r, clip))
            return;
        tell_failed(w, clip, TG_ENOMEM, "out of memory for a clip that waits");
    } else {
        if (begin(w, clip))
            locked(w, clip);
        else
            tell_failed(w, clip, TG_ENOMEM, "out of memory for a clip");
        end(w);
        tg_locks_release(r->locks, clip->out);
    }
    tg_runner_done_with(r, clip);
}
