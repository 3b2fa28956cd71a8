/* Head and eyes of one person, made from a recording of speech. */
#include "systems/behaviour_source.h"

#include "systems/voice.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

_Static_assert((int)TG_PROSODY_DIM == (int)TG_HEARD_DIM, "what is heard is prosody");

/* A minute in which a person did not move says nothing about how they do. */
enum { FEWEST_POSES = 50 };
/* A person blinks at most so much more or less than the model's speakers. */
static const float most_often = 2.5f, most_slow = 1.6f;

struct tg_behaviour_source {
    tg_behaviour *model;
    tg_prosody *heard;
    tg_behaviour_stream *stream;
    tg_pose_stats pose;
    tg_eyelid_stats lids;
    float gain;
};

static tg_status hear(tg_context *ctx, void *user, float row[TG_HEARD_DIM], bool *done) {
    return tg_prosody_next(ctx, user, row, done);
}

static tg_status know_head(tg_context *ctx, const tg_identity *id, tg_pose_stats *out) {
    if (id->poses < FEWEST_POSES)
        return tg_fail(
            ctx, TG_EMODEL,
            "--pose auto: the recording of '%s' has %lld head poses, too few to know how "
            "this person moves\n  expected: at least %d\n  try: --pose replay",
            id->name, (long long)id->poses, FEWEST_POSES);
    return tg_pose_stats_of(id->pose, id->poses, out)
               ? TG_OK
               : tg_fail(ctx, TG_ENOMEM, "out of memory for head poses");
}

static bool can_know_eyes(const tg_identity *id) {
    return id->eyes && !id->idexp;
}

static tg_status know_eyes(tg_context *ctx, const tg_identity *id, tg_eyelid_stats *out) {
    if (!can_know_eyes(id))
        return tg_fail(ctx, TG_EMODEL,
                       "--blink auto: '%s' does not say where this person's eyelids are\n"
                       "  expected: recorded eyes (scene.eyes) and the mean face\n"
                       "  try: --blink replay, still or model",
                       id->name);
    float *points = tg_alloc((size_t)id->poses * TG_EYE_DIM * sizeof *points);
    if (!points)
        return tg_fail(ctx, TG_ENOMEM, "out of memory for eyelids");
    for (int64_t i = 0; i < id->poses * TG_EYE_DIM; i++)
        points[i] = id->lm_mean[3 * 36 + i % TG_EYE_DIM] + id->eyes[i] / 10;
    bool ok = tg_eyelid_stats_of(points, id->poses, out);
    tg_free(points);
    return ok ? TG_OK : tg_fail(ctx, TG_ENOMEM, "out of memory for eyelids");
}

static float within(float x, float factor) {
    return fminf(fmaxf(x, 1 / factor), factor);
}

static float gain_of(float given) {
    return given < 0 ? 0 : given > 0 ? given : 1;
}

tg_status tg_behaviour_check(tg_context *ctx, const tg_identity *id, int what) {
    tg_pose_stats pose;
    tg_eyelid_stats lids;
    tg_behaviour *model = NULL;
    tg_status s = tg_voice_behaviour(ctx, id, &model);
    if (s == TG_OK && what & TG_BEHAVE_HEAD)
        s = know_head(ctx, id, &pose);
    if (s == TG_OK && what & TG_BEHAVE_EYES)
        s = know_eyes(ctx, id, &lids);
    tg_behaviour_destroy(&model);
    return s;
}

tg_status tg_behaviour_source_open(tg_context *ctx, const tg_identity *id, int what,
                                   const tg_behaviour_options *o, tg_behaviour_source **out) {
    *out = NULL;
    if (!o->audio)
        return tg_fail(ctx, TG_EUSAGE,
                       "--pose auto and --blink auto are made from the sound of the speech\n"
                       "  expected: --audio FILE\n  try: --pose replay --blink replay");
    tg_behaviour_source *b = calloc(1, sizeof *b);
    if (!b)
        return tg_fail(ctx, TG_ENOMEM, "out of memory for head and eyes");
    const tg_wave_range range = {o->start_s, o->duration_s};
    tg_status s = tg_voice_behaviour(ctx, id, &b->model);
    if (s == TG_OK && what & TG_BEHAVE_HEAD)
        s = know_head(ctx, id, &b->pose);
    /* How often this person blinks decides a little of the head too: known whenever it can be. */
    if (s == TG_OK && (what & TG_BEHAVE_EYES || can_know_eyes(id)))
        s = know_eyes(ctx, id, &b->lids);
    if (s == TG_OK)
        s = tg_prosody_open(ctx, o->audio, &range, &b->heard);
    if (s == TG_OK) {
        const float *usual =
            tg_params_find(tg_behaviour_params(b->model), "scale.blink")->value->data;
        const tg_eyelid_stats *lids = &b->lids;
        tg_behaviour_sampling how = {.seed = o->seed,
                                     .clip_id = o->clip_id,
                                     .blink_rate = gain_of(o->blink_gain),
                                     .blink_length = 1,
                                     .hear = hear,
                                     .user = b->heard};
        if (lids->seen && usual[0] > 0 && usual[1] > 0) {
            how.blink_rate *= within(lids->per_minute / usual[0], most_often);
            how.blink_length = within(lids->length / usual[1], most_slow);
        }
        b->gain = gain_of(o->pose_gain);
        s = tg_behaviour_stream_open(ctx, b->model, &how, &b->stream);
    }
    if (s != TG_OK)
        tg_behaviour_source_close(&b);
    *out = b;
    return s;
}

void tg_behaviour_source_close(tg_behaviour_source **source) {
    if (!source || !*source)
        return;
    tg_behaviour_stream_close(&(*source)->stream);
    tg_prosody_close(&(*source)->heard);
    tg_behaviour_destroy(&(*source)->model);
    free(*source);
    *source = NULL;
}

tg_status tg_behaviour_source_pose(tg_context *ctx, tg_behaviour_source *b, float c2w[16]) {
    tg_behaviour_frame frame;
    tg_status s = tg_behaviour_stream_next(ctx, b->stream, &frame);
    if (s != TG_OK)
        return s;
    for (int k = 0; k < TG_POSE_DIM; k++)
        frame.pose[k] *= b->gain;
    tg_pose_c2w(&b->pose, frame.pose, c2w);
    return TG_OK;
}

tg_status tg_behaviour_source_eyes(tg_context *ctx, tg_behaviour_source *b,
                                   float points[TG_EYE_DIM]) {
    tg_behaviour_frame frame;
    tg_status s = tg_behaviour_stream_next(ctx, b->stream, &frame);
    if (s == TG_OK)
        tg_eyelid_points(&b->lids, frame.lid, frame.closure, points);
    return s;
}

tg_status tg_behaviour_source_closure(tg_context *ctx, tg_behaviour_source *b, float *closure) {
    tg_behaviour_frame frame;
    tg_status s = tg_behaviour_stream_next(ctx, b->stream, &frame);
    if (s == TG_OK)
        *closure = frame.closure;
    return s;
}
