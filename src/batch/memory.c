/* How much memory there is, and how much a clip takes. */
#include "batch/runner.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>

/* A number in a file of one line, SIZE_MAX when there is none ("max"). */
static size_t number_in(const char *path) {
    unsigned long long n = 0;
    FILE *file = fopen(path, "r");
    if (!file)
        return SIZE_MAX;
    int got = fscanf(file, "%llu", &n);
    fclose(file);
    return got == 1 ? (size_t)n : SIZE_MAX;
}

/* KiB behind a name in a file of the kernel, as bytes. */
static size_t line_of(const char *path, const char *name) {
    char line[256];
    unsigned long long kib;
    size_t found = SIZE_MAX, n = strlen(name);
    FILE *file = fopen(path, "r");
    while (file && fgets(line, sizeof line, file))
        if (strncmp(line, name, n) == 0 && sscanf(line + n, "%llu", &kib) == 1)
            found = (size_t)kib * 1024;
    if (file)
        fclose(file);
    return found;
}

static size_t smaller(size_t a, size_t b) {
    return a < b ? a : b;
}

size_t tg_memory_left(void) {
    size_t left = line_of("/proc/meminfo", "MemAvailable:");
    size_t limit = number_in("/sys/fs/cgroup/memory.max");
    size_t used = number_in("/sys/fs/cgroup/memory.current");
    if (limit != SIZE_MAX && used != SIZE_MAX)
        left = smaller(left, limit > used ? limit - used : 0);
    struct rlimit space;
    if (getrlimit(RLIMIT_AS, &space) == 0 && space.rlim_cur != RLIM_INFINITY) {
        size_t mapped = line_of("/proc/self/status", "VmSize:");
        if (mapped != SIZE_MAX)
            left = smaller(left,
                           (size_t)space.rlim_cur > mapped ? (size_t)space.rlim_cur - mapped : 0);
    }
    return left;
}

/* Bytes of the networks' intermediate results over a window, of the encoder's look-ahead and of the
 * pictures. Measured with the shipped voice, clips of 20 s at 32x32: 66 MiB for each clip more at
 * the same time, where this says 70. */
size_t tg_job_memory(const tg_identity *id, int width, int height) {
    size_t pixels = (size_t)(width ? width : id->width) * (size_t)(height ? height : id->height);
    size_t bytes = ((size_t)40 << 20) + 512 * pixels;
    if (id->hubert) {
        const tg_hubert_config *c = tg_hubert_config_of(id->hubert);
        size_t rows = (size_t)c->frames_per_clip;
        size_t layer = rows * (size_t)(10 * c->hidden_size + 2 * c->intermediate_size) +
                       rows * rows * (size_t)c->heads + 3200 * (size_t)c->conv_dim[0];
        bytes += sizeof(float) * layer;
    }
    return bytes;
}

int tg_runner_jobs(int wanted, int threads, int64_t clips, size_t per_job) {
    int jobs = wanted > 0 ? wanted : threads;
    if (clips >= 0 && clips < jobs)
        jobs = clips > 0 ? (int)clips : 1;
    size_t left = tg_memory_left();
    if (left != SIZE_MAX && per_job > 0 && left / per_job < (size_t)jobs)
        jobs = left / per_job > 0 ? (int)(left / per_job) : 1;
    return jobs;
}
