#include "cli/takes.h"

#include "cli/commands.h"
#include "cli/shipped.h"

tg_status cli_check_takes(tg_context *ctx, const cli_args *args) {
    if (args->hours < 0)
        return cli_need(ctx, args->corpus, "corpus", "the voice corpus, or --hours and --actor,");
    if (args->hours == 0)
        return tg_fail(ctx, TG_EUSAGE,
                       "--hours 0 is no speech to learn from\n  expected: more than 0 and at most "
                       "1000\n  try: --hours 40");
    if (args->corpus || args->heldout)
        return tg_fail(ctx, TG_EUSAGE,
                       "--hours makes speech while it is trained on, --%s names a stored corpus\n"
                       "  expected: one of the two\n  try: without --%s",
                       args->corpus ? "corpus" : "heldout", args->corpus ? "corpus" : "heldout");
    return cli_need(ctx, args->actor, "actor", "the data folder of MakeHuman");
}

#ifdef TALKGEN_STUDIO
#include "talkgen/studio.h"

bool cli_makes_takes(void) {
    return true;
}

static tg_status open_takes(tg_context *ctx, void *user, bool held_out, uint64_t first,
                            void **stream) {
    const cli_args *args = user;
    /* Making an hour of speech takes 84 s of a processor, learning from it 50 (motion) to 97 (the
     * encoder): a process more than half the threads, or the trainer waits for takes. */
    const char *missing;
    char folder[CLI_PATH];
    const char *tables = cli_actor_tables(folder);
    bool festival = tg_studio_has_festival(&missing);
    if (!festival && !held_out)
        tg_note(ctx, "festival is not complete (%s is missing): only voices of flite and espeak-ng",
                missing);
    int threads = tg_pool_threads(tg_context_pool(ctx));
    tg_studio_takes_options o = {.actor_dir = args->actor,
                                 .tables_dir = tables ? tables : tg_studio_defaults().tables_dir,
                                 .seed = args->seed,
                                 .heldout = held_out,
                                 .festival = festival,
                                 .processes = threads / 2 + 1,
                                 .first = first};
    tg_studio_takes *takes;
    tg_status s = tg_studio_takes_open(ctx, &o, &takes);
    *stream = takes;
    return s;
}

static tg_status next_take(tg_context *ctx, void *stream, tg_train_take *out) {
    tg_studio_take take;
    tg_status s = tg_studio_takes_next(ctx, stream, &take);
    *out = (tg_train_take){.samples = take.samples,
                           .count = take.count,
                           .landmarks = take.landmarks,
                           .frames = take.frames,
                           .phone = take.phone,
                           .times = take.times,
                           .phones = take.phones};
    return s;
}

static void close_takes(void *stream) {
    tg_studio_takes *takes = stream;
    tg_studio_takes_close(&takes);
}
#else
bool cli_makes_takes(void) {
    return false;
}

static tg_status open_takes(tg_context *ctx, void *user, bool held_out, uint64_t first,
                            void **stream) {
    (void)user, (void)held_out, (void)first;
    *stream = NULL;
    return tg_fail(ctx, TG_EUSAGE,
                   "this binary was built without the studio, which makes the speech of --hours\n"
                   "  expected: a build with -DTALKGEN_STUDIO=ON, or a stored corpus\n"
                   "  try: cmake -B build -DTALKGEN_STUDIO=ON");
}

static tg_status next_take(tg_context *ctx, void *stream, tg_train_take *out) {
    (void)stream, (void)out;
    return tg_fail(ctx, TG_EINTERNAL, "no studio");
}

static void close_takes(void *stream) {
    (void)stream;
}
#endif

tg_train_takes cli_takes(const cli_args *args) {
    return (tg_train_takes){open_takes, next_take, close_takes, (void *)args};
}
