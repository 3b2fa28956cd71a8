/* Encoder and the two heads that teach it. */
#ifndef TALKGEN_TRAIN_SPEECH_NET_H
#define TALKGEN_TRAIN_SPEECH_NET_H

#include "talkgen/speech.h"
#include "talkgen/tensor.h"
#include "eval/correlation.h"
#include "train/speech_augment.h"

typedef struct {
    tg_hubert *encoder;
    tg_params *heads;
    tg_tensor *phone_weight, *phone_bias; /* [TG_PHONES, D] */
    tg_tensor *lips_weight, *lips_bias;   /* [TG_LIPS, D] */
} tg_speech_net;

tg_status tg_speech_net_create(tg_context *ctx, const tg_hubert_config *config, uint64_t seed,
                               tg_speech_net *out);
void tg_speech_net_destroy(tg_speech_net *net);

typedef struct {
    tg_tensor *logits; /* [rows, TG_PHONES] */
    tg_tensor *lips;   /* [rows, TG_LIPS] */
} tg_speech_answer;
tg_speech_answer tg_speech_net_forward(tg_tape *tape, tg_speech_net *net,
                                       const tg_speech_example *example);

typedef struct {
    double rows, right;                                /* phones */
    double silent, silent_right, spoken, spoken_right; /* silence against speech */
    tg_pairs gap;                                      /* said and true */
    double loss;                                       /* summed over rows */
} tg_speech_score;
void tg_speech_score_add(tg_speech_score *score, const tg_speech_answer *answer,
                         const tg_speech_example *example);
double tg_speech_score_accuracy(const tg_speech_score *s);
double tg_speech_score_silence(const tg_speech_score *s); /* mean of both classes' recall */
double tg_speech_score_gap(const tg_speech_score *s);     /* correlation */

/* All clips of the corpus as they are. */
tg_status tg_speech_net_evaluate(tg_context *ctx, tg_speech_net *net,
                                 const tg_speech_corpus *corpus, tg_speech_score *out);

#endif
