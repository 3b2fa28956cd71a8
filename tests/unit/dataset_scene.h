/* A recording with exact truth: a ball of a head with eyes and a mouth painted on it that opens and
 * closes, turning in front of a torso and a background. Written as a person's dataset directory.
 */
#ifndef TALKGEN_TESTS_DATASET_SCENE_H
#define TALKGEN_TESTS_DATASET_SCENE_H

#include "talkgen/dataset.h"
#include "talkgen/io.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

typedef struct {
    int size, frames, train_frames;
} scene;

/* Head coordinates in metres: an ellipsoid about the origin, face to +z. */
static const float scene_axis[3] = {0.075f, 0.105f, 0.09f};
static const float scene_mouth[2] = {0, -0.05f}; /* x, y on the front */

static float scene_gap(int frame) { /* half the opening of the mouth, metres */
    return 0.006f + 0.005f * sinf(0.9f * (float)frame) + 0.003f * sinf(0.23f * (float)frame);
}

static float scene_lid(int frame) { /* 1 open, 0 closed */
    return frame % 40 < 3 ? 0.1f : 1.0f;
}

static void scene_c2w(int frame, float m[16]) {
    float t = (float)frame, yaw = 0.2f * sinf(0.11f * t), pitch = 0.1f * sinf(0.07f * t + 1);
    float cy = cosf(yaw), sy = sinf(yaw), cp = cosf(pitch), sp = sinf(pitch), r = 0.9f;
    float rotation[9] = {cy, sy * sp, sy * cp, 0, cp, -sp, -sy, cy * sp, cy * cp};
    float shift[3] = {0.01f * sinf(0.05f * t), 0.008f * sinf(0.13f * t), r};
    memset(m, 0, 16 * sizeof(float));
    for (int i = 0; i < 3; i++) {
        for (int j = 0; j < 3; j++) {
            m[4 * i + j] = rotation[3 * i + j];
            m[4 * i + 3] += rotation[3 * i + j] * shift[j];
        }
    }
    m[15] = 1;
}

/* Colour of the surface at p (metres). */
static void scene_skin(const float p[3], int frame, float rgb[3]) {
    float shade = 0.75f + 0.25f * (p[0] / scene_axis[0] * 0.4f + p[1] / scene_axis[1] * 0.5f);
    float freckle = sinf(900 * p[0] + 3) * sinf(700 * p[1]) * sinf(800 * p[2]);
    float base[3] = {0.85f, 0.62f, 0.5f};
    for (int c = 0; c < 3; c++) {
        rgb[c] = base[c] * shade + 0.05f * freckle;
    }
    if (p[1] > 0.06f || p[2] < -0.02f) { /* hair */
        float strand = 0.04f * sinf(600 * p[0]) * sinf(350 * p[2]);
        rgb[0] = 0.25f + strand, rgb[1] = 0.17f + strand, rgb[2] = 0.1f + strand;
        return;
    }
    if (p[2] < 0) {
        return;
    }
    for (int side = -1; side <= 1; side += 2) {
        float x = (p[0] - (float)side * 0.03f) / 0.014f;
        float y = (p[1] - 0.02f) / (0.008f * scene_lid(frame));
        float d = x * x + y * y;
        if (d < 1) {
            float iris = x * x + (p[1] - 0.02f) * (p[1] - 0.02f) / 0.00004f;
            for (int c = 0; c < 3; c++) {
                rgb[c] = iris < 0.2f ? 0.1f : 0.95f;
            }
        }
    }
    float gap = scene_gap(frame);
    float x = (p[0] - scene_mouth[0]) / 0.026f, y = p[1] - scene_mouth[1];
    float inner = x * x + y * y / (gap * gap);
    float outer = x * x * 0.8f + y * y / ((gap + 0.007f) * (gap + 0.007f));
    if (inner < 1) {
        bool teeth = y > gap * 0.4f;
        rgb[0] = teeth ? 0.9f : 0.2f, rgb[1] = teeth ? 0.88f : 0.05f, rgb[2] = teeth ? 0.8f : 0.07f;
    } else if (outer < 1) {
        rgb[0] = 0.75f, rgb[1] = 0.3f, rgb[2] = 0.3f;
    }
}

/* Front point of the ellipsoid at (x, y), in dm. */
static void scene_landmark(float x, float y, float out[3]) {
    float u = x / scene_axis[0], v = y / scene_axis[1];
    out[0] = 10 * x;
    out[1] = 10 * y;
    out[2] = 10 * scene_axis[2] * sqrtf(fmaxf(0, 1 - u * u - v * v));
}

static void scene_landmarks(int frame, float out[TG_COND_DIM]) {
    float gap = scene_gap(frame), lid = scene_lid(frame);
    for (int i = 0; i < 68; i++) {
        float a, *p = out + 3 * i;
        if (i < 17) {
            a = 3.1416f * (1 + (float)i / 16);
            scene_landmark(0.06f * cosf(a), 0.02f + 0.1f * sinf(a) - (i == 8 ? gap : 0), p);
        } else if (i < 27) {
            scene_landmark(-0.04f + 0.009f * (float)(i - 17), 0.04f, p);
        } else if (i < 36) {
            scene_landmark(0.004f * (float)(i - 31), 0.01f - 0.003f * (float)(i - 27), p);
        } else if (i < 48) {
            a = 6.2832f * (float)((i - 36) % 6) / 6;
            scene_landmark((i < 42 ? -0.03f : 0.03f) + 0.014f * cosf(a),
                           0.02f + 0.008f * lid * sinf(a), p);
        } else {
            bool outer = i < 60;
            int n = outer ? 12 : 8, k = outer ? i - 48 : i - 60;
            a = 3.1416f - 6.2832f * (float)k / (float)n;
            scene_landmark((outer ? 0.029f : 0.026f) * cosf(a),
                           scene_mouth[1] + (gap + (outer ? 0.007f : 0)) * sinf(a), p);
        }
    }
}

static void scene_background(float u, float v, float rgb[3]) {
    rgb[0] = 0.3f + 0.2f * u;
    rgb[1] = 0.45f + 0.1f * v;
    rgb[2] = 0.5f + 0.15f * sinf(9 * u);
}

/* Distance along the ray to the ellipsoid, negative when it misses. */
static float scene_hit(const float o[3], const float d[3]) {
    float a = 0, b = 0, c = -1;
    for (int k = 0; k < 3; k++) {
        float p = o[k] / scene_axis[k], q = d[k] / scene_axis[k];
        a += q * q;
        b += p * q;
        c += p * p;
    }
    float root = b * b - a * c;
    return root < 0 ? -1 : (-b - sqrtf(root)) / a;
}

static uint8_t scene_byte(float x) {
    return (uint8_t)(fminf(fmaxf(x, 0), 1) * 255 + 0.5f);
}

static tg_status scene_write_frame(tg_context *ctx, const scene *s, const char *dir, int frame,
                                   uint8_t *gt, uint8_t *torso, uint8_t *parsing) {
    enum { SUB = 3 };
    float m[16], focal = 3.2f * (float)s->size, half = (float)s->size / 2;
    char path[1200];
    scene_c2w(frame, m);
    float sway = 0.01f * sinf(0.11f * (float)frame);
    for (int y = 0; y < s->size; y++) {
        for (int x = 0; x < s->size; x++) {
            int at = y * s->size + x, head = 0;
            float u = (float)x / (float)s->size, v = (float)y / (float)s->size;
            float rgb[3] = {0}, behind[3];
            bool body = v > 0.66f + 1.2f * (u - 0.5f - sway) * (u - 0.5f - sway);
            scene_background(u, v, behind);
            if (body) {
                behind[0] = 0.2f, behind[1] = 0.25f + 0.05f * sinf(60 * (u - sway)),
                behind[2] = 0.4f;
            }
            for (int i = 0; i < SUB * SUB; i++) {
                float px = (float)x + ((float)(i % SUB) + 0.5f) / SUB;
                float py = (float)y + ((float)(i / SUB) + 0.5f) / SUB;
                float local[3] = {(px - half) / focal, -(py - half) / focal, -1}, d[3], o[3];
                for (int k = 0; k < 3; k++) {
                    d[k] = m[4 * k] * local[0] + m[4 * k + 1] * local[1] + m[4 * k + 2] * local[2];
                    o[k] = m[4 * k + 3];
                }
                float t = scene_hit(o, d), color[3];
                memcpy(color, behind, sizeof(color));
                if (t > 0) {
                    float p[3] = {o[0] + t * d[0], o[1] + t * d[1], o[2] + t * d[2]};
                    scene_skin(p, frame, color);
                    head++;
                }
                for (int c = 0; c < 3; c++) {
                    rgb[c] += color[c] / (SUB * SUB);
                }
            }
            for (int c = 0; c < 3; c++) {
                gt[3 * at + c] = scene_byte(rgb[c]);
                torso[4 * at + c] = scene_byte(behind[c]);
                parsing[3 * at + c] = 255;
            }
            torso[4 * at + 3] = body ? 255 : 0;
            if (2 * head > SUB * SUB) {
                parsing[3 * at] = parsing[3 * at + 1] = 0;
            } else if (body) {
                parsing[3 * at + 1] = parsing[3 * at + 2] = 0;
            }
        }
    }
    snprintf(path, sizeof(path), "%s/gt_imgs/%d.png", dir, frame);
    tg_status status = tg_image_write(ctx, path, s->size, s->size, 3, gt);
    snprintf(path, sizeof(path), "%s/torso_imgs/%d.png", dir, frame);
    if (status == TG_OK) {
        status = tg_image_write(ctx, path, s->size, s->size, 4, torso);
    }
    snprintf(path, sizeof(path), "%s/parsing/%d.png", dir, frame);
    if (status == TG_OK) {
        status = tg_image_write(ctx, path, s->size, s->size, 3, parsing);
    }
    return status;
}

static tg_status scene_write_transforms(tg_context *ctx, const scene *s, const char *dir) {
    tg_status status = TG_OK;
    for (int part = 0; part < 2 && status == TG_OK; part++) {
        tg_json *root = tg_json_new_object();
        tg_json_set_number(root, "focal_len", 3.2 * s->size);
        tg_json_set_number(root, "cx", s->size / 2.0);
        tg_json_set_number(root, "cy", s->size / 2.0);
        tg_json *frames = tg_json_set_array(root, "frames");
        int end = part ? s->frames : s->train_frames;
        for (int f = part ? s->train_frames : 0; f < end; f++) {
            float m[16];
            scene_c2w(f, m);
            tg_json *frame = tg_json_set_object(frames, NULL);
            tg_json_set_number(frame, "img_id", f);
            tg_json *rows = tg_json_set_array(frame, "transform_matrix");
            for (int r = 0; r < 4; r++) {
                tg_json *row = tg_json_set_array(rows, NULL);
                for (int c = 0; c < 4; c++) {
                    tg_json_set_number(row, NULL, m[4 * r + c]);
                }
            }
        }
        char path[1200];
        snprintf(path, sizeof(path), "%s/transforms_%s.json", dir, part ? "val" : "train");
        status = tg_json_write(ctx, path, root);
        tg_json_destroy(&root);
    }
    return status;
}

static tg_status scene_write(tg_context *ctx, const scene *s, const char *dir) {
    size_t pixels = (size_t)s->size * (size_t)s->size;
    uint8_t *gt = tg_alloc(pixels * 3), *torso = tg_alloc(pixels * 4),
            *parsing = tg_alloc(pixels * 3);
    float *landmarks = tg_alloc(sizeof(float) * TG_COND_DIM * (size_t)s->frames);
    static const char *const folders[3] = {"gt_imgs", "torso_imgs", "parsing"};
    char path[1200];
    tg_status status = TG_OK;
    for (int i = 0; i < 3 && status == TG_OK; i++) {
        snprintf(path, sizeof(path), "%s/%s", dir, folders[i]);
        status = tg_make_dirs(ctx, path);
    }
    for (int i = 0; i < (int)pixels; i++) {
        float rgb[3];
        scene_background((float)(i % s->size) / (float)s->size,
                         (float)(i / s->size) / (float)s->size, rgb);
        for (int c = 0; c < 3; c++) {
            gt[3 * i + c] = scene_byte(rgb[c]);
        }
    }
    snprintf(path, sizeof(path), "%s/bc.png", dir);
    if (status == TG_OK) {
        status = tg_image_write(ctx, path, s->size, s->size, 3, gt);
    }
    for (int f = 0; f < s->frames && status == TG_OK; f++) {
        scene_landmarks(f, landmarks + (size_t)f * TG_COND_DIM);
        status = scene_write_frame(ctx, s, dir, f, gt, torso, parsing);
    }
    snprintf(path, sizeof(path), "%s/landmarks.npy", dir);
    if (status == TG_OK) {
        status = tg_npy_write(ctx, path, 3, (int64_t[]){s->frames, 68, 3}, landmarks);
    }
    if (status == TG_OK) {
        status = scene_write_transforms(ctx, s, dir);
    }
    tg_free(gt);
    tg_free(torso);
    tg_free(parsing);
    tg_free(landmarks);
    return status;
}

#endif
