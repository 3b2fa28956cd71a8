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

/* The recording's poses and blinks in the order of its frames: training frames, then held-out ones,
 * which is the order of filming. */
static tg_status replay_of(tg_context *ctx, const tg_dataset *data, float **eyes) {
    *eyes = tg_alloc((size_t)data->frames * EYE_POINTS * 3 * sizeof **eyes);
    if (!*eyes)
        return tg_fail(ctx, TG_ENOMEM, "out of memory for %lld frames", (long long)data->frames);
    for (int64_t i = 0; i < data->frames; i++)
        for (int k = 0; k < EYE_POINTS * 3; k++) {
            int at = 3 * EYE_FIRST + k;
            float p = data->landmarks[data->image_id[i] * TG_COND_DIM + at];
            (*eyes)[i * EYE_POINTS * 3 + k] = 10 * (p - data->mean[at]);
        }
    return TG_OK;
}

static tg_status from_recording(tg_context *ctx, const tg_assemble_options *options,
                                tg_postnet *postnet, const char *path) {
    tg_dataset *data = NULL;
    float *eyes = NULL;
    tg_status s = tg_dataset_open(ctx, options->dataset, 0, 0, &data);
    if (s == TG_OK)
        s = replay_of(ctx, data, &eyes);
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
                                   .lm_mean = data->mean,
                                   .stats = &stats,
                                   .poses = data->frames,
                                   .pose = data->c2w,
                                   .eyes = eyes,
                                   .background = &background,
                                   .voice_path = options->voice};
        s = tg_identity_write(ctx, path, &parts);
    }
    tg_free(eyes);
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
