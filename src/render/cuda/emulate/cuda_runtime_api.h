/* The part of the CUDA runtime that the backend calls, for a machine without a GPU: device memory
 * is memory, streams are in order and already done. Stands in for NVIDIA's header of the same name
 * when TALKGEN_CUDA_EMULATE is on. */
#ifndef TALKGEN_RENDER_CUDA_EMULATE_RUNTIME_H
#define TALKGEN_RENDER_CUDA_EMULATE_RUNTIME_H

#include <stddef.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef enum {
    cudaSuccess = 0,
    cudaErrorInvalidValue = 1,
    cudaErrorMemoryAllocation = 2,
    cudaErrorNoDevice = 100
} cudaError_t;
typedef void *cudaStream_t, *cudaEvent_t;
typedef enum { cudaMemcpyHostToDevice = 1, cudaMemcpyDeviceToHost = 2 } cudaMemcpyKind;
enum { cudaStreamNonBlocking = 1, cudaEventDisableTiming = 2 };
struct cudaDeviceProp {
    char name[256];
    int major, minor, multiProcessorCount;
};

const char *tg_emulate_error(cudaError_t error);
cudaError_t tg_emulate_device_count(int *count);
cudaError_t tg_emulate_properties(struct cudaDeviceProp *out, int device);
cudaError_t tg_emulate_malloc(void **out, size_t bytes);
cudaError_t tg_emulate_free(void *block);
cudaError_t tg_emulate_memcpy(void *to, const void *from, size_t bytes);
cudaError_t tg_emulate_memset(void *to, int value, size_t bytes);
cudaError_t tg_emulate_done(void);
cudaError_t tg_emulate_handle(void **out);
/* The next `calls` calls succeed, the one after fails once; < 0 = none fails. For tests. */
void tg_emulate_fail_after(int calls);
/* In which order the threads of a block run between two barriers: 0 upwards, 1 downwards. A kernel
 * without races gives the same either way. For tests. */
void tg_emulate_order(int downwards);
/* Shared memory that a block may have; 163 KiB at first, as on compute capability 8.0. For tests.
 */
void tg_emulate_shared(size_t bytes);

#define cudaGetLastError()                    cudaSuccess
#define cudaGetErrorString(e)                 tg_emulate_error(e)
#define cudaGetDeviceCount(n)                 tg_emulate_device_count(n)
#define cudaSetDevice(i)                      tg_emulate_done()
#define cudaGetDeviceProperties(p, i)         tg_emulate_properties(p, i)
#define cudaMalloc(p, n)                      tg_emulate_malloc(p, n)
#define cudaMallocHost(p, n)                  tg_emulate_malloc(p, n)
#define cudaFree(p)                           tg_emulate_free(p)
#define cudaFreeHost(p)                       tg_emulate_free(p)
#define cudaMemcpy(to, from, n, kind)         tg_emulate_memcpy(to, from, n)
#define cudaMemcpyAsync(to, from, n, kind, s) tg_emulate_memcpy(to, from, n)
#define cudaMemsetAsync(to, value, n, s)      tg_emulate_memset(to, value, n)
#define cudaStreamCreateWithFlags(s, flags)   tg_emulate_handle(s)
#define cudaStreamDestroy(s)                  tg_emulate_free(s)
#define cudaStreamSynchronize(s)              ((void)(s), tg_emulate_done())
#define cudaStreamWaitEvent(s, e, flags)      ((void)(s), (void)(e), tg_emulate_done())
#define cudaEventCreateWithFlags(e, flags)    tg_emulate_handle(e)
#define cudaEventDestroy(e)                   tg_emulate_free(e)
#define cudaEventRecord(e, s)                 ((void)(s), (void)(e), tg_emulate_done())
#define cudaEventSynchronize(e)               ((void)(e), tg_emulate_done())

#ifdef __cplusplus
}
#endif
#endif
