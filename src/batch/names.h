/* A set of names that tells when one comes again; private to batch. */
#ifndef TG_BATCH_NAMES_H
#define TG_BATCH_NAMES_H

#include "talkgen/core.h"

typedef struct {
    struct tg_name {
        uint64_t hash;
        char *text; /* owned; NULL = free */
        int64_t line;
    } * slot;
    size_t room, count;
} tg_names;

/* The line that had the name before, 0 when it is new and now there, -1 without memory. */
int64_t tg_names_add(tg_names *names, const char *text, int64_t line);
void tg_names_free(tg_names *names);
/* Spread over all 64 bits, unlike FNV of short texts. */
uint64_t tg_name_hash(const char *text);

#endif
