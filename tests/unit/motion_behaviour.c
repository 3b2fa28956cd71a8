/* Head and eyes: poses as numbers and back, lids and blinks, the spline, the flow's density and
 * gradients, the stream. */
#include "talkgen/motion.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

enum { D = TG_DRAWN_DIM, I = TG_BEHAVIOUR_INPUTS, GAUSSIANS = 3 };

/* ---- head pose --------------------------------------------------------------------------- */

enum { POSES = 400 };

/* Camera-to-world of a head turned by Ry(yaw) Rx(pitch) about a neck below its origin, seen by a
 * camera 1.4 in front. */
static void look(double yaw, double pitch, double up, float c2w[16]) {
    double cy = cos(yaw), sy = sin(yaw), cp = cos(pitch), sp = sin(pitch);
    double r[9] = {cy, sy * sp, sy * cp, 0, cp, -sp, -sy, cy * sp, cy * cp};
    const double neck[3] = {0, -0.1, -0.05}, eye[3] = {0, 0, 1.4};
    for (int i = 0; i < 3; i++) {
        double t = 0; /* R^T (eye - neck - shift) + neck */
        for (int k = 0; k < 3; k++)
            t += r[3 * k + i] * (eye[k] - neck[k] - (k == 1 ? up : 0));
        for (int j = 0; j < 3; j++)
            c2w[4 * i + j] = (float)r[3 * j + i];
        c2w[4 * i + 3] = (float)(t + neck[i]);
    }
    c2w[12] = c2w[13] = c2w[14] = 0;
    c2w[15] = 1;
}

static void recording(float *c2w) {
    for (int i = 0; i < POSES; i++)
        look(0.05 + 0.04 * (sin(0.11 * i) + sin(0.271 * i) + sin(0.067 * i)),
             0.03 * (sin(0.23 * i + 1) + sin(0.157 * i) + sin(0.043 * i)),
             0.003 * (sin(0.31 * i) + sin(0.197 * i) + sin(0.083 * i + 2)), c2w + 16 * i);
}

static void poses_to_and_fro(void **state) {
    (void)state;
    static float c2w[16 * POSES];
    float x[TG_POSE_DIM], back[16];
    double mean[TG_POSE_DIM] = {0}, square[TG_POSE_DIM] = {0};
    tg_pose_stats s;
    recording(c2w);
    assert_true(tg_pose_stats_of(c2w, POSES, &s));
    tg_pose_stats wide = s; /* so wide that nothing is near its ends */
    for (int k = 0; k < TG_POSE_DIM; k++) {
        wide.low[k] = -20;
        wide.high[k] = 20;
    }
    wide.reach = 50;
    for (int i = 0; i < POSES; i++) {
        tg_pose_numbers(&s, c2w + 16 * i, x);
        for (int k = 0; k < TG_POSE_DIM; k++) {
            mean[k] += (double)x[k] / POSES;
            square[k] += (double)x[k] * (double)x[k] / POSES;
        }
        tg_pose_c2w(&wide, x, back);
        for (int k = 0; k < 16; k++)
            assert_true(fabsf(back[k] - c2w[16 * i + k]) < 2e-6f);
        /* Half as far from the mean is well inside: nothing is bent. */
        float half[TG_POSE_DIM], kept[TG_POSE_DIM];
        for (int k = 0; k < TG_POSE_DIM; k++)
            half[k] = kept[k] = 0.5f * x[k];
        tg_pose_limit(&s, half);
        for (int k = 0; k < TG_POSE_DIM; k++)
            assert_true(fabsf(half[k] - kept[k]) < 1e-5f);
    }
    for (int k = 0; k < TG_POSE_DIM; k++)
        assert_true(fabs(mean[k]) < 0.02);
    for (int k = 0; k < 2; k++) /* what turned */
        assert_true(fabs(square[k] - 1) < 1e-3);
    /* The neck explains the shift of the origin: what is left is the way up and down. */
    assert_true(s.deviation[4] > 0.003f && s.deviation[4] < 0.0045f);
    assert_true(s.deviation[3] < 5e-4f && s.deviation[5] < 5e-4f);
}

/* Whatever is asked for, the head stays where it was seen, and a rotation stays one. */
static void poses_stay_in_range(void **state) {
    (void)state;
    static float c2w[16 * POSES];
    tg_pose_stats s;
    recording(c2w);
    assert_true(tg_pose_stats_of(c2w, POSES, &s));
    tg_rng rng = tg_rng_make(3, "", "range");
    for (int i = 0; i < 300; i++) {
        float x[TG_POSE_DIM], back[16], seen[TG_POSE_DIM];
        double length = 0;
        for (int k = 0; k < TG_POSE_DIM; k++)
            x[k] = 6 * tg_rng_normal(&rng, (uint64_t)(i * TG_POSE_DIM + k));
        tg_pose_c2w(&s, x, back);
        tg_pose_numbers(&s, back, seen);
        for (int k = 0; k < TG_POSE_DIM; k++) {
            assert_true(seen[k] > s.low[k] - 0.05f && seen[k] < s.high[k] + 0.05f);
            length += (double)seen[k] * (double)seen[k];
        }
        assert_true(sqrt(length) < (double)s.reach + 0.05);
        for (int a = 0; a < 3; a++)
            for (int b = 0; b < 3; b++) {
                double dot = 0;
                for (int k = 0; k < 3; k++)
                    dot += (double)back[4 * a + k] * (double)back[4 * b + k];
                assert_true(fabs(dot - (a == b)) < 1e-5);
            }
    }
    /* Somebody who never moved stays there. */
    float still[16], x[TG_POSE_DIM] = {3, -2, 1, 1, 1, 1}, back[16];
    look(0.1, 0.05, 0, still);
    assert_true(tg_pose_stats_of(still, 1, &s));
    tg_pose_c2w(&s, x, back);
    for (int k = 0; k < 16; k++)
        assert_true(fabsf(back[k] - still[k]) < 1e-6f);
}

/* ---- eyelids -------------------------------------------------------------------------------- */

enum { EYE_FRAMES = 1000 };

/* An eye 0.3 wide and 0.1 high, lids that follow `lid` a little and close by `closure`. */
static void eyes_of(double lid, double closure, float *p) {
    static const float shape[6][2] = {{-0.15f, 0}, {-0.05f, 1}, {0.05f, 1},
                                      {0.15f, 0},  {0.05f, -1}, {-0.05f, -1}};
    for (int e = 0; e < 2; e++)
        for (int i = 0; i < 6; i++) {
            double half = 0.05 * (1 + 0.05 * lid) * (1 - 0.95 * closure);
            float *q = p + 3 * (6 * e + i);
            q[0] = shape[i][0] + (e ? 0.35f : -0.35f);
            q[1] = (float)(shape[i][1] * half);
            q[2] = 0.8f;
        }
}

static void blinks_are_found(void **state) {
    (void)state;
    static float eyes[EYE_FRAMES * TG_EYE_DIM], closure[EYE_FRAMES], lid[EYE_FRAMES];
    const tg_blink truth[] = {{2.01, 0.28}, {7.5, 0.2}, {11.13, 0.4}, {30, 0.32}};
    enum { BLINKS = 4 };
    for (int i = 0; i < EYE_FRAMES; i++) {
        double c = 0;
        for (int b = 0; b < BLINKS; b++)
            c = fmax(c, (double)tg_blink_closure(i / 25.0 - truth[b].onset, truth[b].length));
        eyes_of(sin(0.02 * i), c, eyes + i * TG_EYE_DIM);
    }
    tg_eyelid_stats s;
    tg_blink found[8];
    assert_true(tg_eyelid_stats_of(eyes, EYE_FRAMES, &s));
    assert_true(s.seen);
    assert_true(fabsf(s.per_minute - 6) < 1e-4f);
    assert_true(fabsf(s.length - 0.29f) < 0.03f);
    assert_int_equal(tg_blinks_find(&s, eyes, EYE_FRAMES, found, 8, closure, lid), BLINKS);
    for (int b = 0; b < BLINKS; b++) {
        assert_true(fabs(found[b].onset - truth[b].onset) < 0.05);
        assert_true(fabs(found[b].length - truth[b].length) < 0.06);
    }
    for (int i = 100; i < EYE_FRAMES; i++) { /* the lid's own way goes on through a blink */
        assert_true(fabs((double)lid[i] - sqrt(2) * sin(0.02 * i)) < 0.25);
        assert_true(closure[i] >= 0 && closure[i] <= 1);
    }
    float open[TG_EYE_DIM], made[TG_EYE_DIM];
    eyes_of(1, 0, open);
    tg_eyelid_points(&s, 1.414f, 0, made);
    for (int k = 0; k < TG_EYE_DIM; k++)
        assert_true(fabsf(made[k] - open[k]) < 5e-4f);
    tg_eyelid_points(&s, 0, 1, made);
    assert_true(tg_eye_aperture(made) < 0.2f * s.open);
    /* Room for fewer than there are: counted all the same. */
    assert_int_equal(tg_blinks_find(&s, eyes, EYE_FRAMES, found, 2, NULL, NULL), BLINKS);
}

/* Lids that stand still between blinks, as a face that does not move them with its eyes: what is
 * near a blink is no place of theirs, and they may move a little on the way of a blink. */
static void lids_that_stood_still(void **state) {
    (void)state;
    static float eyes[EYE_FRAMES * TG_EYE_DIM], closure[EYE_FRAMES], lid[EYE_FRAMES];
    for (int i = 0; i < EYE_FRAMES; i++)
        eyes_of(0, (double)tg_blink_closure(fmod(i / 25.0, 3.13) - 1, 0.31), eyes + i * TG_EYE_DIM);
    tg_eyelid_stats s;
    float made[TG_EYE_DIM];
    assert_true(tg_eyelid_stats_of(eyes, EYE_FRAMES, &s));
    assert_true(s.seen && !s.follows);
    assert_int_equal(tg_blinks_find(&s, eyes, EYE_FRAMES, NULL, 0, closure, lid), 13);
    for (int i = 0; i < EYE_FRAMES; i++)
        assert_true(fabsf(lid[i]) < 0.01f);
    for (int side = -1; side <= 1; side++) {
        tg_eyelid_points(&s, (float)side, 0, made);
        assert_true(fabsf(tg_eye_aperture(made) / s.open - 1 - 0.015f * (float)side) < 2e-3f);
    }
    /* Those that move are taken as they are. */
    for (int i = 0; i < EYE_FRAMES; i++)
        eyes_of(sin(0.02 * i), (double)tg_blink_closure(fmod(i / 25.0, 3.13) - 1, 0.31),
                eyes + i * TG_EYE_DIM);
    assert_true(tg_eyelid_stats_of(eyes, EYE_FRAMES, &s));
    assert_true(s.follows && fabsf(s.deviation / s.open - 0.05f / 1.414f) < 0.005f);
}

/* Without a blink in the recording the lids are put together. */
static void eyes_that_never_closed(void **state) {
    (void)state;
    static float eyes[EYE_FRAMES * TG_EYE_DIM];
    for (int i = 0; i < EYE_FRAMES; i++)
        eyes_of(sin(0.02 * i), 0, eyes + i * TG_EYE_DIM);
    tg_eyelid_stats s;
    float made[TG_EYE_DIM];
    assert_true(tg_eyelid_stats_of(eyes, EYE_FRAMES, &s));
    assert_false(s.seen);
    assert_true(s.per_minute == 0 && s.length == 0);
    tg_eyelid_points(&s, 0, 1, made);
    assert_true(tg_eye_aperture(made) < 0.2f * s.open && tg_eye_aperture(made) > 0);
    memset(eyes, 0, sizeof eyes); /* no eyes at all */
    assert_true(tg_eyelid_stats_of(eyes, EYE_FRAMES, &s));
    tg_eyelid_points(&s, 1, 1, made);
    for (int k = 0; k < TG_EYE_DIM; k++)
        assert_true(made[k] == 0);
}

/* ---- spline ------------------------------------------------------------------------------------
 */

static void spline_comes_back(void **state) {
    (void)state;
    enum { POINTS = 40, FRAMES = (POINTS - 3) * TG_STEP_FRAMES };
    static float points[POINTS * D], rows[FRAMES * D];
    static const double loose[D] = {1e-5, 1e-5, 1e-5, 1e-5, 1e-5, 1e-5, 1e-5};
    double stiff[D];
    tg_rng rng = tg_rng_make(2, "", "points");
    tg_rng_fill_normal(&rng, 0, points, POINTS * D);
    for (int f = 0; f < FRAMES; f++)
        tg_spline_value(points + f / TG_STEP_FRAMES * D, f, rows + f * D);
    float *fit;
    int64_t n;
    assert_true(tg_spline_fit(rows, FRAMES, loose, &fit, &n));
    assert_int_equal(n, POINTS);
    for (int f = 0; f < FRAMES; f++) {
        float value[D];
        tg_spline_value(fit + f / TG_STEP_FRAMES * D, f, value);
        for (int k = 0; k < D; k++)
            assert_true(fabsf(value[k] - rows[f * D + k]) < 0.02f);
    }
    /* Each number is as stiff as is asked of it. */
    float *other;
    memcpy(stiff, loose, sizeof stiff);
    stiff[2] = 1;
    assert_true(tg_spline_fit(rows, FRAMES, stiff, &other, &n));
    double bent = 0;
    for (int64_t i = 0; i < n * D; i++)
        if (i % D == 2)
            bent += fabs((double)other[i]) / POINTS;
        else
            assert_true(other[i] == fit[i]);
    assert_true(bent < 0.5);
    tg_free(other);
    tg_free(fit);
    for (int64_t frames = 1; frames < 9; frames++) { /* hardly anything to fit */
        assert_true(tg_spline_fit(rows, frames, loose, &fit, &n));
        assert_int_equal(n, (frames - 1) / TG_STEP_FRAMES + 4);
        for (int64_t i = 0; i < n * D; i++)
            assert_true(isfinite(fit[i]));
        tg_free(fit);
    }
}

/* ---- network
 * ------------------------------------------------------------------------------------- */

static tg_behaviour *make_model(tg_context *ctx, int mixture, float shake) {
    const tg_behaviour_config config = {.hidden = 12,
                                        .layers = 3,
                                        .coupling = 6,
                                        .past = mixture > 1 ? 6 : 4,
                                        .mixture = mixture,
                                        .noise = mixture > 1 ? 0.06f : 0};
    tg_behaviour *m;
    assert_int_equal(tg_behaviour_create(ctx, &config, &m), TG_OK);
    tg_behaviour_init(m, 4);
    tg_params *set = tg_behaviour_params(m);
    for (int i = 0; i < tg_params_count(set); i++) {
        tg_param *p = tg_params_at(set, i);
        tg_rng rng = tg_rng_make(5, "", p->name);
        for (int64_t k = 0; p->trainable && k < tg_numel(p->value); k++)
            p->value->data[k] += shake * tg_rng_normal(&rng, (uint64_t)k);
    }
    float *step = tg_params_find(set, "scale.step")->value->data;
    for (int k = 0; k < D; k++)
        step[k] = 0.1f + 0.02f * (float)k;
    return m;
}

static double log_determinant(double a[D][D]) {
    double sum = 0;
    for (int i = 0; i < D; i++) {
        int pivot = i;
        for (int r = i; r < D; r++)
            if (fabs(a[r][i]) > fabs(a[pivot][i]))
                pivot = r;
        for (int k = 0; k < D; k++) {
            double t = a[i][k];
            a[i][k] = a[pivot][k];
            a[pivot][k] = t;
        }
        sum += log(fabs(a[i][i]));
        for (int r = i + 1; r < D; r++)
            for (int k = D - 1; k >= i; k--)
                a[r][k] -= a[i][k] * a[r][i] / a[i][i];
    }
    return sum;
}

/* Shares, means and logs of deviations of a mixture that does not look at its inputs. */
typedef struct {
    int count;
    double share[GAUSSIANS], mean[GAUSSIANS][D], spread[GAUSSIANS][D];
} blind;

static void make_blind(tg_behaviour *m, blind *b) {
    memset(b, 0, sizeof *b);
    tg_params *set = tg_behaviour_params(m);
    b->count = tg_behaviour_config_of(m)->mixture;
    b->share[0] = 1;
    if (b->count == 1)
        return;
    tg_tensor *weight = tg_params_find(set, "mixture.weight")->value;
    const float *bias = tg_params_find(set, "mixture.bias")->value->data;
    memset(weight->data, 0, (size_t)tg_numel(weight) * sizeof *weight->data);
    double sum = 0;
    for (int k = 0; k < b->count; k++)
        sum += b->share[k] = exp((double)bias[k]);
    for (int k = 0; k < b->count; k++) {
        b->share[k] /= sum;
        for (int d = 0; d < D; d++) {
            b->mean[k][d] = (double)bias[b->count + k * D + d];
            b->spread[k][d] = 3 * tanh((double)bias[b->count * (1 + D) + k * D + d] / 3);
        }
    }
}

/* Log density over D, without the constant, of what noise z of Gaussian `from` becomes, of all
 * Gaussians together and times the volume of `from`. */
static double log_density(const blind *b, int from, const float z[D]) {
    double sum = 0, volume = 0;
    for (int k = 0; k < b->count; k++) {
        double e = log(b->share[k]);
        for (int d = 0; d < D; d++) {
            double y = b->mean[from][d] + exp(b->spread[from][d]) * (double)z[d];
            double own = (y - b->mean[k][d]) / exp(b->spread[k][d]);
            e -= 0.5 * own * own + b->spread[k][d];
        }
        sum += exp(e);
    }
    for (int d = 0; d < D; d++)
        volume += b->spread[from][d];
    return log(sum) + volume;
}

/* The likelihood of what is drawn is that of the noise over how much the flow spreads it. */
static void density_fits_drawing_of(int mixture) {
    tg_context *ctx = tg_context_create(1);
    tg_behaviour *m = make_model(ctx, mixture, 0.3f);
    blind b;
    make_blind(m, &b);
    const float *scale = tg_params_find(tg_behaviour_params(m), "scale.step")->value->data;
    tg_tape *tape = tg_tape_create(ctx, false);
    tg_rng rng = tg_rng_make(6, "", "density");
    double below = 0;
    for (int trial = 0; trial < 5; trial++) {
        float inputs[I], z[D], moved[D];
        int from = trial % mixture;
        below = from == 0 ? 0 : below + b.share[from - 1];
        float pick = (float)(below + 0.5 * b.share[from]);
        tg_rng_fill_normal(&rng, (uint64_t)trial * 1000, inputs, I);
        tg_rng_fill_normal(&rng, (uint64_t)trial * 1000 + I, z, D);
        tg_behaviour_draw at, low, high;
        assert_int_equal(tg_behaviour_step(tape, m, inputs, z, pick, &at), TG_OK);
        double jacobian[D][D], expected = 0;
        const float h = 0.01f;
        for (int k = 0; k < D; k++) {
            memcpy(moved, z, sizeof z);
            moved[k] = z[k] - h;
            assert_int_equal(tg_behaviour_step(tape, m, inputs, moved, pick, &low), TG_OK);
            moved[k] = z[k] + h;
            assert_int_equal(tg_behaviour_step(tape, m, inputs, moved, pick, &high), TG_OK);
            for (int r = 0; r < D; r++)
                jacobian[r][k] = ((double)high.step[r] - (double)low.step[r]) / (2 * (double)h);
            expected -= log((double)scale[k]);
        }
        expected -= log_density(&b, from, z);
        expected = (expected + log_determinant(jacobian)) / D + 0.918938533;
        const float none = 0;
        tg_behaviour_batch one = {1, inputs, at.step, &none, &none};
        tg_behaviour_terms l = tg_behaviour_loss(tape, m, &one);
        assert_int_equal(tg_tape_status(tape), TG_OK);
        assert_true(fabs((double)l.motion->data[0] - expected) < 2e-3);
        tg_tape_reset(tape);
    }
    tg_tape_destroy(&tape);
    tg_behaviour_destroy(&m);
    tg_context_destroy(&ctx);
}

static void density_fits_drawing(void **state) {
    (void)state;
    density_fits_drawing_of(1);
    density_fits_drawing_of(GAUSSIANS);
}

static double loss_of(tg_tape *tape, tg_behaviour *m, const tg_behaviour_batch *batch,
                      bool backward) {
    tg_behaviour_terms l = tg_behaviour_loss(tape, m, batch);
    tg_tensor *terms[] = {l.motion, l.blink, l.length};
    tg_tensor *all = tg_weighted_sum(tape, terms, (float[]){1, 2, 0.5f}, 3);
    if (backward)
        tg_backward(tape, all);
    assert_int_equal(tg_tape_status(tape), TG_OK);
    double value = 0;
    const double weight[] = {1, 2, 0.5};
    for (int k = 0; k < 3; k++)
        value += weight[k] * (double)terms[k]->data[0];
    tg_tape_reset(tape);
    return value;
}

/* Against the five-point stencil, as in tensor_gradients.c. */
static void gradients_of(int mixture) {
    enum { N = 6 };
    tg_context *ctx = tg_context_create(1);
    tg_behaviour *m = make_model(ctx, mixture, 0.2f);
    tg_params *set = tg_behaviour_params(m);
    static float inputs[N * I], step[N * D];
    const float blink[N] = {0, 1, 0, 0, 1, 0}, length[N] = {0, -1.2f, 0, 0, -1.5f, 0};
    tg_rng rng = tg_rng_make(8, "", "gradients");
    tg_rng_fill_normal(&rng, 0, inputs, N * I);
    tg_rng_fill_normal(&rng, N * I, step, N * D);
    for (int i = 0; i < N * D; i++)
        step[i] *= 0.15f;
    const tg_behaviour_batch batch = {N, inputs, step, blink, length};
    tg_tape *record = tg_tape_create(ctx, true), *plain = tg_tape_create(ctx, false);
    assert_int_equal(tg_params_zero_grad(ctx, set), TG_OK);
    loss_of(record, m, &batch, true);
    for (int p = 0; p < tg_params_count(set); p++) {
        tg_param *param = tg_params_at(set, p);
        double most = 0, error = 0;
        int64_t n = tg_numel(param->value);
        for (int64_t i = 0; param->trainable && i<n; i += n> 40 ? n / 20 : 1) {
            float *w = &param->value->data[i], kept = *w;
            double at[4], moved[4];
            for (int k = 0; k < 4; k++) {
                *w = kept + 0.01f * (float)(k < 2 ? k - 2 : k - 1);
                moved[k] = (double)*w - (double)kept;
                at[k] = loss_of(plain, m, &batch, false);
            }
            *w = kept;
            double near = (at[2] - at[1]) / (moved[2] - moved[1]);
            double far = (at[3] - at[0]) / (moved[3] - moved[0]);
            double numeric = (4 * near - far) / 3, analytic = (double)param->value->grad[i];
            most = fmax(most, fmax(fabs(numeric), fabs(analytic)));
            error = fmax(error, fabs(numeric - analytic));
        }
        /* float noise of a loss near 3 over a step of 0.01 */
        if (error > 0.01 * most + 1e-4)
            fail_msg("%s: gradient off by %g of %g", param->name, error, most);
    }
    tg_tape_destroy(&record);
    tg_tape_destroy(&plain);
    tg_behaviour_destroy(&m);
    tg_context_destroy(&ctx);
}

static void gradients(void **state) {
    (void)state;
    gradients_of(1);
    gradients_of(GAUSSIANS);
}

/* ---- stream
 * --------------------------------------------------------------------------------------- */

typedef struct {
    int64_t rows, next;
} sound;

static tg_status hear(tg_context *ctx, void *user, float row[TG_HEARD_DIM], bool *done) {
    (void)ctx;
    sound *s = user;
    *done = s->next >= s->rows;
    if (*done)
        return TG_OK;
    tg_rng rng = tg_rng_make(9, "", "sound");
    tg_rng_fill_normal(&rng, (uint64_t)(s->next++ * TG_HEARD_DIM), row, TG_HEARD_DIM);
    return TG_OK;
}

static tg_status run(tg_context *ctx, tg_behaviour *m, int64_t rows, uint64_t seed,
                     const char *clip, float rate, int64_t frames, tg_behaviour_frame *out) {
    sound s = {rows, 0};
    const tg_behaviour_sampling how = {seed, clip, rate, 1, hear, &s};
    tg_behaviour_stream *stream;
    tg_status status = tg_behaviour_stream_open(ctx, m, &how, &stream);
    for (int64_t i = 0; status == TG_OK && i < frames; i++)
        status = tg_behaviour_stream_next(ctx, stream, &out[i]);
    tg_behaviour_stream_close(&stream);
    assert_null(stream);
    return status;
}

static void streams_of(int mixture) {
    enum { FRAMES = 600 };
    static tg_behaviour_frame a[FRAMES], b[FRAMES];
    tg_context *ctx = tg_context_create(2);
    tg_behaviour *m = make_model(ctx, mixture, 0.1f);
    assert_int_equal(run(ctx, m, FRAMES, 1, "", 1, FRAMES, a), TG_OK);
    assert_int_equal(run(ctx, m, FRAMES, 1, "", 1, FRAMES, b), TG_OK);
    assert_memory_equal(a, b, sizeof a);
    bool closes = false;
    for (int i = 0; i < FRAMES; i++) {
        for (int k = 0; k < TG_POSE_DIM; k++)
            assert_true(fabsf(a[i].pose[k]) <= 5);
        assert_true(a[i].closure >= 0 && a[i].closure <= 1);
        closes = closes || a[i].closure > 0.9f;
    }
    assert_true(closes);
    /* A longer clip begins like a shorter one, as far as the short one does not hear its end. */
    assert_int_equal(run(ctx, m, FRAMES / 2, 1, "", 1, FRAMES / 2, b), TG_OK);
    assert_memory_equal(a, b, (FRAMES / 2 - 28) * sizeof *a);
    assert_memory_not_equal(a, b, FRAMES / 2 * sizeof *a);
    /* Other noise, other motion; no blinks when none are wanted. */
    assert_int_equal(run(ctx, m, FRAMES, 2, "", 1, FRAMES, b), TG_OK);
    assert_memory_not_equal(a, b, 10 * sizeof *a);
    assert_int_equal(run(ctx, m, FRAMES, 1, "b", 0, FRAMES, b), TG_OK);
    assert_memory_not_equal(a, b, 10 * sizeof *a);
    for (int i = 0; i < FRAMES; i++)
        assert_true(b[i].closure == 0);
    assert_int_equal(run(ctx, m, 1, 1, "", 1, FRAMES, b), TG_OK); /* one row of sound */
    assert_int_equal(run(ctx, m, 0, 1, "", 1, 1, b), TG_EINPUT);
    tg_params_find(tg_behaviour_params(m), "flow.base.bias")->value->data[2] = NAN;
    assert_int_equal(run(ctx, m, FRAMES, 1, "", 1, FRAMES, b), TG_EMODEL);
    assert_non_null(strstr(tg_message(ctx), "finite"));
    tg_behaviour_destroy(&m);
    tg_context_destroy(&ctx);
}

static void streams(void **state) {
    (void)state;
    streams_of(1);
    streams_of(GAUSSIANS);
}

static void configurations(void **state) {
    (void)state;
    tg_context *ctx = tg_context_create(1);
    tg_behaviour_config c = tg_behaviour_defaults(), d;
    tg_json *json = tg_json_new_object();
    c.layers = 3;
    c.hidden = 50;
    tg_behaviour_config_write(&c, json);
    assert_int_equal(tg_behaviour_config_parse(ctx, json, "x", &d), TG_OK);
    assert_memory_equal(&c, &d, sizeof c);
    /* a file from before there was more than one Gaussian */
    tg_json *old = tg_json_new_object();
    tg_json_set_number(old, "hidden", 128);
    assert_int_equal(tg_behaviour_config_parse(ctx, old, "x", &d), TG_OK);
    assert_true(d.past == 4 && d.mixture == 1 && d.noise == 0 && d.layers == 6);
    /* one that was trained with another noise is drawn with ours */
    tg_json_set_number(old, "noise", 0.06);
    assert_int_equal(tg_behaviour_config_parse(ctx, old, "x", &d), TG_OK);
    assert_true(d.noise == c.noise);
    tg_json_set_number(old, "past", TG_PAST_STEPS + 1);
    assert_int_equal(tg_behaviour_config_parse(ctx, old, "x", &d), TG_EMODEL);
    tg_json_set_number(old, "past", 1);
    tg_json_set_number(old, "noise", -0.1);
    assert_int_equal(tg_behaviour_config_parse(ctx, old, "x", &d), TG_EMODEL);
    assert_non_null(strstr(tg_message(ctx), "noise"));
    tg_json_destroy(&old);
    tg_json_set_number(json, "hidden", 1e9);
    assert_int_equal(tg_behaviour_config_parse(ctx, json, "x", &d), TG_EMODEL);
    tg_json_destroy(&json);
    tg_context_destroy(&ctx);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(poses_to_and_fro),
        cmocka_unit_test(poses_stay_in_range),
        cmocka_unit_test(blinks_are_found),
        cmocka_unit_test(lids_that_stood_still),
        cmocka_unit_test(eyes_that_never_closed),
        cmocka_unit_test(spline_comes_back),
        cmocka_unit_test(density_fits_drawing),
        cmocka_unit_test(gradients),
        cmocka_unit_test(streams),
        cmocka_unit_test(configurations),
    };
    return cmocka_run_group_tests_name("motion behaviour", tests, NULL, NULL);
}
