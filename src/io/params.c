/* Parameters of networks from and into safetensors files. */
#include "io/safetensors.h"

#include <stdio.h>
#include <string.h>

/* PyTorch 2 stores weight norm's gain and direction as parametrizations of the weight; older
 * checkpoints, and we, as weight_g and weight_v beside it. */
static const struct {
    const char *old_name, *new_name;
} renamed[] = {
    {"weight_g", "parametrizations.weight.original0"},
    {"weight_v", "parametrizations.weight.original1"},
};

static bool ends_with(const char *text, const char *end) {
    size_t n = strlen(text), m = strlen(end);
    return n >= m && strcmp(text + n - m, end) == 0;
}

/* The tensor's name in the file, under whichever of its names is there; the published one when
 * none is. false when it does not fit. */
static bool name_in_file(const tg_st *st, const char *prefix, const char *name, char *out,
                         size_t size) {
    int n = snprintf(out, size, "%s%s", prefix, name);
    if (n < 0 || (size_t)n >= size) {
        return false;
    }
    if (tg_st_find(st, out)) {
        return true;
    }
    for (size_t i = 0; i < sizeof renamed / sizeof renamed[0]; i++) {
        if (!ends_with(name, renamed[i].old_name)) {
            continue;
        }
        size_t stem = strlen(name) - strlen(renamed[i].old_name);
        char other[512];
        n = snprintf(other, sizeof other, "%s%.*s%s", prefix, (int)stem, name, renamed[i].new_name);
        if (n > 0 && (size_t)n < sizeof other && (size_t)n < size && tg_st_find(st, other)) {
            memcpy(out, other, (size_t)n + 1);
        }
    }
    return true;
}

const tg_st_tensor *tg_st_find_param(const tg_st *st, const char *prefix, const char *name) {
    char full[512];
    return name_in_file(st, prefix, name, full, sizeof full) ? tg_st_find(st, full) : NULL;
}

static void release(void *owner) {
    tg_st *st = owner;
    tg_st_close(&st);
}

/* Mapped float32 that the processor can read as it is. */
static bool usable(const tg_st_tensor *t) {
    return t->dtype == TG_F32 && (uintptr_t)t->data % _Alignof(float) == 0 && t->bytes > 0;
}

static tg_status load(tg_context *ctx, tg_params *set, const tg_st *st, const char *prefix,
                      bool in_place) {
    bool kept = false;
    for (int i = 0; i < tg_params_count(set); i++) {
        tg_param *p = tg_params_at(set, i);
        char name[512];
        if (!name_in_file(st, prefix, p->name, name, sizeof name)) {
            return tg_fail(ctx, TG_EMODEL, "%s: the name %s%s is too long\n  expected: 511 bytes",
                           tg_st_path(st), prefix, p->name);
        }
        const tg_st_tensor *t;
        tg_status status = tg_st_expect(ctx, st, name, p->value->ndim, p->value->dim, &t);
        if (status == TG_OK && in_place && tg_st_mapped(st) && usable(t)) {
            tg_st *share = kept ? NULL : tg_st_share(st);
            if (!kept && !tg_params_keep(set, share, release)) {
                tg_st_close(&share);
                return tg_fail(ctx, TG_ENOMEM, "%s: not enough memory to keep it open",
                               tg_st_path(st));
            }
            kept = true;
            tg_params_borrow(set, i, t->data);
            continue;
        }
        if (status == TG_OK) {
            status = tg_params_own(ctx, set, i);
        }
        if (status == TG_OK) {
            status = tg_st_read_f32(ctx, st, t, p->value->data);
        }
        if (status != TG_OK) {
            return status;
        }
    }
    return TG_OK;
}

tg_status tg_params_load(tg_context *ctx, tg_params *set, const tg_st *st, const char *prefix) {
    return load(ctx, set, st, prefix, false);
}

tg_status tg_params_map(tg_context *ctx, tg_params *set, const tg_st *st, const char *prefix) {
    return load(ctx, set, st, prefix, true);
}

bool tg_params_store(tg_st_writer *w, tg_params *set, const char *prefix, tg_dtype dtype) {
    for (int i = 0; i < tg_params_count(set); i++) {
        tg_param *p = tg_params_at(set, i);
        char name[512];
        int n = snprintf(name, sizeof name, "%s%s", prefix, p->name);
        if (n < 0 || (size_t)n >= sizeof name ||
            !tg_st_add_f32(w, name, dtype, p->value->ndim, p->value->dim, p->value->data)) {
            return false;
        }
    }
    return true;
}
