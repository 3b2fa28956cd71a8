#include "motion/config.h"

#include <math.h>
#include <string.h>

tg_status tg_config_int(tg_context *ctx, const tg_json *object, const char *name, const char *key,
                        int low, int high, int *value) {
    const tg_json *v = tg_json_get(object, key);
    if (!v)
        return TG_OK;
    double x = tg_json_number(v, NAN);
    if (!(x >= low && x <= high) || x != floor(x))
        return tg_fail(ctx, TG_EMODEL,
                       "%s: configuration value '%s' is not usable\n"
                       "  expected: a whole number from %d to %d\n"
                       "  try: talkgen info on the file",
                       name, key, low, high);
    *value = (int)x;
    return TG_OK;
}

tg_status tg_network_file_open(tg_context *ctx, const tg_network_file *kind, const char *path,
                               tg_st **st, tg_json **config) {
    tg_status s = tg_st_open(ctx, path, st);
    const char *text = s == TG_OK ? tg_st_meta(*st, kind->meta) : NULL;
    if (s == TG_OK && !text)
        s = tg_fail(ctx, TG_EMODEL, "%s: no %s in this file\n  expected: metadata %s\n  try: %s",
                    path, kind->what, kind->meta, kind->trainer);
    if (s == TG_OK)
        s = tg_json_parse(ctx, text, strlen(text), path, config);
    return s == TG_EINPUT ? tg_fail(ctx, TG_EMODEL, "%s", tg_message(ctx)) : s;
}

bool tg_network_file_store(tg_st_writer *w, const tg_network_file *kind, const tg_json *config,
                           tg_params *params, tg_dtype dtype) {
    char *text = config ? tg_json_print(config, false) : NULL;
    bool ok = text && tg_st_add_meta(w, kind->meta, text) &&
              tg_params_store(w, params, kind->prefix, dtype);
    tg_free(text);
    return ok;
}

tg_status tg_network_file_write(tg_context *ctx, const tg_network_file *kind, const char *path,
                                const tg_json *config, tg_params *params) {
    tg_st_writer *w = tg_st_writer_create();
    bool ok = w && tg_network_file_store(w, kind, config, params, TG_F32);
    tg_status s =
        ok ? tg_st_write(ctx, w, path) : tg_fail(ctx, TG_ENOMEM, "%s: out of memory", path);
    tg_st_writer_destroy(&w);
    return s;
}
