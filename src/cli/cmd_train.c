/* talkgen train: the stages, one by one or all that a person needs. */
#include "cli/behaviour.h"
#include "cli/commands.h"
#include "cli/postnet.h"
#include "cli/recording.h"
#include "cli/takes.h"
#include "cli/train_person.h"

#include "talkgen/train.h"

#include <stdio.h>
#include <string.h>

/* Budgets when --time is not given, in seconds on two cores. */
enum { SPEECH_S = 3600, MOTION_S = 4800, POSTNET_S = 900, HEAD_S = 3600, TORSO_S = 1800 };

static double budget(const cli_args *args, double otherwise) {
    return args->time_s > 0 ? args->time_s : otherwise;
}

/* With --hours the schedule ends with them, and --time only says when to stop for now. */
static double voice_budget(const cli_args *args, double otherwise) {
    return args->hours > 0 ? args->time_s : budget(args, otherwise);
}

static tg_status train_speech(tg_context *ctx, const cli_args *args) {
    tg_train_takes takes = cli_takes(args);
    tg_train_speech_options o = {.corpus = args->corpus,
                                 .held_out = args->heldout,
                                 .takes = args->hours > 0 ? &takes : NULL,
                                 .hours = args->hours,
                                 .state = args->work,
                                 .init = args->init,
                                 .time_s = voice_budget(args, SPEECH_S),
                                 .seed = args->seed};
    tg_train_speech_result r;
    tg_status s = cli_check_takes(ctx, args);
    if (s == TG_OK)
        s = tg_train_speech(ctx, &o, &r);
    if (s == TG_OK)
        printf("%s: %lld steps, %.1f hours heard, held-out phones %.1f %%, silence %.1f %%\n",
               r.encoder, (long long)r.steps, r.audio_s / 3600, 100 * r.held_out_accuracy,
               100 * r.held_out_silence);
    return s;
}

static tg_status train_motion(tg_context *ctx, const cli_args *args) {
    tg_train_takes takes = cli_takes(args);
    tg_train_motion_options o = {.corpus = args->corpus,
                                 .held_out = args->heldout,
                                 .takes = args->hours > 0 ? &takes : NULL,
                                 .hours = args->hours,
                                 .encoder = args->voice,
                                 .state = args->work,
                                 .init = args->init,
                                 .time_s = voice_budget(args, MOTION_S),
                                 .seed = args->seed};
    tg_train_motion_result r;
    tg_status s = cli_check_takes(ctx, args);
    if (s == TG_OK)
        s = cli_need(ctx, args->voice, "voice", "the speech encoder");
    if (s == TG_OK)
        s = tg_train_motion(ctx, &o, &r);
    if (s == TG_OK)
        printf("%s: %lld steps, sync expert %.1f %%, held-out mouth error %.3f of %.3f, gap "
               "correlation %.3f; at temperature 1 %.3f about that\n",
               r.voice, (long long)r.steps, 100 * r.sync_accuracy, r.mouth_error, r.mouth_deviation,
               r.gap_corr, r.scatter);
    return s;
}

static tg_status train_postnet(tg_context *ctx, const cli_args *args, const char *work,
                               double time_s, tg_train_postnet_result *r) {
    cli_postnet keep;
    tg_train_postnet_options o;
    tg_status s = cli_need(ctx, args->data, "data", "the person's recording");
    if (s == TG_OK)
        s = cli_need(ctx, args->voice, "voice", "the voice file");
    if (s == TG_OK)
        s = cli_postnet_options(ctx, args, &keep, &o);
    if (s != TG_OK)
        return s;
    o.dataset = args->data;
    o.voice = args->voice;
    o.state = work;
    o.time_s = time_s;
    s = tg_train_postnet(ctx, &o, r);
    if (s == TG_OK)
        printf("%s: %lld steps, held-out mouth error %.3f (raw %.3f), gap correlation %.3f "
               "(raw %.3f)\n",
               r->postnet, (long long)r->steps, r->error, r->raw_error, r->gap_corr,
               r->raw_gap_corr);
    return s;
}

static tg_status train_head(tg_context *ctx, const cli_args *args, const char *work,
                            const char *init, double time_s, tg_train_head_result *r) {
    tg_train_head_options o = {.dataset = args->data,
                               .state = work,
                               .init = init,
                               .time_s = time_s,
                               .seed = args->seed,
                               .hidden = args->hidden};
    tg_status s = cli_need(ctx, args->data, "data", "the person's recording");
    if (s == TG_OK)
        s = tg_train_head(ctx, &o, r);
    if (s == TG_OK)
        printf("%s: %lld steps; held-out head %.2f dB SSIM %.3f, mouth %.2f dB (control %.2f dB)\n",
               r->model, (long long)r->steps, r->score.head_psnr, r->score.head_ssim,
               r->score.mouth_psnr, r->score.control_psnr);
    return s;
}

static tg_status train_torso(tg_context *ctx, const cli_args *args, const char *work,
                             const char *init, double time_s, tg_train_torso_result *r) {
    tg_train_torso_options o = {
        .dataset = args->data, .state = work, .init = init, .time_s = time_s, .seed = args->seed};
    tg_status s = cli_need(ctx, args->data, "data", "the person's recording");
    if (s == TG_OK)
        s = tg_train_torso(ctx, &o, r);
    if (s == TG_OK)
        printf("%s: %lld steps; held-out torso %.2f dB SSIM %.3f\n", r->model, (long long)r->steps,
               r->torso_psnr, r->torso_ssim);
    return s;
}

static tg_status check(tg_context *ctx, const cli_args *args) {
    tg_status s = cli_need(ctx, args->data, "data", "the person's recording");
    return s == TG_OK ? cli_check_recording(ctx, args->data, args->output, args->overwrite) : s;
}

/* One identity from stages that were trained one by one in WORK/postnet, WORK/head, WORK/torso;
 * with --init a person that is there, with what was trained since: voice and postnet, or with
 * --data the pictures. */
static tg_status assemble(tg_context *ctx, const cli_args *args) {
    char postnet[1100], head[1100], torso[1100];
    snprintf(postnet, sizeof postnet, "%s/postnet/postnet.safetensors", args->work);
    snprintf(head, sizeof head, "%s/head/head.safetensors", args->work);
    snprintf(torso, sizeof torso, "%s/torso/torso.safetensors", args->work);
    tg_assemble_options o = {.name = args->character ? args->character : "person",
                             .dataset = args->data,
                             .head = head,
                             .torso = tg_file_exists(torso) ? torso : NULL,
                             .postnet = tg_file_exists(postnet) ? postnet : NULL,
                             .voice = args->voice,
                             .init = args->init};
    tg_status s = args->init ? TG_OK : cli_need(ctx, args->data, "data", "the person's recording");
    if (s == TG_OK)
        s = cli_need(ctx, args->voice, "voice", "the voice file");
    if (s == TG_OK)
        s = cli_need(ctx, args->output, "output", "the identity");
    if (s == TG_OK)
        s = cli_new_file(ctx, args->output, args->overwrite);
    if (s == TG_OK)
        s = tg_assemble_identity(ctx, &o, args->output);
    if (s == TG_OK && !args->data)
        printf("%s: %s with voice %s%s\n", args->output, args->init, args->voice,
               o.postnet ? " and the postnet trained for it" : "");
    else if (s == TG_OK)
        printf("%s: head%s%s\n", args->output, o.torso ? ", torso" : "",
               o.postnet ? ", postnet" : "");
    return s;
}

tg_status cmd_train(tg_context *ctx, const cli_args *args) {
    const char *stage = args->word_count ? args->words[0] : "";
    if (strcmp(stage, "all") == 0)
        return cli_train_person(ctx, args);
    if (strcmp(stage, "report") == 0)
        return cli_train_report(ctx, args);
    if (strcmp(stage, "check") == 0)
        return check(ctx, args);
    if (strcmp(stage, "behaviour") == 0)
        return cli_train_behaviour(ctx, args);
    tg_status s = cli_need(ctx, args->work, "work", "the work folder");
    if (s != TG_OK)
        return s;
    if (strcmp(stage, "speech") == 0)
        return train_speech(ctx, args);
    if (strcmp(stage, "motion") == 0)
        return train_motion(ctx, args);
    if (strcmp(stage, "assemble") == 0)
        return assemble(ctx, args);
    if (strcmp(stage, "postnet") == 0) {
        tg_train_postnet_result r;
        return train_postnet(ctx, args, args->work, budget(args, POSTNET_S), &r);
    }
    if (strcmp(stage, "head") == 0) {
        tg_train_head_result r;
        return train_head(ctx, args, args->work, args->init, budget(args, HEAD_S), &r);
    }
    if (strcmp(stage, "torso") == 0) {
        tg_train_torso_result r;
        return train_torso(ctx, args, args->work, args->init, budget(args, TORSO_S), &r);
    }
    return tg_fail(ctx, TG_EUSAGE,
                   "train '%s' is not known\n  expected: speech, motion, behaviour, postnet, head, "
                   "torso, all, "
                   "check, report or assemble\n  try: talkgen help train",
                   stage);
}
