/* From the named values of a manifest's line to a clip; private to batch. */
#ifndef TG_BATCH_FIELDS_H
#define TG_BATCH_FIELDS_H

#include "talkgen/batch.h"

/* One value of a line, JSON or a cell of CSV. */
typedef struct {
    const char *key;
    const char *text; /* of a string or a cell; NULL = something else */
    bool is_number;   /* JSON number; cells are texts that may hold one */
    bool is_cell;
    double number;
    const tg_json *json; /* for tags; NULL for cells */
    int64_t column;
} tg_field;

/* The first problem stays. */
void tg_clip_problem(tg_clip *clip, int64_t column, const char *format, ...)
    __attribute__((format(printf, 3, 4)));
bool tg_field_known(const char *key);
/* Puts the value where it belongs; what is wrong with it becomes the clip's problem. false without
 * memory. */
bool tg_clip_set(tg_clip *clip, const tg_field *field);
/* After the last field: what is missing, and the default name of the output. */
bool tg_clip_complete(tg_clip *clip);

/* One JSON object. */
tg_status tg_clip_of_json(tg_context *ctx, tg_clip *clip, const char *text, size_t bytes);

#endif
