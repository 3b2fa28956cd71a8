/* talkgen batch and talkgen verify: many clips, and whether they are all there. */
#include "cli/commands.h"
#include "cli/portrait.h"
#include "talkgen/batch.h"

#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

typedef struct {
    const char *manifest;
    tg_journal *events;
} teller;

static void tell_problem(void *user, int64_t line, int64_t column, const char *text) {
    const teller *t = user;
    fprintf(stderr, "%s:%lld:%lld: %s\n", t->manifest, (long long)line, (long long)column, text);
}

static void tell_event(void *user, const char *json) {
    const teller *t = user;
    if (t->events)
        tg_journal_line(t->events, json);
}

static void tell_failed(void *user, const char *id, int code, const char *message) {
    (void)user;
    fprintf(stderr, "%s: code %d: %s\n", id, code, message);
}

static tg_status need(tg_context *ctx, const char *value, const char *option, const char *what) {
    if (value)
        return TG_OK;
    return tg_fail(ctx, TG_EUSAGE, "%s is missing\n  expected: --%s\n  try: talkgen help batch",
                   what, option);
}

static tg_status read_shard(tg_context *ctx, const char *text, tg_shard *out) {
    if (!text)
        return TG_OK;
    if (strcmp(text, "auto") != 0)
        return tg_shard_parse(ctx, text, out);
    return tg_shard_of_array(ctx, getenv("SLURM_ARRAY_TASK_ID"), getenv("SLURM_ARRAY_TASK_COUNT"),
                             getenv("SLURM_ARRAY_TASK_MIN"), getenv("SLURM_ARRAY_TASK_MAX"),
                             getenv("SLURM_ARRAY_TASK_STEP"), out);
}

static tg_status read_max_failures(tg_context *ctx, const char *text, tg_batch_options *o) {
    char *end;
    if (!text)
        return TG_OK;
    errno = 0;
    double x = strtod(text, &end);
    if (end != text && x >= 0 && *end == '%' && end[1] == '\0' && x <= 100) {
        o->max_failures_percent = x;
        return TG_OK;
    }
    if (end != text && x >= 0 && *end == '\0' && x < 1e15 && x == (double)(int64_t)x) {
        o->max_failures = (int64_t)x;
        return TG_OK;
    }
    return tg_fail(ctx, TG_EUSAGE,
                   "--max-failures '%s' is not usable\n"
                   "  expected: a number of clips, or a share such as 5%%\n"
                   "  try: --max-failures 100",
                   text);
}

static tg_status read_rerun(tg_context *ctx, const char *text, tg_rerun *out) {
    static const char *const names[] = {"failed", "all", "none"};
    for (int i = 0; i < 3; i++)
        if (strcmp(text, names[i]) == 0) {
            *out = (tg_rerun)i;
            return TG_OK;
        }
    return tg_fail(ctx, TG_EUSAGE,
                   "--rerun '%s' is not known\n  expected: failed, all or none\n"
                   "  try: --rerun failed",
                   text);
}

static tg_status read_options(tg_context *ctx, const cli_args *args, tg_batch_options *o) {
    *o = tg_batch_defaults();
    tg_status s = need(ctx, args->manifest, "manifest FILE", "the list of clips");
    if (s == TG_OK)
        s = need(ctx, args->out_dir, "out-dir DIR", "the folder for the clips");
    if (s == TG_OK)
        s = cli_motion_options(ctx, args, &o->synth.motion);
    if (s == TG_OK)
        s = cli_portrait_options(ctx, args, &o->synth.portrait);
    if (s == TG_OK)
        s = read_shard(ctx, args->shard, &o->shard);
    if (s == TG_OK)
        s = read_max_failures(ctx, args->max_failures, o);
    if (s == TG_OK)
        s = read_rerun(ctx, args->rerun, &o->rerun);
    o->identity = args->identity;
    o->encoder = args->encoder;
    o->out_dir = args->out_dir;
    o->jobs = args->jobs;
    o->threads = args->threads;
    o->retries = args->retries;
    o->job_timeout_s = args->job_timeout_s;
    o->grace_s = args->grace_s;
    o->limit = args->limit;
    o->overwrite = args->overwrite;
    return s;
}

/* Where a run without --report writes it: beside the clips, each shard its own. */
static const char *report_path(const cli_args *args, const tg_shard *shard, char *room) {
    if (args->report)
        return args->report;
    if (shard->count > 1)
        snprintf(room, PATH_MAX, "%s/report-%d-of-%d.jsonl", args->out_dir, shard->index,
                 shard->count);
    else
        snprintf(room, PATH_MAX, "%s/report.jsonl", args->out_dir);
    return room;
}

/* Lost events are told where nothing worse happened, as a lost report is. */
static tg_status close_events(tg_context *ctx, tg_journal **events, tg_status s) {
    bool tells = s == TG_OK || s == TG_EPARTIAL;
    tg_status closed = tg_journal_close(tells ? ctx : NULL, events);
    return tells && closed != TG_OK ? closed : s;
}

static void print_summary(const cli_args *args, const tg_batch_summary *s) {
    FILE *out = args->events && strcmp(args->events, "-") == 0 ? stderr : stdout;
    fprintf(out,
            "%s: %lld clips: %lld rendered, %lld complete before, %lld failed, %lld left; "
            "%.1f s of audio in %.1f s, %.1f frames/s, %d at a time on %d threads, "
            "peak memory %.0f MiB\n",
            args->out_dir, (long long)s->clips, (long long)s->done, (long long)s->skipped,
            (long long)s->failed, (long long)s->left, s->audio_s, s->wall_s,
            s->wall_s > 0 ? (double)s->frames / s->wall_s : 0, s->jobs, s->threads,
            (double)tg_peak_rss_bytes() / (1 << 20));
}

static void print_plan(const cli_args *args, const tg_batch_plan *p) {
    printf("%s: %lld clips: %lld complete, %lld to be rendered (%lld new, %lld again as something "
           "changed, %lld failed before), %lld that cannot be\n",
           args->out_dir, (long long)p->clips, (long long)p->complete,
           (long long)(p->absent + p->stale + p->failed), (long long)p->absent, (long long)p->stale,
           (long long)p->failed, (long long)p->bad);
    printf("estimate: %.1f s of audio, %lld frames, %.1f frames/s with %d at a time on %d threads, "
           "%.0f s, memory %.0f MiB",
           p->audio_s, (long long)p->frames, p->frames_per_s, p->jobs, p->threads, p->wall_s,
           (double)p->memory_bytes / (1 << 20));
    if (p->bytes > 0)
        printf(", %.1f MB of output", p->bytes / 1e6);
    printf("\n");
}

static tg_status run(tg_context *ctx, const cli_args *args, tg_batch_options *o,
                     const tg_clip_list *clips, tg_manifest *stream) {
    teller *t = o->user;
    tg_status s = args->events ? tg_journal_open(ctx, args->events, &t->events) : TG_OK;
    if (s != TG_OK)
        return s;
    tg_batch_summary summary = {0};
    s = tg_batch_run(ctx, o, clips, stream, &summary);
    if (summary.jobs > 0)
        print_summary(args, &summary);
    return close_events(ctx, &t->events, s);
}

tg_status cmd_batch(tg_context *ctx, const cli_args *args) {
    char report[PATH_MAX];
    tg_batch_options o;
    tg_clip_list clips = {0};
    tg_manifest *stream = NULL;
    teller t = {.manifest = args->manifest};
    tg_status s = read_options(ctx, args, &o);
    if (s != TG_OK)
        return s;
    o.report = report_path(args, &o.shard, report);
    o.event = tell_event;
    o.failed = tell_failed;
    o.user = &t;
    bool piped = strcmp(args->manifest, "-") == 0;
    if (piped && args->dry_run)
        return tg_fail(ctx, TG_EUSAGE,
                       "--dry-run of a pipe\n  expected: a manifest that can be read twice\n"
                       "  try: --manifest FILE");
    s = piped
            ? tg_manifest_open(ctx, "-", &stream)
            : tg_manifest_read(ctx, args->manifest, args->skip_bad_lines, tell_problem, &t, &clips);
    bool named = args->identity != NULL;
    for (int64_t i = 0; !named && s == TG_OK && i < clips.count; i++)
        if (!clips.clip[i]->identity && !clips.clip[i]->problem)
            s = tg_fail(ctx, TG_EUSAGE,
                        "%s:%lld: neither the line nor the command names a person\n"
                        "  expected: --identity FILE, or identity on every line\n"
                        "  try: --identity person.ckpt",
                        args->manifest, (long long)clips.clip[i]->line);
    if (s == TG_OK && piped && !named)
        s = cli_need(ctx, args->identity, "identity", "the person");
    if (s == TG_OK && args->dry_run) {
        tg_batch_plan plan;
        s = tg_batch_dry_run(ctx, &o, &clips, &plan);
        if (s == TG_OK)
            print_plan(args, &plan);
    } else if (s == TG_OK) {
        s = run(ctx, args, &o, piped ? NULL : &clips, stream);
    }
    tg_manifest_close(&stream);
    tg_clip_list_free(&clips);
    return s;
}

/* ---- concat ---- */

tg_status cmd_concat(tg_context *ctx, const cli_args *args) {
    int64_t frames;
    if (args->word_count < 1)
        return tg_fail(ctx, TG_EUSAGE,
                       "no parts\n  expected: the files that talkgen --frames A:B made\n"
                       "  try: talkgen concat part-*.mp4 --audio a.wav -o out.mp4");
    tg_status s = cli_need(ctx, args->output, "output", "the output");
    if (s == TG_OK)
        s = tg_clip_concat(ctx, args->words, args->word_count, args->output, args->audio,
                           args->start_s, args->duration_s, args->overwrite, args->tmp_dir,
                           &frames);
    if (s == TG_OK)
        printf("%s: %.2f s, %lld frames of %d parts%s\n", args->output, (double)frames / 25,
               (long long)frames, args->word_count, args->audio ? "" : ", silent");
    return s;
}

/* ---- verify ---- */

typedef struct {
    bool json;
    bool lost; /* a line for want of memory */
} printer;

static void print_found(void *user, const char *id, const char *path, const char *state,
                        const char *text) {
    printer *p = user;
    if (p->json) {
        tg_json *o = tg_json_new_object();
        tg_json_set_string(o, "id", id);
        tg_json_set_string(o, "path", path);
        tg_json_set_string(o, "state", state);
        tg_json_set_string(o, "text", text);
        char *line = tg_json_print(o, false);
        if (line)
            printf("%s\n", line);
        else
            p->lost = true;
        tg_free(line);
        tg_json_destroy(&o);
    } else if (strcmp(state, "ok") != 0) {
        printf("%-9s %s: %s: %.*s\n", state, id, path, (int)strcspn(text, "\n"), text);
    }
}

tg_status cmd_verify(tg_context *ctx, const cli_args *args) {
    tg_shard shard = {0};
    tg_clip_list clips = {0};
    tg_verify_summary sum;
    printer p = {.json = args->json};
    teller t = {.manifest = args->manifest};
    tg_status s = need(ctx, args->out_dir, "out-dir DIR", "the folder of the clips");
    if (s == TG_OK)
        s = read_shard(ctx, args->shard, &shard);
    if (s == TG_OK && args->manifest)
        s = tg_manifest_read(ctx, args->manifest, args->skip_bad_lines, tell_problem, &t, &clips);
    if (s == TG_OK) {
        s = tg_batch_verify(ctx, args->out_dir, args->manifest ? &clips : NULL, &shard, print_found,
                            &p, &sum);
        if ((s == TG_OK || s == TG_EDIFF) && !args->json)
            printf("%s: %lld clips: %lld good, %lld not\n", args->out_dir, (long long)sum.clips,
                   (long long)sum.good, (long long)sum.wrong);
    }
    if (p.lost)
        s = tg_fail(ctx, TG_ENOMEM, "%s: out of memory for the JSON lines", args->out_dir);
    tg_clip_list_free(&clips);
    return s;
}
