/* JSON: values come back, mistakes are named with their place, no input does harm. */
#include "io_test.h"

#include <math.h>

static void reads_values(void **state) {
    (void)state;
    const char *text = " {\"a\": 1.5, \"b\": [1, 2, 3], \"c\": {\"d\": \"x\"}, \"e\": true} \n";
    tg_json *root;
    assert_ok(tg_json_parse(ctx, text, strlen(text), "text", &root));
    assert_true(tg_json_number(tg_json_get(root, "a"), 0) == 1.5);
    const tg_json *b = tg_json_get(root, "b");
    assert_int_equal(tg_json_count(b), 3);
    double sum = 0;
    for (const tg_json *v = tg_json_first(b); v; v = tg_json_next(v)) {
        sum += tg_json_number(v, -100);
    }
    assert_true(sum == 6);
    assert_true(tg_json_number(tg_json_at(b, 2), 0) == 3);
    assert_null(tg_json_at(b, 3));
    assert_null(tg_json_at(b, -1));
    assert_string_equal(tg_json_string(tg_json_get(tg_json_get(root, "c"), "d"), ""), "x");
    assert_true(tg_json_bool(tg_json_get(root, "e"), false));
    assert_string_equal(tg_json_key(tg_json_at(root, 1)), "b");
    /* Chains over what is absent or of another kind give the default. */
    assert_true(tg_json_number(tg_json_get(tg_json_get(tg_json_get(root, "x"), "y"), "z"), 7) == 7);
    assert_true(tg_json_number(tg_json_get(b, "a"), 7) == 7);
    assert_int_equal(tg_json_count(tg_json_get(root, "a")), 0);
    assert_null(tg_json_get(root, "A"));
    tg_json_destroy(&root);
    assert_null(root);
}

static void builds_and_prints(void **state) {
    (void)state;
    tg_json *root = tg_json_new_object();
    tg_json_set_number(root, "n", 0.1);
    tg_json_set_number(root, "n", 0.2); /* replaces */
    tg_json_set_string(root, "s", "a \"quote\"\n");
    tg_json_set_bool(root, "t", false);
    tg_json *list = tg_json_set_array(root, "list");
    tg_json_set_number(list, NULL, 123456789012.0);
    tg_json_set_string(tg_json_set_object(list, NULL), "k", "v");
    tg_json_set_json(root, "owned", tg_json_new_array());
    assert_null(tg_json_set_number(list, "key", 1)); /* no keys in arrays */
    assert_null(tg_json_set_number(root, NULL, 1));
    char *text = tg_json_print(root, false);
    assert_string_equal(text, "{\"n\":0.2,\"s\":\"a \\\"quote\\\"\\n\",\"t\":false,\"list\":"
                              "[123456789012,{\"k\":\"v\"}],\"owned\":[]}");
    tg_free(text);
    assert_ok(tg_json_write(ctx, in_folder("a.json"), root));
    tg_json_destroy(&root);
    assert_ok(tg_json_read(ctx, in_folder("a.json"), &root));
    assert_true(tg_json_number(tg_json_at(tg_json_get(root, "list"), 0), 0) == 123456789012.0);
    tg_json_destroy(&root);
    assert_int_equal(files_in_folder(), 1);
    empty_folder();
}

static void refuses_what_is_no_json(void **state) {
    (void)state;
    char deep[4096];
    memset(deep, '[', sizeof deep - 1);
    deep[sizeof deep - 1] = '\0';
    const struct {
        const char *text, *message;
    } cases[] = {
        {"", "empty file at line 1, column 1"},
        {"{", "line 1"},
        {"{\"a\": 1,\n \"b\": }", "line 2, column"},
        {"[1, 2", "line 1"},
        {"[1] x", "text after the JSON value at line 1, column 5"},
        {"\"open", "line 1"},
        {"\"\\ud800\"", "line 1"},
        {"{\"a\" 1}", "line 1"},
        {"nul", "line 1"},
        {"[1e999]", "a number is too large"},
        {"{\"a\": {\"b\": [0, -1e400]}}", "a number is too large"},
        {deep, "line 1"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        tg_json *root = (tg_json *)1;
        assert_int_equal(
            tg_json_parse(ctx, cases[i].text, strlen(cases[i].text), "name.json", &root),
            TG_EINPUT);
        assert_null(root);
        assert_message(cases[i].message);
        assert_message("name.json");
    }
    tg_json *root;
    assert_int_equal(tg_json_read(ctx, in_folder("absent.json"), &root), TG_EINPUT);
    assert_message("absent.json");
    assert_int_equal(tg_json_read(ctx, folder, &root), TG_EINPUT);
}

/* Names from foreign files: what is printed is UTF-8 whatever they hold. */
static void prints_utf8(void **state) {
    (void)state;
    static const struct {
        const char *bytes, *text;
    } cases[] = {
        {"caf\xc3\xa9 \xe2\x82\xac \xf0\x9f\x98\x80", "caf\xc3\xa9 \xe2\x82\xac \xf0\x9f\x98\x80"},
        {"\xff", "\xef\xbf\xbd"},
        {"a\xc3", "a\xef\xbf\xbd"},                               /* cut off */
        {"\xc0\x80", "\xef\xbf\xbd\xef\xbf\xbd"},                 /* longer than needed */
        {"\xed\xa0\x80", "\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd"}, /* a surrogate */
        {"\xf4\x90\x80\x80", "\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd"},
        {"\xe0\x9f\xbf!", "\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd!"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        tg_json *root = tg_json_new_object();
        assert_non_null(tg_json_set_string(root, cases[i].bytes, cases[i].bytes));
        assert_string_equal(tg_json_key(tg_json_first(root)), cases[i].text);
        assert_string_equal(tg_json_string(tg_json_get(root, cases[i].text), ""), cases[i].text);
        tg_json_destroy(&root);
    }
}

static void refuses_more_than_memory(void **state) {
    (void)state;
    size_t n = 2000000;
    char *text = malloc(n + 1);
    tg_json *root;
    assert_non_null(text);
    for (size_t i = 0; i < n; i++) {
        text[i] = i % 2 ? '0' : i ? ',' : '[';
    }
    text[n] = ']';
    assert_int_equal(tg_json_parse(ctx, text, n + 1, "many.json", &root), TG_EINPUT);
    assert_null(root);
    assert_message("too many values");
    memset(text + 400000, ' ', n - 400000); /* a fifth of them remain */
    assert_ok(tg_json_parse(ctx, text, n + 1, "fewer.json", &root));
    assert_int_equal(tg_json_count(root), 200000);
    tg_json_destroy(&root);
    free(text);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(reads_values),
        cmocka_unit_test(builds_and_prints),
        cmocka_unit_test(prints_utf8),
        cmocka_unit_test(refuses_what_is_no_json),
        cmocka_unit_test(refuses_more_than_memory),
    };
    return cmocka_run_group_tests(tests, start, stop);
}
