#include "studio/proxy.h"

#include "studio/text.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

enum { MAX_PROXY_VERTICES = 1 << 20, MAX_PATH = 4096 };

typedef struct {
    tg_context *ctx;
    tg_text text;
    tg_proxy *proxy;
    int base_vertices, read, capacity;
} proxy_reader;

static tg_status read_scale(proxy_reader *r, int axis) {
    int a, b;
    float length;
    if (!tg_text_int(&r->text, &a) || !tg_text_int(&r->text, &b) ||
        !tg_text_float(&r->text, &length) || a < 0 || b < 0 || a >= r->base_vertices ||
        b >= r->base_vertices || !(fabsf(length) > 1e-6f)) {
        return tg_text_fail(r->ctx, &r->text, "scale is not readable",
                            "two vertices of the base mesh and a length");
    }
    r->proxy->scale_ref[axis][0] = a;
    r->proxy->scale_ref[axis][1] = b;
    r->proxy->scale_length[axis] = length;
    return TG_OK;
}

static tg_status grow(proxy_reader *r) {
    tg_proxy *p = r->proxy;
    int wanted = r->capacity ? r->capacity * 2 : 1024;
    void *block[3] = {tg_alloc((size_t)wanted * sizeof *p->ref),
                      tg_alloc((size_t)wanted * sizeof *p->weight),
                      tg_alloc((size_t)wanted * sizeof *p->offset)};
    void *old[3] = {p->ref, p->weight, p->offset};
    if (wanted > MAX_PROXY_VERTICES || !block[0] || !block[1] || !block[2]) {
        for (int k = 0; k < 3; k++) {
            tg_free(block[k]);
        }
        return tg_fail(r->ctx, TG_ENOMEM, "%s: out of memory for %d vertices", r->text.path,
                       wanted);
    }
    for (int k = 0; k < 3 && r->read; k++) {
        memcpy(block[k], old[k], (size_t)r->read * 3 * sizeof(float));
    }
    for (int k = 0; k < 3; k++) {
        tg_free(old[k]);
    }
    p->ref = block[0];
    p->weight = block[1];
    p->offset = block[2];
    r->capacity = wanted;
    return TG_OK;
}

/* "v" or "v0 v1 v2 w0 w1 w2 [dx dy dz]"; `first` is the word already taken. */
static tg_status read_vertex(proxy_reader *r, const char *first, size_t length) {
    if (r->read == r->capacity && grow(r) != TG_OK) {
        return TG_ENOMEM;
    }
    tg_proxy *p = r->proxy;
    int ref[3] = {0, 0, 0};
    float *weight = p->weight[r->read], *offset = p->offset[r->read];
    bool good = tg_word_int(first, length, &ref[0]);
    memset(offset, 0, 3 * sizeof *offset);
    if (tg_text_int(&r->text, &ref[1])) {
        good = good && tg_text_int(&r->text, &ref[2]);
        for (int k = 0; k < 3; k++) {
            good = good && tg_text_float(&r->text, &weight[k]);
        }
        if (good && tg_text_float(&r->text, &offset[0])) {
            good = tg_text_float(&r->text, &offset[1]) && tg_text_float(&r->text, &offset[2]);
        }
    } else {
        ref[1] = ref[2] = ref[0];
        weight[0] = 1.0f;
        weight[1] = weight[2] = 0.0f;
    }
    for (int k = 0; k < 3; k++) {
        good = good && ref[k] >= 0 && ref[k] < r->base_vertices;
        p->ref[r->read][k] = ref[k];
    }
    r->read++;
    return good ? TG_OK
                : tg_text_fail(r->ctx, &r->text, "vertex is not readable",
                               "a base vertex, or three and their weights");
}

/* Vertex lists such as "3 7 - 9"; a range may not cross lines. */
static tg_status read_hidden(proxy_reader *r, const char *word, size_t length) {
    int last = -1;
    bool range = false;
    do {
        int v = 0;
        if (tg_word_is(word, length, "-") && last >= 0) {
            range = true;
            continue;
        }
        if (!tg_word_int(word, length, &v) || v < 0 || v >= r->base_vertices) {
            return tg_text_fail(r->ctx, &r->text, "hidden vertex is not readable",
                                "vertices of the base mesh and ranges a - b");
        }
        for (int i = range ? last : v; i <= v; i++) {
            r->proxy->hides[i] = 1;
        }
        last = v;
        range = false;
    } while (tg_text_word(&r->text, &word, &length));
    return TG_OK;
}

static tg_status take_name(proxy_reader *r, char name[256]) {
    const char *word;
    size_t length;
    if (!tg_text_word(&r->text, &word, &length) || length >= 256 || memchr(word, '/', length)) {
        return tg_text_fail(r->ctx, &r->text, "obj_file is not readable",
                            "the name of a file in the same folder");
    }
    memcpy(name, word, length);
    name[length] = 0;
    return TG_OK;
}

static tg_status read_lines(proxy_reader *r, char obj_name[256]) {
    enum { HEADER, VERTICES, HIDDEN } part = HEADER;
    tg_status status = TG_OK;
    while (status == TG_OK && tg_text_line(&r->text)) {
        const char *word;
        size_t length;
        tg_text_word(&r->text, &word, &length);
        bool keyword = (*word >= 'a' && *word <= 'z') || (*word >= 'A' && *word <= 'Z');
        if (tg_word_is(word, length, "obj_file")) {
            status = take_name(r, obj_name);
        } else if (length == 7 && memcmp(word + 1, "_scale", 6) == 0 && *word >= 'x' &&
                   *word <= 'z') {
            status = read_scale(r, *word - 'x');
        } else if (tg_word_is(word, length, "verts")) {
            part = VERTICES;
        } else if (tg_word_is(word, length, "delete_verts")) {
            part = HIDDEN;
        } else if (!keyword && part == VERTICES) {
            status = read_vertex(r, word, length);
        } else if (!keyword && part == HIDDEN) {
            status = read_hidden(r, word, length);
        }
    }
    return status;
}

static tg_status load_mesh(proxy_reader *r, const char *obj_name) {
    char path[MAX_PATH];
    const char *slash = strrchr(r->text.path, '/');
    int folder = slash ? (int)(slash - r->text.path) + 1 : 0;
    int size = snprintf(path, sizeof path, "%.*s%s", folder, r->text.path, obj_name);
    if (!*obj_name || size >= (int)sizeof path) {
        return tg_text_fail(r->ctx, &r->text, "no usable obj_file line", "obj_file NAME");
    }
    tg_status status = tg_obj_load(r->ctx, path, &r->proxy->mesh);
    if (status == TG_OK && r->proxy->mesh.vertices != r->read) {
        status = tg_fail(r->ctx, TG_EINPUT,
                         "%s: %d vertices, but %s has %d\n  expected: one line per vertex\n"
                         "  try: fetch both files again from the MakeHuman repository",
                         r->text.path, r->read, path, r->proxy->mesh.vertices);
    }
    return status;
}

tg_status tg_proxy_load(tg_context *ctx, const char *path, int base_vertices, tg_proxy *out) {
    memset(out, 0, sizeof *out);
    proxy_reader reader = {.ctx = ctx, .proxy = out, .base_vertices = base_vertices};
    char obj_name[256] = "";
    tg_status status = tg_text_open(ctx, path, &reader.text);
    if (status != TG_OK) {
        return status;
    }
    out->hides = tg_calloc((size_t)base_vertices);
    status = out->hides ? read_lines(&reader, obj_name)
                        : tg_fail(ctx, TG_ENOMEM, "%s: out of memory", path);
    if (status == TG_OK) {
        status = load_mesh(&reader, obj_name);
    }
    tg_text_close(&reader.text);
    if (status != TG_OK) {
        tg_proxy_free(out);
    }
    return status;
}

void tg_proxy_free(tg_proxy *proxy) {
    tg_obj_free(&proxy->mesh);
    tg_free(proxy->ref);
    tg_free(proxy->weight);
    tg_free(proxy->offset);
    tg_free(proxy->hides);
    memset(proxy, 0, sizeof *proxy);
}

void tg_proxy_scale(const tg_proxy *proxy, const float (*x)[3], float scale[3]) {
    for (int k = 0; k < 3; k++) {
        const int *ref = proxy->scale_ref[k];
        float length = proxy->scale_length[k];
        scale[k] = length != 0.0f ? fabsf(x[ref[0]][k] - x[ref[1]][k]) / length : 1.0f;
    }
}

void tg_proxy_point(const tg_proxy *proxy, int vertex, const float (*x)[3], const float scale[3],
                    float out[3]) {
    const int32_t *ref = proxy->ref[vertex];
    const float *w = proxy->weight[vertex], *d = proxy->offset[vertex];
    for (int k = 0; k < 3; k++) {
        out[k] = w[0] * x[ref[0]][k] + w[1] * x[ref[1]][k] + w[2] * x[ref[2]][k] + scale[k] * d[k];
    }
}

void tg_proxy_fit(const tg_proxy *proxy, const float (*x)[3], float (*out)[3]) {
    float scale[3];
    tg_proxy_scale(proxy, x, scale);
    for (int i = 0; i < proxy->mesh.vertices; i++) {
        tg_proxy_point(proxy, i, x, scale, out[i]);
    }
}

/* Row of one vertex: sum of the three base rows; returns its length. */
static int mapped_row(const tg_proxy *proxy, int vertex, const tg_sparse *base, int32_t *column,
                      float *weight, int room) {
    int n = 0;
    for (int k = 0; k < 3; k++) {
        int32_t v = proxy->ref[vertex][k];
        float w = proxy->weight[vertex][k];
        for (int32_t j = base->start[v]; w != 0.0f && j < base->start[v + 1]; j++) {
            int i = 0;
            while (i < n && column[i] != base->column[j]) {
                i++;
            }
            if (i == n && n < room) {
                column[n] = base->column[j];
                weight[n++] = 0.0f;
            }
            if (i < n) {
                weight[i] += w * base->weight[j];
            }
        }
    }
    /* small and negative influences only come from extrapolation; they are dropped */
    int kept = 0;
    float sum = 0.0f;
    for (int i = 0; i < n; i++) {
        if (weight[i] >= 1e-4f) {
            column[kept] = column[i];
            weight[kept] = weight[i];
            sum += weight[kept++];
        }
    }
    for (int i = 0; i < kept; i++) {
        weight[i] /= sum;
    }
    if (kept == 0) {
        column[0] = 0;
        weight[0] = 1.0f;
        kept = 1;
    }
    return kept;
}

tg_status tg_proxy_skin(tg_context *ctx, const tg_proxy *proxy, const tg_sparse *base,
                        tg_sparse *out) {
    enum { ROOM = 64 }; /* at most 3 x 12 bones reach one vertex */
    int32_t column[ROOM];
    float weight[ROOM];
    int entries = 0;
    for (int i = 0; i < proxy->mesh.vertices; i++) {
        entries += mapped_row(proxy, i, base, column, weight, ROOM);
    }
    tg_status status = tg_sparse_create(ctx, proxy->mesh.vertices, entries, out);
    for (int i = 0; status == TG_OK && i < proxy->mesh.vertices; i++) {
        int n = mapped_row(proxy, i, base, column, weight, ROOM);
        memcpy(out->column + out->start[i], column, (size_t)n * sizeof *column);
        memcpy(out->weight + out->start[i], weight, (size_t)n * sizeof *weight);
        out->start[i + 1] = out->start[i] + n;
    }
    return status;
}
