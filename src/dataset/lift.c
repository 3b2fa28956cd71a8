/* From 2-D landmarks and head poses to 3-D landmarks: a mean place by triangulation over all
 * frames, then for each frame the most probable displacement from it. */
#include "dataset/lift.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { POINTS = TG_COND_DIM / 3, FEWEST = 10, ROUNDS = 8, DISPLACED_ROUNDS = 4 };

/* A face is about so deep (dm): keeps points near their neighbours when the head hardly turns. */
static const double face_depth = 0.4;
static const double outlier = 3;       /* deviations of noise where a pixel begins to lose weight */
static const double lost_face = 6;     /* times the usual distance from the mean places */
static const double least_noise = .05; /* pixels: no detector is better */

/* ---- cameras ------------------------------------------------------------------------------- */

/* Pixel of a point (dm) and its derivative; false behind the camera. */
static bool project(const lift_views *v, int64_t row, const double p[3], double pixel[2],
                    double jacobian[2][3]) {
    const float *m = v->c2w + 16 * row;
    double d[3], c[3];
    for (int k = 0; k < 3; k++)
        d[k] = p[k] / 10 - (double)m[4 * k + 3];
    for (int k = 0; k < 3; k++)
        c[k] = (double)m[k] * d[0] + (double)m[4 + k] * d[1] + (double)m[8 + k] * d[2];
    if (!(c[2] < -1e-6))
        return false;
    double depth = -c[2], f = (double)v->focal;
    pixel[0] = (double)v->cx + f * c[0] / depth;
    pixel[1] = (double)v->cy - f * c[1] / depth;
    for (int k = 0; k < 3 && jacobian; k++) {
        double right = (double)m[4 * k], up = (double)m[4 * k + 1], back = (double)m[4 * k + 2];
        jacobian[0][k] = f / (10 * depth) * (right + c[0] / depth * back);
        jacobian[1][k] = -f / (10 * depth) * (up + c[1] / depth * back);
    }
    return true;
}

/* ---- 3 x 3 ------------------------------------------------------------------------------ */

static bool invert(const double a[9], double out[9]) {
    double c0 = a[4] * a[8] - a[5] * a[7], c1 = a[5] * a[6] - a[3] * a[8],
           c2 = a[3] * a[7] - a[4] * a[6], det = a[0] * c0 + a[1] * c1 + a[2] * c2;
    if (!(fabs(det) > 1e-300) || !isfinite(det))
        return false;
    const double adjugate[9] = {c0, a[2] * a[7] - a[1] * a[8], a[1] * a[5] - a[2] * a[4],
                                c1, a[0] * a[8] - a[2] * a[6], a[2] * a[3] - a[0] * a[5],
                                c2, a[1] * a[6] - a[0] * a[7], a[0] * a[4] - a[1] * a[3]};
    for (int i = 0; i < 9; i++)
        out[i] = adjugate[i] / det;
    return true;
}

static void times(const double a[9], const double x[3], double out[3]) {
    for (int r = 0; r < 3; r++)
        out[r] = a[3 * r] * x[0] + a[3 * r + 1] * x[1] + a[3 * r + 2] * x[2];
}

/* ---- means ---------------------------------------------------------------------------------- */

/* a += weight * J^T J, b += weight * J^T residual */
static void add_pixel(double weight, const double jacobian[2][3], const double residual[2],
                      double a[9], double b[3]) {
    for (int r = 0; r < 3; r++) {
        for (int c = 0; c < 3; c++)
            a[3 * r + c] +=
                weight * (jacobian[0][r] * jacobian[0][c] + jacobian[1][r] * jacobian[1][c]);
        b[r] += weight * (jacobian[0][r] * residual[0] + jacobian[1][r] * residual[1]);
    }
}

static const float *pixel_of(const lift_views *v, int64_t row, int point) {
    return v->pixels + (row * POINTS + point) * 2;
}

/* Nearest point to the rays of all rows: where the squared distances to them are least. */
static bool meet(const lift_views *v, int point, double mean[3]) {
    double a[9] = {0}, b[3] = {0}, inverse[9];
    for (int64_t t = 0; t < v->rows; t++) {
        if (!v->seen[t])
            continue;
        const float *m = v->c2w + 16 * t, *px = pixel_of(v, t, point);
        double local[3] = {((double)px[0] - (double)v->cx) / (double)v->focal,
                           -((double)px[1] - (double)v->cy) / (double)v->focal, -1};
        double d[3], length = 0, along = 0;
        for (int k = 0; k < 3; k++) {
            d[k] = (double)m[4 * k] * local[0] + (double)m[4 * k + 1] * local[1] +
                   (double)m[4 * k + 2] * local[2];
            length += d[k] * d[k];
        }
        for (int k = 0; k < 3; k++)
            along += d[k] * 10 * (double)m[4 * k + 3];
        for (int r = 0; r < 3; r++) {
            for (int c = 0; c < 3; c++)
                a[3 * r + c] += (r == c) - d[r] * d[c] / length;
            b[r] += 10 * (double)m[4 * r + 3] - d[r] * along / length;
        }
    }
    if (!invert(a, inverse))
        return false;
    times(inverse, b, mean);
    return true;
}

/* Least squares in pixels with Cauchy weights of width `spread`; a weak pull along `axis` to depth
 * `depth`. */
static void refine_mean(const lift_views *v, int point, const double axis[3], double depth,
                        double spread, double mean[3]) {
    for (int round = 0; round < ROUNDS; round++) {
        double a[9] = {0}, b[3] = {0}, inverse[9], step[3], along = 0;
        for (int64_t t = 0; t < v->rows; t++) {
            double pixel[2], j[2][3];
            if (!v->seen[t] || !project(v, t, mean, pixel, j))
                continue;
            const float *px = pixel_of(v, t, point);
            double r[2] = {(double)px[0] - pixel[0], (double)px[1] - pixel[1]};
            double far = (r[0] * r[0] + r[1] * r[1]) / (spread * spread);
            add_pixel(1 / (spread * spread) / (1 + far), j, r, a, b);
        }
        for (int k = 0; k < 3; k++)
            along += axis[k] * mean[k];
        for (int r = 0; r < 3; r++) {
            for (int c = 0; c < 3; c++)
                a[3 * r + c] += axis[r] * axis[c] / (face_depth * face_depth);
            b[r] += axis[r] * (depth - along) / (face_depth * face_depth);
        }
        if (!invert(a, inverse))
            return;
        times(inverse, b, step);
        for (int k = 0; k < 3; k++)
            mean[k] += step[k];
    }
}

/* Direction from the head to the camera, mean over the rows, and its spread. */
static void view_axis(const lift_views *v, double axis[3], double *turn_deg) {
    double sum[3] = {0}, n = 0, length = 0;
    for (int64_t t = 0; t < v->rows; t++)
        for (int k = 0; v->seen[t] && k < 3; k++)
            sum[k] += (double)v->c2w[16 * t + 4 * k + 2];
    for (int k = 0; k < 3; k++)
        length += sum[k] * sum[k];
    length = sqrt(length);
    for (int k = 0; k < 3; k++)
        axis[k] = length > 0 ? sum[k] / length : k == 2;
    double square = 0;
    for (int64_t t = 0; t < v->rows; t++)
        if (v->seen[t]) {
            double dot = 0;
            for (int k = 0; k < 3; k++)
                dot += axis[k] * (double)v->c2w[16 * t + 4 * k + 2];
            double angle = acos(fmin(1, fmax(-1, dot))) * 57.29577951308232;
            square += angle * angle;
            n++;
        }
    *turn_deg = sqrt(square / fmax(1, n));
}

/* ---- rows without a face ---------------------------------------------------------------------
 */

static int ascending(const void *a, const void *b) {
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

static double median(double *x, int64_t n) {
    qsort(x, (size_t)n, sizeof *x, ascending);
    return n ? x[n / 2] : 0;
}

/* Detectors lose the face now and then. A row is lost when half of its points are far from where
 * half of the points usually are. usual, scratch [rows]. Returns the number of lost rows. */
static int64_t drop_lost(const lift_views *v, const double (*mean)[3], double *usual,
                         double *scratch) {
    int64_t n = 0, lost = 0;
    for (int64_t t = 0; t < v->rows; t++) {
        double far[POINTS], pixel[2];
        for (int i = 0; i < POINTS; i++) {
            const float *px = pixel_of(v, t, i);
            far[i] = v->seen[t] && project(v, t, mean[i], pixel, NULL)
                         ? hypot((double)px[0] - pixel[0], (double)px[1] - pixel[1])
                         : 0;
        }
        usual[t] = median(far, POINTS);
        if (v->seen[t])
            scratch[n++] = usual[t];
    }
    double limit = lost_face * median(scratch, n) + 0.5;
    for (int64_t t = 0; t < v->rows; t++)
        if (v->seen[t] && usual[t] > limit) {
            v->seen[t] = false;
            lost++;
        }
    return lost;
}

/* ---- noise -------------------------------------------------------------------------------- */

/* Of points that sit on the skull: what is left of three rows in line is noise. */
static double measure_noise(const lift_views *v, const double (*mean)[3], double *scratch) {
    static const int still[] = {27, 28, 29, 30, 36, 39, 42, 45};
    int64_t n = 0;
    for (size_t i = 0; i < sizeof still / sizeof *still; i++)
        for (int64_t t = 1; t + 1 < v->rows; t++) {
            double r[3][2], pixel[2];
            bool all = true;
            for (int k = 0; k < 3; k++) {
                int64_t row = t + k - 1;
                all = all && v->seen[row] && project(v, row, mean[still[i]], pixel, NULL);
                const float *px = pixel_of(v, row, still[i]);
                for (int d = 0; all && d < 2; d++)
                    r[k][d] = (double)px[d] - pixel[d];
            }
            for (int d = 0; all && d < 2; d++)
                scratch[n++] = fabs(r[0][d] - 2 * r[1][d] + r[2][d]);
        }
    if (n == 0)
        return 1;
    return fmax(least_noise, 1.4826 * median(scratch, n) / sqrt(6.0));
}

/* ---- displacements -------------------------------------------------------------------------- */

typedef struct {
    const lift_views *views;
    double (*mean)[3];
    double noise;
    float *landmarks;
    double *memory; /* per worker: rows * ROW doubles */
    double error[POINTS];
    int64_t errors[POINTS];
} displace_job;

enum { ROW = 3 + 9 + 3 }; /* displacement, inverse of the pivot, right side */

/* Variance of the displacement (dm^2, per axis) and its correlation from row to row. */
static void measure_process(const displace_job *job, int point, double *variance,
                            double *correlation) {
    const lift_views *v = job->views;
    double square = 0, change = 0, n = 0, pairs = 0, last[2] = {0}, scale = 0;
    bool before = false;
    for (int64_t t = 0; t < v->rows; t++) {
        double pixel[2], j[2][3];
        bool here = v->seen[t] && project(v, t, job->mean[point], pixel, j);
        if (here) {
            const float *px = pixel_of(v, t, point);
            double r[2] = {(double)px[0] - pixel[0], (double)px[1] - pixel[1]};
            scale += sqrt(j[0][0] * j[0][0] + j[0][1] * j[0][1] + j[0][2] * j[0][2]);
            for (int d = 0; d < 2; d++) {
                square += r[d] * r[d];
                change += before ? (r[d] - last[d]) * (r[d] - last[d]) : 0;
                last[d] = r[d];
            }
            n++;
            pairs += before;
        }
        before = here;
    }
    double noise = job->noise * job->noise, pixels_dm = scale / fmax(1, n);
    double signal = fmax(square / fmax(1, 2 * n) - noise, 0.01 * noise);
    double moved = fmax(change / fmax(1, 2 * pairs) / 2 - noise, 0.01 * signal);
    *correlation = fmin(0.98, fmax(0, 1 - moved / signal));
    *variance = signal / (pixels_dm * pixels_dm);
}

/* One point in all rows: block tridiagonal, solved from the first row to the last and back. */
static void displace(displace_job *job, int point, double *memory) {
    const lift_views *v = job->views;
    double *shift = memory, *pivot = memory + 3 * v->rows, *right = memory + 12 * v->rows;
    double variance, rho, noise = job->noise * job->noise;
    measure_process(job, point, &variance, &rho);
    double own = 1 / (variance * (1 - rho * rho)), link = rho * own;
    memset(shift, 0, sizeof(double) * 3 * (size_t)v->rows);
    for (int round = 0; round <= DISPLACED_ROUNDS; round++) {
        double error = 0;
        int64_t errors = 0;
        for (int64_t t = 0; t < v->rows; t++) {
            bool end = t == 0 || t + 1 == v->rows;
            double a[9] = {0}, b[3] = {0}, p[3], pixel[2], j[2][3];
            a[0] = a[4] = a[8] = own * (end ? 1 : 1 + rho * rho);
            for (int k = 0; k < 3; k++)
                p[k] = job->mean[point][k] + shift[3 * t + k];
            if (v->seen[t] && project(v, t, p, pixel, j)) {
                const float *px = pixel_of(v, t, point);
                double r[2] = {(double)px[0] - pixel[0], (double)px[1] - pixel[1]};
                double far = (r[0] * r[0] + r[1] * r[1]) / (noise * outlier * outlier);
                error += r[0] * r[0] + r[1] * r[1];
                errors++;
                for (int d = 0; d < 2; d++) /* solved for the displacement, not for a step */
                    for (int k = 0; k < 3; k++)
                        r[d] += j[d][k] * shift[3 * t + k];
                /* before the first solution a blink is as far away as a mistake */
                add_pixel(1 / noise / (round == 0 ? 1 : 1 + far), j, r, a, b);
            }
            for (int k = 0; k < 9 && t > 0; k++)
                a[k] -= link * link * pivot[9 * (t - 1) + k];
            if (t > 0) {
                double carried[3];
                times(pivot + 9 * (t - 1), right + 3 * (t - 1), carried);
                for (int k = 0; k < 3; k++)
                    b[k] += link * carried[k];
            }
            if (!invert(a, pivot + 9 * t))
                memset(pivot + 9 * t, 0, sizeof(double) * 9);
            memcpy(right + 3 * t, b, sizeof b);
        }
        job->error[point] = error;
        job->errors[point] = errors;
        for (int64_t t = v->rows - 1; round < DISPLACED_ROUNDS && t >= 0; t--) {
            double b[3];
            for (int k = 0; k < 3; k++)
                b[k] = right[3 * t + k] + (t + 1 < v->rows ? link * shift[3 * (t + 1) + k] : 0);
            times(pivot + 9 * t, b, shift + 3 * t);
        }
    }
    for (int64_t t = 0; t < v->rows; t++)
        for (int k = 0; k < 3; k++)
            job->landmarks[(t * POINTS + point) * 3 + k] =
                (float)(job->mean[point][k] + shift[3 * t + k]);
}

static void displace_range(void *arg, int64_t begin, int64_t end, int worker) {
    displace_job *job = arg;
    double *memory = job->memory + (size_t)worker * ROW * (size_t)job->views->rows;
    for (int64_t i = begin; i < end; i++)
        displace(job, (int)i, memory);
}

/* ---- together ------------------------------------------------------------------------------ */

static tg_status find_means(tg_context *ctx, const char *name, const lift_views *v,
                            double mean[POINTS][3], double *turn_deg) {
    double axis[3], depth = 0;
    view_axis(v, axis, turn_deg);
    for (int i = 0; i < POINTS; i++) {
        if (!meet(v, i, mean[i]))
            return tg_fail(ctx, TG_EINPUT,
                           "%s: the head is seen from one direction only\n"
                           "  expected: a head that turns, so that its depth can be found\n"
                           "  try: landmarks.npy [frames,68,3] from a 3-D tracker",
                           name);
        for (int k = 0; k < 3; k++)
            depth += axis[k] * mean[i][k] / POINTS;
    }
    for (int i = 0; i < POINTS; i++)
        refine_mean(v, i, axis, depth, 0.01 * (double)v->focal / 2, mean[i]);
    return TG_OK;
}

tg_status tg_lift_landmarks(tg_context *ctx, const char *name, const lift_views *v,
                            float *landmarks, lift_report *report) {
    int64_t seen = 0;
    size_t threads = (size_t)tg_pool_threads(tg_context_pool(ctx)), rows;
    double mean[POINTS][3];
    displace_job job = {.views = v, .mean = mean, .landmarks = landmarks};
    for (int64_t t = 0; t < v->rows; t++)
        seen += v->seen[t];
    if (seen < FEWEST)
        return tg_fail(ctx, TG_EINPUT,
                       "%s: landmarks and poses of %lld frames\n  expected: of at least %d\n"
                       "  try: tracking again",
                       name, (long long)seen, FEWEST);
    if (!tg_mul_size((size_t)v->rows, ROW * sizeof(double), &rows) ||
        !tg_mul_size(rows, threads + 1, &rows) || !(job.memory = tg_alloc(rows)))
        return tg_fail(ctx, TG_ENOMEM, "%s: no memory to lift its landmarks", name);
    tg_status status = find_means(ctx, name, v, mean, &report->turn_deg);
    if (status == TG_OK)
        report->lost = drop_lost(v, (const double(*)[3])mean, job.memory, job.memory + v->rows);
    if (status == TG_OK && report->lost)
        status = find_means(ctx, name, v, mean, &report->turn_deg);
    if (status == TG_OK) {
        /* 8 points x 2 axes per row: 16 doubles, of the ROW + ROW there are at least */
        job.noise = measure_noise(v, (const double(*)[3])mean, job.memory);
        tg_pool_run(tg_context_pool(ctx), POINTS, 1, displace_range, &job);
        double error = 0, n = 0;
        for (int i = 0; i < POINTS; i++) {
            error += job.error[i];
            n += (double)job.errors[i];
        }
        report->noise = job.noise;
        report->error = sqrt(error / fmax(1, 2 * n));
    }
    tg_free(job.memory);
    return status;
}
