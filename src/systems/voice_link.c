/* How a person and the file that people share find each other: embedded in the identity, or named
 * by hash and relative path. */
#include "systems/voice.h"

#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* ---- the name ------------------------------------------------------------------------- */

/* `file` as seen from the folder of `from`: "voice.safetensors", "../voice.safetensors", so that
 * both can be moved together. The name as given when a folder cannot be resolved. */
static void relative_to(const char *file, const char *from, char *out, size_t size) {
    char folder[PATH_MAX], a[PATH_MAX], b[PATH_MAX];
    const char *slash = strrchr(from, '/');
    snprintf(folder, sizeof folder, "%.*s", slash ? (int)(slash - from + 1) : 1,
             slash ? from : ".");
    snprintf(out, size, "%s", file);
    if (!realpath(file, a) || !realpath(folder, b))
        return;
    size_t same = 0, i = 0; /* length of the folders that both have, with their last slash */
    for (; b[i] && a[i] == b[i]; i++)
        if (a[i] == '/')
            same = i + 1;
    if (!b[i] && a[i] == '/')
        same = i + 1;
    int used = 0;
    out[0] = '\0';
    for (const char *rest = b + (same < strlen(b) ? same : strlen(b)); *rest;) {
        rest += strcspn(rest, "/");
        rest += *rest == '/';
        used += snprintf(out + used, size - (size_t)used, "../");
        if ((size_t)used + 4 > size)
            return;
    }
    snprintf(out + used, size - (size_t)used, "%s", a + same);
}

/* The hash that stands for a file: the one it states (encoders of 1.2 GB), else that of its bytes.
 */
static tg_status hash_of(tg_context *ctx, const tg_st *st, char out[33]) {
    const char *stated = tg_st_stated_hash(st);
    if (!stated)
        return tg_file_md5(ctx, tg_st_path(st), out);
    snprintf(out, 33, "%s", stated);
    return TG_OK;
}

static tg_status name_voice(tg_context *ctx, const char *path, const tg_st *voice,
                            tg_json *config) {
    char md5[33], relative[PATH_MAX];
    tg_status s = hash_of(ctx, voice, md5);
    if (s != TG_OK)
        return s;
    tg_json *entry = tg_json_set_object(config, "voice");
    relative_to(tg_st_path(voice), path, relative, sizeof relative);
    bool ok = tg_json_set_string(entry, "path", relative) &&
              tg_json_set_string(entry, "md5", md5) &&
              tg_json_set_number(entry, "bytes", (double)tg_st_bytes(voice));
    return ok ? TG_OK : tg_fail(ctx, TG_ENOMEM, "%s: out of memory", path);
}

/* ---- writing -------------------------------------------------------------------------- */

/* Tensors under `prefix` and metadata `key` of the voice file, referred to. */
static bool embed(tg_st_writer *w, const tg_st *voice, const char *prefix, const char *key) {
    const char *text = tg_st_meta(voice, key);
    bool ok = !text || tg_st_add_meta(w, key, text);
    for (int i = 0; ok && text && i < tg_st_count(voice); i++) {
        const tg_st_tensor *t = tg_st_at(voice, i);
        bool behaviour = strncmp(t->name, TG_BEHAVIOUR_PREFIX, strlen(TG_BEHAVIOUR_PREFIX)) == 0;
        if (strncmp(t->name, prefix, strlen(prefix)) == 0 &&
            behaviour == (strcmp(key, TG_BEHAVIOUR_META) == 0))
            ok = tg_st_add_view(w, t->name, t->dtype, t->ndim, t->dim, t->data);
    }
    return ok;
}

tg_status tg_voice_attach(tg_context *ctx, const char *path, const tg_identity_parts *parts,
                          tg_st_writer *w, tg_json *config, tg_st **voice) {
    *voice = NULL;
    if (parts->vae && !tg_voice_add_vae(w, parts->vae, TG_F32))
        return tg_fail(ctx, TG_ENOMEM, "%s: out of memory", path);
    if (!parts->voice_path)
        return TG_OK;
    tg_status s = tg_st_open(ctx, parts->voice_path, voice);
    if (s != TG_OK || !parts->embed)
        return s == TG_OK ? name_voice(ctx, path, *voice, config) : s;
    if (!tg_st_meta(*voice, TG_HUBERT_META))
        return tg_fail(ctx, TG_EMODEL,
                       "%s: no speech encoder in this file (metadata %s is missing)\n"
                       "  expected: a file made by talkgen convert hubert, or a voice file\n"
                       "  try: another encoder",
                       parts->voice_path, TG_HUBERT_META);
    bool ok = embed(w, *voice, TG_SPEECH_PREFIX, TG_HUBERT_META) &&
              embed(w, *voice, TG_BEHAVIOUR_PREFIX, TG_BEHAVIOUR_META) &&
              (parts->vae || embed(w, *voice, TG_MOTION_PREFIX, TG_VAE_META));
    return ok ? TG_OK : tg_fail(ctx, TG_ENOMEM, "%s: out of memory", path);
}

/* ---- reading -------------------------------------------------------------------------- */

/* The file that the identity names, checked to be that one. out_path[size]: where it was sought. */
static tg_status open_named(tg_context *ctx, const tg_st *file, const tg_json *config,
                            char *out_path, size_t size, tg_st **voice) {
    const char *path = tg_st_path(file), *slash = strrchr(path, '/');
    const tg_json *entry = tg_json_get(config, "voice");
    const char *relative = tg_json_string(tg_json_get(entry, "path"), NULL);
    const char *want = tg_json_string(tg_json_get(entry, "md5"), "");
    double bytes = tg_json_number(tg_json_get(entry, "bytes"), 0);
    if (!relative)
        return tg_fail(ctx, TG_EMODEL,
                       "%s: it names no voice file (speech encoder and motion model)\n"
                       "  expected: --encoder FILE for identities without one\n"
                       "  try: talkgen info %s",
                       path, path);
    snprintf(out_path, size, "%.*s%s", relative[0] == '/' || !slash ? 0 : (int)(slash - path + 1),
             path, relative);
    if (!tg_file_exists(out_path))
        return tg_fail(ctx, TG_EMODEL,
                       "%s: its voice file %s is missing\n"
                       "  expected: the file beside it, md5 %s\n  try: --encoder FILE",
                       path, out_path, want);
    char md5[33];
    tg_status s = tg_st_open(ctx, out_path, voice);
    if (s == TG_OK && bytes > 0 && (double)tg_st_bytes(*voice) != bytes)
        return tg_fail(ctx, TG_EMODEL,
                       "%s: its voice file %s is another one (%zu bytes)\n"
                       "  expected: %.0f bytes, md5 %s\n  try: --encoder %s to use it all the same",
                       path, out_path, tg_st_bytes(*voice), bytes, want, out_path);
    if (s == TG_OK)
        s = hash_of(ctx, *voice, md5);
    if (s == TG_OK && strcmp(md5, want) != 0)
        s = tg_fail(ctx, TG_EMODEL,
                    "%s: its voice file %s is another one (md5 %s)\n"
                    "  expected: md5 %s\n  try: --encoder %s to use it all the same",
                    path, out_path, md5, want, out_path);
    return s;
}

tg_status tg_voice_for(tg_context *ctx, const tg_st *file, const tg_json *config,
                       const char *encoder, char *voice_path, size_t size, tg_hubert **hubert,
                       tg_vae **vae) {
    *hubert = NULL;
    if (vae)
        *vae = NULL;
    tg_st *voice = NULL;
    tg_status s = TG_OK;
    voice_path[0] = '\0';
    if (encoder) {
        snprintf(voice_path, size, "%s", encoder);
        s = tg_st_open(ctx, encoder, &voice);
    } else if (tg_st_meta(file, TG_HUBERT_META)) {
        voice = tg_st_share(file);
    } else {
        s = open_named(ctx, file, config, voice_path, size, &voice);
    }
    bool own = tg_st_meta(file, TG_VAE_META) != NULL;
    if (s == TG_OK)
        s = tg_voice_from(ctx, voice, hubert, own ? NULL : vae);
    if (s == TG_OK && own && vae)
        s = tg_voice_from(ctx, file, NULL, vae);
    if (s == TG_OK && vae)
        s = tg_voice_fits(ctx, *hubert, tg_st_path(voice), *vae, tg_st_path(own ? file : voice));
    tg_st_close(&voice);
    if (s != TG_OK) {
        tg_hubert_destroy(hubert);
        if (vae)
            tg_vae_destroy(vae);
    }
    return s;
}

tg_status tg_voice_behaviour(tg_context *ctx, const tg_identity *id, tg_behaviour **out) {
    *out = NULL;
    char path[PATH_MAX];
    tg_st *voice = NULL;
    tg_status s = TG_OK;
    if (tg_st_meta(id->file, TG_BEHAVIOUR_META))
        voice = tg_st_share(id->file);
    else if (id->voice_path[0]) /* opened with the person, and found to be the right one */
        s = tg_st_open(ctx, id->voice_path, &voice);
    else if (tg_st_meta(id->file, TG_HUBERT_META))
        voice = tg_st_share(id->file);
    else
        s = open_named(ctx, id->file, id->config, path, sizeof path, &voice);
    if (s == TG_OK)
        s = tg_behaviour_open(ctx, voice, out);
    tg_st_close(&voice);
    return s;
}
