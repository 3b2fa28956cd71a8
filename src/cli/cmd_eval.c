/* talkgen eval: picture measures on held-out frames, the lip-sync score. */
#include "cli/behaviour.h"
#include "cli/commands.h"
#include "cli/eval_person.h"
#include "cli/portrait.h"

#include "talkgen/eval.h"
#include "talkgen/systems.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

static void set_figure(tg_json *object, const char *key, double value) {
    if (isfinite(value))
        tg_json_set_number(object, key, value);
}

static void figures_json(tg_json *o, const tg_lipsync_figures *f, bool all) {
    set_figure(o, "close", f->close);
    set_figure(o, "open", f->open);
    set_figure(o, "silent", f->silent);
    set_figure(o, "phone_corr", f->phone_corr);
    if (!all)
        return;
    tg_json_set_number(o, "n_close", (double)f->n_close);
    tg_json_set_number(o, "n_open", (double)f->n_open);
    tg_json_set_number(o, "n_silent", (double)f->n_silent);
    set_figure(o, "round_d", f->round_d);
    set_figure(o, "corr", f->corr);
    set_figure(o, "lag_ms", f->lag_ms);
    set_figure(o, "jitter", f->jitter);
}

static void figures_row(const char *name, const tg_lipsync_figures *f) {
    printf("%-10s %6.3f %6.3f %6.3f %10.3f %6.3f %6.0f %7.3f %7.3f\n", name, f->close, f->open,
           f->silent, f->phone_corr, f->corr, f->lag_ms, f->round_d, f->jitter);
}

static tg_status eval_lipsync(tg_context *ctx, const cli_args *args) {
    int count = 0, extra = args->word_count - 1;
    tg_lipsync_clip one = {.motion = args->motion, .phones = args->phones, .audio = args->audio};
    if (args->motion || args->phones || args->audio) {
        tg_status s = cli_need(ctx, args->motion, "motion", "the landmarks");
        if (s == TG_OK)
            s = cli_need(ctx, args->phones, "phones", "the phones");
        if (s == TG_OK)
            s = cli_need(ctx, args->audio, "audio", "the sound");
        if (s != TG_OK)
            return s;
        count = 1;
    }
    if (extra % 3 != 0 || extra / 3 + count == 0)
        return tg_fail(ctx, TG_EUSAGE,
                       "eval lipsync takes triples of files, %d names are given\n"
                       "  expected: MOTION.npy PHONES.json AUDIO.wav, once for every clip\n  try: "
                       "talkgen help eval",
                       extra);
    tg_lipsync_clip *clips = tg_alloc((size_t)(count + extra / 3) * sizeof *clips);
    if (!clips)
        return tg_fail(ctx, TG_ENOMEM, "out of memory for %d clips", count + extra / 3);
    clips[0] = one;
    for (int i = 0; i < extra / 3; i++)
        clips[count++] = (tg_lipsync_clip){.motion = args->words[1 + 3 * i],
                                           .phones = args->words[2 + 3 * i],
                                           .audio = args->words[3 + 3 * i]};
    tg_lipsync_score score;
    tg_status s = tg_lipsync(ctx, clips, count, 25, &score);
    tg_free(clips);
    if (s != TG_OK)
        return s;
    if (args->json) {
        tg_json *root = tg_json_new_object();
        figures_json(root, &score.motion, true);
        set_figure(root, "gap95_over_eyes", score.gap95_over_eyes);
        tg_json *controls = tg_json_set_object(root, "controls");
        figures_json(tg_json_set_object(controls, "envelope"), &score.envelope, false);
        figures_json(tg_json_set_object(controls, "sine"), &score.sine, false);
        return cli_print_json(ctx, root);
    }
    printf("%-10s %6s %6s %6s %10s %6s %6s %7s %7s\n", "", "close", "open", "silent", "phone_corr",
           "corr", "lag_ms", "round_d", "jitter");
    figures_row("motion", &score.motion);
    figures_row("envelope", &score.envelope);
    figures_row("sine", &score.sine);
    printf("counted: %lld P/B/M, %lld open vowels, %lld silences; gap95_over_eyes %.3f\n",
           (long long)score.motion.n_close, (long long)score.motion.n_open,
           (long long)score.motion.n_silent, score.gap95_over_eyes);
    return TG_OK;
}

static tg_status eval_lips(tg_context *ctx, const cli_args *args) {
    const struct {
        const char *value, *option, *what;
    } needs[] = {{args->data, "data", "the recording"},
                 {args->video, "video", "the video"},
                 {args->motion, "motion", "the landmarks"},
                 {args->pose, "pose", "the poses"}};
    tg_lips_score score;
    for (size_t i = 0; i < sizeof needs / sizeof needs[0]; i++) {
        tg_status s = cli_need(ctx, needs[i].value, needs[i].option, needs[i].what);
        if (s != TG_OK)
            return s;
    }
    tg_status s = tg_eval_lips(ctx, args->data, args->video, args->motion, args->pose, &score);
    if (s == TG_OK)
        printf("lip gap read from the picture against the landmarks that drove it\n"
               "held-out frames  %.3f\nvideo            %.3f  (%lld frames)\n",
               score.true_corr, score.video_corr, (long long)score.frames);
    return s;
}

/* The camera and march options of `talkgen synth`; defaults elsewhere. */
static tg_status portrait_options(tg_context *ctx, const cli_args *args, tg_portrait_options *out) {
    if (args->frames_part)
        return tg_fail(ctx, TG_EUSAGE,
                       "--frames %lld:%lld: a range of frames\n  expected: how many\n"
                       "  try: --frames 20",
                       (long long)args->frames_first, (long long)args->frames_end);
    cli_args without = *args; /* parts of a clip are what synth and render make */
    without.frames = 0;
    tg_status s = cli_portrait_options(ctx, &without, out);
    out->pose_out = out->gaze_out = NULL;
    return s;
}

static tg_status eval_march(tg_context *ctx, const cli_args *args) {
    tg_status s = cli_need(ctx, args->identity, "identity", "the person");
    if (s == TG_OK)
        s = cli_need(ctx, args->motion, "motion", "the landmarks, from talkgen motion");
    tg_portrait_options options;
    if (s == TG_OK)
        s = portrait_options(ctx, args, &options);
    tg_identity *person = NULL;
    tg_motion_source *motion = NULL;
    tg_march_score score;
    if (s == TG_OK)
        s = tg_identity_open(ctx, args->identity, NULL, false, &person);
    if (s == TG_OK)
        s = tg_motion_source_file(ctx, args->motion, &motion);
    if (s == TG_OK)
        s = tg_compare_march(ctx, person, motion, &options, args->frames, &score);
    if (s == TG_OK)
        printf("%lld frames, PSNR of fast against exhaustive\n"
               "head        %6.2f dB  worst frame %6.2f dB\nall         %6.2f dB\n"
               "of a frame        ms  densities   colours  torso pixels\n"
               "fast        %8.1f  %9.0f  %8.0f  %12.0f\n"
               "exhaustive  %8.1f  %9.0f  %8.0f  %12.0f\n",
               (long long)score.frames, score.head_psnr, score.worst_head_psnr, score.all_psnr,
               1e3 * score.fast.seconds / (double)score.frames, score.fast.density_samples,
               score.fast.color_samples, score.fast.torso_pixels,
               1e3 * score.exhaustive.seconds / (double)score.frames,
               score.exhaustive.density_samples, score.exhaustive.color_samples,
               score.exhaustive.torso_pixels);
    tg_motion_source_close(&motion);
    tg_identity_close(&person);
    return s;
}

tg_status cmd_eval(tg_context *ctx, const cli_args *args) {
    const char *what = args->word_count ? args->words[0] : "";
    if (strcmp(what, "lipsync") == 0)
        return eval_lipsync(ctx, args);
    if (strcmp(what, "lips") == 0)
        return eval_lips(ctx, args);
    if (strcmp(what, "march") == 0)
        return eval_march(ctx, args);
    if (strcmp(what, "behaviour") == 0)
        return cli_eval_behaviour(ctx, args);
    bool person = strcmp(what, "person") == 0;
    if (!person && strcmp(what, "psnr") != 0)
        return tg_fail(ctx, TG_EUSAGE,
                       "eval '%s' is not known\n"
                       "  expected: person, psnr, march, lipsync, lips or behaviour\n"
                       "  try: talkgen help eval",
                       what);
    tg_portrait_options options;
    tg_status s = portrait_options(ctx, args, &options);
    if (s == TG_OK && options.device != TG_DEVICE_CPU)
        s = tg_fail(ctx, TG_EUSAGE,
                    "--device %s: eval %s renders on the CPU\n  expected: cpu\n"
                    "  try: talkgen eval march --device cuda, or leave it out",
                    args->device, what);
    if (s != TG_OK)
        return s;
    return person ? cli_eval_person(ctx, args, options.march)
                  : cli_eval_psnr(ctx, args, options.march);
}
