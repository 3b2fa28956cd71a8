/* The stopwatch, and what is made of its numbers. */
#include "bench/bench.h"

#include <stdio.h>
#include <stdlib.h>
#include <time.h>

enum { MOST_REPEATS = 1000000 };
static const double sample_s = 0.02; /* a sample lasts at least so long */

static int order(const void *a, const void *b) {
    const double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

/* Linear between the ranks of sorted samples. */
static double quantile(const double *sorted, int n, double q) {
    const double at = q * (n - 1);
    const int below = (int)at;
    if (below + 1 >= n)
        return sorted[n - 1];
    return sorted[below] + (at - below) * (sorted[below + 1] - sorted[below]);
}

tg_bench_times tg_bench_statistics(double *samples, int n) {
    qsort(samples, (size_t)n, sizeof *samples, order);
    return (tg_bench_times){quantile(samples, n, 0.5), quantile(samples, n, 0.25),
                            quantile(samples, n, 0.75), samples[0]};
}

/* Processor time of all threads of this process. */
static double cpu_now_s(void) {
    struct timespec t;
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

tg_context *tg_bench_context(const bench *b, const bench_entry *entry) {
    return entry->one ? b->one : b->all;
}

/* Executes once for nothing, so that memory is mapped, tables are in the caches and the clock of
 * the processor is up; and finds out how many executions make a sample. */
static tg_status warm_up(bench_fn *fn, void *arg, bool warm, int *repeats) {
    *repeats = 1;
    tg_status s = TG_OK;
    for (int n = 1; s == TG_OK && !warm && n <= MOST_REPEATS; n *= 2) {
        const double start = tg_now_s();
        for (int i = 0; i < n && s == TG_OK; i++)
            s = fn(arg);
        const double spent = tg_now_s() - start, fill = spent > 0 ? sample_s / spent * n : 2.0 * n;
        *repeats = fill <= 1 ? 1 : fill < MOST_REPEATS ? (int)(fill + 1) : MOST_REPEATS;
        if (spent > sample_s / 8) /* long enough to tell */
            break;
    }
    return s;
}

int tg_bench_runs(const bench *b) {
    return b->options->runs > 0 ? b->options->runs : BENCH_RUNS;
}

/* One sample: seconds of one execution. */
static tg_status sample(bench_fn *fn, void *arg, int repeats, double *wall, double *cpu) {
    tg_status s = TG_OK;
    const double wall_start = tg_now_s(), cpu_start = cpu_now_s();
    for (int i = 0; i < repeats && s == TG_OK; i++)
        s = fn(arg);
    *cpu = (cpu_now_s() - cpu_start) / repeats;
    *wall = (tg_now_s() - wall_start) / repeats;
    return s;
}

static void share_of_ceiling(const bench *b, const bench_plan *plan, const ceiling *c, int kind,
                             tg_bench_row *row) {
    const double peak = tg_bench_statistics(b->beside, row->runs).median;
    const double peak_cpu = tg_bench_statistics(b->beside_cpu, row->runs).median;
    row->cost = plan->cost > 0 ? plan->cost : plan->work;
    row->ceiling_rate = c->work / peak;
    row->share = row->cost / row->wall.median / row->ceiling_rate;
    row->share_cpu = row->cost / row->cpu_s / (c->work / peak_cpu);
    snprintf(row->ceiling, sizeof row->ceiling, "%s", tg_bench_ceilings[kind].name);
}

tg_status tg_bench_time(bench *b, const bench_entry *entry, const bench_plan *plan, bench_fn *fn,
                        void *arg) {
    const int side = entry->one ? 0 : 1, most = tg_bench_runs(b);
    tg_context *ctx = tg_bench_context(b, entry);
    tg_bench_row row = {.work = plan->work, .unit = plan->unit};
    snprintf(row.name, sizeof row.name, "%s", entry->name);
    row.threads = tg_pool_threads(tg_context_pool(ctx));
    tg_status s = tg_bench_ceiling(b, plan->ceiling, entry->one);
    const ceiling *c = plan->ceiling != CEILING_NONE ? &b->ceilings[plan->ceiling][side] : NULL;
    if (s == TG_OK)
        s = tg_cancelled(b->ctx);
    if (s == TG_OK)
        s = warm_up(fn, arg, plan->warm, &row.repeats);
    const double start = tg_now_s();
    while (s == TG_OK && row.runs < most) {
        if (c && c->fn)
            s = sample(c->fn, c->arg, c->repeats, &b->beside[row.runs], &b->beside_cpu[row.runs]);
        if (s == TG_OK)
            s = sample(fn, arg, row.repeats, &b->samples[row.runs], &b->cpu[row.runs]);
        if (s == TG_OK)
            s = tg_cancelled(b->ctx);
        row.runs++;
        if (b->options->runs == 0 && row.runs >= BENCH_LEAST_RUNS &&
            tg_now_s() - start > BENCH_SLOW_S)
            break;
    }
    if (s != TG_OK)
        return tg_bench_passed(b, ctx, s);
    row.wall = tg_bench_statistics(b->samples, row.runs);
    row.cpu_s = tg_bench_statistics(b->cpu, row.runs).median;
    if (c && c->fn)
        share_of_ceiling(b, plan, c, 2 * (int)plan->ceiling + side, &row);
    for (int i = 0; i < 2 * CEILINGS; i++)
        if (entry == &tg_bench_ceilings[i])
            b->ceilings[i / 2][i % 2].repeats = row.repeats;
    b->fn(b->user, &row);
    return TG_OK;
}
