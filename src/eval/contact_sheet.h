/* Pictures side by side, to look at. */
#ifndef TALKGEN_EVAL_CONTACT_SHEET_H
#define TALKGEN_EVAL_CONTACT_SHEET_H

#include "talkgen/core.h"

/* columns x rows pictures of one size. */
typedef struct {
    int columns, rows, width, height;
    uint8_t *rgb;
} contact_sheet;
tg_status tg_contact_sheet_init(tg_context *ctx, contact_sheet *sheet, int columns, int rows,
                                int width, int height);
void tg_contact_sheet_put(contact_sheet *sheet, int column, int row, const uint8_t *rgb);
tg_status tg_contact_sheet_write(tg_context *ctx, const contact_sheet *sheet, const char *path);
void tg_contact_sheet_free(contact_sheet *sheet);

#endif
