/* A run: workers over clips, watched by the thread that called. */
#include "batch/runner.h"

#include "batch/sweep.h"

#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

tg_batch_options tg_batch_defaults(void) {
    return (tg_batch_options){.synth = tg_synth_defaults(),
                              .retries = 1,
                              .max_failures = -1,
                              .max_failures_percent = -1,
                              .grace_s = 10};
}

void tg_runner_stop(tg_runner *r, tg_status why, const char *message) {
    pthread_mutex_lock(&r->lock);
    if (r->stop == TG_OK) {
        r->stop = why;
        snprintf(r->message, sizeof r->message, "%s", message ? message : "");
        tg_cancel(r->source_ctx, why);
    }
    pthread_mutex_unlock(&r->lock);
}

static void *worker_main(void *arg) {
    tg_batch_worker *w = arg;
    tg_runner *r = w->runner;
    for (tg_clip *clip; (clip = tg_runner_take(r));)
        tg_runner_clip(w, clip);
    pthread_mutex_lock(&r->lock);
    r->alive--;
    pthread_cond_signal(&r->changed);
    pthread_mutex_unlock(&r->lock);
    return NULL;
}

/* ---- watching ---- */

/* Called with the lock held. */
static void cancel_all(tg_runner *r, tg_status why) {
    for (int i = 0; i < r->jobs; i++)
        if (r->workers[i].ctx)
            tg_cancel(r->workers[i].ctx, why);
}

static void check_times(tg_runner *r, double now) {
    for (int i = 0; i < r->jobs && r->o->job_timeout_s > 0; i++) {
        tg_batch_worker *w = &r->workers[i];
        if (w->ctx && now - w->began_s > r->o->job_timeout_s && !w->timed_out) {
            w->timed_out = true;
            tg_cancel(w->ctx, TG_ESTOPPED);
        }
    }
}

static void watch(tg_runner *r) {
    double stopped_s = 0;
    pthread_mutex_lock(&r->lock);
    while (r->alive > 0) {
        struct timespec until;
        clock_gettime(CLOCK_REALTIME, &until);
        until.tv_nsec += 50000000;
        if (until.tv_nsec >= 1000000000) {
            until.tv_nsec -= 1000000000;
            until.tv_sec++;
        }
        pthread_cond_timedwait(&r->changed, &r->lock, &until);
        double now = tg_now_s();
        tg_status asked = tg_cancelled(r->ctx);
        if (asked != TG_OK && stopped_s == 0) {
            stopped_s = now;
            if (r->stop == TG_OK)
                r->stop = asked;
            tg_cancel(r->source_ctx, asked);
        }
        /* Ctrl-C abandons at once; a scheduler's signal after the time it grants. A full disk ends
         * the other clips too, which would only fail later. */
        if (asked == TG_EINTR || (asked != TG_OK && now - stopped_s >= r->o->grace_s))
            cancel_all(r, asked);
        if (r->stop == TG_EOUTPUT)
            cancel_all(r, TG_ESTOPPED);
        check_times(r, now);
        int64_t finished = r->sum.done + r->sum.skipped + r->sum.failed, clips = r->sum.clips;
        bool waits = r->waiting.count > 0 && !r->told_waiting && r->source_ended;
        r->told_waiting = r->told_waiting || waits;
        char text[64];
        snprintf(text, sizeof text, "%lld failed", (long long)r->sum.failed);
        bool failed = r->sum.failed > 0;
        pthread_mutex_unlock(&r->lock);
        if (waits)
            tg_note(r->ctx, "%s: another run is at the last clips; waiting for it", r->o->out_dir);
        tg_progress(r->ctx, "clips", (double)finished, (double)clips, failed ? text : "");
        pthread_mutex_lock(&r->lock);
    }
    pthread_mutex_unlock(&r->lock);
}

/* ---- beginning and end ---- */

static int64_t clips_of(const tg_batch_options *o, const tg_clip_list *clips) {
    int64_t n = 0;
    for (int64_t i = 0; clips && i < clips->count; i++)
        n += tg_shard_has(&o->shard, clips->clip[i]->id);
    return n;
}

static tg_status check_options(tg_context *ctx, const tg_batch_options *o, bool stream) {
    if (strcmp(o->synth.portrait.background, "transparent") == 0)
        return tg_fail(ctx, TG_EUSAGE,
                       "--background transparent needs PNG sequences\n  expected: outputs that are "
                       "one file\n  try: talkgen synth for each clip");
    if (stream && o->max_failures_percent >= 0)
        return tg_fail(ctx, TG_EUSAGE,
                       "--max-failures in percent of a pipe that may go on for ever\n"
                       "  expected: a number of clips\n  try: --max-failures 10");
    return TG_OK;
}

/* Loads the run's person before any clip, and finds out how many clips fit. */
static tg_status prepare(tg_runner *r) {
    const tg_batch_options *o = r->o;
    tg_model model = {0};
    tg_status s = check_options(r->ctx, o, r->stream != NULL);
    if (s == TG_OK && !(r->models = tg_models_create(o->encoder)))
        s = tg_fail(r->ctx, TG_ENOMEM, "out of memory for a batch");
    if (s == TG_OK && o->identity)
        s = tg_models_get(r->ctx, r->models, o->identity, &model);
    if (s == TG_OK && model.identity)
        s = tg_pose_check(r->ctx, model.identity,
                          &(tg_pose_options){.spec = o->synth.portrait.pose,
                                             .smooth = o->synth.portrait.pose_smooth});
    if (s == TG_OK && model.identity)
        s = tg_eyes_check(r->ctx, model.identity, o->synth.motion.eyes);
    if (s == TG_OK && model.identity)
        s = tg_gaze_check(r->ctx, model.identity, o->synth.portrait.gaze, false);
    r->sum.clips = clips_of(o, r->clips);
    r->threads = o->threads > 0 ? o->threads : tg_cpu_count();
    size_t each = model.identity ? tg_job_memory(model.identity, o->synth.portrait.width,
                                                 o->synth.portrait.height)
                                 : 0;
    if (s == TG_OK)
        r->jobs = tg_runner_jobs(o->jobs, r->threads, r->stream ? -1 : r->sum.clips, each);
    if (r->models)
        tg_models_put(r->models, &model);
    if (s == TG_OK)
        s = tg_make_dirs(r->ctx, o->out_dir);
    if (s == TG_OK)
        s = tg_locks_open(r->ctx, o->out_dir, &r->locks);
    if (s == TG_OK) {
        int swept = tg_sweep(o->out_dir, r->locks);
        if (swept > 0)
            tg_note(r->ctx, "%s: %d temporary file%s of a run that was killed removed", o->out_dir,
                    swept, swept == 1 ? "" : "s");
    }
    return s;
}

static tg_status start(tg_runner *r) {
    r->workers = calloc((size_t)r->jobs, sizeof *r->workers);
    r->source_ctx = tg_context_create(1);
    if (!r->workers || !r->source_ctx)
        return tg_fail(r->ctx, TG_ENOMEM, "out of memory for a batch");
    int started = 0;
    pthread_mutex_lock(&r->lock);
    for (int i = 0; i < r->jobs; i++) {
        r->workers[i].runner = r;
        if (pthread_create(&r->workers[i].thread, NULL, worker_main, &r->workers[i]) != 0)
            break;
        started++;
    }
    r->jobs = r->alive = started;
    pthread_mutex_unlock(&r->lock);
    if (started == 0)
        return tg_fail(r->ctx, TG_ENOMEM,
                       "no thread can be started\n  expected: at least one\n"
                       "  try: ulimit -u, or fewer --threads");
    return TG_OK;
}

static void tell_start(tg_runner *r) {
    tg_json *e = tg_event(&r->events, "run_start", NULL);
    tg_json_set_string(e, "version", tg_version());
    tg_json_set_number(e, "clips", (double)r->sum.clips);
    tg_json_set_number(e, "jobs", r->jobs);
    tg_json_set_number(e, "threads", r->threads);
    tg_json_set_string(e, "cpu_level", tg_cpu_level_name(tg_context_cpu(r->ctx)));
    tg_event_send(&r->events, e, false);
}

static void tell_summary(tg_runner *r, tg_status status) {
    const tg_batch_summary *s = &r->sum;
    tg_json *e = tg_event(&r->events, "run_summary", NULL);
    tg_json_set_number(e, "clips", (double)s->clips);
    tg_json_set_number(e, "done", (double)s->done);
    tg_json_set_number(e, "skipped", (double)s->skipped);
    tg_json_set_number(e, "failed", (double)s->failed);
    tg_json_set_number(e, "left", (double)s->left);
    tg_json_set_number(e, "frames", (double)s->frames);
    tg_json_set_number(e, "audio_s", s->audio_s);
    tg_json_set_number(e, "wall_s", s->wall_s);
    tg_json_set_number(e, "frames_per_s", s->wall_s > 0 ? (double)s->frames / s->wall_s : 0);
    tg_json_set_number(e, "rtf", s->audio_s > 0 ? s->wall_s / s->audio_s : 0);
    tg_json_set_number(e, "peak_rss_bytes", (double)tg_peak_rss_bytes());
    tg_json_set_number(e, "exit_code", tg_exit_code(status));
    tg_event_send(&r->events, e, true);
}

static tg_status outcome(tg_runner *r) {
    const tg_batch_summary *s = &r->sum;
    if (r->stop == TG_EGIVEUP)
        return tg_fail(r->ctx, r->stop,
                       "%lld clips failed, more than --max-failures allows; %lld are left\n"
                       "  expected: fewer\n  try: to look at the messages above%s%s",
                       (long long)s->failed, (long long)s->left, r->o->report ? " and " : "",
                       r->o->report ? r->o->report : "");
    if (r->stop != TG_OK)
        return r->message[0] ? tg_fail(r->ctx, r->stop, "%s", r->message) : r->stop;
    if (s->failed > 0)
        return tg_fail(r->ctx, TG_EPARTIAL,
                       "%lld of %lld clips failed\n  expected: every clip complete\n"
                       "  try: to repair them; the same command again renders only those",
                       (long long)s->failed, (long long)s->clips);
    return TG_OK;
}

static void finish(tg_runner *r) {
    for (int i = 0; i < r->jobs && r->workers; i++)
        pthread_join(r->workers[i].thread, NULL);
    if (r->told_waiting || r->stop != TG_OK)
        tg_sweep(r->o->out_dir, r->locks); /* of those we waited for */
}

/* Another run that begins now sweeps the folder, and would take the report's temporary file for
 * that of a dead one if its name were not locked. */
static tg_status write_report(tg_runner *r, tg_context *ctx) {
    char name[PATH_MAX];
    const char *report = r->o->report;
    bool swept = report && tg_sweep_place(r->o->out_dir, report, name, sizeof name), held = false;
    for (int i = 0; i < 200 && swept && !(held = tg_locks_try(r->locks, name)); i++)
        nanosleep(&(struct timespec){.tv_nsec = 50000000}, NULL); /* others sweep or write it */
    tg_status s = tg_events_write_report(ctx, &r->events);
    if (held)
        tg_locks_release(r->locks, name);
    return s;
}

tg_status tg_batch_run(tg_context *ctx, const tg_batch_options *options, const tg_clip_list *clips,
                       tg_manifest *stream, tg_batch_summary *summary) {
    double began = tg_now_s();
    tg_runner r = {.o = options, .ctx = ctx, .clips = clips, .stream = stream};
    memset(summary, 0, sizeof *summary);
    pthread_mutex_init(&r.lock, NULL);
    pthread_mutex_init(&r.source, NULL);
    pthread_cond_init(&r.changed, NULL);
    tg_events_open(&r.events, options);
    tg_status s = prepare(&r);
    if (s == TG_OK) {
        tell_start(&r);
        s = start(&r);
    }
    if (s == TG_OK) {
        watch(&r);
        finish(&r);
        r.sum.left = r.sum.clips - r.sum.done - r.sum.skipped - r.sum.failed;
        r.sum.wall_s = tg_now_s() - began;
        r.sum.jobs = r.jobs;
        r.sum.threads = r.threads;
        s = outcome(&r);
        tell_summary(&r, s);
        *summary = r.sum;
        tg_context *other = tg_context_create(1); /* a failed report is told after the outcome */
        tg_status written = write_report(&r, other);
        if (written != TG_OK && (s == TG_OK || s == TG_EPARTIAL))
            s = tg_fail(ctx, written, "%s", tg_message(other));
        tg_context_destroy(&other);
    }
    if (stream)
        for (int64_t i = 0; i < r.waiting.count; i++)
            tg_clip_free(&r.waiting.clip[i]);
    free(r.waiting.clip);
    free(r.workers);
    tg_context_destroy(&r.source_ctx);
    tg_locks_close(&r.locks);
    tg_models_destroy(&r.models);
    tg_events_close(&r.events);
    pthread_cond_destroy(&r.changed);
    pthread_mutex_destroy(&r.source);
    pthread_mutex_destroy(&r.lock);
    return s;
}
