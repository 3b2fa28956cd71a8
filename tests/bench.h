/* For the benchmarks: clocks, and the multiply-add peak of this machine measured in the same run.
 * Programs of this kind are built but are no tests. */
#ifndef TALKGEN_TESTS_BENCH_H
#define TALKGEN_TESTS_BENCH_H

#include "talkgen/core.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#if defined(__x86_64__)
#include <immintrin.h>
#endif

static inline double bench_clock(clockid_t id) {
    struct timespec t;
    clock_gettime(id, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

/* Wall clock and processor time of all threads since. */
typedef struct {
    double wall, cpu;
} bench_time;

static inline bench_time bench_now(void) {
    return (bench_time){bench_clock(CLOCK_MONOTONIC), bench_clock(CLOCK_PROCESS_CPUTIME_ID)};
}

static inline bench_time bench_since(bench_time start) {
    bench_time now = bench_now();
    return (bench_time){now.wall - start.wall, now.cpu - start.cpu};
}

static inline int bench_order(const void *a, const void *b) {
    const double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

/* Sorts; the least is times[0]. */
static inline double bench_median(double *times, int n) {
    qsort(times, (size_t)n, sizeof *times, bench_order);
    return n % 2 ? times[n / 2] : 0.5 * (times[n / 2 - 1] + times[n / 2]);
}

/* ---- peak: multiply-adds on registers only ------------------------------------------------- */

#define BENCH_CHAINS(DO) DO(0) DO(1) DO(2) DO(3) DO(4) DO(5) DO(6) DO(7) DO(8) DO(9)
enum { BENCH_CHAIN_COUNT = 10, BENCH_ROUNDS = 2000000 };

#if defined(__x86_64__)
#define BENCH_PEAK(NAME, TARGET, TYPE, SET, FMA, CONSTRAINT)                                       \
    __attribute__((target(TARGET))) static inline void NAME(void) {                                \
        TYPE x = SET(0.999f), y = SET(0.001f);                                                     \
        BENCH_CHAINS(BENCH_DECLARE_##CONSTRAINT)                                                   \
        for (int k = 0; k < BENCH_ROUNDS; k++) {                                                   \
            BENCH_CHAINS(BENCH_STEP_##CONSTRAINT)                                                  \
        }                                                                                          \
    }
#define BENCH_DECLARE_x(i) __m256 a##i = _mm256_set1_ps(1.0f + i);
#define BENCH_STEP_x(i)                                                                            \
    a##i = _mm256_fmadd_ps(a##i, x, y);                                                            \
    __asm__ volatile("" : "+x"(a##i));
#define BENCH_DECLARE_v(i) __m512 a##i = _mm512_set1_ps(1.0f + i);
#define BENCH_STEP_v(i)                                                                            \
    a##i = _mm512_fmadd_ps(a##i, x, y);                                                            \
    __asm__ volatile("" : "+v"(a##i));
BENCH_PEAK(bench_peak_avx2, "avx2,fma", __m256, _mm256_set1_ps, _mm256_fmadd_ps, x)
BENCH_PEAK(bench_peak_avx512, "avx512f", __m512, _mm512_set1_ps, _mm512_fmadd_ps, v)
#endif

typedef struct {
    tg_cpu_level level;
    double seconds[64]; /* processor time of each thread */
} bench_peak_job;

static inline void bench_peak_range(void *arg, int64_t begin, int64_t end, int worker) {
    (void)worker;
    bench_peak_job *job = arg;
    for (int64_t i = begin; i < end; i++) {
        double start = bench_clock(CLOCK_THREAD_CPUTIME_ID);
#if defined(__x86_64__)
        if (job->level >= TG_CPU_AVX512)
            bench_peak_avx512();
        else if (job->level == TG_CPU_AVX2)
            bench_peak_avx2();
#endif
        job->seconds[i] = bench_clock(CLOCK_THREAD_CPUTIME_ID) - start;
    }
}

/* FLOP/s of all threads of the pool together, by processor time (what other programs take from
 * this one does not count), best of several; 0 where there is no such loop. */
static inline double bench_peak(const tg_context *ctx) {
    tg_pool *pool = tg_context_pool(ctx);
    const int threads = tg_pool_threads(pool);
    const tg_cpu_level level = tg_context_cpu(ctx);
    if (level < TG_CPU_AVX2 || threads > 64)
        return 0;
    const double flop = 2.0 * BENCH_ROUNDS * BENCH_CHAIN_COUNT * (level >= TG_CPU_AVX512 ? 16 : 8);
    double best = 0;
    for (int k = 0; k < 12; k++) {
        bench_peak_job job = {.level = level};
        tg_pool_run(pool, threads, 1, bench_peak_range, &job);
        double rate = 0;
        for (int i = 0; i < threads; i++)
            rate += flop / job.seconds[i];
        best = rate > best ? rate : best;
    }
    return best;
}

#endif
