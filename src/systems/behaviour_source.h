/* Head and eyes of one person, made from a recording of speech; private to systems. */
#ifndef TG_SYSTEMS_BEHAVIOUR_SOURCE_H
#define TG_SYSTEMS_BEHAVIOUR_SOURCE_H

#include "talkgen/systems.h"

/* What is asked for: what the identity must know. */
enum { TG_BEHAVE_HEAD = 1, TG_BEHAVE_EYES = 2 };

/* Whether voice file and identity have what is needed. */
tg_status tg_behaviour_check(tg_context *ctx, const tg_identity *identity, int what);

typedef struct tg_behaviour_source tg_behaviour_source;
/* Two sources of the same options move and blink alike, whoever asks them for what. Each call below
 * takes one frame further. TG_EUSAGE without audio, TG_EMODEL when voice file or identity lack what
 * is needed. */
tg_status tg_behaviour_source_open(tg_context *ctx, const tg_identity *identity, int what,
                                   const tg_behaviour_options *options, tg_behaviour_source **out);
void tg_behaviour_source_close(tg_behaviour_source **source);
tg_status tg_behaviour_source_pose(tg_context *ctx, tg_behaviour_source *source, float c2w[16]);
/* Points 36-47, absolute (dm, head coordinates). */
tg_status tg_behaviour_source_eyes(tg_context *ctx, tg_behaviour_source *source,
                                   float points[TG_EYE_DIM]);
tg_status tg_behaviour_source_closure(tg_context *ctx, tg_behaviour_source *source, float *closure);

#endif
