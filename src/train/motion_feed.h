/* What the steps of the motion networks learn from: crops of a stored corpus by chance, or takes,
 * each crop of which is used once. Takes come in blocks of a fixed number of steps, so that the
 * step alone says which. */
#ifndef TALKGEN_TRAIN_MOTION_FEED_H
#define TALKGEN_TRAIN_MOTION_FEED_H

#include "train/motion_data.h"
#include "train/supply.h"

enum { TG_BLOCK_TAKES = 20 };

typedef struct {
    int clip;
    int64_t begin; /* frame */
} tg_motion_crop;

typedef struct {
    const tg_motion_data *data; /* the stored corpus, or the block in use */
    /* Of takes; supply NULL = stored. */
    tg_supply *supply;
    tg_motion_data *block;
    int64_t number; /* of the block, -1 = none yet */
    tg_hubert *hubert;
    uint64_t seed;
    tg_motion_crop *crops; /* of the block, in the order of use */
    int crop_count;
} tg_motion_feed;

/* Takes from block `number` on. hubert stays the caller's and must live as long. */
tg_status tg_motion_feed_open(tg_context *ctx, const tg_train_takes *takes, tg_hubert *hubert,
                              uint64_t seed, int64_t number, tg_motion_feed *out);
void tg_motion_feed_close(tg_motion_feed *feed);
/* Brings block `number` into feed->data: the one in use or the next. */
tg_status tg_motion_feed_block(tg_context *ctx, tg_motion_feed *feed, int64_t number);

/* Batch `step` of crops, arrays as in tg_motion_batch. Every TG_FEED_STEPS batches of `frames`
 * frames begin a new block. */
enum { TG_FEED_BATCH = 8, TG_FEED_STEPS = 16 };
tg_status tg_motion_feed_batch(tg_context *ctx, tg_motion_feed *feed, int64_t step, tg_draws *draws,
                               int64_t frames, float *features, float *motion, float *closure);

/* The first takes of the held-out voices, as they are. */
tg_status tg_motion_feed_held_out(tg_context *ctx, const tg_train_takes *takes, tg_hubert *hubert,
                                  tg_motion_data **out);

#endif
