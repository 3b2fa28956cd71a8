/* What the keys of a manifest mean, and what their values may be. */
#include "batch/fields.h"

#include "batch/names.h"

#include <ctype.h>
#include <errno.h>
#include <limits.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const char *const keys[] = {"id",   "audio",   "identity",   "model", "pose", "background",
                                   "seed", "start_s", "duration_s", "out",   "tags"};

bool tg_field_known(const char *key) {
    for (size_t i = 0; i < sizeof keys / sizeof keys[0]; i++)
        if (strcmp(keys[i], key) == 0)
            return true;
    return strncmp(key, "x_", 2) == 0;
}

void tg_clip_problem(tg_clip *clip, int64_t column, const char *format, ...) {
    if (clip->problem)
        return;
    char text[512];
    va_list args;
    va_start(args, format);
    vsnprintf(text, sizeof text, format, args);
    va_end(args);
    for (char *p = text; *p; p++) /* it is shown on terminals, and came from a file */
        if ((unsigned char)*p < ' ' || *p == 127)
            *p = '?';
    clip->column = column;
    clip->problem = strdup(text);
}

static bool good_id(const char *text) {
    size_t n = strlen(text);
    bool good = n >= 1 && n <= TG_CLIP_ID && text[0] != '.' && text[0] != '-';
    for (size_t i = 0; good && i < n; i++)
        good = (text[i] >= 'a' && text[i] <= 'z') || (text[i] >= 'A' && text[i] <= 'Z') ||
               (text[i] >= '0' && text[i] <= '9') || strchr("._-", text[i]);
    return good;
}

/* A path below the output folder: every part named, none hidden, none that leads up; the end tells
 * a kind of output that is one file. */
static bool good_out(const char *text) {
    size_t n = strlen(text);
    if (n < 1 || n > TG_CLIP_OUT)
        return false;
    for (const char *part = text;; part++) {
        size_t length = strcspn(part, "/");
        if (length < 1 || length > 190 || part[0] == '.')
            return false;
        for (size_t i = 0; i < length; i++)
            if ((unsigned char)part[i] < ' ' || part[i] == 127 || part[i] == '%')
                return false;
        part += length;
        if (!*part)
            break;
    }
    return tg_is_movie(text) || tg_has_extension(text, "y4m") || tg_has_extension(text, "framemd5");
}

static bool take_text(tg_clip *clip, const tg_field *f, char **to, const char *what) {
    if (!f->text || !*f->text || strlen(f->text) >= PATH_MAX) {
        tg_clip_problem(clip, f->column, "%s: expected %s", f->key, what);
        return true;
    }
    return *to != NULL || (*to = strdup(f->text)) != NULL;
}

static void take_seed(tg_clip *clip, const tg_field *f) {
    char *end = NULL;
    errno = 0;
    if (f->text && isdigit((unsigned char)f->text[0])) {
        clip->seed = strtoull(f->text, &end, 10);
        clip->has_seed = *end == '\0' && errno == 0;
    } else if (f->is_number && f->number >= 0 && f->number <= 9007199254740992.0 &&
               f->number == floor(f->number)) {
        clip->seed = (uint64_t)f->number;
        clip->has_seed = true;
    }
    if (!clip->has_seed)
        tg_clip_problem(clip, f->column,
                        "seed: expected a whole number, 0 to 2^53, or as text to 2^64 - 1");
}

static void take_seconds(tg_clip *clip, const tg_field *f, double *to, bool above_zero) {
    char *end = NULL;
    double x = f->is_number ? f->number : -1;
    if (f->is_cell && f->text) {
        x = strtod(f->text, &end);
        if (end == f->text || *end)
            x = -1;
    }
    if (x >= 0 && x < 1e9 && !(above_zero && x == 0))
        *to = x;
    else
        tg_clip_problem(clip, f->column, "%s: expected a number of seconds%s", f->key,
                        above_zero ? " above 0" : "");
}

bool tg_clip_set(tg_clip *clip, const tg_field *f) {
    const char *key = f->key;
    if (strncmp(key, "x_", 2) == 0)
        return true;
    if (strcmp(key, "id") == 0) {
        if (f->text && good_id(f->text))
            return (clip->id = strdup(f->text)) != NULL;
        tg_clip_problem(
            clip, f->column,
            "id: expected 1 to %d letters, digits, '.', '_' or '-', the first a letter, "
            "a digit or '_'",
            TG_CLIP_ID);
    } else if (strcmp(key, "audio") == 0) {
        return take_text(clip, f, &clip->audio, "the path of a recording");
    } else if (strcmp(key, "identity") == 0 || strcmp(key, "model") == 0) {
        if (clip->identity)
            tg_clip_problem(clip, f->column, "%s: the identity is named twice", key);
        return take_text(clip, f, &clip->identity, "the path of an identity");
    } else if (strcmp(key, "pose") == 0) {
        return take_text(clip, f, &clip->pose, "replay, auto, still, orbit or a file");
    } else if (strcmp(key, "background") == 0) {
        if (f->text && strcmp(f->text, "transparent") == 0)
            tg_clip_problem(clip, f->column, "background: expected dataset, a picture or #rrggbb");
        return take_text(clip, f, &clip->background, "dataset, a picture or #rrggbb");
    } else if (strcmp(key, "seed") == 0) {
        take_seed(clip, f);
    } else if (strcmp(key, "start_s") == 0) {
        take_seconds(clip, f, &clip->start_s, false);
    } else if (strcmp(key, "duration_s") == 0) {
        take_seconds(clip, f, &clip->duration_s, true);
    } else if (strcmp(key, "out") == 0) {
        if (f->text && good_out(f->text))
            return (clip->out = strdup(f->text)) != NULL;
        tg_clip_problem(clip, f->column,
                        "out: expected a path below the output folder without hidden parts, ending "
                        "in .mp4, .m4v, .mov, .mkv, .y4m or .framemd5");
    } else if (strcmp(key, "tags") == 0) {
        if (f->json) {
            char *text = tg_json_print(f->json, false);
            clip->tags = text ? strdup(text) : NULL;
            tg_free(text);
        } else {
            tg_json *holder = tg_json_new_array();
            char *text = tg_json_print(tg_json_set_string(holder, NULL, f->text), false);
            clip->tags = text ? strdup(text) : NULL;
            tg_free(text);
            tg_json_destroy(&holder);
        }
        return clip->tags != NULL;
    } else {
        const char *near = key[0] == 'x' ? " (own keys start with x_)" : "";
        tg_clip_problem(clip, f->column,
                        "unknown key '%.60s'%s; expected id, audio, identity, pose, background, "
                        "seed, start_s, duration_s, out, tags or x_...",
                        key, near);
    }
    return true;
}

bool tg_clip_complete(tg_clip *clip) {
    char text[TG_CLIP_ID + 64];
    if (!clip->id) {
        tg_clip_problem(clip, 1, "id is missing");
        snprintf(text, sizeof text, "line-%lld", (long long)clip->line);
        if (!(clip->id = strdup(text)))
            return false;
    }
    if (!clip->audio)
        tg_clip_problem(clip, 1, "audio is missing");
    if (clip->out)
        return true;
    snprintf(text, sizeof text, "%02x/%s.mp4", (unsigned)(tg_name_hash(clip->id) >> 56), clip->id);
    return (clip->out = strdup(text)) != NULL;
}

/* ---- JSON ---- */

static size_t over_space(const char *t, size_t n, size_t i) {
    while (i < n && (t[i] == ' ' || t[i] == '\t'))
        i++;
    return i;
}

static size_t over_string(const char *t, size_t n, size_t i) {
    for (i++; i < n && t[i] != '"'; i++)
        i += t[i] == '\\';
    return i + 1;
}

/* Behind the value at i of valid JSON. */
static size_t over_value(const char *t, size_t n, size_t i) {
    int depth = 0;
    for (; i < n; i++) {
        if (t[i] == '"')
            i = over_string(t, n, i) - 1;
        else if (t[i] == '{' || t[i] == '[')
            depth++;
        else if (depth > 0 && (t[i] == '}' || t[i] == ']'))
            depth--;
        else if (depth == 0 && (t[i] == ',' || t[i] == '}'))
            break;
    }
    return i;
}

/* A string that C would cut short. */
static const char *find_nul(const char *t, size_t n) {
    for (size_t i = 0; i < n; i++) {
        if ((unsigned char)t[i] < ' ' && t[i] != '\t')
            return t + i;
        if (t[i] == '\\') {
            if (n - i >= 6 && memcmp(t + i, "\\u0000", 6) == 0)
                return t + i;
            i++;
        }
    }
    return NULL;
}

static bool seen_before(const tg_json *object, const tg_json *child) {
    for (const tg_json *c = tg_json_first(object); c != child; c = tg_json_next(c))
        if (strcmp(tg_json_key(c), tg_json_key(child)) == 0)
            return true;
    return false;
}

tg_status tg_clip_of_json(tg_context *ctx, tg_clip *clip, const char *text, size_t bytes) {
    const char *bad = find_nul(text, bytes);
    size_t at = bad ? (size_t)(bad - text) : tg_json_mistake(text, bytes);
    if (at < bytes) {
        tg_clip_problem(clip, (int64_t)at + 1, "%s",
                        bad ? "a control character" : "this is not JSON");
        return TG_OK;
    }
    tg_json *root = NULL;
    tg_status s = tg_json_parse(ctx, text, bytes, "manifest", &root);
    if (s != TG_OK || !tg_json_is_object(root)) {
        tg_clip_problem(clip, 1, "expected one JSON object {\"id\": ..., \"audio\": ...}");
        tg_json_destroy(&root);
        return s == TG_ENOMEM ? s : TG_OK;
    }
    size_t pos = over_space(text, bytes, 0) + 1;
    bool memory = true;
    int members = 0;
    for (tg_json *c = tg_json_first(root); c && memory; c = tg_json_next(c)) {
        pos = over_space(text, bytes, pos);
        tg_field f = {.key = tg_json_key(c),
                      .text = tg_json_string(c, NULL),
                      .is_number = tg_json_is_number(c),
                      .number = tg_json_number(c, 0),
                      .json = c,
                      .column = (int64_t)pos + 1};
        if (++members > 256) {
            tg_clip_problem(clip, f.column, "more than 256 keys");
            break;
        }
        if (strncmp(f.key, "x_", 2) != 0 && seen_before(root, c)) {
            tg_clip_problem(clip, f.column, "%.60s comes twice", f.key);
        } else {
            pos = over_space(text, bytes, over_string(text, bytes, pos)); /* at the colon */
            if (tg_field_known(f.key))
                f.column = (int64_t)over_space(text, bytes, pos + 1) + 1;
            memory = tg_clip_set(clip, &f);
        }
        pos = over_value(text, bytes, pos) + 1;
    }
    tg_json_destroy(&root);
    return memory ? TG_OK : tg_fail(ctx, TG_ENOMEM, "out of memory for the manifest");
}
