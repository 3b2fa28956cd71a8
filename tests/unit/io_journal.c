/* Journals hold whole lines, whatever limits the disk or kills their writer. */
#include "io_test.h"

#include <signal.h>
#include <sys/resource.h>
#include <sys/stat.h>

static void assert_text(const char *name, const char *want) {
    char *text;
    size_t bytes;
    assert_ok(tg_file_read(ctx, in_folder(name), 1000, &text, &bytes));
    assert_string_equal(text, want);
    tg_free(text);
}

static void lines_are_appended(void **state) {
    (void)state;
    tg_journal *journal;
    assert_ok(tg_journal_open(ctx, in_folder("a"), &journal));
    tg_journal_line(journal, "one");
    assert_text("a", "one\n"); /* at once */
    assert_ok(tg_journal_close(ctx, &journal));
    assert_null(journal);
    assert_ok(tg_journal_open(ctx, in_folder("a"), &journal));
    tg_journal_line(journal, "two");
    tg_journal_line(journal, "");
    assert_ok(tg_journal_close(ctx, &journal));
    assert_text("a", "one\ntwo\n\n");
    assert_int_equal(tg_journal_open(ctx, in_folder("no/a"), &journal), TG_EOUTPUT);
    assert_message("no/a: cannot write: No such file");
    assert_null(journal);
    assert_ok(tg_journal_close(ctx, &journal));
    empty_folder();
}

static void half_a_line_is_ended(void **state) {
    (void)state;
    tg_journal *journal;
    put_file(in_folder("a"), "one\ntw", 6);
    assert_ok(tg_journal_open(ctx, in_folder("a"), &journal));
    tg_journal_line(journal, "three");
    tg_journal_line(journal, "four");
    assert_ok(tg_journal_close(ctx, &journal));
    assert_text("a", "one\ntw\nthree\nfour\n");
    empty_folder();
}

static void what_does_not_fit_is_taken_back(void **state) {
    (void)state;
    tg_journal *journal;
    struct rlimit kept, small;
    signal(SIGXFSZ, SIG_IGN);
    assert_int_equal(getrlimit(RLIMIT_FSIZE, &kept), 0);
    small = kept;
    small.rlim_cur = 20;
    for (int torn = 0; torn < 2; torn++) {
        put_file(in_folder("a"), "123456789\n", torn ? 9 : 10);
        assert_ok(tg_journal_open(ctx, in_folder("a"), &journal));
        assert_int_equal(setrlimit(RLIMIT_FSIZE, &small), 0);
        tg_journal_line(journal, "too long for it");
        struct stat st;
        assert_int_equal(stat(in_folder("a"), &st), 0);
        assert_int_equal(st.st_size, torn ? 9 : 10);
        tg_journal_line(journal, "short");
        tg_journal_line(journal, "again too long");
        assert_int_equal(setrlimit(RLIMIT_FSIZE, &kept), 0);
        assert_int_equal(tg_journal_close(ctx, &journal), TG_EOUTPUT);
        assert_message("a: cannot write after 20 bytes: File too large");
        assert_text("a", "123456789\nshort\n");
        empty_folder();
    }
}

static void devices_and_pipes(void **state) {
    (void)state;
    tg_journal *journal;
    if (tg_file_exists("/dev/full")) {
        assert_ok(tg_journal_open(ctx, "/dev/full", &journal));
        tg_journal_line(journal, "one");
        assert_int_equal(tg_journal_close(ctx, &journal), TG_EOUTPUT);
        assert_message("/dev/full: cannot write: No space left");
    }
    char text[16];
    assert_int_equal(mkfifo(in_folder("pipe"), 0600), 0);
    FILE *f = fopen(in_folder("pipe"), "r+"); /* holds both ends open */
    assert_ok(tg_journal_open(ctx, in_folder("pipe"), &journal));
    tg_journal_line(journal, "one");
    assert_int_equal(fread(text, 1, 4, f), 4);
    assert_memory_equal(text, "one\n", 4);
    assert_ok(tg_journal_close(ctx, &journal));
    fclose(f);
    empty_folder();
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(lines_are_appended),
        cmocka_unit_test(half_a_line_is_ended),
        cmocka_unit_test(what_does_not_fit_is_taken_back),
        cmocka_unit_test(devices_and_pipes),
    };
    return cmocka_run_group_tests(tests, start, stop);
}
