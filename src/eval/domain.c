#include "eval/domain.h"

#include "talkgen/core.h"

#include <math.h>

enum { ALL = 204, EYES_FIRST = 3 * 36, EYES_END = 3 * 48, N = ALL - (EYES_END - EYES_FIRST) };

/* Coordinate k of those that count. */
static int place(int k) {
    return k < EYES_FIRST ? k : k + EYES_END - EYES_FIRST;
}

/* mean [N], covariance [N,N], mm */
static void moments(const float *x, int64_t rows, double *mean, double *covariance) {
    for (int k = 0; k < N; k++)
        mean[k] = 0;
    for (int i = 0; i < N * N; i++)
        covariance[i] = 0;
    for (int64_t r = 0; r < rows; r++)
        for (int k = 0; k < N; k++)
            mean[k] += 100 * (double)x[r * ALL + place(k)] / (double)rows;
    for (int64_t r = 0; r < rows; r++) {
        double d[N];
        for (int k = 0; k < N; k++)
            d[k] = 100 * (double)x[r * ALL + place(k)] - mean[k];
        for (int i = 0; i < N; i++)
            for (int k = 0; k <= i; k++)
                covariance[i * N + k] += d[i] * d[k];
    }
    for (int i = 0; i < N; i++)
        for (int k = 0; k <= i; k++)
            covariance[i * N + k] = covariance[k * N + i] = covariance[i * N + k] / (double)rows;
}

bool tg_domain_distance(const float *made, int64_t made_rows, const float *truth,
                        int64_t truth_rows, tg_domain_figures *out) {
    double *block = tg_alloc((2 * N * N + 2 * N) * sizeof *block);
    if (!block)
        return false;
    double *a = block, *b = a + N * N, *mean_a = b + N * N, *mean_b = mean_a + N;
    moments(made, made_rows, mean_a, a);
    moments(truth, truth_rows, mean_b, b);
    double mean = 0, off = 0, all = 0, variance_a = 0, variance_b = 0;
    for (int k = 0; k < N; k++) {
        mean += (mean_a[k] - mean_b[k]) * (mean_a[k] - mean_b[k]);
        variance_a += a[k * N + k];
        variance_b += b[k * N + k];
    }
    for (int i = 0; i < N * N; i++) {
        off += (a[i] - b[i]) * (a[i] - b[i]);
        all += b[i] * b[i];
    }
    out->mean_mm = sqrt(mean / (N / 3.0));
    out->covariance = sqrt(off / all);
    out->variance = variance_a / variance_b;
    tg_free(block);
    return true;
}
