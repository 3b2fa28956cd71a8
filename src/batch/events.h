/* What is told while a batch runs: one JSON object per event; private to batch. */
#ifndef TG_BATCH_EVENTS_H
#define TG_BATCH_EVENTS_H

#include "talkgen/batch.h"

#include <pthread.h>

typedef struct {
    const tg_batch_options *options;
    char run_id[24], shard[32];
    pthread_mutex_t lock;
    char *report; /* lines of the finished clips */
    size_t used, room;
    bool lost; /* out of memory for the report */
} tg_events;

void tg_events_open(tg_events *events, const tg_batch_options *options);
void tg_events_close(tg_events *events);
/* A new event with time_utc, run_id, shard and, unless NULL, id; NULL without memory. */
tg_json *tg_event(const tg_events *events, const char *name, const char *id);
/* Tells the event and lets it go; keep: also a line of the report. Any thread. */
void tg_event_send(tg_events *events, tg_json *event, bool keep);
/* The report, durable; TG_EOUTPUT. */
tg_status tg_events_write_report(tg_context *ctx, tg_events *events);

#endif
