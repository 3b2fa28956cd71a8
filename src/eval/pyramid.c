/* A picture measure that sees detail which is lost or misplaced, where PSNR sees brightness. */
#include "talkgen/eval.h"

#include <math.h>
#include <string.h>

enum { SCALES = 4, CHANNELS = 3 };

/* Gradients below this (per pixel, values in [0,1]) are as good as none: compression leaves such.
 */
static const float floor_gradient = 0.012f;

typedef struct {
    int width, height;
} size2;

static int clamp(int x, int n) {
    return x < 0 ? 0 : x >= n ? n - 1 : x;
}

/* 1 4 6 4 1 in both directions, edges repeated. out may be in; scratch: one plane. */
static void smooth(const float *in, size2 s, float *scratch, float *out) {
    static const float tap[5] = {1 / 16.f, 4 / 16.f, 6 / 16.f, 4 / 16.f, 1 / 16.f};
    for (int y = 0; y < s.height; y++)
        for (int x = 0; x < s.width; x++) {
            float sum = 0;
            for (int k = -2; k <= 2; k++)
                sum += tap[k + 2] * in[y * s.width + clamp(x + k, s.width)];
            scratch[y * s.width + x] = sum;
        }
    for (int y = 0; y < s.height; y++)
        for (int x = 0; x < s.width; x++) {
            float sum = 0;
            for (int k = -2; k <= 2; k++)
                sum += tap[k + 2] * scratch[clamp(y + k, s.height) * s.width + x];
            out[y * s.width + x] = sum;
        }
}

/* Every second pixel of the smoothed plane, in place. */
static size2 halve(float *plane, size2 s, float *scratch, float *blurred) {
    size2 half = {(s.width + 1) / 2, (s.height + 1) / 2};
    smooth(plane, s, scratch, blurred);
    for (int y = 0; y < half.height; y++)
        for (int x = 0; x < half.width; x++)
            plane[y * half.width + x] = blurred[2 * y * s.width + 2 * x];
    return half;
}

/* Sobel's derivative of a plane at a pixel: the two steer to every direction. */
static void gradient(const float *p, size2 s, int x, int y, float g[2]) {
    static const float tap[3] = {0.25f, 0.5f, 0.25f};
    int l = clamp(x - 1, s.width), r = clamp(x + 1, s.width);
    int u = clamp(y - 1, s.height), d = clamp(y + 1, s.height);
    g[0] = g[1] = 0;
    for (int k = -1; k <= 1; k++) {
        int row = clamp(y + k, s.height), column = clamp(x + k, s.width);
        g[0] += tap[k + 1] * (p[row * s.width + r] - p[row * s.width + l]) / 2;
        g[1] += tap[k + 1] * (p[d * s.width + column] - p[u * s.width + column]) / 2;
    }
}

/* distance^2 = 1/2 |ga - gb|^2 / (|ga|^2 + |gb|^2 + floor^2), each averaged around the pixel */
static void compare(const float *a, const float *b, size2 s, float *difference, float *energy,
                    float *scratch) {
    for (int y = 0; y < s.height; y++)
        for (int x = 0; x < s.width; x++) {
            float ga[2], gb[2], *d = &difference[y * s.width + x], *e = &energy[y * s.width + x];
            gradient(a, s, x, y, ga);
            gradient(b, s, x, y, gb);
            *d = (ga[0] - gb[0]) * (ga[0] - gb[0]) + (ga[1] - gb[1]) * (ga[1] - gb[1]);
            *e = ga[0] * ga[0] + ga[1] * ga[1] + gb[0] * gb[0] + gb[1] * gb[1];
        }
    smooth(difference, s, scratch, difference);
    smooth(energy, s, scratch, energy);
    for (int i = 0; i < s.width * s.height; i++)
        difference[i] = sqrtf(difference[i] / (2 * (energy[i] + floor_gradient * floor_gradient)));
}

static void channel_of(const uint8_t *rgb, size_t pixels, int channel, float *out) {
    static const float mix[CHANNELS][3] = {
        {0.299f, 0.587f, 0.114f}, {-0.169f, -0.331f, 0.5f}, {0.5f, -0.419f, -0.081f}};
    const float *m = mix[channel];
    for (size_t i = 0; i < pixels; i++)
        out[i] = (m[0] * (float)rgb[3 * i] + m[1] * (float)rgb[3 * i + 1] +
                  m[2] * (float)rgb[3 * i + 2]) /
                 255;
}

tg_status tg_pyramid_map(tg_context *ctx, int width, int height, const uint8_t *a, const uint8_t *b,
                         float *map) {
    static const float weight[CHANNELS] = {0.5f, 0.25f, 0.25f}; /* brightness, blue, red */
    size_t pixels = (size_t)width * (size_t)height;
    float *planes = tg_alloc(sizeof(float) * pixels * 5);
    if (!planes)
        return tg_fail(ctx, TG_ENOMEM, "not enough memory to measure a %d x %d picture", width,
                       height);
    float *p = planes, *q = p + pixels, *difference = q + pixels, *energy = difference + pixels,
          *scratch = energy + pixels;
    memset(map, 0, sizeof(float) * pixels);
    for (int c = 0; c < CHANNELS; c++) {
        size2 s = {width, height};
        channel_of(a, pixels, c, p);
        channel_of(b, pixels, c, q);
        for (int scale = 0; scale < SCALES; scale++) {
            if (scale > 0) {
                halve(p, s, scratch, energy);
                s = halve(q, s, scratch, energy);
            }
            compare(p, q, s, difference, energy, scratch);
            for (int y = 0; y < height; y++)
                for (int x = 0; x < width; x++)
                    map[(int64_t)y * width + x] +=
                        weight[c] / SCALES * difference[(y >> scale) * s.width + (x >> scale)];
        }
    }
    tg_free(planes);
    return TG_OK;
}
