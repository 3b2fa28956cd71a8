/* From a line of the manifest and the options of the run to one job, and whether it is done. */
#include "batch/job.h"

#include <ctype.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

/* As the systems tell words of a pose or a gaze from files. No gaze is the usual one. */
static bool is_file(const char *spec) {
    return spec && (strchr(spec, '.') || strchr(spec, '/'));
}

static bool is_file_background(const char *background) {
    return strcmp(background, "dataset") != 0 && background[0] != '#';
}

/* Everything but the files' contents, in one fixed order. Paths are left out: a moved file is the
 * same job. The kind of output belongs to it, the rest of its name does not. */
static tg_status describe(tg_context *ctx, tg_job *job, const char *out) {
    const tg_motion_options *m = &job->synth.motion;
    const tg_portrait_options *p = &job->synth.portrait;
    char kind[16] = "";
    const char *dot = strrchr(out, '.');
    for (size_t i = 0; dot && dot[i] && i + 1 < sizeof kind; i++)
        kind[i] = (char)tolower((unsigned char)dot[i]);
    snprintf(job->params_text, sizeof job->params_text,
             "frames=%d kind=%s clip=%s seed=%llu temperature=%.9g eyes=%d clamp=%.9g smooth=%.9g "
             "lle=%.9g start=%.17g duration=%.17g size=%dx%d pose=%.32s pose_smooth=%d "
             "background=%.32s eye_area=%.9g eye_smooth=%d reference=%d crf=%d%s",
             TG_FRAMES_VERSION, kind, m->clip_id, (unsigned long long)m->seed,
             (double)m->temperature, (int)m->eyes, (double)m->clamp_std, (double)m->smooth,
             (double)m->lle, m->start_s, m->duration_s, p->width, p->height,
             is_file(p->pose) ? "file" : p->pose, p->pose_smooth,
             is_file_background(p->background) ? "file" : p->background, (double)p->eye_area,
             p->eye_smooth, (int)p->march, p->crf,
             tg_context_precision(ctx) == TG_INT16 ? " precision=int16" : "");
    /* Said only where it decides something, so that older jobs stay what they were. */
    size_t n = strlen(job->params_text);
    if (strcmp(p->pose, "auto") == 0 || m->eyes == TG_EYES_AUTO)
        snprintf(job->params_text + n, sizeof job->params_text - n,
                 " pose_gain=%.9g blink_gain=%.9g", (double)p->pose_gain, (double)m->blink_gain);
    n = strlen(job->params_text);
    if (p->gaze && strcmp(p->gaze, "pose") != 0)
        snprintf(job->params_text + n, sizeof job->params_text - n, " gaze=%.32s",
                 is_file(p->gaze) ? "file" : p->gaze);
    n = strlen(job->params_text);
    if (p->device == TG_DEVICE_CUDA)
        snprintf(job->params_text + n, sizeof job->params_text - n, " device=cuda");
    return tg_md5_bytes(ctx, job->params_text, strlen(job->params_text), job->params);
}

static tg_status add_input(tg_context *ctx, tg_job *job, int which, const char *path) {
    tg_job_file *in = &job->input[which];
    if (!(in->path = strdup(path)))
        return tg_fail(ctx, TG_ENOMEM, "%s: out of memory", path);
    return tg_job_file_look(ctx, in);
}

static tg_status add_model(tg_context *ctx, tg_job *job, int which, const tg_job_file *from) {
    tg_job_file *in = &job->input[which];
    if (!from->path)
        return TG_OK;
    *in = *from;
    in->path = strdup(from->path);
    return in->path ? TG_OK : tg_fail(ctx, TG_ENOMEM, "%s: out of memory", from->path);
}

tg_status tg_job_open(tg_context *ctx, const tg_batch_options *o, tg_models *models,
                      const tg_clip *clip, tg_job *job) {
    memset(job, 0, sizeof *job);
    job->clip = clip;
    job->models = models;
    int n = snprintf(job->path, sizeof job->path, "%s/%s", o->out_dir, clip->out);
    if (n < 0 || (size_t)n + 8 >= sizeof job->path)
        return tg_fail(ctx, TG_EOUTPUT,
                       "%s: the output's path is too long\n  expected: less than %d bytes\n"
                       "  try: another --out-dir",
                       clip->out, PATH_MAX - 8);
    snprintf(job->sidecar, sizeof job->sidecar, "%.*s.json", n, job->path);
    job->synth = o->synth;
    tg_motion_options *m = &job->synth.motion;
    tg_portrait_options *p = &job->synth.portrait;
    m->audio = clip->audio;
    m->clip_id = clip->id;
    m->seed = clip->has_seed ? clip->seed : m->seed;
    m->start_s = clip->start_s;
    m->duration_s = clip->duration_s;
    p->output = job->path;
    p->overwrite = true; /* what may not be replaced never comes so far */
    p->pose = clip->pose ? clip->pose : p->pose;
    p->background = clip->background ? clip->background : p->background;
    tg_status s = describe(ctx, job, clip->out);
    if (s == TG_OK)
        s = add_input(ctx, job, TG_IN_AUDIO, clip->audio);
    if (s == TG_OK && is_file(p->pose))
        s = add_input(ctx, job, TG_IN_POSE, p->pose);
    if (s == TG_OK && is_file(p->gaze))
        s = add_input(ctx, job, TG_IN_GAZE, p->gaze);
    if (s == TG_OK && is_file_background(p->background))
        s = add_input(ctx, job, TG_IN_BACKGROUND, p->background);
    if (s == TG_OK)
        s = tg_models_get(ctx, models, clip->identity ? clip->identity : o->identity, &job->model);
    if (s == TG_OK)
        s = add_model(ctx, job, TG_IN_IDENTITY, job->model.file);
    if (s == TG_OK)
        s = add_model(ctx, job, TG_IN_VOICE, job->model.voice);
    return s;
}

void tg_job_close(tg_job *job) {
    for (int i = 0; i < TG_INPUTS; i++)
        free(job->input[i].path);
    if (job->models)
        tg_models_put(job->models, &job->model);
    memset(job, 0, sizeof *job);
}

tg_status tg_job_identify(tg_context *ctx, tg_job *job) {
    tg_status s = TG_OK;
    for (int i = 0; s == TG_OK && i < TG_INPUTS; i++)
        if (job->input[i].path)
            s = tg_job_file_hash(ctx, &job->input[i]);
    return s == TG_OK ? tg_job_hash(ctx, job->params, job->input, job->job) : s;
}

/* The sidecar's hashes serve for files that look as they did. */
static void believe(tg_job *job, const tg_record *r) {
    for (int i = 0; i < TG_INPUTS; i++) {
        tg_job_file *in = &job->input[i];
        const tg_job_file *old = &r->input[i];
        if (in->path && old->path && !in->md5[0] && strcmp(in->path, old->path) == 0 &&
            in->bytes == old->bytes && in->mtime_ns == old->mtime_ns)
            memcpy(in->md5, old->md5, sizeof in->md5);
    }
}

static tg_status look_at_output(tg_context *ctx, const tg_job *job, const tg_record *r,
                                const struct stat *st, tg_job_state *state) {
    *state = TG_JOB_STALE;
    if (!S_ISREG(st->st_mode) || st->st_size != r->bytes)
        return TG_OK;
    bool same = (int64_t)st->st_mtim.tv_sec * 1000000000 + st->st_mtim.tv_nsec == r->mtime_ns;
    if (!same) { /* copied elsewhere, or another one */
        char md5[33];
        tg_status s = tg_file_md5(ctx, job->path, md5);
        if (s != TG_OK)
            return s == TG_ENOMEM ? s : TG_OK;
        same = strcmp(md5, r->md5) == 0;
    }
    *state = same ? TG_JOB_COMPLETE : TG_JOB_STALE;
    return TG_OK;
}

tg_status tg_job_look(tg_context *ctx, tg_job *job, tg_record *r, tg_job_state *state) {
    struct stat st;
    tg_status s = tg_record_read(ctx, job->sidecar, r);
    if (s != TG_OK)
        return s;
    const bool there = lstat(job->path, &st) == 0;
    if (!there && errno != ENOENT && errno != ENOTDIR)
        return tg_fail(ctx, TG_EOUTPUT,
                       "%s: cannot be looked at: %s\n  expected: a folder that can be read\n"
                       "  try: ls -ld on it",
                       job->path, strerror(errno));
    *state = there ? TG_JOB_STALE : TG_JOB_ABSENT;
    if (r->status == TG_RECORD_NONE) {
        *state = there ? TG_JOB_FOREIGN : TG_JOB_ABSENT;
        return TG_OK;
    }
    if (r->status == TG_RECORD_DAMAGED || strcmp(r->params, job->params) != 0 ||
        (r->status == TG_RECORD_COMPLETE && !there))
        return TG_OK;
    believe(job, r);
    s = tg_job_identify(ctx, job);
    if (s != TG_OK || strcmp(r->job, job->job) != 0)
        return s;
    if (r->status == TG_RECORD_COMPLETE)
        return look_at_output(ctx, job, r, &st, state);
    *state = TG_JOB_FAILED;
    return TG_OK;
}

/* Files that only talkgen synth takes. */
static tg_status add_extra(tg_context *ctx, const char *name, const char *path, tg_job *job) {
    char md5[33];
    if (!path)
        return TG_OK;
    tg_status s = tg_file_md5(ctx, path, md5);
    size_t used = strlen(job->params_text);
    if (s == TG_OK)
        snprintf(job->params_text + used, sizeof job->params_text - used, " %s=%s", name, md5);
    return s;
}

tg_status tg_synth_job_hash(tg_context *ctx, const char *identity_path, const tg_identity *identity,
                            const tg_synth_options *o, char out[33]) {
    tg_job *job = tg_calloc(sizeof *job);
    if (!job)
        return tg_fail(ctx, TG_ENOMEM, "out of memory for a job");
    job->synth = *o;
    tg_status s = describe(ctx, job, o->portrait.output);
    if (s == TG_OK)
        s = add_extra(ctx, "features", o->motion.features, job);
    if (s == TG_OK)
        s = add_extra(ctx, "latent", o->motion.latent, job);
    if (s == TG_OK)
        s = add_extra(ctx, "torso", o->portrait.torso_features, job);
    if (s == TG_OK)
        s = tg_md5_bytes(ctx, job->params_text, strlen(job->params_text), job->params);
    if (s == TG_OK && o->motion.audio)
        s = add_input(ctx, job, TG_IN_AUDIO, o->motion.audio);
    if (s == TG_OK && is_file(o->portrait.pose))
        s = add_input(ctx, job, TG_IN_POSE, o->portrait.pose);
    if (s == TG_OK && is_file(o->portrait.gaze))
        s = add_input(ctx, job, TG_IN_GAZE, o->portrait.gaze);
    if (s == TG_OK && is_file_background(o->portrait.background) &&
        strcmp(o->portrait.background, "transparent") != 0)
        s = add_input(ctx, job, TG_IN_BACKGROUND, o->portrait.background);
    const char *models[2] = {identity_path, identity->voice_path};
    for (int i = 0; s == TG_OK && i < 2; i++) {
        tg_job_file *in = &job->input[TG_IN_IDENTITY + i];
        if (!models[i][0])
            continue;
        in->path = strdup(models[i]);
        s = in->path ? tg_model_look(ctx, in) : tg_fail(ctx, TG_ENOMEM, "out of memory for a job");
    }
    if (s == TG_OK)
        s = tg_job_identify(ctx, job);
    memcpy(out, job->job, sizeof job->job);
    tg_job_close(job);
    tg_free(job);
    return s;
}
