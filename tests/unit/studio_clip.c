/* Clips and portraits as the command line asks for them. Needs the MakeHuman files:
 * TALKGEN_ACTOR_DATA is the data folder. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include <cmocka.h>

#include "talkgen/io.h"
#include "talkgen/studio.h"

enum { FRAMES = 2 };

static tg_studio_options options(void) {
    tg_studio_options o = tg_studio_defaults();
    o.actor_dir = getenv("TALKGEN_ACTOR_DATA");
    o.tables_dir = TG_MODELS_DIR "/actor";
    o.size = 64;
    o.seconds = 1;
    o.frames = FRAMES;
    return o;
}

/* With more threads than are ever filmed with, and than there are frames. */
static void frames_do_not_depend_on_threads(void **state) {
    (void)state;
    const int threads[2] = {1, 80};
    tg_image image[2][FRAMES];
    const tg_studio_options o = options();
    if (!o.actor_dir) {
        print_message("skip studio clips: TALKGEN_ACTOR_DATA names no MakeHuman data folder\n");
        return;
    }
    for (int k = 0; k < 2; k++) {
        tg_context *ctx = tg_context_create(threads[k]);
        char dir[64], path[96], command[96];
        snprintf(dir, sizeof dir, "studio_clip_%ld_%d", (long)getpid(), k);
        snprintf(path, sizeof path, "%s/%%d.png", dir);
        assert_int_equal(tg_make_dirs(ctx, dir), TG_OK);
        if (tg_studio_clip(ctx, &o, path, false) != TG_OK)
            fail_msg("%s", tg_message(ctx));
        for (int f = 0; f < FRAMES; f++) {
            snprintf(path, sizeof path, "%s/%d.png", dir, f);
            assert_int_equal(tg_image_read(ctx, path, 3, &image[k][f]), TG_OK);
        }
        snprintf(command, sizeof command, "rm -rf '%s'", dir);
        assert_int_equal(system(command), 0);
        tg_context_destroy(&ctx);
    }
    for (int f = 0; f < FRAMES; f++) {
        assert_memory_equal(image[0][f].data, image[1][f].data, 3 * 64 * 64);
        tg_image_free(&image[0][f]);
        tg_image_free(&image[1][f]);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(frames_do_not_depend_on_threads)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
