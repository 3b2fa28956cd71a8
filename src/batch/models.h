/* The people of a run, each loaded once and shared by all clips; private to batch. */
#ifndef TG_BATCH_MODELS_H
#define TG_BATCH_MODELS_H

#include "batch/record.h"

typedef struct tg_models tg_models;
/* encoder: of every identity, or NULL. */
tg_models *tg_models_create(const char *encoder);
void tg_models_destroy(tg_models **models);

/* in->path's size, time and hash: the one it states (encoders of 1.2 GB), else that of its bytes.
 */
tg_status tg_model_look(tg_context *ctx, tg_job_file *in);

typedef struct {
    const tg_identity *identity;
    const tg_job_file *file, *voice; /* looked at and hashed; voice->path NULL = embedded or none */
    void *slot;
} tg_model;
/* Loads the person at the first use. Any thread; give it back. */
tg_status tg_models_get(tg_context *ctx, tg_models *models, const char *path, tg_model *out);
void tg_models_put(tg_models *models, tg_model *model);

#endif
