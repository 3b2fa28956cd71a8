/* Writing a person: one safetensors file; the voice is named, not copied. */
#include "systems/voice.h"

enum { EYE_POINTS = 12 };

static tg_json *describe(const tg_identity_parts *p) {
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
    if (p->system == TG_SYSTEM_GENEFACE) {
        tg_json_set_string(config, "landmark_space", p->idexp ? "idexp" : "head");
        tg_json_set_number(config, "clamp_std", p->clamp_std > 0 ? p->clamp_std : 2.5);
        tg_json_set_number(config, "smooth", p->smooth < 0 ? 0 : p->smooth > 0 ? p->smooth : 0.2);
    }
    if (p->pose_smooth > 0)
        tg_json_set_number(config, "pose_smooth", p->pose_smooth);
    if (p->postnet)
        tg_postnet_config_write(tg_postnet_config_of(p->postnet),
                                tg_json_set_object(config, "postnet"));
    return config;
}

/* The postnet's own embedding of the pitch, and the recording's motion. */
static bool add_motion(tg_st_writer *w, const tg_identity_parts *p) {
    const float *table = p->postnet ? tg_postnet_pitch_table(p->postnet) : NULL;
    if (table &&
        !tg_st_add_f32(w, TG_POSTNET_PITCH, TG_F32, 2,
                       (int64_t[]){TG_PITCH_BINS, tg_postnet_config_of(p->postnet)->pitch_dim},
                       table))
        return false;
    return !p->lle || tg_st_add_f32(w, "motion.lle", TG_F16, 2,
                                    (int64_t[]){p->lle_frames, TG_LLE_DIM}, p->lle);
}

/* Everything but the renderer and the configuration. */
static bool add_scene(tg_st_writer *w, const tg_identity_parts *p, const uint8_t *png,
                      size_t bytes) {
    int64_t lm[] = {TG_MOTION_POINTS, 3};
    return tg_st_add_meta(w, "talkgen.format", TG_IDENTITY_FORMAT) &&
           tg_st_add_meta(w, "talkgen.system", tg_system_name(p->system)) &&
           (!p->lm_mean || tg_st_add_f32(w, "motion.lm_mean", TG_F32, 2, lm, p->lm_mean)) &&
           add_motion(w, p) &&
           (!p->stats || (tg_st_add_f32(w, "scene.mean", TG_F32, 2, lm, p->stats->mean) &&
                          tg_st_add_f32(w, "scene.std", TG_F32, 2, lm, p->stats->std))) &&
           (!p->torso_pose ||
            tg_st_add_f32(w, "scene.torso_pose", TG_F32, 2, (int64_t[]){4, 4}, p->torso_pose)) &&
           (!p->eye_area ||
            tg_st_add_f32(w, "scene.eye_area", TG_F32, 1, &p->poses, p->eye_area)) &&
           (!p->gaze || tg_st_add_f32(w, "scene.gaze", TG_F16, 2,
                                      (int64_t[]){p->poses, TG_GAZE_DIM}, p->gaze)) &&
           tg_st_add_f32(w, "scene.poses", TG_F32, 3, (int64_t[]){p->poses, 4, 4}, p->pose) &&
           (!p->eyes || tg_st_add_f32(w, "scene.eyes", TG_F16, 3,
                                      (int64_t[]){p->poses, EYE_POINTS, 3}, p->eyes)) &&
           tg_st_add_raw(w, "scene.background", TG_U8, 1, (int64_t[]){(int64_t)bytes}, png) &&
           (!p->postnet || tg_params_store(w, tg_postnet_params(p->postnet), "motion.postnet.",
                                           p->vae ? TG_F32 : TG_F16));
}

tg_status tg_identity_write(tg_context *ctx, const char *path, const tg_identity_parts *p) {
    uint8_t *png = NULL;
    size_t png_bytes = 0;
    char *text = NULL;
    tg_st_writer *w = NULL;
    tg_json *config = NULL;
    tg_st *voice = NULL;
    tg_status s =
        tg_image_encode_png(ctx, p->width, p->height, 3, p->background->data, &png, &png_bytes);
    if (s == TG_OK) {
        w = tg_st_writer_create();
        config = describe(p);
        if (!w || !config || !add_scene(w, p, png, png_bytes))
            s = tg_fail(ctx, TG_ENOMEM, "%s: out of memory", path);
    }
    if (s == TG_OK)
        s = tg_voice_attach(ctx, path, p, w, config, &voice);
    if (s == TG_OK)
        s = p->add_render(ctx, p->user, w, tg_json_set_object(config, "render"));
    if (s == TG_OK) {
        text = tg_json_print(config, false);
        s = text && tg_st_add_meta(w, "talkgen.config", text)
                ? tg_st_write(ctx, w, path)
                : tg_fail(ctx, TG_ENOMEM, "%s: out of memory", path);
    }
    tg_st_writer_destroy(&w);
    tg_st_close(&voice);
    tg_json_destroy(&config);
    tg_free(text);
    tg_free(png);
    return s;
}

tg_status tg_identity_add_grid(tg_context *ctx, const tg_nerf *nerf, tg_st_writer *w,
                               tg_json *config) {
    tg_json_set_string(config, "renderer", "grid");
    tg_nerf_config_write(&nerf->config, config);
    return tg_nerf_store(nerf, w, "render.head.", "render.torso.", TG_F32, false, 1)
               ? TG_OK
               : tg_fail(ctx, TG_ENOMEM, "out of memory for the renderer");
}

tg_status tg_identity_add_vanilla(tg_context *ctx, const tg_vanilla *head, const tg_vanilla *torso,
                                  tg_st_writer *w, tg_json *config) {
    tg_json_set_string(config, "renderer", "vanilla");
    tg_json_set_number(config, "cond_dim", head->config.cond_dim);
    tg_vanilla_config_write(&head->config, config);
    if (torso)
        tg_vanilla_config_write(&torso->config, tg_json_set_object(config, "torso"));
    return tg_vanilla_store(head, w, "render.head.", TG_F32) &&
                   (!torso || tg_vanilla_store(torso, w, "render.torso.", TG_F32))
               ? TG_OK
               : tg_fail(ctx, TG_ENOMEM, "out of memory for the renderer");
}
