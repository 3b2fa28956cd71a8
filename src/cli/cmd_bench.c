/* talkgen bench: ceilings, kernels, stages, the whole job. */
#include "cli/commands.h"
#include "cli/shipped.h"

#include "talkgen/bench.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

typedef struct {
    bool json;
    tg_bench_machine machine;
    tg_bench_report *against;
    tg_bench_row *rows; /* of the table, which is printed at the end */
    int count, room;
    int faster, slower, unmatched;
} printer;

static void take_row(void *user, const tg_bench_row *measured) {
    printer *p = user;
    tg_bench_row row = *measured;
    if (p->against)
        tg_bench_compare(p->against, &row);
    p->faster += row.change == TG_BENCH_FASTER;
    p->slower += row.change == TG_BENCH_SLOWER;
    p->unmatched += p->against && !(row.ratio > 0);
    if (p->json) {
        char *text = tg_bench_row_json(&row, &p->machine);
        if (text)
            puts(text);
        fflush(stdout);
        tg_free(text);
    } else if (p->count < p->room) {
        p->rows[p->count++] = row;
    }
}

static void print_table(const printer *p) {
    char line[256];
    if (p->count == 0)
        return;
    printf("%s, level %s; talkgen %s, commit %s, %s\n", p->machine.cpu, p->machine.level,
           p->machine.version, p->machine.commit, p->machine.flags);
    tg_bench_row_text(NULL, p->against != NULL, line, sizeof line);
    printf("%s\n", line);
    for (int i = 0; i < p->count; i++) {
        tg_bench_row_text(&p->rows[i], p->against != NULL, line, sizeof line);
        printf("%s\n", line);
    }
}

static tg_status make_folder(tg_context *ctx, char out[CLI_PATH]) {
    const char *base = getenv("TMPDIR");
    const int n = snprintf(out, CLI_PATH, "%s/talkgen-bench-XXXXXX", base && *base ? base : "/tmp");
    if (n > 0 && n < CLI_PATH - 64 && mkdtemp(out))
        return TG_OK;
    const char *why = n > 0 && n < CLI_PATH - 64 ? strerror(errno) : "its path is too long";
    tg_status s = tg_fail(ctx, TG_EOUTPUT,
                          "%s: the folder for temporary files cannot be made: %s\n"
                          "  expected: a folder that can be written\n  try: TMPDIR=FOLDER",
                          out, why);
    out[0] = '\0';
    return s;
}

static tg_status open_against(tg_context *ctx, const char *path, printer *p) {
    tg_status s = tg_bench_report_read(ctx, path, &p->against);
    if (s != TG_OK)
        return s;
    const tg_bench_machine *then = tg_bench_report_machine(p->against);
    if (strcmp(then->cpu, p->machine.cpu) != 0 || strcmp(then->level, p->machine.level) != 0)
        tg_note(ctx, "%s was measured on %s, level %s", path, then->cpu, then->level);
    return TG_OK;
}

/* What the comparison comes to. */
static tg_status judge(tg_context *ctx, const char *path, const printer *p) {
    if (p->unmatched > 0)
        tg_note(ctx, "%d rows are not in %s, or in other units", p->unmatched, path);
    if (p->faster + p->slower == 0)
        return TG_OK;
    return tg_fail(ctx, TG_EDIFF,
                   "%d rows are slower and %d faster than in %s\n"
                   "  expected: medians within the spreads of both runs\n"
                   "  try: again on a calm machine, with more --runs",
                   p->slower, p->faster, path);
}

tg_status cmd_bench(tg_context *ctx, const cli_args *args) {
    char identity[CLI_PATH], audio[CLI_PATH], folder[CLI_PATH] = "", beside[CLI_PATH];
    printer p = {.json = args->json, .machine = tg_bench_machine_of(ctx)};
    tg_bench_options o = {.only = args->only,
                          .runs = args->runs,
                          .identity = args->identity,
                          .encoder = args->encoder,
                          .audio = args->audio,
                          .folder = folder};
    if (!o.identity)
        o.identity = cli_shipped_model("demo.ckpt", identity);
    if (!o.audio && o.identity) {
        cli_folder_of(o.identity, beside);
        const int n = snprintf(audio, CLI_PATH, "%sdemo.flac", beside);
        o.audio = n < CLI_PATH && tg_file_exists(audio) ? audio : NULL;
    }
    while (tg_bench_name(p.room))
        p.room++;
    p.rows = tg_alloc((size_t)p.room * sizeof *p.rows);
    tg_status s = p.rows ? TG_OK : tg_fail(ctx, TG_ENOMEM, "out of memory for a table");
    if (s == TG_OK && args->against)
        s = open_against(ctx, args->against, &p);
    if (s == TG_OK)
        s = make_folder(ctx, folder);
    if (s == TG_OK)
        s = tg_bench_run(ctx, &o, take_row, &p);
    print_table(&p); /* of what was measured, also when that is not all */
    if (s == TG_OK && args->against)
        s = judge(ctx, args->against, &p);
    if (folder[0])
        rmdir(folder);
    tg_bench_report_close(&p.against);
    tg_free(p.rows);
    return s;
}
