#include "studio/person.h"

#include "studio/body.h"
#include "studio/face.h"

#include <string.h>

tg_status tg_person_create(tg_context *ctx, const tg_actor *actor, const tg_person_options *options,
                           tg_person **out) {
    *out = NULL;
    tg_recipe *recipe = tg_alloc(sizeof *recipe);
    tg_person *person = tg_calloc(sizeof *person);
    tg_status status = recipe && person ? TG_OK : tg_fail(ctx, TG_ENOMEM, "person: out of memory");
    if (status == TG_OK) {
        status = options->character
                     ? tg_recipe_character(ctx, actor, options->character, recipe)
                     : tg_recipe_random(ctx, actor, options->seed, options->gender, recipe);
    }
    if (status == TG_OK) {
        recipe->seed = options->seed;
        person->actor = actor;
        person->look = recipe->look;
        memcpy(person->name, recipe->name, sizeof person->name);
        memcpy(person->ethnicity, recipe->ethnicity, sizeof person->ethnicity);
        status = tg_face_create(ctx, recipe, person);
    }
    if (status == TG_OK && options->pictures) {
        status = tg_body_create(ctx, recipe, person, &person->body);
    }
    tg_free(recipe);
    if (status != TG_OK) {
        tg_person_destroy(&person);
    }
    *out = person;
    return status;
}

void tg_person_destroy(tg_person **person) {
    if (person && *person) {
        tg_body_destroy(&(*person)->body);
        tg_free((*person)->face);
        tg_free(*person);
        *person = NULL;
    }
}

const tg_look *tg_person_look(const tg_person *person) {
    return &person->look;
}

const char *tg_person_name(const tg_person *person) {
    return person->name;
}

void tg_person_anchor(const tg_person *person, float p[3]) {
    memcpy(p, person->anchor, sizeof person->anchor);
}

void tg_person_origin(const tg_person *person, float o[3]) {
    memcpy(o, person->origin, sizeof person->origin);
}
