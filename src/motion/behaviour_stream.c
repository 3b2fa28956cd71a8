/* Behaviour of a clip, frame by frame: the model draws a control point every fourth frame, the
 * spline gives the frames between. */
#include "talkgen/motion.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum {
    D = TG_DRAWN_DIM,
    SPAN = 4,    /* control points of a frame */
    SETTLE = 50, /* steps before the clip, 8 s in which the head finds some place */
    RING = 32,   /* rows kept, at least TG_HEARD_FRAMES */
    BLINKS = 4   /* kept until they are over */
};
/* Control points stay this near, whatever the noise. */
static const float farthest = 5;
/* Seconds of a blink, and from one to the next. */
static const double shortest = 0.1, longest = 0.8, gap = 0.04;

struct tg_behaviour_stream {
    tg_behaviour *model;
    tg_behaviour_sampling how;
    const float *scale; /* [7] deviation of a step */
    tg_tape *tape;
    tg_rng noise, error, pick, start, length;
    float ring[RING * TG_HEARD_DIM];
    int64_t rows; /* heard */
    bool ended;
    tg_behaviour_past past;
    int64_t step;          /* drawn next: stands at frame (step - 1) TG_STEP_FRAMES */
    float point[SPAN * D]; /* the newest last */
    tg_blink blink[BLINKS];
    int blinks;
    int64_t frame;
};

/* ---- hearing --------------------------------------------------------------------------- */

static tg_status hear_until(tg_context *ctx, tg_behaviour_stream *s, int64_t end) {
    while (s->rows < end && !s->ended) {
        float *row = s->ring + s->rows % RING * TG_HEARD_DIM;
        tg_status status = s->how.hear(ctx, s->how.user, row, &s->ended);
        if (status != TG_OK)
            return status;
        s->rows += !s->ended;
    }
    return TG_OK;
}

/* Rows [first, first + TG_HEARD_FRAMES); the first and the last one stand for what is not there. */
static void rows_at(const tg_behaviour_stream *s, int64_t first, float *out) {
    for (int i = 0; i < TG_HEARD_FRAMES; i++) {
        int64_t at = first + i < 0 ? 0 : first + i < s->rows ? first + i : s->rows - 1;
        memcpy(out + i * TG_HEARD_DIM, s->ring + at % RING * TG_HEARD_DIM,
               TG_HEARD_DIM * sizeof *out);
    }
}

/* ---- drawing ------------------------------------------------------------------------------- */

static double blink_end(const tg_behaviour_stream *s) {
    const tg_blink *last = &s->blink[BLINKS - 1];
    return last->onset + last->length;
}

static void maybe_blink(tg_behaviour_stream *s, const tg_behaviour_draw *draw, uint64_t index) {
    double at = (double)(s->step - 1) * TG_STEP_FRAMES / 25;
    double odds = fmin(0.5, (double)s->how.blink_rate * (double)draw->blink);
    /* one number for whether and when: what is below the odds is uniform again */
    double u = (double)tg_rng_uniform(&s->start, index);
    if (!(u < odds))
        return;
    double onset = at + u / odds * TG_STEP_FRAMES / 25;
    if (onset < blink_end(s) + gap)
        return;
    double log_length = (double)draw->length_mean +
                        (double)draw->length_deviation * (double)tg_rng_normal(&s->length, index);
    double length = (double)s->how.blink_length * exp(log_length);
    length = fmin(fmax(length, shortest), longest);
    memmove(s->blink, s->blink + 1, (BLINKS - 1) * sizeof *s->blink);
    s->blink[BLINKS - 1] = (tg_blink){onset, length};
    s->past.since_blink = (float)(at + TG_STEP_FRAMES / 25.0 - onset);
}

static tg_status draw_point(tg_context *ctx, tg_behaviour_stream *s) {
    int64_t frame = (s->step - 1) * TG_STEP_FRAMES;
    uint64_t index = (uint64_t)(s->step + SETTLE);
    const tg_behaviour_config *config = tg_behaviour_config_of(s->model);
    float rows[TG_HEARD_FRAMES * TG_HEARD_DIM], inputs[TG_BEHAVIOUR_INPUTS], z[D], now[D];
    tg_status status = hear_until(ctx, s, frame - TG_HEARD_BEFORE + TG_HEARD_FRAMES);
    if (status == TG_OK && s->rows == 0)
        status = hear_until(ctx, s, 1);
    if (status == TG_OK && s->rows == 0)
        status = tg_fail(ctx, TG_EINPUT,
                         "there is nothing to hear\n  expected: a recording\n  try: another file");
    if (status != TG_OK)
        return status;
    rows_at(s, frame - TG_HEARD_BEFORE, rows);
    tg_behaviour_inputs(config, &s->past, rows, config->noise, inputs);
    tg_rng_fill_normal(&s->noise, index * D, z, D);
    tg_behaviour_draw draw;
    tg_tape_reset(s->tape);
    float pick = tg_rng_uniform(&s->pick, index);
    status = tg_behaviour_step(s->tape, s->model, inputs, z, pick, &draw);
    if (status != TG_OK)
        return status;
    const float *last = s->past.past + TG_PAST_STEPS * D;
    for (int k = 0; k < D; k++)
        now[k] = fminf(fmaxf(last[k] + draw.step[k], -farthest), farthest);
    memmove(s->point, s->point + D, (SPAN - 1) * D * sizeof *s->point);
    memcpy(s->point + (SPAN - 1) * D, now, sizeof now);
    /* what the next step sees of this one */
    tg_rng_fill_normal(&s->error, index * D, z, D);
    for (int k = 0; k < D; k++)
        now[k] += config->noise * s->scale[k] * z[k];
    tg_behaviour_advance(&s->past, now);
    maybe_blink(s, &draw, index);
    s->step++;
    return TG_OK;
}

/* ---- the stream ------------------------------------------------------------------------------ */

tg_status tg_behaviour_stream_open(tg_context *ctx, tg_behaviour *model,
                                   const tg_behaviour_sampling *sampling,
                                   tg_behaviour_stream **out) {
    *out = NULL;
    tg_behaviour_stream *s = calloc(1, sizeof *s);
    if (!s)
        return tg_fail(ctx, TG_ENOMEM, "out of memory for the behaviour model");
    const char *clip = sampling->clip_id ? sampling->clip_id : "";
    s->model = model;
    s->how = *sampling;
    s->scale = tg_params_find(tg_behaviour_params(model), "scale.step")->value->data;
    s->noise = tg_rng_make(sampling->seed, clip, "behaviour.z");
    s->error = tg_rng_make(sampling->seed, clip, "behaviour.error");
    s->pick = tg_rng_make(sampling->seed, clip, "behaviour.pick");
    s->start = tg_rng_make(sampling->seed, clip, "behaviour.blink");
    s->length = tg_rng_make(sampling->seed, clip, "behaviour.length");
    s->step = -SETTLE;
    s->past.since_blink = 2;
    for (int i = 0; i < BLINKS; i++)
        s->blink[i] = (tg_blink){-1e9, 0};
    s->tape = tg_tape_create(ctx, false);
    tg_status status =
        s->tape ? TG_OK : tg_fail(ctx, TG_ENOMEM, "out of memory for the behaviour model");
    while (status == TG_OK && s->step < SPAN)
        status = draw_point(ctx, s);
    if (status != TG_OK)
        tg_behaviour_stream_close(&s);
    *out = s;
    return status;
}

void tg_behaviour_stream_close(tg_behaviour_stream **stream) {
    if (!stream || !*stream)
        return;
    tg_tape_destroy(&(*stream)->tape);
    free(*stream);
    *stream = NULL;
}

tg_status tg_behaviour_stream_next(tg_context *ctx, tg_behaviour_stream *s,
                                   tg_behaviour_frame *out) {
    while (s->step < s->frame / TG_STEP_FRAMES + SPAN) {
        tg_status status = draw_point(ctx, s);
        if (status != TG_OK)
            return status;
    }
    float value[D];
    tg_spline_value(s->point, s->frame, value);
    memcpy(out->pose, value, sizeof out->pose);
    out->lid = value[TG_POSE_DIM];
    out->closure = 0;
    for (int i = 0; i < BLINKS; i++) {
        double since = (double)s->frame / 25 - s->blink[i].onset;
        if (s->blink[i].length > 0)
            out->closure = fmaxf(out->closure, tg_blink_closure(since, s->blink[i].length));
    }
    s->frame++;
    return TG_OK;
}
