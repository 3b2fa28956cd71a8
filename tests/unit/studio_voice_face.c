/* Acting: what the mouth does with phones, what the rest of the face does, and the corpus made of
 * both. The mouth is judged by the jaw angle that its units contain (visemes.json: deg_per_unit),
 * for which our own tables suffice; the corpus needs the MakeHuman files in TALKGEN_ACTOR_DATA. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "studio/actor_data.h"
#include "studio/performance.h"
#include "talkgen/io.h"
#include "talkgen/studio.h"

static tg_context *ctx;
static tg_actor tables; /* an actor without a body: rig and shapes only */

static int channel(const char *name) {
    int c = tg_actor_find_channel(&tables, name);
    if (c < 0)
        fail_msg("no channel %s", name);
    return c;
}

/* Degrees that the jaw is open. */
static double jaw(const tg_face_state *s) {
    static const struct {
        const char *name;
        double degrees;
    } units[] = {{"ChinDown", 6.1},
                 {"ChinForward", -2.95},
                 {"lowerLipUp", -3.24},
                 {"JawDrop", 20.19},
                 {"JawDropStretched", 24.27}};
    double sum = 0;
    for (size_t i = 0; i < sizeof units / sizeof *units; i++)
        sum += units[i].degrees * s->channel[channel(units[i].name)];
    return sum;
}

static tg_performance *take(const char *voice, double seconds, uint64_t seed) {
    tg_performance *p = NULL;
    tg_performance_options options = {.voice = voice, .seconds = seconds, .seed = seed};
    if (tg_performance_create(ctx, &tables, &options, &p) != TG_OK)
        fail_msg("%s", tg_message(ctx));
    return p;
}

/* Frames whose time lies in [from, to]. */
static int64_t first_frame(double from) {
    int64_t f = (int64_t)ceil(from * TG_VIDEO_FPS - 0.5 - 1e-9);
    return f < 0 ? 0 : f;
}

static double frame_time(int64_t frame) {
    return ((double)frame + 0.5) / TG_VIDEO_FPS;
}

/* ---- the mouth ---------------------------------------------------------------------- */

/* Every P, B and M is seen closed, and not later than its burst. */
static void test_closures(void **state) {
    (void)state;
    static const char *const voices[] = {"flite:rms", "espeak:en-us+m3", "espeak:it+f1"};
    int compress = channel("mouth-compression");
    for (int v = 0; v < 3; v++) {
        tg_performance *p = take(voices[v], 40, 3);
        int closures = 0;
        for (int i = 1; i < p->speech.phones.count; i++) {
            const tg_segment *ph = &p->speech.phones.phone[i];
            if (strcmp(ph->name, "P") && strcmp(ph->name, "B") && strcmp(ph->name, "M"))
                continue;
            bool closed = false;
            double from = fmin(ph->start, ph->release - 0.045);
            for (int64_t f = first_frame(from); f < p->frames && frame_time(f) <= ph->release; f++)
                closed |= jaw(&p->state[f]) < 0.3 && p->state[f].channel[compress] > 0.25f;
            if (!closed)
                fail_msg("%s: %s at %.3f s is open", voices[v], ph->name, ph->start);
            closures++;
        }
        assert_true(closures >= 20);
        tg_performance_destroy(&p);
    }
}

/* The tongue's tip is at the ridge in every L, T, D and N that lasts for a frame, and lies low in
 * the middle of long open vowels. */
static void test_tongue(void **state) {
    (void)state;
    static const char *const voices[] = {"flite:slt", "espeak:en-us+m3"};
    int up = channel("TonguePointUp");
    for (int v = 0; v < 2; v++) {
        tg_performance *p = take(voices[v], 40, 5);
        int raised = 0, lowered = 0;
        for (int i = 0; i < p->speech.phones.count; i++) {
            const tg_segment *ph = &p->speech.phones.phone[i];
            bool ridge = !strcmp(ph->name, "L") || !strcmp(ph->name, "T") ||
                         !strcmp(ph->name, "D") || !strcmp(ph->name, "N");
            bool open =
                !strcmp(ph->name, "AA") || !strcmp(ph->name, "AO") || !strcmp(ph->name, "AE");
            float most = 0, least = 9;
            int frames = 0;
            for (int64_t f = first_frame(ph->start); f < p->frames && frame_time(f) <= ph->end;
                 f++) {
                most = fmaxf(most, p->state[f].channel[up]);
                least = fminf(least, p->state[f].channel[up]);
                frames++;
            }
            if (ridge && ph->release - ph->start > 0.050) {
                if (most < 0.35f)
                    fail_msg("%s: tip at %.2f in %s at %.3f s", voices[v], most, ph->name,
                             ph->start);
                raised++;
            }
            if (open && frames >= 3) {
                if (least > 0.2f)
                    fail_msg("%s: tip at %.2f in %s at %.3f s", voices[v], least, ph->name,
                             ph->start);
                lowered++;
            }
        }
        print_message("%s: %d raised, %d lowered\n", voices[v], raised, lowered);
        assert_true(raised >= 20 && lowered >= 5);
        tg_performance_destroy(&p);
    }
}

static const struct {
    const char *name;
    double aperture;
} expected[] = {{"AA", 1},  {"AE", .9}, {"AW", .9}, {"AY", .9}, {"AO", .8}, {"AH", .6},
                {"EH", .6}, {"OW", .6}, {"OY", .6}, {"EY", .5}, {"ER", .4}, {"IH", .4},
                {"UH", .4}, {"IY", .3}, {"UW", .3}, {"W", .2},  {"F", .1},  {"V", .1},
                {"P", 0},   {"B", 0},   {"M", 0},   {"SIL", 0}};

/* Correlation of the jaw with the aperture that the phones ask for, inside speech; late: frames
 * that the jaw is read too late. */
static double follow(const tg_performance *p, int late) {
    double n = 0, x = 0, y = 0, xx = 0, yy = 0, xy = 0;
    for (int i = 0; i < p->speech.phones.count; i++) {
        const tg_segment *ph = &p->speech.phones.phone[i];
        if (tg_phone_kind_of(ph->name) == TG_PHONE_SILENCE)
            continue;
        double want = 0.25;
        for (size_t k = 0; k < sizeof expected / sizeof *expected; k++)
            if (!strcmp(expected[k].name, ph->name))
                want = expected[k].aperture;
        for (int64_t f = first_frame(ph->start); f < p->frames && frame_time(f) < ph->end; f++) {
            int64_t g = f + late < p->frames ? f + late : p->frames - 1;
            double have = jaw(&p->state[g]);
            n++, x += have, y += want, xx += have * have, yy += want * want, xy += have * want;
        }
    }
    return (n * xy - x * y) / sqrt((n * xx - x * x) * (n * yy - y * y));
}

/* With variety the same words look different from seed to seed; closures stay complete, the jaw
 * goes on following the phones, and without it the seed changes nothing. */
static void test_variety(void **state) {
    (void)state;
    tg_performance *base = take("flite:rms", 40, 3);
    int64_t frames = base->frames;
    int compress = channel("mouth-compression");
    double spread[2], least = 1;
    for (int varied = 0; varied < 2; varied++) {
        tg_face_state *a = NULL;
        double sum = 0, mean = 0, square = 0;
        for (uint64_t seed = 1; seed <= 2; seed++) {
            tg_style style;
            tg_style_default(&style);
            style.variety = (float)varied;
            style.seed = seed;
            tg_face_state *b = tg_calloc((size_t)frames * sizeof *b);
            assert_int_equal(tg_articulate(ctx, &tables, &base->speech.phones, &style, frames, b),
                             TG_OK);
            for (int64_t f = 0; f < frames; f++) {
                double j = jaw(&b[f]);
                mean += j / (double)frames;
                square += j * j / (double)frames;
                if (a)
                    sum += pow(j - jaw(&a[f]), 2) / (double)frames;
            }
            for (int i = 1; varied && i < base->speech.phones.count; i++) {
                const tg_segment *ph = &base->speech.phones.phone[i];
                if (strcmp(ph->name, "P") && strcmp(ph->name, "B") && strcmp(ph->name, "M"))
                    continue;
                bool closed = false;
                double from = fmin(ph->start, ph->release - 0.045);
                for (int64_t f = first_frame(from); f < frames && frame_time(f) <= ph->release; f++)
                    closed |= jaw(&b[f]) < 0.3 && b[f].channel[compress] > 0.25f;
                assert_true(closed);
            }
            tg_face_state *was = base->state;
            base->state = b;
            least = fmin(least, follow(base, 0));
            base->state = was;
            if (a)
                tg_free(a);
            a = b;
        }
        tg_free(a);
        spread[varied] = sqrt(sum / (square - mean * mean / 2));
    }
    assert_true(spread[0] == 0);
    if (spread[1] < 0.1 || spread[1] > 0.7)
        fail_msg("two seeds differ by %.2f of the movement", spread[1]);
    if (least < 0.6)
        fail_msg("correlation with the phones %.2f", least);
    tg_performance_destroy(&base);
}

static void test_aperture_follows_phones(void **state) {
    (void)state;
    static const char *const voices[] = {"flite:rms", "flite:slt", "espeak:en-us", "espeak:de+m3"};
    for (int v = 0; v < 4; v++) {
        tg_performance *p = take(voices[v], 60, 11);
        double right = follow(p, 0), wrong = follow(p, 12);
        if (right < 0.65)
            fail_msg("%s: correlation %.2f", voices[v], right);
        if (wrong > 0.25)
            fail_msg("%s: half a second late it is still %.2f", voices[v], wrong);
        tg_performance_destroy(&p);
    }
}

static void test_vowels_open_and_pauses_close(void **state) {
    (void)state;
    tg_performance *p = take("flite:rms", 60, 4);
    int vowels = 0, open = 0, pauses = 0, closed = 0;
    for (int i = 0; i < p->speech.phones.count; i++) {
        const tg_segment *ph = &p->speech.phones.phone[i];
        double most = 0;
        bool silent = tg_phone_kind_of(ph->name) == TG_PHONE_SILENCE;
        double edge = silent ? -0.11 : 0.02;
        for (int64_t f = first_frame(ph->start - edge);
             f < p->frames && frame_time(f) <= ph->end + edge; f++)
            most = fmax(most, jaw(&p->state[f]));
        if (silent && ph->end - ph->start > 0.3)
            pauses++, closed += most < 1.0;
        if (!strcmp(ph->name, "AA") || !strcmp(ph->name, "AE") || !strcmp(ph->name, "AY"))
            vowels++, open += most > 6.0;
    }
    assert_true(vowels >= 20 && pauses >= 8);
    assert_true(open >= 0.95 * vowels);
    assert_int_equal(closed, pauses);
    tg_performance_destroy(&p);
}

/* Nothing moves faster than its full range in 60 ms (a frame is 40 ms; weights reach 1.2). */
static void test_rate_limit(void **state) {
    (void)state;
    tg_performance *p = take("espeak:en-us", 30, 8);
    int drop = channel("JawDrop"), stretched = channel("JawDropStretched");
    for (int64_t f = 1; f < p->frames; f++) {
        const tg_face_state *a = &p->state[f - 1], *b = &p->state[f];
        assert_true(fabsf(a->channel[drop] - b->channel[drop]) < 0.62f * 1.2f * 40 / 60);
        assert_true(fabsf(a->channel[stretched] - b->channel[stretched]) < 0.58f * 1.2f * 40 / 60);
    }
    tg_performance_destroy(&p);
}

/* Lips are rounded for "oo" before it sounds: the s of "soon" is rounder than that of "seen". */
static void test_coarticulation(void **state) {
    (void)state;
    int kiss = channel("LipsKiss");
    float round_s[2];
    static const char *const vowels[2] = {"UW", "IY"};
    for (int k = 0; k < 2; k++) {
        tg_phones phones = {0};
        tg_style style;
        tg_face_state frames[32] = {0};
        tg_style_default(&style);
        assert_true(
            tg_phones_add(&phones, "SIL", 0, 0.4) && tg_phones_add(&phones, "S", 0.4, 0.52) &&
            tg_phones_add(&phones, vowels[k], 0.52, 0.72) &&
            tg_phones_add(&phones, "N", 0.72, 0.8) && tg_phones_add(&phones, "SIL", 0.8, 1.28));
        assert_int_equal(tg_articulate(ctx, &tables, &phones, &style, 32, frames), TG_OK);
        round_s[k] = frames[12].channel[kiss]; /* 0.50 s */
        tg_phones_free(&phones);
    }
    assert_true(round_s[0] > 0.1f);
    assert_true(round_s[1] < 0.01f);
}

/* ---- the rest ------------------------------------------------------------------------- */

static void test_behaviour(void **state) {
    (void)state;
    tg_performance *p = take("flite:rms", 90, 2);
    int lid = channel("eye-left-closure"), blinks = 0;
    double last = 0, yaw = 0;
    for (int64_t f = 1; f < p->frames; f++) {
        const tg_face_state *a = &p->state[f - 1], *s = &p->state[f];
        bool begins = a->channel[lid] < 0.5f && s->channel[lid] >= 0.5f;
        if (begins) {
            double gap = frame_time(f) - last;
            assert_true(gap < 6.3 && (blinks == 0 || gap > 1.7));
            last = frame_time(f);
            blinks++;
        }
        assert_true(s->channel[lid] <= 1.0f);
        assert_true(fabsf(s->head_yaw) < 9 && fabsf(s->head_pitch) < 9 && fabsf(s->head_roll) < 6);
        assert_true(fabsf(s->head_yaw - a->head_yaw) < 1 &&
                    fabsf(s->head_pitch - a->head_pitch) < 1.2f);
        assert_true(fabsf(s->gaze_yaw) < 25 && fabsf(s->gaze_pitch) < 18);
        assert_true(fabsf(s->torso_yaw) < 4 && s->shoulder_lift > -0.5f && s->shoulder_lift < 1.5f);
        yaw += s->head_yaw * s->head_yaw;
    }
    assert_true(blinks >= 14);
    double deviation = sqrt(yaw / (double)p->frames);
    assert_true(deviation > 0.8 && deviation < 3);
    tg_performance_destroy(&p);
}

/* Who speaks and listens by turns: calmer in silence, now and then a nod there, lids that never
 * meet twice at once; and without that style everything is as it was. */
static void test_conversation(void **state) {
    (void)state;
    enum { FRAMES = 3000, TURN = 6 };
    static tg_face_state talk[FRAMES], plain[FRAMES], again[FRAMES];
    tg_phones phones = {0};
    tg_style style;
    for (int i = 0; i < FRAMES / TG_VIDEO_FPS; i += 2 * TURN) {
        assert_true(tg_phones_add(&phones, "SIL", i, i + TURN));
        for (int k = 0; k < 4 * TURN; k++)
            assert_true(tg_phones_add(&phones, k % 2 ? "AA" : "M", i + TURN + 0.25 * k,
                                      i + TURN + 0.25 * (k + 1)));
    }
    tg_style_default(&style);
    style.seed = 4;
    tg_behave(&tables, &phones, &style, FRAMES, plain);
    style.calm = 1; /* what it is by default */
    tg_behave(&tables, &phones, &style, FRAMES, again);
    assert_memory_equal(plain, again, sizeof plain);
    tg_style_conversation(5, &style);
    assert_true(style.calm > 0 && style.calm < 1 && style.reply_s > 0);
    tg_behave(&tables, &phones, &style, FRAMES, talk);
    int lid = channel("eye-left-closure"), blinks = 0, nods = 0;
    double turn[2] = {0}, jerk = 0;
    for (int f = 1; f < FRAMES; f++) {
        double in = fmod(frame_time(f), 2 * TURN);
        double step = talk[f].head_yaw - talk[f - 1].head_yaw;
        if (f > 1)
            jerk = fmax(jerk, fabs(step - (talk[f - 1].head_yaw - talk[f - 2].head_yaw)));
        if (in > 1 && in < TURN - 1)
            turn[0] += step * step;
        if (in > TURN + 1 && in < 2 * TURN - 1)
            turn[1] += step * step;
        nods += in > 1 && in < TURN - 1 && talk[f].head_pitch - talk[f - 1].head_pitch > 0.25f;
        assert_true(talk[f].channel[lid] <= 1.0f);
        blinks += talk[f - 1].channel[lid] < 0.5f && talk[f].channel[lid] >= 0.5f;
        assert_true(fabsf(talk[f].head_yaw) < 9 && fabsf(talk[f].head_pitch) < 12);
    }
    assert_true(jerk < 0.08); /* degrees; no jump where a phone ends */
    assert_true(turn[0] < 0.6 * turn[1]);
    assert_true(nods > 5);
    assert_true(blinks > 15 && blinks < 60); /* in 2 minutes */
    tg_phones_free(&phones);
}

static void test_same_take(void **state) {
    (void)state;
    tg_performance *a = take("flite:rms", 10, 6), *b = take("flite:rms", 10, 6);
    tg_performance *c = take("flite:rms", 10, 7);
    assert_int_equal(a->frames, b->frames);
    assert_int_equal(a->frames, llround((double)a->speech.count / TG_STUDIO_RATE * TG_VIDEO_FPS));
    assert_memory_equal(a->state, b->state, (size_t)a->frames * sizeof *a->state);
    assert_memory_not_equal(a->state, c->state, (size_t)50 * sizeof *a->state);
    tg_performance_destroy(&a);
    tg_performance_destroy(&b);
    tg_performance_destroy(&c);
}

/* ---- the corpus ------------------------------------------------------------------------- */

static tg_status make_corpus(int threads, const char *dir, uint64_t seed, char *message) {
    tg_context *own = tg_context_create(threads);
    tg_studio_corpus_options options = {.actor_dir = getenv("TALKGEN_ACTOR_DATA"),
                                        .tables_dir = TG_MODELS_DIR "/actor",
                                        .hours = 0.008,
                                        .speakers = 3,
                                        .seed = seed};
    tg_status status = tg_studio_corpus(own, dir, &options);
    snprintf(message, 512, "%s", tg_message(own));
    tg_context_destroy(&own);
    return status;
}

static void check_same_file(const char *name) {
    char path[256], sum[2][33];
    for (int k = 0; k < 2; k++) {
        snprintf(path, sizeof path, "studio_corpus_%d/%s", k, name);
        assert_int_equal(tg_file_md5(ctx, path, sum[k]), TG_OK);
    }
    if (strcmp(sum[0], sum[1]))
        fail_msg("%s differs", name);
}

static void test_corpus(void **state) {
    (void)state;
    char message[512];
    if (!getenv("TALKGEN_ACTOR_DATA")) {
        print_message("skipped: TALKGEN_ACTOR_DATA names no MakeHuman data folder\n");
        return;
    }
    for (int k = 0; k < 2; k++)
        assert_int_equal(system(k ? "rm -rf studio_corpus_1" : "rm -rf studio_corpus_0"), 0);
    if (make_corpus(1, "studio_corpus_0", 5, message) != TG_OK)
        fail_msg("%s", message);
    if (make_corpus(3, "studio_corpus_1", 5, message) != TG_OK)
        fail_msg("%s", message);

    /* An interrupted run: one clip has no card. */
    assert_int_equal(remove("studio_corpus_1/00001.json"), 0);
    assert_int_equal(remove("studio_corpus_1/00001.npy"), 0);
    if (make_corpus(1, "studio_corpus_1", 5, message) != TG_OK)
        fail_msg("%s", message);
    static const char *const names[] = {"corpus.json", "00000.flac",    "00000.npy",
                                        "00000.json",  "00001.flac",    "00001.npy",
                                        "00001.json",  "00001.pose.npy"};
    for (size_t i = 0; i < sizeof names / sizeof *names; i++)
        check_same_file(names[i]);

    tg_npy lm;
    float *samples;
    int64_t n;
    int channels, rate;
    assert_int_equal(tg_npy_read(ctx, "studio_corpus_0/00000.npy", &lm), TG_OK);
    assert_int_equal(
        tg_audio_read_all(ctx, "studio_corpus_0/00000.flac", &samples, &n, &channels, &rate),
        TG_OK);
    assert_int_equal(rate, TG_STUDIO_RATE);
    assert_int_equal(channels, 1);
    assert_true(n >= 5 * rate && n <= 20 * rate);
    assert_int_equal(lm.ndim, 3);
    assert_int_equal(lm.dim[0], llround((double)n / rate * TG_VIDEO_FPS));
    assert_int_equal(lm.dim[1], TG_LANDMARKS);
    tg_npy pose;
    assert_int_equal(tg_npy_read(ctx, "studio_corpus_0/00000.pose.npy", &pose), TG_OK);
    assert_int_equal(pose.ndim, 3);
    assert_int_equal(pose.dim[0], lm.dim[0]);
    assert_true(pose.dim[1] == 4 && pose.dim[2] == 4);
    tg_npy_free(&pose);
    tg_free(samples);
    tg_npy_free(&lm);

    assert_int_equal(make_corpus(1, "studio_corpus_0", 6, message), TG_EUSAGE);
    assert_non_null(strstr(message, "try:"));
}

static int set_up(void **state) {
    (void)state;
    ctx = tg_context_create(1);
    if (!ctx ||
        tg_rig_load(ctx, TG_MODELS_DIR "/actor/facerig.json", TG_BASE_VERTICES, &tables.rig) !=
            TG_OK ||
        tg_shapes_load(ctx, &tables, TG_MODELS_DIR "/actor", &tables.shapes) != TG_OK) {
        if (ctx)
            print_error("%s\n", tg_message(ctx));
        return -1;
    }
    return 0;
}

static int tear_down(void **state) {
    (void)state;
    tg_shapes_free(&tables.shapes);
    tg_rig_free(&tables.rig);
    tg_context_destroy(&ctx);
    return 0;
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_closures),
        cmocka_unit_test(test_tongue),
        cmocka_unit_test(test_aperture_follows_phones),
        cmocka_unit_test(test_variety),
        cmocka_unit_test(test_vowels_open_and_pauses_close),
        cmocka_unit_test(test_rate_limit),
        cmocka_unit_test(test_coarticulation),
        cmocka_unit_test(test_behaviour),
        cmocka_unit_test(test_conversation),
        cmocka_unit_test(test_same_take),
        cmocka_unit_test(test_corpus),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
