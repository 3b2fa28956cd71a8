/* safetensors, reading: a mapped file whose header was checked before anything of it is used.
 *
 * Layout: 8 bytes length n (little-endian), n bytes JSON {name: {dtype, shape, data_offsets}},
 * then the data. Offsets count from the end of the header, cover the data without gap or overlap.
 */
#include "talkgen/io.h"
#include "io/files.h"
#include "io/md5.h"
#include "io/safetensors.h"

#include <inttypes.h>
#include <math.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* The format allows 100 MB; no model's header comes near this, and the parsed tree is about 30
 * times as large. */
static const uint64_t header_limit = (uint64_t)32 << 20;

static const struct {
    const char *name;
    size_t size;
} dtypes[] = {
    [TG_F64] = {"F64", 8}, [TG_F32] = {"F32", 4},   [TG_F16] = {"F16", 2}, [TG_BF16] = {"BF16", 2},
    [TG_I64] = {"I64", 8}, [TG_I32] = {"I32", 4},   [TG_I16] = {"I16", 2}, [TG_U8] = {"U8", 1},
    [TG_I8] = {"I8", 1},   [TG_BOOL] = {"BOOL", 1},
};
enum { DTYPES = sizeof dtypes / sizeof dtypes[0], MAX_DIMS = 8 };

struct tg_st {
    char *path;
    tg_map map;
    atomic_int shares; /* beside the first */
    tg_json *header;   /* owns the names */
    const tg_json *meta;
    int count;
    tg_st_tensor *tensors;        /* in the order of their data */
    const tg_st_tensor **by_name; /* sorted */
    tg_arena *copies;             /* names and data of a state dict, otherwise NULL */
};

size_t tg_dtype_size(tg_dtype dtype) {
    return (unsigned)dtype < DTYPES ? dtypes[dtype].size : 0;
}

const char *tg_dtype_name(tg_dtype dtype) {
    return (unsigned)dtype < DTYPES ? dtypes[dtype].name : "?";
}

/* ---- files that are something else -------------------------------------------- */

static bool contains(const uint8_t *data, size_t bytes, const char *text) {
    return memmem(data, bytes, text, strlen(text)) != NULL;
}

static tg_status pytorch_file(tg_context *ctx, const char *path, const char *which) {
    return tg_fail(ctx, TG_EMODEL,
                   "%s: this is a PyTorch file (%s)\n"
                   "  expected: a safetensors file, made by talkgen convert or talkgen train\n"
                   "  try: talkgen info %s for what it is, talkgen help convert for what makes an "
                   "identity of it",
                   path, which, path);
}

/* Names what the file is when its first bytes say so; TG_OK when they do not. */
static tg_status recognise_foreign(tg_context *ctx, const char *path, const tg_map *map) {
    const uint8_t *d = map->data;
    size_t n = map->bytes;
    const char *what = NULL;
    if (n >= 4 && memcmp(d, "PK\3\4", 4) == 0) {
        /* torch.save writes NAME/data.pkl as the first entry of its archive. */
        if (contains(d, n < 4096 ? n : 4096, "/data.pkl")) {
            return pytorch_file(ctx, path, "zip container of torch.save");
        }
        what = "a zip archive";
    } else if (n >= 2 && d[0] == 0x80 && d[1] >= 2 && d[1] <= 5) {
        return pytorch_file(ctx, path, "legacy pickle container of torch.save");
    } else if (n >= 4 && memcmp(d, "GGUF", 4) == 0) {
        what = "a GGUF file";
    } else if (n >= 8 && memcmp(d, "\x89HDF\r\n\x1a\n", 8) == 0) {
        what = "an HDF5 file";
    } else if (n >= 24 && memcmp(d, "version https://git-lfs.", 24) == 0) {
        return tg_fail(ctx, TG_EMODEL,
                       "%s: this is a Git LFS pointer, not the file itself\n"
                       "  expected: a safetensors file\n  try: git lfs pull",
                       path);
    }
    if (what) {
        return tg_fail(ctx, TG_EMODEL,
                       "%s: this is %s\n  expected: a safetensors file\n"
                       "  try: an identity such as models/demo.ckpt",
                       path, what);
    }
    return TG_OK;
}

/* ---- the header ------------------------------------------------------------------ */

static tg_status damaged(tg_context *ctx, const char *path, const char *name, const char *what,
                         const char *expected) {
    return tg_fail(ctx, TG_EMODEL,
                   "%s: damaged safetensors header%s%.200s: %s\n  expected: %s\n"
                   "  try: copy or download the file again",
                   path, name ? " at " : "", name ? name : "", what, expected);
}

/* A whole number that a double holds exactly. */
static bool whole(const tg_json *v, uint64_t *out) {
    double x = tg_json_number(v, -1.0);
    if (!(x >= 0.0 && x <= 9007199254740992.0) || x != floor(x)) {
        return false;
    }
    *out = (uint64_t)x;
    return true;
}

/* *needed grows to the bytes of data that the entry asks for. */
static tg_status read_entry(tg_context *ctx, const char *path, const tg_json *entry,
                            uint64_t data_bytes, const uint8_t *data, tg_st_tensor *t,
                            uint64_t *needed) {
    t->name = tg_json_key(entry);
    for (const char *c = t->name; *c; c++) {
        if ((unsigned char)*c < 0x20 || *c == 0x7f || (*c == '\xc2' && (c[1] & 0xe0) == 0x80)) {
            return damaged(ctx, path, NULL, "a tensor name has control characters",
                           "printable names");
        }
    }
    const char *dtype = tg_json_string(tg_json_get(entry, "dtype"), NULL);
    if (!dtype) {
        return damaged(ctx, path, t->name, "no dtype", "{dtype, shape, data_offsets}");
    }
    int d = 0;
    while (d < DTYPES && strcmp(dtypes[d].name, dtype) != 0) {
        d++;
    }
    if (d == DTYPES) {
        return damaged(ctx, path, t->name, "a dtype this program does not know",
                       "F64, F32, F16, BF16, I64, I32, I16, I8, U8 or BOOL");
    }
    t->dtype = (tg_dtype)d;
    const tg_json *shape = tg_json_get(entry, "shape");
    t->ndim = tg_json_count(shape);
    if (!tg_json_is_array(shape) || t->ndim > MAX_DIMS) {
        return damaged(ctx, path, t->name, "bad shape", "an array of at most 8 sizes");
    }
    size_t bytes = dtypes[d].size;
    int i = 0;
    for (const tg_json *size = tg_json_first(shape); size; size = tg_json_next(size)) {
        uint64_t n;
        if (!whole(size, &n) || !tg_mul_size(bytes, n, &bytes)) {
            return damaged(ctx, path, t->name, "a size in its shape is impossible",
                           "whole numbers whose product fits memory");
        }
        t->dim[i++] = (int64_t)n;
    }
    const tg_json *offsets = tg_json_get(entry, "data_offsets");
    uint64_t begin, end;
    if (!tg_json_is_array(offsets) || tg_json_count(offsets) != 2 ||
        !whole(tg_json_at(offsets, 0), &begin) || !whole(tg_json_at(offsets, 1), &end) ||
        begin > end) {
        return damaged(ctx, path, t->name, "bad data_offsets", "[begin, end] with begin <= end");
    }
    if (end - begin != bytes) {
        return damaged(ctx, path, t->name, "data_offsets do not fit dtype and shape",
                       "end - begin = elements * element size");
    }
    *needed = end > *needed ? end : *needed;
    t->bytes = bytes;
    t->data = end <= data_bytes ? data + begin : NULL; /* the caller looks at *needed */
    return TG_OK;
}

static int compare_data(const void *a, const void *b) {
    const tg_st_tensor *x = a, *y = b;
    if (x->data != y->data) {
        return (uintptr_t)x->data < (uintptr_t)y->data ? -1 : 1;
    }
    if (x->bytes != y->bytes) { /* empty tensors come before the one that starts at their place */
        return x->bytes < y->bytes ? -1 : 1;
    }
    return strcmp(x->name, y->name);
}

static int compare_name(const void *a, const void *b) {
    const tg_st_tensor *const *x = a, *const *y = b;
    return strcmp((*x)->name, (*y)->name);
}

static tg_status check_meta(tg_context *ctx, tg_st *st, const tg_json *meta) {
    if (st->meta) {
        return damaged(ctx, st->path, NULL, "__metadata__ appears twice", "one __metadata__");
    }
    bool good = tg_json_is_object(meta);
    for (const tg_json *m = tg_json_first(meta); m && good; m = tg_json_next(m)) {
        good = tg_json_is_string(m);
    }
    if (!good) {
        return damaged(ctx, st->path, "__metadata__", "not a table of texts",
                       "{\"key\": \"text\"}");
    }
    st->meta = meta;
    return TG_OK;
}

static tg_status read_header(tg_context *ctx, tg_st *st) {
    const tg_map *map = &st->map;
    uint64_t header_bytes = map->bytes >= 8 ? tg_get_u64(map->data) : 0;
    if (map->bytes < 10 || header_bytes < 2 || header_bytes > header_limit ||
        (map->bytes > 8 && map->data[8] != '{')) {
        tg_status foreign = recognise_foreign(ctx, st->path, map);
        if (foreign != TG_OK) {
            return foreign;
        }
        return tg_fail(ctx, TG_EMODEL,
                       "%s: not a safetensors file (%zu bytes)\n"
                       "  expected: a header length and a JSON header at its start\n"
                       "  try: an identity such as models/demo.ckpt",
                       st->path, map->bytes);
    }
    if (header_bytes > map->bytes - 8) {
        return tg_fail(ctx, TG_EMODEL,
                       "%s: truncated, at least %" PRIu64 " bytes of its header are missing\n"
                       "  expected: a header of %" PRIu64 " bytes and the data after it\n"
                       "  try: copy or download the file again",
                       st->path, header_bytes - (map->bytes - 8), header_bytes);
    }
    tg_status parsed = tg_json_parse(ctx, (const char *)map->data + 8, (size_t)header_bytes,
                                     st->path, &st->header);
    if (parsed == TG_ENOMEM) {
        return parsed;
    }
    if (parsed != TG_OK || !tg_json_is_object(st->header)) {
        return damaged(ctx, st->path, NULL, "it is not a JSON object", "{name: {dtype, ...}, ...}");
    }
    const uint8_t *data = map->data + 8 + header_bytes;
    uint64_t data_bytes = map->bytes - 8 - header_bytes;
    int count = tg_json_count(st->header);
    st->tensors = tg_calloc((size_t)(count + 1) * sizeof *st->tensors);
    st->by_name = tg_calloc((size_t)(count + 1) * sizeof *st->by_name);
    if (!st->tensors || !st->by_name) {
        return tg_fail(ctx, TG_ENOMEM, "%s: not enough memory for its header", st->path);
    }
    uint64_t needed = 0;
    for (const tg_json *e = tg_json_first(st->header); e; e = tg_json_next(e)) {
        tg_status status = strcmp(tg_json_key(e), "__metadata__") == 0
                               ? check_meta(ctx, st, e)
                               : read_entry(ctx, st->path, e, data_bytes, data,
                                            &st->tensors[st->count++], &needed);
        if (status != TG_OK) {
            return status;
        }
    }
    if (needed > data_bytes) {
        return tg_fail(ctx, TG_EMODEL,
                       "%s: truncated, %" PRIu64 " bytes are missing\n"
                       "  expected: %" PRIu64 " bytes, found %zu\n"
                       "  try: copy or download the file again",
                       st->path, needed - data_bytes, needed + 8 + header_bytes, map->bytes);
    }
    qsort(st->tensors, (size_t)st->count, sizeof *st->tensors, compare_data);
    const uint8_t *at = data;
    for (int i = 0; i < st->count; i++) {
        const tg_st_tensor *t = &st->tensors[i];
        if (t->data != at) {
            return damaged(ctx, st->path, t->name,
                           (const uint8_t *)t->data < at ? "its data overlaps another tensor's"
                                                         : "a gap before its data",
                           "tensors one after another");
        }
        at += t->bytes;
        st->by_name[i] = t;
    }
    if (at != data + data_bytes) {
        return tg_fail(ctx, TG_EMODEL,
                       "%s: %zu bytes follow the last tensor\n  expected: the end of the file\n"
                       "  try: copy or download the file again",
                       st->path, (size_t)(data + data_bytes - at));
    }
    qsort(st->by_name, (size_t)st->count, sizeof *st->by_name, compare_name);
    for (int i = 1; i < st->count; i++) {
        if (strcmp(st->by_name[i - 1]->name, st->by_name[i]->name) == 0) {
            return damaged(ctx, st->path, st->by_name[i]->name, "the name appears twice",
                           "every name once");
        }
    }
    return TG_OK;
}

tg_status tg_st_open(tg_context *ctx, const char *path, tg_st **out) {
    *out = NULL;
    tg_st *st = tg_calloc(sizeof *st);
    size_t length = strlen(path) + 1;
    if (!st || !(st->path = tg_alloc(length))) {
        tg_free(st);
        return tg_fail(ctx, TG_ENOMEM, "%s: not enough memory to open it", path);
    }
    memcpy(st->path, path, length);
    tg_status status = tg_map_open(ctx, path, TG_EMODEL, &st->map);
    if (status == TG_OK) {
        status = read_header(ctx, st);
    }
    if (status != TG_OK) {
        tg_st_close(&st);
        return status;
    }
    *out = st;
    return TG_OK;
}

void tg_st_close(tg_st **st) {
    if (!st || !*st) {
        return;
    }
    if (atomic_fetch_sub(&(*st)->shares, 1) > 0) {
        *st = NULL;
        return;
    }
    tg_json_destroy(&(*st)->header);
    tg_map_close(&(*st)->map);
    tg_arena_destroy(&(*st)->copies);
    tg_free((*st)->tensors);
    tg_free((*st)->by_name);
    tg_free((*st)->path);
    tg_free(*st);
    *st = NULL;
}

tg_status tg_st_of_tensors(tg_context *ctx, const char *path, tg_st_tensor *tensors, int count,
                           tg_arena *copies, tg_st **out) {
    *out = NULL;
    tg_st *st = tg_calloc(sizeof *st);
    size_t length = strlen(path) + 1;
    if (!st) {
        tg_free(tensors);
        tg_arena_destroy(&copies);
        return tg_fail(ctx, TG_ENOMEM, "%s: not enough memory for its tensors", path);
    }
    st->tensors = tensors;
    st->count = count;
    st->copies = copies;
    st->path = tg_alloc(length);
    st->by_name = tg_calloc((size_t)(count + 1) * sizeof *st->by_name);
    if (!st->path || !st->by_name) {
        tg_st_close(&st);
        return tg_fail(ctx, TG_ENOMEM, "%s: not enough memory for its tensors", path);
    }
    memcpy(st->path, path, length);
    for (int i = 0; i < count; i++) {
        st->by_name[i] = &st->tensors[i];
    }
    qsort(st->by_name, (size_t)count, sizeof *st->by_name, compare_name);
    *out = st;
    return TG_OK;
}

tg_st *tg_st_share(const tg_st *st) {
    tg_st *same = (tg_st *)(uintptr_t)st; /* counting is no change that anybody sees */
    atomic_fetch_add(&same->shares, 1);
    return same;
}

bool tg_st_mapped(const tg_st *st) {
    return st->map.data != NULL;
}

/* ---- looking ----------------------------------------------------------------------- */

const char *tg_st_path(const tg_st *st) {
    return st->path;
}

size_t tg_st_bytes(const tg_st *st) {
    return st->map.bytes;
}

int tg_st_count(const tg_st *st) {
    return st->count;
}

const tg_st_tensor *tg_st_at(const tg_st *st, int index) {
    return index >= 0 && index < st->count ? &st->tensors[index] : NULL;
}

const tg_st_tensor *tg_st_find(const tg_st *st, const char *name) {
    int low = 0, high = st->count;
    while (low < high) {
        int middle = low + (high - low) / 2;
        int order = strcmp(st->by_name[middle]->name, name);
        if (order == 0) {
            return st->by_name[middle];
        }
        if (order < 0) {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    return NULL;
}

const char *tg_st_meta(const tg_st *st, const char *key) {
    return tg_json_string(tg_json_get(st->meta, key), NULL);
}

int tg_st_meta_count(const tg_st *st) {
    return tg_json_count(st->meta);
}

const char *tg_st_meta_at(const tg_st *st, int index, const char **value) {
    const tg_json *m = tg_json_at(st->meta, index);
    if (value) {
        *value = tg_json_string(m, NULL);
    }
    return tg_json_key(m);
}

const char *tg_st_stated_hash(const tg_st *st) {
    const char *hash = tg_st_meta(st, TG_ST_HASH);
    return hash && strlen(hash) == 32 && strspn(hash, "0123456789abcdef") == 32 ? hash : NULL;
}

tg_status tg_st_hash(tg_context *ctx, const tg_st *st, char out[33]) {
    tg_md5 *md5 = tg_md5_create();
    tg_status status = md5 ? TG_OK : tg_fail(ctx, TG_ENOMEM, "%s: not enough memory", st->path);
    for (int i = 0; i < st->count && status == TG_OK; i++) {
        tg_md5_add(md5, st->tensors[i].data, st->tensors[i].bytes);
        status = tg_cancelled(ctx);
    }
    if (status == TG_OK) {
        tg_md5_digest(md5, out);
    }
    tg_md5_destroy(&md5);
    return status;
}

/* ---- converting --------------------------------------------------------------------- */

tg_status tg_st_read_f32(tg_context *ctx, const tg_st *st, const tg_st_tensor *t, float *out) {
    (void)ctx; /* every dtype that passed the header converts; the contract keeps the door open */
    (void)st;
    const uint8_t *p = t->data; /* any alignment: read by bytes */
    size_t n = t->bytes / tg_dtype_size(t->dtype);
    switch (t->dtype) {
    case TG_F32:
        if (t->bytes) {
            memcpy(out, p, t->bytes);
        }
        break;
    case TG_F64:
        for (size_t i = 0; i < n; i++) {
            uint64_t bits = tg_get_u64(p + 8 * i);
            double x;
            memcpy(&x, &bits, sizeof x);
            out[i] = (float)x;
        }
        break;
    case TG_F16:
        for (size_t i = 0; i < n; i++) {
            out[i] = tg_f16_to_f32(tg_get_u16(p + 2 * i));
        }
        break;
    case TG_BF16:
        for (size_t i = 0; i < n; i++) {
            out[i] = tg_bf16_to_f32(tg_get_u16(p + 2 * i));
        }
        break;
    case TG_I64:
        for (size_t i = 0; i < n; i++) {
            out[i] = (float)(int64_t)tg_get_u64(p + 8 * i);
        }
        break;
    case TG_I32:
        for (size_t i = 0; i < n; i++) {
            out[i] = (float)(int32_t)tg_get_u32(p + 4 * i);
        }
        break;
    case TG_I16:
        for (size_t i = 0; i < n; i++) {
            out[i] = (float)(int16_t)tg_get_u16(p + 2 * i);
        }
        break;
    case TG_U8:
        for (size_t i = 0; i < n; i++) {
            out[i] = (float)p[i];
        }
        break;
    case TG_I8:
        for (size_t i = 0; i < n; i++) {
            out[i] = (float)(int8_t)p[i];
        }
        break;
    case TG_BOOL:
        for (size_t i = 0; i < n; i++) {
            out[i] = p[i] ? 1.0f : 0.0f;
        }
        break;
    }
    return TG_OK;
}

static void shape_text(char *text, size_t size, int ndim, const int64_t *dim) {
    size_t used = (size_t)snprintf(text, size, "[");
    for (int i = 0; i < ndim && used < size; i++) {
        used += (size_t)snprintf(text + used, size - used, "%s%" PRId64, i ? ", " : "", dim[i]);
    }
    if (used < size) {
        snprintf(text + used, size - used, "]");
    }
}

tg_status tg_st_expect(tg_context *ctx, const tg_st *st, const char *name, int ndim,
                       const int64_t *dim, const tg_st_tensor **out) {
    char expected[192], found[192];
    shape_text(expected, sizeof expected, ndim, dim);
    const tg_st_tensor *t = tg_st_find(st, name);
    if (!t) {
        return tg_fail(ctx, TG_EMODEL,
                       "%s: tensor %s is missing\n  expected: %s of shape %s\n"
                       "  try: a file made for this part (talkgen info %s lists what it has)",
                       st->path, name, name, expected, st->path);
    }
    bool same = t->ndim == ndim;
    for (int i = 0; i < ndim && same; i++) {
        same = t->dim[i] == dim[i];
    }
    if (!same) {
        shape_text(found, sizeof found, t->ndim, t->dim);
        return tg_fail(ctx, TG_EMODEL,
                       "%s: tensor %s has shape %s\n  expected: %s\n"
                       "  try: a file made with this configuration (talkgen info %s shows its own)",
                       st->path, name, found, expected, st->path);
    }
    *out = t;
    return TG_OK;
}

tg_status tg_st_load(tg_context *ctx, const tg_st *st, const char *name, int ndim,
                     const int64_t *dim, float *out) {
    const tg_st_tensor *t;
    tg_status status = tg_st_expect(ctx, st, name, ndim, dim, &t);
    return status == TG_OK ? tg_st_read_f32(ctx, st, t, out) : status;
}
