/* safetensors: what is written comes back, golden files open, hostile files are refused. */
#include "io_test.h"

#include <math.h>

static void round_trip(void **state) {
    (void)state;
    const float values[6] = {0.0f, 1.0f, -2.5f, 3.25f, 65504.0f, -0.125f};
    const int64_t numbers[2] = {-5, (int64_t)1 << 40};
    const uint8_t bytes[3] = {0, 7, 255};
    tg_st_writer *w = tg_st_writer_create();
    assert_true(tg_st_add_raw(w, "bits", TG_U8, 1, (int64_t[]){3}, bytes));
    assert_true(tg_st_add_f32(w, "a.f32", TG_F32, 2, (int64_t[]){2, 3}, values));
    assert_true(tg_st_add_f32(w, "a.f16", TG_F16, 2, (int64_t[]){3, 2}, values));
    assert_true(tg_st_add_f32(w, "a.bf16", TG_BF16, 1, (int64_t[]){4}, values));
    assert_true(tg_st_add_raw(w, "i64", TG_I64, 1, (int64_t[]){2}, numbers));
    assert_true(tg_st_add_f32(w, "scalar", TG_F32, 0, NULL, values + 3));
    assert_true(tg_st_add_f32(w, "none", TG_F32, 2, (int64_t[]){0, 7}, values));
    assert_false(tg_st_add_f32(w, "i64", TG_F32, 1, (int64_t[]){1}, values)); /* taken */
    assert_false(tg_st_add_f32(w, "neg", TG_F32, 1, (int64_t[]){-1}, values));
    assert_false(tg_st_add_f32(w, "int", TG_I64, 1, (int64_t[]){1}, values));
    assert_false(tg_st_add_f32(w, "__metadata__", TG_F32, 1, (int64_t[]){1}, values));
    assert_true(tg_st_add_meta(w, "talkgen.format", "1"));
    assert_true(tg_st_add_meta(w, "note", "line\nwith \"quotes\""));
    assert_ok(tg_st_write(ctx, w, in_folder("a.ckpt")));
    assert_ok(tg_st_write(ctx, w, in_folder("b.ckpt"))); /* the same again */
    tg_st_writer_destroy(&w);
    char a[33], b[33];
    assert_ok(tg_file_md5(ctx, in_folder("a.ckpt"), a));
    assert_ok(tg_file_md5(ctx, in_folder("b.ckpt"), b));
    assert_string_equal(a, b);

    tg_st *st;
    assert_ok(tg_st_open(ctx, in_folder("a.ckpt"), &st));
    assert_int_equal(tg_st_count(st), 7);
    for (int i = 0; i < 7; i++) {
        const tg_st_tensor *t = tg_st_at(st, i);
        assert_ptr_equal(t, tg_st_find(st, t->name));
        assert_int_equal((uintptr_t)t->data % tg_dtype_size(t->dtype), 0);
    }
    assert_null(tg_st_at(st, 7));
    assert_null(tg_st_find(st, "a"));
    assert_string_equal(tg_st_meta(st, "note"), "line\nwith \"quotes\"");
    assert_null(tg_st_meta(st, "absent"));
    assert_int_equal(tg_st_meta_count(st), 2);
    const char *value;
    assert_string_equal(tg_st_meta_at(st, 0, &value), "talkgen.format");
    assert_string_equal(value, "1");
    float out[6];
    assert_ok(tg_st_load(ctx, st, "a.f32", 2, (int64_t[]){2, 3}, out));
    assert_memory_equal(out, values, sizeof values);
    assert_ok(tg_st_load(ctx, st, "a.f16", 2, (int64_t[]){3, 2}, out));
    assert_memory_equal(out, values, sizeof values); /* all are exact in half precision */
    assert_ok(tg_st_load(ctx, st, "a.bf16", 1, (int64_t[]){4}, out));
    assert_memory_equal(out, values, 4 * sizeof *values);
    assert_ok(tg_st_load(ctx, st, "i64", 1, (int64_t[]){2}, out));
    assert_true(out[0] == -5.0f && out[1] == 1099511627776.0f);
    assert_ok(tg_st_load(ctx, st, "bits", 1, (int64_t[]){3}, out));
    assert_true(out[0] == 0.0f && out[1] == 7.0f && out[2] == 255.0f);
    assert_ok(tg_st_load(ctx, st, "scalar", 0, NULL, out));
    assert_true(out[0] == 3.25f);
    assert_ok(tg_st_load(ctx, st, "none", 2, (int64_t[]){0, 7}, out));
    assert_int_equal(tg_st_load(ctx, st, "absent", 1, (int64_t[]){3}, out), TG_EMODEL);
    assert_message("absent is missing");
    assert_int_equal(tg_st_load(ctx, st, "a.f32", 2, (int64_t[]){3, 2}, out), TG_EMODEL);
    assert_message("tensor a.f32 has shape [2, 3]\n  expected: [3, 2]");
    tg_st_close(&st);
    assert_null(st);
    empty_folder();
}

/* Little-endian length, header, data. */
static size_t make_file(const char *path, const char *header, size_t data_bytes, size_t cut) {
    static char file[1 << 16];
    size_t n = strlen(header), total = 8 + n + data_bytes;
    memset(file, 0, sizeof file);
    for (int i = 0; i < 8; i++) {
        file[i] = (char)(n >> 8 * i);
    }
    memcpy(file + 8, header, n);
    put_file(path, file, total - cut);
    return total;
}

static void refuses_bad_headers(void **state) {
    (void)state;
#define T(shape, offsets) "{\"dtype\":\"F32\",\"shape\":" shape ",\"data_offsets\":" offsets "}"
    const struct {
        const char *header;
        size_t data;
        const char *message;
    } cases[] = {
        {"[1, 2]", 0, "not a safetensors file"},
        {"{\"a\":1}", 0, "no dtype"},
        {"{\"a\":" T("[2]", "[0,8]"), 8, "not a JSON object"},
        {"{\"a\":" T("[2]", "[0,8]") "} x", 8, "not a JSON object"},
        {"{\"a\":{\"dtype\":\"F8_E4M3\",\"shape\":[2],\"data_offsets\":[0,2]}}", 2, "dtype"},
        {"{\"a\":{\"dtype\":7,\"shape\":[2],\"data_offsets\":[0,2]}}", 2, "no dtype"},
        {"{\"a\":{\"dtype\":\"F32\",\"data_offsets\":[0,4]}}", 4, "bad shape"},
        {"{\"a\":" T("2", "[0,8]") "}", 8, "bad shape"},
        {"{\"a\":" T("[1,1,1,1,1,1,1,1,1]", "[0,4]") "}", 4, "bad shape"},
        {"{\"a\":" T("[-2]", "[0,8]") "}", 8, "impossible"},
        {"{\"a\":" T("[1.5]", "[0,6]") "}", 6, "impossible"},
        {"{\"a\":" T("[\"2\"]", "[0,8]") "}", 8, "impossible"},
        {"{\"a\":" T("[1e18]", "[0,8]") "}", 8, "impossible"},
        /* 2^32 * 2^32 = 0 in 64 bits: a product that wraps to what the offsets say */
        {"{\"a\":" T("[4294967296,4294967296]", "[0,0]") "}", 0, "impossible"},
        {"{\"a\":" T("[2]", "[8,0]") "}", 8, "bad data_offsets"},
        {"{\"a\":" T("[2]", "[0]") "}", 8, "bad data_offsets"},
        {"{\"a\":" T("[2]", "[0,8,16]") "}", 8, "bad data_offsets"},
        {"{\"a\":" T("[2]", "[-8,0]") "}", 8, "bad data_offsets"},
        {"{\"a\":" T("[2]", "[0,7]") "}", 8, "do not fit"},
        {"{\"a\":" T("[3]", "[0,12]") "}", 8, "truncated, 4 bytes are missing"},
        {"{\"a\":" T("[2]", "[0,8]") ",\"b\":" T("[2]", "[4,12]") "}", 12, "overlaps"},
        {"{\"a\":" T("[2]", "[0,8]") ",\"b\":" T("[2]", "[0,8]") "}", 8, "overlaps"},
        {"{\"a\":" T("[2]", "[0,8]") ",\"b\":" T("[1]", "[12,16]") "}", 16, "gap"},
        {"{\"a\":" T("[2]", "[4,12]") "}", 12, "gap"},
        {"{\"a\":" T("[2]", "[0,8]") "}", 9, "1 bytes follow"},
        {"{\"a\":" T("[1]", "[0,4]") ",\"a\":" T("[1]", "[4,8]") "}", 8, "appears twice"},
        {"{\"a\":" T("[0]", "[0,0]") ",\"a\":" T("[0]", "[0,0]") "}", 0, "appears twice"},
        {"{\"a\\u001b[2J\":" T("[1]", "[0,4]") "}", 4, "control characters"},
        {"{\"a\xc2\x9b"
         "2J\":" T("[1]", "[0,4]") "}",
         4, "control characters"}, /* CSI */
        {"{\"__metadata__\":{\"a\":1}}", 0, "__metadata__"},
        {"{\"__metadata__\":[]}", 0, "__metadata__"},
        {"{\"__metadata__\":{},\"__metadata__\":{}}", 0, "twice"},
    };
#undef T
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        make_file(in_folder("bad.ckpt"), cases[i].header, cases[i].data, 0);
        tg_st *st = (tg_st *)1;
        tg_status status = tg_st_open(ctx, in_folder("bad.ckpt"), &st);
        if (status != TG_EMODEL) {
            print_error("accepted: %s\n", cases[i].header);
        }
        assert_int_equal(status, TG_EMODEL);
        assert_null(st);
        assert_message(cases[i].message);
        assert_message("bad.ckpt");
    }
    empty_folder();
}

static void every_truncation_is_named(void **state) {
    (void)state;
    const char *header = "{\"a\":{\"dtype\":\"F32\",\"shape\":[4],\"data_offsets\":[0,16]},"
                         "\"b\":{\"dtype\":\"F32\",\"shape\":[4],\"data_offsets\":[16,32]}}";
    size_t total = make_file(in_folder("cut.ckpt"), header, 32, 0);
    tg_st *st;
    assert_ok(tg_st_open(ctx, in_folder("cut.ckpt"), &st));
    tg_st_close(&st);
    for (size_t cut = 1; cut <= total; cut++) {
        make_file(in_folder("cut.ckpt"), header, 32, cut);
        assert_int_equal(tg_st_open(ctx, in_folder("cut.ckpt"), &st), TG_EMODEL);
        char text[64];
        snprintf(text, sizeof text, "truncated, %zu bytes are missing", cut);
        if (cut <= 32) {
            assert_message(text);
        } else {
            assert_message(total - cut < 10 ? "not a safetensors file" : "bytes of its header");
        }
    }
    empty_folder();
}

static void names_foreign_files(void **state) {
    (void)state;
    const struct {
        const char *bytes;
        size_t n;
        const char *message;
    } cases[] = {
        {"PK\3\4\0\0\10\10\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\20\0\22\0archive/data.pkl\0\0", 48,
         "this is a PyTorch file (zip"},
        {"PK\3\4\0\0\10\10\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\20\0\22\0archive/other.txt\0", 48,
         "this is a zip archive"},
        {"\x80\2\x8a\nl\xfc\x9c"
         "F\xf9 j\xa8P\x19.\x80\2M\xe9\3.",
         20, "this is a PyTorch file (legacy pickle"},
        {"GGUF\3\0\0\0\0\0\0\0", 12, "GGUF"},
        {"\x89HDF\r\n\x1a\n\0\0\0\0", 12, "HDF5"},
        {"version https://git-lfs.github.com/spec/v1\n", 43, "git lfs pull"},
        {"", 0, "not a safetensors file (0 bytes)"},
        {"RIFF\0\0\0\0WAVE", 12, "not a safetensors file"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        put_file(in_folder("foreign.ckpt"), cases[i].bytes, cases[i].n);
        tg_st *st;
        assert_int_equal(tg_st_open(ctx, in_folder("foreign.ckpt"), &st), TG_EMODEL);
        assert_message(cases[i].message);
        if (strstr(cases[i].message, "PyTorch")) {
            assert_message("talkgen help convert");
        }
    }
    tg_st *st;
    assert_int_equal(tg_st_open(ctx, in_folder("absent.ckpt"), &st), TG_EMODEL);
    assert_message("absent.ckpt");
    empty_folder();
}

static tg_status fill_counting(tg_context *c, void *user, void *out) {
    if (!user) {
        return tg_fail(c, TG_EMODEL, "no numbers\n  expected: some\n  try: again");
    }
    for (int i = 0; i < 16; i++) {
        ((float *)out)[i] = *(float *)user + (float)i;
    }
    return TG_OK;
}

/* Tensors that are referred to or made while writing; the hash; 64-byte places. */
static void without_copies(void **state) {
    (void)state;
    float values[32], first = 100;
    for (int i = 0; i < 32; i++) {
        values[i] = (float)i;
    }
    tg_st_writer *w = tg_st_writer_create();
    assert_true(tg_st_add_f32(w, "odd", TG_F32, 1, (int64_t[]){3}, values));
    assert_true(tg_st_add_view(w, "view", TG_F32, 2, (int64_t[]){2, 16}, values));
    assert_true(tg_st_add_later(w, "later", TG_F32, 1, (int64_t[]){16}, fill_counting, &first));
    assert_false(tg_st_add_view(w, "view", TG_F32, 1, (int64_t[]){1}, values)); /* taken */
    assert_true(tg_st_add_meta(w, "note", "\"" TG_ST_HASH "\":\"00"));          /* no trap */
    assert_true(tg_st_add_hash(w));
    values[5] = -1; /* a view shows what is there when the file is written */
    assert_ok(tg_st_write(ctx, w, in_folder("a.ckpt")));
    assert_ok(tg_st_write(ctx, w, in_folder("b.ckpt")));
    tg_st_writer_destroy(&w);
    tg_st *st, *share;
    char hash[33], again[33];
    assert_ok(tg_st_open(ctx, in_folder("a.ckpt"), &st));
    const tg_st_tensor *view = tg_st_find(st, "view"), *later = tg_st_find(st, "later");
    assert_memory_equal(view->data, values, sizeof values);
    assert_true(((const float *)later->data)[15] == 115);
    assert_int_equal((uintptr_t)view->data % 64, 0);
    assert_int_equal((uintptr_t)later->data % 64, 0);
    assert_string_equal(tg_st_at(st, 2)->name, "odd");
    assert_string_equal(tg_st_meta(st, "note"), "\"" TG_ST_HASH "\":\"00");
    assert_ok(tg_st_hash(ctx, st, hash));
    assert_string_equal(tg_st_stated_hash(st), hash);
    share = tg_st_share(st);
    tg_st_close(&st);
    assert_int_equal(tg_st_count(share), 3); /* still open */
    tg_st_close(&share);

    /* md5 of the 204 bytes behind the header, as any other tool computes it */
    char *data;
    size_t bytes;
    assert_ok(tg_file_read(ctx, in_folder("b.ckpt"), 1u << 20, &data, &bytes));
    put_file(in_folder("data"), data + bytes - 204, 204);
    assert_ok(tg_file_md5(ctx, in_folder("data"), again));
    assert_string_equal(hash, again);
    /* one changed bit is seen by recomputing, not by looking at the statement */
    data[bytes - 1] ^= 1;
    put_file(in_folder("changed.ckpt"), data, bytes);
    tg_free(data);
    assert_ok(tg_st_open(ctx, in_folder("changed.ckpt"), &st));
    assert_string_equal(tg_st_stated_hash(st), hash);
    assert_ok(tg_st_hash(ctx, st, again));
    assert_string_not_equal(hash, again);
    tg_st_close(&st);

    /* statements that are none */
    static const char *const wrong[] = {"", "0123", "0123456789abcdef0123456789ABCDEF",
                                        "0123456789abcdef0123456789abcdef0"};
    for (int i = 0; i < 4; i++) {
        w = tg_st_writer_create();
        assert_true(tg_st_add_meta(w, TG_ST_HASH, wrong[i]));
        assert_ok(tg_st_write(ctx, w, in_folder("wrong.ckpt")));
        tg_st_writer_destroy(&w);
        assert_ok(tg_st_open(ctx, in_folder("wrong.ckpt"), &st));
        assert_null(tg_st_stated_hash(st));
        tg_st_close(&st);
    }

    /* a tensor that cannot be made ends the writing, and nothing stays behind */
    int files = files_in_folder();
    w = tg_st_writer_create();
    assert_true(tg_st_add_later(w, "later", TG_F32, 1, (int64_t[]){16}, fill_counting, NULL));
    assert_int_equal(tg_st_write(ctx, w, in_folder("none.ckpt")), TG_EMODEL);
    assert_message("no numbers");
    tg_st_writer_destroy(&w);
    assert_int_equal(files_in_folder(), files);
    empty_folder();
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(round_trip),
        cmocka_unit_test(refuses_bad_headers),
        cmocka_unit_test(every_truncation_is_named),
        cmocka_unit_test(names_foreign_files),
        cmocka_unit_test(without_copies),
    };
    return cmocka_run_group_tests(tests, start, stop);
}
