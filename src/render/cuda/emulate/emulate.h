/* Kernels as ordinary C++: every thread of a block is a coroutine that runs until it meets a
 * barrier of its block or its warp. Blocks run one after another. Nothing is changed in the kernels
 * for it, so what is tested here is the source that nvcc compiles; what is not: the machine code,
 * speed, and the rounding inside of a tensor core (here sums of float32 in order). */
#ifndef TALKGEN_RENDER_CUDA_EMULATE_H
#define TALKGEN_RENDER_CUDA_EMULATE_H

#include "talkgen/tensor.h"

#include <functional>

#define TG_KERNEL(threads, blocks) static void
#define TG_DEVICE                  static inline
#define TG_METHOD                  inline
#define TG_BLOCK_MEMORY(name)      uint4 *name = static_cast<uint4 *>(tg_emulate_block_memory())
#define TG_UNROLL
#define TG_CONSTANT const

struct float2 {
    float x, y;
};
struct uint2 {
    uint32_t x, y;
};
struct alignas(16) uint4 {
    uint32_t x, y, z, w;
};
static inline float2 make_float2(float x, float y) {
    return {x, y};
}

/* Of the running thread. */
struct tg_emulate_place {
    int thread, block, blocks, threads;
};
const tg_emulate_place &tg_emulate_here();
void *tg_emulate_block_memory();
size_t tg_emulate_shared_bytes();
void tg_emulate_barrier(bool whole_block);
/* Every lane of a warp gives `bytes` <= 64; the result is all of them, 64 bytes apart. */
const char *tg_emulate_exchange(const void *mine, size_t bytes);
cudaError_t tg_emulate_run(int blocks, int threads, size_t bytes, const std::function<void()> &run);

static inline int thread_index() {
    return tg_emulate_here().thread;
}
static inline int block_index() {
    return tg_emulate_here().block;
}
static inline int block_count() {
    return tg_emulate_here().blocks;
}
static inline int block_threads() {
    return tg_emulate_here().threads;
}
static inline void sync_block() {
    tg_emulate_barrier(true);
}
static inline void sync_warp() {
    tg_emulate_barrier(false);
}
static inline uint32_t vote(bool x) {
    const char *all = tg_emulate_exchange(&x, sizeof x);
    uint32_t bits = 0;
    for (int i = 0; i < 32; i++) {
        bits |= static_cast<uint32_t>(all[64 * i] != 0) << i;
    }
    return bits;
}
static inline float shuffle(float x, int lane) {
    return *reinterpret_cast<const float *>(tg_emulate_exchange(&x, sizeof x) + 64 * lane);
}
static inline int shuffle(int x, int lane) {
    return *reinterpret_cast<const int *>(tg_emulate_exchange(&x, sizeof x) + 64 * lane);
}
static inline int atomic_add(int32_t *to, int x) {
    const int before = *to;
    *to += x;
    return before;
}
static inline void atomic_add(unsigned long long *to, unsigned long long x) {
    *to += x;
}
static inline int count_bits(uint32_t x) {
    return __builtin_popcount(x);
}
static inline uint32_t pack_half(float a, float b) {
    const float most = 65504.0f;
    return tg_f32_to_f16(fminf(fmaxf(a, -most), most)) |
           static_cast<uint32_t>(tg_f32_to_f16(fminf(fmaxf(b, -most), most))) << 16;
}
static inline float2 unpack_half(uint32_t x) {
    return {tg_f16_to_f32(static_cast<uint16_t>(x)), tg_f16_to_f32(static_cast<uint16_t>(x >> 16))};
}
void multiply(float (&c)[4], const uint32_t (&a)[4], uint32_t b0, uint32_t b1);

template <class Kernel> static cudaError_t prepare(Kernel, int, size_t bytes, int *blocks) {
    *blocks = 1;
    return bytes <= tg_emulate_shared_bytes() ? cudaSuccess : cudaErrorInvalidValue;
}
template <class Kernel, class... Arguments>
static cudaError_t launch(Kernel kernel, int blocks, int threads, size_t bytes, cudaStream_t,
                          Arguments... arguments) {
    return tg_emulate_run(blocks, threads, bytes, [=]() { kernel(arguments...); });
}

#endif
