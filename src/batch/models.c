/* A small cache of people by path. A manifest may name any number of them; those that nobody uses
 * make room for others. */
#include "batch/models.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>

enum { KEEP = 8 };

typedef struct slot {
    struct slot *next; /* last used first */
    char *path;
    int users;
    tg_identity *identity;
    tg_job_file file, voice;
} slot;

struct tg_models {
    pthread_mutex_t lock;
    char *encoder;
    slot *first;
};

static void slot_free(slot *s) {
    tg_identity_close(&s->identity);
    free(s->path);
    free(s->file.path);
    free(s->voice.path);
    free(s);
}

tg_models *tg_models_create(const char *encoder) {
    tg_models *m = calloc(1, sizeof *m);
    if (!m)
        return NULL;
    pthread_mutex_init(&m->lock, NULL);
    if (encoder && !(m->encoder = strdup(encoder)))
        tg_models_destroy(&m);
    return m;
}

void tg_models_destroy(tg_models **models) {
    if (!models || !*models)
        return;
    tg_models *m = *models;
    while (m->first) {
        slot *s = m->first;
        m->first = s->next;
        slot_free(s);
    }
    pthread_mutex_destroy(&m->lock);
    free(m->encoder);
    free(m);
    *models = NULL;
}

tg_status tg_model_look(tg_context *ctx, tg_job_file *in) {
    tg_status s = tg_job_file_look(ctx, in);
    tg_st *st = NULL;
    if (s == TG_OK)
        s = tg_st_open(ctx, in->path, &st);
    if (s == TG_OK && tg_st_stated_hash(st))
        memcpy(in->md5, tg_st_stated_hash(st), sizeof in->md5);
    tg_st_close(&st);
    return s == TG_OK ? tg_job_file_hash(ctx, in) : s;
}

static tg_status look_at(tg_context *ctx, const char *path, tg_job_file *in) {
    in->path = strdup(path);
    return in->path ? tg_model_look(ctx, in) : tg_fail(ctx, TG_ENOMEM, "%s: out of memory", path);
}

static tg_status load(tg_context *ctx, const tg_models *m, slot *s) {
    tg_status status = tg_identity_open(ctx, s->path, m->encoder, true, &s->identity);
    if (status == TG_OK)
        status = look_at(ctx, s->path, &s->file);
    if (status == TG_OK && s->identity->voice_path[0])
        status = look_at(ctx, s->identity->voice_path, &s->voice);
    return status;
}

/* Lets go of people that nobody has used for longest, down to KEEP. */
static void trim(tg_models *m) {
    int count = 0;
    for (slot **at = &m->first; *at;) {
        slot *s = *at;
        if (++count > KEEP && s->users == 0) {
            *at = s->next;
            slot_free(s);
        } else {
            at = &s->next;
        }
    }
}

tg_status tg_models_get(tg_context *ctx, tg_models *m, const char *path, tg_model *out) {
    *out = (tg_model){0};
    pthread_mutex_lock(&m->lock);
    slot **at = &m->first;
    while (*at && strcmp((*at)->path, path) != 0)
        at = &(*at)->next;
    slot *s = *at;
    tg_status status = TG_OK;
    if (s) {
        *at = s->next;
    } else if (!(s = calloc(1, sizeof *s)) || !(s->path = strdup(path))) {
        status = tg_fail(ctx, TG_ENOMEM, "%s: out of memory", path);
    } else {
        status = load(ctx, m, s);
    }
    if (status == TG_OK) {
        s->next = m->first;
        m->first = s;
        s->users++;
        *out = (tg_model){s->identity, &s->file, &s->voice, s};
        trim(m);
    } else if (s) {
        slot_free(s);
    }
    pthread_mutex_unlock(&m->lock);
    return status;
}

void tg_models_put(tg_models *m, tg_model *model) {
    if (!model->slot)
        return;
    pthread_mutex_lock(&m->lock);
    ((slot *)model->slot)->users--;
    pthread_mutex_unlock(&m->lock);
    *model = (tg_model){0};
}
