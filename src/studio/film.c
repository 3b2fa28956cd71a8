#include "studio/film_parts.h"

#include <stdio.h>

#include "studio/tone.h"
#include "talkgen/io.h"

/* Light in skin: how far it goes, dm per channel, and the share that does. The rest comes out where
 * it went in: without it skin looks like wax (d'Eon and Luebke 2007 need six such widths). */
static const float SKIN_SIGMA[3] = {0.032f, 0.015f, 0.009f};
static const float SKIN_SHARE[3] = {0.62f, 0.55f, 0.50f};

/* ---- camera -------------------------------------------------------------------------- */

tg_film_camera tg_film_portrait(const float anchor[3], int width, int height) {
    tg_film_camera c;
    c.eye = tg_v3(0, anchor[1], anchor[2] + 14.2f);
    tg_vec3 target = tg_v3(0, anchor[1] - 0.12f, anchor[2] - 1);
    c.z = tg_v3_normal(tg_v3_sub(target, c.eye));
    c.x = tg_v3_normal(tg_v3_cross(c.z, tg_v3(0, 1, 0)));
    c.y = tg_v3_cross(c.x, c.z);
    c.focal = 2050.0f / 512 * (float)(width < height ? width : height);
    c.cx = 0.5f * (float)width;
    c.cy = 0.5f * (float)height;
    return c;
}

tg_vec3 tg_film_project(const tg_film_camera *c, tg_vec3 p) {
    tg_vec3 d = tg_v3_sub(p, c->eye);
    float z = tg_v3_dot(d, c->z), s = c->focal / z;
    return tg_v3(c->cx + s * tg_v3_dot(d, c->x), c->cy - s * tg_v3_dot(d, c->y), z);
}

void tg_film_head_camera(const tg_film_camera *c, const float head[12], float c2w[16]) {
    const float axis[4][3] = {
        {c->x.x, c->x.y, c->x.z},
        {c->y.x, c->y.y, c->y.z},
        {-c->z.x, -c->z.y, -c->z.z},
        {(c->eye.x - head[3]) / 10, (c->eye.y - head[7]) / 10, (c->eye.z - head[11]) / 10}};
    for (int k = 0; k < 4; k++)
        for (int i = 0; i < 3; i++) /* transposed rotation of the head */
            c2w[4 * i + k] =
                head[i] * axis[k][0] + head[4 + i] * axis[k][1] + head[8 + i] * axis[k][2];
    c2w[12] = c2w[13] = c2w[14] = 0;
    c2w[15] = 1;
}

tg_film_options tg_film_defaults(const tg_actor *actor, const tg_person *person, int width,
                                 int height) {
    tg_film_options o = {.width = width,
                         .height = height,
                         .cells = 2,
                         .layers = true,
                         .look = tg_person_look(person),
                         .eye_texture = tg_actor_eye_texture(actor)};
    tg_person_anchor(person, o.anchor);
    o.camera = tg_film_portrait(o.anchor, width, height);
    return o;
}

/* ---- life ------------------------------------------------------------------------------ */

static const tg_stage grey_stage = {.key = {1.66f, 1.53f, 1.36f},
                                    .key_from = {-0.72f, 0.52f, 0.66f},
                                    .rim = {1.50f, 1.50f, 1.55f},
                                    .backdrop = {0.30f, 0.33f, 0.37f},
                                    .vignette = {0.10f, 0.115f, 0.135f}};

/* The fill stands opposite the key, the rim lamp behind on the fill's side. */
static bool set_lights(tg_film *f) {
    const tg_stage *stage = &f->look.stage;
    tg_vec3 key = tg_v3_load(stage->key_from);
    float side = key.x > 0 ? -1 : 1;
    const struct {
        tg_vec3 direction, color;
        int map, disc;
        float step, offset, bias;
    } light[TG_LIGHTS] = {
        {key, tg_v3_load(stage->key), 1024, 3, 0.018f, 0.015f, -0.012f},
        {{side * 0.95f, 0.15f, 0.55f}, {0.24f, 0.27f, 0.32f}, 512, 1, 0.030f, 0.030f, -0.020f},
        {{side * 0.45f, 0.55f, -0.85f}, tg_v3_load(stage->rim), 512, 1, 0.030f, 0.030f, -0.020f},
        {{side * -0.80f, 0.30f, -0.70f}, {0.70f, 0.75f, 0.80f}, 512, 1, 0.030f, 0.030f, -0.020f}};
    tg_vec3 center = tg_v3(0, f->options.anchor[1] - 0.4f, 0.6f);
    for (int l = 0; l < TG_LIGHTS; l++) {
        f->set.light[l] = (tg_light){.direction = tg_v3_normal(light[l].direction),
                                     .color = light[l].color,
                                     .disc = light[l].disc,
                                     .step = light[l].step,
                                     .offset = light[l].offset,
                                     .bias = light[l].bias};
        if (!tg_depth_map_init(&f->set.shadow[l], light[l].map, light[l].direction, center, 3.2f))
            return false;
    }
    for (int k = 0; k < TG_SKY_MAPS; k++) {
        tg_vec3 d = tg_sky_direction(k);
        f->set.sky_color[k] = tg_sky(d);
        if (!tg_depth_map_init(&f->set.sky[k], 256, d, center, 3.2f))
            return false;
    }
    return true;
}

static tg_status load_iris(tg_context *ctx, tg_film *f) {
    tg_image image = {.width = 2, .height = 2};
    if (f->options.eye_texture) {
        tg_status status = tg_image_read(ctx, f->options.eye_texture, 3, &image);
        if (status != TG_OK)
            return status;
        if (image.width != image.height || image.width < 2) {
            status = tg_fail(ctx, TG_EINPUT,
                             "%s: %d x %d\n  expected: a square picture of an eye\n"
                             "  try: fetch the file again from the MakeHuman repository",
                             f->options.eye_texture, image.width, image.height);
            tg_image_free(&image);
            return status;
        }
    }
    size_t n = 3 * (size_t)image.width * (size_t)image.height;
    f->set.iris_size = image.width;
    f->set.iris = f->iris = tg_alloc(sizeof(float) * n);
    float linear[256];
    for (int i = 0; i < 256; i++)
        linear[i] = powf((float)i / 255, 2.2f);
    for (size_t i = 0; f->iris && i < n; i++)
        f->iris[i] = image.data ? linear[image.data[i]] : 0.2f;
    tg_image_free(&image);
    return f->iris ? TG_OK : tg_fail(ctx, TG_ENOMEM, "no memory for the iris picture");
}

static bool alloc_layer(tg_film_layer *l, size_t cells, size_t pixels, int w, int h) {
    l->skin.width = w;
    l->skin.height = h;
    l->skin.irradiance = tg_calloc(12 * cells);
    l->skin.scratch = tg_alloc(12 * cells);
    l->skin.depth = tg_alloc(4 * cells);
    l->albedo = tg_calloc(12 * cells);
    l->highlight = tg_calloc(12 * cells);
    l->skin_samples = tg_alloc(cells);
    l->sum = tg_alloc(12 * pixels);
    l->covered = tg_alloc(4 * pixels);
    return l->skin.irradiance && l->skin.scratch && l->skin.depth && l->albedo && l->highlight &&
           l->skin_samples && l->sum && l->covered;
}

static void free_layer(tg_film_layer *l) {
    tg_free(l->skin.irradiance);
    tg_free(l->skin.scratch);
    tg_free(l->skin.depth);
    tg_free(l->albedo);
    tg_free(l->highlight);
    tg_free(l->skin_samples);
    tg_free(l->sum);
    tg_free(l->covered);
}

static bool alloc_film(tg_film *f, const tg_scene *scene) {
    size_t pixels = (size_t)f->options.width * (size_t)f->options.height;
    size_t cells = (size_t)f->cells_w * (size_t)f->cells_h, vertices = 1, triangles = 1;
    for (int m = 0; m < scene->meshes; m++) {
        size_t v = (size_t)scene->mesh[m].vertices, t = (size_t)scene->mesh[m].triangles;
        vertices = v > vertices ? v : vertices;
        triangles = t > triangles ? t : triangles;
    }
    f->scratch = tg_calloc(sizeof *f->scratch * (size_t)f->workers);
    bool good = f->scratch != NULL;
    for (int i = 0; good && i < f->workers; i++) {
        f->scratch[i].vertex = tg_alloc(12 * vertices);
        f->scratch[i].keep = tg_alloc(4 * (triangles + 1));
        good = f->scratch[i].vertex && f->scratch[i].keep;
    }
    const tg_primitives *prims = &f->raster.prims;
    f->ambient = tg_alloc(16 * (size_t)prims->vertex_base[prims->meshes]);
    f->strand_color = tg_calloc(12 * (size_t)prims->point_base[prims->strand_sets]);
    f->vertex_seen = tg_alloc(prims->vertex_base[prims->meshes]);
    f->point_seen = tg_alloc(prims->point_base[prims->strand_sets]);
    f->rgb = tg_alloc(3 * pixels);
    f->background = tg_alloc(3 * pixels);
    good = good && f->ambient && f->strand_color && f->vertex_seen && f->point_seen && f->rgb &&
           f->background;
    good = good && alloc_layer(&f->layer[0], cells, pixels, f->cells_w, f->cells_h);
    if (f->options.layers) {
        f->parsing = tg_alloc(3 * pixels);
        f->torso = tg_alloc(4 * pixels);
        f->parts = tg_alloc(12 * pixels);
        f->head = tg_alloc(pixels);
        f->neck = tg_alloc(pixels);
        f->same = tg_alloc(cells);
        good = good && f->parsing && f->torso && f->parts && f->head && f->neck && f->same &&
               alloc_layer(&f->layer[1], cells, pixels, f->cells_w, f->cells_h);
    }
    for (int m = 0; m < scene->meshes && good; m++) {
        f->fine[m] = (tg_triangles){scene->mesh[m].triangles, scene->mesh[m].triangle, NULL};
        good = tg_coarsen(&scene->mesh[m], &f->coarse[m]);
    }
    return good && set_lights(f);
}

static void paint_background(tg_film *f) {
    tg_vec3 middle = tg_v3_load(f->look.stage.backdrop);
    tg_vec3 corner = tg_v3_load(f->look.stage.vignette);
    int w = f->options.width, h = f->options.height;
    for (int y = 0; y < h; y++)
        for (int x = 0; x < w; x++) {
            tg_vec3 c = tg_tone(tg_backdrop(middle, corner, ((float)x + 0.5f) / (float)w,
                                            ((float)y + 0.5f) / (float)h));
            uint8_t *p = f->background + 3 * ((size_t)y * (size_t)w + (size_t)x);
            p[0] = tg_tone_byte(c.x);
            p[1] = tg_tone_byte(c.y);
            p[2] = tg_tone_byte(c.z);
        }
}

tg_status tg_film_create(tg_context *ctx, const tg_scene *scene, const tg_film_options *options,
                         tg_film **out) {
    *out = NULL;
    if (options->width < 64 || options->width > 2048 || options->height < 64 ||
        options->height > 2048 || options->cells < 1 || options->cells > 2)
        return tg_fail(
            ctx, TG_EUSAGE,
            "picture of %d x %d with %d cells per pixel\n"
            "  expected: 64 to 2048 pixels a side and 1 or 2 cells\n  try: 512 x 512 with 2",
            options->width, options->height, options->cells);
    tg_film *f = tg_calloc(sizeof *f);
    if (!f)
        return tg_fail(ctx, TG_ENOMEM, "no memory for the film");
    f->options = *options;
    f->look = *options->look;
    const float *key = f->look.stage.key;
    if (key[0] + key[1] + key[2] <= 0)
        f->look.stage = grey_stage;
    f->cells_w = options->width * options->cells;
    f->cells_h = options->height * options->cells;
    f->camera = options->camera;
    tg_noise_init(&f->noise);
    f->set.noise = &f->noise;
    f->set.look = &f->look;
    f->set.eye = f->camera.eye;
    tg_vec3 subject = tg_film_project(&f->camera, tg_v3_load(options->anchor));
    f->set.footprint = subject.z / (f->camera.focal * (float)options->cells);
    f->workers = tg_pool_threads(tg_context_pool(ctx));
    tg_film_camera sample = f->camera;
    float samples = 2 * (float)options->cells;
    sample.focal *= samples;
    sample.cx *= samples;
    sample.cy *= samples;
    tg_status status = tg_raster_init(ctx, &f->raster, scene, 2 * f->cells_w, 2 * f->cells_h,
                                      &sample, options->layers);
    if (status == TG_OK)
        status = load_iris(ctx, f);
    if (status == TG_OK && !alloc_film(f, scene))
        status = tg_fail(ctx, TG_ENOMEM, "no memory for pictures of %d x %d", options->width,
                         options->height);
    if (status != TG_OK) {
        tg_film_destroy(&f);
        return status;
    }
    paint_background(f);
    *out = f;
    return TG_OK;
}

void tg_film_destroy(tg_film **film) {
    tg_film *f = *film;
    if (!f)
        return;
    tg_raster_free(&f->raster);
    for (int l = 0; l < TG_LIGHTS; l++)
        tg_depth_map_free(&f->set.shadow[l]);
    for (int k = 0; k < TG_SKY_MAPS; k++)
        tg_depth_map_free(&f->set.sky[k]);
    for (int m = 0; m < TG_RASTER_MAX_SETS; m++)
        tg_free(f->coarse[m].owned);
    for (int i = 0; f->scratch && i < f->workers; i++) {
        tg_free(f->scratch[i].vertex);
        tg_free(f->scratch[i].keep);
    }
    free_layer(&f->layer[0]);
    free_layer(&f->layer[1]);
    void *block[] = {f->iris,       f->scratch, f->ambient, f->strand_color, f->vertex_seen,
                     f->point_seen, f->same,    f->parts,   f->head,         f->neck,
                     f->background, f->rgb,     f->parsing, f->torso};
    for (size_t i = 0; i < sizeof block / sizeof *block; i++)
        tg_free(block[i]);
    tg_free(f);
    *film = NULL;
}

const uint8_t *tg_film_background(const tg_film *film) {
    return film->background;
}

/* ---- exposure ---------------------------------------------------------------------------- */

typedef struct {
    tg_film *film;
    const tg_scene *scene;
} job;

static void draw_maps(void *arg, int64_t begin, int64_t end, int worker) {
    job *j = arg;
    tg_depth_scratch *scratch = j->film->scratch + worker;
    for (int64_t i = begin; i < end; i++) {
        tg_film *f = j->film;
        if (i == 0)
            tg_depth_map_draw(&f->set.shadow[i], j->scene, f->fine, 1, scratch);
        else if (i < TG_LIGHTS)
            tg_depth_map_draw(&f->set.shadow[i], j->scene, f->coarse, 1, scratch);
        else
            tg_depth_map_draw(&f->set.sky[i - TG_LIGHTS], j->scene, f->coarse, 4, scratch);
    }
}

/* Skin light below the surface. The torso layer keeps the main layer's result where both see the
 * same, so that head over torso gives back the picture. */
static void blur_skin(tg_film *f, tg_pool *pool) {
    float scale = 1 / f->set.footprint;
    size_t cells = (size_t)f->cells_w * (size_t)f->cells_h;
    if (f->options.layers) {
        int first = f->cells_h, last = -1;
        for (int y = 0; y < f->cells_h; y++)
            for (int x = 0; x < f->cells_w; x++) {
                size_t cell = (size_t)y * (size_t)f->cells_w + (size_t)x;
                if (f->layer[1].skin_samples[cell] && !f->same[cell]) {
                    first = first < y ? first : y;
                    last = y;
                    break;
                }
            }
        tg_sss_blur(&f->layer[1].skin, SKIN_SIGMA, SKIN_SHARE, scale, first, last, pool);
    }
    tg_sss_blur(&f->layer[0].skin, SKIN_SIGMA, SKIN_SHARE, scale, 0, f->cells_h - 1, pool);
    for (size_t i = 0; f->options.layers && i < cells; i++)
        if (f->same[i] && f->layer[1].skin_samples[i])
            for (size_t c = 0; c < 3; c++)
                f->layer[1].skin.irradiance[c * cells + i] =
                    f->layer[0].skin.irradiance[c * cells + i];
}

/* Encoded colour sum of all samples of a pixel, skin included. */
static tg_vec3 develop(const tg_film *f, const tg_film_layer *l, int x, int y) {
    int k = f->options.cells;
    size_t cells = (size_t)f->cells_w * (size_t)f->cells_h;
    tg_vec3 sum = tg_v3_load(l->sum + 3 * ((size_t)y * (size_t)f->options.width + (size_t)x));
    for (int i = 0; i < k * k; i++) {
        size_t cell = (size_t)(y * k + i / k) * (size_t)f->cells_w + (size_t)(x * k + i % k);
        if (l->skin_samples[cell] == 0)
            continue;
        float c[3];
        for (size_t a = 0; a < 3; a++) {
            size_t at = a * cells + cell;
            c[a] = l->skin.irradiance[at] * l->albedo[at] + l->highlight[at];
        }
        sum = tg_v3_mad(sum, (float)l->skin_samples[cell], tg_tone(tg_v3_load(c)));
    }
    return sum;
}

static bool has_skin(const tg_film *f, const tg_film_layer *l, int x, int y) {
    int k = f->options.cells;
    for (int i = 0; i < k * k; i++)
        if (l->skin_samples[(size_t)(y * k + i / k) * (size_t)f->cells_w + (size_t)(x * k + i % k)])
            return true;
    return false;
}

static void put_parsing(const float parts[3], float background, uint8_t *out) {
    static const uint8_t color[4][3] = {{255, 0, 0}, {0, 255, 0}, {0, 0, 255}, {255, 255, 255}};
    int best = 3;
    float most = background;
    for (int i = 0; i < 3; i++)
        if (parts[i] > most) {
            most = parts[i];
            best = i;
        }
    memcpy(out, color[best], 3);
}

static void develop_rows(void *arg, int64_t begin, int64_t end, int worker) {
    (void)worker;
    job *j = arg;
    tg_film *f = j->film;
    int w = f->options.width, k = f->options.cells;
    float samples = (float)(4 * k * k);
    for (int y = (int)begin; y < (int)end; y++)
        for (int x = 0; x < w; x++) {
            size_t pixel = (size_t)y * (size_t)w + (size_t)x;
            tg_vec3 c = develop(f, &f->layer[0], x, y);
            float rest = samples - f->layer[0].covered[pixel];
            const uint8_t *b = f->background + 3 * pixel;
            uint8_t *p = f->rgb + 3 * pixel;
            p[0] = tg_tone_byte((c.x + rest * (float)b[0] / 255) / samples);
            p[1] = tg_tone_byte((c.y + rest * (float)b[1] / 255) / samples);
            p[2] = tg_tone_byte((c.z + rest * (float)b[2] / 255) / samples);
            if (!f->options.layers)
                continue;
            const float *parts = f->parts + 3 * pixel;
            put_parsing(parts, rest, f->parsing + 3 * pixel);
            f->head[pixel] = rest <= 0;
            f->neck[pixel] = has_skin(f, &f->layer[1], x, y);
            float covered = f->layer[1].covered[pixel], inv = covered > 0 ? 1 / covered : 0;
            tg_vec3 t = develop(f, &f->layer[1], x, y);
            uint8_t *q = f->torso + 4 * pixel;
            q[0] = tg_tone_byte(t.x * inv);
            q[1] = tg_tone_byte(t.y * inv);
            q[2] = tg_tone_byte(t.z * inv);
            q[3] = tg_tone_byte(covered / samples);
        }
}

void tg_film_expose(tg_film *film, const tg_scene *scene, tg_pool *pool, tg_film_frame *out) {
    job j = {film, scene};
    tg_mouth_window_open(&film->set.mouth, scene->lips);
    tg_pool_run(pool, TG_LIGHTS + TG_SKY_MAPS, 1, draw_maps, &j);
    tg_raster_draw(&film->raster, scene, pool);
    tg_film_light(film, scene, pool);
    tg_film_shade(film, scene, pool);
    blur_skin(film, pool);
    tg_pool_run(pool, film->options.height, 8, develop_rows, &j);
    if (film->options.layers)
        tg_tone_grow_torso(film->torso, film->head, film->neck, film->options.width,
                           film->options.height);
    *out = (tg_film_frame){film->rgb, film->parsing, film->torso};
}
