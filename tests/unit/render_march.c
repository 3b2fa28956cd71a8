/* Occupancy, boxes and the two ways of marching. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <float.h>
#include <math.h>
#include <string.h>

#include "render/skip.h"

static void morton(void **state) {
    (void)state;
    assert_int_equal(tg_morton3(1, 0, 0), 1);
    assert_int_equal(tg_morton3(0, 1, 0), 2);
    assert_int_equal(tg_morton3(0, 0, 1), 4);
    for (uint32_t code = 0; code < 1u << 21; code += 977) {
        uint32_t p[3];
        tg_morton3_inverse(code, p);
        assert_int_equal(tg_morton3(p[0], p[1], p[2]), code);
    }
}

static void box(void **state) {
    (void)state;
    const float aabb[6] = {-1, -0.5f, -1, 1, 0.5f, 1};
    float near, far;
    tg_ray_box(aabb, 0.05f, (float[]){0, -3, 0}, (float[]){0, 1, 0}, &near, &far);
    assert_float_equal(near, 2.5f, 1e-6f);
    assert_float_equal(far, 3.5f, 1e-6f);
    tg_ray_box(aabb, 0.05f, (float[]){0, 0, 0}, (float[]){0, 0, 1}, &near, &far);
    assert_float_equal(near, 0.05f, 1e-7f); /* starts inside */
    assert_float_equal(far, 1.0f, 1e-6f);
    tg_ray_box(aabb, 0.05f, (float[]){0, -3, 2}, (float[]){0, 1, 0}, &near, &far);
    assert_true(near == FLT_MAX && far == FLT_MAX);
}

static tg_nerf *small_model(tg_context *ctx, int grid_size) {
    tg_nerf_config config = tg_nerf_config_defaults();
    config.grid_size = grid_size;
    config.log2_hashmap_size = 8;
    config.hidden_dim_ambient = config.hidden_dim_sigma = config.hidden_dim_color = 8;
    config.geo_feat_dim = 8;
    config.individual_embedding_num = 1;
    tg_nerf *nerf;
    assert_int_equal(tg_nerf_create(ctx, &config, 1, &nerf), TG_OK);
    return nerf;
}

static void pack(void **state) {
    (void)state;
    tg_context *ctx = tg_context_create(1);
    tg_nerf *nerf = small_model(ctx, 8);
    for (size_t i = 0; i < nerf->cells; i++) {
        nerf->density_grid[i] = i % 4 == 0 ? 2.0f : -1.0f;
    }
    assert_float_equal(tg_nerf_pack_occupancy(nerf), 0.5f, 1e-6f);
    for (size_t i = 0; i < nerf->bitfield_bytes; i++) {
        assert_int_equal(nerf->bitfield[i], 0x11);
    }
    for (size_t i = 0; i < nerf->cells; i++) {
        nerf->density_grid[i] = i == 9 ? 11.0f : 10.0f; /* mean 10.0x, threshold 10 */
    }
    tg_nerf_pack_occupancy(nerf);
    assert_int_equal(nerf->bitfield[1], 2);
    tg_nerf_destroy(&nerf);
    tg_context_destroy(&ctx);
}

/* Same rays, same random occupancy: the walk over the lattice finds the samples of the published
 * marcher. Positions within rounding of a cell wall may differ; there must be few. */
static void skipping(void **state) {
    (void)state;
    enum { W = 40, H = 33 };
    tg_context *ctx = tg_context_create(1);
    tg_nerf *nerf = small_model(ctx, 32);
    tg_rng rng = tg_rng_make(5, "", "march");
    memset(nerf->bitfield, 0, nerf->bitfield_bytes);
    for (uint32_t i = 0; i < nerf->cells; i++) {
        uint32_t p[3];
        tg_morton3_inverse(i, p);
        float q = 0;
        for (int a = 0; a < 3; a++) {
            const float x = ((float)p[a] + 0.5f) / 16.0f - 1.0f;
            q += x * x * (a == 1 ? 6.0f : 3.0f);
        }
        if (q < 1.0f && tg_rng_uniform(&rng, i) < 0.3f) {
            nerf->bitfield[i / 8] |= (uint8_t)(1u << (i % 8));
        }
    }
    tg_renderer_options camera = tg_renderer_defaults(W, H, 60.0f);
    tg_skip skip;
    assert_int_equal(tg_skip_create(ctx, nerf, W, H, &skip), TG_OK);
    assert_true(skip.usable && skip.bricks > 10);
    int samples = 0, different = 0, empty = 0;
    for (int view = 0; view < 6; view++) {
        const float angles[3] = {-1.4f + 0.1f * (float)view, 0.05f * (float)view, 0.2f};
        float r[9], pose[16] = {[15] = 1.0f};
        tg_pose_matrix(angles, r);
        const float distance = view == 5 ? 0.2f : 3.0f; /* the last camera stands inside */
        for (int a = 0; a < 3; a++) {
            memcpy(pose + 4 * a, r + 3 * a, 3 * sizeof(float));
            pose[4 * a + 3] = -distance * r[3 * a + 2];
        }
        tg_skip_frame(&skip, &camera, pose);
        const tg_march march = tg_nerf_march(nerf);
        const float o[3] = {pose[3], pose[7], pose[11]};
        for (int pixel = 0; pixel < W * H; pixel++) {
            enum { MAX = 64 };
            float d[3], near, far, xyz[3 * MAX], delta[2 * MAX], ours[3 * MAX], steps[2 * MAX];
            const int row = pixel / W, col = pixel % W;
            tg_ray_ngp(pose, camera.focal, camera.cx, camera.cy, (float)col, (float)row, d);
            tg_ray_box(nerf->aabb, 0.05f, o, d, &near, &far);
            float t = near;
            const int n = tg_march_ray(&march, o, d, far, &t, MAX, xyz, delta);
            int32_t first, last;
            int m = 0;
            if (tg_skip_range(&skip, row, col, near, far, &first, &last)) {
                while (m < MAX) { /* in pieces, as the renderer does */
                    const int got = tg_skip_march(&skip, o, d, near, &first, last, 3, ours + 3 * m,
                                                  steps + 2 * m);
                    m += got;
                    if (got < 3) {
                        break;
                    }
                }
            } else {
                empty++;
            }
            samples += n;
            bool same = n == m;
            for (int i = 0; same && i < n; i++) {
                for (int a = 0; a < 3; a++) {
                    same = same && fabsf(xyz[3 * i + a] - ours[3 * i + a]) < 1e-5f;
                }
                same = same && fabsf(delta[2 * i + 1] - steps[2 * i + 1]) < 1e-5f &&
                       delta[2 * i] == steps[2 * i];
            }
            different += !same;
        }
    }
    assert_true(samples > 3000 && empty > 50);
    assert_true(different <= 4);
    tg_skip_destroy(&skip);
    tg_nerf_destroy(&nerf);
    tg_context_destroy(&ctx);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(morton),
        cmocka_unit_test(box),
        cmocka_unit_test(pack),
        cmocka_unit_test(skipping),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
