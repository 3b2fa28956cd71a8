/* Published names of parameters to ours; private to convert. */
#ifndef TG_CONVERT_NAMES_H
#define TG_CONVERT_NAMES_H

#include "talkgen/convert.h"

typedef struct {
    const char *theirs, *ours; /* beginnings of names, whole up to a dot or the end */
} tg_name_pair;

/* A tg_st_rename_fn over a table that ends in {NULL, NULL}; names that no row begins stay. */
void tg_rename_by_table(void *table, const char *name, char out[TG_ST_NAME_ROOM]);
/* Puts the file's own names back into the message of a failure; returns s. */
tg_status tg_with_their_names(tg_context *ctx, tg_status s, const tg_name_pair *table);

#endif
