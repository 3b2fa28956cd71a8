#include "memory.h"

#include <string.h>

tg_status tg_cuda_check(tg_context *ctx, cudaError_t error, const char *doing) {
    if (error == cudaSuccess) {
        return TG_OK;
    }
    if (error == cudaErrorMemoryAllocation) {
        return tg_fail(
            ctx, TG_ENOMEM,
            "GPU: out of memory for %s\n  expected: room for the model and two pictures\n"
            "  try: a smaller --size, or --device cpu",
            doing);
    }
    return tg_fail(ctx, TG_EINTERNAL,
                   "GPU: %s: %s\n  expected: a device and a driver that work\n"
                   "  try: nvidia-smi to look at the device, or --device cpu",
                   doing, cudaGetErrorString(error));
}

tg_status tg_cuda_take(tg_context *ctx, tg_cuda_memory *memory, int which, size_t bytes) {
    if (memory->block[which] != NULL && memory->bytes[which] == bytes) {
        return TG_OK;
    }
    cudaFree(memory->block[which]);
    memory->block[which] = NULL;
    memory->bytes[which] = bytes;
    return tg_cuda_check(ctx, cudaMalloc(&memory->block[which], bytes), "a renderer");
}

tg_status tg_cuda_put(tg_context *ctx, tg_cuda_memory *memory, int which, const void *data,
                      size_t bytes) {
    const tg_status status = tg_cuda_take(ctx, memory, which, bytes);
    if (status != TG_OK) {
        return status;
    }
    cudaError_t error = cudaMemcpy(memory->block[which], data, bytes, cudaMemcpyHostToDevice);
    if (error == cudaSuccess) { /* small blocks may still be on their way */
        error = cudaStreamSynchronize(0);
    }
    return tg_cuda_check(ctx, error, "copying the model");
}

void tg_cuda_memory_free(tg_cuda_memory *memory) {
    for (int i = 0; i < TG_CUDA_BLOCKS; i++) {
        cudaFree(memory->block[i]);
    }
    memset(memory, 0, sizeof *memory);
}
