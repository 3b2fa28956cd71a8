/* What kill -9 leaves: files under temporary names. Whoever holds the lock of a clip may write
 * such files for it; when nobody holds it, nobody will rename them any more. */
#include "batch/sweep.h"

#include <ctype.h>
#include <dirent.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { DEPTH = 16 };

/* Length of text without the digits at its end; n when there are none. */
static size_t before_digits(const char *text, size_t n) {
    size_t i = n;
    while (i > 0 && isdigit((unsigned char)text[i - 1]))
        i--;
    return i;
}

/* A sidecar has the lock of its clip. */
static size_t without_json(const char *name, size_t n) {
    static const char json[] = ".json";
    size_t m = sizeof json - 1;
    return n > m && strncmp(name + n - m, json, m) == 0 ? n - m : n;
}

bool tg_sweep_name(const char *file, char *out, size_t size) {
    static const char end[] = ".part";
    size_t n = strlen(file), m = sizeof end - 1;
    if (file[0] != '.' || n < m + 6 || strcmp(file + n - m, end) != 0)
        return false;
    size_t a = before_digits(file, n - m);
    if (a == n - m || a < 3 || file[a - 1] != '-')
        return false;
    size_t b = before_digits(file, a - 1);
    if (b == a - 1 || b < 3 || file[b - 1] != '.')
        return false;
    n = without_json(file + 1, b - 2); /* and without the dots around the name */
    if (n + 1 > size)
        return false;
    memcpy(out, file + 1, n);
    out[n] = '\0';
    return true;
}

bool tg_sweep_place(const char *folder, const char *path, char *name, size_t size) {
    char parent[PATH_MAX], root[PATH_MAX], inside[PATH_MAX];
    const char *slash = strrchr(path, '/');
    int n = slash ? (int)(slash - path) + 1 : 0;
    snprintf(parent, sizeof parent, "%.*s.", n, path);
    if (!realpath(folder, root) || !realpath(parent, inside))
        return false;
    size_t m = strlen(root);
    if (strncmp(inside, root, m) != 0 || (inside[m] && inside[m] != '/' && root[m - 1] != '/'))
        return false;
    const char *below = inside + m + (inside[m] == '/'), *base = path + n;
    int length = (int)without_json(base, strlen(base));
    n = snprintf(name, size, "%s%s%.*s", below, *below ? "/" : "", length, base);
    return n > 0 && (size_t)n < size;
}

static int sweep(const char *folder, const char *below, int depth, tg_locks *locks) {
    char path[PATH_MAX], inner[PATH_MAX], name[NAME_MAX + 1];
    int removed = 0;
    snprintf(path, sizeof path, "%s/%s", folder, below);
    DIR *dir = opendir(path);
    if (!dir)
        return 0;
    for (struct dirent *e; (e = readdir(dir));) {
        struct stat st;
        if (strcmp(e->d_name, ".") == 0 || strcmp(e->d_name, "..") == 0)
            continue;
        int n = snprintf(path, sizeof path, "%s/%s%s", folder, below, e->d_name);
        if (n < 0 || (size_t)n >= sizeof path || lstat(path, &st) != 0)
            continue;
        if (S_ISDIR(st.st_mode) && depth < DEPTH && e->d_name[0] != '.') {
            n = snprintf(inner, sizeof inner, "%s%s/", below, e->d_name);
            if (n > 0 && (size_t)n < sizeof inner)
                removed += sweep(folder, inner, depth + 1, locks);
        } else if (S_ISREG(st.st_mode) && tg_sweep_name(e->d_name, name, sizeof name)) {
            n = snprintf(inner, sizeof inner, "%s%s", below, name);
            if (n > 0 && (size_t)n < sizeof inner && tg_locks_try(locks, inner)) {
                removed += unlink(path) == 0;
                tg_locks_release(locks, inner);
            }
        }
    }
    closedir(dir);
    return removed;
}

int tg_sweep(const char *folder, tg_locks *locks) {
    return sweep(folder, "", 0, locks);
}
