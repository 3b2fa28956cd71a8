/* Light: depth maps, coarse faces, noise, subsurface blur, tone. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "studio/coarsen.h"
#include "studio/noise.h"
#include "studio/shade.h"
#include "studio/sss.h"
#include "studio/tone.h"
#include "studio_scene.h"

static void lid(float u, float v, float p[3], float n[3], float *region) {
    studio_set3(p, 2 * u - 1, 1, 1 - 2 * v); /* 2 x 2 dm at y = 1, facing up */
    studio_set3(n, 0, 1, 0);
    *region = 0;
}

static void a_lid_shades_what_lies_below(void **state) {
    (void)state;
    tg_scene scene = {.meshes = 1, .mesh = calloc(1, sizeof(tg_mesh))};
    studio_grid(&scene.mesh[0], TG_MATERIAL_CLOTH, false, 9, lid);
    tg_triangles faces = {scene.mesh[0].triangles, scene.mesh[0].triangle, NULL};
    tg_depth_scratch scratch = {malloc(12 * (size_t)scene.mesh[0].vertices),
                                malloc(4 * (size_t)(scene.mesh[0].triangles + 1))};
    tg_depth_map map;
    assert_true(tg_depth_map_init(&map, 256, tg_v3(0, 1, 0), tg_v3(0, 0, 0), 2));
    tg_depth_map_draw(&map, &scene, &faces, 0, &scratch);
    for (int i = -9; i <= 9; i++) {
        float x = 0.1f * (float)i, shade = fabsf(x) < 0.95f ? 0 : 0.5f;
        assert_float_equal(tg_depth_map_light(&map, tg_v3(x, 0, 0.33f), 0.02f, 0.02f), shade,
                           0.01f);
        assert_float_equal(tg_depth_map_light(&map, tg_v3(x, 1.01f, 0.33f), 0.02f, 0.02f), 1,
                           1e-6f);
    }
    assert_float_equal(tg_depth_map_light(&map, tg_v3(1.3f, 0, 0), 0.02f, 0.02f), 1, 1e-6f);
    assert_float_equal(tg_depth_map_light(&map, tg_v3(9, 0, 0), 0.02f, 0.02f), 1, 1e-6f);
    /* Across the edge the filter passes from shade to light without a step back. */
    float before = 0;
    for (int i = 0; i <= 40; i++) {
        float light = tg_depth_map_disc(&map, tg_v3(0.9f + 0.005f * (float)i, 0, 0), 0, 3, 0.018f);
        assert_true(light >= before - 1e-5f && light <= 1);
        before = light;
    }
    assert_float_equal(before, 1, 1e-6f);
    tg_depth_map_free(&map);
    free(scratch.vertex);
    free(scratch.keep);
    studio_scene_free(&scene);
}

static void four_quads_of_a_face_become_one(void **state) {
    (void)state;
    /* corners 0..3, edges 4..7, face point 8; then a lone triangle */
    const int32_t quad[4][4] = {{0, 4, 8, 7}, {1, 5, 8, 4}, {2, 6, 8, 5}, {3, 7, 8, 6}};
    int32_t t[27];
    for (int q = 0; q < 4; q++)
        for (int k = 0; k < 2; k++) {
            t[6 * q + 3 * k] = quad[q][0];
            t[6 * q + 3 * k + 1] = quad[q][1 + k];
            t[6 * q + 3 * k + 2] = quad[q][2 + k];
        }
    t[24] = 3;
    t[25] = 1;
    t[26] = 9;
    tg_mesh mesh = {.triangles = 9, .vertices = 10, .triangle = t};
    tg_triangles coarse;
    assert_true(tg_coarsen(&mesh, &coarse));
    const int32_t expected[9] = {0, 1, 2, 0, 2, 3, 3, 1, 9};
    assert_int_equal(coarse.triangles, 3);
    assert_memory_equal(coarse.triangle, expected, sizeof expected);
    tg_free(coarse.owned);
    t[5] = 6; /* no longer a split face: everything stays */
    assert_true(tg_coarsen(&mesh, &coarse));
    assert_int_equal(coarse.triangles, 9);
    assert_memory_equal(coarse.triangle, t, sizeof t);
    tg_free(coarse.owned);
}

static void noise_is_smooth_and_bounded(void **state) {
    (void)state;
    tg_noise *noise = malloc(sizeof *noise);
    tg_noise_init(noise);
    float low = 1, high = 0, sum = 0;
    enum { N = 4000 };
    for (int i = 0; i < N; i++) {
        tg_vec3 p = tg_v3(0.37f * (float)i - 300, 0.11f * (float)i, -0.23f * (float)i);
        float v = tg_noise_at(noise, p), step = 1e-3f;
        float next = tg_noise_at(noise, tg_v3(p.x + step, p.y, p.z));
        assert_true(fabsf(next - v) < 2 * step + 1e-4f); /* slope of a smooth step is 1.5 at most */
        low = tg_minf(low, v);
        high = tg_maxf(high, v);
        sum += v;
    }
    assert_true(low >= 0 && low < 0.1f && high <= 1 && high > 0.9f);
    assert_float_equal(sum / N, 0.5f, 0.03f);
    free(noise);
}

static void dots_lie_in_their_share_of_cells(void **state) {
    (void)state;
    int dark = 0;
    enum { N = 60 };
    for (int z = 0; z < N; z++)
        for (int y = 0; y < N; y++)
            for (int x = 0; x < N; x++) {
                float d = tg_noise_dots(tg_v3(0.02f * (float)x, 0.02f * (float)y, 0.02f * (float)z),
                                        0.2f, 0.5f, 0.05f, 0.05f);
                assert_true(d >= 0 && d <= 1);
                dark += d > 0;
            }
    /* half of the cells hold a ball of 4/3 pi r^3 */
    float share = (float)dark / (N * N * N), ball = 0.5f * 4.18879f * 0.05f * 0.05f * 0.05f;
    assert_float_equal(share, ball / (0.2f * 0.2f * 0.2f), 0.008f);
    assert_float_equal(tg_noise_dots(tg_v3(1, 2, 3), 0.2f, 0, 0.05f, 0.05f), 0, 0);
}

static void blur_spreads_red_and_stops_at_edges(void **state) {
    (void)state;
    enum { W = 64, H = 48 };
    static const float sigma[3] = {0.030f, 0.014f, 0.008f};
    float *e = malloc(12 * W * H), *depth = malloc(4 * W * H), *scratch = malloc(12 * W * H);
    memset(scratch, 0xff, 12 * W * H); /* NaN: must not reach a result */
    for (int i = 0; i < W * H; i++) {
        int x = i % W;
        depth[i] = x < 40 ? 10 : x < 56 ? 11 : TG_SSS_OUTSIDE;
        for (int c = 0; c < 3; c++)
            e[c * W * H + i] = x < 20 ? 1 : x < 40 ? 0 : 5;
    }
    tg_sss s = {W, H, e, depth, scratch};
    tg_sss_blur(&s, sigma, (const float[3]){1, 1, 1}, 100, 0, H - 1, NULL);
    for (int y = 0; y < H; y++) {
        const float *red = e + y * W, *blue = e + 2 * W * H + y * W;
        assert_float_equal(red[2], 1, 1e-5f);
        assert_float_equal(red[38], 0, 5e-3f); /* a dm of depth apart: hardly anything leaks */
        assert_float_equal(red[42], 5, 5e-3f);
        assert_true(red[22] > 0.1f && red[22] < 0.5f);
        assert_float_equal(blue[23], 0, 1e-3f);
        assert_float_equal(red[19] + red[20], 1, 1e-4f); /* symmetric about the step */
        for (int x = 0; x < 56; x++)
            assert_true(red[x] >= 0 && red[x] <= 5.001f);
    }
    free(e);
    free(depth);
    free(scratch);
}

static void the_tone_curve_rises_to_white(void **state) {
    (void)state;
    float before = -1;
    for (int i = 0; i <= 1000; i++) {
        float v = tg_tone(tg_v3(0.01f * (float)i, 0, 0)).x;
        assert_true(v >= before && v >= 0 && v <= 1);
        before = v;
    }
    assert_true(before > 0.98f);
    assert_int_equal(tg_tone_byte(tg_tone(tg_v3(0, 0, 0)).x), 0);
    /* powers that the curve uses, against libm */
    for (float x = 0.001f; x < 1; x += 0.01f)
        assert_float_equal(tg_fast_pow(x, 1 / 2.4f), powf(x, 1 / 2.4f), 2e-4f);
}

static void the_torso_grows_below_the_head_only(void **state) {
    (void)state;
    enum { W = 8, H = 128 };
    uint8_t rgba[4 * W * H], head[W * H], skin[W * H];
    memset(rgba, 0, sizeof rgba);
    memset(skin, 0, sizeof skin);
    for (int y = 0; y < H; y++)
        for (int x = 0; x < W; x++) {
            head[y * W + x] = x < 6 && y < 100;
            if (y < 100)
                continue;
            uint8_t *p = rgba + 4 * (y * W + x);
            p[0] = 200;
            p[1] = 100;
            p[2] = 50;
            p[3] = 255;
            skin[y * W + x] = x < 3;
        }
    tg_tone_grow_torso(rgba, head, skin, W, H);
    int reach[W];
    for (int x = 0; x < W; x++) {
        reach[x] = 0;
        while (rgba[4 * ((99 - reach[x]) * W + x) + 3] == 255)
            reach[x]++;
    }
    for (int x = 0; x < 3; x++)
        assert_int_equal(reach[x], 13); /* 53/512 of 128 rows */
    for (int x = 3; x < 6; x++)
        assert_int_equal(reach[x], 2); /* 9/512 */
    assert_int_equal(reach[6], 0);
    const uint8_t *first = rgba + 4 * (99 * W), *last = rgba + 4 * (87 * W);
    assert_in_range(first[0], 180, 199); /* 0.98^4 per row of 128 */
    assert_true(last[0] < first[0] && last[0] > 50);
}

static void the_sky_is_brighter_above(void **state) {
    (void)state;
    assert_true(tg_sky(tg_v3(0, 1, 0)).y > tg_sky(tg_v3(1, 0, 0)).y);
    assert_true(tg_sky(tg_v3(1, 0, 0)).y > tg_sky(tg_v3(0, -1, 0)).y);
    for (int k = 0; k < TG_SKY_MAPS; k++) {
        tg_vec3 d = tg_sky_direction(k);
        assert_float_equal(tg_v3_dot(d, d), 1, 1e-5f);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(a_lid_shades_what_lies_below),
                                       cmocka_unit_test(four_quads_of_a_face_become_one),
                                       cmocka_unit_test(noise_is_smooth_and_bounded),
                                       cmocka_unit_test(dots_lie_in_their_share_of_cells),
                                       cmocka_unit_test(blur_spreads_red_and_stops_at_edges),
                                       cmocka_unit_test(the_tone_curve_rises_to_white),
                                       cmocka_unit_test(the_torso_grows_below_the_head_only),
                                       cmocka_unit_test(the_sky_is_brighter_above)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
