/* The shape of a published encoder; private to convert. */
#ifndef TG_CONVERT_HUBERT_SHAPE_H
#define TG_CONVERT_HUBERT_SHAPE_H

#include "convert/convert.h"

/* "hubert.", "wav2vec2." or "", whichever the file's names start with; NULL when it is no such
 * encoder. */
const char *tg_hubert_prefix(const tg_st *st);
/* Configuration from the tensors under `prefix` and the config.json at `config` (NULL: none). */
tg_status tg_hubert_shape(tg_context *ctx, const tg_st *st, const char *prefix, const char *config,
                          tg_hubert_config *out);

#endif
