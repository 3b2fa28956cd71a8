/* Writing a person: one safetensors file; the voice is named, not copied. */
#include "talkgen/systems.h"

#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { EYE_POINTS = 12 };

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

static tg_json *describe(const char *path, const tg_identity_parts *p, const char *md5) {
    tg_json *config = tg_json_new_object();
    if (!config)
        return NULL;
    tg_json_set_string(config, "name", p->name);
    tg_json_set_number(config, "fps", 25);
    tg_json_set_number(config, "width", p->width);
    tg_json_set_number(config, "height", p->height);
    tg_json_set_number(config, "focal_len", p->focal);
    tg_json_set_number(config, "cx", p->cx);
    tg_json_set_number(config, "cy", p->cy);
    tg_json_set_string(config, "landmark_space", "head");
    tg_json_set_number(config, "clamp_std", 2.5);
    tg_json_set_number(config, "smooth", 0.2);
    if (p->voice_path) {
        tg_json *voice = tg_json_set_object(config, "voice");
        char relative[PATH_MAX];
        relative_to(p->voice_path, path, relative, sizeof relative);
        tg_json_set_string(voice, "path", relative);
        tg_json_set_string(voice, "md5", md5);
    }
    if (p->postnet)
        tg_postnet_config_write(tg_postnet_config_of(p->postnet),
                                tg_json_set_object(config, "postnet"));
    return config;
}

/* Everything but the renderer and the configuration. */
static bool add_scene(tg_st_writer *w, const tg_identity_parts *p, const uint8_t *png,
                      size_t bytes) {
    int64_t lm[] = {TG_MOTION_POINTS, 3};
    return tg_st_add_meta(w, "talkgen.format", TG_IDENTITY_FORMAT) &&
           tg_st_add_meta(w, "talkgen.system", "geneface") &&
           tg_st_add_f32(w, "motion.lm_mean", TG_F32, 2, lm, p->lm_mean) &&
           tg_st_add_f32(w, "scene.mean", TG_F32, 2, lm, p->stats->mean) &&
           tg_st_add_f32(w, "scene.std", TG_F32, 2, lm, p->stats->std) &&
           tg_st_add_f32(w, "scene.poses", TG_F32, 3, (int64_t[]){p->poses, 4, 4}, p->pose) &&
           (!p->eyes || tg_st_add_f32(w, "scene.eyes", TG_F16, 3,
                                      (int64_t[]){p->poses, EYE_POINTS, 3}, p->eyes)) &&
           tg_st_add_raw(w, "scene.background", TG_U8, 1, (int64_t[]){(int64_t)bytes}, png) &&
           (!p->postnet ||
            tg_params_store(w, tg_postnet_params(p->postnet), "motion.postnet.", TG_F16));
}

tg_status tg_identity_write(tg_context *ctx, const char *path, const tg_identity_parts *p) {
    uint8_t *png = NULL;
    size_t png_bytes = 0;
    char md5[33] = "", *text = NULL;
    tg_st_writer *w = NULL;
    tg_json *config = NULL;
    tg_status s = p->voice_path ? tg_file_md5(ctx, p->voice_path, md5) : TG_OK;
    if (s == TG_OK)
        s = tg_image_encode_png(ctx, p->width, p->height, 3, p->background->data, &png, &png_bytes);
    if (s == TG_OK) {
        w = tg_st_writer_create();
        config = describe(path, p, md5);
        if (!w || !config || !add_scene(w, p, png, png_bytes))
            s = tg_fail(ctx, TG_ENOMEM, "%s: out of memory", path);
    }
    if (s == TG_OK)
        s = p->add_render(ctx, p->user, w, tg_json_set_object(config, "render"));
    if (s == TG_OK) {
        text = tg_json_print(config, false);
        s = text && tg_st_add_meta(w, "talkgen.config", text)
                ? tg_st_write(ctx, w, path)
                : tg_fail(ctx, TG_ENOMEM, "%s: out of memory", path);
    }
    tg_st_writer_destroy(&w);
    tg_json_destroy(&config);
    tg_free(text);
    tg_free(png);
    return s;
}
