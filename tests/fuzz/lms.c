/* Text files of a recording: landmarks of a frame, and the depths of AD-NeRF's rays. The same bytes
 * as either, in a folder that is otherwise good. */
#include "fuzz.h"

#include "convert/recording.h"

#include <math.h>
#include <sys/stat.h>

static const char cameras[] =
    "{\"focal_len\": 30, \"frames\": [{\"img_id\": 0, \"transform_matrix\": "
    "[[1,0,0,0],[0,1,0,0],[0,0,1,0.9],[0,0,0,1]]}]}";

static void put(const char *folder, const char *name, const void *data, size_t bytes) {
    char path[128];
    snprintf(path, sizeof path, "%s/%s", folder, name);
    FILE *file = fopen(path, "wb");
    if (!file || (bytes && fwrite(data, bytes, 1, file) != 1) || fclose(file) != 0) {
        abort();
    }
}

static void take_away(const char *folder) {
    static const char *const names[] = {"bc.png", "transforms_train.json", "HeadNeRF_config.txt",
                                        "ori_imgs/0.lms", "ori_imgs"};
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        char path[128];
        snprintf(path, sizeof path, "%s/%s", folder, names[i]);
        remove(path);
    }
    remove(folder);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes) {
    tg_context *ctx = fuzz_context();
    char folder[64], path[96];
    fuzz_own_memory = true;
    /* In memory where that is possible: a busy disk is no fault of the reader's. */
    snprintf(folder, sizeof folder, "%s/fuzz-recording-%ld",
             access("/dev/shm", W_OK) == 0 ? "/dev/shm" : ".", (long)getpid());
    snprintf(path, sizeof path, "%s/ori_imgs", folder);
    if (mkdir(folder, 0777) != 0 || mkdir(path, 0777) != 0) {
        abort();
    }
    uint8_t background[16 * 16 * 3] = {0};
    snprintf(path, sizeof path, "%s/bc.png", folder);
    if (tg_image_write(ctx, path, 16, 16, 3, background) != TG_OK) {
        abort();
    }
    put(folder, "transforms_train.json", cameras, sizeof cameras - 1);
    put(folder, "ori_imgs/0.lms", data, bytes);
    put(folder, "HeadNeRF_config.txt", data, bytes);
    fuzz_own_memory = false;
    tg_recording recording;
    tg_status status = tg_recording_open(ctx, folder, &recording);
    fuzz_check(status);
    if (status != TG_OK || recording.frames != 1) {
        abort(); /* without usable landmarks it is a recording all the same */
    }
    fuzz_accepted = recording.eye_area != NULL;
    if (recording.eye_area && !(recording.eye_area[0] >= 0 && isfinite(recording.eye_area[0]))) {
        abort();
    }
    float near, far;
    tg_recording_depths(ctx, folder, &recording, &near, &far);
    if (!(near >= 0) || !(far > near) || !isfinite(far)) {
        abort();
    }
    tg_recording_close(&recording);
    fuzz_own_memory = true;
    take_away(folder);
    fuzz_own_memory = false;
    return 0;
}
