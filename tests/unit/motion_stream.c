/* The motion stream: pieces are invisible, noise is a function of the seed, the tail is filled. */
#include "talkgen/motion.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

enum { FEATURES = 12, FRAMES = 603, ROWS = 2 * FRAMES, LATENT = 16 };

typedef struct {
    tg_context *ctx;
    tg_vae *vae;
    tg_postnet *postnet;
    float rows[(ROWS + 8) * FEATURES];
    const int32_t *bins; /* of the rows, NULL without pitch */
} fixture;

/* Parameters that are zero at the start (flow, last layer of the postnet) would hide mistakes. */
static void shake(tg_params *set, uint64_t seed) {
    for (int i = 0; i < tg_params_count(set); i++) {
        tg_param *p = tg_params_at(set, i);
        tg_rng rng = tg_rng_make(seed, "", p->name);
        for (int64_t k = 0; p->trainable && k < tg_numel(p->value); k++)
            p->value->data[k] += 0.1f * tg_rng_normal(&rng, (uint64_t)k);
    }
}

static int set_up(void **state) {
    fixture *f = calloc(1, sizeof *f);
    f->ctx = tg_context_create(2);
    tg_vae_config config = tg_vae_defaults();
    config.hidden_channels = 16;
    config.glow_hidden = 8;
    config.mel_in_dim = FEATURES;
    config.mel_feat_dim = 8;
    tg_postnet_config post = {.in_out_dim = TG_MOTION_DIM, .widths = {16, 24}};
    assert_int_equal(tg_vae_create(f->ctx, &config, &f->vae), TG_OK);
    assert_int_equal(tg_postnet_create(f->ctx, &post, &f->postnet), TG_OK);
    tg_vae_init(f->vae, 1);
    tg_postnet_init(f->postnet, 2);
    shake(tg_vae_params(f->vae), 3);
    shake(tg_postnet_params(f->postnet), 4);
    tg_rng rng = tg_rng_make(5, "", "rows");
    tg_rng_fill_normal(&rng, 0, f->rows, (size_t)ROWS * FEATURES);
    *state = f;
    return 0;
}

static int tear_down(void **state) {
    fixture *f = *state;
    tg_vae_destroy(&f->vae);
    tg_postnet_destroy(&f->postnet);
    tg_context_destroy(&f->ctx);
    free(f);
    return 0;
}

/* Streams `rows` rows in pushes of `push`, pulls at most `pull` frames at a time. */
static float *run(fixture *f, const tg_motion_sampling *sampling, int64_t rows, int64_t frames,
                  int64_t push, int64_t pull) {
    float *out = calloc((size_t)frames * TG_MOTION_DIM, sizeof *out);
    tg_motion_stream *s;
    assert_int_equal(tg_motion_stream_open(f->ctx, f->vae, f->postnet, sampling, frames, &s),
                     TG_OK);
    int64_t pushed = 0, have = 0;
    while (have < frames) {
        int64_t n = rows - pushed < push ? rows - pushed : push;
        pushed += tg_motion_stream_push(s, f->rows + pushed * FEATURES,
                                        f->bins ? f->bins + pushed : NULL, n);
        if (pushed == rows)
            tg_motion_stream_finish(s);
        int64_t most = frames - have < pull ? frames - have : pull;
        assert_int_equal(tg_motion_stream_pull(f->ctx, s, out + have * TG_MOTION_DIM, most, &n),
                         TG_OK);
        have += n;
    }
    int64_t more = 1;
    float beyond[TG_MOTION_DIM];
    assert_int_equal(tg_motion_stream_pull(f->ctx, s, beyond, 1, &more), TG_OK);
    assert_int_equal(more, 0);
    tg_motion_stream_close(&s);
    return out;
}

static double largest_difference(const float *a, const float *b, int64_t n) {
    double d = 0;
    for (int64_t i = 0; i < n; i++)
        d = fmax(d, fabs((double)a[i] - b[i]));
    return d;
}

static const tg_motion_sampling usual = {.seed = 42, .clip_id = "clip", .temperature = 0.3f};

static void pushes_do_not_show(void **state) {
    fixture *f = *state;
    float *whole = run(f, &usual, ROWS, FRAMES, ROWS, FRAMES);
    const int64_t sizes[][2] = {{1, 1}, {7, 1000}, {1000, 3}, {2, 64}};
    for (size_t k = 0; k < sizeof sizes / sizeof sizes[0]; k++) {
        float *part = run(f, &usual, ROWS, FRAMES, sizes[k][0], sizes[k][1]);
        assert_memory_equal(part, whole, (size_t)FRAMES * TG_MOTION_DIM * sizeof *whole);
        free(part);
    }
    free(whole);
}

/* The networks over all frames at once; the last frames of a whole latent step repeat the last row,
 * as the stream does. */
static void equals_one_pass(void **state) {
    fixture *f = *state;
    int64_t frames = (FRAMES + TG_VAE_STRIDE - 1) / TG_VAE_STRIDE * TG_VAE_STRIDE;
    int64_t steps = frames / TG_VAE_STRIDE;
    for (int64_t r = ROWS; r < 2 * frames; r++)
        memcpy(f->rows + r * FEATURES, f->rows + (ROWS - 1) * FEATURES, FEATURES * sizeof(float));
    tg_tape *tape = tg_tape_create(f->ctx, false);
    tg_tensor *x = tg_borrow(tape, 3, (int64_t[]){1, 2 * frames, FEATURES}, f->rows);
    tg_tensor *z = tg_input(tape, 3, (int64_t[]){1, LATENT, steps}, NULL);
    tg_rng rng = tg_rng_make(usual.seed, usual.clip_id, "vae.z");
    for (int64_t k = 0; k < steps; k++)
        for (int c = 0; c < LATENT; c++)
            z->data[c * steps + k] =
                usual.temperature * tg_rng_normal(&rng, (uint64_t)(LATENT * k + c));
    tg_tensor *y =
        tg_vae_sample(tape, f->vae, tg_vae_condition(tape, f->vae, x, NULL), z, NULL, NULL);
    y = tg_postnet_forward(tape, f->postnet, y, NULL);
    assert_int_equal(tg_tape_status(tape), TG_OK);
    float *streamed = run(f, &usual, ROWS, FRAMES, 100, 50);
    assert_true(largest_difference(streamed, y->data, FRAMES * TG_MOTION_DIM) < 1e-4);
    free(streamed);
    tg_tape_destroy(&tape);
}

/* Models with pitch: the VAE by its own embedding, the postnet by the table beside it. */
static void hears_pitch(void **state) {
    fixture *plain = *state, *f = malloc(sizeof *f);
    *f = *plain;
    tg_vae_config config = *tg_vae_config_of(plain->vae);
    config.pitch = true;
    config.pitch_feat_dim = 6;
    tg_postnet_config post = {.in_out_dim = TG_MOTION_DIM, .widths = {16, 24}, .pitch_dim = 12};
    assert_int_equal(tg_vae_create(f->ctx, &config, &f->vae), TG_OK);
    assert_int_equal(tg_postnet_create(f->ctx, &post, &f->postnet), TG_OK);
    tg_vae_init(f->vae, 1);
    tg_postnet_init(f->postnet, 2);
    shake(tg_vae_params(f->vae), 3);
    shake(tg_postnet_params(f->postnet), 4);
    float *table = tg_postnet_pitch_table(f->postnet);
    assert_null(tg_postnet_pitch_table(plain->postnet));
    tg_rng rng = tg_rng_make(6, "", "table");
    tg_rng_fill_normal(&rng, 0, table, (size_t)TG_PITCH_BINS * 12);
    static int32_t bins[ROWS + 8];
    for (int i = 0; i < ROWS + 8; i++)
        bins[i] = 1 + (int32_t)(tg_rng_u32(&rng, 10000 + (uint64_t)i) % 255);
    f->bins = bins;

    int64_t frames = (FRAMES + TG_VAE_STRIDE - 1) / TG_VAE_STRIDE * TG_VAE_STRIDE;
    int64_t steps = frames / TG_VAE_STRIDE;
    for (int64_t r = ROWS; r < 2 * frames; r++) {
        memcpy(f->rows + r * FEATURES, f->rows + (ROWS - 1) * FEATURES, FEATURES * sizeof(float));
        bins[r] = bins[ROWS - 1];
    }
    tg_tape *tape = tg_tape_create(f->ctx, false);
    tg_tensor *x = tg_borrow(tape, 3, (int64_t[]){1, 2 * frames, FEATURES}, f->rows);
    tg_tensor *z = tg_input(tape, 3, (int64_t[]){1, LATENT, steps}, NULL);
    tg_tensor *p = tg_input(tape, 3, (int64_t[]){1, frames, 12}, NULL);
    for (int64_t i = 0; i < frames; i++)
        memcpy(p->data + 12 * i, table + 12 * bins[2 * i], 12 * sizeof *table);
    tg_tensor *y =
        tg_vae_sample(tape, f->vae, tg_vae_condition(tape, f->vae, x, bins), z, NULL, NULL);
    y = tg_postnet_forward(tape, f->postnet, y, p);
    assert_int_equal(tg_tape_status(tape), TG_OK);
    tg_motion_sampling mean = {.clip_id = ""};
    float *streamed = run(f, &mean, ROWS, FRAMES, 100, 50);
    assert_true(largest_difference(streamed, y->data, FRAMES * TG_MOTION_DIM) < 1e-4);
    float *pieces = run(f, &mean, ROWS, FRAMES, 7, 1000);
    assert_memory_equal(streamed, pieces, (size_t)FRAMES * TG_MOTION_DIM * sizeof *pieces);
    /* no bins: unvoiced everywhere */
    f->bins = NULL;
    float *silent = run(f, &mean, ROWS, FRAMES, 100, 50);
    for (int i = 0; i < ROWS + 8; i++)
        bins[i] = i % 2 ? -5 : 1; /* what is no bin counts as unvoiced too */
    f->bins = bins;
    float *unvoiced = run(f, &mean, ROWS, FRAMES, 100, 50);
    assert_memory_equal(silent, unvoiced, (size_t)FRAMES * TG_MOTION_DIM * sizeof *silent);
    assert_true(largest_difference(silent, streamed, FRAMES * TG_MOTION_DIM) > 1e-2);
    free(streamed);
    free(pieces);
    free(silent);
    free(unvoiced);
    tg_tape_destroy(&tape);
    tg_vae_destroy(&f->vae);
    tg_postnet_destroy(&f->postnet);
    free(f);
}

/* Rows that are missing at the end are repetitions of the last. */
static void tail_repeats_the_last_row(void **state) {
    fixture *f = *state;
    enum { SHORT = 500 };
    float *short_of_rows = run(f, &usual, SHORT, SHORT / 2 + 3, 64, 64);
    for (int64_t r = SHORT; r < SHORT + 6; r++)
        memcpy(f->rows + r * FEATURES, f->rows + (SHORT - 1) * FEATURES, FEATURES * sizeof(float));
    float *repeated = run(f, &usual, SHORT + 6, SHORT / 2 + 3, 64, 64);
    assert_memory_equal(short_of_rows, repeated,
                        (size_t)(SHORT / 2 + 3) * TG_MOTION_DIM * sizeof *repeated);
    free(short_of_rows);
    free(repeated);
}

static void noise_is_a_function_of_the_seed(void **state) {
    fixture *f = *state;
    enum { N = 300 };
    tg_motion_sampling other = usual, cold = usual, given = usual;
    float *a = run(f, &usual, ROWS, N, 100, 100);
    other.seed = 43;
    float *b = run(f, &other, ROWS, N, 100, 100);
    assert_true(largest_difference(a, b, N * TG_MOTION_DIM) > 1e-3);
    other = usual;
    other.clip_id = "another";
    float *c = run(f, &other, ROWS, N, 100, 100);
    assert_true(largest_difference(a, c, N * TG_MOTION_DIM) > 1e-3);

    /* temperature 0 is the mean, whatever the seed */
    cold.temperature = 0;
    float *d = run(f, &cold, ROWS, N, 100, 100);
    cold.seed = 7;
    float *e = run(f, &cold, ROWS, N, 100, 100);
    assert_memory_equal(d, e, (size_t)N * TG_MOTION_DIM * sizeof *d);
    assert_true(largest_difference(a, d, N * TG_MOTION_DIM) > 1e-3);

    /* a given latent is used as it is, with zeros behind its end */
    enum { STEPS = N / TG_VAE_STRIDE };
    static float latent[STEPS * LATENT];
    given.latent = latent;
    given.latent_frames = STEPS / 2;
    float *g = run(f, &given, ROWS, N, 100, 100);
    assert_memory_equal(d, g, (size_t)N * TG_MOTION_DIM * sizeof *d);
    tg_rng rng = tg_rng_make(usual.seed, usual.clip_id, "vae.z");
    for (int i = 0; i < STEPS * LATENT; i++)
        latent[i] = usual.temperature * tg_rng_normal(&rng, (uint64_t)i);
    given.latent_frames = STEPS;
    float *h = run(f, &given, ROWS, N, 100, 100);
    assert_memory_equal(a, h, (size_t)N * TG_MOTION_DIM * sizeof *a);
    float *all[] = {a, b, c, d, e, g, h};
    for (size_t i = 0; i < sizeof all / sizeof all[0]; i++)
        free(all[i]);
}

static void short_clips(void **state) {
    fixture *f = *state;
    for (int64_t frames = 1; frames <= 9; frames++) {
        float *a = run(f, &usual, 2, frames, 1, 1);
        for (int64_t i = 0; i < frames * TG_MOTION_DIM; i++)
            assert_true(isfinite(a[i]));
        free(a);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(pushes_do_not_show, set_up, tear_down),
        cmocka_unit_test_setup_teardown(equals_one_pass, set_up, tear_down),
        cmocka_unit_test_setup_teardown(hears_pitch, set_up, tear_down),
        cmocka_unit_test_setup_teardown(tail_repeats_the_last_row, set_up, tear_down),
        cmocka_unit_test_setup_teardown(noise_is_a_function_of_the_seed, set_up, tear_down),
        cmocka_unit_test_setup_teardown(short_clips, set_up, tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
