/* Landmarks of a clip, frame by frame: from audio or features through the networks, or from a file.
 */
#include "systems/behaviour_source.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { EYE_FIRST = 36, EYE_POINTS = 12, PULL = 64 };

struct tg_motion_source {
    const tg_identity *id;
    int64_t frames, next;

    /* networks */
    tg_wave16k *wave, *pitch_wave; /* the second one only for the pitch */
    tg_features *features;
    tg_f0_stream *f0;
    int32_t *bins; /* coarse F0 of the current window's rows, NULL without pitch */
    int64_t bins_room, rows_given;
    tg_npy stored; /* --features, or landmarks of a file when there is no stream */
    int64_t stored_row;
    const float *rows; /* of the current window, not yet pushed */
    int64_t rows_left;
    bool rows_done;
    tg_npy latent;
    tg_motion_stream *stream;
    float pulled[PULL * TG_MOTION_DIM];
    int64_t pulled_count, pulled_next;

    tg_eyes_mode eyes;
    tg_behaviour_source *made; /* with TG_EYES_AUTO */
    tg_motion_ema ema;
    float clamp_std, smooth, lle;
};

tg_status tg_eyes_named(tg_context *ctx, const char *name, tg_eyes_mode *out) {
    static const char *const names[] = {[TG_EYES_REPLAY] = "replay",
                                        [TG_EYES_STILL] = "still",
                                        [TG_EYES_MODEL] = "model",
                                        [TG_EYES_AUTO] = "auto"};
    for (int i = 0; i < (int)(sizeof names / sizeof names[0]); i++)
        if (strcmp(name, names[i]) == 0) {
            *out = (tg_eyes_mode)i;
            return TG_OK;
        }
    return tg_fail(
        ctx, TG_EUSAGE,
        "--blink (or --eyes) '%s' is not known\n  expected: replay, auto, still or model\n"
        "  try: --blink replay",
        name);
}

static tg_status check_dims(tg_context *ctx, const char *path, const tg_npy *npy, int64_t width,
                            const char *expected) {
    bool ok = npy->ndim == 2 && npy->dim[0] >= 1 && npy->dim[1] == width;
    for (int64_t i = 0; ok && i < npy->dim[0] * width; i++)
        if (!isfinite(npy->data[i]))
            return tg_fail(
                ctx, TG_EINPUT,
                "%s: number %lld is not finite\n  expected: %s\n  try: to repair the file", path,
                (long long)i, expected);
    if (ok)
        return TG_OK;
    char shape[128] = "";
    for (int i = 0; i < npy->ndim; i++)
        snprintf(shape + strlen(shape), sizeof shape - strlen(shape), "%s%lld", i ? "," : "",
                 (long long)npy->dim[i]);
    return tg_fail(ctx, TG_EINPUT,
                   "%s: its shape is [%s]\n  expected: %s\n  try: talkgen help formats", path,
                   shape, expected);
}

static bool wants_pitch(const tg_motion_source *s, const tg_motion_options *o) {
    const tg_postnet *postnet = o->raw ? NULL : s->id->postnet;
    return tg_vae_config_of(s->id->vae)->pitch ||
           (postnet && tg_postnet_config_of(postnet)->pitch_dim > 0);
}

static tg_status open_audio(tg_context *ctx, tg_motion_source *s, const tg_motion_options *o) {
    tg_wave_range range = {o->start_s, o->duration_s};
    tg_status status = tg_wave16k_open(ctx, o->audio, &range, &s->wave);
    tg_wave_stats stats;
    if (status == TG_OK)
        status = tg_wave16k_stats(ctx, s->wave, &stats);
    if (status == TG_OK) {
        s->frames = tg_wave_video_frames(stats.samples);
        status = tg_features_open(ctx, s->id->hubert, s->wave, &s->features);
    }
    if (status == TG_OK && wants_pitch(s, o)) {
        status = tg_wave16k_open(ctx, o->audio, &range, &s->pitch_wave);
        if (status == TG_OK)
            status = tg_f0_open(ctx, s->pitch_wave, &s->f0);
    }
    return status;
}

static tg_status open_features(tg_context *ctx, tg_motion_source *s, const tg_motion_options *o) {
    char expected[64];
    int width = tg_vae_config_of(s->id->vae)->mel_in_dim;
    if (wants_pitch(s, o))
        return tg_fail(ctx, TG_EUSAGE,
                       "%s: this identity wants the pitch of the voice beside its features\n"
                       "  expected: a recording\n  try: --audio instead of --features",
                       o->features);
    snprintf(expected, sizeof expected, "[rows at 50 Hz,%d]", width);
    tg_status status = tg_npy_read(ctx, o->features, &s->stored);
    if (status == TG_OK)
        status = check_dims(ctx, o->features, &s->stored, width, expected);
    if (status == TG_OK)
        s->frames = s->stored.dim[0] >= 2 ? (s->stored.dim[0] + 1) / 2 : 1;
    return status;
}

/* What the user asks for instead of what the identity says. */
static tg_status read_limits(tg_context *ctx, tg_motion_source *s, const tg_motion_options *o) {
    s->clamp_std = o->clamp_std > 0 ? o->clamp_std : s->id->clamp_std;
    s->smooth = o->smooth < 0 ? 0 : o->smooth > 0 ? o->smooth : s->id->smooth;
    s->lle = o->lle;
    if (!(s->smooth < 1) || !(s->lle >= 0 && s->lle <= 1))
        return tg_fail(ctx, TG_EUSAGE,
                       "--smooth %g, --lle %g\n  expected: --smooth below 1, --lle from 0 to 1\n"
                       "  try: --smooth 0.2 --lle 0",
                       (double)s->smooth, (double)s->lle);
    if (s->lle > 0 && !s->id->lle)
        return tg_fail(ctx, TG_EUSAGE,
                       "--lle %g: the identity does not hold the motion of its recording\n"
                       "  expected: a tensor motion.lle, as talkgen convert geneface writes it\n"
                       "  try: leave --lle out",
                       (double)s->lle);
    return TG_OK;
}

tg_status tg_motion_source_open(tg_context *ctx, const tg_identity *identity,
                                const tg_motion_options *options, tg_motion_source **out) {
    *out = NULL;
    tg_motion_source *s = calloc(1, sizeof *s);
    if (!s)
        return tg_fail(ctx, TG_ENOMEM, "out of memory for the motion of a clip");
    s->id = identity;
    s->eyes = options->eyes == TG_EYES_REPLAY && !identity->eyes ? TG_EYES_MODEL : options->eyes;
    tg_status status = read_limits(ctx, s, options);
    const tg_behaviour_options behaviour = {.audio = options->audio,
                                            .start_s = options->start_s,
                                            .duration_s = options->duration_s,
                                            .seed = options->seed,
                                            .clip_id = options->clip_id,
                                            .blink_gain = options->blink_gain};
    if (status == TG_OK && s->eyes == TG_EYES_AUTO)
        status = tg_behaviour_source_open(ctx, identity, TG_BEHAVE_EYES, &behaviour, &s->made);
    if (status == TG_OK)
        status = options->features ? open_features(ctx, s, options) : open_audio(ctx, s, options);
    tg_motion_sampling sampling = {options->seed, options->clip_id, options->temperature, NULL, 0};
    if (status == TG_OK && options->latent) {
        int width = tg_vae_config_of(identity->vae)->latent_size;
        status = tg_npy_read(ctx, options->latent, &s->latent);
        if (status == TG_OK)
            status = check_dims(ctx, options->latent, &s->latent, width, "[frames/4,16]");
        sampling.latent = s->latent.data;
        sampling.latent_frames = status == TG_OK ? s->latent.dim[0] : 0;
    }
    if (status == TG_OK)
        status = tg_motion_stream_open(ctx, identity->vae, options->raw ? NULL : identity->postnet,
                                       &sampling, s->frames, &s->stream);
    if (status != TG_OK)
        tg_motion_source_close(&s);
    *out = s;
    return status;
}

tg_status tg_motion_source_file(tg_context *ctx, const char *path, tg_motion_source **out) {
    *out = NULL;
    tg_motion_source *s = calloc(1, sizeof *s);
    if (!s)
        return tg_fail(ctx, TG_ENOMEM, "%s: out of memory", path);
    tg_status status = tg_npy_read(ctx, path, &s->stored);
    if (status == TG_OK && s->stored.ndim == 3 && s->stored.dim[1] == TG_MOTION_POINTS &&
        s->stored.dim[2] == 3) {
        s->stored.ndim = 2;
        s->stored.dim[1] = TG_MOTION_DIM;
    }
    if (status == TG_OK)
        status = check_dims(ctx, path, &s->stored, TG_MOTION_DIM,
                            "landmarks [frames,68,3] or [frames,204]");
    if (status == TG_OK)
        s->frames = s->stored.dim[0];
    else
        tg_motion_source_close(&s);
    *out = s;
    return status;
}

void tg_motion_source_close(tg_motion_source **source) {
    if (!source || !*source)
        return;
    tg_motion_source *s = *source;
    tg_motion_stream_close(&s->stream);
    tg_behaviour_source_close(&s->made);
    tg_features_close(&s->features);
    tg_f0_close(&s->f0);
    tg_wave16k_close(&s->wave);
    tg_wave16k_close(&s->pitch_wave);
    tg_free(s->bins);
    tg_npy_free(&s->stored);
    tg_npy_free(&s->latent);
    free(s);
    *source = NULL;
}

int64_t tg_motion_source_frames(const tg_motion_source *source) {
    return source->frames;
}

/* Coarse F0 of the rows that came in. */
static tg_status hear_pitch(tg_context *ctx, tg_motion_source *s) {
    enum { BLOCK = 256 };
    float hz[BLOCK];
    if (s->bins_room < s->rows_left) {
        tg_free(s->bins);
        s->bins_room = s->rows_left;
        if (!(s->bins = tg_alloc((size_t)s->bins_room * sizeof *s->bins))) {
            s->bins_room = 0;
            return tg_fail(ctx, TG_ENOMEM, "out of memory for the pitch of a clip");
        }
    }
    for (int64_t i = 0; i < s->rows_left; i += BLOCK) {
        int64_t n = s->rows_left - i < BLOCK ? s->rows_left - i : BLOCK;
        tg_status status = tg_f0_next(ctx, s->f0, hz, n);
        if (status != TG_OK)
            return status;
        for (int64_t k = 0; k < n; k++)
            s->bins[i + k] = tg_f0_coarse(hz[k]);
    }
    s->rows_given = 0;
    return TG_OK;
}

/* More feature rows into the motion stream. */
static tg_status feed(tg_context *ctx, tg_motion_source *s) {
    if (s->rows_left == 0 && !s->rows_done) {
        if (s->features) {
            tg_status status = tg_features_next(ctx, s->features, &s->rows, &s->rows_left);
            if (status == TG_OK && s->f0)
                status = hear_pitch(ctx, s);
            if (status != TG_OK)
                return status;
        } else {
            s->rows = s->stored.data;
            s->rows_left = s->stored_row == 0 ? s->stored.dim[0] : 0;
            s->stored_row = s->stored.dim[0];
        }
        if (s->rows_left == 0) {
            s->rows_done = true;
            tg_motion_stream_finish(s->stream);
        }
    }
    int64_t taken = tg_motion_stream_push(s->stream, s->rows,
                                          s->bins ? s->bins + s->rows_given : NULL, s->rows_left);
    s->rows_given += taken;
    s->rows += taken * tg_vae_config_of(s->id->vae)->mel_in_dim;
    s->rows_left -= taken;
    return TG_OK;
}

static tg_status next_raw(tg_context *ctx, tg_motion_source *s, float frame[TG_MOTION_DIM]) {
    while (s->pulled_next == s->pulled_count) {
        s->pulled_next = 0;
        tg_status status = tg_motion_stream_pull(ctx, s->stream, s->pulled, PULL, &s->pulled_count);
        if (status == TG_OK && s->pulled_count == 0)
            status = feed(ctx, s);
        if (status == TG_OK)
            status = tg_cancelled(ctx);
        if (status != TG_OK)
            return status;
    }
    memcpy(frame, s->pulled + s->pulled_next++ * TG_MOTION_DIM, TG_MOTION_DIM * sizeof *frame);
    return TG_OK;
}

tg_status tg_motion_source_next(tg_context *ctx, tg_motion_source *s,
                                float landmarks[TG_MOTION_DIM], bool *done) {
    *done = s->next >= s->frames;
    if (*done)
        return TG_OK;
    int64_t frame = s->next++;
    if (!s->stream) {
        memcpy(landmarks, s->stored.data + frame * TG_MOTION_DIM,
               TG_MOTION_DIM * sizeof *landmarks);
        return TG_OK;
    }
    float x[TG_MOTION_DIM];
    tg_status status = next_raw(ctx, s, x);
    if (status != TG_OK)
        return status;
    const tg_identity *id = s->id;
    tg_motion_normalize(&id->stats, s->clamp_std, x);
    if (s->lle > 0)
        tg_motion_lle(id->lle, id->lle_frames, s->lle, x);
    tg_motion_smooth(&s->ema, s->smooth, x);
    for (int k = 0; k < TG_MOTION_DIM; k++)
        x[k] = x[k] * id->stats.std[k] + id->stats.mean[k];
    /* Blinks cannot be heard. Recorded ones are real data: neither clamped nor smoothed. */
    float *eyes = x + 3 * EYE_FIRST;
    if (s->eyes == TG_EYES_REPLAY)
        memcpy(eyes, id->eyes + tg_mirror_index(frame, id->poses) * EYE_POINTS * 3,
               EYE_POINTS * 3 * sizeof *eyes);
    else if (s->eyes == TG_EYES_STILL)
        memcpy(eyes, id->stats.mean + 3 * EYE_FIRST, EYE_POINTS * 3 * sizeof *eyes);
    for (int k = 0; k < TG_MOTION_DIM; k++)
        landmarks[k] = id->lm_mean[k] + x[k] / 10;
    if (s->eyes == TG_EYES_AUTO)
        status = tg_behaviour_source_eyes(ctx, s->made, landmarks + 3 * EYE_FIRST);
    return status;
}
