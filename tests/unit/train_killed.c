/* Training of head and torso killed in the middle of a step, as by kill -9 or a power cut: what is
 * left goes on, to the same weights and with one log without gaps or repeats. */
#include "dataset_scene.h"

#include "talkgen/train.h"

#include <setjmp.h>

#include "test_root.h"

#include <cmocka.h>

#include "train_runs.h"

enum { STEPS = 64 };

static const scene small = {32, 24, 20};
static int make(void **state) {
    (void)state;
    assert_true(make_root("train_killed"));
    tg_context *ctx = tg_context_create(1);
    tg_status status = scene_write(ctx, &small, in_root("person"));
    tg_context_destroy(&ctx);
    return status;
}

/* Of a run that is killed the state is saved after every step. */
typedef tg_status train_fn(tg_context *ctx, bool to_be_killed, const char *state, char model[1024]);

static tg_status train_head(tg_context *ctx, bool to_be_killed, const char *state,
                            char model[1024]) {
    tg_train_head_options o = {.dataset = in_root("person"),
                               .state = state,
                               .steps = STEPS,
                               .rays = 512,
                               .hidden = 32,
                               .save_every_s = to_be_killed ? 1e-9 : 0,
                               .seed = 1};
    tg_train_head_result r;
    tg_status status = tg_train_head(ctx, &o, &r);
    snprintf(model, 1024, "%s", r.model);
    return status;
}

static tg_status train_torso(tg_context *ctx, bool to_be_killed, const char *state,
                             char model[1024]) {
    tg_train_torso_options o = {.dataset = in_root("person"),
                                .state = state,
                                .steps = STEPS,
                                .pixels = 2048,
                                .save_every_s = to_be_killed ? 1e-9 : 0,
                                .seed = 1};
    tg_train_torso_result r;
    tg_status status = tg_train_torso(ctx, &o, &r);
    snprintf(model, 1024, "%s", r.model);
    return status;
}

/* In a process of its own, which dies at progress call `at`. */
static void killed(train_fn *train, const char *stage, const char *state, int at) {
    fflush(NULL);
    pid_t child = fork();
    if (child == 0) {
        char model[1024];
        stopper s = {tg_context_create(1), stage, at, true};
        tg_context_set_progress(s.ctx, stop_there, &s);
        train(s.ctx, true, state, model);
        _exit(1); /* it came to its end */
    }
    assert_killed(child);
}

static void to_the_end(train_fn *train, const char *state, char model[1024]) {
    tg_context *ctx = tg_context_create(1);
    assert_int_equal(train(ctx, false, state, model), TG_OK);
    tg_context_destroy(&ctx);
}

static void goes_on_after_kill(train_fn *train, const char *stage, const char *name) {
    char one[1024], two[1024], parts[64], log[1024];
    snprintf(parts, sizeof parts, "%s_killed", name);
    snprintf(log, sizeof log, "%s", in_root("%s/%s.csv", parts, name));
    to_the_end(train, in_root("%s", name), one);
    killed(train, stage, in_root("%s", parts), 1);
    spoil_log(log, STEPS - 1);
    killed(train, stage, in_root("%s", parts), 2);
    to_the_end(train, in_root("%s", parts), two);
    assert_same_file(one, two);
    assert_true(assert_steps_ascend(log, STEPS) >= 2);
}

static void head_goes_on_after_kill(void **unused) {
    (void)unused;
    goes_on_after_kill(train_head, "train head", "head");
}

static void torso_goes_on_after_kill(void **unused) {
    (void)unused;
    goes_on_after_kill(train_torso, "train torso", "torso");
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(head_goes_on_after_kill),
        cmocka_unit_test(torso_goes_on_after_kill),
    };
    return cmocka_run_group_tests(tests, make, remove_root);
}
