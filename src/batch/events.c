/* Events as lines of JSON, and those of finished clips once more as the report. */
#include "batch/events.h"

#include "batch/job.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

void tg_events_open(tg_events *e, const tg_batch_options *options) {
    *e = (tg_events){.options = options};
    pthread_mutex_init(&e->lock, NULL);
    struct timespec now;
    clock_gettime(CLOCK_REALTIME, &now);
    uint64_t seed[3] = {(uint64_t)now.tv_sec, (uint64_t)now.tv_nsec, (uint64_t)getpid()};
    snprintf(e->run_id, sizeof e->run_id, "%016llx",
             (unsigned long long)tg_hash_bytes(seed, sizeof seed, 0));
    const tg_shard *s = &options->shard;
    snprintf(e->shard, sizeof e->shard, "%d/%d", s->index, s->count > 0 ? s->count : 1);
}

void tg_events_close(tg_events *e) {
    pthread_mutex_destroy(&e->lock);
    free(e->report);
    e->report = NULL;
}

tg_json *tg_event(const tg_events *e, const char *name, const char *id) {
    char now[32];
    tg_json *o = tg_json_new_object();
    tg_time_utc(now);
    tg_json_set_string(o, "event", name);
    tg_json_set_string(o, "time_utc", now);
    tg_json_set_string(o, "run_id", e->run_id);
    tg_json_set_string(o, "shard", e->shard);
    if (id)
        tg_json_set_string(o, "id", id);
    return o;
}

static bool keep_line(tg_events *e, const char *text) {
    size_t n = strlen(text);
    if (e->used + n + 1 > e->room) {
        size_t room = 2 * (e->used + n) + 4096;
        char *larger = realloc(e->report, room);
        if (!larger)
            return false;
        e->report = larger;
        e->room = room;
    }
    memcpy(e->report + e->used, text, n);
    e->report[e->used + n] = '\n';
    e->used += n + 1;
    return true;
}

void tg_event_send(tg_events *e, tg_json *event, bool keep) {
    char *text = tg_json_print(event, false);
    pthread_mutex_lock(&e->lock);
    if (text && e->options->event)
        e->options->event(e->options->user, text);
    if (keep && e->options->report && (!text || !keep_line(e, text)))
        e->lost = true;
    pthread_mutex_unlock(&e->lock);
    tg_free(text);
    tg_json_destroy(&event);
}

tg_status tg_events_write_report(tg_context *ctx, tg_events *e) {
    if (!e->options->report)
        return TG_OK;
    if (e->lost)
        return tg_fail(ctx, TG_ENOMEM, "%s: out of memory for the report", e->options->report);
    return tg_file_write_synced(ctx, e->options->report, e->report ? e->report : "", e->used);
}
