/* talkgen features, motion, render: one stage each, files in, files out. */
#include "cli/commands.h"
#include "cli/portrait.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* A stage's result must not replace a file that is already there unless -y says so. */
static tg_status check_output(tg_context *ctx, const cli_args *args) {
    tg_status s = cli_need(ctx, args->output, "output", "the output");
    return s == TG_OK ? cli_new_file(ctx, args->output, args->overwrite) : s;
}

/* Video frame i takes row 2 i, as GeneFace's networks do. */
static int64_t even_rows(float *rows, int64_t n, int width) {
    for (int64_t i = 1; 2 * i < n; i++)
        memcpy(rows + i * width, rows + 2 * i * width, sizeof *rows * (size_t)width);
    return (n + 1) / 2;
}

tg_status cmd_features(tg_context *ctx, const cli_args *args) {
    tg_status s = cli_need(ctx, args->audio, "audio", "the speech");
    if (s == TG_OK && !args->identity && !args->encoder)
        s = cli_need(ctx, NULL, "identity", "the person, or a voice file by --encoder");
    if (s == TG_OK)
        s = check_output(ctx, args);
    tg_identity *person = NULL;
    tg_hubert *hubert = NULL;
    if (s == TG_OK && args->identity)
        s = tg_identity_open(ctx, args->identity, args->encoder, true, &person);
    else if (s == TG_OK)
        s = tg_voice_open(ctx, args->encoder, &hubert, NULL);
    if (s == TG_OK && person && !person->hubert)
        s = tg_fail(ctx, TG_EUSAGE,
                    "%s: it has no speech encoder\n  expected: a person who hears\n"
                    "  try: --encoder FILE",
                    args->identity);
    tg_wave16k *wave = NULL;
    tg_wave_range range = {args->start_s, args->duration_s};
    if (s == TG_OK)
        s = tg_wave16k_open(ctx, args->audio, &range, &wave);
    tg_features *features = NULL;
    if (s == TG_OK)
        s = (args->logits ? tg_features_open_logits : tg_features_open)(
            ctx, person ? person->hubert : hubert, wave, &features);
    float *rows = NULL;
    int64_t n = 0;
    if (s == TG_OK)
        s = tg_features_collect(ctx, features, &rows, &n);
    if (s == TG_OK) {
        int width = tg_features_dim(features);
        if (args->frames25)
            n = even_rows(rows, n, width);
        s = tg_npy_write(ctx, args->output, 2, (int64_t[]){n, width}, rows);
        if (s == TG_OK)
            printf("%s: [%lld,%d] at %d Hz\n", args->output, (long long)n, width,
                   args->frames25 ? 25 : 50);
    }
    tg_features_close(&features);
    tg_free(rows);
    tg_wave16k_close(&wave);
    tg_hubert_destroy(&hubert);
    tg_identity_close(&person);
    return s;
}

/* All frames of a source; *out [frames,204] by tg_free. */
static tg_status collect(tg_context *ctx, tg_motion_source *source, float **out) {
    int64_t frames = tg_motion_source_frames(source);
    *out = tg_alloc((size_t)frames * TG_MOTION_DIM * sizeof **out);
    if (!*out)
        return tg_fail(ctx, TG_ENOMEM, "out of memory for %lld frames of landmarks",
                       (long long)frames);
    tg_progress(ctx, "motion", 0, (double)frames, NULL);
    for (int64_t i = 0; i < frames; i++) {
        bool done;
        tg_status s = tg_motion_source_next(ctx, source, *out + i * TG_MOTION_DIM, &done);
        if (s != TG_OK)
            return s;
        tg_progress(ctx, "motion", (double)(i + 1), (double)frames, NULL);
    }
    return TG_OK;
}

static tg_status write_poses(tg_context *ctx, const tg_identity *person, const cli_args *args,
                             int64_t frames) {
    tg_pose_source *poses = NULL;
    float *rows = tg_alloc((size_t)frames * 16 * sizeof *rows);
    const tg_pose_options pose = cli_pose_options(args);
    tg_status s = rows ? tg_pose_source_open(ctx, person, &pose, &poses)
                       : tg_fail(ctx, TG_ENOMEM, "out of memory for %lld poses", (long long)frames);
    for (int64_t i = 0; s == TG_OK && i < frames; i++)
        s = tg_pose_source_at(ctx, poses, i, rows + 16 * i);
    if (s == TG_OK)
        s = tg_npy_write(ctx, args->pose_out, 3, (int64_t[]){frames, 4, 4}, rows);
    tg_pose_source_close(&poses);
    tg_free(rows);
    return s;
}

tg_status cmd_motion(tg_context *ctx, const cli_args *args) {
    tg_motion_options options;
    if (args->audio && args->features)
        return tg_fail(
            ctx, TG_EUSAGE,
            "--audio and --features are both given\n  expected: one of them\n  try: leave one out");
    tg_status s = cli_need(ctx, args->identity, "identity", "the person");
    if (s == TG_OK && !args->features)
        s = cli_need(ctx, args->audio, "audio", "the speech");
    if (s == TG_OK)
        s = cli_motion_options(ctx, args, &options);
    if (s == TG_OK)
        s = tg_gaze_check(ctx, NULL, args->gaze, false);
    if (s == TG_OK)
        s = check_output(ctx, args);
    if (s == TG_OK)
        s = cli_new_file(ctx, args->pose_out, args->overwrite);
    if (s == TG_OK)
        s = cli_new_file(ctx, args->gaze_out, args->overwrite);
    tg_identity *person = NULL;
    if (s == TG_OK)
        s = tg_identity_open(ctx, args->identity, args->encoder, true, &person);
    if (s == TG_OK && tg_identity_hears(person))
        s = tg_fail(ctx, TG_EUSAGE,
                    "'%s' has no motion: its renderer hears logits\n"
                    "  expected: an identity of system geneface\n"
                    "  try: talkgen render --features aud.npy --identity %s",
                    person->name, args->identity);
    if (s == TG_OK)
        s = tg_gaze_check(ctx, person, args->gaze, args->gaze_out);
    tg_motion_source *source = NULL;
    if (s == TG_OK)
        s = tg_motion_source_open(ctx, person, &options, &source);
    float *landmarks = NULL;
    if (s == TG_OK)
        s = collect(ctx, source, &landmarks);
    int64_t frames = source ? tg_motion_source_frames(source) : 0;
    if (s == TG_OK && args->pose_out)
        s = write_poses(ctx, person, args, frames);
    if (s == TG_OK && args->gaze_out) {
        const tg_pose_options pose = cli_pose_options(args);
        s = tg_gaze_write(ctx, person, &pose, 0, frames, args->gaze_out);
    }
    if (s == TG_OK)
        s = tg_npy_write(ctx, args->output, 3, (int64_t[]){frames, TG_MOTION_POINTS, 3}, landmarks);
    if (s == TG_OK)
        printf("%s: [%lld,68,3] at 25 fps, seed %llu%s\n", args->output, (long long)frames,
               (unsigned long long)args->seed,
               person->idexp ? ", displacements (landmark space idexp)" : "");
    tg_free(landmarks);
    tg_motion_source_close(&source);
    tg_identity_close(&person);
    return s;
}

/* Logits to video: what synth does without hearing. */
static tg_status render_features(tg_context *ctx, const cli_args *args, const tg_identity *person,
                                 const tg_portrait_options *portrait, tg_synth_report *report) {
    tg_synth_options o = tg_synth_defaults();
    o.portrait = *portrait;
    o.motion.features = args->features;
    o.motion.audio = args->audio;
    o.motion.start_s = args->start_s;
    o.motion.duration_s = args->duration_s;
    if (tg_identity_hears(person))
        return tg_synthesize(ctx, person, &o, report);
    return tg_fail(ctx, TG_EUSAGE,
                   "--features: '%s' is rendered from landmarks\n"
                   "  expected: --motion FILE.npy\n"
                   "  try: talkgen motion --features first, or talkgen synth --features",
                   person->name);
}

tg_status cmd_render(tg_context *ctx, const cli_args *args) {
    tg_portrait_options options;
    tg_status s = TG_OK;
    if (args->features && args->motion)
        s = tg_fail(ctx, TG_EUSAGE,
                    "--motion and --features are both given\n  expected: one of them\n"
                    "  try: leave one out");
    if (s == TG_OK && !args->features)
        s = cli_need(ctx, args->motion, "motion", "the landmarks");
    if (s == TG_OK)
        s = cli_need(ctx, args->identity, "identity", "the person");
    if (s == TG_OK)
        s = cli_need(ctx, args->output, "output", "the output");
    if (s == TG_OK)
        s = cli_portrait_options(ctx, args, &options);
    tg_identity *person = NULL;
    tg_motion_source *source = NULL;
    if (s == TG_OK)
        s = tg_identity_open(ctx, args->identity, NULL, false, &person);
    tg_synth_report report;
    if (s == TG_OK && args->features)
        s = render_features(ctx, args, person, &options, &report);
    if (s == TG_OK && args->motion && tg_identity_hears(person))
        s = tg_fail(ctx, TG_EUSAGE,
                    "--motion: '%s' is driven by logits, not by landmarks\n"
                    "  expected: --features FILE.npy\n  try: talkgen render --features aud.npy",
                    person->name);
    if (s == TG_OK && args->motion)
        s = tg_motion_source_file(ctx, args->motion, &source);
    if (s == TG_OK && args->motion)
        s = tg_render_motion(ctx, person, source, &options, args->audio, args->start_s,
                             args->duration_s, &report);
    if (s == TG_OK)
        cli_print_report(args, &report);
    tg_motion_source_close(&source);
    tg_identity_close(&person);
    return s;
}
