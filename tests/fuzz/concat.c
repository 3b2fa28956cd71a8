/* Parts of a clip: joined with themselves. */
#include "fuzz.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes) {
    static const char joined[] = "fuzz-joined.mp4";
    const char *path = fuzz_file(data, bytes);
    const char *parts[2] = {path, path};
    const tg_sink_options options = {.overwrite = true};
    int64_t frames = -1;
    fuzz_check(tg_movie_join(fuzz_context(), parts, 2, joined, &options, &frames));
    unlink(joined);
    return 0;
}
