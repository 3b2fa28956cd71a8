/* How much memory this process may still take. */
#include "talkgen/core.h"

#include <limits.h>
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

static size_t minus(size_t limit, size_t used) {
    return limit == SIZE_MAX || used == SIZE_MAX ? SIZE_MAX : limit > used ? limit - used : 0;
}

/* This process's group of cgroup v2 below its mount, such as "/user.slice/job_7"; "" for the top,
 * which is also all that a container sees. */
static void own_group(char *out, size_t size) {
    char line[PATH_MAX];
    out[0] = '\0';
    FILE *file = fopen("/proc/self/cgroup", "r");
    while (file && fgets(line, sizeof line, file))
        if (strncmp(line, "0::", 3) == 0) {
            line[strcspn(line, "\n")] = '\0';
            snprintf(out, size, "%s", strcmp(line + 3, "/") == 0 ? "" : line + 3);
        }
    if (file)
        fclose(file);
}

/* A limit holds for all groups below the one that has it. */
static void look_at_groups(tg_memory *m) {
    char group[PATH_MAX], path[PATH_MAX + 64];
    own_group(group, sizeof group);
    for (;;) {
        snprintf(path, sizeof path, "/sys/fs/cgroup%s/memory.max", group);
        const size_t limit = number_in(path);
        snprintf(path, sizeof path, "/sys/fs/cgroup%s/memory.current", group);
        m->group_limit = smaller(m->group_limit, limit);
        m->left = smaller(m->left, minus(limit, number_in(path)));
        char *slash = strrchr(group, '/');
        if (!slash)
            return;
        *slash = '\0';
    }
}

tg_memory tg_memory_now(void) {
    tg_memory m = {.total = line_of("/proc/meminfo", "MemTotal:"),
                   .group_limit = SIZE_MAX,
                   .space_limit = SIZE_MAX,
                   .left = line_of("/proc/meminfo", "MemAvailable:")};
    look_at_groups(&m);
    struct rlimit space;
    if (getrlimit(RLIMIT_AS, &space) == 0 && space.rlim_cur != RLIM_INFINITY) {
        m.space_limit = (size_t)space.rlim_cur;
        m.left = smaller(m.left, minus(m.space_limit, line_of("/proc/self/status", "VmSize:")));
    }
    return m;
}
