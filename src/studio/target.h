/* Morph targets: sparse displacements of base vertices. */
#ifndef TG_STUDIO_TARGET_H
#define TG_STUDIO_TARGET_H

#include "talkgen/core.h"

typedef struct {
    int count;
    int32_t *index;    /* [count] base vertex */
    float (*delta)[3]; /* [count] dm at weight 1 */
} tg_target;

/* Indices are checked against `vertices`. A file without data lines is a target that does nothing.
 */
tg_status tg_target_load(tg_context *ctx, const char *path, int vertices, tg_target *out);
void tg_target_free(tg_target *target);
/* x[index] += weight * delta. */
void tg_target_apply(const tg_target *target, float weight, float (*x)[3]);
/* The part of `target` on vertices with slot[vertex] >= 0, indices replaced by slots. */
tg_status tg_target_select(tg_context *ctx, const tg_target *target, const int32_t *slot,
                           tg_target *out);

#endif
