/* Training state on disk. */
#include "train/state.h"

#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { NAME_BYTES = 200, MAX_LOG_BYTES = 1 << 28 };

/* Visits every array of a part under its name in the file. */
typedef tg_status visit_fn(tg_context *ctx, void *io, const char *name, const tg_tensor *shape,
                           float *data);

static tg_status visit_part(tg_context *ctx, const tg_state_part *part, visit_fn *visit, void *io) {
    for (int i = 0; i < tg_params_count(part->params); i++) {
        const tg_param *p = tg_params_at(part->params, i);
        const struct {
            const char *slot;
            float *data;
        } rows[] = {
            {"value", p->value->data},
            {"adam1", part->adam ? tg_adam_moment(part->adam, i, 1) : NULL},
            {"adam2", part->adam ? tg_adam_moment(part->adam, i, 2) : NULL},
            {"square", part->rmsprop ? tg_rmsprop_moment(part->rmsprop, i) : NULL},
            {"average", part->ema ? tg_ema_value(part->ema, i) : NULL},
        };
        for (size_t k = 0; k < sizeof rows / sizeof rows[0]; k++) {
            char name[NAME_BYTES];
            snprintf(name, sizeof name, "%s.%s/%s", part->name, p->name, rows[k].slot);
            tg_status s = rows[k].data ? visit(ctx, io, name, p->value, rows[k].data) : TG_OK;
            if (s != TG_OK)
                return s;
        }
    }
    return TG_OK;
}

static tg_status store(tg_context *ctx, void *io, const char *name, const tg_tensor *shape,
                       float *data) {
    return tg_st_add_f32(io, name, TG_F32, shape->ndim, shape->dim, data)
               ? TG_OK
               : tg_fail(ctx, TG_ENOMEM, "out of memory for the training state");
}

static tg_status fetch(tg_context *ctx, void *io, const char *name, const tg_tensor *shape,
                       float *data) {
    return tg_st_load(ctx, io, name, shape->ndim, shape->dim, data);
}

double tg_state_share(const tg_state_place *place, int64_t steps, double time_s) {
    double share = steps > 0    ? (double)place->step / (double)steps
                   : time_s > 0 ? place->time_s / time_s
                                : 1;
    return share < 1 ? share : 1;
}

tg_status tg_state_save(tg_context *ctx, const char *path, const char *kind,
                        const tg_state_part *parts, int count, const tg_state_place *place) {
    tg_st_writer *w = tg_st_writer_create();
    char text[256], heard[96], steps[128] = "";
    tg_status s = w ? TG_OK : tg_fail(ctx, TG_ENOMEM, "%s: out of memory", path);
    for (int i = 0; s == TG_OK && i < count; i++) {
        s = visit_part(ctx, &parts[i], store, w);
        snprintf(steps + strlen(steps), sizeof steps - strlen(steps), " %lld",
                 parts[i].adam ? (long long)*tg_adam_steps(parts[i].adam) : 0LL);
    }
    snprintf(text, sizeof text, "%lld %.17g %.17g %.17g %lld%s", (long long)place->step,
             place->time_s, place->loss, place->score, (long long)place->best, steps);
    snprintf(heard, sizeof heard, "%.17g %lld %d", place->heard_s, (long long)place->block,
             place->piece);
    if (s == TG_OK && !(tg_st_add_meta(w, "talkgen.train", kind) &&
                        tg_st_add_meta(w, "talkgen.train.place", text) &&
                        tg_st_add_meta(w, "talkgen.train.heard", heard)))
        s = tg_fail(ctx, TG_ENOMEM, "%s: out of memory", path);
    if (s == TG_OK)
        s = tg_st_write(ctx, w, path);
    tg_st_writer_destroy(&w);
    return s;
}

static tg_status read_place(tg_context *ctx, const tg_st *st, const char *path, const char *kind,
                            const tg_state_part *parts, int count, tg_state_place *place) {
    const char *found = tg_st_meta(st, "talkgen.train");
    const char *text = tg_st_meta(st, "talkgen.train.place");
    const char *heard = tg_st_meta(st, "talkgen.train.heard"); /* missing in older states */
    long long step, best;
    int used = 0;
    if (!found || strcmp(found, kind) != 0 || !text ||
        sscanf(text, "%lld %lg %lg %lg %lld%n", &step, &place->time_s, &place->loss, &place->score,
               &best, &used) != 5)
        return tg_fail(ctx, TG_EMODEL,
                       "%s: not a training state of this stage\n"
                       "  expected: what talkgen train %s left there\n  try: another --work folder",
                       path, kind);
    place->step = step;
    place->best = best;
    long long block = 0;
    if (heard &&
        (sscanf(heard, "%lg %lld %d", &place->heard_s, &block, &place->piece) != 3 ||
         !(place->heard_s >= 0 && isfinite(place->heard_s)) || block < 0 || place->piece < 0))
        return tg_fail(ctx, TG_EMODEL,
                       "%s: talkgen.train.heard is \"%.60s\"\n"
                       "  expected: seconds, block of takes, piece\n  try: another --work folder",
                       path, heard);
    place->block = block;
    for (int i = 0; i < count; i++) {
        long long steps = 0;
        int n = 0;
        if (sscanf(text + used, "%lld%n", &steps, &n) == 1 && parts[i].adam)
            *tg_adam_steps(parts[i].adam) = steps;
        used += n;
    }
    return TG_OK;
}

tg_status tg_state_load(tg_context *ctx, const char *path, const char *kind,
                        const tg_state_part *parts, int count, tg_state_place *place) {
    memset(place, 0, sizeof *place);
    if (!tg_file_exists(path))
        return TG_OK;
    tg_st *st = NULL;
    tg_status s = tg_st_open(ctx, path, &st);
    if (s == TG_OK)
        s = read_place(ctx, st, path, kind, parts, count, place);
    for (int i = 0; s == TG_OK && i < count; i++)
        s = visit_part(ctx, &parts[i], fetch, st);
    tg_st_close(&st);
    return s;
}

tg_status tg_log_line(tg_context *ctx, const char *path, const char *header, const char *line) {
    FILE *file = fopen(path, "a");
    bool ok = file != NULL && fseek(file, 0, SEEK_END) == 0;
    if (ok && ftell(file) == 0) /* new, or cut off before anything was written */
        ok = fprintf(file, "%s\n", header) > 0;
    ok = ok && fprintf(file, "%s\n", line) > 0;
    if (file)
        ok = fclose(file) == 0 && ok;
    if (ok)
        return TG_OK;
    return tg_fail(ctx, TG_EOUTPUT, "%s: %s\n  expected: a folder with room\n  try: another --work",
                   path, strerror(errno));
}

tg_status tg_log_trim(tg_context *ctx, const char *path, int64_t step) {
    char *text = NULL;
    size_t bytes, kept = 0;
    if (!tg_file_exists(path))
        return TG_OK;
    tg_status status = tg_file_read(ctx, path, MAX_LOG_BYTES, &text, &bytes);
    if (status != TG_OK)
        return status;
    for (char *line = text, *end; (end = memchr(line, '\n', bytes - (size_t)(line - text)));
         line = end + 1) {
        size_t length = (size_t)(end + 1 - line);
        bool number = *line >= '0' && *line <= '9';
        if (number && strtoll(line, NULL, 10) > step)
            continue;
        memmove(text + kept, line, length);
        kept += length;
    }
    if (kept < bytes)
        status = tg_file_write(ctx, path, text, kept);
    tg_free(text);
    return status;
}
