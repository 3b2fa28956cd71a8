/* The folder of a recording: files that RAD-NeRF, AD-NeRF and GeneFace write in preparation. */
#include "convert/recording.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { PATH_ROOM = 2048, FIRST_EYE = 36, EYE = 6, LIMIT = 1 << 20 };

static tg_status read_background(tg_context *ctx, const char *directory, tg_recording *r) {
    char path[PATH_ROOM];
    snprintf(path, sizeof path, "%s/bc.png", directory);
    if (!tg_file_exists(path))
        snprintf(path, sizeof path, "%s/bc.jpg", directory);
    tg_status s = tg_image_read(ctx, path, 3, &r->background);
    if (s == TG_OK && (r->background.width < 16 || r->background.height < 16 ||
                       r->background.width > 8192 || r->background.height > 8192))
        s = tg_fail(ctx, TG_EINPUT,
                    "%s: %dx%d pixels\n  expected: 16 to 8192 on each side, the size of the "
                    "recording\n  try: the background of the same recording",
                    path, r->background.width, r->background.height);
    return s;
}

static tg_status read_cameras(tg_context *ctx, const char *directory, tg_recording *r) {
    char path[PATH_ROOM];
    tg_transforms part[2];
    memset(part, 0, sizeof part);
    snprintf(path, sizeof path, "%s/transforms_train.json", directory);
    tg_status s = tg_transforms_read(ctx, path, &part[0]);
    if (s == TG_OK && !(part[0].focal > 1 && part[0].focal < 1e6))
        s = tg_fail(ctx, TG_EINPUT,
                    "%s: focal_len is missing or out of range\n  expected: pixels, 1 to 1e6\n"
                    "  try: tracking the recording again",
                    path);
    snprintf(path, sizeof path, "%s/transforms_val.json", directory);
    if (s == TG_OK && tg_file_exists(path))
        s = tg_transforms_read(ctx, path, &part[1]);
    if (s == TG_OK) {
        size_t n = (size_t)part[0].frames + (size_t)part[1].frames;
        r->focal = (float)part[0].focal;
        r->cx = isfinite(part[0].cx) ? (float)part[0].cx : (float)r->background.width / 2;
        r->cy = isfinite(part[0].cy) ? (float)part[0].cy : (float)r->background.height / 2;
        r->frames = (int64_t)n;
        r->train = part[0].frames;
        r->c2w = tg_alloc(n * 16 * sizeof *r->c2w);
        r->image_id = tg_alloc(n * sizeof *r->image_id);
        if (!r->c2w || !r->image_id)
            s = tg_fail(ctx, TG_ENOMEM, "%s: out of memory", directory);
    }
    int64_t at = 0;
    for (int p = 0; s == TG_OK && p < 2; p++) {
        size_t n = (size_t)part[p].frames;
        if (n > 0) {
            memcpy(r->c2w + 16 * at, part[p].c2w, n * 16 * sizeof *r->c2w);
            memcpy(r->image_id + at, part[p].image_id, n * sizeof *r->image_id);
        }
        at += part[p].frames;
    }
    tg_transforms_free(&part[0]);
    tg_transforms_free(&part[1]);
    return s;
}

/* ---- eyes ---- */

static double polygon_area(const double (*p)[2], int n) {
    double sum = 0;
    for (int i = 0; i < n; i++) {
        int k = (i + 1) % n;
        sum += p[i][0] * p[k][1] - p[k][0] * p[i][1];
    }
    return fabs(sum) / 2;
}

static tg_status read_eyes(tg_context *ctx, const char *directory, tg_recording *r) {
    double pixels = (double)r->background.width * r->background.height;
    float *area = tg_alloc((size_t)r->frames * sizeof *area);
    if (!area)
        return tg_fail(ctx, TG_ENOMEM, "%s: out of memory", directory);
    for (int64_t i = 0; i < r->frames; i++) {
        char path[PATH_ROOM];
        double p[TG_LMS_POINTS][2];
        snprintf(path, sizeof path, "%s/ori_imgs/%lld.lms", directory, (long long)r->image_id[i]);
        tg_status s =
            r->image_id[i] < 0 || !tg_file_exists(path) ? TG_EINPUT : tg_lms_read(ctx, path, p);
        if (s != TG_OK) {
            tg_free(area);
            return s == TG_ENOMEM ? s : TG_OK; /* a recording without eye areas */
        }
        double sum = polygon_area((const double(*)[2])p + FIRST_EYE, EYE) +
                     polygon_area((const double(*)[2])p + FIRST_EYE + EYE, EYE);
        area[i] = (float)(100 * sum / pixels);
    }
    r->eye_area = area;
    return TG_OK;
}

tg_status tg_recording_open(tg_context *ctx, const char *directory, tg_recording *out) {
    memset(out, 0, sizeof *out);
    tg_status s = read_background(ctx, directory, out);
    if (s == TG_OK)
        s = read_cameras(ctx, directory, out);
    if (s == TG_OK)
        s = read_eyes(ctx, directory, out);
    if (s != TG_OK)
        tg_recording_close(out);
    return s;
}

void tg_recording_close(tg_recording *r) {
    tg_image_free(&r->background);
    tg_free(r->c2w);
    tg_free(r->image_id);
    tg_free(r->eye_area);
    memset(r, 0, sizeof *r);
}

/* ---- depths ---- */

/* "key = number" on a line of its own; NAN. */
static double number_of(const char *text, const char *key) {
    size_t n = strlen(key);
    for (const char *line = text, *next; line; line = next) {
        next = strchr(line, '\n');
        next = next ? next + 1 : NULL;
        const char *at = line + strspn(line, " \t");
        if (strncmp(at, key, n) != 0)
            continue;
        at += n + strspn(at + n, " \t");
        char *end;
        double value = *at == '=' ? strtod(at + 1, &end) : NAN;
        if (isfinite(value) && end != at + 1)
            return value;
    }
    return NAN;
}

void tg_recording_depths(tg_context *ctx, const char *directory, const tg_recording *r, float *near,
                         float *far) {
    static const char *const files[] = {"HeadNeRF_config.txt", "TorsoNeRF_config.txt"};
    for (int i = 0; i < 2; i++) {
        char path[PATH_ROOM], *text = NULL;
        size_t bytes = 0;
        snprintf(path, sizeof path, "%s/%s", directory, files[i]);
        if (!tg_file_exists(path) || tg_file_read(ctx, path, LIMIT, &text, &bytes) != TG_OK)
            continue;
        double a = number_of(text, "near"), b = number_of(text, "far");
        tg_free(text);
        if (a >= 0 && (float)b > (float)a && b < 1e4) {
            *near = (float)a;
            *far = (float)b;
            return;
        }
    }
    double sum = 0;
    for (int64_t i = 0; i < r->frames; i++) {
        const float *m = r->c2w + 16 * i;
        sum += sqrt((double)m[3] * m[3] + (double)m[7] * m[7] + (double)m[11] * m[11]);
    }
    double mean = sum / (double)r->frames;
    if (mean - 0.2 > 0 && mean < 1e3) {
        *near = (float)(mean - 0.2);
        *far = (float)(mean + 0.4);
    }
}

/* ---- identity ---- */

void tg_recording_parts(const tg_recording *r, tg_identity_parts *parts) {
    parts->width = r->background.width;
    parts->height = r->background.height;
    parts->focal = r->focal;
    parts->cx = r->cx;
    parts->cy = r->cy;
    parts->poses = r->frames;
    parts->pose = r->c2w;
    parts->eye_area = r->eye_area;
    parts->background = &r->background;
}

void tg_recording_name(const tg_convert_options *o, char out[64]) {
    const char *slash = strrchr(o->output, '/');
    const char *name = o->name ? o->name : slash ? slash + 1 : o->output;
    const char *dot = o->name ? NULL : strrchr(name, '.');
    snprintf(out, 64, "%.*s", dot && dot > name ? (int)(dot - name) : (int)strlen(name), name);
}
