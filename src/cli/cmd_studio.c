/* talkgen studio: recordings of the CC0 actor with exact ground truth. */
#include "cli/commands.h"

#include <stdio.h>
#include <string.h>

#ifdef TALKGEN_STUDIO
#include "cli/shipped.h"
#include "talkgen/io.h"
#include "talkgen/studio.h"

static tg_studio_options options_from(const cli_args *args) {
    tg_studio_options o = tg_studio_defaults();
    o.actor_dir = args->actor;
    if (args->character)
        o.character = args->character;
    o.voice = args->speaker;
    if (args->width)
        o.size = args->width;
    o.seconds = args->seconds;
    o.frames = args->frames;
    o.seed = args->seed;
    return o;
}

tg_status cmd_studio(tg_context *ctx, const cli_args *args) {
    const char *what = args->word_count ? args->words[0] : "";
    bool known = false;
    static const char *const kinds[] = {"film", "clip", "still", "corpus"};
    for (size_t i = 0; i < sizeof kinds / sizeof kinds[0]; i++)
        known = known || strcmp(kinds[i], what) == 0;
    if (!known)
        return tg_fail(ctx, TG_EUSAGE,
                       "studio '%s' is not known\n  expected: film, clip, still or corpus\n"
                       "  try: talkgen help studio",
                       what);
    tg_status s = cli_need(ctx, args->output, "output", "the output");
    if (s == TG_OK && !args->actor)
        s = tg_fail(ctx, TG_EUSAGE,
                    "the actor is missing\n  expected: --actor DIR, the data folder of MakeHuman\n"
                    "  try: README.md, \"The studio\"");
    if (s == TG_OK && args->width != args->height)
        s = tg_fail(ctx, TG_EUSAGE,
                    "--size %dx%d is not square\n  expected: square pictures\n  try: --size %dx%d",
                    args->width, args->height, args->width, args->width);
    if (s != TG_OK)
        return s;
    tg_studio_options o = options_from(args);
    char tables[CLI_PATH];
    if (cli_actor_tables(tables))
        o.tables_dir = tables;
    if (strcmp(what, "film") == 0)
        return tg_studio_film(ctx, &o, args->output);
    if (strcmp(what, "clip") == 0)
        return tg_studio_clip(ctx, &o, args->output, args->overwrite);
    if (strcmp(what, "still") == 0) {
        tg_studio_pose pose = {.viseme = args->viseme};
        s = cli_new_file(ctx, args->output, args->overwrite);
        return s == TG_OK ? tg_studio_portrait(ctx, &o, &pose, args->output) : s;
    }
    tg_studio_corpus_options c = {.actor_dir = args->actor,
                                  .tables_dir = o.tables_dir,
                                  .hours = args->hours < 0 ? 6 : args->hours,
                                  .seed = args->seed,
                                  .heldout = args->heldout_voices,
                                  .conversation = args->conversation};
    return tg_studio_corpus(ctx, args->output, &c);
}
#else
tg_status cmd_studio(tg_context *ctx, const cli_args *args) {
    (void)args;
    return tg_fail(
        ctx, TG_EUSAGE,
        "this binary was built without the studio\n  expected: a build with -DTALKGEN_STUDIO=ON\n"
        "  try: cmake -B build -DTALKGEN_STUDIO=ON");
}
#endif
