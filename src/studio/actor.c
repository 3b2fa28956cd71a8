#include "studio/actor_data.h"

#include "studio/face.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { MAX_PATH = 4096 };

const char *const tg_ethnicity_name[TG_ETHNICITIES] = {"caucasian", "african", "asian"};

const char *const tg_expression_target_name[TG_EXPRESSION_TARGETS] = {
    "eye-left-closure",        "eye-left-opened-up",      "eye-left-slit",
    "eye-right-closure",       "eye-right-opened-up",     "eye-right-slit",
    "eyebrows-left-down",      "eyebrows-left-extern-up", "eyebrows-left-inner-up",
    "eyebrows-left-up",        "eyebrows-right-down",     "eyebrows-right-extern-up",
    "eyebrows-right-inner-up", "eyebrows-right-up",       "mouth-compression",
    "mouth-corner-puller",     "mouth-depression",        "mouth-depression-retraction",
    "mouth-elevation",         "mouth-eversion",          "mouth-open",
    "mouth-parling",           "mouth-part-later",        "mouth-protusion",
    "mouth-pursing",           "mouth-retraction",        "mouth-upward-retraction",
    "neck-platysma",           "nose-compression",        "nose-depression",
    "nose-left-dilatation",    "nose-left-elevation",     "nose-right-dilatation",
    "nose-right-elevation"};

static tg_status no_memory(tg_context *ctx) {
    return tg_fail(ctx, TG_ENOMEM, "actor: out of memory");
}

/* Joins into path[MAX_PATH]. */
static tg_status make_path(tg_context *ctx, char *path, const char *format, ...) {
    va_list args;
    va_start(args, format);
    int size = vsnprintf(path, MAX_PATH, format, args);
    va_end(args);
    return size < MAX_PATH ? TG_OK
                           : tg_fail(ctx, TG_EINPUT,
                                     "%.64s...: path too long\n  expected: at most %d bytes\n"
                                     "  try: a shorter directory name",
                                     path, MAX_PATH - 1);
}

static tg_status damaged(tg_context *ctx, const char *path, const char *what) {
    return tg_fail(ctx, TG_EINPUT,
                   "%s: %s\n  expected: a table as shipped with talkgen\n"
                   "  try: restore the file from the talkgen distribution",
                   path, what);
}

/* ---- names --------------------------------------------------------------------- */

int tg_actor_find_channel(const tg_actor *actor, const char *name) {
    for (int u = 0; u < TG_POSE_UNITS; u++) {
        if (strcmp(actor->rig.unit_name[u], name) == 0) {
            return u;
        }
    }
    for (int t = 0; t < TG_EXPRESSION_TARGETS; t++) {
        if (strcmp(tg_expression_target_name[t], name) == 0) {
            return TG_POSE_UNITS + t;
        }
    }
    return -1;
}

const char *tg_actor_channel_name(const tg_actor *actor, int channel) {
    if (channel < 0 || channel >= TG_CHANNELS) {
        return NULL;
    }
    return channel < TG_POSE_UNITS ? actor->rig.unit_name[channel]
                                   : tg_expression_target_name[channel - TG_POSE_UNITS];
}

const char *tg_actor_eye_texture(const tg_actor *actor) {
    return actor->eye_texture;
}

int tg_actor_character_count(const tg_actor *actor) {
    return tg_json_count(tg_json_get(actor->characters, "characters"));
}

const char *tg_actor_character_name(const tg_actor *actor, int index) {
    return tg_json_key(tg_json_at(tg_json_get(actor->characters, "characters"), index));
}

/* ---- tables ---------------------------------------------------------------------- */

static tg_status read_vertices(tg_context *ctx, const char *path, const tg_json *list,
                               const char *what, int32_t *out, int n) {
    if (tg_json_count(list) != n) {
        return damaged(ctx, path, what);
    }
    for (const tg_json *v = tg_json_first(list); v; v = tg_json_next(v)) {
        double index = tg_json_number(v, -1.0);
        if (!(index >= 0 && index < TG_BASE_VERTICES)) {
            return damaged(ctx, path, what);
        }
        *out++ = (int32_t)index;
    }
    return TG_OK;
}

static tg_status load_landmarks(tg_context *ctx, tg_actor *actor, const char *tables_dir) {
    enum { LASH_LINE = 2 }; /* eye[2] of the table is the outer lid margin */
    char path[MAX_PATH];
    tg_json *root = NULL;
    tg_status status = make_path(ctx, path, "%s/landmarks68.json", tables_dir);
    if (status == TG_OK) {
        status = tg_json_read(ctx, path, &root);
    }
    if (status == TG_OK) {
        status =
            read_vertices(ctx, path, tg_json_get(root, "vertices"),
                          "\"vertices\" is not 68 base vertices", actor->landmark, TG_LANDMARKS);
    }
    static const char *const side[2] = {"eye_left", "eye_right"};
    for (int i = 0; status == TG_OK && i < 2; i++) {
        const tg_json *loops = tg_json_get(tg_json_get(root, "loops"), side[i]);
        status = read_vertices(ctx, path, tg_json_at(loops, LASH_LINE),
                               "lash line is not 28 base vertices", actor->lid[i], TG_LID_LOOP);
    }
    tg_json_destroy(&root);
    return status;
}

static tg_status load_masks(tg_context *ctx, tg_actor *actor, const char *tables_dir) {
    static const struct {
        const char *name;
        int attr;
    } table[] = {{"lips", TG_SKIN_LIPS},    {"blush", TG_SKIN_BLUSH},
                 {"lid", TG_SKIN_LID},      {"beard", TG_SKIN_BEARD},
                 {"red", TG_SKIN_RED},      {"inner_mouth", TG_SKIN_INNER_MOUTH},
                 {"cavity", TG_SKIN_CAVITY}};
    char path[MAX_PATH];
    tg_json *root = NULL;
    tg_status status = make_path(ctx, path, "%s/skinmasks.json", tables_dir);
    if (status == TG_OK) {
        status = tg_json_read(ctx, path, &root);
    }
    actor->mask = tg_calloc(TG_BASE_VERTICES * sizeof *actor->mask);
    if (status == TG_OK && !actor->mask) {
        status = no_memory(ctx);
    }
    for (size_t i = 0; status == TG_OK && i < sizeof table / sizeof *table; i++) {
        const tg_json *list = tg_json_get(root, table[i].name);
        if (!list) {
            status = damaged(ctx, path, "a mask is missing");
        }
        for (const tg_json *p = tg_json_first(list); p && status == TG_OK; p = tg_json_next(p)) {
            double v = tg_json_number(tg_json_at(p, 0), -1.0);
            double w = tg_json_number(tg_json_at(p, 1), -1.0);
            if (!(v >= 0 && v < TG_BASE_VERTICES && w >= 0 && w <= 8)) {
                status = damaged(ctx, path, "unreadable [vertex, weight]");
            } else {
                actor->mask[(int)v][table[i].attr] = (float)w;
            }
        }
    }
    tg_json_destroy(&root);
    return status;
}

static tg_status load_tables(tg_context *ctx, tg_actor *actor, const char *tables_dir) {
    const struct {
        const char *name;
        tg_json **root;
    } table[] = {{"characters", &actor->characters},
                 {"crowd", &actor->crowd},
                 {"hairflow", &actor->hairflow},
                 {"cloth_regions", &actor->cloth_regions}};
    tg_status status = load_landmarks(ctx, actor, tables_dir);
    if (status == TG_OK) {
        status = load_masks(ctx, actor, tables_dir);
    }
    char path[MAX_PATH];
    for (size_t i = 0; status == TG_OK && i < sizeof table / sizeof *table; i++) {
        status = make_path(ctx, path, "%s/%s.json", tables_dir, table[i].name);
        if (status == TG_OK) {
            status = tg_json_read(ctx, path, table[i].root);
        }
    }
    return status;
}

/* ---- morph targets ----------------------------------------------------------------- */

/* Names as they are collected; more than the room is our own mistake in a table. */
typedef struct {
    tg_named_target *list;
    int count, room;
    bool bad; /* too many or too long */
} name_list;

/* Takes "dir/name" or "dir/name.target"; '*' is written once as l and once as r. */
static void add_name(name_list *names, const char *name) {
    if (!name) {
        return;
    }
    size_t length = strlen(name);
    static const char suffix[] = ".target";
    if (length > 7 && strcmp(name + length - 7, suffix) == 0) {
        length -= 7;
    }
    const char *star = memchr(name, '*', length);
    for (int side = 0; side < (star ? 2 : 1); side++) {
        if (names->count == names->room || length >= sizeof names->list->name) {
            names->bad = true;
            return;
        }
        char *to = names->list[names->count++].name;
        memcpy(to, name, length);
        to[length] = 0;
        if (star) {
            to[star - name] = side ? 'r' : 'l';
        }
    }
}

static void collect_names(const tg_actor *actor, name_list *names) {
    char name[112];
    const tg_json *people = tg_json_get(actor->characters, "characters");
    for (const tg_json *p = tg_json_first(people); p; p = tg_json_next(p)) {
        const tg_json *targets = tg_json_get(p, "targets");
        for (const tg_json *t = tg_json_first(targets); t; t = tg_json_next(t)) {
            add_name(names, tg_json_key(t));
        }
    }
    const tg_json *sliders = tg_json_get(actor->crowd, "sliders");
    for (const tg_json *s = tg_json_first(sliders); s; s = tg_json_next(s)) {
        add_name(names, tg_json_string(tg_json_get(s, "low"), NULL));
        add_name(names, tg_json_string(tg_json_get(s, "high"), NULL));
    }
    static const char *const lists[] = {"outlines", "asymmetry", "bodies"};
    for (int i = 0; i < 3; i++) {
        const tg_json *list = tg_json_get(actor->crowd, lists[i]);
        for (const tg_json *t = tg_json_first(list); t; t = tg_json_next(t)) {
            add_name(names, tg_json_string(t, NULL));
        }
    }
    for (int e = 0; e < TG_ETHNICITIES; e++) {
        for (int t = 0; t < TG_EXPRESSION_TARGETS; t++) {
            snprintf(name, sizeof name, "expression/units/%s/%s", tg_ethnicity_name[e],
                     tg_expression_target_name[t]);
            add_name(names, name);
        }
    }
}

static int compare_names(const void *a, const void *b) {
    return strcmp(((const tg_named_target *)a)->name, ((const tg_named_target *)b)->name);
}

int tg_actor_find_target(const tg_actor *actor, const char *name) {
    tg_named_target key;
    size_t length = strlen(name);
    if (length > 7 && strcmp(name + length - 7, ".target") == 0) {
        length -= 7;
    }
    if (length >= sizeof key.name) {
        return -1;
    }
    memcpy(key.name, name, length);
    key.name[length] = 0;
    const tg_named_target *found =
        bsearch(&key, actor->target, (size_t)actor->targets, sizeof *actor->target, compare_names);
    return found ? (int)(found - actor->target) : -1;
}

static tg_status load_targets(tg_context *ctx, tg_actor *actor) {
    enum { MAX_TARGETS = 2048 };
    name_list names = {.room = MAX_TARGETS};
    names.list = actor->target = tg_calloc(MAX_TARGETS * sizeof *actor->target);
    if (!names.list) {
        return no_memory(ctx);
    }
    collect_names(actor, &names);
    if (names.bad) {
        return damaged(ctx, "characters.json, crowd.json", "too many or too long target names");
    }
    qsort(names.list, (size_t)names.count, sizeof *names.list, compare_names);
    char path[MAX_PATH];
    tg_status status = TG_OK;
    for (int i = 0; status == TG_OK && i < names.count; i++) {
        if (i && strcmp(names.list[i].name, names.list[i - 1].name) == 0) {
            continue;
        }
        tg_named_target *to = &actor->target[actor->targets++];
        memmove(to->name, names.list[i].name, sizeof to->name);
        status = make_path(ctx, path, "%s/targets/%s.target", actor->data_dir, to->name);
        if (status == TG_OK) {
            status = tg_target_load(ctx, path, TG_BASE_VERTICES, &to->whole);
        }
    }
    for (int e = 0; status == TG_OK && e < TG_ETHNICITIES; e++) {
        for (int t = 0; t < TG_EXPRESSION_TARGETS; t++) {
            char name[112];
            snprintf(name, sizeof name, "expression/units/%s/%s", tg_ethnicity_name[e],
                     tg_expression_target_name[t]);
            actor->expression[e][t] = tg_actor_find_target(actor, name);
        }
    }
    return status;
}

/* ---- whole actor ------------------------------------------------------------------- */

static tg_status load_base(tg_context *ctx, tg_actor *actor, const char *tables_dir) {
    char path[MAX_PATH];
    tg_status status = make_path(ctx, path, "%s/eyes/materials/brown_eye.png", actor->data_dir);
    if (status == TG_OK) {
        actor->eye_texture = tg_alloc(strlen(path) + 1);
        status = actor->eye_texture ? TG_OK : no_memory(ctx);
    }
    if (status == TG_OK) {
        strcpy(actor->eye_texture, path);
        status = make_path(ctx, path, "%s/3dobjs/base.obj", actor->data_dir);
    }
    if (status == TG_OK) {
        status = tg_obj_load(ctx, path, &actor->base);
    }
    if (status == TG_OK && actor->base.vertices != TG_BASE_VERTICES) {
        status = tg_fail(ctx, TG_EINPUT,
                         "%s: %d vertices\n  expected: %d, the MakeHuman base mesh hm08\n"
                         "  try: the data folder of makehumancommunity/makehuman, version 1.2",
                         path, actor->base.vertices, TG_BASE_VERTICES);
    }
    if (status == TG_OK) {
        status = make_path(ctx, path, "%s/facerig.json", tables_dir);
    }
    if (status == TG_OK) {
        status = tg_rig_load(ctx, path, TG_BASE_VERTICES, &actor->rig);
    }
    if (status == TG_OK) {
        status = make_path(ctx, path, "%s/rigs/default_weights.mhw", actor->data_dir);
    }
    if (status == TG_OK) {
        status = tg_rig_load_weights(ctx, &actor->rig, path, TG_BASE_VERTICES, &actor->skin);
    }
    return status;
}

tg_status tg_actor_load(tg_context *ctx, const char *data_dir, const char *tables_dir,
                        tg_actor **out) {
    *out = NULL;
    tg_actor *actor = tg_calloc(sizeof *actor);
    if (!actor) {
        return no_memory(ctx);
    }
    actor->data_dir = tg_alloc(strlen(data_dir) + 1);
    tg_status status = actor->data_dir ? TG_OK : no_memory(ctx);
    if (status == TG_OK) {
        strcpy(actor->data_dir, data_dir);
        status = load_base(ctx, actor, tables_dir);
    }
    if (status == TG_OK) {
        status = load_tables(ctx, actor, tables_dir);
    }
    if (status == TG_OK) {
        status = load_targets(ctx, actor);
    }
    if (status == TG_OK) {
        status = tg_shapes_load(ctx, actor, tables_dir, &actor->shapes);
    }
    if (status == TG_OK) {
        status = tg_face_subset_create(ctx, actor);
    }
    if (status != TG_OK) {
        tg_actor_destroy(&actor);
    }
    *out = actor;
    return status;
}

void tg_actor_destroy(tg_actor **actor) {
    tg_actor *a = actor ? *actor : NULL;
    if (!a) {
        return;
    }
    for (int i = 0; i < a->targets; i++) {
        tg_target_free(&a->target[i].whole);
        tg_target_free(&a->target[i].face);
    }
    tg_free(a->target);
    tg_face_subset_free(a);
    tg_shapes_free(&a->shapes);
    tg_json_destroy(&a->characters);
    tg_json_destroy(&a->crowd);
    tg_json_destroy(&a->hairflow);
    tg_json_destroy(&a->cloth_regions);
    tg_sparse_free(&a->skin);
    tg_rig_free(&a->rig);
    tg_obj_free(&a->base);
    tg_free(a->mask);
    tg_free(a->eye_texture);
    tg_free(a->data_dir);
    tg_free(a);
    *actor = NULL;
}
