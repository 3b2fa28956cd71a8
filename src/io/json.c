/* JSON over libcjson: checked parsing with the place of a mistake, forgiving reading, building. */
#include "talkgen/io.h"
#include "io/files.h"
#include "io/json_syntax.h"

#include <cJSON.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

/* Annotations and manifests are a few MB; beyond this the tree would need gigabytes. */
static const size_t json_limit = (size_t)256 << 20;

/* tg_json is a cJSON node under another name, so that libcjson stays inside this room. */
static cJSON *node(const tg_json *v) {
    return (cJSON *)(uintptr_t)v;
}

static tg_json *json(const cJSON *v) {
    return (tg_json *)(uintptr_t)v;
}

/* libcjson reads 1e999 as infinity, which is no JSON number. */
static bool all_finite(const cJSON *v) {
    for (; v; v = v->next) {
        if ((cJSON_IsNumber(v) && !isfinite(v->valuedouble)) || !all_finite(v->child)) {
            return false;
        }
    }
    return true;
}

static tg_status parse_error(tg_context *ctx, const char *name, const char *text, size_t at,
                             const char *what) {
    size_t line = 1, column = 1;
    for (size_t i = 0; i < at; i++) {
        column = text[i] == '\n' ? 1 : column + 1;
        line += text[i] == '\n';
    }
    return tg_fail(ctx, TG_EINPUT,
                   "%s: %s at line %zu, column %zu\n  expected: JSON\n"
                   "  try: a JSON checker such as jq . on it",
                   name, what, line, column);
}

/* Whether the tree stays below 4 times the text and 64 MiB, the text itself and its strings
 * included. A value costs 80 bytes, which "0," can ask for; every value but the first follows one
 * of the characters below. */
static bool affordable(const char *text, size_t bytes) {
    size_t values = 1, quotes = 0;
    for (size_t i = 0; i < bytes; i++) {
        values += text[i] == ',' || text[i] == '[' || text[i] == '{';
        quotes += text[i] == '"';
    }
    return 80 * values + 16 * quotes <= 2 * bytes + ((size_t)60 << 20);
}

tg_status tg_json_parse(tg_context *ctx, const char *text, size_t bytes, const char *name,
                        tg_json **out) {
    *out = NULL;
    if (!affordable(text, bytes)) {
        return tg_fail(ctx, TG_EINPUT,
                       "%s: far too many values for its %zu bytes\n"
                       "  expected: fewer than about 700000 values, or longer ones\n"
                       "  try: numbers in .npy or safetensors files",
                       name, bytes);
    }
    const char *end = text;
    cJSON *root = bytes > 0 ? cJSON_ParseWithLengthOpts(text, bytes, &end, false) : NULL;
    if (!root && tg_json_is_well_formed(text, bytes)) {
        return tg_fail(ctx, TG_ENOMEM, "%s: not enough memory for its values", name);
    }
    if (!root) {
        size_t at = end >= text && end <= text + bytes ? (size_t)(end - text) : 0;
        return parse_error(ctx, name, text, at, bytes ? "not valid JSON" : "empty file");
    }
    while (end < text + bytes && (*end == ' ' || *end == '\t' || *end == '\n' || *end == '\r')) {
        end++;
    }
    if (end < text + bytes) {
        cJSON_Delete(root);
        return parse_error(ctx, name, text, (size_t)(end - text), "text after the JSON value");
    }
    if (!all_finite(root)) {
        cJSON_Delete(root);
        return tg_fail(ctx, TG_EINPUT,
                       "%s: a number is too large\n  expected: numbers up to 1.8e308\n"
                       "  try: look for exponents above e308",
                       name);
    }
    *out = json(root);
    return TG_OK;
}

size_t tg_json_mistake(const char *text, size_t bytes) {
    const char *end = text;
    cJSON *root = bytes > 0 ? cJSON_ParseWithLengthOpts(text, bytes, &end, false) : NULL;
    bool good = root != NULL;
    cJSON_Delete(root);
    if (!good && tg_json_is_well_formed(text, bytes)) {
        return bytes; /* no memory, which is no mistake */
    }
    size_t at = end >= text && end <= text + bytes ? (size_t)(end - text) : 0;
    while (good && at < bytes &&
           (text[at] == ' ' || text[at] == '\t' || text[at] == '\n' || text[at] == '\r')) {
        at++;
    }
    /* What is cut off is wrong at its end. */
    return good || at < bytes ? at : bytes > 0 ? bytes - 1 : 0;
}

tg_status tg_json_read(tg_context *ctx, const char *path, tg_json **out) {
    *out = NULL;
    char *text;
    size_t bytes;
    tg_status status = tg_file_read(ctx, path, json_limit, &text, &bytes);
    if (status == TG_OK) {
        status = tg_json_parse(ctx, text, bytes, path, out);
        tg_free(text);
    }
    return status;
}

void tg_json_destroy(tg_json **root) {
    if (root && *root) {
        cJSON_Delete(node(*root));
        *root = NULL;
    }
}

/* ---- reading ------------------------------------------------------------------- */

tg_json *tg_json_get(const tg_json *object, const char *key) {
    return tg_json_is_object(object) ? json(cJSON_GetObjectItemCaseSensitive(node(object), key))
                                     : NULL;
}

tg_json *tg_json_at(const tg_json *array, int index) {
    bool container = tg_json_is_array(array) || tg_json_is_object(array);
    return container && index >= 0 ? json(cJSON_GetArrayItem(node(array), index)) : NULL;
}

tg_json *tg_json_first(const tg_json *value) {
    return tg_json_is_array(value) || tg_json_is_object(value) ? json(node(value)->child) : NULL;
}

tg_json *tg_json_next(const tg_json *child) {
    return child ? json(node(child)->next) : NULL;
}

int tg_json_count(const tg_json *value) {
    bool container = tg_json_is_array(value) || tg_json_is_object(value);
    return container ? cJSON_GetArraySize(node(value)) : 0;
}

const char *tg_json_key(const tg_json *child) {
    return child ? node(child)->string : NULL;
}

bool tg_json_is_number(const tg_json *v) {
    return v && cJSON_IsNumber(node(v));
}

bool tg_json_is_string(const tg_json *v) {
    return v && cJSON_IsString(node(v)) && node(v)->valuestring;
}

bool tg_json_is_array(const tg_json *v) {
    return v && cJSON_IsArray(node(v));
}

bool tg_json_is_object(const tg_json *v) {
    return v && cJSON_IsObject(node(v));
}

double tg_json_number(const tg_json *v, double otherwise) {
    return tg_json_is_number(v) ? node(v)->valuedouble : otherwise;
}

bool tg_json_bool(const tg_json *v, bool otherwise) {
    return v && cJSON_IsBool(node(v)) ? cJSON_IsTrue(node(v)) : otherwise;
}

const char *tg_json_string(const tg_json *v, const char *otherwise) {
    return tg_json_is_string(v) ? node(v)->valuestring : otherwise;
}

/* ---- building ------------------------------------------------------------------- */

tg_json *tg_json_new_object(void) {
    return json(cJSON_CreateObject());
}

tg_json *tg_json_new_array(void) {
    return json(cJSON_CreateArray());
}

/* Bytes of the UTF-8 character at p, 0 when there is none (RFC 3629: no surrogates, nothing beyond
 * U+10FFFF, nothing longer than needed). */
static int utf8_bytes(const unsigned char *p) {
    int n = p[0] < 0x80   ? 1
            : p[0] < 0xc2 ? 0
            : p[0] < 0xe0 ? 2
            : p[0] < 0xf0 ? 3
            : p[0] < 0xf5 ? 4
                          : 0;
    for (int i = 1; i < n; i++) {
        if ((p[i] & 0xc0) != 0x80) {
            return 0;
        }
    }
    bool bad = (p[0] == 0xe0 && p[1] < 0xa0) || (p[0] == 0xed && p[1] > 0x9f) ||
               (p[0] == 0xf0 && p[1] < 0x90) || (p[0] == 0xf4 && p[1] > 0x8f);
    return bad ? 0 : n;
}

/* Names from files need not be UTF-8, JSON must be: `text` itself, or a copy with U+FFFD for every
 * byte that belongs to no character, in *owned. NULL without memory. */
static const char *as_utf8(const char *text, char **owned) {
    const unsigned char *p = (const unsigned char *)text;
    size_t length = 0;
    bool good = true;
    for (int n; *p; p += n ? n : 1) {
        n = utf8_bytes(p);
        good = good && n;
        length += n ? (size_t)n : 3;
    }
    *owned = NULL;
    if (good) {
        return text;
    }
    char *to = *owned = tg_alloc(length + 1);
    p = (const unsigned char *)text;
    for (int n; to && *p; p += n ? n : 1) {
        n = utf8_bytes(p);
        memcpy(to, n ? (const char *)p : "\xef\xbf\xbd", n ? (size_t)n : 3);
        to += n ? n : 3;
    }
    if (to) {
        *to = '\0';
    }
    return *owned;
}

/* A container that lacks a member for want of memory says so in a field that cJSON uses for numbers
 * only, so that nobody prints half of a tree without any caller having to look at each member. */
enum { INCOMPLETE = 1 };

static bool complete(const cJSON *v) {
    if (!cJSON_IsObject(v) && !cJSON_IsArray(v)) {
        return true;
    }
    bool whole = v->valueint != INCOMPLETE;
    for (const cJSON *child = v->child; child && whole; child = child->next) {
        whole = complete(child);
    }
    return whole;
}

/* Takes `child` in every case; a key that exists is replaced. */
static tg_json *attach(tg_json *parent, const char *name, cJSON *child) {
    bool done = false;
    char *owned = NULL;
    const char *key = name ? as_utf8(name, &owned) : NULL;
    const bool fits = name ? tg_json_is_object(parent) : tg_json_is_array(parent);
    if (fits && child && name && key) {
        cJSON_DeleteItemFromObjectCaseSensitive(node(parent), key);
        done = cJSON_AddItemToObject(node(parent), key, child);
    } else if (fits && child && !name) {
        done = cJSON_AddItemToArray(node(parent), child);
    }
    tg_free(owned);
    if (done) {
        return json(child);
    }
    if (fits) {
        node(parent)->valueint = INCOMPLETE;
    }
    cJSON_Delete(child);
    return NULL;
}

tg_json *tg_json_set_number(tg_json *parent, const char *key, double value) {
    return attach(parent, key, cJSON_CreateNumber(value));
}

tg_json *tg_json_set_string(tg_json *parent, const char *key, const char *value) {
    char *owned = NULL;
    const char *text = value ? as_utf8(value, &owned) : NULL;
    cJSON *child = !value ? cJSON_CreateNull() : text ? cJSON_CreateString(text) : NULL;
    tg_free(owned);
    return attach(parent, key, child);
}

tg_json *tg_json_set_bool(tg_json *parent, const char *key, bool value) {
    return attach(parent, key, cJSON_CreateBool(value));
}

tg_json *tg_json_set_object(tg_json *parent, const char *key) {
    return attach(parent, key, cJSON_CreateObject());
}

tg_json *tg_json_set_array(tg_json *parent, const char *key) {
    return attach(parent, key, cJSON_CreateArray());
}

tg_json *tg_json_set_json(tg_json *parent, const char *key, tg_json *owned) {
    return attach(parent, key, node(owned));
}

char *tg_json_print(const tg_json *v, bool pretty) {
    char *text = v && complete(node(v))
                     ? (pretty ? cJSON_Print(node(v)) : cJSON_PrintUnformatted(node(v)))
                     : NULL;
    if (!text) {
        return NULL;
    }
    size_t bytes = strlen(text) + 1;
    char *copy = tg_alloc(bytes);
    if (copy) {
        memcpy(copy, text, bytes);
    }
    cJSON_free(text);
    return copy;
}

tg_status tg_json_write(tg_context *ctx, const char *path, const tg_json *v) {
    char *text = tg_json_print(v, true);
    if (!text) {
        return tg_fail(ctx, TG_ENOMEM, "%s: not enough memory to write it", path);
    }
    size_t bytes = strlen(text);
    text[bytes] = '\n'; /* in place of the terminator: the length travels beside it */
    tg_status status = tg_file_write(ctx, path, text, bytes + 1);
    tg_free(text);
    return status;
}
