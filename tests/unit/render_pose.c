/* Sequences of poses and their angles. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <math.h>
#include <string.h>

#include "talkgen/render.h"

static void make_pose(const float angles[3], const float translation[3], float pose[16]) {
    float r[9];
    tg_pose_matrix(angles, r);
    for (int a = 0; a < 3; a++) {
        memcpy(pose + 4 * a, r + 3 * a, 3 * sizeof(float));
        pose[4 * a + 3] = translation[a];
        pose[12 + a] = 0.0f;
    }
    pose[15] = 1.0f;
}

static void mirror(void **state) {
    (void)state;
    static const int64_t expected[] = {0, 1, 2, 3, 2, 1, 0, 1, 2, 3, 2};
    for (int64_t i = 0; i < 11; i++) {
        assert_int_equal(tg_mirror_index(i, 4), expected[i]);
        assert_int_equal(tg_mirror_index(i, 1), 0);
        assert_int_equal(tg_mirror_index(i, 2), i % 2);
    }
    assert_int_equal(tg_mirror_index(INT64_C(6000000000), 4), 0);
}

static void angles_round_trip(void **state) {
    (void)state;
    for (int i = 0; i < 200; i++) {
        const float t = (float)i * 0.37f;
        const float angles[3] = {3.0f * sinf(t), 1.5f * sinf(1.7f * t), 3.0f * cosf(2.3f * t)};
        const float translation[3] = {t, -t, 1.0f};
        float pose[16], vector[6];
        make_pose(angles, translation, pose);
        tg_pose_vector(pose, vector);
        for (int a = 0; a < 3; a++) {
            assert_float_equal(vector[a], angles[a], 2e-4f);
            assert_float_equal(vector[3 + a], translation[a], 0.0f);
        }
    }
    /* rounding beyond +-1 in the matrix is no NaN */
    float pose[16] = {0, 0, 1.0000001f, 0, 0, 1, 0, 0, -1, 0, 0, 0, 0, 0, 0, 1}, vector[6];
    tg_pose_vector(pose, vector);
    assert_float_equal(vector[1], 1.5707964f, 1e-6f);
}

static void smoothing(void **state) {
    (void)state;
    enum { N = 9 };
    float poses[16 * N], out[16 * N];
    /* a steady turn: the mean of a symmetric window is its centre */
    for (int i = 0; i < N; i++) {
        const float angles[3] = {0.1f * (float)i, 0, 0}, translation[3] = {(float)i, 0, 2};
        make_pose(angles, translation, poses + 16 * i);
    }
    tg_poses_smooth(poses, N, 7, out);
    for (int i = 3; i < N - 3; i++) {
        for (int k = 0; k < 16; k++) {
            assert_float_equal(out[16 * i + k], poses[16 * i + k], 1e-6f);
        }
    }
    assert_float_equal(out[3], 1.5f, 1e-6f); /* shorter windows at the ends: frames 0..3 */
    float vector[6];
    tg_pose_vector(out, vector);
    assert_float_equal(vector[0], 0.15f, 1e-6f);
    /* quaternions of opposite sign are the same rotation */
    const float zero[3] = {0, 0, 0}, above[3] = {3.1f, 0, 0}, below[3] = {-3.1f, 0, 0};
    make_pose(above, zero, poses);
    make_pose(below, zero, poses + 16);
    tg_poses_smooth(poses, 2, 3, out);
    tg_pose_vector(out, vector);
    assert_float_equal(fabsf(vector[0]), 3.14159265f, 1e-5f);
    tg_poses_smooth(poses, 2, 1, out);
    for (int k = 0; k < 32; k++) {
        assert_float_equal(out[k], poses[k], 1e-6f);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(mirror),
        cmocka_unit_test(angles_round_trip),
        cmocka_unit_test(smoothing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
