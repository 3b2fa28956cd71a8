/* The whole job: from a recording to an MP4, and how long the first picture takes. */
#include "bench/bench.h"
#include "bench/person.h"

#include <stdio.h>
#include <string.h>

tg_status tg_bench_left_out(bench *b, const bench_entry *entry, const char *why) {
    tg_note(b->ctx, "%s is left out: %s", entry->name, why);
    return TG_OK;
}

tg_status tg_bench_path(bench *b, const char *name, char *out, size_t size) {
    const int n = snprintf(out, size, "%s/%s", b->options->folder, name);
    if (n >= 0 && (size_t)n < size)
        return TG_OK;
    return tg_fail(b->ctx, TG_EOUTPUT,
                   "the path of the temporary folder is too long\n  expected: under 1000 bytes\n"
                   "  try: TMPDIR=/tmp");
}

tg_status tg_bench_person(bench *b, const bench_entry *entry, bool voice) {
    const tg_bench_options *o = b->options;
    if (!o->identity)
        return tg_bench_left_out(b, entry, "no --identity, and models/demo.ckpt is not there");
    tg_status s = TG_OK;
    if (!b->person)
        s = tg_identity_open(b->all, o->identity, NULL, false, &b->person);
    if (s == TG_OK && voice && !b->voiced) {
        s = tg_identity_open_voice(b->all, b->person, o->encoder);
        b->voiced = s == TG_OK;
    }
    return tg_bench_passed(b, b->all, s);
}

typedef struct {
    bench *b;
    tg_context *ctx;
    tg_synth_options options;
    int64_t frames;
    bool stop; /* after the first frame */
} job;

static tg_status run_job(void *arg) {
    job *j = arg;
    tg_synth_report report;
    return tg_synthesize(j->ctx, j->b->person, &j->options, &report);
}

static tg_synth_options clip(const bench *b, const char *output, int scale, double seconds) {
    tg_synth_options o = tg_synth_defaults();
    o.motion.audio = b->options->audio;
    o.motion.duration_s = seconds;
    o.portrait.output = output;
    o.portrait.overwrite = true;
    o.portrait.width = b->person->width * scale;
    o.portrait.height = b->person->height * scale;
    return o;
}

/* Whether there is something to speak. */
static tg_status ready(bench *b, const bench_entry *entry, bool *yes) {
    *yes = false;
    tg_status s = tg_bench_person(b, entry, true);
    if (s != TG_OK || !b->person)
        return s;
    if (!b->options->audio)
        return tg_bench_left_out(b, entry, "no --audio, and no demo.flac beside the identity");
    *yes = true;
    return TG_OK;
}

/* entry->kind: how many times the recording's size; shape: seconds. */
static tg_status measure_job(bench *b, const bench_entry *entry) {
    bool yes;
    char path[1024];
    const double seconds = *(const double *)entry->shape;
    tg_status s = ready(b, entry, &yes);
    if (s == TG_OK && yes)
        s = tg_bench_path(b, "job.mp4", path, sizeof path);
    if (s != TG_OK || !yes)
        return s;
    job j = {.b = b, .ctx = tg_bench_context(b, entry)};
    j.options = clip(b, path, entry->kind, 0.2); /* warms up: a job is long */
    s = tg_bench_passed(b, j.ctx, run_job(&j));
    j.options.motion.duration_s = seconds;
    const bench_plan plan = {25 * seconds, TG_BENCH_FRAME, CEILING_NONE, 0, true};
    if (s == TG_OK)
        s = tg_bench_time(b, entry, &plan, run_job, &j);
    remove(path);
    return s;
}

/* The first picture is rendered: enough. */
static void stop_at_first(void *user, const char *stage, double done, double total,
                          const char *text) {
    (void)total, (void)text;
    job *j = user;
    if (strcmp(stage, "render") == 0 && done >= 1) {
        j->stop = true;
        tg_cancel(j->ctx, TG_EINTR);
    }
}

/* All that a program does before it has a picture: threads, the person and its voice from their
 * files (which the system has in memory), five seconds of speech, the renderer, one frame. */
static tg_status run_first(void *arg) {
    job *j = arg;
    const bench *b = j->b;
    const tg_bench_options *o = b->options;
    tg_context *ctx = tg_context_create(tg_pool_threads(tg_context_pool(b->all)));
    if (!ctx)
        return TG_ENOMEM;
    j->ctx = ctx;
    j->stop = false;
    tg_context_set_progress(ctx, stop_at_first, j);
    tg_identity *person = NULL;
    tg_synth_report report;
    tg_status s = tg_context_set_cpu(ctx, tg_context_cpu(b->all));
    if (s == TG_OK)
        s = tg_identity_open(ctx, o->identity, NULL, false, &person);
    if (s == TG_OK)
        s = tg_identity_open_voice(ctx, person, o->encoder);
    if (s == TG_OK)
        s = tg_synthesize(ctx, person, &j->options, &report);
    if (s == TG_EINTR && j->stop)
        s = TG_OK;
    if (s != TG_OK)
        tg_fail(b->all, s, "%s", tg_message(ctx));
    tg_identity_close(&person);
    tg_context_destroy(&ctx);
    return s;
}

static tg_status measure_first(bench *b, const bench_entry *entry) {
    bool yes;
    tg_status s = ready(b, entry, &yes);
    if (s != TG_OK || !yes)
        return s;
    job j = {.b = b, .options = clip(b, "null:", 1, *(const double *)entry->shape)};
    const bench_plan plan = {1, TG_BENCH_START, CEILING_NONE, 0, false};
    return tg_bench_time(b, entry, &plan, run_first, &j);
}

static const double one_s = 1, five_s = 5;

/* The sizes are multiples of the recording's. */
const bench_entry tg_bench_jobs[] = {
    {"job/first-frame", measure_first, 1, false, &five_s},
    {"job/clip/1", measure_job, 1, true, &one_s},
    {"job/clip/all", measure_job, 1, false, &one_s},
    {"job/clip-2x/all", measure_job, 2, false, &one_s},
    {NULL, NULL, 0, false, NULL},
};
