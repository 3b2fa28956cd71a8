/* What the speech engines give the rest of the studio. */
#ifndef TG_STUDIO_SPEAK_H
#define TG_STUDIO_SPEAK_H

#include "studio/performance.h"

/* Speech at the engine's own rate, phone times in its seconds. */
typedef struct {
    float *samples; /* owned, tg_free */
    int64_t count;
    int rate;
    tg_phones phones;
} tg_raw_speech;

void tg_raw_speech_free(tg_raw_speech *raw);

/* `tempo` already contains the voice's warp. */
tg_status tg_flite_speak(tg_context *ctx, const tg_voice *voice, float tempo, const char *text,
                         tg_raw_speech *out);
tg_status tg_espeak_speak(tg_context *ctx, const tg_voice *voice, float tempo, const char *text,
                          tg_raw_speech *out);
/* Does the engine know this name? */
bool tg_flite_has_voice(const char *name);

#endif
