/* Writing what a clip was made of, beside it. */
#include "batch/job.h"

#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

void tg_time_utc(char out[32]) {
    struct timespec now;
    struct tm t;
    clock_gettime(CLOCK_REALTIME, &now);
    gmtime_r(&now.tv_sec, &t);
    size_t n = strftime(out, 32, "%Y-%m-%dT%H:%M:%S", &t);
    snprintf(out + n, 32 - n, ".%03ldZ", now.tv_nsec / 1000000);
}

void tg_sync_folder(const char *path) {
    char folder[PATH_MAX];
    const char *slash = strrchr(path, '/');
    snprintf(folder, sizeof folder, "%.*s", slash ? (int)(slash - path) + 1 : 1,
             slash ? path : ".");
    int fd = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd >= 0) {
        (void)fsync(fd); /* not every file system can; the rename is complete all the same */
        close(fd);
    }
}

static void set_time(tg_json *o, int64_t mtime_ns) {
    char text[32];
    snprintf(text, sizeof text, "%lld", (long long)mtime_ns);
    tg_json_set_string(o, "mtime_ns", text);
}

static tg_json *begin(const tg_job *job, const tg_job_told *told, const char *status) {
    tg_json *o = tg_json_new_object();
    char text[32];
    tg_json_set_string(o, "status", status);
    tg_json_set_string(o, "id", job->clip->id);
    tg_json_set_string(o, "job", job->job);
    tg_json_set_string(o, "params", job->params);
    tg_json_set_string(o, "options", job->params_text);
    snprintf(text, sizeof text, "%llu", (unsigned long long)job->synth.motion.seed);
    tg_json_set_string(o, "seed", text);
    tg_json *inputs = tg_json_set_object(o, "inputs");
    for (int i = 0; i < TG_INPUTS; i++) {
        const tg_job_file *in = &job->input[i];
        if (!in->path)
            continue;
        tg_json *one = tg_json_set_object(inputs, tg_job_file_names[i]);
        tg_json_set_string(one, "path", in->path);
        tg_json_set_number(one, "bytes", (double)in->bytes);
        set_time(one, in->mtime_ns);
        tg_json_set_string(one, "md5", in->md5);
    }
    tg_json_set_string(o, "program", "talkgen");
    tg_json_set_string(o, "version", tg_version());
    tg_json_set_number(o, "frames_version", TG_FRAMES_VERSION);
    tg_json_set_string(o, "run_id", told->run_id);
    tg_time_utc(text);
    tg_json_set_string(o, "time_utc", text);
    tg_json_set_number(o, "attempts", told->attempts);
    tg_json_set_number(o, "threads", told->threads);
    tg_json_set_number(o, "wall_s", tg_now_s() - told->began_s);
    if (job->clip->tags) {
        tg_json *tags = NULL;
        tg_context *none = NULL;
        /* They were JSON when the manifest was read: now only memory can be short, and o lacks
         * them. */
        tg_json_parse(none, job->clip->tags, strlen(job->clip->tags), "tags", &tags);
        tg_json_set_json(o, "tags", tags);
    }
    if (tg_json_count(told->warnings) > 0) {
        tg_json *list = tg_json_set_array(o, "warnings");
        for (const tg_json *w = tg_json_first(told->warnings); w; w = tg_json_next(w))
            tg_json_set_string(list, NULL, tg_json_string(w, ""));
    }
    return o;
}

static tg_status end(tg_context *ctx, const tg_job *job, tg_json *o) {
    char *text = tg_json_print(o, true);
    tg_status s = TG_ENOMEM;
    if (text) {
        size_t bytes = strlen(text);
        text[bytes] = '\n'; /* the length travels beside it */
        s = tg_file_write_synced(ctx, job->sidecar, text, bytes + 1);
    } else {
        tg_fail(ctx, TG_ENOMEM, "%s: out of memory", job->sidecar);
    }
    tg_free(text);
    tg_json_destroy(&o);
    return s;
}

tg_status tg_job_write_complete(tg_context *ctx, const tg_job *job, const tg_job_told *told,
                                const char *temporary, const char frame_hash[33]) {
    tg_job_file made = {.path = (char *)(uintptr_t)temporary};
    tg_status s = tg_job_file_look(ctx, &made);
    if (s == TG_OK)
        s = tg_job_file_hash(ctx, &made);
    if (s != TG_OK)
        return tg_fail(ctx, TG_EOUTPUT,
                       "%s: what was written cannot be read again\n  expected: a disk in order\n"
                       "  try: another --out-dir",
                       job->path);
    tg_json *o = begin(job, told, "complete");
    tg_json *out = tg_json_set_object(o, "output");
    tg_json_set_string(out, "path", job->clip->out);
    tg_json_set_number(out, "bytes", (double)made.bytes);
    set_time(out, made.mtime_ns);
    tg_json_set_string(out, "md5", made.md5);
    tg_json_set_string(o, "frame_hash", frame_hash);
    tg_json_set_number(o, "frames", (double)told->report->frames);
    tg_json_set_number(o, "audio_s", told->report->audio_s);
    tg_json_set_string(o, "cpu_level", tg_cpu_level_name(tg_context_cpu(ctx)));
    tg_json *stages = tg_json_set_object(o, "stage_ms");
    tg_json_set_number(stages, "motion", 1000 * told->report->motion_s);
    tg_json_set_number(stages, "render", 1000 * told->report->render_s);
    tg_json_set_number(stages, "encode", 1000 * told->report->encode_s);
    return end(ctx, job, o);
}

tg_status tg_job_write_failed(tg_context *ctx, const tg_job *job, const tg_job_told *told, int code,
                              const char *message) {
    tg_json *o = begin(job, told, "failed");
    tg_json_set_number(o, "error_code", code);
    tg_json_set_string(o, "error", message);
    return end(ctx, job, o);
}
