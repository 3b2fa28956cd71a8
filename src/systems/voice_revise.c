/* A voice file with another behaviour model; everything else as it is, to the last bit. */
#include "systems/voice.h"

#include <string.h>

/* Old tensors and metadata but those of a behaviour model. */
static bool copy(tg_st_writer *w, const tg_st *old) {
    bool ok = true;
    for (int i = 0; ok && i < tg_st_meta_count(old); i++) {
        const char *value, *key = tg_st_meta_at(old, i, &value);
        ok = strcmp(key, TG_BEHAVIOUR_META) == 0 || tg_st_add_meta(w, key, value);
    }
    for (int i = 0; ok && i < tg_st_count(old); i++) {
        const tg_st_tensor *t = tg_st_at(old, i);
        ok = strncmp(t->name, TG_BEHAVIOUR_PREFIX, strlen(TG_BEHAVIOUR_PREFIX)) == 0 ||
             tg_st_add_view(w, t->name, t->dtype, t->ndim, t->dim, t->data);
    }
    return ok;
}

bool tg_behaviour_store(tg_st_writer *w, tg_behaviour *model, tg_dtype dtype) {
    tg_json *config = tg_json_new_object();
    if (!config)
        return false;
    tg_behaviour_config_write(tg_behaviour_config_of(model), config);
    char *text = tg_json_print(config, false);
    bool ok = text && tg_st_add_meta(w, TG_BEHAVIOUR_META, text) &&
              tg_params_store(w, tg_behaviour_params(model), TG_BEHAVIOUR_PREFIX, dtype);
    tg_free(text);
    tg_json_destroy(&config);
    return ok;
}

tg_status tg_behaviour_open(tg_context *ctx, const tg_st *st, tg_behaviour **out) {
    *out = NULL;
    const char *path = tg_st_path(st), *text = tg_st_meta(st, TG_BEHAVIOUR_META);
    if (!text)
        return tg_fail(
            ctx, TG_EMODEL,
            "%s: no behaviour model in this file, so head and blinks cannot be made from "
            "speech\n"
            "  expected: metadata " TG_BEHAVIOUR_META " and tensors " TG_BEHAVIOUR_PREFIX "*\n"
            "  try: --pose replay --blink replay, or talkgen train behaviour --corpus "
            "DIR --work DIR --voice %s -o NEW.safetensors",
            path, path);
    tg_json *json = NULL;
    tg_behaviour_config config;
    tg_status s = tg_json_parse(ctx, text, strlen(text), path, &json);
    if (s != TG_OK)
        return tg_fail(ctx, TG_EMODEL, "%s", tg_message(ctx));
    s = tg_behaviour_config_parse(ctx, json, path, &config);
    if (s == TG_OK)
        s = tg_behaviour_create(ctx, &config, out);
    if (s == TG_OK)
        s = tg_params_map(ctx, tg_behaviour_params(*out), st, TG_BEHAVIOUR_PREFIX);
    if (s != TG_OK)
        tg_behaviour_destroy(out);
    tg_json_destroy(&json);
    return s;
}

tg_status tg_voice_revise(tg_context *ctx, const char *voice, tg_behaviour *behaviour,
                          const char *path) {
    tg_st *old = NULL;
    tg_st_writer *w = tg_st_writer_create();
    tg_status s = tg_st_open(ctx, voice, &old);
    if (s == TG_OK && !tg_st_meta(old, TG_HUBERT_META) && !tg_st_meta(old, TG_VAE_META))
        s = tg_fail(ctx, TG_EMODEL,
                    "%s: not a voice file\n  expected: a speech encoder or a motion model\n"
                    "  try: talkgen info %s",
                    voice, voice);
    if (s == TG_OK && !(w && copy(w, old) && tg_behaviour_store(w, behaviour, TG_F16)))
        s = tg_fail(ctx, TG_ENOMEM, "%s: out of memory", path);
    if (s == TG_OK)
        s = tg_st_write(ctx, w, path);
    tg_st_writer_destroy(&w);
    tg_st_close(&old);
    return s;
}
