/* Reading a person: geometry, scene, networks, and the voice file it names. */
#include "talkgen/systems.h"

#include "systems/condition.h"
#include "systems/voice.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { MAX_POSES = 10000000, EYE_POINTS = 12, SMOOTH_WINDOW = 7, TORSO_AUDIO_WINDOW = 16 };

static tg_status damaged(tg_context *ctx, const char *path, const char *what,
                         const char *expected) {
    return tg_fail(ctx, TG_EMODEL, "%s: %s\n  expected: %s\n  try: talkgen info %s", path, what,
                   expected, path);
}

/* Whose coordinates landmark files have, and the recording's motion for tg_motion_lle. */
static tg_status read_motion_space(tg_context *ctx, const tg_json *config, const char *path,
                                   tg_identity *id) {
    const char *space = tg_json_string(tg_json_get(config, "landmark_space"), "head");
    id->idexp = strcmp(space, "idexp") == 0;
    if (!id->idexp && strcmp(space, "head") != 0)
        return damaged(ctx, path, "its landmark_space is not known", "head or idexp");
    const tg_st_tensor *t = tg_st_find(id->file, "motion.lle");
    if (!t)
        return TG_OK;
    if (t->ndim != 2 || t->dim[0] < 1 || t->dim[0] > MAX_POSES || t->dim[1] != TG_LLE_DIM)
        return damaged(ctx, path, "motion.lle is misshapen",
                       "[frames,144], normalised points 0-47 of the recording");
    id->lle_frames = t->dim[0];
    size_t n = (size_t)id->lle_frames * TG_LLE_DIM;
    if (!(id->lle = tg_alloc(n * sizeof *id->lle)))
        return tg_fail(ctx, TG_ENOMEM, "%s: out of memory for motion.lle", path);
    tg_status s = tg_st_read_f32(ctx, id->file, t, id->lle);
    for (size_t i = 0; s == TG_OK && i < n; i++)
        if (!isfinite(id->lle[i]))
            s = damaged(ctx, path, "motion.lle has a number that is not finite", "landmarks");
    return s;
}

static tg_status read_geometry(tg_context *ctx, const tg_json *config, const char *path,
                               tg_identity *id) {
    double w = tg_json_number(tg_json_get(config, "width"), 0);
    double h = tg_json_number(tg_json_get(config, "height"), 0);
    double f = tg_json_number(tg_json_get(config, "focal_len"), 0);
    if (!(w >= 16 && w <= 8192 && h >= 16 && h <= 8192 && f > 1 && f < 1e6))
        return damaged(ctx, path, "picture size or focal length is out of range",
                       "width and height 16 to 8192, focal_len in pixels");
    id->width = (int)w;
    id->height = (int)h;
    id->focal = (float)f;
    id->cx = (float)tg_json_number(tg_json_get(config, "cx"), w / 2);
    id->cy = (float)tg_json_number(tg_json_get(config, "cy"), h / 2);
    id->clamp_std = (float)tg_json_number(tg_json_get(config, "clamp_std"), 2.5);
    id->smooth = (float)tg_json_number(tg_json_get(config, "smooth"), 0.2);
    if (!(id->clamp_std > 0 && id->smooth >= 0 && id->smooth < 1))
        return damaged(ctx, path, "clamp_std or smooth is out of range",
                       "clamp_std > 0, 0 <= smooth < 1");
    double window = tg_json_number(tg_json_get(config, "pose_smooth"),
                                   id->system == TG_SYSTEM_GENEFACE ? SMOOTH_WINDOW : 1);
    if (!(window >= 1 && window <= TG_MAX_SMOOTH) || (int)window % 2 == 0)
        return damaged(ctx, path, "pose_smooth is out of range", "an odd number of frames");
    id->pose_smooth = (int)window;
    snprintf(id->name, sizeof id->name, "%s",
             tg_json_string(tg_json_get(config, "name"), "person"));
    return TG_OK;
}

static tg_status read_landmark_stats(tg_context *ctx, const char *path, tg_identity *id) {
    const tg_st *st = id->file;
    int64_t lm_dim[] = {TG_MOTION_POINTS, 3};
    tg_status s = id->idexp && !tg_st_find(st, "motion.lm_mean")
                      ? TG_OK
                      : tg_st_load(ctx, st, "motion.lm_mean", 2, lm_dim, id->lm_mean);
    if (s == TG_OK)
        s = tg_st_load(ctx, st, "scene.mean", 2, lm_dim, id->stats.mean);
    if (s == TG_OK)
        s = tg_st_load(ctx, st, "scene.std", 2, lm_dim, id->stats.std);
    for (int k = 0; s == TG_OK && k < TG_MOTION_DIM; k++)
        if (!(id->stats.std[k] > 0) || !isfinite(id->stats.mean[k]) || !isfinite(id->lm_mean[k]))
            s = damaged(ctx, path, "landmark statistics are not finite and positive",
                        "scene.std > 0");
    return s;
}

static tg_status read_poses(tg_context *ctx, const char *path, tg_identity *id) {
    const tg_st *st = id->file;
    tg_status s = TG_OK;
    const tg_st_tensor *pose = tg_st_find(st, "scene.poses");
    if (s == TG_OK && (!pose || pose->ndim != 3 || pose->dim[0] < 1 || pose->dim[0] > MAX_POSES ||
                       pose->dim[1] != 4 || pose->dim[2] != 4))
        s = damaged(ctx, path, "scene.poses is missing or misshapen",
                    "[frames,4,4], at least one frame");
    if (s != TG_OK)
        return s;
    id->poses = pose->dim[0];
    size_t n = (size_t)id->poses * 16;
    id->recorded = tg_alloc(n * sizeof *id->recorded);
    id->pose = tg_alloc(n * sizeof *id->pose);
    if (!id->recorded || !id->pose)
        return tg_fail(ctx, TG_ENOMEM, "%s: out of memory for %lld poses", path,
                       (long long)id->poses);
    s = tg_st_read_f32(ctx, st, pose, id->recorded);
    for (size_t i = 0; s == TG_OK && i < n; i++)
        if (!isfinite(id->recorded[i]))
            s = damaged(ctx, path, "scene.poses has a number that is not finite",
                        "camera-to-world matrices");
    if (s == TG_OK && id->pose_smooth == 1)
        memcpy(id->pose, id->recorded, n * sizeof *id->pose);
    else if (s == TG_OK)
        tg_poses_smooth(id->recorded, id->poses, id->pose_smooth, id->pose);
    if (s == TG_OK && tg_st_find(st, "scene.torso_pose"))
        s = tg_st_load(ctx, st, "scene.torso_pose", 2, (int64_t[]){4, 4}, id->torso_pose);
    for (int i = 0; s == TG_OK && i < 16; i++)
        if (!isfinite(id->torso_pose[i]))
            s = damaged(ctx, path, "scene.torso_pose has a number that is not finite",
                        "a camera-to-world matrix");
    return s;
}

/* `width` numbers for every pose, when the file has them: [poses], or [poses,width]. */
static tg_status read_track(tg_context *ctx, const char *path, const tg_identity *id,
                            const char *name, int width, const char *expected, float **out) {
    if (!tg_st_find(id->file, name))
        return TG_OK;
    const int64_t dim[2] = {id->poses, width}, n = id->poses * width;
    *out = tg_alloc((size_t)n * sizeof **out);
    if (!*out)
        return tg_fail(ctx, TG_ENOMEM, "%s: out of memory", path);
    tg_status s = tg_st_load(ctx, id->file, name, width > 1 ? 2 : 1, dim, *out);
    char what[80];
    snprintf(what, sizeof what, "%s has a number that is not finite", name);
    for (int64_t i = 0; s == TG_OK && i < n; i++)
        if (!isfinite((*out)[i]))
            s = damaged(ctx, path, what, expected);
    return s;
}

static tg_status read_scene(tg_context *ctx, const char *path, tg_identity *id) {
    const tg_st *st = id->file;
    tg_status s = tg_identity_hears(id) ? TG_OK : read_landmark_stats(ctx, path, id);
    if (s == TG_OK)
        s = read_poses(ctx, path, id);
    if (s == TG_OK)
        s = read_track(ctx, path, id, "scene.eye_area", 1, "percent of the picture", &id->eye_area);
    if (s == TG_OK)
        s = read_track(ctx, path, id, "scene.gaze", TG_GAZE_DIM, "degrees", &id->gaze);
    const tg_st_tensor *eyes = tg_st_find(st, "scene.eyes");
    if (s == TG_OK && eyes) {
        id->eyes = tg_alloc((size_t)id->poses * EYE_POINTS * 3 * sizeof *id->eyes);
        s = id->eyes ? tg_st_load(ctx, st, "scene.eyes", 3, (int64_t[]){id->poses, EYE_POINTS, 3},
                                  id->eyes)
                     : tg_fail(ctx, TG_ENOMEM, "%s: out of memory", path);
    }
    const tg_st_tensor *bg = tg_st_find(st, "scene.background");
    if (s == TG_OK && (!bg || bg->dtype != TG_U8 || bg->ndim != 1))
        s = damaged(ctx, path, "scene.background is missing", "the bytes of a PNG");
    if (s == TG_OK)
        s = tg_image_decode(ctx, bg->data, bg->bytes, path, 3, &id->background);
    if (s == TG_EINPUT)
        s = tg_fail(ctx, TG_EMODEL, "%s", tg_message(ctx));
    if (s == TG_OK && (id->background.width != id->width || id->background.height != id->height))
        s = damaged(ctx, path, "scene.background has another size than the recording",
                    "width x height");
    return s;
}

/* A configuration of the head; of the torso what is different, in the object "torso". */
static tg_status read_vanilla(tg_context *ctx, const tg_json *render, const char *path,
                              tg_identity *id) {
    tg_vanilla_config head = tg_vanilla_config_defaults(), torso;
    tg_status s = tg_vanilla_config_read(ctx, render, &head);
    if (s == TG_OK)
        s = tg_vanilla_load(ctx, id->file, "render.head.", &head, &id->head);
    torso = head;
    torso.cond_win_size = TORSO_AUDIO_WINDOW;
    const tg_json *own = tg_json_get(render, "torso");
    if (s == TG_OK && tg_json_is_object(own))
        s = tg_vanilla_config_read(ctx, own, &torso);
    if (s != TG_OK || !tg_st_find(id->file, "render.torso.model_coarse.density_linears.0.weight"))
        return s;
    if (!tg_st_find(id->file, "scene.torso_pose"))
        return damaged(ctx, path, "tensor scene.torso_pose is missing",
                       "the camera of the vanilla torso, [4,4]");
    return tg_vanilla_load(ctx, id->file, "render.torso.", &torso, &id->torso);
}

static tg_status read_renderer(tg_context *ctx, const tg_json *render, const char *path,
                               tg_identity *id) {
    const char *renderer = tg_json_string(tg_json_get(render, "renderer"), "grid");
    tg_status s;
    if (strcmp(renderer, "vanilla") == 0) {
        s = read_vanilla(ctx, render, path, id);
    } else if (strcmp(renderer, "grid") == 0) {
        tg_nerf_config nerf = tg_nerf_config_defaults();
        s = tg_nerf_config_read(ctx, render, &nerf);
        if (s == TG_OK)
            s = tg_nerf_load(ctx, id->file, "render.head.", "render.torso.", &nerf, &id->nerf);
    } else {
        s = damaged(ctx, path, "its kind of renderer is not known", "grid or vanilla");
    }
    if (s != TG_OK)
        return s;
    int dim[3];
    tg_condition_shape(id, dim);
    const bool gaze = tg_st_find(id->file, "scene.gaze") != NULL;
    if (!tg_identity_hears(id) && dim[2] != TG_MOTION_DIM + (gaze ? TG_GAZE_DIM : 0))
        return damaged(ctx, path, "the renderer is not driven by 68 landmarks",
                       "cond_dim 204, or 206 with scene.gaze");
    if (tg_identity_hears(id) && dim[2] == TG_MOTION_DIM)
        return damaged(ctx, path, "the renderer is driven by landmarks", "windows of logits");
    return TG_OK;
}

static tg_status read_networks(tg_context *ctx, const tg_json *config, const char *path,
                               tg_identity *id) {
    tg_status s = read_renderer(ctx, tg_json_get(config, "render"), path, id);
    const tg_json *postnet = tg_json_get(config, "postnet");
    if (s == TG_OK && postnet) {
        tg_postnet_config p;
        s = tg_postnet_config_parse(ctx, postnet, path, &p);
        if (s == TG_OK)
            s = tg_postnet_create(ctx, &p, &id->postnet);
        if (s == TG_OK)
            s = tg_params_map(ctx, tg_postnet_params(id->postnet), id->file, "motion.postnet.");
        float *table = s == TG_OK ? tg_postnet_pitch_table(id->postnet) : NULL;
        if (table)
            s = tg_st_load(ctx, id->file, TG_POSTNET_PITCH, 2,
                           (int64_t[]){TG_PITCH_BINS, p.pitch_dim}, table);
    }
    return s;
}

tg_status tg_identity_open_voice(tg_context *ctx, tg_identity *id, const char *encoder) {
    bool hears = tg_identity_hears(id);
    /* an audio-driven person has an encoder in front, no motion model, and often not even that */
    if (hears && !encoder && !tg_st_meta(id->file, TG_HUBERT_META) &&
        !tg_json_get(id->config, "voice"))
        return TG_OK;
    return tg_voice_for(ctx, id->file, id->config, encoder, id->voice_path, sizeof id->voice_path,
                        &id->hubert, hears ? NULL : &id->vae);
}

bool tg_identity_hears(const tg_identity *identity) {
    return identity->system != TG_SYSTEM_GENEFACE;
}

/* Which system; false when it is not known. */
static bool read_system(const char *name, tg_identity *id) {
    for (int i = 0; tg_system_name((tg_system)i); i++)
        if (strcmp(tg_system_name((tg_system)i), name) == 0) {
            id->system = (tg_system)i;
            return true;
        }
    return false;
}

tg_status tg_identity_open(tg_context *ctx, const char *path, const char *encoder, bool need_voice,
                           tg_identity **out) {
    *out = NULL;
    tg_identity *id = calloc(1, sizeof *id);
    if (!id)
        return tg_fail(ctx, TG_ENOMEM, "%s: out of memory", path);
    tg_status s = tg_st_open(ctx, path, &id->file);
    if (s == TG_OK) {
        const char *format = tg_st_meta(id->file, "talkgen.format");
        const char *system = tg_st_meta(id->file, "talkgen.system");
        const char *text = tg_st_meta(id->file, "talkgen.config");
        if (!format || !system || !text)
            s = damaged(ctx, path, "this safetensors file is no talkgen identity",
                        "metadata talkgen.format, talkgen.system and talkgen.config");
        else if (strcmp(format, TG_IDENTITY_FORMAT) != 0)
            s = tg_fail(ctx, TG_EMODEL,
                        "%s: identity format '%.32s' is newer than this program\n"
                        "  expected: format " TG_IDENTITY_FORMAT "\n  try: a newer talkgen",
                        path, format);
        else if (!read_system(system, id))
            s = tg_fail(ctx, TG_EMODEL,
                        "%s: system '%.32s' is not known\n"
                        "  expected: geneface, radnerf or adnerf\n  try: a newer talkgen",
                        path, system);
        else
            s = tg_json_parse(ctx, text, strlen(text), path, &id->config);
        if (s == TG_EINPUT)
            s = tg_fail(ctx, TG_EMODEL, "%s", tg_message(ctx));
    }
    if (s == TG_OK)
        s = read_geometry(ctx, id->config, path, id);
    if (s == TG_OK)
        s = read_motion_space(ctx, id->config, path, id);
    if (s == TG_OK)
        s = read_scene(ctx, path, id);
    if (s == TG_OK)
        s = read_networks(ctx, id->config, path, id);
    if (s == TG_OK && need_voice)
        s = tg_identity_open_voice(ctx, id, encoder);
    if (s != TG_OK)
        tg_identity_close(&id);
    *out = id;
    return s;
}

void tg_identity_close(tg_identity **identity) {
    if (!identity || !*identity)
        return;
    tg_identity *id = *identity;
    tg_nerf_destroy(&id->nerf);
    tg_vanilla_destroy(&id->head);
    tg_vanilla_destroy(&id->torso);
    tg_hubert_destroy(&id->hubert);
    tg_vae_destroy(&id->vae);
    tg_postnet_destroy(&id->postnet);
    tg_free(id->recorded);
    tg_free(id->pose);
    tg_free(id->eyes);
    tg_free(id->lle);
    tg_free(id->eye_area);
    tg_free(id->gaze);
    tg_json_destroy(&id->config);
    tg_image_free(&id->background);
    tg_st_close(&id->file);
    free(id);
    *identity = NULL;
}
