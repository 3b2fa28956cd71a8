/* safetensors, writing: tensors are collected (copied, referred to, or promised) and written in one
 * go. */
#include "talkgen/io.h"
#include "io/files.h"
#include "io/md5.h"

#include <cJSON.h>
#include <stdlib.h>
#include <string.h>

typedef struct {
    char *name;
    tg_dtype dtype;
    int ndim;
    int64_t dim[8];
    size_t bytes;
    void *owned; /* freed with the writer */
    const void *data;
    tg_st_fill_fn *fill; /* data does not exist yet */
    void *user;
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
        tg_free((*w)->items[i].owned);
    }
    tg_free((*w)->items);
    tg_json_destroy(&(*w)->meta);
    tg_free(*w);
    *w = NULL;
}

/* A new item, with room for its data when it is `owned`. NULL when that is impossible. */
static tg_st_item *add(tg_st_writer *w, const char *name, tg_dtype dtype, int ndim,
                       const int64_t *dim, bool owned, size_t *elements) {
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
    item->owned = owned ? tg_alloc(bytes) : NULL;
    item->data = item->owned;
    if (!item->name || (owned && !item->owned)) {
        tg_free(item->name);
        tg_free(item->owned);
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
    tg_st_item *item = add(w, name, dtype, ndim, dim, true, &n);
    if (!item) {
        return false;
    }
    if (dtype == TG_F32) {
        if (n) {
            memcpy(item->owned, data, item->bytes);
        }
        return true;
    }
    uint16_t *half = item->owned;
    for (size_t i = 0; i < n; i++) {
        half[i] = dtype == TG_F16 ? tg_f32_to_f16(data[i]) : tg_f32_to_bf16(data[i]);
    }
    return true;
}

bool tg_st_add_raw(tg_st_writer *w, const char *name, tg_dtype dtype, int ndim, const int64_t *dim,
                   const void *data) {
    size_t n;
    tg_st_item *item = add(w, name, dtype, ndim, dim, true, &n);
    if (item && item->bytes) {
        memcpy(item->owned, data, item->bytes);
    }
    return item != NULL;
}

bool tg_st_add_view(tg_st_writer *w, const char *name, tg_dtype dtype, int ndim, const int64_t *dim,
                    const void *data) {
    size_t n;
    tg_st_item *item = add(w, name, dtype, ndim, dim, false, &n);
    if (item) {
        item->data = data;
    }
    return item != NULL;
}

bool tg_st_add_later(tg_st_writer *w, const char *name, tg_dtype dtype, int ndim,
                     const int64_t *dim, tg_st_fill_fn *fill, void *user) {
    size_t n;
    tg_st_item *item = add(w, name, dtype, ndim, dim, false, &n);
    if (item) {
        item->fill = fill;
        item->user = user;
    }
    return item != NULL;
}

bool tg_st_add_meta(tg_st_writer *w, const char *key, const char *value) {
    return value && tg_json_set_string(w->meta, key, value) != NULL;
}

/* Stands for the hash in the header until all data is written. */
static const char no_hash[] = "00000000000000000000000000000000";

bool tg_st_add_hash(tg_st_writer *w) {
    return tg_st_add_meta(w, TG_ST_HASH, no_hash);
}

/* Wide elements first: with the data starting at a multiple of 64 every tensor stays aligned to
 * its element. The format has no room for padding between tensors, so those that would shift
 * what follows them off a multiple of 64 come last among their width. */
static int compare_place(const void *a, const void *b) {
    const tg_st_item *x = a, *y = b;
    size_t xs = tg_dtype_size(x->dtype), ys = tg_dtype_size(y->dtype);
    if (xs != ys) {
        return xs > ys ? -1 : 1;
    }
    bool odd_x = x->bytes % 64 != 0, odd_y = y->bytes % 64 != 0;
    return odd_x != odd_y ? odd_x - odd_y : (x->order > y->order) - (x->order < y->order);
}

/* Takes `child` in every case; key NULL for an array. */
static bool attach(cJSON *parent, const char *key, cJSON *child) {
    bool done = child && (key ? cJSON_AddItemToObject(parent, key, child)
                              : cJSON_AddItemToArray(parent, child));
    if (!done) {
        cJSON_Delete(child);
    }
    return done;
}

static cJSON *entry(const tg_st_item *item, size_t begin) {
    cJSON *e = cJSON_CreateObject();
    cJSON *shape = cJSON_CreateArray(), *offsets = cJSON_CreateArray();
    bool good = e && cJSON_AddStringToObject(e, "dtype", tg_dtype_name(item->dtype));
    for (int i = 0; i < item->ndim && good && shape; i++) {
        good = attach(shape, NULL, cJSON_CreateNumber((double)item->dim[i]));
    }
    good = good && offsets && attach(offsets, NULL, cJSON_CreateNumber((double)begin)) &&
           attach(offsets, NULL, cJSON_CreateNumber((double)(begin + item->bytes)));
    bool shaped = attach(e, "shape", shape), placed = attach(e, "data_offsets", offsets);
    if (!good || !shaped || !placed) {
        cJSON_Delete(e);
        return NULL;
    }
    return e;
}

static char *header_text(const tg_st_writer *w, const tg_st_item *items) {
    cJSON *root = cJSON_CreateObject();
    bool good = root != NULL;
    if (good && tg_json_count(w->meta) > 0) {
        good = attach(root, "__metadata__", cJSON_Duplicate((const cJSON *)w->meta, true));
    }
    size_t at = 0;
    for (int i = 0; i < w->count && good; i++) {
        good = attach(root, items[i].name, entry(&items[i], at));
        at += items[i].bytes;
    }
    char *text = good ? cJSON_PrintUnformatted(root) : NULL;
    cJSON_Delete(root);
    return text;
}

static tg_status write_item(tg_context *ctx, tg_temp *temp, const tg_st_item *item, tg_md5 *md5) {
    void *made = NULL;
    /* What has to be made first may take minutes and can be stopped. What is there is written: that
     * is how a training that is stopped keeps its state. */
    tg_status status = item->fill ? tg_cancelled(ctx) : TG_OK;
    if (status == TG_OK && item->fill) {
        made = tg_alloc(item->bytes);
        status = made ? item->fill(ctx, item->user, made)
                      : tg_fail(ctx, TG_ENOMEM, "%s: not enough memory for tensor %s (%zu bytes)",
                                temp->target, item->name, item->bytes);
    }
    const void *data = made ? made : item->data;
    if (status == TG_OK && md5 && item->bytes) {
        tg_md5_add(md5, data, item->bytes);
    }
    if (status == TG_OK) {
        status = tg_temp_write(ctx, temp, data, item->bytes);
    }
    tg_free(made);
    return status;
}

static tg_status write_all(tg_context *ctx, tg_temp *temp, const char *header,
                           const tg_st_item *items, int count, tg_md5 *md5) {
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
        status = write_item(ctx, temp, &items[i], md5);
    }
    /* An unescaped quote cannot occur inside a text, so this is found at the key alone. */
    const char *place = md5 ? strstr(header, "\"" TG_ST_HASH "\":\"") : NULL;
    if (status == TG_OK && place) {
        char hash[33];
        tg_md5_digest(md5, hash);
        size_t at = sizeof prefix + (size_t)(place - header) + strlen("\"" TG_ST_HASH "\":\"");
        status = tg_temp_write_at(ctx, temp, hash, 32, at);
    }
    return status;
}

tg_status tg_st_write(tg_context *ctx, tg_st_writer *w, const char *path) {
    if (w->count) {
        qsort(w->items, (size_t)w->count, sizeof *w->items, compare_place);
    }
    char *header = header_text(w, w->items);
    if (!header) {
        return tg_fail(ctx, TG_ENOMEM, "%s: not enough memory for its header", path);
    }
    const char *hash = tg_json_string(tg_json_get(w->meta, TG_ST_HASH), "");
    bool hashed = strcmp(hash, no_hash) == 0;
    tg_md5 *md5 = hashed ? tg_md5_create() : NULL;
    tg_temp temp;
    tg_status status = hashed && !md5 ? tg_fail(ctx, TG_ENOMEM, "%s: not enough memory", path)
                                      : tg_temp_open(ctx, path, &temp);
    if (status == TG_OK) {
        status = write_all(ctx, &temp, header, w->items, w->count, md5);
        if (status == TG_OK) {
            status = tg_temp_commit(ctx, &temp);
        } else {
            tg_temp_abort(&temp);
        }
    }
    tg_md5_destroy(&md5);
    cJSON_free(header);
    return status;
}
