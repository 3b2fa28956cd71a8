/* The grid renderer on an NVIDIA GPU, behind tg_renderer: the same head, torso and rules (`fast`
 * follows every ray; the CPU interpolates between some). What a frame or a picture size makes
 * constant comes from the CPU renderer's own tables. Two frames may be under way.
 */
#ifndef TALKGEN_RENDER_CUDA_BACKEND_H
#define TALKGEN_RENDER_CUDA_BACKEND_H

#include "render/frame.h"

enum { TG_CUDA_SLOTS = 2 };

typedef struct tg_cuda tg_cuda;

/* For renderer `r`, whose options, head, torso, occupancy and background are there already.
 * TG_EUSAGE without a device that will do, TG_ENOMEM when it is too small. */
tg_status tg_cuda_create(tg_context *ctx, const tg_renderer *r, tg_cuda **out);
void tg_cuda_destroy(tg_cuda **cuda);
/* After parameters, occupancy or the background of r changed; no frame may be under way. */
tg_status tg_cuda_update(tg_context *ctx, tg_cuda *cuda, const tg_renderer *r);
/* Begins a frame: r->pose, the biases of r->head and r->torso and r->skip are those of the frame,
 * and may change once this has returned. rays_d [pixels,3] or NULL. With probe the frame is waited
 * for. `floats`: also what a tg_picture has besides rgb8. At most TG_CUDA_SLOTS frames are under
 * way. */
tg_status tg_cuda_begin(tg_context *ctx, tg_cuda *cuda, const tg_renderer *r, const float *rays_d,
                        tg_probe *probe, bool floats);
/* Waits for the frame that was begun first. */
tg_status tg_cuda_finish(tg_context *ctx, tg_cuda *cuda, const tg_picture *picture,
                         tg_render_counts *counts);
/* Name of the device, for people. */
const char *tg_cuda_name(const tg_cuda *cuda);
/* The device that would be taken and its compute capability, or why there is none. */
void tg_cuda_describe(char *text, size_t size);

#endif
