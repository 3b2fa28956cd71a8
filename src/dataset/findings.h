/* A list of what is wrong, where equal mistakes of many files are one entry. */
#ifndef TALKGEN_DATASET_FINDINGS_H
#define TALKGEN_DATASET_FINDINGS_H

#include "talkgen/dataset.h"

/* One more file, frame or value (named by format) of which `what` is true. what and todo are
 * constant texts; entries with the same `what` are joined. format NULL: the entry stands alone. */
void tg_find(tg_findings *findings, const char *what, const char *todo, const char *format, ...)
    __attribute__((format(printf, 4, 5)));
/* The same with what is worth knowing but no reason to stop. */
void tg_find_note(tg_findings *findings, const char *what, const char *todo, const char *format,
                  ...) __attribute__((format(printf, 4, 5)));

#endif
