/* Manifests: what is taken, and that every wrong line is told with its place. */
#include "io_test.h"

#include "batch/names.h"
#include "batch/sweep.h"
#include "talkgen/batch.h"

typedef struct {
    int count;
    int64_t line[64], column[64];
    char text[64][256];
} problems;

static void keep(void *user, int64_t line, int64_t column, const char *text) {
    problems *p = user;
    assert_true(p->count < 64);
    p->line[p->count] = line;
    p->column[p->count] = column;
    snprintf(p->text[p->count++], sizeof p->text[0], "%s", text);
}

static tg_status read_text(const char *text, size_t bytes, bool skip_bad, problems *found,
                           tg_clip_list *clips) {
    const char *path = in_folder("manifest");
    assert_ok(tg_file_write(ctx, path, text, bytes));
    *found = (problems){0};
    return tg_manifest_read(ctx, path, skip_bad, keep, found, clips);
}

static void takes_json(void **state) {
    (void)state;
    static const char text[] =
        "\n{\"id\": \"a-1\", \"audio\": \"x y.wav\", \"seed\": 7, \"start_s\": 1.5, "
        "\"duration_s\": 2, \"pose\": \"still\", \"background\": \"#102030\", "
        "\"model\": \"p.ckpt\", \"out\": \"d/e.mkv\", \"tags\": {\"a\": [1, \"}\"]}, "
        "\"x_own\": {\"id\": 5}}\r\n"
        "  {\"audio\":\"b.wav\",\"id\":\"B.2\",\"seed\":\"18446744073709551615\"}";
    problems found;
    tg_clip_list clips;
    assert_ok(read_text(text, sizeof text - 1, false, &found, &clips));
    assert_int_equal(clips.count, 2);
    const tg_clip *c = clips.clip[0];
    assert_int_equal(c->line, 2);
    assert_string_equal(c->id, "a-1");
    assert_string_equal(c->audio, "x y.wav");
    assert_string_equal(c->identity, "p.ckpt");
    assert_string_equal(c->pose, "still");
    assert_string_equal(c->background, "#102030");
    assert_string_equal(c->out, "d/e.mkv");
    assert_string_equal(c->tags, "{\"a\":[1,\"}\"]}");
    assert_true(c->has_seed && c->seed == 7 && c->start_s == 1.5 && c->duration_s == 2);
    c = clips.clip[1];
    assert_int_equal(c->line, 3);
    assert_true(c->has_seed && c->seed == UINT64_MAX);
    assert_int_equal(strlen(c->out), strlen("xx/B.2.mp4"));
    assert_string_equal(c->out + 3, "B.2.mp4");
    tg_clip_list_free(&clips);
}

static void takes_csv(void **state) {
    (void)state;
    static const char text[] = "\xef\xbb\xbfid,audio,start_s,tags,x_note\r\n"
                               "a,\"b, \"\"c\"\".wav\",0.5,\"two\nlines\",\r\n"
                               "\n"
                               "d,e.wav,,,\n"
                               "f,g.wav\n"
                               "h,i.wav,soon,,\n"
                               "j,\"k.wav,,,\n";
    problems found;
    tg_clip_list clips;
    assert_ok(read_text(text, sizeof text - 1, true, &found, &clips));
    assert_int_equal(clips.count, 5);
    assert_string_equal(clips.clip[0]->audio, "b, \"c\".wav");
    assert_string_equal(clips.clip[0]->tags, "\"two\\nlines\"");
    assert_true(clips.clip[0]->start_s == 0.5);
    assert_int_equal(clips.clip[1]->line, 5);
    assert_null(clips.clip[1]->tags);
    assert_int_equal(found.count, 3);
    const int places[3][2] = {{6, 3}, {7, 9}, {8, 3}};
    for (int i = 0; i < 3; i++) {
        assert_int_equal(found.line[i], places[i][0]);
        assert_int_equal(found.column[i], places[i][1]);
    }
    tg_clip_list_free(&clips);
}

static void tells_every_problem(void **state) {
    (void)state;
    static const struct {
        const char *line;
        int column;
        const char *text;
    } cases[] = {
        {"{\"id\":\"a\",\"audio\":\"x\",\"id\":\"b\"}", 23, "twice"},
        {"{\"id\":\"a\",\"audio\":5}", 19, "path of a recording"},
        {"{\"id\":\"\",\"audio\":\"x\"}", 7, "letters"},
        {"{\"id\":\"a/b\",\"audio\":\"x\"}", 7, "letters"},
        {"{\"id\":\".a\",\"audio\":\"x\"}", 7, "letters"},
        {"{\"id\":\"\xc3\xa4\",\"audio\":\"x\"}", 7, "letters"},
        {"{\"id\":\"a\",\"audio\":\"x\",\"seed\":-1}", 30, "whole number"},
        {"{\"id\":\"a\",\"audio\":\"x\",\"seed\":1.5}", 30, "whole number"},
        {"{\"id\":\"a\",\"audio\":\"x\",\"seed\":1e17}", 30, "whole number"},
        {"{\"id\":\"a\",\"audio\":\"x\",\"duration_s\":0}", 36, "above 0"},
        {"{\"id\":\"a\",\"audio\":\"x\",\"start_s\":\"1\"}", 33, "number of seconds"},
        {"{\"id\":\"a\",\"audio\":\"x\",\"out\":\"/x.mp4\"}", 29, "out:"},
        {"{\"id\":\"a\",\"audio\":\"x\",\"out\":\"a/../x.mp4\"}", 29, "out:"},
        {"{\"id\":\"a\",\"audio\":\"x\",\"out\":\"a//x.mp4\"}", 29, "out:"},
        {"{\"id\":\"a\",\"audio\":\"x\",\"out\":\".x.mp4\"}", 29, "out:"},
        {"{\"id\":\"a\",\"audio\":\"x\",\"out\":\"x.json\"}", 29, "out:"},
        {"{\"id\":\"a\",\"audio\":\"x\",\"out\":\"f_%d.mp4\"}", 29, "out:"},
        {"{\"id\":\"a\",\"audio\":\"x\",\"background\":\"transparent\"}", 36, "background"},
        {"{\"id\":\"a\",\"audio\":\"x\",\"model\":\"m\",\"identity\":\"n\"}", 46, "twice"},
        {"{\"id\":\"a\",\"audio\":\"x\",\"a b\\n\":1}", 23, "unknown key"},
        {"{\"id\":\"a\",\"audio\":\"x\"} {}", 24, "not JSON"},
        {"{\"id\":\"a\",\"audio\":\"x\\", 20, "not JSON"},
        {"[]", 1, "one JSON object"},
        {"5", 1, "one JSON object"},
    };
    enum { CASES = sizeof cases / sizeof cases[0] };
    char text[8192] = "{\"id\":\"good\",\"audio\":\"x\"}\n";
    for (int i = 0; i < CASES; i++) {
        strcat(text, cases[i].line);
        strcat(text, "\n");
    }
    problems found;
    tg_clip_list clips;
    assert_int_equal(read_text(text, strlen(text), false, &found, &clips), TG_EUSAGE);
    assert_message("24 of 25 lines are wrong");
    assert_int_equal(found.count, CASES);
    for (int i = 0; i < CASES; i++) {
        assert_int_equal(found.line[i], i + 2);
        if (found.column[i] != cases[i].column || !strstr(found.text[i], cases[i].text)) {
            fail_msg("%s: column %d: %s", cases[i].line, (int)found.column[i], found.text[i]);
        }
        assert_null(strpbrk(found.text[i], "\n\t"));
    }
}

static void refuses_headers(void **state) {
    (void)state;
    static const char *const texts[] = {"id\na\n",      "id,audio,id\n", "id,audio,other\n",
                                        "id,\"audio\n", "\177ELF\n",     "id,audio\n"};
    problems found;
    tg_clip_list clips;
    for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++) {
        assert_int_equal(read_text(texts[i], strlen(texts[i]), false, &found, &clips), TG_EUSAGE);
    }
    assert_message("no clips");
}

static void long_lines(void **state) {
    (void)state;
    size_t bytes = 3 << 20;
    char *text = malloc(bytes + 64);
    memset(text, 'x', bytes);
    memcpy(text, "{\"id\":\"", 7);
    text[bytes] = '\n';
    strcpy(text + bytes + 1, "{\"id\":\"a\",\"audio\":\"b\"}");
    problems found;
    tg_clip_list clips;
    assert_ok(read_text(text, strlen(text), true, &found, &clips));
    assert_int_equal(clips.count, 2);
    assert_int_equal(found.count, 1);
    assert_non_null(strstr(found.text[0], "1 MiB"));
    assert_string_equal(clips.clip[1]->id, "a");
    tg_clip_list_free(&clips);
    free(text);
}

/* Damaged in every way that a byte can be, a manifest is read or refused. */
static void hostile(void **state) {
    (void)state;
    static const char json[] = "{\"id\":\"a\",\"audio\":\"x\\u00e9.wav\",\"tags\":[{\"k\":null}]}\n"
                               "{\"id\":\"b\",\"audio\":\"y\",\"seed\":3,\"out\":\"p/q.mp4\"}\n";
    static const char csv[] = "id,audio,tags\na,\"b\"\"c\",d\n\"e\",f,\"g\nh\"\n";
    static const char bytes[] = {0,    '"',  '\\', '{',        '}', ',',
                                 '\n', '\r', '[',  (char)0xff, 'u', ' '};
    for (int kind = 0; kind < 2; kind++) {
        char text[sizeof json];
        size_t n = (kind ? sizeof csv : sizeof json) - 1;
        for (size_t at = 0; at < n; at++)
            for (size_t k = 0; k < sizeof bytes; k++) {
                memcpy(text, kind ? csv : json, n);
                text[at] = bytes[k];
                problems found;
                tg_clip_list clips;
                tg_status s = read_text(text, n, true, &found, &clips);
                assert_true(s == TG_OK || s == TG_EUSAGE);
                for (int64_t i = 0; i < clips.count; i++) {
                    assert_true(clips.clip[i]->problem || strlen(clips.clip[i]->audio) > 0);
                    assert_null(strstr(clips.clip[i]->out, ".."));
                }
                tg_clip_list_free(&clips);
            }
    }
}

static void shards_part_the_ids(void **state) {
    (void)state;
    char id[32];
    int per[7] = {0};
    for (int i = 0; i < 7000; i++) {
        int owners = 0;
        snprintf(id, sizeof id, "clip-%d", i);
        for (int k = 0; k < 7; k++) {
            bool mine = tg_shard_has(&(tg_shard){k, 7}, id);
            owners += mine;
            per[k] += mine;
        }
        assert_int_equal(owners, 1);
    }
    for (int k = 0; k < 7; k++) {
        assert_in_range(per[k], 850, 1150); /* 1000 +- 5 deviations */
    }
    tg_shard s;
    assert_ok(tg_shard_parse(ctx, "3/32", &s));
    assert_true(s.index == 3 && s.count == 32);
    static const char *const wrong[] = {"",    "3",    "32/32", "-1/4", "1/0",
                                        "a/b", "1/4x", " 1/4",  "1/+4"};
    for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++) {
        assert_int_equal(tg_shard_parse(ctx, wrong[i], &s), TG_EUSAGE);
    }
    assert_ok(tg_shard_of_array(ctx, "5", "8", "0", "7", "1", &s));
    assert_true(s.index == 5 && s.count == 8);
    assert_int_equal(tg_shard_of_array(ctx, "3", "2", "3", "7", NULL, &s), TG_EUSAGE);
    assert_int_equal(tg_shard_of_array(ctx, "4", "3", "0", "4", "2", &s), TG_EUSAGE);
    assert_int_equal(tg_shard_of_array(ctx, "1", "8", "1", "8", "1", &s), TG_EUSAGE);
    assert_int_equal(tg_shard_of_array(ctx, NULL, NULL, NULL, NULL, NULL, &s), TG_EUSAGE);
}

static void names_are_found_again(void **state) {
    (void)state;
    tg_names names = {0};
    char text[32];
    for (int i = 0; i < 5000; i++) {
        snprintf(text, sizeof text, "%d", i);
        assert_int_equal(tg_names_add(&names, text, i + 1), 0);
    }
    for (int i = 0; i < 5000; i++) {
        snprintf(text, sizeof text, "%d", i);
        assert_int_equal(tg_names_add(&names, text, 9999), i + 1);
    }
    tg_names_free(&names);
}

static void knows_temporary_names(void **state) {
    (void)state;
    char name[64];
    assert_true(tg_sweep_name(".a.mp4.123-0.part", name, sizeof name));
    assert_string_equal(name, "a.mp4");
    assert_true(tg_sweep_name(".a.b.mp4.json.1-22.part", name, sizeof name));
    assert_string_equal(name, "a.b.mp4");
    static const char *const others[] = {"a.mp4.1-0.part", ".a.mp4.part",     ".a.mp4.1-.part",
                                         ".a.mp4.-1.part", ".a.mp4.x-1.part", ".1-1.part",
                                         ".part",          "..1-1.part",      ".a.mp4.1-1.parts"};
    for (size_t i = 0; i < sizeof others / sizeof others[0]; i++) {
        assert_false(tg_sweep_name(others[i], name, sizeof name));
    }
}

/* Two open files of one process exclude each other as two processes do. */
static void locks_exclude(void **state) {
    (void)state;
    tg_locks *a, *b;
    assert_ok(tg_locks_open(ctx, in_folder("."), &a));
    assert_ok(tg_locks_open(ctx, in_folder("."), &b));
    assert_true(tg_locks_try(a, "x.mp4"));
    assert_false(tg_locks_try(b, "x.mp4"));
    assert_true(tg_locks_busy(b, "x.mp4"));
    assert_true(tg_locks_try(b, "y.mp4"));
    const char *left = in_folder(".x.mp4.1-1.part");
    assert_ok(tg_file_write(ctx, left, "", 0));
    assert_int_equal(tg_sweep(in_folder("."), b), 0);
    tg_locks_close(&a); /* as the end of a process */
    assert_true(tg_locks_try(b, "x.mp4"));
    tg_locks_release(b, "x.mp4");
    assert_int_equal(tg_sweep(in_folder("."), b), 1);
    assert_false(tg_file_exists(left));
    tg_locks_close(&b);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(takes_json),
        cmocka_unit_test(takes_csv),
        cmocka_unit_test(tells_every_problem),
        cmocka_unit_test(refuses_headers),
        cmocka_unit_test(long_lines),
        cmocka_unit_test(hostile),
        cmocka_unit_test(shards_part_the_ids),
        cmocka_unit_test(names_are_found_again),
        cmocka_unit_test(knows_temporary_names),
        cmocka_unit_test(locks_exclude),
    };
    return cmocka_run_group_tests(tests, start, stop);
}
