/* Takes from whoever makes them, fetched ahead by a thread. */
#ifndef TALKGEN_TRAIN_SUPPLY_H
#define TALKGEN_TRAIN_SUPPLY_H

#include "talkgen/train.h"

typedef struct tg_supply tg_supply;
/* Begins with take `first`; up to `ahead` takes wait for their reader. */
tg_status tg_supply_open(tg_context *ctx, const tg_train_takes *source, bool held_out,
                         uint64_t first, int ahead, tg_supply **out);
/* The next take in order; the caller frees it. Waits for it, or leaves with TG_ESTOPPED or TG_EINTR
 * when ctx is cancelled. */
tg_status tg_supply_next(tg_context *ctx, tg_supply *supply, tg_train_take *out);
void tg_supply_close(tg_supply **supply);
void tg_train_take_free(tg_train_take *take);

#endif
