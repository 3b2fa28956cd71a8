/* What talkgen train says about a recording before it trains from it. */
#ifndef TG_CLI_RECORDING_H
#define TG_CLI_RECORDING_H

#include "talkgen/core.h"

/* Looks the folder through and prints what it holds and a numbered list of what is wrong with it.
 * landmarks: NULL, or a .npy file for the landmarks that training would use. TG_EMODEL (exit 4)
 * when anything is wrong. */
tg_status cli_check_recording(tg_context *ctx, const char *directory, const char *landmarks,
                              bool overwrite);

#endif
