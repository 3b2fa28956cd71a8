#include "eval/displacement.h"

#include <math.h>

enum { ROUNDS = 12 };

/* Weight of standing still: noise of 2 % in a pixel, displacements of about a pixel. */
static const double still = 4e-4;

void tg_grey(const uint8_t *rgb, int64_t pixels, float *out) {
    for (int64_t i = 0; i < pixels; i++)
        out[i] = (0.299f * (float)rgb[3 * i] + 0.587f * (float)rgb[3 * i + 1] +
                  0.114f * (float)rgb[3 * i + 2]) /
                 255;
}

static double sample(const float *p, int width, int height, double x, double y) {
    x = fmin(fmax(x, 0), width - 1.001);
    y = fmin(fmax(y, 0), height - 1.001);
    int i = (int)x, j = (int)y;
    double u = x - i, v = y - j;
    const float *at = p + (int64_t)j * width + i;
    return (1 - v) * ((1 - u) * (double)at[0] + u * (double)at[1]) +
           v * ((1 - u) * (double)at[width] + u * (double)at[width + 1]);
}

double tg_displacement(const float *a, const float *b, int width, int height, double x, double y,
                       int radius) {
    double dx = 0, dy = 0;
    if (!(x >= radius + 1 && y >= radius + 1 && x < width - radius - 2 && y < height - radius - 2))
        return NAN;
    for (int round = 0; round < ROUNDS; round++) {
        double xx = 0, xy = 0, yy = 0, ex = 0, ey = 0;
        for (int j = -radius; j <= radius; j++)
            for (int i = -radius; i <= radius; i++) {
                double px = x + i, py = y + j;
                double gx =
                    (sample(a, width, height, px + 1, py) - sample(a, width, height, px - 1, py)) /
                    2;
                double gy =
                    (sample(a, width, height, px, py + 1) - sample(a, width, height, px, py - 1)) /
                    2;
                double e =
                    sample(a, width, height, px, py) - sample(b, width, height, px + dx, py + dy);
                xx += gx * gx;
                xy += gx * gy;
                yy += gy * gy;
                ex += gx * e;
                ey += gy * e;
            }
        xx += still;
        yy += still;
        ex -= still * dx;
        ey -= still * dy;
        double det = xx * yy - xy * xy;
        double sx = (yy * ex - xy * ey) / det, sy = (xx * ey - xy * ex) / det;
        dx += sx;
        dy += sy;
        double length = hypot(dx, dy);
        if (length > radius) { /* something else is there now */
            dx *= radius / length;
            dy *= radius / length;
        }
        if (hypot(sx, sy) < 1e-3)
            break;
    }
    return hypot(dx, dy);
}
