#include "studio/text.h"

#include "talkgen/io.h"

#include <math.h>
#include <string.h>

/* Longest file of the asset tree is a target of 1 MB; clothes reach a few. */
enum { TEXT_LIMIT = 256 << 20 };

tg_status tg_text_open(tg_context *ctx, const char *path, tg_text *out) {
    memset(out, 0, sizeof *out);
    size_t bytes = 0;
    tg_status status = tg_file_read(ctx, path, TEXT_LIMIT, &out->data, &bytes);
    if (status != TG_OK) {
        return status;
    }
    out->path = path;
    out->rest = out->at = out->stop = out->data;
    out->end = out->data + bytes;
    return TG_OK;
}

void tg_text_close(tg_text *text) {
    tg_free(text->data);
    memset(text, 0, sizeof *text);
}

static bool is_blank(char c) {
    return c == ' ' || c == '\t' || c == '\r';
}

bool tg_text_line(tg_text *text) {
    while (text->rest < text->end) {
        const char *begin = text->rest;
        const char *stop = memchr(begin, '\n', (size_t)(text->end - begin));
        if (!stop) {
            stop = text->end;
        }
        text->rest = stop < text->end ? stop + 1 : stop;
        text->line++;
        while (begin < stop && is_blank(*begin)) {
            begin++;
        }
        if (begin < stop && *begin != '#') {
            text->at = begin;
            text->stop = stop;
            return true;
        }
    }
    return false;
}

bool tg_text_word(tg_text *text, const char **word, size_t *length) {
    const char *p = text->at;
    while (p < text->stop && is_blank(*p)) {
        p++;
    }
    const char *begin = p;
    while (p < text->stop && !is_blank(*p)) {
        p++;
    }
    text->at = p;
    *word = begin;
    *length = (size_t)(p - begin);
    return p > begin;
}

bool tg_word_is(const char *word, size_t length, const char *name) {
    return strlen(name) == length && memcmp(word, name, length) == 0;
}

bool tg_word_int(const char *word, size_t length, int *out) {
    const char *end = word + length;
    bool negative = word < end && *word == '-';
    word += negative;
    if (word == end || end - word > 9) {
        return false;
    }
    int value = 0;
    for (; word < end; word++) {
        if (*word < '0' || *word > '9') {
            return false;
        }
        value = value * 10 + (*word - '0');
    }
    *out = negative ? -value : value;
    return true;
}

bool tg_word_float(const char *word, size_t length, float *out) {
    const char *end = word + length;
    double sign = 1.0;
    if (word < end && (*word == '-' || *word == '+')) {
        sign = *word == '-' ? -1.0 : 1.0;
        word++;
    }
    double value = 0.0;
    int digits = 0, scale = 0;
    bool point = false;
    for (; word < end; word++) {
        if (*word == '.' && !point) {
            point = true;
        } else if (*word >= '0' && *word <= '9') {
            value = value * 10.0 + (*word - '0');
            scale -= point;
            digits++;
        } else {
            break;
        }
    }
    if (digits == 0 || digits > 40) {
        return false;
    }
    if (word < end && (*word == 'e' || *word == 'E')) {
        int exponent = 0;
        word++;
        word += word < end && *word == '+';
        if (!tg_word_int(word, (size_t)(end - word), &exponent) || exponent > 60 ||
            exponent < -60) {
            return false;
        }
        scale += exponent;
        word = end;
    }
    if (word != end) {
        return false;
    }
    static const double tens[] = {1e0,  1e1,  1e2,  1e3,  1e4,  1e5,  1e6,  1e7,
                                  1e8,  1e9,  1e10, 1e11, 1e12, 1e13, 1e14, 1e15,
                                  1e16, 1e17, 1e18, 1e19, 1e20, 1e21, 1e22};
    int size = scale < 0 ? -scale : scale;
    double power = size < (int)(sizeof tens / sizeof *tens) ? tens[size] : pow(10.0, size);
    value = sign * (scale < 0 ? value / power : value * power);
    *out = (float)value;
    return isfinite(*out);
}

bool tg_text_int(tg_text *text, int *out) {
    const char *word;
    size_t length;
    return tg_text_word(text, &word, &length) && tg_word_int(word, length, out);
}

bool tg_text_float(tg_text *text, float *out) {
    const char *word;
    size_t length;
    return tg_text_word(text, &word, &length) && tg_word_float(word, length, out);
}

tg_status tg_text_fail(tg_context *ctx, const tg_text *text, const char *found,
                       const char *expected) {
    return tg_fail(ctx, TG_EINPUT,
                   "%s:%d: %s\n  expected: %s\n  try: fetch the file again from the MakeHuman "
                   "repository",
                   text->path, text->line, found, expected);
}
