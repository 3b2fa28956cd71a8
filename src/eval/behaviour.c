/* Made head motion and blinks against the truth of a corpus. */
#include "talkgen/eval.h"
#include "talkgen/systems.h"

#include "dataset/behaviour.h"
#include "eval/correlation.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { D = TG_DRAWN_DIM, PIECE = 256, SLOWEST_LAG = 3000, FASTEST_LAG = 250, NOD_REACH = 15 };
static const double fps = 25;
/* A nod leaves the second around it by so many degrees. */
static const double nod_least = 0.7;

/* All clips one behind the other. */
typedef struct {
    int64_t frames;
    float *heard, *moved, *closure; /* moved: rotation in degrees, the rest in deviations */
    bool *first;                    /* of a clip */
} track;

static void free_track(track *t) {
    tg_free(t->heard);
    tg_free(t->moved);
    tg_free(t->closure);
    tg_free(t->first);
}

static bool new_track(int64_t frames, track *t) {
    size_t n = (size_t)frames;
    t->frames = frames;
    t->heard = tg_alloc(n * TG_HEARD_DIM * sizeof *t->heard);
    t->moved = tg_alloc(n * D * sizeof *t->moved);
    t->closure = tg_alloc(n * sizeof *t->closure);
    t->first = tg_calloc(n * sizeof *t->first);
    return t->heard && t->moved && t->closure && t->first;
}

static void truth_of(const tg_behaviour_data *d, track *t) {
    int64_t at = 0;
    for (int i = 0; i < d->count; i++) {
        const tg_behaviour_clip *c = &d->clip[i];
        memcpy(t->heard + at * TG_HEARD_DIM, c->heard,
               (size_t)c->frames * TG_HEARD_DIM * sizeof *t->heard);
        memcpy(t->moved + at * D, c->moved, (size_t)c->frames * D * sizeof *t->moved);
        memcpy(t->closure + at, c->closure, (size_t)c->frames * sizeof *t->closure);
        t->first[at] = true;
        for (int64_t f = at; f < at + c->frames; f++)
            for (int k = 0; k < 3; k++)
                t->moved[f * D + k] *= c->degrees[k];
        at += c->frames;
    }
}

typedef struct {
    const track *t;
    int64_t next;
} ear;

static tg_status hear(tg_context *ctx, void *user, float row[TG_HEARD_DIM], bool *done) {
    (void)ctx;
    ear *e = user;
    *done = e->next >= e->t->frames;
    if (!*done)
        memcpy(row, e->t->heard + e->next++ * TG_HEARD_DIM, TG_HEARD_DIM * sizeof *row);
    return TG_OK;
}

/* What the model makes of the same sound, in one run over all clips, with each speaker's degrees.
 */
static tg_status make_all(tg_context *ctx, const char *voice, const tg_behaviour_data *d,
                          uint64_t seed, track *t) {
    tg_st *st = NULL;
    tg_behaviour *model = NULL;
    tg_behaviour_stream *stream = NULL;
    ear e = {t, 0};
    const tg_behaviour_sampling how = {
        .seed = seed, .blink_rate = 1, .blink_length = 1, .hear = hear, .user = &e};
    tg_status s = tg_st_open(ctx, voice, &st);
    if (s == TG_OK)
        s = tg_behaviour_open(ctx, st, &model);
    if (s == TG_OK)
        s = tg_behaviour_stream_open(ctx, model, &how, &stream);
    int64_t at = 0;
    for (int i = 0; s == TG_OK && i < d->count; i++)
        for (int64_t f = 0; s == TG_OK && f < d->clip[i].frames; f++, at++) {
            tg_behaviour_frame frame;
            s = tg_behaviour_stream_next(ctx, stream, &frame);
            if (s == TG_OK && at % 1000 == 0)
                s = tg_cancelled(ctx);
            float *m = t->moved + at * D;
            for (int k = 0; k < TG_POSE_DIM; k++)
                m[k] = frame.pose[k] * (k < 3 ? d->clip[i].degrees[k] : 1);
            m[TG_POSE_DIM] = frame.lid;
            t->closure[at] = frame.closure;
        }
    tg_behaviour_stream_close(&stream);
    tg_behaviour_destroy(&model);
    tg_st_close(&st);
    return s;
}

/* ---- figures ------------------------------------------------------------------------------- */

static double speed_at(const track *t, int64_t f) { /* from f to f + 1 */
    double sum = 0;
    for (int k = 0; k < 3; k++) {
        double v = fps * ((double)t->moved[(f + 1) * D + k] - (double)t->moved[f * D + k]);
        sum += v * v;
    }
    return sqrt(sum);
}

/* Mean activity over 1 s around a frame; NaN near the border of a clip. */
static double activity_at(const track *t, int64_t f) {
    const int reach = 12;
    double sum = 0;
    if (f < reach || f + reach >= t->frames)
        return NAN;
    for (int64_t i = f - reach; i <= f + reach; i++) {
        if (t->first[i] && i > f - reach)
            return NAN;
        sum += (double)t->heard[i * TG_HEARD_DIM + 1];
    }
    return sum / (2 * reach + 1);
}

/* Speaking, silent, or neither (-1), from the activity around a frame. */
static int state_at(const track *t, int64_t f) {
    double active = activity_at(t, f);
    return active > 0.6 ? 0 : active < 0.15 ? 1 : -1;
}

/* How far the nod at a frame is from its mean over the second around; NaN near a clip's border. */
static double away_at(const track *t, int64_t f) {
    double sum = 0;
    if (f < NOD_REACH || f + NOD_REACH >= t->frames)
        return NAN;
    for (int64_t i = f - NOD_REACH; i <= f + NOD_REACH; i++) {
        if (t->first[i] && i > f - NOD_REACH)
            return NAN;
        sum += (double)t->moved[i * D];
    }
    return (double)t->moved[f * D] - sum / (2 * NOD_REACH + 1);
}

/* Nods: where the head is farthest down among the frames of a third of a second. */
static void nod_figures(const track *t, float *away, tg_behaviour_figures *out) {
    double nods[2] = {0}, minutes[2] = {0}, degrees[2] = {0};
    const int64_t near = NOD_REACH / 2;
    for (int64_t f = 0; f < t->frames; f++)
        away[f] = (float)away_at(t, f);
    for (int64_t f = near; f + near < t->frames; f++) {
        int state = isnan(away[f]) ? -1 : state_at(t, f);
        if (state < 0)
            continue;
        minutes[state] += 1 / (60 * fps);
        bool peak = (double)away[f] >= nod_least;
        for (int64_t i = f - near; peak && i <= f + near; i++)
            peak = i == f || away[f] > away[i] || (away[f] == away[i] && f < i);
        nods[state] += peak;
        degrees[state] += peak ? (double)away[f] : 0;
    }
    out->nods_speaking = nods[0] / minutes[0];
    out->nods_silent = nods[1] / minutes[1];
    out->nod_speaking = degrees[0] / nods[0];
    out->nod_silent = degrees[1] / nods[1];
}

static int ascending(const void *a, const void *b) {
    float x = *(const float *)a, y = *(const float *)b;
    return (x > y) - (x < y);
}

static double percentile(float *values, int64_t n, double share) {
    if (n < 1)
        return NAN;
    qsort(values, (size_t)n, sizeof *values, ascending);
    return (double)values[(int64_t)(share * (double)(n - 1))];
}

/* From f - 1 over f to f + 1, squared. */
static double bend_at(const track *t, int64_t f) {
    double sum = 0;
    for (int k = 0; k < 3; k++) {
        const float *m = t->moved + f * D + k;
        double a = fps * fps * ((double)m[D] - 2 * (double)m[0] + (double)m[-D]);
        sum += a * a;
    }
    return sum;
}

static void head_figures(const track *t, float *scratch, tg_behaviour_figures *out) {
    double sum[2] = {0}, bend[2] = {0}, count[2] = {0};
    tg_pairs pairs = {0};
    int64_t silent = 0;
    const int reach = 7;
    for (int64_t f = reach; f + reach + 1 < t->frames; f++) {
        double active = activity_at(t, f), square = 0;
        if (!(active >= 0))
            continue;
        for (int64_t i = f - reach; i <= f + reach; i++)
            square += speed_at(t, i) * speed_at(t, i) / (2 * reach + 1);
        tg_pairs_add(&pairs, 0.5 * log(square + 1e-2), active);
        int state = state_at(t, f);
        if (state >= 0) {
            sum[state] += speed_at(t, f) * speed_at(t, f);
            bend[state] += bend_at(t, f);
            count[state]++;
        }
        if (state == 1)
            scratch[silent++] = (float)speed_at(t, f);
    }
    out->speed_speaking = sqrt(sum[0] / count[0]);
    out->speed_silent = sqrt(sum[1] / count[1]);
    out->accel_speaking = sqrt(bend[0] / count[0]);
    out->accel_silent = sqrt(bend[1] / count[1]);
    out->median_silent = percentile(scratch, silent, 0.5);
    out->energy_corr = tg_pairs_correlation(&pairs);
}

static void range_figures(const track *t, float *scratch, tg_behaviour_figures *out) {
    for (int k = 0; k < 3; k++) {
        for (int64_t f = 0; f < t->frames; f++)
            scratch[f] = t->moved[f * D + k];
        out->range[k] =
            percentile(scratch, t->frames, 0.975) - percentile(scratch, t->frames, 0.025);
    }
}

/* Blinks: where the lids pass half closed, how long they are a tenth closed, and the seconds from
 * one to the next. */
static void blink_figures(const track *t, float *scratch, tg_behaviour_figures *out) {
    double blinks[2] = {0}, minutes[2] = {0}, sum = 0, square = 0, n = 0;
    int64_t last = -1, intervals = 0;
    for (int64_t f = 1; f < t->frames; f++) {
        int state = state_at(t, f);
        if (state >= 0)
            minutes[state] += 1 / (60 * fps);
        if (t->first[f])
            last = -1;
        if (!(t->closure[f] > 0.5f && t->closure[f - 1] <= 0.5f) || t->first[f])
            continue;
        int64_t from = f, to = f;
        while (from > 0 && t->closure[from - 1] > 0.1f)
            from--;
        while (to < t->frames && t->closure[to] > 0.1f)
            to++;
        double length = (double)(to - from + 1) / fps;
        sum += length;
        square += length * length;
        n++;
        if (state >= 0)
            blinks[state]++;
        if (last >= 0)
            scratch[intervals++] = (float)((double)(f - last) / fps);
        last = f;
    }
    out->blinks_speaking = blinks[0] / minutes[0];
    out->blinks_silent = blinks[1] / minutes[1];
    out->blink_s = sum / n;
    out->blink_sd = sqrt(fmax(square / n - sum / n * sum / n, 0));
    static const double share[3] = {0.1, 0.5, 0.9};
    for (int k = 0; k < 3; k++)
        out->between[k] = percentile(scratch, intervals, share[k]);
}

/* Whether the turn comes again: autocorrelation by plain sums. */
static double repeat_of(const track *t) {
    double mean = 0, power = 0, worst = 0;
    int64_t n = t->frames;
    for (int64_t f = 0; f < n; f++)
        mean += (double)t->moved[f * D + 1] / (double)n;
    for (int64_t f = 0; f < n; f++)
        power += pow((double)t->moved[f * D + 1] - mean, 2) / (double)n;
    for (int64_t lag = FASTEST_LAG; lag <= SLOWEST_LAG && lag < n / 4; lag += 3) {
        double sum = 0;
        for (int64_t f = 0; f + lag < n; f += 2)
            sum +=
                ((double)t->moved[f * D + 1] - mean) * ((double)t->moved[(f + lag) * D + 1] - mean);
        worst = fmax(worst, fabs(sum / ((double)(n - lag + 1) / 2) / power));
    }
    return worst;
}

static double jerk_of(const track *t) {
    double sum[2] = {0}, count[2] = {0};
    for (int64_t f = 0; f + 3 < t->frames; f++) {
        if (t->first[f + 1] || t->first[f + 2] || t->first[f + 3])
            continue;
        int where = (f + 3) % PIECE < 3; /* the four frames are on both sides of a border */
        for (int k = 0; k < 3; k++) {
            const float *m = t->moved + f * D + k;
            double j = (double)m[3 * D] - 3 * (double)m[2 * D] + 3 * (double)m[D] - (double)m[0];
            sum[where] += j * j;
        }
        count[where]++;
    }
    return sqrt(sum[1] / count[1] / (sum[0] / count[0]));
}

/* scratch: one number a frame */
static void figures_of(const track *t, float *scratch, tg_behaviour_figures *out) {
    head_figures(t, scratch, out);
    nod_figures(t, scratch, out);
    range_figures(t, scratch, out);
    blink_figures(t, scratch, out);
    out->repeat = repeat_of(t);
    out->border_jerk = jerk_of(t);
}

tg_status tg_eval_behaviour(tg_context *ctx, const char *voice, const char *corpus, uint64_t seed,
                            tg_behaviour_score *out) {
    memset(out, 0, sizeof *out);
    tg_behaviour_data *d = NULL;
    track truth = {0}, made = {0};
    float *scratch = NULL;
    tg_status s = tg_behaviour_data_open(ctx, corpus, &d);
    if (s == TG_OK && !(new_track(d->frames, &truth) && new_track(d->frames, &made) &&
                        (scratch = tg_alloc((size_t)d->frames * sizeof *scratch))))
        s = tg_fail(ctx, TG_ENOMEM, "%s: out of memory", corpus);
    if (s == TG_OK) {
        truth_of(d, &truth);
        memcpy(made.heard, truth.heard, (size_t)d->frames * TG_HEARD_DIM * sizeof *made.heard);
        memcpy(made.first, truth.first, (size_t)d->frames * sizeof *made.first);
        s = make_all(ctx, voice, d, seed, &made);
    }
    if (s == TG_OK) {
        out->seconds = (double)d->frames / fps;
        figures_of(&truth, scratch, &out->truth);
        figures_of(&made, scratch, &out->made);
    }
    free_track(&truth);
    free_track(&made);
    tg_free(scratch);
    tg_behaviour_data_close(&d);
    return s;
}
