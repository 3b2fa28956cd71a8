/* Loudness, voicing and pitch of a recording, row by row. */
#include "io_test.h"

#include "talkgen/speech.h"

#include <math.h>

enum { SECONDS = 6, RATE = 16000, FRAMES = 25 * SECONDS };

static float rows[FRAMES][TG_PROSODY_DIM];

/* A buzz in seconds 1 to 3 at `hz`, and in 4 to 5 an octave higher; else a quiet hiss. */
static void hear(double gain, double hz) {
    static float x[SECONDS * RATE];
    tg_rng rng = tg_rng_make(1, "", "hiss");
    double phase = 0;
    for (int i = 0; i < SECONDS * RATE; i++) {
        double t = (double)i / RATE;
        bool on = (t >= 1 && t < 3) || (t >= 4 && t < 5);
        phase += hz * (t >= 4 ? 2 : 1) / RATE;
        x[i] = (float)(gain * (1e-3 * (double)tg_rng_normal(&rng, (uint64_t)i) +
                               (on ? 0.4 * (phase - floor(phase) - 0.5) : 0)));
    }
    const char *path = in_folder("a.wav");
    tg_prosody *p;
    bool done;
    assert_ok(tg_audio_write(ctx, path, x, SECONDS * RATE, 1, RATE));
    assert_ok(tg_prosody_open(ctx, path, NULL, &p));
    assert_int_equal(tg_prosody_frames(p), FRAMES);
    for (int i = 0; i < FRAMES; i++) {
        assert_ok(tg_prosody_next(ctx, p, rows[i], &done));
        assert_false(done);
        for (int k = 0; k < TG_PROSODY_DIM; k++)
            assert_true(isfinite(rows[i][k]));
    }
    assert_ok(tg_prosody_next(ctx, p, rows[0], &done));
    assert_true(done);
    tg_prosody_close(&p);
    assert_null(p);
}

static void speech_and_silence(void **state) {
    (void)state;
    for (int quiet = 0; quiet < 2; quiet++) {
        hear(quiet ? 0.02 : 1, 120);
        for (int i = 26; i < 74; i++) {
            assert_true(rows[i][TG_PROSODY_ACTIVE] == 1);
            assert_true(rows[i][TG_PROSODY_VOICED] > 0.9f);
            assert_true(fabsf(rows[i][TG_PROSODY_LEVEL] - 1) < 0.1f);
            assert_true(fabsf(rows[i][TG_PROSODY_PITCH]) < 0.1f);
        }
        for (int i = 80; i < 99; i++) {
            assert_true(rows[i][TG_PROSODY_ACTIVE] < 0.05f);
            assert_true(rows[i][TG_PROSODY_VOICED] == 0);
            assert_true(rows[i][TG_PROSODY_PITCH] == 0);
        }
        /* an octave above what it has been: 2, then the mean follows */
        assert_true(rows[102][TG_PROSODY_PITCH] > 1.6f);
        assert_true(rows[124][TG_PROSODY_PITCH] < rows[102][TG_PROSODY_PITCH]);
        assert_true(rows[74][TG_PROSODY_RECENT] > 0.8f && rows[20][TG_PROSODY_RECENT] < 0.1f);
        assert_true(rows[74][TG_PROSODY_TALK] < rows[74][TG_PROSODY_RECENT]);
    }
}

static void pitches(void **state) {
    (void)state;
    static const double hz[] = {85, 110, 180, 190}; /* and twice that: lags 47 to 10 */
    for (int k = 0; k < 4; k++) {
        hear(1, hz[k]);
        for (int i = 27; i < 74; i++)
            assert_true(rows[i][TG_PROSODY_VOICED] > 0.9f &&
                        fabsf(rows[i][TG_PROSODY_PITCH]) < 0.15f);
    }
}

static void empty_and_silent(void **state) {
    (void)state;
    static const float zero[4000];
    tg_prosody *p;
    float row[TG_PROSODY_DIM];
    bool done;
    assert_ok(tg_audio_write(ctx, in_folder("z.wav"), zero, 4000, 1, RATE));
    assert_ok(tg_prosody_open(ctx, in_folder("z.wav"), NULL, &p));
    for (int i = 0; i < 6; i++) {
        assert_ok(tg_prosody_next(ctx, p, row, &done));
        for (int k = 0; k < TG_PROSODY_DIM; k++)
            assert_true(isfinite(row[k]));
        assert_true(row[TG_PROSODY_VOICED] == 0);
    }
    tg_prosody_close(&p);
    assert_int_equal(tg_prosody_open(ctx, in_folder("none.wav"), NULL, &p), TG_EINPUT);
    assert_null(p);
}

/* Where nobody speaks nothing is active: not in a room however loud it hums, nor in one that is
 * quiet but for a click. */
static void nobody_speaks(void **state) {
    (void)state;
    static float x[SECONDS * RATE];
    static const double hiss[] = {0, 1e-5, 1e-4, 1e-2, 0.2};
    tg_rng rng = tg_rng_make(2, "", "room");
    for (int kind = 0; kind < 5; kind++) {
        tg_prosody *p;
        float row[TG_PROSODY_DIM];
        bool done;
        for (int i = 0; i < SECONDS * RATE; i++)
            x[i] = (float)(hiss[kind] * (double)tg_rng_normal(&rng, (uint64_t)i));
        if (kind == 1)
            x[3 * RATE] = 0.01f;
        assert_ok(tg_audio_write(ctx, in_folder("room.wav"), x, SECONDS * RATE, 1, RATE));
        assert_ok(tg_prosody_open(ctx, in_folder("room.wav"), NULL, &p));
        for (int i = 0; i < FRAMES; i++) {
            assert_ok(tg_prosody_next(ctx, p, row, &done));
            if (kind != 1 || i < 74 || i > 76)
                assert_true(row[TG_PROSODY_ACTIVE] == 0 && row[TG_PROSODY_LEVEL] < -0.2f);
        }
        tg_prosody_close(&p);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(speech_and_silence),
        cmocka_unit_test(pitches),
        cmocka_unit_test(empty_and_silent),
        cmocka_unit_test(nobody_speaks),
    };
    return cmocka_run_group_tests_name("speech prosody", tests, start, stop);
}
