/* talkgen core: what every other room stands on.
 *
 * Status codes and the message that explains them, arenas, counter-based random
 * numbers, one thread pool, CPU features, clock and progress. Core knows nothing
 * of tensors, files or faces.
 *
 * Threads: a tg_context belongs to one caller thread at a time; the pool inside it
 * may be shared. Arenas belong to one thread.
 *
 *     tg_context *ctx = tg_context_create(0);           // 0 = all processors
 *     if (tg_audio_open(ctx, "a.wav", &audio) != TG_OK)
 *         fprintf(stderr, "%s\n", tg_message(ctx));
 *     tg_context_destroy(&ctx);
 */
#ifndef TALKGEN_CORE_H
#define TALKGEN_CORE_H

#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

/* ---- status ------------------------------------------------------------- */

/* 0 is good; a negative status is an exit code with its sign turned. */
typedef int tg_status;
enum {
    TG_OK = 0,
    TG_EINTERNAL = -1, /* our own mistake; please report */
    TG_EUSAGE = -2,    /* option or configuration wrong; nothing was started */
    TG_EINPUT = -3,    /* input audio/image/data missing, unreadable or out of limits */
    TG_EMODEL = -4,    /* checkpoint missing, damaged or unsuited */
    TG_EOUTPUT = -5,   /* output could not be written or encoded */
    TG_ENOMEM = -6,    /* not enough memory */
    TG_EDIFF = -7,     /* a comparison found a difference */
    TG_EPARTIAL = -10, /* a batch is done, some of its clips failed */
    TG_EGIVEUP = -11,  /* a batch was given up: too many of its clips failed */
    TG_ESTOPPED = -75, /* stopped by TERM or a time limit; state is clean, run again */
    TG_EINTR = -130    /* interrupted by the user */
};

typedef struct tg_context tg_context;
typedef struct tg_pool tg_pool;

/* Process exit code for a status (0..130). */
int tg_exit_code(tg_status status);

/* threads: number of workers, 0 = processors this process may use. NULL when out of memory. */
tg_context *tg_context_create(int threads);
void tg_context_destroy(tg_context **ctx);

/* Stores a message in ctx and returns `status`, so that a caller writes
 *     return tg_fail(ctx, TG_EINPUT, "%s: no samples\n  expected ...\n  try: ...", path);
 * A message has up to three lines: what was wrong with the value, what was expected, what to
 * try. The last message wins; TG_OK clears it. */
tg_status tg_fail(tg_context *ctx, tg_status status, const char *format, ...)
    __attribute__((format(printf, 3, 4)));
/* Borrowed, valid until the next tg_fail on this context; "" when nothing failed. */
const char *tg_message(const tg_context *ctx);
/* The errno behind the last failure (ENOSPC: the disk is full), 0 when it was none of the system.
 * For callers who have to choose between going on and stopping. */
int tg_system_error(const tg_context *ctx);
void tg_set_system_error(tg_context *ctx, int error); /* after tg_fail, which clears it */

/* A remark the user should hear that is not a failure ("libx264 not found, using mpeg4").
 * Delivered through the hook set below; dropped when there is none. */
typedef void tg_note_fn(void *user, const char *text);
void tg_context_set_note(tg_context *ctx, tg_note_fn *fn, void *user);
void tg_note(tg_context *ctx, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* Progress: stage name, work done and total in the same unit (total 0 = unknown), and an
 * optional text such as a loss. Called from the thread that owns ctx. */
typedef void tg_progress_fn(void *user, const char *stage, double done, double total,
                            const char *text);
void tg_context_set_progress(tg_context *ctx, tg_progress_fn *fn, void *user);
void tg_progress(tg_context *ctx, const char *stage, double done, double total, const char *text);

/* Cancellation: any thread or a signal handler may set it (TG_EINTR or TG_ESTOPPED); long loops
 * ask tg_cancelled() at least once per frame or step and leave with that status. */
void tg_cancel(tg_context *ctx, tg_status why);
tg_status tg_cancelled(const tg_context *ctx); /* TG_OK while nobody cancelled */

tg_pool *tg_context_pool(const tg_context *ctx);

/* ---- CPU ---------------------------------------------------------------- */

typedef enum {
    TG_CPU_PORTABLE = 0,
    TG_CPU_NEON = 1,       /* 64-bit ARM, all of them */
    TG_CPU_AVX2 = 2,       /* from here on x86-64: AVX2 + FMA + F16C */
    TG_CPU_AVX512 = 3,     /* AVX-512 F, BW, DQ, VL */
    TG_CPU_AVX512VNNI = 4, /* the above + vpdpwssd: narrow layers in 16-bit integers */
    TG_CPU_AVX512BF16 = 5, /* the above + vdpbf16ps: in bf16 */
    TG_CPU_LEVELS
} tg_cpu_level;

bool tg_cpu_has(tg_cpu_level level); /* this machine has it; false for a number that is no level */

tg_cpu_level tg_cpu_detect(void); /* the highest that this machine has */
/* The one to use unless asked for another: the highest, but AVX512VNNI on Intel's processors, whose
 * vdpbf16ps does half the multiply-adds of their FMA, and vpdpwssd twice as many (Emerald Rapids:
 * 86, 176 and 350 G/s a core). */
tg_cpu_level tg_cpu_fastest(void);
const char *tg_cpu_level_name(tg_cpu_level level);
/* false when `name` is no level; names are portable, neon, avx2, avx512,
 * avx512vnni, avx512bf16. */
bool tg_cpu_level_parse(const char *name, tg_cpu_level *out);
/* Level that kernels use with this context: the fastest, or what the user forced (one that
 * the machine does not have: TG_EUSAGE). */
tg_cpu_level tg_context_cpu(const tg_context *ctx);
tg_status tg_context_set_cpu(tg_context *ctx, tg_cpu_level level);
/* Model name of the processor, "unknown" if it cannot be read. buffer[size]. */
/* How exactly the large matrix products of networks are computed where nothing is trained. INT16:
 * factors rounded to 16 bits with a scale for every 256 of a row, exact sums: about half the time
 * of a large speech encoder on processors with AVX512-VNNI, for 2e-4 of relative error a product.
 * The default is FLOAT32. */
typedef enum { TG_FLOAT32, TG_INT16, TG_PRECISIONS } tg_precision;
const char *tg_precision_name(tg_precision precision); /* "float32", "int16" */
bool tg_precision_parse(const char *name, tg_precision *out);
tg_precision tg_context_precision(const tg_context *ctx); /* FLOAT32 for NULL */
void tg_context_set_precision(tg_context *ctx, tg_precision precision);

void tg_cpu_model(char *buffer, size_t size);
/* Those of its features that kernels use or could use, as /proc/cpuinfo names them. */
void tg_cpu_features(char *buffer, size_t size);

/* ---- memory ------------------------------------------------------------- */

/* Bump allocator: 64-byte aligned blocks, freed together. Not thread-safe. */
typedef struct tg_arena tg_arena;
typedef struct {
    void *chunk;
    size_t used;
} tg_mark;

tg_arena *tg_arena_create(size_t chunk_bytes); /* 0 = 1 MiB chunks; NULL when out of memory */
void tg_arena_destroy(tg_arena **arena);
/* Uninitialised; NULL when out of memory. bytes may be 0. */
void *tg_arena_alloc(tg_arena *arena, size_t bytes);
void *tg_arena_calloc(tg_arena *arena, size_t bytes);
char *tg_arena_strdup(tg_arena *arena, const char *text);
tg_mark tg_arena_mark(tg_arena *arena);
void tg_arena_release(tg_arena *arena, tg_mark mark); /* forgets all since mark; keeps chunks */
void tg_arena_reset(tg_arena *arena);

/* 64-byte aligned heap block, NULL when out of memory; free with tg_free. */
void *tg_alloc(size_t bytes);
void *tg_calloc(size_t bytes);
void tg_free(void *block);
/* a*b and a+b with overflow check; false on overflow. For every size that comes from a file. */
bool tg_mul_size(size_t a, size_t b, size_t *out);
bool tg_add_size(size_t a, size_t b, size_t *out);

/* ---- random numbers ------------------------------------------------------ */

/* Counter-based (Philox 4x32-10, Salmon et al. 2011): value = f(seed, clip, purpose, index), so
 * order, sharding and thread count cannot change a result. */
typedef struct {
    uint32_t key[2];
    uint32_t purpose;
    uint32_t clip;
} tg_rng;

/* clip: clip id or "" ; purpose: a fixed word such as "vae.z". Both are hashed. */
tg_rng tg_rng_make(uint64_t seed, const char *clip, const char *purpose);
uint32_t tg_rng_u32(const tg_rng *rng, uint64_t index);
float tg_rng_uniform(const tg_rng *rng, uint64_t index); /* [0,1) */
float tg_rng_normal(const tg_rng *rng, uint64_t index);  /* N(0,1) */
/* out[0..n) = normal(first + i). */
void tg_rng_fill_normal(const tg_rng *rng, uint64_t first, float *out, size_t n);
uint64_t tg_hash_bytes(const void *data, size_t bytes, uint64_t start); /* FNV-1a, 64 bit */

/* ---- threads ------------------------------------------------------------- */

/* One pool of pthreads. tg_pool_run cuts [0,n) into blocks of exactly `grain` items (the last
 * may be shorter), whatever the number of threads, and returns when all are done. `worker` is
 * 0..tg_pool_threads()-1 and unique among calls that run at the same time: index scratch by it.
 * A call from inside a worker, or with pool NULL, runs in the caller (worker of the caller, 0
 * for NULL). Results must not depend on which worker ran a block. */
typedef void tg_range_fn(void *arg, int64_t begin, int64_t end, int worker);
tg_pool *tg_pool_create(int threads);
void tg_pool_destroy(tg_pool **pool);
int tg_pool_threads(const tg_pool *pool); /* 1 for NULL */
void tg_pool_run(tg_pool *pool, int64_t n, int64_t grain, tg_range_fn *fn, void *arg);
/* Processors this process may run on (affinity and cgroup quota), at least 1. */
int tg_cpu_count(void);

/* One job beside the caller and its ranges (a video encoder behind a renderer), done by a thread of
 * the pool that has nothing else to do or is about to join a range. At most one at a time: starting
 * another waits for it. Where the pool has no other thread, tg_pool_start does it and returns. What
 * is not begun yet is done by tg_pool_wait itself. */
typedef void tg_job_fn(void *arg);
void tg_pool_start(tg_pool *pool, tg_job_fn *fn, void *arg);
void tg_pool_wait(tg_pool *pool);

/* Memory of the machine and what limits this process, in bytes; SIZE_MAX where nothing is known or
 * set. Of control groups only version 2 is read. */
typedef struct {
    size_t total;
    size_t group_limit; /* smallest memory.max of its group and those above */
    size_t space_limit; /* of the address space (ulimit -v) */
    size_t left;        /* what can still be taken within all of them */
} tg_memory;
tg_memory tg_memory_now(void);

/* ---- clock and process --------------------------------------------------- */

double tg_now_s(void);          /* monotonic seconds */
size_t tg_peak_rss_bytes(void); /* peak resident memory of this process */
const char *tg_version(void);   /* "0.1.0" */
/* Commit of the sources, 12 hex digits, "-dirty" behind them when files had changed; "unknown". */
const char *tg_commit(void);
const char *tg_commit_date(void); /* "2026-01-31", "" when unknown */
const char *tg_build(void);       /* compiler, its version, kind of build and flags */

#ifdef __cplusplus
}
#endif
#endif
