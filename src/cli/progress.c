/* Progress on stderr: one rewritten line on a terminal, slow plain lines in a log, JSON for
 * programs. */
#include "cli/progress.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

static void clock_text(double seconds, char *out, size_t size) {
    long s = (long)(seconds + 0.5);
    if (s >= 3600)
        snprintf(out, size, "%ld:%02ld:%02ld", s / 3600, s / 60 % 60, s % 60);
    else
        snprintf(out, size, "%ld:%02ld", s / 60, s % 60);
}

static void show(void *user, const char *stage, double done, double total, const char *text) {
    cli_progress *p = user;
    double now = tg_now_s();
    if (strcmp(p->stage, stage) != 0) {
        cli_progress_break(p);
        snprintf(p->stage, sizeof p->stage, "%s", stage);
        p->began_s = now;
        p->began_done = done; /* a resumed run starts its rate here */
        p->shown_s = 0;
        p->shown_share = -1;
    }
    bool last = total > 0 && done >= total;
    double share = total > 0 ? done / total : 0, spent = now - p->began_s;
    double rate = spent > 0 ? (done - p->began_done) / spent : 0;
    /* A terminal is redrawn 10 times a second, a program hears every second; a log gets a line per
     * tenth or per half minute, and none for a stage that is over at once. */
    double quiet = now - p->shown_s;
    bool due = p->kind == PROGRESS_BAR ? quiet >= 0.1
               : p->kind == PROGRESS_JSON
                   ? quiet >= 1
                   : spent >= 2 && quiet >= 2 && (quiet >= 30 || share - p->shown_share >= 0.1);
    bool told = p->kind != PROGRESS_LINES || p->shown_s > 0;
    if (!due && !(last && told && p->shown_share < 1))
        return;
    p->shown_s = now;
    p->shown_share = share;
    char eta[32] = "?";
    if (rate > 0 && total > 0)
        clock_text((total - done) / rate, eta, sizeof eta);
    if (p->kind == PROGRESS_JSON) {
        fprintf(stderr,
                "{\"event\":\"progress\",\"stage\":\"%s\",\"done\":%.6g,\"total\":%.6g,\"rate_per_"
                "s\":%.4g,"
                "\"text\":\"%s\"}\n",
                stage, done, total, rate, text);
        return;
    }
    /* A total of 1 is a share of a budget, not a number of things. */
    char count[64];
    if (total == 1)
        snprintf(count, sizeof count, "%.1f %%", 100 * share);
    else if (p->kind == PROGRESS_LINES)
        snprintf(count, sizeof count, "%.0f of %.0f, %.1f/s", done, total, rate);
    else
        snprintf(count, sizeof count, "%.0f/%.0f %.1f/s", done, total, rate);
    if (p->kind == PROGRESS_LINES) {
        fprintf(stderr, "%s: %s, %s left%s%s\n", stage, count, eta, *text ? ", " : "", text);
        return;
    }
    char bar[25];
    for (int i = 0; i < 24; i++)
        bar[i] = i < (int)(share * 24) ? '#' : '.';
    bar[24] = '\0';
    fprintf(stderr, "\r%s [%s] %s, %s left %s\033[K", stage, bar, count, eta, text);
    p->open_line = true;
    if (last)
        cli_progress_break(p);
}

tg_status cli_progress_open(tg_context *ctx, const char *mode, cli_progress *progress) {
    memset(progress, 0, sizeof *progress);
    bool terminal = isatty(STDERR_FILENO);
    if (strcmp(mode, "auto") == 0)
        progress->kind = terminal ? PROGRESS_BAR : PROGRESS_LINES;
    else if (strcmp(mode, "always") == 0)
        progress->kind = PROGRESS_BAR;
    else if (strcmp(mode, "never") == 0)
        progress->kind = PROGRESS_NEVER;
    else if (strcmp(mode, "json") == 0)
        progress->kind = PROGRESS_JSON;
    else
        return tg_fail(ctx, TG_EUSAGE,
                       "--progress '%s' is not known\n  expected: auto, always, never or json\n  "
                       "try: --progress auto",
                       mode);
    if (progress->kind != PROGRESS_NEVER)
        tg_context_set_progress(ctx, show, progress);
    return TG_OK;
}

void cli_progress_break(cli_progress *progress) {
    if (progress->open_line)
        fputc('\n', stderr);
    progress->open_line = false;
}
