/* What the postnet's training takes from a command line. */
#ifndef TG_CLI_POSTNET_H
#define TG_CLI_POSTNET_H

#include "cli/options.h"
#include "talkgen/train.h"

/* Holds what the options point to. */
typedef struct {
    tg_train_takes takes;
    char sync[1100], cache[1100];
} cli_postnet;

/* Voices: --corpus, else takes of the studio, whose faces nobody looks at. Their judge: --sync,
 * else that of --init (a work folder of train motion), else the voice file's own. TG_EUSAGE with
 * what is missing, another status when the voice file cannot be read; data, voice, state and times
 * stay the caller's to fill in. */
tg_status cli_postnet_options(tg_context *ctx, const cli_args *args, cli_postnet *keep,
                              tg_train_postnet_options *out);

#endif
