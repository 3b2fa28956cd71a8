/* What the user sees on stderr while work goes on. */
#ifndef TG_CLI_PROGRESS_H
#define TG_CLI_PROGRESS_H

#include "talkgen/core.h"

typedef struct {
    enum { PROGRESS_NEVER, PROGRESS_BAR, PROGRESS_LINES, PROGRESS_JSON } kind;
    char stage[48];
    double began_s, began_done, shown_s, shown_share;
    bool open_line;
} cli_progress;

/* mode: auto (a bar on a terminal, lines otherwise), always, never, json. TG_EUSAGE for others. */
tg_status cli_progress_open(tg_context *ctx, const char *mode, cli_progress *progress);
/* Ends an unfinished bar line, so that other text starts on a fresh one. */
void cli_progress_break(cli_progress *progress);

#endif
