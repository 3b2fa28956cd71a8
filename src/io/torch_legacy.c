/* torch.save's container before PyTorch 1.6, which GeneFace still writes: five pickles (a magic
 * number, the version, facts of the writing system, the object, the keys of its storages), then
 * for each key an int64 count and the elements. A pickle without the magic is taken for itself. */
#include "io/torch.h"

#include <inttypes.h>
#include <string.h>

enum { VERSION = 1001 };

static tg_status damaged(tg_context *ctx, const tg_torch *file, size_t at, const char *what,
                         const char *expected) {
    return tg_fail(ctx, TG_EMODEL,
                   "%s: %s at byte %zu\n  expected: %s\n  try: copy or download the file again",
                   file->path, what, at, expected);
}

static tg_status next_pickle(tg_context *ctx, tg_torch *file, size_t *at, pk_value *out) {
    size_t used;
    tg_status status = tg_pk_run(ctx, &file->pool, file->path, file->map.data + *at,
                                 file->map.bytes - *at, *at, out, &used);
    *at += used;
    return status;
}

static bool is_magic(const pk_value *v) {
    static const char magic[] = "\x6c\xfc\x9c\x46\xf9\x20\x6a\xa8\x50\x19"; /* 0x1950a8... */
    return v->kind == PK_LONG && v->as.text->bytes == sizeof magic - 1 &&
           memcmp(v->as.text->data, magic, sizeof magic - 1) == 0;
}

static tg_status read_preamble(tg_context *ctx, tg_torch *file, size_t *at) {
    pk_value version, system;
    size_t start = *at;
    tg_status status = next_pickle(ctx, file, at, &version);
    if (status != TG_OK) {
        return status;
    }
    if (version.kind != PK_INT || version.as.i != VERSION) {
        return damaged(ctx, file, start, "an unknown version of the container", "version 1001");
    }
    start = *at;
    status = next_pickle(ctx, file, at, &system);
    if (status == TG_OK && !tg_torch_bool(tg_torch_get(&system, "little_endian"), true)) {
        return damaged(ctx, file, start, "numbers of a big-endian machine", "little-endian data");
    }
    return status;
}

static pk_storage *find_storage(const pk_pool *pool, const pk_text *key) {
    pk_storage *s = pool->slot[tg_hash_bytes(key->data, key->bytes, 0) % (uint64_t)PK_SLOTS];
    while (s && strcmp(s->key->data, key->data) != 0) {
        s = s->same_slot;
    }
    return s;
}

static tg_status read_storage(tg_context *ctx, tg_torch *file, const pk_value *key, size_t *at) {
    pk_storage *s = key->kind == PK_STRING ? find_storage(&file->pool, key->as.text) : NULL;
    if (!s || s->data) {
        return damaged(ctx, file, *at, "a storage that no tensor names, or one that comes twice",
                       "the storages of the tensors, once each");
    }
    size_t left = file->map.bytes - *at;
    size_t bytes = (size_t)s->count * s->size; /* checked when the storage was named */
    if (left < 8) {
        return damaged(ctx, file, *at, "truncated: the file ends", "the length of a storage");
    }
    if (tg_get_u64(file->map.data + *at) != (uint64_t)s->count) {
        return damaged(ctx, file, *at, "a storage whose length differs from the one in the pickle",
                       "equal lengths");
    }
    if (left - 8 < bytes) {
        return tg_fail(ctx, TG_EMODEL,
                       "%s: truncated, %zu bytes of storage %s are missing\n"
                       "  expected: %zu bytes from byte %zu\n"
                       "  try: copy or download the file again",
                       file->path, bytes - (left - 8), s->key->data, bytes, *at + 8);
    }
    s->data = file->map.data + *at + 8;
    *at += 8 + bytes;
    return TG_OK;
}

tg_status tg_torch_read_legacy(tg_context *ctx, tg_torch *file) {
    pk_value first, keys = {.kind = PK_NONE};
    size_t at = 0, keys_at = 0;
    file->container = "PyTorch legacy";
    tg_status status = next_pickle(ctx, file, &at, &first);
    if (status == TG_OK && !is_magic(&first)) {
        file->container = "Python pickle";
        file->root = first;
    } else if (status == TG_OK) {
        status = read_preamble(ctx, file, &at);
        if (status == TG_OK) {
            status = next_pickle(ctx, file, &at, &file->root);
        }
        keys_at = at;
        if (status == TG_OK) {
            status = next_pickle(ctx, file, &at, &keys);
        }
        if (status == TG_OK && keys.kind != PK_LIST) {
            return damaged(ctx, file, keys_at, "no list of storages", "the keys of the storages");
        }
    }
    for (size_t i = 0; status == TG_OK && keys.kind == PK_LIST && i < keys.as.list->count; i++) {
        status = read_storage(ctx, file, &keys.as.list->item[i], &at);
    }
    for (const pk_storage *s = file->pool.storages; s && status == TG_OK; s = s->next) {
        if (!s->data) {
            return damaged(ctx, file, at, "the data of a tensor is missing",
                           "one storage for each that the pickle names");
        }
    }
    return status;
}
