#include "eval/contact_sheet.h"

#include "talkgen/io.h"

#include <string.h>

tg_status tg_contact_sheet_init(tg_context *ctx, contact_sheet *sheet, int columns, int rows,
                                int width, int height) {
    *sheet = (contact_sheet){columns, rows, width, height, NULL};
    if (columns == 0)
        return TG_OK;
    size_t bytes;
    if (tg_mul_size((size_t)columns * (size_t)rows, (size_t)width * (size_t)height * 3, &bytes))
        sheet->rgb = tg_calloc(bytes);
    return sheet->rgb ? TG_OK : tg_fail(ctx, TG_ENOMEM, "no memory for a contact sheet");
}

void tg_contact_sheet_put(contact_sheet *sheet, int column, int row, const uint8_t *rgb) {
    size_t line = (size_t)sheet->width * 3;
    for (int y = 0; y < sheet->height; y++) {
        size_t at = (size_t)(row * sheet->height + y) * (size_t)sheet->columns + (size_t)column;
        memcpy(sheet->rgb + at * line, rgb + (size_t)y * line, line);
    }
}

tg_status tg_contact_sheet_write(tg_context *ctx, const contact_sheet *sheet, const char *path) {
    return tg_image_write(ctx, path, sheet->columns * sheet->width, sheet->rows * sheet->height, 3,
                          sheet->rgb);
}

void tg_contact_sheet_free(contact_sheet *sheet) {
    tg_free(sheet->rgb);
    sheet->rgb = NULL;
}
