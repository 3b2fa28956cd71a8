/* Readers without memory: whichever allocation fails, the reader says so, gives back what it had
 * and leaves nothing behind. The seeds are those of the fuzz targets. */
#include "io_test.h"

#include <errno.h>
#include <malloc.h>

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define SANITIZED 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer)
#define SANITIZED 1
#endif
#endif

/* ---- a heap that fails -------------------------------------------------------------------- */

static long until_failure = -1; /* allocations that still succeed; below 0: all */
static long long live;
static bool failed;

#ifndef SANITIZED
/* glibc's own functions; those of these names are used by all libraries of the process. */
void *__libc_malloc(size_t);
void *__libc_calloc(size_t, size_t);
void *__libc_realloc(void *, size_t);
void *__libc_memalign(size_t, size_t);
void __libc_free(void *);

/* One allocation fails, those after it work again: so also what handles the failure is tried. */
static bool fails(void) {
    if (until_failure >= 0 && until_failure-- == 0) {
        failed = true;
        errno = ENOMEM;
        return true;
    }
    return false;
}

static void *counted(void *block) {
    live += block ? (long long)malloc_usable_size(block) : 0;
    return block;
}

void *malloc(size_t bytes) {
    return fails() ? NULL : counted(__libc_malloc(bytes));
}

void *calloc(size_t n, size_t bytes) {
    return fails() ? NULL : counted(__libc_calloc(n, bytes));
}

void *aligned_alloc(size_t alignment, size_t bytes) {
    return fails() ? NULL : counted(__libc_memalign(alignment, bytes));
}

void free(void *block) {
    live -= block ? (long long)malloc_usable_size(block) : 0;
    __libc_free(block);
}

void *realloc(void *block, size_t bytes) {
    long long before = block ? (long long)malloc_usable_size(block) : 0;
    void *moved = fails() ? NULL : __libc_realloc(block, bytes);
    live -= moved ? before : 0;
    return counted(moved);
}
#endif

/* ---- readers ----------------------------------------------------------------------------------
 */

static const char *seed(const char *name) {
    static char path[512];
    snprintf(path, sizeof path, "%s/fuzz/corpus/%s", TG_TESTS_DIR, name);
    return path;
}

static tg_status read_torch(const char *path) {
    tg_torch *file;
    tg_status status = tg_torch_open(ctx, path, &file);
    assert_true((status == TG_OK) == (file != NULL));
    tg_torch_close(&file);
    return status;
}

static tg_status read_state(const char *path) {
    tg_torch *file;
    tg_st *st;
    long kept = until_failure; /* opening is tried above */
    until_failure = -1;
    assert_ok(tg_torch_open(ctx, path, &file));
    until_failure = kept;
    tg_status status =
        tg_st_from_torch(ctx, file, tg_torch_find(tg_torch_root(file), "state_dict.model"), &st);
    assert_true((status == TG_OK) == (st != NULL));
    tg_st_close(&st);
    tg_torch_close(&file);
    return status;
}

static tg_status read_npy(const char *path) {
    tg_npy npy;
    tg_status status = tg_npy_read(ctx, path, &npy);
    assert_true((status == TG_OK) == (npy.data != NULL));
    tg_npy_free(&npy);
    return status;
}

static tg_status read_safetensors(const char *path) {
    tg_st *st;
    tg_status status = tg_st_open(ctx, path, &st);
    assert_true((status == TG_OK) == (st != NULL));
    tg_st_close(&st);
    return status;
}

static tg_status read_json(const char *path) {
    tg_json *root;
    tg_status status = tg_json_read(ctx, path, &root);
    assert_true((status == TG_OK) == (root != NULL));
    tg_json_destroy(&root);
    return status;
}

static tg_status read_yaml(const char *path) {
    tg_json *root;
    tg_status status = tg_yaml_read(ctx, path, &root);
    assert_true((status == TG_OK) == (root != NULL));
    tg_json_destroy(&root);
    return status;
}

static tg_status write_safetensors(const char *path) {
    const int64_t dim[] = {2};
    const float values[] = {1, 2};
    (void)path;
    tg_st_writer *w = tg_st_writer_create();
    bool added = w && tg_st_add_meta(w, "format", "1") &&
                 tg_st_add_f32(w, "a", TG_F32, 1, dim, values) &&
                 tg_st_add_f32(w, "b", TG_BF16, 1, dim, values);
    tg_status status =
        added ? tg_st_write(ctx, w, in_folder("out")) : tg_fail(ctx, TG_ENOMEM, "no memory");
    tg_st_writer_destroy(&w);
    until_failure = -1; /* looking into the folder is no part of it */
    assert_int_equal(files_in_folder(), status == TG_OK);
    empty_folder();
    return status;
}

/* ---- every allocation
 * ---------------------------------------------------------------------------- */

static void exhaust(tg_status (*reader)(const char *), const char *name) {
    const char *path = seed(name);
    /* libzip 1.7 keeps some of its own blocks when it has no memory, and takes some failures for
     * those of the archive. */
    const bool zip = reader == read_torch && (strstr(name, ".pth") || strstr(name, ".npz"));
    for (long n = 0;; n++) {
        assert_in_range(n, 0, 20000);
        assert_ok(
            reader(path)); /* libraries keep something of their first use, glibc the time zone */
        long long before = live;
        tg_fail(ctx, TG_OK, "%s", "");
        failed = false;
        until_failure = n;
        tg_status status = reader(path);
        until_failure = -1;
        if (live > before && !zip) {
            fail_msg("%s: %lld bytes are lost when allocation %ld fails", name, live - before, n);
        }
        if (!failed) { /* it needs no more than n */
            assert_int_equal(status, TG_OK);
            assert_true(n > 0);
            return;
        }
        /* A library may do without. */
        if (status != TG_OK &&
            ((zip ? status == TG_EINTERNAL : status != TG_ENOMEM) || !tg_message(ctx)[0])) {
            fail_msg("%s: status %d, '%s' when allocation %ld fails", name, status, tg_message(ctx),
                     n);
        }
    }
}

static void no_memory(void **state) {
    (void)state;
#ifdef SANITIZED
    print_message("SKIPPED failing allocations: the heap belongs to the sanitizer\n");
    skip();
#endif
    exhaust(read_torch, "torch/legacy.ckpt");
    exhaust(read_torch, "torch/zip.pth");
    exhaust(read_torch, "torch/deflated.npz");
    exhaust(read_torch, "torch/objects2.npy");
    exhaust(read_torch, "torch/objects4.npy");
    exhaust(read_torch, "torch/plain.npy");
    exhaust(read_torch, "torch/plain4.pkl");
    exhaust(read_torch, "torch/v3.pth");
    exhaust(read_state, "torch/legacy.ckpt");
    exhaust(read_npy, "npy/f4.npy");
    exhaust(read_safetensors, "safetensors/dtypes.safetensors");
    exhaust(read_json, "json/transforms.json");
    exhaust(read_yaml, "yaml/plain.yaml");
    exhaust(read_yaml, "yaml/anchors.yaml");
    exhaust(write_safetensors, "");
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(no_memory)};
    return cmocka_run_group_tests(tests, start, stop);
}
