/* espeak-ng: formant synthesis in many languages and voice variants. Phone events carry IPA names
 * and sample positions. Each utterance is spoken in a process of its own (child.h), which starts
 * the engine anew.
 *
 * Event times against the engine's own sound, measured on [[apa asa ama aba ...]]: vowels after
 * voiceless sounds, fricatives and nasals start where their event says (within 5 ms); the event of
 * a plosive behind a pause or a voiceless sound, and of any voiceless plosive, is its burst (the
 * closure is the silence before it); a vowel after a voiced consonant is announced 20 to 40 ms
 * after the consonant's release. mend_phones puts this right.
 */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include <espeak-ng/speak_lib.h>

#include "studio/child.h"

typedef struct {
    int64_t sample;
    char ipa[9];
} phone_event;

/* What the callback collects; one utterance per process. */
static struct {
    short *samples;
    int64_t count, capacity;
    phone_event *events;
    int event_count, event_capacity;
    bool no_memory;
} heard;

static void *grow(void *block, size_t bytes) {
    void *grown = realloc(block, bytes);
    if (!grown)
        heard.no_memory = true;
    return grown;
}

static int hear(short *wave, int n, espeak_EVENT *event) {
    if (wave && n > 0) {
        if (heard.count + n > heard.capacity) {
            int64_t capacity = 2 * (heard.count + n);
            short *grown = grow(heard.samples, (size_t)capacity * sizeof *grown);
            if (!grown)
                return 1;
            heard.samples = grown;
            heard.capacity = capacity;
        }
        memcpy(heard.samples + heard.count, wave, (size_t)n * sizeof *wave);
        heard.count += n;
    }
    for (; event->type != espeakEVENT_LIST_TERMINATED; event++) {
        if (event->type != espeakEVENT_PHONEME)
            continue;
        if (heard.event_count == heard.event_capacity) {
            int capacity = 2 * heard.event_capacity + 64;
            phone_event *grown = grow(heard.events, (size_t)capacity * sizeof *grown);
            if (!grown)
                return 1;
            heard.events = grown;
            heard.event_capacity = capacity;
        }
        phone_event *e = &heard.events[heard.event_count++];
        e->sample = event->sample;
        memcpy(e->ipa, event->id.string, 8); /* not terminated when all 8 bytes are needed */
        e->ipa[8] = 0;
    }
    return 0;
}

/* ---- times ------------------------------------------------------------------------- */

/* Largest magnitude in [a, b). */
static int peak(int64_t a, int64_t b) {
    int most = 0;
    for (int64_t i = a < 0 ? 0 : a; i < b && i < heard.count; i++) {
        int v = abs(heard.samples[i]);
        if (v > most)
            most = v;
    }
    return most;
}

static bool is_voiced_consonant(const char *name) {
    static const char *const voiced[] = {"B", "D", "G", "M", "N",  "NG", "L", "R",
                                         "W", "Y", "V", "Z", "DH", "ZH", "JH"};
    for (size_t i = 0; i < sizeof voiced / sizeof *voiced; i++)
        if (!strcmp(voiced[i], name))
            return true;
    return false;
}

static bool is_voiceless_stop(const char *name) {
    return !strcmp(name, "P") || !strcmp(name, "T") || !strcmp(name, "K") || !strcmp(name, "CH");
}

/* Start of the silence that ends at `sample`, at most `longest` samples before it. */
static int64_t silence_before(int64_t sample, int64_t longest, int quiet, int rate) {
    int64_t step = rate / 400, at = sample; /* 2.5 ms */
    while (at - step >= sample - longest && at - step >= 0 && peak(at - step, at) <= quiet)
        at -= step;
    return at;
}

/* Where the closure of a stop begins whose event is at `start` (seconds). */
static double closure_start(const tg_segment *before, const tg_segment *p, int quiet, int rate) {
    bool pause = tg_phone_kind_of(before->name) == TG_PHONE_SILENCE;
    int64_t event = (int64_t)(p->start * rate + 0.5);
    /* After a pause nobody can hear when the lips close; 80 ms before the burst. */
    int64_t longest = (int64_t)((pause ? 0.080 : 0.150) * rate);
    double silence = (double)(event - silence_before(event, longest, quiet, rate)) / rate;
    /* Some variants have an echo that fills the closure. */
    if (silence < 0.015 && is_voiceless_stop(p->name))
        silence = fmin(0.045, 0.4 * (before->end - before->start));
    return p->start - silence;
}

static void mend_phones(tg_phones *phones, int rate) {
    int quiet = peak(0, heard.count) / 100;
    for (int i = 1; i < phones->count; i++) {
        tg_segment *before = &phones->phone[i - 1], *p = &phones->phone[i];
        tg_phone_kind kind = tg_phone_kind_of(p->name);
        double boundary = p->start;
        if (kind == TG_PHONE_STOP || kind == TG_PHONE_AFFRICATE) {
            boundary = closure_start(before, p, quiet, rate);
        } else if (kind == TG_PHONE_VOWEL && is_voiced_consonant(before->name)) {
            double length = before->end - before->start;
            boundary -= length > 0.060 ? 0.025 : 0.4 * length;
        }
        if (boundary < before->start + 0.005)
            boundary = before->start + 0.005;
        if (boundary > p->start)
            boundary = p->start;
        before->end = before->release = boundary;
        p->start = boundary;
    }
}

/* Events -> phones: a symbol of several ARPAbet phones is shared out evenly; one without a sound of
 * its own is a pause when silent and otherwise belongs to the phone before it. */
static bool take_phones(int rate, tg_phones *out) {
    int quiet = peak(0, heard.count) / 100;
    double total = (double)heard.count / rate, from = 0;
    for (int i = -1; i < heard.event_count; i++) {
        int64_t begin = i < 0 ? 0 : heard.events[i].sample;
        int64_t end = i + 1 < heard.event_count ? heard.events[i + 1].sample : heard.count;
        double until = (double)end / rate;
        if (until > total)
            until = total;
        if (until <= from)
            continue;
        const char *names[4];
        int n = i < 0 ? 0 : tg_phones_from_ipa(heard.events[i].ipa, names);
        if (n == 0) {
            int64_t inner = (end - begin) / 4; /* the last sound may ring into a pause */
            if (out->count == 0 || peak(begin + inner, end - inner) <= quiet) {
                if (!tg_phones_add(out, "SIL", from, until))
                    return false;
            } else {
                out->phone[out->count - 1].end = out->phone[out->count - 1].release = until;
            }
        }
        for (int k = 0; k < n; k++) {
            double a = from + (until - from) * k / n, b = from + (until - from) * (k + 1) / n;
            if (!tg_phones_add(out, names[k], a, b))
                return false;
        }
        from = until;
    }
    return true;
}

/* ---- speaking ------------------------------------------------------------------------ */

static int clamp_int(float v, int lo, int hi) {
    return v < (float)lo ? lo : v > (float)hi ? hi : (int)(v + 0.5f);
}

static tg_status start_engine(tg_context *ctx, const tg_voice *voice, int *rate) {
    *rate = espeak_Initialize(AUDIO_OUTPUT_SYNCHRONOUS, 0, NULL,
                              espeakINITIALIZE_PHONEME_EVENTS | espeakINITIALIZE_PHONEME_IPA |
                                  espeakINITIALIZE_DONT_EXIT);
    if (*rate <= 0)
        return tg_fail(ctx, TG_EINPUT,
                       "espeak-ng does not start\n  expected: its data files\n"
                       "  try: apt-get install espeak-ng-data");
    espeak_SetSynthCallback(hear);
    if (espeak_SetVoiceByName(voice->name) != EE_OK)
        return tg_fail(ctx, TG_EUSAGE,
                       "espeak-ng has no voice \"%s\"\n  expected: a language and a variant such "
                       "as en-us+m3\n  try: espeak-ng --voices; espeak-ng --voices=variant",
                       voice->name);
    return TG_OK;
}

static tg_status speak(tg_context *ctx, const tg_voice *voice, float tempo, const char *text,
                       tg_raw_speech *out) {
    int rate;
    tg_status status = start_engine(ctx, voice, &rate);
    if (status != TG_OK)
        return status;
    /* Rate in words per minute; pitch 50 is the voice's own, the scale is about 1.5 % per step. */
    espeak_SetParameter(espeakRATE, clamp_int(165 * tempo, 80, 350), 0);
    espeak_SetParameter(espeakPITCH, clamp_int(50 + 65 * (voice->pitch - 1), 0, 99), 0);
    espeak_SetParameter(espeakRANGE, clamp_int(50 * voice->range, 0, 99), 0);
    if (espeak_Synth(text, strlen(text) + 1, 0, POS_CHARACTER, 0, espeakCHARS_UTF8, NULL, NULL) !=
            EE_OK ||
        espeak_Synchronize() != EE_OK)
        return tg_fail(ctx, TG_EINTERNAL, "espeak-ng failed to speak \"%s\"", text);
    if (heard.no_memory)
        return tg_fail(ctx, TG_ENOMEM, "no memory for speech");
    if (heard.count == 0 || heard.event_count == 0)
        return tg_fail(ctx, TG_EINTERNAL, "espeak-ng gave no sound for \"%s\"", text);
    out->count = heard.count;
    out->rate = rate;
    out->samples = tg_alloc((size_t)out->count * sizeof(float));
    if (!out->samples || !take_phones(rate, &out->phones))
        return tg_fail(ctx, TG_ENOMEM, "no memory for speech");
    for (int64_t i = 0; i < out->count; i++)
        out->samples[i] = (float)heard.samples[i] / 32768.0f;
    mend_phones(&out->phones, rate);
    return TG_OK;
}

tg_status tg_espeak_speak(tg_context *ctx, const tg_voice *voice, float tempo, const char *text,
                          tg_raw_speech *out) {
    return tg_speak_in_child(ctx, speak, voice, tempo, text, out);
}
