/* What is behind the person: the recording's background, a colour or a picture. */
#include "systems/background.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

/* Weight of a triangle filter as wide as the step: linear when enlarging, averaging when shrinking.
 */
static float sample(const tg_image *image, double x, double y, double step, int channel) {
    double radius = step > 1 ? step : 1, sum = 0, total = 0;
    int x0 = (int)floor(x - radius), x1 = (int)ceil(x + radius), y0 = (int)floor(y - radius),
        y1 = (int)ceil(y + radius);
    for (int j = y0; j <= y1; j++)
        for (int i = x0; i <= x1; i++) {
            double w = fmax(0, 1 - fabs(i - x) / radius) * fmax(0, 1 - fabs(j - y) / radius);
            int ii = i < 0 ? 0 : i >= image->width ? image->width - 1 : i;
            int jj = j < 0 ? 0 : j >= image->height ? image->height - 1 : j;
            sum +=
                w *
                image->data[((size_t)jj * (size_t)image->width + (size_t)ii) * 3 + (size_t)channel];
            total += w;
        }
    return (float)(sum / total);
}

/* Scales so that the picture covers the frame and its middle stays in the middle. */
static void cover(const tg_image *image, int width, int height, uint8_t *rgb) {
    if (image->width == width && image->height == height) {
        memcpy(rgb, image->data, (size_t)width * (size_t)height * 3);
        return;
    }
    double step = fmin((double)image->width / width, (double)image->height / height);
    for (int y = 0; y < height; y++)
        for (int x = 0; x < width; x++)
            for (int c = 0; c < 3; c++) {
                double sx = (x + 0.5 - width / 2.0) * step + image->width / 2.0 - 0.5;
                double sy = (y + 0.5 - height / 2.0) * step + image->height / 2.0 - 0.5;
                rgb[((size_t)y * (size_t)width + (size_t)x) * 3 + (size_t)c] =
                    (uint8_t)(sample(image, sx, sy, step, c) + 0.5f);
            }
}

tg_status tg_background_make(tg_context *ctx, const tg_identity *identity, const char *spec,
                             int width, int height, uint8_t *rgb) {
    if (strcmp(spec, "dataset") == 0) {
        cover(&identity->background, width, height, rgb);
        return TG_OK;
    }
    if (spec[0] == '#') {
        unsigned colour = 0;
        int used = 0;
        if (strlen(spec) != 7 || strspn(spec + 1, "0123456789abcdefABCDEF") != 6 ||
            sscanf(spec + 1, "%6x%n", &colour, &used) != 1)
            return tg_fail(
                ctx, TG_EUSAGE,
                "--background '%s' is no colour\n  expected: # and six hexadecimal digits\n"
                "  try: --background '#30405a'",
                spec);
        for (size_t i = 0; i < (size_t)width * (size_t)height; i++)
            for (int c = 0; c < 3; c++)
                rgb[3 * i + (size_t)c] = (uint8_t)(colour >> (16 - 8 * c));
        return TG_OK;
    }
    tg_image image = {0};
    tg_status s = tg_image_read(ctx, spec, 3, &image);
    if (s == TG_OK)
        cover(&image, width, height, rgb);
    tg_image_free(&image);
    return s;
}
