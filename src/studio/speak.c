/* Voices by name, the voice warp, and reading sentences aloud with pauses. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "studio/breath.h"
#include "studio/festival.h"
#include "studio/melody.h"
#include "talkgen/speech.h"

void tg_raw_speech_free(tg_raw_speech *raw) {
    tg_free(raw->samples);
    tg_phones_free(&raw->phones);
    *raw = (tg_raw_speech){0};
}

void tg_speech_free(tg_speech *speech) {
    tg_free(speech->samples);
    tg_phones_free(&speech->phones);
    *speech = (tg_speech){0};
}

tg_status tg_voice_parse(tg_context *ctx, const char *name, tg_voice *out) {
    *out = (tg_voice){.tempo = 1, .pitch = 1, .range = 1, .warp = 1};
    const char *colon = strchr(name, ':');
    const char *rest = colon ? colon + 1 : "";
    size_t engine = colon ? (size_t)(colon - name) : 0;
    if (engine == 5 && !strncmp(name, "flite", 5) && tg_flite_has_voice(rest)) {
        out->engine = TG_ENGINE_FLITE;
        snprintf(out->language, sizeof out->language, "en");
    } else if (engine == 8 && !strncmp(name, "festival", 8) && tg_festival_language(rest)) {
        out->engine = TG_ENGINE_FESTIVAL;
        snprintf(out->language, sizeof out->language, "%s", tg_festival_language(rest));
    } else if (engine == 6 && !strncmp(name, "espeak", 6) && *rest &&
               strlen(rest) < sizeof out->name) {
        out->engine = TG_ENGINE_ESPEAK;
        size_t n = strcspn(rest, "+");
        if (n >= sizeof out->language)
            n = sizeof out->language - 1;
        if (!strncmp(rest, "en", 2))
            n = 2;
        memcpy(out->language, rest, n);
    } else {
        return tg_fail(ctx, TG_EUSAGE,
                       "unknown voice \"%s\"\n  expected: flite:awb, kal, kal16, rms or slt, "
                       "espeak:LANGUAGE+VARIANT, or one of festival such as festival:lp\n  try: "
                       "flite:rms or espeak:en-us+m3",
                       name);
    }
    snprintf(out->name, sizeof out->name, "%s", rest);
    return TG_OK;
}

/* festival: as in tg_festival_speak; not of the other engines. */
static tg_status speak(tg_context *ctx, const tg_voice *voice, tg_festival **festival,
                       const char *text, tg_speech *out) {
    *out = (tg_speech){0};
    tg_raw_speech raw;
    /* Played `warp` times as fast, the speech is that much shorter: ask for a slower one. */
    float tempo = voice->tempo / voice->warp;
    tg_status status = voice->engine == TG_ENGINE_FLITE
                           ? tg_flite_speak(ctx, voice, tempo, text, &raw)
                       : voice->engine == TG_ENGINE_FESTIVAL
                           ? tg_festival_speak(ctx, voice, tempo, festival, text, &raw)
                           : tg_espeak_speak(ctx, voice, tempo, text, &raw);
    if (status != TG_OK)
        return status;
    /* Multiples of 100 Hz keep the resampler's table of phases small. */
    int from = (int)lround(raw.rate * voice->warp / 100.0) * 100;
    double stretch = (double)raw.rate / from;
    status =
        tg_resample(ctx, raw.samples, raw.count, from, TG_STUDIO_RATE, &out->samples, &out->count);
    out->phones = raw.phones;
    raw.phones = (tg_phones){0};
    tg_raw_speech_free(&raw);
    if (status != TG_OK) {
        tg_speech_free(out);
        return status;
    }
    double total = (double)out->count / TG_STUDIO_RATE;
    for (int i = 0; i < out->phones.count; i++) {
        tg_segment *p = &out->phones.phone[i];
        p->start *= stretch;
        p->end = i + 1 < out->phones.count ? p->end * stretch : total;
    }
    tg_phones_measure(&out->phones, out->samples, out->count);
    return TG_OK;
}

tg_status tg_speak(tg_context *ctx, const tg_voice *voice, const char *text, tg_speech *out) {
    tg_festival *festival = NULL;
    tg_status status = speak(ctx, voice, &festival, text, out);
    tg_festival_stop(&festival);
    return status;
}

/* ---- reading aloud ------------------------------------------------------------------ */

enum { MOST_SKIPPED = 8 }; /* sentences of one reading that an engine may fail at */

typedef struct {
    tg_speech speech;
    int64_t capacity;
} recording;

static bool reserve(recording *r, int64_t more) {
    if (r->speech.count + more <= r->capacity)
        return true;
    int64_t capacity = 2 * (r->speech.count + more);
    float *grown = tg_alloc((size_t)capacity * sizeof *grown);
    if (!grown)
        return false;
    if (r->speech.count)
        memcpy(grown, r->speech.samples, (size_t)r->speech.count * sizeof *grown);
    tg_free(r->speech.samples);
    r->speech.samples = grown;
    r->capacity = capacity;
    return true;
}

static bool add_pause(recording *r, double seconds) {
    int64_t n = (int64_t)(seconds * TG_STUDIO_RATE);
    if (!reserve(r, n))
        return false;
    double start = (double)r->speech.count / TG_STUDIO_RATE;
    memset(r->speech.samples + r->speech.count, 0, (size_t)n * sizeof(float));
    r->speech.count += n;
    return tg_phones_add(&r->speech.phones, "SIL", start, (double)r->speech.count / TG_STUDIO_RATE);
}

/* The spoken part [from, to) of a sentence: engines put pauses of their own length at both ends, of
 * which 30 ms stay for the attack and the fading of the sound. */
static void spoken_part(const tg_speech *s, int64_t *from, int64_t *to) {
    const tg_phones *p = &s->phones;
    *from = 0;
    *to = s->count;
    if (p->count < 2)
        return;
    const int64_t keep = TG_STUDIO_RATE * 30 / 1000;
    if (tg_phone_kind_of(p->phone[0].name) == TG_PHONE_SILENCE)
        *from = (int64_t)(p->phone[0].end * TG_STUDIO_RATE) - keep;
    if (tg_phone_kind_of(p->phone[p->count - 1].name) == TG_PHONE_SILENCE)
        *to = (int64_t)(p->phone[p->count - 1].start * TG_STUDIO_RATE) + keep;
    if (*from < 0)
        *from = 0;
    if (*to > s->count)
        *to = s->count;
}

static bool add_sentence(recording *r, const tg_speech *s, int64_t from, int64_t to) {
    if (!reserve(r, to - from))
        return false;
    double shift = (double)(r->speech.count - from) / TG_STUDIO_RATE;
    double begin = (double)from / TG_STUDIO_RATE, end = (double)to / TG_STUDIO_RATE;
    memcpy(r->speech.samples + r->speech.count, s->samples + from,
           (size_t)(to - from) * sizeof(float));
    r->speech.count += to - from;
    for (int i = 0; i < s->phones.count; i++) {
        const tg_segment *p = &s->phones.phone[i];
        double a = p->start > begin ? p->start : begin, b = p->end < end ? p->end : end;
        if (b <= a)
            continue;
        if (!tg_phones_add(&r->speech.phones, p->name, a + shift, b + shift))
            return false;
        tg_segment *added = &r->speech.phones.phone[r->speech.phones.count - 1];
        if (tg_phone_kind_of(p->name) == TG_PHONE_SILENCE)
            continue;
        added->release = p->release + shift;
        added->level = p->level;
    }
    return true;
}

/* Scales to -23 dB RMS over the sounding parts, with the peak below full scale. */
static void set_level(tg_speech *s) {
    double sum = 0, seconds = 0;
    float most = 0;
    for (int i = 0; i < s->phones.count; i++)
        if (tg_phone_kind_of(s->phones.phone[i].name) != TG_PHONE_SILENCE)
            seconds += s->phones.phone[i].end - s->phones.phone[i].start;
    for (int64_t i = 0; i < s->count; i++) {
        sum += (double)s->samples[i] * s->samples[i];
        most = fmaxf(most, fabsf(s->samples[i]));
    }
    if (sum <= 0 || seconds <= 0)
        return;
    float gain = (float)(pow(10, -23 / 20.0) / sqrt(sum / (seconds * TG_STUDIO_RATE)));
    if (most * gain > 0.98f)
        gain = 0.98f / most;
    for (int64_t i = 0; i < s->count; i++)
        s->samples[i] *= gain;
}

tg_status tg_read_aloud(tg_context *ctx, const tg_voice *voice, const tg_read_options *options,
                        tg_speech *out) {
    recording r = {0};
    tg_festival *festival = NULL;
    tg_rng rng = tg_rng_make(options->seed, voice->name, "pauses");
    tg_rng songs = tg_rng_make(options->seed, voice->name, "songs");
    double shortest = options->shortest_pause > 0 ? options->shortest_pause : 0.3;
    double widest = options->widest_pause > shortest ? options->widest_pause : shortest + 0.9;
    tg_status status = TG_OK;
    int skipped = 0;
    bool ok = options->first_pause <= 0 || add_pause(&r, options->first_pause);
    for (uint64_t k = 0; ok && r.speech.count < options->seconds * TG_STUDIO_RATE; k++) {
        char text[512];
        if (!tg_sentence_make(voice->language, options->seed, k, text, sizeof text)) {
            status = tg_fail(ctx, TG_EUSAGE,
                             "no sentences in language \"%s\"\n  expected: one that the studio "
                             "has words for, such as en, de, fr, pl or cmn-latn-pinyin\n"
                             "  try: espeak:en-us+m3",
                             voice->language);
            break;
        }
        tg_speech sentence = {0};
        status = tg_cancelled(ctx);
        if (status == TG_OK)
            status = speak(ctx, voice, &festival, text, &sentence);
        /* An engine that trips over a made-up word does so every time: the next sentence. */
        if (status == TG_EINTERNAL && ++skipped <= MOST_SKIPPED) {
            status = TG_OK;
            continue;
        }
        tg_melody melody = {.pitch = options->pitch > 0 ? options->pitch : 1,
                            .sung = tg_rng_uniform(&songs, k) < options->sung,
                            .seed = tg_hash_bytes(&k, sizeof k, options->seed)};
        if (status == TG_OK)
            status = tg_melody_change(ctx, &melody, &sentence);
        if (status != TG_OK) {
            tg_speech_free(&sentence);
            break;
        }
        int64_t from, to;
        spoken_part(&sentence, &from, &to);
        double pause = shortest + (widest - shortest) * tg_rng_uniform(&rng, k);
        double length = (double)(r.speech.count + to - from) / TG_STUDIO_RATE + pause;
        bool fits = options->longest <= 0 || length <= options->longest;
        if (fits)
            ok = add_sentence(&r, &sentence, from, to) && add_pause(&r, pause);
        tg_speech_free(&sentence);
        /* A long sentence is skipped; when nothing more can fit, this is the end. */
        if (!fits && (r.speech.phones.count > 1 || k > 50))
            break;
    }
    tg_festival_stop(&festival);
    if (status == TG_OK && !ok)
        status = tg_fail(ctx, TG_ENOMEM, "no memory for speech");
    if (status == TG_OK)
        set_level(&r.speech);
    if (status == TG_OK && options->breath > 0)
        tg_breathe(&r.speech, options->breath, options->seed);
    if (status != TG_OK)
        tg_speech_free(&r.speech);
    *out = r.speech;
    return status;
}
