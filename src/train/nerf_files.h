/* What training writes: state to go on from, and models. */
#ifndef TALKGEN_TRAIN_NERF_FILES_H
#define TALKGEN_TRAIN_NERF_FILES_H

#include "talkgen/dataset.h"
#include "talkgen/train.h"
#include "train/nerf_step.h"

/* Finest level of the grids for a recording: two cells a pixel, 512 to the published 2048. At 256
 * pixels the last levels of 2048 see single rays, and the middle ones, which know all three axes,
 * are too few (0.8 dB worse on held-out frames than 512); at 512 pixels 1024 was 0.3 dB better than
 * 512 after nine minutes. Head and torso of an identity share it. */
int tg_nerf_train_resolution(const tg_dataset *dataset);

/* Everything a run needs to go on: parameters and moments of the optimizer's half of the model in
 * float32, occupancy, step and seconds. Written under another name and renamed. */
tg_status tg_nerf_state_save(tg_context *ctx, const char *path, const tg_nerf *nerf,
                             const nerf_adam *adam, int64_t step, double seconds);
tg_status tg_nerf_state_load(tg_context *ctx, const char *path, tg_nerf *nerf, nerf_adam *adam,
                             int64_t *step, double *seconds);

/* Head ("render.head.") or torso ("render.torso.") as an identity has them, configuration in
 * "talkgen.config". */
tg_status tg_nerf_model_save(tg_context *ctx, const char *path, const tg_nerf *nerf, bool torso);
/* Start values from such a file; individual codes are not taken. A head that saw landmarks alone
 * may start one that sees the gaze as well. */
tg_status tg_nerf_model_warm(tg_context *ctx, const char *path, tg_nerf *nerf, bool torso);

#endif
