/* PyTorch, pickles, .npz: open, visit the whole tree, find and read every tensor, flatten the state
 * dict. */
#include "fuzz.h"

#include <math.h>

/* Elements that are still read: many tensors may stand for the same bytes. */
static int64_t budget;

static void visit(const tg_torch_value *v, int depth) {
    if (depth > 130) {
        abort();
    }
    const tg_torch_tensor *t = tg_torch_tensor_of(v);
    if (t && t->count <= budget) {
        budget -= t->count;
        fuzz_own_memory = true;
        float *values = malloc((size_t)t->count * sizeof *values + 1);
        uint8_t *raw = malloc((size_t)t->count * tg_dtype_size(t->dtype) + 1);
        if (!values || !raw) {
            abort();
        }
        tg_torch_read_f32(t, values);
        tg_torch_read_raw(t, raw);
        if (t->dtype == TG_F32 && memcmp(values, raw, (size_t)t->count * sizeof *values) != 0) {
            abort();
        }
        free(values);
        free(raw);
        fuzz_own_memory = false;
    }
    double number = tg_torch_number(v, 0);
    if (tg_torch_kind_of(v) != TG_TORCH_NUMBER && number != 0 && number != 1) {
        abort();
    }
    if (tg_torch_kind_of(v) == TG_TORCH_OTHER && !tg_torch_string(v, "")) {
        abort();
    }
    for (int64_t i = 0; i < tg_torch_count(v); i++) {
        const char *key = tg_torch_key(v, i);
        if (key && i < 100 && !tg_torch_get(v, key)) {
            abort();
        }
        visit(tg_torch_at(v, i), depth + 1);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes) {
    tg_torch *file;
    tg_status status = tg_torch_open(fuzz_context(), fuzz_file(data, bytes), &file);
    fuzz_check(status);
    if (status == TG_OK) {
        budget = 1 << 20;
        visit(tg_torch_root(file), 0);
        tg_torch_find(tg_torch_root(file), "state_dict.model.a.0");
        tg_st *st;
        const tg_torch_value *model = tg_torch_find(tg_torch_root(file), "state_dict.model");
        tg_status flat =
            tg_st_from_torch(fuzz_context(), file, model ? model : tg_torch_root(file), &st);
        if (flat == TG_EINTERNAL || (flat == TG_OK) != (st != NULL)) {
            abort();
        }
        for (int i = 0; flat == TG_OK && i < tg_st_count(st); i++) {
            if (!tg_st_find(st, tg_st_at(st, i)->name)) {
                abort();
            }
        }
        tg_st_close(&st);
        tg_torch_close(&file);
    }
    return 0;
}
