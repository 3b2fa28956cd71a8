/* What the steps of the speech trainer learn from: pieces of a stored corpus by chance, or takes
 * cut into pieces, each of which is heard once. */
#ifndef TALKGEN_TRAIN_SPEECH_FEED_H
#define TALKGEN_TRAIN_SPEECH_FEED_H

#include "train/speech_augment.h"
#include "train/supply.h"

enum { TG_STEP_PIECES = 64 };

typedef struct {
    int64_t rows;
    tg_speech_cut cut; /* clip -1: any */
} tg_speech_piece;

typedef struct {
    tg_speech_corpus corpus; /* the stored one, or the block of takes in use */
    tg_supply *supply;       /* NULL = stored */
    uint64_t seed;
    double step_audio_s;
    tg_speech_piece *pieces; /* of the block, in the order of use */
    int piece_count, piece_capacity;
    /* Place in the takes, kept in the training state. */
    int64_t block; /* number of the block that `corpus` holds, -1 = none yet */
    int used;      /* pieces of it that are done */
} tg_speech_feed;

/* Takes from piece `used` of block `block` on. The members seed and step_audio_s are set. */
tg_status tg_speech_feed_open(tg_context *ctx, tg_speech_feed *feed, const tg_train_takes *takes,
                              int64_t block, int used);
/* The pieces of a step: at most TG_STEP_PIECES, *count of them, *rows in all. */
tg_status tg_speech_feed_step(tg_context *ctx, tg_speech_feed *feed, int64_t step,
                              tg_speech_piece out[TG_STEP_PIECES], int *count, int64_t *rows);
void tg_speech_feed_close(tg_speech_feed *feed);

/* The first takes of the held-out voices as a corpus. */
tg_status tg_speech_feed_held_out(tg_context *ctx, const tg_train_takes *takes, int count,
                                  tg_speech_corpus *out);

#endif
