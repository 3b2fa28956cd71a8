/* One worker at a clip, among all processes and machines on an output folder; private to batch.
 *
 * A clip (by the name of its output below the folder) is a byte of the file .talkgen.lock, locked
 * while somebody renders it. The locks are the kernel's: they end with their owner, whatever ended
 * it. */
#ifndef TG_BATCH_LOCK_H
#define TG_BATCH_LOCK_H

#include "talkgen/core.h"

typedef struct tg_locks tg_locks;
/* Creates the file. TG_EOUTPUT. A file system without locks is told by a note; then every lock is
 * granted. */
tg_status tg_locks_open(tg_context *ctx, const char *folder, tg_locks **out);
void tg_locks_close(tg_locks **locks);
/* false: another process is at this clip. One process asks once for each clip at a time. */
bool tg_locks_try(tg_locks *locks, const char *out);
void tg_locks_release(tg_locks *locks, const char *out);
/* Whether somebody else holds it, without taking it. */
bool tg_locks_busy(tg_locks *locks, const char *out);

#endif
