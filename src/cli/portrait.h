/* From the command line to the options of the systems, shared by synth, motion and render. */
#ifndef TG_CLI_PORTRAIT_H
#define TG_CLI_PORTRAIT_H

#include "cli/options.h"
#include "talkgen/systems.h"

tg_status cli_motion_options(tg_context *ctx, const cli_args *args, tg_motion_options *out);
tg_status cli_portrait_options(tg_context *ctx, const cli_args *args, tg_portrait_options *out);
/* The head poses that the options ask for; borrows from args. */
tg_pose_options cli_pose_options(const cli_args *args);
/* The closing line: path, duration, frames/s, real-time factor, peak memory, seed, frame hash. On
 * stderr when the frames themselves went to stdout. */
void cli_print_report(const cli_args *args, const tg_synth_report *report);

#endif
