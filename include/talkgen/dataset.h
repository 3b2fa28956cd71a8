/* A person's recording: the data set that people are trained from and measured against. */
#ifndef TALKGEN_DATASET_H
#define TALKGEN_DATASET_H

#include "talkgen/core.h"
#include "talkgen/systems.h"

#ifdef __cplusplus
extern "C" {
#endif

/* A recording as the RAD-NeRF family lays it out (what talkgen studio films):
 *
 *     transforms_train.json, transforms_val.json  focal_len, cx, cy, frames[img_id, c2w]
 *     gt_imgs/N.jpg     the frame over the static background
 *     parsing/N.png     head blue, neck green, torso red, background white
 *     torso_imgs/N.png  RGBA: torso and neck, grown upwards under the head
 *     bc.jpg            background
 *     landmarks.npy     [T,68,3] head coordinates, dm; row = img_id
 *     gaze.npy          [T,2] of the eyes in the head, degrees to the subject's left and up; may be
 *                       absent
 *
 * Without landmarks.npy the motion is taken from trainval_dataset.npy (GeneFace; placed by the .lms
 * files), else lifted from the 2-D landmarks ori_imgs/N.lms by the head poses.
 *
 * Pictures are kept decoded, as bytes. A .png may stand for a .jpg and the other way round. */
enum {
    TG_COND_DIM = 204, /* 68 landmarks x 3 */
    TG_MAX_COND_DIM = TG_COND_DIM + TG_GAZE_DIM,
    TG_COND_WINDOW = 5, /* frames around the one shown */
    /* Bits of a pixel of the parsing plane: a class, and regions derived from the classes. */
    TG_PIXEL_CLASS = 3,
    TG_PIXEL_BACKGROUND = 0,
    TG_PIXEL_HEAD = 1,
    TG_PIXEL_NECK = 2,
    TG_PIXEL_TORSO = 3,
    TG_PIXEL_HEAD_REGION = 16,   /* within size/64 of the head: the region of picture measures */
    TG_PIXEL_HEAD_NEAR = 32,     /* within 2 pixels of the head */
    TG_PIXEL_HEAD_CORE = 64,     /* head, more than 2 pixels from anything else */
    TG_PIXEL_TORSO_REGION = 128, /* within size/64 of torso or neck */
    /* Which pictures to decode. */
    TG_LOAD_FRAMES = 1, /* gt_imgs */
    TG_LOAD_BEHIND = 2, /* torso_imgs over bc: what lies behind the head */
    TG_LOAD_TORSO = 4,  /* torso_imgs as RGBA */
    TG_LOAD_PARSING = 8,
    /* The recording is still being filmed: frames that lack a picture are not ready yet. */
    TG_LOAD_GROWING = 16
};
/* Coordinates that hardly move would be blown up to noise by their own deviation. Motion space,
 * that is 1 mm. */
#define TG_MIN_DEVIATION 0.1f

typedef struct {
    int left, top, right, bottom; /* pixels; right and bottom exclusive */
} tg_box;

typedef enum { TG_FROM_LANDMARKS, TG_FROM_GENEFACE, TG_FROM_LMS } tg_motion_origin;
const char *tg_motion_origin_name(tg_motion_origin origin); /* of the file */

typedef struct {
    int width, height;
    float focal, cx, cy;
    int64_t frames;       /* training frames first */
    int64_t train_frames; /* frames [train_frames, frames) are held out */
    int64_t *image_id;    /* [frames] N of the files, row of landmarks */
    float *c2w;           /* [frames,4,4] */
    tg_motion_origin motion_origin;
    int64_t landmark_rows;
    float *landmarks;             /* [landmark_rows,68,3] */
    float *gaze;                  /* [landmark_rows,TG_GAZE_DIM] or NULL */
    int cond_dim;                 /* TG_COND_DIM, with gaze TG_GAZE_DIM more */
    float mean[TG_COND_DIM];      /* M: mean over the training frames, head coordinates (dm) */
    float deviation[TG_COND_DIM]; /* of 10 (P - M), at least TG_MIN_DEVIATION */
    uint8_t *background;          /* [height,width,3] */
    /* Frames whose pictures are decoded, ascending: all of them unless the recording grows. */
    int64_t *ready_train, *ready_held_out;
    int64_t ready_trains, ready_held_outs;
    /* NULL unless asked for: */
    uint8_t *frame_rgb;  /* [frames,height,width,3] */
    uint8_t *behind_rgb; /* [frames,height,width,3] */
    uint8_t *torso_rgba; /* [frames,height,width,4] */
    uint8_t *parsing;    /* [frames,height,width], bits above */
    char directory[1024];
    int pictures; /* what was asked for */
} tg_dataset;

/* pictures: TG_LOAD_*. limit: at most that many training and held-out frames together, evenly
 * spread over the recording (0 = all). TG_EINPUT names the first file that is missing, unreadable
 * or misshapen. */
tg_status tg_dataset_open(tg_context *ctx, const char *directory, int pictures, int64_t limit,
                          tg_dataset **out);
void tg_dataset_close(tg_dataset **dataset);
/* Looks again for frames that were not ready. *added counts those that are now. */
tg_status tg_dataset_grow(tg_context *ctx, tg_dataset *dataset, int64_t *added);
/* 10 (P - M) / deviation of the TG_COND_WINDOW frames around a row of landmarks (ends repeated),
 * each with its gaze behind it: out [TG_COND_WINDOW, cond_dim], what the head network sees. */
void tg_dataset_window(const tg_dataset *dataset, int64_t row, float *out);
/* Pixel position of a point in head coordinates (dm); false behind the camera. */
bool tg_dataset_project(const tg_dataset *dataset, int64_t frame, const float point[3],
                        float pixel[2]);
/* Bounding box of landmarks first..last of a frame, its sides grown by `grow` about its centre,
 * clipped to the picture. */
tg_box tg_dataset_box(const tg_dataset *dataset, int64_t frame, int first, int last, float grow);
/* The mouth region of picture measures: landmarks 48..67 grown by 25 %. */
tg_box tg_dataset_mouth(const tg_dataset *dataset, int64_t frame);

/* ---- is a recording fit to train from? ------------------------------------------------ */

/* One kind of mistake, and the files, frames or values that have it. */
typedef struct {
    const char *what; /* constant, "gt_imgs: pictures are missing" */
    const char *todo; /* constant, what to do about it */
    char names[680];  /* the first few, separated by commas; "" = it speaks for itself */
    int64_t times;
    bool note; /* worth knowing, no reason to stop */
} tg_finding;
enum { TG_MAX_FINDINGS = 48 };
typedef struct {
    int count, wrong; /* wrong: those that are no notes */
    tg_finding entry[TG_MAX_FINDINGS];
} tg_findings;
/* "gt_imgs: pictures are missing: gt_imgs/3.jpg, gt_imgs/9.jpg and 4 more" */
void tg_finding_text(const tg_finding *finding, char *out, size_t size);

typedef struct {
    int width, height;            /* 0 = not known */
    int64_t frames, train_frames; /* of the transforms */
    double audio_s;               /* 0 = no sound */
    bool has_motion;
    tg_motion_origin motion; /* and, lifted from pictures: */
    double noise_px, turn_deg;
    float *landmarks; /* [rows,68,3] what training would see, or NULL */
    int64_t rows;
    tg_findings findings;
} tg_dataset_report;
/* Looks at everything training will read, every picture included, and lists all that is wrong at
 * once: files that are missing or unreadable, sizes that differ, parsing in other colours, poses
 * that are no poses, landmarks that do not lie on the head, sound or video of another length or
 * rate than 25 frames per second. TG_OK whatever was found; out is the caller's to free. */
tg_status tg_dataset_check(tg_context *ctx, const char *directory, tg_dataset_report *out);
void tg_dataset_report_free(tg_dataset_report *report);

#ifdef __cplusplus
}
#endif
#endif
