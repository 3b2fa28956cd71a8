#include "studio/person.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

static tg_status damaged(tg_context *ctx, const char *name, const char *what) {
    return tg_fail(ctx, TG_EINPUT,
                   "characters.json: %s of \"%s\" is not readable\n"
                   "  expected: an entry like those shipped with talkgen\n"
                   "  try: restore the file from the talkgen distribution",
                   what, name);
}

static tg_status unknown_character(tg_context *ctx, const tg_actor *actor, const char *name) {
    char names[512] = "";
    size_t length = 0;
    for (int i = 0; i < tg_actor_character_count(actor); i++) {
        int size = snprintf(names + length, sizeof names - length, "%s%s", i ? ", " : "",
                            tg_actor_character_name(actor, i));
        if (size < 0 || (size_t)size >= sizeof names - length) {
            break;
        }
        length += (size_t)size;
    }
    return tg_fail(ctx, TG_EUSAGE,
                   "character \"%s\" is not in characters.json\n  expected: one of: %s\n"
                   "  try: one of these names, or a random person by seed",
                   name, names);
}

static bool read_color(const tg_json *v, float color[3]) {
    bool good = tg_json_count(v) == 3;
    for (int k = 0; k < 3; k++) {
        double value = tg_json_number(tg_json_at(v, k), NAN);
        good = good && value >= 0.0 && value <= 4.0;
        color[k] = (float)value;
    }
    return good;
}

/* A number of `v` below `key`, or the default; clears *good when it is no number in range. */
static float read_number(const tg_json *v, const char *key, double otherwise, double limit,
                         bool *good) {
    const tg_json *entry = tg_json_get(v, key);
    double value = entry ? tg_json_number(entry, NAN) : otherwise;
    *good = *good && value >= 0.0 && value <= limit;
    return (float)value;
}

/* An entry without a stage is filmed on the default one. */
static bool read_stage(const tg_json *v, tg_stage *stage) {
    if (!v) {
        return true;
    }
    const tg_json *from = tg_json_get(v, "key_from");
    bool good = tg_json_count(from) == 3;
    for (int k = 0; k < 3; k++) {
        double value = tg_json_number(tg_json_at(from, k), NAN);
        good = good && fabs(value) <= 10.0;
        stage->key_from[k] = (float)value;
    }
    const float *d = stage->key_from;
    good = good && d[0] * d[0] + d[1] * d[1] + d[2] * d[2] > 1e-4f;
    good = good && read_color(tg_json_get(v, "key"), stage->key);
    good = good && read_color(tg_json_get(v, "rim"), stage->rim);
    good = good && read_color(tg_json_get(v, "backdrop"), stage->backdrop);
    return good && read_color(tg_json_get(v, "vignette"), stage->vignette);
}

static bool read_look(const tg_json *v, tg_look *look) {
    const char *gender = tg_json_string(tg_json_get(v, "gender"), "");
    look->gender = strcmp(gender, "female") == 0 ? TG_GENDER_FEMALE : TG_GENDER_MALE;
    bool good = look->gender == TG_GENDER_FEMALE || strcmp(gender, "male") == 0;
    good = good && read_color(tg_json_get(v, "skin_albedo"), look->skin_albedo);
    good = good && read_color(tg_json_get(v, "lip_albedo"), look->lip_albedo);
    good = good && read_color(tg_json_get(v, "iris"), look->iris);
    good = good && read_color(tg_json_get(v, "hair_albedo"), look->hair_albedo);
    good = good && read_color(tg_json_get(v, "cloth_albedo"), look->cloth_albedo);
    good = good && read_stage(tg_json_get(v, "stage"), &look->stage);
    look->lip_opacity = read_number(v, "lip_opacity", 0.7, 1.0, &good);
    look->beard = read_number(v, "beard", 0.0, 1.0, &good);
    look->blush = read_number(v, "blush", 0.4, 1.0, &good);
    look->freckles = read_number(v, "freckles", 0.3, 1.0, &good);
    return good;
}

static bool read_hair(const tg_json *v, tg_recipe *out) {
    bool good = true;
    const tg_json *strand = tg_json_get(v, "strand");
    out->hair = tg_json_string(tg_json_get(v, "hair"), NULL);
    out->cloth = tg_json_string(tg_json_get(v, "cloth"), NULL);
    out->strands = (int)read_number(v, "strands", 14000, 100000, &good);
    out->style = (tg_hair_style){
        .length = read_number(v, "strand_length", 0.5, 10.0, &good),
        .lift = read_number(strand, "lift", 0.03, 1.0, &good),
        .wave = read_number(strand, "wob", 0.012, 1.0, &good),
        .wave_frequency = read_number(strand, "cfreq", 1.3, 50.0, &good),
        .spread = read_number(strand, "jit", 0.0, 2.0, &good),
        .flick = read_number(strand, "flick", 0.0, 1.0, &good),
        .width = read_number(strand, "width", 0.0062, 0.1, &good),
        .free = read_number(strand, "free", 0.06, 1.0, &good),
        .rooted = read_number(strand, "root", 0.0, 1.0, &good),
        .min_share = read_number(strand, "minfrac", 0.45, 1.0, &good),
    };
    out->brow_density = read_number(v, "brow_density", 0.8, 4.0, &good);
    out->lash_density = read_number(v, "lash_density", 0.8, 4.0, &good);
    const tg_json *extra = tg_json_get(v, "cloth_extra");
    const tg_json *shirt = tg_json_get(extra, "shirt"), *tie = tg_json_get(extra, "tie");
    out->has_shirt = shirt != NULL;
    out->has_tie = tie != NULL;
    good = good && (!shirt || read_color(shirt, out->shirt_albedo));
    return good && (!tie || read_color(tie, out->tie_albedo));
}

tg_status tg_recipe_character(tg_context *ctx, const tg_actor *actor, const char *name,
                              tg_recipe *out) {
    memset(out, 0, sizeof *out);
    const tg_json *v = tg_json_get(tg_json_get(actor->characters, "characters"), name);
    if (!v) {
        return unknown_character(ctx, actor, name);
    }
    snprintf(out->name, sizeof out->name, "%s", name);
    if (!read_look(v, &out->look) || !read_hair(v, out)) {
        return damaged(ctx, name, "look");
    }
    float sum = 0.0f;
    for (int e = 0; e < TG_ETHNICITIES; e++) {
        bool good = true;
        out->ethnicity[e] =
            read_number(tg_json_get(v, "ethnicity"), tg_ethnicity_name[e], 0.0, 1.0, &good);
        sum += good ? out->ethnicity[e] : NAN;
    }
    if (!(fabsf(sum - 1.0f) < 0.01f)) {
        return damaged(ctx, name, "ethnicity");
    }
    const tg_json *targets = tg_json_get(v, "targets");
    for (const tg_json *t = tg_json_first(targets); t; t = tg_json_next(t)) {
        int target = tg_actor_find_target(actor, tg_json_key(t));
        double weight = tg_json_number(t, NAN);
        if (target < 0 || !(fabs(weight) <= 2.0) || out->ingredients == TG_MAX_INGREDIENTS) {
            return damaged(ctx, name, "target");
        }
        out->ingredient[out->ingredients].target = target;
        out->ingredient[out->ingredients++].weight = (float)weight;
    }
    return TG_OK;
}
