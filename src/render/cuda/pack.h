/* The model as the kernels want it, made on the host. */
#ifndef TALKGEN_RENDER_CUDA_PACK_H
#define TALKGEN_RENDER_CUDA_PACK_H

#include "scene.h"

#include "talkgen/render.h"

#include <stdbool.h>

/* Weight [out][ld], its first `in` columns -> fragments as fragments.h says, `in` and `out` padded
 * with zeros to wide_in and wide_out; returns the words written. Values beyond fp16's range become
 * its largest. */
int tg_cuda_pack_layer(const float *weight, int64_t ld, int in, int out, int wide_in, int wide_out,
                       uint32_t *to);
/* The same for a last layer of out <= 8. */
int tg_cuda_pack_last(const float *weight, int64_t ld, int in, int out, int wide_in, uint32_t *to);
/* Rows of two floats -> words of two fp16. */
void tg_cuda_pack_table(const float *table, size_t rows, uint32_t *to);
/* [levels] */
void tg_cuda_pack_levels(const tg_grid *grid, tg_cuda_level *to);

#endif
