/* The phone inventory: ARPAbet without stress, and IPA as espeak-ng prints it put into ARPAbet
 * classes by what the lips and the jaw do. */
#include <ctype.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "studio/performance.h"
#include "talkgen/io.h"

typedef struct {
    const char *name;
    tg_phone_kind kind;
} inventory_entry;

static const inventory_entry inventory[] = {
    {"SIL", TG_PHONE_SILENCE},  {"AA", TG_PHONE_VOWEL},     {"AE", TG_PHONE_VOWEL},
    {"AH", TG_PHONE_VOWEL},     {"AO", TG_PHONE_VOWEL},     {"AW", TG_PHONE_VOWEL},
    {"AY", TG_PHONE_VOWEL},     {"EH", TG_PHONE_VOWEL},     {"ER", TG_PHONE_VOWEL},
    {"EY", TG_PHONE_VOWEL},     {"IH", TG_PHONE_VOWEL},     {"IY", TG_PHONE_VOWEL},
    {"OW", TG_PHONE_VOWEL},     {"OY", TG_PHONE_VOWEL},     {"UH", TG_PHONE_VOWEL},
    {"UW", TG_PHONE_VOWEL},     {"P", TG_PHONE_STOP},       {"B", TG_PHONE_STOP},
    {"T", TG_PHONE_STOP},       {"D", TG_PHONE_STOP},       {"K", TG_PHONE_STOP},
    {"G", TG_PHONE_STOP},       {"CH", TG_PHONE_AFFRICATE}, {"JH", TG_PHONE_AFFRICATE},
    {"F", TG_PHONE_FRICATIVE},  {"V", TG_PHONE_FRICATIVE},  {"TH", TG_PHONE_FRICATIVE},
    {"DH", TG_PHONE_FRICATIVE}, {"S", TG_PHONE_FRICATIVE},  {"Z", TG_PHONE_FRICATIVE},
    {"SH", TG_PHONE_FRICATIVE}, {"ZH", TG_PHONE_FRICATIVE}, {"HH", TG_PHONE_FRICATIVE},
    {"M", TG_PHONE_NASAL},      {"N", TG_PHONE_NASAL},      {"NG", TG_PHONE_NASAL},
    {"L", TG_PHONE_LIQUID},     {"R", TG_PHONE_LIQUID},     {"W", TG_PHONE_LIQUID},
    {"Y", TG_PHONE_LIQUID},
};

/* Spellings outside the inventory, from flite's phone set and from alignments. */
static const char *const aliases[][2] = {{"AX", "AH"},  {"AXR", "ER"}, {"PAU", "SIL"},
                                         {"SP", "SIL"}, {"DX", "D"},   {"H", "HH"}};

static const inventory_entry *find_entry(const char *name) {
    for (size_t i = 0; i < sizeof inventory / sizeof *inventory; i++)
        if (!strcmp(inventory[i].name, name))
            return &inventory[i];
    return NULL;
}

const char *tg_phone_intern(const char *symbol) {
    char name[8];
    size_t n = 0;
    for (; *symbol && n < sizeof name - 1; symbol++)
        if (isalpha((unsigned char)*symbol))
            name[n++] = (char)toupper((unsigned char)*symbol);
    name[n] = 0;
    const inventory_entry *entry = find_entry(name);
    for (size_t i = 0; !entry && i < sizeof aliases / sizeof *aliases; i++)
        if (!strcmp(aliases[i][0], name))
            entry = find_entry(aliases[i][1]);
    return entry ? entry->name : NULL;
}

tg_phone_kind tg_phone_kind_of(const char *name) {
    const inventory_entry *entry = find_entry(name);
    return entry ? entry->kind : TG_PHONE_SILENCE;
}

/* ---- IPA ------------------------------------------------------------------------ */

/* Longest spelling first among those with a common beginning. Front rounded vowels count as
 * rounded, back unrounded as spread or open; uvular and velar fricatives as HH or G. */
static const char *const ipa_table[][2] = {
    {"aɪ", "AY"},  {"aʊ", "AW"},  {"au", "AW"},  {"ai", "AY"}, {"ɑu", "AW"}, {"ɑɪ", "AY"},
    {"eɪ", "EY"},  {"ei", "EY"},  {"ɛɪ", "EY"},  {"æi", "EY"}, {"oʊ", "OW"}, {"ou", "OW"},
    {"əʊ", "OW"},  {"ʌʊ", "AW"},  {"ɔɪ", "OY"},  {"ɔø", "OY"}, {"oɪ", "OY"}, {"oi", "OY"},
    {"tʃ", "CH"},  {"dʒ", "JH"},  {"tɕ", "CH"},  {"dʑ", "JH"}, {"tʂ", "CH"}, {"dʐ", "JH"},
    {"ts", "T S"}, {"dz", "D Z"}, {"pf", "P F"}, {"a", "AA"},  {"ɑ", "AA"},  {"ɒ", "AA"},
    {"ɐ", "AH"},   {"æ", "AE"},   {"ʌ", "AH"},   {"ə", "AH"},  {"ɘ", "AH"},  {"ɵ", "UH"},
    {"ɜ", "ER"},   {"ɝ", "ER"},   {"ɚ", "ER"},   {"ɔ", "AO"},  {"o", "OW"},  {"ɛ", "EH"},
    {"e", "EH"},   {"ɪ", "IH"},   {"i", "IY"},   {"ɨ", "IH"},  {"ᵻ", "IH"},  {"ɯ", "IH"},
    {"ʊ", "UH"},   {"u", "UW"},   {"ʉ", "UW"},   {"y", "UW"},  {"ʏ", "UH"},  {"ø", "UH"},
    {"œ", "UH"},   {"ɤ", "AH"},   {"p", "P"},    {"b", "B"},   {"t", "T"},   {"d", "D"},
    {"ʈ", "T"},    {"ɖ", "D"},    {"k", "K"},    {"q", "K"},   {"ɡ", "G"},   {"g", "G"},
    {"ɢ", "G"},    {"c", "K"},    {"ɟ", "G"},    {"m", "M"},   {"ɱ", "M"},   {"n", "N"},
    {"ɳ", "N"},    {"ɲ", "N"},    {"ŋ", "NG"},   {"f", "F"},   {"v", "V"},   {"ʋ", "V"},
    {"ɸ", "F"},    {"β", "V"},    {"θ", "TH"},   {"ð", "DH"},  {"s", "S"},   {"z", "Z"},
    {"ʃ", "SH"},   {"ʒ", "ZH"},   {"ʂ", "SH"},   {"ʐ", "ZH"},  {"ɕ", "SH"},  {"ʑ", "ZH"},
    {"ç", "SH"},   {"ʝ", "Y"},    {"x", "HH"},   {"χ", "HH"},  {"ɣ", "G"},   {"ʁ", "G"},
    {"ʀ", "G"},    {"h", "HH"},   {"ɦ", "HH"},   {"ʔ", "HH"},  {"l", "L"},   {"ɫ", "L"},
    {"ɭ", "L"},    {"ɬ", "L"},    {"ʎ", "L"},    {"r", "R"},   {"ɹ", "R"},   {"ɻ", "R"},
    {"ä", "AA"},   {"ã", "AA"},   {"ẽ", "EH"},   {"ĩ", "IY"},  {"õ", "OW"},  {"ũ", "UW"},
    {"ɓ", "B"},    {"ɗ", "D"},    {"ɴ", "NG"},   {"ħ", "HH"},  {"ʕ", "HH"},  {"ɾ", "D"},
    {"ɽ", "D"},    {"j", "Y"},    {"ɥ", "W"},    {"w", "W"},   {"ʍ", "W"},
};

static size_t utf8_length(const char *s) {
    unsigned char c = (unsigned char)*s;
    size_t n = c < 0x80 ? 1 : c < 0xE0 ? 2 : c < 0xF0 ? 3 : 4;
    return strnlen(s, n); /* espeak cuts long names at 8 bytes, perhaps inside a character */
}

/* Phones of the longest known spelling at the start of ipa, and its bytes; NULL = none. */
static const char *find_ipa(const char *ipa, size_t *used) {
    for (size_t i = 0; i < sizeof ipa_table / sizeof *ipa_table; i++) {
        *used = strlen(ipa_table[i][0]);
        if (!strncmp(ipa, ipa_table[i][0], *used))
            return ipa_table[i][1];
    }
    return NULL;
}

/* Stress, length, tone, ties and other marks: modifier letters, combining marks, tone letters and
 * what espeak-ng prints for them. */
static bool is_mark(const char *s) {
    unsigned char a = (unsigned char)s[0], b = a ? (unsigned char)s[1] : 0;
    if (a < 0x80)
        return !isalpha(a);
    return a == 0xCA ? b >= 0xB0                 /* U+02B0..02BF */
           : a == 0xCB || a == 0xCC || a == 0xCD /* U+02C0..037F */
               ? true
               : a == 0xE1 || a == 0xE2 || a == 0xC2; /* superscripts, punctuation */
}

bool tg_phones_unknown_ipa(const char *ipa) {
    while (*ipa) {
        size_t used;
        if (find_ipa(ipa, &used))
            ipa += used;
        else if (is_mark(ipa))
            ipa += utf8_length(ipa);
        else
            return true;
    }
    return false;
}

int tg_phones_from_ipa(const char *ipa, const char *out[4]) {
    int n = 0;
    bool vowel_before = false;
    while (*ipa && n < 4) {
        size_t used = 0;
        const char *names = find_ipa(ipa, &used);
        if (!names) { /* length, stress, tone or other mark */
            ipa += utf8_length(ipa);
            continue;
        }
        ipa += used;
        const char *space = strchr(names, ' ');
        char first[4] = {0};
        memcpy(first, names, space ? (size_t)(space - names) : strlen(names));
        const char *phone = tg_phone_intern(first);
        /* An h behind a consonant is aspiration, not a phone of its own. */
        if (n > 0 && !vowel_before && !strcmp(phone, "HH"))
            continue;
        vowel_before = tg_phone_kind_of(phone) == TG_PHONE_VOWEL;
        out[n++] = phone;
        if (space && n < 4)
            out[n++] = tg_phone_intern(space + 1);
    }
    return n;
}

/* ---- lists ------------------------------------------------------------------------ */

void tg_phones_free(tg_phones *phones) {
    free(phones->phone);
    *phones = (tg_phones){0};
}

bool tg_phones_add(tg_phones *phones, const char *name, double start, double end) {
    if (phones->count > 0 && tg_phone_kind_of(name) == TG_PHONE_SILENCE) {
        tg_segment *last = &phones->phone[phones->count - 1];
        if (tg_phone_kind_of(last->name) == TG_PHONE_SILENCE) {
            last->end = last->release = end;
            return true;
        }
    }
    if (phones->count == phones->capacity) {
        int capacity = phones->capacity ? 2 * phones->capacity : 64;
        tg_segment *grown = realloc(phones->phone, (size_t)capacity * sizeof *grown);
        if (!grown)
            return false;
        phones->phone = grown;
        phones->capacity = capacity;
    }
    phones->phone[phones->count++] =
        (tg_segment){.name = name, .start = start, .end = end, .release = end, .level = 1};
    return true;
}

/* ---- measuring ---------------------------------------------------------------------- */

/* Mean square of the first difference (differenced = true: +6 dB per octave, which hides the voice
 * bar of b d g) or of the signal over [a, b) seconds. */
static double power(const float *x, int64_t n, double a, double b, bool differenced) {
    int64_t i0 = (int64_t)(a * TG_STUDIO_RATE), i1 = (int64_t)(b * TG_STUDIO_RATE);
    if (i0 < 1)
        i0 = 1;
    if (i1 > n)
        i1 = n;
    double sum = 0;
    for (int64_t i = i0; i < i1; i++) {
        double v = differenced ? x[i] - x[i - 1] : x[i];
        sum += v * v;
    }
    return i1 > i0 ? sum / (double)(i1 - i0) : 0;
}

/* Time of the burst: the first 4 ms step after the quietest one that is 12 dB above it. */
static double find_burst(const tg_segment *p, const float *x, int64_t n) {
    const double step = 0.004;
    int steps = (int)((p->end - p->start) / step);
    double quiet = 1e30, floor_power = 1e-11; /* -110 dB: digital silence is not infinitely quiet */
    int at = 0;
    /* The quietest moment lies in the first two thirds: the rest is aspiration. */
    for (int i = 0; i <= 2 * steps / 3; i++) {
        double e = power(x, n, p->start + i * step, p->start + (i + 1) * step, true);
        if (e < quiet)
            quiet = e, at = i;
    }
    double limit = (quiet > floor_power ? quiet : floor_power) * 16;
    for (int i = at + 1; i < steps; i++)
        if (power(x, n, p->start + i * step, p->start + (i + 1) * step, true) > limit)
            return p->start + i * step;
    return p->end;
}

void tg_phones_measure(tg_phones *phones, const float *samples, int64_t n) {
    double sum = 0;
    int vowels = 0;
    for (int i = 0; i < phones->count; i++) {
        tg_segment *p = &phones->phone[i];
        tg_phone_kind kind = tg_phone_kind_of(p->name);
        p->release = p->end;
        p->level = 1;
        if (kind == TG_PHONE_STOP || kind == TG_PHONE_AFFRICATE) {
            double least = p->start + 0.3 * (p->end - p->start);
            double burst = find_burst(p, samples, n);
            p->release = burst < least ? least : burst;
        } else if (kind == TG_PHONE_VOWEL) {
            p->level = (float)sqrt(power(samples, n, p->start, p->end, false));
            sum += p->level;
            vowels++;
        }
    }
    double mean = vowels && sum > 0 ? sum / vowels : 1;
    for (int i = 0; i < phones->count; i++)
        if (tg_phone_kind_of(phones->phone[i].name) == TG_PHONE_VOWEL)
            phones->phone[i].level = (float)(phones->phone[i].level / mean);
}

tg_status tg_phones_write(tg_context *ctx, const char *path, const tg_phones *phones) {
    tg_json *root = tg_json_new_array();
    bool ok = root != NULL;
    for (int i = 0; ok && i < phones->count; i++) {
        const tg_segment *p = &phones->phone[i];
        tg_json *row = tg_json_set_array(root, NULL);
        ok = row && tg_json_set_string(row, NULL, p->name) &&
             tg_json_set_number(row, NULL, round(p->start * 1000) / 1000) &&
             tg_json_set_number(row, NULL, round(p->end * 1000) / 1000);
    }
    tg_status status =
        ok ? tg_json_write(ctx, path, root) : tg_fail(ctx, TG_ENOMEM, "%s: no memory", path);
    tg_json_destroy(&root);
    return status;
}
