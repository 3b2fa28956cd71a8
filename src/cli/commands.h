/* Entry points of the subcommands, one file each. */
#ifndef TG_CLI_COMMANDS_H
#define TG_CLI_COMMANDS_H

#include "cli/options.h"

tg_status cmd_synth(tg_context *ctx, const cli_args *args);
tg_status cmd_batch(tg_context *ctx, const cli_args *args);
tg_status cmd_concat(tg_context *ctx, const cli_args *args);
tg_status cmd_verify(tg_context *ctx, const cli_args *args);
tg_status cmd_features(tg_context *ctx, const cli_args *args);
tg_status cmd_motion(tg_context *ctx, const cli_args *args);
tg_status cmd_render(tg_context *ctx, const cli_args *args);
tg_status cmd_train(tg_context *ctx, const cli_args *args);
tg_status cmd_convert(tg_context *ctx, const cli_args *args);
tg_status cmd_studio(tg_context *ctx, const cli_args *args);
tg_status cmd_info(tg_context *ctx, const cli_args *args);
tg_status cmd_eval(tg_context *ctx, const cli_args *args);
tg_status cmd_bench(tg_context *ctx, const cli_args *args);
tg_status cmd_doctor(tg_context *ctx, const cli_args *args);
tg_status cmd_version(tg_context *ctx, const cli_args *args);

#endif
