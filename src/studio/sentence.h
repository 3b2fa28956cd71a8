/* Sentence generators: English with grammar (sentence.c), other languages as pronounceable words of
 * their syllables (syllables.c). */
#ifndef TG_STUDIO_SENTENCE_H
#define TG_STUDIO_SENTENCE_H

#include "talkgen/core.h"

/* A growing text of fixed size and the stream of chances that it is made of. */
typedef struct {
    char *out;
    size_t size, length;
    tg_rng rng;
    uint64_t draws;
} tg_sentence;

/* 0..n-1. */
uint32_t tg_sentence_draw(tg_sentence *s, uint32_t n);
/* Appends what fits. */
void tg_sentence_put(tg_sentence *s, const char *text);

int tg_syllables_language_count(void);
const char *tg_syllables_language(int index);
/* false: no such language. */
bool tg_syllables_make(tg_sentence *s, const char *language);

#endif
