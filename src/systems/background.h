/* What is behind the person; private to systems. */
#ifndef TG_SYSTEMS_BACKGROUND_H
#define TG_SYSTEMS_BACKGROUND_H

#include "talkgen/systems.h"

/* rgb [height,width,3] from "dataset", "#rrggbb" or a picture that is scaled to cover the frame. */
tg_status tg_background_make(tg_context *ctx, const tg_identity *identity, const char *spec,
                             int width, int height, uint8_t *rgb);

#endif
