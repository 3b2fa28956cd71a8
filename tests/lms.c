/* lms DIR NOISE: 2-D landmarks DIR/ori_imgs/N.lms of a recording whose landmarks.npy is true,
 *                with Gaussian noise of so many pixels. For tests of what is lifted from them.
 * lms A.npy B.npy MM: how far A is from B: exit 1 when the RMS distance of the points exceeds MM
 *                millimetres, or the lips' gap of A is not B's. */
#include "talkgen/io.h"

#include "dataset/motion.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static tg_status write_lms(tg_context *ctx, const char *dir, double noise) {
    tg_dataset *set = NULL;
    const tg_rng rng = tg_rng_make(1, "", "test.lms");
    char path[1200], *text = tg_alloc(68 * 64);
    tg_status s = tg_dataset_open(ctx, dir, 0, 0, &set);
    snprintf(path, sizeof path, "%s/ori_imgs", dir);
    if (s == TG_OK)
        s = tg_make_dirs(ctx, path);
    for (int64_t f = 0; s == TG_OK && f < set->frames; f++) {
        size_t n = 0;
        for (int i = 0; i < 68; i++) {
            float xy[2] = {0, 0};
            tg_dataset_project(set, f, set->landmarks + (set->image_id[f] * 68 + i) * 3, xy);
            for (int d = 0; d < 2; d++)
                n += (size_t)sprintf(
                    text + n, "%.4f%c",
                    (double)xy[d] +
                        noise * (double)tg_rng_normal(&rng, (uint64_t)((f * 68 + i) * 2 + d)),
                    d ? '\n' : ' ');
        }
        snprintf(path, sizeof path, "%s/ori_imgs/%lld.lms", dir, (long long)set->image_id[f]);
        s = tg_file_write(ctx, path, text, n);
    }
    tg_dataset_close(&set);
    tg_free(text);
    return s;
}

static double gap(const float *p) {
    static const int pair[3][2] = {{61, 67}, {62, 66}, {63, 65}};
    double sum = 0;
    for (int k = 0; k < 3; k++)
        sum += hypot(hypot((double)p[3 * pair[k][0]] - (double)p[3 * pair[k][1]],
                           (double)p[3 * pair[k][0] + 1] - (double)p[3 * pair[k][1] + 1]),
                     (double)p[3 * pair[k][0] + 2] - (double)p[3 * pair[k][1] + 2]);
    return sum / 3;
}

static double correlation(const float *a, const float *b, int64_t rows) {
    double x = 0, y = 0, xx = 0, yy = 0, xy = 0, n = (double)rows;
    for (int64_t t = 0; t < rows; t++) {
        double g = gap(a + t * 204), h = gap(b + t * 204);
        x += g, y += h, xx += g * g, yy += h * h, xy += g * h;
    }
    return (n * xy - x * y) / sqrt((n * xx - x * x) * (n * yy - y * y));
}

static int compare(tg_context *ctx, const char *one, const char *other, double limit) {
    tg_npy a, b;
    if (tg_npy_read(ctx, one, &a) != TG_OK || tg_npy_read(ctx, other, &b) != TG_OK) {
        fprintf(stderr, "lms: %s\n", tg_message(ctx));
        return 1;
    }
    const struct {
        const char *name;
        int first, end;
    } parts[] = {{"all", 0, 68}, {"jaw", 0, 17}, {"eyes", 36, 48}, {"mouth", 48, 68}};
    double rms = INFINITY, r = 0;
    if (a.ndim == 3 && b.ndim == 3 && a.dim[0] == b.dim[0]) {
        r = correlation(a.data, b.data, a.dim[0]);
        for (size_t k = 4; k-- > 0;) {
            /* of the point's own mean place, and of its way about it */
            double still[3] = {0}, moving[3] = {0}, rows = (double)a.dim[0];
            double points = parts[k].end - parts[k].first;
            for (int i = 3 * parts[k].first; i < 3 * parts[k].end; i++) {
                double sum = 0, square = 0;
                for (int64_t t = 0; t < a.dim[0]; t++) {
                    double e = 100 * ((double)a.data[t * 204 + i] - (double)b.data[t * 204 + i]);
                    sum += e;
                    square += e * e;
                }
                still[i % 3] += sum * sum / (rows * rows) / points;
                moving[i % 3] += (square / rows - sum * sum / (rows * rows)) / points;
            }
            rms = sqrt(still[0] + still[1] + still[2] + moving[0] + moving[1] + moving[2]);
            printf("%-6s %.2f mm; mean place x %.2f y %.2f z %.2f, motion x %.2f y %.2f z %.2f\n",
                   parts[k].name, rms, sqrt(still[0]), sqrt(still[1]), sqrt(still[2]),
                   sqrt(moving[0]), sqrt(moving[1]), sqrt(moving[2]));
        }
        printf("gap of the lips: correlation %.3f\n", r);
    }
    tg_npy_free(&a);
    tg_npy_free(&b);
    return rms <= limit && r > 0.9 ? 0 : 1;
}

int main(int argc, char **argv) {
    tg_context *ctx = tg_context_create(1);
    tg_status s = TG_EUSAGE;
    int code = 1;
    if (ctx && argc == 3)
        s = write_lms(ctx, argv[1], atof(argv[2]));
    if (ctx && argc == 4)
        code = compare(ctx, argv[1], argv[2], atof(argv[3]));
    else
        code = tg_exit_code(s);
    if (ctx && argc == 3 && s != TG_OK)
        fprintf(stderr, "lms: %s\n", tg_message(ctx));
    tg_context_destroy(&ctx);
    return code;
}
