/* PyTorch files and pickles that are read: containers written here byte by byte, published-style
 * files, NumPy's pickles. */
#include "io_torch_files.h"

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

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(both_containers),    cmocka_unit_test(plain_values),
        cmocka_unit_test(known_names),        cmocka_unit_test(data_set),
        cmocka_unit_test(archives_of_arrays), cmocka_unit_test(published_files),
    };
    return cmocka_run_group_tests(tests, start, stop);
}
