/* recording DIR [FRAMES]: a small person's recording for tests/e2e, as talkgen train reads it; with
 * a number of frames, with so much sound. */
#include "unit/dataset_scene.h"

#include <stdlib.h>

static tg_status write_sound(tg_context *ctx, const char *dir, int frames) {
    const int64_t n = (int64_t)frames * 640;
    float *sound = tg_alloc((size_t)n * sizeof *sound);
    char path[1200];
    for (int64_t i = 0; sound && i < n; i++) /* a voice of a kind: louder where the mouth is open */
        sound[i] = 20 * scene_gap((int)(i / 640)) * sinf(0.05f * (float)(i % 640));
    snprintf(path, sizeof path, "%s/aud.wav", dir);
    const tg_status s = sound ? tg_audio_write(ctx, path, sound, n, 1, 16000) : TG_ENOMEM;
    tg_free(sound);
    return s;
}

int main(int argc, char **argv) {
    const int frames = argc == 3 ? atoi(argv[2]) : 8;
    const scene small = {32, frames, argc == 3 ? frames * 9 / 10 : 6};
    tg_context *ctx = tg_context_create(1);
    const bool asked = ctx && (argc == 2 || argc == 3) && frames >= 8;
    tg_status s = asked ? scene_write(ctx, &small, argv[1]) : TG_EUSAGE;
    if (s == TG_OK && argc == 3)
        s = write_sound(ctx, argv[1], frames);
    if (s != TG_OK)
        fprintf(stderr, "recording DIR [FRAMES]: %s\n", ctx ? tg_message(ctx) : "out of memory");
    tg_context_destroy(&ctx);
    return tg_exit_code(s);
}
