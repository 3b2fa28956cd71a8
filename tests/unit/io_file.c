/* Whole files and folders. */
#include "io_test.h"

#include "io/files.h"

#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <sys/resource.h>
#include <sys/stat.h>

static void read_and_write(void **state) {
    (void)state;
    char data[70000], *text;
    size_t bytes;
    for (size_t i = 0; i < sizeof data; i++) {
        data[i] = (char)(i * 7);
    }
    const size_t sizes[] = {0, 1, 65535, 65536, 65537, 70000};
    for (size_t i = 0; i < sizeof sizes / sizeof sizes[0]; i++) {
        assert_ok(tg_file_write(ctx, in_folder("a"), data, sizes[i]));
        assert_ok(tg_file_read(ctx, in_folder("a"), sizes[i], &text, &bytes));
        assert_int_equal(bytes, sizes[i]);
        assert_memory_equal(text, data, bytes);
        assert_int_equal(text[bytes], 0); /* ends like a string */
        tg_free(text);
    }
    assert_int_equal(tg_file_read(ctx, in_folder("a"), 69999, &text, &bytes), TG_EINPUT);
    assert_null(text);
    assert_message("larger than 69999 bytes");
    assert_int_equal(files_in_folder(), 1);
    /* No size beforehand: a pipe. */
    assert_int_equal(mkfifo(in_folder("pipe"), 0600), 0);
    FILE *f = fopen(in_folder("pipe"), "r+");
    assert_int_equal(fwrite(data, 1, 3000, f), 3000);
    fflush(f);
    assert_int_equal(tg_file_read(ctx, in_folder("pipe"), 1000, &text, &bytes), TG_EINPUT);
    assert_message("larger than 1000 bytes");
    tg_map map;
    assert_int_equal(tg_map_open(ctx, in_folder("pipe"), TG_EMODEL, &map), TG_EMODEL);
    assert_message("Illegal seek"); /* a pipe has no pages */
    fclose(f);
    empty_folder();
}

/* --report /dev/null as root once left a file where the device had been. */
static void what_is_no_file_stays(void **state) {
    (void)state;
    struct stat st;
    char text[8];
    assert_int_equal(mkfifo(in_folder("pipe"), 0600), 0);
    FILE *f = fopen(in_folder("pipe"), "r+"); /* holds both ends open */
    assert_ok(tg_file_write(ctx, in_folder("pipe"), "abc", 3));
    assert_ok(tg_file_write_synced(ctx, in_folder("pipe"), "def", 3));
    assert_int_equal(fread(text, 1, 6, f), 6);
    assert_memory_equal(text, "abcdef", 6);
    fclose(f);
    tg_temp temp;
    f = fopen(in_folder("pipe"), "r+");
    assert_ok(tg_temp_open(ctx, in_folder("pipe"), &temp));
    tg_temp_abort(&temp);
    fclose(f);
    assert_int_equal(stat(in_folder("pipe"), &st), 0);
    assert_true(S_ISFIFO(st.st_mode));
    assert_int_equal(symlink("/dev/null", in_folder("nothing")), 0);
    assert_ok(tg_file_write_synced(ctx, in_folder("nothing"), "abc", 3));
    assert_int_equal(lstat(in_folder("nothing"), &st), 0);
    assert_true(S_ISLNK(st.st_mode));
    assert_int_equal(files_in_folder(), 2);
    empty_folder();
}

static void failures_are_named(void **state) {
    (void)state;
    char *text;
    size_t bytes;
    assert_int_equal(tg_file_read(ctx, in_folder("absent"), 10, &text, &bytes), TG_EINPUT);
    assert_message("absent: cannot read: No such file");
    assert_int_equal(tg_file_read(ctx, folder, 10, &text, &bytes), TG_EINPUT);
    assert_message("Is a directory");
    assert_int_equal(tg_file_write(ctx, in_folder("no/a"), "x", 1), TG_EOUTPUT);
    assert_message("existing directory");
    assert_int_equal(tg_file_write(ctx, folder, "x", 1), TG_EOUTPUT);
    assert_message("Is a directory");
    assert_int_equal(tg_file_write(ctx, "", "x", 1), TG_EOUTPUT);
    char name[5000];
    memset(name, 'a', sizeof name - 1);
    name[sizeof name - 1] = '\0';
    assert_int_equal(tg_file_write(ctx, name, "x", 1), TG_EOUTPUT);
    name[300] = '\0';
    assert_int_equal(tg_file_write(ctx, in_folder(name), "x", 1), TG_EOUTPUT);
    assert_int_equal(files_in_folder(), 0);
    name[255] = '\0'; /* the longest name there is: the temporary one must fit too */
    assert_ok(tg_file_write(ctx, in_folder(name), "x", 1));
    assert_true(tg_file_exists(in_folder(name)));
    assert_false(tg_file_exists(in_folder("b")));
    empty_folder();
}

/* Fills a pipe in pieces, so that reading it has to wait. */
static void *fill(void *path) {
    static char data[200000];
    FILE *f = fopen(path, "w");
    for (size_t i = 0; i < sizeof data; i++) {
        data[i] = (char)(i * 11);
    }
    for (size_t i = 0; f && i < 10; i++) {
        fwrite(data + i * 20000, 1, 20000, f);
        fflush(f);
    }
    if (f) {
        fclose(f);
    }
    return data;
}

static void pipes_grow(void **state) {
    (void)state;
    char path[512], *text;
    size_t bytes;
    void *data;
    pthread_t writer;
    strcpy(path, in_folder("pipe"));
    assert_int_equal(mkfifo(path, 0600), 0);
    assert_int_equal(pthread_create(&writer, NULL, fill, path), 0);
    assert_ok(tg_file_read(ctx, path, 1 << 20, &text, &bytes));
    assert_int_equal(pthread_join(writer, &data), 0);
    assert_int_equal(bytes, 200000);
    assert_memory_equal(text, data, bytes);
    tg_free(text);
    empty_folder();
}

/* What the disk or the shell limits is told as such, and nothing half-written stays. */
static void limits_are_named(void **state) {
    (void)state;
    static char data[100000];
    struct rlimit kept, small;
    signal(SIGXFSZ, SIG_IGN);
    assert_int_equal(getrlimit(RLIMIT_FSIZE, &kept), 0);
    small = kept;
    small.rlim_cur = 50000;
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &small), 0);
    tg_status status = tg_file_write(ctx, in_folder("a"), data, sizeof data);
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &kept), 0);
    assert_int_equal(status, TG_EOUTPUT);
    assert_message("a: cannot write after 50000 of 100000 bytes: File too large");
    assert_message("ulimit -f");
    assert_int_equal(files_in_folder(), 0);
    struct {
        int error;
        const char *text;
    } errors[] = {
        {ENOSPC, "df -h"}, {EDQUOT, "room on the disk"}, {EPIPE, "other end of the pipe"}};
    for (size_t i = 0; i < sizeof errors / sizeof errors[0]; i++) {
        assert_int_equal(tg_write_failed(ctx, "a", errors[i].error), TG_EOUTPUT);
        assert_message(errors[i].text);
    }
    assert_int_equal(tg_read_failed(ctx, TG_EMODEL, "a", ENOMEM), TG_ENOMEM);
    tg_map map;
    assert_int_equal(tg_map_open(ctx, folder, TG_EMODEL, &map), TG_EMODEL);
    assert_message("Is a directory");
    assert_int_equal(tg_file_write(ctx, in_folder("a/"), "x", 1), TG_EOUTPUT);
    assert_message("file name inside that directory");
    assert_int_equal(tg_make_dirs(ctx, ""), TG_EOUTPUT);
    assert_true(tg_has_extension("a/b.PNG", "png"));
    assert_false(tg_has_extension("a.png/b", "png"));
    assert_false(tg_has_extension("png", "png"));
}

static void folders_and_sums(void **state) {
    (void)state;
    char sum[33];
    assert_ok(tg_make_dirs(ctx, in_folder("a/b//c/")));
    assert_ok(tg_make_dirs(ctx, in_folder("a/b")));
    assert_ok(tg_file_write(ctx, in_folder("a/b/c/x"), "abc", 3));
    assert_ok(tg_file_md5(ctx, in_folder("a/b/c/x"), sum));
    assert_string_equal(sum, "900150983cd24fb0d6963f7d28e17f72"); /* RFC 1321 */
    assert_int_equal(tg_make_dirs(ctx, in_folder("a/b/c/x/d")), TG_EOUTPUT);
    assert_ok(tg_file_write(ctx, in_folder("a/b/c/x"), "", 0));
    assert_ok(tg_file_md5(ctx, in_folder("a/b/c/x"), sum));
    assert_string_equal(sum, "d41d8cd98f00b204e9800998ecf8427e");
    assert_int_equal(tg_file_md5(ctx, in_folder("absent"), sum), TG_EINPUT);
    remove(in_folder("a/b/c/x"));
    remove(in_folder("a/b/c"));
    remove(in_folder("a/b"));
    empty_folder();
    assert_int_equal(files_in_folder(), 0);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(read_and_write),     cmocka_unit_test(what_is_no_file_stays),
        cmocka_unit_test(failures_are_named), cmocka_unit_test(pipes_grow),
        cmocka_unit_test(limits_are_named),   cmocka_unit_test(folders_and_sums),
    };
    return cmocka_run_group_tests(tests, start, stop);
}
