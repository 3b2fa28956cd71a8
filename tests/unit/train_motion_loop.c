/* Motion and postnet training on a corpus of two clips: they learn, stop, resume to the same
 * weights. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "test_root.h"
#include "tiny_encoder.h"
#include "train_runs.h"

#include "talkgen/speech.h"
#include "talkgen/systems.h"
#include "talkgen/train.h"
#include "train/motion_check.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

enum { CLIPS = 2, SECONDS = 6, FRAMES = 25 * SECONDS };

/* A tone for 0.4 s while the mouth is open, then nothing while it is shut, and so on. */
static void write_recording(tg_context *ctx, const char *audio, const char *landmarks, double hz) {
    static float x[SECONDS * 16000], lm[FRAMES][68][3];
    for (int i = 0; i < SECONDS * 16000; i++)
        x[i] = i / 6400 % 2 == 0 ? 0.3f * sinf((float)(6.2831853 * hz / 16000 * i)) : 0;
    for (int t = 0; t < FRAMES; t++)
        for (int p = 0; p < 68; p++) {
            bool low = p <= 16 || p >= 65 || (p >= 55 && p <= 59);
            lm[t][p][0] = 0.01f * (float)p;
            lm[t][p][1] = low && t / 10 % 2 == 0 ? -0.1f : 0;
            lm[t][p][2] = 0.1f;
        }
    assert_int_equal(tg_audio_write(ctx, audio, x, SECONDS * 16000, 1, 16000), TG_OK);
    assert_int_equal(tg_npy_write(ctx, landmarks, 3, (int64_t[]){FRAMES, 68, 3}, &lm[0][0][0]),
                     TG_OK);
}

static void write_encoder(tg_context *ctx) {
    tg_hubert *hubert = tiny_encoder(ctx);
    assert_int_equal(tg_voice_write(ctx, in_root("encoder"), hubert, NULL, NULL), TG_OK);
    tg_hubert_destroy(&hubert);
}

static int set_up(void **state) {
    (void)state;
    tg_context *ctx = tg_context_create(1);
    assert_true(make_root("train_motion_loop"));
    assert_int_equal(tg_make_dirs(ctx, in_root("corpus")), TG_OK);
    assert_int_equal(tg_make_dirs(ctx, in_root("person")), TG_OK);
    for (int i = 0; i < CLIPS; i++) {
        char text[64];
        write_recording(ctx, in_root("corpus/%05d.flac", i), in_root("corpus/%05d.npy", i),
                        300 + 200 * i);
        int n = snprintf(text, sizeof text, "{\"speaker\": %d}", i);
        assert_int_equal(tg_file_write(ctx, in_root("corpus/%05d.json", i), text, (size_t)n),
                         TG_OK);
    }
    write_recording(ctx, in_root("person/aud.wav"), in_root("person/landmarks.npy"), 400);
    write_encoder(ctx);
    tg_context_destroy(&ctx);
    return 0;
}

static tg_status train_motion(const char *name, const char *stop, int64_t steps,
                              tg_train_motion_result *result) {
    stopper s = {tg_context_create(1), stop, 3, false};
    tg_context_set_progress(s.ctx, stop_there, &s);
    tg_train_motion_options o = {.corpus = in_root("corpus"),
                                 .held_out = in_root("corpus"),
                                 .encoder = in_root("encoder"),
                                 .state = in_root("%s", name),
                                 .hidden = 16,
                                 .sync_steps = 4,
                                 .steps = steps,
                                 .seed = 5};
    tg_status status = tg_train_motion(s.ctx, &o, result);
    tg_context_destroy(&s.ctx);
    return status;
}

static void resumed_motion_ends_at_the_same_weights(void **state) {
    (void)state;
    tg_train_motion_result a, b;
    assert_int_equal(train_motion("whole", NULL, 6, &a), TG_OK);
    assert_int_equal(train_motion("parts", "sync expert", 6, &b), TG_ESTOPPED);
    assert_int_equal(b.sync_steps, 3);
    spoil_log(in_root("parts/sync.csv"), 4);
    assert_int_equal(train_motion("parts", "motion", 6, &b), TG_ESTOPPED);
    assert_int_equal(b.steps, 3);
    spoil_log(in_root("parts/motion_check.csv"), 5);
    assert_int_equal(train_motion("parts", NULL, 6, &b), TG_OK);
    assert_steps_ascend(in_root("parts/motion_check.csv"), 6);
    assert_int_equal(b.steps, 6);
    assert_same_file(a.sync, b.sync);
    assert_same_file(a.voice, b.voice);
    assert_true(a.gap_corr == b.gap_corr);
    assert_true(a.scatter > 0 && a.scatter == b.scatter);
    assert_true(a.sync_accuracy >= 0.5);
}

static tg_status train_postnet(const char *name, bool stop, bool kill,
                               tg_train_postnet_result *result) {
    stopper s = {tg_context_create(1), stop ? "postnet" : NULL, 3, kill};
    tg_context_set_progress(s.ctx, stop_there, &s);
    tg_train_postnet_options o = {.dataset = in_root("person"),
                                  .corpus = in_root("corpus"),
                                  .voice = in_root("learned/voice.safetensors"),
                                  .sync = in_root("learned/sync.safetensors"),
                                  .cache = in_root("postnet_features.safetensors"),
                                  .state = in_root("%s", name),
                                  .steps = 6,
                                  .save_every_s = kill ? 1e-9 : 0, /* after every step */
                                  .check_every_s = 1e6,
                                  .seed = 5};
    tg_status status = tg_train_postnet(s.ctx, &o, result);
    tg_context_destroy(&s.ctx);
    return status;
}

/* The person's motion made from their own sound has the person's mean; the voice's has not. */
static void assert_centred(const char *path) {
    tg_context *ctx = tg_context_create(1);
    tg_hubert *hubert = NULL;
    tg_vae *vae = NULL;
    tg_postnet *postnet = NULL;
    tg_motion_data *person = NULL;
    float raw[TG_MOTION_DIM], made[TG_MOTION_DIM], off = 0;
    assert_int_equal(tg_voice_open(ctx, in_root("learned/voice.safetensors"), &hubert, &vae),
                     TG_OK);
    assert_int_equal(tg_postnet_open(ctx, path, &postnet), TG_OK);
    assert_int_equal(tg_motion_data_person(ctx, in_root("person"), hubert, &person), TG_OK);
    assert_int_equal(tg_motion_bias(ctx, vae, NULL, person, 0, 0.3f, raw), TG_OK);
    assert_int_equal(tg_motion_bias(ctx, vae, postnet, person, 0, 0.3f, made), TG_OK);
    for (int k = 0; k < TG_MOTION_DIM; k++) {
        off = fmaxf(off, fabsf(raw[k]));
        assert_true(fabsf(made[k]) < 1e-5f);
    }
    assert_true(off > 1e-3f);
    tg_motion_data_close(&person);
    tg_postnet_destroy(&postnet);
    tg_vae_destroy(&vae);
    tg_hubert_destroy(&hubert);
    tg_context_destroy(&ctx);
}

static void motion_learns_and_the_postnet_resumes(void **state) {
    (void)state;
    tg_train_motion_result first, motion;
    assert_int_equal(train_motion("learned", NULL, 5, &first), TG_OK);
    /* the same state goes on when more steps are asked for */
    assert_int_equal(train_motion("learned", NULL, 150, &motion), TG_OK);
    assert_int_equal(motion.steps, 150);
    assert_true(motion.mouth_error < 0.85 * first.mouth_error);
    assert_true(motion.gap_corr > 0.8);

    tg_train_postnet_result a, b;
    assert_int_equal(train_postnet("post", false, false, &a), TG_OK);
    assert_centred(a.postnet);
    assert_int_equal(train_postnet("post_parts", true, false, &b), TG_ESTOPPED);
    assert_int_equal(b.steps, 3);
    assert_int_equal(train_postnet("post_parts", false, false, &b), TG_OK);
    assert_int_equal(b.steps, 6);
    assert_true(b.error == a.error && b.gap_corr == a.gap_corr);
    assert_same_file(a.postnet, b.postnet);

    /* the same after kill -9 */
    fflush(NULL);
    pid_t child = fork();
    if (child == 0) {
        train_postnet("post_killed", true, true, &b);
        _exit(1);
    }
    assert_killed(child);
    assert_int_equal(train_postnet("post_killed", false, false, &b), TG_OK);
    assert_int_equal(b.steps, 6);
    assert_same_file(a.postnet, b.postnet);
}

/* With an expert of other features the trainer would read beyond those it has. */
static void the_postnet_needs_an_expert_of_its_voice(void **state) {
    (void)state;
    tg_context *ctx = tg_context_create(1);
    tg_syncnet_config config = {
        .hubert_dim = 24, .lm_dim = TG_SYNC_MOUTH, .widths = {8, 8, 8}, .mouth_width = 8};
    tg_syncnet *net;
    tg_train_postnet_result result;
    assert_int_equal(tg_syncnet_create(ctx, &config, &net), TG_OK);
    tg_syncnet_init(net, 1);
    assert_int_equal(tg_syncnet_write(ctx, net, in_root("other_sync")), TG_OK);
    tg_syncnet_destroy(&net);
    tg_train_postnet_options o = {.dataset = in_root("person"),
                                  .corpus = in_root("corpus"),
                                  .voice = in_root("learned/voice.safetensors"),
                                  .sync = in_root("other_sync"),
                                  .state = in_root("post_other"),
                                  .steps = 1};
    assert_int_equal(tg_train_postnet(ctx, &o, &result), TG_EMODEL);
    assert_non_null(strstr(tg_message(ctx), "features of 24 values"));
    tg_context_destroy(&ctx);
}

static void says_what_is_missing(void **state) {
    (void)state;
    tg_context *ctx = tg_context_create(1);
    tg_train_motion_result result;
    tg_train_motion_options o = {
        .corpus = root, .encoder = in_root("encoder"), .state = in_root("empty"), .steps = 1};
    assert_int_equal(tg_train_motion(ctx, &o, &result), TG_EINPUT);
    assert_non_null(strstr(tg_message(ctx), "no clips"));
    o.corpus = in_root("corpus");
    const char vague[] = "{\"speaker\": 1e300}";
    const char *card = in_root("corpus/00001.json");
    assert_int_equal(tg_file_write(ctx, card, vague, sizeof vague - 1), TG_OK);
    assert_int_equal(tg_train_motion(ctx, &o, &result), TG_EINPUT);
    assert_non_null(strstr(tg_message(ctx), "its speaker is no number"));
    assert_int_equal(tg_file_write(ctx, card, "{\"speaker\": 1}", 14), TG_OK);
    o.encoder = in_root("corpus/00000.flac");
    assert_int_equal(tg_train_motion(ctx, &o, &result), TG_EMODEL);
    /* a start that is for inference only */
    tg_vae_config config = tg_vae_defaults();
    config.hidden_channels = config.mel_in_dim = 16;
    config.decoder_only = true;
    tg_vae *vae;
    assert_int_equal(tg_vae_create(ctx, &config, &vae), TG_OK);
    tg_vae_init(vae, 1);
    assert_int_equal(tg_voice_write(ctx, in_root("half"), NULL, vae, NULL), TG_OK);
    tg_vae_destroy(&vae);
    o.encoder = in_root("encoder");
    o.held_out = in_root("corpus");
    o.init = in_root("half");
    assert_int_equal(tg_train_motion(ctx, &o, &result), TG_EMODEL);
    assert_non_null(strstr(tg_message(ctx), "has no encoder"));
    tg_context_destroy(&ctx);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(resumed_motion_ends_at_the_same_weights),
        cmocka_unit_test(motion_learns_and_the_postnet_resumes),
        cmocka_unit_test(the_postnet_needs_an_expert_of_its_voice),
        cmocka_unit_test(says_what_is_missing),
    };
    return cmocka_run_group_tests(tests, set_up, remove_root);
}
