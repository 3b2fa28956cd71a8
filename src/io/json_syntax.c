/* JSON by its grammar alone. libcjson does not say whether it found a mistake or no memory. */
#include "io/json_syntax.h"

#include <string.h>

enum { LEVELS = 1000, NUMBER = 63 };

typedef struct {
    const char *at, *end;
} scan;

static bool take(scan *s, char c) {
    if (s->at == s->end || *s->at != c) {
        return false;
    }
    s->at++;
    return true;
}

static void skip_space(scan *s) {
    while (s->at < s->end && memchr(" \t\n\r", *s->at, 4)) {
        s->at++;
    }
}

static bool is_digit(char c) {
    return c >= '0' && c <= '9';
}

static bool digits(scan *s) {
    const char *from = s->at;
    while (s->at < s->end && is_digit(*s->at)) {
        s->at++;
    }
    return s->at > from;
}

static bool number(scan *s) {
    const char *from = s->at;
    take(s, '-');
    if (!take(s, '0') && !digits(s)) {
        return false;
    }
    if (take(s, '.') && !digits(s)) {
        return false;
    }
    if (take(s, 'e') || take(s, 'E')) {
        if (!take(s, '-')) {
            take(s, '+');
        }
        if (!digits(s)) {
            return false;
        }
    }
    return s->at - from <= NUMBER;
}

static bool hex4(scan *s, unsigned *code) {
    *code = 0;
    for (int i = 0; i < 4; i++, s->at++) {
        if (s->at == s->end) {
            return false;
        }
        char c = *s->at;
        char low = (char)(c | 0x20);
        if (!is_digit(c) && (low < 'a' || low > 'f')) {
            return false;
        }
        *code = 16 * *code + (unsigned)(is_digit(c) ? c - '0' : low - 'a' + 10);
    }
    return true;
}

/* Behind \u: half of a pair needs the other. */
static bool character(scan *s) {
    unsigned code, low;
    if (!hex4(s, &code) || (code >= 0xdc00 && code <= 0xdfff)) {
        return false;
    }
    return code < 0xd800 || code > 0xdbff ||
           (take(s, '\\') && take(s, 'u') && hex4(s, &low) && low >= 0xdc00 && low <= 0xdfff);
}

static bool string(scan *s) {
    if (!take(s, '"')) {
        return false;
    }
    while (s->at < s->end) {
        unsigned char c = (unsigned char)*s->at++;
        if (c == '"') {
            return true;
        }
        if (c < 0x20 || (c == '\\' && s->at == s->end)) {
            return false;
        }
        if (c == '\\') {
            char kind = *s->at++;
            if (kind == 'u' ? !character(s) : !memchr("\"\\/bfnrt", kind, 8)) {
                return false;
            }
        }
    }
    return false;
}

static bool word(scan *s, const char *text) {
    size_t n = strlen(text);
    if ((size_t)(s->end - s->at) < n || memcmp(s->at, text, n) != 0) {
        return false;
    }
    s->at += n;
    return true;
}

static bool plain(scan *s) {
    char c = s->at < s->end ? *s->at : '\0';
    return c == '"' ? string(s)
                    : word(s, "true") || word(s, "false") || word(s, "null") || number(s);
}

/* What stands before a value: its name and a colon in an object, nothing in an array. */
static bool lead(scan *s, bool in_object) {
    if (!in_object) {
        return true;
    }
    skip_space(s);
    if (!string(s)) {
        return false;
    }
    skip_space(s);
    return take(s, ':');
}

bool tg_json_is_well_formed(const char *text, size_t bytes) {
    scan s = {text, text + bytes};
    bool object[LEVELS]; /* what is open, outermost first: objects or arrays */
    int depth = 0;
    if (bytes > 4) { /* libcjson wants two characters behind the mark */
        word(&s, "\xef\xbb\xbf");
    }
    for (;;) {
        skip_space(&s);
        const bool opens_object = take(&s, '{');
        if (opens_object || take(&s, '[')) {
            if (depth == LEVELS) {
                return false;
            }
            object[depth++] = opens_object;
            skip_space(&s);
            if (!take(&s, opens_object ? '}' : ']')) {
                if (!lead(&s, opens_object)) {
                    return false;
                }
                continue;
            }
            depth--;
        } else if (!plain(&s)) {
            return false;
        }
        /* A value has ended, and with it perhaps what is around it. */
        for (;;) {
            if (depth == 0) {
                return true;
            }
            skip_space(&s);
            if (take(&s, ',')) {
                break;
            }
            if (!take(&s, object[--depth] ? '}' : ']')) {
                return false;
            }
        }
        if (!lead(&s, object[depth - 1])) {
            return false;
        }
    }
}
