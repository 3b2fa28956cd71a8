/* What is inside a published checkpoint, before anything is converted. */
#include "cli/info_torch.h"
#include "cli/options.h"

#include "talkgen/convert.h"
#include "talkgen/io.h"

#include <stdio.h>
#include <string.h>

/* Of a long list (the samples of a data set) only the first elements are shown. */
enum { LONG_LIST = 8, SHOWN = 2, PATH_BYTES = 1024 };

/* ---- text --------------------------------------------------------------------------------- */

/* Also the second control characters, which in UTF-8 are 0xc2 and a byte below 0xa0. */
static bool is_control(const char *c) {
    unsigned char first = (unsigned char)c[0], second = first == 0xc2 ? (unsigned char)c[1] : 0xff;
    return first < 0x20 || first == 0x7f || second < 0xa0;
}

/* Text of a file on a terminal: no control characters, at most `limit` bytes. */
static void print_plain(const char *text, size_t limit) {
    for (size_t i = 0; text[i] && i < limit; i++)
        putchar(is_control(text + i) ? '?' : text[i]);
    if (strlen(text) > limit)
        fputs("...", stdout);
}

static void print_shape(const tg_torch_tensor *t) {
    printf("%-5s [", tg_dtype_name(t->dtype));
    for (int d = 0; d < t->ndim; d++)
        printf("%s%lld", d ? "," : "", (long long)t->dim[d]);
    putchar(']');
}

static bool is_container(const tg_torch_value *v) {
    tg_torch_kind kind = tg_torch_kind_of(v);
    return kind == TG_TORCH_LIST || kind == TG_TORCH_DICT || kind == TG_TORCH_TENSOR;
}

static void print_value(const tg_torch_value *v) {
    switch (tg_torch_kind_of(v)) {
    case TG_TORCH_NONE:
        fputs("none", stdout);
        break;
    case TG_TORCH_BOOL:
        fputs(tg_torch_bool(v, false) ? "true" : "false", stdout);
        break;
    case TG_TORCH_NUMBER:
        printf("%.9g", tg_torch_number(v, 0));
        break;
    case TG_TORCH_BYTES:
        fputs("bytes", stdout);
        break;
    case TG_TORCH_STRING:
        putchar('"');
        print_plain(tg_torch_string(v, ""), 60);
        putchar('"');
        break;
    case TG_TORCH_TENSOR:
        print_shape(tg_torch_tensor_of(v));
        break;
    case TG_TORCH_OTHER:
        print_plain(tg_torch_string(v, "unfinished"), 60);
        break;
    case TG_TORCH_LIST:
    case TG_TORCH_DICT:
        printf("%s of %lld", tg_torch_kind_of(v) == TG_TORCH_DICT ? "dict" : "list",
               (long long)tg_torch_count(v));
        break;
    }
}

typedef struct {
    long long tensors;
    double numbers, bytes;
} totals;

static void count_tensors(const tg_torch_value *v, totals *sum) {
    const tg_torch_tensor *t = tg_torch_tensor_of(v);
    if (t) {
        sum->tensors++;
        sum->numbers += (double)t->count;
        sum->bytes += (double)t->count * (double)tg_dtype_size(t->dtype);
    }
    for (int64_t i = 0; i < tg_torch_count(v); i++)
        count_tensors(tg_torch_at(v, i), sum);
}

/* How many elements of a container are shown. */
static int64_t shown(const tg_torch_value *v) {
    int64_t n = tg_torch_count(v);
    return tg_torch_kind_of(v) == TG_TORCH_LIST && n > LONG_LIST ? SHOWN : n;
}

static void print_tree(const tg_torch_value *v, int depth) {
    int64_t n = tg_torch_count(v), visible = shown(v);
    for (int64_t i = 0; i < visible; i++) {
        const char *key = tg_torch_key(v, i);
        const tg_torch_value *child = tg_torch_at(v, i);
        printf("%*s", 2 * depth, "");
        if (key) {
            print_plain(key, 100);
            int width = 58 - 2 * depth - (int)strlen(key);
            printf("%*s", width > 1 ? width : 1, "");
        } else {
            printf("%lld: ", (long long)i);
        }
        print_value(child);
        putchar('\n');
        if (is_container(child))
            print_tree(child, depth + 1);
    }
    if (visible < n)
        printf("%*s... %lld more\n", 2 * depth, "", (long long)(n - visible));
}

/* ---- JSON ---------------------------------------------------------------------------------- */

typedef struct {
    tg_json *tensors, *values, *lists;
    char path[PATH_BYTES];
} json_lists;

static void add_tensor(tg_json *to, const char *name, const tg_torch_tensor *t) {
    tg_json *row = tg_json_set_object(to, NULL);
    tg_json_set_string(row, "name", name);
    tg_json_set_string(row, "dtype", tg_dtype_name(t->dtype));
    tg_json *shape = tg_json_set_array(row, "shape");
    for (int d = 0; d < t->ndim; d++)
        tg_json_set_number(shape, NULL, (double)t->dim[d]);
}

static void add_value(json_lists *j, const tg_torch_value *v) {
    tg_json *row = tg_json_set_object(j->values, NULL);
    tg_json_set_string(row, "name", j->path);
    switch (tg_torch_kind_of(v)) {
    case TG_TORCH_NUMBER:
        tg_json_set_number(row, "value", tg_torch_number(v, 0));
        break;
    case TG_TORCH_BOOL:
        tg_json_set_bool(row, "value", tg_torch_bool(v, false));
        break;
    case TG_TORCH_NONE:
        tg_json_set_string(row, "type", "none");
        break;
    case TG_TORCH_BYTES:
        tg_json_set_string(row, "type", "bytes");
        break;
    case TG_TORCH_OTHER:
        tg_json_set_string(row, "type", tg_torch_string(v, "unfinished"));
        break;
    default:
        tg_json_set_string(row, "value", tg_torch_string(v, ""));
        break;
    }
}

static void add_tree(json_lists *j, const tg_torch_value *v) {
    size_t end = strlen(j->path);
    tg_torch_kind kind = tg_torch_kind_of(v);
    if (kind == TG_TORCH_TENSOR) {
        add_tensor(j->tensors, j->path, tg_torch_tensor_of(v));
        return;
    }
    if (kind != TG_TORCH_LIST && kind != TG_TORCH_DICT) {
        add_value(j, v);
        return;
    }
    if (kind == TG_TORCH_LIST) {
        tg_json *row = tg_json_set_object(j->lists, NULL);
        tg_json_set_string(row, "name", j->path);
        tg_json_set_number(row, "count", (double)tg_torch_count(v));
    }
    for (int64_t i = 0; i < shown(v); i++) {
        const char *key = tg_torch_key(v, i), *dot = end ? "." : "";
        if (key)
            snprintf(j->path + end, sizeof j->path - end, "%s%s", dot, key);
        else
            snprintf(j->path + end, sizeof j->path - end, "%s%lld", dot, (long long)i);
        add_tree(j, tg_torch_at(v, i));
        j->path[end] = '\0';
    }
}

static tg_status print_json(tg_context *ctx, const tg_torch *file) {
    tg_json *root = tg_json_new_object();
    tg_json_set_string(root, "file", tg_torch_path(file));
    tg_json_set_string(root, "container", tg_torch_container(file));
    tg_json_set_string(root, "kind", tg_torch_guess(tg_torch_root(file)));
    json_lists j = {.tensors = tg_json_set_array(root, "tensors"),
                    .values = tg_json_set_array(root, "values"),
                    .lists = tg_json_set_array(root, "lists")};
    add_tree(&j, tg_torch_root(file));
    return cli_print_json(ctx, root);
}

tg_status info_torch(tg_context *ctx, const char *path, bool json) {
    tg_torch *file = NULL;
    tg_status s = tg_torch_open(ctx, path, &file);
    if (s != TG_OK)
        return s;
    if (json) {
        s = print_json(ctx, file);
    } else {
        const tg_torch_value *root = tg_torch_root(file);
        totals sum = {0};
        count_tensors(root, &sum);
        printf("%s: %s (%s, ", path, tg_torch_guess(root), tg_torch_container(file));
        print_value(root);
        puts(")");
        print_tree(root, 1);
        printf("%lld tensors, %.3f million numbers, %.2f MiB\n", sum.tensors, sum.numbers / 1e6,
               sum.bytes / (1 << 20));
    }
    tg_torch_close(&file);
    return s;
}
