/* Training on takes instead of a corpus: they come in order, each is used once, and a training that
 * was stopped goes on with the take it would have had. */
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
#include "train/motion_feed.h"
#include "train/speech_feed.h"

#include <math.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* ---- a source ----------------------------------------------------------------------------- */

typedef struct {
    double seconds; /* of a take */
    uint64_t fail_at;
    bool faceless;                      /* without landmarks */
    bool stuck;                         /* makes nothing and waits */
    _Atomic uint64_t first[2], made[2]; /* in order, held out: of the last stream */
    _Atomic int open;
} factory;

typedef struct {
    factory *f;
    bool held_out;
    uint64_t next;
} line;

static tg_status open_line(tg_context *ctx, void *user, bool held_out, uint64_t first,
                           void **stream) {
    (void)ctx;
    line *l = malloc(sizeof *l);
    *l = (line){user, held_out, first};
    l->f->first[held_out] = first;
    l->f->made[held_out] = 0;
    l->f->open++;
    *stream = l;
    return TG_OK;
}

/* Half a second of a tone, its pitch the number of the take, then as much of nothing. */
static tg_status next_of_line(tg_context *ctx, void *stream, tg_train_take *out) {
    line *l = stream;
    *out = (tg_train_take){0};
    while (l->f->stuck && tg_cancelled(ctx) == TG_OK)
        usleep(1000);
    if (tg_cancelled(ctx) != TG_OK)
        return tg_cancelled(ctx);
    if (l->f->fail_at && l->next == l->f->fail_at)
        return tg_fail(ctx, TG_EINPUT, "take %d is spoiled", (int)l->next);
    int halves = (int)(2 * l->f->seconds) + (int)(l->next % 3);
    out->count = halves * 8000;
    out->frames = out->count / 640;
    out->phones = halves;
    out->samples = tg_alloc((size_t)out->count * sizeof(float));
    out->landmarks = l->f->faceless ? NULL : tg_calloc((size_t)out->frames * 204 * sizeof(float));
    out->phone = tg_alloc((size_t)halves * sizeof *out->phone);
    out->times = tg_alloc((size_t)halves * sizeof *out->times);
    for (int64_t i = 0; i < out->count; i++)
        out->samples[i] =
            i / 8000 % 2 ? 0
                         : 0.3f * sinf((float)(0.02 * (double)(5 + l->next % 50) * (double)i)) +
                               (l->held_out ? 0.01f : 0);
    for (int64_t t = 0; out->landmarks && t < out->frames; t++)
        for (int p = 0; p < 68; p++) {
            out->landmarks[t * 204 + 3 * p] = 0.01f * (float)p;
            if (p >= 55 && t * 640 / 8000 % 2 == 0)
                out->landmarks[t * 204 + 3 * p + 1] = p >= 65 || p <= 59 ? -0.1f : 0;
        }
    for (int k = 0; k < halves; k++) {
        out->phone[k] = k % 2 ? "SIL" : "AA";
        out->times[k][0] = 0.5f * (float)k;
        out->times[k][1] = 0.5f * (float)(k + 1);
    }
    l->next++;
    l->f->made[l->held_out]++;
    return TG_OK;
}

static void close_line(void *stream) {
    line *l = stream;
    l->f->open--;
    free(l);
}

static tg_train_takes source_of(factory *f) {
    return (tg_train_takes){open_line, next_of_line, close_line, f};
}

/* ---- supply --------------------------------------------------------------------------------- */

static void test_takes_come_in_order(void **state) {
    (void)state;
    factory f = {.seconds = 1};
    tg_train_takes source = source_of(&f);
    tg_context *ctx = tg_context_create(1);
    tg_supply *supply;
    assert_int_equal(tg_supply_open(ctx, &source, false, 4, 3, &supply), TG_OK);
    for (uint64_t i = 4; i < 12; i++) {
        tg_train_take take;
        assert_int_equal(tg_supply_next(ctx, supply, &take), TG_OK);
        assert_int_equal(take.count, (2 + (int)(i % 3)) * 8000);
        tg_train_take_free(&take);
        /* The reader has i - 3, three wait and one may be in the hands of the thread. */
        assert_true(f.made[0] <= i - 3 + 4);
    }
    tg_supply_close(&supply);
    assert_int_equal(f.open, 0);
    tg_context_destroy(&ctx);
}

static void test_a_cancelled_wait(void **state) {
    (void)state;
    factory f = {.stuck = true};
    tg_train_takes source = source_of(&f);
    tg_context *ctx = tg_context_create(1);
    tg_supply *supply;
    tg_train_take take;
    assert_int_equal(tg_supply_open(ctx, &source, false, 0, 2, &supply), TG_OK);
    tg_cancel(ctx, TG_EINTR);
    assert_int_equal(tg_supply_next(ctx, supply, &take), TG_EINTR);
    tg_supply_close(&supply);
    assert_int_equal(f.open, 0);
    tg_context_destroy(&ctx);
}

static void test_a_spoiled_take(void **state) {
    (void)state;
    factory f = {.seconds = 1, .fail_at = 2};
    tg_train_takes source = source_of(&f);
    tg_context *ctx = tg_context_create(1);
    tg_supply *supply;
    tg_train_take take;
    assert_int_equal(tg_supply_open(ctx, &source, false, 0, 8, &supply), TG_OK);
    for (int i = 0; i < 2; i++) {
        assert_int_equal(tg_supply_next(ctx, supply, &take), TG_OK);
        tg_train_take_free(&take);
    }
    assert_int_equal(tg_supply_next(ctx, supply, &take), TG_EINPUT);
    assert_string_equal(tg_message(ctx), "take 2 is spoiled");
    tg_supply_close(&supply);
    tg_context_destroy(&ctx);
}

/* ---- pieces and crops ------------------------------------------------------------------------ */

/* Every second of every take lies in one piece, whatever its speed, and pieces of different takes
 * are mixed. */
static void test_every_second_is_in_one_piece(void **state) {
    (void)state;
    factory f = {.seconds = 21};
    tg_train_takes source = source_of(&f);
    tg_context *ctx = tg_context_create(1);
    tg_speech_feed feed = {.seed = 9, .step_audio_s = 24};
    assert_int_equal(tg_speech_feed_open(ctx, &feed, &source, 1, 0), TG_OK);
    assert_int_equal(f.first[0], 20);
    static char covered[64][40 * 10];
    memset(covered, 0, sizeof covered);
    int mixed = 0, pieces = 0;
    int64_t block = feed.block;
    for (int64_t step = 0;; step++) {
        tg_speech_piece piece[TG_STEP_PIECES];
        int count;
        int64_t rows;
        if (feed.used == feed.piece_count)
            break;
        assert_int_equal(tg_speech_feed_step(ctx, &feed, step, piece, &count, &rows), TG_OK);
        assert_int_equal(feed.block, block);
        assert_true(count > 0 && rows <= 24 * 50 + 800);
        for (int i = 0; i < count; i++, pieces++) {
            const tg_speech_cut *cut = &piece[i].cut;
            mixed += i > 0 && cut->clip != piece[i - 1].cut.clip;
            int64_t end = cut->start + piece[i].rows * 320 * cut->percent / 100;
            /* tenths of a second whose middle lies in the piece */
            for (int64_t k = 0; k < 400; k++)
                if (k * 1600 + 800 >= cut->start && k * 1600 + 800 < end)
                    covered[cut->clip][k]++;
        }
    }
    assert_int_equal(feed.corpus.count, 20);
    for (int c = 0; c < feed.corpus.count; c++)
        for (int64_t k = 0; k < feed.corpus.clips[c].n / 1600; k++) {
            bool last = (k + 1) * 1600 > feed.corpus.clips[c].n - 16000;
            assert_true(covered[c][k] == 1 || (last && covered[c][k] == 0));
        }
    assert_true(pieces > 80 && mixed > pieces / 2);
    tg_speech_feed_close(&feed);
    assert_int_equal(f.open, 0);
    tg_context_destroy(&ctx);
}

static void test_a_reopened_feed_goes_on(void **state) {
    (void)state;
    enum { STEPS = 14 };
    factory f = {.seconds = 7};
    tg_train_takes source = source_of(&f);
    tg_context *ctx = tg_context_create(1);
    tg_speech_feed feed = {.seed = 9, .step_audio_s = 24};
    tg_speech_piece want[STEPS][TG_STEP_PIECES], got[TG_STEP_PIECES];
    int count[STEPS], used[STEPS], n;
    int64_t block[STEPS], rows;
    assert_int_equal(tg_speech_feed_open(ctx, &feed, &source, 0, 0), TG_OK);
    for (int i = 0; i < STEPS; i++) {
        block[i] = feed.block;
        used[i] = feed.used;
        memset(want[i], 0, sizeof want[i]);
        assert_int_equal(tg_speech_feed_step(ctx, &feed, i, want[i], &count[i], &rows), TG_OK);
    }
    tg_speech_feed_close(&feed);
    assert_true(block[STEPS - 1] >= 1); /* more than one block was used up */
    for (int i = 3; i < STEPS; i += 4) {
        feed = (tg_speech_feed){.seed = 9, .step_audio_s = 24};
        assert_int_equal(tg_speech_feed_open(ctx, &feed, &source, block[i], used[i]), TG_OK);
        memset(got, 0, sizeof got);
        assert_int_equal(tg_speech_feed_step(ctx, &feed, i, got, &n, &rows), TG_OK);
        assert_int_equal(n, count[i]);
        for (int k = 0; k < n; k++) {
            assert_int_equal(got[k].rows, want[i][k].rows);
            assert_int_equal(got[k].cut.clip, want[i][k].cut.clip);
            assert_int_equal(got[k].cut.start, want[i][k].cut.start);
            assert_int_equal(got[k].cut.percent, want[i][k].cut.percent);
        }
        tg_speech_feed_close(&feed);
    }
    tg_context_destroy(&ctx);
}

/* Crops of one block do not overlap; the block and the batch are a function of the step. */
static void test_crops(void **state) {
    (void)state;
    enum { FRAMES = 64, DIM = 16 };
    factory f = {.seconds = 17};
    tg_train_takes source = source_of(&f);
    tg_context *ctx = tg_context_create(1);
    tg_hubert *hubert = tiny_encoder(ctx);
    tg_motion_feed feed;
    static float x[2][TG_FEED_BATCH * 2 * FRAMES * DIM], y[TG_FEED_BATCH * FRAMES * TG_MOTION_DIM];
    tg_draws d = tg_draws_make(1, 2, 3);
    assert_int_equal(tg_motion_feed_open(ctx, &source, hubert, 4, 0, &feed), TG_OK);
    for (int64_t step = 0; step <= TG_FEED_STEPS + 1; step++) {
        assert_int_equal(tg_motion_feed_batch(ctx, &feed, step, &d, FRAMES, x[0], y, NULL), TG_OK);
        assert_int_equal(feed.number, step / TG_FEED_STEPS);
        for (int i = 0; i < feed.crop_count; i++)
            for (int k = 0; k < i; k++)
                assert_true(feed.crops[i].clip != feed.crops[k].clip ||
                            llabs(feed.crops[i].begin - feed.crops[k].begin) >= FRAMES);
    }
    assert_true(feed.crop_count >= 100);
    tg_motion_feed_close(&feed);
    assert_int_equal(tg_motion_feed_open(ctx, &source, hubert, 4, 1, &feed), TG_OK);
    assert_int_equal(f.first[0], TG_BLOCK_TAKES);
    assert_int_equal(tg_motion_feed_batch(ctx, &feed, TG_FEED_STEPS + 1, &d, FRAMES, x[1], y, NULL),
                     TG_OK);
    assert_memory_equal(x[0], x[1], sizeof x[0]);
    tg_motion_feed_close(&feed);
    tg_hubert_destroy(&hubert);
    tg_context_destroy(&ctx);
}

/* ---- training ---------------------------------------------------------------------------------
 */

static tg_status train_speech(factory *f, const char *name, const char *stop, int64_t steps,
                              tg_train_speech_result *result) {
    stopper s = {tg_context_create(1), stop, 2, false};
    tg_context_set_progress(s.ctx, stop_there, &s);
    tg_train_takes source = source_of(f);
    tg_train_speech_options o = {.takes = &source,
                                 .state = in_root("%s", name),
                                 .steps = steps,
                                 .step_audio_s = 3,
                                 .check_every_s = 1e6,
                                 .seed = 5};
    tg_status status = tg_train_speech(s.ctx, &o, result);
    tg_context_destroy(&s.ctx);
    return status;
}

/* Does a state that was written when a training stopped begin with these words? */
static bool kept(const char *name, const char *key, const char *words) {
    tg_context *ctx = tg_context_create(1);
    tg_st *st = NULL;
    assert_int_equal(tg_st_open(ctx, in_root("%s", name), &st), TG_OK);
    const char *text = tg_st_meta(st, key);
    bool same = text && strncmp(text, words, strlen(words)) == 0;
    tg_st_close(&st);
    tg_context_destroy(&ctx);
    return same;
}

static void test_resumed_speech_ends_at_the_same_weights(void **state) {
    (void)state;
    factory f = {.seconds = 1};
    tg_train_speech_result a, b;
    assert_int_equal(train_speech(&f, "speech", NULL, 8, &a), TG_OK);
    assert_true(a.held_out_accuracy >= 0); /* from takes of the held-out voices */
    assert_true(f.made[1] >= 20);
    assert_int_equal(train_speech(&f, "speech2", "speech", 8, &b), TG_ESTOPPED);
    assert_int_equal(b.steps, 2);
    assert_true(kept("speech2/state.safetensors", "talkgen.train.place", "2 "));
    assert_int_equal(train_speech(&f, "speech2", "speech", 8, &b), TG_ESTOPPED);
    assert_true(kept("speech2/state.safetensors", "talkgen.train.place", "4 "));
    assert_int_equal(train_speech(&f, "speech2", NULL, 8, &b), TG_OK);
    assert_int_equal(f.open, 0);
    assert_same_file(a.encoder, b.encoder);
    assert_true(a.audio_s == b.audio_s);
}

/* The hours end the schedule. */
static void test_hours_end_the_speech(void **state) {
    (void)state;
    factory f = {.seconds = 1};
    tg_context *ctx = tg_context_create(1);
    tg_train_takes source = source_of(&f);
    tg_train_speech_result r;
    tg_train_speech_options o = {.takes = &source,
                                 .hours = 20 / 3600.0,
                                 .state = in_root("hours"),
                                 .step_audio_s = 6,
                                 .seed = 5};
    assert_int_equal(tg_train_speech(ctx, &o, &r), TG_OK);
    assert_true(r.audio_s >= 20 && r.audio_s < 20 + 22);
    tg_context_destroy(&ctx);
}

static tg_status train_motion(factory *f, const char *name, const char *stop,
                              tg_train_motion_result *result) {
    stopper s = {tg_context_create(1), stop, 2, false};
    tg_context_set_progress(s.ctx, stop_there, &s);
    tg_train_takes source = source_of(f);
    tg_train_motion_options o = {.takes = &source,
                                 .encoder = in_root("encoder"),
                                 .state = in_root("%s", name),
                                 .hidden = 16,
                                 .sync_steps = 3,
                                 .steps = 4,
                                 .seed = 5};
    tg_status status = tg_train_motion(s.ctx, &o, result);
    tg_context_destroy(&s.ctx);
    return status;
}

static void test_resumed_motion_ends_at_the_same_weights(void **state) {
    (void)state;
    factory f = {.seconds = 6};
    tg_context *ctx = tg_context_create(1);
    tg_hubert *hubert = tiny_encoder(ctx);
    assert_int_equal(tg_voice_write(ctx, in_root("encoder"), hubert, NULL, NULL), TG_OK);
    tg_hubert_destroy(&hubert);
    tg_context_destroy(&ctx);
    tg_train_motion_result a, b;
    assert_int_equal(train_motion(&f, "motion", NULL, &a), TG_OK);
    assert_true(a.sync_accuracy >= 0.5);
    assert_int_equal(train_motion(&f, "motion2", "sync expert", &b), TG_ESTOPPED);
    assert_int_equal(b.sync_steps, 2);
    assert_true(tg_file_exists(in_root("motion2/sync.state")));
    assert_int_equal(train_motion(&f, "motion2", "motion", &b), TG_ESTOPPED);
    assert_int_equal(b.steps, 2);
    assert_true(tg_file_exists(in_root("motion2/motion.state")));
    assert_int_equal(train_motion(&f, "motion2", NULL, &b), TG_OK);
    assert_int_equal(f.open, 0);
    assert_same_file(a.sync, b.sync);
    assert_same_file(a.voice, b.voice);
}

/* The sound of the person's recording is that of a take. */
static void write_person(tg_context *ctx) {
    factory f = {.seconds = 12};
    tg_train_takes source = source_of(&f);
    void *stream;
    tg_train_take take;
    assert_int_equal(source.open(ctx, source.user, false, 0, &stream), TG_OK);
    assert_int_equal(source.next(ctx, stream, &take), TG_OK);
    source.close(stream);
    assert_int_equal(tg_make_dirs(ctx, in_root("person")), TG_OK);
    assert_int_equal(
        tg_audio_write(ctx, in_root("person/aud.wav"), take.samples, take.count, 1, 16000), TG_OK);
    assert_int_equal(tg_npy_write(ctx, in_root("person/landmarks.npy"), 3,
                                  (int64_t[]){take.frames, 68, 3}, take.landmarks),
                     TG_OK);
    tg_train_take_free(&take);
}

static tg_status train_postnet(factory *f, const char *name, int stop,
                               tg_train_postnet_result *result) {
    stopper s = {tg_context_create(1), stop ? "postnet" : NULL, stop, false};
    tg_context_set_progress(s.ctx, stop_there, &s);
    tg_train_takes source = source_of(f);
    /* The judge is the one in the voice file. */
    tg_train_postnet_options o = {.dataset = in_root("person"),
                                  .takes = &source,
                                  .voice = in_root("motion/voice.safetensors"),
                                  .state = in_root("%s", name),
                                  .steps = TG_FEED_STEPS + 3,
                                  .check_every_s = 1e6,
                                  .seed = 5};
    tg_status status = tg_train_postnet(s.ctx, &o, result);
    tg_context_destroy(&s.ctx);
    return status;
}

static void test_resumed_postnet_ends_at_the_same_weights(void **state) {
    (void)state;
    factory f = {.seconds = 6, .faceless = true};
    tg_context *ctx = tg_context_create(1);
    write_person(ctx);
    tg_context_destroy(&ctx);
    tg_train_postnet_result a, b;
    assert_int_equal(train_postnet(&f, "postnet", 0, &a), TG_OK);
    assert_int_equal(a.steps, TG_FEED_STEPS + 3);
    assert_int_equal(f.first[0], 0);
    /* the first step of the second block */
    assert_int_equal(train_postnet(&f, "postnet2", TG_FEED_STEPS + 1, &b), TG_ESTOPPED);
    assert_int_equal(train_postnet(&f, "postnet2", 0, &b), TG_OK);
    assert_int_equal(f.first[0], TG_BLOCK_TAKES);
    assert_int_equal(f.open, 0);
    assert_same_file(a.postnet, b.postnet);
    /* another voice said something else */
    tg_train_postnet_result c;
    f.seconds = 7;
    assert_int_equal(train_postnet(&f, "postnet3", 0, &c), TG_OK);
    assert_true(c.sync != a.sync);
}

static int set_up(void **state) {
    (void)state;
    return make_root("train_takes") ? 0 : -1;
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_takes_come_in_order),
        cmocka_unit_test(test_a_cancelled_wait),
        cmocka_unit_test(test_a_spoiled_take),
        cmocka_unit_test(test_every_second_is_in_one_piece),
        cmocka_unit_test(test_a_reopened_feed_goes_on),
        cmocka_unit_test(test_crops),
        cmocka_unit_test(test_resumed_speech_ends_at_the_same_weights),
        cmocka_unit_test(test_hours_end_the_speech),
        cmocka_unit_test(test_resumed_motion_ends_at_the_same_weights),
        cmocka_unit_test(test_resumed_postnet_ends_at_the_same_weights),
    };
    return cmocka_run_group_tests(tests, set_up, remove_root);
}
