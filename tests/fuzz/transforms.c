/* Camera paths of the NeRF family. */
#include "fuzz.h"

#include "talkgen/systems.h"

#include <math.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes) {
    tg_transforms transforms;
    tg_status status = tg_transforms_read(fuzz_context(), fuzz_file(data, bytes), &transforms);
    fuzz_check(status);
    if (status != TG_OK) {
        return 0;
    }
    for (int64_t i = 0; i < 16 * transforms.frames; i++) {
        if (!isfinite(transforms.c2w[i])) {
            abort();
        }
    }
    tg_transforms_free(&transforms);
    return 0;
}
