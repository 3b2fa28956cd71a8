/* Encoder: config, files, windows of long audio, very short audio, threads. The numbers
 * themselves are checked by the golden cases. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "talkgen/speech.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { WINDOW = 10 }; /* rows per window in these tests */

static tg_context *ctx;

static int set_up(void **state) {
    (void)state;
    ctx = tg_context_create(1);
    return ctx == NULL;
}

static int tear_down(void **state) {
    (void)state;
    tg_context_destroy(&ctx);
    return 0;
}

static tg_hubert_config tiny(bool large) {
    tg_hubert_config c = tg_hubert_small();
    for (int i = 0; i < c.convs; i++)
        c.conv_dim[i] = 8;
    c.conv_bias = c.conv_layer_norm = c.stable_layer_norm = large;
    c.hidden_size = 16;
    c.intermediate_size = 24;
    c.heads = 2;
    c.layers = 2;
    c.pos_kernel = 4;
    c.pos_groups = 2;
    c.frames_per_clip = WINDOW;
    return c;
}

static tg_hubert *model_of(bool large) {
    tg_hubert_config c = tiny(large);
    tg_hubert *model;
    assert_int_equal(tg_hubert_create(ctx, &c, &model), TG_OK);
    tg_hubert_init(model, 7);
    return model;
}

static float *sound(int64_t n) {
    float *x = tg_alloc(sizeof(float) * (size_t)n);
    assert_non_null(x);
    tg_rng rng = tg_rng_make(3, "", "test.sound");
    tg_rng_fill_normal(&rng, 0, x, (size_t)n);
    for (int64_t i = 0; i < n; i++)
        x[i] = 0.05f * x[i] + 0.01f;
    return x;
}

static float *features(tg_context *with, tg_hubert *model, const float *x, int64_t n,
                       int64_t *rows) {
    tg_wave16k *wave;
    float *out;
    assert_int_equal(tg_wave16k_borrow(with, x, n, &wave), TG_OK);
    assert_int_equal(tg_features_read_all(with, model, wave, &out, rows), TG_OK);
    tg_wave16k_close(&wave);
    return out;
}

/* Every window equals the network run on that slice of the normalised signal alone. */
static void test_windows(void **state) {
    (void)state;
    static const int64_t lengths[] = {3 * 3200,       3 * 3200 + 79,  3 * 3200 + 80,
                                      3 * 3200 + 399, 3 * 3200 + 400, 3 * 3200 + 1500};
    for (int large = 0; large < 2; large++)
        for (int k = 0; k < 6; k++) {
            int64_t n = lengths[k], rows;
            tg_hubert *model = model_of(large);
            float *x = sound(n), *y = features(ctx, model, x, n, &rows);
            assert_int_equal(rows, (n - 80) / 320);
            double sum = 0, squares = 0;
            for (int64_t i = 0; i < n; i++) {
                sum += x[i];
                squares += (double)x[i] * x[i];
            }
            double mean = sum / (double)n, variance = squares / (double)n - mean * mean;
            for (int64_t i = 0; i < n; i++)
                x[i] = (float)((x[i] - mean) / sqrt(variance + 1e-7));
            tg_tape *tape = tg_tape_create(ctx, false);
            for (int64_t w = 0; w * WINDOW < rows; w++) {
                int64_t begin = w * 3200, length = n - begin < 3280 ? n - begin : 3280;
                tg_tape_reset(tape);
                tg_tensor *t = tg_hubert_forward(
                    tape, model, tg_borrow(tape, 2, (int64_t[]){1, length}, x + begin));
                assert_int_equal(tg_tape_status(tape), TG_OK);
                int64_t count = rows - w * WINDOW < WINDOW ? rows - w * WINDOW : WINDOW;
                assert_true(t->dim[1] >= count);
                for (int64_t i = 0; i < count * 16; i++)
                    assert_true(fabs(y[w * WINDOW * 16 + i] - t->data[i]) < 1e-4);
            }
            tg_tape_destroy(&tape);
            tg_free(x);
            tg_free(y);
            tg_hubert_destroy(&model);
        }
}

static void test_short_audio_has_two_rows(void **state) {
    (void)state;
    for (int large = 0; large < 2; large++) {
        tg_hubert *model = model_of(large);
        float *x = sound(1100);
        for (int64_t n = 1; n <= 1100; n += 33) {
            int64_t rows;
            float *y = features(ctx, model, x, n, &rows);
            assert_int_equal(rows, n < 1040 ? 2 : 3);
            for (int64_t i = 0; i < rows * 16; i++)
                assert_true(isfinite(y[i]));
            tg_free(y);
        }
        tg_free(x);
        tg_hubert_destroy(&model);
    }
}

static void test_threads_do_not_matter(void **state) {
    (void)state;
    int64_t n = 3 * 3200 + 1500, rows, rows2;
    tg_hubert *model = model_of(true);
    tg_context *two = tg_context_create(2);
    float *x = sound(n);
    float *a = features(ctx, model, x, n, &rows), *b = features(two, model, x, n, &rows2);
    assert_int_equal(rows, rows2);
    assert_memory_equal(a, b, sizeof(float) * (size_t)(rows * 16));
    tg_free(a);
    tg_free(b);
    tg_free(x);
    tg_context_destroy(&two);
    tg_hubert_destroy(&model);
}

static void test_file_round_trip(void **state) {
    (void)state;
    char path[64];
    snprintf(path, sizeof path, "speech_features_%ld.safetensors", (long)getpid());
    /* once as we write it, once with the published CTC model's prefix */
    static const char *const prefixes[] = {"speech.", "speech.hubert."};
    for (int k = 0; k < 2; k++) {
        tg_hubert *model = model_of(k == 0), *read;
        tg_st_writer *w = tg_st_writer_create();
        assert_true(tg_hubert_store(w, model, prefixes[k], TG_F32));
        assert_int_equal(tg_st_write(ctx, w, path), TG_OK);
        tg_st_writer_destroy(&w);
        tg_st *st;
        assert_int_equal(tg_st_open(ctx, path, &st), TG_OK);
        assert_int_equal(tg_hubert_open(ctx, st, "speech.", &read), TG_OK);
        assert_memory_equal(tg_hubert_config_of(read), tg_hubert_config_of(model),
                            sizeof(tg_hubert_config));
        tg_params *a = tg_hubert_params(model), *b = tg_hubert_params(read);
        assert_int_equal(tg_params_count(a), tg_params_count(b));
        for (int i = 0; i < tg_params_count(a); i++) {
            const tg_tensor *u = tg_params_at(a, i)->value, *v = tg_params_at(b, i)->value;
            assert_memory_equal(u->data, v->data, sizeof(float) * (size_t)tg_numel(u));
        }
        assert_int_equal(tg_hubert_open(ctx, st, "other.", &(tg_hubert *){NULL}), TG_EMODEL);
        tg_st_close(&st);
        tg_hubert_destroy(&read);
        tg_hubert_destroy(&model);
    }
    unlink(path);
}

static void test_bad_configs(void **state) {
    (void)state;
    static const char *const bad[] = {"[1]",
                                      "{\"hidden_size\": 0}",
                                      "{\"hidden_size\": 767}",
                                      "{\"hidden_size\": 1e99}",
                                      "{\"num_hidden_layers\": 65}",
                                      "{\"conv_dim\": [512, 512]}",
                                      "{\"conv_stride\": [5, 2, 2, 2, 2, 2, 1]}",
                                      "{\"conv_kernel\": [1, 1, 1, 1, 1, 1, 1]}",
                                      "{\"conv_kernel\": [1, 2, 3, 4, 5, 6, 7, 8, 9]}",
                                      "{\"feat_extract_norm\": \"batch\"}",
                                      "{\"hidden_act\": \"relu\"}",
                                      "{\"num_conv_pos_embedding_groups\": 7}",
                                      "{\"frames_per_clip\": 1}",
                                      "{\"layer_norm_eps\": -1}",
                                      "{\"conv_pos_batch_norm\": true}"};
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        tg_json *json;
        tg_hubert_config config;
        assert_int_equal(tg_json_parse(ctx, bad[i], strlen(bad[i]), "test", &json), TG_OK);
        assert_int_equal(tg_hubert_config_parse(ctx, json, "test", &config), TG_EMODEL);
        assert_non_null(strstr(tg_message(ctx), "expected"));
        tg_json_destroy(&json);
    }
}

static void test_sizes(void **state) {
    (void)state;
    tg_hubert_config c = tg_hubert_small();
    assert_int_equal(tg_hubert_stride(&c), 320);
    assert_int_equal(tg_hubert_field(&c), 400);
    assert_int_equal(tg_hubert_conv_rows(&c, 399), 0);
    assert_int_equal(tg_hubert_conv_rows(&c, 400), 1);
    assert_int_equal(tg_hubert_conv_rows(&c, 320080), 1000);
    assert_true(tg_hubert_flop_per_second(&c) < 0.7e9);
    assert_int_equal(tg_features_rows(&c, 1), 2);
    assert_int_equal(tg_features_rows(&c, 160000), 499);
}

/* The CTC head goes through files, and its rows are a linear map of the hidden ones. */
static void test_logits(void **state) {
    (void)state;
    enum { LETTERS = 5 };
    tg_hubert_config c = tiny(true);
    c.logits = LETTERS;
    tg_hubert *model, *read, *plain = model_of(true);
    assert_int_equal(tg_hubert_create(ctx, &c, &model), TG_OK);
    tg_hubert_init(model, 7);
    tg_param *bias = tg_params_find(tg_hubert_params(model), "lm_head.bias");
    assert_non_null(bias);
    for (int i = 0; i < LETTERS; i++)
        bias->value->data[i] = (float)i;
    const char *path = "logits.safetensors";
    tg_st_writer *w = tg_st_writer_create();
    assert_true(tg_hubert_store(w, model, "speech.", TG_F32));
    assert_int_equal(tg_st_write(ctx, w, path), TG_OK);
    tg_st_writer_destroy(&w);
    tg_st *st;
    assert_int_equal(tg_st_open(ctx, path, &st), TG_OK);
    assert_int_equal(tg_hubert_open(ctx, st, "speech.", &read), TG_OK);
    tg_st_close(&st);
    remove(path);
    assert_true(tg_hubert_has_logits(read));
    assert_int_equal(tg_hubert_config_of(read)->logits, LETTERS);

    int64_t n = 3 * 3200 + 1500, rows, logit_rows;
    float *x = sound(n), *hidden = features(ctx, read, x, n, &rows), *logits;
    tg_wave16k *wave;
    tg_features *stream;
    assert_int_equal(tg_wave16k_borrow(ctx, x, n, &wave), TG_OK);
    assert_int_equal(tg_features_open_logits(ctx, plain, wave, &stream), TG_EMODEL);
    assert_null(stream);
    assert_non_null(strstr(tg_message(ctx), "no CTC head"));
    assert_int_equal(tg_features_open_logits(ctx, read, wave, &stream), TG_OK);
    assert_int_equal(tg_features_dim(stream), LETTERS);
    assert_int_equal(tg_features_collect(ctx, stream, &logits, &logit_rows), TG_OK);
    assert_int_equal(rows, logit_rows);
    const float *weight = tg_params_find(tg_hubert_params(read), "lm_head.weight")->value->data;
    for (int64_t r = 0; r < rows; r++)
        for (int o = 0; o < LETTERS; o++) {
            double sum = o;
            for (int k = 0; k < 16; k++)
                sum += (double)hidden[r * 16 + k] * weight[o * 16 + k];
            assert_true(fabs(sum - logits[r * LETTERS + o]) < 1e-5);
        }
    tg_features_close(&stream);
    tg_wave16k_close(&wave);
    tg_free(logits);
    tg_free(hidden);
    tg_free(x);
    tg_hubert_destroy(&read);
    tg_hubert_destroy(&model);
    tg_hubert_destroy(&plain);
}

/* Factors of 16 bits: another result, near the first; the same on any number of threads. */
static void test_int16(void **state) {
    (void)state;
    enum { ROWS = 200, SAMPLES = ROWS * 320 + 80, WIDTH = 256 };
    tg_hubert_config c = tiny(true);
    c.hidden_size = WIDTH;
    c.intermediate_size = 2 * WIDTH;
    c.frames_per_clip = ROWS;
    tg_hubert *model;
    assert_int_equal(tg_hubert_create(ctx, &c, &model), TG_OK);
    tg_hubert_init(model, 7);
    float *x = sound(SAMPLES);
    int64_t rows;
    float *exact = features(ctx, model, x, SAMPLES, &rows);
    tg_context *two = tg_context_create(2);
    assert_non_null(two);
    tg_context_set_precision(ctx, TG_INT16);
    tg_context_set_precision(two, TG_INT16);
    float *rounded = features(ctx, model, x, SAMPLES, &rows);
    float *again = features(two, model, x, SAMPLES, &rows);
    tg_context_set_precision(ctx, TG_FLOAT32);
    assert_int_equal(rows, ROWS);
    assert_memory_equal(rounded, again, sizeof(float) * (size_t)(rows * WIDTH));
    double off = 0, size = 0;
    for (int64_t i = 0; i < rows * WIDTH; i++) {
        off += (double)(rounded[i] - exact[i]) * (double)(rounded[i] - exact[i]);
        size += (double)exact[i] * (double)exact[i];
    }
    const double error = sqrt(off / size);
    if (!(error > 2e-5 && error < 5e-4))
        fail_msg("off by %g", error);
    tg_free(exact), tg_free(rounded), tg_free(again), tg_free(x);
    tg_context_destroy(&two);
    tg_hubert_destroy(&model);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_windows),
        cmocka_unit_test(test_short_audio_has_two_rows),
        cmocka_unit_test(test_threads_do_not_matter),
        cmocka_unit_test(test_file_round_trip),
        cmocka_unit_test(test_bad_configs),
        cmocka_unit_test(test_sizes),
        cmocka_unit_test(test_logits),
        cmocka_unit_test(test_int16),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
