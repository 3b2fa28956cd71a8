/* Takes without a corpus: who speaks in them, what of it the phone tables know, and that a stream
 * gives the same ones whatever number of processes makes them. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include <espeak-ng/speak_lib.h>

#include "studio/cast.h"
#include "studio/take.h"

static tg_context *ctx;

/* ---- languages ----------------------------------------------------------------------- */

/* Every sound that the generator's words ask of espeak-ng is a phone of ours, in every language. */
static void test_every_symbol_has_a_phone(void **state) {
    (void)state;
    enum { SENTENCES = 150 };
    assert_true(espeak_Initialize(AUDIO_OUTPUT_RETRIEVAL, 0, NULL, espeakINITIALIZE_DONT_EXIT) > 0);
    int languages = 0, unknown = 0;
    for (int l = 0; l < tg_sentence_language_count(); l++) {
        const char *language = tg_sentence_language(l);
        if (!strncmp(language, "en", 2))
            continue;
        languages++;
        if (espeak_SetVoiceByName(language) != EE_OK)
            fail_msg("espeak-ng has no %s", language);
        char seen[4096] = " ";
        for (int i = 0; i < SENTENCES; i++) {
            char text[512];
            assert_true(tg_sentence_make(language, 1, (uint64_t)i, text, sizeof text));
            const void *at = text;
            while (at) {
                /* IPA, symbols parted by '_' */
                const char *ipa = espeak_TextToPhonemes(&at, espeakCHARS_UTF8, '_' << 8 | 0x02);
                for (const char *p = ipa; p && *p;) {
                    size_t n = strcspn(p, "_ \n");
                    char symbol[40], framed[44];
                    snprintf(symbol, sizeof symbol, "%.*s", (int)n, p);
                    snprintf(framed, sizeof framed, " %s ", symbol);
                    p += n + (p[n] != 0);
                    if (!*symbol || strstr(seen, framed) ||
                        strlen(seen) + strlen(symbol) + 2 > sizeof seen)
                        continue;
                    strcat(seen, framed + 1);
                    if (tg_phones_unknown_ipa(symbol)) {
                        print_message("%s: \"%s\" of \"%s\" has no phone\n", language, symbol,
                                      text);
                        unknown++;
                    }
                }
            }
        }
    }
    espeak_Terminate();
    assert_true(languages >= 20);
    assert_int_equal(unknown, 0);
}

/* ---- who ------------------------------------------------------------------------------ */

static void identity_of(const tg_speaker *who, char out[64]) {
    const char *plus = strchr(who->voice.name, '+');
    snprintf(out, 64, "%s", plus ? plus : who->voice.name);
}

/* No voice, variant or language (English aside, which has voices of both) is on both sides. */
static void test_held_out_speakers_are_strangers(void **state) {
    (void)state;
    enum { SPEAKERS = 4000 };
    static char ids[2][256][64], tongues[2][64][24];
    int id_count[2] = {0}, tongue_count[2] = {0};
    static const tg_cast casts[2] = {{.seed = 42, .festival = true},
                                     {.seed = 42, .festival = true, .heldout = true}};
    for (int side = 0; side < 2; side++)
        for (int i = 0; i < SPEAKERS; i++) {
            tg_speaker who;
            char id[64];
            assert_int_equal(tg_cast_speaker(ctx, &casts[side], i, &who), TG_OK);
            identity_of(&who, id);
            int k = 0;
            while (k < id_count[side] && strcmp(ids[side][k], id))
                k++;
            if (k == id_count[side]) {
                assert_true(k < 256);
                strcpy(ids[side][id_count[side]++], id);
            }
            k = 0;
            while (k < tongue_count[side] && strcmp(tongues[side][k], who.voice.language))
                k++;
            if (k == tongue_count[side])
                strcpy(tongues[side][tongue_count[side]++], who.voice.language);
        }
    assert_true(tongue_count[0] >= 18); /* at least 8 were asked for */
    assert_true(tongue_count[1] >= 3);
    for (int a = 0; a < id_count[0]; a++)
        for (int b = 0; b < id_count[1]; b++)
            assert_string_not_equal(ids[0][a], ids[1][b]);
    for (int a = 0; a < tongue_count[0]; a++)
        for (int b = 0; b < tongue_count[1]; b++)
            assert_true(!strcmp(tongues[0][a], "en") || strcmp(tongues[0][a], tongues[1][b]));
}

/* ---- takes ----------------------------------------------------------------------------- */

static void same_take(const tg_studio_take *a, const tg_studio_take *b) {
    assert_true(a->count == b->count && a->frames == b->frames && a->phones == b->phones);
    assert_memory_equal(a->samples, b->samples, (size_t)a->count * sizeof(float));
    assert_true(!a->landmarks == !b->landmarks);
    if (a->landmarks)
        assert_memory_equal(a->landmarks, b->landmarks,
                            (size_t)a->frames * sizeof(float[TG_LANDMARKS][3]));
    assert_memory_equal(a->times, b->times, (size_t)a->phones * sizeof *a->times);
    for (int i = 0; i < a->phones; i++)
        assert_string_equal(a->phone[i], b->phone[i]);
}

static void check_take(const tg_studio_take *t) {
    double seconds = (double)t->count / TG_STUDIO_RATE;
    assert_true(seconds > 20 && seconds < 60);
    assert_true(llabs(t->frames - (int64_t)(seconds * TG_VIDEO_FPS)) <= 1);
    assert_true(t->phones > 50);
    float at = 0;
    for (int i = 0; i < t->phones; i++) {
        assert_true(t->times[i][0] <= at + 1e-3f && t->times[i][0] >= at - 1e-3f);
        assert_true(t->times[i][1] > t->times[i][0]);
        at = t->times[i][1];
    }
}

enum { TAKES = 3, FIRST = 7 };

/* want [TAKES]; actor_dir NULL = without faces. */
static void make_takes(const char *actor_dir, tg_studio_take *want) {
    tg_actor *actor = NULL;
    if (actor_dir)
        assert_int_equal(tg_actor_load(ctx, actor_dir, TG_MODELS_DIR "/actor", &actor), TG_OK);
    const char *missing;
    bool festival = tg_studio_has_festival(&missing);
    if (!festival)
        print_message("skip festival: %s is missing\n", missing);
    tg_cast cast = {.seed = 3, .festival = festival};
    tg_studio_take held;
    for (int i = 0; i < TAKES; i++) {
        assert_int_equal(tg_take_make(ctx, actor, &cast, FIRST + (uint64_t)i, &want[i]), TG_OK);
        check_take(&want[i]);
    }
    cast.heldout = true;
    assert_int_equal(tg_take_make(ctx, actor, &cast, FIRST, &held), TG_OK);
    assert_true(held.count != want[0].count);
    tg_studio_take_free(&held);
    tg_actor_destroy(&actor);
    for (int processes = 1; processes <= 2; processes++) {
        tg_studio_takes_options o = {.actor_dir = actor_dir,
                                     .tables_dir = TG_MODELS_DIR "/actor",
                                     .seed = 3,
                                     .festival = festival,
                                     .processes = processes,
                                     .first = FIRST};
        tg_studio_takes *takes;
        assert_int_equal(tg_studio_takes_open(ctx, &o, &takes), TG_OK);
        for (int i = 0; i < TAKES; i++) {
            tg_studio_take got;
            assert_int_equal(tg_studio_takes_next(ctx, takes, &got), TG_OK);
            same_take(&want[i], &got);
            tg_studio_take_free(&got);
        }
        /* It is closed in the middle of the next take. */
        tg_studio_takes_close(&takes);
        assert_null(takes);
    }
}

static void test_takes_in_order_from_any_number_of_processes(void **state) {
    (void)state;
    tg_studio_take heard[TAKES], seen[TAKES];
    make_takes(NULL, heard);
    const char *actor_dir = getenv("TALKGEN_ACTOR_DATA");
    if (actor_dir)
        make_takes(actor_dir, seen);
    else
        print_message("skip faces of takes: TALKGEN_ACTOR_DATA is not set\n");
    for (int i = 0; i < TAKES; i++) {
        assert_null(heard[i].landmarks);
        if (actor_dir) {
            assert_non_null(seen[i].landmarks);
            tg_free(seen[i].landmarks);
            seen[i].landmarks = NULL;
            same_take(&heard[i], &seen[i]);
            tg_studio_take_free(&seen[i]);
        }
        tg_studio_take_free(&heard[i]);
    }
}

static void test_takes_without_an_actor(void **state) {
    (void)state;
    tg_studio_takes_options o = {.actor_dir = "no such folder",
                                 .tables_dir = TG_MODELS_DIR "/actor"};
    tg_studio_takes *takes;
    assert_int_equal(tg_studio_takes_open(ctx, &o, &takes), TG_EINPUT);
    assert_null(takes);
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
        cmocka_unit_test(test_held_out_speakers_are_strangers),
        cmocka_unit_test(test_takes_in_order_from_any_number_of_processes),
        cmocka_unit_test(test_takes_without_an_actor),
        /* The last: a process that has started espeak-ng cannot be copied any more. */
        cmocka_unit_test(test_every_symbol_has_a_phone),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
