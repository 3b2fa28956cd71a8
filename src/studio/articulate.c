/* Phones -> mouth. Every phone contributes its viseme with a bell around its time, high by the
 * viseme's dominance; the weights of a moment are shared out among the bells there (dominance
 * blending after Cohen and Massaro, 1993). Weak consonants so take the shape of their vowels, and
 * rounding begins early. Lips that must meet (P B M, F V, W) are no matter of shares: they have
 * masks of their own that push everything else aside until the burst. So has the tip of the tongue,
 * which must reach the teeth or the ridge behind them (T D N, L, TH, S) whatever the jaw is doing
 * for the vowels around; it moves nothing that is seen outside the mouth.
 *
 * Tracks run at 200 Hz and are sampled at the middle of each video frame. A moving average of 60 ms
 * is at the same time the rate limit: no weight makes its full way in less.
 */
#include <math.h>
#include <string.h>

#include "studio/performance.h"

enum {
    STEPS_PER_FRAME = 8,
    RATE = TG_VIDEO_FPS * STEPS_PER_FRAME, /* 200 Hz */
    SMOOTH = 12                            /* steps = 60 ms */
};

/* Seconds. */
static const double round_early = 0.070; /* how much earlier rounding begins than other shapes */
static const double seal_ramp = 0.060;   /* the way to and from a closure */
static const double seal_least = 0.045;  /* a closure must be seen by a frame of 40 ms */
static const double tip_ramp = 0.055;    /* the way of the tongue's tip to and from its contact */
static const double pause_least = 0.180; /* shorter silences do not close the mouth by force */

/* How one utterance of a sound differs from the next: the standard deviations at variety 1. What is
 * said comes out of it unharmed, since closures do not take part: they are complete or not there.
 */
static const double shape_scatter = 0.16, dominance_scatter = 0.35, reach_scatter = 0.20;
static const double early_scatter_s = 0.012;               /* of beginning and end */
static const double effort_scatter = 0.14, effort_s = 1.7; /* drift of how hard somebody tries */

typedef struct {
    double shape, dominance, reach; /* factors */
    double begin, end;              /* s to add */
} manner;

typedef struct {
    const tg_actor *actor;
    const tg_style *style;
    tg_rng chance;
    int visemes;
    int64_t steps;
    float *blend; /* [visemes, steps] dominance times bell times weight */
    float *total; /* [steps] dominance times bell */
    float *seal;  /* [visemes, steps] masks of closures, 0..1; only those of sealing visemes */
    float *still; /* [steps] mask of pauses */
    float *tip;   /* [visemes, steps] masks of the tongue's tip; only of visemes that need it */
} tracks;

/* Rises from 0 at a - before to 1 at a + inner, falls from 1 at b - inner to 0 at b + after. */
static double bell(double t, double a, double b, double before, double after) {
    double half = 0.5 * (b - a);
    double rise_end = a + fmin(before, half), fall_begin = b - fmin(after, half);
    double x = 1;
    if (t < rise_end)
        x = (t - (a - before)) / (rise_end - (a - before));
    else if (t > fall_begin)
        x = (b + after - t) / (b + after - fall_begin);
    return x <= 0 ? 0 : 0.5 - 0.5 * cos(M_PI * fmin(x, 1));
}

/* Straight flanks of `ramp` outside [a, b]: their slope is the rate limit. */
static double trapezoid(double t, double a, double b, double ramp) {
    double outside = t < a ? a - t : t > b ? t - b : 0;
    return outside >= ramp ? 0 : 1 - outside / ramp;
}

static void step_range(const tracks *k, double from, double to, int64_t *begin, int64_t *end) {
    *begin = (int64_t)floor(from * RATE);
    *end = (int64_t)ceil(to * RATE) + 1;
    if (*begin < 0)
        *begin = 0;
    if (*end > k->steps)
        *end = k->steps;
}

static void add_bell(tracks *k, int viseme, double a, double b, double before, double after,
                     double dominance, double weight) {
    int64_t begin, end;
    step_range(k, a - before, b + after, &begin, &end);
    float *track = k->blend + viseme * k->steps;
    for (int64_t i = begin; i < end; i++) {
        double share = dominance * bell((double)i / RATE, a, b, before, after);
        track[i] += (float)(share * weight);
        k->total[i] += (float)share;
    }
}

static void add_mask(tracks *k, float *mask, double a, double b, double ramp, double strength) {
    int64_t begin, end;
    step_range(k, a - ramp, b + ramp, &begin, &end);
    for (int64_t i = begin; i < end; i++)
        mask[i] = fmaxf(mask[i], (float)(strength * trapezoid((double)i / RATE, a, b, ramp)));
}

static bool is(const tg_shape *shape, const char *name) {
    return !strcmp(shape->name, name);
}

static bool is_rounded(const tg_shape *shape) {
    return is(shape, "UW") || is(shape, "OW") || is(shape, "AO") || is(shape, "UH") ||
           is(shape, "SH") || is(shape, "RR") || is(shape, "WW");
}

/* Loud vowels open further; quiet ones, the reduced vowels among them, less. */
static double vowel_weight(const tg_style *style, const tg_segment *p) {
    double loud = 0.6 + 0.4 * p->level;
    return style->opening * (loud < 0.7 ? 0.7 : loud > 1.15 ? 1.15 : loud);
}

/* Effort at time t: a slow random walk between cosine steps. */
static double effort(const tracks *k, double t) {
    double at = t / effort_s, share = 0.5 - 0.5 * cos(M_PI * (at - floor(at)));
    uint64_t knot = (1ull << 40) + (uint64_t)floor(at);
    return (1 - share) * tg_rng_normal(&k->chance, knot) +
           share * tg_rng_normal(&k->chance, knot + 1);
}

/* A function of the seed and the number of the phone. */
static manner draw_manner(const tracks *k, const tg_segment *p, int number) {
    double v = k->style->variety;
    if (v <= 0)
        return (manner){.shape = 1, .dominance = 1, .reach = 1};
    double n[5];
    for (int i = 0; i < 5; i++)
        n[i] = fmax(-2, fmin(2, tg_rng_normal(&k->chance, 8 * (uint64_t)number + (uint64_t)i)));
    double most = 0.2 * (p->end - p->start);
    double tries = v * effort_scatter * effort(k, 0.5 * (p->start + p->end));
    return (manner){.shape = exp(v * shape_scatter * n[0] + tries),
                    .dominance = exp(v * dominance_scatter * n[1] + tries),
                    .reach = exp(v * reach_scatter * n[2]),
                    .begin = fmax(-most, fmin(most, v * early_scatter_s * n[3])),
                    .end = fmax(-most, fmin(most, v * early_scatter_s * n[4]))};
}

/* P B M, F V and W. True when the viseme is one of these. */
static bool add_seal(tracks *k, int viseme, const tg_segment *p) {
    const tg_shape *shape = tg_actor_viseme(k->actor, viseme);
    if (!is(shape, "PP") && !is(shape, "FF") && !is(shape, "WW"))
        return false;
    float *mask = k->seal + viseme * k->steps;
    double a = p->start, b = p->release;
    if (is(shape, "PP")) {
        if (b - a < seal_least)
            a = b - seal_least; /* never later than the burst */
        add_mask(k, mask, a, b, seal_ramp, 1);
    } else { /* the friction of F and the glide of W begin and end inside the phone */
        double inner = fmin(0.020, 0.25 * (b - a));
        add_mask(k, mask, a + inner, b - inner, seal_ramp * 1.3, is(shape, "WW") ? 0.9 : 1);
    }
    return true;
}

/* Channels that move nothing but the tongue. */
static bool is_tongue(const tg_actor *actor, int channel) {
    return !strncmp(tg_actor_channel_name(actor, channel), "Tongue", 6);
}

static bool needs_tip(const tg_shape *shape) {
    return is(shape, "DD") || is(shape, "LL") || is(shape, "TH") || is(shape, "SS");
}

/* The tongue is quick: it is there for the middle of the phone, one frame at least. */
static void add_tip(tracks *k, int viseme, double a, double b) {
    double middle = 0.5 * (a + b), half = fmax(0.5 * (b - a) - 0.010, 0.020);
    add_mask(k, k->tip + viseme * k->steps, middle - half, middle + half, tip_ramp, 1);
}

static void add_phone(tracks *k, const tg_segment *p, int number) {
    int viseme[3];
    int n = tg_actor_phone(k->actor, TG_PHONES_ARPABET, p->name, viseme);
    tg_phone_kind kind = tg_phone_kind_of(p->name);
    if (kind == TG_PHONE_SILENCE) {
        double length = p->end - p->start;
        if (length >= pause_least) /* closing ends later than the sound, opening begins earlier */
            add_mask(k, k->still, p->start + 0.080, p->end - 0.090, 0.100, 1);
    }
    manner m = draw_manner(k, p, number);
    /* The first part of a diphthong is held for 55 % of its time. */
    double cut = n == 2 ? p->start + 0.55 * (p->end - p->start) : 0;
    for (int i = 0; i < n; i++) {
        const tg_shape *shape = tg_actor_viseme(k->actor, viseme[i]);
        double a = p->start, b = kind == TG_PHONE_STOP ? p->release : p->end;
        if (n == 2)
            a = i == 0 ? p->start : cut, b = i == 0 ? cut : p->end;
        if (n == 3) {
            a = p->start + i * (p->end - p->start) / 3;
            b = a + (p->end - p->start) / 3;
        }
        if (needs_tip(shape))
            add_tip(k, viseme[i], a, b);
        if (add_seal(k, viseme[i], p))
            continue;
        double reach = k->style->reach_s * m.reach, weight = k->style->gain[viseme[i]] * m.shape;
        if (kind == TG_PHONE_VOWEL)
            weight *= vowel_weight(k->style, p);
        a += i == 0 ? m.begin : 0;
        b += i == n - 1 ? m.end : 0;
        add_bell(k, viseme[i], a, b, reach + (is_rounded(shape) ? round_early : 0), reach,
                 shape->dominance * m.dominance, weight);
    }
}

/* Shares and 60 ms average, in place. `line` [steps] is scratch. */
static void finish_blend(tracks *k, float *line) {
    for (int v = 0; v < k->visemes; v++) {
        float *track = k->blend + v * k->steps;
        for (int64_t i = 0; i < k->steps; i++)
            line[i] = track[i] / (k->total[i] + 0.02f); /* where nobody speaks, the rest pose */
        double sum = 0;
        for (int64_t i = -SMOOTH / 2; i < k->steps; i++) {
            int64_t in = i + SMOOTH / 2, out = i - SMOOTH / 2;
            if (in < k->steps)
                sum += line[in];
            if (out >= 0)
                sum -= line[out];
            if (i >= 0)
                track[i] = (float)(sum / SMOOTH);
        }
    }
}

/* Closures take what they need in the order of how strictly they need it ("of bubbles": the lips
 * meet for b although the teeth still touch them for v); the blend gets the rest. */
static void pose_frame(const tracks *k, int64_t step, tg_face_state *state) {
    static const char *const order[] = {"PP", "FF", "WW"};
    float left = 1;
    for (size_t i = 0; i < sizeof order / sizeof *order; i++) {
        int v = tg_actor_find_viseme(k->actor, order[i]);
        float mask = v < 0 ? 0 : k->seal[v * k->steps + step];
        if (mask <= 0)
            continue;
        float press = i == 0 ? k->style->pressing : 1.0f;
        tg_shape_add(tg_actor_viseme(k->actor, v), mask * left * press, state);
        left *= 1 - mask;
    }
    left *= 1 - k->still[step];
    for (int v = 0; v < k->visemes; v++) {
        float weight = left * k->blend[v * k->steps + step];
        if (weight != 0)
            tg_shape_add(tg_actor_viseme(k->actor, v), weight, state);
    }
}

/* Where tips are wanted, the tongue is theirs. */
static void pose_tongue(const tracks *k, int64_t step, tg_face_state *state) {
    float wanted = 0, free = 1;
    for (int v = 0; v < k->visemes; v++) {
        wanted += k->tip[v * k->steps + step];
        free *= 1 - k->tip[v * k->steps + step];
    }
    if (wanted <= 0)
        return;
    for (int c = 0; c < TG_POSE_UNITS; c++)
        if (is_tongue(k->actor, c))
            state->channel[c] *= free;
    for (int v = 0; v < k->visemes; v++) {
        float share = (1 - free) * k->tip[v * k->steps + step] / wanted;
        const tg_shape *shape = tg_actor_viseme(k->actor, v);
        for (int i = 0; share > 0 && i < shape->count; i++)
            if (is_tongue(k->actor, shape->weight[i].channel))
                state->channel[shape->weight[i].channel] += share * shape->weight[i].weight;
    }
}

tg_status tg_articulate(tg_context *ctx, const tg_actor *actor, const tg_phones *phones,
                        const tg_style *style, int64_t frames, tg_face_state *state) {
    tracks k = {.actor = actor,
                .style = style,
                .chance = tg_rng_make(style->seed, "", "articulation"),
                .visemes = tg_actor_viseme_count(actor),
                .steps = frames * STEPS_PER_FRAME};
    if (k.visemes > TG_MAX_VISEMES)
        return tg_fail(ctx, TG_EINPUT,
                       "visemes.json: %d visemes\n  expected: at most %d\n"
                       "  try: restore the file from the talkgen distribution",
                       k.visemes, TG_MAX_VISEMES);
    size_t line = (size_t)k.steps * sizeof(float), table = line * (size_t)k.visemes;
    k.blend = tg_calloc(table);
    k.seal = tg_calloc(table);
    k.tip = tg_calloc(table);
    k.total = tg_calloc(line);
    k.still = tg_calloc(line);
    float *scratch = tg_calloc(line);
    tg_status status = TG_OK;
    if (!k.blend || !k.seal || !k.tip || !k.total || !k.still || !scratch) {
        status =
            tg_fail(ctx, TG_ENOMEM, "no memory for %lld frames of articulation", (long long)frames);
    } else {
        for (int i = 0; i < phones->count; i++)
            add_phone(&k, &phones->phone[i], i);
        finish_blend(&k, scratch);
        for (int64_t i = 0; i < frames; i++) {
            int64_t step = i * STEPS_PER_FRAME + STEPS_PER_FRAME / 2;
            pose_frame(&k, step, &state[i]);
            pose_tongue(&k, step, &state[i]);
        }
    }
    tg_free(k.blend);
    tg_free(k.seal);
    tg_free(k.tip);
    tg_free(k.total);
    tg_free(k.still);
    tg_free(scratch);
    return status;
}
