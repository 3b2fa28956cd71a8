/* YAML: parse, walk, print, and read the same bytes as a file that may name bases. */
#include "fuzz.h"

static int walk(const tg_json *v, int depth) {
    int n = 1;
    if (depth > 40) {
        abort();
    }
    for (const tg_json *child = tg_json_first(v); child; child = tg_json_next(child)) {
        n += walk(child, depth + 1);
    }
    return n;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes) {
    tg_json *root, *again;
    tg_status status = tg_yaml_parse(fuzz_context(), (const char *)data, bytes, "input", &root);
    fuzz_check(status);
    if (status == TG_OK) {
        char *text = tg_json_print(root, false);
        if (!text || walk(root, 0) > 8193 ||
            tg_json_parse(fuzz_context(), text, strlen(text), "printed", &again) != TG_OK ||
            walk(again, 0) != walk(root, 0)) {
            abort();
        }
        tg_json_destroy(&again);
        tg_json_destroy(&root);
        tg_free(text);
    }
    status = tg_yaml_read(fuzz_context(), fuzz_file(data, bytes), &root);
    fuzz_check(status);
    tg_json_destroy(&root);
    return 0;
}
