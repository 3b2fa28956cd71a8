/* Clips and portraits as the command line asks for them. Needs the MakeHuman files:
 * TALKGEN_ACTOR_DATA is the data folder. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "talkgen/studio.h"
#include "test_root.h"

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

static bool has_actor(void) {
    bool has = getenv("TALKGEN_ACTOR_DATA") != NULL;
    if (!has)
        print_message("skip studio clips: TALKGEN_ACTOR_DATA names no MakeHuman data folder\n");
    return has;
}

/* With more threads than are ever filmed with, and than there are frames. */
static void frames_do_not_depend_on_threads(void **state) {
    (void)state;
    const int threads[2] = {1, 80};
    tg_image image[2][FRAMES];
    const tg_studio_options o = options();
    if (!has_actor())
        return;
    for (int k = 0; k < 2; k++) {
        tg_context *ctx = tg_context_create(threads[k]);
        const char *path = in_root("%d_%%d.png", k);
        if (tg_studio_clip(ctx, &o, path, false) != TG_OK)
            fail_msg("%s", tg_message(ctx));
        for (int f = 0; f < FRAMES; f++)
            assert_int_equal(tg_image_read(ctx, in_root("%d_%d.png", k, f), 3, &image[k][f]),
                             TG_OK);
        tg_context_destroy(&ctx);
    }
    for (int f = 0; f < FRAMES; f++) {
        assert_memory_equal(image[0][f].data, image[1][f].data, 3 * 64 * 64);
        tg_image_free(&image[0][f]);
        tg_image_free(&image[1][f]);
    }
}

/* A mesh none of whose faces says where its hair runs. */
static void hair_needs_a_direction(void **state) {
    (void)state;
    char command[1400];
    tg_json *flow;
    tg_studio_options o = options();
    if (!has_actor())
        return;
    tg_context *ctx = tg_context_create(1);
    snprintf(command, sizeof command, "cp -r '%s/actor' '%s'", TG_MODELS_DIR, in_root("tables"));
    assert_int_equal(system(command), 0);
    const char *path = in_root("tables/hairflow.json");
    assert_int_equal(tg_json_read(ctx, path, &flow), TG_OK);
    tg_json *lost = tg_json_new_object(), *styles = tg_json_set_object(lost, "styles");
    for (const tg_json *s = tg_json_first(tg_json_get(flow, "styles")); s; s = tg_json_next(s)) {
        size_t n = strlen(tg_json_string(s, ""));
        char *digits = malloc(n + 1);
        memset(digits, '9', n);
        digits[n] = 0;
        assert_non_null(tg_json_set_string(styles, tg_json_key(s), digits));
        free(digits);
    }
    assert_int_equal(tg_json_write(ctx, path, lost), TG_OK);
    tg_json_destroy(&flow);
    tg_json_destroy(&lost);
    o.tables_dir = in_root("tables");
    const tg_studio_pose pose = {0};
    assert_int_equal(tg_studio_portrait(ctx, &o, &pose, in_root("still.png")), TG_EINPUT);
    assert_non_null(strstr(tg_message(ctx), "has a direction"));
    tg_context_destroy(&ctx);
}

static void assert_told(const tg_context *ctx, const char *what) {
    const char *const parts[] = {what, "expected: ", "try: "};
    for (size_t i = 0; i < sizeof parts / sizeof *parts; i++)
        if (!strstr(tg_message(ctx), parts[i]))
            fail_msg("%s\n  lacks: %s", tg_message(ctx), parts[i]);
}

static void what_cannot_be_filmed_is_told(void **state) {
    (void)state;
    tg_context *ctx = tg_context_create(1);
    tg_studio_options o = options();
    o.actor_dir = "/nowhere"; /* not looked at yet */
    o.size = 10;
    assert_int_equal(tg_studio_clip(ctx, &o, in_root("no.mp4"), false), TG_EUSAGE);
    assert_told(ctx, "size 10");
    o.size = 64;
    o.seconds = 0;
    assert_int_equal(tg_studio_clip(ctx, &o, in_root("no.mp4"), false), TG_EUSAGE);
    assert_told(ctx, "0 seconds");
    if (has_actor()) {
        o = options();
        const tg_studio_pose pose = {.viseme = "XX"};
        assert_int_equal(tg_studio_portrait(ctx, &o, &pose, in_root("no.png")), TG_EUSAGE);
        assert_told(ctx, "no viseme \"XX\"");
    }
    tg_context_destroy(&ctx);
}

static int make(void **state) {
    (void)state;
    return make_root("studio_clip") ? 0 : 1;
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(frames_do_not_depend_on_threads),
                                       cmocka_unit_test(hair_needs_a_direction),
                                       cmocka_unit_test(what_cannot_be_filmed_is_told)};
    return cmocka_run_group_tests(tests, make, remove_root);
}
