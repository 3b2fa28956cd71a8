/* A take: one voice reads, one face follows. */
#include <math.h>
#include <stdlib.h>

#include "studio/performance.h"

int64_t tg_performance_frames(int64_t samples) {
    double frames = (double)samples / TG_STUDIO_RATE * TG_VIDEO_FPS;
    return frames < 1 ? 1 : llround(frames);
}

tg_status tg_performance_record(tg_context *ctx, const tg_actor *actor, const tg_voice *voice,
                                const tg_read_options *read, const tg_style *style,
                                tg_performance **out) {
    *out = NULL;
    tg_performance *p = tg_calloc(sizeof *p);
    if (!p)
        return tg_fail(ctx, TG_ENOMEM, "no memory for a performance");
    tg_status status = tg_read_aloud(ctx, voice, read, &p->speech);
    if (status == TG_OK) {
        p->frames = tg_performance_frames(p->speech.count);
        p->state = tg_calloc((size_t)p->frames * sizeof *p->state);
        if (!p->state)
            status = tg_fail(ctx, TG_ENOMEM, "no memory for %lld frames", (long long)p->frames);
    }
    if (status == TG_OK)
        status = tg_articulate(ctx, actor, &p->speech.phones, style, p->frames, p->state);
    if (status == TG_OK)
        tg_behave(actor, &p->speech.phones, style, p->frames, p->state);
    if (status != TG_OK)
        tg_performance_destroy(&p);
    *out = p;
    return status;
}

tg_status tg_performance_create(tg_context *ctx, const tg_actor *actor,
                                const tg_performance_options *options, tg_performance **out) {
    *out = NULL;
    tg_voice voice;
    tg_style style;
    if (options->style)
        style = *options->style;
    else
        tg_style_default(&style);
    style.seed = tg_hash_bytes(&options->seed, sizeof options->seed, style.seed);
    tg_read_options read = {.seconds = options->seconds, .first_pause = 0.8, .seed = options->seed};
    tg_status status = tg_voice_parse(ctx, options->voice ? options->voice : "flite:awb", &voice);
    return status == TG_OK ? tg_performance_record(ctx, actor, &voice, &read, &style, out) : status;
}

void tg_performance_destroy(tg_performance **performance) {
    tg_performance *p = *performance;
    if (!p)
        return;
    tg_speech_free(&p->speech);
    tg_free(p->state);
    tg_free(p);
    *performance = NULL;
}
