/* One take: a speaker, a face and what they say for half a minute. */
#ifndef TG_STUDIO_TAKE_H
#define TG_STUDIO_TAKE_H

#include "studio/cast.h"
#include "talkgen/studio.h"

/* Take `index`, a function of the arguments: every take has a speaker and a face of its own, or
 * (actor NULL) no face and so no landmarks. */
tg_status tg_take_make(tg_context *ctx, const tg_actor *actor, const tg_cast *cast, uint64_t index,
                       tg_studio_take *out);

#endif
