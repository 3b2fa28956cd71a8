/* What an MP4 says about its origin. */
#include "fuzz.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes) {
    tg_provenance_found found;
    tg_status status = tg_provenance_read(fuzz_context(), fuzz_file(data, bytes), &found);
    fuzz_check(status);
    if (status == TG_OK &&
        (found.frames < 0 || found.end < found.first || found.frames < found.end)) {
        abort();
    }
    fuzz_accepted = status == TG_OK && found.synthetic;
    return 0;
}
