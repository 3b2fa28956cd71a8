/* What the behaviour model trains on: how speakers said something, and how head and lids moved. */
#ifndef TALKGEN_DATASET_BEHAVIOUR_H
#define TALKGEN_DATASET_BEHAVIOUR_H

#include "talkgen/core.h"
#include "talkgen/motion.h"

typedef struct {
    int64_t frames;
    float *heard;   /* [frames, TG_HEARD_DIM] */
    float *moved;   /* [frames, TG_DRAWN_DIM] in the speaker's deviations */
    float *closure; /* [frames] of the lids */
    float *point;   /* [points, TG_DRAWN_DIM] control points of `moved` */
    int64_t points;
    tg_blink *blink; /* [blinks] */
    int64_t blinks;
    float degrees[3]; /* of one deviation of the speaker's rotation */
} tg_behaviour_clip;

typedef struct {
    int count;
    tg_behaviour_clip *clip;
    int own;                /* the last so many are a person's recording */
    int64_t frames, blinks; /* of all clips */
} tg_behaviour_data;

/* Clips of a corpus with head poses (talkgen studio corpus --conversation). Statistics are each
 * speaker's, over all their clips. */
tg_status tg_behaviour_data_open(tg_context *ctx, const char *corpus, tg_behaviour_data **out);
/* Adds the training frames of a person's recording (aud.wav, transforms_train.json, landmarks.npy)
 * as one more clip. */
tg_status tg_behaviour_data_person(tg_context *ctx, const char *dataset, tg_behaviour_data *data);
void tg_behaviour_data_close(tg_behaviour_data **data);

#endif
