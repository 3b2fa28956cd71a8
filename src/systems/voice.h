/* Speech and motion parts of an open file; private to systems. */
#ifndef TG_SYSTEMS_VOICE_H
#define TG_SYSTEMS_VOICE_H

#include "talkgen/systems.h"

/* As tg_voice_open, from a file that is open already. */
tg_status tg_voice_from(tg_context *ctx, const tg_st *st, tg_hubert **hubert, tg_vae **vae);

#endif
