/* Encoder training on a corpus of two clips: it learns, stops, resumes to the same weights. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "test_root.h"
#include "train_runs.h"

#include "talkgen/speech.h"
#include "talkgen/train.h"
#include "train/speech_augment.h"
#include "train/speech_corpus.h"
#include "train/speech_noise.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

enum { CLIPS = 2, SECONDS = 3 };

static char corpus_dir[128];

/* Half a second of a low tone ("AA", mouth open), half a second of nothing, and so on. */
static void write_clip(tg_context *ctx, int number) {
    static float x[SECONDS * 16000], lm[SECONDS * 25][68][3];
    for (int i = 0; i < SECONDS * 16000; i++)
        x[i] = i / 8000 % 2 == 0 ? 0.3f * sinf(0.1f * (float)(1 + number) * (float)i) : 0;
    assert_int_equal(
        tg_audio_write(ctx, in_root("corpus/%05d.flac", number), x, SECONDS * 16000, 1, 16000),
        TG_OK);
    for (int t = 0; t < SECONDS * 25; t++) {
        memset(lm[t], 0, sizeof lm[t]);
        lm[t][54][0] = 0.5f;
        for (int k = 65; k < 68; k++)
            lm[t][k][1] = t * 640 / 8000 % 2 == 0 ? -0.1f : 0;
    }
    assert_int_equal(tg_npy_write(ctx, in_root("corpus/%05d.npy", number), 3,
                                  (int64_t[]){SECONDS * 25, 68, 3}, &lm[0][0][0]),
                     TG_OK);
    char text[1024] = "{\"voice\": \"test\", \"phones\": [";
    for (int k = 0; k < SECONDS * 2; k++) {
        char item[64];
        snprintf(item, sizeof item, "%s[\"%s\", %.1f, %.1f]", k > 0 ? ", " : "",
                 k % 2 == 0 ? "AA" : "SIL", 0.5 * k, 0.5 * (k + 1));
        strcat(text, item);
    }
    strcat(text, "]}");
    assert_int_equal(tg_file_write(ctx, in_root("corpus/%05d.json", number), text, strlen(text)),
                     TG_OK);
}

static int set_up(void **state) {
    (void)state;
    tg_context *ctx = tg_context_create(1);
    assert_true(make_root("train_speech"));
    snprintf(corpus_dir, sizeof corpus_dir, "%s", in_root("corpus"));
    assert_int_equal(tg_make_dirs(ctx, corpus_dir), TG_OK);
    for (int i = 0; i < CLIPS; i++)
        write_clip(ctx, i);
    tg_context_destroy(&ctx);
    return 0;
}

static tg_status train(const char *name, int64_t steps, bool stop, tg_train_speech_result *result) {
    stopper s = {tg_context_create(1), stop ? "speech" : NULL, 2, false};
    tg_context_set_progress(s.ctx, stop_there, &s);
    tg_train_speech_options o = {.corpus = corpus_dir,
                                 .held_out = corpus_dir,
                                 .state = in_root("%s", name),
                                 .steps = steps,
                                 .step_audio_s = 2,
                                 .check_every_s = 1e6,
                                 .seed = 5};
    tg_status status = tg_train_speech(s.ctx, &o, result);
    tg_context_destroy(&s.ctx);
    return status;
}

static void test_resumed_training_ends_at_the_same_weights(void **state) {
    (void)state;
    tg_train_speech_result a, b;
    assert_int_equal(train("whole", 4, false, &a), TG_OK);
    assert_int_equal(train("parts", 4, true, &b), TG_ESTOPPED);
    assert_int_equal(b.steps, 2);
    spoil_log(in_root("parts/speech.csv"), 3);
    assert_int_equal(train("parts", 4, false, &b), TG_OK);
    assert_steps_ascend(in_root("parts/speech.csv"), 4);
    assert_int_equal(b.steps, 4);
    assert_same_file(a.encoder, b.encoder);
    tg_context *ctx = tg_context_create(1);
    tg_st *st;
    tg_hubert *model;
    assert_int_equal(tg_st_open(ctx, a.encoder, &st), TG_OK);
    assert_int_equal(tg_hubert_open(ctx, st, "speech.", &model), TG_OK);
    tg_hubert_destroy(&model);
    tg_st_close(&st);
    tg_context_destroy(&ctx);
}

static void test_the_loss_falls(void **state) {
    (void)state;
    tg_train_speech_result first, last;
    assert_int_equal(train("loss", 2, false, &first), TG_OK);
    /* the same state goes on when more steps are asked for */
    assert_int_equal(train("loss", 40, false, &last), TG_OK);
    assert_true(first.loss > 2);
    assert_true(last.loss < 0.7 * first.loss);
    assert_true(last.held_out_accuracy >= 0);
}

static void test_warm_start(void **state) {
    (void)state;
    tg_train_speech_result first, result;
    assert_int_equal(train("cold", 30, false, &first), TG_OK);
    tg_context *ctx = tg_context_create(1);
    tg_train_speech_options o = {.corpus = corpus_dir,
                                 .state = in_root("warm"),
                                 .init = in_root("corpus/00000.flac"),
                                 .steps = 1,
                                 .step_audio_s = 2,
                                 .seed = 5};
    assert_int_equal(tg_train_speech(ctx, &o, &result), TG_EMODEL);
    o.init = first.encoder;
    assert_int_equal(tg_train_speech(ctx, &o, &result), TG_OK);
    /* One step moves the average by 0.3 % of one step's change: the encoder is the one given. */
    tg_st *a, *b;
    assert_int_equal(tg_st_open(ctx, first.encoder, &a), TG_OK);
    assert_int_equal(tg_st_open(ctx, result.encoder, &b), TG_OK);
    const char *name = "speech.feature_projection.projection.weight";
    const tg_st_tensor *u = tg_st_find(a, name), *v = tg_st_find(b, name);
    assert_true(u != NULL && v != NULL && u->bytes == v->bytes);
    const float *x = u->data, *y = v->data;
    for (size_t i = 0; i < u->bytes / sizeof(float); i++)
        assert_true(fabsf(x[i] - y[i]) < 1e-4f);
    tg_st_close(&a);
    tg_st_close(&b);
    tg_context_destroy(&ctx);
}

static void test_no_end_and_no_corpus(void **state) {
    (void)state;
    tg_train_speech_result result;
    assert_int_equal(train("none", 0, false, &result), TG_EUSAGE);
    tg_context *ctx = tg_context_create(1);
    tg_train_speech_options o = {.corpus = root, .state = root, .steps = 1};
    assert_int_equal(tg_train_speech(ctx, &o, &result), TG_EINPUT);
    assert_non_null(strstr(tg_message(ctx), "no clips"));
    tg_context_destroy(&ctx);
}

static void test_a_spoiled_clip(void **state) {
    (void)state;
    static float lm[25][68][3];
    tg_context *ctx = tg_context_create(1);
    tg_speech_corpus corpus = {.dir = corpus_dir};
    const char *path = in_root("corpus/00000.npy");
    lm[12][30][1] = NAN; /* one of them would make every weight one */
    assert_int_equal(tg_npy_write(ctx, path, 3, (int64_t[]){25, 68, 3}, &lm[0][0][0]), TG_OK);
    assert_int_equal(tg_speech_corpus_scan(ctx, &corpus, 0), TG_EINPUT);
    assert_non_null(strstr(tg_message(ctx), "is not a number"));
    assert_int_equal(tg_npy_write(ctx, path, 2, (int64_t[]){25, 204}, &lm[0][0][0]), TG_OK);
    assert_int_equal(tg_speech_corpus_scan(ctx, &corpus, 0), TG_EINPUT);
    assert_non_null(strstr(tg_message(ctx), "no landmarks"));
    tg_speech_corpus_free(&corpus);
    write_clip(ctx, 0);
    tg_context_destroy(&ctx);
}

static void test_labels_follow_the_rate(void **state) {
    (void)state;
    tg_context *ctx = tg_context_create(1);
    tg_speech_corpus corpus = {.dir = corpus_dir};
    assert_int_equal(tg_speech_corpus_scan(ctx, &corpus, 0), TG_OK);
    assert_int_equal(corpus.count, CLIPS);
    assert_int_equal(tg_speech_phone_at(&corpus.clips[0], 0.25), tg_phone_class("AA1"));
    assert_int_equal(tg_speech_phone_at(&corpus.clips[0], 0.75), tg_phone_class("SIL"));
    assert_int_equal(tg_speech_phone_at(&corpus.clips[0], -1), 0);
    assert_int_equal(tg_speech_phone_at(&corpus.clips[0], 99), 0);
    float lips[TG_LIPS];
    assert_true(tg_speech_lips_at(&corpus.clips[0], 0.25, lips) && lips[0] > 0.5);
    assert_true(tg_speech_lips_at(&corpus.clips[0], 0.75, lips) && lips[0] < -0.5);
    assert_false(tg_speech_lips_at(&corpus.clips[0], 99, lips));

    /* Whatever the rate: rows called AA are where the tone is. Noise may hide it, so the mean over
     * many examples is compared. */
    enum { ROWS = 60 };
    static float x[(ROWS - 1) * 320 + 400], target[ROWS * TG_LIPS], weight[ROWS * TG_LIPS];
    static int32_t phone[ROWS];
    tg_speech_example e = {x, (ROWS - 1) * 320 + 400, phone, target, weight, ROWS};
    tg_augmenter *a = tg_augmenter_create();
    double power[2] = {0}, count[2] = {0};
    for (int i = 0; i < 60; i++) {
        assert_int_equal(
            tg_speech_example_make(ctx, a, &corpus, tg_draws_make(1, 2, (uint64_t)i), true, &e),
            TG_OK);
        for (int j = 1; j + 1 < ROWS; j++) {
            if (phone[j - 1] != phone[j] || phone[j + 1] != phone[j])
                continue;
            for (int k = 0; k < 320; k++) {
                assert_true(isfinite(x[j * 320 + k]));
                power[phone[j] != 0] += x[j * 320 + k] * x[j * 320 + k];
            }
            count[phone[j] != 0] += 320;
        }
    }
    assert_true(power[1] / count[1] > 5 * power[0] / count[0]);
    tg_augmenter_destroy(&a);
    tg_speech_corpus_free(&corpus);
    tg_context_destroy(&ctx);
}

/* A chirp and noise: what a codec leaves is the input but for an error that follows its step. */
static double codec_error_db(double steps_db, int companded) {
    enum { N = 16000 };
    static float x[N], y[N], scratch[N];
    float *table = tg_codec_table();
    tg_draws d = tg_draws_make(3, 4, 5);
    for (int i = 0; i < N; i++)
        y[i] = x[i] = 0.3f * sinf(1e-5f * (float)i * (float)i) + 0.02f * (float)(tg_draw(&d) - 0.5);
    if (companded)
        tg_codec_companded(0.5, y, N);
    else
        tg_codec_transform(table, steps_db, y, scratch, N);
    tg_free(table);
    double error = 0, power = 0;
    for (int i = 0; i < N; i++) {
        error += (y[i] - x[i]) * (y[i] - x[i]);
        power += x[i] * x[i];
    }
    return 10 * log10(error / power);
}

static void test_codecs(void **state) {
    (void)state;
    /* A fine step gives the input back: the transform is its own inverse. */
    assert_true(codec_error_db(120, 0) < -90);
    double fine = codec_error_db(14, 0), coarse = codec_error_db(-4, 0);
    assert_true(coarse < -1 && coarse > -14);
    assert_true(fine < coarse - 8);
    double companded = codec_error_db(0, 1);
    assert_true(companded < -30 && companded > -50);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_resumed_training_ends_at_the_same_weights),
        cmocka_unit_test(test_the_loss_falls),
        cmocka_unit_test(test_warm_start),
        cmocka_unit_test(test_no_end_and_no_corpus),
        cmocka_unit_test(test_a_spoiled_clip),
        cmocka_unit_test(test_labels_follow_the_rate),
        cmocka_unit_test(test_codecs),
    };
    return cmocka_run_group_tests(tests, set_up, remove_root);
}
