/* The speakers of a corpus. */
#ifndef TG_STUDIO_CAST_H
#define TG_STUDIO_CAST_H

#include "studio/performance.h"

typedef struct {
    tg_voice voice;
    tg_style style;
    tg_person_options face;
} tg_speaker;

/* Is the language one that only held-out speakers speak? */
bool tg_cast_is_heldout(const char *language);
/* Speaker `index` of a corpus; a function of the arguments. heldout chooses among the voices and
 * languages that other corpora never use (English aside). */
tg_status tg_cast_speaker(tg_context *ctx, uint64_t seed, bool heldout, int index, tg_speaker *out);
/* The speaker's face. On some random faces the lips lie over each other, which landmarks cannot
 * tell from an open mouth; such a face is drawn again (who->face.seed changes). */
tg_status tg_cast_face(tg_context *ctx, const tg_actor *actor, tg_speaker *who, tg_person **out);

#endif
