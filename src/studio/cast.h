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

/* Who may be cast: heldout chooses among the voices and languages that others never use (English
 * aside), festival takes its voices too, which must be installed then. */
typedef struct {
    uint64_t seed;
    bool heldout, festival;
} tg_cast;
/* Speaker `index`; a function of the arguments. */
tg_status tg_cast_speaker(tg_context *ctx, const tg_cast *cast, int index, tg_speaker *out);
/* The speaker's face. On some random faces the lips lie over each other, which landmarks cannot
 * tell from an open mouth; such a face is drawn again (who->face.seed changes). */
tg_status tg_cast_face(tg_context *ctx, const tg_actor *actor, tg_speaker *who, tg_person **out);

#endif
