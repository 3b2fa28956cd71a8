/* Another melody and other lengths for a finished recording. */
#ifndef TG_STUDIO_MELODY_H
#define TG_STUDIO_MELODY_H

#include "studio/performance.h"

typedef struct {
    float pitch; /* factor on F0; formants stay where they are */
    bool sung;   /* vowels are held and keep to the notes of a scale */
    uint64_t seed;
} tg_melody;

/* Changes samples and phone times of a speech, which has to be one sentence of one voice. Pitch
 * synchronous overlap-add (Moulines & Charpentier 1990). */
tg_status tg_melody_change(tg_context *ctx, const tg_melody *melody, tg_speech *speech);

#endif
