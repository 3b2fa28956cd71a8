/* Inside io: named tensors that no safetensors file holds. */
#ifndef TALKGEN_IO_SAFETENSORS_H
#define TALKGEN_IO_SAFETENSORS_H

#include "talkgen/io.h"

/* Takes `tensors` (tg_alloc) and `copies`, which owns their names, in every case. */
tg_status tg_st_of_tensors(tg_context *ctx, const char *path, tg_st_tensor *tensors, int count,
                           tg_arena *copies, tg_st **out);
/* Whether the tensors lie in a file that stays mapped as long as somebody holds `st`. */
bool tg_st_mapped(const tg_st *st);

#endif
