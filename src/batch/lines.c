/* Lines of a file or a pipe. A line of a pipe is given out as soon as it is there: programs write
 * one job and wait for its event. */
#include "batch/lines.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

struct tg_lines {
    int fd;
    bool owned, ended;
    int64_t number;
    char *name;
    char *data; /* [room] */
    size_t at, have, room;
};

tg_status tg_lines_open(tg_context *ctx, const char *path, tg_lines **out) {
    *out = NULL;
    const bool piped = strcmp(path, "-") == 0;
    int fd = piped ? STDIN_FILENO : open(path, O_RDONLY | O_CLOEXEC);
    struct stat st;
    int error = fd < 0 || fstat(fd, &st) != 0 ? errno : S_ISDIR(st.st_mode) ? EISDIR : 0;
    if (error) {
        if (fd >= 0 && !piped)
            close(fd);
        return tg_fail(ctx, TG_EUSAGE,
                       "%s: cannot read the manifest: %s\n  expected: JSON Lines, CSV, or - for "
                       "standard input\n  try: ls -l on it",
                       path, strerror(error));
    }
    tg_lines *l = calloc(1, sizeof *l);
    if (l) {
        l->fd = fd;
        l->owned = !piped;
        l->name = strdup(piped ? "standard input" : path);
        l->room = 65536;
        l->data = malloc(l->room + 1);
    }
    if (!l || !l->name || !l->data) {
        if (!piped)
            close(fd);
        if (l)
            l->owned = false;
        tg_lines_close(&l);
        return tg_fail(ctx, TG_ENOMEM, "%s: out of memory", path);
    }
    *out = l;
    return TG_OK;
}

void tg_lines_close(tg_lines **lines) {
    if (!lines || !*lines)
        return;
    tg_lines *l = *lines;
    if (l->owned)
        close(l->fd);
    free(l->name);
    free(l->data);
    free(l);
    *lines = NULL;
}

const char *tg_lines_name(const tg_lines *lines) {
    return lines->name;
}

/* More bytes behind those that are there. */
static tg_status read_more(tg_context *ctx, tg_lines *l) {
    if (l->at > 0) {
        memmove(l->data, l->data + l->at, l->have - l->at);
        l->have -= l->at;
        l->at = 0;
    }
    if (l->have == l->room) {
        char *larger = realloc(l->data, 2 * l->room + 1);
        if (!larger)
            return tg_fail(ctx, TG_ENOMEM, "%s: out of memory", l->name);
        l->data = larger;
        l->room *= 2;
    }
    for (;;) {
        tg_status s = tg_cancelled(ctx);
        if (s != TG_OK)
            return s;
        struct pollfd wait = {.fd = l->fd, .events = POLLIN};
        int ready = poll(&wait, 1, 100);
        if (ready == 0 || (ready < 0 && errno == EINTR))
            continue;
        ssize_t n = read(l->fd, l->data + l->have, l->room - l->have);
        if (n < 0 && (errno == EINTR || errno == EAGAIN))
            continue;
        if (n < 0)
            return tg_fail(ctx, TG_EUSAGE,
                           "%s: line %lld cannot be read: %s\n  expected: a readable manifest\n"
                           "  try: a copy of it",
                           l->name, (long long)l->number + 1, strerror(errno));
        l->ended = n == 0;
        l->have += (size_t)n;
        return TG_OK;
    }
}

tg_status tg_lines_next(tg_context *ctx, tg_lines *l, tg_line *out, bool *done) {
    size_t seen = 0;
    bool too_long = false;
    *done = false;
    for (;;) {
        char *start = l->data + l->at;
        size_t bytes = l->have - l->at;
        char *end = bytes > seen ? memchr(start + seen, '\n', bytes - seen) : NULL;
        if (end || (l->ended && (bytes > 0 || too_long))) {
            size_t n = end ? (size_t)(end - start) : bytes;
            l->at += n + (end != NULL);
            if (n > 0 && start[n - 1] == '\r')
                n--;
            start[n] = '\0';
            too_long = too_long || n > TG_MAX_LINE;
            *out = (tg_line){start, n, ++l->number, too_long};
            return TG_OK;
        }
        if (l->ended) {
            *done = true;
            return TG_OK;
        }
        if (bytes > TG_MAX_LINE) { /* its beginning is enough; the rest is read over */
            too_long = true;
            l->have = l->at + 64;
            bytes = 64;
        }
        seen = bytes;
        tg_status s = read_more(ctx, l);
        if (s != TG_OK)
            return s;
    }
}
