/* What a run would do and what it would take. */
#include "batch/runner.h"

#include <string.h>

/* Seconds of the clip's audio; streams that do not say are read. */
static tg_status length_of(tg_context *ctx, const tg_clip *clip, double *out) {
    tg_audio *audio = NULL;
    tg_status s = tg_audio_open(ctx, clip->audio, &audio);
    if (s != TG_OK)
        return s;
    int64_t frames = tg_audio_frames(audio);
    enum { BLOCK = 4096 };
    float *block =
        frames < 0 ? tg_alloc(sizeof(float) * BLOCK * (size_t)tg_audio_channels(audio)) : NULL;
    if (frames < 0 && !block)
        s = tg_fail(ctx, TG_ENOMEM, "%s: out of memory", clip->audio);
    for (int64_t got = 1, all = 0; frames < 0 && s == TG_OK; all += got) {
        s = tg_audio_read(ctx, audio, block, BLOCK, &got);
        if (got == 0)
            frames = all;
    }
    double length = (double)frames / tg_audio_rate(audio) - clip->start_s;
    tg_free(block);
    tg_audio_close(&audio);
    if (clip->duration_s > 0 && clip->duration_s < length)
        length = clip->duration_s;
    *out = length > 0.04 ? length : 0.04;
    return s;
}

/* A few frames into nothing, by one worker. */
static tg_status calibrate(tg_context *ctx, const tg_batch_options *o, tg_models *models,
                           const tg_clip *clip, int threads, double *frames_per_s) {
    tg_context *own = tg_context_create(threads);
    tg_job *job = tg_calloc(sizeof *job);
    tg_synth_report report = {0};
    if (!own || !job) {
        tg_context_destroy(&own);
        tg_free(job);
        return tg_fail(ctx, TG_ENOMEM, "out of memory for a few frames");
    }
    tg_context_set_cpu(own, tg_context_cpu(ctx));
    tg_context_set_precision(own, tg_context_precision(ctx));
    tg_status s = tg_job_open(own, o, models, clip, job);
    job->synth.portrait.output = "null:";
    if (job->synth.motion.duration_s <= 0 || job->synth.motion.duration_s > 1)
        job->synth.motion.duration_s = 1;
    if (s == TG_OK)
        s = tg_synthesize(own, job->model.identity, &job->synth, &report);
    if (s == TG_OK && report.wall_s > 0)
        *frames_per_s = (double)report.frames / report.wall_s;
    else if (s != TG_OK)
        tg_fail(ctx, s, "%s", tg_message(own));
    tg_job_close(job);
    tg_free(job);
    tg_context_destroy(&own);
    return s;
}

typedef struct {
    double frames, wall, bytes; /* of complete clips */
    const tg_clip *first;       /* that can be rendered */
} seen;

static tg_status look(tg_context *ctx, const tg_batch_options *o, tg_models *models,
                      const tg_clip *clip, tg_batch_plan *p, seen *sum) {
    p->clips++;
    if (clip->problem) {
        p->bad++;
        return TG_OK;
    }
    tg_job *job = tg_calloc(sizeof *job);
    if (!job)
        return tg_fail(ctx, TG_ENOMEM, "out of memory for a clip");
    tg_record r = {0};
    tg_job_state state = TG_JOB_ABSENT;
    double length = 0;
    tg_status s = tg_job_open(ctx, o, models, clip, job);
    if (s == TG_OK)
        s = length_of(ctx, clip, &length);
    if (s == TG_OK)
        s = tg_job_look(ctx, job, &r, &state);
    if (s == TG_OK && state == TG_JOB_FOREIGN && !o->overwrite)
        s = TG_EOUTPUT;
    bool render = state != TG_JOB_COMPLETE || o->rerun == TG_RERUN_ALL;
    if (state == TG_JOB_FAILED && o->rerun == TG_RERUN_NONE)
        render = false;
    if (s != TG_OK) {
        p->bad++;
    } else {
        *(state == TG_JOB_COMPLETE ? &p->complete
          : state == TG_JOB_FAILED ? &p->failed
          : state == TG_JOB_ABSENT ? &p->absent
                                   : &p->stale) += 1;
        if (state == TG_JOB_COMPLETE) {
            sum->frames += (double)r.frames;
            sum->wall += r.wall_s;
            sum->bytes += (double)r.bytes;
        }
        if (render) {
            p->audio_s += length;
            p->frames += (int64_t)(25 * length + 0.5);
            sum->first = sum->first ? sum->first : clip;
        }
    }
    tg_record_free(&r);
    tg_job_close(job);
    tg_free(job);
    return s == TG_ENOMEM || s == TG_EINTR || s == TG_ESTOPPED ? s : TG_OK;
}

tg_status tg_batch_dry_run(tg_context *ctx, const tg_batch_options *o, const tg_clip_list *clips,
                           tg_batch_plan *p) {
    memset(p, 0, sizeof *p);
    tg_models *models = tg_models_create(o->encoder);
    tg_model model = {0};
    seen sum = {0};
    tg_status s = models ? TG_OK : tg_fail(ctx, TG_ENOMEM, "out of memory for a batch");
    if (s == TG_OK && o->identity)
        s = tg_models_get(ctx, models, o->identity, &model);
    size_t each = model.identity ? tg_job_memory(model.identity, o->synth.portrait.width,
                                                 o->synth.portrait.height)
                                 : 0;
    for (int64_t i = 0; s == TG_OK && i < clips->count; i++)
        if (tg_shard_has(&o->shard, clips->clip[i]->id)) {
            s = look(ctx, o, models, clips->clip[i], p, &sum);
            if (s == TG_OK)
                s = tg_cancelled(ctx);
        }
    int64_t todo = p->absent + p->stale + p->failed;
    p->threads = o->threads > 0 ? o->threads : tg_cpu_count();
    p->jobs = tg_runner_jobs(o->jobs, p->threads, todo, each);
    p->memory_bytes = tg_peak_rss_bytes() + (size_t)p->jobs * each;
    int share = p->threads / p->jobs > 1 ? p->threads / p->jobs : 1;
    double rate = sum.wall > 0 ? sum.frames / sum.wall : 0; /* of one worker */
    if (s == TG_OK && rate == 0 && sum.first)
        s = calibrate(ctx, o, models, sum.first, share, &rate);
    p->frames_per_s = rate * p->jobs;
    p->wall_s = p->frames_per_s > 0 ? (double)p->frames / p->frames_per_s : 0;
    p->bytes = sum.frames > 0 ? sum.bytes / sum.frames * (double)p->frames : 0;
    if (models)
        tg_models_put(models, &model);
    tg_models_destroy(&models);
    return s;
}
