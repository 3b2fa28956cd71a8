/* GeneFace's trainval_dataset.npy: one pickled object with everything about a recording. */
#include "fuzz.h"

#include "convert/geneface.h"

#include <math.h>

static void all_finite(const float *x, int64_t count) {
    for (int64_t i = 0; i < count; i++) {
        if (!isfinite(x[i])) {
            abort();
        }
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes) {
    tg_geneface_dataset d;
    const char *path = fuzz_disk_file(data, bytes);
    tg_status status = tg_geneface_dataset_open(fuzz_context(), path, &d);
    fuzz_disk_done(path);
    fuzz_check(status);
    if (status != TG_OK) {
        return 0;
    }
    if (d.frames < 1 || d.width < 16 || d.height < 16 || d.background.width != d.width ||
        d.background.height != d.height || d.background.channels != 3 || !(d.focal > 1)) {
        abort();
    }
    unsigned sum = 0;
    for (int i = 0; i < 3 * d.width * d.height; i++) {
        sum += d.background.data[i];
    }
    fuzz_accepted += sum > 0; /* read, whatever it is */
    all_finite(d.pose, 16 * d.frames);
    all_finite(d.stats.mean, TG_MOTION_DIM);
    all_finite(d.stats.std, TG_MOTION_DIM);
    if (d.lle) {
        all_finite(d.lle, TG_LLE_DIM * d.frames);
    }
    tg_geneface_dataset_free(&d);
    return 0;
}
