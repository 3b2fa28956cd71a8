/* The lip score of two made-up clips against the figures that another implementation of the same
 * definition (NumPy, double precision) gave for the same files. */
#include "talkgen/eval.h"
#include "talkgen/io.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "test_root.h"

enum { CLIPS = 2, PHONES = 36, RATE = 8000 };

static char names[CLIPS][3][256];

/* Every phone lasts 0.12 s, silences 0.4 s. */
static const char *const phones[PHONES] = {
    "SIL", "HH", "AH0", "L", "OW1", "P", "IY", "P", "AH", "L",  "SIL", "M",
    "AA",  "M",  "AA",  "B", "EH",  "B", "UW", "K", "W",  "IH", "T",   "SIL",
    "AE",  "p",  "ao1", "r", "EY",  "V", "UH", "F", "AY", "N",  "AW",  "SIL"};

static double hash01(uint32_t i) {
    i = (i ^ 61) ^ (i >> 16);
    i *= 9;
    i ^= i >> 4;
    i *= 0x27d4eb2du;
    return (i ^ (i >> 15)) / 4294967296.0;
}

static double length_of(const char *phone) {
    return strcmp(phone, "SIL") == 0 ? 0.4 : 0.12;
}

static double opening_of(const char *phone) {
    switch (phone[0] & ~32) {
    case 'A':
        return phone[1] == 'H' ? 0.6 : 0.9;
    case 'E':
        return 0.5;
    case 'P':
    case 'B':
    case 'M':
    case 'S':
        return 0.05;
    case 'U':
    case 'W':
        return 0.2;
    default:
        return 0.3;
    }
}

static int set_up(void **state) {
    (void)state;
    tg_context *ctx = tg_context_create(1);
    assert_true(make_root("eval_lipsync"));
    for (int c = 0; c < CLIPS; c++) {
        char json[4096] = "[";
        static float x[10 * RATE], lm[10 * 25][68][3];
        double time = 0;
        int frames = 0, samples = 0;
        for (int k = 0; k < PHONES; k++) {
            const char *phone = phones[(k + 11 * c) % PHONES];
            double end = time + length_of(phone);
            snprintf(json + strlen(json), sizeof json - strlen(json), "%s[\"%s\", %.3f, %.3f]",
                     k ? ", " : "", phone, time, end);
            bool silent = strcmp(phone, "SIL") == 0;
            double loud = silent ? 0.002 : 0.1 + 0.2 * hash01((uint32_t)(1000 * c + k));
            for (; samples < (int)(end * RATE); samples++)
                x[samples] = (float)(loud * (2 * hash01((uint32_t)samples) - 1));
            for (; frames < (int)(end * 25); frames++) {
                double gap = 0.03 * (opening_of(phone) +
                                     0.25 * hash01((uint32_t)(77 * frames + c)) * !silent);
                double wide = phone[0] == 'U' || phone[0] == 'W' || phone[0] == 'O' ? 0.4 : 0.5;
                memset(lm[frames], 0, sizeof lm[frames]);
                for (int p = 0; p < 3; p++) {
                    lm[frames][61 + p][0] = lm[frames][67 - p][0] = 0.1f * (float)p;
                    lm[frames][67 - p][1] = (float)(-gap * (1 + 0.1 * p));
                    lm[frames][67 - p][2] = 0.001f;
                }
                lm[frames][36][0] = -0.4f;
                lm[frames][45][0] = 0.4f;
                lm[frames][48][0] = (float)(-wide / 2);
                lm[frames][54][0] =
                    (float)(wide / 2 + 0.02 * hash01((uint32_t)(31 * frames + c + 5)));
            }
            time = end;
        }
        strcat(json, "]");
        const char *const ending[3] = {"npy", "json", "wav"};
        for (int k = 0; k < 3; k++)
            snprintf(names[c][k], sizeof names[c][k], "%s", in_root("%d.%s", c, ending[k]));
        assert_int_equal(
            tg_npy_write(ctx, names[c][0], 3, (int64_t[]){frames, 68, 3}, &lm[0][0][0]), TG_OK);
        assert_int_equal(tg_file_write(ctx, names[c][1], json, strlen(json)), TG_OK);
        assert_int_equal(tg_audio_write(ctx, names[c][2], x, samples, 1, RATE), TG_OK);
    }
    tg_context_destroy(&ctx);
    return 0;
}

static void close_to(double got, double want) {
    if (fabs(got - want) > 1e-6)
        print_message("%.9f is not %.9f\n", got, want);
    assert_true(fabs(got - want) <= 1e-6);
}

static void figures_of_the_definition(void **state) {
    (void)state;
    tg_context *ctx = tg_context_create(1);
    tg_lipsync_clip clips[CLIPS];
    for (int c = 0; c < CLIPS; c++)
        clips[c] =
            (tg_lipsync_clip){.motion = names[c][0], .phones = names[c][1], .audio = names[c][2]};
    tg_lipsync_score s;
    assert_int_equal(tg_lipsync(ctx, clips, CLIPS, 25, &s), TG_OK);
    close_to(s.motion.close, 0.857142857);
    close_to(s.motion.open, 1.000000000);
    close_to(s.motion.silent, 1.000000000);
    close_to(s.motion.round_d, 18.516848128);
    close_to(s.motion.phone_corr, 0.861338523);
    close_to(s.motion.corr, 0.854953569);
    close_to(s.motion.lag_ms, 0.000000000);
    close_to(s.motion.jitter, 0.241258602);
    assert_int_equal(s.motion.n_close, 14);
    assert_int_equal(s.motion.n_open, 20);
    assert_int_equal(s.motion.n_silent, 8);
    close_to(s.gap95_over_eyes, 0.043710656);
    close_to(s.envelope.close, 0.000000000);
    close_to(s.envelope.open, 1.000000000);
    close_to(s.envelope.silent, 1.000000000);
    close_to(s.envelope.phone_corr, 0.048380215);
    close_to(s.sine.close, 0.928571429);
    close_to(s.sine.open, 1.000000000);
    close_to(s.sine.silent, 1.000000000);
    close_to(s.sine.phone_corr, 0.133104502);
    tg_context_destroy(&ctx);
}

static void what_cannot_be_scored(void **state) {
    (void)state;
    tg_context *ctx = tg_context_create(1);
    tg_lipsync_score s;
    const char *none = in_root("none.json"), *small = in_root("small.npy");
    assert_int_equal(tg_file_write(ctx, none, "[]", 2), TG_OK);
    tg_lipsync_clip clip = {.motion = names[0][0], .phones = none, .audio = names[0][2]};
    assert_int_equal(tg_lipsync(ctx, &clip, 1, 25, &s), TG_EINPUT);
    assert_non_null(strstr(tg_message(ctx), "no phones"));
    assert_int_equal(tg_file_write(ctx, none, "[[\"AA\", 0]]", 11), TG_OK);
    assert_int_equal(tg_lipsync(ctx, &clip, 1, 25, &s), TG_EINPUT);
    clip = (tg_lipsync_clip){.motion = names[0][1], .phones = names[0][1], .audio = names[0][2]};
    assert_int_not_equal(tg_lipsync(ctx, &clip, 1, 25, &s), TG_OK);

    /* Displacements instead of points: as small as a converted identity makes them. */
    tg_npy motion;
    assert_int_equal(tg_npy_read(ctx, names[0][0], &motion), TG_OK);
    for (int64_t i = 0; i < motion.dim[0] * 204; i++)
        motion.data[i] /= 10;
    assert_int_equal(tg_npy_write(ctx, small, 3, motion.dim, motion.data), TG_OK);
    tg_npy_free(&motion);
    clip = (tg_lipsync_clip){.motion = small, .phones = names[0][1], .audio = names[0][2]};
    assert_int_equal(tg_lipsync(ctx, &clip, 1, 25, &s), TG_EINPUT);
    assert_non_null(strstr(tg_message(ctx), "idexp"));

    /* Neither numbers that are none nor times out of all range. */
    assert_int_equal(tg_npy_read(ctx, names[0][0], &motion), TG_OK);
    motion.data[333] = NAN;
    assert_int_equal(tg_npy_write(ctx, small, 3, motion.dim, motion.data), TG_OK);
    tg_npy_free(&motion);
    assert_int_equal(tg_lipsync(ctx, &clip, 1, 25, &s), TG_EINPUT);
    assert_non_null(strstr(tg_message(ctx), "value 333 is not a number"));
    const char far[] = "[[\"P\", 0.5, -1e300], [\"AA\", -1e300, 1e300], [\"SIL\", 1e300, 2]]";
    assert_int_equal(tg_file_write(ctx, none, far, sizeof far - 1), TG_OK);
    clip = (tg_lipsync_clip){.motion = names[0][0], .phones = none, .audio = names[0][2]};
    assert_int_equal(tg_lipsync(ctx, &clip, 1, 25, &s), TG_OK);
    assert_int_equal(s.motion.n_close, 1);
    assert_int_equal(s.motion.n_silent, 0);

    /* Silence alone has no speech to correlate with, and counts nothing else either. */
    assert_int_equal(tg_file_write(ctx, none, "[[\"SIL\", 0, 1]]", 15), TG_OK);
    clip = (tg_lipsync_clip){.motion = names[0][0], .phones = none, .audio = names[0][2]};
    assert_int_equal(tg_lipsync(ctx, &clip, 1, 25, &s), TG_OK);
    assert_true(isnan(s.motion.phone_corr) && isnan(s.motion.close) && isnan(s.motion.round_d));
    assert_int_equal(s.motion.n_silent, 1);
    tg_context_destroy(&ctx);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(figures_of_the_definition),
        cmocka_unit_test(what_cannot_be_scored),
    };
    return cmocka_run_group_tests(tests, set_up, remove_root);
}
