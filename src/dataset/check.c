/* Is a recording fit to train from? Everything that is wrong, at once. */
#include "dataset/check.h"

#include "talkgen/io.h"

#include "dataset/motion.h"

#include <dirent.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { PATH_SIZE = 1200, MAX_FRAMES = 1 << 22, POINTS = TG_COND_DIM / 3, FPS = 25 };

static const int64_t fewest_frames = 125; /* 5 s, to learn anything at all */
static const double rigid = 1e-3;         /* how far R^T R may be from 1 */
static const double few_degrees = 1.5;    /* of turning, for points to have a depth */

typedef struct {
    tg_context *ctx;
    const char *directory;
    tg_dataset_report *report;
    tg_findings *findings;
    listed_frame *frame;
    int64_t frames, room;
    double focal, cx, cy;
} look_through;

static const char *first_line(const char *text, char out[240]) {
    snprintf(out, 240, "%.*s", (int)strcspn(text, "\n"), text);
    return out;
}

/* Message of a reader without the folder's name. */
static const char *reason(const look_through *l, char out[240]) {
    const char *text = tg_message(l->ctx);
    size_t n = strlen(l->directory);
    if (strncmp(text, l->directory, n) == 0 && text[n] == '/')
        text += n + 1;
    return first_line(text, out);
}

/* ---- transforms ----------------------------------------------------------------------------- */

static bool is_rigid(const float m[16]) {
    for (int a = 0; a < 3; a++)
        for (int b = 0; b < 3; b++) {
            double dot = 0;
            for (int k = 0; k < 3; k++)
                dot += (double)m[4 * k + a] * (double)m[4 * k + b];
            if (fabs(dot - (a == b)) > rigid)
                return false;
        }
    double det = 0;
    for (int k = 0; k < 3; k++)
        det += (double)m[k] * ((double)m[4 + (k + 1) % 3] * (double)m[8 + (k + 2) % 3] -
                               (double)m[4 + (k + 2) % 3] * (double)m[8 + (k + 1) % 3]);
    return det > 0 && fabs((double)m[12]) < rigid && fabs((double)m[13]) < rigid &&
           fabs((double)m[14]) < rigid && fabs((double)m[15] - 1) < rigid;
}

static void read_frame(look_through *l, const char *name, int64_t index, const tg_json *json,
                       bool held_out) {
    listed_frame *f = &l->frame[l->frames];
    double id = tg_json_number(tg_json_get(json, "img_id"), -1);
    const tg_json *rows = tg_json_get(json, "transform_matrix");
    bool finite = true;
    if (!(id >= 0 && id < MAX_FRAMES && id == floor(id))) {
        tg_find(l->findings, "frames without a usable img_id",
                "\"img_id\": N, the number of the frame's pictures", "%s frames[%lld]", name,
                (long long)index);
        return;
    }
    *f = (listed_frame){.id = (int64_t)id, .held_out = held_out};
    for (int k = 0; k < 16; k++) {
        f->c2w[k] = (float)tg_json_number(tg_json_at(tg_json_at(rows, k / 4), k % 4), (double)NAN);
        finite = finite && isfinite(f->c2w[k]);
    }
    l->frames++;
    if (!finite) {
        tg_find(l->findings, "poses that are not finite",
                "track these frames again, or take them out of transforms_*.json",
                "img_id %lld in %s", (long long)f->id, name);
    } else if (!is_rigid(f->c2w)) {
        tg_find(l->findings, "poses that are not rigid",
                "transform_matrix is [R t; 0 0 0 1] with a rotation R; no scale, no mirror",
                "img_id %lld in %s", (long long)f->id, name);
    } else {
        /* the camera looks along -z at the head, which is at the origin */
        const float *m = f->c2w;
        double along = (double)m[2] * (double)m[3] + (double)m[6] * (double)m[7] +
                       (double)m[10] * (double)m[11];
        f->posed = along > 0;
        if (!f->posed)
            tg_find(l->findings, "poses with the head behind the camera",
                    "camera-to-world matrices, the camera looking along -z at the origin",
                    "img_id %lld in %s", (long long)f->id, name);
    }
}

static void check_camera(look_through *l, const char *name, const tg_json *json, bool second) {
    double focal = tg_json_number(tg_json_get(json, "focal_len"), (double)NAN);
    double width = l->report->width, height = l->report->height;
    double cx = tg_json_number(tg_json_get(json, "cx"), width / 2);
    double cy = tg_json_number(tg_json_get(json, "cy"), height / 2);
    if (!(focal > 0) || !isfinite(focal)) {
        if (!second)
            tg_find(l->findings, "no focal_len", "\"focal_len\": pixels, a positive number", "%s",
                    name);
        return;
    }
    if (second) {
        if (focal != l->focal || cx != l->cx || cy != l->cy)
            tg_find(l->findings, "focal_len, cx or cy differ between the two transforms files",
                    "one camera for the whole recording", "%s", name);
        return;
    }
    l->focal = focal;
    l->cx = cx;
    l->cy = cy;
    if (width > 0 && !(focal > 0.3 * width && focal < 30 * width))
        tg_find(l->findings, "a focal_len that no camera has",
                "focal_len in pixels of the pictures, usually 1 to 4 times their width",
                "%s: %g for %g pixels", name, focal, width);
    if (width > 0 && (fabs(cx - width / 2) > width / 4 || fabs(cy - height / 2) > height / 4))
        tg_find(l->findings, "the optical centre is far from the middle of the picture",
                "cx and cy in pixels of these pictures; tracked at another size?",
                "%s: cx %g, cy %g", name, cx, cy);
}

static tg_status read_part(look_through *l, const char *name, bool held_out) {
    char path[PATH_SIZE], why[240];
    tg_json *json = NULL;
    snprintf(path, sizeof path, "%s/%s", l->directory, name);
    if (tg_json_read(l->ctx, path, &json) != TG_OK) {
        tg_find(l->findings, "transforms cannot be read",
                "transforms_train.json and transforms_val.json, as the preparation of RAD-NeRF or "
                "GeneFace writes them",
                "%s", reason(l, why));
        return TG_OK;
    }
    const tg_json *frames = tg_json_get(json, "frames");
    int64_t n = tg_json_is_array(frames) ? tg_json_count(frames) : 0;
    if (n < 1 || n > MAX_FRAMES) {
        tg_find(l->findings, "transforms without frames",
                "\"frames\": [{\"img_id\": N, \"transform_matrix\": [[..4],..4]}, ...]", "%s",
                name);
        n = 0;
    }
    check_camera(l, name, json, held_out);
    size_t bytes;
    listed_frame *more = tg_mul_size((size_t)(l->room + n), sizeof *more, &bytes)
                             ? realloc(l->frame, bytes ? bytes : 1)
                             : NULL;
    tg_status status = TG_OK;
    if (!more) {
        status = tg_fail(l->ctx, TG_ENOMEM, "%s: no memory to look it through", path);
    } else {
        l->frame = more;
        l->room += n;
        const tg_json *frame = tg_json_first(frames);
        for (int64_t i = 0; i < n; i++, frame = tg_json_next(frame))
            read_frame(l, name, i, frame, held_out);
    }
    tg_json_destroy(&json);
    return status;
}

static int by_id(const void *a, const void *b) {
    const listed_frame *x = a, *y = b;
    return x->id != y->id ? (x->id > y->id) - (x->id < y->id) : (int)x->held_out - (int)y->held_out;
}

static void check_ids(look_through *l) {
    if (l->frames > 1) /* none: there is no list either */
        qsort(l->frame, (size_t)l->frames, sizeof *l->frame, by_id);
    for (int64_t i = 1; i < l->frames; i++) {
        const listed_frame *a = &l->frame[i - 1], *b = &l->frame[i];
        if (a->id != b->id)
            continue;
        if (a->held_out != b->held_out)
            tg_find(l->findings, "frames that are trained on and held out",
                    "every img_id in one of transforms_train.json and transforms_val.json",
                    "img_id %lld", (long long)a->id);
        else
            tg_find(l->findings, "frames that are listed twice", "every img_id once", "img_id %lld",
                    (long long)a->id);
    }
    int64_t held_out = 0;
    for (int64_t i = 0; i < l->frames; i++)
        held_out += l->frame[i].held_out;
    l->report->frames = l->frames;
    l->report->train_frames = l->frames - held_out;
    if (l->frames > 0 && l->report->train_frames < fewest_frames)
        tg_find(l->findings, "too few frames to train on",
                "1 to 5 minutes of speech; below 5 s nothing is learned", "%lld",
                (long long)l->report->train_frames);
}

/* ---- sound and video ------------------------------------------------------------------------ */

static void check_audio(look_through *l) {
    char path[PATH_SIZE], why[240];
    tg_audio *audio = NULL;
    snprintf(path, sizeof path, "%s/aud.wav", l->directory);
    if (tg_audio_open(l->ctx, path, &audio) != TG_OK) {
        tg_find(l->findings, "no sound",
                "aud.wav, the speech of the recording from its first frame", "%s", reason(l, why));
        return;
    }
    int64_t samples = tg_audio_frames(audio);
    double seconds = samples > 0 ? (double)samples / tg_audio_rate(audio) : 0;
    tg_audio_close(&audio);
    l->report->audio_s = seconds;
    if (seconds <= 0 || l->frames == 0)
        return;
    double frames = (double)l->frame[l->frames - 1].id + 1, rate = frames / seconds;
    if (fabs(frames / FPS - seconds) <= fmax(0.2, 0.01 * seconds))
        return;
    static const double rates[] = {24, 30, 48, 50, 60};
    for (size_t i = 0; i < sizeof rates / sizeof *rates; i++)
        if (fabs(rate / rates[i] - 1) < 0.01) {
            tg_find(
                l->findings, "the frames are not of 25 per second",
                "cut the video into frames at 25 per second (ffmpeg -r 25) and prepare it again",
                "%.0f frames for %.2f s of sound are %.0f per second", frames, seconds, rates[i]);
            return;
        }
    tg_find(l->findings, "sound and frames are not equally long",
            "aud.wav begins with frame 0 and img_id is the number of the frame at 25 per second; "
            "preparations that drop frames and count on shift everything behind",
            "aud.wav %.2f s, img_id up to %.0f are %.2f s at 25 per second", seconds, frames - 1,
            frames / FPS);
}

static void check_video(look_through *l, const char *name) {
    char path[PATH_SIZE];
    tg_video *video = NULL;
    int width, height;
    double fps;
    snprintf(path, sizeof path, "%s/%s", l->directory, name);
    if (tg_video_open(l->ctx, path, &video) != TG_OK)
        return; /* some other file; nothing is trained from it */
    tg_video_size(video, &width, &height, &fps);
    tg_video_close(&video);
    if (fabs(fps - FPS) > 0.01)
        tg_find(l->findings, "a video that is not of 25 frames per second",
                "cut the video into frames at 25 per second (ffmpeg -r 25) and prepare it again",
                "%s: %.4g", name, fps);
}

static void check_videos(look_through *l) {
    DIR *folder = opendir(l->directory);
    for (struct dirent *entry; folder && (entry = readdir(folder));)
        if (tg_is_movie(entry->d_name) || tg_has_extension(entry->d_name, "avi"))
            check_video(l, entry->d_name);
    if (folder)
        closedir(folder);
}

/* ---- landmarks ------------------------------------------------------------------------------ */

static void place(const look_through *l, const listed_frame *f, const float point[3],
                  float pixel[2]) {
    const float *m = f->c2w;
    double p[3], c[3];
    pixel[0] = pixel[1] = NAN;
    for (int k = 0; k < 3; k++)
        p[k] = (double)point[k] / 10 - (double)m[4 * k + 3];
    for (int k = 0; k < 3; k++)
        c[k] = (double)m[k] * p[0] + (double)m[4 + k] * p[1] + (double)m[8 + k] * p[2];
    if (!f->posed || !(c[2] < -1e-6))
        return;
    pixel[0] = (float)(l->cx + l->focal * c[0] / -c[2]);
    pixel[1] = (float)(l->cy - l->focal * c[1] / -c[2]);
}

/* *points [frames,68,2], or NULL when nothing is known about them. */
static tg_status check_motion(look_through *l, float **points) {
    dataset_motion motion;
    char why[240];
    tg_dataset_report *r = l->report;
    *points = NULL;
    /* Lifting needs every pose and would only tell again what is wrong with them. */
    char path[PATH_SIZE];
    snprintf(path, sizeof path, "%s/landmarks.npy", l->directory);
    bool posed = l->frames > 0 && l->focal > 0;
    for (int64_t i = 0; i < l->frames; i++)
        posed = posed && l->frame[i].posed;
    if (!posed && !tg_file_exists(path))
        return TG_OK;
    tg_status status = tg_dataset_motion(l->ctx, l->directory, &motion);
    if (status == TG_ENOMEM || (status != TG_OK && tg_cancelled(l->ctx) != TG_OK))
        return status;
    if (status != TG_OK) {
        tg_find(l->findings, "no usable landmarks",
                "landmarks.npy [frames,68,3], or GeneFace's trainval_dataset.npy with "
                "ori_imgs/N.lms, or ori_imgs/N.lms alone",
                "%s", reason(l, why));
        return TG_OK;
    }
    r->has_motion = true;
    r->motion = motion.origin;
    r->rows = motion.rows;
    r->landmarks = motion.landmarks;
    r->noise_px = motion.lifted.noise;
    r->turn_deg = motion.lifted.turn_deg;
    if (motion.without)
        tg_find_note(l->findings, "frames without landmarks of their own: taken from those around",
                     "nothing when they are few", "%lld frames", (long long)motion.without);
    if (motion.origin != TG_FROM_LANDMARKS && motion.lifted.turn_deg < few_degrees)
        tg_find_note(l->findings, "the head hardly turns: the depth of the landmarks is a guess",
                     "film a head that looks about a little", "%.1f degrees",
                     motion.lifted.turn_deg);
    snprintf(path, sizeof path, "%s/gaze.npy", l->directory);
    tg_npy gaze = {0};
    if (tg_file_exists(path) && tg_gaze_read(l->ctx, path, motion.rows, &gaze) != TG_OK)
        tg_find(l->findings, "no usable gaze", "gaze.npy [frames,2] in degrees, or none", "%s",
                reason(l, why));
    tg_npy_free(&gaze);
    for (int64_t i = 0; i < l->frames; i++)
        if (l->frame[i].id >= motion.rows)
            tg_find(l->findings, "frames without a row of landmarks",
                    "landmarks.npy has a row for every img_id", "img_id %lld of %lld rows",
                    (long long)l->frame[i].id, (long long)motion.rows);
    size_t bytes;
    if (!tg_mul_size((size_t)l->frames, POINTS * 2 * sizeof(float), &bytes) ||
        !(*points = tg_alloc(bytes)))
        return tg_fail(l->ctx, TG_ENOMEM, "%s: no memory for its landmarks", l->directory);
    for (int64_t i = 0; i < l->frames; i++)
        for (int p = 0; p < POINTS; p++) {
            float *to = *points + (i * POINTS + p) * 2;
            to[0] = to[1] = NAN;
            if (l->frame[i].id < motion.rows)
                place(l, &l->frame[i], motion.landmarks + (l->frame[i].id * POINTS + p) * 3, to);
        }
    return TG_OK;
}

/* ---- all ----------------------------------------------------------------------------------- */

static void check_background(look_through *l) {
    char path[PATH_SIZE], why[240];
    tg_image image;
    snprintf(path, sizeof path, "%s/bc.jpg", l->directory);
    if (!tg_file_exists(path)) {
        snprintf(path, sizeof path, "%s/bc.png", l->directory);
        if (!tg_file_exists(path))
            snprintf(path, sizeof path, "%s/bc.jpg", l->directory);
    }
    if (tg_image_read(l->ctx, path, 3, &image) != TG_OK) {
        tg_find(l->findings, "no background",
                "bc.jpg, the static background of the recording, as large as its frames", "%s",
                reason(l, why));
        return;
    }
    l->report->width = image.width;
    l->report->height = image.height;
    tg_image_free(&image);
}

tg_status tg_dataset_check(tg_context *ctx, const char *directory, tg_dataset_report *out) {
    memset(out, 0, sizeof *out);
    look_through l = {.ctx = ctx, .directory = directory, .report = out};
    l.findings = &out->findings;
    float *points = NULL;
    check_background(&l);
    tg_status status = read_part(&l, "transforms_train.json", false);
    if (status == TG_OK)
        status = read_part(&l, "transforms_val.json", true);
    if (status == TG_OK) {
        check_ids(&l);
        check_audio(&l);
        check_videos(&l);
        status = check_motion(&l, &points);
    }
    if (status == TG_OK && l.frames > 0)
        status = tg_check_pictures(ctx, directory, l.frame, l.frames, out->width, out->height,
                                   points, l.findings);
    tg_free(points);
    free(l.frame);
    if (status != TG_OK)
        tg_dataset_report_free(out);
    return status;
}

void tg_dataset_report_free(tg_dataset_report *report) {
    tg_free(report->landmarks);
    report->landmarks = NULL;
}
