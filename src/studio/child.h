/* flite and espeak-ng run in a child process of their own, one per utterance (festival is a program
 * and one anyway). Their state is global and carries over from one utterance to the next (phase of
 * the pitch flutter, libc's rand for noise), they print, may end the process and have crashed on
 * strange words. In a fresh copy of the process the same text gives the same sound, and any number
 * of threads can speak at once. */
#ifndef TG_STUDIO_CHILD_H
#define TG_STUDIO_CHILD_H

#include "studio/speak.h"

/* Runs in the child: fills out or fails with a message in ctx. */
typedef tg_status tg_speak_fn(tg_context *ctx, const tg_voice *voice, float tempo, const char *text,
                              tg_raw_speech *out);

/* Calls fn in a child process and brings its result, message included, back. TG_EINTERNAL when the
 * child died. Safe to call from several threads. */
tg_status tg_speak_in_child(tg_context *ctx, tg_speak_fn *fn, const tg_voice *voice, float tempo,
                            const char *text, tg_raw_speech *out);

#endif
