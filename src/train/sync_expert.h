/* The sync expert: trained first, then a judge of the motion networks. */
#ifndef TALKGEN_TRAIN_SYNC_EXPERT_H
#define TALKGEN_TRAIN_SYNC_EXPERT_H

#include "train/motion_feed.h"

/* Steps on one block of takes: its frames are seen about four times. */
enum { TG_SYNC_BLOCK_STEPS = 60, TG_SYNC_BATCH = 256 };
/* The first step that is not done, as the state file has it: where the feed has to begin. */
tg_status tg_sync_steps_done(tg_context *ctx, tg_syncnet *net, const char *state, int64_t *steps);

/* Trains `net` for `steps` steps, or (0) for time_s seconds of all runs together; state in `state`
 * (a file). */
typedef struct {
    tg_motion_feed *feed;
    const tg_motion_data *held_out; /* NULL = none */
    const char *state, *log;
    double time_s, save_every_s;
    int64_t steps;
    uint64_t seed;
} tg_sync_options;
tg_status tg_sync_train(tg_context *ctx, tg_syncnet *net, const tg_sync_options *options,
                        int64_t *steps, double *accuracy);

/* "in time" (1) against windows shifted by 2 frames or more: share judged right at the best
 * threshold of the cosine; -1 = out of memory. */
double tg_sync_accuracy(tg_context *ctx, tg_syncnet *net, const tg_motion_data *data,
                        int64_t windows, uint64_t seed);

/* Sync loss (binary cross entropy with label 1) of `windows` random windows of motion [B,T,204] on
 * the tape against features [B,2T,F]. */
tg_tensor *tg_sync_loss(tg_tape *tape, tg_syncnet *net, tg_tensor *motion, const float *features,
                        int64_t feature_dim, int64_t windows, tg_draws *draws);

#endif
