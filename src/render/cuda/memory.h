/* Blocks of device memory, and the one way in which the device's errors become messages. */
#ifndef TALKGEN_RENDER_CUDA_MEMORY_H
#define TALKGEN_RENDER_CUDA_MEMORY_H

#include "launch.h"

#include "render/frame.h"

/* What a renderer keeps on the device. */
enum {
    TG_CUDA_POSITION,
    TG_CUDA_AMBIENT,
    TG_CUDA_TORSO,
    TG_CUDA_LEVELS,
    TG_CUDA_WEIGHTS,
    TG_CUDA_HEAD_FRAGMENTS,
    TG_CUDA_TORSO_FRAGMENTS,
    TG_CUDA_BITFIELD,
    TG_CUDA_BITS,
    TG_CUDA_BY_ROW,
    TG_CUDA_BY_COLUMN,
    TG_CUDA_TORSO_MASK,
    TG_CUDA_BACKGROUND,
    TG_CUDA_SCRATCH,
    TG_CUDA_RGB_WEIGHT,
    TG_CUDA_DEPTH_SUM,
    TG_CUDA_RAYS,
    TG_CUDA_ALIVE,
    TG_CUDA_OTHER_ALIVE,
    TG_CUDA_DIRECTIONS,
    TG_CUDA_BLOCKS
};

typedef struct {
    void *block[TG_CUDA_BLOCKS];
    size_t bytes[TG_CUDA_BLOCKS];
} tg_cuda_memory;

/* TG_OK, or the error in words; `doing` completes "GPU: ...". */
tg_status tg_cuda_check(tg_context *ctx, cudaError_t error, const char *doing);
/* Takes a block unless it is there with that size. */
tg_status tg_cuda_take(tg_context *ctx, tg_cuda_memory *memory, int which, size_t bytes);
/* The same, and copies `bytes` from data. */
tg_status tg_cuda_put(tg_context *ctx, tg_cuda_memory *memory, int which, const void *data,
                      size_t bytes);
void tg_cuda_memory_free(tg_cuda_memory *memory);

/* The model and the options of r on the device, and what the kernels are told of them. */
tg_status tg_cuda_scene_fill(tg_context *ctx, tg_cuda_memory *memory, const tg_renderer *r,
                             tg_cuda_scene *scene);
/* Width of the head's hidden layers on tensor cores, 0 when they do not fit or nobody wants them.
 */
int tg_cuda_tensor_width(const tg_renderer *r);
bool tg_cuda_tensor_torso(const tg_renderer *r);

#endif
