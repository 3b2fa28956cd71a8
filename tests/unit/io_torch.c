/* PyTorch files and pickles: containers written here byte by byte, published-style files, pickles
 * that want to run code, truncations. */
#include "io_test.h"

#include <zip.h>

#if defined(__has_feature)
#if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer)
#define SANITIZED true
#endif
#endif
#if !defined(SANITIZED)
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define SANITIZED true
#else
#define SANITIZED false
#endif
#endif

/* ---- a writer of pickles ------------------------------------------------------------- */

#define RAW(literal) literal, sizeof literal - 1

typedef struct {
    uint8_t data[8192];
    size_t n;
} pickle;

static void raw(pickle *p, const void *bytes, size_t n) {
    assert_true(p->n + n <= sizeof p->data);
    memcpy(p->data + p->n, bytes, n);
    p->n += n;
}

static void op(pickle *p, const char *codes) {
    raw(p, codes, strlen(codes));
}

static void proto(pickle *p, int version) {
    raw(p, (uint8_t[]){0x80, (uint8_t)version}, 2);
}

static void little(pickle *p, uint64_t value, int width) {
    for (int i = 0; i < width; i++) {
        raw(p, &(uint8_t){(uint8_t)(value >> (8 * i))}, 1);
    }
}

static void text(pickle *p, const char *s) {
    op(p, "X");
    little(p, strlen(s), 4);
    op(p, s);
}

static void number(pickle *p, int64_t value) {
    op(p, "J");
    little(p, (uint64_t)value, 4);
}

static void real(pickle *p, double value) {
    uint64_t bits;
    memcpy(&bits, &value, sizeof bits);
    op(p, "G");
    for (int i = 7; i >= 0; i--) {
        raw(p, &(uint8_t){(uint8_t)(bits >> (8 * i))}, 1);
    }
}

static void global(pickle *p, const char *module, const char *name) {
    op(p, "c");
    op(p, module);
    op(p, "\n");
    op(p, name);
    op(p, "\n");
}

static void tuple(pickle *p, int n, const int64_t *values) {
    op(p, "(");
    for (int i = 0; i < n; i++) {
        number(p, values[i]);
    }
    op(p, "t");
}

static void storage(pickle *p, const char *type, const char *key, int64_t count) {
    op(p, "(");
    text(p, "storage");
    global(p, "torch", type);
    text(p, key);
    text(p, "cpu");
    number(p, count);
    op(p, "tQ");
}

static void tensor(pickle *p, const char *type, const char *key, int64_t count, int64_t offset,
                   int ndim, const int64_t *dim, const int64_t *stride) {
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

static void put_pickle(const char *name, const pickle *p) {
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
static void checkpoint(pickle *p) {
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

static void legacy(pickle *p) {
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

static void put_zip(const char *name, const member *members, int count) {
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

static void put_torch_zip(const char *name, const pickle *p) {
    member members[STORAGES + 2] = {{"m/data.pkl", p->data, p->n, false},
                                    {"m/byteorder", "little", 6, false}};
    char names[STORAGES][32];
    for (int i = 0; i < STORAGES; i++) {
        snprintf(names[i], sizeof names[i], "m/data/%s", storages[i].key);
        members[i + 2] = (member){names[i], storages[i].data, storages[i].bytes, false};
    }
    put_zip(name, members, STORAGES + 2);
}

/* ---- good files ---------------------------------------------------------------------------- */

static void expect(const tg_torch_value *root, const char *path, tg_dtype dtype, int ndim,
                   const int64_t *dim, const float *values) {
    const tg_torch_tensor *t = tg_torch_tensor_of(tg_torch_find(root, path));
    float out[8] = {0};
    assert_non_null(t);
    assert_int_equal(t->dtype, dtype);
    assert_int_equal(t->ndim, ndim);
    for (int i = 0; i < ndim; i++) {
        assert_int_equal(t->dim[i], dim[i]);
    }
    assert_true(t->count <= 8);
    tg_torch_read_f32(t, out);
    for (int64_t i = 0; i < t->count; i++) {
        assert_true(out[i] == values[i]);
    }
}

#define VALUES(...)                                                                                \
    (const float[]) {                                                                              \
        __VA_ARGS__                                                                                \
    }

static void check_checkpoint(const char *name, const char *container) {
    tg_torch *file;
    assert_true(tg_torch_recognise(in_folder(name)));
    assert_ok(tg_torch_open(ctx, in_folder(name), &file));
    assert_string_equal(tg_torch_container(file), container);
    const tg_torch_value *root = tg_torch_root(file);
    assert_int_equal(tg_torch_count(root), 3);
    assert_string_equal(tg_torch_key(root, 2), "state_dict");
    assert_true(tg_torch_number(tg_torch_get(root, "epoch"), -1) == 3);
    assert_true(tg_torch_number(tg_torch_get(root, "best"), -1) == 0.25);
    expect(root, "state_dict.model.a.weight", TG_F32, 2, DIMS(2, 3), floats);
    expect(root, "state_dict.model.a.t", TG_F32, 2, DIMS(3, 2), VALUES(0, 3, 1, 4, 2, 5));
    expect(root, "state_dict.model.part", TG_F32, 2, DIMS(2, 2), VALUES(1, 2, 4, 5));
    expect(root, "state_dict.model.n", TG_I64, 0, NULL, VALUES(-7));
    expect(root, "state_dict.model.h", TG_F16, 1, DIMS(4), VALUES(1, 2, -3, 0));
    expect(root, "state_dict.model.b", TG_BF16, 1, DIMS(2), VALUES(1, -3));
    expect(root, "state_dict.model.p", TG_F32, 1, DIMS(3), VALUES(3, 4, 5));
    expect(root, "state_dict.model.wide", TG_F32, 2, DIMS(2, 3), VALUES(0, 1, 2, 0, 1, 2));
    expect(root, "state_dict.model.empty", TG_F32, 2, DIMS(0, 3), NULL);
    uint16_t half[4];
    tg_torch_read_raw(tg_torch_tensor_of(tg_torch_find(root, "state_dict.model.h")), half);
    assert_memory_equal(half, halves, sizeof half);
    assert_null(tg_torch_find(root, "state_dict.model.a"));
    assert_null(tg_torch_find(root, "state_dict.model.absent"));
    float out[6];
    assert_ok(tg_torch_load(ctx, file, root, "state_dict.model.a.weight", 2, DIMS(-1, 3), out));
    assert_memory_equal(out, floats, sizeof floats);
    assert_int_equal(
        tg_torch_load(ctx, file, root, "state_dict.model.a.weight", 2, DIMS(-1, 4), out),
        TG_EMODEL);
    assert_message("state_dict.model.a.weight has shape [2, 3]");
    assert_message("expected: [*, 4]");
    assert_int_equal(tg_torch_load(ctx, file, root, "a.bias", 1, DIMS(2), out), TG_EMODEL);
    assert_message("a.bias is missing");
    /* The same as named tensors: dicts in dicts become one level, strides become C order. */
    tg_st *st;
    assert_ok(tg_st_from_torch(ctx, file, tg_torch_get(root, "state_dict"), &st));
    assert_int_equal(tg_st_count(st), 9);
    assert_ok(tg_st_load(ctx, st, "model.a.weight", 2, DIMS(2, 3), out));
    assert_memory_equal(out, floats, 6 * sizeof *out);
    assert_ok(tg_st_load(ctx, st, "model.a.t", 2, DIMS(3, 2), out));
    assert_true(out[0] == 0 && out[1] == 3 && out[2] == 1 && out[5] == 5);
    assert_ok(tg_st_load(ctx, st, "model.part", 2, DIMS(2, 2), out));
    assert_true(out[0] == 1 && out[1] == 2 && out[2] == 4 && out[3] == 5);
    assert_ok(tg_st_load(ctx, st, "model.wide", 2, DIMS(2, 3), out));
    assert_true(out[0] == 0 && out[2] == 2 && out[3] == 0 && out[5] == 2);
    assert_null(tg_st_find(st, "model.empty")->dim[0] ? st : NULL);
    assert_int_equal(tg_st_load(ctx, st, "model.a.weight", 2, DIMS(3, 2), out), TG_EMODEL);
    assert_message("[2, 3]");
    assert_int_equal(tg_st_load(ctx, st, "model.absent", 1, DIMS(1), out), TG_EMODEL);
    assert_message("model.absent is missing");
    tg_st_close(&st);
    assert_ok(tg_st_from_torch(ctx, file, tg_torch_find(root, "state_dict.model"), &st));
    assert_non_null(tg_st_find(st, "h"));
    tg_st_close(&st);
    assert_ok(tg_st_from_torch(ctx, file, tg_torch_get(root, "nothing"), &st));
    assert_int_equal(tg_st_count(st), 0);
    tg_st_close(&st);
    tg_torch_close(&file);
    assert_null(file);
}

static void both_containers(void **state) {
    (void)state;
    pickle p = {.n = 0}, object = {.n = 0};
    legacy(&p);
    put_pickle("model.ckpt", &p);
    check_checkpoint("model.ckpt", "PyTorch legacy");
    checkpoint(&object);
    put_torch_zip("model.pt", &object);
    check_checkpoint("model.pt", "PyTorch zip");
    empty_folder();
}

static const tg_torch_value *open_pickle(const pickle *p, tg_torch **file) {
    put_pickle("value.pkl", p);
    assert_ok(tg_torch_open(ctx, in_folder("value.pkl"), file));
    assert_string_equal(tg_torch_container(*file), "Python pickle");
    return tg_torch_root(*file);
}

/* Every opcode that makes a value, in the forms of protocols 2 to 5. */
static void plain_values(void **state) {
    (void)state;
    pickle p = {.n = 0};
    proto(&p, 4);
    raw(&p, RAW("\x95\0\0\0\0\0\0\0\0")); /* an empty frame */
    op(&p, "](");
    op(&p, "N\x88\x89");
    raw(&p, RAW("K\x05M\x01\x02J\xfe\xff\xff\xff"));
    raw(&p, RAW("\x8a\x01\xff\x8a\x00\x8b\x02\x00\x00\x00\x00\x01"));
    raw(&p, RAW("\x8a\x09\0\0\0\0\0\0\0\0\x01")); /* 2^64 */
    real(&p, -1.5);
    raw(&p, RAW("\x8c\x02hi\x8d\x02\0\0\0\0\0\0\0yo"));
    raw(&p, RAW("U\x01sT\x01\0\0\0t"));
    raw(&p, RAW("C\x02\0\xff"
                "B\x01\0\0\0z\x8e\x01\0\0\0\0\0\0\0y\x96\x01\0\0\0\0\0\0\0x"));
    raw(&p, RAW("K\x01\x85K\x01K\x02\x86K\x01K\x02K\x03\x87)"));
    raw(&p, RAW("\x8f(K\x01K\x02\x90(K\x09\x91(K\x01l"));
    raw(&p, RAW("(\x8c\x01kK\x07"
                "d"));
    raw(&p, RAW("K\x01"
                "20K\x01(K\x02K\x03"
                "1"));       /* DUP POP, and MARK .. POP_MARK */
    raw(&p, RAW("\x94h\0")); /* MEMOIZE BINGET */
    raw(&p, RAW("r\x05\0\0\0j\x05\0\0\0q\x06h\x06"));
    raw(&p, RAW("]K\x04"
                "a}\x8c\x01"
                "aK\x02s"));
    op(&p, "e.");
    tg_torch *file;
    const tg_torch_value *list = open_pickle(&p, &file);
    static const tg_torch_kind kinds[] = {
        TG_TORCH_NONE,   TG_TORCH_BOOL,   TG_TORCH_BOOL,   TG_TORCH_NUMBER, TG_TORCH_NUMBER,
        TG_TORCH_NUMBER, TG_TORCH_NUMBER, TG_TORCH_NUMBER, TG_TORCH_NUMBER, TG_TORCH_OTHER,
        TG_TORCH_NUMBER, TG_TORCH_STRING, TG_TORCH_STRING, TG_TORCH_STRING, TG_TORCH_STRING,
        TG_TORCH_BYTES,  TG_TORCH_BYTES,  TG_TORCH_BYTES,  TG_TORCH_BYTES,  TG_TORCH_LIST,
        TG_TORCH_LIST,   TG_TORCH_LIST,   TG_TORCH_LIST,   TG_TORCH_LIST,   TG_TORCH_LIST,
        TG_TORCH_LIST,   TG_TORCH_DICT,   TG_TORCH_NUMBER, TG_TORCH_NUMBER, TG_TORCH_NUMBER,
        TG_TORCH_NUMBER, TG_TORCH_NUMBER, TG_TORCH_LIST,   TG_TORCH_DICT};
    enum { N = sizeof kinds / sizeof kinds[0] };
    assert_int_equal(tg_torch_count(list), N);
    for (int i = 0; i < N; i++) {
        assert_int_equal(tg_torch_kind_of(tg_torch_at(list, i)), kinds[i]);
    }
    static const double numbers[] = {1, 0, 5, 513, -2, -1, 0, 256};
    for (int i = 0; i < 8; i++) {
        assert_true(tg_torch_number(tg_torch_at(list, i + 1), 99) == numbers[i]);
    }
    assert_true(tg_torch_bool(tg_torch_at(list, 1), false));
    assert_true(tg_torch_number(tg_torch_at(list, 10), 0) == -1.5);
    assert_string_equal(tg_torch_string(tg_torch_at(list, 11), ""), "hi");
    assert_string_equal(tg_torch_string(tg_torch_at(list, 12), ""), "yo");
    assert_int_equal(tg_torch_count(tg_torch_at(list, 21)), 3);
    assert_int_equal(tg_torch_count(tg_torch_at(list, 23)), 2);
    assert_true(tg_torch_number(tg_torch_find(list, "26.k"), 0) == 7);
    assert_true(tg_torch_number(tg_torch_find(list, "32.0"), 0) == 4);
    assert_true(tg_torch_number(tg_torch_find(list, "33.a"), 0) == 2);
    /* NULL and wrong kinds give the default. */
    assert_null(tg_torch_at(list, N));
    assert_null(tg_torch_at(NULL, 0));
    assert_null(tg_torch_key(list, 0));
    assert_null(tg_torch_get(list, "a"));
    assert_null(tg_torch_find(list, "x"));
    assert_null(tg_torch_find(list, "0.x"));
    assert_null(tg_torch_tensor_of(list));
    assert_true(tg_torch_number(list, 4) == 4);
    assert_true(tg_torch_bool(NULL, true));
    assert_string_equal(tg_torch_string(list, "none"), "none");
    assert_int_equal(tg_torch_kind_of(NULL), TG_TORCH_NONE);
    tg_torch_close(&file);
    empty_folder();
}

/* Calls of the whole list of names, one element each. */
static void known_names(void **state) {
    (void)state;
    pickle p = {.n = 0};
    proto(&p, 2);
    op(&p, "](");
    global(&p, "collections", "OrderedDict"); /* 0: from pairs, with the attributes of state_dict */
    op(&p, "](](");
    text(&p, "k");
    op(&p, "K\x01"
           "ee\x85R}");
    text(&p, "_metadata");
    op(&p, "}sb");
    global(&p, "collections", "defaultdict"); /* 1 */
    global(&p, "__builtin__", "list");
    op(&p, "\x85R");
    global(&p, "collections", "Counter"); /* 2 */
    op(&p, "}K\x02K\x03s\x85R");
    global(&p, "__builtin__", "set"); /* 3 */
    op(&p, "](K\x01K\x02"
           "e\x85R");
    global(&p, "builtins", "frozenset"); /* 4 */
    op(&p, ")R");
    global(&p, "builtins", "float"); /* 5 */
    real(&p, 2.5);
    op(&p, "\x85R");
    global(&p, "builtins", "int"); /* 6 */
    op(&p, ")R");
    global(&p, "torch", "Size"); /* 7 */
    op(&p, "K\x02K\x03\x86\x85R");
    global(&p, "torch", "device"); /* 8 */
    text(&p, "cpu");
    op(&p, "\x85R");
    global(&p, "torch", "float32");  /* 9 */
    global(&p, "_codecs", "encode"); /* 10 */
    text(&p, "\xc3\xbf");
    text(&p, "latin1");
    op(&p, "\x86R");
    global(&p, "builtins", "bytes"); /* 11 */
    op(&p, ")R");
    global(&p, "builtins", "bytearray"); /* 12 */
    raw(&p, RAW("C\x01x\x85R"));
    global(&p, "builtins", "bytearray"); /* 13 */
    text(&p, "x");
    text(&p, "latin-1");
    op(&p, "\x86\x81");                             /* NEWOBJ */
    raw(&p, RAW("\x8c\x05torch\x8c\x05int64\x93")); /* 14: STACK_GLOBAL */
    op(&p, "}\x88K\x01s}\x89K\x01s}");              /* 15-17: keys that are no text */
    real(&p, 0.5);
    op(&p, "K\x01s");
    op(&p, "e.");
    tg_torch *file;
    const tg_torch_value *list = open_pickle(&p, &file);
    assert_int_equal(tg_torch_count(list), 18);
    assert_true(tg_torch_number(tg_torch_find(list, "0.k"), 0) == 1);
    assert_int_equal(tg_torch_kind_of(tg_torch_at(list, 1)), TG_TORCH_DICT);
    assert_true(tg_torch_number(tg_torch_find(list, "2.2"), 0) == 3);
    assert_int_equal(tg_torch_count(tg_torch_at(list, 3)), 2);
    assert_int_equal(tg_torch_kind_of(tg_torch_at(list, 4)), TG_TORCH_LIST);
    assert_true(tg_torch_number(tg_torch_at(list, 5), 0) == 2.5);
    assert_true(tg_torch_number(tg_torch_at(list, 6), 9) == 0);
    assert_true(tg_torch_number(tg_torch_find(list, "7.1"), 0) == 3);
    assert_string_equal(tg_torch_string(tg_torch_at(list, 8), ""), "cpu");
    assert_string_equal(tg_torch_string(tg_torch_at(list, 9), ""), "torch.float32");
    for (int i = 10; i < 14; i++) {
        assert_int_equal(tg_torch_kind_of(tg_torch_at(list, i)), TG_TORCH_BYTES);
    }
    assert_string_equal(tg_torch_string(tg_torch_at(list, 14), ""), "torch.int64");
    assert_string_equal(tg_torch_key(tg_torch_at(list, 15), 0), "True");
    assert_string_equal(tg_torch_key(tg_torch_at(list, 16), 0), "False");
    assert_string_equal(tg_torch_key(tg_torch_at(list, 17), 0), "0.5");
    tg_torch_close(&file);
    empty_folder();
}

/* ---- NumPy ---------------------------------------------------------------------------------- */

static void dtype(pickle *p, const char *name, const char *order) {
    global(p, "numpy", "dtype");
    text(p, name);
    op(p, "\x89\x88\x87R(K\x03");
    text(p, order);
    op(p, "NNN");
    number(p, -1);
    number(p, -1);
    raw(p, RAW("K\0tb"));
}

/* Up to the data, which the caller adds before end_array. */
static void begin_array(pickle *p, const char *core, int ndim, const int64_t *dim, const char *name,
                        const char *order, bool fortran) {
    global(p, core, "_reconstruct");
    global(p, "numpy", "ndarray");
    raw(p, RAW("K\0\x85"
               "C\x01"
               "b\x87R(K\x01"));
    tuple(p, ndim, dim);
    dtype(p, name, order);
    op(p, fortran ? "\x88" : "\x89");
}

static void end_array(pickle *p) {
    op(p, "tb");
}

static void bytes(pickle *p, const void *data, size_t n) {
    op(p, "B");
    little(p, n, 4);
    raw(p, data, n);
}

static void put_npy(const char *name, const char *header, const void *data, size_t n) {
    pickle p = {.n = 0};
    raw(&p, RAW("\x93NUMPY\1\0"));
    little(&p, strlen(header), 2);
    op(&p, header);
    raw(&p, data, n);
    put_pickle(name, &p);
}

#define HEADER(descr, shape)                                                                       \
    "{'descr': '" descr "', 'fortran_order': False, 'shape': " shape ", }\n"

/* A 0-d array of objects around a dict, as GeneFace's trainval_dataset.npy. */
static void data_set(void **state) {
    (void)state;
    static const char core[] = "numpy.core.multiarray", new_core[] = "numpy._core.multiarray";
    pickle p = {.n = 0};
    proto(&p, 3);
    begin_array(&p, core, 0, NULL, "O8", "|", false);
    op(&p, "]}(");
    text(&p, "hubert");
    begin_array(&p, new_core, 2, DIMS(2, 2), "f4", "<", false);
    bytes(&p, floats, 16);
    end_array(&p);
    text(&p, "columns");
    begin_array(&p, core, 2, DIMS(2, 3), "f4", "<", true);
    bytes(&p, floats, 24);
    end_array(&p);
    text(&p, "latin");
    begin_array(&p, core, 1, DIMS(2), "u1", "|", false);
    global(&p, "_codecs", "encode");
    text(&p, "\x01\xc3\xbf");
    text(&p, "latin1");
    op(&p, "\x86R");
    end_array(&p);
    text(&p, "bools");
    begin_array(&p, core, 1, DIMS(2), "b1", "|", false);
    bytes(&p, "\1\0", 2);
    end_array(&p);
    text(&p, "words");
    begin_array(&p, core, 1, DIMS(1), "U3", "<", false);
    bytes(&p, "a\0\0\0b\0\0\0c\0\0\0", 12);
    end_array(&p);
    text(&p, "swapped");
    begin_array(&p, core, 1, DIMS(1), "f4", ">", false);
    bytes(&p, floats, 4);
    end_array(&p);
    const struct {
        const char *key, *type;
        const void *data;
        size_t bytes;
    } scalars[] = {{"H", "i8", (int64_t[]){512}, 8}, {"f4", "f4", (float[]){2.5f}, 4},
                   {"f8", "f8", (double[]){0.1}, 8}, {"f2", "f2", (uint16_t[]){0x3c00}, 2},
                   {"i2", "i2", (int16_t[]){-3}, 2}, {"i1", "i1", (int8_t[]){-4}, 1},
                   {"i4", "i4", (int32_t[]){-5}, 4}, {"u1", "u1", (uint8_t[]){200}, 1},
                   {"b1", "b1", (uint8_t[]){1}, 1},  {"c8", "c8", floats, 8}};
    for (size_t i = 0; i < sizeof scalars / sizeof scalars[0]; i++) {
        text(&p, scalars[i].key);
        global(&p, core, "scalar");
        dtype(&p, scalars[i].type, "<");
        bytes(&p, scalars[i].data, scalars[i].bytes);
        op(&p, "\x86R");
    }
    text(&p, "buffer");
    global(&p, "numpy.core.numeric", "_frombuffer");
    op(&p, "(");
    raw(&p, RAW("\x96\x08\0\0\0\0\0\0\0"));
    raw(&p, floats + 1, 8);
    dtype(&p, "f4", "<");
    op(&p, "K\x02\x85");
    text(&p, "C");
    op(&p, "tR");
    text(&p, "objects");
    begin_array(&p, core, 1, DIMS(2), "O8", "|", false);
    op(&p, "](K\x01K\x02"
           "e");
    end_array(&p);
    op(&p, "ua");
    end_array(&p);
    op(&p, ".");
    put_npy("trainval.npy", HEADER("|O", "()"), p.data, p.n);
    tg_torch *file;
    assert_ok(tg_torch_open(ctx, in_folder("trainval.npy"), &file));
    assert_string_equal(tg_torch_container(file), "NumPy npy");
    const tg_torch_value *root = tg_torch_root(file);
    assert_int_equal(tg_torch_kind_of(root), TG_TORCH_DICT);
    expect(root, "hubert", TG_F32, 2, DIMS(2, 2), floats);
    expect(root, "columns", TG_F32, 2, DIMS(2, 3), VALUES(0, 2, 4, 1, 3, 5));
    expect(root, "latin", TG_U8, 1, DIMS(2), VALUES(1, 255));
    expect(root, "bools", TG_BOOL, 1, DIMS(2), VALUES(1, 0));
    expect(root, "buffer", TG_F32, 1, DIMS(2), VALUES(1, 2));
    assert_int_equal(tg_torch_kind_of(tg_torch_get(root, "words")), TG_TORCH_OTHER);
    assert_string_equal(tg_torch_string(tg_torch_get(root, "words"), ""), "U3");
    assert_int_equal(tg_torch_kind_of(tg_torch_get(root, "swapped")), TG_TORCH_OTHER);
    static const double expected[] = {512, 2.5, 0.1, 1, -3, -4, -5, 200, 1};
    for (size_t i = 0; i < 9; i++) {
        assert_true(tg_torch_number(tg_torch_get(root, scalars[i].key), 99) == expected[i]);
    }
    assert_string_equal(tg_torch_string(tg_torch_get(root, "c8"), ""), "c8");
    assert_int_equal(tg_torch_count(tg_torch_get(root, "objects")), 2);
    assert_true(tg_torch_number(tg_torch_find(root, "objects.1"), 0) == 2);
    tg_torch_close(&file);
    /* The plain reader says what it is instead of reading pointers. */
    tg_npy npy;
    assert_int_equal(tg_npy_read(ctx, in_folder("trainval.npy"), &npy), TG_EINPUT);
    assert_message("pickled objects");
    empty_folder();
}

static void archives_of_arrays(void **state) {
    (void)state;
    pickle a = {.n = 0}, b = {.n = 0};
    raw(&a, RAW("\x93NUMPY\1\0"));
    little(&a, strlen(HEADER("<f4", "(2, 3)")), 2);
    op(&a, HEADER("<f4", "(2, 3)"));
    raw(&a, floats, sizeof floats);
    raw(&b, RAW("\x93NUMPY\1\0"));
    little(&b, strlen(HEADER("|b1", "(2,)")), 2);
    op(&b, HEADER("|b1", "(2,)"));
    raw(&b, RAW("\1\0"));
    put_zip("a.npz", (member[]){{"a.npy", a.data, a.n, false}, {"b.npy", b.data, b.n, true}}, 2);
    tg_torch *file;
    assert_ok(tg_torch_open(ctx, in_folder("a.npz"), &file));
    assert_string_equal(tg_torch_container(file), "NumPy npz");
    expect(tg_torch_root(file), "a", TG_F32, 2, DIMS(2, 3), floats);
    expect(tg_torch_root(file), "b", TG_BOOL, 1, DIMS(2), VALUES(1, 0));
    tg_torch_close(&file);
    put_pickle("a.npy", &a);
    assert_ok(tg_torch_open(ctx, in_folder("a.npy"), &file));
    expect(tg_torch_root(file), "", TG_F32, 2, DIMS(2, 3), floats);
    tg_torch_close(&file);
    /* 64 MiB of zeros in 64 KiB are more than such a file may use. */
    size_t n = (size_t)64 << 20;
    void *zeros = calloc(1, n);
    put_zip("bomb.npz", (member[]){{"a.npy", zeros, n, true}}, 1);
    free(zeros);
    assert_int_equal(tg_torch_open(ctx, in_folder("bomb.npz"), &file), TG_ENOMEM);
    assert_message("unpacks to 67108864 bytes");
    /* A member whose packed bytes were changed, and one that is no array. */
    char *zip;
    size_t zip_bytes;
    assert_ok(tg_file_read(ctx, in_folder("a.npz"), 1 << 20, &zip, &zip_bytes));
    char *packed = memmem(zip, zip_bytes, "b.npy", 5);
    assert_non_null(packed);
    packed[20] ^= 0x55;
    put_file(in_folder("bits.npz"), zip, zip_bytes);
    tg_free(zip);
    assert_int_equal(tg_torch_open(ctx, in_folder("bits.npz"), &file), TG_EMODEL);
    assert_message("b.npy");
    put_zip("text.npz", (member[]){{"a.npy", "text", 4, false}}, 1);
    assert_int_equal(tg_torch_open(ctx, in_folder("text.npz"), &file), TG_EINPUT);
    assert_message("not a .npy file");
    put_zip("odd.zip", (member[]){{"readme", "text", 4, false}}, 1);
    assert_int_equal(tg_torch_open(ctx, in_folder("odd.zip"), &file), TG_EMODEL);
    assert_message("readme");
    empty_folder();
}

/* ---- published-style files ------------------------------------------------------------------ */

static void equal_to_weights(const char *name, const char *checkpoint_name, const char *prefix) {
    char path[512];
    tg_torch *file;
    tg_st *st;
    snprintf(path, sizeof path, "%s/golden/%s/%s", TG_TESTS_DIR, name, checkpoint_name);
    assert_ok(tg_torch_open(ctx, path, &file));
    snprintf(path, sizeof path, "%s/golden/%s/weights.safetensors", TG_TESTS_DIR, name);
    assert_ok(tg_st_open(ctx, path, &st));
    assert_true(tg_st_count(st) > 0);
    for (int i = 0; i < tg_st_count(st); i++) {
        const tg_st_tensor *expected = tg_st_at(st, i);
        snprintf(path, sizeof path, "%s%s", prefix, expected->name);
        const tg_torch_tensor *t = tg_torch_tensor_of(tg_torch_find(tg_torch_root(file), path));
        assert_non_null(t);
        assert_int_equal(t->dtype, expected->dtype);
        assert_int_equal(t->ndim, expected->ndim);
        assert_memory_equal(t->dim, expected->dim, (size_t)t->ndim * sizeof t->dim[0]);
        void *data = malloc(expected->bytes + 1);
        tg_torch_read_raw(t, data);
        assert_memory_equal(data, expected->data, expected->bytes);
        free(data);
    }
    tg_st_close(&st);
    tg_torch_close(&file);
}

static void published_files(void **state) {
    (void)state;
    equal_to_weights("vae", "model_ckpt_steps_1.ckpt", "state_dict.model.");
    equal_to_weights("lm3d_radnerf_head", "model_ckpt_steps_1.ckpt", "state_dict.model.");
    equal_to_weights("hubert_base_tiny", "pytorch_model.bin", "");
}

/* ---- hostile files -----------------------------------------------------------------------------
 */

static void refuse(const pickle *p, const char *message) {
    tg_torch *file;
    put_pickle("bad.pkl", p);
    tg_status status = tg_torch_open(ctx, in_folder("bad.pkl"), &file);
    if (status != TG_EMODEL && status != TG_ENOMEM) {
        print_error("status %d instead of: %s\n", status, message);
    }
    assert_true(status == TG_EMODEL || status == TG_ENOMEM);
    assert_null(file);
    assert_message(message);
}

static void code_is_refused(void **state) {
    (void)state;
    static const char *const names[][2] = {
        {"os", "system"},        {"posix", "system"},        {"subprocess", "Popen"},
        {"builtins", "eval"},    {"builtins", "getattr"},    {"__builtin__", "exec"},
        {"torch", "load"},       {"torch.hub", "load"},      {"numpy", "fromfile"},
        {"torch._utils", "_x"},  {"numpy._core.os", "exec"}, {"copyreg", "_reconstructor"},
        {"collections", "deque"}};
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        char message[128];
        pickle p = {.n = 0};
        proto(&p, 2);
        global(&p, names[i][0], names[i][1]);
        text(&p, "touch owned");
        op(&p, "\x85R.");
        snprintf(message, sizeof message, "%s.%s, which is refused (opcode GLOBAL at byte 2)",
                 names[i][0], names[i][1]);
        refuse(&p, message);
        assert_false(tg_file_exists("owned"));
    }
    pickle p = {.n = 0};
    proto(&p, 4);
    raw(&p, RAW("\x8c\x02os\x8c\x06system\x93."));
    refuse(&p, "os.system, which is refused (opcode STACK_GLOBAL at byte 14)");
    /* In an archive and behind the preamble of the old container. */
    pickle evil = {.n = 0};
    proto(&evil, 2);
    global(&evil, "os", "system");
    op(&evil, ".");
    put_torch_zip("evil.pt", &evil);
    tg_torch *file;
    assert_int_equal(tg_torch_open(ctx, in_folder("evil.pt"), &file), TG_EMODEL);
    assert_message("os.system");
    /* Escape sequences of a name do not reach the terminal. */
    p.n = 0;
    proto(&p, 2);
    global(&p, "o\x1b[31ms", "system");
    refuse(&p, "o?[31ms.system");
    empty_folder();
}

static void opcodes_are_refused(void **state) {
    (void)state;
    static const struct {
        const char *code, *name;
    } codes[] = {{"I1\n", "INT"},
                 {"S'a'\n", "STRING"},
                 {"P0\n", "PERSID"},
                 {"ios\nsystem\n", "INST"},
                 {"(o", "OBJ"},
                 {"\x82\x01", "EXT1"},
                 {"\x83\x01\x01", "EXT2"},
                 {"\x92", "NEWOBJ_EX"},
                 {"\x97", "NEXT_BUFFER"},
                 {"\x98", "READONLY_BUFFER"},
                 {"\x01", "0x01"},
                 {"\xff", "0xff"}};
    for (size_t i = 0; i < sizeof codes / sizeof codes[0]; i++) {
        char message[64];
        pickle p = {.n = 0};
        proto(&p, 2);
        int before = codes[i].code[0] == '(';
        op(&p, codes[i].code);
        op(&p, ".");
        snprintf(message, sizeof message, "refused (opcode %s at byte %d)", codes[i].name,
                 2 + before);
        refuse(&p, message);
    }
    empty_folder();
}

static void damaged_pickles(void **state) {
    (void)state;
    static const struct {
        const char *code;
        size_t n;
        const char *message;
    } cases[] = {
        {RAW("\x80\2\x80\x06."), "protocol"},
        {RAW("\x80\2"), "ends within opcode STOP"},
        {RAW("\x80\2."), "stack"},
        {RAW("\x80\2NN."), "stack"},
        {RAW("\x80\2(."), "stack"},
        {RAW("\x80\2t."), "stack"},
        {RAW("\x80\2"
             "0."),
         "stack"},
        {RAW("\x80\2"
             "1."),
         "stack"},
        {RAW("\x80\2"
             "2."),
         "stack"},
        {RAW("\x80\2\x85."), "stack"},
        {RAW("\x80\2N(K\1e."), "stack"},
        {RAW("\x80\2(K\1e."), "stack"},
        {RAW("\x80\2}(K\1u."), "stack"},
        {RAW("\x80\2(K\1d."), "stack"},
        {RAW("\x80\2K\1a."), "stack"},
        {RAW("\x80\2s."), "stack"},
        {RAW("\x80\2NNR."), "stack"},
        {RAW("\x80\2b."), "stack"},
        {RAW("\x80\2Q."), "stack"},
        {RAW("\x80\2q\1."), "stack"},
        {RAW("\x80\2NN\x93."), "stack"},
        {RAW("\x80\2K\1}b."), "a state for an object"},
        {RAW("\x80\2NQ."), "persistent id"},
        {RAW("\x80\2Nr\xff\xff\xff\x7f."), "memo index"},
        {RAW("\x80\2h\5."), "never stored"},
        {RAW("\x80\2X\xff\xff\xff\xff."), "ends within opcode BINUNICODE"},
        {RAW("\x80\2\x8d\xff\xff\xff\xff\xff\xff\xff\xff."), "ends within"},
        {RAW("\x80\2\x8a\x05\1."), "ends within opcode LONG1"},
        {RAW("\x80\2G\1."), "ends within opcode BINFLOAT"},
        {RAW("\x80\2J\1."), "ends within opcode BININT"},
        {RAW("\x80\2q"), "ends within opcode BINPUT"},
        {RAW("\x80\2"
             "cos\nsystem"),
         "ends within opcode GLOBAL"},
        {RAW("\x80\4\x95\xff\0\0\0\0\0\0\0."), "ends within opcode FRAME"},
        {RAW("\x80\2}NNs."), "dict key"},
        {RAW("\x80\2}X\3\0\0\0a\0bNs."), "dict key"},
        {RAW("\x80\2ctorch\nFloatStorage\n)R."), "a call of torch.FloatStorage"},
        {RAW("\x80\2ctorch._utils\n_rebuild_tensor_v2\n)R."), "_rebuild_tensor_v2 does not take"},
        {RAW("\x80\2ctorch._utils\n_rebuild_tensor_v3\n)R."), "does not take"},
        {RAW("\x80\2ctorch._utils\n_rebuild_parameter\n)R."), "does not take"},
        {RAW("\x80\2ctorch._tensor\n_rebuild_from_type_v2\n)R."), "does not take"},
        {RAW("\x80\2ctorch\ndevice\n)R."), "does not take"},
        {RAW("\x80\2ccollections\nOrderedDict\nK\1\x85R."), "does not take"},
        {RAW("\x80\2ccollections\nOrderedDict\n]K\1a\x85R."), "does not take"},
        {RAW("\x80\2ccollections\nOrderedDict\n}}\x86R."), "does not take"},
        {RAW("\x80\2"
             "cbuiltins\nlist\nK\1\x85R."),
         "does not take"},
        {RAW("\x80\2"
             "cbuiltins\nint\nN\x85R."),
         "does not take"},
        {RAW("\x80\2"
             "cbuiltins\nbytes\nN\x85R."),
         "does not take"},
        {RAW("\x80\2"
             "c_codecs\nencode\nU\1aU\4utf8\x86R."),
         "does not take"},
        {RAW("\x80\2"
             "c_codecs\nencode\nU\2\xc4\x80U\6latin1\x86R."),
         "does not take"},
        {RAW("\x80\2"
             "cnumpy\ndtype\n)R."),
         "does not take"},
        {RAW("\x80\2"
             "cnumpy\ndtype\nU\2f4\x85R)b."),
         "numpy.dtype"},
        {RAW("\x80\2"
             "cnumpy.core.multiarray\nscalar\n)R."),
         "does not take"},
        {RAW("\x80\2"
             "cnumpy.core.multiarray\nscalar\ncnumpy\ndtype\nU\2f4\x85RU\1a\x86R."),
         "does not take"},
        {RAW("\x80\2"
             "cnumpy.core.multiarray\n_reconstruct\n)R."),
         "does not take"},
        {RAW("\x80\2"
             "cnumpy.core.multiarray\n_reconstruct\ncnumpy\nndarray\nNN\x87R)b."),
         "numpy.ndarray"},
        {RAW("\x80\2"
             "cnumpy.core.numeric\n_frombuffer\n)R."),
         "does not take"},
        {RAW("\x80\2]q\0h\0a."), "contains itself"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        pickle p = {.n = 0};
        raw(&p, cases[i].code, cases[i].n);
        refuse(&p, cases[i].message);
    }
    empty_folder();
}

static void damaged_tensors(void **state) {
    (void)state;
    static const struct {
        int64_t count, offset;
        int ndim;
        int64_t dim[9], stride[9];
        const char *message;
    } cases[] = {
        {6, 0, 1, {7}, {1}, "leaves its storage"},
        {6, 1, 1, {6}, {1}, "leaves its storage"},
        {6, 6, 0, {0}, {0}, "leaves its storage"},
        {6, 0, 2, {2, 2}, {5, 1}, "leaves its storage"},
        {6, 0, 1, {2}, {-1}, "does not take"},
        {6, 0, 1, {-2}, {1}, "does not take"},
        {6, -1, 1, {2}, {1}, "does not take"},
        {-6, 0, 1, {2}, {1}, "persistent id"},
        {6, 0, 2, {0x7fffffff, 0x7fffffff}, {0x7fffffff, 0x7fffffff}, "does not fit memory"},
        {6, 0, 3, {0x7fffffff, 0x7fffffff, 0x7fffffff}, {0, 0, 0}, "does not fit memory"},
        {6, 0, 2, {0x7fff, 0x7fff}, {0, 0}, "expanded"},
        {6, 0, 9, {1, 1, 1, 1, 1, 1, 1, 1, 1}, {0}, "does not take"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        pickle p = {.n = 0};
        proto(&p, 2);
        tensor(&p, "FloatStorage", "0", cases[i].count, cases[i].offset, cases[i].ndim,
               cases[i].dim, cases[i].stride);
        op(&p, ".");
        refuse(&p, cases[i].message);
    }
    pickle p = {.n = 0};
    proto(&p, 2);
    op(&p, "(");
    storage(&p, "FloatStorage", "0", 6);
    storage(&p, "LongStorage", "0", 6);
    op(&p, "t.");
    refuse(&p, "two types");
    /* A tensor without a container that has its data. */
    p.n = 0;
    proto(&p, 2);
    tensor(&p, "FloatStorage", "0", 6, 0, 1, DIMS(6), DIMS(1));
    op(&p, ".");
    refuse(&p, "the data of a tensor is missing");
    /* Types that nothing here reads do not spoil the rest of the file. */
    pickle q = {.n = 0};
    proto(&q, 2);
    op(&q, "](");
    global(&q, "torch._utils", "_rebuild_tensor_v3");
    op(&q, "(");
    storage(&q, "UntypedStorage", "0", 24);
    number(&q, 0);
    tuple(&q, 1, DIMS(12));
    tuple(&q, 1, DIMS(1));
    op(&q, "\x89}");
    global(&q, "torch", "uint16");
    op(&q, "tR");
    global(&q, "torch._tensor", "_rebuild_from_type_v2");
    op(&q, "(");
    global(&q, "torch._utils", "_rebuild_tensor_v2");
    global(&q, "torch.nn.parameter", "Parameter");
    op(&q, "(");
    storage(&q, "ComplexFloatStorage", "1", 1);
    number(&q, 0);
    tuple(&q, 1, DIMS(1));
    tuple(&q, 1, DIMS(1));
    op(&q, "t}tRe.");
    put_torch_zip("other.pt", &q);
    tg_torch *file;
    assert_ok(tg_torch_open(ctx, in_folder("other.pt"), &file));
    assert_string_equal(tg_torch_string(tg_torch_find(tg_torch_root(file), "0"), ""),
                        "torch.uint16");
    assert_string_equal(tg_torch_string(tg_torch_find(tg_torch_root(file), "1"), ""),
                        "ComplexFloatStorage");
    tg_torch_close(&file);
    empty_folder();
}

/* Small pickles that ask for much. */
static void greedy_pickles(void **state) {
    (void)state;
    pickle p = {.n = 0};
    proto(&p, 2);
    raw(&p, RAW("]q\0")); /* each level holds the one before twice: 2^40 values */
    for (int i = 0; i < 40; i++) {
        raw(&p, (uint8_t[]){'h', (uint8_t)i, 0x86, 'q', (uint8_t)(i + 1)}, 5);
    }
    op(&p, ".");
    refuse(&p, "repeated references");
    p.n = 0;
    proto(&p, 2);
    op(&p, ")");
    for (int i = 0; i < 200; i++) {
        op(&p, "\x85");
    }
    op(&p, ".");
    refuse(&p, "128 deep");
    /* 20 MB of None: 16 bytes for each. */
    size_t n = 20000000;
    uint8_t *nones = malloc(n);
    memset(nones, 'N', n);
    memcpy(nones, "\x80\x02", 2);
    put_file(in_folder("greedy.pkl"), nones, n);
    free(nones);
    tg_torch *file;
    size_t before = tg_peak_rss_bytes();
    assert_int_equal(tg_torch_open(ctx, in_folder("greedy.pkl"), &file), TG_ENOMEM);
    assert_message("far more memory");
    if (!SANITIZED) { /* which keeps what was freed */
        assert_true(tg_peak_rss_bytes() < before + 4 * n + ((size_t)64 << 20));
    }
    empty_folder();
}

static void damaged_containers(void **state) {
    (void)state;
    tg_torch *file;
    pickle p = {.n = 0};
    legacy(&p);
    for (size_t n = 0; n < p.n; n++) {
        put_file(in_folder("cut.ckpt"), p.data, n);
        assert_int_equal(tg_torch_open(ctx, in_folder("cut.ckpt"), &file), TG_EMODEL);
        assert_null(file);
        assert_message("cut.ckpt");
    }
    pickle object = {.n = 0};
    checkpoint(&object);
    put_torch_zip("whole.pt", &object);
    char *zip;
    size_t bytes_of_zip;
    assert_ok(tg_file_read(ctx, in_folder("whole.pt"), 1 << 20, &zip, &bytes_of_zip));
    for (size_t n = 0; n < bytes_of_zip; n++) {
        put_file(in_folder("cut.pt"), zip, n);
        assert_int_equal(tg_torch_open(ctx, in_folder("cut.pt"), &file), TG_EMODEL);
    }
    tg_free(zip);
    /* Other versions, other machines, other contents. */
    pickle version = p;
    *(uint8_t *)memmem(version.data, version.n, "M\xe9\x03.", 4) = 'M';
    ((uint8_t *)memmem(version.data, version.n, "M\xe9\x03.", 4))[1] = 0xe8;
    refuse(&version, "unknown version");
    pickle big = p;
    ((uint8_t *)memmem(big.data, big.n, "little_endian\x88", 14))[13] = 0x89;
    refuse(&big, "big-endian");
    pickle length = p;
    length.data[length.n - sizeof bfloats - 8]++;
    refuse(&length, "length differs");
    pickle twice = p;
    uint8_t *keys = memmem(twice.data, twice.n,
                           "](X\1\0\0\0"
                           "0X",
                           9);
    assert_non_null(keys);
    keys[13] = '0';
    refuse(&twice, "comes twice");
    pickle keyless = p;
    uint8_t *list = memmem(keyless.data, keyless.n,
                           "\x80\2](X\1\0\0\0"
                           "0X",
                           11);
    assert_non_null(list);
    memcpy(list + 2, "N.", 2);
    refuse(&keyless, "no list of storages");
    member members[] = {{"m/data.pkl", object.data, object.n, false},
                        {"m/byteorder", "big", 3, false}};
    put_zip("big.pt", members, 2);
    assert_int_equal(tg_torch_open(ctx, in_folder("big.pt"), &file), TG_EMODEL);
    assert_message("big-endian");
    put_zip("bare.pt", members, 1);
    assert_int_equal(tg_torch_open(ctx, in_folder("bare.pt"), &file), TG_EMODEL);
    assert_message("storage is missing");
    members[1] = (member){"m/data/0", floats, 20, false};
    put_zip("short.pt", members, 2);
    assert_int_equal(tg_torch_open(ctx, in_folder("short.pt"), &file), TG_EMODEL);
    assert_message("has 20 bytes");
    members[0].packed = true;
    put_zip("packed.pt", members, 2);
    assert_int_equal(tg_torch_open(ctx, in_folder("packed.pt"), &file), TG_EMODEL);
    assert_message("compressed");
    put_file(in_folder("text.pt"), "hello", 5);
    assert_false(tg_torch_recognise(in_folder("text.pt")));
    assert_int_equal(tg_torch_open(ctx, in_folder("text.pt"), &file), TG_EMODEL);
    assert_message("neither");
    assert_false(tg_torch_recognise(in_folder("absent.pt")));
    assert_int_equal(tg_torch_open(ctx, in_folder("absent.pt"), &file), TG_EMODEL);
    tg_torch_close(&file);
    tg_torch_close(NULL);
    empty_folder();
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(both_containers),    cmocka_unit_test(plain_values),
        cmocka_unit_test(known_names),        cmocka_unit_test(data_set),
        cmocka_unit_test(archives_of_arrays), cmocka_unit_test(published_files),
        cmocka_unit_test(code_is_refused),    cmocka_unit_test(opcodes_are_refused),
        cmocka_unit_test(damaged_pickles),    cmocka_unit_test(damaged_tensors),
        cmocka_unit_test(greedy_pickles),     cmocka_unit_test(damaged_containers),
    };
    return cmocka_run_group_tests(tests, start, stop);
}
