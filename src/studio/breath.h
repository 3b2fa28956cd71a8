/* Breath between sentences. */
#ifndef TG_STUDIO_BREATH_H
#define TG_STUDIO_BREATH_H

#include "studio/performance.h"

/* Adds inhaling to pauses of 0.35 s and longer, most of them before somebody goes on speaking.
 * level: RMS relative to -23 dB, the level of speech. */
void tg_breathe(tg_speech *speech, float level, uint64_t seed);

#endif
