/* Loops that do nothing but multiply and add on registers, one per CPU level: the ceilings. Each
 * executes `rounds` rounds and returns how many operations that were. */
#ifndef TALKGEN_BENCH_CEILINGS_H
#define TALKGEN_BENCH_CEILINGS_H

#include <stdbool.h>
#include <stdint.h>

double tg_bench_fma_portable(int64_t rounds);
#if defined(__x86_64__)
double tg_bench_fma_avx2(int64_t rounds);
double tg_bench_fma_avx512(int64_t rounds);
double tg_bench_bf16_avx512bf16(int64_t rounds);
bool tg_bench_has_vnni(void);
double tg_bench_int16_avx512vnni(int64_t rounds);
double tg_bench_int8_avx512vnni(int64_t rounds);
#elif defined(__aarch64__)
double tg_bench_fma_neon(int64_t rounds);
#endif

/* CHAINS of independent accumulators: enough to hide the latency of a multiply-add at two per
 * cycle. The empty statement in each step keeps the accumulator alive and in a register. */
#define CHAINS(DO) DO(0) DO(1) DO(2) DO(3) DO(4) DO(5) DO(6) DO(7) DO(8) DO(9) DO(10) DO(11)
enum { CHAIN_COUNT = 12 };

#endif
