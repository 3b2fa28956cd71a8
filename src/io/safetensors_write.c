/* safetensors, writing: tensors are collected in memory and written in one go. */
#include "talkgen/io.h"
#include "io/files.h"

#include <cJSON.h>
#include <stdlib.h>
#include <string.h>

typedef struct {
    char *name;
    tg_dtype dtype;
    int ndim;
    int64_t dim[8];
    size_t bytes;
    void *data;
    int order; /* of adding */
} tg_st_item;

struct tg_st_writer {
    tg_st_item *items;
    int count, room;
    tg_json *meta;
};

tg_st_writer *tg_st_writer_create(void) {
    tg_st_writer *w = tg_calloc(sizeof *w);
    if (w && !(w->meta = tg_json_new_object())) {
        tg_free(w);
        w = NULL;
    }
    return w;
}

void tg_st_writer_destroy(tg_st_writer **w) {
    if (!w || !*w) {
        return;
    }
    for (int i = 0; i < (*w)->count; i++) {
        tg_free((*w)->items[i].name);
        tg_free((*w)->items[i].data);
    }
    tg_free((*w)->items);
    tg_json_destroy(&(*w)->meta);
    tg_free(*w);
    *w = NULL;
}

/* A new item with room for its data, NULL when that is impossible. */
static tg_st_item *add(tg_st_writer *w, const char *name, tg_dtype dtype, int ndim,
                       const int64_t *dim, size_t *elements) {
    size_t n = 1, bytes;
    if (ndim < 0 || ndim > 8 || tg_dtype_size(dtype) == 0 || strcmp(name, "__metadata__") == 0) {
        return NULL;
    }
    for (int i = 0; i < ndim; i++) {
        if (dim[i] < 0 || !tg_mul_size(n, (size_t)dim[i], &n)) {
            return NULL;
        }
    }
    if (!tg_mul_size(n, tg_dtype_size(dtype), &bytes)) {
        return NULL;
    }
    for (int i = 0; i < w->count; i++) {
        if (strcmp(w->items[i].name, name) == 0) {
            return NULL;
        }
    }
    if (w->count == w->room) {
        int room = w->room * 2 + 64;
        tg_st_item *items = tg_calloc((size_t)room * sizeof *items);
        if (!items) {
            return NULL;
        }
        if (w->count) {
            memcpy(items, w->items, (size_t)w->count * sizeof *items);
        }
        tg_free(w->items);
        w->items = items;
        w->room = room;
    }
    tg_st_item *item = &w->items[w->count];
    size_t length = strlen(name) + 1;
    *item = (tg_st_item){.dtype = dtype, .ndim = ndim, .bytes = bytes, .order = w->count};
    item->name = tg_alloc(length);
    item->data = tg_alloc(bytes);
    if (!item->name || !item->data) {
        tg_free(item->name);
        tg_free(item->data);
        return NULL;
    }
    memcpy(item->name, name, length);
    if (ndim) {
        memcpy(item->dim, dim, (size_t)ndim * sizeof *dim);
    }
    *elements = n;
    w->count++;
    return item;
}

bool tg_st_add_f32(tg_st_writer *w, const char *name, tg_dtype dtype, int ndim, const int64_t *dim,
                   const float *data) {
    if (dtype != TG_F32 && dtype != TG_F16 && dtype != TG_BF16) {
        return false;
    }
    size_t n;
    tg_st_item *item = add(w, name, dtype, ndim, dim, &n);
    if (!item) {
        return false;
    }
    if (dtype == TG_F32) {
        if (n) {
            memcpy(item->data, data, item->bytes);
        }
        return true;
    }
    uint16_t *half = item->data;
    for (size_t i = 0; i < n; i++) {
        half[i] = dtype == TG_F16 ? tg_f32_to_f16(data[i]) : tg_f32_to_bf16(data[i]);
    }
    return true;
}

bool tg_st_add_raw(tg_st_writer *w, const char *name, tg_dtype dtype, int ndim, const int64_t *dim,
                   const void *data) {
    size_t n;
    tg_st_item *item = add(w, name, dtype, ndim, dim, &n);
    if (item && item->bytes) {
        memcpy(item->data, data, item->bytes);
    }
    return item != NULL;
}

bool tg_st_add_meta(tg_st_writer *w, const char *key, const char *value) {
    return value && tg_json_set_string(w->meta, key, value) != NULL;
}

/* Wide elements first: with the data starting at a multiple of 64 every tensor stays aligned to
 * its element. */
static int compare_width(const void *a, const void *b) {
    const tg_st_item *x = a, *y = b;
    size_t xs = tg_dtype_size(x->dtype), ys = tg_dtype_size(y->dtype);
    return xs != ys ? (xs > ys ? -1 : 1) : (x->order > y->order) - (x->order < y->order);
}

static cJSON *entry(const tg_st_item *item, size_t begin) {
    cJSON *e = cJSON_CreateObject();
    cJSON *shape = cJSON_CreateArray(), *offsets = cJSON_CreateArray();
    bool good =
        e && shape && offsets && cJSON_AddStringToObject(e, "dtype", tg_dtype_name(item->dtype));
    for (int i = 0; i < item->ndim && good; i++) {
        good = cJSON_AddItemToArray(shape, cJSON_CreateNumber((double)item->dim[i]));
    }
    good = good && cJSON_AddItemToArray(offsets, cJSON_CreateNumber((double)begin)) &&
           cJSON_AddItemToArray(offsets, cJSON_CreateNumber((double)(begin + item->bytes)));
    if (!good) {
        cJSON_Delete(e);
        cJSON_Delete(shape);
        cJSON_Delete(offsets);
        return NULL;
    }
    cJSON_AddItemToObject(e, "shape", shape);
    cJSON_AddItemToObject(e, "data_offsets", offsets);
    return e;
}

static char *header_text(const tg_st_writer *w, const tg_st_item *items) {
    cJSON *root = cJSON_CreateObject();
    bool good = root != NULL;
    if (good && tg_json_count(w->meta) > 0) {
        cJSON *meta = cJSON_Duplicate((const cJSON *)w->meta, true);
        good = meta && cJSON_AddItemToObject(root, "__metadata__", meta);
    }
    size_t at = 0;
    for (int i = 0; i < w->count && good; i++) {
        cJSON *e = entry(&items[i], at);
        good = e && cJSON_AddItemToObject(root, items[i].name, e);
        at += items[i].bytes;
    }
    char *text = good ? cJSON_PrintUnformatted(root) : NULL;
    cJSON_Delete(root);
    return text;
}

static tg_status write_all(tg_context *ctx, tg_temp *temp, const char *header,
                           const tg_st_item *items, int count) {
    size_t length = strlen(header);
    size_t padding = (64 - (8 + length) % 64) % 64;
    uint64_t n = length + padding;
    uint8_t prefix[8];
    for (int i = 0; i < 8; i++) {
        prefix[i] = (uint8_t)(n >> 8 * i);
    }
    char spaces[64];
    memset(spaces, ' ', sizeof spaces);
    tg_status status = tg_temp_write(ctx, temp, prefix, sizeof prefix);
    if (status == TG_OK) {
        status = tg_temp_write(ctx, temp, header, length);
    }
    if (status == TG_OK) {
        status = tg_temp_write(ctx, temp, spaces, padding);
    }
    for (int i = 0; i < count && status == TG_OK; i++) {
        status = tg_temp_write(ctx, temp, items[i].data, items[i].bytes);
    }
    return status;
}

tg_status tg_st_write(tg_context *ctx, tg_st_writer *w, const char *path) {
    if (w->count) {
        qsort(w->items, (size_t)w->count, sizeof *w->items, compare_width);
    }
    char *header = header_text(w, w->items);
    if (!header) {
        return tg_fail(ctx, TG_ENOMEM, "%s: not enough memory for its header", path);
    }
    tg_temp temp;
    tg_status status = tg_temp_open(ctx, path, &temp);
    if (status == TG_OK) {
        status = write_all(ctx, &temp, header, w->items, w->count);
        if (status == TG_OK) {
            status = tg_temp_commit(ctx, &temp);
        } else {
            tg_temp_abort(&temp);
        }
    }
    cJSON_free(header);
    return status;
}
