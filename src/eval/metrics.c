/* Picture measures by region. */
#include "talkgen/eval.h"

#include <math.h>
#include <string.h>

enum { RADIUS = 5, TAPS = 2 * RADIUS + 1, MOMENTS = 5 };

/* Gaussian average along one axis; at the borders the window is what lies inside the picture. */
static void blur(const float *in, int n, int stride, const float tap[TAPS], float *out) {
    for (int i = 0; i < n; i++) {
        float sum = 0, total = 0;
        for (int k = -RADIUS; k <= RADIUS; k++) {
            int at = i + k;
            if (at < 0 || at >= n)
                continue;
            sum += tap[k + RADIUS] * in[(int64_t)at * stride];
            total += tap[k + RADIUS];
        }
        out[(int64_t)i * stride] = sum / total;
    }
}

tg_status tg_ssim_map(tg_context *ctx, int width, int height, const uint8_t *a, const uint8_t *b,
                      float *map) {
    const float c1 = 0.01f * 0.01f, c2 = 0.03f * 0.03f;
    const float sigma = 1.5f;
    size_t pixels = (size_t)width * (size_t)height;
    float *planes = tg_alloc(sizeof(float) * pixels * (MOMENTS + 1));
    if (!planes)
        return tg_fail(ctx, TG_ENOMEM, "not enough memory to measure a %d x %d picture", width,
                       height);
    float tap[TAPS];
    for (int k = -RADIUS; k <= RADIUS; k++)
        tap[k + RADIUS] = expf(-(float)(k * k) / (2 * sigma * sigma));
    float *m[MOMENTS], *rows = planes + MOMENTS * pixels;
    for (int k = 0; k < MOMENTS; k++)
        m[k] = planes + (size_t)k * pixels;
    memset(map, 0, sizeof(float) * pixels);
    for (size_t c = 0; c < 3; c++) {
        for (size_t i = 0; i < pixels; i++) {
            float x = (float)a[3 * i + c] / 255, y = (float)b[3 * i + c] / 255;
            m[0][i] = x;
            m[1][i] = y;
            m[2][i] = x * x;
            m[3][i] = y * y;
            m[4][i] = x * y;
        }
        for (int k = 0; k < MOMENTS; k++) {
            for (int y = 0; y < height; y++)
                blur(m[k] + (int64_t)y * width, width, 1, tap, rows + (int64_t)y * width);
            for (int x = 0; x < width; x++)
                blur(rows + x, height, width, tap, m[k] + x);
        }
        for (size_t i = 0; i < pixels; i++) {
            float x = m[0][i], y = m[1][i];
            float xx = m[2][i] - x * x, yy = m[3][i] - y * y, xy = m[4][i] - x * y;
            map[i] +=
                (2 * x * y + c1) * (2 * xy + c2) / ((x * x + y * y + c1) * (xx + yy + c2)) / 3;
        }
    }
    tg_free(planes);
    return TG_OK;
}

void tg_region_add(tg_region_score *score, int width, int height, const uint8_t *a,
                   const uint8_t *b, const float *ssim_map, const uint8_t *mask, int bits,
                   const tg_box *box) {
    tg_box all = {0, 0, width, height};
    if (!box)
        box = &all;
    for (int y = box->top; y < box->bottom; y++)
        for (int x = box->left; x < box->right; x++) {
            int64_t i = (int64_t)y * width + x;
            if (mask && !(mask[i] & bits))
                continue;
            int error = 0;
            for (int c = 0; c < 3; c++) {
                int d = (int)a[3 * i + c] - (int)b[3 * i + c];
                error += d * d;
            }
            score->squared_error += error / (255.0 * 255.0);
            score->ssim += ssim_map ? (double)ssim_map[i] : 0;
            score->pixels++;
        }
}

double tg_region_psnr(const tg_region_score *score) {
    return -10 * log10(score->squared_error / (3 * (double)score->pixels));
}

double tg_region_ssim(const tg_region_score *score) {
    return score->ssim / (double)score->pixels;
}
