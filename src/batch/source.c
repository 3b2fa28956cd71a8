/* Which clip is next: of the list or the pipe, then those at which another run is. */
#include "batch/runner.h"

#include <stdlib.h>
#include <string.h>
#include <time.h>

static tg_status stopped(tg_runner *r) {
    pthread_mutex_lock(&r->lock);
    tg_status why = r->stop;
    if (why == TG_OK && r->o->limit > 0 && r->begun >= r->o->limit)
        why = TG_ESTOPPED; /* enough */
    pthread_mutex_unlock(&r->lock);
    return why;
}

static tg_clip *from_list(tg_runner *r) {
    tg_clip *found = NULL;
    pthread_mutex_lock(&r->lock);
    while (!found && r->next < r->clips->count) {
        tg_clip *clip = r->clips->clip[r->next++];
        found = tg_shard_has(&r->o->shard, clip->id) ? clip : NULL;
    }
    pthread_mutex_unlock(&r->lock);
    return found;
}

/* Called with `source` locked: lines come one after the other. */
static tg_clip *from_stream(tg_runner *r) {
    for (;;) {
        tg_clip *clip = NULL;
        tg_status s = tg_manifest_next(r->source_ctx, r->stream, &clip);
        if (s != TG_OK && tg_cancelled(r->source_ctx) == TG_OK)
            tg_runner_stop(r, s, tg_message(r->source_ctx));
        if (s != TG_OK || !clip)
            return NULL;
        if (tg_shard_has(&r->o->shard, clip->id)) {
            pthread_mutex_lock(&r->lock);
            r->sum.clips++;
            pthread_mutex_unlock(&r->lock);
            return clip;
        }
        tg_clip_free(&clip);
    }
}

/* The first of the waiting clips that has become free. */
static tg_clip *from_waiting(tg_runner *r, bool *any) {
    tg_clip *found = NULL;
    pthread_mutex_lock(&r->lock);
    *any = r->waiting.count > 0;
    for (int64_t i = 0; i < r->waiting.count && !found; i++)
        if (!tg_locks_busy(r->locks, r->waiting.clip[i]->out)) {
            found = r->waiting.clip[i];
            r->waiting.clip[i] = r->waiting.clip[--r->waiting.count];
        }
    pthread_mutex_unlock(&r->lock);
    return found;
}

tg_clip *tg_runner_take(tg_runner *r) {
    for (;;) {
        if (stopped(r) != TG_OK)
            return NULL;
        pthread_mutex_lock(&r->source);
        tg_clip *clip = r->source_ended ? NULL : r->stream ? from_stream(r) : from_list(r);
        if (!clip) {
            pthread_mutex_lock(&r->lock); /* read under either */
            r->source_ended = true;
            pthread_mutex_unlock(&r->lock);
        }
        pthread_mutex_unlock(&r->source);
        if (clip)
            return clip;
        bool any;
        clip = from_waiting(r, &any);
        if (clip || !any)
            return clip;
        nanosleep(&(struct timespec){.tv_nsec = 100000000}, NULL);
    }
}

void tg_runner_done_with(tg_runner *r, tg_clip *clip) {
    if (r->stream)
        tg_clip_free(&clip);
}

bool tg_runner_wait(tg_runner *r, tg_clip *clip) {
    bool ok = true;
    pthread_mutex_lock(&r->lock);
    tg_clip_list *w = &r->waiting;
    if (w->count == w->room) {
        int64_t room = w->room ? 2 * w->room : 64;
        tg_clip **larger = realloc(w->clip, (size_t)room * sizeof(tg_clip *));
        ok = larger != NULL;
        if (ok) {
            w->clip = larger;
            w->room = room;
        }
    }
    if (ok)
        w->clip[w->count++] = clip;
    pthread_mutex_unlock(&r->lock);
    return ok;
}
