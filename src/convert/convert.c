/* What all converters share. */
#include "convert/convert.h"

#include <stdio.h>
#include <string.h>

tg_convert_options tg_convert_defaults(void) {
    return (tg_convert_options){0};
}

tg_status tg_convert_need(tg_context *ctx, const char *value, const char *option,
                          const char *what) {
    if (value)
        return TG_OK;
    return tg_fail(ctx, TG_EUSAGE,
                   "%s is missing\n  expected: --%s FILE\n  try: talkgen help convert", what,
                   option);
}

tg_status tg_convert_output(tg_context *ctx, const tg_convert_options *o) {
    tg_status s = tg_convert_need(ctx, o->output, "output", "the file to make");
    if (s == TG_OK && !o->overwrite && tg_file_exists(o->output))
        s = tg_fail(ctx, TG_EUSAGE,
                    "%s exists already\n  expected: a new file\n  try: -y to replace it",
                    o->output);
    return s;
}

tg_status tg_convert_foreign(tg_context *ctx, const char *path, const char *kind,
                             const char *expected) {
    const char *command = tg_convert_command(kind);
    char attempt[256];
    snprintf(attempt, sizeof attempt, "talkgen info %.180s for what it has", path);
    bool known = strcmp(kind, "unknown") != 0;
    return tg_fail(ctx, TG_EMODEL, "%s: this file holds %s\n  expected: %s\n  try: %s", path,
                   known ? kind : "a model of an unknown kind", expected,
                   command ? command : attempt);
}

tg_status tg_weights_open(tg_context *ctx, const char *path, tg_weights *out) {
    *out = (tg_weights){0};
    if (!tg_torch_recognise(path)) {
        tg_status s = tg_st_open(ctx, path, &out->st);
        if (s == TG_OK)
            out->kind = tg_st_guess(out->st);
        return s;
    }
    tg_status s = tg_torch_open(ctx, path, &out->torch);
    const tg_torch_value *root = s == TG_OK ? tg_torch_root(out->torch) : NULL;
    if (s == TG_OK)
        out->kind = tg_torch_guess(root);
    if (s == TG_OK && tg_torch_kind_of(root) != TG_TORCH_DICT)
        s = tg_convert_foreign(ctx, path, out->kind, "a state dict of named tensors");
    if (s == TG_OK)
        s = tg_st_from_torch(ctx, out->torch, root, &out->st);
    if (s != TG_OK)
        tg_weights_close(out);
    return s == TG_EINPUT ? tg_fail(ctx, TG_EMODEL, "%s", tg_message(ctx)) : s;
}

void tg_weights_close(tg_weights *weights) {
    tg_st_close(&weights->st); /* refers to the other */
    tg_torch_close(&weights->torch);
}
