#include "studio/surface.h"

#include "studio/subdivide.h"

#include <math.h>
#include <string.h>

static tg_status no_memory(tg_context *ctx, const char *name) {
    return tg_fail(ctx, TG_ENOMEM, "surface %s: out of memory", name);
}

/* ---- building ------------------------------------------------------------------------- */

/* Attributes of control points that go through the same smoothing as positions. */
enum { ROW_REST = 0, ROW_UV = 3, ROW_REGION = 5, ROW_ATTR = 6, ROW_WIDTH = ROW_ATTR + TG_ATTR };

/* Keeps the points that faces use, in ascending order. */
static tg_status compact(tg_context *ctx, const tg_surface_plan *plan, tg_surface *s,
                         int32_t (**face)[4], float **rows) {
    int32_t *slot = tg_alloc((size_t)plan->points * sizeof *slot);
    *face = tg_alloc((size_t)plan->faces * sizeof **face);
    if (!slot || !*face) {
        tg_free(slot);
        return no_memory(ctx, plan->name);
    }
    memset(slot, -1, (size_t)plan->points * sizeof *slot);
    for (int f = 0; f < plan->faces; f++) {
        for (int k = 0; k < 4; k++) {
            slot[plan->face[f][k]] = 0;
        }
    }
    for (int i = 0; i < plan->points; i++) {
        if (slot[i] == 0) {
            slot[i] = s->controls++;
        }
    }
    s->control = tg_alloc((size_t)s->controls * sizeof *s->control);
    *rows = tg_calloc((size_t)s->controls * ROW_WIDTH * sizeof **rows);
    if (!s->control || !*rows) {
        tg_free(slot);
        return no_memory(ctx, plan->name);
    }
    for (int i = 0; i < plan->points; i++) {
        if (slot[i] < 0) {
            continue;
        }
        s->control[slot[i]] = plan->row[i];
        float *row = *rows + (size_t)slot[i] * ROW_WIDTH;
        memcpy(row + ROW_REST, plan->rest[i], sizeof plan->rest[i]);
        memcpy(row + ROW_ATTR, plan->attr[i], sizeof plan->attr[i]);
        if (plan->uv) {
            memcpy(row + ROW_UV, plan->uv[i], sizeof plan->uv[i]);
        }
        row[ROW_REGION] = plan->region ? plan->region[i] : (float)plan->part;
    }
    for (int f = 0; f < plan->faces; f++) {
        for (int k = 0; k < 4; k++) {
            (*face)[f][k] = slot[plan->face[f][k]];
        }
    }
    tg_free(slot);
    return TG_OK;
}

/* Smooths faces and rows; on return *face, *faces and *rows are those of the finest level. */
static tg_status smooth(tg_context *ctx, int levels, tg_surface *s, int32_t (**face)[4], int *faces,
                        float **rows) {
    s->mesh.vertices = s->controls;
    for (int i = 0; i < levels; i++) {
        int32_t(*finer)[4];
        int count = 0;
        tg_status status = tg_subdivide(ctx, s->mesh.vertices, (const int32_t(*)[4]) * face, *faces,
                                        &s->level[i], &finer, &count);
        if (status != TG_OK) {
            return status;
        }
        tg_free(*face);
        *face = finer;
        *faces = count;
        s->levels++;
        s->mesh.vertices = s->level[i].rows;
        float *finer_rows = tg_alloc((size_t)s->mesh.vertices * ROW_WIDTH * sizeof *finer_rows);
        if (!finer_rows) {
            return no_memory(ctx, s->mesh.name);
        }
        tg_sparse_apply_rows(&s->level[i], *rows, finer_rows, ROW_WIDTH);
        tg_free(*rows);
        *rows = finer_rows;
    }
    return TG_OK;
}

static int corners_of(const int32_t quad[4]) {
    return quad[2] == quad[3] ? 3 : 4;
}

static tg_status index_faces(tg_context *ctx, tg_surface *s) {
    int n = s->mesh.vertices;
    s->triangle = tg_alloc((size_t)s->quads * 6 * sizeof *s->triangle);
    s->fan_start = tg_calloc(((size_t)n + 2) * sizeof *s->fan_start);
    s->fan = tg_alloc((size_t)s->quads * 4 * sizeof *s->fan);
    if (!s->triangle || !s->fan_start || !s->fan) {
        return no_memory(ctx, s->mesh.name);
    }
    for (int q = 0; q < s->quads; q++) {
        int corners = corners_of(s->quad[q]);
        for (int k = 2; k < corners; k++) {
            int32_t *t = s->triangle + 3 * s->mesh.triangles++;
            t[0] = s->quad[q][0];
            t[1] = s->quad[q][k - 1];
            t[2] = s->quad[q][k];
        }
        for (int k = 0; k < corners; k++) {
            s->fan_start[s->quad[q][k] + 2]++;
        }
    }
    /* counts sit two places ahead; filling moves each start to its own place */
    for (int v = 2; v <= n + 1; v++) {
        s->fan_start[v] += s->fan_start[v - 1];
    }
    for (int q = 0; q < s->quads; q++) {
        for (int k = 0; k < corners_of(s->quad[q]); k++) {
            s->fan[s->fan_start[s->quad[q][k] + 1]++] = q;
        }
    }
    return TG_OK;
}

static tg_status split_rows(tg_context *ctx, tg_surface *s, const float *rows) {
    size_t n = (size_t)s->mesh.vertices;
    s->rest = tg_alloc(n * 3 * sizeof(float));
    s->uv = tg_alloc(n * 2 * sizeof(float));
    s->attr = tg_alloc(n * TG_ATTR * sizeof(float));
    s->region = tg_alloc(n * sizeof(float));
    if (!s->rest || !s->uv || !s->attr || !s->region) {
        return no_memory(ctx, s->mesh.name);
    }
    for (size_t i = 0; i < n; i++) {
        const float *row = rows + i * ROW_WIDTH;
        memcpy(s->rest + 3 * i, row + ROW_REST, 3 * sizeof *row);
        memcpy(s->uv + 2 * i, row + ROW_UV, 2 * sizeof *row);
        memcpy(s->attr + TG_ATTR * i, row + ROW_ATTR, TG_ATTR * sizeof *row);
        s->region[i] = row[ROW_REGION];
    }
    s->mesh.rest = s->rest;
    s->mesh.uv = s->uv;
    s->mesh.attr = s->attr;
    s->mesh.region = s->region;
    s->mesh.triangle = s->triangle;
    return TG_OK;
}

tg_status tg_surface_build(tg_context *ctx, const tg_surface_plan *plan, tg_surface *out) {
    memset(out, 0, sizeof *out);
    out->mesh.material = plan->material;
    out->mesh.name = plan->name;
    out->mesh.two_sided = plan->two_sided;
    int32_t(*face)[4] = NULL;
    int faces = plan->faces;
    float *rows = NULL;
    tg_status status = compact(ctx, plan, out, &face, &rows);
    if (status == TG_OK) {
        status = smooth(ctx, plan->levels, out, &face, &faces, &rows);
    }
    out->quad = face;
    out->quads = faces;
    if (status == TG_OK) {
        status = index_faces(ctx, out);
    }
    if (status == TG_OK) {
        status = split_rows(ctx, out, rows);
    }
    tg_free(rows);
    if (status != TG_OK) {
        tg_surface_free(out);
    }
    return status;
}

void tg_surface_free(tg_surface *surface) {
    for (int i = 0; i < TG_MAX_LEVELS; i++) {
        tg_sparse_free(&surface->level[i]);
    }
    tg_free(surface->control);
    tg_free(surface->quad);
    tg_free(surface->fan_start);
    tg_free(surface->fan);
    tg_free(surface->rest);
    tg_free(surface->uv);
    tg_free(surface->attr);
    tg_free(surface->region);
    tg_free(surface->triangle);
    memset(surface, 0, sizeof *surface);
}

/* ---- per frame ------------------------------------------------------------------------ */

void tg_surface_sizes(const tg_surface *surface, size_t size[TG_MAX_LEVELS + 2]) {
    for (int i = 0; i <= surface->levels; i++) {
        size_t n = (size_t)(i ? surface->level[i - 1].rows : surface->controls);
        size[i] = n > size[i] ? n : size[i];
    }
    size_t quads = (size_t)surface->quads;
    size[TG_MAX_LEVELS + 1] = quads > size[TG_MAX_LEVELS + 1] ? quads : size[TG_MAX_LEVELS + 1];
}

typedef struct {
    const tg_surface *surface;
    const tg_v4 *in;
    tg_v4 *out;
    const tg_sparse *matrix;
    const tg_v4 *point, *area;
    tg_mesh *mesh;
} surface_job;

static void run_gather(void *arg, int64_t begin, int64_t end, int worker) {
    (void)worker;
    const surface_job *job = arg;
    for (int64_t i = begin; i < end; i++) {
        job->out[i] = job->in[job->surface->control[i]];
    }
}

static void run_level(void *arg, int64_t begin, int64_t end, int worker) {
    (void)worker;
    const surface_job *job = arg;
    tg_sparse_apply(job->matrix, job->in, job->out, begin, end);
}

static void run_areas(void *arg, int64_t begin, int64_t end, int worker) {
    (void)worker;
    const surface_job *job = arg;
    for (int64_t q = begin; q < end; q++) {
        const int32_t *c = job->surface->quad[q];
        /* the cross product of the diagonals is twice the area vector */
        tg_v4 a = job->point[c[2]] - job->point[c[0]], b = job->point[c[3]] - job->point[c[1]];
        job->out[q] = (tg_v4){a[1] * b[2] - a[2] * b[1], a[2] * b[0] - a[0] * b[2],
                              a[0] * b[1] - a[1] * b[0], 0.0f};
    }
}

static void run_normals(void *arg, int64_t begin, int64_t end, int worker) {
    (void)worker;
    const surface_job *job = arg;
    const tg_surface *s = job->surface;
    for (int64_t i = begin; i < end; i++) {
        tg_v4 sum = tg_v4_splat(0.0f);
        for (int32_t j = s->fan_start[i]; j < s->fan_start[i + 1]; j++) {
            sum += job->area[s->fan[j]];
        }
        float size = sqrtf(sum[0] * sum[0] + sum[1] * sum[1] + sum[2] * sum[2]);
        tg_v4_store3(job->mesh->normal + 3 * i, sum * tg_v4_splat(1.0f / fmaxf(size, 1e-20f)));
        tg_v4_store3(job->mesh->position + 3 * i, job->point[i]);
    }
}

void tg_surface_evaluate(const tg_surface *surface, const tg_v4 *control, tg_pool *pool,
                         const tg_surface_scratch *scratch, tg_mesh *mesh) {
    enum { GRAIN = 2048 };
    surface_job job = {.surface = surface, .mesh = mesh, .in = control, .out = scratch->point[0]};
    tg_pool_run(pool, surface->controls, GRAIN, run_gather, &job);
    for (int i = 0; i < surface->levels; i++) {
        job.matrix = &surface->level[i];
        job.in = scratch->point[i];
        job.out = scratch->point[i + 1];
        tg_pool_run(pool, job.matrix->rows, GRAIN, run_level, &job);
    }
    job.point = scratch->point[surface->levels];
    job.out = scratch->area;
    job.area = scratch->area;
    tg_pool_run(pool, surface->quads, GRAIN, run_areas, &job);
    tg_pool_run(pool, surface->mesh.vertices, GRAIN, run_normals, &job);
}
