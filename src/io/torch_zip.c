/* Zip archives: torch.save's container since PyTorch 1.6, and .npz.
 *
 * libzip reads the directory. torch.save stores without compression, so that a storage is a piece
 * of the mapped file: its place is where libzip reads when asked for its first byte. */
#include "io/torch.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <zip.h>

/* Reads that libzip may make to open an archive; it makes at least one for each entry beyond the
 * first 64 KiB of the directory, and keeps about 300 bytes for each. */
enum { MAX_OPENING_READS = 200000 };

/* The mapped file as libzip sees it. */
typedef struct {
    const tg_map *map;
    size_t at, last_read, reads;
    bool opened;
    zip_error_t error;
} window;

static zip_int64_t window_read(window *w, void *data, zip_uint64_t length) {
    if (!w->opened && ++w->reads > MAX_OPENING_READS) {
        zip_error_set(&w->error, ZIP_ER_MEMORY, 0);
        return -1;
    }
    size_t left = w->map->bytes - w->at;
    size_t n = length < left ? (size_t)length : left;
    w->last_read = w->at;
    memcpy(data, w->map->data + w->at, n);
    w->at += n;
    return (zip_int64_t)n;
}

static zip_int64_t window_callback(void *user, void *data, zip_uint64_t length,
                                   zip_source_cmd_t command) {
    window *w = user;
    switch (command) {
    case ZIP_SOURCE_OPEN:
        w->at = 0;
        return 0;
    case ZIP_SOURCE_READ:
        return window_read(w, data, length);
    case ZIP_SOURCE_SEEK: {
        zip_int64_t to =
            zip_source_seek_compute_offset(w->at, w->map->bytes, data, length, &w->error);
        if (to < 0) {
            return -1;
        }
        w->at = (size_t)to;
        return 0;
    }
    case ZIP_SOURCE_TELL:
        return (zip_int64_t)w->at;
    case ZIP_SOURCE_STAT: {
        zip_stat_t *st = data;
        zip_stat_init(st);
        st->size = w->map->bytes;
        st->valid |= ZIP_STAT_SIZE;
        return sizeof *st;
    }
    case ZIP_SOURCE_ERROR:
        return zip_error_to_data(&w->error, data, length);
    case ZIP_SOURCE_SUPPORTS:
        return ZIP_SOURCE_SUPPORTS_SEEKABLE;
    case ZIP_SOURCE_CLOSE:
    case ZIP_SOURCE_FREE:
        return 0;
    default:
        zip_error_set(&w->error, ZIP_ER_OPNOTSUPP, 0);
        return -1;
    }
}

typedef struct {
    tg_context *ctx;
    tg_torch *file;
    window window;
    zip_t *zip;
    char *prefix; /* folder of the archive, with its slash */
} archive;

static tg_status damaged(const archive *a, const char *name, const char *what,
                         const char *expected) {
    return tg_fail(a->ctx, TG_EMODEL,
                   "%s: %.200s%s%s\n  expected: %s\n  try: copy or download the file again",
                   a->file->path, name ? name : "", name ? ": " : "", what, expected);
}

/* What libzip could not do, which need not be the archive's fault. */
static tg_status refused(const archive *a, const char *name, zip_error_t *why, const char *what,
                         const char *expected) {
    return zip_error_code_zip(why) == ZIP_ER_MEMORY
               ? tg_fail(a->ctx, TG_ENOMEM, "%s: not enough memory for the archive", a->file->path)
               : damaged(a, name, what, expected);
}

/* Where the contents of a stored entry lie. */
static tg_status locate(archive *a, zip_uint64_t index, const zip_stat_t *st,
                        const uint8_t **data) {
    const tg_map *map = &a->file->map;
    *data = map->data;
    if (st->size == 0) {
        return TG_OK;
    }
    zip_file_t *f = zip_fopen_index(a->zip, index, ZIP_FL_COMPRESSED);
    uint8_t first = 0;
    bool read = f && zip_fread(f, &first, 1) == 1;
    size_t at = a->window.last_read;
    tg_status status = TG_OK;
    if (!read || st->size > map->bytes - at || map->data[at] != first) {
        status = refused(a, st->name, f ? zip_file_get_error(f) : zip_get_error(a->zip),
                         "its contents do not lie in the file", "a whole archive");
    }
    if (f) {
        zip_fclose(f);
    }
    *data = map->data + at;
    return status;
}

/* The contents of an entry: in the file if stored, else unpacked within the memory limit. */
static tg_status contents(archive *a, zip_uint64_t index, bool unpack, const uint8_t **data,
                          size_t *bytes) {
    zip_stat_t st;
    const zip_uint64_t need = ZIP_STAT_NAME | ZIP_STAT_SIZE | ZIP_STAT_COMP_SIZE |
                              ZIP_STAT_COMP_METHOD | ZIP_STAT_ENCRYPTION_METHOD;
    zip_stat_init(&st);
    if (zip_stat_index(a->zip, index, 0, &st) != 0 || (st.valid & need) != need ||
        st.encryption_method != ZIP_EM_NONE || st.size > SIZE_MAX / 2) {
        return damaged(a, NULL, "an entry that cannot be read", "plain or compressed entries");
    }
    *bytes = (size_t)st.size;
    if (st.comp_method == ZIP_CM_STORE) {
        if (st.comp_size != st.size) {
            return damaged(a, st.name, "two lengths that differ", "a stored entry");
        }
        return locate(a, index, &st, data);
    }
    if (!unpack || st.comp_method != ZIP_CM_DEFLATE) {
        return damaged(a, st.name, "a compressed entry", "stored entries, as torch.save writes");
    }
    uint8_t *to = tg_pk_alloc(&a->file->pool, *bytes + 1);
    if (!to) {
        return tg_fail(a->ctx, TG_ENOMEM,
                       "%s: %.200s unpacks to %zu bytes, more than this file may use\n"
                       "  expected: data that shrinks to a third at best\n  try: numpy.savez",
                       a->file->path, st.name, *bytes);
    }
    zip_file_t *f = zip_fopen_index(a->zip, index, 0);
    bool whole = f && zip_fread(f, to, st.size) == (zip_int64_t)st.size;
    /* The checksum is compared at the end of the stream. */
    uint8_t more;
    whole = whole && zip_fread(f, &more, 1) == 0;
    tg_status status = TG_OK;
    if (!whole) {
        status = refused(a, st.name, f ? zip_file_get_error(f) : zip_get_error(a->zip),
                         "it cannot be unpacked", "an undamaged entry");
    }
    if (f) {
        zip_fclose(f);
    }
    *data = to;
    return status;
}

/* ---- torch.save --------------------------------------------------------------------------- */

/* Index of an entry in the archive's folder, -1 when absent. */
static zip_int64_t in_folder(const archive *a, const char *name, const char *key) {
    char path[512];
    int n = snprintf(path, sizeof path, "%s%s%s", a->prefix, name, key);
    return n < (int)sizeof path ? zip_name_locate(a->zip, path, ZIP_FL_ENC_RAW) : -1;
}

static tg_status read_storage(archive *a, pk_storage *s) {
    zip_int64_t index = in_folder(a, "data/", s->key->data);
    if (index < 0) {
        return damaged(a, s->key->data, "the data of this storage is missing", "a whole archive");
    }
    size_t bytes, needed = (size_t)s->count * s->size; /* checked when the storage was named */
    tg_status status = contents(a, (zip_uint64_t)index, false, &s->data, &bytes);
    if (status == TG_OK && bytes < needed) {
        return tg_fail(a->ctx, TG_EMODEL,
                       "%s: storage %.200s has %zu bytes\n  expected: %zu bytes (%" PRId64
                       " elements of a %s)\n  try: copy or download the file again",
                       a->file->path, s->key->data, bytes, needed, s->count, s->name);
    }
    return status;
}

static tg_status read_torch(archive *a, zip_uint64_t pickle_index) {
    const uint8_t *data;
    size_t bytes, used;
    zip_int64_t order = in_folder(a, "byteorder", "");
    a->file->container = "PyTorch zip";
    if (order >= 0) {
        tg_status status = contents(a, (zip_uint64_t)order, false, &data, &bytes);
        if (status != TG_OK) {
            return status;
        }
        if (bytes != 6 || memcmp(data, "little", 6) != 0) {
            return damaged(a, NULL, "numbers of a big-endian machine", "byteorder little");
        }
    }
    tg_status status = contents(a, pickle_index, false, &data, &bytes);
    if (status == TG_OK) {
        status = tg_pk_run(a->ctx, &a->file->pool, a->file->path, data, bytes,
                           (size_t)(data - a->file->map.data), &a->file->root, &used);
    }
    for (pk_storage *s = a->file->pool.storages; s && status == TG_OK; s = s->next) {
        status = read_storage(a, s);
    }
    return status;
}

/* ---- .npz ------------------------------------------------------------------------------------ */

static tg_status read_member(archive *a, zip_uint64_t index, const char *name, pk_list *dict) {
    pk_pool *pool = &a->file->pool;
    size_t bytes, length = strlen(name) - 4; /* without .npy */
    const uint8_t *data;
    tg_status status = contents(a, index, true, &data, &bytes);
    if (status != TG_OK) {
        return status;
    }
    char path[512];
    snprintf(path, sizeof path, "%.300s: %.200s", a->file->path, name);
    bool bad, mapped = data >= a->file->map.data && data < a->file->map.data + a->file->map.bytes;
    pk_value value, key = {.kind = PK_STRING, .as.text = tg_pk_text_new(pool, name, length)};
    status = tg_torch_read_npy(a->ctx, pool, path, data, bytes,
                               mapped ? (size_t)(data - a->file->map.data) : 0, &value);
    if (status == TG_OK && (!key.as.text || !tg_pk_dict_add(pool, dict, &key, &value, &bad))) {
        status = tg_fail(a->ctx, TG_ENOMEM, "%s: not enough memory", a->file->path);
    }
    return status;
}

static tg_status read_npz(archive *a) {
    pk_list *dict = tg_pk_list_new(&a->file->pool);
    zip_int64_t count = zip_get_num_entries(a->zip, 0);
    a->file->container = "NumPy npz";
    a->file->root = (pk_value){.kind = PK_DICT, .as.list = dict};
    tg_status status =
        dict ? TG_OK : tg_fail(a->ctx, TG_ENOMEM, "%s: not enough memory", a->file->path);
    for (zip_int64_t i = 0; i < count && status == TG_OK; i++) {
        const char *name = zip_get_name(a->zip, (zip_uint64_t)i, ZIP_FL_ENC_RAW);
        size_t n = name ? strlen(name) : 0;
        if (n < 5 || strcmp(name + n - 4, ".npy") != 0) {
            return damaged(a, name, "neither torch.save's nor NumPy's",
                           "data.pkl in a folder, or arrays named *.npy");
        }
        status = read_member(a, (zip_uint64_t)i, name, dict);
    }
    return status;
}

/* ---- both ------------------------------------------------------------------------------------ */

static tg_status read_archive(archive *a) {
    zip_int64_t count = zip_get_num_entries(a->zip, 0);
    for (zip_int64_t i = 0; i < count; i++) {
        const char *name = zip_get_name(a->zip, (zip_uint64_t)i, ZIP_FL_ENC_RAW);
        const char *slash = name ? strchr(name, '/') : NULL;
        if (slash && strcmp(slash, "/data.pkl") == 0) {
            size_t n = (size_t)(slash - name) + 1;
            a->prefix = tg_pk_alloc(&a->file->pool, n + 1);
            if (!a->prefix) {
                return tg_fail(a->ctx, TG_ENOMEM, "%s: not enough memory", a->file->path);
            }
            memcpy(a->prefix, name, n);
            return read_torch(a, (zip_uint64_t)i);
        }
    }
    return read_npz(a);
}

tg_status tg_torch_read_zip(tg_context *ctx, tg_torch *file) {
    archive a = {.ctx = ctx, .file = file, .window = {.map = &file->map}};
    zip_error_t error;
    zip_error_init(&error);
    zip_error_init(&a.window.error);
    zip_source_t *source = zip_source_function_create(window_callback, &a.window, &error);
    a.zip = source ? zip_open_from_source(source, ZIP_RDONLY, &error) : NULL;
    a.window.opened = true;
    tg_status status;
    if (a.zip) {
        status = read_archive(&a);
        zip_discard(a.zip);
    } else {
        status = refused(&a, NULL, &error, zip_error_strerror(&error),
                         "a whole zip archive; its directory is at the end of the file");
        zip_source_free(source);
    }
    zip_error_fini(&error);
    zip_error_fini(&a.window.error);
    return status;
}
