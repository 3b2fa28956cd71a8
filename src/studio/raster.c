#include "studio/raster.h"

#include "studio/span.h"

#define FAR_BEHIND 0.9f /* dm from the head's surface; the throat is nearer, the nape is not */

enum { BAND = 128 /* sample rows per block of work */, VERTEX_GRAIN = 8192 };

bool tg_primitives_init(tg_primitives *prims, const tg_scene *scene) {
    memset(prims, 0, sizeof *prims);
    if (scene->meshes > TG_RASTER_MAX_SETS || scene->strand_sets > TG_RASTER_MAX_SETS)
        return false;
    prims->meshes = scene->meshes;
    prims->strand_sets = scene->strand_sets;
    for (int m = 0; m < scene->meshes; m++) {
        prims->tri_base[m + 1] = prims->tri_base[m] + (uint32_t)scene->mesh[m].triangles;
        prims->vertex_base[m + 1] = prims->vertex_base[m] + (uint32_t)scene->mesh[m].vertices;
    }
    prims->seg_base[0] = prims->tri_base[scene->meshes];
    for (int s = 0; s < scene->strand_sets; s++) {
        const tg_strands *set = &scene->strands[s];
        prims->seg_base[s + 1] =
            prims->seg_base[s] + (uint32_t)set->strands * (uint32_t)(set->points - 1);
        prims->point_base[s + 1] =
            prims->point_base[s] + (uint32_t)set->strands * (uint32_t)set->points;
    }
    return true;
}

tg_status tg_raster_init(tg_context *ctx, tg_raster *raster, const tg_scene *scene, int width,
                         int height, const tg_film_camera *camera, bool layers) {
    memset(raster, 0, sizeof *raster);
    raster->width = width;
    raster->height = height;
    raster->camera = *camera;
    if (!tg_primitives_init(&raster->prims, scene))
        return tg_fail(ctx, TG_EINTERNAL, "scene has %d meshes and %d strand sets", scene->meshes,
                       scene->strand_sets);
    for (int s = 0; s < scene->strand_sets; s++)
        raster->strand_base[s + 1] = raster->strand_base[s] + (uint32_t)scene->strands[s].strands;
    size_t samples = (size_t)width * (size_t)height;
    const tg_primitives *prims = &raster->prims;
    raster->vertex = tg_alloc(12 * (size_t)prims->vertex_base[prims->meshes]);
    raster->span = tg_alloc(4 * (size_t)prims->tri_base[prims->meshes]);
    raster->point = tg_alloc(12 * (size_t)prims->point_base[prims->strand_sets]);
    raster->strand_span = tg_alloc(4 * (size_t)raster->strand_base[prims->strand_sets]);
    bool good = raster->vertex && raster->span && raster->point && raster->strand_span;
    for (int l = 0; l < (layers ? 2 : 1); l++) {
        raster->depth[l] = tg_alloc(sizeof(float) * samples);
        raster->id[l] = tg_alloc(sizeof(uint32_t) * samples);
        good = good && raster->depth[l] && raster->id[l];
    }
    if (!good) {
        tg_raster_free(raster);
        return tg_fail(ctx, TG_ENOMEM, "no memory for %d x %d samples", width, height);
    }
    return TG_OK;
}

void tg_raster_free(tg_raster *raster) {
    tg_free(raster->vertex);
    tg_free(raster->span);
    tg_free(raster->point);
    tg_free(raster->strand_span);
    for (int l = 0; l < 2; l++) {
        tg_free(raster->depth[l]);
        tg_free(raster->id[l]);
    }
    memset(raster, 0, sizeof *raster);
}

typedef struct {
    tg_raster *raster;
    const tg_scene *scene;
    int part; /* mesh or strand set */
} job;

static void project(const tg_film_camera *c, const float *position, int64_t n, float *out) {
    for (int64_t i = 0; i < n; i++) {
        float px = position[3 * i] - c->eye.x, py = position[3 * i + 1] - c->eye.y,
              pz = position[3 * i + 2] - c->eye.z;
        float z = px * c->z.x + py * c->z.y + pz * c->z.z, s = c->focal / z;
        out[3 * i] = c->cx + s * (px * c->x.x + py * c->x.y + pz * c->x.z);
        out[3 * i + 1] = c->cy - s * (px * c->y.x + py * c->y.y + pz * c->y.z);
        out[3 * i + 2] = z;
    }
}

static void project_mesh(void *arg, int64_t begin, int64_t end, int worker) {
    (void)worker;
    job *j = arg;
    tg_raster *r = j->raster;
    project(&r->camera, j->scene->mesh[j->part].position + 3 * begin, end - begin,
            r->vertex + 3 * ((int64_t)r->prims.vertex_base[j->part] + begin));
}

static void project_strands(void *arg, int64_t begin, int64_t end, int worker) {
    (void)worker;
    job *j = arg;
    tg_raster *r = j->raster;
    const tg_strands *set = &j->scene->strands[j->part];
    float *out = r->point + 3 * (size_t)r->prims.point_base[j->part];
    project(&r->camera, set->point + 3 * begin * set->points, (end - begin) * set->points,
            out + 3 * begin * set->points);
    for (int64_t i = begin; i < end; i++) {
        float low = 1e9f, high = -1e9f, near = 1e9f;
        for (int k = 0; k < set->points; k++) {
            const float *q = out + 3 * (i * set->points + k);
            low = tg_minf(low, q[1]);
            high = tg_maxf(high, q[1]);
            near = tg_minf(near, q[2]);
        }
        float pad = 1.5f * set->radius[0] * set->scale[i] * r->camera.focal / tg_maxf(near, 0.1f);
        int16_t *span = r->strand_span + 2 * ((int64_t)r->strand_base[j->part] + i);
        span[0] = (int16_t)tg_clampf(low - pad - 2, -1, 32000);
        span[1] = (int16_t)tg_clampf(high + pad + 2, -1, 32000);
    }
}

/* Rows of each triangle; none for those that look away or lie behind the camera. */
static void span_triangles(void *arg, int64_t begin, int64_t end, int worker) {
    (void)worker;
    job *j = arg;
    tg_raster *r = j->raster;
    const tg_mesh *mesh = &j->scene->mesh[j->part];
    const float *q = r->vertex + 3 * (size_t)r->prims.vertex_base[j->part];
    int16_t *span = r->span + 2 * (size_t)r->prims.tri_base[j->part];
    for (int64_t t = begin; t < end; t++) {
        const int32_t *corner = mesh->triangle + 3 * t;
        const float *a = q + 3 * corner[0], *b = q + 3 * corner[1], *c = q + 3 * corner[2];
        float area = (b[0] - a[0]) * (c[1] - a[1]) - (b[1] - a[1]) * (c[0] - a[0]);
        span[2 * t] = 1;
        span[2 * t + 1] = 0;
        /* Rows run down, so a face turned to the camera has negative area. */
        bool turned = mesh->two_sided ? fabsf(area) > 1e-9f : area < -1e-9f;
        if (!turned || a[2] < 0.1f || b[2] < 0.1f || c[2] < 0.1f)
            continue;
        float low = tg_minf(a[1], tg_minf(b[1], c[1])), high = tg_maxf(a[1], tg_maxf(b[1], c[1]));
        if (high < 0 || low > (float)r->height)
            continue;
        span[2 * t] = (int16_t)tg_floori(tg_maxf(low, 0) + 0.5f);
        span[2 * t + 1] = (int16_t)tg_floori(tg_minf(high, (float)r->height) - 0.5f);
    }
}

static void draw_triangle(tg_raster *r, const tg_mesh *mesh, const float *q, int t, uint32_t id,
                          int y0, int y1, bool layers) {
    const int32_t *corner = mesh->triangle + 3 * t;
    const float *a = q + 3 * corner[0], *b = q + 3 * corner[1], *c = q + 3 * corner[2];
    float abx = b[0] - a[0], aby = b[1] - a[1], acx = c[0] - a[0], acy = c[1] - a[1];
    float lowx = tg_minf(a[0], tg_minf(b[0], c[0])), highx = tg_maxf(a[0], tg_maxf(b[0], c[0]));
    int x0 = tg_floori(tg_maxf(lowx, 0) + 0.5f), x1 = tg_floori(highx - 0.5f);
    x1 = x1 < r->width - 1 ? x1 : r->width - 1;
    if (x0 > x1)
        return;
    float inv = 1 / (abx * acy - aby * acx);
    float bx = acy * inv, by = -acx * inv, cx = -aby * inv, cy = abx * inv;
    float ia = 1 / a[2], ib = 1 / b[2] - ia, ic = 1 / c[2] - ia; /* 1/depth is linear on screen */
    const float *g = mesh->region;
    float ga = g[corner[0]], gb = g[corner[1]], gc = g[corner[2]];
    bool below = layers && tg_minf(ga, tg_minf(gb, gc)) < 1.5f;
    tg_span_steps steps = tg_span_steps_of(bx, cx);
    bool mixed = below && tg_maxf(ga, tg_maxf(gb, gc)) >= 1.5f;
    for (int y = y0; y <= y1; y++) {
        float px = (float)x0 + 0.5f - a[0], py = (float)y + 0.5f - a[1];
        float wb0 = px * bx + py * by, wc0 = px * cx + py * cy;
        int from = 0, to = x1 - x0;
        tg_span_clip(&steps, wb0, wc0, &from, &to);
        size_t row = (size_t)y * (size_t)r->width;
        for (int x = x0 + from; x <= x0 + to; x++) {
            float wb = wb0 + (float)(x - x0) * bx, wc = wc0 + (float)(x - x0) * cx;
            float z = 1 / (ia + wb * ib + wc * ic);
            if (z < r->depth[0][row + (size_t)x]) {
                r->depth[0][row + (size_t)x] = z;
                r->id[0][row + (size_t)x] = id;
            }
            if (below && z < r->depth[1][row + (size_t)x] &&
                (!mixed || ga + wb * (gb - ga) + wc * (gc - ga) < 1.5f)) {
                r->depth[1][row + (size_t)x] = z;
                r->id[1][row + (size_t)x] = id;
            }
        }
    }
}

static inline void put(tg_raster *r, int x, int y, float z, uint32_t id) {
    size_t at = (size_t)y * (size_t)r->width + (size_t)x;
    if (z < r->depth[0][at]) {
        r->depth[0][at] = z;
        r->id[0][at] = id;
    }
}

/* A segment as a band of its projected radius, walked along its longer axis. Thinner than a sample
 * it still covers one sample per step: no sample is left to chance, so hair does not sparkle. */
static void draw_segment(tg_raster *r, const float *a, const float *b, float ra, float rb,
                         uint32_t id, int y0, int y1) {
    float dx = b[0] - a[0], dy = b[1] - a[1];
    float length = sqrtf(dx * dx + dy * dy);
    if (length < 1e-6f)
        return;
    if (fabsf(dy) >= fabsf(dx)) {
        int first = tg_floori(tg_minf(a[1], b[1]) + 0.5f);
        int last = tg_floori(tg_maxf(a[1], b[1]) - 0.5f);
        float inv = 1 / dy, widen = length * fabsf(inv);
        for (int y = first > y0 ? first : y0; y <= last && y <= y1; y++) {
            float t = ((float)y + 0.5f - a[1]) * inv, x = a[0] + t * dx;
            float half = tg_maxf(ra + t * (rb - ra), 0.5f) * widen;
            int from = tg_floori(x - half + 0.5f), to = tg_floori(x + half - 0.5f);
            from = from > 0 ? from : 0;
            to = to < r->width - 1 ? to : r->width - 1;
            for (int i = from; i <= to; i++)
                put(r, i, y, a[2] + t * (b[2] - a[2]), id);
        }
    } else {
        int first = tg_floori(tg_minf(a[0], b[0]) + 0.5f);
        int last = tg_floori(tg_maxf(a[0], b[0]) - 0.5f);
        float inv = 1 / dx, widen = length * fabsf(inv);
        for (int x = first > 0 ? first : 0; x <= last && x < r->width; x++) {
            float t = ((float)x + 0.5f - a[0]) * inv, y = a[1] + t * dy;
            float half = tg_maxf(ra + t * (rb - ra), 0.5f) * widen;
            int from = tg_floori(y - half + 0.5f), to = tg_floori(y + half - 0.5f);
            from = from > y0 ? from : y0;
            to = to < y1 ? to : y1;
            for (int i = from; i <= to; i++)
                put(r, x, i, a[2] + t * (b[2] - a[2]), id);
        }
    }
}

static void draw_strand(tg_raster *r, const tg_strands *set, int s, int i, int y0, int y1) {
    const float *q =
        r->point + 3 * ((size_t)r->prims.point_base[s] + (size_t)i * (size_t)set->points);
    uint32_t id = r->prims.seg_base[s] + (uint32_t)i * (uint32_t)(set->points - 1);
    float scale = set->scale[i] * r->camera.focal;
    for (int j = 0; j + 1 < set->points; j++, q += 3)
        if (q[2] > 0.1f && q[5] > 0.1f)
            draw_segment(r, q, q + 3, set->radius[j] * scale / q[2],
                         set->radius[j + 1] * scale / q[5], id + (uint32_t)j, y0, y1);
}

/* What the torso layer sees behind the head shall continue neck and torso. The inside of a collar,
 * seen through the missing head, does not: drop linings and what lies far behind. */
static void drop_linings(tg_raster *r, const tg_scene *scene, size_t first, size_t last) {
    for (size_t i = first; i < last; i++) {
        uint32_t id = r->id[1][i];
        if (id == TG_NOTHING || id == r->id[0][i])
            continue;
        int m = tg_primitive_mesh(&r->prims, id);
        const float *q = r->vertex + 3 * (size_t)r->prims.vertex_base[m];
        const int32_t *corner = scene->mesh[m].triangle + 3 * (size_t)(id - r->prims.tri_base[m]);
        const float *a = q + 3 * corner[0], *b = q + 3 * corner[1], *c = q + 3 * corner[2];
        float area = (b[0] - a[0]) * (c[1] - a[1]) - (b[1] - a[1]) * (c[0] - a[0]);
        if (area > 0 || r->depth[1][i] - r->depth[0][i] > FAR_BEHIND) {
            r->id[1][i] = TG_NOTHING;
            r->depth[1][i] = 1e9f;
        }
    }
}

static void draw_band(void *arg, int64_t begin, int64_t end, int worker) {
    (void)worker;
    job *j = arg;
    tg_raster *r = j->raster;
    int y0 = (int)begin, y1 = (int)end - 1;
    size_t first = (size_t)begin * (size_t)r->width, last = (size_t)end * (size_t)r->width;
    bool layers = r->id[1] != NULL;
    for (int l = 0; l < (layers ? 2 : 1); l++)
        for (size_t i = first; i < last; i++) {
            r->depth[l][i] = 1e9f;
            r->id[l][i] = TG_NOTHING;
        }
    for (int m = 0; m < j->scene->meshes; m++) {
        const tg_mesh *mesh = &j->scene->mesh[m];
        const float *q = r->vertex + 3 * (size_t)r->prims.vertex_base[m];
        const int16_t *span = r->span + 2 * (size_t)r->prims.tri_base[m];
        for (int t = 0; t < mesh->triangles; t++) {
            int from = span[2 * t] > y0 ? span[2 * t] : y0;
            int to = span[2 * t + 1] < y1 ? span[2 * t + 1] : y1;
            if (from <= to)
                draw_triangle(r, mesh, q, t, r->prims.tri_base[m] + (uint32_t)t, from, to, layers);
        }
    }
    for (int s = 0; s < j->scene->strand_sets; s++) {
        const tg_strands *set = &j->scene->strands[s];
        const int16_t *span = r->strand_span + 2 * (size_t)r->strand_base[s];
        for (int i = 0; i < set->strands; i++)
            if (span[2 * i] <= y1 && span[2 * i + 1] >= y0)
                draw_strand(r, set, s, i, y0, y1);
    }
    if (layers)
        drop_linings(r, j->scene, first, last);
}

void tg_raster_draw(tg_raster *raster, const tg_scene *scene, tg_pool *pool) {
    job j = {raster, scene, 0};
    for (int m = 0; m < scene->meshes; m++) {
        j.part = m;
        tg_pool_run(pool, scene->mesh[m].vertices, VERTEX_GRAIN, project_mesh, &j);
        tg_pool_run(pool, scene->mesh[m].triangles, VERTEX_GRAIN, span_triangles, &j);
    }
    for (int s = 0; s < scene->strand_sets; s++) {
        j.part = s;
        tg_pool_run(pool, scene->strands[s].strands, 1024, project_strands, &j);
    }
    tg_pool_run(pool, raster->height, BAND, draw_band, &j);
}

void tg_raster_weights(const tg_raster *raster, const tg_mesh *mesh, int m, int triangle, float x,
                       float y, float weight[3]) {
    const float *q = raster->vertex + 3 * (size_t)raster->prims.vertex_base[m];
    const int32_t *corner = mesh->triangle + 3 * (size_t)triangle;
    const float *a = q + 3 * corner[0], *b = q + 3 * corner[1], *c = q + 3 * corner[2];
    float abx = b[0] - a[0], aby = b[1] - a[1], acx = c[0] - a[0], acy = c[1] - a[1];
    float inv = 1 / (abx * acy - aby * acx), px = x - a[0], py = y - a[1];
    /* A cell's middle may lie a little outside of the triangle that stands for the cell. */
    float wb = tg_clampf((px * acy - py * acx) * inv, 0, 1);
    float wc = tg_clampf((py * abx - px * aby) * inv, 0, 1 - wb);
    float ka = (1 - wb - wc) / a[2], kb = wb / b[2], kc = wc / c[2], sum = 1 / (ka + kb + kc);
    weight[0] = ka * sum;
    weight[1] = kb * sum;
    weight[2] = kc * sum;
}
