/* safetensors: open, find every tensor, read every value. */
#include "fuzz.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes) {
    tg_st *st;
    tg_status status = tg_st_open(fuzz_context(), fuzz_file(data, bytes), &st);
    fuzz_check(status);
    if (status != TG_OK) {
        return 0;
    }
    for (int i = 0; i < tg_st_count(st); i++) {
        const tg_st_tensor *t = tg_st_at(st, i);
        fuzz_own_memory = true;
        float *out = malloc(t->bytes / tg_dtype_size(t->dtype) * sizeof *out + 1);
        if (tg_st_find(st, t->name) != t || !out ||
            tg_st_load(fuzz_context(), st, t->name, t->ndim, t->dim, out) != TG_OK) {
            abort();
        }
        free(out);
        fuzz_own_memory = false;
    }
    for (int i = 0; i < tg_st_meta_count(st); i++) {
        const char *value;
        if (!tg_st_meta_at(st, i, &value) || !value) {
            abort();
        }
    }
    tg_st_close(&st);
    return 0;
}
