/* Blocks of coroutines, and the device memory beside them. */
#include <cuda_runtime_api.h>
#include <math.h>
#include <stdint.h>

#include "emulate/emulate.h"

#include <setjmp.h>
#include <stdlib.h>
#include <string.h>
#include <ucontext.h>

#include <vector>

namespace {

enum { LANES = 32, SLOT = 64, STACK = 64 * 1024 };
enum class state { ready, at_warp, at_block, done };

struct thread {
    jmp_buf saved;
    ucontext_t start;
    char *stack;
    state now;
    bool begun;
};

struct warp {
    alignas(64) char slots[2][LANES * SLOT]; /* two: a lane may be one exchange ahead */
    int turn[LANES];
};

struct block {
    std::vector<thread> threads;
    std::vector<warp> warps;
    std::vector<uint4> memory;
    const std::function<void()> *run;
    tg_emulate_place here;
    jmp_buf scheduler;
    ucontext_t main;
};

block *the_block;
bool downwards;
int fail_after = -1;
size_t shared_bytes = 163 * 1024;

void enter() {
    thread &t = the_block->threads[static_cast<size_t>(the_block->here.thread)];
    (*the_block->run)();
    t.now = state::done;
    _longjmp(the_block->scheduler, 1);
}

void resume(int i) {
    thread &t = the_block->threads[static_cast<size_t>(i)];
    the_block->here.thread = i;
    if (_setjmp(the_block->scheduler) != 0) {
        return;
    }
    if (t.begun) {
        _longjmp(t.saved, 1);
    }
    t.begun = true;
    swapcontext(&the_block->main, &t.start);
}

void wait(state where) {
    thread &t = the_block->threads[static_cast<size_t>(the_block->here.thread)];
    t.now = where;
    if (_setjmp(t.saved) == 0) {
        _longjmp(the_block->scheduler, 1);
    }
}

/* Whether threads [from, to) all wait there (or have ended). */
bool all_at(int from, int to, state where) {
    bool any = false;
    for (int i = from; i < to; i++) {
        const state now = the_block->threads[static_cast<size_t>(i)].now;
        if (now != where && now != state::done) {
            return false;
        }
        any = any || now == where;
    }
    return any;
}

void release(int from, int to) {
    for (int i = from; i < to; i++) {
        thread &t = the_block->threads[static_cast<size_t>(i)];
        t.now = t.now == state::done ? t.now : state::ready;
    }
}

/* A warp until its lanes wait for the block or are done. False: some wait for lanes that never
 * come. */
bool run_warp(int from, int to) {
    for (;;) {
        for (int k = from; k < to; k++) {
            const int i = downwards ? to - 1 - (k - from) : k;
            if (the_block->threads[static_cast<size_t>(i)].now == state::ready) {
                resume(i);
            }
        }
        if (!all_at(from, to, state::at_warp)) {
            return all_at(from, to, state::at_block) || all_at(from, to, state::done);
        }
        release(from, to);
    }
}

bool run_block() {
    const int n = the_block->here.threads;
    for (;;) {
        for (int at = 0; at < n; at += LANES) {
            const int from = downwards ? n - LANES - at : at;
            if (!run_warp(from, from + LANES)) {
                return false;
            }
        }
        if (all_at(0, n, state::done)) {
            return true;
        }
        if (!all_at(0, n, state::at_block)) {
            return false;
        }
        release(0, n);
    }
}

} // namespace

const tg_emulate_place &tg_emulate_here() {
    return the_block->here;
}

void *tg_emulate_block_memory() {
    return the_block->memory.data();
}

void tg_emulate_barrier(bool whole_block) {
    wait(whole_block ? state::at_block : state::at_warp);
}

const char *tg_emulate_exchange(const void *mine, size_t bytes) {
    const int i = the_block->here.thread, lane = i % LANES;
    warp &w = the_block->warps[static_cast<size_t>(i / LANES)];
    char *slots = w.slots[w.turn[lane]];
    w.turn[lane] ^= 1;
    memcpy(slots + SLOT * lane, mine, bytes);
    tg_emulate_barrier(false);
    return slots;
}

void multiply(float (&c)[4], const uint32_t (&a)[4], uint32_t b0, uint32_t b1) {
    const uint32_t words[6] = {a[0], a[1], a[2], a[3], b0, b1};
    float2 mine[6];
    for (int i = 0; i < 6; i++) {
        mine[i] = unpack_half(words[i]);
    }
    const char *all = tg_emulate_exchange(mine, sizeof mine);
    const int lane = thread_index() % LANES;
    for (int h = 0; h < 2; h++) {              /* rows g and g + 8 */
        for (int pair = 0; pair < 8; pair++) { /* inputs 2 pair, 2 pair + 1: who holds them */
            const int from = pair % 4, upper = pair / 4;
            const float2 *row =
                reinterpret_cast<const float2 *>(all + SLOT * (lane / 4 * 4 + from));
            for (int j = 0; j < 2; j++) {
                const int column = lane % 4 * 2 + j;
                const float2 x = row[2 * upper + h];
                const float2 y =
                    reinterpret_cast<const float2 *>(all + SLOT * (column * 4 + from))[4 + upper];
                c[2 * h + j] += x.x * y.x;
                c[2 * h + j] += x.y * y.y;
            }
        }
    }
}

cudaError_t tg_emulate_run(int blocks, int threads, size_t bytes,
                           const std::function<void()> &run) {
    if (threads % LANES != 0 || tg_emulate_done() != cudaSuccess) {
        return cudaErrorInvalidValue;
    }
    block b;
    b.threads.resize(static_cast<size_t>(threads));
    b.warps.resize(static_cast<size_t>(threads / LANES));
    b.memory.resize((bytes + sizeof(uint4) - 1) / sizeof(uint4));
    b.run = &run;
    b.here = {0, 0, blocks, threads};
    the_block = &b;
    for (thread &t : b.threads) {
        t.stack = static_cast<char *>(malloc(STACK));
    }
    bool ok = true;
    for (int i = 0; ok && i < blocks; i++) {
        b.here.block = downwards ? blocks - 1 - i : i;
        memset(b.memory.data(), 0xff, b.memory.size() * sizeof(uint4)); /* NaN: as if unwritten */
        for (warp &w : b.warps) {
            memset(w.turn, 0, sizeof w.turn);
        }
        for (thread &t : b.threads) {
            t.now = state::ready;
            t.begun = false;
            getcontext(&t.start);
            t.start.uc_stack.ss_sp = t.stack;
            t.start.uc_stack.ss_size = STACK;
            t.start.uc_link = nullptr;
            makecontext(&t.start, enter, 0);
        }
        ok = run_block();
    }
    for (thread &t : b.threads) {
        free(t.stack);
    }
    the_block = nullptr;
    return ok ? cudaSuccess : cudaErrorInvalidValue;
}

/* ---- the runtime ---- */

void tg_emulate_fail_after(int calls) {
    fail_after = calls;
}

void tg_emulate_order(int down) {
    downwards = down != 0;
}

void tg_emulate_shared(size_t bytes) {
    shared_bytes = bytes;
}

size_t tg_emulate_shared_bytes() {
    return shared_bytes;
}

cudaError_t tg_emulate_done(void) {
    if (fail_after < 0) {
        return cudaSuccess;
    }
    return fail_after-- == 0 ? cudaErrorInvalidValue : cudaSuccess;
}

const char *tg_emulate_error(cudaError_t error) {
    switch (error) {
    case cudaSuccess:
        return "no error";
    case cudaErrorMemoryAllocation:
        return "out of memory";
    case cudaErrorNoDevice:
        return "no CUDA-capable device is detected";
    default:
        return "invalid argument";
    }
}

cudaError_t tg_emulate_device_count(int *count) {
    *count = 1;
    return tg_emulate_done();
}

cudaError_t tg_emulate_properties(cudaDeviceProp *out, int) {
    memset(out, 0, sizeof *out);
    strcpy(out->name, "emulated on the CPU");
    out->major = 8;
    out->multiProcessorCount = 2;
    return tg_emulate_done();
}

cudaError_t tg_emulate_malloc(void **out, size_t bytes) {
    const cudaError_t error = tg_emulate_done();
    *out = error == cudaSuccess ? malloc(bytes) : nullptr;
    if (*out != nullptr) {
        memset(*out, 0xff, bytes); /* NaN: device memory is not cleared either */
    }
    return *out != nullptr ? cudaSuccess : cudaErrorMemoryAllocation;
}

cudaError_t tg_emulate_free(void *block) {
    free(block);
    return cudaSuccess;
}

cudaError_t tg_emulate_memcpy(void *to, const void *from, size_t bytes) {
    memcpy(to, from, bytes);
    return tg_emulate_done();
}

cudaError_t tg_emulate_memset(void *to, int value, size_t bytes) {
    memset(to, value, bytes);
    return tg_emulate_done();
}

cudaError_t tg_emulate_handle(void **out) {
    return tg_emulate_malloc(out, 1);
}
