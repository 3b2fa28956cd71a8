#include "studio/mesh.h"

#include "studio/text.h"

#include <math.h>
#include <string.h>

/* Far above any asset; keeps products of counts inside int. */
enum { MAX_ITEMS = 4 << 20 };

/* Grows *block, an array of `count` items, so that one more fits. */
static bool reserve(void **block, int *capacity, int count, size_t item) {
    if (count < *capacity) {
        return true;
    }
    int wanted = *capacity ? *capacity * 2 : 1024;
    void *grown = tg_alloc((size_t)wanted * item);
    if (!grown) {
        return false;
    }
    if (*block) {
        memcpy(grown, *block, (size_t)count * item);
        tg_free(*block);
    }
    *block = grown;
    *capacity = wanted;
    return true;
}

typedef struct {
    tg_context *ctx;
    tg_text text;
    tg_obj *obj;
    int cap_position, cap_uv, cap_face, cap_face_uv, cap_face_group, cap_group;
    int group;
} obj_reader;

static tg_status read_group(obj_reader *r) {
    const char *word;
    size_t length;
    char name[64];
    if (!tg_text_word(&r->text, &word, &length)) {
        length = 0;
    }
    if (length >= sizeof name) {
        return tg_text_fail(r->ctx, &r->text, "group name too long", "at most 63 bytes");
    }
    memcpy(name, word, length);
    name[length] = 0;
    r->group = tg_obj_group(r->obj, name);
    if (r->group < 0) {
        if (!reserve((void **)&r->obj->group_name, &r->cap_group, r->obj->groups,
                     sizeof *r->obj->group_name)) {
            return tg_fail(r->ctx, TG_ENOMEM, "%s: out of memory", r->text.path);
        }
        r->group = r->obj->groups++;
        memcpy(r->obj->group_name[r->group], name, sizeof name);
    }
    return TG_OK;
}

/* "v", "v/vt", "v/vt/vn" or "v//vn", counted from 1. */
static bool parse_corner(const char *word, size_t length, int32_t *vertex, int32_t *uv) {
    const char *slash = memchr(word, '/', length);
    size_t first = slash ? (size_t)(slash - word) : length;
    int value = 0;
    if (!tg_word_int(word, first, &value) || value < 1) {
        return false;
    }
    *vertex = value - 1;
    *uv = 0;
    if (slash) {
        const char *second = slash + 1, *end = word + length;
        slash = memchr(second, '/', (size_t)(end - second));
        size_t size = (size_t)((slash ? slash : end) - second);
        if (size && (!tg_word_int(second, size, &value) || value < 1)) {
            return false;
        }
        *uv = size ? value - 1 : 0;
    }
    return true;
}

static tg_status read_face(obj_reader *r) {
    tg_obj *obj = r->obj;
    if (!reserve((void **)&obj->face, &r->cap_face, obj->faces, sizeof *obj->face) ||
        !reserve((void **)&obj->face_uv, &r->cap_face_uv, obj->faces, sizeof *obj->face_uv) ||
        !reserve((void **)&obj->face_group, &r->cap_face_group, obj->faces,
                 sizeof *obj->face_group)) {
        return tg_fail(r->ctx, TG_ENOMEM, "%s: out of memory", r->text.path);
    }
    int32_t *v = obj->face[obj->faces], *t = obj->face_uv[obj->faces];
    const char *word;
    size_t length;
    int corners = 0;
    while (tg_text_word(&r->text, &word, &length)) {
        if (corners == 4 || !parse_corner(word, length, &v[corners], &t[corners])) {
            return tg_text_fail(r->ctx, &r->text, "face is not readable",
                                "3 or 4 corners v/vt counted from 1");
        }
        corners++;
    }
    if (corners < 3) {
        return tg_text_fail(r->ctx, &r->text, "face with fewer than 3 corners",
                            "3 or 4 corners v/vt counted from 1");
    }
    if (corners == 3) {
        v[3] = v[2];
        t[3] = t[2];
    }
    obj->face_group[obj->faces++] = r->group;
    return TG_OK;
}

static tg_status read_lines(obj_reader *r) {
    tg_obj *obj = r->obj;
    tg_status status = TG_OK;
    while (status == TG_OK && tg_text_line(&r->text)) {
        const char *word;
        size_t length;
        tg_text_word(&r->text, &word, &length);
        if (obj->vertices >= MAX_ITEMS || obj->uvs >= MAX_ITEMS || obj->faces >= MAX_ITEMS) {
            return tg_text_fail(r->ctx, &r->text, "mesh too large", "at most 4 million items");
        }
        if (tg_word_is(word, length, "v")) {
            if (!reserve((void **)&obj->position, &r->cap_position, obj->vertices,
                         sizeof *obj->position)) {
                return tg_fail(r->ctx, TG_ENOMEM, "%s: out of memory", r->text.path);
            }
            float *p = obj->position[obj->vertices++];
            if (!tg_text_float(&r->text, &p[0]) || !tg_text_float(&r->text, &p[1]) ||
                !tg_text_float(&r->text, &p[2])) {
                return tg_text_fail(r->ctx, &r->text, "vertex is not readable", "v x y z");
            }
        } else if (tg_word_is(word, length, "vt")) {
            if (!reserve((void **)&obj->uv, &r->cap_uv, obj->uvs, sizeof *obj->uv)) {
                return tg_fail(r->ctx, TG_ENOMEM, "%s: out of memory", r->text.path);
            }
            float *t = obj->uv[obj->uvs++];
            if (!tg_text_float(&r->text, &t[0]) || !tg_text_float(&r->text, &t[1])) {
                return tg_text_fail(r->ctx, &r->text, "texture vertex is not readable", "vt u v");
            }
        } else if (tg_word_is(word, length, "g")) {
            status = read_group(r);
        } else if (tg_word_is(word, length, "f")) {
            status = read_face(r);
        }
    }
    return status;
}

/* Faces may name vertices that come later in the file, so indices are checked at the end. */
static tg_status check_indices(obj_reader *r) {
    const tg_obj *obj = r->obj;
    for (int f = 0; f < obj->faces; f++) {
        for (int k = 0; k < 4; k++) {
            bool uv_ok = obj->face_uv[f][k] < obj->uvs || (obj->uvs == 0 && !obj->face_uv[f][k]);
            if (obj->face[f][k] >= obj->vertices || !uv_ok) {
                return tg_fail(r->ctx, TG_EINPUT,
                               "%s: face %d names vertex %d or texture vertex %d\n"
                               "  expected: at most %d and %d, the number of such lines\n"
                               "  try: fetch the file again; it may be cut off",
                               r->text.path, f + 1, obj->face[f][k] + 1, obj->face_uv[f][k] + 1,
                               obj->vertices, obj->uvs);
            }
        }
    }
    if (obj->vertices == 0 || obj->faces == 0) {
        return tg_fail(r->ctx, TG_EINPUT,
                       "%s: %d vertices and %d faces\n  expected: a mesh\n"
                       "  try: fetch the file again; it may be cut off",
                       r->text.path, obj->vertices, obj->faces);
    }
    return TG_OK;
}

tg_status tg_obj_load(tg_context *ctx, const char *path, tg_obj *out) {
    memset(out, 0, sizeof *out);
    obj_reader reader = {.ctx = ctx, .obj = out, .group = -1};
    tg_status status = tg_text_open(ctx, path, &reader.text);
    if (status != TG_OK) {
        return status;
    }
    status = read_lines(&reader);
    if (status == TG_OK) {
        status = check_indices(&reader);
    }
    tg_text_close(&reader.text);
    if (status != TG_OK) {
        tg_obj_free(out);
    }
    return status;
}

void tg_obj_free(tg_obj *obj) {
    tg_free(obj->position);
    tg_free(obj->uv);
    tg_free(obj->face);
    tg_free(obj->face_uv);
    tg_free(obj->face_group);
    tg_free(obj->group_name);
    memset(obj, 0, sizeof *obj);
}

int tg_obj_group(const tg_obj *obj, const char *name) {
    for (int g = 0; g < obj->groups; g++) {
        if (strcmp(obj->group_name[g], name) == 0) {
            return g;
        }
    }
    return -1;
}

static int32_t find_root(int32_t *parent, int32_t i) {
    while (parent[i] != i) {
        parent[i] = parent[parent[i]];
        i = parent[i];
    }
    return i;
}

int tg_components(int n, const int32_t (*face)[4], int faces, int32_t *label) {
    int32_t *parent = tg_alloc((size_t)n * sizeof *parent);
    if (!parent) {
        return -1;
    }
    for (int i = 0; i < n; i++) {
        parent[i] = i;
    }
    for (int f = 0; f < faces; f++) {
        for (int k = 1; k < 4; k++) {
            int32_t a = find_root(parent, face[f][0]), b = find_root(parent, face[f][k]);
            /* the lower index stays root, so that labels follow the lowest node */
            if (a < b) {
                parent[b] = a;
            } else {
                parent[a] = b;
            }
        }
    }
    int count = 0;
    for (int i = 0; i < n; i++) {
        int32_t root = find_root(parent, i);
        label[i] = root == i ? count++ : label[root];
    }
    tg_free(parent);
    return count;
}

void tg_vertex_normals(int n, const float (*position)[3], const int32_t (*face)[4], int faces,
                       float (*normal)[3]) {
    memset(normal, 0, (size_t)n * sizeof *normal);
    for (int f = 0; f < faces; f++) {
        const float *a = position[face[f][0]], *b = position[face[f][1]];
        const float *c = position[face[f][2]], *d = position[face[f][3]];
        float u[3], v[3];
        for (int k = 0; k < 3; k++) {
            u[k] = c[k] - a[k];
            v[k] = d[k] - b[k];
        }
        /* half the cross product of the diagonals is the area vector, for triangles (d = c) too */
        float area[3] = {u[1] * v[2] - u[2] * v[1], u[2] * v[0] - u[0] * v[2],
                         u[0] * v[1] - u[1] * v[0]};
        int corners = face[f][2] == face[f][3] ? 3 : 4;
        for (int k = 0; k < corners; k++) {
            for (int i = 0; i < 3; i++) {
                normal[face[f][k]][i] += area[i];
            }
        }
    }
    for (int i = 0; i < n; i++) {
        float *v = normal[i];
        float size = sqrtf(v[0] * v[0] + v[1] * v[1] + v[2] * v[2]);
        float scale = size > 1e-20f ? 1.0f / size : 0.0f;
        for (int k = 0; k < 3; k++) {
            v[k] *= scale;
        }
    }
}
