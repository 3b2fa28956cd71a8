/* One training example: a piece of a clip as some microphone in some room may have heard it. */
#ifndef TALKGEN_TRAIN_SPEECH_AUGMENT_H
#define TALKGEN_TRAIN_SPEECH_AUGMENT_H

#include "train/draws.h"
#include "train/speech_corpus.h"

/* Resamplers for the changes of rate and pitch, made when first used. */
typedef struct tg_augmenter tg_augmenter;
tg_augmenter *tg_augmenter_create(void);
void tg_augmenter_destroy(tg_augmenter **a);

typedef struct {
    float *samples; /* [n], mean 0 and variance 1 before a last change of level */
    int64_t n;
    int32_t *phone;    /* [rows] class, -1 = unknown */
    float *lips;       /* [rows, TG_LIPS] */
    float *lip_weight; /* [rows, TG_LIPS] 1 where known, else 0 */
    int64_t rows;
} tg_speech_example;

/* A piece of a clip, played `percent` as fast. */
typedef struct {
    int clip;
    int64_t start; /* sample, may lie outside */
    int percent;
} tg_speech_cut;
/* In percent: 85 to 118, one in five unchanged. */
int tg_draw_speed(tg_draws *d);

/* Fills the example, whose arrays and n, rows are the caller's, with that piece as some microphone
 * may have heard it. */
tg_status tg_speech_example_cut(tg_context *ctx, tg_augmenter *a, const tg_speech_corpus *corpus,
                                const tg_speech_cut *cut, tg_draws draws, tg_speech_example *out);
/* The same with a piece by chance. augment false: at its own rate and as it is. */
tg_status tg_speech_example_make(tg_context *ctx, tg_augmenter *a, const tg_speech_corpus *corpus,
                                 tg_draws draws, bool augment, tg_speech_example *out);
/* The whole clip without change; out->n and out->rows say how much fits. */
void tg_speech_example_clean(const tg_speech_clip *clip, tg_speech_example *out);

#endif
