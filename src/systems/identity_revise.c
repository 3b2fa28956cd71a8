/* A person that was written before, with another voice or another postnet. */
#include "systems/voice.h"

#include <string.h>

#define POSTNET_PREFIX "motion.postnet."

/* Whether a tensor of the old file is replaced by one of the revision. */
static bool replaced(const char *name, const tg_postnet *postnet) {
    return postnet && (strncmp(name, POSTNET_PREFIX, strlen(POSTNET_PREFIX)) == 0 ||
                       strcmp(name, TG_POSTNET_PITCH) == 0);
}

static bool copy(tg_st_writer *w, const tg_st *old, const tg_postnet *postnet) {
    bool ok = true;
    for (int i = 0; ok && i < tg_st_meta_count(old); i++) {
        const char *value, *key = tg_st_meta_at(old, i, &value);
        ok = strcmp(key, "talkgen.config") == 0 || tg_st_add_meta(w, key, value);
    }
    for (int i = 0; ok && i < tg_st_count(old); i++) {
        const tg_st_tensor *t = tg_st_at(old, i);
        ok = replaced(t->name, postnet) ||
             tg_st_add_view(w, t->name, t->dtype, t->ndim, t->dim, t->data);
    }
    return ok;
}

static bool add_postnet(tg_st_writer *w, tg_json *config, tg_postnet *postnet) {
    tg_postnet_config_write(tg_postnet_config_of(postnet), tg_json_set_object(config, "postnet"));
    return tg_params_store(w, tg_postnet_params(postnet), POSTNET_PREFIX, TG_F16);
}

tg_status tg_identity_revise(tg_context *ctx, const char *identity, const char *voice,
                             tg_postnet *postnet, const char *path) {
    const tg_identity_parts parts = {.voice_path = voice};
    tg_st *old = NULL, *opened = NULL;
    tg_json *config = NULL;
    char *text = NULL;
    tg_st_writer *w = tg_st_writer_create();
    tg_status s = tg_st_open(ctx, identity, &old);
    const char *was = s == TG_OK ? tg_st_meta(old, "talkgen.config") : NULL;
    if (s == TG_OK && (!was || !tg_st_meta(old, "talkgen.system")))
        s = tg_fail(ctx, TG_EMODEL,
                    "%s: not a person\n  expected: an identity that talkgen train or talkgen "
                    "convert made\n  try: talkgen info %s",
                    identity, identity);
    if (s == TG_OK && postnet && tg_postnet_config_of(postnet)->pitch_dim > 0)
        s = tg_fail(ctx, TG_EMODEL,
                    "%s: a postnet that hears the pitch cannot be replaced\n"
                    "  expected: one without\n  try: talkgen convert geneface",
                    identity);
    if (s == TG_OK)
        s = tg_json_parse(ctx, was, strlen(was), identity, &config);
    if (s == TG_OK && (!w || !copy(w, old, postnet)))
        s = tg_fail(ctx, TG_ENOMEM, "%s: out of memory", path);
    if (s == TG_OK)
        s = tg_voice_attach(ctx, path, &parts, w, config, &opened);
    if (s == TG_OK) {
        bool ok = !postnet || add_postnet(w, config, postnet);
        text = ok ? tg_json_print(config, false) : NULL;
        s = text && tg_st_add_meta(w, "talkgen.config", text)
                ? tg_st_write(ctx, w, path)
                : tg_fail(ctx, TG_ENOMEM, "%s: out of memory", path);
    }
    tg_st_writer_destroy(&w);
    tg_st_close(&opened);
    tg_st_close(&old);
    tg_json_destroy(&config);
    tg_free(text);
    return s;
}
