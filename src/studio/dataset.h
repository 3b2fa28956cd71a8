/* The data set layout of the talking-head NeRF family (AD-NeRF, RAD-NeRF, GeneFace). */
#ifndef TG_STUDIO_DATASET_H
#define TG_STUDIO_DATASET_H

#include "studio/film.h"
#include "studio/performance.h"

/* [x, y, width, height] of the face as AD-NeRF's process_data.py finds it: centred on the middle
 * of the landmarks' horizontal extent and on the nose bridge (27); 1.5 times the half width and
 * 1.15 times the height down to the chin (8); clipped to the picture. xy [68,2] pixels. */
void tg_dataset_face_rect(const float xy[TG_LANDMARKS][2], int width, int height, int rect[4]);

/* Projects landmarks in head coordinates with a family pose: p = lm/10 through the inverse of c2w
 * (row major 4 x 4), focal length and centre in pixels. */
void tg_studio_project(const float lm[TG_LANDMARKS][3], const float c2w[16], float focal, float cx,
                       float cy, float xy[TG_LANDMARKS][2]);

/* Everything but pictures of frames: folders, aud.wav, landmarks.npy, gaze.npy, phones.json,
 * transforms_*.json for `frames` frames (train = the first 90 %). */
tg_status tg_dataset_write_tracks(tg_context *ctx, const char *dir, const tg_person *person,
                                  const tg_performance *performance, const tg_film_camera *camera,
                                  int width, int height, int64_t frames);

/* Pictures of frame `index`; the torso's last, whose presence says that the frame is complete. */
tg_status tg_dataset_write_frame(tg_context *ctx, const char *dir, int64_t index,
                                 const tg_film_frame *frame, int width, int height);
bool tg_dataset_has_frame(const char *dir, int64_t index);

#endif
