/* PyTorch files and pickles that are refused: those that want to run code, damaged and greedy ones,
 * truncations. */
#include "io_torch_files.h"

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
        cmocka_unit_test(code_is_refused), cmocka_unit_test(opcodes_are_refused),
        cmocka_unit_test(damaged_pickles), cmocka_unit_test(damaged_tensors),
        cmocka_unit_test(greedy_pickles),  cmocka_unit_test(damaged_containers),
    };
    return cmocka_run_group_tests(tests, start, stop);
}
