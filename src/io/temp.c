/* Files being written: under a temporary name until they are complete. */
#include "io/files.h"
#include "talkgen/io.h"

#include <errno.h>
#include <fcntl.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

tg_status tg_temp_open(tg_context *ctx, const char *target, tg_temp *temp) {
    temp->fd = -1;
    temp->whole = 0;
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

/* How much of it is there, -1 when that cannot be told. */
static int64_t bytes_of(const tg_temp *temp) {
    struct stat st;
    int error = temp->fd >= 0 ? fstat(temp->fd, &st) : stat(temp->name, &st);
    return error == 0 && S_ISREG(st.st_mode) ? st.st_size : -1;
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
            return tg_write_failed_at(ctx, temp->target, error, lseek(temp->fd, 0, SEEK_CUR),
                                      temp->whole);
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
            return tg_write_failed_at(ctx, temp->target, n < 0 ? errno : ENOSPC, bytes_of(temp),
                                      temp->whole);
        }
        at += n;
        offset += (size_t)n;
        bytes -= (size_t)n;
    }
    return TG_OK;
}

tg_status tg_temp_sync(tg_context *ctx, tg_temp *temp) {
    int fd = temp->fd >= 0 ? temp->fd : open(temp->name, O_RDONLY | O_CLOEXEC);
    int error = fd < 0 || fsync(fd) != 0 ? errno : 0;
    if (fd >= 0 && fd != temp->fd) {
        close(fd);
    }
    /* Some file systems cannot; then the rename has to do. */
    return error == 0 || error == EINVAL || error == ENOSYS
               ? TG_OK
               : tg_write_failed_at(ctx, temp->target, error, bytes_of(temp), temp->whole);
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
        return tg_write_failed_at(ctx, temp->target, error, bytes, temp->whole);
    }
    return TG_OK;
}

void tg_temp_abort(tg_temp *temp) {
    if (temp->fd >= 0) {
        close(temp->fd);
        temp->fd = -1;
    }
    if (!temp->direct) {
        unlink(temp->name);
    }
}
