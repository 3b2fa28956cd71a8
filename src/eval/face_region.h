/* Where the face ends and the hair begins. */
#ifndef TALKGEN_EVAL_FACE_REGION_H
#define TALKGEN_EVAL_FACE_REGION_H

#include "talkgen/eval.h"

/* Bits that are free in a parsing plane. */
enum { TG_PIXEL_FACE = 4, TG_PIXEL_HAIR = 8 };

/* mask [height,width]: the frame's parsing plane with the head divided. Face: pixels of the head
 * inside the convex outline of the 68 projected landmarks, whose brows are raised by 0.6 of their
 * distance to the nose's foot for the forehead. Hair: the head region outside it, ears and the
 * head's border included. The dataset needs parsing. */
void tg_face_region(const tg_dataset *set, int64_t frame, uint8_t *mask);

#endif
