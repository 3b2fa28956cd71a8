#include "studio/target.h"

#include "studio/text.h"

#include <string.h>

static tg_status allocate(tg_context *ctx, tg_target *target, int count) {
    target->index = tg_alloc((size_t)count * sizeof *target->index);
    target->delta = tg_alloc((size_t)count * sizeof *target->delta);
    if (!target->index || !target->delta) {
        tg_target_free(target);
        return tg_fail(ctx, TG_ENOMEM, "morph target: out of memory for %d vertices", count);
    }
    return TG_OK;
}

tg_status tg_target_load(tg_context *ctx, const char *path, int vertices, tg_target *out) {
    memset(out, 0, sizeof *out);
    tg_text text;
    tg_status status = tg_text_open(ctx, path, &text);
    if (status != TG_OK) {
        return status;
    }
    int lines = 0;
    while (tg_text_line(&text)) {
        lines++;
    }
    text.rest = text.data;
    text.line = 0;
    status = allocate(ctx, out, lines);
    while (status == TG_OK && tg_text_line(&text)) {
        int index = 0;
        float *d = out->delta[out->count];
        if (!tg_text_int(&text, &index) || !tg_text_float(&text, &d[0]) ||
            !tg_text_float(&text, &d[1]) || !tg_text_float(&text, &d[2])) {
            status = tg_text_fail(ctx, &text, "line is not readable", "index dx dy dz");
        } else if (index < 0 || index >= vertices) {
            status = tg_text_fail(ctx, &text, "vertex outside the base mesh",
                                  "a vertex of the hm08 base mesh");
        } else {
            out->index[out->count++] = index;
        }
    }
    tg_text_close(&text);
    if (status != TG_OK) {
        tg_target_free(out);
    }
    return status;
}

void tg_target_free(tg_target *target) {
    tg_free(target->index);
    tg_free(target->delta);
    memset(target, 0, sizeof *target);
}

void tg_target_apply(const tg_target *target, float weight, float (*x)[3]) {
    for (int i = 0; i < target->count; i++) {
        float *p = x[target->index[i]];
        for (int k = 0; k < 3; k++) {
            p[k] += weight * target->delta[i][k];
        }
    }
}

tg_status tg_target_select(tg_context *ctx, const tg_target *target, const int32_t *slot,
                           tg_target *out) {
    memset(out, 0, sizeof *out);
    int count = 0;
    for (int i = 0; i < target->count; i++) {
        count += slot[target->index[i]] >= 0;
    }
    tg_status status = allocate(ctx, out, count);
    for (int i = 0; status == TG_OK && i < target->count; i++) {
        int32_t to = slot[target->index[i]];
        if (to >= 0) {
            memcpy(out->delta[out->count], target->delta[i], sizeof *out->delta);
            out->index[out->count++] = to;
        }
    }
    return status;
}
