/* AD-NeRF: head.tar, body.tar and the folder of the recording to one identity; GeneFace's own
 * AD-NeRF checkpoints likewise. */
#include "convert/convert.h"
#include "convert/names.h"
#include "convert/recording.h"

#include <stdio.h>
#include <string.h>

enum { AUDIO_WINDOW = 16 };

/* networks of a .tar, then layers of a network */
static const tg_name_pair networks[] = {
    {"network_fn_state_dict", "model_coarse"},
    {"network_fine_state_dict", "model_fine"},
    {"network_audnet_state_dict", "aud_net"},
    {"network_audattnet_state_dict", "audatt_net"},
    {NULL, NULL},
};
static const tg_name_pair layers[] = {
    {"pts_linears", "density_linears"},
    {"alpha_linear", "density_out_linear"},
    {"views_linears", "color_linears"},
    {"rgb_linear", "color_out_linear"},
    {"feature_linear", ""}, /* in the file, but no part of the forward pass */
    {NULL, NULL},
};

static void rename_tar(void *user, const char *name, char out[TG_ST_NAME_ROOM]) {
    (void)user;
    char layer[TG_ST_NAME_ROOM];
    out[0] = '\0';
    for (const tg_name_pair *p = networks; p->theirs; p++) {
        size_t n = strlen(p->theirs);
        if (strncmp(name, p->theirs, n) != 0 || name[n] != '.')
            continue;
        const char *rest = name + n + 1;
        rest += strncmp(rest, "module.", 7) == 0 ? 7 : 0;
        tg_rename_by_table((void *)(uintptr_t)layers, rest, layer);
        int used = *layer ? snprintf(out, TG_ST_NAME_ROOM, "%s.%s", p->ours, layer) : 0;
        if (used >= TG_ST_NAME_ROOM)
            out[0] = '\0';
        return;
    }
}

/* Messages speak of the file's own names. */
static tg_status their_names(tg_context *ctx, tg_status s) {
    static const tg_name_pair whole[] = {
        {"network_fn_state_dict.pts_linears", "model_coarse.density_linears"},
        {"network_fn_state_dict.alpha_linear", "model_coarse.density_out_linear"},
        {"network_fn_state_dict.views_linears", "model_coarse.color_linears"},
        {"network_fn_state_dict.rgb_linear", "model_coarse.color_out_linear"},
        {"network_fn_state_dict", "model_coarse"},
        {"network_fine_state_dict.pts_linears", "model_fine.density_linears"},
        {"network_fine_state_dict.alpha_linear", "model_fine.density_out_linear"},
        {"network_fine_state_dict.views_linears", "model_fine.color_linears"},
        {"network_fine_state_dict.rgb_linear", "model_fine.color_out_linear"},
        {"network_fine_state_dict", "model_fine"},
        {"network_audnet_state_dict", "aud_net"},
        {"network_audattnet_state_dict", "audatt_net"},
        {NULL, NULL},
    };
    return tg_with_their_names(ctx, s, whole);
}

/* The networks of one file. GeneFace's torso file holds the head too. */
typedef struct {
    tg_vanilla *head, *torso;
    bool original; /* AD-NeRF's own */
} stages;

static tg_status load(tg_context *ctx, const tg_torch *file, const tg_torch_value *dict,
                      bool original, const tg_vanilla_config *config, tg_vanilla **out) {
    tg_st *state = NULL;
    tg_status s = tg_st_from_torch_as(ctx, file, dict, original ? rename_tar : NULL, NULL, &state);
    if (s == TG_OK)
        s = tg_vanilla_load(ctx, state, "", config, out);
    tg_st_close(&state);
    return original ? their_names(ctx, s) : s;
}

static tg_status open_file(tg_context *ctx, const char *path, bool head,
                           const tg_vanilla_config *config, stages *out) {
    static const char key[] = "model_coarse.density_linears.0.weight";
    tg_torch *file = NULL;
    tg_status s = tg_torch_open(ctx, path, &file);
    if (s != TG_OK)
        return s == TG_EINPUT ? tg_fail(ctx, TG_EMODEL, "%s", tg_message(ctx)) : s;
    const tg_torch_value *root = tg_torch_root(file);
    const tg_torch_value *model = tg_torch_find(root, "state_dict.model");
    const tg_torch_value *head_model = tg_torch_find(root, "state_dict.head_model");
    tg_vanilla **to = head ? &out->head : &out->torso;
    out->original = tg_torch_get(root, "network_fn_state_dict") != NULL;
    if (out->original) {
        s = load(ctx, file, root, true, config, to);
    } else if (tg_torch_get(model, key) && tg_torch_get(model, "aud_net.encoder_conv.0.weight")) {
        if (head && head_model)
            model = head_model;
        s = load(ctx, file, model, false, config, to);
        if (s == TG_OK && !head && head_model)
            s = load(ctx, file, head_model, false, config, &out->head);
    } else {
        s = tg_convert_foreign(ctx, path, tg_torch_guess(root),
                               head ? "AD-NeRF's head (000000_head.tar)"
                                    : "AD-NeRF's torso (000000_body.tar)");
    }
    tg_torch_close(&file);
    return s;
}

/* Which of the two a file is shows in what its networks are told. */
static tg_status check_stage(tg_context *ctx, const char *path, bool head,
                             const tg_vanilla *model) {
    bool posed = model->config.pose_octaves > 0;
    if (posed != head)
        return TG_OK;
    return tg_fail(ctx, TG_EMODEL,
                   "%s: its networks %s the pose of the head, so it is %s\n"
                   "  expected: the %s for --%s\n  try: to exchange --head and --torso",
                   path, posed ? "take" : "do not take", posed ? "a torso" : "a head",
                   head ? "head" : "torso", head ? "head" : "torso");
}

static tg_status open_stages(tg_context *ctx, const tg_convert_options *o,
                             const tg_vanilla_config *given, stages *out) {
    tg_vanilla_config config = *given;
    tg_status s = TG_OK;
    if (o->head)
        s = open_file(ctx, o->head, true, &config, out);
    bool original = out->original;
    if (s == TG_OK && o->head)
        s = check_stage(ctx, o->head, true, out->head);
    if (s != TG_OK || !o->torso)
        return s;
    /* AD-NeRF's torso is conditioned by the head's code and by angles of its own kind */
    config.cond_from_head = config.adnerf_angles = original;
    stages torso = {0};
    s = open_file(ctx, o->torso, false, &config, &torso);
    out->torso = torso.torso;
    if (s == TG_OK)
        s = check_stage(ctx, o->torso, false, torso.torso);
    if (s == TG_OK && o->head && torso.original != original)
        s = tg_fail(ctx, TG_EMODEL,
                    "%s is a file of %s, %s of %s\n  expected: head and torso of the same program\n"
                    "  try: files of the same person",
                    o->torso, torso.original ? "AD-NeRF" : "GeneFace", o->head,
                    original ? "AD-NeRF" : "GeneFace");
    if (s == TG_OK && !o->head && !torso.head)
        s = tg_fail(
            ctx, TG_EUSAGE,
            "the head is missing\n  expected: --head head.tar\n  try: talkgen help convert");
    if (torso.head && !out->head)
        out->head = torso.head;
    else
        tg_vanilla_destroy(&torso.head);
    return s;
}

static tg_status add_render(tg_context *ctx, void *user, tg_st_writer *w, tg_json *config) {
    const stages *s = user;
    return tg_identity_add_vanilla(ctx, s->head, s->torso, w, config);
}

tg_status tg_convert_adnerf(tg_context *ctx, const tg_convert_options *o) {
    tg_status s = o->torso ? TG_OK : tg_convert_need(ctx, o->head, "head", "the head's checkpoint");
    if (s == TG_OK)
        s = tg_convert_need(ctx, o->dataset, "dataset", "the folder of the recording");
    if (s == TG_OK)
        s = tg_convert_output(ctx, o);
    tg_recording recording = {0};
    stages stage = {0};
    tg_vanilla_config config = tg_vanilla_config_defaults();
    config.cond_win_size = AUDIO_WINDOW;
    /* the files first: they are what people mix up */
    if (s == TG_OK)
        s = open_stages(ctx, o, &config, &stage);
    if (s == TG_OK)
        s = tg_recording_open(ctx, o->dataset, &recording);
    if (s == TG_OK) {
        tg_recording_depths(ctx, o->dataset, &recording, &config.near, &config.far);
        tg_vanilla *both[] = {stage.head, stage.torso};
        for (int i = 0; i < 2; i++)
            if (both[i]) {
                both[i]->config.near = config.near;
                both[i]->config.far = config.far;
            }
        char name[64];
        tg_recording_name(o, name);
        tg_identity_parts parts = {.system = TG_SYSTEM_ADNERF,
                                   .name = name,
                                   .add_render = add_render,
                                   .user = &stage,
                                   .torso_pose = stage.torso ? recording.c2w : NULL};
        tg_recording_parts(&recording, &parts);
        s = tg_identity_write(ctx, o->output, &parts);
    }
    tg_recording_close(&recording);
    tg_vanilla_destroy(&stage.head);
    tg_vanilla_destroy(&stage.torso);
    return s;
}
