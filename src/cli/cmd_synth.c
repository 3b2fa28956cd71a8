/* talkgen synth: audio and a person to a video. */
#include "cli/commands.h"
#include "cli/portrait.h"
#include "talkgen/batch.h"

#include <stdio.h>

tg_status cmd_synth(tg_context *ctx, const cli_args *args) {
    tg_status s = args->features ? TG_OK : cli_need(ctx, args->audio, "audio", "the speech");
    if (s == TG_OK)
        s = cli_need(ctx, args->identity, "identity", "the person");
    if (s == TG_OK)
        s = cli_need(ctx, args->output, "output", "the output");
    tg_synth_options options = tg_synth_defaults();
    if (s == TG_OK)
        s = cli_motion_options(ctx, args, &options.motion);
    if (s == TG_OK)
        s = cli_portrait_options(ctx, args, &options.portrait);
    tg_identity *person = NULL;
    if (s == TG_OK)
        s = tg_identity_open(ctx, args->identity, NULL, false, &person);
    /* features instead of hearing leave an audio-driven person nothing to do before the renderer */
    if (s == TG_OK && !(args->features && tg_identity_hears(person)))
        s = tg_identity_open_voice(ctx, person, args->encoder);
    char job[33];
    if (s == TG_OK)
        s = tg_synth_job_hash(ctx, args->identity, person, &options, job);
    options.portrait.job = job;
    tg_synth_report report;
    if (s == TG_OK)
        s = tg_synthesize(ctx, person, &options, &report);
    if (s == TG_OK)
        cli_print_report(args, &report);
    tg_identity_close(&person);
    return s;
}
