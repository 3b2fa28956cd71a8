#include "studio/shadow.h"

#include "studio/span.h"

bool tg_depth_map_init(tg_depth_map *map, int size, tg_vec3 direction, tg_vec3 center,
                       float extent) {
    map->size = size;
    map->scale = (float)size / (2 * extent);
    map->center = center;
    map->d = tg_v3_normal(direction);
    tg_vec3 up = fabsf(map->d.y) > 0.95f ? tg_v3(1, 0, 0) : tg_v3(0, 1, 0);
    map->u = tg_v3_normal(tg_v3_cross(up, map->d));
    map->v = tg_v3_cross(map->d, map->u);
    map->depth = tg_alloc(sizeof(float) * (size_t)size * (size_t)size);
    return map->depth != NULL;
}

void tg_depth_map_free(tg_depth_map *map) {
    tg_free(map->depth);
    map->depth = NULL;
}

/* Map coordinates of world points: x and y in texels, z along the light. */
static void project(const tg_depth_map *map, const float *position, int n, float *out) {
    float s = map->scale, half = 0.5f * (float)map->size;
    tg_vec3 u = tg_v3_scale(map->u, s), v = tg_v3_scale(map->v, s), d = map->d;
    float u0 = half - tg_v3_dot(map->center, u), v0 = half - tg_v3_dot(map->center, v);
    float d0 = -tg_v3_dot(map->center, d);
    for (int i = 0; i < n; i++) {
        const float *p = position + 3 * i;
        out[3 * i] = p[0] * u.x + p[1] * u.y + p[2] * u.z + u0;
        out[3 * i + 1] = p[0] * v.x + p[1] * v.y + p[2] * v.z + v0;
        out[3 * i + 2] = p[0] * d.x + p[1] * d.y + p[2] * d.z + d0;
    }
}

/* Which triangles reach a texel centre. Most of a fine mesh's do not, or look away, in no order
 * that a branch could learn: so the list is kept without branches. keep [triangles + 1]; returns
 * how many. */
static int select_triangles(int size, const tg_triangles *faces, bool two_sided, const float *q,
                            int32_t *keep) {
    float limit = (float)size;
    int n = 0;
    for (int t = 0; t < faces->triangles; t++) {
        const int32_t *corner = faces->triangle + 3 * (size_t)t;
        const float *a = q + 3 * corner[0], *b = q + 3 * corner[1], *c = q + 3 * corner[2];
        float area = (b[0] - a[0]) * (c[1] - a[1]) - (b[1] - a[1]) * (c[0] - a[0]);
        float lowx = tg_minf(a[0], tg_minf(b[0], c[0])), highx = tg_maxf(a[0], tg_maxf(b[0], c[0]));
        float lowy = tg_minf(a[1], tg_minf(b[1], c[1])), highy = tg_maxf(a[1], tg_maxf(b[1], c[1]));
        lowx = tg_minf(tg_maxf(lowx, 0), limit);
        lowy = tg_minf(tg_maxf(lowy, 0), limit);
        highx = tg_minf(tg_maxf(highx, 0), limit);
        highy = tg_minf(tg_maxf(highy, 0), limit);
        /* u, v, d are right-handed: a face turned to the light has positive area. The ranges of
         * texel centres i + 0.5 are empty when the rounded ends agree. */
        int front = (area >= 1e-9f) | (two_sided & (area <= -1e-9f));
        int wide = (int)(lowx + 0.5f) < (int)(highx + 0.5f);
        int high = (int)(lowy + 0.5f) < (int)(highy + 0.5f);
        keep[n] = t;
        n += front & wide & high;
    }
    return n;
}

static void draw_triangle(tg_depth_map *map, const float *a, const float *b, const float *c) {
    int n = map->size;
    float limit = (float)n;
    float abx = b[0] - a[0], aby = b[1] - a[1], acx = c[0] - a[0], acy = c[1] - a[1];
    float lowx = tg_minf(a[0], tg_minf(b[0], c[0])), highx = tg_maxf(a[0], tg_maxf(b[0], c[0]));
    float lowy = tg_minf(a[1], tg_minf(b[1], c[1])), highy = tg_maxf(a[1], tg_maxf(b[1], c[1]));
    int x0 = (int)(tg_maxf(lowx, 0) + 0.5f), x1 = (int)(tg_minf(highx, limit) + 0.5f) - 1;
    int y0 = (int)(tg_maxf(lowy, 0) + 0.5f), y1 = (int)(tg_minf(highy, limit) + 0.5f) - 1;
    float inv = 1 / (abx * acy - aby * acx);
    float bx = acy * inv, by = -acx * inv, cx = -aby * inv, cy = abx * inv;
    float zb = b[2] - a[2], zc = c[2] - a[2], zx = zb * bx + zc * cx;
    bool narrow = x1 - x0 < 6; /* cheaper to ask every texel than to find the ends of the row */
    tg_span_steps steps = narrow ? (tg_span_steps){0} : tg_span_steps_of(bx, cx);
    for (int y = y0; y <= y1; y++) {
        float px = (float)x0 + 0.5f - a[0], py = (float)y + 0.5f - a[1];
        float wb = px * bx + py * by, wc = px * cx + py * cy;
        float z = a[2] + wb * zb + wc * zc;
        float *row = map->depth + (size_t)y * (size_t)n + x0;
        int from = 0, to = x1 - x0;
        if (narrow) {
            for (int x = 0; x <= to; x++) {
                float kb = wb + (float)x * bx, kc = wc + (float)x * cx;
                float least = tg_minf(tg_minf(kb, kc), 1 - kb - kc);
                row[x] = tg_maxf(row[x], least >= -TG_SPAN_SLACK ? z + zx * (float)x : -1e9f);
            }
            continue;
        }
        tg_span_clip(&steps, wb, wc, &from, &to);
        for (int x = from; x <= to; x++)
            row[x] = tg_maxf(row[x], z + zx * (float)x);
    }
}

static void draw_mesh(tg_depth_map *map, const tg_mesh *mesh, const tg_triangles *faces,
                      tg_depth_scratch *scratch) {
    project(map, mesh->position, mesh->vertices, scratch->vertex);
    int n = select_triangles(map->size, faces, mesh->two_sided, scratch->vertex, scratch->keep);
    for (int i = 0; i < n; i++) {
        const int32_t *corner = faces->triangle + 3 * (size_t)scratch->keep[i];
        const float *q = scratch->vertex;
        draw_triangle(map, q + 3 * corner[0], q + 3 * corner[1], q + 3 * corner[2]);
    }
}

static void draw_strands(tg_depth_map *map, const tg_strands *set, int step) {
    int n = map->size;
    float limit = (float)n;
    for (int i = 0; i < set->strands; i += step) {
        float q[3];
        for (int j = 0; j < set->points; j++) {
            project(map, set->point + 3 * ((size_t)i * (size_t)set->points + (size_t)j), 1, q);
            if (!(q[0] >= 0 && q[1] >= 0 && q[0] < limit && q[1] < limit))
                continue;
            float *texel = map->depth + (size_t)q[1] * (size_t)n + (size_t)q[0];
            *texel = tg_maxf(*texel, q[2]);
        }
    }
}

void tg_depth_map_draw(tg_depth_map *map, const tg_scene *scene, const tg_triangles *faces,
                       int strand_step, tg_depth_scratch *scratch) {
    size_t texels = (size_t)map->size * (size_t)map->size;
    for (size_t i = 0; i < texels; i++)
        map->depth[i] = -1e9f;
    for (int m = 0; m < scene->meshes; m++)
        draw_mesh(map, &scene->mesh[m], &faces[m], scratch);
    for (int s = 0; s < scene->strand_sets && strand_step > 0; s++)
        if (scene->strands[s].kind == TG_STRANDS_HAIR)
            draw_strands(map, &scene->strands[s], strand_step);
}

/* Light at map coordinates x, y (texel centres at integers) for depth z. */
static inline float light_at(const tg_depth_map *map, float x, float y, float z, float inv_soft) {
    int xi = tg_floori(x), yi = tg_floori(y), n = map->size;
    if (xi < 0 || yi < 0 || xi >= n - 1 || yi >= n - 1)
        return 1;
    const float *r = map->depth + (size_t)yi * (size_t)n + xi;
    float fx = x - (float)xi, fy = y - (float)yi;
    float a = 1 - tg_clampf((r[0] - z) * inv_soft, 0, 1);
    float b = 1 - tg_clampf((r[1] - z) * inv_soft, 0, 1);
    float c = 1 - tg_clampf((r[n] - z) * inv_soft, 0, 1);
    float d = 1 - tg_clampf((r[n + 1] - z) * inv_soft, 0, 1);
    a += fx * (b - a);
    c += fx * (d - c);
    return a + fy * (c - a);
}

float tg_depth_map_light(const tg_depth_map *map, tg_vec3 p, float bias, float soft) {
    tg_vec3 q = tg_v3_sub(p, map->center);
    float half = 0.5f * (float)map->size - 0.5f;
    return light_at(map, tg_v3_dot(q, map->u) * map->scale + half,
                    tg_v3_dot(q, map->v) * map->scale + half, tg_v3_dot(q, map->d) + bias,
                    1 / soft);
}

float tg_depth_map_disc(const tg_depth_map *map, tg_vec3 p, float bias, int radius, float step) {
    tg_vec3 q = tg_v3_sub(p, map->center);
    float half = 0.5f * (float)map->size - 0.5f;
    float x = tg_v3_dot(q, map->u) * map->scale + half;
    float y = tg_v3_dot(q, map->v) * map->scale + half, z = tg_v3_dot(q, map->d) + bias;
    float stride = step * map->scale, sum = 0;
    /* The receiver slopes: further out, it may lie nearer to the light than its middle. */
    float slope = 0.5f * step;
    const float inv_soft = 100;
    int taps = 0;
    if (radius > 1) {
        /* Most points are fully lit or fully shaded, which the middle and the rim agree on. */
        float r = stride * (float)radius, bz = z + slope * (float)radius;
        float c = light_at(map, x, y, z, inv_soft);
        float probe = c + light_at(map, x - r, y, bz, inv_soft) +
                      light_at(map, x + r, y, bz, inv_soft) +
                      light_at(map, x, y - r, bz, inv_soft) + light_at(map, x, y + r, bz, inv_soft);
        if (probe <= 0 || probe >= 5)
            return c;
    }
    for (int j = -radius; j <= radius; j++)
        for (int i = -radius; i <= radius; i++) {
            if (i * i + j * j > radius * radius + 1)
                continue;
            float away = (float)((i < 0 ? -i : i) + (j < 0 ? -j : j));
            sum += light_at(map, x + stride * (float)i, y + stride * (float)j, z + slope * away,
                            inv_soft);
            taps++;
        }
    return sum / (float)taps;
}
