/* The small API for programs that embed talkgen. */
#include "talkgen/talkgen.h"

#include "talkgen/systems.h"

#include <stdlib.h>

struct talkgen {
    tg_context *ctx;
    tg_identity *person;
    tg_status status; /* of opening */
    const talkgen_options *running;
};

talkgen *talkgen_open(const char *identity, int threads) {
    talkgen *t = calloc(1, sizeof *t);
    if (!t)
        return NULL;
    t->ctx = tg_context_create(threads);
    t->status = t->ctx ? tg_identity_open(t->ctx, identity, NULL, true, &t->person) : TG_ENOMEM;
    return t;
}

void talkgen_close(talkgen **handle) {
    if (!handle || !*handle)
        return;
    tg_identity_close(&(*handle)->person);
    tg_context_destroy(&(*handle)->ctx);
    free(*handle);
    *handle = NULL;
}

int talkgen_status(const talkgen *handle) {
    return handle ? tg_exit_code(handle->status) : tg_exit_code(TG_ENOMEM);
}

const char *talkgen_message(const talkgen *handle) {
    return handle && handle->ctx ? tg_message(handle->ctx) : "out of memory";
}

talkgen_options talkgen_defaults(void) {
    return (talkgen_options){.seed = 42,
                             .temperature = 0.3f,
                             .pose = "replay",
                             .blink = "replay",
                             .background = "dataset"};
}

static void forward_progress(void *user, const char *stage, double done, double total,
                             const char *text) {
    (void)stage;
    (void)text;
    talkgen *t = user;
    if (done < 1) /* the beginning */
        return;
    if (t->running->progress(t->running->user, (int64_t)done, (int64_t)total) != 0)
        tg_cancel(t->ctx, TG_EINTR);
}

int talkgen_synthesize(talkgen *handle, const char *audio, const char *output,
                       const talkgen_options *options) {
    if (!handle || handle->status != TG_OK)
        return talkgen_status(handle);
    tg_synth_options o = tg_synth_defaults();
    o.motion.audio = audio;
    o.motion.seed = options->seed;
    o.motion.temperature = options->temperature;
    o.motion.start_s = options->start_s;
    o.motion.duration_s = options->duration_s;
    o.portrait.output = output;
    o.portrait.width = options->width;
    o.portrait.height = options->height;
    o.portrait.pose = options->pose;
    o.portrait.background = options->background;
    o.portrait.overwrite = options->overwrite != 0;
    handle->running = options;
    tg_cancel(handle->ctx, TG_OK);
    tg_status s =
        tg_eyes_named(handle->ctx, options->blink ? options->blink : "replay", &o.motion.eyes);
    if (s != TG_OK)
        return tg_exit_code(s);
    tg_context_set_progress(handle->ctx, options->progress ? forward_progress : NULL, handle);
    tg_synth_report report;
    return tg_exit_code(tg_synthesize(handle->ctx, handle->person, &o, &report));
}
