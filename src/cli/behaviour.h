/* The behaviour stage of talkgen train and of talkgen eval. */
#ifndef TG_CLI_BEHAVIOUR_H
#define TG_CLI_BEHAVIOUR_H

#include "cli/options.h"

tg_status cli_train_behaviour(tg_context *ctx, const cli_args *args);
tg_status cli_eval_behaviour(tg_context *ctx, const cli_args *args);

#endif
