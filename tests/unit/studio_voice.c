/* Speech with known phones: text, symbols, and above all times, judged against the sound itself. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "studio/festival.h"

static tg_context *ctx;

static tg_speech read_aloud(const char *name, double seconds, uint64_t seed, float warp) {
    tg_voice voice;
    tg_speech speech;
    if (tg_voice_parse(ctx, name, &voice) != TG_OK)
        fail_msg("%s", tg_message(ctx));
    voice.warp = warp;
    tg_read_options read = {.seconds = seconds, .first_pause = 0.5, .seed = seed};
    if (tg_read_aloud(ctx, &voice, &read, &speech) != TG_OK)
        fail_msg("%s", tg_message(ctx));
    return speech;
}

static bool is_kind(const tg_segment *p, tg_phone_kind kind) {
    return tg_phone_kind_of(p->name) == kind;
}

/* ---- symbols and text ------------------------------------------------------------- */

static void test_symbols(void **state) {
    (void)state;
    static const struct {
        const char *ipa, *arpabet;
    } cases[] = {
        {"p", "P"},        {"pʰ", "P"},   {"ph", "P"},      {"tʃ", "CH"},     {"dʒ", "JH"},
        {"ts", "T S"},     {"pf", "P F"}, {"aɪ", "AY"},     {"aɪə", "AY AH"}, {"əl", "AH L"},
        {"uː", "UW"},      {"y", "UW"},   {"ø", "UH"},      {"ɔ̃", "AO"},      {"ɲ", "N"},
        {"ɾ", "D"},        {"ʁ", "G"},    {"ˈ", ""},        {"ʲ", ""},        {"", ""},
        {"onɡ", "OW N G"}, {"i̪", "IY"},   {"iou", "IY OW"}, {"hh", "HH"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        const char *names[4];
        char joined[32] = "";
        int n = tg_phones_from_ipa(cases[i].ipa, names);
        for (int k = 0; k < n; k++)
            snprintf(joined + strlen(joined), sizeof joined - strlen(joined), "%s%s", k ? " " : "",
                     names[k]);
        assert_string_equal(joined, cases[i].arpabet);
    }
    assert_string_equal(tg_phone_intern("ah1"), "AH");
    assert_string_equal(tg_phone_intern("pau"), "SIL");
    assert_null(tg_phone_intern("xyz"));
    assert_int_equal(tg_phone_kind_of("JH"), TG_PHONE_AFFRICATE);
}

static void test_broken_utf8(void **state) {
    (void)state;
    const char *names[4];
    assert_int_equal(tg_phones_from_ipa("a\xc9", names), 1); /* a character cut in two */
    assert_int_equal(tg_phones_from_ipa("\xf0", names), 0);
}

static void test_sentences(void **state) {
    (void)state;
    char a[512], b[512], c[512];
    for (int l = 0; l < tg_sentence_language_count(); l++) {
        const char *language = tg_sentence_language(l);
        assert_true(tg_sentence_make(language, 3, 0, a, sizeof a));
        assert_true(tg_sentence_make(language, 3, 0, b, sizeof b));
        assert_true(tg_sentence_make(language, 3, 1, c, sizeof c));
        assert_string_equal(a, b);
        assert_string_not_equal(a, c);
        assert_true(strchr(".?!", a[strlen(a) - 1]) != NULL);
    }
    assert_false(tg_sentence_make("klingon", 3, 0, a, sizeof a));
    char tiny[8]; /* stays inside */
    assert_true(tg_sentence_make("en", 3, 0, tiny, sizeof tiny));
    assert_true(strlen(tiny) < sizeof tiny);
}

/* The phone sets of festival's voices, as it prints them, less pauses. */
static void test_festival_phones(void **state) {
    (void)state;
    static const struct {
        const char *voice, *segments;
    } sets[] = {
        {"dita",
         "a a: b c c~ ch d d~ dz dz~ e e: f g h i i: j k l m n n* n~ o o: p r r~ r~* s s~ t "
         "t~ u u: v z z~"},
        {"ona", "ax a a1 b d e e1 E E1 f g i i1 j J k l L m n o o1 O O1 p r rr s S t u u1 w z Z"},
        {"lp",
         "i e E a o O u i1 e1 E1 a1 o1 O1 u1 j w p t k b d g f s S v z Z ts tS dZ dz m n J ng "
         "nf l L r"},
        {"nsh",
         "ii yy uu ee oo aa a e i y u ae ay ur p pp b bb t tt d dd k kk g gg c ch f ff v vv s "
         "ss z zz sh sch zh h hh m mm n nn l ll r rr j"},
        {"mv",
         "a e i o u y @ 7 & a: e: i: o: u: y: @: 7: p t k b d g f T s S h v m n N l L r j w p: "
         "t: k: b: d: g: f: T: D: s: z: S: Z: h: v: m: n: N: w: l: L: r: j:"},
        {"ked", "ax aa ae ah ao aw ay axr er dx hh b ch zh"},
    };
    for (size_t i = 0; i < sizeof sets / sizeof *sets; i++) {
        char text[256];
        snprintf(text, sizeof text, "%s", sets[i].segments);
        for (char *name = strtok(text, " "); name; name = strtok(NULL, " ")) {
            const char *out[2];
            if (tg_festival_phones(sets[i].voice, name, out) < 1 || !out[0])
                fail_msg("%s: %s has no phone", sets[i].voice, name);
        }
        const char *out[2];
        assert_int_equal(tg_festival_phones(sets[i].voice, "pau", out), 0);
        assert_int_equal(tg_festival_phones(sets[i].voice, "#", out), 0);
    }
}

/* Five minutes of English hold every phone, and the lip closures often. */
static void test_coverage(void **state) {
    (void)state;
    static const char *const all[] = {"AA", "AE", "AH", "AO", "AW", "AY", "EH", "ER", "EY", "IH",
                                      "IY", "OW", "OY", "UH", "UW", "P",  "B",  "T",  "D",  "K",
                                      "G",  "CH", "JH", "F",  "V",  "TH", "DH", "S",  "Z",  "SH",
                                      "ZH", "HH", "M",  "N",  "NG", "L",  "R",  "W",  "Y"};
    tg_speech speech = read_aloud("flite:kal16", 300, 1, 1);
    int closures = 0;
    for (size_t i = 0; i < sizeof all / sizeof *all; i++) {
        int n = 0;
        for (int k = 0; k < speech.phones.count; k++)
            n += !strcmp(speech.phones.phone[k].name, all[i]);
        if (n < 2)
            fail_msg("%s is there %d times", all[i], n);
        if (strchr("PBM", all[i][0]) && !all[i][1])
            closures += n;
    }
    assert_true(closures >= 200);
    tg_speech_free(&speech);
}

/* ---- times -------------------------------------------------------------------------- */

static void check_order(const tg_speech *speech) {
    double at = 0, total = (double)speech->count / TG_STUDIO_RATE;
    for (int i = 0; i < speech->phones.count; i++) {
        const tg_segment *p = &speech->phones.phone[i];
        assert_true(fabs(p->start - at) < 1e-3); /* no gaps */
        assert_true(p->end > p->start);
        assert_true(p->release > p->start && p->release <= p->end + 1e-9);
        assert_true(p->level >= 0 && p->level < 10);
        if (i)
            assert_true(!is_kind(p, TG_PHONE_SILENCE) || !is_kind(p - 1, TG_PHONE_SILENCE));
        at = p->end;
    }
    assert_true(fabs(at - total) < 1e-3);
}

/* Mean square of the differenced signal, which does not see the voice bar of b d g, in dB. */
static double level(const tg_speech *s, double from, double to) {
    double sum = 0;
    int64_t n = 0;
    for (int64_t i = (int64_t)(from * TG_STUDIO_RATE); i < to * TG_STUDIO_RATE; i++) {
        if (i < 1 || i >= s->count)
            continue;
        double d = s->samples[i] - s->samples[i - 1];
        sum += d * d;
        n++;
    }
    return 10 * log10(sum / (double)(n ? n : 1) + 1e-11);
}

static int ascending(const void *a, const void *b) {
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

/* Where the sound before a voiceless stop falls half-way (in dB) to the closure, minus where the
 * label says that the stop begins. */
static double closure_error(const tg_speech *s, const tg_segment *vowel, const tg_segment *stop) {
    double loud = level(s, vowel->start, vowel->end), least = 0;
    for (double t = stop->start; t < stop->release - 0.003; t += 0.002)
        least = fmin(least, level(s, t, t + 0.003));
    for (double t = stop->start - 0.040; t < stop->release; t += 0.001)
        if (level(s, t, t + 0.003) < 0.5 * (loud + least))
            return t + 0.001 - stop->start;
    return 1;
}

typedef struct {
    const char *voice;
    float warp;
} timing_case;

static void test_closures(void **state) {
    (void)state;
    /* The label may be 12 ms off on the median: a third of a video frame. */
    const double median_limit = 0.012;
    static const timing_case cases[] = {
        {"flite:awb", 1},        {"flite:rms", 1},        {"flite:slt", 1},
        {"flite:kal16", 1},      {"flite:rms", 1.18f},    {"espeak:en-us", 1},
        {"espeak:en-us", 0.87f}, {"espeak:de+m3", 1},     {"espeak:fr+f1", 1.1f},
        {"espeak:ru+m1", 1},     {"espeak:en-us+f2", 1}, /* with echo */
        {"festival:ona", 1},     {"festival:dita", 1.1f}, {"festival:nsh", 1},
        {"festival:mv", 1},
    };
    const char *missing;
    bool festival = tg_festival_installed(&missing);
    if (!festival)
        print_message("skip closures of festival: %s is not installed\n", missing);
    for (size_t c = 0; c < sizeof cases / sizeof *cases; c++) {
        if (!festival && !strncmp(cases[c].voice, "festival", 8))
            continue;
        tg_speech s = read_aloud(cases[c].voice, 60, 5, cases[c].warp);
        double error[512];
        int n = 0, before_burst = 0;
        check_order(&s);
        for (int i = 1; i < s.phones.count && n < 512; i++) {
            const tg_segment *p = &s.phones.phone[i];
            bool voiceless = !strcmp(p->name, "P") || !strcmp(p->name, "K"); /* T may be a flap */
            if (!voiceless || !is_kind(p - 1, TG_PHONE_VOWEL))
                continue;
            error[n++] = closure_error(&s, p - 1, p);
            /* Behind the release it is louder than in the closure. */
            before_burst += level(&s, p->release, p->release + 0.012) >
                            level(&s, 0.5 * (p->start + p->release), p->release - 0.002) + 3;
        }
        assert_true(n >= 8);
        qsort(error, (size_t)n, sizeof *error, ascending);
        if (fabs(error[n / 2]) > median_limit)
            fail_msg("%s: closures are %.1f ms off", cases[c].voice, 1000 * error[n / 2]);
        if (before_burst < 0.85 * n)
            fail_msg("%s: %d of %d releases are bursts", cases[c].voice, before_burst, n);
        tg_speech_free(&s);
    }
}

static void test_pauses(void **state) {
    (void)state;
    tg_speech s = read_aloud("espeak:en-us", 60, 2, 1);
    int pauses = 0;
    for (int i = 0; i < s.phones.count; i++) {
        const tg_segment *p = &s.phones.phone[i];
        if (!is_kind(p, TG_PHONE_SILENCE) || p->end - p->start < 0.3)
            continue;
        pauses++;
        assert_true(p->end - p->start < 1.6);
        assert_true(level(&s, p->start + 0.1, p->end - 0.05) < -60);
    }
    assert_true(pauses >= 10);
    const tg_segment *last = &s.phones.phone[s.phones.count - 1];
    assert_string_equal(last->name, "SIL");
    tg_speech_free(&s);
}

/* A warp moves the spectrum and leaves time alone. */
static void test_warp(void **state) {
    (void)state;
    tg_speech plain = read_aloud("flite:rms", 20, 9, 1),
              high = read_aloud("flite:rms", 20, 9, 1.2f);
    assert_int_equal(plain.phones.count, high.phones.count);
    assert_true(fabs((double)plain.count / (double)high.count - 1) < 0.02);
    double crossings[2] = {0, 0};
    const tg_speech *both[2] = {&plain, &high};
    for (int k = 0; k < 2; k++) {
        for (int i = 0; i < both[k]->phones.count; i++) {
            const tg_segment *p = &both[k]->phones.phone[i];
            if (!is_kind(p, TG_PHONE_VOWEL))
                continue;
            for (int64_t j = (int64_t)(p->start * TG_STUDIO_RATE) + 1;
                 j < p->end * TG_STUDIO_RATE && j < both[k]->count; j++)
                crossings[k] += (both[k]->samples[j] > 0) != (both[k]->samples[j - 1] > 0);
        }
    }
    double ratio = crossings[1] / crossings[0];
    if (fabs(ratio - 1.2) > 0.06)
        fail_msg("vowels are %.2f times as high", ratio);
    tg_speech_free(&plain);
    tg_speech_free(&high);
}

static void test_same_seed(void **state) {
    (void)state;
    static const char *const voices[] = {"flite:slt", "espeak:pl+f1"};
    for (int v = 0; v < 2; v++) {
        tg_speech a = read_aloud(voices[v], 8, 4, 1), other = read_aloud(voices[1 - v], 6, 3, 1);
        tg_speech b = read_aloud(voices[v], 8, 4, 1), c = read_aloud(voices[v], 8, 5, 1);
        assert_int_equal(a.count, b.count);
        assert_memory_equal(a.samples, b.samples, (size_t)a.count * sizeof(float));
        assert_int_equal(a.phones.count, b.phones.count);
        for (int i = 0; i < a.phones.count; i++)
            assert_true(a.phones.phone[i].end == b.phones.phone[i].end);
        assert_true(a.count != c.count ||
                    memcmp(a.samples, c.samples, (size_t)a.count * sizeof(float)));
        tg_speech_free(&a);
        tg_speech_free(&b);
        tg_speech_free(&c);
        tg_speech_free(&other);
    }
}

static void need_festival(void) {
    const char *missing;
    if (!tg_festival_installed(&missing)) {
        print_message("skip: %s is not installed\n", missing);
        skip();
    }
}

static tg_raw_speech festival_says(tg_festival **running, const char *name, const char *text) {
    tg_voice voice;
    tg_raw_speech out;
    assert_int_equal(tg_voice_parse(ctx, name, &voice), TG_OK);
    if (tg_festival_speak(ctx, &voice, 1.1f, running, text, &out) != TG_OK)
        fail_msg("%s: %s", name, tg_message(ctx));
    return out;
}

/* One festival says many sentences as one for each would. */
static void test_festival_stays(void **state) {
    (void)state;
    need_festival();
    static const char *const voices[] = {"festival:ona", "festival:dita", "festival:lp",
                                         "festival:nsh", "festival:lj",   "festival:ked"};
    static const char text[] = "kala mina tora, bena suva lima.";
    for (size_t v = 0; v < sizeof voices / sizeof *voices; v++) {
        tg_festival *fresh = NULL, *used = NULL;
        tg_raw_speech first = festival_says(&used, voices[v], "mokela dira pevo santa tu. nima?");
        tg_raw_speech later = festival_says(&used, voices[v], text);
        tg_raw_speech alone = festival_says(&fresh, voices[v], text);
        assert_true(first.count != alone.count);
        assert_int_equal(later.count, alone.count);
        assert_memory_equal(later.samples, alone.samples, (size_t)alone.count * sizeof(float));
        assert_int_equal(later.phones.count, alone.phones.count);
        for (int i = 0; i < alone.phones.count; i++)
            assert_true(later.phones.phone[i].end == alone.phones.phone[i].end);
        tg_raw_speech_free(&first);
        tg_raw_speech_free(&later);
        tg_raw_speech_free(&alone);
        tg_festival_stop(&fresh);
        tg_festival_stop(&used);
    }
}

/* Neither an error in Scheme nor its death is the end. */
static void test_festival_dies(void **state) {
    (void)state;
    need_festival();
    tg_festival *running = NULL;
    tg_raw_speech speech = festival_says(&running, "festival:lp", "mare");
    tg_raw_speech_free(&speech);
    assert_true(tg_festival_do(running, "(no.such.function \"x\")"));
    speech = festival_says(&running, "festival:lp", "mare");
    tg_raw_speech_free(&speech);
    assert_false(tg_festival_do(running, "(quit)"));
    assert_false(tg_festival_do(running, "(print 1)"));
    tg_voice voice;
    assert_int_equal(tg_voice_parse(ctx, "festival:lp", &voice), TG_OK);
    assert_int_equal(tg_festival_speak(ctx, &voice, 1, &running, "mare", &speech), TG_EINTERNAL);
    assert_null(running);
    speech = festival_says(&running, "festival:lp", "mare");
    tg_raw_speech_free(&speech);
    tg_festival_stop(&running);
    tg_festival_stop(&running);
}

static void test_bad_voices(void **state) {
    (void)state;
    static const char *const bad[] = {"", "flite", "flite:bob", "festival:kal", "espeak:"};
    tg_voice voice;
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        assert_int_equal(tg_voice_parse(ctx, bad[i], &voice), TG_EUSAGE);
        assert_non_null(strstr(tg_message(ctx), "try:"));
    }
    tg_speech speech;
    assert_int_equal(tg_voice_parse(ctx, "espeak:no-such-tongue", &voice), TG_OK);
    assert_int_equal(tg_speak(ctx, &voice, "hello", &speech), TG_EUSAGE);
    /* and the engine still works after that */
    tg_speech again = read_aloud("espeak:en-us", 3, 1, 1);
    tg_speech_free(&again);
}

static void test_a_cancelled_reading(void **state) {
    (void)state;
    tg_context *other = tg_context_create(1);
    tg_voice voice;
    tg_speech speech;
    assert_int_equal(tg_voice_parse(other, "flite:rms", &voice), TG_OK);
    tg_cancel(other, TG_ESTOPPED);
    tg_read_options read = {.seconds = 3, .first_pause = 0.5, .seed = 1};
    assert_int_equal(tg_read_aloud(other, &voice, &read, &speech), TG_ESTOPPED);
    assert_null(speech.samples);
    assert_int_equal(speech.phones.count, 0);
    tg_context_destroy(&other);
}

static int set_up(void **state) {
    (void)state;
    ctx = tg_context_create(1);
    return ctx ? 0 : -1;
}

static int tear_down(void **state) {
    (void)state;
    tg_context_destroy(&ctx);
    return 0;
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_symbols),
        cmocka_unit_test(test_broken_utf8),
        cmocka_unit_test(test_sentences),
        cmocka_unit_test(test_coverage),
        cmocka_unit_test(test_closures),
        cmocka_unit_test(test_pauses),
        cmocka_unit_test(test_warp),
        cmocka_unit_test(test_same_seed),
        cmocka_unit_test(test_festival_stays),
        cmocka_unit_test(test_festival_dies),
        cmocka_unit_test(test_bad_voices),
        cmocka_unit_test(test_a_cancelled_reading),
        cmocka_unit_test(test_festival_phones),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
