#include "studio/dataset.h"

#include <stdio.h>

#include "talkgen/io.h"

enum { PATH_SIZE = 4096 };

void tg_dataset_face_rect(const float xy[TG_LANDMARKS][2], int width, int height, int rect[4]) {
    float low = xy[0][0], high = xy[0][0];
    for (int i = 1; i < TG_LANDMARKS; i++) {
        low = tg_minf(low, xy[i][0]);
        high = tg_maxf(high, xy[i][0]);
    }
    float cx = 0.5f * (low + high), cy = xy[27][1];
    float half_w = 1.5f * (high - cx), half_h = 1.15f * (xy[8][1] - cy);
    int x0 = (int)tg_clampf(cx - half_w, 0, (float)width);
    int x1 = (int)tg_clampf(cx + half_w, 0, (float)width);
    int y0 = (int)tg_clampf(cy - half_h, 0, (float)height);
    int y1 = (int)tg_clampf(cy + half_h, 0, (float)height);
    rect[0] = x0;
    rect[1] = y0;
    rect[2] = x1 - x0;
    rect[3] = y1 - y0;
}

void tg_studio_project(const float lm[TG_LANDMARKS][3], const float c2w[16], float focal, float cx,
                       float cy, float xy[TG_LANDMARKS][2]) {
    for (int i = 0; i < TG_LANDMARKS; i++) {
        float d[3], p[3];
        for (int k = 0; k < 3; k++)
            d[k] = lm[i][k] / 10 - c2w[4 * k + 3];
        for (int k = 0; k < 3; k++)
            p[k] = c2w[k] * d[0] + c2w[4 + k] * d[1] + c2w[8 + k] * d[2];
        xy[i][0] = cx - focal * p[0] / p[2];
        xy[i][1] = cy + focal * p[1] / p[2];
    }
}

static void join(char path[PATH_SIZE], const char *dir, const char *name) {
    snprintf(path, PATH_SIZE, "%s/%s", dir, name);
}

static void numbered(char path[PATH_SIZE], const char *dir, const char *folder, int64_t index,
                     const char *ending) {
    snprintf(path, PATH_SIZE, "%s/%s/%lld.%s", dir, folder, (long long)index, ending);
}

typedef struct {
    const tg_person *person;
    const tg_performance *performance;
    const tg_film_camera *camera;
    int width, height;
} track;

static void add_frame(tg_json *list, const track *t, int64_t index,
                      const float lm[TG_LANDMARKS][3]) {
    float head[12], c2w[16], xy[TG_LANDMARKS][2];
    tg_person_head_matrix(t->person, &t->performance->state[index], head);
    tg_film_head_camera(t->camera, head, c2w);
    tg_studio_project(lm, c2w, t->camera->focal, t->camera->cx, t->camera->cy, xy);
    int rect[4];
    tg_dataset_face_rect(xy, t->width, t->height, rect);
    tg_json *frame = tg_json_set_object(list, NULL);
    tg_json_set_number(frame, "img_id", (double)index);
    tg_json_set_number(frame, "aud_id", (double)index);
    tg_json *matrix = tg_json_set_array(frame, "transform_matrix");
    for (int i = 0; i < 4; i++) {
        tg_json *row = tg_json_set_array(matrix, NULL);
        for (int k = 0; k < 4; k++)
            tg_json_set_number(row, NULL, (double)c2w[4 * i + k]);
    }
    tg_json *face = tg_json_set_array(frame, "face_rect");
    for (int i = 0; i < 4; i++)
        tg_json_set_number(face, NULL, rect[i]);
}

static tg_status write_transforms(tg_context *ctx, const char *path, const track *t, int64_t first,
                                  int64_t last, const float (*lm)[TG_LANDMARKS][3]) {
    tg_json *root = tg_json_new_object();
    if (!root)
        return tg_fail(ctx, TG_ENOMEM, "no memory for %s", path);
    tg_json_set_number(root, "focal_len", (double)t->camera->focal);
    tg_json_set_number(root, "cx", (double)t->camera->cx);
    tg_json_set_number(root, "cy", (double)t->camera->cy);
    tg_json *list = tg_json_set_array(root, "frames");
    for (int64_t i = first; i < last; i++)
        add_frame(list, t, i, lm[i]);
    tg_status status = tg_json_write(ctx, path, root);
    tg_json_destroy(&root);
    return status;
}

static tg_status write_gaze(tg_context *ctx, const char *path, const tg_face_state *state,
                            int64_t frames) {
    float(*gaze)[2] = tg_alloc(sizeof *gaze * (size_t)frames);
    if (!gaze)
        return tg_fail(ctx, TG_ENOMEM, "no memory for the gaze of %lld frames", (long long)frames);
    for (int64_t i = 0; i < frames; i++) {
        gaze[i][0] = state[i].gaze_yaw;
        gaze[i][1] = state[i].gaze_pitch;
    }
    tg_status status = tg_npy_write(ctx, path, 2, (int64_t[]){frames, 2}, gaze[0]);
    tg_free(gaze);
    return status;
}

tg_status tg_dataset_write_tracks(tg_context *ctx, const char *dir, const tg_person *person,
                                  const tg_performance *performance, const tg_film_camera *camera,
                                  int width, int height, int64_t frames) {
    static const char *const folder[] = {"ori_imgs", "gt_imgs", "parsing", "torso_imgs"};
    char path[PATH_SIZE];
    tg_status status = TG_OK;
    for (size_t i = 0; i < 4 && status == TG_OK; i++) {
        join(path, dir, folder[i]);
        status = tg_make_dirs(ctx, path);
    }
    if (status == TG_OK) {
        join(path, dir, "aud.wav");
        const tg_speech *speech = &performance->speech;
        int64_t samples = frames * TG_STUDIO_RATE / TG_VIDEO_FPS;
        status =
            tg_audio_write(ctx, path, speech->samples,
                           samples < speech->count ? samples : speech->count, 1, TG_STUDIO_RATE);
    }
    if (status == TG_OK) {
        join(path, dir, "phones.json");
        status = tg_phones_write(ctx, path, &performance->speech.phones);
    }
    if (status != TG_OK)
        return status;
    float(*lm)[TG_LANDMARKS][3] = tg_alloc(sizeof *lm * (size_t)frames);
    if (!lm)
        return tg_fail(ctx, TG_ENOMEM, "no memory for landmarks of %lld frames", (long long)frames);
    for (int64_t i = 0; i < frames; i++)
        tg_person_landmarks(person, &performance->state[i], lm[i]);
    join(path, dir, "landmarks.npy");
    const int64_t dim[3] = {frames, TG_LANDMARKS, 3};
    status = tg_npy_write(ctx, path, 3, dim, &lm[0][0][0]);
    if (status == TG_OK) {
        join(path, dir, "gaze.npy");
        status = write_gaze(ctx, path, performance->state, frames);
    }
    track t = {person, performance, camera, width, height};
    int64_t train = frames * 9 / 10;
    if (status == TG_OK) {
        join(path, dir, "transforms_train.json");
        status = write_transforms(ctx, path, &t, 0, train, (const float(*)[TG_LANDMARKS][3])lm);
    }
    if (status == TG_OK) {
        join(path, dir, "transforms_val.json");
        status =
            write_transforms(ctx, path, &t, train, frames, (const float(*)[TG_LANDMARKS][3])lm);
    }
    tg_free(lm);
    return status;
}

bool tg_dataset_has_frame(const char *dir, int64_t index) {
    char path[PATH_SIZE];
    numbered(path, dir, "torso_imgs", index, "png");
    return tg_file_exists(path);
}

tg_status tg_dataset_write_frame(tg_context *ctx, const char *dir, int64_t index,
                                 const tg_film_frame *frame, int width, int height) {
    const struct {
        const char *folder, *ending;
        int channels;
        const uint8_t *data;
    } picture[] = {{"ori_imgs", "jpg", 3, frame->rgb},
                   {"gt_imgs", "jpg", 3, frame->rgb},
                   {"parsing", "png", 3, frame->parsing},
                   {"torso_imgs", "png", 4, frame->torso}};
    for (size_t i = 0; i < sizeof picture / sizeof *picture; i++) {
        char path[PATH_SIZE];
        numbered(path, dir, picture[i].folder, index, picture[i].ending);
        tg_status status =
            tg_image_write(ctx, path, width, height, picture[i].channels, picture[i].data);
        if (status != TG_OK)
            return status;
    }
    return TG_OK;
}
