/* The benchmarks' numbers: statistics, reports, what counts as changed, which rows are measured. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <math.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "talkgen/bench.h"

static tg_context *ctx;
static const char file[] = "bench_report.jsonl";

static int start(void **state) {
    (void)state;
    ctx = tg_context_create(2);
    return ctx ? 0 : -1;
}

static int stop(void **state) {
    (void)state;
    tg_context_destroy(&ctx);
    unlink(file);
    return 0;
}

static void assert_near(double a, double b) {
    if (!(fabs(a - b) <= 1e-12 * fabs(b))) {
        print_error("%.17g is not %.17g\n", a, b);
        fail();
    }
}

static void statistics(void **state) {
    (void)state;
    double odd[] = {5, 1, 4, 2, 3};
    tg_bench_times t = tg_bench_statistics(odd, 5);
    assert_near(t.median, 3);
    assert_near(t.low, 2);
    assert_near(t.high, 4);
    assert_near(t.least, 1);
    double even[] = {10, 40, 20, 30}; /* NumPy: 17.5, 25, 32.5 */
    t = tg_bench_statistics(even, 4);
    assert_near(t.low, 17.5);
    assert_near(t.median, 25);
    assert_near(t.high, 32.5);
    assert_near(t.least, 10);
    double one[] = {7};
    t = tg_bench_statistics(one, 1);
    assert_near(t.low, 7);
    assert_near(t.median, 7);
    assert_near(t.high, 7);
    double spike[] = {1, 1, 1, 1, 1000}; /* one interruption changes nothing */
    t = tg_bench_statistics(spike, 5);
    assert_near(t.median, 1);
    assert_near(t.high, 1);
}

/* Median m, spread 2 d, a second of work each. */
static tg_bench_row row_of(const char *name, double m, double d, int runs) {
    tg_bench_row row = {.threads = 2,
                        .runs = runs,
                        .repeats = 3,
                        .wall = {m, m - d, m + d, m - 2 * d},
                        .cpu_s = 1.5 * m,
                        .work = 2e9,
                        .unit = TG_BENCH_FLOP};
    snprintf(row.name, sizeof row.name, "%s", name);
    return row;
}

static void write_rows(const tg_bench_row *rows, int n) {
    const tg_bench_machine machine = tg_bench_machine_of(ctx);
    FILE *f = fopen(file, "w");
    assert_non_null(f);
    for (int i = 0; i < n; i++) {
        char *text = tg_bench_row_json(&rows[i], &machine);
        assert_non_null(text);
        assert_null(strchr(text, '\n'));
        fprintf(f, "%s\n", text);
        tg_free(text);
    }
    assert_int_equal(fclose(f), 0);
}

static void json_of_a_row(void **state) {
    (void)state;
    tg_bench_row row = row_of("kernel/x/1", 0.5, 0.125, 5);
    snprintf(row.ceiling, sizeof row.ceiling, "ceiling/fma-fp32/1");
    row.cost = 1e9;
    row.share = 0.75;
    const tg_bench_machine machine = tg_bench_machine_of(ctx);
    char *text = tg_bench_row_json(&row, &machine);
    tg_json *o = NULL;
    assert_int_equal(tg_json_parse(ctx, text, strlen(text), "row", &o), TG_OK);
    assert_string_equal(tg_json_string(tg_json_get(o, "name"), ""), "kernel/x/1");
    assert_near(tg_json_number(tg_json_get(o, "median_s"), 0), 0.5);
    assert_near(tg_json_number(tg_json_get(o, "q1_s"), 0), 0.375);
    assert_near(tg_json_number(tg_json_get(o, "q3_s"), 0), 0.625);
    assert_near(tg_json_number(tg_json_get(o, "least_s"), 0), 0.25);
    assert_near(tg_json_number(tg_json_get(o, "rate"), 0), 4);
    assert_string_equal(tg_json_string(tg_json_get(o, "unit"), ""), "GFLOP/s");
    assert_near(tg_json_number(tg_json_get(o, "share"), 0), 0.75);
    assert_string_equal(tg_json_string(tg_json_get(o, "ceiling"), ""), "ceiling/fma-fp32/1");
    assert_string_equal(tg_json_string(tg_json_get(o, "commit"), ""), tg_commit());
    assert_string_equal(tg_json_string(tg_json_get(o, "version"), ""), tg_version());
    assert_near(tg_json_number(tg_json_get(o, "threads"), 0), 2);
    assert_null(tg_json_get(o, "ratio")); /* nothing was compared */
    tg_json_destroy(&o);
    tg_free(text);

    char line[256];
    tg_bench_row_text(&row, false, line, sizeof line);
    assert_non_null(strstr(line, "kernel/x/1"));
    assert_non_null(strstr(line, "500.0 ms"));
    assert_non_null(strstr(line, "50.0 %")); /* spread */
    assert_non_null(strstr(line, "75.0 %")); /* share */
    assert_null(strstr(line, " x "));
}

static void compared(const tg_bench_report *report, tg_bench_row row, tg_bench_change change,
                     double ratio) {
    tg_bench_compare(report, &row);
    if (row.change != change || fabs(row.ratio - ratio) > 1e-9) {
        print_error("%s: change %d, ratio %g\n", row.name, (int)row.change, row.ratio);
        fail();
    }
}

static void comparison(void **state) {
    (void)state;
    const tg_bench_row then[] = {row_of("a", 1, 0.05, 5), row_of("b", 1, 0, 5),
                                 row_of("once", 1, 0, 1), row_of("a", 2, 0.1, 5)};
    write_rows(then, 4);
    tg_bench_report *report = NULL;
    assert_int_equal(tg_bench_report_read(ctx, file, &report), TG_OK);
    assert_int_equal(tg_bench_report_rows(report), 3);
    assert_string_equal(tg_bench_report_machine(report)->commit, tg_commit());
    /* the last row "a" counts: median 2, spread 0.2 */
    compared(report, row_of("a", 2.25, 0.05, 5), TG_BENCH_SAME, 2 / 2.25); /* 0.25 < 0.2 + 0.1 */
    compared(report, row_of("a", 2.25, 0.01, 5), TG_BENCH_SLOWER, 2 / 2.25);
    compared(report, row_of("a", 1.75, 0.01, 5), TG_BENCH_FASTER, 2 / 1.75);
    compared(report, row_of("b", 1, 0, 5), TG_BENCH_SAME, 1);
    compared(report, row_of("b", 1.001, 0, 5), TG_BENCH_SLOWER, 1 / 1.001);
    /* no spread to judge by, no such row, another unit */
    compared(report, row_of("once", 2, 0, 5), TG_BENCH_NOT_COMPARED, 0.5);
    compared(report, row_of("b", 2, 0, 2), TG_BENCH_NOT_COMPARED, 0.5);
    compared(report, row_of("c", 1, 0, 5), TG_BENCH_NOT_COMPARED, 0);
    tg_bench_row frames = row_of("b", 1, 0, 5);
    frames.unit = TG_BENCH_FRAME;
    compared(report, frames, TG_BENCH_NOT_COMPARED, 0);
    /* twice the work in twice the time is the same speed */
    tg_bench_row twice = row_of("b", 2, 0, 5);
    twice.work *= 2;
    compared(report, twice, TG_BENCH_SAME, 1);

    char line[256];
    tg_bench_row slower = row_of("a", 4, 0.01, 5);
    tg_bench_compare(report, &slower);
    tg_bench_row_text(&slower, true, line, sizeof line);
    assert_non_null(strstr(line, "x 0.500 slower"));
    tg_bench_report_close(&report);
    assert_null(report);
}

static void refuse(const char *text, size_t bytes, tg_status status, const char *word) {
    FILE *f = fopen(file, "w");
    assert_non_null(f);
    assert_int_equal(fwrite(text, 1, bytes, f), bytes);
    assert_int_equal(fclose(f), 0);
    tg_bench_report *report = NULL;
    const tg_status s = tg_bench_report_read(ctx, file, &report);
    const char *message = tg_message(ctx);
    if (s != status || report || !strstr(message, word) || !strstr(message, "\n  expected: ") ||
        !strstr(message, "\n  try: ")) {
        print_error("'%.60s': status %d, %s\n", text, s, message);
        fail();
    }
}

#define ROW(MEDIAN, LOW, HIGH, WORK, RUNS)                                                         \
    "{\"talkgen_bench\":1,\"name\":\"a\",\"unit\":\"GB/s\",\"median_s\":" MEDIAN ",\"q1_s\":" LOW  \
    ",\"q3_s\":" HIGH ",\"work\":" WORK ",\"runs\":" RUNS "}\n"

static void foreign_reports(void **state) {
    (void)state;
    static const char *const wrong[][2] = {
        {"", "no rows"},
        {"\n \n", "no rows"},
        {"hello\n", "line 1: not JSON"},
        {"[1]\n", "line 1: no JSON object"},
        {"{\"name\":\"a\"}\n", "not a row of talkgen bench"},
        {"{\"talkgen_bench\":2,\"name\":\"a\"}\n", "another format"},
        {"{\"talkgen_bench\":1,\"median_s\":1}\n", "'name'"},
        {"{\"talkgen_bench\":1,\"name\":7}\n", "'name'"},
        {"{\"talkgen_bench\":1,\"name\":\"a\"}\n", "'unit'"},
        {ROW("1", "1", "1", "1", "1") "{", "line 2: not JSON"},
        {ROW("-1", "-1", "-1", "1", "5"), "positive"},
        {ROW("1", "2", "3", "1", "5"), "in order"},
        {ROW("1", "1", "1e999", "1", "5"), "line 1"},
        {ROW("1", "1", "1", "0", "5"), "positive"},
        {ROW("1e308", "1e308", "1e308", "1e-308", "5"), "no number"},
        {ROW("1", "1", "1", "1", "1e9"), "'runs'"},
        {ROW("\"1\"", "1", "1", "1", "5"), "positive"},
    };
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++)
        refuse(wrong[i][0], strlen(wrong[i][0]), TG_EMODEL, wrong[i][1]);
    refuse("\0\0\0\0", 4, TG_EMODEL, "line 1");

    tg_bench_report *report = NULL;
    assert_int_equal(tg_bench_report_read(ctx, "no_such.jsonl", &report), TG_EINPUT);
    assert_null(report);

    /* a name that does not fit, and a file without a last newline */
    char text[512];
    const int n = snprintf(text, sizeof text, "{\"talkgen_bench\":1,\"name\":\"%0100d\"}", 7);
    refuse(text, (size_t)n, TG_EMODEL, "too long");
    FILE *f = fopen(file, "w");
    assert_non_null(f);
    const char good[] = ROW("1", "1", "1", "1", "5");
    assert_int_equal(fwrite(good, 1, sizeof good - 2, f), sizeof good - 2);
    assert_int_equal(fclose(f), 0);
    assert_int_equal(tg_bench_report_read(ctx, file, &report), TG_OK);
    assert_int_equal(tg_bench_report_rows(report), 1);
    tg_bench_report_close(&report);
}

/* Rows of a run, in order. */
typedef struct {
    int count;
    tg_bench_row rows[64];
} taken;

static void take(void *user, const tg_bench_row *row) {
    taken *t = user;
    assert_true(t->count < 64);
    t->rows[t->count++] = *row;
}

static void a_run(void **state) {
    (void)state;
    static taken t;
    tg_bench_options o = {.only = "kernel/mlp64-fp32/1,kernel/s?/*", .runs = 2, .folder = "."};
    assert_int_equal(tg_bench_run(ctx, &o, take, &t), TG_OK);
    /* the ceiling comes with the row that needs it */
    assert_int_equal(t.count, 3);
    assert_string_equal(t.rows[0].name, "ceiling/fma-fp32/1");
    assert_string_equal(t.rows[1].name, "kernel/mlp64-fp32/1");
    assert_string_equal(t.rows[2].name, "kernel/sh/1");
    for (int i = 0; i < t.count; i++) {
        const tg_bench_row *r = &t.rows[i];
        assert_int_equal(r->runs, 2);
        assert_int_equal(r->threads, 1);
        assert_true(r->repeats >= 1 && r->work > 0 && tg_bench_rate(r) > 0);
        assert_true(0 < r->wall.least && r->wall.least <= r->wall.low);
        assert_true(r->wall.low <= r->wall.median && r->wall.median <= r->wall.high);
    }
    /* an MLP of 64: 32-64-64-2, 64-64-64-1, 80-64-3 per sample */
    const double flop =
        2 * (32 * 64 + 64 * 64 + 64 * 2 + 64 * 64 + 64 * 64 + 64 + 80 * 64 + 64 * 3);
    assert_near(t.rows[1].cost / t.rows[1].work, flop);
    assert_string_equal(t.rows[1].ceiling, "ceiling/fma-fp32/1");
    assert_true(t.rows[1].share > 0);
    assert_near(t.rows[1].share, t.rows[1].cost / t.rows[1].wall.median / t.rows[1].ceiling_rate);
    assert_true(t.rows[1].share_cpu > 0);
    assert_int_equal(t.rows[2].ceiling[0], 0);
}

static void bad_runs(void **state) {
    (void)state;
    static taken t;
    tg_bench_options o = {.only = "nothing", .runs = 1, .folder = "."};
    assert_int_equal(tg_bench_run(ctx, &o, take, &t), TG_EUSAGE);
    assert_non_null(strstr(tg_message(ctx), "--only 'nothing'"));
    o.only = ",";
    assert_int_equal(tg_bench_run(ctx, &o, take, &t), TG_EUSAGE);
    o = (tg_bench_options){.only = "sh", .runs = -1, .folder = "."};
    assert_int_equal(tg_bench_run(ctx, &o, take, &t), TG_EUSAGE);
    /* without a person the stages are left out, which is no failure */
    o = (tg_bench_options){.only = "stage/", .runs = 1, .folder = "."};
    assert_int_equal(tg_bench_run(ctx, &o, take, &t), TG_OK);
    assert_int_equal(t.count, 0);
    /* a cancelled run says so and measures nothing */
    o.only = "kernel/sh";
    tg_cancel(ctx, TG_EINTR);
    assert_int_equal(tg_bench_run(ctx, &o, take, &t), TG_EINTR);
    tg_cancel(ctx, TG_OK);
    assert_int_equal(t.count, 0);
}

static void names(void **state) {
    (void)state;
    int n = 0;
    for (; tg_bench_name(n); n++) {
        assert_true(strlen(tg_bench_name(n)) < TG_BENCH_NAME);
        for (int i = 0; i < n; i++)
            assert_string_not_equal(tg_bench_name(i), tg_bench_name(n));
    }
    assert_true(n > 50);
    assert_null(tg_bench_name(-1));
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(statistics), cmocka_unit_test(json_of_a_row),
        cmocka_unit_test(comparison), cmocka_unit_test(foreign_reports),
        cmocka_unit_test(a_run),      cmocka_unit_test(bad_runs),
        cmocka_unit_test(names),
    };
    return cmocka_run_group_tests(tests, start, stop);
}
