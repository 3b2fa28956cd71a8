/* Whole files: read, write, map, make directories. */
#include "talkgen/io.h"
#include "io/files.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

tg_status tg_write_failed(tg_context *ctx, const char *path, int error) {
    return tg_write_failed_at(ctx, path, error, -1, 0);
}

tg_status tg_write_failed_at(tg_context *ctx, const char *path, int error, int64_t bytes,
                             size_t whole) {
    const char *expected = "a place where this user may write";
    const char *attempt = "another output path, or ls -ld on its directory";
    if (error == ENOSPC || error == EDQUOT) {
        expected = "room on the disk for the whole output";
        attempt = "free some space (df -h), or an output path on another disk";
    } else if (error == EFBIG) {
        expected = "a file system and a limit (ulimit -f) that take a file of this size";
        attempt = "another output path, or ulimit -f unlimited";
    } else if (error == ENOENT || error == ENOTDIR) {
        expected = "a path inside an existing directory";
        attempt = "mkdir -p on its directory";
    } else if (error == EISDIR) {
        expected = "the name of a file, this is a directory";
        attempt = "a file name inside that directory";
    } else if (error == EPIPE) {
        expected = "a reader at the other end of the pipe";
        attempt = "look at the program that reads the output";
    }
    char after[64] = "";
    if (bytes >= 0 && whole > 0) {
        snprintf(after, sizeof after, " after %" PRId64 " of %zu bytes", bytes, whole);
    } else if (bytes >= 0) {
        snprintf(after, sizeof after, " after %" PRId64 " bytes", bytes);
    }
    tg_status status = tg_fail(ctx, TG_EOUTPUT, "%s: cannot write%s: %s\n  expected: %s\n  try: %s",
                               path, after, strerror(error), expected, attempt);
    tg_set_system_error(ctx, error);
    return status;
}

tg_status tg_read_failed(tg_context *ctx, tg_status status, const char *path, int error) {
    if (error == ENOMEM) {
        return tg_fail(ctx, TG_ENOMEM, "%s: not enough memory to read it", path);
    }
    const char *attempt = "ls -l on it";
    if (error == ENOENT || error == ENOTDIR) {
        attempt = "check the spelling and the current directory";
    } else if (error == EISDIR) {
        attempt = "the name of a file inside that directory";
    }
    return tg_fail(ctx, status, "%s: cannot read: %s\n  expected: a readable file\n  try: %s", path,
                   strerror(error), attempt);
}

/* ---- mapping ------------------------------------------------------------------ */

tg_status tg_map_open(tg_context *ctx, const char *path, tg_status status, tg_map *map) {
    *map = (tg_map){0};
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0) {
        return tg_read_failed(ctx, status, path, errno);
    }
    struct stat st;
    int error = 0;
    if (fstat(fd, &st) != 0) {
        error = errno;
    } else if (S_ISDIR(st.st_mode)) {
        error = EISDIR;
    } else if (!S_ISREG(st.st_mode)) {
        error = ESPIPE; /* a pipe cannot be mapped */
    } else if (st.st_size > 0) {
        void *data = mmap(NULL, (size_t)st.st_size, PROT_READ, MAP_PRIVATE, fd, 0);
        if (data == MAP_FAILED) {
            error = errno;
        } else {
            map->data = data;
            map->bytes = (size_t)st.st_size;
        }
    }
    close(fd);
    return error ? tg_read_failed(ctx, status, path, error) : TG_OK;
}

void tg_map_close(tg_map *map) {
    if (map->data) {
        munmap((void *)(uintptr_t)map->data, map->bytes);
    }
    *map = (tg_map){0};
}

uint16_t tg_get_u16(const uint8_t *p) {
    return (uint16_t)(p[0] | p[1] << 8);
}

uint32_t tg_get_u32(const uint8_t *p) {
    return (uint32_t)tg_get_u16(p) | (uint32_t)tg_get_u16(p + 2) << 16;
}

uint64_t tg_get_u64(const uint8_t *p) {
    return (uint64_t)tg_get_u32(p) | (uint64_t)tg_get_u32(p + 4) << 32;
}

/* ---- whole files ---------------------------------------------------------------- */

tg_status tg_file_read(tg_context *ctx, const char *path, size_t limit, char **out, size_t *bytes) {
    *out = NULL;
    *bytes = 0;
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0) {
        return tg_read_failed(ctx, TG_EINPUT, path, errno);
    }
    struct stat st;
    int error = fstat(fd, &st) != 0 ? errno : S_ISDIR(st.st_mode) ? EISDIR : 0;
    size_t used = 0, room = 65536; /* pipes have no size: grow as they deliver */
    bool too_big = false;
    if (!error && S_ISREG(st.st_mode)) {
        too_big = (uintmax_t)st.st_size > limit;
        room = too_big ? 2 : (size_t)st.st_size + 2; /* the end shows without growing */
    }
    char *buffer = tg_alloc(room);
    error = !error && !buffer ? ENOMEM : error;
    while (!error && !too_big) {
        if (used + 1 >= room) {
            char *larger = tg_alloc(room * 2);
            if (!larger) {
                error = ENOMEM;
                break;
            }
            memcpy(larger, buffer, used);
            tg_free(buffer);
            buffer = larger;
            room *= 2;
        }
        ssize_t n = read(fd, buffer + used, room - used - 1);
        if (n < 0 && errno == EINTR) {
            continue;
        }
        if (n < 0) {
            error = errno;
        }
        if (n <= 0) {
            break;
        }
        used += (size_t)n;
        too_big = used > limit;
    }
    close(fd);
    if (error || too_big) {
        tg_free(buffer);
        if (error) {
            return tg_read_failed(ctx, TG_EINPUT, path, error);
        }
        return tg_fail(ctx, TG_EINPUT,
                       "%s: larger than %zu bytes\n  expected: a smaller file of its kind\n"
                       "  try: check that this is the file you meant",
                       path, limit);
    }
    buffer[used] = '\0';
    *out = buffer;
    *bytes = used;
    return TG_OK;
}

static tg_status write_whole(tg_context *ctx, const char *path, const void *data, size_t bytes,
                             bool sync) {
    tg_temp temp;
    tg_status status = tg_temp_open(ctx, path, &temp);
    if (status != TG_OK) {
        return status;
    }
    temp.whole = bytes;
    status = tg_temp_write(ctx, &temp, data, bytes);
    if (status == TG_OK && sync) {
        status = tg_temp_sync(ctx, &temp);
    }
    if (status != TG_OK) {
        tg_temp_abort(&temp);
        return status;
    }
    return tg_temp_commit(ctx, &temp);
}

tg_status tg_file_write(tg_context *ctx, const char *path, const void *data, size_t bytes) {
    return write_whole(ctx, path, data, bytes, false);
}

tg_status tg_file_write_synced(tg_context *ctx, const char *path, const void *data, size_t bytes) {
    return write_whole(ctx, path, data, bytes, true);
}

bool tg_file_exists(const char *path) {
    struct stat st;
    return stat(path, &st) == 0;
}

tg_status tg_make_dirs(tg_context *ctx, const char *path) {
    char part[PATH_MAX];
    size_t length = strlen(path);
    if (length == 0 || length >= sizeof part) {
        return tg_write_failed(ctx, path, length ? ENAMETOOLONG : ENOENT);
    }
    memcpy(part, path, length + 1);
    for (char *at = part + 1;; at++) {
        if (*at != '/' && *at != '\0') {
            continue;
        }
        char kept = *at;
        *at = '\0';
        if (mkdir(part, 0777) != 0) {
            int error = errno;
            struct stat st;
            /* Also EACCES and EROFS of parents that exist are no failure. */
            if (stat(part, &st) != 0 || !S_ISDIR(st.st_mode)) {
                return tg_write_failed(ctx, part, error == EEXIST ? ENOTDIR : error);
            }
        }
        *at = kept;
        if (!kept) {
            return TG_OK;
        }
    }
}

bool tg_has_extension(const char *path, const char *extension) {
    const char *dot = strrchr(path, '.');
    return dot && !strchr(dot, '/') && strcasecmp(dot + 1, extension) == 0;
}
