/* The voice file: what people share, a speech encoder, the many-speaker motion model and its judge.
 */
#include "systems/voice.h"

#include <string.h>

bool tg_voice_add_vae(tg_st_writer *w, tg_vae *vae, tg_dtype dtype) {
    tg_json *config = tg_json_new_object();
    if (!config)
        return false;
    tg_vae_config_write(tg_vae_config_of(vae), config);
    char *text = tg_json_print(config, false);
    bool ok = text && tg_st_add_meta(w, TG_VAE_META, text) &&
              tg_params_store(w, tg_vae_params(vae), TG_MOTION_PREFIX, dtype);
    tg_free(text);
    tg_json_destroy(&config);
    return ok;
}

static bool add_hubert(tg_st_writer *w, tg_hubert *hubert) {
    tg_json *config = tg_hubert_config_json(tg_hubert_config_of(hubert));
    char *text = config ? tg_json_print(config, false) : NULL;
    bool ok = text && tg_st_add_meta(w, TG_HUBERT_META, text) &&
              tg_hubert_store(w, hubert, TG_SPEECH_PREFIX, TG_F16);
    tg_free(text);
    tg_json_destroy(&config);
    return ok;
}

tg_status tg_voice_write(tg_context *ctx, const char *path, tg_hubert *hubert, tg_vae *vae,
                         const tg_syncnet *sync) {
    tg_st_writer *w = tg_st_writer_create();
    bool ok = w && tg_st_add_meta(w, "talkgen.format", TG_IDENTITY_FORMAT) &&
              tg_st_add_meta(w, "talkgen.kind", "voice") && (!hubert || add_hubert(w, hubert)) &&
              (!vae || tg_voice_add_vae(w, vae, TG_F16)) &&
              (!sync || tg_syncnet_store(w, sync, TG_F16));
    tg_status s =
        ok ? tg_st_write(ctx, w, path) : tg_fail(ctx, TG_ENOMEM, "%s: out of memory", path);
    tg_st_writer_destroy(&w);
    return s;
}

tg_status tg_voice_has_sync(tg_context *ctx, const char *path, bool *has) {
    tg_st *st = NULL;
    tg_status s = tg_st_open(ctx, path, &st);
    *has = s == TG_OK && tg_syncnet_within(st);
    tg_st_close(&st);
    return s;
}

static tg_status open_vae(tg_context *ctx, const tg_st *st, tg_vae **vae) {
    const char *text = tg_st_meta(st, TG_VAE_META);
    if (!text)
        return tg_fail(ctx, TG_EMODEL,
                       "%s: no motion model in this file\n"
                       "  expected: metadata %s and tensors motion.*, which an encoder file lacks: "
                       "it serves identities with a motion model of their own\n"
                       "  try: talkgen train motion, or another --encoder",
                       tg_st_path(st), TG_VAE_META);
    tg_json *json = NULL;
    tg_vae_config config;
    tg_status s = tg_json_parse(ctx, text, strlen(text), tg_st_path(st), &json);
    if (s != TG_OK)
        return s == TG_EINPUT ? tg_fail(ctx, TG_EMODEL, "%s", tg_message(ctx)) : s;
    s = tg_vae_config_parse(ctx, json, tg_st_path(st), &config);
    if (s == TG_OK)
        s = tg_vae_create(ctx, &config, vae);
    if (s == TG_OK)
        s = tg_params_map(ctx, tg_vae_params(*vae), st, TG_MOTION_PREFIX);
    if (s != TG_OK)
        tg_vae_destroy(vae);
    tg_json_destroy(&json);
    return s;
}

tg_status tg_voice_fits(tg_context *ctx, const tg_hubert *hubert, const char *encoder,
                        const tg_vae *vae, const char *model) {
    int gives = tg_hubert_config_of(hubert)->hidden_size;
    int takes = tg_vae_config_of(vae)->mel_in_dim;
    if (gives == takes)
        return TG_OK;
    return tg_fail(ctx, TG_EMODEL,
                   "%s: the encoder gives %d features, the motion model of %s takes %d\n"
                   "  expected: two parts that were trained together\n  try: another --encoder",
                   encoder, gives, model, takes);
}

tg_status tg_voice_from(tg_context *ctx, const tg_st *st, tg_hubert **hubert, tg_vae **vae) {
    tg_status s = TG_OK;
    if (hubert) {
        *hubert = NULL;
        s = tg_hubert_open(ctx, st, TG_SPEECH_PREFIX, hubert);
    }
    if (s == TG_OK && vae) {
        *vae = NULL;
        s = open_vae(ctx, st, vae);
    }
    if (s == TG_OK && hubert && vae)
        s = tg_voice_fits(ctx, *hubert, tg_st_path(st), *vae, tg_st_path(st));
    if (s != TG_OK) {
        if (hubert)
            tg_hubert_destroy(hubert);
        if (vae)
            tg_vae_destroy(vae);
    }
    return s;
}

tg_status tg_voice_open(tg_context *ctx, const char *path, tg_hubert **hubert, tg_vae **vae) {
    tg_st *st = NULL;
    tg_status s = tg_st_open(ctx, path, &st);
    if (s == TG_OK)
        s = tg_voice_from(ctx, st, hubert, vae);
    tg_st_close(&st); /* parameters that lie in it keep it open */
    return s;
}
