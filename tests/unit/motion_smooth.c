/* What happens to motion between the networks and the renderer. */
#include "talkgen/motion.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

static void statistics(void **state) {
    (void)state;
    enum { N = 4 };
    static float motion[N * TG_MOTION_DIM];
    const float values[N] = {1, 3, 3, 5};
    for (int i = 0; i < N; i++)
        motion[i * TG_MOTION_DIM + 7] = values[i];
    tg_motion_stats stats;
    tg_motion_stats_of(motion, N, &stats);
    assert_true(fabsf(stats.mean[7] - 3) < 1e-6f);
    assert_true(fabsf(stats.std[7] - sqrtf(2)) < 1e-6f); /* population deviation */
    assert_true(stats.mean[8] == 0);
    assert_true(stats.std[8] == 1e-4f); /* what never moves */
}

/* Jaw, nose, mouth +-s; brows and eyes +-s/2 in x and y, +-s in z. */
static void clamp_groups(void **state) {
    (void)state;
    static const struct {
        int point;
        float x, y, z;
    } rows[] = {{0, 2.5f, 2.5f, 2.5f},    {16, 2.5f, 2.5f, 2.5f},   {17, 1.25f, 1.25f, 2.5f},
                {26, 1.25f, 1.25f, 2.5f}, {27, 2.5f, 2.5f, 2.5f},   {35, 2.5f, 2.5f, 2.5f},
                {36, 1.25f, 1.25f, 2.5f}, {47, 1.25f, 1.25f, 2.5f}, {48, 2.5f, 2.5f, 2.5f},
                {67, 2.5f, 2.5f, 2.5f}};
    tg_motion_stats stats;
    for (int k = 0; k < TG_MOTION_DIM; k++) {
        stats.mean[k] = (float)k;
        stats.std[k] = 2;
    }
    for (int sign = -1; sign <= 1; sign += 2) {
        float frame[TG_MOTION_DIM];
        for (int k = 0; k < TG_MOTION_DIM; k++)
            frame[k] = (float)k + (float)sign * 100;
        tg_motion_normalize(&stats, 2.5f, frame);
        for (size_t r = 0; r < sizeof rows / sizeof rows[0]; r++) {
            assert_true(frame[3 * rows[r].point] == (float)sign * rows[r].x);
            assert_true(frame[3 * rows[r].point + 1] == (float)sign * rows[r].y);
            assert_true(frame[3 * rows[r].point + 2] == (float)sign * rows[r].z);
        }
    }
    float frame[TG_MOTION_DIM];
    for (int k = 0; k < TG_MOTION_DIM; k++)
        frame[k] = (float)k + 1;
    tg_motion_normalize(&stats, 2.5f, frame);
    for (int k = 0; k < TG_MOTION_DIM; k++) /* inside the limits: only normalised */
        assert_true(frame[k] == 0.5f);
}

static void causal_smoothing(void **state) {
    (void)state;
    tg_motion_ema ema = {0};
    const float in[] = {4, 0, 0, 10}, out[] = {4, 0.8f, 0.16f, 8.032f};
    for (int i = 0; i < 4; i++) {
        float frame[TG_MOTION_DIM];
        for (int k = 0; k < TG_MOTION_DIM; k++)
            frame[k] = in[i];
        tg_motion_smooth(&ema, 0.2f, frame);
        for (int k = 0; k < TG_MOTION_DIM; k++)
            assert_true(fabsf(frame[k] - out[i]) < 1e-5f);
    }
}

/* Weights of sum one that come nearest to the frame: on a line through two neighbours that is the
 * foot of the perpendicular, inside the span of many it is the frame itself. */
static void embeds_in_the_recording(void **state) {
    (void)state;
    enum { N = 40 };
    static float set[N * TG_LLE_DIM];
    float frame[TG_MOTION_DIM], before[TG_MOTION_DIM];
    for (int k = 0; k < TG_LLE_DIM; k++)
        set[TG_LLE_DIM + k] = k == 0 ? 2 : 0; /* from the origin along the first axis */
    for (int k = 0; k < TG_MOTION_DIM; k++)
        before[k] = k == 0 ? 0.5f : k == 1 ? 3 : k >= TG_LLE_DIM ? 9 : 0;
    memcpy(frame, before, sizeof frame);
    tg_motion_lle(set, 2, 0, frame);
    assert_memory_equal(frame, before, sizeof frame);
    tg_motion_lle(set, 2, 1, frame);
    assert_true(fabsf(frame[0] - 0.5f) < 1e-4f && fabsf(frame[1]) < 1e-6f);
    for (int k = TG_LLE_DIM; k < TG_MOTION_DIM; k++) /* the mouth is not asked */
        assert_true(frame[k] == 9);
    memcpy(frame, before, sizeof frame);
    tg_motion_lle(set, 2, 0.25f, frame);
    assert_true(fabsf(frame[1] - 2.25f) < 1e-4f);

    /* Ten frames around it span it; thirty far ones are not neighbours. */
    tg_rng rng = tg_rng_make(3, "", "lle");
    for (int i = 0; i < N; i++)
        for (int k = 0; k < TG_LLE_DIM; k++)
            set[i * TG_LLE_DIM + k] =
                (i % 4 == 0 ? 0 : 50) +
                (k < 4 ? tg_rng_normal(&rng, (uint64_t)(i * TG_LLE_DIM + k)) : 0);
    for (int k = 0; k < TG_MOTION_DIM; k++)
        frame[k] = before[k] = k < 4 ? 0.1f * (float)k : 0;
    tg_motion_lle(set, N, 1, frame);
    for (int k = 0; k < TG_MOTION_DIM; k++)
        assert_true(fabsf(frame[k] - before[k]) < 1e-2f);

    /* Equal neighbours, and the frame among them: a weight has to be found all the same. */
    memset(set, 0, sizeof set);
    tg_motion_lle(set, N, 1, frame);
    for (int k = 0; k < TG_LLE_DIM; k++)
        assert_true(fabsf(frame[k]) < 1e-5f);
    tg_motion_lle(set, N, 1, frame);
    tg_motion_lle(set, 1, 1, frame);
    for (int k = 0; k < TG_LLE_DIM; k++)
        assert_true(fabsf(frame[k]) < 1e-5f);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(statistics),
        cmocka_unit_test(clamp_groups),
        cmocka_unit_test(causal_smoothing),
        cmocka_unit_test(embeds_in_the_recording),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
