/* Parts of the motion trainers: the discriminator's gradient, the judge's loss, state on disk,
 * correlation. */
#include "eval/correlation.h"
#include "train/discriminator.h"
#include "train/motion_data.h"
#include "train/state.h"
#include "train/sync_expert.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

/* ---- discriminator ------------------------------------------------------------------------ */

enum { N = 5, DIM = 12 };

static double judge(tg_context *ctx, const tg_discriminator *d, const float *frames, bool backward,
                    float *input_gradient) {
    tg_tape *tape = tg_tape_create(ctx, true);
    tg_tape_set_training(tape, true);
    tg_rng dropout = tg_rng_make(1, "", "dropout");
    /* A parameter of its own makes the gradient of the frames visible. */
    tg_params *set = tg_params_create();
    tg_tensor *x = tg_params_add(set, "x", 2, (int64_t[]){N, DIM}, (tg_init){TG_INIT_ZERO, 0});
    memcpy(x->data, frames, N * DIM * sizeof *frames);
    assert_int_equal(tg_params_zero_grad(ctx, set), TG_OK);
    tg_tensor *loss =
        tg_mean(tape, tg_square(tape, tg_discriminator_forward(tape, d, x, &dropout, 100)));
    if (backward)
        tg_backward(tape, loss);
    assert_int_equal(tg_tape_status(tape), TG_OK);
    double value = loss->data[0];
    if (input_gradient)
        memcpy(input_gradient, x->grad, N * DIM * sizeof *input_gradient);
    tg_params_destroy(&set);
    tg_tape_destroy(&tape);
    return value;
}

/* A hidden unit near its kink would spoil a finite difference: among the checked numbers, all but a
 * few have to agree. */
static void discriminator_gradient(void **state) {
    (void)state;
    tg_context *ctx = tg_context_create(1);
    tg_discriminator d;
    assert_true(tg_discriminator_create(&d, DIM, 3));
    float frames[N * DIM], gradient[N * DIM];
    tg_rng rng = tg_rng_make(9, "", "frames");
    tg_rng_fill_normal(&rng, 0, frames, N * DIM);
    assert_int_equal(tg_params_zero_grad(ctx, d.params), TG_OK);
    judge(ctx, &d, frames, true, gradient);
    const float h = 1e-2f;
    int checked = 0, agree = 0;
    for (int i = 0; i < tg_params_count(d.params); i++) {
        tg_tensor *p = tg_params_at(d.params, i)->value;
        int64_t largest = 0;
        for (int64_t k = 0; k < tg_numel(p); k++)
            if (fabsf(p->grad[k]) > fabsf(p->grad[largest]))
                largest = k;
        float was = p->data[largest];
        p->data[largest] = was + h;
        double up = judge(ctx, &d, frames, false, NULL);
        p->data[largest] = was - h;
        double down = judge(ctx, &d, frames, false, NULL);
        p->data[largest] = was;
        double slope = (up - down) / (2 * (double)h), g = p->grad[largest];
        checked++;
        agree += fabs(slope - g) < 0.03 * fabs(g) + 1e-6;
    }
    for (int k = 0; k < N * DIM; k += 7) {
        float was = frames[k];
        frames[k] = was + h;
        double up = judge(ctx, &d, frames, false, NULL);
        frames[k] = was - h;
        double down = judge(ctx, &d, frames, false, NULL);
        frames[k] = was;
        checked++;
        agree += fabs((up - down) / (2 * (double)h) - gradient[k]) <
                 0.03 * fabs((double)gradient[k]) + 1e-5;
    }
    assert_int_equal(checked, 18);
    assert_true(agree >= 16);
    tg_discriminator_destroy(&d);
    tg_context_destroy(&ctx);
}

/* ---- sync loss ------------------------------------------------------------------------------ */

/* The judge's loss pulls lips towards what it has learnt to accept. */
static void sync_loss_reaches_the_lips_alone(void **state) {
    (void)state;
    enum { B = 2, T = 12, F = 6 };
    tg_context *ctx = tg_context_create(1);
    tg_syncnet_config config = {
        .hubert_dim = F, .lm_dim = TG_SYNC_MOUTH, .widths = {8, 8, 8}, .mouth_width = 8};
    tg_syncnet *net;
    assert_int_equal(tg_syncnet_create(ctx, &config, &net), TG_OK);
    tg_syncnet_init(net, 4);
    tg_params_freeze(tg_syncnet_params(net), "", true);
    static float features[B * 2 * T * F];
    tg_rng rng = tg_rng_make(2, "", "features");
    tg_rng_fill_normal(&rng, 0, features, B * 2 * T * F);
    tg_params *set = tg_params_create();
    tg_tensor *motion = tg_params_add(set, "motion", 3, (int64_t[]){B, T, TG_MOTION_DIM},
                                      (tg_init){TG_INIT_NORMAL, 1});
    tg_params_init(set, 8);
    assert_int_equal(tg_params_zero_grad(ctx, set), TG_OK);
    tg_tape *tape = tg_tape_create(ctx, true);
    tg_draws draws = tg_draws_make(1, 2, 3);
    tg_backward(tape, tg_sync_loss(tape, net, motion, features, F, 16, &draws));
    assert_int_equal(tg_tape_status(tape), TG_OK);
    double mouth = 0, rest = 0;
    for (int64_t i = 0; i < tg_numel(motion); i++)
        *(i % TG_MOTION_DIM >= TG_SYNC_FIRST ? &mouth : &rest) += fabs((double)motion->grad[i]);
    assert_true(mouth > 0);
    assert_true(rest == 0);
    for (int i = 0; i < tg_params_count(tg_syncnet_params(net)); i++)
        assert_null(tg_params_at(tg_syncnet_params(net), i)->value->grad);
    tg_tape_destroy(&tape);
    tg_params_destroy(&set);
    tg_syncnet_destroy(&net);
    tg_context_destroy(&ctx);
}

/* ---- state ------------------------------------------------------------------------------------
 */

typedef struct {
    tg_params *params;
    tg_tensor *w;
    tg_adam *adam;
    tg_rmsprop *rmsprop;
    tg_ema *ema;
} network;

static network make_network(tg_context *ctx, uint64_t seed, int64_t size) {
    network n = {.params = tg_params_create()};
    n.w = tg_params_add(n.params, "w", 1, (int64_t[]){size}, (tg_init){TG_INIT_NORMAL, 1});
    tg_params_add_buffer(n.params, "mean", 1, (int64_t[]){2}, 0.5f);
    tg_params_init(n.params, seed);
    n.adam = tg_adam_create(ctx, n.params, tg_adam_defaults());
    n.rmsprop = tg_rmsprop_create(ctx, n.params, 0.99f, 1e-8f);
    n.ema = tg_ema_create(ctx, n.params, 0.9f);
    return n;
}

static void step(tg_context *ctx, network *n, int i) {
    assert_int_equal(tg_params_zero_grad(ctx, n->params), TG_OK);
    for (int64_t k = 0; k < tg_numel(n->w); k++)
        n->w->grad[k] = n->w->data[k] - (float)i;
    tg_adam_step(n->adam, 0.1f);
    tg_rmsprop_step(n->rmsprop, 0.01f);
    tg_ema_update(n->ema);
}

static void free_network(network *n) {
    tg_adam_destroy(&n->adam);
    tg_rmsprop_destroy(&n->rmsprop);
    tg_ema_destroy(&n->ema);
    tg_params_destroy(&n->params);
}

static void state_on_disk(void **state) {
    (void)state;
    tg_context *ctx = tg_context_create(1);
    char path[64];
    snprintf(path, sizeof path, "train_motion_state_%ld", (long)getpid());
    network a = make_network(ctx, 1, 6), b = make_network(ctx, 2, 6), c = make_network(ctx, 3, 7);
    tg_state_part part_a = {"net", a.params, a.adam, a.rmsprop, a.ema};
    tg_state_part part_b = {"net", b.params, b.adam, b.rmsprop, b.ema};
    tg_state_part part_c = {"net", c.params, c.adam, c.rmsprop, c.ema};
    tg_state_place place = {12, 3.25, 0.125, -7, 9, 100.5, 3, 17}, got = {.step = 99};

    /* no file: nothing changes, the place is the beginning */
    assert_int_equal(tg_state_load(ctx, path, "test", &part_b, 1, &got), TG_OK);
    assert_int_equal(got.step, 0);

    for (int i = 0; i < 3; i++)
        step(ctx, &a, i);
    assert_int_equal(tg_state_save(ctx, path, "test", &part_a, 1, &place), TG_OK);
    assert_int_equal(tg_state_load(ctx, path, "test", &part_b, 1, &got), TG_OK);
    assert_int_equal(got.step, 12);
    assert_int_equal(got.best, 9);
    assert_true(got.time_s == 3.25 && got.loss == 0.125 && got.score == -7);
    assert_true(got.heard_s == 100.5 && got.block == 3 && got.piece == 17);
    for (int i = 3; i < 6; i++) {
        step(ctx, &a, i);
        step(ctx, &b, i);
    }
    assert_memory_equal(a.w->data, b.w->data, 6 * sizeof(float));
    assert_memory_equal(tg_ema_value(a.ema, 0), tg_ema_value(b.ema, 0), 6 * sizeof(float));

    /* another stage, another shape */
    assert_int_equal(tg_state_load(ctx, path, "other", &part_b, 1, &got), TG_EMODEL);
    assert_int_equal(tg_state_load(ctx, path, "test", &part_c, 1, &got), TG_EMODEL);
    /* a place in the takes that cannot be */
    const double seconds[] = {NAN, INFINITY, -1};
    for (int i = 0; i < 3; i++) {
        place.heard_s = seconds[i];
        assert_int_equal(tg_state_save(ctx, path, "test", &part_a, 1, &place), TG_OK);
        assert_int_equal(tg_state_load(ctx, path, "test", &part_b, 1, &got), TG_EMODEL);
    }
    place.heard_s = 1;
    place.block = -1;
    assert_int_equal(tg_state_save(ctx, path, "test", &part_a, 1, &place), TG_OK);
    assert_int_equal(tg_state_load(ctx, path, "test", &part_b, 1, &got), TG_EMODEL);
    free_network(&a);
    free_network(&b);
    free_network(&c);
    unlink(path);
    tg_context_destroy(&ctx);
}

static void schedule(void **state) {
    (void)state;
    tg_state_place place = {.step = 5, .time_s = 30};
    assert_true(tg_state_share(&place, 20, 40) == 0.25);
    assert_true(tg_state_share(&place, 0, 40) == 0.75);
    assert_true(tg_state_share(&place, 3, 0) == 1);
    assert_true(tg_state_share(&place, 0, 0) == 1);
}

static double correlation_of(const double (*pair)[2], int n) {
    tg_pairs pairs = {0};
    for (int i = 0; i < n; i++)
        tg_pairs_add(&pairs, pair[i][0], pair[i][1]);
    return tg_pairs_correlation(&pairs);
}

static void correlation(void **state) {
    (void)state;
    static const double line[][2] = {{1, 5}, {2, 3}, {3, 1}};
    static const double flat[][2] = {{1, 2}, {1, 3}, {1, 4}};
    static const double bent[][2] = {{0, 0}, {1, 1}, {2, 0}, {3, 3}}; /* 4 / sqrt(5 * 6) */
    static const double broken[][2] = {{0, 0}, {1, NAN}, {2, 1}};
    assert_true(fabs(correlation_of(line, 3) + 1) < 1e-12);
    assert_true(correlation_of(flat, 3) == 0);
    assert_true(fabs(correlation_of(bent, 4) - 4 / sqrt(30)) < 1e-12);
    assert_true(isnan(correlation_of(broken, 3)));
    assert_true(isnan(correlation_of(line, 1)) && isnan(correlation_of(line, 0)));
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(discriminator_gradient),
        cmocka_unit_test(sync_loss_reaches_the_lips_alone),
        cmocka_unit_test(state_on_disk),
        cmocka_unit_test(schedule),
        cmocka_unit_test(correlation),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
