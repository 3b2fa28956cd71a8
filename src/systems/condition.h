/* What the renderer is told for each frame: windows of rows around it; private to systems.
 *
 * A condition is [windows, size, width]: `windows` neighbouring frames, for each `size` rows around
 * it. Landmarks have one row for a frame, logits two; stored windows are rows of their own. */
#ifndef TG_SYSTEMS_CONDITION_H
#define TG_SYSTEMS_CONDITION_H

#include "talkgen/systems.h"

typedef struct {
    int windows, size, width;
    int rows_per_frame;
    bool edge;             /* beyond the ends the first and last frame go on; otherwise zeros */
    int64_t first, frames; /* frame of the recording to begin with, and how many follow */
    /* The next row [width] in order; *done instead of a row after the last. */
    tg_status (*read)(tg_context *ctx, void *user, float *row, bool *done);
    void (*close)(void *user); /* or NULL */
    void *user;
} tg_condition_rows;

typedef struct tg_condition tg_condition;
/* Takes rows->user, also when it fails. */
tg_status tg_condition_open(tg_context *ctx, const tg_condition_rows *rows, tg_condition **out);
void tg_condition_close(tg_condition **condition);
int64_t tg_condition_frames(const tg_condition *condition);
/* At most so many frames; the frames beyond still show in the windows of the last ones. */
void tg_condition_limit(tg_condition *condition, int64_t frames);
/* Windows of the next frame, [windows, size, width] of a 3-D shape; valid until the next call. */
tg_status tg_condition_next(tg_context *ctx, tg_condition *condition, const float **windows);

/* dim[3]: what the renderer of the identity takes. */
void tg_condition_shape(const tg_identity *identity, int dim[3]);
/* Whether its torso hears a recording of its own, and then its shape. */
bool tg_condition_torso_shape(const tg_identity *identity, int dim[3]);

/* Landmarks, normalised as the person's are; borrowed. Behind them the gaze of a person who has
 * one, for a head with these poses. */
tg_status tg_condition_of_landmarks(tg_context *ctx, const tg_identity *identity,
                                    tg_motion_source *motion, const tg_pose_options *pose,
                                    tg_condition **out);
/* Logits of shape dim from a file: windows [frames,size,width], or rows [T50,width] that become
 * windows here, with zeros beyond the ends as the published preparation has them. frames 0 = those
 * of the file from `first` on. */
tg_status tg_condition_of_features(tg_context *ctx, const char *path, const int dim[3],
                                   int64_t first, int64_t frames, tg_condition **out);
/* Whichever the options name for an audio-driven identity: features, or the audio heard by the
 * identity's encoder. */
tg_status tg_condition_of_speech(tg_context *ctx, const tg_identity *identity,
                                 const tg_motion_options *options, tg_condition **out);

#endif
