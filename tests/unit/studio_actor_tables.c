/* The tables of models/actor: complete, consistent with each other, and read as documented. Needs
 * no MakeHuman files. */
#include "studio/actor_data.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#define TABLES TG_MODELS_DIR "/actor"

static tg_context *ctx;
static tg_actor actor; /* rig and shapes only */

static void test_rig(void **state) {
    (void)state;
    const tg_rig *rig = &actor.rig;
    assert_int_equal(rig->bones, 163);
    assert_int_equal(rig->parent[0], -1);
    assert_string_equal(rig->name[rig->head], "head");
    assert_string_equal(rig->name[rig->parent[rig->head]], "neck03");
    assert_string_equal(rig->unit_name[0], "Rest");
    assert_int_equal(rig->unit_start[1], rig->unit_start[0]);
    for (int u = 1; u < TG_POSE_UNITS; u++) {
        assert_true(rig->unit_start[u + 1] > rig->unit_start[u]);
    }
}

/* The jaw opens by the angles that visemes.json states, about the x axis. */
static void test_jaw(void **state) {
    (void)state;
    const tg_rig *rig = &actor.rig;
    int jaw = tg_rig_find(rig, "jaw");
    int chain[TG_MAX_BONES], n = 0;
    for (int b = 0; b < rig->bones; b++) {
        chain[n++] = b;
    }
    static float joint[TG_MAX_BONES][3], s[TG_MAX_BONES][12];
    joint[jaw][1] = 6.9f;
    joint[jaw][2] = 0.6f;
    for (int v = 0; v < tg_actor_viseme_count(&actor); v++) {
        const tg_shape *shape = tg_actor_viseme(&actor, v);
        tg_face_state face = {0};
        tg_shape_add(shape, 1.0f, &face);
        tg_rig_pose(rig, chain, n, (const float(*)[3])joint, &face, s);
        float angle = atan2f(s[jaw][9], s[jaw][5]) * 57.29578f;
        /* jaw_deg has two digits and sums units that also turn a little about other axes */
        assert_true(fabsf(angle - shape->jaw_deg) < 0.25f);
        float back[12], one[12];
        tg_rigid_inverse(s[jaw], back);
        tg_rigid_multiply(back, s[jaw], one);
        for (int k = 0; k < 12; k++) {
            assert_true(fabsf(one[k] - (k % 5 == 0 ? 1.0f : 0.0f)) < 1e-5f);
        }
        /* the joint itself stays */
        float p[3];
        tg_rigid_apply(s[jaw], joint[jaw], p);
        assert_true(fabsf(p[1] - 6.9f) < 1e-5f && fabsf(p[2] - 0.6f) < 1e-5f);
    }
}

static const char *viseme_name(int index) {
    return tg_actor_viseme(&actor, index)->name;
}

static void test_phones(void **state) {
    (void)state;
    assert_int_equal(tg_actor_viseme_count(&actor), 22);
    assert_int_equal(tg_actor_expression_count(&actor), 8);
    assert_true(tg_actor_find_expression(&actor, "blink") >= 0);
    assert_int_equal(tg_actor_find_expression(&actor, "AA"), -1);
    assert_true(tg_actor_viseme(&actor, tg_actor_find_viseme(&actor, "PP"))->dominance == 1.0f);
    int v[3] = {-1, -1, -1};
    assert_int_equal(tg_actor_phone(&actor, TG_PHONES_ARPABET, "AY1", v), 2);
    assert_string_equal(viseme_name(v[0]), "AA");
    assert_string_equal(viseme_name(v[1]), "IH");
    assert_int_equal(tg_actor_phone(&actor, TG_PHONES_ARPABET, "pau", v), 1);
    assert_string_equal(viseme_name(v[0]), "sil");
    assert_int_equal(tg_actor_phone(&actor, TG_PHONES_ESPEAK, "aI@", v), 3);
    assert_int_equal(tg_actor_phone(&actor, TG_PHONES_ESPEAK, "'a:", v), 1);
    assert_string_equal(viseme_name(v[0]), "AE");
    assert_int_equal(tg_actor_phone(&actor, TG_PHONES_ESPEAK, "S", v), 1);
    assert_string_equal(viseme_name(v[0]), "SH");
    assert_int_equal(tg_actor_phone(&actor, TG_PHONES_IPA, "\u02c8\u0251\u02d0", v), 1);
    assert_string_equal(viseme_name(v[0]), "AA");
    assert_int_equal(tg_actor_phone(&actor, TG_PHONES_ARPABET, "nonsense", v), 0);
    assert_int_equal(
        tg_actor_phone(&actor, TG_PHONES_ARPABET, "a symbol longer than any phoneme can be", v), 0);
}

static void test_channels(void **state) {
    (void)state;
    for (int c = 0; c < TG_CHANNELS; c++) {
        const char *name = tg_actor_channel_name(&actor, c);
        assert_non_null(name);
        assert_int_equal(tg_actor_find_channel(&actor, name), c);
    }
    assert_null(tg_actor_channel_name(&actor, TG_CHANNELS));
    assert_null(tg_actor_channel_name(&actor, -1));
    assert_int_equal(tg_actor_find_channel(&actor, "nobody"), -1);
}

static void test_landmarks(void **state) {
    (void)state;
    tg_json *root = NULL;
    assert_int_equal(tg_json_read(ctx, TABLES "/landmarks68.json", &root), TG_OK);
    const tg_json *mirror = tg_json_get(root, "mirror");
    assert_int_equal(tg_json_count(mirror), TG_LANDMARKS);
    for (int i = 0; i < TG_LANDMARKS; i++) {
        int other = (int)tg_json_number(tg_json_at(mirror, i), -1);
        assert_true(other >= 0 && other < TG_LANDMARKS);
        assert_int_equal((int)tg_json_number(tg_json_at(mirror, other), -1), i);
    }
    tg_json_destroy(&root);
}

/* Every slider of crowd.json has a sensible range and two sides. */
static void test_crowd(void **state) {
    (void)state;
    tg_json *root = NULL;
    assert_int_equal(tg_json_read(ctx, TABLES "/crowd.json", &root), TG_OK);
    const tg_json *sliders = tg_json_get(root, "sliders");
    assert_true(tg_json_count(sliders) > 50);
    for (const tg_json *s = tg_json_first(sliders); s; s = tg_json_next(s)) {
        double sigma = tg_json_number(tg_json_get(s, "sigma"), -1.0);
        double limit = tg_json_number(tg_json_get(s, "max"), -1.0);
        assert_true(sigma > 0.0 && sigma < limit && limit <= 1.0);
        const char *low = tg_json_string(tg_json_get(s, "low"), "");
        const char *high = tg_json_string(tg_json_get(s, "high"), "");
        assert_true(*low && *high && strcmp(low, high) != 0);
    }
    /* beyond 0.6 tight rounding folds old faces */
    assert_true(tg_json_number(tg_json_get(root, "old_max"), 1.0) <= 0.6);
    tg_json_destroy(&root);
}

static void test_damaged(void **state) {
    (void)state;
    tg_rig rig;
    /* a mesh too small for the joints of the table */
    assert_int_equal(tg_rig_load(ctx, TABLES "/facerig.json", 100, &rig), TG_EINPUT);
    assert_non_null(strstr(tg_message(ctx), "facerig.json"));
    /* another table in its place */
    assert_int_equal(tg_rig_load(ctx, TABLES "/visemes.json", TG_BASE_VERTICES, &rig), TG_EINPUT);
    tg_shapes shapes;
    assert_int_equal(tg_shapes_load(ctx, &actor, "/nonexistent", &shapes), TG_EINPUT);
}

static int load(void **state) {
    (void)state;
    ctx = tg_context_create(1);
    return ctx && tg_rig_load(ctx, TABLES "/facerig.json", TG_BASE_VERTICES, &actor.rig) == TG_OK &&
                   tg_shapes_load(ctx, &actor, TABLES, &actor.shapes) == TG_OK
               ? 0
               : -1;
}

static int unload(void **state) {
    (void)state;
    tg_shapes_free(&actor.shapes);
    tg_rig_free(&actor.rig);
    tg_context_destroy(&ctx);
    return 0;
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_rig),       cmocka_unit_test(test_jaw),
        cmocka_unit_test(test_phones),    cmocka_unit_test(test_channels),
        cmocka_unit_test(test_landmarks), cmocka_unit_test(test_crowd),
        cmocka_unit_test(test_damaged),
    };
    return cmocka_run_group_tests(tests, load, unload);
}
