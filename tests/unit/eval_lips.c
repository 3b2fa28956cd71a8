/* Lips read from the picture: a synthetic recording, and a video made of its held-out frames. */
#include "talkgen/eval.h"
#include "talkgen/io.h"

#include "dataset_scene.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "test_root.h"

enum { SIZE = 96, FRAMES = 150, TRAIN = 110, HELD_OUT = FRAMES - TRAIN };

/* The held-out frames as a video, and landmarks taken `shift` frames later. */
static void write_clip(tg_context *ctx, int shift) {
    tg_sink *sink = NULL;
    tg_sink_options o = {.width = SIZE, .height = SIZE, .crf = 12, .overwrite = true};
    assert_int_equal(tg_sink_open(ctx, in_root("v.mp4"), &o, &sink), TG_OK);
    float landmarks[HELD_OUT * TG_COND_DIM], poses[HELD_OUT * 16];
    for (int i = 0; i < HELD_OUT; i++) {
        char name[64];
        tg_image image = {0};
        snprintf(name, sizeof name, "person/gt_imgs/%d.png", TRAIN + i);
        assert_int_equal(tg_image_read(ctx, in_root("%s", name), 3, &image), TG_OK);
        assert_int_equal(tg_sink_write(ctx, sink, image.data), TG_OK);
        tg_image_free(&image);
        scene_landmarks(TRAIN + i + shift, landmarks + i * TG_COND_DIM);
        scene_c2w(TRAIN + i, poses + 16 * i);
    }
    assert_int_equal(tg_sink_finish(ctx, &sink), TG_OK);
    assert_int_equal(
        tg_npy_write(ctx, in_root("l.npy"), 3, (int64_t[]){HELD_OUT, 68, 3}, landmarks), TG_OK);
    assert_int_equal(tg_npy_write(ctx, in_root("p.npy"), 3, (int64_t[]){HELD_OUT, 4, 4}, poses),
                     TG_OK);
}

static void lips_follow_their_landmarks(void **state) {
    tg_context *ctx = *state;
    tg_lips_score score;
    write_clip(ctx, 0);
    assert_int_equal(tg_eval_lips(ctx, in_root("person"), in_root("v.mp4"), in_root("l.npy"),
                                  in_root("p.npy"), &score),
                     TG_OK);
    assert_int_equal(score.frames, HELD_OUT);
    assert_true(score.true_corr > 0.9);
    assert_true(score.video_corr > 0.9);
    /* The mouth of the scene swings once in 7 frames: 3 frames later it does the opposite. */
    write_clip(ctx, 3);
    assert_int_equal(tg_eval_lips(ctx, in_root("person"), in_root("v.mp4"), in_root("l.npy"),
                                  in_root("p.npy"), &score),
                     TG_OK);
    assert_true(score.video_corr < 0);
}

static void files_must_fit(void **state) {
    tg_context *ctx = *state;
    tg_lips_score score;
    float few[4 * TG_COND_DIM] = {0};
    write_clip(ctx, 0);
    assert_int_equal(tg_npy_write(ctx, in_root("l.npy"), 3, (int64_t[]){4, 68, 3}, few), TG_OK);
    assert_int_equal(tg_eval_lips(ctx, in_root("person"), in_root("v.mp4"), in_root("l.npy"),
                                  in_root("p.npy"), &score),
                     TG_EINPUT);
    assert_non_null(strstr(tg_message(ctx), "more frames"));
    assert_int_equal(tg_npy_write(ctx, in_root("l.npy"), 2, (int64_t[]){4, 203}, few), TG_OK);
    assert_int_equal(tg_eval_lips(ctx, in_root("person"), in_root("v.mp4"), in_root("l.npy"),
                                  in_root("p.npy"), &score),
                     TG_EINPUT);
    assert_non_null(strstr(tg_message(ctx), "misshapen"));
}

/* Nothing to read between the pixels of. */
static void one_pixel_shows_no_lips(void **state) {
    tg_context *ctx = *state;
    const scene dot = {1, 4, 3};
    tg_lips_score score;
    assert_int_equal(scene_write(ctx, &dot, in_root("dot")), TG_OK);
    assert_int_equal(tg_npy_write(ctx, in_root("dot.npy"), 3, (int64_t[]){0, 68, 3}, NULL), TG_OK);
    assert_int_equal(tg_npy_write(ctx, in_root("none.npy"), 3, (int64_t[]){0, 4, 4}, NULL), TG_OK);
    assert_int_equal(tg_eval_lips(ctx, in_root("dot"), in_root("v.mp4"), in_root("dot.npy"),
                                  in_root("none.npy"), &score),
                     TG_EINPUT);
    assert_non_null(strstr(tg_message(ctx), "do not determine the lips"));
}

static int set_up(void **state) {
    tg_context *ctx = tg_context_create(1);
    *state = ctx;
    scene s = {SIZE, FRAMES, TRAIN};
    return ctx && make_root("eval_lips") && scene_write(ctx, &s, in_root("person")) == TG_OK ? 0
                                                                                             : 1;
}

static int tear_down(void **state) {
    tg_context_destroy((tg_context **)state);
    return remove_root(NULL);
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(lips_follow_their_landmarks),
                                       cmocka_unit_test(files_must_fit),
                                       cmocka_unit_test(one_pixel_shows_no_lips)};
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
