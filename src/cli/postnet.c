#include "cli/postnet.h"

#include "cli/takes.h"

#include "talkgen/systems.h"

#include <stdio.h>

tg_status cli_postnet_options(tg_context *ctx, const cli_args *args, cli_postnet *keep,
                              tg_train_postnet_options *out) {
    bool judged;
    tg_status s = tg_voice_has_sync(ctx, args->voice, &judged);
    if (s != TG_OK)
        return s;
    *out = (tg_train_postnet_options){.corpus = args->corpus, .seed = args->seed};
    if (!args->corpus) {
        if (!cli_makes_takes())
            return tg_fail(ctx, TG_EUSAGE,
                           "a postnet hears many voices, and this binary was built without the "
                           "studio, which makes them\n"
                           "  expected: --corpus, or a build with -DTALKGEN_STUDIO=ON\n"
                           "  try: cmake -B build -DTALKGEN_STUDIO=ON");
        keep->takes = cli_takes(args);
        out->takes = &keep->takes;
    }
    if (args->init) {
        snprintf(keep->sync, sizeof keep->sync, "%s/sync.safetensors", args->init);
        snprintf(keep->cache, sizeof keep->cache, "%s/features.safetensors", args->init);
        out->cache = keep->cache;
    }
    out->sync = args->sync ? args->sync : args->init ? keep->sync : NULL;
    if (!out->sync && !judged)
        return tg_fail(ctx, TG_EUSAGE,
                       "%s holds no sync expert, which judges what a postnet does\n"
                       "  expected: a voice file of talkgen train motion, or its sync.safetensors\n"
                       "  try: --sync FILE, or --init DIR for the work folder of train motion",
                       args->voice);
    return TG_OK;
}
