/* Pieces of a page that needs nothing but itself. */
#ifndef TALKGEN_EVAL_REPORT_HTML_H
#define TALKGEN_EVAL_REPORT_HTML_H

#include <stdio.h>

#include "talkgen/core.h"

/* Text with & < > " as entities. */
void tg_html_text(FILE *page, const char *text);
void tg_html_base64(FILE *page, const void *data, size_t bytes);

/* A line of a chart. */
typedef struct {
    const char *name, *colour; /* as CSS has it */
    double *x, *y;             /* owned (free) */
    int64_t count, room;
} html_series;
/* false = no memory; values that are not finite are left out. */
bool tg_html_point(html_series *series, double x, double y);
void tg_html_series_free(html_series *series);
/* Columns x and y of the lines of a CSV file whose column `at` (< 0 = none) is `kind`. A file that
 * is missing has no lines. */
tg_status tg_html_csv(tg_context *ctx, const char *path, int x, int y, int at, const char *kind,
                      html_series *out);
/* Inline SVG with axes and legend; nothing of fewer than two points. */
void tg_html_chart(FILE *page, const char *title, const char *x_unit, const char *y_unit,
                   const html_series *series, int count);

#endif
