/* talkgen train all: from a recording to a person, and what there is to see of it. */
#ifndef TG_CLI_TRAIN_PERSON_H
#define TG_CLI_TRAIN_PERSON_H

#include "cli/options.h"

/* Checks the recording, trains postnet (with --corpus), head and torso, puts the identity together
 * and writes a report. Stages that are done are not trained again by the same command. */
tg_status cli_train_person(tg_context *ctx, const cli_args *args);
/* The report alone. */
tg_status cli_train_report(tg_context *ctx, const cli_args *args);

#endif
