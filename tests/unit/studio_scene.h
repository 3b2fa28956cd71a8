/* A little figure for tests of the film: a ball for a head with hair, a post for a neck, a board
 * for a torso. No files needed. */
#ifndef STUDIO_SCENE_H
#define STUDIO_SCENE_H

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "studio/film.h"

static inline float *studio_zeros(size_t n) {
    return calloc(n ? n : 1, sizeof(float));
}

/* A grid of (n+1)^2 vertices over u, v in [0,1]; position by `shape`. Counter-clockwise when the
 * shape keeps u to the right and v up as seen by the camera. */
typedef void studio_shape(float u, float v, float p[3], float normal[3], float *region);

static inline void studio_grid(tg_mesh *m, tg_material material, bool two_sided, int n,
                               studio_shape *shape) {
    int v = (n + 1) * (n + 1);
    float *region = studio_zeros((size_t)v), *uv = studio_zeros(2 * (size_t)v);
    float *attr = studio_zeros(TG_ATTR * (size_t)v);
    int32_t *t = malloc(sizeof(int32_t) * 6 * (size_t)(n * n));
    *m = (tg_mesh){.material = material,
                   .name = "grid",
                   .two_sided = two_sided,
                   .vertices = v,
                   .triangles = 2 * n * n,
                   .position = studio_zeros(3 * (size_t)v),
                   .normal = studio_zeros(3 * (size_t)v)};
    for (int y = 0; y <= n; y++)
        for (int x = 0; x <= n; x++) {
            int i = y * (n + 1) + x;
            uv[2 * i] = (float)x / (float)n;
            uv[2 * i + 1] = (float)y / (float)n;
            shape(uv[2 * i], uv[2 * i + 1], m->position + 3 * i, m->normal + 3 * i, region + i);
            for (int a = 0; a < 3; a++)
                attr[TG_ATTR * i + a] = material == TG_MATERIAL_SKIN ? 0 : 0.3f;
            attr[TG_ATTR * i + 3] = material == TG_MATERIAL_SKIN ? 0 : 0.7f;
        }
    for (int y = 0, k = 0; y < n; y++)
        for (int x = 0; x < n; x++) {
            int a = y * (n + 1) + x, b = a + 1, c = a + n + 2, d = a + n + 1;
            const int q[6] = {a, b, c, a, c, d};
            for (int i = 0; i < 6; i++)
                t[k++] = q[i];
        }
    float *rest = studio_zeros(3 * (size_t)v);
    memcpy(rest, m->position, 12 * (size_t)v);
    m->rest = rest;
    m->uv = uv;
    m->attr = attr;
    m->region = region;
    m->triangle = t;
}

static inline void studio_set3(float out[3], float x, float y, float z) {
    out[0] = x;
    out[1] = y;
    out[2] = z;
}

/* Front half of a ball of radius 0.8 around (0, 0.3, 0). */
static inline void studio_ball(float u, float v, float p[3], float n[3], float *region) {
    float a = 1.4f * (2 * u - 1), b = 1.4f * (2 * v - 1);
    studio_set3(n, sinf(a) * cosf(b), sinf(b), cosf(a) * cosf(b));
    studio_set3(p, 0.8f * n[0], 0.3f + 0.8f * n[1], 0.8f * n[2]);
    *region = 2;
}

static inline void studio_post(float u, float v, float p[3], float n[3], float *region) {
    float a = 1.4f * (2 * u - 1);
    studio_set3(n, sinf(a), 0, cosf(a));
    studio_set3(p, 0.35f * n[0], -1.3f + 1.2f * v, 0.1f + 0.35f * n[2]);
    *region = 1;
}

static inline void studio_board(float u, float v, float p[3], float n[3], float *region) {
    studio_set3(n, 0, 0, 1);
    studio_set3(p, 3 * (2 * u - 1), -3 + 2.2f * v, -0.1f);
    *region = 0;
}

static inline void studio_hair(tg_strands *s, int n) {
    enum { POINTS = 5 };
    *s = (tg_strands){.kind = TG_STRANDS_HAIR, .strands = n, .points = POINTS};
    s->point = studio_zeros(3 * POINTS * (size_t)n);
    s->normal = studio_zeros(3 * (size_t)n);
    float *radius = studio_zeros(POINTS), *scale = studio_zeros((size_t)n);
    float *albedo = studio_zeros(3 * (size_t)n), *random = studio_zeros((size_t)n);
    float *shade = studio_zeros((size_t)n);
    for (int j = 0; j < POINTS; j++)
        radius[j] = 0.004f;
    for (int i = 0; i < n; i++) {
        float a = 1.2f * (2 * ((float)i + 0.5f) / (float)n - 1);
        studio_set3(s->normal + 3 * i, sinf(a), cosf(a), 0);
        for (int j = 0; j < POINTS; j++)
            studio_set3(s->point + 3 * (i * POINTS + j), (0.8f + 0.08f * (float)j) * sinf(a),
                        0.3f + (0.8f + 0.08f * (float)j) * cosf(a), 0.1f);
        studio_set3(albedo + 3 * i, 0.1f, 0.05f, 0.03f);
        scale[i] = shade[i] = 1;
        random[i] = (float)(i % 7) / 7;
    }
    s->radius = radius;
    s->scale = scale;
    s->albedo = albedo;
    s->random = random;
    s->shade = shade;
}

/* Meshes: 0 head, 1 neck, 2 torso. Freed with studio_scene_free. */
static inline tg_scene studio_figure(void) {
    tg_scene scene = {.meshes = 3, .strand_sets = 1};
    scene.mesh = calloc(3, sizeof *scene.mesh);
    scene.strands = calloc(1, sizeof *scene.strands);
    studio_grid(&scene.mesh[0], TG_MATERIAL_SKIN, false, 24, studio_ball);
    studio_grid(&scene.mesh[1], TG_MATERIAL_SKIN, false, 12, studio_post);
    studio_grid(&scene.mesh[2], TG_MATERIAL_CLOTH, true, 4, studio_board);
    studio_hair(&scene.strands[0], 300);
    return scene;
}

static inline void studio_mesh_free(tg_mesh *m) {
    free(m->position);
    free(m->normal);
    free((void *)m->rest);
    free((void *)m->uv);
    free((void *)m->attr);
    free((void *)m->region);
    free((void *)m->triangle);
}

static inline void studio_scene_free(tg_scene *scene) {
    for (int m = 0; m < scene->meshes; m++)
        studio_mesh_free(&scene->mesh[m]);
    for (int s = 0; s < scene->strand_sets; s++) {
        tg_strands *t = &scene->strands[s];
        free(t->point);
        free(t->normal);
        free((void *)t->radius);
        free((void *)t->scale);
        free((void *)t->albedo);
        free((void *)t->random);
        free((void *)t->shade);
    }
    free(scene->mesh);
    free(scene->strands);
}

#endif
