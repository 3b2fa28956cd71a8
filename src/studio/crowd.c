/* Random people: shapes for a voice corpus with many different faces, and looks to go with them. */
#include "studio/dice.h"
#include "studio/person.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

/* normal(0, sigma) cut at +-limit */
static float roll_cut(tg_dice *d, float sigma, float limit) {
    float v = tg_roll_normal(d, sigma);
    return v > limit ? limit : v < -limit ? -limit : v;
}

typedef struct {
    tg_context *ctx;
    const tg_actor *actor;
    tg_recipe *out;
} kitchen;

static tg_status add(kitchen *k, const char *name, float weight) {
    int target = tg_actor_find_target(k->actor, name ? name : "");
    if (target < 0 || k->out->ingredients == TG_MAX_INGREDIENTS) {
        return tg_fail(k->ctx, TG_EINPUT,
                       "crowd.json: target \"%s\" is unknown, or there are too many\n"
                       "  expected: targets below data/targets, at most %d in one person\n"
                       "  try: restore the file from the talkgen distribution",
                       name ? name : "", TG_MAX_INGREDIENTS);
    }
    if (weight != 0.0f) {
        k->out->ingredient[k->out->ingredients].target = target;
        k->out->ingredient[k->out->ingredients++].weight = weight;
    }
    return TG_OK;
}

/* '*' in the name: both sides with the same weight. */
static tg_status add_sides(kitchen *k, const char *name, float weight) {
    const char *star = name ? strchr(name, '*') : NULL;
    if (!star) {
        return add(k, name, weight);
    }
    tg_status status = TG_OK;
    for (int side = 0; status == TG_OK && side < 2; side++) {
        char text[160];
        snprintf(text, sizeof text, "%.*s%c%s", (int)(star - name), name, side ? 'r' : 'l',
                 star + 1);
        status = add(k, text, weight);
    }
    return status;
}

/* One ethnicity in three of five people, else a mixture of two. */
static void draw_ethnicity(tg_dice *d, float share[TG_ETHNICITIES]) {
    int first = (int)(tg_roll(d) * TG_ETHNICITIES);
    int second = (first + 1 + (int)(tg_roll(d) * (TG_ETHNICITIES - 1))) % TG_ETHNICITIES;
    float mixed = tg_roll(d) < 0.6f ? 0.0f : tg_roll_between(d, 0.15f, 0.5f);
    memset(share, 0, TG_ETHNICITIES * sizeof *share);
    share[first] = 1.0f - mixed;
    share[second] += mixed;
}

static tg_status draw_body(kitchen *k, tg_dice *d) {
    const char *gender = k->out->look.gender == TG_GENDER_FEMALE ? "female" : "male";
    float old_max = (float)tg_json_number(tg_json_get(k->actor->crowd, "old_max"), 0.0);
    float old = old_max * tg_roll(d);
    old *= tg_roll(d); /* most people are young */
    float weight = roll_cut(d, 0.3f, 0.7f);
    tg_status status = TG_OK;
    char name[112];
    for (int age = 0; age < 2; age++) {
        const char *age_name = age ? "old" : "young";
        float age_share = age ? old : 1.0f - old;
        for (int e = 0; status == TG_OK && e < TG_ETHNICITIES; e++) {
            snprintf(name, sizeof name, "macrodetails/%s-%s-%s", tg_ethnicity_name[e], gender,
                     age_name);
            status = add(k, name, age_share * k->out->ethnicity[e]);
        }
        const char *extreme = weight < 0.0f ? "min" : "max";
        for (int i = 0; status == TG_OK && i < 2; i++) {
            snprintf(name, sizeof name, "macrodetails/universal-%s-%s-averagemuscle-%sweight",
                     gender, age_name, i ? extreme : "average");
            status = add(k, name, age_share * (i ? fabsf(weight) : 1.0f - fabsf(weight)));
        }
    }
    if (status == TG_OK) {
        snprintf(name, sizeof name,
                 "macrodetails/proportions/%s-young-averagemuscle-averageweight-idealproportions",
                 gender);
        status = add(k, name, (1.0f - old) * tg_roll_between(d, 0.2f, 0.9f));
    }
    return status;
}

static tg_status draw_face(kitchen *k, tg_dice *d) {
    const tg_json *crowd = k->actor->crowd;
    tg_status status = TG_OK;
    const tg_json *sliders = tg_json_get(crowd, "sliders");
    for (const tg_json *s = tg_json_first(sliders); s && status == TG_OK; s = tg_json_next(s)) {
        float sigma = (float)tg_json_number(tg_json_get(s, "sigma"), 0.0);
        float limit = (float)tg_json_number(tg_json_get(s, "max"), 0.0);
        float w = roll_cut(d, sigma, limit);
        const char *side = w < 0.0f ? "low" : "high";
        status = add_sides(k, tg_json_string(tg_json_get(s, side), NULL), fabsf(w));
    }
    const tg_json *outlines = tg_json_get(crowd, "outlines");
    int shapes = tg_json_count(outlines);
    if (status == TG_OK && shapes) {
        const tg_json *shape = tg_json_at(outlines, (int)(tg_roll(d) * (float)shapes));
        float limit = (float)tg_json_number(tg_json_get(crowd, "outline_max"), 0.0);
        status = add(k, tg_json_string(shape, NULL), limit * tg_roll(d));
    }
    const tg_json *asymmetry = tg_json_get(crowd, "asymmetry");
    int kinds = tg_json_count(asymmetry);
    int wanted = (int)tg_json_number(tg_json_get(crowd, "asymmetry_count"), 0.0);
    float limit = (float)tg_json_number(tg_json_get(crowd, "asymmetry_max"), 0.0);
    for (int i = 0; status == TG_OK && kinds && i < wanted; i++) {
        const tg_json *kind = tg_json_at(asymmetry, (int)(tg_roll(d) * (float)kinds));
        status = add(k, tg_json_string(kind, NULL), limit * tg_roll(d));
    }
    return status;
}

/* The character of the same gender with the nearest ethnicity lends hair and cloth. */
static tg_status borrow_style(kitchen *k, tg_dice *d, tg_recipe *out) {
    static tg_recipe const empty;
    const tg_actor *actor = k->actor;
    float best = INFINITY;
    tg_recipe candidate = empty;
    for (int i = 0; i < tg_actor_character_count(actor); i++) {
        tg_status status =
            tg_recipe_character(k->ctx, actor, tg_actor_character_name(actor, i), &candidate);
        if (status != TG_OK) {
            return status;
        }
        /* noise, so that equally near characters take turns */
        float distance = 0.8f * tg_roll(d);
        for (int e = 0; e < TG_ETHNICITIES; e++) {
            distance += fabsf(candidate.ethnicity[e] - k->out->ethnicity[e]);
        }
        if (candidate.look.gender == k->out->look.gender && distance < best) {
            best = distance;
            *out = candidate;
        }
    }
    return isfinite(best) ? TG_OK
                          : tg_fail(k->ctx, TG_EINPUT,
                                    "characters.json: nobody of the wanted gender\n"
                                    "  expected: at least one man and one woman\n"
                                    "  try: restore the file from the talkgen distribution");
}

/* Log-mean of the three skins by share, with a little brightness noise. */
static void mix_skin(const float share[TG_ETHNICITIES], float brightness, float skin[3]) {
    static const float tone[TG_ETHNICITIES][3] = {
        {0.50f, 0.285f, 0.205f}, {0.17f, 0.095f, 0.055f}, {0.47f, 0.29f, 0.19f}};
    for (int k = 0; k < 3; k++) {
        float sum = 0.0f;
        for (int e = 0; e < TG_ETHNICITIES; e++) {
            sum += share[e] * logf(tone[e][k]);
        }
        skin[k] = brightness * expf(sum);
    }
}

static tg_status draw_look(kitchen *k, tg_dice *d) {
    tg_recipe style;
    tg_status status = borrow_style(k, d, &style);
    if (status != TG_OK) {
        return status;
    }
    tg_recipe *out = k->out;
    out->hair = style.hair;
    out->cloth = style.cloth;
    out->strands = style.strands;
    out->style = style.style;
    out->brow_density = style.brow_density * tg_roll_between(d, 0.8f, 1.2f);
    out->lash_density = style.lash_density;
    out->has_shirt = style.has_shirt;
    out->has_tie = style.has_tie;
    memcpy(out->shirt_albedo, style.shirt_albedo, sizeof out->shirt_albedo);
    memcpy(out->tie_albedo, style.tie_albedo, sizeof out->tie_albedo);
    out->look = style.look;
    mix_skin(out->ethnicity, tg_roll_between(d, 0.85f, 1.1f), out->look.skin_albedo);
    float lip = tg_roll_between(d, 0.85f, 1.15f), iris = tg_roll_between(d, 0.8f, 1.2f);
    float hair = tg_roll_between(d, 0.7f, 1.5f), cloth = tg_roll_between(d, 0.03f, 0.35f);
    for (int i = 0; i < 3; i++) {
        out->look.lip_albedo[i] *= lip;
        out->look.iris[i] *= iris;
        out->look.hair_albedo[i] *= hair;
        out->look.cloth_albedo[i] = cloth * tg_roll_between(d, 0.6f, 1.2f);
    }
    out->look.beard *= tg_roll(d);
    out->look.freckles *= tg_roll_between(d, 0.3f, 1.5f);
    return TG_OK;
}

tg_status tg_recipe_random(tg_context *ctx, const tg_actor *actor, uint64_t seed, tg_gender gender,
                           tg_recipe *out) {
    memset(out, 0, sizeof *out);
    snprintf(out->name, sizeof out->name, "random-%llu", (unsigned long long)seed);
    kitchen k = {.ctx = ctx, .actor = actor, .out = out};
    tg_dice body = tg_dice_make(seed, "", "crowd.body");
    tg_dice face = tg_dice_make(seed, "", "crowd.face");
    tg_dice look = tg_dice_make(seed, "", "crowd.look");
    float coin = tg_roll(&body);
    out->look.gender = gender != TG_GENDER_ANY ? gender
                       : coin < 0.5f           ? TG_GENDER_FEMALE
                                               : TG_GENDER_MALE;
    draw_ethnicity(&body, out->ethnicity);
    tg_status status = draw_body(&k, &body);
    if (status == TG_OK) {
        status = draw_face(&k, &face);
    }
    if (status == TG_OK) {
        status = draw_look(&k, &look);
    }
    return status;
}
