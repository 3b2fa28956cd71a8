/* Reading checked integers from a network's configuration; private to motion. */
#ifndef TG_MOTION_CONFIG_H
#define TG_MOTION_CONFIG_H

#include "talkgen/io.h"

/* *value = object[key] if present; TG_EMODEL unless it is a whole number in [low, high]. */
tg_status tg_config_int(tg_context *ctx, const tg_json *object, const char *name, const char *key,
                        int low, int high, int *value);

#endif
