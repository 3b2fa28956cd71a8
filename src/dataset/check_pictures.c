/* Every picture of a recording: there, readable, of one size, in the colours that are agreed. */
#include "dataset/check.h"

#include "talkgen/io.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

enum { PATH_SIZE = 1200, KINDS = 3, PIECE = 64, POINTS = TG_COND_DIM / 3, NEAR = 48 };

/* Parsing pictures may have soft edges, but not more than this share of strange pixels. */
static const double strange_share = 0.02;
/* Of the landmarks inside the picture, at least this share lies on the head in a usual frame. */
static const double on_head_share = 0.7;

static const struct {
    const char *folder, *first, *second;
} kinds[KINDS] = {
    {"gt_imgs", ".jpg", ".png"}, {"parsing", ".png", ".jpg"}, {"torso_imgs", ".png", ".jpg"}};

typedef enum { FINE, MISSING, UNREADABLE, OTHER_SIZE } verdict;

/* What was seen of one frame; the pool fills these in, one thread lists them. */
typedef struct {
    verdict picture[KINDS];
    int width[KINDS], height[KINDS];
    bool strange, headless, opaque, empty_torso;
    uint8_t colour[3];          /* one of the strange ones */
    double head_row, torso_row; /* mean rows of blue and red, -1 = none */
    int points, on_head;
} seen_frame;

typedef struct {
    const char *directory;
    const listed_frame *frames;
    const float *points;
    int width, height;
    seen_frame *seen;
    tg_context **workers;
    int64_t first;
} look_job;

static void path_of(char path[PATH_SIZE], const char *directory, int kind, int64_t id) {
    for (int other = 0; other < 2; other++) {
        snprintf(path, PATH_SIZE, "%s/%s/%lld%s", directory, kinds[kind].folder, (long long)id,
                 other ? kinds[kind].second : kinds[kind].first);
        if (tg_file_exists(path))
            return;
    }
    path[0] = '\0';
}

static bool near_to(const uint8_t *p, int r, int g, int b) {
    return (int)p[0] - r <= NEAR && r - (int)p[0] <= NEAR && (int)p[1] - g <= NEAR &&
           g - (int)p[1] <= NEAR && (int)p[2] - b <= NEAR && b - (int)p[2] <= NEAR;
}

static void look_at_parsing(const look_job *job, int64_t f, const tg_image *image) {
    seen_frame *s = &job->seen[f];
    int64_t pixels = (int64_t)image->width * image->height, strange = 0, head = 0, torso = 0;
    double head_row = 0, torso_row = 0;
    for (int64_t i = 0; i < pixels; i++) {
        const uint8_t *p = image->data + 3 * i;
        if (near_to(p, 0, 0, 255)) {
            head++;
            head_row += (double)(i / image->width);
        } else if (near_to(p, 255, 0, 0)) {
            torso++;
            torso_row += (double)(i / image->width);
        } else if (!near_to(p, 255, 255, 255) && !near_to(p, 0, 255, 0)) {
            if (strange++ == 0 || near_to(p, s->colour[0], s->colour[1], s->colour[2]))
                memcpy(s->colour, p, 3);
        }
    }
    s->strange = (double)strange > strange_share * (double)pixels;
    s->headless = head < pixels / 1000 + 1;
    s->head_row = head ? head_row / (double)head : -1;
    s->torso_row = torso ? torso_row / (double)torso : -1;
    for (int i = 0; job->points && i < POINTS; i++) {
        const float *xy = job->points + (f * POINTS + i) * 2;
        if (!isfinite(xy[0]) || !isfinite(xy[1]))
            continue;
        s->points++;
        if (!(xy[0] >= 0 && xy[0] < (float)image->width && xy[1] >= 0 &&
              xy[1] < (float)image->height))
            continue;
        int64_t at = (int64_t)xy[1] * image->width + (int64_t)xy[0];
        s->on_head += near_to(image->data + 3 * at, 0, 0, 255);
    }
}

static void look_at_torso(seen_frame *s, const tg_image *image) {
    int64_t pixels = (int64_t)image->width * image->height, clear = 0, solid = 0;
    for (int64_t i = 0; i < pixels && image->channels == 4; i++) {
        clear += image->data[4 * i + 3] < 128;
        solid += image->data[4 * i + 3] >= 128;
    }
    s->opaque = clear == 0;
    s->empty_torso = image->channels == 4 && solid == 0;
}

static void look_range(void *arg, int64_t begin, int64_t end, int worker) {
    look_job *job = arg;
    for (int64_t f = job->first + begin; f < job->first + end; f++)
        for (int k = 0; k < KINDS; k++) {
            char path[PATH_SIZE];
            tg_image image;
            seen_frame *s = &job->seen[f];
            path_of(path, job->directory, k, job->frames[f].id);
            if (!path[0]) {
                s->picture[k] = MISSING;
                continue;
            }
            if (tg_image_read(job->workers[worker], path, k == 2 ? 0 : 3, &image) != TG_OK) {
                s->picture[k] = UNREADABLE;
                continue;
            }
            s->width[k] = image.width;
            s->height[k] = image.height;
            if (job->width > 0 && (image.width != job->width || image.height != job->height))
                s->picture[k] = OTHER_SIZE;
            else if (k == 1)
                look_at_parsing(job, f, &image);
            else if (k == 2)
                look_at_torso(s, &image);
            tg_image_free(&image);
        }
}

static tg_status look(tg_context *ctx, look_job *job, int64_t count) {
    tg_pool *pool = tg_context_pool(ctx);
    int threads = tg_pool_threads(pool);
    tg_status status = TG_OK;
    job->workers = tg_calloc(sizeof(tg_context *) * (size_t)threads);
    for (int i = 0; i < threads && status == TG_OK; i++)
        if (!job->workers || !(job->workers[i] = tg_context_create(1)))
            status = tg_fail(ctx, TG_ENOMEM, "%s: no memory to look it through", job->directory);
    for (int64_t f = 0; f < count && status == TG_OK; f += PIECE) {
        tg_progress(ctx, "checking pictures", (double)f, (double)count, "");
        job->first = f;
        tg_pool_run(pool, count - f < PIECE ? count - f : PIECE, 4, look_range, job);
        status = tg_cancelled(ctx);
    }
    for (int i = 0; job->workers && i < threads; i++)
        tg_context_destroy(&job->workers[i]);
    tg_free(job->workers);
    return status;
}

/* ---- what it means ---------------------------------------------------------------------------
 */

static void list_files(const look_job *job, int64_t count, tg_findings *out) {
    static const struct {
        const char *missing, *unreadable, *size, *make;
    } texts[KINDS] = {
        {"gt_imgs: pictures are missing", "gt_imgs: pictures cannot be read",
         "gt_imgs: pictures are not of the size of bc.jpg",
         "write the frame over the background again, or take the frame out of transforms_*.json"},
        {"parsing: pictures are missing", "parsing: pictures cannot be read",
         "parsing: pictures are not of the size of bc.jpg",
         "parse the frame again, or take it out of transforms_*.json"},
        {"torso_imgs: pictures are missing", "torso_imgs: pictures cannot be read",
         "torso_imgs: pictures are not of the size of bc.jpg",
         "extract the torso again, or take the frame out of transforms_*.json"}};
    for (int k = 0; k < KINDS; k++)
        for (int64_t f = 0; f < count; f++) {
            const seen_frame *s = &job->seen[f];
            char path[PATH_SIZE];
            long long id = (long long)job->frames[f].id;
            path_of(path, job->directory, k, job->frames[f].id);
            const char *name = path[0] ? path + strlen(job->directory) + 1 : "";
            if (s->picture[k] == MISSING)
                tg_find(out, texts[k].missing, texts[k].make, "%s/%lld%s", kinds[k].folder, id,
                        kinds[k].first);
            else if (s->picture[k] == UNREADABLE)
                tg_find(out, texts[k].unreadable,
                        "copy or make the file again; PNG and JPEG are read", "%s", name);
            else if (s->picture[k] == OTHER_SIZE)
                tg_find(out, texts[k].size, "bring all pictures of the recording to one size",
                        "%s (%d x %d)", name, s->width[k], s->height[k]);
        }
}

static void list_parsing(const look_job *job, int64_t count, tg_findings *out) {
    int64_t swapped = 0, both = 0;
    for (int64_t f = 0; f < count; f++) {
        const seen_frame *s = &job->seen[f];
        if (s->picture[1] != FINE || s->head_row < 0 || s->torso_row < 0)
            continue;
        both++;
        swapped += s->head_row > s->torso_row;
    }
    if (2 * swapped > both) {
        tg_find(out, "parsing: red and blue are exchanged: what is blue lies below what is red",
                "write the pictures in RGB order: head blue (0,0,255), torso red (255,0,0)", NULL);
        return;
    }
    for (int64_t f = 0; f < count; f++) {
        const seen_frame *s = &job->seen[f];
        long long id = (long long)job->frames[f].id;
        if (s->picture[1] != FINE)
            continue;
        if (s->strange)
            tg_find(out, "parsing: colours that are not known",
                    "head (0,0,255), neck (0,255,0), torso (255,0,0), background (255,255,255) as "
                    "RGB, without soft edges",
                    "parsing/%lld (%d,%d,%d)", id, s->colour[0], s->colour[1], s->colour[2]);
        else if (s->headless)
            tg_find(out, "parsing: frames without a head",
                    "parse the frame again, or take it out of transforms_*.json", "parsing/%lld",
                    id);
    }
}

static void list_torso(const look_job *job, int64_t count, tg_findings *out) {
    for (int64_t f = 0; f < count; f++) {
        const seen_frame *s = &job->seen[f];
        long long id = (long long)job->frames[f].id;
        if (s->picture[2] == FINE && s->opaque)
            tg_find(out, "torso_imgs: pictures without transparency",
                    "RGBA pictures: torso and neck opaque, everything else transparent",
                    "torso_imgs/%lld", id);
        else if (s->picture[2] == FINE && s->empty_torso)
            tg_find_note(out, "torso_imgs: pictures with nothing in them",
                         "fine when there is no body in the picture", "torso_imgs/%lld", id);
    }
}

static void list_landmarks(const look_job *job, int64_t count, tg_findings *out) {
    int64_t off = 0, known = 0;
    for (int64_t f = 0; f < count; f++) {
        const seen_frame *s = &job->seen[f];
        bool usable = s->picture[1] == FINE && !s->headless && !s->strange && s->points > 0;
        known += usable;
        off += usable && s->on_head < on_head_share * s->points;
    }
    /* Now and then a tracker loses its head: some frames are told, most of them are a mistake. */
    bool wrong = 10 * off > known;
    for (int64_t f = 0; f < count && off; f++) {
        const seen_frame *s = &job->seen[f];
        if (s->picture[1] != FINE || s->headless || s->strange || s->points == 0 ||
            s->on_head >= on_head_share * s->points)
            continue;
        if (wrong)
            tg_find(out, "landmarks do not lie on the head that the parsing shows",
                    "poses are camera-to-world in metres, y up, camera looking along -z; landmarks "
                    "in head coordinates, 1 = 1 dm; img_id counts the same frames in all files",
                    "frame %lld (%d of %d)", (long long)job->frames[f].id, s->on_head, s->points);
        else
            tg_find_note(out, "landmarks lie beside the head in some frames",
                         "look at these frames; the tracker may have lost the head",
                         "frame %lld (%d of %d)", (long long)job->frames[f].id, s->on_head,
                         s->points);
    }
}

tg_status tg_check_pictures(tg_context *ctx, const char *directory, const listed_frame *frames,
                            int64_t count, int width, int height, const float *points,
                            tg_findings *findings) {
    look_job job = {.directory = directory,
                    .frames = frames,
                    .points = points,
                    .width = width,
                    .height = height};
    size_t bytes;
    if (!tg_mul_size((size_t)count, sizeof *job.seen, &bytes) || !(job.seen = tg_calloc(bytes)))
        return tg_fail(ctx, TG_ENOMEM, "%s: no memory to look it through", directory);
    tg_status status = look(ctx, &job, count);
    if (status == TG_OK) {
        list_files(&job, count, findings);
        list_parsing(&job, count, findings);
        list_torso(&job, count, findings);
        list_landmarks(&job, count, findings);
    }
    tg_free(job.seen);
    return status;
}
