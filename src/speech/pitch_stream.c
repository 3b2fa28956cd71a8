/* F0 of a recording of any length: frames are analysed as the signal passes, and values come out as
 * soon as all paths that can still win agree on them. */
#include "speech/pitch.h"

#include <math.h>
#include <string.h>

enum { RING = 1000, ROW = TG_PITCH_CANDIDATES, CHECK_EVERY = 25, BUFFER = 8192 };

struct tg_f0_stream {
    tg_wave16k *wave;
    tg_pitch_config config;
    tg_pitch_analysis analysis;
    int64_t samples; /* of the recording */
    int64_t padded;  /* with GeneFace's zeros at its end */
    int64_t frames;
    double first_s, mean;

    float buffer[BUFFER]; /* samples from `begin` on */
    int64_t begin, have;
    bool ended;

    int64_t analysed, decided; /* frames */
    tg_pitch_candidate candidates[RING][ROW];
    int counts[RING];
    int16_t back[RING][ROW];
    double score[2][ROW];
    float ready[RING]; /* F0 of decided frames */
    int64_t given;
    float last;
};

/* Length, mean and largest deviation from it, over the zeros at the end as well. */
static tg_status measure(tg_context *ctx, tg_f0_stream *s) {
    double sum = 0, low = 0, high = 0; /* zeros belong to it */
    int64_t got = 0;
    tg_status status;
    while ((status = tg_wave16k_read(ctx, s->wave, s->buffer, BUFFER, &got)) == TG_OK && got > 0) {
        for (int64_t i = 0; i < got; i++) {
            sum += s->buffer[i];
            low = fmin(low, s->buffer[i]);
            high = fmax(high, s->buffer[i]);
        }
        s->samples += got;
    }
    if (status == TG_OK)
        status = tg_wave16k_rewind(ctx, s->wave);
    s->padded = (s->samples / TG_SPEECH_HOP + 1) * TG_SPEECH_HOP;
    s->mean = sum / (double)s->padded;
    s->analysis.global_peak = fmax(high - s->mean, s->mean - low);
    return status;
}

tg_status tg_f0_open(tg_context *ctx, tg_wave16k *wave, tg_f0_stream **out) {
    *out = NULL;
    tg_f0_stream *s = tg_calloc(sizeof *s);
    if (!s)
        return tg_fail(ctx, TG_ENOMEM, "out of memory for a pitch analysis");
    s->wave = wave;
    s->config = tg_pitch_defaults();
    tg_status status = TG_OK;
    if (!tg_pitch_analysis_init(&s->analysis, &s->config, TG_SPEECH_RATE))
        status = tg_fail(ctx, TG_ENOMEM, "out of memory for a pitch analysis");
    if (status == TG_OK)
        status = measure(ctx, s);
    if (status == TG_OK)
        s->frames = tg_pitch_frames(&s->config, TG_SPEECH_RATE, s->padded, &s->first_s);
    if (status != TG_OK)
        tg_f0_close(&s);
    *out = s;
    return status;
}

void tg_f0_close(tg_f0_stream **stream) {
    if (!stream || !*stream)
        return;
    tg_pitch_analysis_free(&(*stream)->analysis);
    tg_free(*stream);
    *stream = NULL;
}

/* Samples up to `end` into the buffer; those before `begin` are no longer needed. */
static tg_status fill(tg_context *ctx, tg_f0_stream *s, int64_t begin, int64_t end) {
    if (begin > s->begin && s->begin + s->have < end) {
        int64_t drop = begin - s->begin < s->have ? begin - s->begin : s->have;
        memmove(s->buffer, s->buffer + drop, (size_t)(s->have - drop) * sizeof *s->buffer);
        s->begin += drop;
        s->have -= drop;
    }
    while (s->begin + s->have < end) {
        int64_t room = BUFFER - s->have, got = 0;
        tg_status status = TG_OK;
        if (!s->ended)
            status = tg_wave16k_read(ctx, s->wave, s->buffer + s->have, room, &got);
        if (status != TG_OK)
            return status;
        if (got == 0) { /* the zeros at the end */
            s->ended = true;
            int64_t left = s->padded - s->begin - s->have;
            got = left < room ? left : room;
            if (got <= 0)
                break;
            memset(s->buffer + s->have, 0, (size_t)got * sizeof *s->buffer);
        }
        s->have += got;
    }
    return TG_OK;
}

static tg_status analyse(tg_context *ctx, tg_f0_stream *s) {
    int64_t t = s->analysed, centre = tg_pitch_centre(&s->analysis, s->first_s, t);
    int64_t half = s->analysis.half, longest = s->analysis.longest;
    int64_t reach = half > longest ? half : longest;
    int64_t end = centre + reach < s->padded ? centre + reach : s->padded;
    tg_status status = fill(ctx, s, centre - reach, end);
    if (status != TG_OK)
        return status;
    int at = (int)(t % RING), before = (int)((t + RING - 1) % RING);
    tg_pitch_candidate *now = s->candidates[at];
    s->counts[at] =
        tg_pitch_frame(&s->analysis, s->buffer, s->have, s->mean, centre - s->begin, now);
    double *to = s->score[t % 2];
    if (t == 0)
        for (int k = 0; k < s->counts[at]; k++)
            to[k] = now[k].strength;
    else
        tg_pitch_step(&s->config, s->candidates[before], s->counts[before], s->score[(t + 1) % 2],
                      now, s->counts[at], to, s->back[at]);
    s->analysed++;
    return TG_OK;
}

/* Writes the path that goes back from candidate `place` of frame t, down to the first frame that is
 * not decided, into ready; frames after `decided` are dropped by the caller. */
static void write_path(tg_f0_stream *s, int64_t t, int place) {
    for (; t >= s->decided; t--) {
        int at = (int)(t % RING);
        s->ready[at] = (float)s->candidates[at][place].hz;
        if (t > 0)
            place = s->back[at][place];
    }
}

/* Decides frames: all of them at the end, otherwise those before which all paths are one. */
static void decide(tg_f0_stream *s) {
    int64_t t = s->analysed - 1;
    const double *score = s->score[t % 2];
    int count = s->counts[t % RING], best = 0;
    for (int k = 1; k < count; k++)
        if (score[k] > score[best])
            best = k;
    if (s->analysed == s->frames) {
        write_path(s, t, best);
        s->decided = s->frames;
        return;
    }
    int place[ROW], same = 0;
    for (int k = 0; k < count; k++)
        place[k] = k;
    for (; t >= s->decided && !same; t--) {
        same = 1;
        for (int k = 1; k < count; k++)
            same = same && place[k] == place[0];
        if (same)
            break;
        for (int k = 0; k < count; k++)
            place[k] = s->back[t % RING][place[k]];
    }
    if (same && t >= s->decided) {
        write_path(s, t, place[0]);
        s->decided = t + 1;
    } else if (s->analysed - s->decided == RING) { /* no room to wait any longer */
        int64_t keep = s->decided;
        write_path(s, s->analysed - 1, best);
        s->decided = keep + 1;
    }
}

static tg_status next_value(tg_context *ctx, tg_f0_stream *s, float *hz) {
    if (s->analysis.global_peak == 0 || s->given == s->frames) {
        *hz = s->last;
        return TG_OK;
    }
    while (s->decided == s->given) {
        tg_status status = analyse(ctx, s);
        if (status != TG_OK)
            return status;
        if (s->analysed % CHECK_EVERY == 0 || s->analysed == s->frames ||
            s->analysed - s->decided == RING)
            decide(s);
    }
    *hz = s->last = s->ready[s->given++ % RING];
    return TG_OK;
}

tg_status tg_f0_next(tg_context *ctx, tg_f0_stream *s, float *hz, int64_t n) {
    tg_status status = TG_OK;
    for (int64_t i = 0; i < n && status == TG_OK; i++)
        status = next_value(ctx, s, &hz[i]);
    return status;
}
