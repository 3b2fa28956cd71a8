/* Inside io: files being written and files being mapped. */
#ifndef TALKGEN_IO_FILES_H
#define TALKGEN_IO_FILES_H

#include "talkgen/core.h"

#include <limits.h>

/* A file being written under a temporary name in the directory of its target, so that the rename
 * at the end stays inside one file system and nobody ever sees half a file. It may grow elsewhere
 * first: in a file without a name, which goes when its process goes, and is copied at the end. */
typedef struct {
    int fd; /* -1 when closed */
    char target[PATH_MAX];
    char name[PATH_MAX]; /* of what is written now */
    bool away;           /* it grows elsewhere: in the directory `place`, held by `held` */
    int held;
    char place[PATH_MAX],
        beside[PATH_MAX]; /* beside: the temporary name in the target's directory */
    bool direct;  /* the target is a device or a pipe: written as it is, never renamed or removed */
    size_t whole; /* bytes that the file will have, 0 = not known; for messages */
} tg_temp;

/* TG_EOUTPUT when the directory is missing or not writable or the target is a directory. */
tg_status tg_temp_open(tg_context *ctx, const char *target, tg_temp *temp);
/* The same, growing in the directory `place` first; NULL or a target that is a device or a pipe: as
 * tg_temp_open. */
tg_status tg_temp_open_away(tg_context *ctx, const char *target, const char *place, tg_temp *temp);
tg_status tg_temp_write(tg_context *ctx, tg_temp *temp, const void *data, size_t bytes);
/* Replaces bytes that are written already. */
tg_status tg_temp_write_at(tg_context *ctx, tg_temp *temp, const void *data, size_t bytes,
                           size_t offset);
/* Closes and renames; on failure nothing is left. */
tg_status tg_temp_commit(tg_context *ctx, tg_temp *temp);
void tg_temp_abort(tg_temp *temp);
/* tg_write_failed, knowing how many bytes of a `whole` file (0: not known) had been written. */
tg_status tg_write_failed_at(tg_context *ctx, const char *path, int error, int64_t bytes,
                             size_t whole);
/* What was written survives a crash of the machine, also when the file was written by name. What
 * grew elsewhere is beside its target then, under its temporary name. */
tg_status tg_temp_sync(tg_context *ctx, tg_temp *temp);
/* The message for `temp` that cannot be written, with the bytes that are there. */
tg_status tg_temp_failed(tg_context *ctx, const tg_temp *temp, int error);

/* A whole file, mapped read-only. bytes 0: data is NULL. */
typedef struct {
    const uint8_t *data;
    size_t bytes;
} tg_map;

/* `status` is what a missing or unreadable file means to the caller (TG_EINPUT, TG_EMODEL). */
tg_status tg_map_open(tg_context *ctx, const char *path, tg_status status, tg_map *map);
void tg_map_close(tg_map *map);
/* The one message for input that cannot be opened or read; error is an errno. */
tg_status tg_read_failed(tg_context *ctx, tg_status status, const char *path, int error);

/* Little-endian numbers at any address. */
uint16_t tg_get_u16(const uint8_t *p);
uint32_t tg_get_u32(const uint8_t *p);
uint64_t tg_get_u64(const uint8_t *p);

#endif
