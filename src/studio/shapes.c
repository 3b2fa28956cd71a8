#include "studio/shapes.h"

#include "studio/actor_data.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

static const char *const phone_set_name[TG_PHONE_SETS] = {"arpabet", "espeak", "ipa"};

static tg_status damaged(tg_context *ctx, const char *path, const char *what, const char *name) {
    return tg_fail(ctx, TG_EINPUT,
                   "%s: %s \"%s\"\n  expected: a table as shipped with talkgen\n"
                   "  try: restore the file from the talkgen distribution",
                   path, what, name ? name : "");
}

/* Weights of one group, "pose" or "target"; appended to the shape. */
static tg_status read_weights(tg_context *ctx, const tg_actor *actor, const char *path,
                              const tg_json *group, tg_channel_weight *weight, int *count) {
    for (const tg_json *w = tg_json_first(group); w; w = tg_json_next(w)) {
        int channel = tg_actor_find_channel(actor, tg_json_key(w));
        double value = tg_json_number(w, NAN);
        if (channel < 0 || !(fabs(value) <= 4.0)) {
            return damaged(ctx, path, "unknown unit or unreadable weight", tg_json_key(w));
        }
        weight[(*count)++] = (tg_channel_weight){channel, (float)value};
    }
    return TG_OK;
}

static tg_status read_shapes(tg_context *ctx, const tg_actor *actor, const char *path,
                             const tg_json *table, tg_shapes *shapes, tg_shape **list, int *count) {
    int n = tg_json_count(table);
    *list = tg_arena_calloc(shapes->arena, (size_t)n * sizeof **list);
    if (n < 1 || !*list) {
        return n < 1 ? damaged(ctx, path, "no", "visemes or expressions")
                     : tg_fail(ctx, TG_ENOMEM, "%s: out of memory", path);
    }
    for (const tg_json *v = tg_json_first(table); v; v = tg_json_next(v)) {
        const tg_json *pose = tg_json_get(v, "pose"), *target = tg_json_get(v, "target");
        size_t room = (size_t)(tg_json_count(pose) + tg_json_count(target));
        tg_channel_weight *weight = tg_arena_alloc(shapes->arena, room * sizeof *weight);
        tg_shape *shape = &(*list)[(*count)++];
        shape->name = tg_arena_strdup(shapes->arena, tg_json_key(v));
        shape->dominance = (float)tg_json_number(tg_json_get(v, "dominance"), 1.0);
        shape->jaw_deg = (float)tg_json_number(tg_json_get(v, "jaw_deg"), 0.0);
        shape->weight = weight;
        if (!weight || !shape->name) {
            return tg_fail(ctx, TG_ENOMEM, "%s: out of memory", path);
        }
        tg_status status = read_weights(ctx, actor, path, pose, weight, &shape->count);
        if (status == TG_OK) {
            status = read_weights(ctx, actor, path, target, weight, &shape->count);
        }
        if (status != TG_OK) {
            return status;
        }
    }
    return TG_OK;
}

static int find_shape(const tg_shape *list, int n, const char *name) {
    for (int i = 0; i < n; i++) {
        if (strcmp(list[i].name, name) == 0) {
            return i;
        }
    }
    return -1;
}

static tg_status read_phones(tg_context *ctx, const char *path, const tg_json *table,
                             tg_shapes *shapes, int set) {
    int n = tg_json_count(table);
    tg_phone *phone = tg_arena_calloc(shapes->arena, (size_t)n * sizeof *phone);
    shapes->phone[set] = phone;
    if (!phone) {
        return tg_fail(ctx, TG_ENOMEM, "%s: out of memory", path);
    }
    for (const tg_json *p = tg_json_first(table); p; p = tg_json_next(p), phone++) {
        const char *symbol = tg_json_key(p);
        phone->count = tg_json_count(p);
        if (!symbol || strlen(symbol) >= sizeof phone->symbol || phone->count < 1 ||
            phone->count > TG_PHONE_VISEMES) {
            return damaged(ctx, path, "unreadable phoneme", symbol);
        }
        strcpy(phone->symbol, symbol);
        for (int k = 0; k < phone->count; k++) {
            const char *name = tg_json_string(tg_json_at(p, k), "");
            phone->viseme[k] = find_shape(shapes->viseme, shapes->visemes, name);
            if (phone->viseme[k] < 0) {
                return damaged(ctx, path, "unknown viseme", name);
            }
        }
        shapes->phones[set]++;
    }
    return TG_OK;
}

tg_status tg_shapes_load(tg_context *ctx, const tg_actor *actor, const char *tables_dir,
                         tg_shapes *out) {
    memset(out, 0, sizeof *out);
    char path[4096];
    tg_json *visemes = NULL, *phonemes = NULL;
    out->arena = tg_arena_create(0);
    tg_status status = out->arena ? TG_OK : tg_fail(ctx, TG_ENOMEM, "visemes: out of memory");
    if (status == TG_OK) {
        snprintf(path, sizeof path, "%s/visemes.json", tables_dir);
        status = tg_json_read(ctx, path, &visemes);
    }
    if (status == TG_OK) {
        status = read_shapes(ctx, actor, path, tg_json_get(visemes, "visemes"), out, &out->viseme,
                             &out->visemes);
    }
    if (status == TG_OK) {
        status = read_shapes(ctx, actor, path, tg_json_get(visemes, "expressions"), out,
                             &out->expression, &out->expressions);
    }
    if (status == TG_OK) {
        snprintf(path, sizeof path, "%s/phonemes.json", tables_dir);
        status = tg_json_read(ctx, path, &phonemes);
    }
    for (int set = 0; status == TG_OK && set < TG_PHONE_SETS; set++) {
        status = read_phones(ctx, path, tg_json_get(phonemes, phone_set_name[set]), out, set);
    }
    tg_json_destroy(&visemes);
    tg_json_destroy(&phonemes);
    if (status != TG_OK) {
        tg_shapes_free(out);
    }
    return status;
}

void tg_shapes_free(tg_shapes *shapes) {
    tg_arena_destroy(&shapes->arena);
    memset(shapes, 0, sizeof *shapes);
}

/* ---- public look-ups ---------------------------------------------------------------- */

int tg_actor_viseme_count(const tg_actor *actor) {
    return actor->shapes.visemes;
}

const tg_shape *tg_actor_viseme(const tg_actor *actor, int index) {
    return index >= 0 && index < actor->shapes.visemes ? &actor->shapes.viseme[index] : NULL;
}

int tg_actor_find_viseme(const tg_actor *actor, const char *name) {
    return find_shape(actor->shapes.viseme, actor->shapes.visemes, name);
}

int tg_actor_expression_count(const tg_actor *actor) {
    return actor->shapes.expressions;
}

const tg_shape *tg_actor_expression(const tg_actor *actor, int index) {
    return index >= 0 && index < actor->shapes.expressions ? &actor->shapes.expression[index]
                                                           : NULL;
}

int tg_actor_find_expression(const tg_actor *actor, const char *name) {
    return find_shape(actor->shapes.expression, actor->shapes.expressions, name);
}

void tg_shape_add(const tg_shape *shape, float weight, tg_face_state *state) {
    for (int i = 0; i < shape->count; i++) {
        state->channel[shape->weight[i].channel] += weight * shape->weight[i].weight;
    }
}

static const tg_phone *find_phone(const tg_shapes *shapes, tg_phone_set set, const char *symbol) {
    for (int i = 0; i < shapes->phones[set]; i++) {
        if (strcmp(shapes->phone[set][i].symbol, symbol) == 0) {
            return &shapes->phone[set][i];
        }
    }
    return NULL;
}

/* Removes every occurrence of `mark`. */
static void strip_all(char *text, const char *mark) {
    size_t length = strlen(mark);
    for (char *at = strstr(text, mark); at; at = strstr(at, mark)) {
        memmove(at, at + length, strlen(at + length) + 1);
    }
}

static void strip_marks(tg_phone_set set, char *text) {
    if (set == TG_PHONES_ARPABET) {
        for (char *c = text; *c; c++) {
            if (*c >= 'A' && *c <= 'Z') {
                *c = (char)(*c - 'A' + 'a');
            }
        }
        for (size_t n = strlen(text); n && text[n - 1] >= '0' && text[n - 1] <= '9'; n--) {
            text[n - 1] = 0;
        }
        return;
    }
    static const char *const espeak[] = {"'", ",", "%", "="};
    /* stress, aspiration, palatalisation, nasality, syllabicity, tie bars */
    static const char *const ipa[] = {"\u02c8", "\u02cc", "\u02b0", "\u02b2",
                                      "\u0303", "\u0329", "\u0361", "\u035c"};
    const char *const *mark = set == TG_PHONES_ESPEAK ? espeak : ipa;
    size_t marks =
        set == TG_PHONES_ESPEAK ? sizeof espeak / sizeof *espeak : sizeof ipa / sizeof *ipa;
    for (size_t i = 0; i < marks; i++) {
        strip_all(text, mark[i]);
    }
}

int tg_actor_phone(const tg_actor *actor, tg_phone_set set, const char *symbol, int viseme[3]) {
    const tg_shapes *shapes = &actor->shapes;
    char text[32];
    if ((int)set < 0 || (int)set >= TG_PHONE_SETS || strlen(symbol) >= sizeof text) {
        return 0;
    }
    strcpy(text, symbol);
    const tg_phone *phone = find_phone(shapes, set, text);
    if (!phone) {
        strip_marks(set, text);
        phone = find_phone(shapes, set, text);
    }
    if (!phone && set != TG_PHONES_ARPABET) {
        strip_all(text, set == TG_PHONES_ESPEAK ? ":" : "\u02d0");
        phone = find_phone(shapes, set, text);
    }
    for (int k = 0; phone && k < phone->count; k++) {
        viseme[k] = phone->viseme[k];
    }
    return phone ? phone->count : 0;
}
