/* The person whose stages and jobs are measured. */
#ifndef TALKGEN_BENCH_PERSON_H
#define TALKGEN_BENCH_PERSON_H

#include "bench/bench.h"

/* Opens b->person, with its voice when asked; it stays NULL, with a note, when none is named. */
tg_status tg_bench_person(bench *b, const bench_entry *entry, bool voice);
/* A note that the row is left out. TG_OK. */
tg_status tg_bench_left_out(bench *b, const bench_entry *entry, const char *why);
/* A file in the folder for temporary files. */
tg_status tg_bench_path(bench *b, const char *name, char *out, size_t size);

#endif
