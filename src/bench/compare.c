/* An earlier report, and what changed since. The file comes from anywhere. */
#include "bench/bench.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { MOST_BYTES = 16 << 20, MOST_ROWS = 4096 };

/* Seconds per unit of work. */
typedef struct {
    char name[TG_BENCH_NAME];
    char unit[16];
    int runs;
    double median, spread;
} old_row;

struct tg_bench_report {
    old_row *rows;
    int count;
    tg_bench_machine machine;
};

void tg_bench_report_close(tg_bench_report **report) {
    if (!report || !*report)
        return;
    free((*report)->rows);
    free(*report);
    *report = NULL;
}

int tg_bench_report_rows(const tg_bench_report *report) {
    return report->count;
}

const tg_bench_machine *tg_bench_report_machine(const tg_bench_report *report) {
    return &report->machine;
}

static tg_status foreign(tg_context *ctx, const char *path, int line, const char *what) {
    return tg_fail(ctx, TG_EMODEL,
                   "%s: line %d: %s\n  expected: lines of talkgen bench --json, format %d\n"
                   "  try: talkgen bench --json >FILE",
                   path, line, what, (int)TG_BENCH_FORMAT);
}

static bool copy_text(const tg_json *o, const char *key, char *out, size_t size) {
    const char *text = tg_json_string(tg_json_get(o, key), "");
    const size_t n = strlen(text);
    const size_t kept = n < size ? n : size - 1;
    memcpy(out, text, kept);
    out[kept] = '\0';
    return n > 0 && n < size;
}

static bool positive(double x) {
    return isfinite(x) && x > 0;
}

/* NULL, or what is wrong with the line. */
static const char *read_row(const tg_json *o, old_row *row) {
    if (!tg_json_is_object(o))
        return "no JSON object";
    if (!tg_json_is_number(tg_json_get(o, "talkgen_bench")))
        return "not a row of talkgen bench";
    if (tg_json_number(tg_json_get(o, "talkgen_bench"), 0) != TG_BENCH_FORMAT)
        return "a row of another format";
    if (!copy_text(o, "name", row->name, sizeof row->name))
        return "'name' is missing or too long";
    if (!copy_text(o, "unit", row->unit, sizeof row->unit))
        return "'unit' is missing or too long";
    const double median = tg_json_number(tg_json_get(o, "median_s"), NAN);
    const double low = tg_json_number(tg_json_get(o, "q1_s"), NAN);
    const double high = tg_json_number(tg_json_get(o, "q3_s"), NAN);
    const double work = tg_json_number(tg_json_get(o, "work"), NAN);
    const double runs = tg_json_number(tg_json_get(o, "runs"), NAN);
    if (!positive(median) || !positive(low) || !positive(high) || !positive(work) ||
        !(low <= median && median <= high))
        return "median_s, q1_s, q3_s and work are not positive numbers in order";
    if (!(runs >= 1 && runs <= TG_BENCH_MOST_RUNS))
        return "'runs' is out of range";
    row->runs = (int)runs;
    row->median = median / work;
    row->spread = (high - low) / work;
    return positive(row->median) && isfinite(row->spread) ? NULL : "a time that is no number";
}

static old_row *find(const tg_bench_report *report, const char *name) {
    for (int i = 0; i < report->count; i++)
        if (strcmp(report->rows[i].name, name) == 0)
            return &report->rows[i];
    return NULL;
}

static tg_status read_line(tg_context *ctx, const char *path, int line, const char *text, size_t n,
                           tg_bench_report *report) {
    char name[64];
    snprintf(name, sizeof name, "line %d", line);
    tg_json *json = NULL;
    old_row row;
    tg_status s = tg_json_parse(ctx, text, n, name, &json);
    if (s == TG_ENOMEM)
        return s;
    const char *wrong = s == TG_OK ? read_row(json, &row) : "not JSON";
    if (wrong) {
        s = foreign(ctx, path, line, wrong);
    } else {
        old_row *same = find(report, row.name);
        if (!same && report->count == MOST_ROWS)
            s = foreign(ctx, path, line, "more rows than any report has");
        else
            *(same ? same : &report->rows[report->count]) = row;
        if (s == TG_OK && !same && report->count++ == 0) {
            tg_bench_machine *m = &report->machine;
            copy_text(json, "cpu", m->cpu, sizeof m->cpu);
            copy_text(json, "cpu_level", m->level, sizeof m->level);
            copy_text(json, "commit", m->commit, sizeof m->commit);
            copy_text(json, "version", m->version, sizeof m->version);
            copy_text(json, "flags", m->flags, sizeof m->flags);
        }
    }
    tg_json_destroy(&json);
    return s;
}

tg_status tg_bench_report_read(tg_context *ctx, const char *path, tg_bench_report **out) {
    *out = NULL;
    char *text;
    size_t bytes;
    tg_status s = tg_file_read(ctx, path, MOST_BYTES, &text, &bytes);
    if (s != TG_OK)
        return s;
    tg_bench_report *report = calloc(1, sizeof *report);
    if (report)
        report->rows = malloc(MOST_ROWS * sizeof *report->rows);
    if (!report || !report->rows)
        s = tg_fail(ctx, TG_ENOMEM, "%s: out of memory", path);
    int line = 1;
    for (size_t at = 0; s == TG_OK && at < bytes; line++) {
        const char *end = memchr(text + at, '\n', bytes - at);
        const size_t n = end ? (size_t)(end - (text + at)) : bytes - at;
        size_t blank = 0;
        while (blank < n && strchr(" \t\r", text[at + blank]) && text[at + blank])
            blank++;
        if (blank < n)
            s = read_line(ctx, path, line, text + at, n, report);
        at += n + 1;
    }
    if (s == TG_OK && report->count == 0)
        s = foreign(ctx, path, 1, "no rows");
    tg_free(text);
    if (s != TG_OK)
        tg_bench_report_close(&report);
    *out = report;
    return s;
}

void tg_bench_compare(const tg_bench_report *report, tg_bench_row *row) {
    enum { LEAST_RUNS = 3 };
    row->change = TG_BENCH_NOT_COMPARED;
    row->ratio = 0;
    const old_row *old = find(report, row->name);
    if (!old || strcmp(old->unit, tg_bench_unit_name(row->unit)) != 0)
        return;
    const double now = row->wall.median / row->work;
    row->ratio = old->median / now;
    if (old->runs < LEAST_RUNS || row->runs < LEAST_RUNS)
        return; /* no spread to judge by */
    const double spread = (row->wall.high - row->wall.low) / row->work + old->spread;
    row->change = !(fabs(now - old->median) > spread) ? TG_BENCH_SAME
                  : now < old->median                 ? TG_BENCH_FASTER
                                                      : TG_BENCH_SLOWER;
}
