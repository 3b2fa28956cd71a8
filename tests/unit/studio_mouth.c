/* The mouth: light through the window between the lips, and the tongue and teeth that it falls on.
 * The second half needs the MakeHuman files: TALKGEN_ACTOR_DATA is the data folder. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "studio/film.h"
#include "studio/mouth.h"

static tg_context *ctx;
static tg_actor *actor;

/* ---- the window -------------------------------------------------------------------- */

/* A flat ring in the plane z = 0 of half width w and half height h, in the order of landmarks. */
static void ring_of(float w, float h, float lips[TG_LIP_RING][3]) {
    for (int i = 0; i < TG_LIP_RING; i++) {
        float a = 3.14159265f - 0.78539816f * (float)i;
        lips[i][0] = w * cosf(a);
        lips[i][1] = h * sinf(a);
        lips[i][2] = 0;
    }
}

static void far_away_the_window_is_as_large_as_its_solid_angle(void **state) {
    (void)state;
    float lips[TG_LIP_RING][3];
    ring_of(0.2f, 0.1f, lips);
    tg_mouth_window w;
    tg_mouth_window_open(&w, (const float(*)[3])lips);
    float area = 2.82842712f * 0.2f * 0.1f; /* of an octagon in the ellipse */
    assert_float_equal(w.area, area, 1e-6f);
    for (int i = 0; i < 8; i++) {
        float d = 3 + 0.5f * (float)i, x = 0.4f * (float)i;
        float r2 = d * d + x * x, to_window = d / sqrtf(r2);
        float share = tg_mouth_window_share(&w, tg_v3(x, 0, -d), tg_v3(0, 0, 1));
        assert_float_equal(share * 3.14159265f * r2 / (area * to_window * to_window), 1, 0.01f);
    }
    assert_float_equal(tg_mouth_window_share(&w, tg_v3(0, 0, -1), tg_v3(0, 0, -1)), 0, 1e-6f);
}

/* A disc seen from its axis fills r^2 / (r^2 + d^2); a ring of eight corners nearly does. */
static void on_the_axis_the_share_is_known(void **state) {
    (void)state;
    float lips[TG_LIP_RING][3];
    ring_of(0.2f, 0.2f, lips);
    tg_mouth_window w;
    tg_mouth_window_open(&w, (const float(*)[3])lips);
    float equal = w.area / 3.14159265f; /* radius^2 of the disc of the same area */
    for (int i = 1; i <= 10; i++) {
        float d = 0.03f * (float)i;
        float share = tg_mouth_window_share(&w, tg_v3(0, 0, -d), tg_v3(0, 0, 1));
        assert_float_equal(share, equal / (equal + d * d), 0.01f);
    }
}

static void light_goes_out_with_the_closing_lips(void **state) {
    (void)state;
    float lips[TG_LIP_RING][3], before = 0;
    tg_mouth_window w;
    for (int i = 0; i <= 20; i++) {
        ring_of(0.2f, 0.01f * (float)i, lips);
        tg_mouth_window_open(&w, (const float(*)[3])lips);
        float share = tg_mouth_window_share(&w, tg_v3(0.03f, 0.01f, -0.12f), tg_v3(0, 0, 1));
        assert_true(i == 0 ? share == 0 : share > before);
        before = share;
    }
    ring_of(0.2f, -0.01f, lips); /* pressed: the lips overlap */
    tg_mouth_window_open(&w, (const float(*)[3])lips);
    assert_true(w.area == 0);
    assert_true(tg_mouth_window_share(&w, tg_v3(0, 0, -0.1f), tg_v3(0, 0, 1)) == 0);
}

/* A tongue that comes out must not pass a dark spot: lips are not a flat ring. */
static void nothing_jumps_on_the_way_out(void **state) {
    (void)state;
    float lips[TG_LIP_RING][3];
    ring_of(0.2f, 0.05f, lips);
    for (int i = 0; i < TG_LIP_RING; i++) /* corners lie further back */
        lips[i][2] = -2.5f * lips[i][0] * lips[i][0];
    tg_mouth_window w;
    tg_mouth_window_open(&w, (const float(*)[3])lips);
    for (int tilt = 0; tilt < 8; tilt++)
        for (int side = 0; side < 4; side++) {
            float a = 0.2f * (float)tilt, x = 0.005f * (float)side, before = -1;
            tg_vec3 n = tg_v3(0, sinf(a), cosf(a));
            for (int i = 0; i <= 300; i++) {
                float z = -0.2f + 0.001f * (float)i;
                float share = tg_mouth_window_share(&w, tg_v3(x, -0.01f, z), n);
                assert_true(share >= 0 && share <= 1);
                if (before >= 0)
                    assert_true(fabsf(share - before) < 0.12f);
                before = share;
            }
            assert_float_equal(before, 0.5f + 0.5f * tg_v3_dot(n, w.normal), 1e-4f);
        }
}

/* ---- tongue and teeth ---------------------------------------------------------------- */

static bool have_data(void) {
    if (!actor)
        print_message("skipped: TALKGEN_ACTOR_DATA names no MakeHuman data folder\n");
    return actor != NULL;
}

typedef struct {
    tg_person *person;
    tg_scene *scene;
    const tg_mesh *tongue, *teeth;
} model;

static model model_of(const char *name) {
    model m = {0};
    tg_person_options options = {.character = name, .pictures = true};
    if (tg_person_create(ctx, actor, &options, &m.person) != TG_OK ||
        tg_scene_create(ctx, m.person, &m.scene) != TG_OK)
        fail_msg("%s", tg_message(ctx));
    for (int i = 0; i < m.scene->meshes; i++) {
        m.tongue = m.scene->mesh[i].material == TG_MATERIAL_TONGUE ? &m.scene->mesh[i] : m.tongue;
        m.teeth = m.scene->mesh[i].material == TG_MATERIAL_TEETH ? &m.scene->mesh[i] : m.teeth;
    }
    assert_non_null(m.tongue);
    assert_non_null(m.teeth);
    return m;
}

static void model_free(model *m) {
    tg_scene_destroy(&m->scene);
    tg_person_destroy(&m->person);
}

static void say(model *m, const char *viseme) {
    tg_face_state face = {0};
    int v = tg_actor_find_viseme(actor, viseme);
    assert_true(v >= 0);
    tg_shape_add(tg_actor_viseme(actor, v), 1, &face);
    tg_person_pose(m->person, &face, NULL, m->scene);
}

/* The tongue's point, head coordinates do not matter: nothing turns here. */
static void tip_of(const model *m, float tip[3]) {
    int best = 0;
    for (int i = 0; i < m->tongue->vertices; i++)
        best = m->tongue->rest[3 * i + 2] > m->tongue->rest[3 * best + 2] ? i : best;
    memcpy(tip, m->tongue->position + 3 * best, 3 * sizeof *tip);
}

/* Mean of the biting edges of the incisors: the last tenth of the enamel of the row that the jaw
 * moves, or of the other one. `closed` [vertices,3] are the teeth of a closed mouth. */
static void incisor_edge(model *m, const float *closed, bool upper, float edge[3]) {
    const tg_mesh *t = m->teeth;
    int n = 0;
    edge[0] = edge[1] = edge[2] = 0;
    for (int i = 0; i < t->vertices; i++) {
        const float *a = t->attr + TG_ATTR * i, *p = t->position + 3 * i, *q = closed + 3 * i;
        bool moved = fabsf(p[1] - q[1]) + fabsf(p[2] - q[2]) > 1e-3f;
        if (a[4] > 0.5f || a[5] < 0.9f || fabsf(t->rest[3 * i]) > 0.05f || moved == upper)
            continue;
        for (int k = 0; k < 3; k++)
            edge[k] += p[k];
        n++;
    }
    assert_true(n > 3);
    for (int k = 0; k < 3; k++)
        edge[k] /= (float)n;
}

static void the_tip_goes_where_the_phone_wants_it(void **state) {
    (void)state;
    static const char *const people[] = {"zoe", "dev"};
    for (int i = 0; have_data() && i < 2; i++) {
        model m = model_of(people[i]);
        float tip[3], upper[3], low[3], *closed = malloc(12 * (size_t)m.teeth->vertices);
        tg_person_pose(m.person, &(tg_face_state){0}, NULL, m.scene);
        memcpy(closed, m.teeth->position, 12 * (size_t)m.teeth->vertices);
        static const char *const ridge[] = {"LL", "DD"};
        for (int k = 0; k < 2; k++) { /* behind and a little above the upper incisors' edge */
            say(&m, ridge[k]);
            tip_of(&m, tip);
            incisor_edge(&m, closed, true, upper);
            assert_true(tip[1] > upper[1] && tip[1] < upper[1] + 0.10f);
            assert_true(tip[2] < upper[2] && tip[2] > upper[2] - 0.12f);
        }
        say(&m, "TH"); /* between the teeth and in front of them */
        tip_of(&m, tip);
        incisor_edge(&m, closed, true, upper);
        assert_true(tip[1] < upper[1] && tip[2] > upper[2] + 0.03f);
        static const char *const open[] = {"AA", "AO", "OW"};
        for (int k = 0; k < 3; k++) { /* down behind the lower ones */
            say(&m, open[k]);
            tip_of(&m, tip);
            incisor_edge(&m, closed, false, low);
            assert_true(tip[1] < low[1] && tip[2] < low[2]);
        }
        free(closed);
        model_free(&m);
    }
}

/* ---- the picture ------------------------------------------------------------------------ */

enum { SIZE = 256 };

typedef struct {
    int teeth, all;   /* pixels between the lips: bright and grey; any */
    double red, blue; /* means of those that are no teeth */
} inside;

static bool within(const tg_vec3 *ring, float x, float y) {
    bool in = false;
    for (int i = 0, j = TG_LIP_RING - 1; i < TG_LIP_RING; j = i++)
        if ((ring[i].y > y) != (ring[j].y > y) &&
            x < ring[i].x + (ring[j].x - ring[i].x) * (y - ring[i].y) / (ring[j].y - ring[i].y))
            in = !in;
    return in;
}

static inside look_inside(model *m, tg_film *film, const tg_film_options *o, const char *viseme) {
    inside s = {0};
    tg_film_frame f;
    tg_vec3 ring[TG_LIP_RING];
    say(m, viseme);
    tg_film_expose(film, m->scene, NULL, &f);
    for (int i = 0; i < TG_LIP_RING; i++)
        ring[i] = tg_film_project(&o->camera, tg_v3_load(m->scene->lips[i]));
    int dark = 0;
    for (int y = 0; y < SIZE; y++)
        for (int x = 0; x < SIZE; x++) {
            if (!within(ring, (float)x + 0.5f, (float)y + 0.5f))
                continue;
            const uint8_t *p = f.rgb + 3 * (y * SIZE + x);
            bool tooth = p[1] > 110 && p[0] - p[2] < 50;
            s.teeth += tooth;
            s.all++;
            s.red += tooth ? 0 : p[0];
            s.blue += tooth ? 0 : p[2];
            dark += !tooth;
        }
    s.red /= dark ? dark : 1;
    s.blue /= dark ? dark : 1;
    return s;
}

static void an_open_mouth_shows_teeth_and_red_walls(void **state) {
    (void)state;
    static const char *const people[] = {"zoe", "dev"};
    for (int i = 0; have_data() && i < 2; i++) {
        model m = model_of(people[i]);
        tg_film_options o = tg_film_defaults(actor, m.person, SIZE, SIZE);
        tg_film *film;
        o.layers = false;
        if (tg_film_create(ctx, m.scene, &o, &film) != TG_OK)
            fail_msg("%s", tg_message(ctx));
        inside closed = look_inside(&m, film, &o, "PP");
        inside wide = look_inside(&m, film, &o, "AA"), spread = look_inside(&m, film, &o, "SH");
        print_message("%s: AA %d teeth of %d, red %.0f blue %.0f; SH %d of %d; PP %d of %d\n",
                      people[i], wide.teeth, wide.all, wide.red, wide.blue, spread.teeth,
                      spread.all, closed.teeth, closed.all);
        assert_true(closed.teeth == 0);
        assert_true(wide.all > 300 && wide.teeth > wide.all / 25);
        assert_true(spread.all > 60 && spread.teeth > spread.all / 5);
        /* neither a black hole nor a lamp, and the colour of flesh */
        assert_true(wide.red > 40 && wide.red < 150);
        assert_true(wide.red > 1.3 * wide.blue);
        tg_film_destroy(&film);
        model_free(&m);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(far_away_the_window_is_as_large_as_its_solid_angle),
        cmocka_unit_test(on_the_axis_the_share_is_known),
        cmocka_unit_test(light_goes_out_with_the_closing_lips),
        cmocka_unit_test(nothing_jumps_on_the_way_out),
        cmocka_unit_test(the_tip_goes_where_the_phone_wants_it),
        cmocka_unit_test(an_open_mouth_shows_teeth_and_red_walls)};
    ctx = tg_context_create(1);
    const char *data = getenv("TALKGEN_ACTOR_DATA");
    if (data && tg_actor_load(ctx, data, TG_MODELS_DIR "/actor", &actor) != TG_OK) {
        fprintf(stderr, "%s\n", tg_message(ctx));
        return 1;
    }
    int failed = cmocka_run_group_tests(tests, NULL, NULL);
    tg_actor_destroy(&actor);
    tg_context_destroy(&ctx);
    return failed;
}
