/* PyTorch and NumPy files as one tree: opening, walking, reading tensors. */
#include "io/torch.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* ---- opening --------------------------------------------------------------------------- */

typedef enum { FOREIGN, ZIP, PICKLE, NPY } container;

static container recognise(const uint8_t *d, size_t n) {
    if (n >= 4 && memcmp(d, "PK\3\4", 4) == 0) {
        return ZIP;
    }
    if (n >= 6 && memcmp(d, "\x93NUMPY", 6) == 0) {
        return NPY;
    }
    return n >= 2 && d[0] == 0x80 && d[1] >= 2 && d[1] <= 5 ? PICKLE : FOREIGN;
}

bool tg_torch_recognise(const char *path) {
    uint8_t start[8];
    FILE *f = fopen(path, "rb");
    size_t n = f ? fread(start, 1, sizeof start, f) : 0;
    if (f) {
        fclose(f);
    }
    return recognise(start, n) != FOREIGN;
}

static tg_status read_contents(tg_context *ctx, tg_torch *file) {
    switch (recognise(file->map.data, file->map.bytes)) {
    case ZIP:
        return tg_torch_read_zip(ctx, file);
    case PICKLE:
        return tg_torch_read_legacy(ctx, file);
    case NPY:
        file->container = "NumPy npy";
        return tg_torch_read_npy(ctx, &file->pool, file->path, file->map.data, file->map.bytes, 0,
                                 &file->root);
    case FOREIGN:
        break;
    }
    return tg_fail(ctx, TG_EMODEL,
                   "%s: neither a PyTorch nor a NumPy file (%zu bytes)\n"
                   "  expected: a zip archive, a pickle or .npy by its first bytes\n"
                   "  try: the file that torch.save or numpy.save wrote",
                   file->path, file->map.bytes);
}

tg_status tg_torch_open(tg_context *ctx, const char *path, tg_torch **out) {
    *out = NULL;
    size_t length = strlen(path) + 1;
    tg_torch *file = tg_calloc(sizeof *file);
    if (!file || !(file->path = tg_alloc(length))) {
        tg_free(file);
        return tg_fail(ctx, TG_ENOMEM, "%s: not enough memory to open it", path);
    }
    memcpy(file->path, path, length);
    tg_status status = tg_map_open(ctx, path, TG_EMODEL, &file->map);
    tg_pk_pool_init(&file->pool, file->map.bytes);
    if (status == TG_OK) {
        status = read_contents(ctx, file);
    }
    if (status == TG_OK) {
        tg_pk_place_tensors(&file->pool);
        status = tg_pk_check_tree(ctx, path, &file->root, file->map.bytes);
    }
    if (status != TG_OK) {
        tg_torch_close(&file);
        return status;
    }
    *out = file;
    return TG_OK;
}

void tg_torch_close(tg_torch **file) {
    if (!file || !*file) {
        return;
    }
    tg_pk_pool_free(&(*file)->pool);
    tg_map_close(&(*file)->map);
    tg_free((*file)->path);
    tg_free(*file);
    *file = NULL;
}

/* ---- walking ------------------------------------------------------------------------------ */

const char *tg_torch_path(const tg_torch *file) {
    return file->path;
}

const char *tg_torch_container(const tg_torch *file) {
    return file->container;
}

const tg_torch_value *tg_torch_root(const tg_torch *file) {
    return &file->root;
}

/* An array of objects without dimensions is its object. The tree has no cycles. */
static const pk_value *resolve(const pk_value *v) {
    while (v && v->kind == PK_TENSOR && v->as.tensor->objects && v->as.tensor->view.ndim == 0) {
        v = &v->as.tensor->objects->item[0];
    }
    return v;
}

tg_torch_kind tg_torch_kind_of(const tg_torch_value *v) {
    v = resolve(v);
    switch (v ? v->kind : PK_NONE) {
    case PK_NONE:
    case PK_MARK:
        return TG_TORCH_NONE;
    case PK_BOOL:
        return TG_TORCH_BOOL;
    case PK_INT:
    case PK_FLOAT:
        return TG_TORCH_NUMBER;
    case PK_STRING:
        return TG_TORCH_STRING;
    case PK_BYTES:
        return TG_TORCH_BYTES;
    case PK_LIST:
        return TG_TORCH_LIST;
    case PK_DICT:
        return TG_TORCH_DICT;
    case PK_TENSOR:
        if (v->as.tensor->objects) {
            return TG_TORCH_LIST;
        }
        return v->as.tensor->built && !v->as.tensor->other ? TG_TORCH_TENSOR : TG_TORCH_OTHER;
    case PK_STORAGE:
    case PK_DTYPE:
    case PK_GLOBAL:
    case PK_LONG:
    case PK_OTHER:
        break;
    }
    return TG_TORCH_OTHER;
}

/* The elements of a list; NULL for everything else. */
static const pk_list *list_of(const pk_value *v) {
    if (tg_torch_kind_of(v) != TG_TORCH_LIST) {
        return NULL;
    }
    v = resolve(v);
    return v->kind == PK_TENSOR ? v->as.tensor->objects : v->as.list;
}

static const pk_list *dict_of(const pk_value *v) {
    v = resolve(v);
    return v && v->kind == PK_DICT ? v->as.list : NULL;
}

int64_t tg_torch_count(const tg_torch_value *v) {
    const pk_list *list = list_of(v), *dict = dict_of(v);
    return list ? (int64_t)list->count : dict ? (int64_t)dict->count / 2 : 0;
}

const tg_torch_value *tg_torch_at(const tg_torch_value *v, int64_t index) {
    const pk_list *list = list_of(v), *dict = dict_of(v);
    if (index < 0 || index >= tg_torch_count(v)) {
        return NULL;
    }
    return resolve(list ? &list->item[index] : &dict->item[2 * index + 1]);
}

const char *tg_torch_key(const tg_torch_value *v, int64_t index) {
    const pk_list *dict = dict_of(v);
    return dict && index >= 0 && index < (int64_t)dict->count / 2
               ? dict->item[2 * index].as.text->data
               : NULL;
}

const tg_torch_value *tg_torch_get(const tg_torch_value *v, const char *key) {
    for (int64_t i = dict_of(v) ? tg_torch_count(v) : 0; i-- > 0;) { /* the last one counts */
        if (strcmp(tg_torch_key(v, i), key) == 0) {
            return tg_torch_at(v, i);
        }
    }
    return NULL;
}

const tg_torch_value *tg_torch_find(const tg_torch_value *v, const char *path) {
    v = resolve(v);
    if (!v || !*path) {
        return v;
    }
    if (list_of(v)) {
        char *end;
        long index = *path >= '0' && *path <= '9' ? strtol(path, &end, 10) : -1;
        return index >= 0 && (*end == '.' || !*end)
                   ? tg_torch_find(tg_torch_at(v, index), *end ? end + 1 : end)
                   : NULL;
    }
    for (int64_t i = dict_of(v) ? tg_torch_count(v) : 0; i-- > 0;) {
        const char *key = tg_torch_key(v, i);
        size_t n = strlen(key);
        if (strncmp(path, key, n) == 0 && (path[n] == '.' || !path[n])) {
            const pk_value *found = tg_torch_find(tg_torch_at(v, i), path + n + (path[n] == '.'));
            if (found) {
                return found;
            }
        }
    }
    return NULL;
}

double tg_torch_number(const tg_torch_value *v, double otherwise) {
    v = resolve(v);
    switch (v ? v->kind : PK_NONE) {
    case PK_INT:
        return (double)v->as.i;
    case PK_FLOAT:
        return v->as.f;
    case PK_BOOL:
        return v->as.b;
    default:
        return otherwise;
    }
}

bool tg_torch_bool(const tg_torch_value *v, bool otherwise) {
    v = resolve(v);
    return v && v->kind == PK_BOOL ? v->as.b : otherwise;
}

const char *tg_torch_string(const tg_torch_value *v, const char *otherwise) {
    v = resolve(v);
    switch (v ? v->kind : PK_NONE) {
    case PK_STRING:
    case PK_OTHER:
        return v->as.text->data;
    case PK_GLOBAL:
        return tg_pk_global_name(v->as.global);
    case PK_DTYPE:
        return v->as.dtype->name;
    case PK_STORAGE:
        return v->as.storage->name;
    case PK_TENSOR:
        return v->as.tensor->other ? v->as.tensor->other : otherwise;
    case PK_LONG:
        return "int of more than 64 bits";
    default:
        return otherwise;
    }
}

const tg_torch_tensor *tg_torch_tensor_of(const tg_torch_value *v) {
    return tg_torch_kind_of(v) == TG_TORCH_TENSOR ? &resolve(v)->as.tensor->view : NULL;
}

/* ---- reading -------------------------------------------------------------------------------- */

/* Elements that lie one after another in the file; `to` counts elements of the result. */
typedef void run_fn(const tg_torch_tensor *t, const uint8_t *from, size_t n, void *out, size_t to);

static void each_run(const tg_torch_tensor *t, run_fn *fn, void *out) {
    size_t size = tg_dtype_size(t->dtype);
    int outer = t->ndim;
    int64_t run = 1, index[8] = {0}, offset = 0;
    if (t->count == 0) {
        return;
    }
    while (outer > 0 && (t->stride[outer - 1] == run || t->dim[outer - 1] == 1)) {
        run *= t->dim[--outer];
    }
    for (int64_t to = 0; to < t->count; to += run) {
        fn(t, (const uint8_t *)t->data + (size_t)offset * size, (size_t)run, out, (size_t)to);
        for (int d = outer; d-- > 0;) {
            offset += t->stride[d];
            if (++index[d] < t->dim[d]) {
                break;
            }
            offset -= t->stride[d] * t->dim[d];
            index[d] = 0;
        }
    }
}

static void run_raw(const tg_torch_tensor *t, const uint8_t *from, size_t n, void *out, size_t to) {
    size_t size = tg_dtype_size(t->dtype);
    memcpy((uint8_t *)out + to * size, from, n * size);
}

static void run_f32(const tg_torch_tensor *t, const uint8_t *from, size_t n, void *out, size_t to) {
    tg_st_tensor piece = {.dtype = t->dtype, .data = from, .bytes = n * tg_dtype_size(t->dtype)};
    tg_st_read_f32(NULL, NULL, &piece, (float *)out + to);
}

void tg_torch_read_raw(const tg_torch_tensor *t, void *out) {
    each_run(t, run_raw, out);
}

void tg_torch_read_f32(const tg_torch_tensor *t, float *out) {
    each_run(t, run_f32, out);
}

/* "[2, *, 3]"; a size below 0 stands for any. */
static void shape_text(char *text, size_t size, int ndim, const int64_t *dim) {
    size_t used = (size_t)snprintf(text, size, "[");
    for (int i = 0; i < ndim && used < size; i++) {
        const char *comma = i ? ", " : "";
        used +=
            (size_t)(dim[i] < 0 ? snprintf(text + used, size - used, "%s*", comma)
                                : snprintf(text + used, size - used, "%s%" PRId64, comma, dim[i]));
    }
    if (used < size) {
        snprintf(text + used, size - used, "]");
    }
}

tg_status tg_torch_load(tg_context *ctx, const tg_torch *file, const tg_torch_value *v,
                        const char *path, int ndim, const int64_t *dim, float *out) {
    char expected[192], found[192];
    shape_text(expected, sizeof expected, ndim, dim);
    const tg_torch_tensor *t = tg_torch_tensor_of(tg_torch_find(v, path));
    if (!t) {
        return tg_fail(ctx, TG_EMODEL,
                       "%s: tensor %s is missing\n  expected: %s of shape %s\n"
                       "  try: a file made for this part (talkgen info %s lists what it has)",
                       file->path, path, path, expected, file->path);
    }
    bool same = t->ndim == ndim;
    for (int i = 0; i < ndim && same; i++) {
        same = dim[i] < 0 || t->dim[i] == dim[i];
    }
    if (!same) {
        shape_text(found, sizeof found, t->ndim, t->dim);
        return tg_fail(ctx, TG_EMODEL,
                       "%s: tensor %s has shape %s\n  expected: %s\n"
                       "  try: a file made with this configuration (talkgen info %s shows its own)",
                       file->path, path, found, expected, file->path);
    }
    tg_torch_read_f32(t, out);
    return TG_OK;
}
