/* What a context holds; private to core. */
#ifndef TG_CORE_CONTEXT_H
#define TG_CORE_CONTEXT_H

#include "talkgen/core.h"

#include <stdatomic.h>

enum { TG_MESSAGE_BYTES = 1536 };

struct tg_context {
    char message[TG_MESSAGE_BYTES];
    tg_pool *pool;
    int system_error; /* behind the message, 0 = none */
    tg_cpu_level cpu;
    tg_precision precision;
    atomic_int cancelled; /* a tg_status, TG_OK while nobody cancelled; set from signal handlers */
    tg_note_fn *note;
    void *note_user;
    tg_progress_fn *progress;
    void *progress_user;
};

#endif
