/* Between the host's C and the kernels. */
#ifndef TALKGEN_RENDER_CUDA_LAUNCH_H
#define TALKGEN_RENDER_CUDA_LAUNCH_H

#include "scene.h"

#include <cuda_runtime_api.h>
#include <stdbool.h>
#include <stddef.h>

#ifdef __cplusplus
extern "C" {
#endif

/* Which kernels a scene is rendered with, and how they are launched. */
typedef struct {
    int multiprocessors; /* given */
    int head_kind, head_threads, head_blocks;
    size_t head_bytes;
    bool torso_full;
    int torso_threads, torso_blocks;
} tg_cuda_plan;

/* tensor_width: 64 or 128 when the head's fragments are there, else 0. */
cudaError_t tg_cuda_plan_make(const tg_cuda_scene *scene, int tensor_width, bool tensor_torso_fits,
                              tg_cuda_plan *plan);
/* All rays to their ends. */
cudaError_t tg_cuda_launch_march(const tg_cuda_plan *plan, const tg_cuda_scene *scene,
                                 const tg_cuda_view *view, cudaStream_t stream);
/* One round of the published schedule: list view->alive[from] of `alive` rays, `samples` each. */
cudaError_t tg_cuda_launch_round(const tg_cuda_plan *plan, const tg_cuda_scene *scene,
                                 const tg_cuda_view *view, int from, int alive, int samples,
                                 cudaStream_t stream);
/* Before the first round (start), after the last one. */
cudaError_t tg_cuda_launch_rounds(const tg_cuda_plan *plan, const tg_cuda_scene *scene,
                                  const tg_cuda_view *view, bool start, cudaStream_t stream);
/* Torso, background and the picture. */
cudaError_t tg_cuda_launch_compose(const tg_cuda_plan *plan, const tg_cuda_scene *scene,
                                   const tg_cuda_view *view, cudaStream_t stream);

#ifdef __cplusplus
}
#endif
#endif
