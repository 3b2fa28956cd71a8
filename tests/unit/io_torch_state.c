/* State dicts that do not become named tensors. The files are seeds of the fuzz target. */
#include "io_test.h"

static tg_status flatten(const char *name) {
    char path[512];
    tg_torch *file;
    tg_st *st;
    snprintf(path, sizeof path, "%s/fuzz/corpus/torch/%s", TG_TESTS_DIR, name);
    assert_ok(tg_torch_open(ctx, path, &file));
    tg_status status = tg_st_from_torch(ctx, file, tg_torch_root(file), &st);
    assert_true((status == TG_OK) == (st != NULL));
    tg_st_close(&st);
    tg_torch_close(&file);
    return status;
}

static void refuses(void **state) {
    (void)state;
    /* 24 numbers that stand for 4096 x 4096. */
    assert_int_equal(flatten("expanded.pth"), TG_EMODEL);
    assert_message("tensor w repeats elements beyond the size of the file");
    assert_int_equal(flatten("long_name.pth"), TG_EMODEL);
    assert_message("a name below m is longer than");
    /* Nothing in it is a tensor. */
    assert_ok(flatten("plain4.pkl"));
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(refuses)};
    return cmocka_run_group_tests(tests, start, stop);
}
