/* recording DIR: a small person's recording for tests/e2e, as talkgen train reads it. */
#include "unit/train_scene.h"

int main(int argc, char **argv) {
    const scene small = {32, 8, 6};
    tg_context *ctx = tg_context_create(1);
    const tg_status s = argc == 2 && ctx ? scene_write(ctx, &small, argv[1]) : TG_EUSAGE;
    if (s != TG_OK)
        fprintf(stderr, "recording DIR: %s\n", tg_message(ctx));
    tg_context_destroy(&ctx);
    return tg_exit_code(s);
}
