/* Clips as bytes of a file, locked through an open file description: unlike those of a process,
 * such locks are not lost when some other part of it closes the file. */
#include "batch/lock.h"

#include "batch/names.h"
#include "talkgen/io.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

struct tg_locks {
    int fd;
    bool none; /* the file system has no locks */
};

static struct flock byte_of(const char *out, short type) {
    return (struct flock){.l_type = type,
                          .l_whence = SEEK_SET,
                          .l_start = (off_t)(tg_name_hash(out) >> 2),
                          .l_len = 1};
}

tg_status tg_locks_open(tg_context *ctx, const char *folder, tg_locks **locks) {
    char path[PATH_MAX];
    *locks = NULL;
    tg_locks *l = calloc(1, sizeof *l);
    if (!l)
        return tg_fail(ctx, TG_ENOMEM, "%s: out of memory", folder);
    snprintf(path, sizeof path, "%s/.talkgen.lock", folder);
    l->fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0666);
    if (l->fd < 0) {
        int error = errno;
        free(l);
        return tg_write_failed(ctx, path, error);
    }
    struct flock probe = byte_of("", F_WRLCK);
    if (fcntl(l->fd, F_OFD_GETLK, &probe) != 0) {
        tg_note(ctx, "%s: this file system has no locks (%s): let only one run write there", folder,
                strerror(errno));
        l->none = true;
    }
    *locks = l;
    return TG_OK;
}

void tg_locks_close(tg_locks **locks) {
    if (!locks || !*locks)
        return;
    close((*locks)->fd);
    free(*locks);
    *locks = NULL;
}

bool tg_locks_try(tg_locks *l, const char *out) {
    struct flock lock = byte_of(out, F_WRLCK);
    if (l->none || fcntl(l->fd, F_OFD_SETLK, &lock) == 0)
        return true;
    return errno != EAGAIN && errno != EACCES && errno != EINTR;
}

void tg_locks_release(tg_locks *l, const char *out) {
    struct flock lock = byte_of(out, F_UNLCK);
    if (!l->none)
        (void)fcntl(l->fd, F_OFD_SETLK, &lock);
}

bool tg_locks_busy(tg_locks *l, const char *out) {
    struct flock lock = byte_of(out, F_WRLCK);
    return !l->none && fcntl(l->fd, F_OFD_GETLK, &lock) == 0 && lock.l_type != F_UNLCK;
}
