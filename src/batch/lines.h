/* Lines of a file or a pipe, one by one; private to batch. */
#ifndef TG_BATCH_LINES_H
#define TG_BATCH_LINES_H

#include "talkgen/core.h"

enum { TG_MAX_LINE = 1 << 20 };

typedef struct tg_lines tg_lines;
/* "-" is standard input. TG_EUSAGE when it cannot be opened. */
tg_status tg_lines_open(tg_context *ctx, const char *path, tg_lines **out);
void tg_lines_close(tg_lines **lines);
const char *tg_lines_name(const tg_lines *lines);

typedef struct {
    char *text; /* without its end, followed by a NUL; valid until the next call */
    size_t bytes;
    int64_t number; /* from 1 */
    bool too_long;  /* more than TG_MAX_LINE: text holds its beginning */
} tg_line;
/* *done at the end. Waits for a pipe until ctx is cancelled. */
tg_status tg_lines_next(tg_context *ctx, tg_lines *lines, tg_line *out, bool *done);

#endif
