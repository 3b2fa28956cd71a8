/* Inside io: whether text is JSON, found out without any memory. */
#ifndef TALKGEN_IO_JSON_SYNTAX_H
#define TALKGEN_IO_JSON_SYNTAX_H

#include <stdbool.h>
#include <stddef.h>

/* Whether text begins with one JSON value (RFC 8259) that libcjson takes when it has the memory: at
 * most 1000 levels, numbers of at most 63 characters. What it takes beyond the RFC, such as bare
 * control characters, is not looked at. */
bool tg_json_is_well_formed(const char *text, size_t bytes);

#endif
