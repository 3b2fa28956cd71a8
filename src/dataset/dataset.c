/* Reader of a person's recording. */
#include "talkgen/dataset.h"
#include "talkgen/io.h"

#include "dataset/motion.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

enum { LANDMARKS = TG_COND_DIM / 3, MAX_FRAMES = 1 << 22, PATH_SIZE = 1200, LOAD_PIECE = 64 };

static tg_status no_memory(tg_context *ctx, const char *directory) {
    return tg_fail(ctx, TG_ENOMEM,
                   "%s: not enough memory for its pictures\n"
                   "  expected: about 12 bytes per pixel of the recording\n"
                   "  try: fewer frames",
                   directory);
}

static void *alloc_frames(int64_t frames, size_t bytes_each) {
    size_t bytes;
    return tg_mul_size((size_t)frames, bytes_each, &bytes) ? tg_alloc(bytes) : NULL;
}

/* ---- transforms ---------------------------------------------------------------------- */

typedef struct {
    tg_dataset *set;
    int64_t capacity;
} frame_list;

static tg_status read_frame(tg_context *ctx, const char *path, const tg_json *frame, int index,
                            frame_list *list) {
    tg_dataset *set = list->set;
    double id = tg_json_number(tg_json_get(frame, "img_id"), -1);
    const tg_json *rows = tg_json_get(frame, "transform_matrix");
    float *c2w = set->c2w + 16 * set->frames;
    bool good = id >= 0 && id < MAX_FRAMES && id == floor(id) && tg_json_count(rows) == 4;
    for (int r = 0; good && r < 4; r++)
        for (int c = 0; c < 4; c++) {
            const tg_json *value = tg_json_at(tg_json_at(rows, r), c);
            c2w[4 * r + c] = (float)tg_json_number(value, 0);
            good = good && tg_json_is_number(value) && isfinite(c2w[4 * r + c]);
        }
    if (!good)
        return tg_fail(ctx, TG_EINPUT,
                       "%s: frames[%d] has no img_id or no finite 4x4 transform_matrix\n"
                       "  expected: {\"img_id\": N, \"transform_matrix\": [[..4],..4]}\n"
                       "  try: filming or tracking again",
                       path, index);
    set->image_id[set->frames++] = (int64_t)id;
    return TG_OK;
}

static tg_status open_transforms(tg_context *ctx, const char *directory, const char *name,
                                 char path[PATH_SIZE], tg_json **json, int64_t *frames) {
    snprintf(path, PATH_SIZE, "%s/%s", directory, name);
    tg_status status = tg_json_read(ctx, path, json);
    if (status != TG_OK)
        return status;
    *frames = tg_json_count(tg_json_get(*json, "frames"));
    if (*frames < 1 || *frames > MAX_FRAMES)
        return tg_fail(ctx, TG_EINPUT, "%s: no frames\n  expected: 1 to %d\n  try: filming again",
                       path, MAX_FRAMES);
    return TG_OK;
}

/* Which of n frames to keep so that `limit` are left of `all`. */
static bool keeps(int64_t i, int64_t limit, int64_t all) {
    return limit <= 0 || limit >= all || (i + 1) * limit / all > i * limit / all;
}

static tg_status read_transforms(tg_context *ctx, const char *directory, int64_t limit,
                                 tg_dataset *set) {
    static const char *const names[2] = {"transforms_train.json", "transforms_val.json"};
    tg_json *json[2] = {NULL, NULL};
    char path[2][PATH_SIZE];
    int64_t count[2] = {0, 0};
    tg_status status = TG_OK;
    for (int part = 0; part < 2 && status == TG_OK; part++)
        status =
            open_transforms(ctx, directory, names[part], path[part], &json[part], &count[part]);
    if (status == TG_OK) {
        set->image_id = alloc_frames(count[0] + count[1], sizeof(int64_t));
        set->c2w = alloc_frames(count[0] + count[1], 16 * sizeof(float));
        if (!set->image_id || !set->c2w)
            status = no_memory(ctx, directory);
    }
    frame_list list = {set, count[0] + count[1]};
    for (int part = 0; part < 2 && status == TG_OK; part++) {
        const tg_json *frames = tg_json_get(json[part], "frames");
        for (int i = 0; i < count[part] && status == TG_OK; i++)
            if (keeps((part ? count[0] : 0) + i, limit, list.capacity))
                status = read_frame(ctx, path[part], tg_json_at(frames, i), i, &list);
        if (part == 0)
            set->train_frames = set->frames;
    }
    if (status == TG_OK) {
        set->focal = (float)tg_json_number(tg_json_get(json[0], "focal_len"), 0);
        set->cx = (float)tg_json_number(tg_json_get(json[0], "cx"), set->width * 0.5);
        set->cy = (float)tg_json_number(tg_json_get(json[0], "cy"), set->height * 0.5);
        if (!(set->focal > 0 && isfinite(set->focal)))
            status = tg_fail(ctx, TG_EINPUT,
                             "%s: no focal_len\n  expected: a positive number of pixels\n"
                             "  try: filming or tracking again",
                             path[0]);
        else if (!isfinite(set->cx) || !isfinite(set->cy))
            status = tg_fail(ctx, TG_EINPUT,
                             "%s: cx or cy is not finite\n  expected: pixels of the picture\n"
                             "  try: filming or tracking again",
                             path[0]);
    }
    if (status == TG_OK && (set->train_frames < 1 || set->frames == set->train_frames))
        status = tg_fail(ctx, TG_EINPUT,
                         "%s: %lld training and %lld held-out frames are left\n"
                         "  expected: at least one of each\n  try: a larger limit",
                         directory, (long long)set->train_frames,
                         (long long)(set->frames - set->train_frames));
    tg_json_destroy(&json[0]);
    tg_json_destroy(&json[1]);
    return status;
}

/* ---- landmarks ------------------------------------------------------------------------- */

static tg_status read_landmarks(tg_context *ctx, const char *directory, tg_dataset *set) {
    dataset_motion motion;
    tg_status status = tg_dataset_motion(ctx, directory, &motion);
    if (status != TG_OK)
        return status;
    set->motion_origin = motion.origin;
    set->landmark_rows = motion.rows;
    set->landmarks = motion.landmarks;
    for (int64_t f = 0; f < set->frames; f++)
        if (set->image_id[f] >= motion.rows)
            return tg_fail(ctx, TG_EINPUT,
                           "%s/%s: %lld rows, but there is a frame %lld\n"
                           "  expected: a row for every img_id\n  try: filming or tracking again",
                           directory, tg_motion_origin_name(motion.origin), (long long)motion.rows,
                           (long long)set->image_id[f]);
    for (int j = 0; j < TG_COND_DIM; j++) {
        double sum = 0, squares = 0;
        for (int64_t f = 0; f < set->train_frames; f++)
            sum += set->landmarks[set->image_id[f] * TG_COND_DIM + j];
        double mean = sum / (double)set->train_frames;
        for (int64_t f = 0; f < set->train_frames; f++) {
            double d = 10 * (set->landmarks[set->image_id[f] * TG_COND_DIM + j] - mean);
            squares += d * d;
        }
        set->mean[j] = (float)mean;
        set->deviation[j] =
            fmaxf((float)sqrt(squares / (double)set->train_frames), TG_MIN_DEVIATION);
    }
    return TG_OK;
}

/* A row for each of the landmarks, or nothing. */
static tg_status read_gaze(tg_context *ctx, const char *directory, tg_dataset *set) {
    char path[PATH_SIZE];
    tg_npy gaze = {0};
    set->cond_dim = TG_COND_DIM;
    snprintf(path, sizeof path, "%s/gaze.npy", directory);
    if (!tg_file_exists(path))
        return TG_OK;
    tg_status status = tg_gaze_read(ctx, path, set->landmark_rows, &gaze);
    if (status != TG_OK)
        return status;
    set->gaze = gaze.data;
    set->cond_dim = TG_MAX_COND_DIM;
    return TG_OK;
}

void tg_dataset_window(const tg_dataset *set, int64_t row, float *out) {
    for (int w = 0; w < TG_COND_WINDOW; w++) {
        int64_t at = row + w - TG_COND_WINDOW / 2;
        at = at < 0 ? 0 : at >= set->landmark_rows ? set->landmark_rows - 1 : at;
        for (int j = 0; j < TG_COND_DIM; j++)
            *out++ = 10 * (set->landmarks[at * TG_COND_DIM + j] - set->mean[j]) / set->deviation[j];
        for (int j = 0; set->gaze && j < TG_GAZE_DIM; j++)
            *out++ = set->gaze[at * TG_GAZE_DIM + j] / TG_GAZE_DEGREES;
    }
}

bool tg_dataset_project(const tg_dataset *set, int64_t frame, const float point[3],
                        float pixel[2]) {
    const float *m = set->c2w + 16 * frame;
    float p[3], c[3];
    for (int d = 0; d < 3; d++)
        p[d] = point[d] / 10 - m[4 * d + 3]; /* poses are in metres */
    for (int d = 0; d < 3; d++)
        c[d] = m[d] * p[0] + m[4 + d] * p[1] + m[8 + d] * p[2];
    if (!(c[2] < -1e-6f))
        return false;
    pixel[0] = set->cx + set->focal * c[0] / -c[2];
    pixel[1] = set->cy - set->focal * c[1] / -c[2];
    return true;
}

/* NaN: low. */
static int clamp_int(double x, int low, int high) {
    return !(x > low) ? low : x > high ? high : (int)x;
}

tg_box tg_dataset_box(const tg_dataset *set, int64_t frame, int first, int last, float grow) {
    float low[2] = {INFINITY, INFINITY}, high[2] = {-INFINITY, -INFINITY};
    for (int i = first; i <= last; i++) {
        float pixel[2];
        const float *point = set->landmarks + (set->image_id[frame] * LANDMARKS + i) * 3;
        if (!tg_dataset_project(set, frame, point, pixel))
            continue;
        for (int d = 0; d < 2; d++) {
            low[d] = fminf(low[d], pixel[d]);
            high[d] = fmaxf(high[d], pixel[d]);
        }
    }
    if (!(low[0] <= high[0]))
        return (tg_box){0, 0, 0, 0};
    for (int d = 0; d < 2; d++) {
        float margin = (high[d] - low[d]) * grow / 2;
        low[d] -= margin;
        high[d] += margin;
    }
    return (tg_box){
        clamp_int(floor(low[0]), 0, set->width), clamp_int(floor(low[1]), 0, set->height),
        clamp_int(ceil(high[0]), 0, set->width), clamp_int(ceil(high[1]), 0, set->height)};
}

tg_box tg_dataset_mouth(const tg_dataset *set, int64_t frame) {
    return tg_dataset_box(set, frame, 48, 67, 0.25f);
}

/* ---- pictures ---------------------------------------------------------------------------- */

/* path of directory/folder/N.first, or .second where only that exists */
static void picture_path(char path[PATH_SIZE], const char *directory, const char *stem,
                         const char *first, const char *second) {
    snprintf(path, PATH_SIZE, "%s/%s%s", directory, stem, first);
    if (tg_file_exists(path))
        return;
    char other[PATH_SIZE];
    snprintf(other, PATH_SIZE, "%s/%s%s", directory, stem, second);
    if (tg_file_exists(other))
        memcpy(path, other, PATH_SIZE);
}

static tg_status read_picture(tg_context *ctx, const tg_dataset *set, const char *directory,
                              const char *folder, int64_t id, const char *first, const char *second,
                              int channels, tg_image *image) {
    char stem[64], path[PATH_SIZE];
    snprintf(stem, sizeof(stem), "%s/%lld", folder, (long long)id);
    picture_path(path, directory, stem, first, second);
    tg_status status = tg_image_read(ctx, path, channels, image);
    if (status != TG_OK)
        return status;
    if (image->width != set->width || image->height != set->height) {
        status = tg_fail(ctx, TG_EINPUT,
                         "%s: %d x %d pixels\n  expected: %d x %d, as bc\n"
                         "  try: filming again at one size",
                         path, image->width, image->height, set->width, set->height);
        tg_image_free(image);
    }
    return status;
}

/* out = 1 where a pixel of `in` within radius (a square) is 1. scratch: one plane. */
static void dilate(const uint8_t *in, int width, int height, int radius, uint8_t *scratch,
                   uint8_t *out) {
    for (int y = 0; y < height; y++) {
        int last = -radius - 1; /* column of the last set pixel at or before x + radius */
        for (int x = -radius; x < width; x++) {
            int ahead = x + radius;
            if (ahead < width && in[y * width + ahead])
                last = ahead;
            if (x >= 0)
                scratch[y * width + x] = last >= x - radius;
        }
    }
    for (int x = 0; x < width; x++) {
        int last = -radius - 1;
        for (int y = -radius; y < height; y++) {
            int ahead = y + radius;
            if (ahead < height && scratch[ahead * width + x])
                last = ahead;
            if (y >= 0)
                out[y * width + x] = last >= y - radius;
        }
    }
}

static int pixel_class(const uint8_t *rgb) {
    bool r = rgb[0] > 127, g = rgb[1] > 127, b = rgb[2] > 127;
    if (b && !r && !g)
        return TG_PIXEL_HEAD;
    if (g && !r && !b)
        return TG_PIXEL_NECK;
    return r && !g && !b ? TG_PIXEL_TORSO : TG_PIXEL_BACKGROUND;
}

/* planes: three of width*height bytes */
static void derive_regions(const uint8_t *rgb, int width, int height, uint8_t *planes,
                           uint8_t *out) {
    int n = width * height, reach = width > height ? width / 64 : height / 64;
    uint8_t *mask = planes, *scratch = planes + n, *grown = planes + 2 * n;
    for (int i = 0; i < n; i++) {
        out[i] = (uint8_t)pixel_class(rgb + 3 * i);
        mask[i] = out[i] == TG_PIXEL_HEAD;
    }
    const struct {
        int radius, bit;
    } rings[2] = {{reach, TG_PIXEL_HEAD_REGION}, {2, TG_PIXEL_HEAD_NEAR}};
    for (int k = 0; k < 2; k++) {
        dilate(mask, width, height, rings[k].radius, scratch, grown);
        for (int i = 0; i < n; i++)
            if (grown[i])
                out[i] |= (uint8_t)rings[k].bit;
    }
    for (int i = 0; i < n; i++)
        mask[i] = (out[i] & TG_PIXEL_CLASS) != TG_PIXEL_HEAD;
    dilate(mask, width, height, 2, scratch, grown);
    for (int i = 0; i < n; i++)
        if (!grown[i])
            out[i] |= TG_PIXEL_HEAD_CORE;
    for (int i = 0; i < n; i++)
        mask[i] = (out[i] & TG_PIXEL_CLASS) == TG_PIXEL_NECK ||
                  (out[i] & TG_PIXEL_CLASS) == TG_PIXEL_TORSO;
    dilate(mask, width, height, reach, scratch, grown);
    for (int i = 0; i < n; i++)
        if (grown[i])
            out[i] |= TG_PIXEL_TORSO_REGION;
}

typedef struct {
    tg_dataset *set;
    const int64_t *list;  /* frames to load */
    bool *loaded;         /* of the list */
    tg_context **workers; /* a context belongs to one thread: one per worker for its messages */
    tg_status *status;
    uint8_t *planes;
    int64_t first;
} load_job;

static tg_status load_frame(tg_context *ctx, tg_dataset *set, int64_t f, uint8_t *planes) {
    size_t pixels = (size_t)set->width * (size_t)set->height;
    int64_t id = set->image_id[f];
    tg_image image;
    tg_status status = TG_OK;
    if (set->frame_rgb) {
        status = read_picture(ctx, set, set->directory, "gt_imgs", id, ".jpg", ".png", 3, &image);
        if (status != TG_OK)
            return status;
        memcpy(set->frame_rgb + (size_t)f * pixels * 3, image.data, pixels * 3);
        tg_image_free(&image);
    }
    if (set->torso_rgba || set->behind_rgb) {
        status =
            read_picture(ctx, set, set->directory, "torso_imgs", id, ".png", ".jpg", 4, &image);
        if (status != TG_OK)
            return status;
        if (set->torso_rgba)
            memcpy(set->torso_rgba + (size_t)f * pixels * 4, image.data, pixels * 4);
        for (size_t i = 0; set->behind_rgb && i < pixels; i++)
            for (int c = 0; c < 3; c++) {
                int a = image.data[4 * i + 3];
                int mix = a * image.data[4 * i + (size_t)c] +
                          (255 - a) * set->background[3 * i + (size_t)c];
                set->behind_rgb[((size_t)f * pixels + i) * 3 + (size_t)c] =
                    (uint8_t)((mix + 127) / 255);
            }
        tg_image_free(&image);
    }
    if (set->parsing) {
        status = read_picture(ctx, set, set->directory, "parsing", id, ".png", ".jpg", 3, &image);
        if (status != TG_OK)
            return status;
        derive_regions(image.data, set->width, set->height, planes,
                       set->parsing + (size_t)f * pixels);
        tg_image_free(&image);
    }
    return TG_OK;
}

/* All pictures of a frame that is being filmed are there. */
static bool is_ready(const tg_dataset *set, int64_t f) {
    const struct {
        int bits;
        const char *folder, *first, *second;
    } kinds[3] = {{TG_LOAD_FRAMES, "gt_imgs", ".jpg", ".png"},
                  {TG_LOAD_BEHIND | TG_LOAD_TORSO, "torso_imgs", ".png", ".jpg"},
                  {TG_LOAD_PARSING, "parsing", ".png", ".jpg"}};
    for (int k = 0; k < 3; k++) {
        char stem[64], path[PATH_SIZE];
        snprintf(stem, sizeof(stem), "%s/%lld", kinds[k].folder, (long long)set->image_id[f]);
        picture_path(path, set->directory, stem, kinds[k].first, kinds[k].second);
        if ((set->pictures & kinds[k].bits) && !tg_file_exists(path))
            return false;
    }
    return true;
}

static void load_range(void *arg, int64_t begin, int64_t end, int worker) {
    load_job *job = arg;
    tg_dataset *set = job->set;
    uint8_t *planes = job->planes + (size_t)worker * 3 * (size_t)set->width * (size_t)set->height;
    for (int64_t i = job->first + begin; i < job->first + end; i++) {
        int64_t f = job->list[i];
        if (job->status[worker] != TG_OK ||
            ((set->pictures & TG_LOAD_GROWING) && !is_ready(set, f)))
            continue;
        job->status[worker] = load_frame(job->workers[worker], set, f, planes);
        job->loaded[i] = job->status[worker] == TG_OK;
    }
}

/* Decodes the frames of a list on the pool; what was loaded is marked. */
static tg_status load_list(tg_context *ctx, tg_dataset *set, const int64_t *list, int64_t n,
                           bool *loaded) {
    tg_pool *pool = tg_context_pool(ctx);
    int threads = tg_pool_threads(pool);
    size_t pixels = (size_t)set->width * (size_t)set->height;
    load_job job = {.set = set, .list = list, .loaded = loaded};
    job.workers = tg_calloc(sizeof(tg_context *) * (size_t)threads);
    job.status = tg_calloc(sizeof(tg_status) * (size_t)threads);
    job.planes = alloc_frames(threads, 3 * pixels);
    tg_status status =
        job.workers && job.status && job.planes ? TG_OK : no_memory(ctx, set->directory);
    for (int i = 0; i < threads && status == TG_OK; i++) {
        job.workers[i] = tg_context_create(1);
        if (!job.workers[i])
            status = no_memory(ctx, set->directory);
    }
    /* in pieces, so that progress and cancelling have their turn */
    for (int64_t f = 0; f < n && status == TG_OK; f += LOAD_PIECE) {
        tg_progress(ctx, "reading frames", (double)f, (double)n, NULL);
        job.first = f;
        tg_pool_run(pool, n - f < LOAD_PIECE ? n - f : LOAD_PIECE, 4, load_range, &job);
        status = tg_cancelled(ctx);
        for (int i = 0; i < threads && status == TG_OK; i++)
            if (job.status[i] != TG_OK)
                status = tg_fail(ctx, job.status[i], "%s", tg_message(job.workers[i]));
    }
    for (int i = 0; job.workers && i < threads; i++)
        tg_context_destroy(&job.workers[i]);
    tg_free(job.workers);
    tg_free(job.status);
    tg_free(job.planes);
    return status;
}

tg_status tg_dataset_grow(tg_context *ctx, tg_dataset *set, int64_t *added) {
    *added = 0;
    if (set->ready_trains + set->ready_held_outs == set->frames)
        return TG_OK;
    int64_t *list = alloc_frames(set->frames, sizeof(int64_t));
    bool *loaded = tg_calloc((size_t)set->frames);
    bool *ready = tg_calloc((size_t)set->frames);
    tg_status status = list && loaded && ready ? TG_OK : no_memory(ctx, set->directory);
    int64_t n = 0;
    if (status == TG_OK) {
        for (int64_t i = 0; i < set->ready_trains; i++)
            ready[set->ready_train[i]] = true;
        for (int64_t i = 0; i < set->ready_held_outs; i++)
            ready[set->ready_held_out[i]] = true;
        for (int64_t f = 0; f < set->frames; f++)
            if (!ready[f])
                list[n++] = f;
        status = load_list(ctx, set, list, n, loaded);
    }
    if (status == TG_OK) {
        for (int64_t i = 0; i < n; i++)
            ready[list[i]] = loaded[i];
        set->ready_trains = set->ready_held_outs = 0;
        for (int64_t f = 0; f < set->frames; f++) {
            if (!ready[f])
                continue;
            if (f < set->train_frames)
                set->ready_train[set->ready_trains++] = f;
            else
                set->ready_held_out[set->ready_held_outs++] = f;
        }
        for (int64_t i = 0; i < n; i++)
            *added += loaded[i];
    }
    tg_free(list);
    tg_free(loaded);
    tg_free(ready);
    return status;
}

static tg_status read_all(tg_context *ctx, const char *directory, int pictures, int64_t limit,
                          tg_dataset *set) {
    char path[PATH_SIZE];
    picture_path(path, directory, "bc", ".jpg", ".png");
    tg_image image;
    tg_status status = tg_image_read(ctx, path, 3, &image);
    if (status != TG_OK)
        return status;
    set->width = image.width;
    set->height = image.height;
    set->background = image.data;
    set->pictures = pictures;
    snprintf(set->directory, sizeof(set->directory), "%s", directory);
    status = read_transforms(ctx, directory, limit, set);
    if (status == TG_OK)
        status = read_landmarks(ctx, directory, set);
    if (status == TG_OK)
        status = read_gaze(ctx, directory, set);
    if (status == TG_OK) {
        set->ready_train = alloc_frames(set->frames, sizeof(int64_t));
        set->ready_held_out = alloc_frames(set->frames, sizeof(int64_t));
        if (!set->ready_train || !set->ready_held_out)
            status = no_memory(ctx, directory);
    }
    if (status != TG_OK)
        return status;
    size_t pixels = (size_t)set->width * (size_t)set->height;
    const struct {
        int bit;
        size_t channels;
        uint8_t **to;
    } planes[4] = {{TG_LOAD_FRAMES, 3, &set->frame_rgb},
                   {TG_LOAD_BEHIND, 3, &set->behind_rgb},
                   {TG_LOAD_TORSO, 4, &set->torso_rgba},
                   {TG_LOAD_PARSING, 1, &set->parsing}};
    for (int i = 0; i < 4; i++)
        if (pictures & planes[i].bit) {
            *planes[i].to = alloc_frames(set->frames, pixels * planes[i].channels);
            if (!*planes[i].to)
                return no_memory(ctx, directory);
        }
    int64_t added;
    status = tg_dataset_grow(ctx, set, &added);
    if (status == TG_OK && set->ready_trains == 0)
        status = tg_fail(ctx, TG_EINPUT,
                         "%s: no frame has all its pictures yet\n  expected: at least one\n"
                         "  try: again when the filming has begun",
                         directory);
    return status;
}

tg_status tg_dataset_open(tg_context *ctx, const char *directory, int pictures, int64_t limit,
                          tg_dataset **out) {
    *out = tg_calloc(sizeof(tg_dataset));
    if (!*out)
        return no_memory(ctx, directory);
    tg_status status = read_all(ctx, directory, pictures, limit, *out);
    if (status != TG_OK)
        tg_dataset_close(out);
    return status;
}

void tg_dataset_close(tg_dataset **dataset) {
    if (!*dataset)
        return;
    tg_dataset *set = *dataset;
    tg_free(set->image_id);
    tg_free(set->ready_train);
    tg_free(set->ready_held_out);
    tg_free(set->c2w);
    tg_free(set->landmarks);
    tg_free(set->gaze);
    tg_free(set->background);
    tg_free(set->frame_rgb);
    tg_free(set->behind_rgb);
    tg_free(set->torso_rgba);
    tg_free(set->parsing);
    tg_free(set);
    *dataset = NULL;
}
