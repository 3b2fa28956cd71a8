/* Melody, length and breath: what changes and what has to stay. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "studio/breath.h"
#include "studio/melody.h"
#include "talkgen/speech.h"

static tg_context *ctx;

static tg_speech say(const char *name) {
    tg_voice voice;
    tg_speech speech;
    assert_int_equal(tg_voice_parse(ctx, name, &voice), TG_OK);
    if (tg_speak(ctx, &voice, "My mother may buy a loaf of warm bread on Monday.", &speech) !=
        TG_OK)
        fail_msg("%s", tg_message(ctx));
    return speech;
}

static int by_value(const void *a, const void *b) {
    float x = *(const float *)a, y = *(const float *)b;
    return (x > y) - (x < y);
}

/* F0 over [from, to] seconds: median, and spread between the quartiles in semitones. */
static double melody(const tg_speech *s, double from, double to, double *spread) {
    static float hz[20000];
    tg_pitch_config config = tg_pitch_defaults();
    config.time_step = 0.01;
    config.floor_hz = 60;
    config.ceiling_hz = 500;
    double first;
    int64_t n = tg_pitch_frames(&config, TG_STUDIO_RATE, s->count, &first), voiced = 0;
    assert_true(n < 20000);
    assert_int_equal(tg_pitch(ctx, &config, s->samples, s->count, TG_STUDIO_RATE, hz), TG_OK);
    for (int64_t i = 0; i < n; i++) {
        double t = first + 0.01 * (double)i;
        if (hz[i] > 0 && t >= from && t <= to)
            hz[voiced++] = hz[i];
    }
    if (voiced < 8)
        return 0;
    qsort(hz, (size_t)voiced, sizeof *hz, by_value);
    if (spread)
        *spread = 12 * log2((double)hz[3 * voiced / 4] / (double)hz[voiced / 4]);
    return (double)hz[voiced / 2];
}

static double vowel_seconds(const tg_speech *s) {
    double sum = 0;
    for (int i = 0; i < s->phones.count; i++)
        if (tg_phone_kind_of(s->phones.phone[i].name) == TG_PHONE_VOWEL)
            sum += s->phones.phone[i].end - s->phones.phone[i].start;
    return sum;
}

/* Mean frequency of the vowels' formants: of the differenced sound, where F0 and its first
 * harmonics count little. */
static double formants(const tg_speech *s) {
    double sum = 0, seconds = 0;
    for (int i = 0; i < s->phones.count; i++) {
        const tg_segment *p = &s->phones.phone[i];
        if (tg_phone_kind_of(p->name) != TG_PHONE_VOWEL)
            continue;
        double energy[2] = {0, 0}, before = 0;
        for (int64_t k = (int64_t)(p->start * TG_STUDIO_RATE) + 2; k < p->end * TG_STUDIO_RATE;
             k++) {
            double d = s->samples[k] - s->samples[k - 1];
            energy[0] += d * d;
            energy[1] += (d - before) * (d - before);
            before = d;
        }
        if (energy[0] > 0) {
            sum += sqrt(energy[1] / energy[0]) * (p->end - p->start);
            seconds += p->end - p->start;
        }
    }
    return sum / seconds;
}

static void check_times(const tg_speech *s) {
    double at = 0;
    for (int i = 0; i < s->phones.count; i++) {
        assert_true(fabs(s->phones.phone[i].start - at) < 1e-6);
        at = s->phones.phone[i].end;
    }
    assert_true(fabs(at - (double)s->count / TG_STUDIO_RATE) < 1e-3);
}

static void test_pitch_moves_and_formants_stay(void **state) {
    (void)state;
    static const char *const voices[] = {"flite:rms", "espeak:en-us+f1"};
    static const float factors[] = {0.8f, 1.3f};
    for (int v = 0; v < 2; v++)
        for (int k = 0; k < 2; k++) {
            tg_speech before = say(voices[v]), after = say(voices[v]);
            tg_melody p = {.pitch = factors[k]};
            assert_int_equal(tg_melody_change(ctx, &p, &after), TG_OK);
            check_times(&after);
            assert_int_equal(before.phones.count, after.phones.count);
            assert_true(llabs(before.count - after.count) <= 1);
            double ratio = melody(&after, 0, 99, NULL) / melody(&before, 0, 99, NULL);
            if (fabs(ratio / factors[k] - 1) > 0.04)
                fail_msg("%s: F0 times %.3f, asked for %.2f", voices[v], ratio, factors[k]);
            double moved = formants(&after) / formants(&before);
            /* Playing it faster or slower would move them by the factor. */
            if (fabs(moved - 1) > 0.1)
                fail_msg("%s: the spectrum moved by %.3f", voices[v], moved);
            tg_speech_free(&before);
            tg_speech_free(&after);
        }
}

static void test_songs_hold_notes(void **state) {
    (void)state;
    tg_speech before = say("flite:rms"), after = say("flite:rms"), again = say("flite:rms");
    tg_melody p = {.pitch = 1, .sung = true, .seed = 4};
    assert_int_equal(tg_melody_change(ctx, &p, &after), TG_OK);
    assert_int_equal(tg_melody_change(ctx, &p, &again), TG_OK);
    assert_true(after.count == again.count);
    assert_memory_equal(after.samples, again.samples, (size_t)after.count * sizeof(float));
    check_times(&after);
    assert_true(vowel_seconds(&after) > 1.5 * vowel_seconds(&before));
    int held = 0, notes = 0;
    for (int i = 0; i < after.phones.count; i++) {
        const tg_segment *s = &after.phones.phone[i];
        double spread = 99;
        if (tg_phone_kind_of(s->name) != TG_PHONE_VOWEL || s->end - s->start < 0.25 ||
            melody(&after, s->start + 0.07, s->end - 0.03, &spread) <= 0)
            continue;
        notes++;
        held += spread < 0.8;
    }
    if (notes < 4 || held < 0.8 * notes)
        fail_msg("%d of %d long vowels keep to a note", held, notes);
    tg_speech_free(&before);
    tg_speech_free(&after);
    tg_speech_free(&again);
}

static double level(const tg_speech *s, double from, double to) {
    double sum = 0;
    int64_t a = (int64_t)(from * TG_STUDIO_RATE), b = (int64_t)(to * TG_STUDIO_RATE);
    for (int64_t i = a; i < b; i++)
        sum += (double)s->samples[i] * s->samples[i];
    return 10 * log10(sum / (double)(b - a) + 1e-12);
}

/* Pauses get louder, by no more than was asked for; speech is not touched. */
static void test_breath_lies_in_pauses(void **state) {
    (void)state;
    tg_voice voice;
    tg_speech plain, breathing;
    assert_int_equal(tg_voice_parse(ctx, "flite:slt", &voice), TG_OK);
    tg_read_options read = {.seconds = 20, .shortest_pause = 0.5, .seed = 3};
    assert_int_equal(tg_read_aloud(ctx, &voice, &read, &plain), TG_OK);
    read.breath = 0.1f;
    assert_int_equal(tg_read_aloud(ctx, &voice, &read, &breathing), TG_OK);
    assert_int_equal(plain.count, breathing.count);
    int pauses = 0, heard = 0;
    for (int i = 0; i < plain.phones.count; i++) {
        const tg_segment *p = &plain.phones.phone[i];
        double a = level(&plain, p->start, p->end), b = level(&breathing, p->start, p->end);
        if (tg_phone_kind_of(p->name) != TG_PHONE_SILENCE) {
            assert_true(a == b);
        } else if (p->end - p->start > 0.35) {
            pauses++;
            heard += b > -60;
            assert_true(b < -23 - 20 + 6);
        }
    }
    assert_true(pauses >= 4 && heard >= pauses / 2);
    tg_speech_free(&plain);
    tg_speech_free(&breathing);
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
        cmocka_unit_test(test_pitch_moves_and_formants_stay),
        cmocka_unit_test(test_songs_hold_notes),
        cmocka_unit_test(test_breath_lies_in_pauses),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
