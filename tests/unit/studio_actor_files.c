/* Readers of the MakeHuman formats on small files, good and bad, and Catmull-Clark on a cube. */
#include "studio/mesh.h"
#include "studio/proxy.h"
#include "studio/subdivide.h"
#include "studio/target.h"
#include "studio/text.h"

#include "talkgen/io.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

static tg_context *ctx;
static char folder[] = "studio_actor_files_XXXXXX";
static char path[256];

static const char *write_file(const char *name, const char *text) {
    snprintf(path, sizeof path, "%s/%s", folder, name);
    assert_int_equal(tg_file_write(ctx, path, text, strlen(text)), TG_OK);
    return path;
}

static const char cube[] = "# a cube\n"
                           "v -1 -1 -1\nv 1 -1 -1\nv 1 1 -1\nv -1 1 -1\n"
                           "v -1 -1 1\nv 1 -1 1\nv 1 1 1\nv -1 1 1\n"
                           "vt 0 0\nvt 1 .5e0\n"
                           "g body\nf 1/1 4/1 3/1 2/2\nf 5/1 6/1 7/1 8/1\n"
                           "g side\nf 1/1 2/1 6/1 5/1\nf 3 4 8 7\n"
                           "g body\nf 2/1/7 3/1/7 7/1/7 6/1/7\nf 1//1 5//1 8//1 4//1\n";

static void test_numbers(void **state) {
    (void)state;
    static const struct {
        const char *word;
        float value;
    } good[] = {{"1", 1.0f},          {"-.002", -0.002f},         {"+3.25", 3.25f},
                {"1e-3", 1e-3f},      {"12345678", 1.2345678e7f}, {"0.10000000149011612", 0.1f},
                {"-2.5E+02", -250.0f}};
    static const char *const bad[] = {"",    "-",  ".",    "1.2.3", "nan",
                                      "inf", "1e", "0x10", "1,5",   "1e99"};
    float value;
    int number;
    for (size_t i = 0; i < sizeof good / sizeof *good; i++) {
        assert_true(tg_word_float(good[i].word, strlen(good[i].word), &value));
        assert_true(value == good[i].value);
    }
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        assert_false(tg_word_float(bad[i], strlen(bad[i]), &value));
    }
    assert_true(tg_word_int("-17", 3, &number) && number == -17);
    assert_false(tg_word_int("1.5", 3, &number));
    assert_false(tg_word_int("99999999999", 11, &number));
}

static void test_obj(void **state) {
    (void)state;
    tg_obj obj;
    assert_int_equal(tg_obj_load(ctx, write_file("cube.obj", cube), &obj), TG_OK);
    assert_int_equal(obj.vertices, 8);
    assert_int_equal(obj.uvs, 2);
    assert_int_equal(obj.faces, 6);
    assert_int_equal(obj.groups, 2);
    assert_int_equal(obj.face_group[5], tg_obj_group(&obj, "body"));
    assert_int_equal(obj.face_group[3], tg_obj_group(&obj, "side"));
    assert_int_equal(obj.face_uv[0][3], 1);
    assert_true(obj.uv[1][1] == 0.5f && obj.position[6][2] == 1.0f);
    int32_t label[8];
    assert_int_equal(tg_components(8, (const int32_t(*)[4])obj.face, 6, label), 1);
    assert_int_equal(tg_components(8, (const int32_t(*)[4])obj.face, 2, label), 2);
    assert_int_equal(label[7], 1);
    tg_obj_free(&obj);
    static const char *const bad[] = {"v 1 2\nf 1 1 1\n",         /* short vertex */
                                      "v 1 2 3\nf 1 1 2\n",       /* vertex that is not there */
                                      "v 1 2 3\nf 1 1 0\n",       /* counted from 0 */
                                      "v 1 2 3\nf 1 1\n",         /* two corners */
                                      "v 1 2 3\nf 1 1 1 1 1\n",   /* five corners */
                                      "v 1 2 3\nf 1/2 1/2 1/2\n", /* no texture vertices */
                                      "v 1 2 3\nf 1 1 99999999999999999999\n", /* overflow */
                                      "v 1 2 3\n",                             /* no face */
                                      "v 1 2 nan\nf 1 1 1\n",
                                      "",
                                      "\n\n\n# only remarks"};
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        assert_int_equal(tg_obj_load(ctx, write_file("bad.obj", bad[i]), &obj), TG_EINPUT);
        assert_non_null(strstr(tg_message(ctx), "bad.obj"));
    }
    assert_int_equal(tg_obj_load(ctx, "/nonexistent.obj", &obj), TG_EINPUT);
}

static void test_target(void **state) {
    (void)state;
    tg_target target, part;
    assert_int_equal(
        tg_target_load(ctx, write_file("a.target", "# x\n1 .5 0 -1\r\n3 0 2 0\n"), 4, &target),
        TG_OK);
    assert_int_equal(target.count, 2);
    float x[4][3] = {{0}};
    tg_target_apply(&target, 2.0f, x);
    assert_true(x[1][0] == 1.0f && x[1][2] == -2.0f && x[3][1] == 4.0f && x[0][0] == 0.0f);
    const int32_t slot[4] = {-1, -1, -1, 0};
    assert_int_equal(tg_target_select(ctx, &target, slot, &part), TG_OK);
    assert_int_equal(part.count, 1);
    assert_int_equal(part.index[0], 0);
    assert_true(part.delta[0][1] == 2.0f);
    tg_target_free(&part);
    tg_target_free(&target);
    assert_int_equal(tg_target_load(ctx, write_file("e.target", "# nothing\n"), 4, &target), TG_OK);
    assert_int_equal(target.count, 0);
    tg_target_free(&target);
    static const char *const bad[] = {"4 0 0 0\n", "-1 0 0 0\n", "1 0 0\n", "x 0 0 0\n",
                                      "1 0 inf 0\n"};
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        assert_int_equal(tg_target_load(ctx, write_file("bad.target", bad[i]), 4, &target),
                         TG_EINPUT);
        assert_non_null(strstr(tg_message(ctx), "bad.target:1"));
    }
}

static void test_proxy(void **state) {
    (void)state;
    static const char head[] = "name p\nobj_file tri.obj\nx_scale 0 1 0.5\n";
    static const char verts[] = "verts 0\n2\n0 1 2 0.5 0.25 0.25\n0 1 2 1 1 -1 1 2 3\n";
    char text[512];
    const float base[3][3] = {{0, 0, 0}, {2, 0, 0}, {0, 4, 0}};
    write_file("tri.obj", "v 0 0 0\nv 1 0 0\nv 0 1 0\nf 1 2 3\n");
    snprintf(text, sizeof text, "%s%sdelete_verts\n0 - 1\n", head, verts);
    tg_proxy proxy;
    assert_int_equal(tg_proxy_load(ctx, write_file("p.mhclo", text), 3, &proxy), TG_OK);
    assert_true(proxy.hides[0] && proxy.hides[1] && !proxy.hides[2]);
    float p[3][3];
    tg_proxy_fit(&proxy, base, p);
    assert_true(p[0][0] == 0.0f && p[0][1] == 4.0f);
    assert_true(p[1][0] == 0.5f && p[1][1] == 1.0f);
    /* |x0 - x1| / 0.5 = 4 times dx; the other axes have no scale */
    assert_true(p[2][0] == 6.0f && p[2][1] == -2.0f && p[2][2] == 3.0f);
    int32_t start[4] = {0, 1, 2, 3}, column[3] = {0, 1, 2};
    float weight[3] = {1, 1, 1};
    tg_sparse skin = {3, start, column, weight}, mapped;
    assert_int_equal(tg_proxy_skin(ctx, &proxy, &skin, &mapped), TG_OK);
    assert_int_equal(mapped.start[2] - mapped.start[1], 3);
    /* the negative influence goes, the two others share */
    assert_int_equal(mapped.start[3] - mapped.start[2], 2);
    assert_true(mapped.weight[mapped.start[2]] == 0.5f);
    tg_sparse_free(&mapped);
    tg_proxy_free(&proxy);
    static const char *const bad[] = {
        "obj_file tri.obj\nverts 0\n2\n1\n3\n",                /* vertex outside the base */
        "obj_file tri.obj\nverts 0\n2\n1\n",                   /* one vertex short */
        "obj_file tri.obj\nverts 0\n2\n1\n0 1 2 0.5 0.5\n",    /* two weights */
        "obj_file tri.obj\nx_scale 0 1 0\nverts 0\n0\n1\n2\n", /* length 0 */
        "obj_file ../tri.obj\nverts 0\n0\n1\n2\n",             /* leaves the folder */
        "verts 0\n0\n1\n2\n",                                  /* no mesh */
        "obj_file tri.obj\nverts 0\n0\n1\n2\ndelete_verts\n0 - 9\n" /* range outside */};
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        assert_int_equal(tg_proxy_load(ctx, write_file("bad.mhclo", bad[i]), 3, &proxy), TG_EINPUT);
    }
}

/* One level on a cube: the corners go to 5/9 of themselves, edge points to 3/4, face points stay
 * (Catmull and Clark's rules by hand). */
static void test_cube(void **state) {
    (void)state;
    tg_obj obj;
    assert_int_equal(tg_obj_load(ctx, write_file("cube.obj", cube), &obj), TG_OK);
    tg_sparse m;
    int32_t(*face)[4];
    int faces;
    assert_int_equal(tg_subdivide(ctx, 8, (const int32_t(*)[4])obj.face, 6, &m, &face, &faces),
                     TG_OK);
    assert_int_equal(m.rows, 8 + 6 + 12);
    assert_int_equal(faces, 24);
    float p[26][3];
    tg_sparse_apply_rows(&m, &obj.position[0][0], &p[0][0], 3);
    for (int i = 0; i < 26; i++) {
        float sum = 0.0f, size = 0.0f;
        for (int32_t j = m.start[i]; j < m.start[i + 1]; j++) {
            sum += m.weight[j];
        }
        for (int k = 0; k < 3; k++) {
            size += p[i][k] * p[i][k];
            if (i < 8) {
                assert_true(fabsf(p[i][k] - 5.0f / 9.0f * obj.position[i][k]) < 1e-6f);
            }
        }
        assert_true(fabsf(sum - 1.0f) < 1e-6f);
        float expected = i < 8 ? 25.0f / 27.0f : i < 14 ? 1.0f : 9.0f / 8.0f;
        assert_true(fabsf(size - expected) < 1e-5f);
    }
    tg_v4 in[8], out[26];
    for (int i = 0; i < 8; i++) {
        in[i] = tg_v4_load3(obj.position[i]);
    }
    tg_sparse_apply(&m, in, out, 0, 26);
    for (int i = 0; i < 26; i++) {
        assert_true(fabsf(out[i][1] - p[i][1]) < 1e-6f);
    }
    tg_sparse_free(&m);
    tg_free(face);
    tg_obj_free(&obj);
}

/* A single quad is all border: corners keep 3/4, edges halve; a triangle makes three quads. */
static void test_border(void **state) {
    (void)state;
    const float x[4][3] = {{0, 0, 0}, {1, 0, 0}, {1, 1, 0}, {0, 1, 0}};
    const int32_t quad[1][4] = {{0, 1, 2, 3}}, triangle[1][4] = {{0, 1, 2, 2}};
    tg_sparse m;
    int32_t(*face)[4];
    int faces;
    float p[9][3];
    assert_int_equal(tg_subdivide(ctx, 4, quad, 1, &m, &face, &faces), TG_OK);
    assert_int_equal(m.rows, 9);
    tg_sparse_apply_rows(&m, &x[0][0], &p[0][0], 3);
    assert_true(p[0][0] == 0.125f && p[0][1] == 0.125f && p[4][0] == 0.5f && p[4][1] == 0.5f);
    tg_sparse_free(&m);
    tg_free(face);
    assert_int_equal(tg_subdivide(ctx, 4, triangle, 1, &m, &face, &faces), TG_OK);
    assert_int_equal(faces, 3);
    assert_int_equal(m.rows, 4 + 1 + 3);
    tg_sparse_free(&m);
    tg_free(face);
}

static int load(void **state) {
    (void)state;
    ctx = tg_context_create(1);
    return ctx && mkdtemp(folder) ? 0 : -1;
}

static int unload(void **state) {
    (void)state;
    static const char *const names[] = {"cube.obj",   "bad.obj", "a.target", "e.target",
                                        "bad.target", "tri.obj", "p.mhclo",  "bad.mhclo"};
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        snprintf(path, sizeof path, "%s/%s", folder, names[i]);
        unlink(path);
    }
    rmdir(folder);
    tg_context_destroy(&ctx);
    return 0;
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_numbers), cmocka_unit_test(test_obj),  cmocka_unit_test(test_target),
        cmocka_unit_test(test_proxy),   cmocka_unit_test(test_cube), cmocka_unit_test(test_border),
    };
    return cmocka_run_group_tests(tests, load, unload);
}
