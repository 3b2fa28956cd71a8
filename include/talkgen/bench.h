/* talkgen bench: how fast this machine is, and how much of that the program uses.
 *
 * One run measures ceilings (what loops that do nothing else reach), kernels, the networks in
 * published sizes, the stages of a person and the whole job. Every row is named "group/what":
 * ceiling/fma-fp32/1, kernel/mlp64-fp32/1, stage/render, job/256x256. A row's work is executed once
 * and discarded, then timed `runs` times; what lasts less than 20 ms is repeated within a sample.
 *
 *     tg_bench_options options = {.only = "kernel/mlp*", .runs = 5};
 *     tg_bench_run(ctx, &options, print_row, NULL);
 */
#ifndef TALKGEN_BENCH_H
#define TALKGEN_BENCH_H

#include "talkgen/core.h"
#include "talkgen/io.h"

#ifdef __cplusplus
extern "C" {
#endif

enum { TG_BENCH_NAME = 64, TG_BENCH_MOST_RUNS = 1000, TG_BENCH_FORMAT = 1 };

/* What work is counted in. */
typedef enum {
    TG_BENCH_FLOP,   /* floating-point operations, a multiply-add is two */
    TG_BENCH_OP,     /* integer operations, likewise */
    TG_BENCH_BYTE,   /* read and written */
    TG_BENCH_LOAD,   /* of 16 bytes from anywhere */
    TG_BENCH_SAMPLE, /* points on rays */
    TG_BENCH_NUMBER, /* elements of an array */
    TG_BENCH_PIXEL,
    TG_BENCH_FRAME, /* of video, 25 per second of speech */
    TG_BENCH_START, /* of the program */
    TG_BENCH_UNITS
} tg_bench_unit;

typedef enum {
    TG_BENCH_NOT_COMPARED, /* no such row in the other file, another unit, or under 3 runs */
    TG_BENCH_SAME,         /* the medians differ by less than both spreads together */
    TG_BENCH_FASTER,
    TG_BENCH_SLOWER
} tg_bench_change;

/* Seconds of one execution over the samples of a row: median, quartiles (linear between the ranks,
 * as NumPy and R have them) and least. */
typedef struct {
    double median, low, high, least;
} tg_bench_times;
/* Sorts samples [n], n >= 1. */
tg_bench_times tg_bench_statistics(double *samples, int n);

typedef struct {
    char name[TG_BENCH_NAME];
    int threads;
    int runs, repeats;   /* samples, executions in each */
    tg_bench_times wall; /* seconds */
    double cpu_s;        /* processor seconds of all threads, median */
    double work;         /* of one execution */
    tg_bench_unit unit;
    double cost;                 /* of one execution, in the unit of the ceiling */
    char ceiling[TG_BENCH_NAME]; /* the row that the shares are of; "" = none */
    double ceiling_rate;         /* of that row, measured in turns with this one; cost per second */
    double share;                /* by the medians of both, 0 without ceiling */
    double share_cpu;            /* by processor time: what other programs take does not count */
    tg_bench_change change;      /* against an earlier run */
    double ratio;                /* speed now / speed then; 0 = not compared */
} tg_bench_row;

/* Work per second by the median, in tg_bench_unit_name: GFLOP/s, GB/s, frames/s, ... */
double tg_bench_rate(const tg_bench_row *row);
const char *tg_bench_unit_name(tg_bench_unit unit);

/* ---- running ------------------------------------------------------------------------- */

typedef struct {
    /* Comma-separated patterns of names: one with * ? [ is matched against the whole name, another
     * is a part of it. NULL = everything but the group network, which takes minutes. */
    const char *only;
    int runs;             /* samples; 0 = 5, and 3 of what takes longer than 10 s */
    const char *identity; /* for stages and jobs; NULL = leave them out */
    const char *encoder;  /* voice file instead of the identity's; NULL */
    const char *audio;    /* speech of at least two seconds; NULL = leave jobs and the like out */
    const char *folder;   /* for temporary files, exists */
} tg_bench_options;

/* A row is measured. */
typedef void tg_bench_row_fn(void *user, const tg_bench_row *row);
/* Rows come in the order of the groups; ceilings first, those that later rows need even when `only`
 * does not name them. TG_EUSAGE when nothing has such a name; what the person or the processor
 * lacks is a note. */
tg_status tg_bench_run(tg_context *ctx, const tg_bench_options *options, tg_bench_row_fn *fn,
                       void *user);
/* Name of row i in order, NULL at the end. */
const char *tg_bench_name(int i);

/* ---- reports ------------------------------------------------------------------------- */

/* What a row was measured on. */
typedef struct {
    char cpu[128];
    char level[16];
    char commit[48], version[16];
    char flags[128]; /* compiler and build */
} tg_bench_machine;
tg_bench_machine tg_bench_machine_of(const tg_context *ctx);

/* One line of a report without newline; free with tg_free. NULL = no memory. */
char *tg_bench_row_json(const tg_bench_row *row, const tg_bench_machine *machine);
/* A line of the table for people; compared: with the columns of a comparison. row NULL = its head.
 */
void tg_bench_row_text(const tg_bench_row *row, bool compared, char *out, size_t size);

/* An earlier report: lines of tg_bench_row_json. */
typedef struct tg_bench_report tg_bench_report;
/* TG_EINPUT: cannot be read. TG_EMODEL: not such a report, with the line; of another format. The
 * last of rows with one name counts. */
tg_status tg_bench_report_read(tg_context *ctx, const char *path, tg_bench_report **out);
void tg_bench_report_close(tg_bench_report **report);
int tg_bench_report_rows(const tg_bench_report *report);
/* Machine of its first row. */
const tg_bench_machine *tg_bench_report_machine(const tg_bench_report *report);
/* Sets change and ratio of the row. Changed is what differs by more than the spreads (upper minus
 * lower quartile) of both runs together. */
void tg_bench_compare(const tg_bench_report *report, tg_bench_row *row);

#ifdef __cplusplus
}
#endif
#endif
