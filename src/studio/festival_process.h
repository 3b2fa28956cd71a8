/* A festival that stays: to load one of its voices takes ten times as long as to say a sentence. */
#ifndef TG_STUDIO_FESTIVAL_PROCESS_H
#define TG_STUDIO_FESTIVAL_PROCESS_H

#include <stdbool.h>

typedef struct tg_festival tg_festival;

/* Where the program writes what it is asked to: names of files that it has open itself. */
#define TG_FESTIVAL_SOUND  "/dev/fd/3"
#define TG_FESTIVAL_LABELS "/dev/fd/4"

/* Starts the program; NULL = it cannot be started, errno says why. */
tg_festival *tg_festival_start(void);
void tg_festival_stop(tg_festival **festival);
/* Empties both files and has it evaluate Scheme until it is done; an error in it ends the
 * expression, not the program. false: it has died and is good for tg_festival_stop alone. */
bool tg_festival_do(tg_festival *festival, const char *scheme);
/* The same files as this process opens them; the names live as long as the festival. */
const char *tg_festival_sound(const tg_festival *festival);
const char *tg_festival_labels(const tg_festival *festival);

#endif
