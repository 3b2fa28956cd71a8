/* Landmarks of a recording, whoever made it. */
#include "dataset/motion.h"

#include "talkgen/systems.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { POINTS = TG_COND_DIM / 3, MAX_ROWS = 1 << 22, PATH_SIZE = 1200 };

static tg_status no_memory(tg_context *ctx, const char *path) {
    return tg_fail(ctx, TG_ENOMEM, "%s: not enough memory for its landmarks", path);
}

const char *tg_motion_origin_name(tg_motion_origin origin) {
    static const char *const names[] = {"landmarks.npy", "trainval_dataset.npy", "ori_imgs/*.lms"};
    return names[origin];
}

/* ---- landmarks.npy ------------------------------------------------------------------------- */

tg_status tg_landmarks_read(tg_context *ctx, const char *path, tg_npy *out) {
    tg_status status = tg_npy_read(ctx, path, out);
    if (status != TG_OK)
        return status;
    if (out->ndim != 3 || out->dim[1] != POINTS || out->dim[2] != 3 || out->dim[0] < 1)
        status = tg_fail(ctx, TG_EINPUT,
                         "%s: these are no landmarks\n  expected: [frames,68,3]\n"
                         "  try: filming, tracking or making the corpus again",
                         path);
    for (int64_t i = 0; status == TG_OK && i < out->dim[0] * TG_COND_DIM; i++)
        if (!isfinite(out->data[i]))
            status = tg_fail(ctx, TG_EINPUT,
                             "%s: value %lld is not a number\n  expected: finite positions\n"
                             "  try: filming, tracking or making the corpus again",
                             path, (long long)i);
    if (status != TG_OK)
        tg_npy_free(out);
    return status;
}

static tg_status read_npy(tg_context *ctx, const char *path, dataset_motion *out) {
    tg_npy npy;
    tg_status status = tg_landmarks_read(ctx, path, &npy);
    if (status == TG_OK) {
        out->rows = npy.dim[0];
        out->landmarks = npy.data;
    }
    return status;
}

/* ---- .lms ------------------------------------------------------------------------------------ */

/* Cameras and pixels of all frames; the members are owned here. */
typedef struct {
    lift_views views;
    float *c2w, *pixels;
    bool *seen;
    int64_t frames, without;
} tracked;

static void tracked_free(tracked *t) {
    tg_free(t->c2w);
    tg_free(t->pixels);
    tg_free(t->seen);
}

static tg_status alloc_rows(tg_context *ctx, const char *directory, int64_t rows, tracked *t) {
    size_t cameras, pixels;
    t->views.rows = rows;
    if (tg_mul_size((size_t)rows, 16 * sizeof(float), &cameras) &&
        tg_mul_size((size_t)rows, 2 * POINTS * sizeof(float), &pixels)) {
        t->c2w = tg_calloc(cameras);
        t->pixels = tg_calloc(pixels);
        t->seen = tg_calloc((size_t)rows);
    }
    return t->c2w && t->pixels && t->seen ? TG_OK : no_memory(ctx, directory);
}

/* The frames of one transforms file that have a .lms. */
static tg_status read_part(tg_context *ctx, const char *directory, const tg_transforms *part,
                           tracked *t) {
    tg_status status = TG_OK;
    for (int64_t f = 0; f < part->frames && status == TG_OK; f++) {
        char path[PATH_SIZE];
        int64_t row = part->image_id[f];
        snprintf(path, sizeof path, "%s/ori_imgs/%lld.lms", directory, (long long)row);
        t->frames++;
        if (!tg_file_exists(path)) {
            t->without++;
            continue;
        }
        double points[TG_LMS_POINTS][2];
        status = tg_lms_read(ctx, path, points);
        for (int i = 0; status == TG_OK && i < 2 * POINTS; i++)
            t->pixels[row * 2 * POINTS + i] = (float)points[i / 2][i % 2];
        memcpy(t->c2w + 16 * row, part->c2w + 16 * f, 16 * sizeof(float));
        t->seen[row] = true;
    }
    return status;
}

static tg_status read_tracked(tg_context *ctx, const char *directory, tracked *t) {
    static const char *const names[2] = {"transforms_train.json", "transforms_val.json"};
    tg_transforms part[2];
    memset(part, 0, sizeof part);
    tg_status status = TG_OK;
    int64_t rows = 0;
    for (int k = 0; k < 2 && status == TG_OK; k++) {
        char path[PATH_SIZE];
        snprintf(path, sizeof path, "%s/%s", directory, names[k]);
        status = tg_transforms_read(ctx, path, &part[k]);
        for (int64_t f = 0; f < part[k].frames && status == TG_OK; f++) {
            int64_t id = part[k].image_id[f];
            if (id < 0 || id >= MAX_ROWS)
                status = tg_fail(ctx, TG_EINPUT,
                                 "%s: frames[%lld] has no img_id\n  expected: 0 to %d\n"
                                 "  try: tracking again",
                                 path, (long long)f, MAX_ROWS - 1);
            rows = id >= rows ? id + 1 : rows;
        }
    }
    /* A file of a few bytes shall not ask for gigabytes. */
    if (status == TG_OK && rows > 1000 + 16 * (part[0].frames + part[1].frames))
        status =
            tg_fail(ctx, TG_EINPUT,
                    "%s: img_id up to %lld, but only %lld frames\n"
                    "  expected: frames without large gaps\n  try: tracking again",
                    directory, (long long)rows - 1, (long long)(part[0].frames + part[1].frames));
    if (status == TG_OK)
        status = alloc_rows(ctx, directory, rows, t);
    for (int k = 0; k < 2 && status == TG_OK; k++)
        status = read_part(ctx, directory, &part[k], t);
    lift_views *v = &t->views;
    v->focal = (float)part[0].focal;
    v->cx = (float)part[0].cx;
    v->cy = (float)part[0].cy;
    v->c2w = t->c2w;
    v->pixels = t->pixels;
    v->seen = t->seen;
    if (status == TG_OK && (!isfinite(v->cx) || !isfinite(v->cy))) {
        char path[PATH_SIZE];
        tg_image background;
        snprintf(path, sizeof path, "%s/bc.jpg", directory);
        if (!tg_file_exists(path))
            snprintf(path, sizeof path, "%s/bc.png", directory);
        status = tg_image_read(ctx, path, 3, &background);
        if (status == TG_OK) {
            v->cx = (float)background.width / 2;
            v->cy = (float)background.height / 2;
            tg_image_free(&background);
        }
    }
    tg_transforms_free(&part[0]);
    tg_transforms_free(&part[1]);
    return status;
}

/* out->landmarks from the .lms files. */
static tg_status lift(tg_context *ctx, const char *directory, dataset_motion *out) {
    tracked t = {0};
    size_t bytes = 0;
    tg_status status = read_tracked(ctx, directory, &t);
    out->rows = t.views.rows;
    out->without = t.without;
    if (status == TG_OK && t.without == t.frames)
        status = tg_fail(ctx, TG_EINPUT,
                         "%s: no motion in it\n"
                         "  expected: landmarks.npy [frames,68,3], or trainval_dataset.npy of "
                         "GeneFace, or landmarks ori_imgs/N.lms of the frames\n"
                         "  try: detecting the landmarks (the preparation of RAD-NeRF or GeneFace "
                         "does)",
                         directory);
    if (status == TG_OK && (!tg_mul_size((size_t)out->rows, TG_COND_DIM * sizeof(float), &bytes) ||
                            !(out->landmarks = tg_alloc(bytes))))
        status = no_memory(ctx, directory);
    if (status == TG_OK)
        status = tg_lift_landmarks(ctx, directory, &t.views, out->landmarks, &out->lifted);
    out->without += out->lifted.lost;
    tracked_free(&t);
    return status;
}

/* ---- trainval_dataset.npy ----------------------------------------------------------------- */

/* Displacements of the samples [rows,204] in dm, and which rows have one. */
static tg_status read_samples(tg_context *ctx, const char *path, const tg_torch_value *list,
                              int64_t rows, float *shift, bool *known) {
    for (int64_t i = 0; i < tg_torch_count(list); i++) {
        const tg_torch_value *sample = tg_torch_at(list, i);
        const tg_torch_tensor *t = tg_torch_tensor_of(tg_torch_get(sample, "idexp_lm3d"));
        double row = tg_torch_number(tg_torch_get(sample, "idx"), -1);
        if (!(row >= 0 && row < MAX_ROWS) || !t || t->count != TG_COND_DIM)
            return tg_fail(ctx, TG_EINPUT,
                           "%s: sample %lld has no idx and idexp_lm3d\n"
                           "  expected: a frame number and [68,3] displacements\n"
                           "  try: GeneFace's binarizer again, or without this file",
                           path, (long long)i);
        if (row >= (double)rows)
            continue;
        float *to = shift + (int64_t)row * TG_COND_DIM;
        tg_torch_read_f32(t, to);
        for (int k = 0; k < TG_COND_DIM; k++) {
            if (!isfinite(to[k]))
                return tg_fail(ctx, TG_EINPUT,
                               "%s: idexp_lm3d of sample %lld is not finite\n"
                               "  expected: displacements\n  try: GeneFace's tracking again",
                               path, (long long)i);
            to[k] /= 10;
        }
        known[(int64_t)row] = true;
    }
    return TG_OK;
}

/* Rows without a sample: on the line between those around them. */
static void fill_rows(int64_t rows, float *shift, const bool *known) {
    int64_t before = -1;
    for (int64_t t = 0; t < rows; t++) {
        if (known[t]) {
            before = t;
            continue;
        }
        int64_t after = t;
        while (after < rows && !known[after])
            after++;
        for (; t < after; t++)
            for (int k = 0; k < TG_COND_DIM; k++) {
                float a = before >= 0 ? shift[before * TG_COND_DIM + k] : 0;
                float b = after < rows ? shift[after * TG_COND_DIM + k] : a;
                float x = before < 0 ? 1 : (float)(t - before) / (float)(after - before);
                shift[t * TG_COND_DIM + k] = a + x * (b - a);
            }
        t--; /* the loop steps on to `after` */
    }
}

/* The file holds displacements from a mean face that is not in it. Where the mean is, the lifted
 * 2-D landmarks say. */
static tg_status read_geneface(tg_context *ctx, const char *path, const char *directory,
                               dataset_motion *out) {
    tg_torch *file = NULL;
    float *shift = NULL;
    bool *known = NULL;
    tg_status status = lift(ctx, directory, out);
    if (status == TG_EINPUT && !out->landmarks)
        return tg_fail(ctx, TG_EINPUT,
                       "%s: it holds displacements of landmarks, not where they are, and "
                       "ori_imgs/N.lms do not tell either\n"
                       "  expected: ori_imgs/N.lms beside it, as GeneFace's preparation writes "
                       "them\n  try: copying them from data/processed/videos/NAME",
                       path);
    if (status == TG_OK)
        status = tg_torch_open(ctx, path, &file);
    if (status == TG_OK) {
        shift = tg_calloc((size_t)out->rows * TG_COND_DIM * sizeof *shift);
        known = tg_calloc((size_t)out->rows);
        if (!shift || !known)
            status = no_memory(ctx, path);
    }
    const tg_torch_value *root = status == TG_OK ? tg_torch_root(file) : NULL;
    if (status == TG_OK)
        status =
            read_samples(ctx, path, tg_torch_get(root, "train_samples"), out->rows, shift, known);
    if (status == TG_OK)
        status =
            read_samples(ctx, path, tg_torch_get(root, "val_samples"), out->rows, shift, known);
    int64_t n = 0;
    double mean[TG_COND_DIM] = {0};
    for (int64_t t = 0; status == TG_OK && t < out->rows; t++)
        if (known[t]) {
            n++;
            for (int k = 0; k < TG_COND_DIM; k++)
                mean[k] += (double)out->landmarks[t * TG_COND_DIM + k] -
                           (double)shift[t * TG_COND_DIM + k];
        }
    if (status == TG_OK && n == 0)
        status = tg_fail(ctx, TG_EINPUT,
                         "%s: none of its samples is a frame of the transforms\n"
                         "  expected: train_samples and val_samples of this recording\n"
                         "  try: the file of this person",
                         path);
    if (status == TG_OK) {
        fill_rows(out->rows, shift, known);
        out->without = out->rows - n;
        for (int64_t i = 0; i < out->rows * TG_COND_DIM; i++)
            out->landmarks[i] = (float)(mean[i % TG_COND_DIM] / (double)n + (double)shift[i]);
    }
    tg_torch_close(&file);
    tg_free(shift);
    tg_free(known);
    return status == TG_EMODEL ? tg_fail(ctx, TG_EINPUT, "%s", tg_message(ctx)) : status;
}

/* ---- any ----------------------------------------------------------------------------------- */

tg_status tg_dataset_motion(tg_context *ctx, const char *directory, dataset_motion *out) {
    char path[PATH_SIZE];
    tg_status status;
    *out = (dataset_motion){0};
    snprintf(path, sizeof path, "%s/landmarks.npy", directory);
    if (tg_file_exists(path)) {
        status = read_npy(ctx, path, out);
    } else {
        snprintf(path, sizeof path, "%s/trainval_dataset.npy", directory);
        out->origin = tg_file_exists(path) ? TG_FROM_GENEFACE : TG_FROM_LMS;
        status = out->origin == TG_FROM_GENEFACE ? read_geneface(ctx, path, directory, out)
                                                 : lift(ctx, directory, out);
    }
    if (status != TG_OK) {
        tg_free(out->landmarks);
        out->landmarks = NULL;
    }
    return status;
}
