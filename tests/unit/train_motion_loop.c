/* Motion and postnet training on a corpus of two clips: they learn, stop, resume to the same
 * weights. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "tiny_encoder.h"

#include "talkgen/speech.h"
#include "talkgen/systems.h"
#include "talkgen/train.h"

#include <math.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

enum { CLIPS = 2, SECONDS = 6, FRAMES = 25 * SECONDS };

static char root[64];

static const char *at(const char *name) {
    static char path[16][160];
    static int next;
    char *p = path[next++ % 16];
    snprintf(p, sizeof path[0], "%s/%s", root, name);
    return p;
}

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
    assert_int_equal(tg_voice_write(ctx, at("encoder"), hubert, NULL), TG_OK);
    tg_hubert_destroy(&hubert);
}

static int set_up(void **state) {
    (void)state;
    tg_context *ctx = tg_context_create(1);
    snprintf(root, sizeof root, "train_motion_%ld", (long)getpid());
    assert_int_equal(tg_make_dirs(ctx, at("corpus")), TG_OK);
    assert_int_equal(tg_make_dirs(ctx, at("person")), TG_OK);
    for (int i = 0; i < CLIPS; i++) {
        char flac[32], npy[32], json[32], text[64];
        snprintf(flac, sizeof flac, "corpus/%05d.flac", i);
        snprintf(npy, sizeof npy, "corpus/%05d.npy", i);
        snprintf(json, sizeof json, "corpus/%05d.json", i);
        write_recording(ctx, at(flac), at(npy), 300 + 200 * i);
        int n = snprintf(text, sizeof text, "{\"speaker\": %d}", i);
        assert_int_equal(tg_file_write(ctx, at(json), text, (size_t)n), TG_OK);
    }
    write_recording(ctx, at("person/aud.wav"), at("person/landmarks.npy"), 400);
    write_encoder(ctx);
    tg_context_destroy(&ctx);
    return 0;
}

static int tear_down(void **state) {
    (void)state;
    char command[96];
    snprintf(command, sizeof command, "rm -rf '%s'", root);
    return system(command);
}

/* Cancels at the third report of a stage, or kills the process there. */
typedef struct {
    tg_context *ctx;
    const char *stage;
    int left;
    bool kill;
} stopper;

static void maybe_stop(void *user, const char *stage, double done, double total, const char *text) {
    (void)done;
    (void)total;
    (void)text;
    stopper *s = user;
    if (!s->stage || strcmp(stage, s->stage) != 0 || --s->left != 0)
        return;
    if (s->kill)
        raise(SIGKILL);
    tg_cancel(s->ctx, TG_ESTOPPED);
}

static tg_status train_motion(const char *name, const char *stop, int64_t steps,
                              tg_train_motion_result *result) {
    stopper s = {tg_context_create(1), stop, 3, false};
    tg_context_set_progress(s.ctx, maybe_stop, &s);
    tg_train_motion_options o = {.corpus = at("corpus"),
                                 .held_out = at("corpus"),
                                 .encoder = at("encoder"),
                                 .state = at(name),
                                 .hidden = 16,
                                 .sync_steps = 4,
                                 .steps = steps,
                                 .seed = 5};
    tg_status status = tg_train_motion(s.ctx, &o, result);
    tg_context_destroy(&s.ctx);
    return status;
}

static void same_file(const char *a, const char *b) {
    char md5[2][33];
    tg_context *ctx = tg_context_create(1);
    assert_int_equal(tg_file_md5(ctx, a, md5[0]), TG_OK);
    assert_int_equal(tg_file_md5(ctx, b, md5[1]), TG_OK);
    assert_string_equal(md5[0], md5[1]);
    tg_context_destroy(&ctx);
}

static void resumed_motion_ends_at_the_same_weights(void **state) {
    (void)state;
    tg_train_motion_result a, b;
    assert_int_equal(train_motion("whole", NULL, 6, &a), TG_OK);
    assert_int_equal(train_motion("parts", "sync expert", 6, &b), TG_ESTOPPED);
    assert_int_equal(b.sync_steps, 3);
    assert_int_equal(train_motion("parts", "motion", 6, &b), TG_ESTOPPED);
    assert_int_equal(b.steps, 3);
    assert_int_equal(train_motion("parts", NULL, 6, &b), TG_OK);
    assert_int_equal(b.steps, 6);
    same_file(a.sync, b.sync);
    same_file(a.voice, b.voice);
    assert_true(a.gap_corr == b.gap_corr);
    assert_true(a.scatter > 0 && a.scatter == b.scatter);
    assert_true(a.sync_accuracy >= 0.5);
}

static tg_status train_postnet(const char *name, bool stop, bool kill,
                               tg_train_postnet_result *result) {
    stopper s = {tg_context_create(1), stop ? "postnet" : NULL, 3, kill};
    tg_context_set_progress(s.ctx, maybe_stop, &s);
    tg_train_postnet_options o = {.dataset = at("person"),
                                  .corpus = at("corpus"),
                                  .voice = at("learned/voice.safetensors"),
                                  .sync = at("learned/sync.safetensors"),
                                  .cache = at("postnet_features.safetensors"),
                                  .state = at(name),
                                  .steps = 6,
                                  .save_every_s = kill ? 1e-9 : 0, /* after every step */
                                  .check_every_s = 1e6,
                                  .seed = 5};
    tg_status status = tg_train_postnet(s.ctx, &o, result);
    tg_context_destroy(&s.ctx);
    return status;
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
    assert_int_equal(train_postnet("post_parts", true, false, &b), TG_ESTOPPED);
    assert_int_equal(b.steps, 3);
    assert_int_equal(train_postnet("post_parts", false, false, &b), TG_OK);
    assert_int_equal(b.steps, 6);
    assert_int_equal(b.best_step, a.best_step);
    same_file(a.postnet, b.postnet);

    /* the same after kill -9 */
    fflush(NULL);
    pid_t child = fork();
    if (child == 0) {
        train_postnet("post_killed", true, true, &b);
        _exit(1);
    }
    int ended;
    assert_int_equal(waitpid(child, &ended, 0), child);
    assert_true(WIFSIGNALED(ended) && WTERMSIG(ended) == SIGKILL);
    assert_int_equal(train_postnet("post_killed", false, false, &b), TG_OK);
    assert_int_equal(b.steps, 6);
    same_file(a.postnet, b.postnet);
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
    assert_int_equal(tg_syncnet_write(ctx, net, at("other_sync")), TG_OK);
    tg_syncnet_destroy(&net);
    tg_train_postnet_options o = {.dataset = at("person"),
                                  .corpus = at("corpus"),
                                  .voice = at("learned/voice.safetensors"),
                                  .sync = at("other_sync"),
                                  .state = at("post_other"),
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
        .corpus = root, .encoder = at("encoder"), .state = at("empty"), .steps = 1};
    assert_int_equal(tg_train_motion(ctx, &o, &result), TG_EINPUT);
    assert_non_null(strstr(tg_message(ctx), "no clips"));
    o.corpus = at("corpus");
    const char vague[] = "{\"speaker\": 1e300}";
    const char *card = at("corpus/00001.json");
    assert_int_equal(tg_file_write(ctx, card, vague, sizeof vague - 1), TG_OK);
    assert_int_equal(tg_train_motion(ctx, &o, &result), TG_EINPUT);
    assert_non_null(strstr(tg_message(ctx), "its speaker is no number"));
    assert_int_equal(tg_file_write(ctx, card, "{\"speaker\": 1}", 14), TG_OK);
    o.encoder = at("corpus/00000.flac");
    assert_int_equal(tg_train_motion(ctx, &o, &result), TG_EMODEL);
    /* a start that is for inference only */
    tg_vae_config config = tg_vae_defaults();
    config.hidden_channels = config.mel_in_dim = 16;
    config.decoder_only = true;
    tg_vae *vae;
    assert_int_equal(tg_vae_create(ctx, &config, &vae), TG_OK);
    tg_vae_init(vae, 1);
    assert_int_equal(tg_voice_write(ctx, at("half"), NULL, vae), TG_OK);
    tg_vae_destroy(&vae);
    o.encoder = at("encoder");
    o.held_out = at("corpus");
    o.init = at("half");
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
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
