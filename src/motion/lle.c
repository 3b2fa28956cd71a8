/* Locally linear embedding of a frame in the frames of a recording. */
#include "talkgen/motion.h"

#include <math.h>

enum { K = TG_LLE_NEIGHBOURS, DIM = TG_LLE_DIM };

/* Of the trace of the Gram matrix: neighbours that are equal, or one that is the frame itself, make
 * it singular. */
static const double ridge = 1e-6;

/* Indices of the nearest frames of the set, the nearest first. Returns how many. */
static int nearest(const float *set, int64_t n, const float *x, int64_t index[K]) {
    double distance[K];
    int count = 0;
    for (int64_t i = 0; i < n; i++) {
        const float *row = set + i * DIM;
        float sum = 0;
        for (int k = 0; k < DIM; k++)
            sum += (row[k] - x[k]) * (row[k] - x[k]);
        if (count == K && !((double)sum < distance[K - 1]))
            continue;
        int at = count < K ? count++ : K - 1;
        for (; at > 0 && distance[at - 1] > (double)sum; at--) {
            distance[at] = distance[at - 1];
            index[at] = index[at - 1];
        }
        distance[at] = (double)sum;
        index[at] = i;
    }
    return count;
}

/* Solves G w = 1 by Cholesky's factorisation; false when G is not positive. */
static bool solve(double g[K][K], int n, double w[K]) {
    for (int i = 0; i < n; i++) {
        for (int j = 0; j <= i; j++) {
            double sum = g[i][j];
            for (int k = 0; k < j; k++)
                sum -= g[i][k] * g[j][k];
            if (i == j && !(sum > 0))
                return false;
            g[i][j] = i == j ? sqrt(sum) : sum / g[j][j];
        }
    }
    for (int i = 0; i < n; i++) {
        w[i] = 1;
        for (int k = 0; k < i; k++)
            w[i] -= g[i][k] * w[k];
        w[i] /= g[i][i];
    }
    for (int i = n; i-- > 0;) {
        for (int k = i + 1; k < n; k++)
            w[i] -= g[k][i] * w[k];
        w[i] /= g[i][i];
    }
    return true;
}

void tg_motion_lle(const float *set, int64_t n, float p, float frame[TG_MOTION_DIM]) {
    int64_t index[K];
    double g[K][K], w[K], trace = 0, total = 0;
    if (!(p > 0))
        return;
    int count = nearest(set, n, frame, index);
    for (int i = 0; i < count; i++) {
        for (int j = 0; j <= i; j++) {
            double sum = 0;
            for (int k = 0; k < DIM; k++)
                sum += ((double)set[index[i] * DIM + k] - frame[k]) *
                       ((double)set[index[j] * DIM + k] - frame[k]);
            g[i][j] = sum;
        }
        trace += g[i][i];
    }
    if (!(trace > 0)) /* the frame itself, so often that nothing else is near */
        return;
    for (int i = 0; i < count; i++)
        g[i][i] += ridge * trace;
    if (!solve(g, count, w))
        return;
    for (int i = 0; i < count; i++)
        total += w[i];
    for (int k = 0; k < DIM; k++) {
        double fused = 0;
        for (int i = 0; i < count; i++)
            fused += w[i] / total * set[index[i] * DIM + k];
        frame[k] = (float)((1 - p) * frame[k] + p * fused);
    }
}
