/* The voice corpus in memory: 16-bit audio, phones and lip measures of every clip. */
#ifndef TALKGEN_TRAIN_SPEECH_CORPUS_H
#define TALKGEN_TRAIN_SPEECH_CORPUS_H

#include "talkgen/train.h"

enum {
    TG_PHONES = 40, /* 39 of ARPAbet and SIL, which is class 0 */
    TG_LIPS = 3     /* gap of the inner lips, mouth width, height of the chin */
};

/* Class of an ARPAbet name without or with stress digit; -1 when unknown. */
int tg_phone_class(const char *name);
const char *tg_phone_name(int phone);
/* Weight of a row in the loss: what the eye notices when it is wrong. Closed lips are rare, short
 * and seen at once. */
float tg_phone_importance(int phone);

typedef struct {
    float start_s, end_s;
    int phone;
} tg_speech_segment;

typedef struct {
    int16_t *samples; /* 16 kHz mono */
    int64_t n;
    tg_speech_segment *segments;
    int segment_count;
    float
        *lips; /* [lip_frames, TG_LIPS] at 25 fps, mean 0 and deviation 1 over the clip; or NULL */
    int64_t lip_frames;
    float level; /* RMS of the samples inside phones, full scale 1 */
    int number;  /* NNNNN */
} tg_speech_clip;

typedef struct {
    char *dir;
    tg_speech_clip *clips; /* by number */
    int count, capacity;
    int64_t samples; /* of all clips */
} tg_speech_corpus;

/* Loads clips that are not loaded yet, at most `limit` of them (0 = all). A clip whose files are
 * not complete is left for the next scan; a damaged one is TG_EINPUT. An empty or missing
 * directory is not an error here. */
tg_status tg_speech_corpus_scan(tg_context *ctx, tg_speech_corpus *corpus, int limit);
/* Puts takes in the place of what the corpus held. */
tg_status tg_speech_corpus_take(tg_context *ctx, tg_speech_corpus *corpus,
                                const tg_train_take *takes, int count);
void tg_speech_corpus_free(tg_speech_corpus *corpus);

/* Class at `time_s`, SIL outside the clip, -1 where the corpus says nothing usable. */
int tg_speech_phone_at(const tg_speech_clip *clip, double time_s);
/* Lip measures at `time_s`, interpolated; false where there are none. */
bool tg_speech_lips_at(const tg_speech_clip *clip, double time_s, float out[TG_LIPS]);

#endif
