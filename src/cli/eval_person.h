/* Measures of a finished person on its recording, as a table or JSON. */
#ifndef TG_CLI_EVAL_PERSON_H
#define TG_CLI_EVAL_PERSON_H

#include "cli/options.h"

#include "talkgen/render.h"

/* talkgen eval psnr: pictures of held-out frames. */
tg_status cli_eval_psnr(tg_context *ctx, const cli_args *args, tg_march_rule march);
/* talkgen eval person: the same, and the motion made from the recording's sound. */
tg_status cli_eval_person(tg_context *ctx, const cli_args *args, tg_march_rule march);

#endif
