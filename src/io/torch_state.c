/* A state dict as named tensors, so that whatever loads a safetensors file loads a published
 * checkpoint too. */
#include "io/safetensors.h"
#include "io/torch.h"

#include <stdio.h>
#include <string.h>

enum { NAME_BYTES = TG_ST_NAME_ROOM, MAX_TENSORS = 1 << 20 };

typedef struct {
    tg_context *ctx;
    const tg_torch *file;
    tg_st_tensor *tensors;
    int count, room;
    tg_arena *copies;
    size_t copied, limit; /* bytes of tensors that are not in C order in the file */
    char name[NAME_BYTES];
    tg_st_rename_fn *rename; /* or NULL */
    void *user;
} flattener;

static bool in_c_order(const tg_torch_tensor *t) {
    int64_t expected = 1;
    for (int d = t->ndim; d-- > 0;) {
        if (t->dim[d] != 1 && t->stride[d] != expected) {
            return t->count == 0;
        }
        expected *= t->dim[d];
    }
    return true;
}

static tg_status no_memory(const flattener *f) {
    return tg_fail(f->ctx, TG_ENOMEM, "%s: not enough memory for its tensors", f->file->path);
}

static tg_status add_tensor(flattener *f, const tg_torch_tensor *t) {
    char other[NAME_BYTES] = "";
    const char *name = f->rename ? other : f->name;
    if (f->rename) {
        f->rename(f->user, f->name, other);
        if (!*other) {
            return TG_OK;
        }
    }
    if (f->count == MAX_TENSORS) {
        return tg_fail(f->ctx, TG_EMODEL,
                       "%s: more than %d tensors\n  expected: a checkpoint\n"
                       "  try: talkgen info %s",
                       f->file->path, MAX_TENSORS, f->file->path);
    }
    if (f->count == f->room) {
        int room = 2 * f->room + 64;
        tg_st_tensor *more = tg_alloc((size_t)room * sizeof *more);
        if (!more) {
            return no_memory(f);
        }
        if (f->count) {
            memcpy(more, f->tensors, (size_t)f->count * sizeof *more);
        }
        tg_free(f->tensors);
        f->tensors = more;
        f->room = room;
    }
    size_t bytes = (size_t)t->count * tg_dtype_size(t->dtype);
    const void *data = t->data;
    if (!in_c_order(t)) {
        /* Repeated elements can make a small file look like any size. */
        size_t count = (size_t)t->count, size = tg_dtype_size(t->dtype);
        bool fits = tg_mul_size(count, size, &bytes) && tg_add_size(f->copied, bytes, &f->copied) &&
                    f->copied <= f->limit;
        if (!fits) {
            return tg_fail(f->ctx, TG_EMODEL,
                           "%s: tensor %s repeats elements beyond the size of the file\n"
                           "  expected: tensors as a checkpoint stores them\n"
                           "  try: talkgen info %s",
                           f->file->path, f->name, f->file->path);
        }
        void *copy = tg_arena_alloc(f->copies, bytes);
        if (!copy) {
            return no_memory(f);
        }
        tg_torch_read_raw(t, copy);
        data = copy;
    }
    tg_st_tensor *out = &f->tensors[f->count];
    *out = (tg_st_tensor){.name = tg_arena_strdup(f->copies, name),
                          .dtype = t->dtype,
                          .ndim = t->ndim,
                          .data = data,
                          .bytes = bytes};
    memcpy(out->dim, t->dim, sizeof out->dim);
    if (!out->name) {
        return no_memory(f);
    }
    f->count++;
    return TG_OK;
}

static tg_status flatten(flattener *f, const tg_torch_value *dict) {
    size_t end = strlen(f->name);
    tg_status status = TG_OK;
    for (int64_t i = 0; status == TG_OK && i < tg_torch_count(dict); i++) {
        const char *key = tg_torch_key(dict, i);
        const tg_torch_value *v = tg_torch_at(dict, i);
        int n = snprintf(f->name + end, sizeof f->name - end, "%s%s", end ? "." : "", key);
        if (n < 0 || (size_t)n >= sizeof f->name - end) {
            f->name[end] = '\0';
            return tg_fail(f->ctx, TG_EMODEL,
                           "%s: a name below %.80s is longer than %d bytes\n"
                           "  expected: names of parameters\n  try: talkgen info %s",
                           f->file->path, f->name, NAME_BYTES - 1, f->file->path);
        }
        const tg_torch_tensor *t = tg_torch_tensor_of(v);
        if (t) {
            status = add_tensor(f, t);
        } else if (tg_torch_kind_of(v) == TG_TORCH_DICT) {
            status = flatten(f, v);
        }
        f->name[end] = '\0';
    }
    return status;
}

tg_status tg_st_from_torch(tg_context *ctx, const tg_torch *file, const tg_torch_value *dict,
                           tg_st **out) {
    return tg_st_from_torch_as(ctx, file, dict, NULL, NULL, out);
}

tg_status tg_st_from_torch_as(tg_context *ctx, const tg_torch *file, const tg_torch_value *dict,
                              tg_st_rename_fn *rename, void *user, tg_st **out) {
    flattener f = {
        .ctx = ctx, .file = file, .limit = file->map.bytes, .rename = rename, .user = user};
    *out = NULL;
    f.copies = tg_arena_create(0);
    tg_status status = f.copies ? flatten(&f, dict) : no_memory(&f);
    if (status != TG_OK) {
        tg_free(f.tensors);
        tg_arena_destroy(&f.copies);
        return status;
    }
    return tg_st_of_tensors(ctx, file->path, f.tensors, f.count, f.copies, out);
}
