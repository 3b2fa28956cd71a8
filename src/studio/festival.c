#include "studio/festival.h"

#include "talkgen/io.h"

#include <ctype.h>
#include <errno.h>
#include <iconv.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define VOICES_DIR "/usr/share/festival/voices/"

typedef enum {
    SET_ENGLISH,
    SET_CZECH,
    SET_CATALAN,
    SET_ITALIAN,
    SET_RUSSIAN,
    SET_FINNISH
} phone_set;

typedef struct {
    const char *name, *place; /* below VOICES_DIR; the last part is the voice's own name */
    const char *language, *charset;
    phone_set set;
    double late_s; /* how much later than its labels the voice sounds, measured on closures */
} festival_voice;

static const festival_voice voices[] = {
    {"ked", "english/ked_diphone", "en", "ASCII", SET_ENGLISH, 0.003},
    {"slt-hts", "us/cmu_us_slt_arctic_hts", "en", "ASCII", SET_ENGLISH, 0.011},
    {"ona", "catalan/upc_ca_ona_hts", "ca", "ISO-8859-15", SET_CATALAN, 0.015},
    {"dita", "czech/czech_dita", "cs", "ISO-8859-2", SET_CZECH, 0.009},
    {"krb", "czech/czech_krb", "cs", "ISO-8859-2", SET_CZECH, 0.007},
    {"machac", "czech/czech_machac", "cs", "ISO-8859-2", SET_CZECH, 0.010},
    {"ph", "czech/czech_ph", "cs", "ISO-8859-2", SET_CZECH, 0.005},
    {"lp", "italian/lp_diphone", "it", "ASCII", SET_ITALIAN, 0.004},
    {"pc", "italian/pc_diphone", "it", "ASCII", SET_ITALIAN, -0.003},
    {"nsh", "russian/msu_ru_nsh_clunits", "ru", "UTF-8", SET_RUSSIAN, -0.010},
    {"lj", "finnish/suo_fi_lj_diphone", "fi", "ISO-8859-1", SET_FINNISH, 0.018},
    {"mv", "finnish/hy_fi_mv_diphone", "fi", "ISO-8859-1", SET_FINNISH, 0.016},
};

enum { VOICES = sizeof voices / sizeof *voices };

static const festival_voice *find_voice(const char *name) {
    for (int i = 0; i < VOICES; i++)
        if (!strcmp(voices[i].name, name))
            return &voices[i];
    return NULL;
}

int tg_festival_voice_count(void) {
    return VOICES;
}

const char *tg_festival_voice(int index, const char **language) {
    *language = voices[index].language;
    return voices[index].name;
}

const char *tg_festival_language(const char *name) {
    const festival_voice *v = find_voice(name);
    return v ? v->language : NULL;
}

bool tg_festival_installed(const char **missing) {
    *missing = "/usr/bin/festival";
    if (access(*missing, X_OK))
        return false;
    for (int i = 0; i < VOICES; i++) {
        char path[128];
        snprintf(path, sizeof path, VOICES_DIR "%s", voices[i].place);
        *missing = voices[i].place;
        if (access(path, R_OK))
            return false;
    }
    *missing = NULL;
    return true;
}

/* ---- phones -------------------------------------------------------------------------- */

/* What the sets of the other languages call their sounds, without stress and length. English has
 * our own names. */
static const struct {
    phone_set set;
    const char *segment, *names;
} table[] = {
    {SET_CZECH, "c", "T S"},   {SET_CZECH, "c~", "CH"},    {SET_CZECH, "ch", "HH"},
    {SET_CZECH, "d~", "D"},    {SET_CZECH, "dz", "D Z"},   {SET_CZECH, "dz~", "JH"},
    {SET_CZECH, "n*", "NG"},   {SET_CZECH, "n~", "N"},     {SET_CZECH, "r~", "ZH"},
    {SET_CZECH, "r~*", "SH"},  {SET_CZECH, "s~", "SH"},    {SET_CZECH, "t~", "T"},
    {SET_CZECH, "z~", "ZH"},   {SET_CATALAN, "ax", "AH"},  {SET_CATALAN, "J", "N"},
    {SET_CATALAN, "L", "L"},   {SET_CATALAN, "rr", "R"},   {SET_CATALAN, "S", "SH"},
    {SET_CATALAN, "Z", "ZH"},  {SET_CATALAN, "E", "EH"},   {SET_CATALAN, "O", "AO"},
    {SET_ITALIAN, "E", "EH"},  {SET_ITALIAN, "O", "AO"},   {SET_ITALIAN, "S", "SH"},
    {SET_ITALIAN, "Z", "ZH"},  {SET_ITALIAN, "ts", "T S"}, {SET_ITALIAN, "tS", "CH"},
    {SET_ITALIAN, "dZ", "JH"}, {SET_ITALIAN, "dz", "D Z"}, {SET_ITALIAN, "J", "N"},
    {SET_ITALIAN, "ng", "NG"}, {SET_ITALIAN, "nf", "M"},   {SET_ITALIAN, "L", "L"},
    {SET_RUSSIAN, "y", "IH"},  {SET_RUSSIAN, "yy", "IH"},  {SET_RUSSIAN, "ae", "IH"},
    {SET_RUSSIAN, "ay", "AH"}, {SET_RUSSIAN, "ur", "UH"},  {SET_RUSSIAN, "c", "T S"},
    {SET_RUSSIAN, "ch", "CH"}, {SET_RUSSIAN, "sh", "SH"},  {SET_RUSSIAN, "sch", "SH"},
    {SET_RUSSIAN, "zh", "ZH"}, {SET_FINNISH, "@", "AE"},   {SET_FINNISH, "7", "UH"},
    {SET_FINNISH, "y", "UW"},  {SET_FINNISH, "&", "AH"},   {SET_FINNISH, "T", "TH"},
    {SET_FINNISH, "D", "DH"},  {SET_FINNISH, "S", "SH"},   {SET_FINNISH, "Z", "ZH"},
    {SET_FINNISH, "N", "NG"},  {SET_FINNISH, "L", "L"},
};

/* Letters that stand for the same sound in all of them. */
static const char *const letters[][2] = {
    {"a", "AA"}, {"e", "EH"}, {"i", "IY"}, {"o", "OW"}, {"u", "UW"}, {"b", "B"},
    {"d", "D"},  {"f", "F"},  {"g", "G"},  {"h", "HH"}, {"j", "Y"},  {"k", "K"},
    {"l", "L"},  {"m", "M"},  {"n", "N"},  {"p", "P"},  {"r", "R"},  {"s", "S"},
    {"t", "T"},  {"v", "V"},  {"w", "W"},  {"z", "Z"},
};

static const char *look_up(phone_set set, const char *segment) {
    for (size_t i = 0; i < sizeof table / sizeof *table; i++)
        if (table[i].set == set && !strcmp(table[i].segment, segment))
            return table[i].names;
    for (size_t i = 0; i < sizeof letters / sizeof *letters; i++)
        if (!strcmp(letters[i][0], segment))
            return letters[i][1];
    return NULL;
}

int tg_festival_phones(const char *voice, const char *segment, const char *out[2]) {
    const festival_voice *v = find_voice(voice);
    if (v->set == SET_ENGLISH) {
        out[0] = tg_phone_intern(segment);
        return out[0] && tg_phone_kind_of(out[0]) != TG_PHONE_SILENCE;
    }
    char bare[8];
    size_t n = strlen(segment);
    /* "a1" is a stressed a, "a:" a long one; Finnish has a vowel called 7. */
    while (n > 1 && (segment[n - 1] == '1' || segment[n - 1] == ':'))
        n--;
    if (n >= sizeof bare)
        return 0;
    memcpy(bare, segment, n);
    bare[n] = 0;
    const char *names = look_up(v->set, bare);
    /* Russian: stressed vowels and soft consonants are written twice. */
    if (!names && v->set == SET_RUSSIAN && n == 2 && bare[0] == bare[1]) {
        bare[1] = 0;
        names = look_up(v->set, bare);
    }
    if (!names)
        return 0;
    const char *space = strchr(names, ' ');
    char first[4] = {0};
    memcpy(first, names, space ? (size_t)(space - names) : strlen(names));
    out[0] = tg_phone_intern(first);
    if (space)
        out[1] = tg_phone_intern(space + 1);
    return space ? 2 : 1;
}

/* ---- running it ------------------------------------------------------------------------ */

/* The text in the voice's encoding as a Scheme string. Letters that the encoding lacks are left
 * out. */
static void quote(const char *text, const char *charset, char *out, size_t size) {
    size_t n = 0;
    iconv_t to = iconv_open(charset, "UTF-8");
    char *in = (char *)text;
    size_t left = strlen(text);
    while (left > 0 && n + 8 < size) {
        size_t letter = 1;
        while (letter < left && ((unsigned char)in[letter] & 0xC0) == 0x80)
            letter++;
        char bytes[8], *at = bytes, *from = in;
        size_t room = sizeof bytes, rest = letter;
        bool ok = to != (iconv_t)-1 && iconv(to, &from, &rest, &at, &room) != (size_t)-1;
        for (char *c = bytes; ok && c < at; c++) {
            if (*c == '"' || *c == '\\')
                out[n++] = '\\';
            out[n++] = *c;
        }
        in += letter;
        left -= letter;
    }
    out[n] = 0;
    if (to != (iconv_t)-1)
        iconv_close(to);
}

/* Lines of "end 100 name" behind one that says "#". */
static bool take_phones(FILE *labels, const festival_voice *v, double total, tg_phones *out) {
    char line[128], name[32];
    double start = 0, end;
    bool begun = false;
    while (fgets(line, sizeof line, labels)) {
        if (!begun || sscanf(line, "%lf %*s %31s", &end, name) != 2) {
            begun = begun || line[0] == '#';
            continue;
        }
        end += v->late_s;
        if (end > total)
            end = total;
        if (end <= start)
            continue;
        const char *phone[2] = {"SIL"};
        int n = tg_festival_phones(v->name, name, phone);
        for (int k = 0; k < (n > 1 ? n : 1); k++) {
            int parts = n > 1 ? n : 1;
            if (!tg_phones_add(out, n ? phone[k] : tg_phone_intern("SIL"),
                               start + (end - start) * k / parts,
                               start + (end - start) * (k + 1) / parts))
                return false;
        }
        start = end;
    }
    if (out->count > 0 && start < total)
        out->phone[out->count - 1].end = out->phone[out->count - 1].release = total;
    return true;
}

static tg_status collect(tg_context *ctx, const festival_voice *v, const tg_festival *festival,
                         tg_raw_speech *out) {
    int channels;
    tg_status s = tg_audio_read_all(ctx, tg_festival_sound(festival), &out->samples, &out->count,
                                    &channels, &out->rate);
    if (s != TG_OK)
        return tg_fail(ctx, TG_EINTERNAL, "festival voice %s gave no sound", v->name);
    FILE *f = fopen(tg_festival_labels(festival), "r");
    bool ok = f && channels == 1 && out->count > 0 &&
              take_phones(f, v, (double)out->count / out->rate, &out->phones);
    if (f)
        fclose(f);
    return ok && out->phones.count > 0
               ? TG_OK
               : tg_fail(ctx, TG_EINTERNAL, "festival voice %s gave no sound", v->name);
}

/* Starts the program with a voice if it does not run yet. */
static tg_status need_running(tg_context *ctx, const festival_voice *v, tg_festival **running) {
    char load[64];
    if (*running)
        return TG_OK;
    *running = tg_festival_start();
    if (!*running)
        return tg_fail(ctx, TG_EINTERNAL, "festival does not start: %s", strerror(errno));
    snprintf(load, sizeof load, "(voice_%s)", strchr(v->place, '/') + 1);
    return tg_festival_do(*running, load)
               ? TG_OK
               : tg_fail(ctx, TG_EINTERNAL, "festival died of its voice %s", v->name);
}

tg_status tg_festival_speak(tg_context *ctx, const tg_voice *voice, float tempo,
                            tg_festival **running, const char *text, tg_raw_speech *out) {
    *out = (tg_raw_speech){0};
    const char *missing;
    if (!*running && !tg_festival_installed(&missing))
        return tg_fail(ctx, TG_EINPUT,
                       "festival is not complete: %s is missing\n  expected: the program and its "
                       "voices\n  try: apt-get install festival festvox-kdlpc16k "
                       "festvox-us-slt-hts festvox-ca-ona-hts festvox-czech-dita "
                       "festvox-czech-krb festvox-czech-machac festvox-czech-ph festvox-italp16k "
                       "festvox-itapc16k festvox-ru festvox-suopuhe-lj festvox-suopuhe-mv",
                       missing);
    const festival_voice *v = find_voice(voice->name);
    char quoted[1024], program[1536];
    tg_status s = need_running(ctx, v, running);
    quote(text, v->charset, quoted, sizeof quoted);
    /* The Czech voices draw their melody by chance: every sentence begins with the same. */
    snprintf(program, sizeof program,
             "(srand 1)\n(set! czech-rand-range nil)\n"
             "(Parameter.set 'Duration_Stretch %.3f)\n"
             "(set! u (utt.synth (Utterance Text \"%s\")))\n"
             "(utt.save.wave u \"" TG_FESTIVAL_SOUND "\" 'riff)\n"
             "(utt.save.segs u \"" TG_FESTIVAL_LABELS "\")",
             1 / tempo, quoted);
    if (s == TG_OK && !tg_festival_do(*running, program))
        s = tg_fail(ctx, TG_EINTERNAL, "festival voice %s died of \"%s\"", v->name, text);
    if (s == TG_OK)
        s = collect(ctx, v, *running, out);
    else
        tg_festival_stop(running);
    if (s != TG_OK)
        tg_raw_speech_free(out);
    return s;
}
