/* Reads every output again and compares with its sidecar, and the sidecar with the inputs of now.
 */
#include "batch/job.h"

#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

enum { DEPTH = 16, MODELS = 8 };

typedef struct {
    tg_context *ctx;
    const char *out_dir;
    tg_verify_fn *found;
    void *user;
    tg_verify_summary *sum;
    tg_job_file model[MODELS]; /* hashed before */
    int models;
} verifier;

static void tell(verifier *v, const char *id, const char *path, const char *state,
                 const char *text) {
    bool good = strcmp(state, "ok") == 0;
    v->sum->clips++;
    v->sum->good += good;
    v->sum->wrong += !good;
    if (v->found)
        v->found(v->user, id, path, state, text);
}

/* A model that is read once for all its clips. Files that are not here are not judged. */
static tg_status model_differs(verifier *v, const tg_job_file *was, bool *differs) {
    *differs = false;
    struct stat st;
    if (!was->path || stat(was->path, &st) != 0)
        return TG_OK;
    tg_job_file *now = NULL;
    for (int i = 0; i < v->models && !now; i++)
        if (strcmp(v->model[i].path, was->path) == 0)
            now = &v->model[i];
    tg_job_file one = {.path = was->path};
    tg_status s = TG_OK;
    if (!now) {
        s = tg_model_look(v->ctx, &one);
        now = &one;
        if (s == TG_OK && v->models < MODELS && (v->model[v->models].path = strdup(was->path))) {
            memcpy(v->model[v->models].md5, one.md5, sizeof one.md5);
            v->models++;
        }
    }
    *differs = s != TG_OK || strcmp(now->md5, was->md5) != 0;
    return s == TG_ENOMEM ? s : TG_OK;
}

static tg_status file_differs(verifier *v, const tg_job_file *was, const char *path,
                              bool *differs) {
    *differs = false;
    if (!was->path || !path)
        return TG_OK;
    tg_job_file now = {.path = (char *)(uintptr_t)path};
    tg_status s = tg_job_file_look(v->ctx, &now);
    if (s == TG_OK)
        s = tg_job_file_hash(v->ctx, &now);
    *differs = s != TG_OK || strcmp(now.md5, was->md5) != 0;
    return s == TG_ENOMEM ? s : TG_OK;
}

/* Whether the line asks for something else than what was rendered. */
static bool asks_other(const tg_clip *clip, const tg_record *r) {
    char text[128];
    if (strcmp(clip->id, r->id) != 0)
        return true;
    if (clip->has_seed) {
        snprintf(text, sizeof text, " seed=%llu ", (unsigned long long)clip->seed);
        if (!strstr(r->options, text))
            return true;
    }
    snprintf(text, sizeof text, " start=%.17g duration=%.17g ", clip->start_s, clip->duration_s);
    return !strstr(r->options, text);
}

static bool is_there(const char *path) {
    struct stat st;
    return path && stat(path, &st) == 0;
}

static tg_status stale(verifier *v, const tg_clip *clip, const tg_record *r, const char **why) {
    bool differs = false;
    *why = NULL;
    if (clip && asks_other(clip, r)) {
        *why = "the manifest asks for other parameters";
        return TG_OK;
    }
    const tg_job_file *audio = &r->input[TG_IN_AUDIO];
    /* without a manifest, recordings may be elsewhere */
    const char *path = clip ? clip->audio : is_there(audio->path) ? audio->path : NULL;
    tg_status s = file_differs(v, audio, path, &differs);
    if (differs)
        *why = "its audio is another one now, or gone";
    for (int i = TG_IN_IDENTITY; s == TG_OK && !*why && i <= TG_IN_VOICE; i++) {
        s = model_differs(v, &r->input[i], &differs);
        if (differs)
            *why = i == TG_IN_VOICE ? "its voice file is another one now"
                                    : "its identity is another one now";
    }
    for (int i = TG_IN_POSE; s == TG_OK && !*why && i < TG_INPUTS; i++) {
        s = file_differs(v, &r->input[i], is_there(r->input[i].path) ? r->input[i].path : NULL,
                         &differs);
        if (differs)
            *why = "its pose, background or gaze file is another one now";
    }
    return s;
}

static tg_status check_output(verifier *v, const char *path, const tg_record *r, const char **state,
                              const char **why) {
    struct stat st;
    char md5[33];
    *state = "ok";
    *why = "";
    if (lstat(path, &st) != 0 || !S_ISREG(st.st_mode)) {
        *state = "missing";
        *why = "its sidecar is there, the output is not";
        return TG_OK;
    }
    if (st.st_size != r->bytes) {
        *state = st.st_size < r->bytes ? "truncated" : "changed";
        *why = "it has another size than when it was made";
        return TG_OK;
    }
    tg_status s = tg_file_md5(v->ctx, path, md5);
    if (s != TG_OK || strcmp(md5, r->md5) != 0) {
        *state = "changed";
        *why = "its bytes are not those that were made";
        return s == TG_ENOMEM ? s : TG_OK;
    }
    if (tg_has_extension(path, "y4m") || tg_has_extension(path, "framemd5"))
        return TG_OK; /* they have no place for it that can be read back */
    tg_provenance_found *origin = tg_calloc(sizeof *origin);
    if (!origin)
        return tg_fail(v->ctx, TG_ENOMEM, "%s: out of memory", path);
    s = tg_provenance_read(v->ctx, path, origin);
    if (s != TG_OK || !origin->synthetic || strcmp(origin->job, r->job) != 0) {
        *state = "untagged";
        *why = "it does not say that it is synthetic, or of another job";
    }
    tg_free(origin);
    return s == TG_ENOMEM ? s : TG_OK;
}

/* clip may be NULL. */
static tg_status check(verifier *v, const tg_clip *clip, const char *out) {
    char path[PATH_MAX], sidecar[PATH_MAX];
    int n = snprintf(path, sizeof path, "%s/%s", v->out_dir, out);
    if (n < 0 || (size_t)n + 8 >= sizeof path)
        return TG_OK;
    snprintf(sidecar, sizeof sidecar, "%.*s.json", n, path);
    tg_record r;
    tg_status s = tg_record_read(v->ctx, sidecar, &r);
    const char *state = "ok", *why = "", *id = clip ? clip->id : r.id;
    if (s == TG_OK && r.status == TG_RECORD_NONE) {
        state = "missing";
        why = "never rendered";
    } else if (s == TG_OK && r.status == TG_RECORD_DAMAGED) {
        state = "changed";
        why = "its sidecar is damaged";
    } else if (s == TG_OK && r.status == TG_RECORD_FAILED) {
        state = "failed";
        why = r.error ? r.error : "";
    } else if (s == TG_OK) {
        s = check_output(v, path, &r, &state, &why);
        const char *old = NULL;
        if (s == TG_OK && strcmp(state, "ok") == 0)
            s = stale(v, clip, &r, &old);
        if (old) {
            state = "stale";
            why = old;
        }
    }
    if (s == TG_OK)
        s = tg_cancelled(v->ctx);
    if (s == TG_OK)
        tell(v, id, path, state, why);
    tg_record_free(&r);
    return s;
}

static int by_name(const struct dirent **a, const struct dirent **b) {
    return strcmp((*a)->d_name, (*b)->d_name);
}

/* Every sidecar below a folder, in the order of their names. */
static tg_status walk(verifier *v, const char *below, int depth) {
    char path[2 * PATH_MAX], inner[PATH_MAX];
    struct dirent **entry;
    tg_status s = TG_OK;
    snprintf(path, sizeof path, "%s/%s", v->out_dir, below);
    int n = scandir(path, &entry, NULL, by_name);
    for (int i = 0; i < n; i++) {
        const char *name = entry[i]->d_name;
        size_t length = strlen(name);
        struct stat st;
        int m = snprintf(inner, sizeof inner, "%s%s", below, name);
        bool fits = m > 0 && (size_t)m + 1 < sizeof inner;
        int k = snprintf(path, sizeof path, "%s/%s", v->out_dir, inner);
        fits = fits && k > 0 && (size_t)k < sizeof path && name[0] != '.';
        if (s == TG_OK && fits && lstat(path, &st) == 0) {
            if (S_ISDIR(st.st_mode) && depth < DEPTH) {
                strcat(inner, "/");
                s = walk(v, inner, depth + 1);
            } else if (S_ISREG(st.st_mode) && length > 5 &&
                       strcmp(name + length - 5, ".json") == 0) {
                inner[m - 5] = '\0';
                s = check(v, NULL, inner);
            }
        }
        free(entry[i]);
    }
    if (n >= 0)
        free(entry);
    return s;
}

tg_status tg_batch_verify(tg_context *ctx, const char *out_dir, const tg_clip_list *clips,
                          const tg_shard *shard, tg_verify_fn *found, void *user,
                          tg_verify_summary *summary) {
    struct stat st;
    verifier v = {.ctx = ctx, .out_dir = out_dir, .found = found, .user = user, .sum = summary};
    memset(summary, 0, sizeof *summary);
    if (stat(out_dir, &st) != 0 || !S_ISDIR(st.st_mode))
        return tg_fail(ctx, TG_EUSAGE,
                       "%s: not a folder\n  expected: the --out-dir of talkgen batch\n"
                       "  try: check the spelling and the current directory",
                       out_dir);
    tg_status s = TG_OK;
    for (int64_t i = 0; clips && s == TG_OK && i < clips->count; i++) {
        const tg_clip *clip = clips->clip[i];
        if (!tg_shard_has(shard, clip->id))
            continue;
        if (clip->problem)
            tell(&v, clip->id, "", "missing", clip->problem);
        else
            s = check(&v, clip, clip->out);
    }
    if (!clips)
        s = walk(&v, "", 0);
    for (int i = 0; i < v.models; i++)
        free(v.model[i].path);
    if (s != TG_OK)
        return s;
    if (summary->wrong > 0)
        return tg_fail(ctx, TG_EDIFF,
                       "%s: %lld of %lld clips are not as they should be\n"
                       "  expected: every one complete and unchanged\n"
                       "  try: talkgen batch with the same options, which renders those again",
                       out_dir, (long long)summary->wrong, (long long)summary->clips);
    return TG_OK;
}
