/* talkgen studio: performances. Text becomes speech with known phone times, the phones become what
 * an actor's face does, and many of these become the voice corpus.
 *
 *     tg_performance *p;
 *     tg_performance_create(ctx, actor, &(tg_performance_options){.seconds = 200, .seed = 7}, &p);
 *     for (int64_t i = 0; i < p->frames; i++) draw(person, &p->state[i]);
 *     tg_performance_destroy(&p);
 *
 * Time: video frame i (25 fps) shows the face at (i + 0.5) / 25 s of the 16 kHz audio.
 * Everything is a function of options and seed, and may be called from several threads.
 */
#ifndef TG_STUDIO_PERFORMANCE_H
#define TG_STUDIO_PERFORMANCE_H

#include "studio/actor.h"

#ifdef __cplusplus
extern "C" {
#endif

enum { TG_VIDEO_FPS = 25, TG_STUDIO_RATE = 16000 };

/* ---- phones ----------------------------------------------------------------- */

typedef enum {
    TG_PHONE_SILENCE,
    TG_PHONE_VOWEL,
    TG_PHONE_STOP,      /* P B T D K G */
    TG_PHONE_AFFRICATE, /* CH JH */
    TG_PHONE_FRICATIVE,
    TG_PHONE_NASAL,
    TG_PHONE_LIQUID /* L R W Y */
} tg_phone_kind;

/* One segment of speech. */
typedef struct {
    const char *name;  /* ARPAbet without stress, "SIL" for silence; a static string */
    double start, end; /* seconds */
    double release;    /* of stops and affricates: the burst, where the closure ends; else end */
    float level;       /* loudness of vowels: RMS over the mean of the speech's vowels; else 1 */
} tg_segment;

typedef struct {
    tg_segment *phone;
    int count, capacity;
} tg_phones;

void tg_phones_free(tg_phones *phones);
/* Appends a segment; release = end, level = 1. Silences that meet are joined. false = no memory.
 * `name` must come from tg_phone_intern. */
bool tg_phones_add(tg_phones *phones, const char *name, double start, double end);
/* The static spelling of an ARPAbet symbol ("AH" for "ah1"), NULL when there is no such phone. */
const char *tg_phone_intern(const char *symbol);
tg_phone_kind tg_phone_kind_of(const char *name);
/* ARPAbet phones of one IPA symbol as espeak-ng prints it ("tʃʰ", "aɪə", "ɲ"), in time order. A
 * symbol of marks only gives 0, so does an unknown one. */
int tg_phones_from_ipa(const char *ipa, const char *out[4]);
/* Is there a letter in the symbol that stands for a sound and that the table does not know? */
bool tg_phones_unknown_ipa(const char *ipa);
/* Marks releases and levels in a finished recording: bursts of stops by the rise of high-frequency
 * energy, loudness of vowels by RMS. samples [n] 16 kHz mono. */
void tg_phones_measure(tg_phones *phones, const float *samples, int64_t n);

/* ---- text --------------------------------------------------------------------- */

/* Languages of the generator: "en" has grammar and sense, "en-words" and all others are
 * pronounceable words of a language's syllables in its own spelling. */
int tg_sentence_language_count(void);
const char *tg_sentence_language(int index);
/* Sentence `index` of `seed`, 3 to 14 words, UTF-8 with final punctuation. Unknown language: false.
 */
bool tg_sentence_make(const char *language, uint64_t seed, uint64_t index, char *out, size_t size);

/* ---- voices -------------------------------------------------------------------- */

typedef enum { TG_ENGINE_FLITE, TG_ENGINE_ESPEAK, TG_ENGINE_FESTIVAL } tg_engine;

typedef struct {
    tg_engine engine;
    char name[40];     /* flite: awb kal kal16 rms slt; espeak: "en-us+f2"; festival: "lp" */
    char language[24]; /* of the text generator */
    float tempo;       /* 1 = the engine's own; 1.2 = faster */
    float pitch;       /* factor on the engine's mean F0; not of festival */
    float range;       /* factor on its F0 excursion; not of festival */
    float warp; /* resampling: 1.1 = formants and F0 10 % higher; tempo is kept by asking the engine
                   for slower speech, phone times are exact */
} tg_voice;

/* Neutral parameters for a name such as "flite:rms" or "espeak:de+m3". TG_EUSAGE for others. */
tg_status tg_voice_parse(tg_context *ctx, const char *name, tg_voice *out);

/* A recording with known phones. */
typedef struct {
    float *samples; /* 16 kHz mono, owned */
    int64_t count;
    tg_phones phones; /* cover [0, count / 16000] without gaps */
} tg_speech;

/* Speaks one text; silence at both ends is what the engine gave. */
tg_status tg_speak(tg_context *ctx, const tg_voice *voice, const char *text, tg_speech *out);
void tg_speech_free(tg_speech *speech);

/* Sentences with pauses until at least `seconds` (at most a sentence more), at -23 dB RMS. */
typedef struct {
    double seconds;
    double longest;                      /* never longer than this; 0 = no limit */
    double first_pause;                  /* silence before the first sentence */
    double shortest_pause, widest_pause; /* between sentences, 0 = 0.3 and 1.2 s */
    float pitch;                         /* factor on F0 that leaves formants alone, 0 = 1 */
    float sung;                          /* share of the sentences that are sung */
    float breath; /* level of the breaths in pauses, of speech; 0 = none are heard */
    uint64_t seed;
} tg_read_options;
tg_status tg_read_aloud(tg_context *ctx, const tg_voice *voice, const tg_read_options *options,
                        tg_speech *out);

/* ---- acting --------------------------------------------------------------------- */

enum { TG_MAX_VISEMES = 32 };

/* How somebody speaks and moves. */
typedef struct {
    float opening;              /* factor on vowel shapes, 0.8..1.2 */
    float reach_s;              /* how far a shape reaches into its neighbours, 0.04..0.07 */
    float gain[TG_MAX_VISEMES]; /* personal factor per viseme, about 1 */
    float variety;              /* how much the same sound differs from time to time, 0..1 */
    float pressing;             /* of the lips in P B M, 0.5..1; they meet at 0.4 on every face */
    float head_deg;             /* standard deviation of head yaw; pitch and roll follow */
    float nod_deg;              /* height of nods on stressed vowels */
    float brow;                 /* liveliness of the brows, 0..1 */
    float blink_s;              /* mean time between blinks */
    float smile;                /* 0..0.4, held all the time */
    float calm;                 /* share of the head's movement that stays in silence, 1 = all */
    float posture_deg;          /* standard deviation of slow changes of posture */
    float reply_s;              /* mean time between nods while listening, 0 = none */
    float blink_pause;          /* chance that a pause begins with a blink */
    float blink_vary;           /* deviation of the log of a blink's length */
    uint64_t seed;              /* of everything that moves by chance */
} tg_style;

void tg_style_default(tg_style *style);
void tg_style_random(uint64_t seed, tg_style *style);
/* Makes somebody who speaks and listens by turns of a style: the head follows speech, is calm and
 * nods now and then in silence; blinks gather where phrases end. */
void tg_style_conversation(uint64_t seed, tg_style *style);

/* Adds the mouth's movement to state [frames]: blended viseme weights with complete closures. */
tg_status tg_articulate(tg_context *ctx, const tg_actor *actor, const tg_phones *phones,
                        const tg_style *style, int64_t frames, tg_face_state *state);
/* Adds blinks, brows, gaze, head, shoulders and breath. */
void tg_behave(const tg_actor *actor, const tg_phones *phones, const tg_style *style,
               int64_t frames, tg_face_state *state);

/* ---- a take ----------------------------------------------------------------------- */

typedef struct {
    const char *voice; /* NULL = "flite:awb" */
    double seconds;    /* at least, ends with a pause */
    uint64_t seed;
    const tg_style *style; /* NULL = default */
} tg_performance_options;

typedef struct {
    tg_speech speech;
    int64_t frames;       /* tg_performance_frames of the speech */
    tg_face_state *state; /* [frames] */
} tg_performance;

/* max(1, round(25 * seconds of audio)) */
int64_t tg_performance_frames(int64_t samples);
tg_status tg_performance_create(tg_context *ctx, const tg_actor *actor,
                                const tg_performance_options *options, tg_performance **out);
/* The same with everything chosen. */
tg_status tg_performance_record(tg_context *ctx, const tg_actor *actor, const tg_voice *voice,
                                const tg_read_options *read, const tg_style *style,
                                tg_performance **out);
void tg_performance_destroy(tg_performance **performance);

/* [["AA", start_s, end_s], ...], times in milliseconds' precision. */
tg_status tg_phones_write(tg_context *ctx, const char *path, const tg_phones *phones);

#ifdef __cplusplus
}
#endif
#endif
