/* What a GeneFace person needs of its recording: geometry, background, head poses, statistics of
 * the landmarks. From the pickled dict of trainval_dataset.npy, or from the processed folder. */
#include "convert/geneface.h"

#include <limits.h>
#include <math.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

enum { MAX_FRAMES = 10000000, MAX_SIDE = 8192 };

static tg_status lacks(tg_context *ctx, const char *path, const char *what, const char *expected) {
    return tg_fail(ctx, TG_EMODEL,
                   "%s: %s\n  expected: %s\n"
                   "  try: data/binary/videos/NAME/trainval_dataset.npy of the person",
                   path, what, expected);
}

static tg_status no_memory(tg_context *ctx, const char *path) {
    return tg_fail(ctx, TG_ENOMEM, "%s: out of memory", path);
}

/* Checks what both sources have to give. */
static tg_status check_geometry(tg_context *ctx, const char *path, const tg_geneface_dataset *d) {
    if (d->width < 16 || d->width > MAX_SIDE || d->height < 16 || d->height > MAX_SIDE ||
        !(d->focal > 1 && d->focal < 1e6f) || !isfinite(d->cx) || !isfinite(d->cy))
        return lacks(ctx, path, "picture size or focal length is missing or out of range",
                     "H and W from 16 to 8192, focal in pixels");
    if (d->frames < 1)
        return lacks(ctx, path, "no frames", "train_samples and val_samples");
    for (int64_t i = 0; i < 16 * d->frames; i++)
        if (!isfinite(d->pose[i]))
            return lacks(ctx, path, "a head pose is not finite", "c2w matrices");
    return TG_OK;
}

/* Deviations of points that never moved would divide by nothing. */
static tg_status check_stats(tg_context *ctx, const char *path, tg_motion_stats *stats) {
    int still = 0;
    for (int k = 0; k < TG_MOTION_DIM; k++) {
        if (!isfinite(stats->mean[k]) || !(stats->std[k] >= 0) || !isfinite(stats->std[k]))
            return lacks(ctx, path, "idexp_lm3d_mean or _std is not finite and positive",
                         "statistics of the landmarks");
        still += stats->std[k] < 1e-4f;
        stats->std[k] = fmaxf(stats->std[k], 1e-4f);
    }
    if (still)
        tg_note(ctx, "%s: %d coordinates of idexp_lm3d_std were raised to 1e-4", path, still);
    return TG_OK;
}

/* ---- trainval_dataset.npy ---------------------------------------------------------------- */

/* Also of an array of one element. */
static double number_of(const tg_torch_value *v) {
    const tg_torch_tensor *t = tg_torch_tensor_of(v);
    float x = NAN;
    if (!t)
        return tg_torch_number(v, NAN);
    if (t->count == 1)
        tg_torch_read_f32(t, &x);
    return x;
}

static int side_of(const tg_torch_value *v) {
    double x = number_of(v);
    return x >= 1 && x <= MAX_SIDE ? (int)x : 0;
}

static tg_status read_background(tg_context *ctx, const tg_torch *file, tg_geneface_dataset *d) {
    const char *path = tg_torch_path(file);
    const tg_torch_tensor *t = tg_torch_tensor_of(tg_torch_get(tg_torch_root(file), "bg_img"));
    if (!t || t->dtype != TG_U8 || t->ndim != 3 || t->dim[2] != 3 || t->dim[0] < 1 ||
        t->dim[0] > MAX_SIDE || t->dim[1] < 1 || t->dim[1] > MAX_SIDE)
        return lacks(ctx, path, "bg_img is missing or misshapen", "bytes [H,W,3]");
    if (d->height == 0 && d->width == 0) {
        d->height = (int)t->dim[0];
        d->width = (int)t->dim[1];
    }
    if (t->dim[0] != d->height || t->dim[1] != d->width)
        return lacks(ctx, path, "bg_img has another size than H and W say", "bytes [H,W,3]");
    d->background = (tg_image){d->width, d->height, 3, tg_alloc((size_t)t->count)};
    if (!d->background.data)
        return no_memory(ctx, path);
    tg_torch_read_raw(t, d->background.data);
    return TG_OK;
}

/* One of the two lists: poses, and the normalised points 0-47 where all samples have them. */
static tg_status read_samples(tg_context *ctx, const tg_torch *file, const char *name,
                              tg_geneface_dataset *d, bool *landmarks) {
    const char *path = tg_torch_path(file);
    const tg_torch_value *list = tg_torch_get(tg_torch_root(file), name);
    for (int64_t i = 0; i < tg_torch_count(list); i++, d->frames++) {
        const tg_torch_value *sample = tg_torch_at(list, i);
        const tg_torch_tensor *c2w = tg_torch_tensor_of(tg_torch_get(sample, "c2w"));
        float *pose = d->pose + 16 * d->frames;
        if (!c2w || c2w->ndim != 2 || c2w->dim[0] != 4 || c2w->dim[1] != 4) {
            char what[96];
            snprintf(what, sizeof what, "%s.%lld.c2w is missing or misshapen", name, (long long)i);
            return lacks(ctx, path, what, "a camera-to-world matrix [4,4]");
        }
        tg_torch_read_f32(c2w, pose);
        const tg_torch_tensor *lm =
            tg_torch_tensor_of(tg_torch_get(sample, "idexp_lm3d_normalized"));
        *landmarks = *landmarks && lm && lm->count == TG_MOTION_DIM;
        if (*landmarks) {
            float all[TG_MOTION_DIM];
            tg_torch_read_f32(lm, all);
            for (int k = 0; k < TG_MOTION_DIM; k++)
                *landmarks = *landmarks && isfinite(all[k]);
            memcpy(d->lle + TG_LLE_DIM * d->frames, all, TG_LLE_DIM * sizeof *all);
        }
    }
    return TG_OK;
}

static tg_status read_binary(tg_context *ctx, const char *path, tg_geneface_dataset *d) {
    tg_torch *file = NULL;
    tg_status s = tg_torch_open(ctx, path, &file);
    if (s != TG_OK)
        return s == TG_EINPUT ? tg_fail(ctx, TG_EMODEL, "%s", tg_message(ctx)) : s;
    const tg_torch_value *root = tg_torch_root(file);
    int64_t frames = tg_torch_count(tg_torch_get(root, "train_samples")) +
                     tg_torch_count(tg_torch_get(root, "val_samples"));
    if (tg_torch_kind_of(root) != TG_TORCH_DICT || frames < 1 || frames > MAX_FRAMES) {
        s = lacks(ctx, path, "this is no trainval_dataset.npy",
                  "a pickled dict with train_samples and val_samples");
        tg_torch_close(&file);
        return s;
    }
    d->height = side_of(tg_torch_get(root, "H"));
    d->width = side_of(tg_torch_get(root, "W"));
    d->focal = (float)number_of(tg_torch_get(root, "focal"));
    s = read_background(ctx, file, d);
    double cx = number_of(tg_torch_get(root, "cx")), cy = number_of(tg_torch_get(root, "cy"));
    d->cx = (float)(isfinite(cx) ? cx : d->width / 2.0);
    d->cy = (float)(isfinite(cy) ? cy : d->height / 2.0);
    d->pose = tg_calloc((size_t)frames * 16 * sizeof *d->pose);
    d->lle = tg_calloc((size_t)frames * TG_LLE_DIM * sizeof *d->lle);
    if (s == TG_OK && (!d->pose || !d->lle))
        s = no_memory(ctx, path);
    bool landmarks = true;
    if (s == TG_OK)
        s = read_samples(ctx, file, "train_samples", d, &landmarks);
    if (s == TG_OK)
        s = read_samples(ctx, file, "val_samples", d, &landmarks);
    if (!landmarks) {
        tg_free(d->lle);
        d->lle = NULL;
    }
    const int64_t dim[] = {1, TG_MOTION_POINTS, 3};
    if (s == TG_OK)
        s = tg_torch_load(ctx, file, root, "idexp_lm3d_mean", 3, dim, d->stats.mean);
    if (s == TG_OK)
        s = tg_torch_load(ctx, file, root, "idexp_lm3d_std", 3, dim, d->stats.std);
    tg_torch_close(&file);
    return s;
}

/* ---- processed folder -------------------------------------------------------------------- */

static void join(char out[PATH_MAX], const char *folder, const char *name) {
    snprintf(out, PATH_MAX, "%.*s/%s", PATH_MAX - 64, folder, name);
}

/* Frames of transforms_train.json or transforms_val.json after those that are there. */
static tg_status read_transforms(tg_context *ctx, const char *path, tg_geneface_dataset *d) {
    tg_json *root = NULL;
    tg_status s = tg_json_read(ctx, path, &root);
    if (s == TG_EINPUT)
        s = tg_fail(ctx, TG_EMODEL, "%s", tg_message(ctx));
    const tg_json *frames = tg_json_get(root, "frames");
    int64_t count = tg_json_count(frames);
    float *pose = NULL;
    if (s == TG_OK && !(pose = tg_calloc((size_t)(d->frames + count) * 16 * sizeof *pose)))
        s = no_memory(ctx, path);
    if (s == TG_OK && d->frames)
        memcpy(pose, d->pose, (size_t)d->frames * 16 * sizeof *pose);
    int64_t n = d->frames;
    for (const tg_json *f = tg_json_first(frames); s == TG_OK && f; f = tg_json_next(f), n++) {
        const tg_json *m = tg_json_get(f, "transform_matrix");
        for (int k = 0; k < 16; k++)
            pose[16 * n + k] =
                (float)tg_json_number(tg_json_at(tg_json_at(m, k / 4), k % 4), (double)NAN);
    }
    if (s == TG_OK) {
        tg_free(d->pose);
        d->pose = pose;
        d->frames = n;
        d->focal = (float)tg_json_number(tg_json_get(root, "focal_len"), d->focal);
        d->cx = (float)tg_json_number(tg_json_get(root, "cx"), d->cx);
        d->cy = (float)tg_json_number(tg_json_get(root, "cy"), d->cy);
    } else {
        tg_free(pose);
    }
    tg_json_destroy(&root);
    return s;
}

static tg_status read_statistic(tg_context *ctx, const char *folder, const char *name, float *out) {
    char path[PATH_MAX];
    tg_npy npy = {0};
    join(path, folder, name);
    if (!tg_file_exists(path))
        return tg_fail(ctx, TG_EMODEL,
                       "%s: no %s, and no trainval_dataset.npy\n"
                       "  expected: mean and deviation of idexp_lm3d, which normalise the "
                       "landmarks; a processed folder has them only in two files [1,68,3] put "
                       "beside its transforms\n"
                       "  try: --dataset data/binary/videos/NAME/trainval_dataset.npy",
                       folder, name);
    tg_status s = tg_npy_read(ctx, path, &npy);
    int64_t n = 1;
    for (int i = 0; s == TG_OK && i < npy.ndim; i++)
        n *= npy.dim[i];
    if (s == TG_OK && n != TG_MOTION_DIM)
        s = lacks(ctx, path, "it does not hold 204 numbers", "[1,68,3]");
    if (s == TG_OK)
        memcpy(out, npy.data, TG_MOTION_DIM * sizeof *out);
    tg_npy_free(&npy);
    return s == TG_EINPUT ? tg_fail(ctx, TG_EMODEL, "%s", tg_message(ctx)) : s;
}

static tg_status read_processed(tg_context *ctx, const char *folder, tg_geneface_dataset *d) {
    char path[PATH_MAX];
    tg_status s = read_statistic(ctx, folder, "idexp_lm3d_mean.npy", d->stats.mean);
    if (s == TG_OK)
        s = read_statistic(ctx, folder, "idexp_lm3d_std.npy", d->stats.std);
    join(path, folder, "bc.jpg");
    if (s == TG_OK)
        s = tg_image_read(ctx, path, 3, &d->background);
    d->width = d->background.width;
    d->height = d->background.height;
    d->cx = (float)d->width / 2;
    d->cy = (float)d->height / 2;
    join(path, folder, "transforms_train.json");
    if (s == TG_OK)
        s = read_transforms(ctx, path, d);
    join(path, folder, "transforms_val.json");
    if (s == TG_OK && tg_file_exists(path))
        s = read_transforms(ctx, path, d);
    return s == TG_EINPUT ? tg_fail(ctx, TG_EMODEL, "%s", tg_message(ctx)) : s;
}

/* ---- either --------------------------------------------------------------------------------- */

tg_status tg_geneface_dataset_open(tg_context *ctx, const char *path, tg_geneface_dataset *out) {
    struct stat st;
    char file[PATH_MAX], transforms[PATH_MAX];
    memset(out, 0, sizeof *out);
    const bool folder = stat(path, &st) == 0 && S_ISDIR(st.st_mode);
    join(file, path, "trainval_dataset.npy");
    join(transforms, path, "transforms_train.json");
    tg_status s;
    if (!folder)
        s = read_binary(ctx, path, out);
    else if (tg_file_exists(file))
        s = read_binary(ctx, file, out);
    else if (tg_file_exists(transforms))
        s = read_processed(ctx, path, out);
    else
        s = lacks(ctx, path, "neither trainval_dataset.npy nor transforms_train.json is in it",
                  "the binarised or the processed folder of a recording");
    if (s == TG_OK)
        s = check_geometry(ctx, path, out);
    if (s == TG_OK)
        s = check_stats(ctx, path, &out->stats);
    if (s != TG_OK)
        tg_geneface_dataset_free(out);
    return s;
}

void tg_geneface_dataset_free(tg_geneface_dataset *dataset) {
    tg_free(dataset->pose);
    tg_free(dataset->lle);
    tg_image_free(&dataset->background);
    memset(dataset, 0, sizeof *dataset);
}
