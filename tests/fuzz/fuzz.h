/* What the fuzz targets share. Each is a program that damages files
 * (mutate.c) and, with clang and -DTALKGEN_FUZZ=ON, one of libFuzzer; see README.md here. */
#ifndef TALKGEN_TESTS_FUZZ_H
#define TALKGEN_TESTS_FUZZ_H

#include "talkgen/io.h"

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes);

/* For mutate.c: whether what is allocated now belongs to the target and not to the reader, and
 * whether the reader took the file. */
__attribute__((weak)) bool fuzz_own_memory;
__attribute__((weak)) int fuzz_accepted;

/* One context for the whole run, one thread. */
static inline tg_context *fuzz_context(void) {
    static tg_context *ctx;
    if (!ctx && !(ctx = tg_context_create(1))) {
        abort();
    }
    return ctx;
}

/* The input as a file without a disk. The path holds until the next call. */
static inline const char *fuzz_file(const uint8_t *data, size_t bytes) {
    static int fd = -1;
    static char path[64];
    if (fd >= 0) {
        close(fd);
    }
    fd = memfd_create("input", MFD_CLOEXEC);
    if (fd < 0 || write(fd, data, bytes) != (ssize_t)bytes) {
        abort();
    }
    snprintf(path, sizeof path, "/proc/self/fd/%d", fd);
    return path;
}

/* The input as a regular file in the current folder, for readers that want one; fuzz_disk_done
 * removes it. */
static inline const char *fuzz_disk_file(const uint8_t *data, size_t bytes) {
    static char path[64];
    snprintf(path, sizeof path, "fuzz-input-%ld", (long)getpid());
    FILE *file = fopen(path, "wb");
    if (!file || (bytes && fwrite(data, bytes, 1, file) != 1) || fclose(file) != 0) {
        abort();
    }
    return path;
}

static inline void fuzz_disk_done(const char *path) {
    unlink(path);
}

/* A failure says why, a success is TG_OK: everything else is a mistake of ours. */
static inline void fuzz_check(tg_status status) {
    if (status != TG_OK && !tg_message(fuzz_context())[0]) {
        abort();
    }
    if (status == TG_EINTERNAL) {
        abort();
    }
    fuzz_accepted += status == TG_OK;
}

#endif
