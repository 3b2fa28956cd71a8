/* What the converters share; private to convert. */
#ifndef TG_CONVERT_CONVERT_H
#define TG_CONVERT_CONVERT_H

#include "talkgen/convert.h"

/* TG_EUSAGE "--weights is missing" unless value is set. */
tg_status tg_convert_need(tg_context *ctx, const char *value, const char *option, const char *what);
/* TG_EUSAGE: no output, or it is there already and may not be replaced. */
tg_status tg_convert_output(tg_context *ctx, const tg_convert_options *options);
/* TG_EMODEL: the file is something else than `expected`; tells the command that takes it. */
tg_status tg_convert_foreign(tg_context *ctx, const char *path, const char *kind,
                             const char *expected);

/* The tensors of a checkpoint, whichever container it has. */
typedef struct {
    tg_torch *torch; /* NULL for safetensors */
    tg_st *st;       /* tensors of nested dicts under dotted names */
    const char *kind;
} tg_weights;
tg_status tg_weights_open(tg_context *ctx, const char *path, tg_weights *out);
void tg_weights_close(tg_weights *weights);

#endif
