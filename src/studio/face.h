/* Landmarks and head motion of a person, from the few vertices that they depend on. */
#ifndef TG_STUDIO_FACE_H
#define TG_STUDIO_FACE_H

#include "studio/person.h"

/* Fills actor->face and the face part of every target. Needs base, rig, skin, landmarks. */
tg_status tg_face_subset_create(tg_context *ctx, tg_actor *actor);
void tg_face_subset_free(tg_actor *actor);
/* Rest positions of the subset for a recipe, in person->face, and origin and anchor. */
tg_status tg_face_create(tg_context *ctx, const tg_recipe *recipe, tg_person *person);

#endif
