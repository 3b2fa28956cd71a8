/* NumPy's .npy: magic, version, a Python dict literal with descr, fortran_order and shape, data.
 * https://numpy.org/doc/stable/reference/generated/numpy.lib.format.html */
#include "talkgen/io.h"
#include "io/npy.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

enum { MAX_DIMS = 8 };

static const struct {
    const char *descr;
    char kind; /* as in tg_npy_header */
    size_t size;
} types[] = {
    {"<f4", 'f', 4}, {"<f8", 'f', 8}, {"<f2", 'f', 2}, {"|i1", 'i', 1}, {"<i2", 'i', 2},
    {"<i4", 'i', 4}, {"<i8", 'i', 8}, {"|u1", 'u', 1}, {"<u2", 'u', 2}, {"<u4", 'u', 4},
    {"<u8", 'u', 8}, {"|b1", 'b', 1}, {"|O", 'O', 0},
};

static tg_status bad(tg_context *ctx, const char *path, size_t at, const char *what,
                     const char *expected) {
    return tg_fail(ctx, TG_EINPUT,
                   "%s: %s at byte %zu\n  expected: %s\n"
                   "  try: numpy.save with a float32 array",
                   path, what, at, expected);
}

/* ---- the header ------------------------------------------------------------------ */

/* The dict literal is read with a cursor that never leaves [at, end). */
typedef struct {
    const char *text;
    size_t at, end;
} cursor;

static void skip_space(cursor *c) {
    while (c->at < c->end && strchr(" \t\r\n", c->text[c->at]) && c->text[c->at]) {
        c->at++;
    }
}

static bool take(cursor *c, char symbol) {
    skip_space(c);
    if (c->at < c->end && c->text[c->at] == symbol) {
        c->at++;
        return true;
    }
    return false;
}

static bool take_word(cursor *c, const char *word) {
    skip_space(c);
    size_t n = strlen(word);
    if (c->end - c->at >= n && memcmp(c->text + c->at, word, n) == 0) {
        c->at += n;
        return true;
    }
    return false;
}

/* A quoted string without escapes, as numpy writes them. */
static bool take_string(cursor *c, char *out, size_t size) {
    skip_space(c);
    if (c->at >= c->end || (c->text[c->at] != '\'' && c->text[c->at] != '"')) {
        return false;
    }
    char quote = c->text[c->at++];
    size_t n = 0;
    while (c->at < c->end && c->text[c->at] != quote && n + 1 < size) {
        out[n++] = c->text[c->at++];
    }
    out[n] = '\0';
    return take(c, quote);
}

static bool take_size(cursor *c, int64_t *out) {
    skip_space(c);
    int64_t value = 0;
    size_t start = c->at;
    while (c->at < c->end && c->text[c->at] >= '0' && c->text[c->at] <= '9') {
        int digit = c->text[c->at++] - '0';
        if (value > (INT64_MAX - digit) / 10) {
            return false;
        }
        value = value * 10 + digit;
    }
    *out = value;
    return c->at > start;
}

static bool take_shape(cursor *c, tg_npy_header *h) {
    if (!take(c, '(')) {
        return false;
    }
    h->ndim = 0;
    while (!take(c, ')')) {
        if (h->ndim == MAX_DIMS || !take_size(c, &h->dim[h->ndim])) {
            return false;
        }
        h->ndim++;
        if (!take(c, ',')) {
            return take(c, ')');
        }
    }
    return true;
}

static tg_status parse_dict(tg_context *ctx, const char *path, cursor *c, tg_npy_header *h) {
    bool seen_descr = false, seen_order = false, seen_shape = false;
    if (!take(c, '{')) {
        return bad(ctx, path, c->at, "the header is no dict", "{'descr': '<f4', ...}");
    }
    while (!take(c, '}')) {
        char key[32];
        if (!take_string(c, key, sizeof key) || !take(c, ':')) {
            return bad(ctx, path, c->at, "no key in the header",
                       "'descr', 'fortran_order', 'shape'");
        }
        if (strcmp(key, "descr") == 0 && !seen_descr) {
            char descr[16];
            size_t at = c->at;
            if (!take_string(c, descr, sizeof descr)) {
                return bad(ctx, path, at, "a structured or unreadable dtype",
                           "plain numbers ('<f4')");
            }
            for (size_t i = 0; i < sizeof types / sizeof types[0]; i++) {
                if (strcmp(descr, types[i].descr) == 0) {
                    h->kind = types[i].kind;
                    h->size = types[i].size;
                    seen_descr = true;
                }
            }
            if (!seen_descr) {
                return bad(ctx, path, at, "a dtype this program does not read",
                           "little-endian floats or integers ('<f4')");
            }
        } else if (strcmp(key, "fortran_order") == 0 && !seen_order) {
            h->fortran = take_word(c, "True");
            seen_order = h->fortran || take_word(c, "False");
            if (!seen_order) {
                return bad(ctx, path, c->at, "bad fortran_order", "True or False");
            }
        } else if (strcmp(key, "shape") == 0 && !seen_shape) {
            seen_shape = take_shape(c, h);
            if (!seen_shape) {
                return bad(ctx, path, c->at, "bad shape", "a tuple of at most 8 sizes");
            }
        } else {
            return bad(ctx, path, c->at, "an unknown or repeated key in the header",
                       "'descr', 'fortran_order' and 'shape' once each");
        }
        if (!take(c, ',')) {
            if (take(c, '}')) {
                break;
            }
            return bad(ctx, path, c->at, "the header does not end", "}");
        }
    }
    skip_space(c);
    if (!seen_descr || !seen_order || !seen_shape || c->at != c->end) {
        return bad(ctx, path, c->at, "the header is incomplete or followed by text",
                   "'descr', 'fortran_order' and 'shape'");
    }
    return TG_OK;
}

tg_status tg_npy_parse_header(tg_context *ctx, const char *path, const tg_map *map,
                              tg_npy_header *h) {
    if (map->bytes < 10 || memcmp(map->data, "\x93NUMPY", 6) != 0) {
        return bad(ctx, path, 0, "not a .npy file", "\\x93NUMPY at its start");
    }
    int version = map->data[6];
    if (version < 1 || version > 3 || map->data[7] != 0) {
        return bad(ctx, path, 6, "an unknown .npy version", "1.0, 2.0 or 3.0");
    }
    size_t start = version == 1 ? 10 : 12;
    if (map->bytes < start) {
        return bad(ctx, path, map->bytes, "the file ends in its header", "a whole header");
    }
    size_t length = version == 1 ? tg_get_u16(map->data + 8) : tg_get_u32(map->data + 8);
    if (length > map->bytes - start) {
        return bad(ctx, path, 8, "a header longer than the file", "a whole header");
    }
    cursor c = {(const char *)map->data, start, start + length};
    tg_status status = parse_dict(ctx, path, &c, h);
    if (status != TG_OK) {
        return status;
    }
    h->data_at = start + length;
    size_t bytes, floats;
    h->elements = 1;
    for (int i = 0; i < h->ndim; i++) {
        if (!tg_mul_size(h->elements, (size_t)h->dim[i], &h->elements)) {
            return bad(ctx, path, start, "an impossible shape", "sizes whose product fits memory");
        }
    }
    if (!tg_mul_size(h->elements, h->size, &bytes) || !tg_mul_size(h->elements, 4, &floats)) {
        return bad(ctx, path, start, "an impossible shape", "sizes whose product fits memory");
    }
    size_t have = map->bytes - h->data_at;
    if (have != bytes && h->kind != 'O') {
        return tg_fail(ctx, TG_EINPUT,
                       "%s: %zu bytes %s\n  expected: %zu bytes of data, found %zu\n"
                       "  try: copy or make the file again",
                       path, have < bytes ? bytes - have : have - bytes,
                       have < bytes ? "are missing" : "follow the array", bytes, have);
    }
    return TG_OK;
}

/* ---- values ------------------------------------------------------------------------ */

static float read_value(const uint8_t *p, char kind, size_t size) {
    if (size == 1) {
        return kind == 'i' ? (float)(int8_t)*p : (float)*p;
    }
    if (size == 2) {
        uint16_t x = tg_get_u16(p);
        return kind == 'f' ? tg_f16_to_f32(x) : kind == 'i' ? (float)(int16_t)x : (float)x;
    }
    if (size == 4) {
        uint32_t x = tg_get_u32(p);
        float f;
        memcpy(&f, &x, sizeof f);
        return kind == 'f' ? f : kind == 'i' ? (float)(int32_t)x : (float)x;
    }
    uint64_t x = tg_get_u64(p);
    double f;
    memcpy(&f, &x, sizeof f);
    return kind == 'f' ? (float)f : kind == 'i' ? (float)(int64_t)x : (float)x;
}

/* First index fastest in the file, last index fastest in out. */
static void read_fortran(const uint8_t *p, const tg_npy_header *h, float *out) {
    int64_t index[MAX_DIMS] = {0};
    for (size_t i = 0; i < h->elements; i++) {
        size_t to = 0;
        for (int d = 0; d < h->ndim; d++) {
            to = to * (size_t)h->dim[d] + (size_t)index[d];
        }
        out[to] = read_value(p + i * h->size, h->kind, h->size);
        for (int d = 0; d < h->ndim && ++index[d] == h->dim[d]; d++) {
            index[d] = 0;
        }
    }
}

tg_status tg_npy_read(tg_context *ctx, const char *path, tg_npy *out) {
    *out = (tg_npy){0};
    tg_map map;
    tg_status status = tg_map_open(ctx, path, TG_EINPUT, &map);
    if (status != TG_OK) {
        return status;
    }
    tg_npy_header h = {0};
    status = tg_npy_parse_header(ctx, path, &map, &h);
    if (status == TG_OK && h.kind == 'O') {
        status = bad(ctx, path, 0, "the dtype is that of pickled objects", "numbers ('<f4')");
    }
    if (status == TG_OK && !(out->data = tg_alloc(h.elements * sizeof(float)))) {
        status = tg_fail(ctx, TG_ENOMEM, "%s: not enough memory for %zu values", path, h.elements);
    }
    if (status == TG_OK) {
        const uint8_t *p = map.data + h.data_at;
        if (h.fortran && h.ndim > 1) {
            read_fortran(p, &h, out->data);
        } else if (h.kind == 'f' && h.size == 4) {
            memcpy(out->data, p, h.elements * sizeof(float));
        } else {
            for (size_t i = 0; i < h.elements; i++) {
                out->data[i] = read_value(p + i * h.size, h.kind, h.size);
            }
        }
        out->ndim = h.ndim;
        memcpy(out->dim, h.dim, sizeof h.dim);
    }
    tg_map_close(&map);
    return status;
}

void tg_npy_free(tg_npy *npy) {
    tg_free(npy->data);
    *npy = (tg_npy){0};
}

tg_status tg_npy_write(tg_context *ctx, const char *path, int ndim, const int64_t *dim,
                       const float *data) {
    char header[512];
    size_t elements = 1, bytes;
    int n = snprintf(header + 10, sizeof header - 10,
                     "{'descr': '<f4', 'fortran_order': False, 'shape': (");
    for (int i = 0; i < ndim; i++) {
        /* A tuple of one keeps its comma. */
        n += snprintf(header + 10 + n, sizeof header - 10 - (size_t)n, "%s%" PRId64 "%s",
                      i ? " " : "", dim[i], i + 1 < ndim || ndim == 1 ? "," : "");
        if (dim[i] < 0 || !tg_mul_size(elements, (size_t)dim[i], &elements)) {
            return tg_fail(ctx, TG_EINTERNAL, "%s: an impossible shape", path);
        }
    }
    if (!tg_mul_size(elements, sizeof(float), &bytes) || ndim > MAX_DIMS) {
        return tg_fail(ctx, TG_EINTERNAL, "%s: an impossible shape", path);
    }
    n += snprintf(header + 10 + n, sizeof header - 10 - (size_t)n, "), }");
    /* numpy ends the header with a newline and aligns the data to 64 bytes. */
    size_t total = ((size_t)n + 10 + 1 + 63) / 64 * 64;
    memset(header + 10 + n, ' ', total - 10 - (size_t)n);
    header[total - 1] = '\n';
    memcpy(header, "\x93NUMPY\1\0", 8);
    header[8] = (char)((total - 10) & 255);
    header[9] = (char)((total - 10) >> 8);
    tg_temp temp;
    tg_status status = tg_temp_open(ctx, path, &temp);
    if (status != TG_OK) {
        return status;
    }
    status = tg_temp_write(ctx, &temp, header, total);
    if (status == TG_OK) {
        status = tg_temp_write(ctx, &temp, data, bytes);
    }
    if (status != TG_OK) {
        tg_temp_abort(&temp);
        return status;
    }
    return tg_temp_commit(ctx, &temp);
}
