#ifndef TALKGEN_SPEECH_HUBERT_H
#define TALKGEN_SPEECH_HUBERT_H

#include "talkgen/speech.h"

/* tg_hubert_contextualize on a tape that does not record, in the memory of one layer. */
tg_tensor *tg_hubert_infer(tg_tape *tape, tg_hubert *model, tg_tensor *conv_features);

#endif
