/* Visemes, expressions and phoneme tables: names for weight vectors of the face. */
#ifndef TG_STUDIO_SHAPES_H
#define TG_STUDIO_SHAPES_H

#include "studio/actor.h"

enum { TG_PHONE_SETS = 3, TG_PHONE_VISEMES = 3 };

typedef struct {
    char symbol[12];
    int count;
    int viseme[TG_PHONE_VISEMES];
} tg_phone;

typedef struct {
    tg_shape *viseme, *expression;
    int visemes, expressions;
    tg_phone *phone[TG_PHONE_SETS];
    int phones[TG_PHONE_SETS];
    tg_arena *arena; /* names and weights */
} tg_shapes;

/* visemes.json and phonemes.json below tables_dir; channel names are looked up in `actor`. */
tg_status tg_shapes_load(tg_context *ctx, const tg_actor *actor, const char *tables_dir,
                         tg_shapes *out);
void tg_shapes_free(tg_shapes *shapes);

#endif
