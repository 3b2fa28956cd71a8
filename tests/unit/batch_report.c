/* The report of a run, while another run begins in the same folder. */
#include "io_test.h"

#include "batch/sweep.h"
#include "talkgen/batch.h"

#include <fcntl.h>

static const char *swept_folder; /* NULL = nobody sweeps */
static int sweeps, removed;

/* In place of the library's: what happens while the report is about to get its name. */
int rename(const char *from, const char *to) {
    tg_locks *other;
    if (swept_folder) {
        assert_ok(tg_locks_open(ctx, swept_folder, &other));
        removed += tg_sweep(swept_folder, other);
        tg_locks_close(&other);
        sweeps++;
    }
    return renameat(AT_FDCWD, from, AT_FDCWD, to);
}

static void report_in(const char *out, const char *report) {
    tg_batch_options o = tg_batch_defaults();
    tg_batch_summary sum;
    tg_clip_list none = {0};
    o.out_dir = swept_folder = out;
    o.report = report;
    sweeps = removed = 0;
    tg_status s = tg_batch_run(ctx, &o, &none, NULL, &sum);
    swept_folder = NULL;
    assert_ok(s);
    assert_int_equal(sweeps, 1);
    assert_int_equal(removed, 0);
    assert_true(tg_file_exists(report));
}

static void report_is_not_swept(void **state) {
    (void)state;
    char out[600], report[700];
    snprintf(out, sizeof out, "%s", in_folder("renders"));
    assert_ok(tg_make_dirs(ctx, in_folder("renders/below")));
    static const char *const names[] = {"report-0-of-7.jsonl", "below/mine.jsonl",
                                        "below/../m.json"};
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        snprintf(report, sizeof report, "%s/%s", out, names[i]);
        report_in(out, report);
    }
    tg_locks *locks;
    assert_ok(tg_locks_open(ctx, out, &locks));
    assert_ok(tg_file_write(ctx, in_folder("renders/.report.jsonl.1-1.part"), "", 0));
    assert_int_equal(tg_sweep(out, locks), 1); /* but that of a dead run is */
    tg_locks_close(&locks);
}

static void knows_where(void **state) {
    (void)state;
    char out[600], name[700];
    snprintf(out, sizeof out, "%s", in_folder("place"));
    assert_ok(tg_make_dirs(ctx, in_folder("place/a")));
    assert_ok(tg_make_dirs(ctx, in_folder("places")));
    assert_true(tg_sweep_place(out, in_folder("place/r.jsonl"), name, sizeof name));
    assert_string_equal(name, "r.jsonl");
    assert_true(tg_sweep_place(out, in_folder("place/a/../a/r.jsonl"), name, sizeof name));
    assert_string_equal(name, "a/r.jsonl");
    assert_false(tg_sweep_place(out, in_folder("place/a/r.jsonl"), name, 5));
    assert_false(tg_sweep_place(out, in_folder("places/r.jsonl"), name, sizeof name));
    assert_false(tg_sweep_place(out, in_folder("r.jsonl"), name, sizeof name));
    assert_false(tg_sweep_place(out, in_folder("nowhere/r.jsonl"), name, sizeof name));
    assert_true(tg_sweep_place(out, in_folder("place/a.mp4.json"), name, sizeof name));
    assert_string_equal(name, "a.mp4");
    assert_true(tg_sweep_place("/", "/r.jsonl", name, sizeof name));
    assert_string_equal(name, "r.jsonl");
    assert_true(tg_sweep_place(".", "r.jsonl", name, sizeof name));
    assert_string_equal(name, "r.jsonl");
}

static int stop_all(void **state) {
    char command[256];
    snprintf(command, sizeof command, "rm -rf '%s'/place* '%s'/renders", folder, folder);
    return system(command) | stop(state);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(report_is_not_swept),
        cmocka_unit_test(knows_where),
    };
    return cmocka_run_group_tests(tests, start, stop_all);
}
