/* Whether an MP4 can be made here. */
#ifndef TG_CLI_SELF_CHECK_H
#define TG_CLI_SELF_CHECK_H

#include "cli/shipped.h"

#include "talkgen/core.h"

/* Writes half a second of pictures and sound below TMPDIR, reads the pictures again, removes it
 * all. `folder`: where. A failure is of the kind that synthesis would have. */
tg_status cli_self_check(tg_context *ctx, char folder[CLI_PATH]);

#endif
