/* A network's configuration, and the file of one network; private to motion. */
#ifndef TG_MOTION_CONFIG_H
#define TG_MOTION_CONFIG_H

#include "talkgen/io.h"

/* *value = object[key] if present; TG_EMODEL unless it is a whole number in [low, high]. */
tg_status tg_config_int(tg_context *ctx, const tg_json *object, const char *name, const char *key,
                        int low, int high, int *value);

/* A file with one network: its configuration as JSON in the metadata, its tensors below a prefix.
 */
typedef struct {
    const char *what;    /* for messages: "sync expert" */
    const char *trainer; /* who writes such files: "talkgen train motion" */
    const char *meta, *prefix;
} tg_network_file;
/* TG_EMODEL when the file has no such network. */
tg_status tg_network_file_open(tg_context *ctx, const tg_network_file *kind, const char *path,
                               tg_st **st, tg_json **config);
tg_status tg_network_file_write(tg_context *ctx, const tg_network_file *kind, const char *path,
                                const tg_json *config, tg_params *params);
/* The same beside what else a writer holds; false = no memory. */
bool tg_network_file_store(tg_st_writer *w, const tg_network_file *kind, const tg_json *config,
                           tg_params *params, tg_dtype dtype);

#endif
