/* Head poses as a person's own six numbers, and back. */
#include "talkgen/motion.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

/* What hardly moves must not be blown up to noise: 0.05 degrees, and 5e-5 units (of a metre: 0.05
 * mm). */
static const double least_turn = 8.7e-4, least_shift = 5e-5;
/* Part of the range that passes unchanged. */
static const float knee = 0.75f;
enum { MEANS = 4 };

/* ---- rotations ------------------------------------------------------------------------- */

/* r = a b^T, 3x3 from rows of stride 4 */
static void turn_between(const float *a, const float *b, double r[9]) {
    for (int i = 0; i < 3; i++)
        for (int j = 0; j < 3; j++) {
            r[3 * i + j] = 0;
            for (int k = 0; k < 3; k++)
                r[3 * i + j] += (double)a[4 * i + k] * (double)b[4 * j + k];
        }
}

/* Rotation vector of a matrix that is nearly a rotation, angles below a half turn. */
static void log_turn(const double r[9], double v[3]) {
    double x[3] = {r[7] - r[5], r[2] - r[6], r[3] - r[1]};
    double sine = 0.5 * sqrt(x[0] * x[0] + x[1] * x[1] + x[2] * x[2]);
    double cosine = 0.5 * (r[0] + r[4] + r[8] - 1);
    double angle = atan2(sine, cosine);
    double scale = sine > 1e-9 ? 0.5 * angle / sine : 0.5;
    for (int i = 0; i < 3; i++)
        v[i] = scale * x[i];
}

static void exp_turn(const double v[3], double r[9]) {
    double angle = sqrt(v[0] * v[0] + v[1] * v[1] + v[2] * v[2]);
    double a = angle > 1e-9 ? sin(angle) / angle : 1;
    double b = angle > 1e-9 ? (1 - cos(angle)) / (angle * angle) : 0.5;
    for (int i = 0; i < 3; i++)
        for (int j = 0; j < 3; j++)
            r[3 * i + j] = b * v[i] * v[j] + (i == j ? cos(angle) : 0);
    const double x[9] = {0, -v[2], v[1], v[2], 0, -v[0], -v[1], v[0], 0};
    for (int i = 0; i < 9; i++)
        r[i] += a * x[i];
}

/* How the head moved between the mean pose and this one: rotation vector, and place of the head's
 * origin. H = C0 C^-1. */
static void motion_of(const float mean[16], const float c2w[16], double turn[3], double shift[3]) {
    double r[9];
    turn_between(mean, c2w, r);
    log_turn(r, turn);
    for (int i = 0; i < 3; i++) {
        shift[i] = mean[4 * i + 3];
        for (int k = 0; k < 3; k++)
            shift[i] -= r[3 * i + k] * (double)c2w[4 * k + 3];
    }
}

/* ---- statistics ---------------------------------------------------------------------------- */

static void find_mean(const float *c2w, int64_t n, float mean[16]) {
    memcpy(mean, c2w, 16 * sizeof *mean);
    for (int round = 0; round < MEANS; round++) {
        double turn[3] = {0}, shift[3] = {0}, r[9];
        for (int64_t i = 0; i < n; i++) {
            double v[3], t[3];
            motion_of(mean, c2w + 16 * i, v, t);
            for (int k = 0; k < 3; k++) {
                turn[k] += v[k] / (double)n;
                shift[k] += t[k] / (double)n;
            }
        }
        /* C0 <- exp(-turn) C0: the head at its mean stays where it is */
        for (int k = 0; k < 3; k++)
            turn[k] = -turn[k];
        exp_turn(turn, r);
        float was[16];
        memcpy(was, mean, sizeof was);
        for (int i = 0; i < 3; i++) {
            for (int j = 0; j < 4; j++) {
                double sum = 0;
                for (int k = 0; k < 3; k++)
                    sum += r[3 * i + k] * ((double)was[4 * k + j] - (j == 3 ? shift[k] : 0));
                mean[4 * i + j] = (float)sum;
            }
        }
    }
}

/* Solves the 3x3 system a x = b with a symmetric and positive. */
static void solve3(const double a[9], const double b[3], double x[3]) {
    const double *m = a;
    double c[9] = {m[4] * m[8] - m[5] * m[7], m[2] * m[7] - m[1] * m[8], m[1] * m[5] - m[2] * m[4],
                   m[5] * m[6] - m[3] * m[8], m[0] * m[8] - m[2] * m[6], m[2] * m[3] - m[0] * m[5],
                   m[3] * m[7] - m[4] * m[6], m[1] * m[6] - m[0] * m[7], m[0] * m[4] - m[1] * m[3]};
    double det = m[0] * c[0] + m[1] * c[3] + m[2] * c[6];
    for (int i = 0; i < 3; i++)
        x[i] = det > 0 ? (c[3 * i] * b[0] + c[3 * i + 1] * b[1] + c[3 * i + 2] * b[2]) / det : 0;
}

/* Translation per rotation, by least squares with a little weight on none at all. */
static void find_neck(const float *c2w, int64_t n, tg_pose_stats *s) {
    double a[9] = {0}, b[9] = {0}; /* b: row k for translation k */
    for (int64_t i = 0; i < n; i++) {
        double v[3], t[3];
        motion_of(s->mean, c2w + 16 * i, v, t);
        for (int j = 0; j < 3; j++)
            for (int k = 0; k < 3; k++) {
                a[3 * j + k] += v[j] * v[k];
                b[3 * j + k] += t[j] * v[k];
            }
    }
    for (int k = 0; k < 3; k++)
        a[4 * k] += (double)n * least_turn * least_turn;
    for (int j = 0; j < 3; j++) {
        double x[3];
        solve3(a, b + 3 * j, x);
        for (int k = 0; k < 3; k++)
            s->neck[3 * j + k] = (float)x[k];
    }
}

static int ascending(const void *a, const void *b) {
    float x = *(const float *)a, y = *(const float *)b;
    return (x > y) - (x < y);
}

static float percentile(float *values, int64_t n, double share) {
    qsort(values, (size_t)n, sizeof *values, ascending);
    return values[llround(share * (double)(n - 1))];
}

bool tg_pose_stats_of(const float *c2w, int64_t n, tg_pose_stats *out) {
    memset(out, 0, sizeof *out);
    find_mean(c2w, n, out->mean);
    find_neck(c2w, n, out);
    for (int k = 0; k < TG_POSE_DIM; k++)
        out->deviation[k] = 1;
    double square[TG_POSE_DIM] = {0};
    float x[TG_POSE_DIM];
    for (int64_t i = 0; i < n; i++) {
        tg_pose_numbers(out, c2w + 16 * i, x);
        for (int k = 0; k < TG_POSE_DIM; k++)
            square[k] += (double)x[k] * (double)x[k] / (double)n;
    }
    for (int k = 0; k < TG_POSE_DIM; k++)
        out->deviation[k] = (float)fmax(sqrt(square[k]), k < 3 ? least_turn : least_shift);
    float *all = tg_alloc((size_t)n * (TG_POSE_DIM + 1) * sizeof *all);
    if (!all)
        return false;
    for (int64_t i = 0; i < n; i++) {
        double length = 0;
        tg_pose_numbers(out, c2w + 16 * i, x);
        for (int k = 0; k < TG_POSE_DIM; k++) {
            all[k * n + i] = x[k];
            length += (double)x[k] * (double)x[k];
        }
        all[TG_POSE_DIM * n + i] = (float)sqrt(length);
    }
    for (int k = 0; k < TG_POSE_DIM; k++) {
        out->low[k] = percentile(all + k * n, n, 0.005);
        out->high[k] = percentile(all + k * n, n, 0.995);
    }
    out->reach = percentile(all + TG_POSE_DIM * n, n, 0.995);
    tg_free(all);
    return true;
}

/* ---- to and fro ------------------------------------------------------------------------------ */

void tg_pose_numbers(const tg_pose_stats *s, const float c2w[16], float out[TG_POSE_DIM]) {
    double turn[3], shift[3];
    motion_of(s->mean, c2w, turn, shift);
    for (int i = 0; i < 3; i++) {
        for (int k = 0; k < 3; k++)
            shift[i] -= (double)s->neck[3 * i + k] * turn[k];
        out[i] = (float)(turn[i] / (double)s->deviation[i]);
        out[3 + i] = (float)(shift[i] / (double)s->deviation[3 + i]);
    }
}

/* x where |x| <= knee, then bent so that it never passes 1. */
static float bend(float x) {
    float a = fabsf(x);
    return a <= knee ? x : copysignf(knee + (1 - knee) * tanhf((a - knee) / (1 - knee)), x);
}

void tg_pose_limit(const tg_pose_stats *s, float numbers[TG_POSE_DIM]) {
    double length = 0;
    for (int k = 0; k < TG_POSE_DIM; k++) {
        float middle = 0.5f * (s->low[k] + s->high[k]), half = 0.5f * (s->high[k] - s->low[k]);
        numbers[k] = half > 0 ? middle + half * bend((numbers[k] - middle) / half) : middle;
        length += (double)numbers[k] * (double)numbers[k];
    }
    length = sqrt(length);
    float share =
        s->reach > 0 && length > 0 ? s->reach * bend((float)length / s->reach) / (float)length : 0;
    for (int k = 0; k < TG_POSE_DIM; k++)
        numbers[k] *= share;
}

void tg_pose_c2w(const tg_pose_stats *s, const float numbers[TG_POSE_DIM], float c2w[16]) {
    float x[TG_POSE_DIM];
    memcpy(x, numbers, sizeof x);
    tg_pose_limit(s, x);
    double turn[3], shift[3], r[9];
    for (int k = 0; k < 3; k++)
        turn[k] = (double)x[k] * (double)s->deviation[k];
    for (int i = 0; i < 3; i++) {
        shift[i] = (double)x[3 + i] * (double)s->deviation[3 + i];
        for (int k = 0; k < 3; k++)
            shift[i] += (double)s->neck[3 * i + k] * turn[k];
    }
    exp_turn(turn, r);
    memcpy(c2w, s->mean, 16 * sizeof *c2w);
    for (int i = 0; i < 3; i++)
        for (int j = 0; j < 4; j++) {
            double sum = 0; /* H^-1 C0 */
            for (int k = 0; k < 3; k++)
                sum += r[3 * k + i] * ((double)s->mean[4 * k + j] - (j == 3 ? shift[k] : 0));
            c2w[4 * i + j] = (float)sum;
        }
}
