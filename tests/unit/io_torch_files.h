/* What the tests of the PyTorch reader share: pickles and containers written byte by byte. */
#ifndef TALKGEN_TESTS_IO_TORCH_FILES_H
#define TALKGEN_TESTS_IO_TORCH_FILES_H

#include "io_test.h"

#include <zip.h>

/* ---- a writer of pickles ------------------------------------------------------------- */

#define RAW(literal) literal, sizeof literal - 1

typedef struct {
    uint8_t data[8192];
    size_t n;
} pickle;

static inline void raw(pickle *p, const void *bytes, size_t n) {
    assert_true(p->n + n <= sizeof p->data);
    memcpy(p->data + p->n, bytes, n);
    p->n += n;
}

#define PICKLE pickle
#include "../pickle_ops.h"

static inline void proto(pickle *p, int version) {
    raw(p, (uint8_t[]){0x80, (uint8_t)version}, 2);
}

static inline void tuple(pickle *p, int n, const int64_t *values) {
    op(p, "(");
    for (int i = 0; i < n; i++) {
        number(p, values[i]);
    }
    op(p, "t");
}

static inline void storage(pickle *p, const char *type, const char *key, int64_t count) {
    op(p, "(");
    text(p, "storage");
    global(p, "torch", type);
    text(p, key);
    text(p, "cpu");
    number(p, count);
    op(p, "tQ");
}

static inline void tensor(pickle *p, const char *type, const char *key, int64_t count,
                          int64_t offset, int ndim, const int64_t *dim, const int64_t *stride) {
    global(p, "torch._utils", "_rebuild_tensor_v2");
    op(p, "(");
    storage(p, type, key, count);
    number(p, offset);
    tuple(p, ndim, dim);
    tuple(p, ndim, stride);
    op(p, "\x89"); /* requires_grad */
    global(p, "collections", "OrderedDict");
    op(p, ")RtR");
}

static inline void put_pickle(const char *name, const pickle *p) {
    put_file(in_folder(name), p->data, p->n);
}

/* The four storages of `checkpoint`. */
static const float floats[6] = {0, 1, 2, 3, 4, 5};
static const int64_t longs[1] = {-7};
static const uint16_t halves[4] = {0x3c00, 0x4000, 0xc200, 0x0000};
static const uint16_t bfloats[2] = {0x3f80, 0xc040};
static const struct {
    const char *key, *type;
    const void *data;
    int64_t count;
    size_t bytes;
} storages[] = {
    {"0", "FloatStorage", floats, 6, sizeof floats},
    {"1", "LongStorage", longs, 1, sizeof longs},
    {"2", "HalfStorage", halves, 4, sizeof halves},
    {"3", "BFloat16Storage", bfloats, 2, sizeof bfloats},
};
enum { STORAGES = 4 };

#define DIMS(...)                                                                                  \
    (const int64_t[]) {                                                                            \
        __VA_ARGS__                                                                                \
    }

/* {epoch, best, state_dict: {model: {a.weight, a.t, part, n, h, b, p, wide}}} */
static inline void checkpoint(pickle *p) {
    proto(p, 2);
    op(p, "}(");
    text(p, "epoch");
    number(p, 3);
    text(p, "best");
    real(p, 0.25);
    text(p, "state_dict");
    op(p, "}(");
    text(p, "model");
    global(p, "collections", "OrderedDict");
    op(p, ")R(");
    text(p, "a.weight");
    tensor(p, "FloatStorage", "0", 6, 0, 2, DIMS(2, 3), DIMS(3, 1));
    text(p, "a.t"); /* the same storage, transposed */
    tensor(p, "FloatStorage", "0", 6, 0, 2, DIMS(3, 2), DIMS(1, 3));
    text(p, "part");
    tensor(p, "FloatStorage", "0", 6, 1, 2, DIMS(2, 2), DIMS(3, 1));
    text(p, "n");
    tensor(p, "LongStorage", "1", 1, 0, 0, NULL, NULL);
    text(p, "h");
    tensor(p, "HalfStorage", "2", 4, 0, 1, DIMS(4), DIMS(1));
    text(p, "b");
    tensor(p, "BFloat16Storage", "3", 2, 0, 1, DIMS(2), DIMS(1));
    text(p, "p");
    global(p, "torch._utils", "_rebuild_parameter");
    op(p, "(");
    tensor(p, "FloatStorage", "0", 6, 3, 1, DIMS(3), DIMS(1));
    op(p, "\x88}tR");
    text(p, "wide"); /* expand(2, 3) of one row */
    tensor(p, "FloatStorage", "0", 6, 0, 2, DIMS(2, 3), DIMS(0, 1));
    text(p, "empty");
    tensor(p, "FloatStorage", "0", 6, 0, 2, DIMS(0, 3), DIMS(3, 1));
    op(p, "uuu.");
}

static inline void legacy(pickle *p) {
    proto(p, 2);
    raw(p, RAW("\x8a\x0a\x6c\xfc\x9c\x46\xf9\x20\x6a\xa8\x50\x19."));
    proto(p, 2);
    raw(p, RAW("M\xe9\x03."));
    proto(p, 2);
    op(p, "}(");
    text(p, "little_endian");
    op(p, "\x88u.");
    checkpoint(p);
    proto(p, 2);
    op(p, "](");
    for (int i = 0; i < STORAGES; i++) {
        text(p, storages[i].key);
    }
    op(p, "e.");
    for (int i = 0; i < STORAGES; i++) {
        little(p, (uint64_t)storages[i].count, 8);
        raw(p, storages[i].data, storages[i].bytes);
    }
}

/* ---- a writer of archives -------------------------------------------------------------- */

typedef struct {
    const char *name;
    const void *data;
    size_t bytes;
    bool packed;
} member;

static inline void put_zip(const char *name, const member *members, int count) {
    const char *path = in_folder(name);
    remove(path);
    zip_t *zip = zip_open(path, ZIP_CREATE, NULL);
    assert_non_null(zip);
    for (int i = 0; i < count; i++) {
        zip_source_t *source = zip_source_buffer(zip, members[i].data, members[i].bytes, 0);
        zip_int64_t at = zip_file_add(zip, members[i].name, source, 0);
        assert_true(at >= 0);
        assert_int_equal(zip_set_file_compression(zip, (zip_uint64_t)at,
                                                  members[i].packed ? ZIP_CM_DEFLATE : ZIP_CM_STORE,
                                                  0),
                         0);
    }
    assert_int_equal(zip_close(zip), 0);
}

static inline void put_torch_zip(const char *name, const pickle *p) {
    member members[STORAGES + 2] = {{"m/data.pkl", p->data, p->n, false},
                                    {"m/byteorder", "little", 6, false}};
    char names[STORAGES][32];
    for (int i = 0; i < STORAGES; i++) {
        snprintf(names[i], sizeof names[i], "m/data/%s", storages[i].key);
        members[i + 2] = (member){names[i], storages[i].data, storages[i].bytes, false};
    }
    put_zip(name, members, STORAGES + 2);
}

#endif
