#include "train/torso_step.h"

#include <assert.h>
#include <math.h>
#include <string.h>

enum { OCTAVES = 10, AXIS = 1 + 2 * OCTAVES, PIXEL = 2 * AXIS, POSE_OCTAVES = 4, POSE = 54 };

/* Rows of a tile. */
typedef struct {
    int64_t features, pixel, d1, d2, shift, u, c1, c2, out, size;
} tile_rows;

typedef struct {
    float *u, *d_features;
} tile_store;

struct torso_stepper {
    tg_arena *arena;
    tg_nerf *nerf;
    const nerf_kernels *kernels;
    nerf_layer deform[3], canonical[3];
    int grid_width, frame_inputs, width, height, max_tiles;
    tile_rows at;
    int64_t gradient_size, delta_size;
    float *by_row, *by_column;               /* [height or width][AXIS] */
    float *tiles, *deltas;                   /* [workers] */
    float *blocks;                           /* [groups][gradient_size] */
    float *inputs;                           /* [frames][frame_inputs] pose and code */
    float *deform_bias, *canonical_bias;     /* [frames][width of the layer] */
    float *d_deform_bias, *d_canonical_bias; /* [blocks] */
    torso_result *results;                   /* [blocks] */
    tile_store *store;                       /* [max_tiles] */
    const float **u, **d;                    /* lists for the scatter */
};

static tg_status describe(tg_context *ctx, torso_stepper *s) {
    tg_nerf *nerf = s->nerf;
    const tg_nerf_config *c = &nerf->config;
    if (!c->torso || c->torso_head_aware || c->torso_hidden_deform % 16 ||
        c->torso_hidden_canonical % 16 || c->num_levels % 8)
        return tg_fail(ctx, TG_EUSAGE,
                       "the torso model cannot be trained\n"
                       "  expected: one that is not head-aware, widths in sixteens\n"
                       "  try: the default model configuration");
    s->grid_width = c->num_levels * TG_GRID_FEATURES;
    s->frame_inputs = POSE + c->torso_individual_embedding_dim;
    const struct {
        nerf_layer *layer;
        tg_tensor *weight;
        int n_in;
    } layers[6] = {
        {&s->deform[0], nerf->torso_deform_net[0], PIXEL},
        {&s->deform[1], nerf->torso_deform_net[1], c->torso_hidden_deform},
        {&s->deform[2], nerf->torso_deform_net[2], c->torso_hidden_deform},
        {&s->canonical[0], nerf->torso_canonical_net[0], s->grid_width + PIXEL},
        {&s->canonical[1], nerf->torso_canonical_net[1], c->torso_hidden_canonical},
        {&s->canonical[2], nerf->torso_canonical_net[2], c->torso_hidden_canonical},
    };
    tg_status status = TG_OK;
    int widest = 0;
    for (int i = 0; i < 6 && status == TG_OK; i++) {
        status = tg_nerf_layer_init(ctx, s->arena, layers[i].layer, layers[i].weight, 0,
                                    layers[i].n_in, 0, &s->gradient_size);
        int wide = layers[i].layer->pad_in > layers[i].layer->pad_out ? layers[i].layer->pad_in
                                                                      : layers[i].layer->pad_out;
        widest = wide > widest ? wide : widest;
    }
    int64_t rows = 0;
    const struct {
        int64_t *at;
        int rows;
    } parts[] = {{&s->at.features, s->grid_width}, /* the canonical net's input goes on: */
                 {&s->at.pixel, s->deform[0].pad_in},
                 {&s->at.d1, c->torso_hidden_deform},
                 {&s->at.d2, c->torso_hidden_deform},
                 {&s->at.shift, NERF_OUT_BLOCK},
                 {&s->at.u, 2},
                 {&s->at.c1, c->torso_hidden_canonical},
                 {&s->at.c2, c->torso_hidden_canonical},
                 {&s->at.out, NERF_OUT_BLOCK}};
    for (size_t i = 0; i < sizeof(parts) / sizeof(parts[0]); i++) {
        *parts[i].at = rows * NERF_TILE;
        rows += parts[i].rows;
    }
    s->at.size = rows * NERF_TILE;
    s->delta_size = 3 * (int64_t)widest * NERF_TILE;
    return status;
}

static bool allocate(tg_context *ctx, torso_stepper *s) {
    tg_arena *arena = s->arena;
    size_t workers = (size_t)tg_pool_threads(tg_context_pool(ctx));
    size_t blocks = (size_t)s->max_tiles / TORSO_BLOCK_TILES, floats = sizeof(float);
    size_t groups = (blocks + TORSO_GROUP_BLOCKS - 1) / TORSO_GROUP_BLOCKS;
    size_t deform = (size_t)s->deform[0].n_out, canonical = (size_t)s->canonical[0].n_out;
    size_t tiles = (size_t)s->max_tiles;
    s->by_row = tg_arena_alloc(arena, floats * (size_t)s->height * AXIS);
    s->by_column = tg_arena_alloc(arena, floats * (size_t)s->width * AXIS);
    s->tiles = tg_arena_calloc(arena, floats * workers * (size_t)s->at.size);
    s->deltas = tg_arena_calloc(arena, floats * workers * (size_t)s->delta_size);
    s->blocks = tg_arena_calloc(arena, floats * groups * (size_t)s->gradient_size);
    s->inputs = tg_arena_calloc(arena, floats * TORSO_MAX_FRAMES * (size_t)s->frame_inputs);
    s->deform_bias = tg_arena_calloc(arena, floats * TORSO_MAX_FRAMES * deform);
    s->canonical_bias = tg_arena_calloc(arena, floats * TORSO_MAX_FRAMES * canonical);
    s->d_deform_bias = tg_arena_calloc(arena, floats * blocks * deform);
    s->d_canonical_bias = tg_arena_calloc(arena, floats * blocks * canonical);
    s->results = tg_arena_calloc(arena, sizeof(torso_result) * blocks);
    s->store = tg_arena_calloc(arena, sizeof(tile_store) * tiles);
    s->u = tg_arena_calloc(arena, sizeof(float *) * tiles);
    s->d = tg_arena_calloc(arena, sizeof(float *) * tiles);
    size_t rows = 2 + (size_t)s->grid_width;
    float *memory = tg_arena_calloc(arena, floats * tiles * rows * NERF_TILE);
    if (!s->by_row || !s->by_column || !s->tiles || !s->deltas || !s->blocks || !s->inputs ||
        !s->deform_bias || !s->canonical_bias || !s->d_deform_bias || !s->d_canonical_bias ||
        !s->results || !s->store || !s->u || !s->d || !memory)
        return false;
    for (size_t t = 0; t < tiles; t++, memory += rows * NERF_TILE) {
        s->store[t] = (tile_store){memory, memory + 2 * NERF_TILE};
        s->u[t] = s->store[t].u;
        s->d[t] = s->store[t].d_features;
    }
    return true;
}

static void axis_codes(int size, float shrink, float *out) {
    for (int k = 0; k < size; k++) {
        float x = tg_screen_coord(k, size) * shrink;
        tg_freq_encode_rad(&x, 1, OCTAVES, out + (int64_t)k * AXIS);
    }
}

tg_status tg_torso_stepper_create(tg_context *ctx, tg_nerf *nerf, int width, int height,
                                  int max_pixels, torso_stepper **out) {
    torso_stepper *s = *out = tg_calloc(sizeof(*s));
    if (!s)
        return tg_fail(ctx, TG_ENOMEM, "no memory to train the torso");
    s->nerf = nerf;
    s->kernels = tg_nerf_kernels_for(tg_context_cpu(ctx));
    s->width = width;
    s->height = height;
    s->max_tiles = max_pixels / NERF_TILE;
    s->arena = tg_arena_create(0);
    tg_status status = s->arena ? describe(ctx, s) : TG_ENOMEM;
    if (status == TG_ENOMEM || (status == TG_OK && !allocate(ctx, s)))
        status = tg_fail(ctx, TG_ENOMEM, "no memory to train the torso");
    if (status == TG_OK)
        status = tg_params_zero_grad(ctx, nerf->params);
    if (status != TG_OK) {
        tg_torso_stepper_destroy(out);
        return status;
    }
    axis_codes(height, nerf->config.torso_shrink, s->by_row);
    axis_codes(width, nerf->config.torso_shrink, s->by_column);
    return TG_OK;
}

void tg_torso_stepper_destroy(torso_stepper **stepper) {
    if (!*stepper)
        return;
    tg_arena_destroy(&(*stepper)->arena);
    tg_free(*stepper);
    *stepper = NULL;
}

static void pack(torso_stepper *s) {
    for (int l = 0; l < 3; l++) {
        tg_nerf_layer_pack(&s->deform[l]);
        tg_nerf_layer_pack(&s->canonical[l]);
    }
}

static void start_frames(torso_stepper *s, const torso_frame *frames, int n) {
    int code = s->nerf->config.torso_individual_embedding_dim;
    pack(s);
    for (int f = 0; f < n; f++) {
        float *input = s->inputs + (int64_t)f * s->frame_inputs;
        tg_freq_encode_rad(frames[f].pose, 6, POSE_OCTAVES, input);
        memcpy(input + POSE, s->nerf->torso_codes->data + (int64_t)frames[f].code * code,
               sizeof(float) * (size_t)code);
        tg_nerf_frame_bias(s->deform[0].weight, PIXEL, s->frame_inputs, input,
                           s->deform_bias + (int64_t)f * s->deform[0].n_out);
        tg_nerf_frame_bias(s->canonical[0].weight, s->grid_width + PIXEL, s->frame_inputs, input,
                           s->canonical_bias + (int64_t)f * s->canonical[0].n_out);
    }
}

static void run_layer(const torso_stepper *s, const nerf_layer *layer, const float *bias,
                      const float *x, float *y, bool relu) {
    s->kernels->forward(layer->packed, layer->pad_in, layer->n_out, bias, x, y, relu);
}

/* Pixels beyond n repeat the first. clamped[2][NERF_TILE]: the shifted point left the screen. */
static void tile_forward(const torso_stepper *s, int frame, const torso_pixel *pixels, int n,
                         float *tile, bool *clamped) {
    float *code = tile + s->at.pixel, *u = tile + s->at.u;
    for (int p = 0; p < NERF_TILE; p++) {
        const torso_pixel *pixel = &pixels[p < n ? p : 0];
        const float *row = s->by_row + (int64_t)pixel->row * AXIS;
        const float *column = s->by_column + (int64_t)pixel->column * AXIS;
        for (int i = 0; i < AXIS; i++) { /* the two axes alternate */
            code[(2 * i) * NERF_TILE + p] = row[i];
            code[(2 * i + 1) * NERF_TILE + p] = column[i];
        }
    }
    run_layer(s, &s->deform[0], s->deform_bias + (int64_t)frame * s->deform[0].n_out, code,
              tile + s->at.d1, true);
    run_layer(s, &s->deform[1], NULL, tile + s->at.d1, tile + s->at.d2, true);
    run_layer(s, &s->deform[2], NULL, tile + s->at.d2, tile + s->at.shift, false);
    for (int i = 0; i < 2 * NERF_TILE; i++) {
        float x = code[i] + tile[s->at.shift + i];
        clamped[i] = x < -1 || x > 1;
        u[i] = (fminf(fmaxf(x, -1), 1) + 1) * 0.5f;
    }
    s->kernels->encode(&s->nerf->torso_grid, s->nerf->torso_embeddings->data, u,
                       tile + s->at.features);
    run_layer(s, &s->canonical[0], s->canonical_bias + (int64_t)frame * s->canonical[0].n_out,
              tile + s->at.features, tile + s->at.c1, true);
    run_layer(s, &s->canonical[1], NULL, tile + s->at.c1, tile + s->at.c2, true);
    run_layer(s, &s->canonical[2], NULL, tile + s->at.c2, tile + s->at.out, false);
    for (int i = 0; i < 4 * NERF_TILE; i++)
        tile[s->at.out + i] = 1 / (1 + expf(-tile[s->at.out + i]));
}

/* d_out [8][NERF_TILE]: gradients before the sigmoids. */
static void tile_loss(const torso_stepper *s, const torso_pixel *pixels, const float *tile,
                      const torso_weights *weights, float *d_out, torso_result *result) {
    memset(d_out, 0, sizeof(float) * NERF_OUT_BLOCK * NERF_TILE);
    for (int p = 0; p < NERF_TILE; p++) {
        const torso_pixel *pixel = &pixels[p];
        const float *out = tile + s->at.out + p;
        float alpha = out[0], d_alpha = 0;
        for (int c = 0; c < 3; c++) {
            float value = out[(c + 1) * NERF_TILE];
            float error = alpha * value + (1 - alpha) * pixel->background[c] - pixel->target[c];
            result->squared_error += error * error;
            result->loss += error * error / 3;
            float d_error = weights->scale * 2 * error / 3;
            d_alpha += d_error * (value - pixel->background[c]);
            d_out[(c + 1) * NERF_TILE + p] = d_error * alpha * value * (1 - value);
        }
        float a = fminf(fmaxf(alpha, 1e-5f), 1 - 1e-5f);
        result->loss -= weights->entropy * (a * log2f(a) + (1 - a) * log2f(1 - a));
        if (a == alpha)
            d_alpha += weights->scale * weights->entropy * (log2f(1 - a) - log2f(a));
        float error = alpha - pixel->alpha;
        result->loss += weights->alpha * error * error;
        d_alpha += weights->scale * weights->alpha * 2 * error;
        d_out[p] = d_alpha * alpha * (1 - alpha);
    }
}

typedef struct {
    torso_stepper *s;
    const torso_pixel *pixels;
    int per_frame, n;
    const torso_weights *weights;
    float *rgba;
} torso_job;

static void tile_backward(torso_stepper *s, const float *tile, const bool *clamped, float *scratch,
                          float *block, int64_t index, int64_t b) {
    const nerf_kernels *k = s->kernels;
    int64_t third = s->delta_size / 3;
    float *x = scratch, *y = scratch + third, *xt = scratch + 2 * third;
    tile_store *store = &s->store[index];
    memcpy(store->u, tile + s->at.u, sizeof(float) * 2 * NERF_TILE);
    tg_nerf_layer_backward(k, &s->canonical[2], tile + s->at.c2, x, tile + s->at.c2, y, false, xt,
                           block);
    tg_nerf_layer_backward(k, &s->canonical[1], tile + s->at.c1, y, tile + s->at.c1, x, false, xt,
                           block);
    tg_nerf_row_sums(x, s->canonical[0].n_out, s->d_canonical_bias + b * s->canonical[0].n_out);
    tg_nerf_layer_backward(k, &s->canonical[0], tile + s->at.features, x, NULL, NULL, false, xt,
                           block);
    /* the frequency code has no gradient: only the grid's rows */
    k->backward_input(s->canonical[0].packed_t, s->grid_width, s->canonical[0].pad_out, x, NULL,
                      store->d_features, false);
    float d_u[2 * NERF_TILE] __attribute__((aligned(64)));
    k->encode_backward(&s->nerf->torso_grid, s->nerf->torso_embeddings->data, tile + s->at.u,
                       store->d_features, d_u);
    memset(x, 0, sizeof(float) * NERF_OUT_BLOCK * NERF_TILE);
    for (int i = 0; i < 2 * NERF_TILE; i++)
        x[i] = clamped[i] ? 0 : 0.5f * d_u[i];
    tg_nerf_layer_backward(k, &s->deform[2], tile + s->at.d2, x, tile + s->at.d2, y, false, xt,
                           block);
    tg_nerf_layer_backward(k, &s->deform[1], tile + s->at.d1, y, tile + s->at.d1, x, false, xt,
                           block);
    tg_nerf_row_sums(x, s->deform[0].n_out, s->d_deform_bias + b * s->deform[0].n_out);
    tg_nerf_layer_backward(k, &s->deform[0], tile + s->at.pixel, x, NULL, NULL, false, xt, block);
}

static void block_range(void *arg, int64_t begin, int64_t end, int worker) {
    torso_job *job = arg;
    torso_stepper *s = job->s;
    const int block_pixels = TORSO_BLOCK_TILES * NERF_TILE;
    float *group = s->blocks + begin / TORSO_GROUP_BLOCKS * s->gradient_size;
    float *tile = s->tiles + worker * s->at.size, *scratch = s->deltas + worker * s->delta_size;
    memset(group, 0, sizeof(float) * (size_t)s->gradient_size);
    for (int64_t b = begin; b < end; b++) {
        int frame = (int)(b * block_pixels / job->per_frame);
        memset(s->d_deform_bias + b * s->deform[0].n_out, 0,
               sizeof(float) * (size_t)s->deform[0].n_out);
        memset(s->d_canonical_bias + b * s->canonical[0].n_out, 0,
               sizeof(float) * (size_t)s->canonical[0].n_out);
        s->results[b] = (torso_result){0};
        for (int t = 0; t < TORSO_BLOCK_TILES; t++) {
            bool clamped[2 * NERF_TILE];
            int64_t index = b * TORSO_BLOCK_TILES + t;
            const torso_pixel *pixels = job->pixels + index * NERF_TILE;
            tile_forward(s, frame, pixels, NERF_TILE, tile, clamped);
            tile_loss(s, pixels, tile, job->weights, scratch, &s->results[b]);
            tile_backward(s, tile, clamped, scratch, group, index, b);
        }
    }
}

static void scatter_range(void *arg, int64_t begin, int64_t end, int worker) {
    (void)worker;
    torso_job *job = arg;
    torso_stepper *s = job->s;
    for (int64_t l = begin; l < end; l++)
        s->kernels->scatter(&s->nerf->torso_grid, (int)l, job->n / NERF_TILE, s->u, s->d,
                            s->nerf->torso_embeddings->grad);
}

/* Sums of a frame's blocks, back into the columns of pose and code. */
static void frame_gradient(torso_stepper *s, const nerf_layer *layer, int column, int frame,
                           int code_row, int blocks, float *d_bias) {
    int n = layer->n_out, code = s->nerf->config.torso_individual_embedding_dim;
    float *sum = d_bias + (int64_t)frame * blocks * n, d_input[POSE + 256] = {0};
    assert(code <= 256);
    for (int b = 1; b < blocks; b++)
        for (int i = 0; i < n; i++)
            sum[i] += sum[b * n + i];
    tg_nerf_frame_bias_backward(layer->weight, column, s->frame_inputs,
                                s->inputs + (int64_t)frame * s->frame_inputs, sum, d_input);
    float *grad = s->nerf->torso_codes->grad + (int64_t)code_row * code;
    for (int i = 0; i < code; i++)
        grad[i] += d_input[POSE + i];
}

void tg_torso_step_gradients(tg_context *ctx, torso_stepper *s, const torso_frame *frames,
                             int n_frames, const torso_pixel *pixels, int per_frame,
                             const torso_weights *weights, torso_result *result) {
    const int block_pixels = TORSO_BLOCK_TILES * NERF_TILE;
    int n = n_frames * per_frame, blocks = n / block_pixels;
    assert(n_frames <= TORSO_MAX_FRAMES && per_frame % block_pixels == 0 &&
           n <= s->max_tiles * NERF_TILE);
    tg_pool *pool = tg_context_pool(ctx);
    start_frames(s, frames, n_frames);
    torso_job job = {.s = s, .pixels = pixels, .per_frame = per_frame, .n = n, .weights = weights};
    tg_pool_run(pool, blocks, TORSO_GROUP_BLOCKS, block_range, &job);
    tg_pool_run(pool, s->nerf->torso_grid.levels, 1, scatter_range, &job);
    *result = (torso_result){0};
    for (int b = 0; b < blocks; b++) {
        result->squared_error += s->results[b].squared_error;
        result->loss += s->results[b].loss;
    }
    int groups = (blocks + TORSO_GROUP_BLOCKS - 1) / TORSO_GROUP_BLOCKS;
    for (int g = 0; g < groups; g++)
        for (int l = 0; l < 3; l++) {
            tg_nerf_layer_add_gradient(&s->deform[l], s->blocks + g * s->gradient_size);
            tg_nerf_layer_add_gradient(&s->canonical[l], s->blocks + g * s->gradient_size);
        }
    for (int f = 0; f < n_frames; f++) {
        int each = per_frame / block_pixels;
        frame_gradient(s, &s->deform[0], PIXEL, f, frames[f].code, each, s->d_deform_bias);
        frame_gradient(s, &s->canonical[0], s->grid_width + PIXEL, f, frames[f].code, each,
                       s->d_canonical_bias);
    }
}

static void render_range(void *arg, int64_t begin, int64_t end, int worker) {
    torso_job *job = arg;
    torso_stepper *s = job->s;
    float *tile = s->tiles + worker * s->at.size;
    for (int64_t t = begin; t < end; t++) {
        bool clamped[2 * NERF_TILE];
        int64_t first = t * NERF_TILE;
        int n = (int)(job->n - first < NERF_TILE ? job->n - first : NERF_TILE);
        tile_forward(s, 0, job->pixels + first, n, tile, clamped);
        for (int p = 0; p < n; p++)
            for (int c = 0; c < 4; c++) /* the network says alpha first */
                job->rgba[4 * (first + p) + c] = tile[s->at.out + ((c + 1) % 4) * NERF_TILE + p];
    }
}

void tg_torso_step_render(tg_context *ctx, torso_stepper *s, const torso_frame *frame,
                          const torso_pixel *pixels, int n, float *rgba) {
    start_frames(s, frame, 1);
    torso_job job = {.s = s, .pixels = pixels, .n = n, .rgba = rgba};
    tg_pool_run(tg_context_pool(ctx), (n + NERF_TILE - 1) / NERF_TILE, 16, render_range, &job);
}
