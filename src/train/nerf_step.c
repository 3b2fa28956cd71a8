#include "train/nerf_step.h"

#include <assert.h>
#include <string.h>

struct nerf_stepper {
    tg_arena *arena;
    tg_tape *tape;
    tg_nerf *nerf;
    nerf_field field;
    int max_blocks, tiles_per_block, workers;
    nerf_ray_scratch **scratch; /* [workers] */
    float *blocks;              /* [groups][gradient_size] */
    float *ambient_bias;        /* [NERF_MAX_FRAMES][hidden] and so on */
    float *color_bias;
    float *d_ambient_bias; /* [max_blocks][hidden] */
    float *d_color_bias;
    float *condition;                   /* [NERF_MAX_FRAMES][cond_out_dim] */
    nerf_tile_store *store;             /* [max_blocks][tiles_per_block] */
    int *tiles;                         /* [max_blocks] */
    nerf_block_result *results;         /* [max_blocks] */
    const float **u3, **u2, **d3, **d2; /* lists for the scatter */
};

static int ambient_width(const nerf_stepper *s) {
    return s->field.ambient[0].n_out;
}

static int color_width(const nerf_stepper *s) {
    return s->field.color[0].n_out;
}

static bool allocate(nerf_stepper *s) {
    tg_arena *arena = s->arena;
    size_t blocks = (size_t)s->max_blocks, tiles = blocks * (size_t)s->tiles_per_block;
    size_t groups = (blocks + NERF_GROUP_BLOCKS - 1) / NERF_GROUP_BLOCKS;
    size_t floats = sizeof(float), pointers = sizeof(float *);
    s->blocks = tg_arena_calloc(arena, floats * groups * (size_t)s->field.gradient_size);
    s->ambient_bias = tg_arena_calloc(arena, floats * NERF_MAX_FRAMES * (size_t)ambient_width(s));
    s->color_bias = tg_arena_calloc(arena, floats * NERF_MAX_FRAMES * (size_t)color_width(s));
    s->d_ambient_bias = tg_arena_calloc(arena, floats * blocks * (size_t)ambient_width(s));
    s->d_color_bias = tg_arena_calloc(arena, floats * blocks * (size_t)color_width(s));
    s->condition = tg_arena_calloc(arena, floats * NERF_MAX_FRAMES * (size_t)s->field.condition);
    s->store = tg_arena_calloc(arena, sizeof(nerf_tile_store) * tiles);
    s->tiles = tg_arena_calloc(arena, sizeof(int) * blocks);
    s->results = tg_arena_calloc(arena, sizeof(nerf_block_result) * blocks);
    s->u3 = tg_arena_calloc(arena, pointers * tiles);
    s->u2 = tg_arena_calloc(arena, pointers * tiles);
    s->d3 = tg_arena_calloc(arena, pointers * tiles);
    s->d2 = tg_arena_calloc(arena, pointers * tiles);
    s->scratch = tg_arena_calloc(arena, sizeof(*s->scratch) * (size_t)s->workers);
    if (!s->blocks || !s->ambient_bias || !s->color_bias || !s->d_ambient_bias ||
        !s->d_color_bias || !s->condition || !s->store || !s->tiles || !s->results || !s->u3 ||
        !s->u2 || !s->d3 || !s->d2 || !s->scratch)
        return false;
    size_t rows = 5 + 2 * (size_t)s->field.grid_width;
    float *memory = tg_arena_alloc(arena, floats * tiles * rows * NERF_TILE);
    if (!memory)
        return false;
    for (size_t t = 0; t < tiles; t++, memory += rows * NERF_TILE)
        s->store[t] = (nerf_tile_store){memory, memory + 3 * NERF_TILE, memory + 5 * NERF_TILE};
    for (int w = 0; w < s->workers; w++) {
        s->scratch[w] = tg_nerf_ray_scratch_create(arena, &s->field, s->nerf->config.max_steps);
        if (!s->scratch[w])
            return false;
    }
    return true;
}

tg_status tg_nerf_stepper_create(tg_context *ctx, tg_nerf *nerf, int max_rays, nerf_stepper **out) {
    nerf_stepper *s = *out = tg_calloc(sizeof(*s));
    if (!s)
        return tg_fail(ctx, TG_ENOMEM, "no memory to train the head");
    s->nerf = nerf;
    s->max_blocks = (max_rays + NERF_BLOCK_RAYS - 1) / NERF_BLOCK_RAYS;
    s->tiles_per_block = tg_nerf_block_tiles(nerf->config.max_steps);
    s->workers = tg_pool_threads(tg_context_pool(ctx));
    s->arena = tg_arena_create(0);
    s->tape = tg_tape_create(ctx, true);
    tg_status status = TG_OK;
    if (!s->arena || !s->tape)
        status = tg_fail(ctx, TG_ENOMEM, "no memory to train the head");
    if (status == TG_OK)
        status = tg_nerf_field_init(ctx, s->arena, &s->field, nerf);
    if (status == TG_OK && !allocate(s))
        status = tg_fail(ctx, TG_ENOMEM,
                         "no memory for %d rays per step\n  expected: about 5 KB for each\n"
                         "  try: fewer rays",
                         max_rays);
    if (status == TG_OK)
        status = tg_params_zero_grad(ctx, nerf->params);
    if (status != TG_OK)
        tg_nerf_stepper_destroy(out);
    return status;
}

void tg_nerf_stepper_destroy(nerf_stepper **stepper) {
    if (!*stepper)
        return;
    tg_tape_destroy(&(*stepper)->tape);
    tg_arena_destroy(&(*stepper)->arena);
    tg_free(*stepper);
    *stepper = NULL;
}

nerf_field *tg_nerf_stepper_field(nerf_stepper *s) {
    return &s->field;
}

/* Conditions of all frames as one tensor [n, cond_out_dim]. */
static tg_tensor *conditions(nerf_stepper *s, const nerf_step_frame *frames, int n) {
    const tg_nerf_config *c = &s->nerf->config;
    tg_tensor *parts[NERF_MAX_FRAMES];
    for (int f = 0; f < n; f++) {
        int64_t dim[3] = {c->smo_win_size, c->cond_win_size, c->cond_dim};
        tg_tensor *windows = tg_borrow(s->tape, 3, dim, frames[f].windows);
        parts[f] = tg_nerf_condition(s->tape, s->nerf, windows);
    }
    return tg_concat(s->tape, parts, n, 0);
}

static const float *code_row(const nerf_stepper *s, int row) {
    return s->nerf->individual_embeddings->data + (int64_t)row * s->field.code;
}

static void frame_biases(const nerf_stepper *s, const nerf_step_frame *frames, int n,
                         const float *condition, float *ambient_bias, float *color_bias) {
    for (int f = 0; f < n; f++)
        tg_nerf_field_frame(
            &s->field, condition + (int64_t)f * s->field.condition, code_row(s, frames[f].code),
            ambient_bias + (int64_t)f * ambient_width(s), color_bias + (int64_t)f * color_width(s));
}

tg_status tg_nerf_step_biases(tg_context *ctx, nerf_stepper *s, const nerf_step_frame *frames,
                              int n, float *ambient_bias, float *color_bias) {
    (void)ctx;
    assert(n <= NERF_MAX_FRAMES);
    tg_tape_reset(s->tape);
    tg_tape_pause(s->tape, true);
    tg_nerf_field_pack(&s->field);
    tg_tensor *condition = conditions(s, frames, n);
    tg_tape_pause(s->tape, false);
    tg_status status = tg_tape_status(s->tape);
    if (status == TG_OK)
        frame_biases(s, frames, n, condition->data, ambient_bias, color_bias);
    return status;
}

typedef struct {
    nerf_stepper *s;
    const nerf_ray *rays;
    int rays_per_frame, n;
    const nerf_loss_weights *weights;
    float *rgb;
} block_job;

static void block_range(void *arg, int64_t begin, int64_t end, int worker) {
    block_job *job = arg;
    nerf_stepper *s = job->s;
    float *group = s->blocks + begin / NERF_GROUP_BLOCKS * s->field.gradient_size;
    memset(group, 0, sizeof(float) * (size_t)s->field.gradient_size);
    for (int64_t b = begin; b < end; b++) {
        int64_t frame = b * NERF_BLOCK_RAYS / job->rays_per_frame;
        nerf_frame biases = {s->ambient_bias + frame * ambient_width(s),
                             s->color_bias + frame * color_width(s)};
        nerf_block_gradient gradient = {.block = group,
                                        .d_ambient_bias = s->d_ambient_bias + b * ambient_width(s),
                                        .d_color_bias = s->d_color_bias + b * color_width(s),
                                        .store = s->store + b * s->tiles_per_block,
                                        .tiles = &s->tiles[b]};
        memset(gradient.d_ambient_bias, 0, sizeof(float) * (size_t)ambient_width(s));
        memset(gradient.d_color_bias, 0, sizeof(float) * (size_t)color_width(s));
        s->results[b] = tg_nerf_rays_run(&s->field, s->scratch[worker], &biases,
                                         job->rays + b * NERF_BLOCK_RAYS, NERF_BLOCK_RAYS,
                                         job->weights, &gradient, NULL);
    }
}

static void render_range(void *arg, int64_t begin, int64_t end, int worker) {
    block_job *job = arg;
    nerf_stepper *s = job->s;
    nerf_frame biases = {s->ambient_bias, s->color_bias};
    for (int64_t b = begin; b < end; b++) {
        int64_t first = b * NERF_BLOCK_RAYS;
        int n = (int)(job->n - first < NERF_BLOCK_RAYS ? job->n - first : NERF_BLOCK_RAYS);
        tg_nerf_rays_run(&s->field, s->scratch[worker], &biases, job->rays + first, n, job->weights,
                         NULL, job->rgb + 3 * first);
    }
}

/* Levels of the position grid, then levels of the ambient grid. */
typedef struct {
    nerf_stepper *s;
    int tiles;
} scatter_job;

static void scatter_range(void *arg, int64_t begin, int64_t end, int worker) {
    (void)worker;
    scatter_job *job = arg;
    nerf_stepper *s = job->s;
    const tg_nerf *nerf = s->nerf;
    for (int64_t i = begin; i < end; i++) {
        int levels = nerf->position_grid.levels;
        if (i < levels)
            s->field.kernels->scatter(&nerf->position_grid, (int)i, job->tiles, s->u3, s->d3,
                                      nerf->position_embeddings->grad);
        else
            s->field.kernels->scatter(&nerf->ambient_grid, (int)i - levels, job->tiles, s->u2,
                                      s->d2, nerf->ambient_embeddings->grad);
    }
}

static void scatter_tables(tg_context *ctx, nerf_stepper *s, int blocks) {
    scatter_job job = {s, 0};
    for (int b = 0; b < blocks; b++)
        for (int t = 0; t < s->tiles[b]; t++) {
            const nerf_tile_store *tile = &s->store[b * s->tiles_per_block + t];
            s->u3[job.tiles] = tile->u3;
            s->u2[job.tiles] = tile->u2;
            s->d3[job.tiles] = tile->d_features;
            s->d2[job.tiles] = tile->d_features + (int64_t)s->field.grid_width * NERF_TILE;
            job.tiles++;
        }
    tg_pool_run(tg_context_pool(ctx), 2 * s->nerf->position_grid.levels, 1, scatter_range, &job);
}

/* Biases of a frame: sums of its blocks, then back to the weights' columns, the code and the
 * condition. */
static void bias_gradients(nerf_stepper *s, const nerf_step_frame *frames, int n_frames,
                           int blocks_per_frame, const float *condition, float *d_condition) {
    const nerf_field *f = &s->field;
    for (int frame = 0; frame < n_frames; frame++) {
        float *ambient = s->d_ambient_bias + (int64_t)frame * blocks_per_frame * ambient_width(s);
        float *color = s->d_color_bias + (int64_t)frame * blocks_per_frame * color_width(s);
        for (int b = 1; b < blocks_per_frame; b++) {
            for (int i = 0; i < ambient_width(s); i++)
                ambient[i] += ambient[b * ambient_width(s) + i];
            for (int i = 0; i < color_width(s); i++)
                color[i] += color[b * color_width(s) + i];
        }
        tg_nerf_frame_bias_backward(f->ambient[0].weight, f->grid_width, f->condition,
                                    condition + (int64_t)frame * f->condition, ambient,
                                    d_condition + (int64_t)frame * f->condition);
        int64_t row = (int64_t)frames[frame].code * f->code;
        tg_nerf_frame_bias_backward(f->color[0].weight, f->color[0].n_in, f->code,
                                    s->nerf->individual_embeddings->data + row, color,
                                    s->nerf->individual_embeddings->grad + row);
    }
}

tg_status tg_nerf_step_gradients(tg_context *ctx, nerf_stepper *s, const nerf_step_frame *frames,
                                 int n_frames, const nerf_ray *rays, int rays_per_frame,
                                 const nerf_loss_weights *weights, nerf_step_result *result) {
    int blocks = n_frames * rays_per_frame / NERF_BLOCK_RAYS;
    assert(n_frames <= NERF_MAX_FRAMES && rays_per_frame % NERF_BLOCK_RAYS == 0 &&
           blocks <= s->max_blocks);
    tg_tape_reset(s->tape);
    tg_nerf_field_pack(&s->field);
    tg_tensor *condition = conditions(s, frames, n_frames);
    if (tg_tape_status(s->tape) != TG_OK)
        return tg_tape_status(s->tape);
    frame_biases(s, frames, n_frames, condition->data, s->ambient_bias, s->color_bias);

    block_job job = {.s = s, .rays = rays, .rays_per_frame = rays_per_frame, .weights = weights};
    tg_pool_run(tg_context_pool(ctx), blocks, NERF_GROUP_BLOCKS, block_range, &job);
    scatter_tables(ctx, s, blocks);
    *result = (nerf_step_result){0};
    for (int b = 0; b < blocks; b++) {
        result->squared_error += s->results[b].squared_error;
        result->loss += s->results[b].loss;
        result->samples += s->results[b].samples;
    }
    int groups = (blocks + NERF_GROUP_BLOCKS - 1) / NERF_GROUP_BLOCKS;
    for (int g = 0; g < groups; g++)
        tg_nerf_field_add_gradient(&s->field, s->blocks + g * s->field.gradient_size);

    memset(s->condition, 0, sizeof(float) * (size_t)n_frames * (size_t)s->field.condition);
    bias_gradients(s, frames, n_frames, rays_per_frame / NERF_BLOCK_RAYS, condition->data,
                   s->condition);
    /* The gradient of sum(condition * g) with respect to the condition is g. */
    tg_tensor *g = tg_borrow(s->tape, condition->ndim, condition->dim, s->condition);
    tg_backward(s->tape, tg_sum(s->tape, tg_mul(s->tape, condition, g)));
    return tg_tape_status(s->tape);
}

tg_status tg_nerf_step_render(tg_context *ctx, nerf_stepper *s, const nerf_step_frame *frame,
                              const nerf_ray *rays, int n, float *rgb) {
    tg_status status = tg_nerf_step_biases(ctx, s, frame, 1, s->ambient_bias, s->color_bias);
    if (status != TG_OK)
        return status;
    nerf_loss_weights weights = {0};
    block_job job = {.s = s, .rays = rays, .n = n, .weights = &weights, .rgb = rgb};
    int blocks = (n + NERF_BLOCK_RAYS - 1) / NERF_BLOCK_RAYS;
    tg_pool_run(tg_context_pool(ctx), blocks, 4, render_range, &job);
    return TG_OK;
}
