/* Training of head and torso killed in the middle of a step, as by kill -9 or a power cut: what is
 * left goes on, to the same weights and with one log without gaps or repeats. */
#include "dataset_scene.h"

#include "talkgen/train.h"

#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

enum { STEPS = 64 };

static const scene small = {32, 24, 20};
static char root[512];

static const char *in_root(const char *name) {
    static char path[8][700];
    static int turn;
    turn = (turn + 1) % 8;
    snprintf(path[turn], sizeof path[turn], "%s/%s", root, name);
    return path[turn];
}

static int make(void **state) {
    (void)state;
    snprintf(root, sizeof root, "train_killed.%d", (int)getpid());
    tg_context *ctx = tg_context_create(1);
    tg_status status = scene_write(ctx, &small, in_root("person"));
    tg_context_destroy(&ctx);
    return status;
}

static int drop(void **state) {
    (void)state;
    char command[600];
    snprintf(command, sizeof command, "rm -rf '%s'", root);
    return system(command);
}

/* The progress call at which the process kills itself; 0 = never. */
static int left;

static void kill_there(void *user, const char *stage, double done, double total, const char *text) {
    (void)user, (void)done, (void)total, (void)text;
    if (strncmp(stage, "train", 5) == 0 && left > 0 && --left == 0)
        raise(SIGKILL);
}

typedef tg_status train_fn(tg_context *ctx, const char *state, char model[1024]);

static tg_status train_head(tg_context *ctx, const char *state, char model[1024]) {
    tg_train_head_options o = {.dataset = in_root("person"),
                               .state = state,
                               .steps = STEPS,
                               .rays = 512,
                               .hidden = 32,
                               .save_every_s = left ? 1e-9 : 0, /* after every step */
                               .seed = 1};
    tg_train_head_result r;
    tg_status status = tg_train_head(ctx, &o, &r);
    snprintf(model, 1024, "%s", r.model);
    return status;
}

static tg_status train_torso(tg_context *ctx, const char *state, char model[1024]) {
    tg_train_torso_options o = {.dataset = in_root("person"),
                                .state = state,
                                .steps = STEPS,
                                .pixels = 2048,
                                .save_every_s = left ? 1e-9 : 0,
                                .seed = 1};
    tg_train_torso_result r;
    tg_status status = tg_train_torso(ctx, &o, &r);
    snprintf(model, 1024, "%s", r.model);
    return status;
}

/* In a process of its own, which dies at progress call `at`. */
static void killed(train_fn *train, const char *state, int at) {
    fflush(NULL);
    pid_t child = fork();
    if (child == 0) {
        char model[1024];
        left = at;
        tg_context *ctx = tg_context_create(1);
        tg_context_set_progress(ctx, kill_there, NULL);
        train(ctx, state, model);
        _exit(1); /* it came to its end */
    }
    int status;
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_true(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL);
}

static void to_the_end(train_fn *train, const char *state, char model[1024]) {
    tg_context *ctx = tg_context_create(1);
    assert_int_equal(train(ctx, state, model), TG_OK);
    tg_context_destroy(&ctx);
}

static void assert_same_model(const char *a, const char *b) {
    tg_context *ctx = tg_context_create(1);
    tg_st *st[2];
    assert_int_equal(tg_st_open(ctx, a, &st[0]), TG_OK);
    assert_int_equal(tg_st_open(ctx, b, &st[1]), TG_OK);
    assert_int_equal(tg_st_count(st[0]), tg_st_count(st[1]));
    for (int i = 0; i < tg_st_count(st[0]); i++) {
        const tg_st_tensor *t = tg_st_at(st[0], i), *u = tg_st_find(st[1], t->name);
        assert_non_null(u);
        assert_memory_equal(t->data, u->data, t->bytes);
    }
    tg_st_close(&st[0]);
    tg_st_close(&st[1]);
    tg_context_destroy(&ctx);
}

/* Steps of a log never go back; returns its number of lines. */
static int assert_steps_ascend(const char *path) {
    FILE *file = fopen(path, "r");
    char line[400];
    long long before = 0, step;
    int lines = 0;
    assert_non_null(file);
    assert_non_null(fgets(line, sizeof line, file)); /* header */
    assert_true(strncmp(line, "step,", 5) == 0);
    while (fgets(line, sizeof line, file)) {
        assert_int_equal(sscanf(line, "%lld,", &step), 1);
        assert_true(step >= before);
        assert_non_null(strchr(line, '\n'));
        before = step;
        lines++;
    }
    fclose(file);
    assert_int_equal(before, STEPS);
    return lines;
}

static void goes_on_after_kill(train_fn *train, const char *name, const char *csv) {
    char one[1024], two[1024], whole[64], parts[64], path[700];
    snprintf(whole, sizeof whole, "%s", name);
    snprintf(parts, sizeof parts, "%s_killed", name);
    to_the_end(train, in_root(whole), one);
    killed(train, in_root(parts), 1);
    /* a line cut off in the middle, and one of a step that was not saved */
    snprintf(path, sizeof path, "%s/%s", in_root(parts), csv);
    FILE *file = fopen(path, "a");
    assert_non_null(file);
    fprintf(file, "%d,9.9,train,1\n%d,1", STEPS - 1, STEPS);
    fclose(file);
    killed(train, in_root(parts), 2);
    to_the_end(train, in_root(parts), two);
    assert_same_model(one, two);
    assert_true(assert_steps_ascend(path) >= 2);
}

static void head_goes_on_after_kill(void **unused) {
    (void)unused;
    goes_on_after_kill(train_head, "head", "head.csv");
}

static void torso_goes_on_after_kill(void **unused) {
    (void)unused;
    goes_on_after_kill(train_torso, "torso", "torso.csv");
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(head_goes_on_after_kill),
        cmocka_unit_test(torso_goes_on_after_kill),
    };
    return cmocka_run_group_tests(tests, make, drop);
}
