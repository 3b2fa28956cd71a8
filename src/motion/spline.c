/* Uniform cubic B-splines of seven numbers, one control point every TG_STEP_FRAMES frames. */
#include "talkgen/motion.h"

#include <math.h>
#include <string.h>

enum { D = TG_DRAWN_DIM, BAND = 4 };
static void weights(int64_t frame, double w[BAND]) {
    double u = (double)(frame % TG_STEP_FRAMES) / TG_STEP_FRAMES, v = 1 - u;
    w[0] = v * v * v / 6;
    w[1] = (4 - 6 * u * u + 3 * u * u * u) / 6;
    w[2] = (4 - 6 * v * v + 3 * v * v * v) / 6;
    w[3] = u * u * u / 6;
}

void tg_spline_value(const float *points, int64_t frame, float out[TG_DRAWN_DIM]) {
    double w[BAND];
    weights(frame, w);
    for (int k = 0; k < D; k++) {
        double sum = 0;
        for (int i = 0; i < BAND; i++)
            sum += w[i] * (double)points[i * D + k];
        out[k] = (float)sum;
    }
}

/* Normal equations of number k: a [n,BAND] has the diagonal and what lies right of it, b [n]. */
static void set_up(const float *rows, int64_t frames, double stiffness, int64_t n, int k, double *a,
                   double *b) {
    memset(a, 0, (size_t)(n * BAND) * sizeof *a);
    memset(b, 0, (size_t)n * sizeof *b);
    for (int64_t f = 0; f < frames; f++) {
        int64_t at = f / TG_STEP_FRAMES;
        double w[BAND];
        weights(f, w);
        for (int i = 0; i < BAND; i++) {
            for (int j = i; j < BAND; j++)
                a[(at + i) * BAND + j - i] += w[i] * w[j];
            b[at + i] += w[i] * (double)rows[f * D + k];
        }
    }
    static const double bend[3] = {1, -2, 1};
    for (int64_t p = 0; p + 2 < n; p++)
        for (int i = 0; i < 3; i++)
            for (int j = i; j < 3; j++)
                a[(p + i) * BAND + j - i] += stiffness * bend[i] * bend[j];
    for (int64_t p = 0; p < n; p++) /* one row alone says nothing about bends */
        a[p * BAND] += 1e-9;
}

/* Cholesky of the band in place, then b <- a^-1 b. */
static void solve(int64_t n, double *a, double *b) {
    for (int64_t i = 0; i < n; i++) {
        double root = sqrt(fmax(a[i * BAND], 1e-300));
        for (int j = 0; j < BAND; j++)
            a[i * BAND + j] /= root;
        for (int64_t j = 1; j < BAND && i + j < n; j++)
            for (int64_t k = j; k < BAND && i + k < n; k++)
                a[(i + j) * BAND + k - j] -= a[i * BAND + j] * a[i * BAND + k];
    }
    for (int64_t i = 0; i < n; i++) {
        b[i] /= a[i * BAND];
        for (int64_t j = 1; j < BAND && i + j < n; j++)
            b[i + j] -= a[i * BAND + j] * b[i];
    }
    for (int64_t i = n - 1; i >= 0; i--) {
        for (int64_t j = 1; j < BAND && i + j < n; j++)
            b[i] -= a[i * BAND + j] * b[i + j];
        b[i] /= a[i * BAND];
    }
}

bool tg_spline_fit(const float *rows, int64_t frames, const double stiffness[TG_DRAWN_DIM],
                   float **out, int64_t *n) {
    *n = (frames - 1) / TG_STEP_FRAMES + BAND;
    *out = tg_alloc((size_t)(*n * D) * sizeof **out);
    double *a = tg_alloc((size_t)(*n * BAND) * sizeof *a);
    double *b = tg_alloc((size_t)*n * sizeof *b);
    bool ok = *out && a && b;
    for (int k = 0; ok && k < D; k++) {
        set_up(rows, frames, stiffness[k], *n, k, a, b);
        solve(*n, a, b);
        for (int64_t i = 0; i < *n; i++)
            (*out)[i * D + k] = (float)b[i];
    }
    if (!ok) {
        tg_free(*out);
        *out = NULL;
    }
    tg_free(a);
    tg_free(b);
    return ok;
}
