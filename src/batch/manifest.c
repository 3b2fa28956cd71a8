/* Manifests: clips from JSON Lines or CSV, each line checked on its own and against those before.
 */
#include "talkgen/batch.h"

#include "batch/csv.h"
#include "batch/fields.h"
#include "batch/names.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct tg_manifest {
    tg_lines *lines;
    bool started, csv;
    tg_line first; /* read to tell the kind; its text is copied */
    char *first_text;
    tg_record_cells record;
    char *header[TG_CSV_CELLS];
    int columns;
    tg_names ids, outs;
};

void tg_clip_free(tg_clip **clip) {
    if (!clip || !*clip)
        return;
    tg_clip *c = *clip;
    free(c->id);
    free(c->audio);
    free(c->identity);
    free(c->pose);
    free(c->background);
    free(c->out);
    free(c->tags);
    free(c->problem);
    free(c);
    *clip = NULL;
}

tg_status tg_manifest_open(tg_context *ctx, const char *path, tg_manifest **out) {
    *out = NULL;
    tg_manifest *m = calloc(1, sizeof *m);
    if (!m)
        return tg_fail(ctx, TG_ENOMEM, "%s: out of memory", path);
    tg_status s = tg_lines_open(ctx, path, &m->lines);
    if (s != TG_OK)
        tg_manifest_close(&m);
    *out = m;
    return s;
}

void tg_manifest_close(tg_manifest **manifest) {
    if (!manifest || !*manifest)
        return;
    tg_manifest *m = *manifest;
    tg_lines_close(&m->lines);
    free(m->first_text);
    free(m->record.data);
    for (int i = 0; i < m->columns; i++)
        free(m->header[i]);
    tg_names_free(&m->ids);
    tg_names_free(&m->outs);
    free(m);
    *manifest = NULL;
}

static tg_status out_of_memory(tg_context *ctx, const tg_manifest *m) {
    return tg_fail(ctx, TG_ENOMEM, "%s: out of memory", tg_lines_name(m->lines));
}

static bool blank(const tg_line *line) {
    return strspn(line->text, " \t") == line->bytes;
}

/* The names of the columns, from a copy of the first line. */
static tg_status read_header(tg_context *ctx, tg_manifest *m, const tg_line *line) {
    tg_record_cells *r = &m->record;
    r->room = line->bytes + 256;
    if (!(r->data = malloc(r->room)))
        return out_of_memory(ctx, m);
    memcpy(r->data, line->text, line->bytes);
    tg_csv_split(r, line->bytes);
    const char *wrong = r->problem;
    int64_t column = r->column;
    bool id = false, audio = false;
    for (int i = 0; i < r->count && !wrong; i++) {
        const char *name = r->cell[i].text;
        column = r->cell[i].column;
        if (!(m->header[m->columns++] = strdup(name)))
            return out_of_memory(ctx, m);
        if (!tg_field_known(name))
            wrong = "an unknown column";
        for (int k = 0; k < i && !wrong; k++)
            if (strcmp(m->header[k], name) == 0)
                wrong = "a column that comes twice";
        id = id || strcmp(name, "id") == 0;
        audio = audio || strcmp(name, "audio") == 0;
    }
    if (!wrong && (!id || !audio)) {
        wrong = "no column id or no column audio";
        column = 1;
    }
    if (!wrong)
        return TG_OK;
    return tg_fail(ctx, TG_EUSAGE,
                   "%s:%lld:%lld: neither JSON Lines nor CSV: %s\n"
                   "  expected: {\"id\": ..., \"audio\": ...} on every line, or first a line with "
                   "the names of the columns: id,audio,...\n  try: talkgen help manifest",
                   tg_lines_name(m->lines), (long long)line->number, (long long)column, wrong);
}

/* Which of the two it is; the line that tells is kept when it is a clip. */
static tg_status start(tg_context *ctx, tg_manifest *m) {
    tg_line line;
    bool done;
    m->started = true;
    do {
        tg_status s = tg_lines_next(ctx, m->lines, &line, &done);
        if (s != TG_OK || done)
            return s;
        if (line.number == 1 && line.bytes >= 3 && memcmp(line.text, "\xef\xbb\xbf", 3) == 0) {
            line.text += 3; /* Windows editors mark UTF-8 */
            line.bytes -= 3;
        }
    } while (blank(&line));
    m->csv = line.text[strspn(line.text, " \t")] != '{';
    if (m->csv)
        return read_header(ctx, m, &line);
    if (!(m->first_text = malloc(line.bytes + 1)))
        return out_of_memory(ctx, m);
    memcpy(m->first_text, line.text, line.bytes + 1);
    m->first = line;
    m->first.text = m->first_text;
    return TG_OK;
}

static tg_status json_clip(tg_context *ctx, tg_manifest *m, tg_clip *clip, bool *done) {
    tg_line line = m->first;
    *done = false;
    m->first.text = NULL;
    while (!line.text || blank(&line)) {
        tg_status s = tg_lines_next(ctx, m->lines, &line, done);
        if (s != TG_OK || *done)
            return s;
    }
    clip->line = line.number;
    if (line.too_long) {
        tg_clip_problem(clip, 1, "more than 1 MiB");
        return TG_OK;
    }
    return tg_clip_of_json(ctx, clip, line.text, line.bytes);
}

static tg_status csv_clip(tg_context *ctx, tg_manifest *m, tg_clip *clip, bool *done) {
    tg_record_cells *r = &m->record;
    tg_status s = tg_csv_next(ctx, m->lines, r, done);
    if (s != TG_OK || *done)
        return s;
    clip->line = r->line;
    if (r->problem)
        tg_clip_problem(clip, r->column, "%s", r->problem);
    else if (r->count != m->columns)
        tg_clip_problem(clip, r->cell[r->count - 1].column,
                        "%d cells; expected %d as in the header", r->count, m->columns);
    for (int i = 0; !clip->problem && i < r->count; i++) {
        tg_field f = {.key = m->header[i],
                      .text = r->cell[i].text,
                      .is_cell = true,
                      .column = r->cell[i].column};
        if (*f.text && !tg_clip_set(clip, &f)) /* an empty cell is not given */
            return out_of_memory(ctx, m);
    }
    return TG_OK;
}

static bool check_twice(tg_manifest *m, tg_clip *clip) {
    if (clip->problem)
        return true;
    int64_t before = tg_names_add(&m->ids, clip->id, clip->line);
    if (before > 0)
        tg_clip_problem(clip, 1, "id '%s' again, first on line %lld", clip->id, (long long)before);
    if (before == 0) {
        before = tg_names_add(&m->outs, clip->out, clip->line);
        if (before > 0)
            tg_clip_problem(clip, 1, "output '%.300s' again, first on line %lld", clip->out,
                            (long long)before);
    }
    return before >= 0;
}

tg_status tg_manifest_next(tg_context *ctx, tg_manifest *m, tg_clip **out) {
    *out = NULL;
    tg_status s = m->started ? TG_OK : start(ctx, m);
    if (s != TG_OK)
        return s;
    tg_clip *clip = calloc(1, sizeof *clip);
    if (!clip)
        return out_of_memory(ctx, m);
    bool done = false;
    s = m->csv ? csv_clip(ctx, m, clip, &done) : json_clip(ctx, m, clip, &done);
    if (s == TG_OK && !done && (!tg_clip_complete(clip) || !check_twice(m, clip)))
        s = out_of_memory(ctx, m);
    if (s != TG_OK || done)
        tg_clip_free(&clip);
    *out = clip;
    return s;
}

static bool append(tg_clip_list *list, tg_clip *clip) {
    if (list->count == list->room) {
        int64_t room = list->room ? 2 * list->room : 256;
        tg_clip **larger = realloc(list->clip, (size_t)room * sizeof(tg_clip *));
        if (!larger)
            return false;
        list->clip = larger;
        list->room = room;
    }
    list->clip[list->count++] = clip;
    return true;
}

tg_status tg_manifest_read(tg_context *ctx, const char *path, bool skip_bad,
                           tg_manifest_problem_fn *problem, void *user, tg_clip_list *out) {
    *out = (tg_clip_list){0};
    tg_manifest *m;
    tg_status s = tg_manifest_open(ctx, path, &m);
    int64_t bad = 0;
    while (s == TG_OK) {
        tg_clip *clip;
        s = tg_manifest_next(ctx, m, &clip);
        if (s != TG_OK || !clip)
            break;
        if (clip->problem && problem)
            problem(user, clip->line, clip->column, clip->problem);
        bad += clip->problem != NULL;
        if (!append(out, clip)) {
            tg_clip_free(&clip);
            s = out_of_memory(ctx, m);
        }
    }
    if (s == TG_OK && bad > 0 && !skip_bad)
        s = tg_fail(ctx, TG_EUSAGE,
                    "%s: %lld of %lld lines are wrong; nothing was started\n"
                    "  expected: every line right\n"
                    "  try: to repair the lines above, or --skip-bad-lines",
                    path, (long long)bad, (long long)out->count);
    if (s == TG_OK && out->count == 0)
        s = tg_fail(ctx, TG_EUSAGE,
                    "%s: no clips in it\n  expected: at least one line\n"
                    "  try: {\"id\": \"a\", \"audio\": \"a.wav\"}",
                    path);
    tg_manifest_close(&m);
    if (s != TG_OK)
        tg_clip_list_free(out);
    return s;
}

void tg_clip_list_free(tg_clip_list *list) {
    for (int64_t i = 0; i < list->count; i++)
        tg_clip_free(&list->clip[i]);
    free(list->clip);
    *list = (tg_clip_list){0};
}
