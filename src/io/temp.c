/* Files being written: under a temporary name until they are complete. */
#include "io/files.h"
#include "talkgen/io.h"

#include <errno.h>
#include <fcntl.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

tg_status tg_temp_open(tg_context *ctx, const char *target, tg_temp *temp) {
    temp->fd = -1;
    temp->whole = 0;
    temp->away = false;
    size_t length = strlen(target);
    if (length == 0 || length >= sizeof temp->target) {
        return tg_write_failed(ctx, target, length ? ENAMETOOLONG : ENOENT);
    }
    memcpy(temp->target, target, length + 1);
    struct stat st;
    if (stat(target, &st) == 0 && S_ISDIR(st.st_mode)) {
        return tg_write_failed(ctx, target, EISDIR);
    }
    const char *slash = strrchr(target, '/');
    int dir = slash ? (int)(slash - target) + 1 : 0;
    const char *base = target + dir;
    if (!*base) {
        return tg_write_failed(ctx, target, EISDIR);
    }
    temp->direct = stat(target, &st) == 0 && !S_ISREG(st.st_mode);
    if (temp->direct) {
        memcpy(temp->name, target, length + 1);
        temp->fd = open(target, O_WRONLY | O_CLOEXEC);
        return temp->fd >= 0 ? TG_OK : tg_write_failed(ctx, target, errno);
    }
    /* The process id keeps processes apart and the counter threads; a leftover of a killed
     * process with the same id is stepped over by O_EXCL. */
    static atomic_uint counter;
    for (int attempt = 0; attempt < 100; attempt++) {
        unsigned number = atomic_fetch_add(&counter, 1);
        int n = snprintf(temp->name, sizeof temp->name, "%.*s.%.200s.%ld-%u.part", dir, target,
                         base, (long)getpid(), number);
        if (n < 0 || (size_t)n >= sizeof temp->name) {
            return tg_write_failed(ctx, target, ENAMETOOLONG);
        }
        temp->fd = open(temp->name, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0666);
        if (temp->fd >= 0) {
            return TG_OK;
        }
        if (errno != EEXIST) {
            break;
        }
    }
    return tg_write_failed(ctx, target, errno);
}

/* A file that has no name, or none any more. */
static int open_unnamed(const char *place) {
    int fd = open(place, O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);
    if (fd < 0 && (errno == EOPNOTSUPP || errno == EISDIR)) {
        char name[PATH_MAX];
        int n = snprintf(name, sizeof name, "%s/.talkgen-XXXXXX", place);
        errno = ENAMETOOLONG;
        fd = n > 0 && (size_t)n < sizeof name ? mkostemp(name, O_CLOEXEC) : -1;
        if (fd >= 0) {
            unlink(name);
        }
    }
    return fd;
}

tg_status tg_temp_open_away(tg_context *ctx, const char *target, const char *place, tg_temp *temp) {
    tg_status status = tg_temp_open(ctx, target, temp);
    if (status != TG_OK || !place || temp->direct) {
        return status;
    }
    char name[64];
    int held = strlen(place) < sizeof temp->place ? open_unnamed(place) : -1;
    int error = errno;
    snprintf(name, sizeof name, "/proc/self/fd/%d", held);
    int fd = held >= 0 ? open(name, O_RDWR | O_CLOEXEC) : -1;
    if (fd < 0) {
        tg_temp_abort(temp);
        if (held < 0) {
            return tg_write_failed(ctx, place, error);
        }
        close(held);
        return tg_fail(ctx, TG_EOUTPUT,
                       "%s: a file without a name cannot be used there\n"
                       "  expected: /proc to be mounted\n  try: to leave --tmp-dir out",
                       place);
    }
    close(temp->fd);
    temp->away = true;
    temp->held = held;
    temp->fd = fd;
    memcpy(temp->beside, temp->name, sizeof temp->beside);
    strcpy(temp->name, name);
    strcpy(temp->place, place);
    return TG_OK;
}

/* How much of it is there, -1 when that cannot be told. */
static int64_t bytes_of(const tg_temp *temp) {
    struct stat st;
    int error = temp->fd >= 0 ? fstat(temp->fd, &st) : stat(temp->name, &st);
    return error == 0 && S_ISREG(st.st_mode) ? st.st_size : -1;
}

/* Which disk it was must be seen. */
static tg_status failed_at(tg_context *ctx, const tg_temp *temp, int error, int64_t bytes) {
    char path[2 * PATH_MAX + 8];
    snprintf(path, sizeof path, "%s%s%s", temp->target, temp->away ? ", in " : "",
             temp->away ? temp->place : "");
    return tg_write_failed_at(ctx, path, error, bytes, temp->whole);
}

tg_status tg_temp_failed(tg_context *ctx, const tg_temp *temp, int error) {
    return failed_at(ctx, temp, error, bytes_of(temp));
}

tg_status tg_temp_write(tg_context *ctx, tg_temp *temp, const void *data, size_t bytes) {
    const char *at = data;
    while (bytes > 0) {
        /* Linux writes at most 2 GiB - 4 KiB at once. */
        ssize_t n = write(temp->fd, at, bytes < (1u << 30) ? bytes : (1u << 30));
        if (n < 0 && errno == EINTR) {
            continue;
        }
        if (n <= 0) {
            int error = n < 0 ? errno : ENOSPC;
            return failed_at(ctx, temp, error, lseek(temp->fd, 0, SEEK_CUR));
        }
        at += n;
        bytes -= (size_t)n;
    }
    return TG_OK;
}

tg_status tg_temp_write_at(tg_context *ctx, tg_temp *temp, const void *data, size_t bytes,
                           size_t offset) {
    const char *at = data;
    while (bytes > 0) {
        ssize_t n = pwrite(temp->fd, at, bytes, (off_t)offset);
        if (n < 0 && errno == EINTR) {
            continue;
        }
        if (n <= 0) {
            return tg_temp_failed(ctx, temp, n < 0 ? errno : ENOSPC);
        }
        at += n;
        offset += (size_t)n;
        bytes -= (size_t)n;
    }
    return TG_OK;
}

/* From where it grew to the file beside its target, which it is from then on. */
static tg_status bring_home(tg_context *ctx, tg_temp *temp) {
    struct stat st;
    char block[65536];
    tg_temp copy = {.fd = open(temp->beside, O_WRONLY | O_TRUNC | O_NOFOLLOW | O_CLOEXEC)};
    memcpy(copy.target, temp->target, sizeof copy.target);
    if (copy.fd < 0 || fstat(temp->held, &st) != 0) {
        tg_status status = tg_write_failed(ctx, temp->target, errno);
        if (copy.fd >= 0) {
            close(copy.fd);
        }
        return status;
    }
    copy.whole = (size_t)st.st_size;
    tg_status status = TG_OK;
    for (off_t at = 0; status == TG_OK && at < st.st_size;) {
        ssize_t n = pread(temp->held, block, sizeof block, at);
        if (n > 0) {
            status = tg_temp_write(ctx, &copy, block, (size_t)n);
            at += n;
        } else if (n == 0 || errno != EINTR) {
            status = tg_write_failed(ctx, temp->place, n == 0 ? EIO : errno);
        }
    }
    if (status != TG_OK) {
        close(copy.fd);
        return status;
    }
    close(temp->held);
    if (temp->fd >= 0) {
        close(temp->fd);
    }
    temp->away = false;
    temp->fd = copy.fd;
    temp->whole = copy.whole;
    memcpy(temp->name, temp->beside, sizeof temp->name);
    return TG_OK;
}

tg_status tg_temp_sync(tg_context *ctx, tg_temp *temp) {
    tg_status home = temp->away ? bring_home(ctx, temp) : TG_OK;
    if (home != TG_OK) {
        return home;
    }
    int fd = temp->fd >= 0 ? temp->fd : open(temp->name, O_RDONLY | O_CLOEXEC);
    int error = fd < 0 || fsync(fd) != 0 ? errno : 0;
    if (fd >= 0 && fd != temp->fd) {
        close(fd);
    }
    /* Some file systems cannot; then the rename has to do. */
    return error == 0 || error == EINVAL || error == ENOSYS ? TG_OK
                                                            : tg_temp_failed(ctx, temp, error);
}

tg_status tg_temp_commit(tg_context *ctx, tg_temp *temp) {
    int error = 0;
    int64_t bytes = bytes_of(temp);
    if (temp->fd >= 0 && close(temp->fd) != 0) {
        error = errno; /* network file systems report a full disk only here */
    }
    temp->fd = -1;
    if (!error && !temp->direct && rename(temp->name, temp->target) != 0) {
        error = errno;
    }
    if (error) {
        tg_temp_abort(temp);
        return failed_at(ctx, temp, error, bytes);
    }
    return TG_OK;
}

void tg_temp_abort(tg_temp *temp) {
    if (temp->fd >= 0) {
        close(temp->fd);
        temp->fd = -1;
    }
    if (temp->away) {
        close(temp->held);
        unlink(temp->beside);
    } else if (!temp->direct) {
        unlink(temp->name);
    }
    temp->away = false;
}
