/* The way out of a rendering: one picture is written while the next is rendered. */
#include "systems/frames.h"

#include <stdlib.h>
#include <string.h>

/* One picture on its way to the sink. */
typedef struct {
    tg_context *ctx; /* of the writer alone: messages of two threads do not mix */
    tg_sink *sink;
    const uint8_t *pixels;
    tg_status status;
} write_job;

struct tg_frames {
    tg_frames_options options;
    size_t pixels; /* of a picture */
    int64_t done;
    tg_pool *pool; /* that writes one picture while it renders the next */
    write_job job;
    uint8_t *bytes[2];  /* RGB, or RGBA when transparent */
    float *rgb, *alpha; /* one picture, when transparent */
    float *all;         /* all frames, for .npy */
};

static bool wants_npy(const char *path) {
    size_t n = strlen(path);
    return n > 4 && strcmp(path + n - 4, ".npy") == 0;
}

void tg_frames_close(tg_frames **frames) {
    if (!frames || !*frames)
        return;
    tg_frames *f = *frames;
    tg_pool_wait(f->pool);
    tg_sink_abort(&f->job.sink);
    tg_context_destroy(&f->job.ctx);
    tg_free(f->bytes[0]);
    tg_free(f->bytes[1]);
    tg_free(f->rgb);
    tg_free(f->alpha);
    tg_free(f->all);
    free(f);
    *frames = NULL;
}

static bool allocate(tg_frames *f, bool npy) {
    const tg_frames_options *o = &f->options;
    size_t all;
    f->pixels = (size_t)o->width * (size_t)o->height;
    for (int i = 0; i < 2; i++)
        if (!(f->bytes[i] = tg_alloc(f->pixels * (o->transparent ? 4 : 3))))
            return false;
    if (o->transparent && (!(f->rgb = tg_alloc(f->pixels * 3 * sizeof *f->rgb)) ||
                           !(f->alpha = tg_alloc(f->pixels * sizeof *f->alpha))))
        return false;
    f->job.ctx = tg_context_create(1);
    if (!f->job.ctx)
        return false;
    return !npy || (tg_mul_size(f->pixels * 3 * sizeof(float), (size_t)o->frames, &all) &&
                    (f->all = tg_alloc(all)));
}

tg_status tg_frames_open(tg_context *ctx, const tg_frames_options *o, tg_frames **out) {
    *out = NULL;
    const bool npy = wants_npy(o->path);
    if (npy && o->transparent)
        return tg_fail(ctx, TG_EUSAGE,
                       "%s: this kind of output has no transparency\n"
                       "  expected: a sequence of PNG files\n  try: frame_%%05d.png",
                       o->path);
    if (npy && !o->overwrite && tg_file_exists(o->path))
        return tg_fail(ctx, TG_EUSAGE,
                       "%s exists already\n  expected: a new file\n  try: -y to replace it",
                       o->path);
    tg_frames *f = calloc(1, sizeof *f);
    if (f) {
        f->options = *o;
        f->pool = tg_context_pool(ctx);
    }
    if (!f || !allocate(f, npy)) {
        tg_frames_close(&f);
        return tg_fail(ctx, TG_ENOMEM,
                       "out of memory for %lld frames of %dx%d\n  expected: room for %s\n  try: %s",
                       (long long)o->frames, o->width, o->height,
                       npy ? "all frames as float32" : "a few pictures",
                       npy ? "--duration, or another kind of output" : "a smaller --size");
    }
    tg_status s = TG_OK;
    if (!npy) {
        tg_sink_options k = {.width = o->width,
                             .height = o->height,
                             .channels = o->transparent ? 4 : 3,
                             .fps_num = 25,
                             .fps_den = 1,
                             .audio_path = o->audio,
                             .audio_start_s = o->start_s,
                             .audio_duration_s = o->duration_s,
                             .crf = o->crf,
                             .gop = o->gop,
                             .first_number = o->first_number,
                             .provenance = o->provenance,
                             .ready = o->ready,
                             .ready_user = o->ready_user,
                             .tmp_dir = o->tmp_dir,
                             .overwrite = o->overwrite};
        s = tg_sink_open(ctx, o->path, &k, &f->job.sink);
    }
    if (s != TG_OK)
        tg_frames_close(&f);
    *out = f;
    return s;
}

tg_picture tg_frames_next(tg_frames *f) {
    if (f->options.transparent)
        return (tg_picture){.rgb = f->rgb, .alpha = f->alpha};
    return (tg_picture){.rgb8 = f->bytes[f->done & 1],
                        .rgb = f->all ? f->all + (size_t)f->done * f->pixels * 3 : NULL};
}

/* What is left of the picture without the background behind it, not multiplied by its alpha: rgb =
 * alpha * straight + (1 - alpha) * background. */
static void straighten(const tg_frames *f, uint8_t *out) {
    for (size_t i = 0; i < f->pixels; i++) {
        const float alpha = f->alpha[i] > 1 ? 1 : f->alpha[i];
        out[4 * i + 3] = alpha > 0 ? (uint8_t)(alpha * 255 + 0.5f) : 0;
        for (size_t c = 0; c < 3; c++) {
            const float behind = (float)f->options.background[3 * i + c] / 255 * (1 - alpha);
            float x = alpha > 0 ? (f->rgb[3 * i + c] - behind) / alpha : 0;
            x = x > 0 ? x < 1 ? x : 1 : 0;
            out[4 * i + c] = out[4 * i + 3] > 0 ? (uint8_t)(x * 255) : 0;
        }
    }
}

static void write_frame(void *arg) {
    write_job *job = arg;
    if (job->status == TG_OK)
        job->status = tg_sink_write(job->ctx, job->sink, job->pixels);
}

tg_status tg_frames_wait(tg_context *ctx, tg_frames *f) {
    tg_pool_wait(f->pool);
    if (f->job.status == TG_OK)
        return TG_OK;
    tg_fail(ctx, f->job.status, "%s", tg_message(f->job.ctx));
    tg_set_system_error(ctx, tg_system_error(f->job.ctx));
    return f->job.status;
}

tg_status tg_frames_put(tg_context *ctx, tg_frames *f) {
    uint8_t *bytes = f->bytes[f->done & 1];
    if (f->options.transparent)
        straighten(f, bytes);
    f->done++;
    if (f->all)
        return TG_OK;
    tg_status s = tg_frames_wait(ctx, f);
    if (s == TG_OK) {
        f->job.pixels = bytes;
        tg_pool_start(f->pool, write_frame, &f->job);
    }
    return s;
}

tg_status tg_frames_finish(tg_context *ctx, tg_frames *f, char hash[33]) {
    const tg_frames_options *o = &f->options;
    hash[0] = '\0';
    if (f->all)
        return tg_npy_write(ctx, o->path, 4, (int64_t[]){o->frames, o->height, o->width, 3},
                            f->all);
    tg_sink_frame_hash(f->job.sink, hash);
    return tg_sink_finish(ctx, &f->job.sink);
}
