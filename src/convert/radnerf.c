/* RAD-NeRF: ngp.pth and the folder of the recording to one identity. */
#include "convert/convert.h"
#include "convert/names.h"
#include "convert/recording.h"

#include <stdio.h>
#include <string.h>

enum { AUDIO_WINDOW = 16, PUBLISHED_WINDOWS = 8 };

static const tg_name_pair names[] = {
    {"audio_net", "cond_prenet"},
    {"audio_att_net", "cond_att_net"},
    {"encoder_ambient", "ambient_embedder"},
    {"encoder", "position_embedder"},
    {"individual_codes_torso", "torso_individual_codes"},
    {"individual_codes", "individual_embeddings"},
    {"torso_encoder", "torso_embedder"},
    {"torso_net", "torso_canonicial_net"},
    {NULL, NULL},
};

/* What the options of its training may have changed and no tensor tells; RAD-NeRF's own names
 * beside those of tg_nerf_config. */
static tg_status read_config(tg_context *ctx, const char *path, tg_nerf_config *config) {
    tg_json *json = NULL;
    if (!path)
        return TG_OK;
    size_t n = strlen(path);
    bool yaml = n > 5 && (strcmp(path + n - 5, ".yaml") == 0 || strcmp(path + n - 4, ".yml") == 0);
    tg_status s = yaml ? tg_yaml_read(ctx, path, &json) : tg_json_read(ctx, path, &json);
    if (s == TG_OK)
        s = tg_nerf_config_read(ctx, json, config);
    if (s == TG_OK) {
        config->camera_scale =
            (float)tg_json_number(tg_json_get(json, "scale"), (double)config->camera_scale);
        const tg_json *offset = tg_json_get(json, "offset");
        for (int a = 0; a < 3 && a < tg_json_count(offset); a++)
            config->camera_offset[a] = (float)tg_json_number(tg_json_at(offset, a), 0);
        s = tg_nerf_config_check(ctx, config);
    }
    tg_json_destroy(&json);
    return s;
}

static tg_status load_nerf(tg_context *ctx, const char *path, const char *config_path,
                           tg_nerf **out) {
    tg_torch *file = NULL;
    tg_st *state = NULL;
    *out = NULL;
    tg_status s = tg_torch_open(ctx, path, &file);
    if (s != TG_OK)
        return s == TG_EINPUT ? tg_fail(ctx, TG_EMODEL, "%s", tg_message(ctx)) : s;
    const tg_torch_value *root = tg_torch_root(file), *model = tg_torch_get(root, "model");
    if (!tg_torch_get(model, "encoder_ambient.embeddings") &&
        !tg_torch_get(model, "audio_net.encoder_conv.0.weight"))
        s = tg_convert_foreign(ctx, path, tg_torch_guess(root),
                               "a checkpoint of RAD-NeRF (ngp.pth), with 'model' in it");
    tg_nerf_config config = tg_nerf_config_defaults();
    config.cond_win_size = AUDIO_WINDOW;
    config.smo_win_size = PUBLISHED_WINDOWS;
    double mean = tg_torch_number(tg_torch_get(root, "mean_density_torso"), 0);
    config.mean_density_torso = mean > 0 && mean < 1e9 ? (float)mean : 0;
    if (s == TG_OK)
        s = read_config(ctx, config_path, &config);
    if (s == TG_OK)
        s = tg_st_from_torch_as(ctx, file, model, tg_rename_by_table, (void *)(uintptr_t)names,
                                &state);
    if (s == TG_OK)
        s = tg_nerf_config_from(ctx, state, "", "", &config);
    if (s == TG_OK)
        s = tg_nerf_load(ctx, state, "", "", &config, out);
    s = tg_with_their_names(ctx, s, names);
    tg_st_close(&state);
    tg_torch_close(&file);
    return s;
}

/* The encoder must give the letters that the person was trained with. */
static tg_status check_encoder(tg_context *ctx, const char *path, const tg_nerf_config *config) {
    tg_hubert *hubert = NULL;
    if (!path)
        return TG_OK;
    tg_status s = tg_voice_open(ctx, path, &hubert, NULL);
    int logits = s == TG_OK ? tg_hubert_config_of(hubert)->logits : 0;
    if (s == TG_OK && logits != config->cond_dim)
        s = tg_fail(ctx, TG_EMODEL,
                    "%s: this encoder gives %d logits\n  expected: %d, as the audio network of the "
                    "checkpoint takes\n  try: %s",
                    path, logits, config->cond_dim,
                    config->cond_dim == 29 ? "without --hubert, and --features aud.npy when "
                                             "rendering (29 = DeepSpeech)"
                                           : "the wav2vec2 model that made aud_eo.npy");
    tg_hubert_destroy(&hubert);
    return s;
}

static tg_status add_render(tg_context *ctx, void *user, tg_st_writer *w, tg_json *config) {
    return tg_identity_add_grid(ctx, user, w, config);
}

tg_status tg_convert_radnerf(tg_context *ctx, const tg_convert_options *o) {
    tg_status s = tg_convert_need(ctx, o->checkpoint, "checkpoint", "RAD-NeRF's checkpoint");
    if (s == TG_OK)
        s = tg_convert_need(ctx, o->dataset, "dataset", "the folder of the recording");
    if (s == TG_OK)
        s = tg_convert_output(ctx, o);
    tg_nerf *nerf = NULL;
    tg_recording recording = {0};
    if (s == TG_OK)
        s = load_nerf(ctx, o->checkpoint, o->config, &nerf);
    if (s == TG_OK)
        s = check_encoder(ctx, o->encoder, &nerf->config);
    if (s == TG_OK)
        s = tg_recording_open(ctx, o->dataset, &recording);
    if (s == TG_OK && nerf->config.eye_dim > 0 && !recording.eye_area)
        tg_note(ctx,
                "%s has no ori_imgs/N.lms for every frame: eyes will be 0.25 percent of the "
                "picture unless --eye-area says otherwise",
                o->dataset);
    if (s == TG_OK) {
        char name[64];
        tg_recording_name(o, name);
        tg_identity_parts parts = {.system = TG_SYSTEM_RADNERF,
                                   .name = name,
                                   .add_render = add_render,
                                   .user = nerf,
                                   .voice_path = o->encoder,
                                   .embed = o->embed};
        tg_recording_parts(&recording, &parts);
        s = tg_identity_write(ctx, o->output, &parts);
    }
    tg_recording_close(&recording);
    tg_nerf_destroy(&nerf);
    return s;
}
