/* YAML: scalars are typed as PyYAML types them, files inherit as GeneFace's do, hostile ones are
 * refused. */
#include "io_test.h"

#include <math.h>
#include <sys/stat.h>

static tg_json *parsed(const char *text) {
    tg_json *root;
    assert_ok(tg_yaml_parse(ctx, text, strlen(text), "text", &root));
    return root;
}

static void refused(const char *text, const char *part) {
    tg_json *root;
    assert_int_equal(tg_yaml_parse(ctx, text, strlen(text), "text", &root), TG_EINPUT);
    assert_null(root);
    assert_non_null(strstr(tg_message(ctx), part));
    assert_non_null(strstr(tg_message(ctx), "\n  expected: "));
    assert_non_null(strstr(tg_message(ctx), "\n  try: "));
}

static double number(const tg_json *root, const char *key) {
    assert_true(tg_json_is_number(tg_json_get(root, key)));
    return tg_json_number(tg_json_get(root, key), NAN);
}

static void types_scalars_as_pyyaml(void **state) {
    (void)state;
    tg_json *root = parsed("a: 16\n"
                           "b: -3\n"
                           "c: 0.00390625 # 1/256\n"
                           "d: 1e-4\n"
                           "e: 1.0e+3\n"
                           "f: 010\n"
                           "g: 0x1F\n"
                           "h: 1_000\n"
                           "i: 1:30\n"
                           "j: .5\n"
                           "k: 5e-4\n"
                           "l: 0b101\n"
                           "yes1: yes\nyes2: On\nyes3: TRUE\nno1: off\nno2: False\n"
                           "n1:\nn2: ~\nn3: null\n"
                           "s1: '16'\ns2: \"true\"\ns3: May\ns4: 1.2.3\ns5: .inf\ns6: 1e\n"
                           "s7: egs/datasets/videos/May/base.yaml\ns8: y\ns9: 2024-10-01\n"
                           "t2: !!float 3\nt3: 12abc\n"
                           "list: [1, x, {y: 2}]\n"
                           "'-': dash\n");
    const struct {
        const char *key;
        double value;
    } numbers[] = {{"a", 16},   {"b", -3}, {"c", 0.00390625}, {"d", 1e-4}, {"e", 1000},
                   {"f", 8},    {"g", 31}, {"h", 1000},       {"i", 90},   {"j", 0.5},
                   {"k", 5e-4}, {"l", 5},  {"t2", 3}};
    for (size_t i = 0; i < sizeof numbers / sizeof *numbers; i++) {
        assert_true(number(root, numbers[i].key) == numbers[i].value);
    }
    assert_true(tg_json_bool(tg_json_get(root, "yes1"), false));
    assert_true(tg_json_bool(tg_json_get(root, "yes2"), false));
    assert_true(tg_json_bool(tg_json_get(root, "yes3"), false));
    assert_false(tg_json_bool(tg_json_get(root, "no1"), true));
    assert_false(tg_json_bool(tg_json_get(root, "no2"), true));
    for (int i = 1; i <= 3; i++) {
        char key[8];
        snprintf(key, sizeof key, "n%d", i);
        assert_non_null(tg_json_get(root, key));
        assert_false(tg_json_is_string(tg_json_get(root, key)));
        assert_false(tg_json_is_number(tg_json_get(root, key)));
    }
    const char *texts[][2] = {{"s1", "16"},
                              {"s2", "true"},
                              {"s3", "May"},
                              {"s4", "1.2.3"},
                              {"s5", ".inf"},
                              {"s6", "1e"},
                              {"s8", "y"},
                              {"s9", "2024-10-01"},
                              {"t3", "12abc"},
                              {"-", "dash"},
                              {"s7", "egs/datasets/videos/May/base.yaml"}};
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
        assert_string_equal(tg_json_string(tg_json_get(root, texts[i][0]), ""), texts[i][1]);
    }
    const tg_json *list = tg_json_get(root, "list");
    assert_int_equal(tg_json_count(list), 3);
    assert_true(tg_json_number(tg_json_get(tg_json_at(list, 2), "y"), 0) == 2);
    tg_json_destroy(&root);
}

static void last_key_and_merges(void **state) {
    (void)state;
    tg_json *root = parsed("amp: false\nload: true\namp: true\n"
                           "base: &b {x: 1, y: 2}\n"
                           "more: {y: 5, <<: *b, z: 3}\n"
                           "both: {<<: [{x: 7}, *b]}\n"
                           "same: *b\n");
    assert_true(tg_json_bool(tg_json_get(root, "amp"), false));
    const tg_json *more = tg_json_get(root, "more"), *both = tg_json_get(root, "both");
    assert_true(number(more, "x") == 1 && number(more, "y") == 5 && number(more, "z") == 3);
    assert_true(number(both, "x") == 7 && number(both, "y") == 2);
    assert_true(number(tg_json_get(root, "same"), "y") == 2);
    tg_json_destroy(&root);
}

static void refuses_hostile_text(void **state) {
    (void)state;
    refused("", "no mapping");
    refused("- a\n- b\n", "no mapping");
    refused("just text", "no mapping");
    refused("a: [1, 2\nb: 3\n", "line");
    refused("a: b: c\n", "line 1");
    refused("a: 'x\n", "not valid YAML");
    refused("a: *nobody\n", "not valid YAML");
    refused("a: \"x\\0y\"\n", "zero byte");
    refused("\"x\\0y\": 1\n", "zero byte");
    refused("a: 1\n---\nb: 2\n", "more than one document");
    refused("a: !!python/object/apply:os.system ['true']\n", "a tag that is not known");
    refused("a: !!python/name:os.system x\n", "a tag that is not known");
    refused("a: !!int many\n", "no number");
    refused("[1, 2]: x\n", "a key that is a list");
    refused("<<: 3\n", "a merge");
    refused("a: &a {b: *a}\n", "nested too deeply");
    refused("a: &a\n  <<: *a\n", "nested too deeply");
    refused("\xff\xfe\x00", "text");
    char text[8192];
    strcpy(text, "a: ");
    for (int i = 0; i < 40; i++) {
        strcat(text, "[");
    }
    for (int i = 0; i < 40; i++) {
        strcat(text, "]");
    }
    refused(text, "nested too deeply");
    /* A billion laughs: each level uses the one before ten times. */
    char *at = text + sprintf(text, "l0: &l0 [x, x, x, x, x, x, x, x, x, x]\n");
    for (int i = 1; i < 9; i++) {
        at += sprintf(at, "l%d: &l%d [", i, i);
        for (int k = 0; k < 10; k++) {
            at += sprintf(at, "%s*l%d", k ? ", " : "", i - 1);
        }
        at += sprintf(at, "]\n");
    }
    refused(text, "too many values");
    size_t big = (64 << 10) + 1;
    char *long_text = malloc(big + 1);
    memset(long_text, '#', big);
    long_text[big] = '\0';
    refused(long_text, "bytes of YAML");
    free(long_text);
}

static void put_text(const char *name, const char *text) {
    put_file(in_folder(name), text, strlen(text));
}

static void files_inherit(void **state) {
    (void)state;
    /* egs/egs_bases/radnerf/base.yaml and egs/datasets/May/lm3d.yaml, found from the root */
    const char *dirs[] = {"egs", "egs/bases", "egs/data", "egs/data/May"};
    for (int i = 0; i < 4; i++) {
        assert_int_equal(mkdir(in_folder(dirs[i]), 0777), 0);
    }
    put_text("egs/bases/top.yaml", "work_dir: ''\na: 1\nb: 1\nc: 1\nnest: {x: 1, y: 1}\n");
    put_text("egs/bases/base.yaml", "base_config: egs/bases/top.yaml\nb: 2\nc: 2\n");
    put_text("egs/data/May/base.yaml",
             "base_config:\n  - egs/bases/base.yaml\nd: 3\nnest: {y: 3}\n");
    put_text("egs/data/May/lm3d.yaml",
             "base_config:\n  - ./base.yaml\n  - egs/bases/top.yaml\n  - ../other.yaml\nc: 4\n");
    put_text("egs/data/other.yaml", "e: 5\nb: 5\n");
    tg_json *root;
    assert_ok(tg_yaml_read(ctx, in_folder("egs/data/May/lm3d.yaml"), &root));
    /* top.yaml was read through the first base and does not come again; other.yaml comes later. */
    assert_true(number(root, "a") == 1 && number(root, "b") == 5 && number(root, "c") == 4);
    assert_true(number(root, "d") == 3 && number(root, "e") == 5);
    assert_true(number(tg_json_get(root, "nest"), "x") == 1);
    assert_true(number(tg_json_get(root, "nest"), "y") == 3);
    tg_json_destroy(&root);

    put_text("egs/data/May/lm3d.yaml", "base_config: ./absent.yaml\n");
    assert_int_equal(tg_yaml_read(ctx, in_folder("egs/data/May/lm3d.yaml"), &root), TG_EINPUT);
    assert_null(root);
    assert_non_null(strstr(tg_message(ctx), "./absent.yaml is not there"));
    put_text("egs/data/May/lm3d.yaml", "base_config: 3\n");
    assert_int_equal(tg_yaml_read(ctx, in_folder("egs/data/May/lm3d.yaml"), &root), TG_EINPUT);
    put_text("egs/data/May/lm3d.yaml", "base_config: ./base.yaml\n");
    put_text("egs/data/May/base.yaml", "base_config: ./lm3d.yaml\n");
    assert_int_equal(tg_yaml_read(ctx, in_folder("egs/data/May/lm3d.yaml"), &root), TG_EINPUT);
    assert_non_null(strstr(tg_message(ctx), "leads back"));
    assert_int_equal(tg_yaml_read(ctx, in_folder("nothing.yaml"), &root), TG_EINPUT);
    /* A base that is no YAML is named itself. */
    put_text("egs/data/May/base.yaml", "a: [\n");
    assert_int_equal(tg_yaml_read(ctx, in_folder("egs/data/May/lm3d.yaml"), &root), TG_EINPUT);
    assert_non_null(strstr(tg_message(ctx), "May/base.yaml: not valid YAML"));

    /* What training wrote is complete, wherever its bases are. */
    put_text("egs/data/May/lm3d.yaml",
             "base_config: [egs/of/another/machine.yaml]\nwork_dir: checkpoints/May/x\nf: 6\n");
    assert_ok(tg_yaml_read(ctx, in_folder("egs/data/May/lm3d.yaml"), &root));
    assert_true(number(root, "f") == 6);
    tg_json_destroy(&root);
    const char *files[] = {"egs/bases/top.yaml", "egs/bases/base.yaml", "egs/data/May/base.yaml",
                           "egs/data/May/lm3d.yaml", "egs/data/other.yaml"};
    for (int i = 0; i < 5; i++) {
        assert_int_equal(remove(in_folder(files[i])), 0);
    }
    for (int i = 4; i-- > 0;) {
        assert_int_equal(rmdir(in_folder(dirs[i])), 0);
    }
}

static void chains_end(void **state) {
    (void)state;
    for (int i = 0; i < 20; i++) {
        char name[32], text[64];
        snprintf(name, sizeof name, "c%d.yaml", i);
        snprintf(text, sizeof text, "base_config: ./c%d.yaml\nv%d: 1\n", i + 1, i);
        put_text(name, text);
    }
    put_text("c20.yaml", "end: 1\n");
    tg_json *root;
    assert_int_equal(tg_yaml_read(ctx, in_folder("c0.yaml"), &root), TG_EINPUT);
    assert_non_null(strstr(tg_message(ctx), "too many base_config files"));
    assert_ok(tg_yaml_read(ctx, in_folder("c10.yaml"), &root));
    assert_true(number(root, "end") == 1 && number(root, "v10") == 1);
    tg_json_destroy(&root);
    empty_folder();
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(types_scalars_as_pyyaml),
        cmocka_unit_test(last_key_and_merges),
        cmocka_unit_test(refuses_hostile_text),
        cmocka_unit_test(files_inherit),
        cmocka_unit_test(chains_end),
    };
    return cmocka_run_group_tests(tests, start, stop);
}
