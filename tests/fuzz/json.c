/* JSON: parse, walk, print, and parse what was printed. */
#include "fuzz.h"

static int walk(const tg_json *v) {
    int n = 1;
    for (const tg_json *child = tg_json_first(v); child; child = tg_json_next(child)) {
        n += walk(child);
    }
    return n;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes) {
    tg_json *root, *again;
    tg_status status = tg_json_parse(fuzz_context(), (const char *)data, bytes, "input", &root);
    fuzz_check(status);
    if (status == TG_ENOMEM) { /* there is enough: it was no JSON after all */
        abort();
    }
    if (status == TG_OK) {
        char *text = tg_json_print(root, false);
        status = tg_json_parse(fuzz_context(), text, strlen(text), "printed", &again);
        if (status != TG_OK || walk(again) != walk(root)) {
            abort();
        }
        tg_json_destroy(&again);
        tg_json_destroy(&root);
        tg_free(text);
    }
    return 0;
}
