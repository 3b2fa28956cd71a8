/* A folder of its own for the files of a test program. */
#ifndef TALKGEN_TESTS_TEST_ROOT_H
#define TALKGEN_TESTS_TEST_ROOT_H

#include "talkgen/io.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

static char root[96];

static inline bool make_root(const char *program) {
    snprintf(root, sizeof root, "%s.%ld", program, (long)getpid());
    return tg_make_dirs(NULL, root) == TG_OK;
}

/* Path of a file in it; sixteen at a time. */
__attribute__((format(printf, 1, 2))) static inline const char *in_root(const char *format, ...) {
    static char path[16][1024];
    static int next;
    char *p = path[next++ % 16];
    int n = snprintf(p, sizeof path[0], "%s/", root);
    va_list args;
    va_start(args, format);
    vsnprintf(p + n, sizeof path[0] - (size_t)n, format, args);
    va_end(args);
    return p;
}

/* As a teardown of the group. */
static inline int remove_root(void **state) {
    (void)state;
    char command[128];
    snprintf(command, sizeof command, "rm -rf '%s'", root);
    return system(command);
}

#endif
