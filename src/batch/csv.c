/* CSV: cells between commas, quoted ones may hold commas, doubled quotes and line ends. */
#include "batch/csv.h"

#include <stdlib.h>
#include <string.h>

static bool quote_open(const char *text, size_t bytes) {
    size_t quotes = 0;
    for (size_t i = 0; i < bytes; i++)
        quotes += text[i] == '"';
    return quotes % 2 == 1;
}

void tg_csv_split(tg_record_cells *r, size_t bytes) {
    char *from = r->data, *end = r->data + bytes, *to = r->data;
    r->count = 0;
    r->problem = memchr(r->data, '\0', bytes) ? "a NUL character" : NULL;
    r->column = 1;
    for (;;) {
        if (r->count == TG_CSV_CELLS) {
            r->problem = "more than 64 cells";
            r->column = from - r->data + 1;
            return;
        }
        r->cell[r->count++] = (tg_cell){to, from - r->data + 1};
        bool quoted = from < end && *from == '"';
        from += quoted;
        /* `to` never overtakes `from`: a cell's text is at most as long as it is in the file, and
         * its NUL takes the place of the comma */
        while (from < end) {
            if (quoted && *from == '"') {
                if (from + 1 < end && from[1] == '"') {
                    from++;
                } else {
                    quoted = false;
                    from++;
                    if (from < end && *from != ',') {
                        r->problem = "text after a closing quote";
                        r->column = from - r->data + 1;
                        return;
                    }
                    continue;
                }
            } else if (!quoted && *from == ',') {
                break;
            }
            *to++ = *from++;
        }
        if (quoted) {
            r->problem = "a quote that is not closed";
            r->column = r->cell[r->count - 1].column;
            return;
        }
        bool more = from < end;
        from += more;
        *to++ = '\0';
        if (!more)
            return;
    }
}

tg_status tg_csv_next(tg_context *ctx, tg_lines *lines, tg_record_cells *r, bool *done) {
    size_t used = 0;
    bool open = false, too_long = false;
    do {
        tg_line line;
        tg_status s = tg_lines_next(ctx, lines, &line, done);
        if (s != TG_OK)
            return s;
        if (*done) { /* inside a quote: what is there is a record, a wrong one */
            *done = used == 0;
            break;
        }
        if (used == 0 && line.bytes == 0)
            continue;
        if (used == 0)
            r->line = line.number;
        if (used + line.bytes + 3 > r->room) {
            size_t room = 2 * (used + line.bytes) + 256;
            char *larger = realloc(r->data, room);
            if (!larger)
                return tg_fail(ctx, TG_ENOMEM, "%s: out of memory", tg_lines_name(lines));
            r->data = larger;
            r->room = room;
        }
        if (used > 0)
            r->data[used++] = '\n';
        memcpy(r->data + used, line.text, line.bytes);
        used += line.bytes;
        too_long = line.too_long || used > TG_MAX_LINE;
        open = quote_open(r->data, used);
    } while ((open || used == 0) && !too_long);
    if (*done)
        return TG_OK;
    if (too_long) {
        r->count = 0;
        r->column = 1;
        r->problem = "more than 1 MiB";
        return TG_OK;
    }
    tg_csv_split(r, used);
    return TG_OK;
}
