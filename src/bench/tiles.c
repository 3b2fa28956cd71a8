/* Kernels of the renderer: grids, dense layers, spherical harmonics, functions, compositing. */
#include "bench/bench.h"
#include "render/frame.h"

#include <math.h>
#include <string.h>

enum {
    TILES = 64,   /* of 32 samples, per thread and execution */
    POINTS = 1024 /* tiles of different points: random ones meet all of a table */
};

/* Buffers of one thread, rows of 32. */
typedef struct {
    float *scratch, *features, *hidden, *inputs;
    float out[4 * TG_TILE];
} seat;

typedef struct {
    tg_context *ctx;
    tg_nerf *nerf;
    tg_head head;
    tg_torso torso;
    const tg_tile_kernels *kernels;
    bool narrow; /* only what does not run in float32 */
    int kind;
    int threads;
    seat *seats;
    float *points; /* [POINTS][3] rows: in [0,1], or in the box */
    int64_t first; /* of them in this execution */
} tiles;

/* RAD-NeRF's widths at 64, GeneFace's at 128; both with the published grids. */
static tg_nerf_config config_of(int width) {
    tg_nerf_config c = tg_nerf_config_defaults();
    c.hidden_dim_ambient = c.hidden_dim_sigma = c.hidden_dim_color = c.geo_feat_dim = width;
    c.individual_embedding_num = c.torso_individual_embedding_num = 1;
    c.torso = true;
    return c;
}

static void tiles_close(tiles *t) {
    tg_head_destroy(&t->head);
    tg_torso_destroy(&t->torso);
    for (int i = 0; t->seats && i < t->threads; i++) {
        tg_free(t->seats[i].scratch);
        tg_free(t->seats[i].features);
        tg_free(t->seats[i].hidden);
        tg_free(t->seats[i].inputs);
    }
    tg_free(t->seats);
    tg_free(t->points);
    tg_nerf_destroy(&t->nerf);
}

static bool create_seats(tiles *t) {
    const size_t row = TG_TILE;
    const size_t scratch =
        (size_t)(t->head.scratch_rows > t->torso.scratch_rows ? t->head.scratch_rows
                                                              : t->torso.scratch_rows);
    t->seats = tg_calloc((size_t)t->threads * sizeof *t->seats);
    for (int i = 0; t->seats && i < t->threads; i++) {
        seat *w = &t->seats[i];
        const size_t inputs = (size_t)(t->head.hidden + 16 + 3 + t->torso.first);
        w->scratch = tg_calloc(scratch * row * sizeof(float));
        w->features = tg_bench_noise(4 * (size_t)t->head.features * row, "features", 0.3f);
        w->hidden = tg_calloc((size_t)t->head.widest * row * sizeof(float));
        w->inputs = tg_bench_noise(inputs * row, "inputs", 0.5f);
        if (!w->scratch || !w->features || !w->hidden || !w->inputs)
            return false;
    }
    return t->seats != NULL;
}

static tg_status tiles_open(bench *b, const bench_entry *entry, int width, bool full_precision,
                            tiles *t) {
    memset(t, 0, sizeof *t);
    t->ctx = tg_bench_context(b, entry);
    t->kind = entry->kind;
    t->threads = tg_pool_threads(tg_context_pool(t->ctx));
    t->kernels = tg_tile_kernels_for(tg_context_cpu(t->ctx), full_precision);
    const tg_nerf_config config = config_of(width);
    tg_status s = tg_nerf_create(t->ctx, &config, 1, &t->nerf);
    if (s == TG_OK) {
        float *table = t->nerf->position_embeddings->data; /* initial values are all but zero */
        for (int64_t i = 0; i < tg_numel(t->nerf->position_embeddings); i++)
            table[i] *= 1e3f;
        s = tg_head_create(t->ctx, t->nerf, full_precision, &t->head);
    }
    if (s == TG_OK)
        s = tg_torso_create(t->ctx, t->nerf, full_precision, 256, 256, &t->torso);
    t->points = tg_alloc(POINTS * 3 * TG_TILE * sizeof(float));
    if (s == TG_OK && (!t->points || !create_seats(t)))
        return tg_bench_no_memory(b);
    return tg_bench_passed(b, t->ctx, s);
}

/* Points anywhere, or along rays as in a frame: 32 samples of four neighbouring rays. */
static void fill_points(tiles *t, bool random) {
    const tg_rng rng = tg_rng_make(1, "", "points");
    for (int i = 0; i < POINTS; i++)
        for (int s = 0; s < TG_TILE; s++)
            for (int a = 0; a < 3; a++) {
                const uint64_t n = (uint64_t)((i * 3 + a) * TG_TILE + s);
                float x = tg_rng_uniform(&rng, n);
                if (!random) /* depth along the last axis */
                    x = a == 2 ? 0.4f + 0.02f * (float)(s % 8)
                               : 0.3f + 0.004f * (float)(a == 0 ? s / 8 + 4 * (i % 8) : i / 8);
                t->points[(size_t)n] = x;
            }
}

/* ---- dense layers ---- */

static double layers_flop(const tg_layer *net, int layers) {
    double flop = 0;
    for (int l = 0; l < layers; l++)
        flop += 2.0 * net[l].in * net[l].out;
    return flop;
}

/* A network on one tile, with the buffers in turn. */
static void run_net(const tg_tile_kernels *k, const tg_layer *net, int layers, const float *in,
                    float *a, float *b, float *out) {
    for (int l = 0; l < layers; l++) {
        float *to = l == layers - 1 ? out : l % 2 == 0 ? a : b;
        k->layer(&net[l], in, TG_TILE, NULL, NULL, l == layers - 1 ? TG_ACT_NONE : TG_ACT_RELU, to);
        in = to;
    }
}

static void mlp_range(void *arg, int64_t begin, int64_t end, int worker) {
    tiles *t = arg;
    seat *w = &t->seats[worker];
    const tg_head *h = &t->head;
    const tg_nerf_config *c = &t->nerf->config;
    float *a = w->scratch, *b = a + (size_t)h->widest * TG_TILE;
    for (int64_t i = begin; i < end; i++) {
        if (!t->narrow)
            run_net(h->exact, h->ambient_net, c->num_layers_ambient, w->features, a, b, w->out);
        run_net(h->kernels, h->sigma_net, c->num_layers_sigma, w->features, a, w->hidden, w->out);
        run_net(h->kernels, h->color_net, c->num_layers_color, w->inputs, a, b, w->out);
        TG_BENCH_KEEP(w->out);
    }
}

static tg_status run_mlp(void *arg) {
    tiles *t = arg;
    tg_pool_run(tg_context_pool(t->ctx), (int64_t)TILES * t->threads, 8, mlp_range, t);
    return TG_OK;
}

/* Which precision: all float32; all bf16 or integers, which leaves out the ambient network; or as
 * in a frame, where the ambient network alone is float32. */
static const char fp32[] = "fp32", int16[] = "int16", bf16[] = "bf16", mixed[] = "mixed";

/* kind: the width; shape: one of these. */
static tg_status measure_mlp(bench *b, const bench_entry *entry) {
    const bool narrow = entry->shape == bf16 || entry->shape == int16;
    const tg_cpu_level level = tg_context_cpu(b->ctx);
    if ((entry->shape == int16 && level != TG_CPU_AVX512VNNI) ||
        (entry->shape == bf16 && level != TG_CPU_AVX512BF16) ||
        (entry->shape == mixed && level < TG_CPU_AVX512VNNI))
        return TG_OK;
    tiles t;
    tg_status s = tiles_open(b, entry, entry->kind, entry->shape == fp32, &t);
    if (s == TG_OK) {
        const tg_nerf_config *c = &t.nerf->config;
        t.narrow = narrow;
        double flop = layers_flop(t.head.sigma_net, c->num_layers_sigma) +
                      layers_flop(t.head.color_net, c->num_layers_color);
        if (!narrow)
            flop += layers_flop(t.head.ambient_net, c->num_layers_ambient);
        const double samples = (double)TILES * TG_TILE * t.threads;
        const bench_plan plan = {.work = samples,
                                 .unit = TG_BENCH_SAMPLE,
                                 .ceiling = entry->shape == int16  ? CEILING_INT16
                                            : narrow               ? CEILING_BF16
                                            : entry->shape == fp32 ? CEILING_FMA
                                                                   : CEILING_NONE,
                                 .cost = flop * samples};
        s = tg_bench_time(b, entry, &plan, run_mlp, &t);
    }
    tiles_close(&t);
    return s;
}

/* ---- everything else on tiles ---- */

enum {
    GRID3,
    GRID2,
    SH,
    EXP,
    TANH,
    SIGMOID,
    DENSITY, /* the head's networks with their grids, in the precision of a frame */
    COLOR,
    TORSO
};

static void tile_range(void *arg, int64_t begin, int64_t end, int worker) {
    tiles *t = arg;
    seat *w = &t->seats[worker];
    for (int64_t i = begin; i < end; i++) {
        const float *u = t->points + (size_t)((t->first + i) % POINTS) * 3 * TG_TILE;
        switch (t->kind) {
        case GRID3:
            t->kernels->grid(&t->head.position, u, w->features);
            break;
        case GRID2:
            t->kernels->grid(&t->head.ambient, u, w->features);
            break;
        case SH:
            t->kernels->sh(w->inputs, w->inputs + 3 * TG_TILE, TG_TILE);
            break;
        case EXP: /* in place: start from the same numbers, not from the last result */
            memcpy(w->features, w->inputs, 32 * TG_TILE * sizeof(float));
            t->kernels->exp(w->features, 32 * TG_TILE);
            break;
        case TANH:
            memcpy(w->features, w->inputs, 32 * TG_TILE * sizeof(float));
            t->kernels->tanh(w->features, 32 * TG_TILE);
            break;
        case SIGMOID:
            memcpy(w->features, w->inputs, 32 * TG_TILE * sizeof(float));
            t->kernels->sigmoid(w->features, 32 * TG_TILE);
            break;
        case DENSITY:
            tg_head_density(&t->head, w->scratch, u, w->out, w->hidden, NULL);
            break;
        case COLOR:
            tg_head_color(&t->head, w->scratch, w->inputs, TG_TILE, w->out);
            break;
        default:
            tg_torso_first(&t->torso, (int)(i / 8 % 256), (int)(i % 8) * TG_TILE, w->inputs);
            tg_torso_tile(&t->torso, w->scratch, u, w->inputs, NULL, w->out, NULL);
        }
        TG_BENCH_KEEP(w);
    }
}

static tg_status run_tiles(void *arg) {
    tiles *t = arg;
    tg_pool_run(tg_context_pool(t->ctx), (int64_t)TILES * t->threads, 8, tile_range, t);
    t->first += (int64_t)TILES * t->threads;
    return TG_OK;
}

/* entry->shape: &width of the head for DENSITY and COLOR, "coherent" for grids, or NULL. */
static tg_status measure_tile(bench *b, const bench_entry *entry) {
    const int kind = entry->kind;
    const bool head = kind == DENSITY || kind == COLOR, grid = kind == GRID3 || kind == GRID2;
    tiles t;
    tg_status s = tiles_open(b, entry, head ? *(const int *)entry->shape : 64, false, &t);
    if (s == TG_OK) {
        fill_points(&t, grid && !entry->shape);
        for (int i = 0; kind == DENSITY && i < POINTS * 3 * TG_TILE; i++)
            t.points[i] = 0.8f * t.points[i] - 0.4f; /* inside of the box */
        const int levels = t.nerf->config.num_levels;
        bench_plan plan = {.work = (double)TILES * TG_TILE * t.threads,
                           .unit = TG_BENCH_SAMPLE,
                           .ceiling = CEILING_NONE};
        if (grid && !entry->shape) { /* two corners lie side by side: one load */
            plan.ceiling = CEILING_GATHER;
            plan.cost = plan.work * levels * (kind == GRID3 ? 4 : 2);
        } else if (kind == EXP || kind == TANH || kind == SIGMOID) {
            plan.work *= 32;
            plan.unit = TG_BENCH_NUMBER;
        } else if (kind == TORSO) {
            plan.unit = TG_BENCH_PIXEL;
        }
        s = tg_bench_time(b, entry, &plan, run_tiles, &t);
    }
    tiles_close(&t);
    return s;
}

/* ---- a picture without samples: rays and compositing ---- */

enum { SIDE = 256 };

typedef struct {
    tg_renderer *renderer;
    tg_nerf *nerf;
    tg_march march;
    tg_ray rays[TG_TILE];
    const tg_ray *row[TG_TILE];
    uint8_t *rgb;
    float *directions; /* [SIDE,SIDE,3] */
    float origin[3];
    int64_t samples;
} scene;

static tg_status run_compose(void *arg) {
    scene *p = arg;
    const tg_picture picture = {.rgb8 = p->rgb};
    p->renderer->picture = &picture;
    for (int row = 0; row < SIDE; row++)
        for (int column = 0; column < SIDE; column += TG_TILE)
            tg_compose_run(p->renderer, &p->renderer->workers[0], row, column, TG_TILE, p->row);
    p->renderer->picture = NULL;
    TG_BENCH_KEEP(p->rgb);
    return TG_OK;
}

static tg_status run_march(void *arg) {
    enum { MOST = 24 };
    scene *p = arg;
    float xyz[3 * MOST], delta[2 * MOST];
    p->samples = 0;
    for (int i = 0; i < SIDE * SIDE; i += 8) {
        const float *d = p->directions + (size_t)i * 3;
        float near, far;
        tg_ray_box(p->nerf->aabb, p->nerf->config.min_near, p->origin, d, &near, &far);
        if (!(near < far))
            continue;
        p->samples += tg_march_ray(&p->march, p->origin, d, far, &near, MOST, xyz, delta);
        TG_BENCH_KEEP(xyz);
    }
    return TG_OK;
}

/* Cells of a ball are occupied, as a head's would be. */
static void occupy_ball(tg_nerf *nerf) {
    const int n = nerf->config.grid_size;
    memset(nerf->bitfield, 0, nerf->bitfield_bytes);
    for (uint32_t code = 0; code < (uint32_t)n * (uint32_t)n * (uint32_t)n; code++) {
        uint32_t at[3];
        tg_morton3_inverse(code, at);
        double r = 0;
        for (int a = 0; a < 3; a++)
            r += pow(2.0 * (at[a] + 0.5) / n - 1, 2);
        if (r < 0.16)
            nerf->bitfield[code / 8] |= (uint8_t)(1u << code % 8);
    }
}

enum { COMPOSE, MARCH };

static tg_status measure_scene(bench *b, const bench_entry *entry) {
    tg_nerf_config config = config_of(64);
    config.torso = false;
    scene p = {.origin = {0, 0, -2}};
    tg_status s = tg_nerf_create(b->one, &config, 1, &p.nerf);
    if (s == TG_OK) {
        occupy_ball(p.nerf);
        p.march = tg_nerf_march(p.nerf);
        const tg_renderer_options o = tg_renderer_defaults(SIDE, SIDE, 4 * SIDE);
        s = tg_renderer_create(b->one, p.nerf, &o, &p.renderer);
    }
    s = tg_bench_passed(b, b->one, s);
    p.rgb = tg_alloc(SIDE * SIDE * 3);
    p.directions = tg_alloc(SIDE * SIDE * 3 * sizeof(float));
    if (s == TG_OK && (!p.rgb || !p.directions))
        s = tg_bench_no_memory(b);
    if (s == TG_OK) {
        static const float front[16] = {1, 0, 0, 0, 0, 1, 0, 0, 0, 0, 1, -2, 0, 0, 0, 1};
        for (int i = 0; i < SIDE * SIDE; i++)
            tg_ray_ngp(front, 3 * SIDE, SIDE / 2, SIDE / 2, (float)(i % SIDE), (float)(i / SIDE),
                       p.directions + (size_t)i * 3);
        for (int i = 0; i < TG_TILE; i++) {
            p.rays[i] = (tg_ray){.near = 1, .far = 2, .weight = 0.5f, .rgb = {0.1f, 0.2f, 0.3f}};
            p.row[i] = &p.rays[i];
        }
        bench_plan plan = {SIDE * SIDE, TG_BENCH_PIXEL, CEILING_NONE, 0, false};
        if (entry->kind == MARCH) {
            run_march(&p);
            plan.work = (double)p.samples;
            plan.unit = TG_BENCH_SAMPLE;
        }
        s = tg_bench_time(b, entry, &plan, entry->kind == MARCH ? run_march : run_compose, &p);
    }
    tg_renderer_destroy(&p.renderer);
    tg_nerf_destroy(&p.nerf);
    tg_free(p.rgb);
    tg_free(p.directions);
    return s;
}

static const int width64 = 64, width128 = 128;

const bench_entry tg_bench_tiles[] = {
    {"kernel/mlp64-fp32/1", measure_mlp, 64, true, fp32},
    {"kernel/mlp64-fp32/all", measure_mlp, 64, false, fp32},
    {"kernel/mlp128-fp32/1", measure_mlp, 128, true, fp32},
    {"kernel/mlp128-fp32/all", measure_mlp, 128, false, fp32},
    {"kernel/mlp64-int16/1", measure_mlp, 64, true, int16},
    {"kernel/mlp64-int16/all", measure_mlp, 64, false, int16},
    {"kernel/mlp128-int16/1", measure_mlp, 128, true, int16},
    {"kernel/mlp128-int16/all", measure_mlp, 128, false, int16},
    {"kernel/mlp64-bf16/1", measure_mlp, 64, true, bf16},
    {"kernel/mlp64-bf16/all", measure_mlp, 64, false, bf16},
    {"kernel/mlp128-bf16/1", measure_mlp, 128, true, bf16},
    {"kernel/mlp128-bf16/all", measure_mlp, 128, false, bf16},
    {"kernel/mlp64-mixed/all", measure_mlp, 64, false, mixed},
    {"kernel/mlp128-mixed/all", measure_mlp, 128, false, mixed},
    {"kernel/grid3d-random/1", measure_tile, GRID3, true, NULL},
    {"kernel/grid3d-coherent/1", measure_tile, GRID3, true, "coherent"},
    {"kernel/grid3d-coherent/all", measure_tile, GRID3, false, "coherent"},
    {"kernel/grid2d-random/1", measure_tile, GRID2, true, NULL},
    {"kernel/grid2d-coherent/1", measure_tile, GRID2, true, "coherent"},
    {"kernel/density64/1", measure_tile, DENSITY, true, &width64},
    {"kernel/density64/all", measure_tile, DENSITY, false, &width64},
    {"kernel/density128/1", measure_tile, DENSITY, true, &width128},
    {"kernel/color64/1", measure_tile, COLOR, true, &width64},
    {"kernel/color128/1", measure_tile, COLOR, true, &width128},
    {"kernel/torso/1", measure_tile, TORSO, true, NULL},
    {"kernel/sh/1", measure_tile, SH, true, NULL},
    {"kernel/exp/1", measure_tile, EXP, true, NULL},
    {"kernel/tanh/1", measure_tile, TANH, true, NULL},
    {"kernel/sigmoid/1", measure_tile, SIGMOID, true, NULL},
    {"kernel/march/1", measure_scene, MARCH, true, NULL},
    {"kernel/compose/1", measure_scene, COMPOSE, true, NULL},
    {NULL, NULL, 0, false, NULL},
};
