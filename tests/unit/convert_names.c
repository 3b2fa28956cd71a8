/* Published names to ours, and back in messages. */
#include "io_test.h"

#include "convert/names.h"

static tg_name_pair table[] = {{"encoder_ambient", "ambient_embedder"},
                               {"encoder", "position_embedder"},
                               {"codes", "individual"},
                               {"unused", ""},
                               {NULL, NULL}};

static void renames(void **state) {
    (void)state;
    static const char *const pairs[][2] = {
        {"encoder.embeddings", "position_embedder.embeddings"},
        {"encoder_ambient.embeddings", "ambient_embedder.embeddings"},
        {"codes", "individual"},
        {"codes_torso", "codes_torso"}, /* a longer word is another name */
        {"sigma_net.net.0.weight", "sigma_net.net.0.weight"},
        {"unused.weight", ""},
    };
    char out[TG_ST_NAME_ROOM];
    for (size_t i = 0; i < sizeof pairs / sizeof pairs[0]; i++) {
        tg_rename_by_table(table, pairs[i][0], out);
        assert_string_equal(out, pairs[i][1]);
    }
}

static void messages(void **state) {
    (void)state;
    tg_status s =
        tg_fail(ctx, TG_EMODEL,
                "ngp.pth: tensor position_embedder.embeddings is missing, my_individual not\n"
                "  expected: individual of shape [4, 4]\n  try: 'ambient_embedder.offsets'");
    assert_int_equal(tg_with_their_names(ctx, s, table), TG_EMODEL);
    assert_string_equal(tg_message(ctx),
                        "ngp.pth: tensor encoder.embeddings is missing, my_individual not\n"
                        "  expected: codes of shape [4, 4]\n  try: 'encoder_ambient.offsets'");
    s = tg_fail(ctx, TG_EINPUT, "position_embedder.embeddings");
    assert_int_equal(tg_with_their_names(ctx, s, table), TG_EINPUT); /* about another file */
    assert_string_equal(tg_message(ctx), "position_embedder.embeddings");
    assert_int_equal(tg_with_their_names(ctx, TG_OK, table), TG_OK);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(renames, start, stop),
        cmocka_unit_test_setup_teardown(messages, start, stop),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
