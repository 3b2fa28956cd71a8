/* A person: what a recipe (character or draw) makes of the actor. Inside the studio only. */
#ifndef TG_STUDIO_PERSON_H
#define TG_STUDIO_PERSON_H

#include "studio/actor_data.h"

enum { TG_MAX_INGREDIENTS = 384 };

/* Parameters of the hair strands (avatar recipe: lift, waviness, spread, flick, ...). */
typedef struct {
    float length; /* dm */
    float lift, wave, wave_frequency, spread, flick, width, free, min_share;
    float rooted; /* share of strands that begin where the hair leaves the skin */
} tg_hair_style;

/* What a person is made of. Strings are borrowed from the actor's tables. */
typedef struct {
    char name[64];
    tg_look look;
    float ethnicity[TG_ETHNICITIES]; /* sum 1 */
    int ingredients;
    struct {
        int target;
        float weight;
    } ingredient[TG_MAX_INGREDIENTS];
    const char *hair, *cloth; /* folder names; NULL = none */
    int strands;
    tg_hair_style style;
    float brow_density, lash_density;
    bool has_shirt, has_tie;
    float shirt_albedo[3], tie_albedo[3];
    uint64_t seed;
} tg_recipe;

/* From characters.json; unknown name: TG_EUSAGE listing the names. */
tg_status tg_recipe_character(tg_context *ctx, const tg_actor *actor, const char *name,
                              tg_recipe *out);
/* Drawn by crowd.json: f(seed, gender). */
tg_status tg_recipe_random(tg_context *ctx, const tg_actor *actor, uint64_t seed, tg_gender gender,
                           tg_recipe *out);

struct tg_body;

struct tg_person {
    const tg_actor *actor;
    char name[64];
    tg_look look;
    float ethnicity[TG_ETHNICITIES];
    float (*face)[3]; /* rest positions of actor->face */
    float origin[3], anchor[3];
    struct tg_body *body; /* NULL without pictures */
};

#endif
