/* The few things that device code needs of the machine. nvcc takes them from the GPU; any other
 * C++ compiler takes them from emulate/, which runs the same kernels on the CPU. */
#ifndef TALKGEN_RENDER_CUDA_DEVICE_CUH
#define TALKGEN_RENDER_CUDA_DEVICE_CUH

#include "scene.h"

#include <float.h>
#include <math.h>
#include <stddef.h>

#include <cuda_runtime_api.h>

#ifdef __CUDACC__
#include <cuda_fp16.h>

#define TG_KERNEL(threads, blocks) static __global__ void __launch_bounds__(threads, blocks)
#define TG_DEVICE                  static __device__ __forceinline__
#define TG_METHOD                  __device__ __forceinline__
#define TG_BLOCK_MEMORY(name)      extern __shared__ uint4 name[]
#define TG_UNROLL                  _Pragma("unroll")
#define TG_CONSTANT                const __grid_constant__

TG_DEVICE int thread_index() {
    return (int)threadIdx.x;
}
TG_DEVICE int block_index() {
    return (int)blockIdx.x;
}
TG_DEVICE int block_count() {
    return (int)gridDim.x;
}
TG_DEVICE int block_threads() {
    return (int)blockDim.x;
}
TG_DEVICE void sync_block() {
    __syncthreads();
}
TG_DEVICE void sync_warp() {
    __syncwarp();
}
TG_DEVICE uint32_t vote(bool x) {
    return __ballot_sync(0xffffffffu, x);
}
TG_DEVICE float shuffle(float x, int lane) {
    return __shfl_sync(0xffffffffu, x, lane);
}
TG_DEVICE int shuffle(int x, int lane) {
    return __shfl_sync(0xffffffffu, x, lane);
}
TG_DEVICE int atomic_add(int32_t *to, int x) {
    return atomicAdd(to, x);
}
TG_DEVICE void atomic_add(unsigned long long *to, unsigned long long x) {
    atomicAdd(to, x);
}
TG_DEVICE int count_bits(uint32_t x) {
    return __popc(x);
}
/* a in the low half; beyond fp16's range the largest number, so that no infinity meets a zero */
TG_DEVICE uint32_t pack_half(float a, float b) {
    const float most = 65504.0f;
    const __half2 h = __floats2half2_rn(fminf(fmaxf(a, -most), most), fminf(fmaxf(b, -most), most));
    return *reinterpret_cast<const uint32_t *>(&h);
}
TG_DEVICE float2 unpack_half(uint32_t x) {
    return __half22float2(*reinterpret_cast<const __half2 *>(&x));
}
/* c [16,8] += a [16,16] b [16,8], fp16 times fp16 in float32, spread over a warp as PTX says. */
TG_DEVICE void multiply(float (&c)[4], const uint32_t (&a)[4], uint32_t b0, uint32_t b1) {
    asm volatile("mma.sync.aligned.m16n8k16.row.col.f32.f16.f16.f32 "
                 "{%0,%1,%2,%3}, {%4,%5,%6,%7}, {%8,%9}, {%0,%1,%2,%3};"
                 : "+f"(c[0]), "+f"(c[1]), "+f"(c[2]), "+f"(c[3])
                 : "r"(a[0]), "r"(a[1]), "r"(a[2]), "r"(a[3]), "r"(b0), "r"(b1));
}

/* Lets a kernel have `bytes` of shared memory; *blocks = how many fit a multiprocessor. */
template <class Kernel>
static cudaError_t prepare(Kernel kernel, int threads, size_t bytes, int *blocks) {
    cudaError_t error =
        cudaFuncSetAttribute(reinterpret_cast<const void *>(kernel),
                             cudaFuncAttributeMaxDynamicSharedMemorySize, (int)bytes);
    if (error == cudaSuccess) {
        error = cudaOccupancyMaxActiveBlocksPerMultiprocessor(
            blocks, reinterpret_cast<const void *>(kernel), threads, bytes);
    }
    return error;
}
template <class Kernel, class... Arguments>
static cudaError_t launch(Kernel kernel, int blocks, int threads, size_t bytes, cudaStream_t stream,
                          Arguments... arguments) {
    kernel<<<(unsigned)blocks, (unsigned)threads, bytes, stream>>>(arguments...);
    return cudaGetLastError();
}
#else
#include "emulate/emulate.h"
#endif

TG_DEVICE int lane_index() {
    return thread_index() % TG_CUDA_WARP;
}
TG_DEVICE int warp_index() {
    return thread_index() / TG_CUDA_WARP;
}

#endif
