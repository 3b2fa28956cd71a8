/* Eyelids of one person: how they rest, how they close, and when they did. */
#include "talkgen/motion.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

/* A blink is counted when the eyes pass half closed, and reaches as far as they are a tenth closed;
 * at most a second, or it is a look down. */
static const float counted = 0.5f, begun = 0.1f;
/* Before and behind that the lids are on their way for so many frames: no place of theirs. */
enum { FPS = 25, LONGEST = 25, ON_THE_WAY = 2 };
/* Lids that move less than the first share of the aperture stood still in the recording, whatever
 * the eyes did. Those of people follow the eyes up and down, about 2 % of the aperture a degree
 * (Becker and Fuchs 1988), and fixations differ by somewhat less. */
static const float least_lid = 0.01f, usual_lid = 0.015f;
/* Without a whole blink in the recording, the share of the open eye's height that stays. */
static const float shut = 0.12f;
/* Above this the eyes are at the bottom of a blink. */
static const float bottom = 0.85f;

static double apart(const float *p, int a, int b) {
    double sum = 0;
    for (int k = 0; k < 3; k++) {
        double d = (double)p[3 * a + k] - (double)p[3 * b + k];
        sum += d * d;
    }
    return sqrt(sum);
}

float tg_eye_aperture(const float *points) {
    double sum = 0;
    for (int eye = 0; eye < 12; eye += 6) {
        double width = apart(points, eye, eye + 3);
        double height = 0.5 * (apart(points, eye + 1, eye + 5) + apart(points, eye + 2, eye + 4));
        sum += width > 0 ? height / width : 0;
    }
    return (float)(0.5 * sum);
}

static int ascending(const void *a, const void *b) {
    float x = *(const float *)a, y = *(const float *)b;
    return (x > y) - (x < y);
}

float tg_blink_closure(double since, double length) {
    double x = since / length;
    if (!(x > 0 && x < 1))
        return 0;
    double u = x < 0.35 ? x / 0.35 : x < 0.48 ? 1 : (1 - x) / 0.52;
    return (float)(u * u * (3 - 2 * u));
}

/* ---- finding blinks ---------------------------------------------------------------------- */

int64_t tg_blinks_find(const tg_eyelid_stats *s, const float *points, int64_t n, tg_blink *out,
                       int64_t most, float *closure, float *lid) {
    int64_t found = 0, free_from = 0;
    float span = s->open - s->closed, last = 0;
    for (int64_t i = 0; i < n;) {
        float c = span > 0 ? (s->open - tg_eye_aperture(points + i * TG_EYE_DIM)) / span : 0;
        if (!(c > counted)) {
            if (closure)
                closure[i] = 0;
            if (lid)
                lid[i] = s->deviation > 0 ? -c * span / s->deviation : 0;
            i++;
            continue;
        }
        int64_t from = i, to = i;
        while (from > free_from &&
               (s->open - tg_eye_aperture(points + (from - 1) * TG_EYE_DIM)) / span > begun)
            from--;
        while (to < n && (s->open - tg_eye_aperture(points + to * TG_EYE_DIM)) / span > begun)
            to++;
        for (int64_t k = from; k < to; k++) {
            float v = (s->open - tg_eye_aperture(points + k * TG_EYE_DIM)) / span;
            if (closure)
                closure[k] = fminf(v, 1);
        }
        /* The lids go on behind a blink as if it had not been. */
        int64_t first = from, past = to;
        while (first > free_from && first > from - ON_THE_WAY)
            first--;
        while (past < n && past < to + ON_THE_WAY &&
               !((s->open - tg_eye_aperture(points + past * TG_EYE_DIM)) / span > begun)) {
            if (closure)
                closure[past] = 0;
            past++;
        }
        float before = lid && first > 0 ? lid[first - 1] : last, after = before;
        if (past < n && s->deviation > 0)
            after = (tg_eye_aperture(points + past * TG_EYE_DIM) - s->open) / s->deviation;
        for (int64_t k = first; lid && k < past; k++)
            lid[k] = before + (after - before) * (float)(k - first + 1) / (float)(past - first + 1);
        if (to - from <= LONGEST) {
            /* a tenth closed is some way into a blink: half a frame at both ends */
            if (found < most && out)
                out[found] = (tg_blink){((double)from - 0.5) / FPS, (double)(to - from + 1) / FPS};
            found++;
        }
        last = after;
        free_from = i = past;
    }
    return found;
}

/* ---- statistics ------------------------------------------------------------------------------ */

/* No blink at this frame nor on the way to or from one. */
static bool is_open(const float *closure, int64_t n, int64_t frame) {
    for (int64_t i = frame - ON_THE_WAY; i <= frame + ON_THE_WAY; i++)
        if (i >= 0 && i < n && closure[i] != 0)
            return false;
    return true;
}

/* Open and closed, from the apertures of all frames. */
static bool find_range(const float *points, int64_t n, tg_eyelid_stats *s) {
    float *all = tg_alloc((size_t)n * sizeof *all);
    if (!all)
        return false;
    for (int64_t i = 0; i < n; i++)
        all[i] = tg_eye_aperture(points + i * TG_EYE_DIM);
    qsort(all, (size_t)n, sizeof *all, ascending);
    s->open = all[n / 2];
    s->closed = all[0];
    /* Eyes that never closed: the smallest aperture is no blink. */
    s->seen = s->open > 0 && s->closed < 0.55f * s->open;
    if (!s->seen)
        s->closed = shut * s->open;
    tg_free(all);
    return true;
}

/* Without a blink to look at: lids meet two thirds down. */
static void shut_points(tg_eyelid_stats *s) {
    static const int upper[] = {1, 2, 7, 8}, lower[] = {5, 4, 11, 10};
    memcpy(s->closed_points, s->open_points, sizeof s->closed_points);
    for (int i = 0; i < 4; i++)
        for (int k = 0; k < 3; k++) {
            float u = s->open_points[3 * upper[i] + k], l = s->open_points[3 * lower[i] + k];
            float meet = u + 0.75f * (l - u);
            s->closed_points[3 * upper[i] + k] = meet + shut * (u - meet);
            s->closed_points[3 * lower[i] + k] = meet + shut * (l - meet);
        }
}

/* Lids that stood still move a little on the way of a blink, which the recording shows. */
static void follow_anyway(tg_eyelid_stats *s) {
    float way = s->open - tg_eye_aperture(s->closed_points);
    s->deviation = s->seen && way > 0 ? usual_lid * s->open : 0;
    for (int k = 0; k < TG_EYE_DIM; k++)
        s->wide_points[k] = way > 0 ? (s->open_points[k] - s->closed_points[k]) / way : 0;
}

bool tg_eyelid_stats_of(const float *points, int64_t n, tg_eyelid_stats *s) {
    memset(s, 0, sizeof *s);
    float *closure = tg_alloc((size_t)n * sizeof *closure);
    int64_t most = n / 2 + 1, blinks;
    tg_blink *blink = tg_alloc((size_t)most * sizeof *blink);
    bool ok = closure && blink && find_range(points, n, s);
    if (ok) {
        blinks = tg_blinks_find(s, points, n, blink, most, closure, NULL);
        double length = 0, opened = 0, shuts = 0, square = 0, slope[TG_EYE_DIM] = {0};
        double open_sum[TG_EYE_DIM] = {0}, shut_sum[TG_EYE_DIM] = {0}, mean = 0;
        for (int64_t i = 0; i < blinks; i++)
            length += log(blink[i].length) / (double)blinks;
        for (int64_t i = 0; i < n; i++) {
            bool rests = is_open(closure, n, i), is_shut = closure[i] >= bottom;
            opened += rests;
            shuts += is_shut;
            mean += rests ? (double)tg_eye_aperture(points + i * TG_EYE_DIM) : 0;
            for (int k = 0; k < TG_EYE_DIM; k++) {
                open_sum[k] += rests ? (double)points[i * TG_EYE_DIM + k] : 0;
                shut_sum[k] += is_shut ? (double)points[i * TG_EYE_DIM + k] : 0;
            }
        }
        mean = opened > 0 ? mean / opened : (double)s->open;
        for (int k = 0; k < TG_EYE_DIM; k++)
            s->open_points[k] = (float)(opened > 0 ? open_sum[k] / opened : (double)points[k]);
        for (int64_t i = 0; i < n; i++) {
            if (!is_open(closure, n, i))
                continue;
            double d = (double)tg_eye_aperture(points + i * TG_EYE_DIM) - mean;
            square += d * d;
            for (int k = 0; k < TG_EYE_DIM; k++)
                slope[k] += d * (double)(points[i * TG_EYE_DIM + k] - s->open_points[k]);
        }
        for (int k = 0; k < TG_EYE_DIM; k++) {
            s->wide_points[k] = (float)(square > 1e-12 ? slope[k] / square : 0);
            s->closed_points[k] = (float)(shuts > 0 ? shut_sum[k] / shuts : 0);
        }
        s->open = (float)mean;
        s->deviation = opened > 0 ? (float)sqrt(square / opened) : 0;
        s->follows = s->deviation >= least_lid * s->open;
        s->seen = s->seen && blinks > 0 && shuts > 0;
        s->per_minute = s->seen ? (float)((double)blinks * FPS * 60 / (double)n) : 0;
        s->length = s->seen ? (float)exp(length) : 0;
        if (!s->seen)
            shut_points(s);
        if (!s->follows)
            follow_anyway(s);
    }
    tg_free(closure);
    tg_free(blink);
    return ok;
}

void tg_eyelid_points(const tg_eyelid_stats *s, float lid, float closure, float out[TG_EYE_DIM]) {
    float wide = lid < -3 ? -3 : lid > 3 ? 3 : lid;
    for (int k = 0; k < TG_EYE_DIM; k++) {
        float open = s->open_points[k] + wide * s->deviation * s->wide_points[k];
        out[k] = open + closure * (s->closed_points[k] - open);
    }
}
