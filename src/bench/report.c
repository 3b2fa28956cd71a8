/* Rows as text: a table for people, JSON lines for programs. */
#include "bench/bench.h"

#include <stdio.h>
#include <string.h>

static const struct {
    const char *name;
    double scale;
} units[TG_BENCH_UNITS] = {
    [TG_BENCH_FLOP] = {"GFLOP/s", 1e-9},      [TG_BENCH_OP] = {"GOP/s", 1e-9},
    [TG_BENCH_BYTE] = {"GB/s", 1e-9},         [TG_BENCH_LOAD] = {"Mloads/s", 1e-6},
    [TG_BENCH_SAMPLE] = {"Msamples/s", 1e-6}, [TG_BENCH_NUMBER] = {"Gnumbers/s", 1e-9},
    [TG_BENCH_PIXEL] = {"Mpixels/s", 1e-6},   [TG_BENCH_FRAME] = {"frames/s", 1},
    [TG_BENCH_START] = {"starts/s", 1},
};

const char *tg_bench_unit_name(tg_bench_unit unit) {
    return units[unit].name;
}

double tg_bench_rate(const tg_bench_row *row) {
    return row->work / row->wall.median * units[row->unit].scale;
}

tg_bench_machine tg_bench_machine_of(const tg_context *ctx) {
    tg_bench_machine m;
    tg_cpu_model(m.cpu, sizeof m.cpu);
    snprintf(m.level, sizeof m.level, "%s", tg_cpu_level_name(tg_context_cpu(ctx)));
    snprintf(m.commit, sizeof m.commit, "%s", tg_commit());
    snprintf(m.version, sizeof m.version, "%s", tg_version());
    snprintf(m.flags, sizeof m.flags, "%s", tg_build());
    return m;
}

static const char *const changes[] = {
    [TG_BENCH_SAME] = "same", [TG_BENCH_FASTER] = "faster", [TG_BENCH_SLOWER] = "slower"};

char *tg_bench_row_json(const tg_bench_row *row, const tg_bench_machine *machine) {
    tg_json *o = tg_json_new_object();
    if (!o)
        return NULL;
    tg_json_set_number(o, "talkgen_bench", TG_BENCH_FORMAT);
    tg_json_set_string(o, "name", row->name);
    tg_json_set_number(o, "median_s", row->wall.median);
    tg_json_set_number(o, "q1_s", row->wall.low);
    tg_json_set_number(o, "q3_s", row->wall.high);
    tg_json_set_number(o, "least_s", row->wall.least);
    tg_json_set_number(o, "cpu_s", row->cpu_s);
    tg_json_set_number(o, "runs", row->runs);
    tg_json_set_number(o, "repeats", row->repeats);
    tg_json_set_number(o, "work", row->work);
    tg_json_set_number(o, "rate", tg_bench_rate(row));
    tg_json_set_string(o, "unit", tg_bench_unit_name(row->unit));
    if (row->ceiling[0]) {
        tg_json_set_string(o, "ceiling", row->ceiling);
        tg_json_set_number(o, "cost", row->cost);
        tg_json_set_number(o, "ceiling_rate", row->ceiling_rate);
        tg_json_set_number(o, "share", row->share);
        tg_json_set_number(o, "share_cpu", row->share_cpu);
    }
    if (row->ratio > 0)
        tg_json_set_number(o, "ratio", row->ratio);
    if (row->change != TG_BENCH_NOT_COMPARED)
        tg_json_set_string(o, "change", changes[row->change]);
    tg_json_set_number(o, "threads", row->threads);
    tg_json_set_string(o, "cpu", machine->cpu);
    tg_json_set_string(o, "cpu_level", machine->level);
    tg_json_set_string(o, "commit", machine->commit);
    tg_json_set_string(o, "version", machine->version);
    tg_json_set_string(o, "flags", machine->flags);
    char *text = tg_json_print(o, false);
    tg_json_destroy(&o);
    return text;
}

/* 1.234 ms, four digits. */
static void time_text(double s, char *out, size_t size) {
    const char *unit = s < 1e-6 ? "ns" : s < 1e-3 ? "us" : s < 1 ? "ms" : "s ";
    const double x = s * (s < 1e-6 ? 1e9 : s < 1e-3 ? 1e6 : s < 1 ? 1e3 : 1);
    snprintf(out, size, "%.*f %s", x < 10 ? 3 : x < 100 ? 2 : 1, x, unit);
}

static void share_text(double share, char *out, size_t size) {
    out[0] = '\0';
    if (share > 0)
        snprintf(out, size, "%.1f %%", 100 * share);
}

#define COLUMNS "%-30s %10s %8s %4s %2s %11s %-10s %7s %7s"

void tg_bench_row_text(const tg_bench_row *row, bool compared, char *out, size_t size) {
    if (!row) {
        int n = snprintf(out, size, COLUMNS, "what", "median", "spread", "runs", "t", "rate", "",
                         "share", "cpu");
        if (compared && n >= 0 && (size_t)n < size)
            snprintf(out + n, size - (size_t)n, "  %7s", "against");
        return;
    }
    char median[32], spread[32], runs[16], threads[16], rate[32], share[16], cpu[16];
    const double r = tg_bench_rate(row);
    time_text(row->wall.median, median, sizeof median);
    snprintf(spread, sizeof spread, "%.1f %%",
             100 * (row->wall.high - row->wall.low) / row->wall.median);
    snprintf(runs, sizeof runs, "%d", row->runs);
    snprintf(threads, sizeof threads, "%d", row->threads);
    snprintf(rate, sizeof rate, "%.*f", r < 10 ? 3 : r < 100 ? 2 : 1, r);
    share_text(row->share, share, sizeof share);
    share_text(row->share_cpu, cpu, sizeof cpu);
    const int n = snprintf(out, size, COLUMNS, row->name, median, spread, runs, threads, rate,
                           tg_bench_unit_name(row->unit), share, cpu);
    if (!compared || n < 0 || (size_t)n >= size)
        return;
    const bool changed = row->change == TG_BENCH_FASTER || row->change == TG_BENCH_SLOWER;
    if (!(row->ratio > 0))
        snprintf(out + n, size - (size_t)n, "  %7s", "-");
    else
        snprintf(out + n, size - (size_t)n, "  x %5.3f%s%s", row->ratio, changed ? " " : "",
                 changed ? changes[row->change] : "");
}
