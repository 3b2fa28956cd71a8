#include "train/supply.h"

#include <pthread.h>
#include <time.h>

struct tg_supply {
    const tg_train_takes *source;
    void *stream;
    tg_context *ctx; /* of the thread */
    pthread_t thread;
    bool started;
    pthread_mutex_t mutex;
    pthread_cond_t changed;
    tg_train_take *ring;
    int room, begin, count;
    bool closing;
    tg_status status; /* of the thread, TG_OK while it runs */
};

void tg_train_take_free(tg_train_take *take) {
    tg_free(take->samples);
    tg_free(take->landmarks);
    tg_free(take->phone);
    tg_free(take->times);
    *take = (tg_train_take){0};
}

static void *fetch(void *arg) {
    tg_supply *s = arg;
    tg_status status = TG_OK;
    while (status == TG_OK) {
        pthread_mutex_lock(&s->mutex);
        while (s->count == s->room && !s->closing)
            pthread_cond_wait(&s->changed, &s->mutex);
        bool closing = s->closing;
        pthread_mutex_unlock(&s->mutex);
        if (closing)
            break;
        tg_train_take take;
        status = s->source->next(s->ctx, s->stream, &take);
        pthread_mutex_lock(&s->mutex);
        if (status == TG_OK)
            s->ring[(s->begin + s->count++) % s->room] = take;
        s->status = status;
        pthread_cond_broadcast(&s->changed);
        pthread_mutex_unlock(&s->mutex);
    }
    return NULL;
}

tg_status tg_supply_open(tg_context *ctx, const tg_train_takes *source, bool held_out,
                         uint64_t first, int ahead, tg_supply **out) {
    *out = NULL;
    tg_supply *s = tg_calloc(sizeof *s);
    if (!s)
        return tg_fail(ctx, TG_ENOMEM, "out of memory for takes");
    s->source = source;
    s->room = ahead;
    s->ring = tg_calloc((size_t)ahead * sizeof *s->ring);
    s->ctx = tg_context_create(1);
    pthread_mutex_init(&s->mutex, NULL);
    pthread_cond_init(&s->changed, NULL);
    tg_status status = s->ring && s->ctx
                           ? source->open(ctx, source->user, held_out, first, &s->stream)
                           : tg_fail(ctx, TG_ENOMEM, "out of memory for takes");
    if (status == TG_OK) {
        s->started = pthread_create(&s->thread, NULL, fetch, s) == 0;
        if (!s->started)
            status = tg_fail(ctx, TG_EINTERNAL, "no thread to fetch takes");
    }
    if (status != TG_OK)
        tg_supply_close(&s);
    *out = s;
    return status;
}

tg_status tg_supply_next(tg_context *ctx, tg_supply *s, tg_train_take *out) {
    *out = (tg_train_take){0};
    tg_status status = TG_OK;
    pthread_mutex_lock(&s->mutex);
    while (s->count == 0 && s->status == TG_OK && status == TG_OK) {
        struct timespec until;
        clock_gettime(CLOCK_REALTIME, &until);
        until.tv_sec++; /* a cancelled context signals nobody */
        pthread_cond_timedwait(&s->changed, &s->mutex, &until);
        status = tg_cancelled(ctx);
    }
    if (status == TG_OK && s->count == 0) {
        status = tg_fail(ctx, s->status, "%s", tg_message(s->ctx));
    } else if (status == TG_OK) {
        *out = s->ring[s->begin];
        s->begin = (s->begin + 1) % s->room;
        s->count--;
        pthread_cond_broadcast(&s->changed);
    }
    pthread_mutex_unlock(&s->mutex);
    return status;
}

void tg_supply_close(tg_supply **supply) {
    tg_supply *s = *supply;
    if (!s)
        return;
    if (s->started) {
        pthread_mutex_lock(&s->mutex);
        s->closing = true;
        pthread_cond_broadcast(&s->changed);
        pthread_mutex_unlock(&s->mutex);
        tg_cancel(s->ctx, TG_ESTOPPED);
        pthread_join(s->thread, NULL);
    }
    if (s->stream)
        s->source->close(s->stream);
    for (; s->count > 0; s->count--) {
        tg_train_take_free(&s->ring[s->begin]);
        s->begin = (s->begin + 1) % s->room;
    }
    tg_free(s->ring);
    tg_context_destroy(&s->ctx);
    pthread_cond_destroy(&s->changed);
    pthread_mutex_destroy(&s->mutex);
    tg_free(s);
    *supply = NULL;
}
