#include "studio/subdivide.h"

#include <stdlib.h>
#include <string.h>

typedef struct {
    int32_t a, b; /* ends, a < b */
    int32_t face, side;
} half_edge;

typedef struct {
    int32_t end[2];
    int32_t face[2]; /* the first two */
    int32_t faces;
} edge;

typedef struct {
    tg_context *ctx;
    int vertices, faces, edges;
    const int32_t (*face)[4];
    edge *edge;
    int32_t (*face_edge)[4]; /* edge of side k, between corners k and k+1 */
    int32_t *vertex_start;   /* edges around a vertex, [vertices + 1] */
    int32_t *vertex_edge;
    int32_t *face_start; /* faces around a vertex */
    int32_t *vertex_face;
} topology;

static int corners_of(const int32_t face[4]) {
    return face[2] == face[3] ? 3 : 4;
}

static int compare_half_edges(const void *left, const void *right) {
    const half_edge *l = left, *r = right;
    if (l->a != r->a) {
        return l->a < r->a ? -1 : 1;
    }
    if (l->b != r->b) {
        return l->b < r->b ? -1 : 1;
    }
    /* equal edges in file order, so that the result does not depend on qsort */
    return l->face != r->face ? (l->face < r->face ? -1 : 1) : l->side - r->side;
}

static tg_status no_memory(tg_context *ctx, int faces) {
    return tg_fail(ctx, TG_ENOMEM, "subdivision: out of memory for %d faces", faces);
}

static tg_status find_edges(topology *t) {
    size_t most = (size_t)t->faces * 4;
    half_edge *half = tg_alloc(most * sizeof *half);
    t->edge = tg_alloc(most * sizeof *t->edge);
    t->face_edge = tg_alloc((size_t)t->faces * sizeof *t->face_edge);
    if (!half || !t->edge || !t->face_edge) {
        tg_free(half);
        return no_memory(t->ctx, t->faces);
    }
    size_t n = 0;
    for (int f = 0; f < t->faces; f++) {
        int corners = corners_of(t->face[f]);
        for (int k = 0; k < corners; k++) {
            int32_t a = t->face[f][k], b = t->face[f][(k + 1) % corners];
            half[n++] = (half_edge){a < b ? a : b, a < b ? b : a, f, k};
        }
    }
    qsort(half, n, sizeof *half, compare_half_edges);
    for (size_t i = 0; i < n; i++) {
        bool same = i && half[i].a == half[i - 1].a && half[i].b == half[i - 1].b;
        if (!same) {
            t->edge[t->edges++] = (edge){.end = {half[i].a, half[i].b}};
        }
        edge *e = &t->edge[t->edges - 1];
        if (e->faces < 2) {
            e->face[e->faces] = half[i].face;
        }
        e->faces++;
        t->face_edge[half[i].face][half[i].side] = t->edges - 1;
    }
    tg_free(half);
    return TG_OK;
}

/* Lists what touches each vertex: start[v]..start[v+1] of *list. */
static bool index_vertices(topology *t) {
    size_t n = (size_t)t->vertices + 1;
    t->vertex_start = tg_calloc((n + 1) * sizeof(int32_t));
    t->face_start = tg_calloc((n + 1) * sizeof(int32_t));
    t->vertex_edge = tg_alloc((size_t)t->edges * 2 * sizeof(int32_t));
    t->vertex_face = tg_alloc((size_t)t->faces * 4 * sizeof(int32_t));
    if (!t->vertex_start || !t->face_start || !t->vertex_edge || !t->vertex_face) {
        return false;
    }
    /* counts are kept two places ahead; filling moves them to their own place */
    for (int e = 0; e < t->edges; e++) {
        t->vertex_start[t->edge[e].end[0] + 2]++;
        t->vertex_start[t->edge[e].end[1] + 2]++;
    }
    for (int f = 0; f < t->faces; f++) {
        for (int k = 0; k < corners_of(t->face[f]); k++) {
            t->face_start[t->face[f][k] + 2]++;
        }
    }
    for (size_t v = 2; v <= n; v++) {
        t->vertex_start[v] += t->vertex_start[v - 1];
        t->face_start[v] += t->face_start[v - 1];
    }
    for (int e = 0; e < t->edges; e++) {
        for (int k = 0; k < 2; k++) {
            t->vertex_edge[t->vertex_start[t->edge[e].end[k] + 1]++] = e;
        }
    }
    for (int f = 0; f < t->faces; f++) {
        for (int k = 0; k < corners_of(t->face[f]); k++) {
            t->vertex_face[t->face_start[t->face[f][k] + 1]++] = f;
        }
    }
    return true;
}

/* One row under construction; columns may be added more than once. */
typedef struct {
    tg_sparse *matrix;
    int32_t next;
} row_writer;

static void add(row_writer *w, int32_t row, int32_t column, float weight) {
    tg_sparse *m = w->matrix;
    for (int32_t j = m->start[row]; j < w->next; j++) {
        if (m->column[j] == column) {
            m->weight[j] += weight;
            return;
        }
    }
    m->column[w->next] = column;
    m->weight[w->next++] = weight;
}

/* weight times the mean of a face's corners */
static void add_face(row_writer *w, int32_t row, const int32_t face[4], float weight) {
    int corners = corners_of(face);
    for (int k = 0; k < corners; k++) {
        add(w, row, face[k], weight / (float)corners);
    }
}

static void vertex_row(const topology *t, row_writer *w, int32_t v) {
    int32_t begin = t->vertex_start[v], end = t->vertex_start[v + 1];
    int32_t crease[2], creases = 0;
    for (int32_t j = begin; j < end; j++) {
        const edge *e = &t->edge[t->vertex_edge[j]];
        if (e->faces != 2) {
            if (creases < 2) {
                crease[creases] = e->end[0] == v ? e->end[1] : e->end[0];
            }
            creases++;
        }
    }
    if (begin == end || (creases && creases != 2)) {
        add(w, v, v, 1.0f);
        return;
    }
    if (creases == 2) {
        add(w, v, v, 0.75f);
        add(w, v, crease[0], 0.125f);
        add(w, v, crease[1], 0.125f);
        return;
    }
    /* (Q + 2R + (n-3)v)/n with Q the mean face point and R the mean edge mid-point */
    float n = (float)(end - begin);
    add(w, v, v, (n - 2.0f) / n);
    for (int32_t j = begin; j < end; j++) {
        const edge *e = &t->edge[t->vertex_edge[j]];
        add(w, v, e->end[0] == v ? e->end[1] : e->end[0], 1.0f / (n * n));
    }
    int32_t first = t->face_start[v], last = t->face_start[v + 1];
    for (int32_t j = first; j < last; j++) {
        add_face(w, v, t->face[t->vertex_face[j]], 1.0f / (n * (float)(last - first)));
    }
}

/* Entries that the rows need at most, before equal columns are merged. */
static int64_t count_entries(const topology *t) {
    int64_t total = (int64_t)t->faces * 4 + (int64_t)t->edges * 10;
    for (int v = 0; v < t->vertices; v++) {
        total += 1 + (t->vertex_start[v + 1] - t->vertex_start[v]);
        total += 4 * (int64_t)(t->face_start[v + 1] - t->face_start[v]);
    }
    return total;
}

static tg_status fill_matrix(const topology *t, tg_sparse *matrix) {
    int64_t entries = count_entries(t);
    if (entries > INT32_MAX) {
        return tg_fail(t->ctx, TG_EINPUT,
                       "a mesh of %d faces\n  expected: one that can be smoothed in 2^31 numbers\n"
                       "  try: other hair or cloth",
                       t->faces);
    }
    int rows = t->vertices + t->faces + t->edges;
    tg_status status = tg_sparse_create(t->ctx, rows, (int)entries, matrix);
    if (status != TG_OK) {
        return status;
    }
    row_writer w = {.matrix = matrix};
    int32_t row = 0;
    for (int v = 0; v < t->vertices; v++) {
        vertex_row(t, &w, row);
        matrix->start[++row] = w.next;
    }
    for (int f = 0; f < t->faces; f++) {
        add_face(&w, row, t->face[f], 1.0f);
        matrix->start[++row] = w.next;
    }
    for (int i = 0; i < t->edges; i++) {
        const edge *e = &t->edge[i];
        float ends = e->faces == 2 ? 0.25f : 0.5f;
        add(&w, row, e->end[0], ends);
        add(&w, row, e->end[1], ends);
        for (int k = 0; e->faces == 2 && k < 2; k++) {
            add_face(&w, row, t->face[e->face[k]], 0.25f);
        }
        matrix->start[++row] = w.next;
    }
    return TG_OK;
}

static void split_faces(const topology *t, int32_t (*out)[4], int *count) {
    int32_t face_point = t->vertices, edge_point = t->vertices + t->faces;
    *count = 0;
    for (int f = 0; f < t->faces; f++) {
        int corners = corners_of(t->face[f]);
        for (int k = 0; k < corners; k++) {
            int32_t *q = out[(*count)++];
            q[0] = t->face[f][k];
            q[1] = edge_point + t->face_edge[f][k];
            q[2] = face_point + f;
            q[3] = edge_point + t->face_edge[f][(k + corners - 1) % corners];
        }
    }
}

tg_status tg_subdivide(tg_context *ctx, int vertices, const int32_t (*face)[4], int faces,
                       tg_sparse *matrix, int32_t (**out_face)[4], int *out_faces) {
    topology t = {.ctx = ctx, .vertices = vertices, .face = face, .faces = faces};
    memset(matrix, 0, sizeof *matrix);
    *out_face = NULL;
    tg_status status = find_edges(&t);
    if (status == TG_OK && !index_vertices(&t)) {
        status = no_memory(ctx, faces);
    }
    if (status == TG_OK) {
        *out_face = tg_alloc((size_t)faces * 4 * sizeof **out_face);
        status = *out_face ? fill_matrix(&t, matrix) : no_memory(ctx, faces);
    }
    if (status == TG_OK) {
        split_faces(&t, *out_face, out_faces);
    } else {
        tg_free(*out_face);
        *out_face = NULL;
    }
    tg_free(t.edge);
    tg_free(t.face_edge);
    tg_free(t.vertex_start);
    tg_free(t.vertex_edge);
    tg_free(t.face_start);
    tg_free(t.vertex_face);
    return status;
}
