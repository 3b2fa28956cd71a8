/* From the command line to the options of the systems. */
#include "cli/portrait.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

/* Options of systems count 0 as not given. */
static float cli_gain(double x) {
    return x > 0 ? (float)x : -1;
}

tg_status cli_motion_options(tg_context *ctx, const cli_args *args, tg_motion_options *out) {
    *out = (tg_motion_options){.audio = args->audio,
                               .features = args->features,
                               .start_s = args->start_s,
                               .duration_s = args->duration_s,
                               .seed = args->seed,
                               .clip_id = args->clip_id,
                               .temperature = (float)args->temperature,
                               .latent = args->latent,
                               .blink_gain = cli_gain(args->blink_gain),
                               .raw = args->raw,
                               .lle = (float)args->lle};
    if (args->clamp_std >= 0)
        out->clamp_std = args->clamp_std > 0 ? (float)args->clamp_std : INFINITY;
    if (args->smooth >= 0)
        out->smooth = args->smooth > 0 ? (float)args->smooth : -1;
    return tg_eyes_named(ctx, args->eyes, &out->eyes);
}

tg_pose_options cli_pose_options(const cli_args *args) {
    return (tg_pose_options){.spec = args->pose,
                             .smooth = args->pose_smooth,
                             .gaze = args->gaze,
                             .behaviour = {.audio = args->audio,
                                           .start_s = args->start_s,
                                           .duration_s = args->duration_s,
                                           .seed = args->seed,
                                           .clip_id = args->clip_id,
                                           .pose_gain = cli_gain(args->pose_gain),
                                           .blink_gain = cli_gain(args->blink_gain)}};
}

tg_status cli_portrait_options(tg_context *ctx, const cli_args *args, tg_portrait_options *out) {
    *out = (tg_portrait_options){.output = args->output,
                                 .width = args->width,
                                 .height = args->height,
                                 .pose = args->pose,
                                 .pose_gain = cli_gain(args->pose_gain),
                                 .seed = args->seed,
                                 .clip_id = args->clip_id,
                                 .background = args->background,
                                 .crf = args->crf,
                                 .overwrite = args->overwrite,
                                 .pose_out = args->pose_out,
                                 .gaze = args->gaze,
                                 .gaze_out = args->gaze_out,
                                 .pose_smooth = args->pose_smooth,
                                 .eye_area = (float)args->eye_area,
                                 .eye_smooth = args->eye_smooth,
                                 .torso_features = args->torso_features,
                                 .part = args->frames_part,
                                 .first = args->frames_first,
                                 .end = args->frames_end,
                                 .tmp_dir = args->tmp_dir};
    if (strcmp(args->march, "reference") == 0)
        out->march = TG_MARCH_REFERENCE;
    else if (strcmp(args->march, "exhaustive") == 0)
        out->march = TG_MARCH_EXHAUSTIVE;
    else if (strcmp(args->march, "fast") != 0)
        return tg_fail(ctx, TG_EUSAGE,
                       "--march '%s' is not known\n  expected: fast, reference or exhaustive\n"
                       "  try: --march fast",
                       args->march);
    tg_status s = tg_gaze_check(ctx, NULL, args->gaze, false);
    if (s != TG_OK)
        return s;
    if (args->tmp_dir && args->output && !tg_is_movie(args->output) &&
        !tg_has_extension(args->output, "y4m") && !tg_has_extension(args->output, "framemd5"))
        return tg_fail(ctx, TG_EUSAGE,
                       "%s: nothing of it grows in --tmp-dir\n"
                       "  expected: a video that is one file\n  try: to leave --tmp-dir out",
                       args->output);
    if (strcmp(args->device, "cuda") == 0)
        out->device = TG_DEVICE_CUDA;
    else if (strcmp(args->device, "cpu") != 0)
        return tg_fail(ctx, TG_EUSAGE,
                       "--device '%s' is not known\n  expected: cpu or cuda\n  try: --device cpu",
                       args->device);
    if (args->frames > 0)
        return tg_fail(ctx, TG_EUSAGE,
                       "--frames %d: which frames?\n  expected: A:B, the first and the one behind "
                       "the last\n  try: --frames 0:%d",
                       args->frames, args->frames);
    if (args->fps != 25)
        return tg_fail(ctx, TG_EUSAGE,
                       "--fps %g is not available\n  expected: 25\n  try: leave --fps out",
                       args->fps);
    s = cli_new_file(ctx, args->pose_out, args->overwrite);
    return s == TG_OK ? cli_new_file(ctx, args->gaze_out, args->overwrite) : s;
}

void cli_print_report(const cli_args *args, const tg_synth_report *report) {
    FILE *out = args->output && strcmp(args->output, "-") == 0 ? stderr : stdout;
    double fps = report->wall_s > 0 ? (double)report->frames / report->wall_s : 0;
    fprintf(out,
            "%s: %.2f s, %.1f frames/s, real-time factor %.2f, peak memory %.0f MiB, seed %llu",
            args->output, report->audio_s, fps,
            report->audio_s > 0 ? report->wall_s / report->audio_s : 0,
            (double)tg_peak_rss_bytes() / (1 << 20), (unsigned long long)args->seed);
    fprintf(out, "%s%s\n", report->frame_hash[0] ? ", frames " : "", report->frame_hash);
}
