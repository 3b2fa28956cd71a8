/* What this machine can do at most: arithmetic on registers, memory copies, random loads. */
#include "bench/bench.h"
#include "bench/ceilings.h"

#include <string.h>

/* Twelve chains of four lanes: what plain C compiles to on any processor. */
typedef float four __attribute__((vector_size(16)));
#define DECLARE(i) four a##i = {1.0f + i, 1.0f, 1.0f, 1.0f};
#define STEP(i)                                                                                    \
    a##i = a##i * x + y;                                                                           \
    TG_BENCH_KEEP_VECTOR(a##i);
#if defined(__x86_64__)
#define TG_BENCH_KEEP_VECTOR(v) __asm__ volatile("" : "+x"(v))
#elif defined(__aarch64__)
#define TG_BENCH_KEEP_VECTOR(v) __asm__ volatile("" : "+w"(v))
#else
#define TG_BENCH_KEEP_VECTOR(v) __asm__ volatile("" : "+m"(v))
#endif

double tg_bench_fma_portable(int64_t rounds) {
    const four x = {0.999f, 0.999f, 0.999f, 0.999f}, y = {0.001f, 0.001f, 0.001f, 0.001f};
    CHAINS(DECLARE)
    for (int64_t k = 0; k < rounds; k++) {
        CHAINS(STEP)
    }
    return 2.0 * 4 * CHAIN_COUNT * (double)rounds;
}

typedef double peak_fn(int64_t rounds);

/* NULL: there is no such loop for this processor and level. */
static peak_fn *peak_of(ceiling_kind kind, tg_cpu_level level) {
#if defined(__x86_64__)
    switch (kind) {
    case CEILING_FMA:
        return level >= TG_CPU_AVX512 ? tg_bench_fma_avx512
               : level >= TG_CPU_AVX2 ? tg_bench_fma_avx2
                                      : tg_bench_fma_portable;
    case CEILING_BF16:
        return level >= TG_CPU_AVX512BF16 ? tg_bench_bf16_avx512bf16 : NULL;
    default:
        if (level < TG_CPU_AVX512 || !tg_bench_has_vnni())
            return NULL;
        return kind == CEILING_INT16 ? tg_bench_int16_avx512vnni : tg_bench_int8_avx512vnni;
    }
#elif defined(__aarch64__)
    if (kind == CEILING_FMA && level >= TG_CPU_NEON)
        return tg_bench_fma_neon;
    return kind == CEILING_FMA ? tg_bench_fma_portable : NULL;
#else
    (void)level;
    return kind == CEILING_FMA ? tg_bench_fma_portable : NULL;
#endif
}

enum {
    ROUNDS = 2000000,     /* some milliseconds, beside which the start of a thread does not count */
    COPY_BYTES = 1 << 27, /* of all threads together, beyond the caches */
    COPY_LEAST = 1 << 22, /* of one thread */
    TABLE_FLOATS = 1 << 21, /* 8 MiB: as large as the tables of an encoder */
    LOADS = 1 << 18         /* so many that they meet every line of the table */
};

/* What a ceiling works on. */
typedef struct {
    tg_pool *pool;
    int threads;
    peak_fn *peak;
    char *from, *to; /* copy */
    size_t bytes;    /* of one thread */
    float *table;    /* gather */
    uint32_t *index; /* [threads, LOADS] */
} ceiling_job;

static void peak_range(void *arg, int64_t begin, int64_t end, int worker) {
    (void)worker;
    const ceiling_job *job = arg;
    for (int64_t i = begin; i < end; i++)
        job->peak(ROUNDS);
}

static void copy_range(void *arg, int64_t begin, int64_t end, int worker) {
    (void)worker;
    const ceiling_job *job = arg;
    for (int64_t i = begin; i < end; i++) {
        memcpy(job->to + (size_t)i * job->bytes, job->from + (size_t)i * job->bytes, job->bytes);
        TG_BENCH_KEEP(job->to);
    }
}

static void gather_range(void *arg, int64_t begin, int64_t end, int worker) {
    (void)worker;
    const ceiling_job *job = arg;
    for (int64_t i = begin; i < end; i++) {
        const uint32_t *index = job->index + i * LOADS;
        four sum[4] = {{0}};
        for (int k = 0; k < LOADS; k += 4)
            for (int j = 0; j < 4; j++) {
                four x;
                memcpy(&x, job->table + index[k + j], sizeof x);
                sum[j] += x;
            }
        TG_BENCH_KEEP(sum);
    }
}

static tg_status run_peak(void *arg) {
    ceiling_job *job = arg;
    tg_pool_run(job->pool, job->threads, 1, peak_range, job);
    return TG_OK;
}

static tg_status run_copy(void *arg) {
    ceiling_job *job = arg;
    tg_pool_run(job->pool, job->threads, 1, copy_range, job);
    return TG_OK;
}

static tg_status run_gather(void *arg) {
    ceiling_job *job = arg;
    tg_pool_run(job->pool, job->threads, 1, gather_range, job);
    return TG_OK;
}

/* Each returns the work of one execution, 0 without memory. */
static double prepare_copy(ceiling_job *job) {
    size_t bytes = COPY_BYTES / (size_t)job->threads, all;
    job->bytes = bytes > COPY_LEAST ? bytes : COPY_LEAST;
    if (!tg_mul_size(job->bytes, (size_t)job->threads, &all) || !(job->from = tg_calloc(all)) ||
        !(job->to = tg_calloc(all)))
        return 0;
    memset(job->from, 1, all); /* pages of its own instead of the one of zeros */
    return 2.0 * (double)all;
}

static double prepare_gather(ceiling_job *job) {
    const size_t loads = (size_t)job->threads * LOADS;
    job->table = tg_calloc(TABLE_FLOATS * sizeof *job->table);
    job->index = tg_alloc(loads * sizeof *job->index);
    if (!job->table || !job->index)
        return 0;
    const tg_rng rng = tg_rng_make(1, "", "bench.gather");
    for (size_t i = 0; i < TABLE_FLOATS; i++)
        job->table[i] = 1;
    for (size_t i = 0; i < loads; i++) /* rows of two floats, as those of a grid */
        job->index[i] = tg_rng_u32(&rng, i) % (TABLE_FLOATS - 4) & ~1u;
    return (double)loads;
}

static void job_free(ceiling_job *job) {
    tg_free(job->from);
    tg_free(job->to);
    tg_free(job->table);
    tg_free(job->index);
    tg_free(job);
}

static tg_status prepare(bench *b, const bench_entry *entry, ceiling *c) {
    tg_context *ctx = tg_bench_context(b, entry);
    const ceiling_kind kind = (ceiling_kind)entry->kind;
    const bool arithmetic = kind != CEILING_COPY && kind != CEILING_GATHER;
    peak_fn *peak = arithmetic ? peak_of(kind, tg_context_cpu(ctx)) : NULL;
    if (arithmetic && !peak)
        return TG_OK;
    ceiling_job *job = tg_calloc(sizeof *job);
    if (!job)
        return tg_bench_no_memory(b);
    job->pool = tg_context_pool(ctx);
    job->threads = tg_pool_threads(job->pool);
    job->peak = peak;
    c->work = kind == CEILING_COPY     ? prepare_copy(job)
              : kind == CEILING_GATHER ? prepare_gather(job)
                                       : peak(1) * ROUNDS * job->threads;
    if (!(c->work > 0)) {
        job_free(job);
        return tg_bench_no_memory(b);
    }
    c->arg = job;
    c->fn = kind == CEILING_COPY ? run_copy : kind == CEILING_GATHER ? run_gather : run_peak;
    return TG_OK;
}

void tg_bench_ceilings_close(bench *b) {
    for (int i = 0; i < 2 * CEILINGS; i++) {
        ceiling *c = &b->ceilings[i / 2][i % 2];
        if (c->fn)
            job_free(c->arg);
        c->fn = NULL;
    }
}

/* One row; nothing where the processor has no such instruction. */
static tg_status measure(bench *b, const bench_entry *entry) {
    static const tg_bench_unit units[CEILINGS] = {
        [CEILING_FMA] = TG_BENCH_FLOP,  [CEILING_BF16] = TG_BENCH_FLOP,
        [CEILING_INT16] = TG_BENCH_OP,  [CEILING_INT8] = TG_BENCH_OP,
        [CEILING_COPY] = TG_BENCH_BYTE, [CEILING_GATHER] = TG_BENCH_LOAD};
    ceiling *c = &b->ceilings[entry->kind][entry->one ? 0 : 1];
    if (c->fn)
        return TG_OK;
    const tg_status s = prepare(b, entry, c);
    if (s != TG_OK || !c->fn)
        return s;
    const bench_plan plan = {c->work, units[entry->kind], CEILING_NONE, 0, false};
    return tg_bench_time(b, entry, &plan, c->fn, c->arg);
}

const bench_entry tg_bench_ceilings[] = {
    {"ceiling/fma-fp32/1", measure, CEILING_FMA, true, NULL},
    {"ceiling/fma-fp32/all", measure, CEILING_FMA, false, NULL},
    {"ceiling/dot-bf16/1", measure, CEILING_BF16, true, NULL},
    {"ceiling/dot-bf16/all", measure, CEILING_BF16, false, NULL},
    {"ceiling/dot-int16/1", measure, CEILING_INT16, true, NULL},
    {"ceiling/dot-int16/all", measure, CEILING_INT16, false, NULL},
    {"ceiling/dot-int8/1", measure, CEILING_INT8, true, NULL},
    {"ceiling/dot-int8/all", measure, CEILING_INT8, false, NULL},
    {"ceiling/copy/1", measure, CEILING_COPY, true, NULL},
    {"ceiling/copy/all", measure, CEILING_COPY, false, NULL},
    {"ceiling/gather/1", measure, CEILING_GATHER, true, NULL},
    {"ceiling/gather/all", measure, CEILING_GATHER, false, NULL},
    {NULL, NULL, 0, false, NULL},
};

tg_status tg_bench_ceiling(bench *b, ceiling_kind kind, bool one) {
    return kind == CEILING_NONE ? TG_OK
                                : measure(b, &tg_bench_ceilings[2 * (int)kind + (one ? 0 : 1)]);
}
