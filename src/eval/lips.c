/* What the lips of a video do, measured in the picture: a ridge regression from the mouth's pixels
 * to the gap of the inner lips, fitted on the person's training frames, then read from the video.
 */
#include "talkgen/eval.h"
#include "talkgen/systems.h"

#include "eval/correlation.h"
#include "eval/made_motion.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

/* The crop follows the head, not the lips: its centre is the projected mean mouth, its size fixed.
 */
enum { COLUMNS = 24, ROWS = 18, PIXELS = COLUMNS * ROWS, WEIGHTS = PIXELS + 1 };
static const double crop_width_dm = 1.0, crop_height_dm = 0.75;
/* Share of the mean variance that is added to the diagonal. */
static const double ridge = 0.03;

typedef struct {
    float focal, cx, cy;
    int width, height;
    float mouth[3]; /* mean of points 48-67, dm */
} view;

/* Brightness at a real position, clamped at the border. */
static double brightness(const uint8_t *rgb, int width, int height, double x, double y) {
    x = fmin(fmax(x, 0), width - 1.001);
    y = fmin(fmax(y, 0), height - 1.001);
    int xi = (int)x, yi = (int)y;
    double fx = x - xi, fy = y - yi, sum = 0;
    for (int k = 0; k < 4; k++) {
        const uint8_t *p = rgb + 3 * ((size_t)(yi + k / 2) * (size_t)width + (size_t)(xi + k % 2));
        double w = (k % 2 ? fx : 1 - fx) * (k / 2 ? fy : 1 - fy);
        sum += w * (0.2126 * p[0] + 0.7152 * p[1] + 0.0722 * p[2]) / 255;
    }
    return sum;
}

/* Pixels of the mouth of one picture, then 1; false behind the camera, or without four pixels. */
static bool crop(const view *v, const float c2w[16], const uint8_t *rgb, double out[WEIGHTS]) {
    double d[3], cam[3];
    for (int i = 0; i < 3; i++)
        d[i] = v->mouth[i] / 10 - c2w[4 * i + 3];
    for (int i = 0; i < 3; i++)
        cam[i] = d[0] * c2w[i] + d[1] * c2w[4 + i] + d[2] * c2w[8 + i];
    if (cam[2] > -1e-3 || v->width < 2 || v->height < 2)
        return false;
    double per_dm = v->focal / -cam[2] / 10;
    double cx = v->cx + v->focal * cam[0] / -cam[2] - 0.5;
    double cy = v->cy - v->focal * cam[1] / -cam[2] - 0.5;
    for (int r = 0; r < ROWS; r++)
        for (int c = 0; c < COLUMNS; c++)
            out[r * COLUMNS + c] = brightness(
                rgb, v->width, v->height, cx + ((c + 0.5) / COLUMNS - 0.5) * crop_width_dm * per_dm,
                cy + ((r + 0.5) / ROWS - 0.5) * crop_height_dm * per_dm);
    out[PIXELS] = 1;
    return true;
}

/* Solves the symmetric positive system a x = b in place (Cholesky); a [n,n] is overwritten. */
static bool solve(double *a, double *b, int n) {
    for (int j = 0; j < n; j++) {
        for (int k = 0; k < j; k++)
            a[j * n + j] -= a[j * n + k] * a[j * n + k];
        if (!(a[j * n + j] > 0))
            return false;
        a[j * n + j] = sqrt(a[j * n + j]);
        for (int i = j + 1; i < n; i++) {
            for (int k = 0; k < j; k++)
                a[i * n + j] -= a[i * n + k] * a[j * n + k];
            a[i * n + j] /= a[j * n + j];
        }
    }
    for (int i = 0; i < n; i++) {
        for (int k = 0; k < i; k++)
            b[i] -= a[i * n + k] * b[k];
        b[i] /= a[i * n + i];
    }
    for (int i = n - 1; i >= 0; i--) {
        for (int k = i + 1; k < n; k++)
            b[i] -= a[k * n + i] * b[k];
        b[i] /= a[i * n + i];
    }
    return true;
}

/* Weights of the regression over the training frames. */
static tg_status fit(tg_context *ctx, const tg_dataset *data, const view *v,
                     double weight[WEIGHTS]) {
    double *a = calloc((size_t)WEIGHTS * WEIGHTS, sizeof *a);
    if (!a)
        return tg_fail(ctx, TG_ENOMEM, "out of memory for a regression");
    memset(weight, 0, WEIGHTS * sizeof *weight);
    size_t bytes = (size_t)v->width * (size_t)v->height * 3;
    double mean[WEIGHTS] = {0}, x[WEIGHTS], count = 0;
    for (int64_t i = 0; i < data->train_frames; i++) {
        if (!crop(v, data->c2w + 16 * i, data->frame_rgb + (size_t)i * bytes, x))
            continue;
        double y = tg_lip_gap(data->landmarks + data->image_id[i] * TG_COND_DIM);
        for (int r = 0; r < WEIGHTS; r++) {
            for (int c = 0; c <= r; c++)
                a[r * WEIGHTS + c] += x[r] * x[c];
            weight[r] += x[r] * y;
            mean[r] += x[r];
        }
        count++;
    }
    double variance = 0;
    for (int r = 0; r < PIXELS; r++)
        variance += a[r * WEIGHTS + r] - mean[r] * mean[r] / fmax(count, 1);
    for (int r = 0; r < PIXELS; r++) /* the constant is not shrunk */
        a[r * WEIGHTS + r] += ridge * variance / PIXELS;
    bool ok = count > 0 && solve(a, weight, WEIGHTS);
    free(a);
    return ok ? TG_OK
              : tg_fail(ctx, TG_EINPUT,
                        "the training frames do not determine the lips\n  expected: a recording of "
                        "speech\n  try: another --data");
}

static double read_gap(const double weight[WEIGHTS], const double x[WEIGHTS]) {
    double sum = 0;
    for (int k = 0; k < WEIGHTS; k++)
        sum += weight[k] * x[k];
    return sum;
}

/* The video's frames against the landmarks and poses that drove them. */
static tg_status read_video(tg_context *ctx, const char *path, const view *v, const tg_npy *motion,
                            const tg_npy *poses, const double weight[WEIGHTS], tg_lips_score *out) {
    tg_video *video = NULL;
    int width = 0, height = 0;
    double fps = 0, x[WEIGHTS];
    tg_status s = tg_video_open(ctx, path, &video);
    if (s != TG_OK)
        return s;
    tg_video_size(video, &width, &height, &fps);
    uint8_t *rgb = tg_alloc((size_t)width * (size_t)height * 3);
    if (!rgb)
        s = tg_fail(ctx, TG_ENOMEM, "%s: out of memory", path);
    double scale = (double)height / v->height;
    view big = *v;
    big.width = width;
    big.height = height;
    big.focal *= (float)scale;
    big.cx *= (float)width / (float)v->width;
    big.cy *= (float)scale;
    tg_pairs m = {0};
    bool done = false;
    for (int64_t i = 0; s == TG_OK; i++) {
        s = tg_video_read(ctx, video, rgb, &done);
        if (s != TG_OK || done)
            break;
        if (i >= motion->dim[0] || i >= poses->dim[0]) {
            s = tg_fail(ctx, TG_EINPUT,
                        "%s: more frames than the %lld of its landmarks and %lld of its poses\n"
                        "  expected: the files that drove it\n  try: talkgen motion --pose-out",
                        path, (long long)motion->dim[0], (long long)poses->dim[0]);
            break;
        }
        if (crop(&big, poses->data + 16 * i, rgb, x))
            tg_pairs_add(&m, read_gap(weight, x), tg_lip_gap(motion->data + i * TG_COND_DIM));
    }
    out->frames = (int64_t)m.n;
    out->video_corr = tg_pairs_correlation(&m);
    tg_free(rgb);
    tg_video_close(&video);
    return s;
}

tg_status tg_eval_lips(tg_context *ctx, const char *dataset, const char *video, const char *motion,
                       const char *poses, tg_lips_score *out) {
    memset(out, 0, sizeof *out);
    tg_dataset *data = NULL;
    tg_npy lm = {0}, pose = {0};
    double weight[WEIGHTS], x[WEIGHTS];
    tg_status s = tg_npy_read(ctx, motion, &lm);
    if (s == TG_OK)
        s = tg_npy_read(ctx, poses, &pose);
    bool ok =
        s != TG_OK || (lm.ndim >= 2 && lm.dim[1] * (lm.ndim == 3 ? lm.dim[2] : 1) == TG_COND_DIM &&
                       pose.ndim == 3 && pose.dim[1] == 4 && pose.dim[2] == 4);
    if (!ok)
        s = tg_fail(ctx, TG_EINPUT,
                    "%s or %s is misshapen\n  expected: landmarks [T,68,3] and poses [T,4,4]\n"
                    "  try: talkgen motion --pose-out",
                    motion, poses);
    if (s == TG_OK)
        s = tg_dataset_open(ctx, dataset, TG_LOAD_FRAMES, 0, &data);
    if (s == TG_OK) {
        view v = {data->focal, data->cx, data->cy, data->width, data->height, {0}};
        for (int p = 48; p < 68; p++)
            for (int k = 0; k < 3; k++)
                v.mouth[k] += data->mean[3 * p + k] / 20;
        s = fit(ctx, data, &v, weight);
        tg_pairs m = {0};
        size_t bytes = (size_t)v.width * (size_t)v.height * 3;
        for (int64_t i = data->train_frames; s == TG_OK && i < data->frames; i++)
            if (crop(&v, data->c2w + 16 * i, data->frame_rgb + (size_t)i * bytes, x))
                tg_pairs_add(&m, read_gap(weight, x),
                             tg_lip_gap(data->landmarks + data->image_id[i] * TG_COND_DIM));
        out->true_corr = m.n > 2 ? tg_pairs_correlation(&m) : NAN;
        if (s == TG_OK)
            s = read_video(ctx, video, &v, &lm, &pose, weight, out);
    }
    tg_dataset_close(&data);
    tg_npy_free(&lm);
    tg_npy_free(&pose);
    return s;
}
