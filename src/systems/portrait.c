/* Landmarks and poses to frames: windows for the renderer, the frame loop, the way out. */
#include "talkgen/systems.h"

#include "systems/background.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { WINDOW = 5, REACH = WINDOW / 2 };

/* Normalised landmarks of frames t-2..t+2; before the first and after the last frame the edge
 * repeats, as GeneFace does at inference. */
typedef struct {
    tg_motion_source *source;
    const tg_identity *id;
    float frame[WINDOW][TG_MOTION_DIM];
    bool ended;
} window;

static tg_status read_normalized(tg_context *ctx, window *w, float out[TG_MOTION_DIM]) {
    float lm[TG_MOTION_DIM];
    tg_status s = tg_motion_source_next(ctx, w->source, lm, &w->ended);
    if (s != TG_OK || w->ended)
        return s;
    for (int k = 0; k < TG_MOTION_DIM; k++)
        out[k] = 10 * (lm[k] - w->id->lm_mean[k]);
    tg_motion_normalize(&w->id->stats, INFINITY, out);
    return TG_OK;
}

/* Puts the next frame at the end, or repeats the last one. */
static tg_status slide(tg_context *ctx, window *w) {
    memmove(w->frame[0], w->frame[1], sizeof w->frame - sizeof w->frame[0]);
    if (w->ended) {
        memcpy(w->frame[WINDOW - 1], w->frame[WINDOW - 2], sizeof w->frame[0]);
        return TG_OK;
    }
    tg_status s = read_normalized(ctx, w, w->frame[WINDOW - 1]);
    if (s == TG_OK && w->ended)
        memcpy(w->frame[WINDOW - 1], w->frame[WINDOW - 2], sizeof w->frame[0]);
    return s;
}

/* So that one slide more has frame 0 in the middle. */
static tg_status start(tg_context *ctx, window *w) {
    tg_status s = read_normalized(ctx, w, w->frame[WINDOW - 1]);
    for (int i = 0; i < WINDOW - 1; i++)
        memcpy(w->frame[i], w->frame[WINDOW - 1], sizeof w->frame[0]);
    for (int i = 0; s == TG_OK && i < REACH - 1; i++)
        s = slide(ctx, w);
    return s;
}

/* One picture on its way to the sink while the next is rendered. */
typedef struct {
    tg_context *ctx; /* of the writer alone: messages of two threads do not mix */
    tg_sink *sink;
    const uint8_t *rgb;
    tg_status status;
} write_job;

static void write_frame(void *arg) {
    write_job *job = arg;
    if (job->status == TG_OK)
        job->status = tg_sink_write(job->ctx, job->sink, job->rgb);
}

typedef struct {
    int width, height;
    float focal, cx, cy;
} geometry;

/* The torso is a field over the recording's picture, so the aspect has to stay. */
static tg_status fit_size(tg_context *ctx, const tg_identity *id, const tg_portrait_options *o,
                          geometry *g) {
    g->width = o->width ? o->width : id->width;
    g->height = o->height ? o->height : id->height;
    double scale = (double)g->height / id->height;
    if (fabs(g->width - scale * id->width) > 1.01)
        return tg_fail(ctx, TG_EUSAGE,
                       "--size %dx%d has another aspect than the identity\n"
                       "  expected: the aspect of its recording, %dx%d\n  try: --size %dx%d",
                       g->width, g->height, id->width, id->height, (int)lround(scale * id->width),
                       g->height);
    g->focal = (float)(id->focal * scale);
    g->cx = (float)(id->cx * g->width / id->width);
    g->cy = (float)(id->cy * scale);
    return TG_OK;
}

static bool wants_npy(const char *path) {
    size_t n = strlen(path);
    return n > 4 && strcmp(path + n - 4, ".npy") == 0;
}

/* What a rendering holds while it runs. */
typedef struct {
    geometry size;
    tg_renderer *renderer;
    tg_sink *sink;
    tg_task *task;
    write_job job;
    tg_pose_source *poses;
    uint8_t *background, *rgb[2];
    float *floats;    /* all frames, for .npy */
    float *pose_rows; /* all poses, for pose_out */
} portrait;

static void portrait_free(portrait *p) {
    if (p->task)
        tg_task_destroy(&p->task);
    tg_sink_abort(&p->sink);
    tg_renderer_destroy(&p->renderer);
    tg_pose_source_close(&p->poses);
    tg_context_destroy(&p->job.ctx);
    tg_free(p->background);
    tg_free(p->rgb[0]);
    tg_free(p->rgb[1]);
    tg_free(p->floats);
    tg_free(p->pose_rows);
}

static tg_status portrait_open(tg_context *ctx, const tg_identity *id, int64_t frames,
                               const tg_portrait_options *o, const char *audio, double start_s,
                               double duration_s, portrait *p) {
    tg_status s = fit_size(ctx, id, o, &p->size);
    if (s != TG_OK)
        return s;
    size_t pixels = (size_t)p->size.width * (size_t)p->size.height * 3, all = 0;
    bool npy = wants_npy(o->output);
    p->background = tg_alloc(pixels);
    p->rgb[0] = tg_alloc(pixels);
    p->rgb[1] = tg_alloc(pixels);
    p->task = tg_task_create();
    p->job.ctx = tg_context_create(1);
    bool ok = p->background && p->rgb[0] && p->rgb[1] && p->task && p->job.ctx;
    if (ok && npy)
        ok = tg_mul_size(pixels * sizeof(float), (size_t)frames, &all) &&
             (p->floats = tg_alloc(all));
    if (ok && o->pose_out)
        ok = (p->pose_rows = tg_alloc((size_t)frames * 16 * sizeof(float))) != NULL;
    if (!ok)
        return tg_fail(ctx, TG_ENOMEM,
                       "out of memory for %lld frames of %dx%d\n  expected: room for %s\n  try: %s",
                       (long long)frames, p->size.width, p->size.height,
                       npy ? "all frames as float32" : "a few pictures and the head poses",
                       npy ? "--duration, or another kind of output" : "a smaller --size");
    if (npy && !o->overwrite && tg_file_exists(o->output))
        return tg_fail(ctx, TG_EUSAGE,
                       "%s exists already\n  expected: a new file\n  try: -y to replace it",
                       o->output);
    s = tg_background_make(ctx, id, o->background, p->size.width, p->size.height, p->background);
    if (s == TG_OK)
        s = tg_pose_source_open(ctx, id, o->pose, &p->poses);
    if (s == TG_OK) {
        tg_renderer_options r = tg_renderer_defaults(p->size.width, p->size.height, p->size.focal);
        r.cx = p->size.cx;
        r.cy = p->size.cy;
        r.background = p->background;
        s = tg_renderer_create(ctx, id->nerf, &r, &p->renderer);
    }
    if (s == TG_OK && !npy) {
        tg_sink_options k = {.width = p->size.width,
                             .height = p->size.height,
                             .fps_num = 25,
                             .fps_den = 1,
                             .audio_path = audio,
                             .audio_start_s = start_s,
                             .audio_duration_s = duration_s,
                             .crf = o->crf,
                             .overwrite = o->overwrite};
        s = tg_sink_open(ctx, o->output, &k, &p->sink);
    }
    p->job.sink = p->sink;
    return s;
}

static tg_status render_frames(tg_context *ctx, window *w, portrait *p, int64_t frames) {
    tg_progress(ctx, "render", 0, (double)frames, NULL);
    tg_status s = start(ctx, w);
    size_t pixels = (size_t)p->size.width * (size_t)p->size.height * 3;
    for (int64_t i = 0; s == TG_OK && i < frames; i++) {
        s = slide(ctx, w);
        if (s == TG_OK)
            s = tg_cancelled(ctx);
        if (s != TG_OK)
            break;
        float c2w[16];
        tg_pose_source_at(p->poses, i, c2w);
        if (p->pose_rows)
            memcpy(p->pose_rows + 16 * i, c2w, sizeof c2w);
        uint8_t *rgb = p->rgb[i & 1];
        tg_picture picture = {.rgb8 = rgb,
                              .rgb = p->floats ? p->floats + (size_t)i * pixels : NULL};
        s = tg_renderer_frame(ctx, p->renderer, w->frame[0], c2w, &picture);
        if (s == TG_OK && p->sink) {
            tg_task_wait(p->task);
            s = p->job.status;
            if (s != TG_OK) {
                s = tg_fail(ctx, s, "%s", tg_message(p->job.ctx));
                break;
            }
            p->job.rgb = rgb;
            tg_task_start(p->task, write_frame, &p->job);
        }
        tg_progress(ctx, "render", (double)(i + 1), (double)frames, NULL);
    }
    tg_task_wait(p->task);
    if (s == TG_OK && p->job.status != TG_OK)
        s = tg_fail(ctx, p->job.status, "%s", tg_message(p->job.ctx));
    return s;
}

tg_status tg_render_motion(tg_context *ctx, const tg_identity *identity, tg_motion_source *motion,
                           const tg_portrait_options *options, const char *audio, double start_s,
                           double duration_s, tg_synth_report *report) {
    double began = tg_now_s();
    int64_t frames = tg_motion_source_frames(motion);
    memset(report, 0, sizeof *report);
    portrait p = {0};
    window *w = calloc(1, sizeof *w);
    tg_status s = w ? portrait_open(ctx, identity, frames, options, audio, start_s, duration_s, &p)
                    : tg_fail(ctx, TG_ENOMEM, "out of memory for a rendering");
    if (s == TG_OK) {
        w->source = motion;
        w->id = identity;
        s = render_frames(ctx, w, &p, frames);
    }
    if (s == TG_OK && options->pose_out)
        s = tg_npy_write(ctx, options->pose_out, 3, (int64_t[]){frames, 4, 4}, p.pose_rows);
    if (s == TG_OK && p.floats)
        s = tg_npy_write(ctx, options->output, 4,
                         (int64_t[]){frames, p.size.height, p.size.width, 3}, p.floats);
    if (s == TG_OK && p.sink) {
        tg_sink_frame_hash(p.sink, report->frame_hash);
        s = tg_sink_finish(ctx, &p.sink);
    }
    report->frames = frames;
    report->audio_s = (double)frames / 25;
    report->wall_s = tg_now_s() - began;
    portrait_free(&p);
    free(w);
    return s;
}
