/* Which clips are whose. */
#include "talkgen/batch.h"

#include "batch/names.h"

#include <stdlib.h>

enum { MOST = 1000000 };

/* A whole number from 0 to MOST, -1 for anything else. */
static long whole(const char *text) {
    char *end;
    if (!text || *text < '0' || *text > '9')
        return -1;
    long n = strtol(text, &end, 10);
    return *end == '\0' && n <= MOST ? n : -1;
}

tg_status tg_shard_parse(tg_context *ctx, const char *text, tg_shard *out) {
    char *slash;
    long index = strtol(text, &slash, 10), count = *slash == '/' ? whole(slash + 1) : -1;
    if (*text >= '0' && *text <= '9' && count >= 1 && index >= 0 && index < count) {
        *out = (tg_shard){(int)index, (int)count};
        return TG_OK;
    }
    return tg_fail(ctx, TG_EUSAGE,
                   "--shard '%s' is no part of the clips\n  expected: K/N with K from 0 to N-1, or "
                   "auto inside a Slurm array\n  try: --shard 0/4 to --shard 3/4 for four parts",
                   text);
}

tg_status tg_shard_of_array(tg_context *ctx, const char *id, const char *count, const char *min,
                            const char *max, const char *step, tg_shard *out) {
    long k = whole(id), n = whole(count), lowest = whole(min), highest = whole(max);
    if (!id)
        return tg_fail(ctx, TG_EUSAGE,
                       "--shard auto: this is no task of a Slurm array\n"
                       "  expected: SLURM_ARRAY_TASK_ID and its kind in the environment\n"
                       "  try: --shard K/N");
    if (k < 0 || n < 1 || lowest != 0 || highest + 1 != n || k >= n || (step && whole(step) != 1))
        return tg_fail(ctx, TG_EUSAGE,
                       "--shard auto: task %s of an array of %s tasks from %s to %s\n"
                       "  expected: an array from 0 to N-1 in steps of 1; a part of it would take "
                       "the clips of others\n  try: --shard %s/N with the N of the whole array, or "
                       "the whole array again, which skips what is complete",
                       id, count ? count : "?", min ? min : "?", max ? max : "?", id);
    *out = (tg_shard){(int)k, (int)n};
    return TG_OK;
}

bool tg_shard_has(const tg_shard *shard, const char *id) {
    return shard->count <= 1 || tg_name_hash(id) % (uint64_t)shard->count == (uint64_t)shard->index;
}
