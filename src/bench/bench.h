/* Inside of the benchmarks: the table of rows and what their measurements share. */
#ifndef TALKGEN_BENCH_BENCH_H
#define TALKGEN_BENCH_BENCH_H

#include "talkgen/bench.h"
#include "talkgen/systems.h"

typedef enum {
    CEILING_FMA,   /* float32 multiply-adds on registers */
    CEILING_BF16,  /* vdpbf16ps */
    CEILING_INT16, /* vpdpwssd */
    CEILING_INT8,  /* vpdpbusd */
    CEILING_COPY,
    CEILING_GATHER,
    CEILINGS,
    CEILING_NONE = CEILINGS
} ceiling_kind;

/* One execution of the work. */
typedef tg_status bench_fn(void *arg);

/* A ceiling that can be measured again beside every row that is compared with it. */
typedef struct {
    bench_fn *fn; /* NULL: not prepared, or this processor has no such thing */
    void *arg;
    double work; /* of one execution */
    int repeats; /* that make a sample; 0 = its own row was not measured yet */
} ceiling;

/* State of a run. */
typedef struct bench {
    tg_context *ctx; /* the caller's: progress, notes, cancellation */
    tg_context *all; /* as many threads, but quiet: what is measured runs here */
    tg_context *one; /* one thread */
    const tg_bench_options *options;
    tg_bench_row_fn *fn;
    void *user;
    ceiling ceilings[CEILINGS][2]; /* on one thread, on all */
    tg_identity *person;           /* opened by the first row that wants it */
    bool voiced;                   /* with its voice */
    double *samples, *cpu;         /* [runs] of a row, */
    double *beside, *beside_cpu;   /* and of its ceiling */
} bench;

typedef struct bench_entry bench_entry;
struct bench_entry {
    const char *name;
    tg_status (*measure)(bench *b, const bench_entry *entry);
    int kind;          /* what `measure` wants to know */
    bool one;          /* on one thread, otherwise on all */
    const void *shape; /* likewise */
};
/* Ends with a NULL name. */
extern const bench_entry tg_bench_ceilings[], tg_bench_tiles[], tg_bench_tensors[],
    tg_bench_networks[], tg_bench_stages[], tg_bench_jobs[];

typedef struct {
    double work; /* of one execution */
    tg_bench_unit unit;
    ceiling_kind ceiling; /* or CEILING_NONE */
    double cost;          /* of one execution in the ceiling's unit; 0 = work */
    bool warm;            /* the work was executed before: nothing to discard */
} bench_plan;

/* Times fn and hands the row out. Samples are taken in turns with samples of the ceiling, so that
 * both meet the same machine. */
tg_status tg_bench_time(bench *b, const bench_entry *entry, const bench_plan *plan, bench_fn *fn,
                        void *arg);
/* Prepares the ceiling and measures its row unless that was done. */
tg_status tg_bench_ceiling(bench *b, ceiling_kind kind, bool one);
void tg_bench_ceilings_close(bench *b);
/* Runs samples of a row; 3 are enough of what is slow, unless a number was asked for. */
enum { BENCH_RUNS = 5, BENCH_LEAST_RUNS = 3, BENCH_SLOW_S = 10 };
int tg_bench_runs(const bench *b);
/* The entry's context: of one thread or all. */
tg_context *tg_bench_context(const bench *b, const bench_entry *entry);
/* What a quiet context failed with becomes the caller's. */
tg_status tg_bench_passed(bench *b, const tg_context *from, tg_status status);
/* Random numbers with deviation `scale`; NULL = no memory. */
float *tg_bench_noise(size_t n, const char *purpose, float scale);
tg_status tg_bench_no_memory(bench *b);
/* The compiler must assume that somebody reads what p points to. */
#define TG_BENCH_KEEP(p) __asm__ volatile("" : : "r"(p) : "memory")

#endif
