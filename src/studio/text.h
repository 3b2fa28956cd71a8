/* Line-oriented text files of numbers (OBJ, target, mhclo): words of one line at a time, numbers
 * read the same in every locale, messages with file and line. */
#ifndef TG_STUDIO_TEXT_H
#define TG_STUDIO_TEXT_H

#include "talkgen/core.h"

typedef struct {
    const char *path; /* borrowed */
    char *data;       /* owned */
    const char *rest; /* lines not read yet */
    const char *end;  /* of data */
    const char *at;   /* words of the current line not read yet */
    const char *stop; /* of the current line */
    int line;         /* number of the current line, from 1 */
} tg_text;

/* Reads the whole file. TG_EINPUT when missing or unreadable. */
tg_status tg_text_open(tg_context *ctx, const char *path, tg_text *out);
void tg_text_close(tg_text *text);
/* Next line that has a word and does not start with '#'; false at the end. */
bool tg_text_line(tg_text *text);
/* Next word of the line, not NUL-terminated; false at its end. */
bool tg_text_word(tg_text *text, const char **word, size_t *length);
bool tg_word_is(const char *word, size_t length, const char *name);
/* The whole word as a number; false when it is none. */
bool tg_word_int(const char *word, size_t length, int *out);
bool tg_word_float(const char *word, size_t length, float *out);
/* Next word as a number; false at the end of the line or when it is none. */
bool tg_text_int(tg_text *text, int *out);
bool tg_text_float(tg_text *text, float *out);
/* TG_EINPUT "path:line: found; expected ...". */
tg_status tg_text_fail(tg_context *ctx, const tg_text *text, const char *found,
                       const char *expected);

#endif
