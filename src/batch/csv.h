/* CSV (RFC 4180): records of cells; private to batch. */
#ifndef TG_BATCH_CSV_H
#define TG_BATCH_CSV_H

#include "batch/lines.h"

enum { TG_CSV_CELLS = 64 };

typedef struct {
    char *text;     /* unquoted */
    int64_t column; /* from 1, in bytes of the record's first line */
} tg_cell;
typedef struct {
    char *data; /* owned, grows */
    size_t room;
    tg_cell cell[TG_CSV_CELLS];
    int count;
    int64_t line;
    int64_t column;      /* of `problem` */
    const char *problem; /* constant text; NULL = none */
} tg_record_cells;

/* The next record; *done at the end. Lines without anything in them are left out. */
tg_status tg_csv_next(tg_context *ctx, tg_lines *lines, tg_record_cells *record, bool *done);
/* Cuts record->data[0..bytes) into cells. */
void tg_csv_split(tg_record_cells *record, size_t bytes);

#endif
