/* .npy: round trips, numpy's own headers, hostile headers. */
#include "io_test.h"

static void round_trip(void **state) {
    (void)state;
    float values[24];
    for (int i = 0; i < 24; i++) {
        values[i] = (float)i * 0.5f - 3.0f;
    }
    const struct {
        int ndim;
        int64_t dim[3];
    } shapes[] = {{3, {2, 3, 4}}, {2, {24, 1}}, {1, {24}}, {0, {0}}, {2, {0, 5}}};
    for (size_t i = 0; i < sizeof shapes / sizeof shapes[0]; i++) {
        assert_ok(tg_npy_write(ctx, in_folder("a.npy"), shapes[i].ndim, shapes[i].dim, values));
        tg_npy npy;
        assert_ok(tg_npy_read(ctx, in_folder("a.npy"), &npy));
        assert_int_equal(npy.ndim, shapes[i].ndim);
        size_t n = 1;
        for (int d = 0; d < npy.ndim; d++) {
            assert_int_equal(npy.dim[d], shapes[i].dim[d]);
            n *= (size_t)npy.dim[d];
        }
        assert_memory_equal(npy.data, values, n * sizeof(float));
        tg_npy_free(&npy);
        assert_null(npy.data);
    }
    /* Header of the first shape, byte for byte what numpy.save writes. */
    assert_ok(tg_npy_write(ctx, in_folder("a.npy"), 3, shapes[0].dim, values));
    char *text;
    size_t bytes;
    assert_ok(tg_file_read(ctx, in_folder("a.npy"), 1 << 20, &text, &bytes));
    assert_int_equal(bytes, 128 + sizeof values);
    assert_memory_equal(text,
                        "\x93NUMPY\1\0v\0{'descr': '<f4', 'fortran_order': False, 'shape': "
                        "(2, 3, 4), }  ",
                        74);
    assert_int_equal(text[127], '\n');
    tg_free(text);
    empty_folder();
}

static void put_npy(const char *path, int version, const char *header, const void *data,
                    size_t bytes) {
    static char file[4096];
    size_t n = strlen(header), start = version == 1 ? 10 : 12;
    memset(file, 0, start);
    memcpy(file, "\x93NUMPY", 6);
    file[6] = (char)version;
    file[8] = (char)(n & 255);
    file[9] = (char)(n >> 8);
    memcpy(file + start, header, n);
    if (bytes) {
        memcpy(file + start + n, data, bytes);
    }
    put_file(path, file, start + n + bytes);
}

#define HEADER(descr, order, shape)                                                                \
    "{'descr': '" descr "', 'fortran_order': " order ", 'shape': " shape ", }   \n"

static void reads_numpys_types(void **state) {
    (void)state;
    const struct {
        const char *header;
        int version;
        const void *data;
        size_t bytes;
    } cases[] = {
        {HEADER("<f4", "False", "(3,)"), 2, (float[]){1, 2, 3}, 12},
        {HEADER("<f8", "False", "(3,)"), 1, (double[]){1, 2, 3}, 24},
        {HEADER("<f2", "False", "(3,)"), 3, (uint16_t[]){0x3c00, 0x4000, 0x4200}, 6},
        {HEADER("|u1", "False", "(3,)"), 1, (uint8_t[]){1, 2, 3}, 3},
        {HEADER("|i1", "False", "(3,)"), 1, (int8_t[]){1, 2, 3}, 3},
        {HEADER("<i2", "False", "(3,)"), 1, (int16_t[]){1, 2, 3}, 6},
        {HEADER("<u2", "False", "(3,)"), 1, (uint16_t[]){1, 2, 3}, 6},
        {HEADER("<i4", "True", "(3,)"), 1, (int32_t[]){1, 2, 3}, 12},
        {HEADER("<u4", "False", "(3L,)"), 1, NULL, 0}, /* Python 2 wrote longs: refused below */
        {HEADER("<i8", "False", "(3,)"), 1, (int64_t[]){1, 2, 3}, 24},
        {HEADER("<u8", "False", "(3,)"), 1, (uint64_t[]){1, 2, 3}, 24},
        {"{\"shape\":(3,),\"fortran_order\":False,\"descr\":\"<f4\"}", 1, (float[]){1, 2, 3}, 12},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        put_npy(in_folder("t.npy"), cases[i].version, cases[i].header, cases[i].data,
                cases[i].bytes);
        tg_npy npy;
        if (!cases[i].data) {
            assert_int_equal(tg_npy_read(ctx, in_folder("t.npy"), &npy), TG_EINPUT);
            continue;
        }
        assert_ok(tg_npy_read(ctx, in_folder("t.npy"), &npy));
        for (int k = 0; k < 3; k++) {
            assert_true(npy.data[k] == (float)(k + 1));
        }
        tg_npy_free(&npy);
    }
    /* Columns first: a[i][j][k] of shape (2,3,2) stored with i fastest. */
    float fortran[12];
    for (int i = 0; i < 12; i++) {
        fortran[i] = (float)i;
    }
    put_npy(in_folder("t.npy"), 1, HEADER("<f4", "True", "(2, 3, 2)"), fortran, sizeof fortran);
    tg_npy npy;
    assert_ok(tg_npy_read(ctx, in_folder("t.npy"), &npy));
    for (int i = 0; i < 2; i++) {
        for (int j = 0; j < 3; j++) {
            for (int k = 0; k < 2; k++) {
                assert_true(npy.data[(i * 3 + j) * 2 + k] == (float)(i + 2 * (j + 3 * k)));
            }
        }
    }
    tg_npy_free(&npy);
    empty_folder();
}

static void refuses_bad_files(void **state) {
    (void)state;
    float values[4] = {1, 2, 3, 4};
    const struct {
        const char *header;
        const char *message;
    } cases[] = {
        {HEADER(">f4", "False", "(4,)"), "dtype"},
        {HEADER("<c8", "False", "(2,)"), "dtype"},
        {HEADER("|O", "False", "(2,)"), "dtype"},
        {"{'descr': [('a', '<f4')], 'fortran_order': False, 'shape': (4,), }", "structured"},
        {HEADER("<f4", "Maybe", "(4,)"), "fortran_order"},
        {HEADER("<f4", "False", "4"), "shape"},
        {HEADER("<f4", "False", "(-4,)"), "shape"},
        {HEADER("<f4", "False", "(4"), "shape"},
        {HEADER("<f4", "False", "(1,1,1,1,1,1,1,1,4)"), "shape"},
        {HEADER("<f4", "False", "(99999999999999999999,)"), "shape"},
        {HEADER("<f4", "False", "(4294967296, 4294967296)"), "impossible shape"},
        {HEADER("<f8", "False", "(2305843009213693952,)"), "impossible shape"},
        {HEADER("<f4", "False", "(5,)"), "4 bytes are missing"},
        {HEADER("<f4", "False", "(3,)"), "4 bytes follow"},
        {"{'descr': '<f4', 'fortran_order': False}", "incomplete"},
        {"{'descr': '<f4', 'descr': '<f4', 'shape': (4,)}", "repeated"},
        {"{'descr': '<f4', 'fortran_order': False, 'shape': (4,)", "does not end"},
        {"{'descr': '<f4', 'fortran_order': False, 'shape': (4,)} 1", "followed"},
        {"{'descr': '<f4", "structured or unreadable"},
        {"{'other': 1}", "unknown"},
        {"", "no dict"},
        {"[]", "no dict"},
    };
    tg_npy npy;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        put_npy(in_folder("bad.npy"), 1, cases[i].header, values, sizeof values);
        tg_status status = tg_npy_read(ctx, in_folder("bad.npy"), &npy);
        if (status != TG_EINPUT) {
            print_error("accepted: %s\n", cases[i].header);
        }
        assert_int_equal(status, TG_EINPUT);
        assert_null(npy.data);
        assert_message(cases[i].message);
    }
    /* Every prefix of a good file. */
    put_npy(in_folder("bad.npy"), 2, HEADER("<f4", "False", "(4,)"), values, sizeof values);
    char *text;
    size_t bytes;
    assert_ok(tg_file_read(ctx, in_folder("bad.npy"), 1 << 20, &text, &bytes));
    for (size_t n = 0; n < bytes; n++) {
        put_file(in_folder("bad.npy"), text, n);
        assert_int_equal(tg_npy_read(ctx, in_folder("bad.npy"), &npy), TG_EINPUT);
    }
    tg_free(text);
    put_npy(in_folder("bad.npy"), 4, HEADER("<f4", "False", "(4,)"), values, sizeof values);
    assert_int_equal(tg_npy_read(ctx, in_folder("bad.npy"), &npy), TG_EINPUT);
    assert_message("version");
    assert_int_equal(tg_npy_read(ctx, in_folder("absent.npy"), &npy), TG_EINPUT);
    empty_folder();
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(round_trip),
        cmocka_unit_test(reads_numpys_types),
        cmocka_unit_test(refuses_bad_files),
    };
    return cmocka_run_group_tests(tests, start, stop);
}
