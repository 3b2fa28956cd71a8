/* Temporary files of those who died; private to batch. */
#ifndef TG_BATCH_SWEEP_H
#define TG_BATCH_SWEEP_H

#include "batch/lock.h"

/* Removes every .NAME.PID-N.part below the folder whose NAME nobody has locked. Returns how many.
 */
int tg_sweep(const char *folder, tg_locks *locks);
/* NAME of such a temporary, without .json at its end; false for other files. out[size]. */
bool tg_sweep_name(const char *file, char *out, size_t size);
/* The name under which a file inside the folder is locked against the sweep: its path from there,
 * without .json at its end. False when it is elsewhere, where nothing is swept. name[size]. */
bool tg_sweep_place(const char *folder, const char *path, char *name, size_t size);

#endif
