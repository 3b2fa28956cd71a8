/* talkgen doctor and version: what this machine and this binary can do. */
#include "cli/commands.h"

#include "talkgen/io.h"

#include <stdio.h>

tg_status cmd_version(tg_context *ctx, const cli_args *args) {
    (void)ctx;
    (void)args;
    printf("talkgen %s\ncommit %s\nown code: MIT\n%s", tg_version(), tg_commit(), tg_io_licences());
    printf("fftw3: GPL-2.0-or-later\nlibzip: BSD-3-Clause\n");
#ifdef TALKGEN_STUDIO
    printf("flite (studio): BSD-like\nespeak-ng (studio): GPL-3.0-or-later\n"
           "this binary as a whole: GPL-3.0-or-later\n");
#else
    printf("this binary as a whole: GPL-2.0-or-later\n");
#endif
    return TG_OK;
}

tg_status cmd_doctor(tg_context *ctx, const cli_args *args) {
    char cpu[128];
    tg_cpu_model(cpu, sizeof cpu);
    const char *level = tg_cpu_level_name(tg_context_cpu(ctx));
    const char *encoder = tg_video_encoder_name();
    int threads = tg_pool_threads(tg_context_pool(ctx));
    if (args->json) {
        tg_json *root = tg_json_new_object();
        tg_json_set_string(root, "version", tg_version());
        tg_json_set_string(root, "commit", tg_commit());
        tg_json_set_string(root, "cpu", cpu);
        tg_json_set_string(root, "cpu_level", level);
        tg_json_set_number(root, "threads", threads);
        tg_json_set_string(root, "video_encoder", encoder);
        return cli_print_json(ctx, root);
    }
    printf(
        "talkgen        %s, commit %s\nprocessor      %s\nCPU level      %s\nthreads        %d\n",
        tg_version(), tg_commit(), cpu, level, threads);
    printf("video encoder  %s\n", encoder);
#ifdef TALKGEN_STUDIO
    printf("studio         built in (flite, espeak-ng)\n");
#else
    printf("studio         not in this build\n");
#endif
    return TG_OK;
}
