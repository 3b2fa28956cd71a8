/* Pictures: decode in each channel count. */
#include "fuzz.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes) {
    static const int channels[] = {0, 3, 4};
    for (int i = 0; i < 3; i++) {
        tg_image image;
        tg_status status =
            tg_image_decode(fuzz_context(), data, bytes, "input", channels[i], &image);
        fuzz_check(status);
        if (status == TG_OK) {
            size_t n = (size_t)image.width * (size_t)image.height * (size_t)image.channels;
            volatile uint8_t last = image.data[n - 1];
            (void)last;
            tg_image_free(&image);
        }
    }
    return 0;
}
