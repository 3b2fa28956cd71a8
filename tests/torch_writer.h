/* Files as torch.save and numpy write them, for tests: pickles, and checkpoints in both containers.
 *
 *     checkpoint *c = begin_checkpoint();       a dict is open
 *     put_tensor(c, "a.weight", "Float", 2, dim, data, sizeof(float));
 *     c->pickle: end with "u." what is open
 *     bytes file = legacy_container(c);          or zip_container; c is freed
 */
#ifndef TALKGEN_TESTS_TORCH_WRITER_H
#define TALKGEN_TESTS_TORCH_WRITER_H

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <zip.h>

enum { MAX_STORAGES = 4096 };

/* ---- pickles ------------------------------------------------------------------------------ */

typedef struct {
    uint8_t *data;
    size_t n, room;
} bytes;

static inline void raw(bytes *b, const void *data, size_t n) {
    if (b->n + n > b->room) {
        b->room = 2 * (b->n + n);
        b->data = realloc(b->data, b->room);
    }
    memcpy(b->data + b->n, data, n);
    b->n += n;
}

#define PICKLE bytes
#include "pickle_ops.h"

static inline void sizes(bytes *b, int ndim, const int64_t *dim) {
    op(b, "(");
    for (int i = 0; i < ndim; i++)
        number(b, dim[i]);
    op(b, "t");
}

/* ---- NumPy objects -------------------------------------------------------------------------- */

/* dtype('f4') and its kind */
static inline void put_dtype(bytes *p, const char *name) {
    global(p, "numpy", "dtype");
    op(p, "(");
    text(p, name);
    op(p, "\x89\x88tR(");
    number(p, 3);
    text(p, name[0] == 'O' || name[1] == '1' ? "|" : "<");
    op(p, "NNN");
    number(p, -1);
    number(p, -1);
    number(p, name[0] == 'O' ? 63 : 0);
    op(p, "tb");
}

static inline void begin_array(bytes *p, int ndim, const int64_t *dim, const char *dtype) {
    global(p, "numpy.core.multiarray", "_reconstruct");
    op(p, "(");
    global(p, "numpy", "ndarray");
    op(p, "(");
    number(p, 0);
    op(p, "tC\x01"
          "btR(");
    number(p, 1);
    sizes(p, ndim, dim);
    put_dtype(p, dtype);
    op(p, "\x89");
}

static inline void put_array(bytes *p, const char *key, int ndim, const int64_t *dim,
                             const char *dtype, const void *data, size_t element) {
    size_t n = element;
    for (int i = 0; i < ndim; i++)
        n *= (size_t)dim[i];
    text(p, key);
    begin_array(p, ndim, dim, dtype);
    op(p, "B");
    little(p, n, 4);
    raw(p, data, n);
    op(p, "tb");
}

/* A .npy of one pickled object, as numpy.save writes a dict. */
static inline void object_npy(bytes *file, const bytes *pickle) {
    char header[128];
    int n =
        snprintf(header, sizeof header, "{'descr': '|O', 'fortran_order': False, 'shape': (), }");
    memset(header + n, ' ', (size_t)(117 - n));
    header[117] = '\n';
    raw(file, "\x93NUMPY\x01\x00\x76\x00", 10);
    raw(file, header, 118);
    raw(file, pickle->data, pickle->n);
}

/* ---- checkpoints -------------------------------------------------------------------------- */

enum { FIRST_STORAGE = 94000000 };

typedef struct {
    bytes pickle;
    int count;
    int64_t numbers[MAX_STORAGES];
    bytes data[MAX_STORAGES];
} checkpoint;

/* Begins at a key of the dict that is open; type is "Float", "Long", "Int" or "Byte". */
static inline void put_tensor(checkpoint *c, const char *key, const char *type, int ndim,
                              const int64_t *dim, const void *data, size_t element) {
    bytes *p = &c->pickle;
    char storage[16], name[24];
    int64_t count = 1, stride[8] = {0};
    for (int i = ndim; i-- > 0; count *= dim[i])
        stride[i] = count;
    snprintf(storage, sizeof storage, "%d", FIRST_STORAGE + c->count);
    snprintf(name, sizeof name, "%sStorage", type);
    text(p, key);
    global(p, "torch._utils", "_rebuild_tensor_v2");
    op(p, "((");
    text(p, "storage");
    global(p, "torch", name);
    text(p, storage);
    text(p, "cuda:0");
    number(p, count);
    op(p, "NtQ");
    number(p, 0);
    sizes(p, ndim, dim);
    sizes(p, ndim, stride);
    op(p, "\x89");
    global(p, "collections", "OrderedDict");
    op(p, ")RtR");
    c->numbers[c->count] = count;
    raw(&c->data[c->count++], data, (size_t)count * element);
}

static inline void begin_dict(checkpoint *c, const char *key) {
    text(&c->pickle, key);
    global(&c->pickle, "collections", "OrderedDict");
    op(&c->pickle, ")R(");
}

static inline void end_dict(checkpoint *c) {
    op(&c->pickle, "u");
}

static inline void free_checkpoint(checkpoint *c) {
    for (int i = 0; i < c->count; i++)
        free(c->data[i].data);
    free(c->pickle.data);
    free(c);
}

/* torch.save(..., _use_new_zipfile_serialization=False); frees c, the caller frees the data. */
static inline bytes legacy_container(checkpoint *c) {
    bytes file = {0};
    op(&file, "\x80\x02\x8a\x0a\x6c\xfc\x9c\x46\xf9\x20\x6a\xa8\x50\x19."
              "\x80\x02M\xe9\x03."
              "\x80\x02}(");
    text(&file, "protocol_version");
    number(&file, 1001);
    text(&file, "little_endian");
    op(&file, "\x88u.");
    raw(&file, c->pickle.data, c->pickle.n);
    op(&file, "\x80\x02](");
    for (int i = 0; i < c->count; i++) {
        char storage[16];
        snprintf(storage, sizeof storage, "%d", FIRST_STORAGE + i);
        text(&file, storage);
    }
    op(&file, "e.");
    for (int i = 0; i < c->count; i++) {
        little(&file, (uint64_t)c->numbers[i], 8);
        raw(&file, c->data[i].data, c->data[i].n);
    }
    free_checkpoint(c);
    return file;
}

/* torch.save: an archive of data.pkl and one stored file for each storage. Frees c; false where the
 * file cannot be written. */
static inline bool zip_container(checkpoint *c, const char *path) {
    remove(path);
    zip_t *zip = zip_open(path, ZIP_CREATE, NULL);
    bool ok = zip != NULL;
    for (int i = -2; ok && i < c->count; i++) {
        char name[32];
        snprintf(name, sizeof name, "ngp/data/%d", FIRST_STORAGE + i);
        const bytes data = i >= 0    ? c->data[i]
                           : i == -1 ? (bytes){(uint8_t *)(uintptr_t) "little", 6, 6}
                                     : c->pickle;
        if (i < 0)
            strcpy(name, i == -1 ? "ngp/byteorder" : "ngp/data.pkl");
        zip_source_t *source = zip_source_buffer(zip, data.data, data.n, 0);
        zip_int64_t at = zip_file_add(zip, name, source, 0);
        ok = at >= 0 && zip_set_file_compression(zip, (zip_uint64_t)at, ZIP_CM_STORE, 0) == 0;
    }
    ok = zip && zip_close(zip) == 0 && ok;
    free_checkpoint(c);
    return ok;
}

#endif
