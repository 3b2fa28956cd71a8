/* The studio as a source of takes for the trainers. */
#ifndef TG_CLI_TAKES_H
#define TG_CLI_TAKES_H

#include "cli/options.h"
#include "talkgen/train.h"

/* Is the studio in this binary? */
bool cli_makes_takes(void);
/* Of --actor (absent: voices without faces) and --seed; args must live as long. */
tg_train_takes cli_takes(const cli_args *args);
/* Checks that either a corpus or hours of takes are asked for, with what they need. */
tg_status cli_check_takes(tg_context *ctx, const cli_args *args);

#endif
