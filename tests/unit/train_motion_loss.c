/* Losses on landmarks: lips that were closed stay closed, mean and covariance of a clip. */
#include "train/motion_loss.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

enum { FRAMES = 4, ALL = FRAMES * TG_MOTION_DIM };

static tg_context *ctx;

/* The arguments of either loss beside the prediction. */
typedef struct {
    const float *closed, *before; /* of tg_closed_loss */
    const float *truth;           /* of tg_moment_loss, NULL = the other one */
} loss_case;

static double loss_of(const loss_case *c, const float *motion, float *gradient) {
    const int64_t dim[] = {1, FRAMES, TG_MOTION_DIM};
    tg_tape *tape = tg_tape_create(ctx, true);
    tg_params *set = tg_params_create();
    tg_tensor *x = tg_params_add(set, "x", 3, dim, (tg_init){TG_INIT_ZERO, 0});
    memcpy(x->data, motion, ALL * sizeof *motion);
    assert_int_equal(tg_params_zero_grad(ctx, set), TG_OK);
    tg_tensor *loss = c->truth ? tg_moment_loss(tape, x, tg_borrow(tape, 3, dim, c->truth))
                               : tg_closed_loss(tape, x, c->before, c->closed);
    tg_backward(tape, loss);
    assert_int_equal(tg_tape_status(tape), TG_OK);
    double value = loss->data[0];
    if (gradient)
        memcpy(gradient, x->grad, ALL * sizeof *gradient);
    tg_params_destroy(&set);
    tg_tape_destroy(&tape);
    return value;
}

static void noise(const char *name, float *out, size_t n) {
    tg_rng rng = tg_rng_make(4, "", name);
    tg_rng_fill_normal(&rng, 0, out, n);
}

/* Central differences of coordinate i against its gradient. */
static void check_gradient(const loss_case *c, float *motion, int i, float h, double tolerance,
                           const float *gradient) {
    const float kept = motion[i];
    motion[i] = kept + h;
    double up = loss_of(c, motion, NULL);
    motion[i] = kept - h;
    double down = loss_of(c, motion, NULL);
    motion[i] = kept;
    assert_true(fabs((up - down) / (2 * (double)h) - (double)gradient[i]) < tolerance);
}

static void closed_lips_stay_closed(void **state) {
    (void)state;
    static float motion[ALL], before[ALL], gradient[ALL];
    /* closed: the upper lip a unit lower than in the frames of zeros */
    const float closed[TG_GAP_DIM] = {0, -1, 0, 0, -1, 0, 0, -1, 0};
    const bool touch[FRAMES] = {true, false, true, false};
    for (int f = 0; f < FRAMES; f++)
        before[f * TG_MOTION_DIM + 3 * 62 + 1] = touch[f] ? -1.02f : -0.9f;
    const loss_case c = {.closed = closed, .before = before};
    /* one of three coordinates is 1 off */
    assert_true(fabs(loss_of(&c, motion, NULL) - 1.0 / 3) < 1e-5);
    /* nobody closes the lips */
    static const float open[ALL];
    assert_true(loss_of(&(loss_case){.closed = closed, .before = open}, motion, NULL) == 0);
    noise("lips", motion, ALL);
    float gap[TG_GAP_DIM];
    tg_gap_vectors(motion, gap);
    assert_true(gap[0] == motion[3 * 61] - motion[3 * 67]);
    assert_true(gap[8] == motion[3 * 63 + 2] - motion[3 * 65 + 2]);
    loss_of(&c, motion, gradient);
    for (int i = 0; i < ALL; i++) {
        int frame = i / TG_MOTION_DIM, point = i % TG_MOTION_DIM / 3;
        bool lip = (point >= 61 && point <= 63) || (point >= 65 && point <= 67);
        if (!lip || !touch[frame])
            assert_true(gradient[i] == 0);
        else
            check_gradient(&c, motion, i, 1e-2f, 1e-3, gradient);
    }
}

static void moments_are_compared(void **state) {
    (void)state;
    static float truth[ALL], motion[ALL], gradient[ALL];
    noise("truth", truth, ALL);
    const loss_case c = {.truth = truth};
    assert_true(fabs(loss_of(&c, truth, NULL)) < 1e-10);
    /* Moved by a tenth: the covariance stays. Its trace by hand. */
    double variance = 0;
    int counted = 0;
    for (int k = 0; k < TG_MOTION_DIM; k++) {
        if (k >= 3 * 36 && k < 3 * 48)
            continue; /* eyes */
        double sum = 0, square = 0;
        for (int f = 0; f < FRAMES; f++) {
            double v = truth[f * TG_MOTION_DIM + k];
            sum += v / FRAMES;
            square += v * v / FRAMES;
        }
        variance += square - sum * sum;
        counted++;
    }
    for (int i = 0; i < ALL; i++)
        motion[i] = truth[i] + 0.1f;
    assert_true(fabs(loss_of(&c, motion, NULL) - 0.01 * counted / variance) < 1e-6);
    /* Twice as wide about the mean, three covariances off, in whatever order. */
    for (int k = 0; k < TG_MOTION_DIM; k++) {
        float mean = 0;
        for (int f = 0; f < FRAMES; f++)
            mean += truth[f * TG_MOTION_DIM + k] / FRAMES;
        for (int f = 0; f < FRAMES; f++)
            motion[(FRAMES - 1 - f) * TG_MOTION_DIM + k] =
                mean + 2 * (truth[f * TG_MOTION_DIM + k] - mean);
    }
    assert_true(fabs(loss_of(&c, motion, NULL) - 9) < 1e-3);
    /* blinks do not count */
    for (int f = 0; f < FRAMES; f++)
        motion[f * TG_MOTION_DIM + 3 * 40 + 1] += (float)f;
    assert_true(fabs(loss_of(&c, motion, NULL) - 9) < 1e-3);
    loss_of(&c, motion, gradient);
    for (int i = 0; i < ALL; i += 5)
        check_gradient(&c, motion, i, 1e-2f, 2e-3, gradient);
    assert_true(gradient[3 * 40 + 1] == 0);
}

int main(void) {
    ctx = tg_context_create(1);
    const struct CMUnitTest tests[] = {cmocka_unit_test(closed_lips_stay_closed),
                                       cmocka_unit_test(moments_are_compared)};
    int failed = cmocka_run_group_tests(tests, NULL, NULL);
    tg_context_destroy(&ctx);
    return failed;
}
