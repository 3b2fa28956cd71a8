/* Who speaks in a corpus: voices, manners and faces by chance. */
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "studio/cast.h"
#include "studio/festival.h"

#define COUNT(list) ((uint32_t)(sizeof(list) / sizeof *(list)))

/* Voices and variants without echo (an echo fills closures with sound). Those held out are heard
 * only in corpora made with `heldout`; kal is one recorded person at two sampling rates. */
static const char *const flite_voices[] = {"awb", "rms", "slt"};
static const char *const flite_heldout[] = {"kal16", "kal16", "kal"};
static const char *const english[] = {"en-us",      "en-us",          "en-us", "en",
                                      "en-gb-x-rp", "en-gb-scotland", "en-029"};
static const char *const variants[] = {
    "m1",     "m3",     "m4",      "m6",    "m8",     "f1",       "f1",      "Alex",
    "Andrea", "Andy",   "Annie",   "adam",  "anika",  "benjamin", "belinda", "caleb",
    "david",  "edward", "grandma", "john",  "klatt",  "klatt2",   "klatt3",  "max",
    "Mike",   "paul",   "rob",     "steph", "travis", "zac"};
static const char *const variants_heldout[] = {"m7", "shelby", "klatt4", "victor", "aunty"};

/* Languages that are held out altogether: a Germanic one, one with rounded front vowels and long
 * consonants, one that is written in syllables. */
static const char *const languages_heldout[] = {"nl", "hu", "ja"};

bool tg_cast_is_heldout(const char *language) {
    for (uint32_t i = 0; i < COUNT(languages_heldout); i++)
        if (!strcmp(languages_heldout[i], language))
            return true;
    return false;
}

static uint32_t draw(const tg_rng *rng, uint64_t index, uint32_t n) {
    return (uint32_t)(((uint64_t)tg_rng_u32(rng, index) * n) >> 32);
}

static float between(const tg_rng *rng, uint64_t index, float low, float high) {
    return low + (high - low) * tg_rng_uniform(rng, index);
}

/* The n-th language but English that takes are made of. */
static const char *language_of(bool heldout, uint32_t n) {
    if (heldout)
        return languages_heldout[n % COUNT(languages_heldout)];
    int count = tg_sentence_language_count(), i = 2;
    for (uint32_t left = n % (uint32_t)count;; i = i + 1 < count ? i + 1 : 2)
        if (!tg_cast_is_heldout(tg_sentence_language(i)) && left-- == 0)
            return tg_sentence_language(i);
}

/* festival's recorded people; ked is held out, of those who speak another language all are heard,
 * since their languages are. */
static void draw_festival(bool heldout, uint32_t n, char *name, size_t size) {
    const char *language, *voice = "ked";
    for (int i = heldout ? -1 : (int)(n % (uint32_t)tg_festival_voice_count()); i >= 0;) {
        voice = tg_festival_voice(i, &language);
        i = strcmp(voice, "ked") ? -1 : (i + 1) % tg_festival_voice_count();
    }
    snprintf(name, size, "festival:%s", voice);
}

/* Half of the speakers are recorded people, flite's and with festival more of its own than those;
 * a quarter speaks English with espeak's formants and a quarter another language (the first two of
 * the generator are English). */
static void draw_voice(const tg_rng *rng, const tg_cast *cast, char *name, size_t size) {
    float kind = tg_rng_uniform(rng, 0);
    uint32_t many = 1 << 20, n = draw(rng, 2, many); /* nearly even */
    bool heldout = cast->heldout;
    const char *variant = heldout ? variants_heldout[draw(rng, 1, COUNT(variants_heldout))]
                                  : variants[draw(rng, 1, COUNT(variants))];
    if (cast->festival && kind < 0.33f)
        draw_festival(heldout, n, name, size);
    else if (kind < 0.5f && heldout)
        snprintf(name, size, "flite:%s", flite_heldout[n % COUNT(flite_heldout)]);
    else if (kind < 0.5f)
        snprintf(name, size, "flite:%s", flite_voices[n % COUNT(flite_voices)]);
    else if (kind < 0.75f)
        snprintf(name, size, "espeak:%s+%s", english[n % COUNT(english)], variant);
    else
        snprintf(name, size, "espeak:%s+%s", language_of(heldout, n), variant);
}

tg_status tg_cast_speaker(tg_context *ctx, const tg_cast *cast, int index, tg_speaker *out) {
    char id[32], name[64];
    snprintf(id, sizeof id, "speaker %d", index);
    tg_rng rng = tg_rng_make(cast->seed, id, "speaker");
    draw_voice(&rng, cast, name, sizeof name);
    tg_status status = tg_voice_parse(ctx, name, &out->voice);
    out->voice.warp = between(&rng, 3, 0.85f, 1.20f);
    out->voice.pitch = between(&rng, 4, 0.85f, 1.20f);
    out->voice.range = between(&rng, 5, 0.6f, 1.5f);
    out->voice.tempo = between(&rng, 6, 0.85f, 1.20f);
    uint64_t own = tg_hash_bytes(id, strlen(id), cast->seed * 0x9E3779B97F4A7C15ull + 1);
    tg_style_random(own, &out->style);
    out->face = (tg_person_options){.seed = own};
    return status;
}

/* Mean distance of the inner lips, dm, with the lips pressed together. */
static double closed_gap(const tg_actor *actor, const tg_person *person, const tg_style *style) {
    tg_face_state state = {0};
    float lm[TG_LANDMARKS][3];
    int press = tg_actor_find_viseme(actor, "PP"), idle = tg_actor_find_expression(actor, "idle");
    if (press >= 0)
        tg_shape_add(tg_actor_viseme(actor, press), style->pressing, &state);
    if (idle >= 0)
        tg_shape_add(tg_actor_expression(actor, idle), 1, &state);
    tg_person_landmarks(person, &state, lm);
    double sum = 0;
    for (int i = 61; i <= 63; i++) {
        const float *a = lm[i], *b = lm[128 - i]; /* 61-67, 62-66, 63-65 */
        sum += sqrt((a[0] - b[0]) * (a[0] - b[0]) + (a[1] - b[1]) * (a[1] - b[1]) +
                    (a[2] - b[2]) * (a[2] - b[2]));
    }
    return sum / 3;
}

tg_status tg_cast_face(tg_context *ctx, const tg_actor *actor, tg_speaker *who, tg_person **out) {
    const double most = 0.030;
    for (int attempt = 0;; attempt++) {
        tg_status status = tg_person_create(ctx, actor, &who->face, out);
        if (status != TG_OK || attempt == 20 || closed_gap(actor, *out, &who->style) <= most)
            return status;
        tg_person_destroy(out);
        who->face.seed++;
    }
}
