/* Voices of festival: recorded people in six languages, for which nothing is linked. The program is
 * run when it and all of its voices are installed. */
#ifndef TG_STUDIO_FESTIVAL_H
#define TG_STUDIO_FESTIVAL_H

#include "studio/festival_process.h"
#include "studio/speak.h"

int tg_festival_voice_count(void);
/* Name ("lp"), and the language of the text generator that it reads. */
const char *tg_festival_voice(int index, const char **language);
/* NULL when there is no such voice. */
const char *tg_festival_language(const char *name);
/* Are the program and every voice there? Otherwise *missing names the first that is not. */
bool tg_festival_installed(const char **missing);
/* ARPAbet phones of a segment as the voice names it; 0 = a pause or unknown. */
int tg_festival_phones(const char *voice, const char *segment, const char *out[2]);
/* *running: the program with this voice, from an earlier call, or NULL; the first call starts it
 * and it stays for the next until tg_festival_stop. What it said before does not change what it
 * says. */
tg_status tg_festival_speak(tg_context *ctx, const tg_voice *voice, float tempo,
                            tg_festival **running, const char *text, tg_raw_speech *out);

#endif
