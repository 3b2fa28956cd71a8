/* Visibility: coverage, depth, interpolation, layers, strands. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "studio/raster.h"
#include "studio_scene.h"

enum { SIZE = 256 };

static const float anchor[3] = {0, 0, 0};

static void wall_at(float u, float v, float p[3], float n[3], float *region, float z, float half) {
    studio_set3(p, half * (2 * u - 1), half * (2 * v - 1), z);
    studio_set3(n, 0, 0, 1);
    *region = 0;
}

static void far_wall(float u, float v, float p[3], float n[3], float *region) {
    wall_at(u, v, p, n, region, -1, 0.6f);
}

static void near_wall(float u, float v, float p[3], float n[3], float *region) {
    wall_at(u, v, p, n, region, 0.5f, 0.3f);
}

/* Turned away from the picture plane, so that perspective matters. */
static void slope(float u, float v, float p[3], float n[3], float *region) {
    studio_set3(p, 0.8f * (2 * u - 1), 0.5f * (2 * v - 1), 3 * u);
    studio_set3(n, -3, 0, 1.6f);
    *region = 0;
}

static void draw(tg_context *ctx, tg_raster *r, const tg_scene *scene, bool layers) {
    tg_film_camera camera = tg_film_portrait(anchor, SIZE, SIZE);
    assert_int_equal(tg_raster_init(ctx, r, scene, SIZE, SIZE, &camera, layers), TG_OK);
    tg_raster_draw(r, scene, tg_context_pool(ctx));
}

static void a_wall_covers_its_area_without_gaps(void **state) {
    (void)state;
    tg_context *ctx = tg_context_create(1);
    tg_scene scene = {.meshes = 1, .mesh = calloc(1, sizeof(tg_mesh))};
    studio_grid(&scene.mesh[0], TG_MATERIAL_SKIN, false, 37, far_wall);
    tg_raster r;
    draw(ctx, &r, &scene, false);
    tg_vec3 low = tg_film_project(&r.camera, tg_v3(-0.6f, 0.6f, -1));
    tg_vec3 high = tg_film_project(&r.camera, tg_v3(0.6f, -0.6f, -1));
    int inside = 0;
    for (int y = 0; y < SIZE; y++)
        for (int x = 0; x < SIZE; x++) {
            float px = (float)x + 0.5f, py = (float)y + 0.5f;
            /* the camera looks down a little: leave a sample at the slanted edges */
            bool deep = px > low.x + 1 && px < high.x - 1 && py > low.y + 1 && py < high.y - 1;
            bool outside = px < low.x - 1 || px > high.x + 1 || py < low.y - 1 || py > high.y + 1;
            uint32_t id = r.id[0][y * SIZE + x];
            if (deep) {
                inside++;
                assert_int_not_equal(id, TG_NOTHING);
                assert_float_equal(r.depth[0][y * SIZE + x], 15.2f, 0.05f);
            }
            if (outside)
                assert_int_equal(id, TG_NOTHING);
        }
    assert_true(inside > 3000);
    tg_raster_free(&r);
    studio_scene_free(&scene);
    tg_context_destroy(&ctx);
}

static void the_nearer_wall_wins_in_any_order(void **state) {
    (void)state;
    tg_context *ctx = tg_context_create(1);
    for (int order = 0; order < 2; order++) {
        tg_scene scene = {.meshes = 2, .mesh = calloc(2, sizeof(tg_mesh))};
        studio_grid(&scene.mesh[order], TG_MATERIAL_SKIN, false, 3, near_wall);
        studio_grid(&scene.mesh[1 - order], TG_MATERIAL_SKIN, false, 3, far_wall);
        tg_raster r;
        draw(ctx, &r, &scene, false);
        tg_vec3 middle = tg_film_project(&r.camera, tg_v3(0, 0, 0.5f));
        uint32_t id = r.id[0][(int)middle.y * SIZE + (int)middle.x];
        assert_int_equal(tg_primitive_mesh(&r.prims, id), order);
        tg_vec3 beside = tg_film_project(&r.camera, tg_v3(0.5f, 0, -1));
        id = r.id[0][(int)beside.y * SIZE + (int)beside.x];
        assert_int_equal(tg_primitive_mesh(&r.prims, id), 1 - order);
        tg_raster_free(&r);
        studio_scene_free(&scene);
    }
    tg_context_destroy(&ctx);
}

static void weights_give_back_the_sample(void **state) {
    (void)state;
    tg_context *ctx = tg_context_create(1);
    tg_scene scene = {.meshes = 1, .mesh = calloc(1, sizeof(tg_mesh))};
    studio_grid(&scene.mesh[0], TG_MATERIAL_SKIN, true, 2, slope);
    tg_raster r;
    draw(ctx, &r, &scene, false);
    const tg_mesh *m = &scene.mesh[0];
    int seen = 0;
    for (int y = 0; y < SIZE; y += 3)
        for (int x = 0; x < SIZE; x += 3) {
            uint32_t id = r.id[0][y * SIZE + x];
            if (id == TG_NOTHING)
                continue;
            float w[3], p[3] = {0, 0, 0}, px = (float)x + 0.5f, py = (float)y + 0.5f;
            tg_raster_weights(&r, m, 0, (int)id, px, py, w);
            for (int k = 0; k < 3; k++)
                for (int c = 0; c < 3; c++)
                    p[c] += w[k] * m->position[3 * m->triangle[3 * id + (uint32_t)k] + c];
            assert_float_equal(w[0] + w[1] + w[2], 1, 1e-5f);
            tg_vec3 q = tg_film_project(&r.camera, tg_v3_load(p));
            assert_float_equal(q.x, px, 0.02f);
            assert_float_equal(q.y, py, 0.02f);
            assert_float_equal(q.z, r.depth[0][y * SIZE + x], 2e-3f);
            seen++;
        }
    assert_true(seen > 300);
    tg_raster_free(&r);
    studio_scene_free(&scene);
    tg_context_destroy(&ctx);
}

static void a_hair_thinner_than_a_sample_is_unbroken(void **state) {
    (void)state;
    tg_context *ctx = tg_context_create(1);
    tg_scene scene = {.strand_sets = 1, .strands = calloc(1, sizeof(tg_strands))};
    studio_hair(&scene.strands[0], 1);
    tg_strands *s = &scene.strands[0];
    for (int j = 0; j < s->points; j++) {
        studio_set3(s->point + 3 * j, 0.07f * (float)j, 0.2f * (float)j - 0.4f, 0);
        ((float *)s->radius)[j] = 1e-5f;
    }
    tg_raster r;
    draw(ctx, &r, &scene, false);
    float top = tg_film_project(&r.camera, tg_v3_load(s->point + 12)).y;
    float bottom = tg_film_project(&r.camera, tg_v3_load(s->point)).y;
    assert_true(bottom - top > 50);
    for (int y = (int)top + 1; y < (int)bottom; y++) {
        int n = 0;
        for (int x = 0; x < SIZE; x++)
            n += r.id[0][y * SIZE + x] != TG_NOTHING;
        assert_in_range(n, 1, 2);
    }
    tg_raster_free(&r);
    studio_scene_free(&scene);
    tg_context_destroy(&ctx);
}

static void the_second_layer_has_no_head(void **state) {
    (void)state;
    tg_context *ctx = tg_context_create(1);
    tg_scene scene = studio_figure();
    tg_raster r;
    draw(ctx, &r, &scene, true);
    int hidden_neck = 0;
    for (int i = 0; i < SIZE * SIZE; i++) {
        if (r.id[1][i] == TG_NOTHING)
            continue;
        assert_true(r.id[1][i] < r.prims.seg_base[0]);
        int m = tg_primitive_mesh(&r.prims, r.id[1][i]);
        assert_int_not_equal(m, 0);
        assert_true(r.depth[1][i] >= r.depth[0][i]);
        hidden_neck += m == 1 && r.id[0][i] != r.id[1][i];
    }
    assert_true(hidden_neck > 100); /* the post goes on behind the ball */
    tg_raster_free(&r);
    studio_scene_free(&scene);
    tg_context_destroy(&ctx);
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(a_wall_covers_its_area_without_gaps),
                                       cmocka_unit_test(the_nearer_wall_wins_in_any_order),
                                       cmocka_unit_test(weights_give_back_the_sample),
                                       cmocka_unit_test(a_hair_thinner_than_a_sample_is_unbroken),
                                       cmocka_unit_test(the_second_layer_has_no_head)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
