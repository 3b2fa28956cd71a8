/* Sidecars, read as any file: with suspicion. And the inputs that a job depends on. */
#include "batch/record.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

const char *const tg_job_file_names[TG_INPUTS] = {"audio", "identity",   "voice",
                                                  "pose",  "background", "gaze"};

enum { MAX_SIDECAR = 8 << 20 };

void tg_record_free(tg_record *r) {
    for (int i = 0; i < TG_INPUTS; i++)
        free(r->input[i].path);
    free(r->error);
    free(r->options);
    *r = (tg_record){0};
}

static void text_into(char *out, size_t size, const tg_json *v) {
    snprintf(out, size, "%s", tg_json_string(v, ""));
}

static void hash_into(char out[33], const tg_json *v) {
    const char *text = tg_json_string(v, "");
    bool good = strlen(text) == 32 && strspn(text, "0123456789abcdef") == 32;
    snprintf(out, 33, "%s", good ? text : "");
}

static int64_t count_of(const tg_json *v) {
    double x = tg_json_number(v, -1);
    return x >= 0 && x < 9e15 ? (int64_t)x : -1;
}

static int int_of(const tg_json *v, int otherwise) {
    double x = tg_json_number(v, otherwise);
    return x >= 0 && x <= INT_MAX ? (int)x : otherwise;
}

/* Nanoseconds need more digits than a double has. */
static int64_t time_of(const tg_json *v) {
    return strtoll(tg_json_string(v, "0"), NULL, 10);
}

static bool fill(tg_record *r, const tg_json *root) {
    const char *status = tg_json_string(tg_json_get(root, "status"), "");
    r->status = strcmp(status, "complete") == 0 ? TG_RECORD_COMPLETE
                : strcmp(status, "failed") == 0 ? TG_RECORD_FAILED
                                                : TG_RECORD_DAMAGED;
    text_into(r->id, sizeof r->id, tg_json_get(root, "id"));
    hash_into(r->job, tg_json_get(root, "job"));
    hash_into(r->params, tg_json_get(root, "params"));
    hash_into(r->frame_hash, tg_json_get(root, "frame_hash"));
    for (int i = 0; i < TG_INPUTS; i++) {
        const tg_json *in = tg_json_get(tg_json_get(root, "inputs"), tg_job_file_names[i]);
        const char *path = tg_json_string(tg_json_get(in, "path"), NULL);
        if (!path)
            continue;
        if (!(r->input[i].path = strdup(path)))
            return false;
        r->input[i].bytes = count_of(tg_json_get(in, "bytes"));
        r->input[i].mtime_ns = time_of(tg_json_get(in, "mtime_ns"));
        hash_into(r->input[i].md5, tg_json_get(in, "md5"));
    }
    const tg_json *out = tg_json_get(root, "output");
    r->bytes = count_of(tg_json_get(out, "bytes"));
    r->mtime_ns = time_of(tg_json_get(out, "mtime_ns"));
    hash_into(r->md5, tg_json_get(out, "md5"));
    r->frames = count_of(tg_json_get(root, "frames"));
    r->audio_s = tg_json_number(tg_json_get(root, "audio_s"), 0);
    r->wall_s = tg_json_number(tg_json_get(root, "wall_s"), 0);
    r->threads = int_of(tg_json_get(root, "threads"), 1);
    r->code = int_of(tg_json_get(root, "error_code"), 0);
    const char *error = tg_json_string(tg_json_get(root, "error"), NULL);
    if (r->status == TG_RECORD_COMPLETE &&
        (!r->md5[0] || !r->job[0] || !r->params[0] || r->bytes < 0 || r->frames < 0))
        r->status = TG_RECORD_DAMAGED;
    r->options = strdup(tg_json_string(tg_json_get(root, "options"), ""));
    return r->options && (!error || (r->error = strdup(error)));
}

tg_status tg_record_read(tg_context *ctx, const char *path, tg_record *out) {
    *out = (tg_record){0};
    struct stat st;
    if (lstat(path, &st) != 0)
        return TG_OK;
    char *text;
    size_t bytes;
    tg_json *root = NULL;
    out->status = TG_RECORD_DAMAGED;
    if (!S_ISREG(st.st_mode))
        return TG_OK;
    tg_status s = tg_file_read(ctx, path, MAX_SIDECAR, &text, &bytes);
    if (s == TG_OK) {
        s = tg_json_parse(ctx, text, bytes, path, &root);
        tg_free(text);
    }
    if (s == TG_OK && !fill(out, root))
        s = tg_fail(ctx, TG_ENOMEM, "%s: out of memory", path);
    tg_json_destroy(&root);
    return s == TG_ENOMEM ? s : TG_OK;
}

tg_status tg_job_file_look(tg_context *ctx, tg_job_file *in) {
    struct stat st;
    int error = stat(in->path, &st) != 0 ? errno : S_ISDIR(st.st_mode) ? EISDIR : 0;
    if (error)
        return tg_fail(ctx, TG_EINPUT,
                       "%s: cannot read: %s\n  expected: a readable file\n"
                       "  try: check the spelling and the current directory",
                       in->path, strerror(error));
    if (!S_ISREG(st.st_mode))
        return tg_fail(ctx, TG_EINPUT,
                       "%s: not a regular file\n  expected: a file that can be read twice\n"
                       "  try: to write it to a file first",
                       in->path);
    in->bytes = st.st_size;
    in->mtime_ns = (int64_t)st.st_mtim.tv_sec * 1000000000 + st.st_mtim.tv_nsec;
    return TG_OK;
}

tg_status tg_job_file_hash(tg_context *ctx, tg_job_file *in) {
    return in->md5[0] ? TG_OK : tg_file_md5(ctx, in->path, in->md5);
}

tg_status tg_job_hash(tg_context *ctx, const char *params, const tg_job_file input[TG_INPUTS],
                      char out[33]) {
    char text[64 + 64 * TG_INPUTS];
    int n = snprintf(text, sizeof text, "%s\n", params);
    for (int i = 0; i < TG_INPUTS; i++)
        if (i != TG_IN_GAZE || input[i].path) /* so that older jobs stay what they were */
            n += snprintf(text + n, sizeof text - (size_t)n, "%s %s\n", tg_job_file_names[i],
                          input[i].path ? input[i].md5 : "-");
    return tg_md5_bytes(ctx, text, (size_t)n, out);
}
