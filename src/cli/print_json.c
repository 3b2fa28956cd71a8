/* JSON on stdout, whole or not at all. */
#include "cli/options.h"

#include <stdio.h>

tg_status cli_print_json(tg_context *ctx, tg_json *root) {
    char *text = tg_json_print(root, true);
    tg_json_destroy(&root);
    if (!text)
        return tg_fail(ctx, TG_ENOMEM, "out of memory for the JSON text");
    puts(text);
    tg_free(text);
    return TG_OK;
}
