/* From trained models and a recording to one identity file. */
#include "talkgen/dataset.h"
#include "talkgen/systems.h"
#include "talkgen/train.h"

#include <string.h>

enum { EYE_FIRST = 36, EYE_POINTS = 12 };

static tg_status add_render(tg_context *ctx, void *user, tg_st_writer *writer, tg_json *config) {
    const tg_assemble_options *o = user;
    return tg_train_export_nerf(ctx, o->head, o->torso, writer, config);
}

/* Whether the head was trained with the gaze, which its first layer tells. */
static tg_status sees_gaze(tg_context *ctx, const char *head, const tg_dataset *data, bool *sees) {
    tg_st *st = NULL;
    tg_status s = tg_st_open(ctx, head, &st);
    const tg_st_tensor *t =
        s == TG_OK ? tg_st_find(st, "render.head.cond_prenet.encoder_conv.0.weight") : NULL;
    *sees = t && t->ndim == 3 && t->dim[1] == TG_MAX_COND_DIM;
    tg_st_close(&st);
    if (s == TG_OK && *sees && !data->gaze)
        s = tg_fail(ctx, TG_EINPUT,
                    "%s/gaze.npy is missing, and %s was trained with it\n"
                    "  expected: the recording that the head was trained on\n"
                    "  try: the --data of train head",
                    data->directory, head);
    return s;
}

/* What the recording replays besides poses, in the order of its frames: training frames, then
 * held-out ones, which is the order of filming. */
typedef struct {
    float *eyes; /* [frames,12,3] */
    float *gaze; /* [frames,TG_GAZE_DIM], NULL when the head does not see it */
} replay;

static tg_status replay_of(tg_context *ctx, const tg_dataset *data, const char *head, replay *out) {
    bool gaze;
    tg_status s = sees_gaze(ctx, head, data, &gaze);
    if (s != TG_OK)
        return s;
    const size_t n = (size_t)data->frames;
    out->eyes = tg_alloc(n * EYE_POINTS * 3 * sizeof *out->eyes);
    out->gaze = gaze ? tg_alloc(n * TG_GAZE_DIM * sizeof *out->gaze) : NULL;
    if (!out->eyes || (gaze && !out->gaze))
        return tg_fail(ctx, TG_ENOMEM, "out of memory for %lld frames", (long long)data->frames);
    for (int64_t i = 0; i < data->frames; i++) {
        const int64_t row = data->image_id[i];
        for (int k = 0; k < EYE_POINTS * 3; k++) {
            int at = 3 * EYE_FIRST + k;
            float p = data->landmarks[row * TG_COND_DIM + at];
            out->eyes[i * EYE_POINTS * 3 + k] = 10 * (p - data->mean[at]);
        }
        for (int k = 0; gaze && k < TG_GAZE_DIM; k++)
            out->gaze[i * TG_GAZE_DIM + k] = data->gaze[row * TG_GAZE_DIM + k];
    }
    return TG_OK;
}

static tg_status from_recording(tg_context *ctx, const tg_assemble_options *options,
                                tg_postnet *postnet, const char *path) {
    tg_dataset *data = NULL;
    replay again = {0};
    tg_status s = tg_dataset_open(ctx, options->dataset, 0, 0, &data);
    if (s == TG_OK)
        s = replay_of(ctx, data, options->head, &again);
    if (s == TG_OK) {
        /* M is the recording's mean, so the normalised mean is zero by construction. */
        tg_motion_stats stats;
        memset(stats.mean, 0, sizeof stats.mean);
        memcpy(stats.std, data->deviation, sizeof stats.std);
        tg_image background = {data->width, data->height, 3, data->background};
        tg_identity_parts parts = {.name = options->name,
                                   .width = data->width,
                                   .height = data->height,
                                   .focal = data->focal,
                                   .cx = data->cx,
                                   .cy = data->cy,
                                   .add_render = add_render,
                                   .user = (void *)(uintptr_t)options,
                                   .postnet = postnet,
                                   /* Our motion model shakes no more than its truth; GeneFace's
                                    * smoothing would open closed lips and come late. */
                                   .smooth = -1,
                                   /* GeneFace's limit of 2.5 deviations is for weights that saw
                                    * few people. It cuts off a tenth of what a recording moves;
                                    * beyond 4 lie 0.2 % of its numbers, and the head saw them. */
                                   .clamp_std = 4,
                                   .lm_mean = data->mean,
                                   .stats = &stats,
                                   .poses = data->frames,
                                   .pose = data->c2w,
                                   .eyes = again.eyes,
                                   .gaze = again.gaze,
                                   .background = &background,
                                   .voice_path = options->voice};
        s = tg_identity_write(ctx, path, &parts);
    }
    tg_free(again.eyes);
    tg_free(again.gaze);
    tg_dataset_close(&data);
    return s;
}

tg_status tg_assemble_identity(tg_context *ctx, const tg_assemble_options *options,
                               const char *path) {
    tg_postnet *postnet = NULL;
    tg_identity *old = NULL;
    tg_status s = options->postnet ? tg_postnet_open(ctx, options->postnet, &postnet) : TG_OK;
    if (s == TG_OK && !options->dataset)
        s = tg_identity_revise(ctx, options->init, options->voice, postnet, path);
    else if (s == TG_OK && (!options->init || postnet))
        s = from_recording(ctx, options, postnet, path);
    else if (s == TG_OK) { /* the postnet of before, for new pictures */
        s = tg_identity_open(ctx, options->init, options->voice, true, &old);
        if (s == TG_OK)
            s = from_recording(ctx, options, old->postnet, path);
        tg_identity_close(&old);
    }
    tg_postnet_destroy(&postnet);
    return s;
}
