/* What tests of training loops share: runs that are stopped or killed on the way, and results that
 * have to be equal. */
#ifndef TALKGEN_TESTS_TRAIN_RUNS_H
#define TALKGEN_TESTS_TRAIN_RUNS_H

#include "talkgen/io.h"

#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>

/* At its `left`-th report, a stage of training is cancelled, or the process killed. */
typedef struct {
    tg_context *ctx;
    const char *stage; /* NULL = runs to its end */
    int left;
    bool kill;
} stopper;

static inline void stop_there(void *user, const char *stage, double done, double total,
                              const char *text) {
    (void)done, (void)total, (void)text;
    stopper *s = user;
    if (!s->stage || strcmp(stage, s->stage) != 0 || --s->left != 0)
        return;
    if (s->kill)
        raise(SIGKILL);
    tg_cancel(s->ctx, TG_ESTOPPED);
}

/* A process that was forked has to die so. */
static inline void assert_killed(pid_t child) {
    int how;
    assert_int_equal(waitpid(child, &how, 0), child);
    assert_true(WIFSIGNALED(how) && WTERMSIG(how) == SIGKILL);
}

/* As a run that was killed may leave a log: with a line of `step`, which was not saved, and one
 * that was cut off in the middle. */
static inline void spoil_log(const char *path, int step) {
    FILE *file = fopen(path, "a");
    assert_non_null(file);
    fprintf(file, "%d,9.9,train,1\n%d,1", step, step + 1);
    assert_int_equal(fclose(file), 0);
}

/* Steps of a log never go back and end with `last`; returns its number of lines. */
static inline int assert_steps_ascend(const char *path, long long last) {
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
    assert_int_equal(before, last);
    return lines;
}

static inline void assert_same_file(const char *a, const char *b) {
    char md5[2][33];
    tg_context *ctx = tg_context_create(1);
    assert_int_equal(tg_file_md5(ctx, a, md5[0]), TG_OK);
    assert_int_equal(tg_file_md5(ctx, b, md5[1]), TG_OK);
    assert_string_equal(md5[0], md5[1]);
    tg_context_destroy(&ctx);
}

#endif
