/* .npy: read, and what was read has its announced size. */
#include "fuzz.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes) {
    tg_npy npy;
    tg_status status = tg_npy_read(fuzz_context(), fuzz_file(data, bytes), &npy);
    fuzz_check(status);
    if (status == TG_OK) {
        size_t n = 1;
        for (int i = 0; i < npy.ndim; i++) {
            n *= (size_t)npy.dim[i];
        }
        fuzz_own_memory = true;
        float *copy = malloc(n * sizeof *copy + 1);
        if (n) {
            memcpy(copy, npy.data, n * sizeof *copy);
        }
        free(copy);
        fuzz_own_memory = false;
        tg_npy_free(&npy);
    }
    return 0;
}
