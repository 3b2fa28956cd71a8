#include "studio/melody.h"

#include "studio/dice.h"
#include "talkgen/speech.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum {
    UNVOICED_HOP = 80, /* samples between marks where there is no pitch: 5 ms */
    LONGEST_PERIOD = 320
};
static const double longest_vowel_s = 1.1, glide_s = 0.05;
static const double vibrato_hz = 5.6, vibrato_depth = 0.018, vibrato_after_s = 0.22;

/* One phone on both clocks, and the note it is sung on (Hz, 0 = its own pitch). */
typedef struct {
    double from, to;         /* s in the recording */
    double new_from, new_to; /* s in the result */
    double note;
} stretch;

typedef struct {
    const tg_melody *melody;
    const tg_speech *in;
    stretch *part;
    int parts;
    float *f0; /* Hz per 10 ms, 0 = unvoiced */
    int64_t frames;
    double first_s;
    int64_t *mark; /* samples, ascending; the moments of greatest amplitude where there is pitch */
    int marks;
} voice_over;

static double f0_at(const voice_over *v, double s) {
    int64_t i = (int64_t)lround((s - v->first_s) / 0.01);
    i = i < 0 ? 0 : i >= v->frames ? v->frames - 1 : i;
    return v->frames > 0 ? (double)v->f0[i] : 0;
}

static int by_value(const void *a, const void *b) {
    float x = *(const float *)a, y = *(const float *)b;
    return (x > y) - (x < y);
}

static double median_f0(const voice_over *v) {
    float *voiced = tg_alloc((size_t)(v->frames + 1) * sizeof *voiced);
    int n = 0;
    for (int64_t i = 0; voiced && i < v->frames; i++)
        if (v->f0[i] > 0)
            voiced[n++] = v->f0[i];
    double median = 120;
    if (n > 0) {
        qsort(voiced, (size_t)n, sizeof *voiced, by_value);
        median = (double)voiced[n / 2];
    }
    tg_free(voiced);
    return median;
}

/* A walk on the major pentatonic scale about the voice's own pitch: one note for every vowel, and
 * vowels two to four times as long. */
static void compose(voice_over *v) {
    static const int scale[] = {-10, -8, -5, -3, 0, 2, 4, 7, 9, 12};
    tg_dice d = tg_dice_make(v->melody->seed, "", "song");
    double tonic = v->melody->pitch * median_f0(v) * pow(2, tg_roll_between(&d, -2, 3) / 12);
    double slow = tg_roll_between(&d, 1.6f, 3.5f);
    int step = 4;
    for (int i = 0; i < v->parts; i++) {
        tg_phone_kind kind = tg_phone_kind_of(v->in->phones.phone[i].name);
        stretch *p = &v->part[i];
        double length = p->to - p->from;
        if (kind == TG_PHONE_VOWEL) {
            step += (int)(tg_roll(&d) * 5) - 2;
            step = step < 0 ? 0 : step > 9 ? 9 : step;
            length = fmin(length * slow * tg_roll_between(&d, 0.7f, 1.5f),
                          fmax(length, longest_vowel_s));
        } else if (kind == TG_PHONE_NASAL || kind == TG_PHONE_LIQUID) {
            length *= 1.2;
        }
        p->note = tonic * pow(2, scale[step] / 12.0);
        p->new_to = length; /* for now */
    }
}

static void lay_out(voice_over *v) {
    double at = 0;
    for (int i = 0; i < v->parts; i++) {
        double length = v->part[i].new_to;
        v->part[i].new_from = at;
        v->part[i].new_to = at += length;
    }
}

/* F0 of the result at `s` of its own clock, which lies in part i. `own` is that of the recording.
 */
static double target_f0(const voice_over *v, int i, double s, double own) {
    if (!v->melody->sung)
        return own * v->melody->pitch;
    const stretch *p = &v->part[i];
    double note = p->note, inside = s - p->new_from;
    if (i > 0 && inside < glide_s)
        note = v->part[i - 1].note * pow(note / v->part[i - 1].note, inside / glide_s);
    if (inside > vibrato_after_s)
        note *= 1 + vibrato_depth * sin(2 * M_PI * vibrato_hz * s);
    return note;
}

/* ---- marks ---------------------------------------------------------------------------- */

static int64_t peak_near(const voice_over *v, int64_t at, int64_t reach) {
    int64_t best = at;
    for (int64_t i = at - reach; i <= at + reach; i++)
        if (i >= 0 && i < v->in->count && v->in->samples[i] > v->in->samples[best])
            best = i;
    return best;
}

static bool find_marks(voice_over *v) {
    v->mark = tg_alloc((size_t)(v->in->count / 16 + 2) * sizeof *v->mark);
    if (!v->mark)
        return false;
    bool voiced = false;
    for (int64_t at = 0; at < v->in->count;) {
        double hz = f0_at(v, (double)at / TG_STUDIO_RATE);
        int64_t period = hz > 0 ? (int64_t)(TG_STUDIO_RATE / hz) : 0;
        if (period > 0) {
            /* The first of a stretch is searched over a whole period, the next near their place. */
            int64_t mark =
                peak_near(v, voiced ? at : at + period / 2, voiced ? period / 8 + 1 : period / 2);
            if (v->marks > 0 && mark < v->mark[v->marks - 1] + period / 2)
                mark = v->mark[v->marks - 1] + period;
            v->mark[v->marks++] = mark;
            at = mark + period;
        } else {
            v->mark[v->marks++] = at;
            at += UNVOICED_HOP;
        }
        voiced = period > 0;
    }
    return true;
}

/* ---- synthesis -------------------------------------------------------------------------- */

/* Adds the two periods about a mark at `to` of the result. */
static void add_grain(const voice_over *v, int64_t mark, int64_t half, int64_t to, float *out,
                      float *weight, int64_t n) {
    for (int64_t k = -half; k <= half; k++) {
        int64_t from = mark + k, at = to + k;
        if (from < 0 || from >= v->in->count || at < 0 || at >= n)
            continue;
        float w = (float)(0.5 + 0.5 * cos(M_PI * (double)k / (double)(half + 1)));
        out[at] += w * v->in->samples[from];
        weight[at] += w;
    }
}

static void overlap_add(const voice_over *v, float *out, float *weight, int64_t n) {
    int part = 0, nearest = 0;
    for (double to = 0; to < (double)n;) {
        double s = to / TG_STUDIO_RATE;
        while (part + 1 < v->parts && s >= v->part[part].new_to)
            part++;
        const stretch *p = &v->part[part];
        double share = p->new_to > p->new_from ? (s - p->new_from) / (p->new_to - p->new_from) : 0;
        double from = (p->from + fmin(share, 1) * (p->to - p->from)) * TG_STUDIO_RATE;
        while (nearest + 1 < v->marks &&
               fabs((double)v->mark[nearest + 1] - from) <= fabs((double)v->mark[nearest] - from))
            nearest++;
        double own = f0_at(v, from / TG_STUDIO_RATE);
        int64_t half = own > 0 ? (int64_t)(TG_STUDIO_RATE / own) : UNVOICED_HOP;
        half = half > LONGEST_PERIOD ? LONGEST_PERIOD : half;
        add_grain(v, v->mark[nearest], half, (int64_t)lround(to), out, weight, n);
        to += own > 0 ? TG_STUDIO_RATE / target_f0(v, part, s, own) : UNVOICED_HOP;
    }
    /* Where periods move apart or together the windows no longer sum to one. Gaps stay gaps. */
    for (int64_t i = 0; i < n; i++)
        out[i] /= fmaxf(weight[i], 0.35f);
}

static tg_status prepare(tg_context *ctx, voice_over *v) {
    tg_pitch_config config = tg_pitch_defaults();
    config.time_step = 0.01;
    config.floor_hz = 60;
    config.ceiling_hz = 500;
    v->frames = tg_pitch_frames(&config, TG_STUDIO_RATE, v->in->count, &v->first_s);
    v->frames = v->frames < 0 ? 0 : v->frames;
    v->parts = v->in->phones.count;
    v->f0 = tg_alloc((size_t)(v->frames + 1) * sizeof *v->f0);
    v->part = tg_calloc((size_t)(v->parts + 1) * sizeof *v->part);
    if (!v->f0 || !v->part)
        return tg_fail(ctx, TG_ENOMEM, "no memory for speech");
    tg_status status =
        v->frames > 0 ? tg_pitch(ctx, &config, v->in->samples, v->in->count, TG_STUDIO_RATE, v->f0)
                      : TG_OK;
    for (int i = 0; i < v->parts; i++) {
        const tg_segment *p = &v->in->phones.phone[i];
        v->part[i] = (stretch){.from = p->start, .to = p->end, .new_to = p->end - p->start};
    }
    if (status == TG_OK && v->melody->sung)
        compose(v);
    lay_out(v);
    return status == TG_OK && !find_marks(v) ? tg_fail(ctx, TG_ENOMEM, "no memory for speech")
                                             : status;
}

tg_status tg_melody_change(tg_context *ctx, const tg_melody *melody, tg_speech *speech) {
    voice_over v = {.melody = melody, .in = speech};
    float *out = NULL, *weight = NULL;
    if (speech->phones.count == 0 || (!melody->sung && melody->pitch == 1))
        return TG_OK;
    tg_status status = prepare(ctx, &v);
    int64_t n = 0;
    if (status == TG_OK) {
        n = (int64_t)lround(v.part[v.parts - 1].new_to * TG_STUDIO_RATE);
        out = tg_calloc((size_t)(n + 1) * sizeof *out);
        weight = tg_calloc((size_t)(n + 1) * sizeof *weight);
        if (!out || !weight)
            status = tg_fail(ctx, TG_ENOMEM, "no memory for speech");
    }
    if (status == TG_OK) {
        overlap_add(&v, out, weight, n);
        for (int i = 0; i < v.parts; i++) {
            speech->phones.phone[i].start = v.part[i].new_from;
            speech->phones.phone[i].end = v.part[i].new_to;
        }
        tg_free(speech->samples);
        speech->samples = out;
        speech->count = n;
        out = NULL;
        tg_phones_measure(&speech->phones, speech->samples, n);
    }
    tg_free(out);
    tg_free(weight);
    tg_free(v.f0);
    tg_free(v.part);
    tg_free(v.mark);
    return status;
}
