/* A run: which rows, in which order. */
#include "bench/bench.h"

#include <fnmatch.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const bench_entry *const tables[] = {tg_bench_ceilings, tg_bench_tiles,  tg_bench_tensors,
                                            tg_bench_networks, tg_bench_stages, tg_bench_jobs};
enum { TABLES = sizeof tables / sizeof *tables, PATTERN = 128 };

static const bench_entry *entry_at(int index) {
    for (int t = 0; t < TABLES; t++)
        for (const bench_entry *e = tables[t]; e->name; e++)
            if (index-- == 0)
                return e;
    return NULL;
}

const char *tg_bench_name(int i) {
    const bench_entry *e = i >= 0 ? entry_at(i) : NULL;
    return e ? e->name : NULL;
}

/* Whether the name fits the pattern [text, text + n). */
static bool fits(const char *text, size_t n, const char *name) {
    char pattern[PATTERN];
    if (n == 0 || n >= sizeof pattern)
        return false;
    memcpy(pattern, text, n);
    pattern[n] = '\0';
    return strpbrk(pattern, "*?[") ? fnmatch(pattern, name, 0) == 0 : strstr(name, pattern) != NULL;
}

static bool selected(const char *only, const char *name) {
    if (!only)
        return strncmp(name, "network/", 8) != 0;
    for (const char *p = only;; p++) {
        const size_t n = strcspn(p, ",");
        if (fits(p, n, name))
            return true;
        p += n;
        if (*p == '\0')
            return false;
    }
}

static tg_status check_options(tg_context *ctx, const tg_bench_options *o, int *count) {
    if (o->runs < 0 || o->runs > TG_BENCH_MOST_RUNS)
        return tg_fail(ctx, TG_EUSAGE, "--runs %d\n  expected: 0 to %d\n  try: --runs 5", o->runs,
                       (int)TG_BENCH_MOST_RUNS);
    *count = 0;
    for (int i = 0; entry_at(i); i++)
        *count += selected(o->only, entry_at(i)->name);
    if (*count == 0)
        return tg_fail(ctx, TG_EUSAGE,
                       "--only '%s' fits no row\n  expected: a part of a name such as "
                       "kernel/mlp64-fp32/1, or a pattern with * and ?; several with commas\n"
                       "  try: --only 'ceiling/*' (groups: ceiling, kernel, network, stage, job)",
                       o->only);
    return TG_OK;
}

float *tg_bench_noise(size_t n, const char *purpose, float scale) {
    float *x = tg_alloc((n ? n : 1) * sizeof *x);
    if (!x)
        return NULL;
    const tg_rng rng = tg_rng_make(1, "", purpose);
    tg_rng_fill_normal(&rng, 0, x, n);
    for (size_t i = 0; i < n; i++)
        x[i] *= scale;
    return x;
}

tg_status tg_bench_no_memory(bench *b) {
    return tg_fail(b->ctx, TG_ENOMEM,
                   "out of memory for a benchmark\n  expected: about 1 GiB; 4 GiB for network/\n"
                   "  try: --only with fewer rows");
}

tg_status tg_bench_passed(bench *b, const tg_context *from, tg_status status) {
    if (status == TG_OK)
        return TG_OK;
    const tg_status why = tg_cancelled(b->ctx);
    if (why != TG_OK)
        return why;
    return from == b->ctx || !*tg_message(from) ? status
                                                : tg_fail(b->ctx, status, "%s", tg_message(from));
}

/* Work that reports progress can be cancelled: the caller's wish reaches the quiet contexts. */
static void pass_cancellation(void *user, const char *stage, double done, double total,
                              const char *text) {
    (void)stage, (void)done, (void)total, (void)text;
    bench *b = user;
    const tg_status why = tg_cancelled(b->ctx);
    if (why != TG_OK) {
        tg_cancel(b->all, why);
        tg_cancel(b->one, why);
    }
}

static tg_status prepare(bench *b) {
    const int threads = tg_pool_threads(tg_context_pool(b->ctx));
    b->all = tg_context_create(threads);
    b->one = tg_context_create(1);
    const size_t bytes = (size_t)tg_bench_runs(b) * sizeof(double);
    b->samples = tg_alloc(bytes);
    b->cpu = tg_alloc(bytes);
    b->beside = tg_alloc(bytes);
    b->beside_cpu = tg_alloc(bytes);
    if (!b->all || !b->one || !b->samples || !b->cpu || !b->beside || !b->beside_cpu)
        return tg_bench_no_memory(b);
    tg_context *const quiet[] = {b->all, b->one};
    for (int i = 0; i < 2; i++) {
        tg_status s = tg_context_set_cpu(quiet[i], tg_context_cpu(b->ctx));
        if (s != TG_OK)
            return tg_bench_passed(b, quiet[i], s);
        tg_context_set_progress(quiet[i], pass_cancellation, b);
    }
    return TG_OK;
}

tg_status tg_bench_run(tg_context *ctx, const tg_bench_options *options, tg_bench_row_fn *fn,
                       void *user) {
    int count, done = 0;
    tg_status s = check_options(ctx, options, &count);
    if (s != TG_OK)
        return s;
    bench b = {.ctx = ctx, .options = options, .fn = fn, .user = user};
    s = prepare(&b);
    for (int i = 0; s == TG_OK && entry_at(i); i++) {
        const bench_entry *e = entry_at(i);
        if (!selected(options->only, e->name))
            continue;
        tg_progress(ctx, "bench", done, count, e->name);
        s = tg_cancelled(ctx);
        if (s == TG_OK)
            s = e->measure(&b, e);
        done++;
    }
    tg_progress(ctx, "bench", count, count, "");
    tg_identity_close(&b.person);
    tg_bench_ceilings_close(&b);
    tg_context_destroy(&b.all);
    tg_context_destroy(&b.one);
    tg_free(b.samples);
    tg_free(b.cpu);
    tg_free(b.beside);
    tg_free(b.beside_cpu);
    return s;
}
