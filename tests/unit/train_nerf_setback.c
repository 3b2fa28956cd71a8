/* A head training that leaves the rails goes back to its best model. */
#include "talkgen/io.h"
#include "talkgen/train.h"

#include "dataset_scene.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "test_root.h"

static void run(tg_context *ctx, int64_t steps, float lr, tg_train_head_result *result) {
    tg_train_head_options o = {.dataset = in_root("person"),
                               .state = in_root("head"),
                               .steps = steps,
                               .rays = 256,
                               .frames_per_step = 4,
                               .hidden = 32,
                               .check_every_s = 1e6,
                               .lr = lr,
                               .seed = 3};
    assert_int_equal(tg_train_head(ctx, &o, result), TG_OK);
}

static void read_best(tg_context *ctx, double *psnr, int *setbacks) {
    char *text;
    size_t bytes;
    assert_int_equal(tg_file_read(ctx, in_root("head/head.best"), 64, &text, &bytes), TG_OK);
    assert_int_equal(sscanf(text, "%lf %d", psnr, setbacks), 2);
    tg_free(text);
}

static void goes_back_and_keeps_the_best(void **state) {
    tg_context *ctx = *state;
    tg_train_head_result r;
    double best;
    int setbacks;
    char before[33], after[33];
    run(ctx, 24, 0, &r);
    read_best(ctx, &best, &setbacks);
    assert_int_equal(setbacks, 0);
    assert_true(best > 5 && best < 60);
    assert_int_equal(tg_file_md5(ctx, r.model, before), TG_OK);

    /* As if the model so far were far better than anything that follows. */
    const char boast[] = "90.0 0\n";
    assert_int_equal(tg_file_write(ctx, in_root("head/head.best"), boast, sizeof boast - 1), TG_OK);
    run(ctx, 32, 0, &r);
    read_best(ctx, &best, &setbacks);
    assert_int_equal(setbacks, 1);
    assert_true(best == 90);
    assert_int_equal(tg_file_md5(ctx, r.model, after), TG_OK);
    assert_string_equal(before, after);
}

/* Held-out lines of the log with their steps, at most `most`. */
static int checks_of(int64_t *steps, int most) {
    FILE *file = fopen(in_root("head/head.csv"), "r");
    char line[300];
    int n = 0;
    assert_non_null(file);
    while (fgets(line, sizeof line, file) && n < most)
        if (strstr(line, ",held_out,"))
            steps[n++] = atoll(line);
    fclose(file);
    return n;
}

/* With a learning rate that nothing survives, nobody waits for the next check by the clock. */
static void a_fall_is_noticed_at_once(void **state) {
    tg_context *ctx = *state;
    tg_train_head_result r;
    int64_t before[100], after[100];
    const char start[] = "5.0 0\n"; /* what the other test boasted is forgotten */
    assert_int_equal(tg_file_write(ctx, in_root("head/head.best"), start, sizeof start - 1), TG_OK);
    run(ctx, 160, 0, &r);
    int n = checks_of(before, 100);
    run(ctx, 400, 2.0f, &r);
    int m = checks_of(after, 100);
    assert_true(m >= n + 2);
    assert_true(after[n] < 350);
    double best;
    int setbacks;
    read_best(ctx, &best, &setbacks);
    assert_true(setbacks >= 1);
}

static int set_up(void **state) {
    tg_context *ctx = tg_context_create(1);
    *state = ctx;
    scene s = {64, 40, 30};
    return ctx && make_root("train_nerf_setback") &&
                   scene_write(ctx, &s, in_root("person")) == TG_OK
               ? 0
               : 1;
}

static int tear_down(void **state) {
    tg_context_destroy((tg_context **)state);
    return remove_root(NULL);
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(goes_back_and_keeps_the_best),
                                       cmocka_unit_test(a_fall_is_noticed_at_once)};
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
