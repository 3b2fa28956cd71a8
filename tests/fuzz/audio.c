/* Audio: open, read some seconds in odd blocks, rewind, read again. */
#include "fuzz.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes) {
    tg_audio *audio;
    tg_context *ctx = fuzz_context();
    tg_status status = tg_audio_open(ctx, fuzz_file(data, bytes), &audio);
    fuzz_check(status);
    if (status != TG_OK) {
        return 0;
    }
    size_t values = 777 * (size_t)tg_audio_channels(audio);
    float *block = malloc(values * sizeof *block);
    for (int pass = 0; pass < 2 && status == TG_OK; pass++) {
        int64_t got = 1, total = 0;
        while (status == TG_OK && got > 0 && total < 200000) {
            status = tg_audio_read(ctx, audio, block, 777, &got);
            fuzz_check(status);
            total += got;
        }
        if (status == TG_OK) {
            status = tg_audio_rewind(ctx, audio);
            fuzz_check(status);
        }
    }
    free(block);
    tg_audio_close(&audio);
    return 0;
}
