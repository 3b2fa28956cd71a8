/* What the tests of io share: a context, a folder that goes away, small files. */
#ifndef TALKGEN_TESTS_IO_TEST_H
#define TALKGEN_TESTS_IO_TEST_H

#include "talkgen/io.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static tg_context *ctx;
static char folder[64];

/* Path of a file in the test's folder; four at a time. */
static inline const char *in_folder(const char *name) {
    static char paths[4][512];
    static int next;
    char *path = paths[next++ % 4];
    assert_true(snprintf(path, sizeof paths[0], "%s/%s", folder, name) < (int)sizeof paths[0]);
    return path;
}

/* Number of files in the test's folder. */
static inline int files_in_folder(void) {
    int n = 0;
    DIR *dir = opendir(folder);
    for (struct dirent *e; dir && (e = readdir(dir));) {
        n += strcmp(e->d_name, ".") != 0 && strcmp(e->d_name, "..") != 0;
    }
    if (dir) {
        closedir(dir);
    }
    return n;
}

static inline void empty_folder(void) {
    DIR *dir = opendir(folder);
    for (struct dirent *e; dir && (e = readdir(dir));) {
        if (strcmp(e->d_name, ".") != 0 && strcmp(e->d_name, "..") != 0) {
            remove(in_folder(e->d_name));
        }
    }
    if (dir) {
        closedir(dir);
    }
}

static inline void put_file(const char *path, const void *data, size_t bytes) {
    FILE *f = fopen(path, "wb");
    assert_non_null(f);
    assert_int_equal(fwrite(data, 1, bytes, f), bytes);
    assert_int_equal(fclose(f), 0);
}

static inline int start(void **state) {
    (void)state;
    ctx = tg_context_create(1);
    strcpy(folder, "io_XXXXXX");
    return ctx && mkdtemp(folder) ? 0 : -1;
}

static inline int stop(void **state) {
    (void)state;
    empty_folder();
    int result = rmdir(folder);
    tg_context_destroy(&ctx);
    return result;
}

#define assert_ok(call)                                                                            \
    do {                                                                                           \
        tg_status status_ = (call);                                                                \
        if (status_ != TG_OK)                                                                      \
            print_error("%s\n", tg_message(ctx));                                                  \
        assert_int_equal(status_, TG_OK);                                                          \
    } while (0)

/* A message of three parts that contains `text`. */
static inline void assert_message(const char *text) {
    if (!strstr(tg_message(ctx), text) || !strstr(tg_message(ctx), "expected: ")) {
        print_error("message: %s\n  lacks: %s\n", tg_message(ctx), text);
        fail();
    }
}

#endif
