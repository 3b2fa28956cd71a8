/* One take: a speaker, a face and what they say for half a minute. */
#ifndef TG_STUDIO_TAKE_H
#define TG_STUDIO_TAKE_H

#include "studio/cast.h"
#include "talkgen/studio.h"

/* Take `index` of a seed, a function of the arguments: every take has a speaker and a face of its
 * own. heldout chooses among the voices and languages that other takes never use. */
tg_status tg_take_make(tg_context *ctx, const tg_actor *actor, uint64_t seed, bool heldout,
                       uint64_t index, tg_studio_take *out);

#endif
