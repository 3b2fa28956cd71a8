/* What the motion networks train on: speech features and landmarks of many speakers, in memory. */
#ifndef TALKGEN_TRAIN_MOTION_DATA_H
#define TALKGEN_TRAIN_MOTION_DATA_H

#include "talkgen/core.h"
#include "talkgen/motion.h"
#include "talkgen/speech.h"
#include "talkgen/train.h"
#include "train/draws.h"

enum { TG_TAKES = 2 }; /* features of each clip: as recorded, and through a worse microphone */

typedef struct {
    int64_t frames;                 /* at 25 fps; features have twice as many rows */
    const uint16_t *take[TG_TAKES]; /* [2*frames, F] as F16; take 1 may equal take 0 */
    float *motion;                  /* [frames,204], 10 (P - M of the speaker) */
    float *closure;                 /* [frames] 1 where the lips touch, towards 0 as they part */
    int speaker, number;            /* number: of its files */
} tg_motion_clip;

typedef struct {
    int feature_dim, count;
    tg_motion_clip *clip;
    int64_t frames;  /* of all clips */
    uint16_t *block; /* all features */
    float *motion, *closure;
} tg_motion_data;

/* Reads a voice corpus, or `limit` of its clips evenly spread (0 = all, -1 = as many as the cache
 * holds), and runs the encoder over it, or takes the features from `cache` (a file written by an
 * earlier call with the same encoder and clips). takes 1: only the clean features. */
tg_status tg_motion_data_open(tg_context *ctx, const char *corpus, int limit, tg_hubert *hubert,
                              const char *cache, int takes, uint64_t seed, tg_motion_data **out);
/* The same of takes, each a speaker of its own, with one run of the encoder each: through a worse
 * microphone for every second of them, by chance (a function of seed and block), unless clean.
 * Faces that are missing do not move. */
tg_status tg_motion_data_takes(tg_context *ctx, const tg_train_take *takes, int count,
                               tg_hubert *hubert, bool clean, uint64_t seed, uint64_t block,
                               tg_motion_data **out);
/* A person's recording (aud.wav, landmarks.npy): one clip of frames [0, *train) and one of the rest
 * (the last tenth). M is the mean over the first. */
tg_status tg_motion_data_person(tg_context *ctx, const char *dataset, tg_hubert *hubert,
                                tg_motion_data **out);
void tg_motion_data_close(tg_motion_data **data);
/* TG_EINPUT unless a clip has this many frames; what follows would look for one for ever. */
tg_status tg_motion_data_need(tg_context *ctx, const tg_motion_data *data, int64_t frames,
                              const char *corpus);

/* A batch of crops: features [B,2T,F], motion [B,T,204], closure [B,T]. Clips are drawn by length
 * and cut at a random place, clips shorter than T are skipped. The arrays are the caller's, closure
 * may be NULL. */
void tg_motion_batch(const tg_motion_data *data, tg_draws *draws, int64_t batch, int64_t frames,
                     float *features, float *motion, float *closure);
/* One crop: features [2*frames,F], motion [frames,204], closure [frames] or NULL. */
void tg_motion_cut(const tg_motion_data *data, int clip, int take, int64_t begin, int64_t frames,
                   float *features, float *motion, float *closure);
/* Rows [begin, begin + n) of a take as float32. */
void tg_motion_rows(const tg_motion_data *data, int clip, int take, int64_t begin, int64_t n,
                    float *out);

#endif
