/* Shading. A cell is 2 x 2 samples; what its samples see of one mesh is shaded once. Strands are
 * shaded at their points and interpolated, so their cost does not depend on the picture's size. */
#include "studio/film_parts.h"

#include <stdatomic.h>

#include "studio/tone.h"

typedef struct {
    tg_film *film;
    const tg_scene *scene;
    int part;
} job;

/* ---- light at vertices and strands ----------------------------------------------- */

static inline void mark(uint8_t *seen, size_t at) {
    atomic_store_explicit((_Atomic uint8_t *)(seen + at), 1, memory_order_relaxed);
}

/* Marks the vertices and strand points that samples [begin, end) of a layer interpolate between. */
static void mark_samples(void *arg, int64_t begin, int64_t end, int worker) {
    (void)worker;
    job *j = arg;
    tg_film *f = j->film;
    const tg_primitives *prims = &f->raster.prims;
    const uint32_t *ids = f->raster.id[j->part];
    uint32_t last = TG_NOTHING;
    for (int64_t i = begin; i < end; i++) {
        uint32_t id = ids[i];
        if (id == last || id == TG_NOTHING)
            continue;
        last = id;
        if (id < prims->seg_base[0]) {
            int m = tg_primitive_mesh(prims, id);
            const int32_t *corner =
                j->scene->mesh[m].triangle + 3 * (size_t)(id - prims->tri_base[m]);
            for (int k = 0; k < 3; k++)
                mark(f->vertex_seen, prims->vertex_base[m] + (size_t)corner[k]);
        } else {
            size_t point = tg_primitive_point(prims, j->scene, id);
            mark(f->point_seen, point);
            mark(f->point_seen, point + 1);
        }
    }
}

static void light_vertices(void *arg, int64_t begin, int64_t end, int worker) {
    (void)worker;
    job *j = arg;
    tg_film *f = j->film;
    const tg_mesh *mesh = &j->scene->mesh[j->part];
    size_t base = f->raster.prims.vertex_base[j->part];
    for (int64_t i = begin; i < end; i++) {
        if (!f->vertex_seen[base + (size_t)i])
            continue;
        tg_vec3 p = tg_v3_load(mesh->position + 3 * i), n = tg_v3_load(mesh->normal + 3 * i);
        if (mesh->two_sided && tg_v3_dot(n, tg_v3_sub(f->set.eye, p)) < 0)
            n = tg_v3_scale(n, -1);
        tg_shade_ambient(&f->set, p, n, f->ambient + 4 * (base + (size_t)i));
    }
}

static void light_strands(void *arg, int64_t begin, int64_t end, int worker) {
    (void)worker;
    job *j = arg;
    tg_film *f = j->film;
    const tg_strands *set = &j->scene->strands[j->part];
    size_t base = f->raster.prims.point_base[j->part];
    for (int64_t i = begin; i < end; i++) {
        size_t first = base + (size_t)i * (size_t)set->points;
        tg_shade_strand(&f->set, set, (int)i, f->point_seen + first, f->strand_color + 3 * first);
    }
}

void tg_film_light(tg_film *film, const tg_scene *scene, tg_pool *pool) {
    const tg_raster *r = &film->raster;
    job j = {film, scene, 0};
    memset(film->vertex_seen, 0, r->prims.vertex_base[scene->meshes]);
    memset(film->point_seen, 0, r->prims.point_base[scene->strand_sets]);
    for (j.part = 0; j.part < (film->options.layers ? 2 : 1); j.part++)
        tg_pool_run(pool, (int64_t)r->width * r->height, 65536, mark_samples, &j);
    for (j.part = 0; j.part < scene->meshes; j.part++)
        tg_pool_run(pool, scene->mesh[j.part].vertices, 1024, light_vertices, &j);
    for (j.part = 0; j.part < scene->strand_sets; j.part++)
        tg_pool_run(pool, scene->strands[j.part].strands, 256, light_strands, &j);
}

/* ---- cells -------------------------------------------------------------------------- */

/* The samples of a cell that see one mesh. */
typedef struct {
    int mesh, count;
    uint32_t id;
    float depth, x, y; /* of the nearest sample; mean sample position */
} group;

/* Splits the mesh samples of a cell at depth steps; returns the number of groups. */
static int group_samples(const tg_film *f, int layer, const size_t at[4], const float x[4],
                         const float y[4], group out[4]) {
    const tg_raster *r = &f->raster;
    uint32_t triangles = r->prims.seg_base[0];
    int n = 0;
    for (int k = 0; k < 4; k++) {
        uint32_t id = r->id[layer][at[k]];
        if (id >= triangles)
            continue;
        float depth = r->depth[layer][at[k]];
        int mesh = tg_primitive_mesh(&r->prims, id), g = 0;
        while (g < n && (out[g].mesh != mesh || fabsf(out[g].depth - depth) > 0.08f))
            g++;
        if (g == n)
            out[n++] = (group){.mesh = mesh, .id = id, .depth = depth};
        out[g].count++;
        out[g].x += x[k];
        out[g].y += y[k];
    }
    for (int g = 0; g < n; g++) {
        out[g].x /= (float)out[g].count;
        out[g].y /= (float)out[g].count;
    }
    return n;
}

static tg_vec3 blend3(const float *a, const int32_t *corner, const float w[3]) {
    const float *p = a + 3 * corner[0], *q = a + 3 * corner[1], *r = a + 3 * corner[2];
    return tg_v3(w[0] * p[0] + w[1] * q[0] + w[2] * r[0], w[0] * p[1] + w[1] * q[1] + w[2] * r[1],
                 w[0] * p[2] + w[1] * q[2] + w[2] * r[2]);
}

static void find_point(const tg_film *f, const tg_mesh *mesh, const group *g, tg_point *p,
                       tg_part *part) {
    const tg_primitives *prims = &f->raster.prims;
    int t = (int)(g->id - prims->tri_base[g->mesh]);
    const int32_t *corner = mesh->triangle + 3 * (size_t)t;
    float w[3];
    tg_raster_weights(&f->raster, mesh, g->mesh, t, g->x, g->y, w);
    p->position = blend3(mesh->position, corner, w);
    p->rest = blend3(mesh->rest, corner, w);
    p->normal = tg_v3_normal(blend3(mesh->normal, corner, w));
    p->view = tg_v3_normal(tg_v3_sub(f->set.eye, p->position));
    p->back = mesh->two_sided && tg_v3_dot(p->normal, p->view) < 0;
    if (p->back)
        p->normal = tg_v3_scale(p->normal, -1);
    float region = 0, sky[4] = {0, 0, 0, 0};
    p->u = p->v = 0;
    memset(p->attr, 0, sizeof p->attr);
    const float *ambient = f->ambient + 4 * (size_t)prims->vertex_base[g->mesh];
    for (int k = 0; k < 3; k++) {
        size_t v = (size_t)corner[k];
        p->u += w[k] * mesh->uv[2 * v];
        p->v += w[k] * mesh->uv[2 * v + 1];
        for (int a = 0; a < TG_ATTR; a++)
            p->attr[a] += w[k] * mesh->attr[TG_ATTR * v + (size_t)a];
        for (int a = 0; a < 4; a++)
            sky[a] += w[k] * ambient[4 * v + (size_t)a];
        region += w[k] * mesh->region[v];
    }
    p->ambient = tg_v3_load(sky);
    p->open = sky[3];
    *part = tg_part_of(region);
}

static void add(float *sum, tg_vec3 c, float weight) {
    sum[0] += c.x * weight;
    sum[1] += c.y * weight;
    sum[2] += c.z * weight;
}

static void put_skin(tg_film_layer *l, size_t cell, size_t cells, const group *g, tg_vec3 e,
                     tg_vec3 albedo, tg_vec3 highlight) {
    float value[3][3] = {
        {e.x, e.y, e.z}, {albedo.x, albedo.y, albedo.z}, {highlight.x, highlight.y, highlight.z}};
    for (size_t c = 0; c < 3; c++) {
        l->skin.irradiance[c * cells + cell] = value[0][c];
        l->albedo[c * cells + cell] = value[1][c];
        l->highlight[c * cells + cell] = value[2][c];
    }
    l->skin.depth[cell] = g->depth;
    l->skin_samples[cell] = (uint8_t)g->count;
}

static void shade_strand_sample(const tg_film *f, const tg_scene *scene, uint32_t id, float x,
                                float y, float *sum) {
    size_t point = tg_primitive_point(&f->raster.prims, scene, id);
    const float *a = f->raster.point + 3 * point;
    float dx = a[3] - a[0], dy = a[4] - a[1];
    float t = tg_clampf(((x - a[0]) * dx + (y - a[1]) * dy) / (dx * dx + dy * dy + 1e-12f), 0, 1);
    const float *c = f->strand_color + 3 * point;
    add(sum, tg_tone(tg_v3_mix(tg_v3_load(c), tg_v3_load(c + 3), t)), 1);
}

static void shade_cell(tg_film *f, const tg_scene *scene, int layer, int cx, int cy) {
    const tg_raster *r = &f->raster;
    tg_film_layer *l = &f->layer[layer];
    int k = f->options.cells;
    size_t cells = (size_t)f->cells_w * (size_t)f->cells_h;
    size_t cell = (size_t)cy * (size_t)f->cells_w + (size_t)cx;
    size_t pixel = (size_t)(cy / k) * (size_t)f->options.width + (size_t)(cx / k);
    size_t at[4];
    float x[4], y[4];
    for (int i = 0; i < 4; i++) {
        at[i] = (size_t)(2 * cy + i / 2) * (size_t)r->width + (size_t)(2 * cx + i % 2);
        x[i] = (float)(2 * cx + i % 2) + 0.5f;
        y[i] = (float)(2 * cy + i / 2) + 0.5f;
    }
    float *sum = l->sum + 3 * pixel;
    for (int i = 0; i < 4; i++) {
        uint32_t id = r->id[layer][at[i]];
        if (id == TG_NOTHING)
            continue;
        l->covered[pixel]++;
        if (id >= r->prims.seg_base[0]) {
            shade_strand_sample(f, scene, id, x[i], y[i], sum);
            if (f->parts)
                f->parts[3 * pixel + TG_PART_HEAD]++;
        }
    }
    group groups[4];
    int n = group_samples(f, layer, at, x, y, groups);
    for (int i = 0; i < n; i++) {
        const group *g = &groups[i];
        const tg_mesh *mesh = &scene->mesh[g->mesh];
        tg_point p;
        tg_surface s;
        tg_part part;
        tg_vec3 e, h;
        find_point(f, mesh, g, &p, &part);
        if (layer == 0 && f->parts)
            f->parts[3 * pixel + part] += (float)g->count;
        tg_shade_material(&f->set, mesh->material, &p, &s);
        tg_shade_light(&f->set, &p, &s, &e, &h);
        if (s.skin && l->skin_samples[cell] == 0)
            put_skin(l, cell, cells, g, e, s.albedo, h);
        else
            add(sum, tg_tone(tg_v3_add(tg_v3_mul(e, s.albedo), h)), (float)g->count);
    }
}

/* Whether all four samples of a cell see the same in both layers; *empty: the second sees nothing.
 */
static bool same_cell(const tg_raster *r, int cx, int cy, bool *empty) {
    bool same = true;
    *empty = true;
    for (int i = 0; i < 4; i++) {
        size_t at = (size_t)(2 * cy + i / 2) * (size_t)r->width + (size_t)(2 * cx + i % 2);
        same = same && r->id[0][at] == r->id[1][at];
        *empty = *empty && r->id[1][at] == TG_NOTHING;
    }
    return same;
}

static void copy_cell(tg_film *f, size_t cell, const float before[3], size_t pixel, float covered) {
    tg_film_layer *a = &f->layer[0], *b = &f->layer[1];
    size_t cells = (size_t)f->cells_w * (size_t)f->cells_h;
    for (size_t c = 0; c < 3; c++) {
        b->sum[3 * pixel + c] += a->sum[3 * pixel + c] - before[c];
        b->skin.irradiance[c * cells + cell] = a->skin.irradiance[c * cells + cell];
        b->albedo[c * cells + cell] = a->albedo[c * cells + cell];
        b->highlight[c * cells + cell] = a->highlight[c * cells + cell];
    }
    b->skin.depth[cell] = a->skin.depth[cell];
    b->skin_samples[cell] = a->skin_samples[cell];
    b->covered[pixel] += a->covered[pixel] - covered;
}

static void shade_rows(void *arg, int64_t begin, int64_t end, int worker) {
    (void)worker;
    job *j = arg;
    tg_film *f = j->film;
    int k = f->options.cells, w = f->options.width;
    bool layers = f->options.layers;
    for (int l = 0; l < (layers ? 2 : 1); l++) {
        tg_film_layer *layer = &f->layer[l];
        size_t first = (size_t)begin * (size_t)w, n = (size_t)(end - begin) * (size_t)w;
        memset(layer->sum + 3 * first, 0, 12 * n);
        memset(layer->covered + first, 0, 4 * n);
        size_t cells = n * (size_t)(k * k), cell = first * (size_t)(k * k);
        memset(layer->skin_samples + cell, 0, cells);
        for (size_t i = 0; i < cells; i++)
            layer->skin.depth[cell + i] = TG_SSS_OUTSIDE;
        if (l == 0 && f->parts)
            memset(f->parts + 3 * first, 0, 12 * n);
    }
    for (int cy = (int)begin * k; cy < (int)end * k; cy++)
        for (int cx = 0; cx < f->cells_w; cx++) {
            size_t cell = (size_t)cy * (size_t)f->cells_w + (size_t)cx;
            size_t pixel = (size_t)(cy / k) * (size_t)w + (size_t)(cx / k);
            float before[3];
            memcpy(before, f->layer[0].sum + 3 * pixel, sizeof before);
            float covered = f->layer[0].covered[pixel];
            shade_cell(f, j->scene, 0, cx, cy);
            if (!layers)
                continue;
            bool empty, same = same_cell(&f->raster, cx, cy, &empty);
            f->same[cell] = same;
            if (same)
                copy_cell(f, cell, before, pixel, covered);
            else if (!empty)
                shade_cell(f, j->scene, 1, cx, cy);
        }
}

void tg_film_shade(tg_film *film, const tg_scene *scene, tg_pool *pool) {
    job j = {film, scene, 0};
    tg_pool_run(pool, film->options.height, 4, shade_rows, &j);
}
