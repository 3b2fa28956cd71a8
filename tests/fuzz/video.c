/* Videos: open and read some frames. */
#include "fuzz.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes) {
    tg_video *video;
    tg_context *ctx = fuzz_context();
    tg_status status = tg_video_open(ctx, fuzz_file(data, bytes), &video);
    fuzz_check(status);
    if (status != TG_OK) {
        return 0;
    }
    int width, height;
    double fps;
    tg_video_size(video, &width, &height, &fps);
    if (width <= 512 && height <= 512) { /* bigger ones only cost time */
        uint8_t *rgb = malloc((size_t)width * (size_t)height * 3);
        bool done = false;
        for (int i = 0; i < 20 && status == TG_OK && !done; i++) {
            status = tg_video_read(ctx, video, rgb, &done);
            fuzz_check(status);
        }
        free(rgb);
    }
    tg_video_close(&video);
    return 0;
}
