/* From a renderer's model to the device. */
#include "fragments.h"
#include "memory.h"
#include "pack.h"

#include <string.h>

static int max_int(int a, int b) {
    return a > b ? a : b;
}

static int round_up(int x, int to) {
    return (x + to - 1) / to * to;
}

int tg_cuda_tensor_width(const tg_renderer *r) {
    const tg_nerf_config *c = &r->nerf->config;
    const int widest =
        max_int(max_int(c->hidden_dim_ambient, c->hidden_dim_sigma), c->hidden_dim_color);
    if (r->options.full_precision || 2 * c->num_levels > TG_CUDA_FEATURES || widest > 128) {
        return 0;
    }
    return widest <= 64 ? 64 : 128;
}

bool tg_cuda_tensor_torso(const tg_renderer *r) {
    const tg_nerf_config *c = &r->nerf->config;
    return !r->options.full_precision && 2 * c->num_levels <= TG_CUDA_FEATURES &&
           c->torso_hidden_deform <= TG_CUDA_DEFORM &&
           c->torso_hidden_canonical <= TG_CUDA_CANONICAL;
}

/* ---- grids ---- */

static tg_status put_grid(tg_context *ctx, tg_cuda_memory *memory, int which, const tg_grid *grid,
                          const tg_tensor *table, bool half, int level, tg_cuda_grid *out) {
    const size_t rows = grid->offset[grid->levels];
    tg_status status;
    out->levels = grid->levels;
    out->dims = grid->dims;
    out->smoothstep = grid->smoothstep;
    out->level = (const tg_cuda_level *)memory->block[TG_CUDA_LEVELS] + level;
    if (!half) {
        status = tg_cuda_put(ctx, memory, which, table->data, rows * 2 * sizeof(float));
        out->full = memory->block[which];
        return status;
    }
    uint32_t *packed = tg_alloc(rows * sizeof *packed);
    if (packed == NULL) {
        return tg_fail(ctx, TG_ENOMEM, "not enough memory for the tables of the GPU");
    }
    tg_cuda_pack_table(table->data, rows, packed);
    status = tg_cuda_put(ctx, memory, which, packed, rows * sizeof *packed);
    out->half = memory->block[which];
    tg_free(packed);
    return status;
}

static tg_status put_grids(tg_context *ctx, tg_cuda_memory *memory, const tg_renderer *r,
                           tg_cuda_scene *s) {
    const tg_nerf *nerf = r->nerf;
    const int levels = nerf->config.num_levels;
    tg_cuda_level level[3 * TG_GRID_MAX_LEVELS];
    memset(level, 0, sizeof level);
    tg_cuda_pack_levels(&nerf->position_grid, level);
    tg_cuda_pack_levels(&nerf->ambient_grid, level + levels);
    if (s->torso) {
        tg_cuda_pack_levels(&nerf->torso_grid, level + 2 * levels);
    }
    const bool half = tg_cuda_tensor_width(r) > 0;
    tg_status status = tg_cuda_put(ctx, memory, TG_CUDA_LEVELS, level, sizeof level);
    if (status == TG_OK) {
        status = put_grid(ctx, memory, TG_CUDA_POSITION, &nerf->position_grid,
                          nerf->position_embeddings, half, 0, &s->position);
    }
    if (status == TG_OK) {
        status = put_grid(ctx, memory, TG_CUDA_AMBIENT, &nerf->ambient_grid,
                          nerf->ambient_embeddings, half, levels, &s->ambient);
    }
    if (status == TG_OK && s->torso) {
        status = put_grid(ctx, memory, TG_CUDA_TORSO, &nerf->torso_grid, nerf->torso_embeddings,
                          tg_cuda_tensor_torso(r), 2 * levels, &s->torso_grid);
    }
    return status;
}

/* ---- float32 networks ---- */

/* Weights on their way to one block of the device. */
typedef struct {
    float *host;
    const float *device;
    size_t used;
} weights;

static const float *add_values(weights *w, const float *from, size_t n) {
    const float *at = w->device + w->used;
    memcpy(w->host + w->used, from, n * sizeof *from);
    w->used += n;
    return at;
}

/* Columns [begin, begin + in) of the first `out` rows. */
static tg_cuda_dense add_dense(weights *w, const float *from, int64_t ld, int begin, int in,
                               int out) {
    const tg_cuda_dense dense = {.weight = w->device + w->used, .in = in, .out = out};
    for (int o = 0; o < out; o++) {
        add_values(w, from + o * ld + begin, (size_t)in);
    }
    return dense;
}

static tg_cuda_dense add_tensor(weights *w, const tg_tensor *t, int begin, int in) {
    return add_dense(w, t->data, t->dim[1], begin, in, (int)t->dim[0]);
}

static void add_head(weights *w, const tg_renderer *r, tg_cuda_scene *s) {
    const tg_nerf *nerf = r->nerf;
    const tg_nerf_config *c = &nerf->config;
    const int features = r->head.features;
    s->ambient_net.layers = c->num_layers_ambient;
    s->sigma_net.layers = c->num_layers_sigma;
    s->color_net.layers = c->num_layers_color;
    for (int l = 0; l < c->num_layers_ambient; l++) {
        s->ambient_net.dense[l] =
            add_tensor(w, nerf->ambient_net[l], 0, l == 0 ? features : c->hidden_dim_ambient);
    }
    for (int l = 0; l < c->num_layers_sigma; l++) {
        s->sigma_net.dense[l] =
            add_tensor(w, nerf->sigma_net[l], 0, l == 0 ? 2 * features : c->hidden_dim_sigma);
    }
    s->sigma_net.dense[c->num_layers_sigma - 1].out = 1; /* the rest is multiplied out */
    const int inputs = r->head.hidden + 16;
    s->color_net.dense[0] = add_dense(w, r->head.fused, inputs, 0, inputs, c->hidden_dim_color);
    for (int l = 1; l < c->num_layers_color; l++) {
        s->color_net.dense[l] = add_tensor(w, nerf->color_net[l], 0, c->hidden_dim_color);
    }
}

enum { TORSO_BEFORE_CODE = 42 + 54, TORSO_SEEN = 16 };

static void add_torso(weights *w, const tg_renderer *r, tg_cuda_scene *s) {
    const tg_nerf *nerf = r->nerf;
    const tg_nerf_config *c = &nerf->config;
    const int seen = TORSO_BEFORE_CODE + c->torso_individual_embedding_dim;
    const int features = 2 * c->num_levels;
    s->deform.layers = s->canonical.layers = s->head_encoder.layers = 3;
    for (int l = 1; l < 3; l++) {
        s->deform.dense[l] = add_tensor(w, nerf->torso_deform_net[l], 0, c->torso_hidden_deform);
        s->canonical.dense[l] =
            add_tensor(w, nerf->torso_canonical_net[l], 0, c->torso_hidden_canonical);
    }
    s->canonical.dense[0] = add_tensor(w, nerf->torso_canonical_net[0], 0, features);
    if (!c->torso_head_aware) {
        return;
    }
    s->deform.dense[0] = add_tensor(w, nerf->torso_deform_net[0], seen, TORSO_SEEN);
    s->canonical_head = add_tensor(w, nerf->torso_canonical_net[0], features + seen, TORSO_SEEN);
    for (int l = 0; l < 3; l++) {
        const tg_tensor *weight = nerf->head_encoder_w[l], *bias = nerf->head_encoder_b[l];
        w->used = (w->used + 3) / 4 * 4; /* tensor cores read biases in pairs */
        s->head_encoder_bias[l] = add_values(w, bias->data, (size_t)tg_numel(bias));
        s->head_encoder.dense[l] = add_tensor(w, weight, 0, (int)weight->dim[1]);
    }
}

static size_t all_weights(const tg_renderer *r) {
    const tg_nerf *nerf = r->nerf;
    const tg_nerf_config *c = &nerf->config;
    size_t n = (size_t)c->hidden_dim_color * (size_t)(r->head.hidden + 16);
    for (int l = 0; l < TG_NERF_MAX_LAYERS; l++) {
        n += l < c->num_layers_ambient ? (size_t)tg_numel(nerf->ambient_net[l]) : 0;
        n += l < c->num_layers_sigma ? (size_t)tg_numel(nerf->sigma_net[l]) : 0;
        n += l > 0 && l < c->num_layers_color ? (size_t)tg_numel(nerf->color_net[l]) : 0;
    }
    for (int l = 0; c->torso && l < 3; l++) {
        n += (size_t)(tg_numel(nerf->torso_deform_net[l]) + tg_numel(nerf->torso_canonical_net[l]));
        if (c->torso_head_aware) {
            n +=
                (size_t)(tg_numel(nerf->head_encoder_w[l]) + tg_numel(nerf->head_encoder_b[l])) + 3;
        }
    }
    return n;
}

static tg_status put_weights(tg_context *ctx, tg_cuda_memory *memory, const tg_renderer *r,
                             tg_cuda_scene *s) {
    const size_t bytes = all_weights(r) * sizeof(float);
    tg_status status = tg_cuda_take(ctx, memory, TG_CUDA_WEIGHTS, bytes);
    if (status != TG_OK) {
        return status;
    }
    weights w = {.host = tg_calloc(bytes), .device = memory->block[TG_CUDA_WEIGHTS]};
    if (w.host == NULL) {
        return tg_fail(ctx, TG_ENOMEM, "not enough memory for the weights of the GPU");
    }
    add_head(&w, r, s);
    if (s->torso) {
        add_torso(&w, r, s);
    }
    status = tg_cuda_put(ctx, memory, TG_CUDA_WEIGHTS, w.host, bytes);
    tg_free(w.host);
    return status;
}

/* ---- tensor cores ---- */

/* Two ranges of columns of a weight, each moved to where the kernels have it, zeros between. */
static void spread(const float *from, int64_t ld, int out, int first, int second_from, int second,
                   int second_to, int width, float *to) {
    memset(to, 0, (size_t)out * (size_t)width * sizeof *to);
    for (int o = 0; o < out; o++) {
        memcpy(to + o * width, from + o * ld, (size_t)first * sizeof *to);
        memcpy(to + o * width + second_to, from + o * ld + second_from,
               (size_t)second * sizeof *to);
    }
}

/* Layers 1.. of a net whose first is packed. */
static uint32_t *pack_rest(tg_tensor *const *net, int layers, int hidden, int last, int wide,
                           uint32_t *to) {
    for (int l = 1; l + 1 < layers; l++) {
        to += tg_cuda_pack_layer(net[l]->data, net[l]->dim[1], hidden, hidden, wide, wide, to);
    }
    const tg_tensor *end = net[layers - 1];
    return to + tg_cuda_pack_last(end->data, end->dim[1], hidden, last, wide, to);
}

static void pack_head(const tg_renderer *r, int wide, float *room, uint32_t *to) {
    const tg_nerf *nerf = r->nerf;
    const tg_nerf_config *c = &nerf->config;
    const int features = r->head.features, second = TG_CUDA_FEATURES;
    const tg_tensor *first = nerf->ambient_net[0];
    to += tg_cuda_pack_layer(first->data, first->dim[1], features, c->hidden_dim_ambient,
                             TG_CUDA_FEATURES, wide, to);
    to = pack_rest(nerf->ambient_net, c->num_layers_ambient, c->hidden_dim_ambient,
                   c->ambient_out_dim, wide, to);
    first = nerf->sigma_net[0];
    spread(first->data, first->dim[1], c->hidden_dim_sigma, features, features, features, second,
           2 * second, room);
    to +=
        tg_cuda_pack_layer(room, 2 * second, 2 * second, c->hidden_dim_sigma, 2 * second, wide, to);
    to = pack_rest(nerf->sigma_net, c->num_layers_sigma, c->hidden_dim_sigma, 1, wide, to);
    const int hidden = r->head.hidden;
    spread(r->head.fused, hidden + 16, c->hidden_dim_color, hidden, hidden, 16, wide, wide + 16,
           room);
    to += tg_cuda_pack_layer(room, wide + 16, wide + 16, c->hidden_dim_color, wide + 16, wide, to);
    pack_rest(nerf->color_net, c->num_layers_color, c->hidden_dim_color, 3, wide, to);
}

static int pack_torso(const tg_renderer *r, float *room, uint32_t *to) {
    const uint32_t *begin = to;
    const tg_nerf *nerf = r->nerf;
    const tg_nerf_config *c = &nerf->config;
    const int features = 2 * c->num_levels, deform = c->torso_hidden_deform;
    const int canonical = c->torso_hidden_canonical, d = TG_CUDA_DEFORM, k = TG_CUDA_CANONICAL;
    const int seen = TORSO_BEFORE_CODE + c->torso_individual_embedding_dim;
    if (c->torso_head_aware) {
        static const int width[4] = {4, 16, 32, 16};
        for (int l = 0; l < 3; l++) {
            const tg_tensor *w = nerf->head_encoder_w[l];
            to += tg_cuda_pack_layer(w->data, w->dim[1], width[l], width[l + 1],
                                     round_up(width[l], 16), width[l + 1], to);
        }
        const tg_tensor *w = nerf->torso_deform_net[0];
        to += tg_cuda_pack_layer(w->data + seen, w->dim[1], TORSO_SEEN, deform, 16, d, to);
    }
    to = pack_rest(nerf->torso_deform_net, 3, deform, 2, d, to);
    const tg_tensor *w = nerf->torso_canonical_net[0];
    const int aware = c->torso_head_aware ? TORSO_SEEN : 0, inputs = TG_CUDA_FEATURES + aware;
    spread(w->data, w->dim[1], canonical, features, features + seen, aware, TG_CUDA_FEATURES,
           inputs, room);
    to += tg_cuda_pack_layer(room, inputs, inputs, canonical, inputs, k, to);
    to = pack_rest(nerf->torso_canonical_net, 3, canonical, 4, k, to);
    return (int)(to - begin);
}

static tg_status put_fragments(tg_context *ctx, tg_cuda_memory *memory, const tg_renderer *r,
                               tg_cuda_scene *s) {
    const int wide = tg_cuda_tensor_width(r);
    const bool torso = s->torso && tg_cuda_tensor_torso(r);
    if (wide == 0 && !torso) {
        return TG_OK;
    }
    const tg_nerf_config *c = &r->nerf->config;
    const int head = wide == 0
                         ? 0
                         : TG_CUDA_WORDS_NET(TG_CUDA_FEATURES, wide, c->num_layers_ambient) +
                               TG_CUDA_WORDS_NET(2 * TG_CUDA_FEATURES, wide, c->num_layers_sigma) +
                               TG_CUDA_WORDS_NET(wide + 16, wide, c->num_layers_color);
    enum { TORSO_WORDS = 8192 }; /* more than the widest needs */
    uint32_t *words = tg_alloc((size_t)max_int(head, TORSO_WORDS) * sizeof *words);
    float *room = tg_alloc((128 + 16) * 128 * sizeof *room);
    tg_status status =
        words != NULL && room != NULL
            ? TG_OK
            : tg_fail(ctx, TG_ENOMEM, "not enough memory for the weights of the GPU");
    if (status == TG_OK && wide > 0) {
        pack_head(r, wide, room, words);
        s->fragment_words = head;
        status =
            tg_cuda_put(ctx, memory, TG_CUDA_HEAD_FRAGMENTS, words, (size_t)head * sizeof *words);
        s->fragments = memory->block[TG_CUDA_HEAD_FRAGMENTS];
    }
    if (status == TG_OK && torso) {
        const int n = pack_torso(r, room, words);
        status =
            tg_cuda_put(ctx, memory, TG_CUDA_TORSO_FRAGMENTS, words, (size_t)n * sizeof *words);
        s->torso_fragments = memory->block[TG_CUDA_TORSO_FRAGMENTS];
    }
    tg_free(words);
    tg_free(room);
    return status;
}

/* ---- tables of the torso ---- */

/* n rows of r->torso.first numbers with both parts padded. */
static tg_status put_axis(tg_context *ctx, tg_cuda_memory *memory, int which, const tg_renderer *r,
                          const tg_cuda_scene *s, const float *from, int n) {
    const size_t width = (size_t)(s->width_deform + s->width_canonical);
    const size_t deform = (size_t)r->nerf->config.torso_hidden_deform;
    const size_t first = (size_t)r->torso.first;
    float *to = tg_calloc((size_t)n * width * sizeof *to);
    if (to == NULL) {
        return tg_fail(ctx, TG_ENOMEM, "not enough memory for the torso of the GPU");
    }
    for (size_t i = 0; i < (size_t)n; i++) {
        memcpy(to + i * width, from + i * first, deform * sizeof *to);
        memcpy(to + i * width + s->width_deform, from + i * first + deform,
               (first - deform) * sizeof *to);
    }
    const tg_status status = tg_cuda_put(ctx, memory, which, to, (size_t)n * width * sizeof *to);
    tg_free(to);
    return status;
}

static tg_status put_torso(tg_context *ctx, tg_cuda_memory *memory, const tg_renderer *r,
                           tg_cuda_scene *s) {
    tg_status status =
        put_axis(ctx, memory, TG_CUDA_BY_ROW, r, s, r->torso.by_row, r->options.height);
    if (status == TG_OK) {
        status =
            put_axis(ctx, memory, TG_CUDA_BY_COLUMN, r, s, r->torso.by_column, r->options.width);
    }
    if (status == TG_OK) {
        status = tg_cuda_put(ctx, memory, TG_CUDA_TORSO_MASK, r->torso_mask,
                             (size_t)r->options.width * (size_t)r->options.height);
    }
    s->by_row = memory->block[TG_CUDA_BY_ROW];
    s->by_column = memory->block[TG_CUDA_BY_COLUMN];
    s->torso_mask = memory->block[TG_CUDA_TORSO_MASK];
    return status;
}

/* ---- all of it ---- */

static void describe(const tg_renderer *r, tg_cuda_scene *s) {
    const tg_nerf_config *c = &r->nerf->config;
    const tg_renderer_options *o = &r->options;
    const int wide = tg_cuda_tensor_width(r);
    const bool torso = tg_cuda_tensor_torso(r);
    memset(s, 0, sizeof *s);
    s->width = o->width;
    s->height = o->height;
    s->focal = o->focal;
    s->cx = o->cx;
    s->cy = o->cy;
    memcpy(s->aabb, r->nerf->aabb, sizeof s->aabb);
    s->min_near = c->min_near;
    s->bound = c->bound;
    s->max_samples = o->max_samples;
    s->published = o->reference_schedule;
    s->see_all = o->reference_schedule || o->exhaustive;
    s->min_weight = o->min_weight;
    s->min_transmittance = o->min_transmittance;
    s->skips = r->skips;
    s->grid_size = c->grid_size;
    s->cascades = r->march.cascades;
    s->across = (o->width + TG_CUDA_SQUARE - 1) / TG_CUDA_SQUARE;
    s->dt_min = r->march.dt_min;
    s->dt_max = r->march.dt_max;
    s->dt_gamma = r->march.dt_gamma;
    s->to_cell = r->skip.to_cell;
    s->ambient_out = c->ambient_out_dim;
    s->width_ambient = wide > 0 ? wide : round_up(c->hidden_dim_ambient, 4);
    s->width_sigma = wide > 0 ? wide : round_up(c->hidden_dim_sigma, 4);
    s->width_color = wide > 0 ? wide : round_up(c->hidden_dim_color, 4);
    s->torso = r->has_torso;
    if (s->torso) {
        s->head_aware = c->torso_head_aware;
        s->shrink = c->torso_shrink;
        s->width_deform = torso ? TG_CUDA_DEFORM : c->torso_hidden_deform;
        s->width_canonical = torso ? TG_CUDA_CANONICAL : c->torso_hidden_canonical;
    }
    const int head = 2 * r->head.features + r->head.hidden + 16 + 2 * r->head.widest;
    const int behind = s->torso ? r->torso.first + 2 * max_int(r->torso.widest, 32) : 0;
    s->scratch_rows = max_int(head, behind);
}

tg_status tg_cuda_scene_fill(tg_context *ctx, tg_cuda_memory *memory, const tg_renderer *r,
                             tg_cuda_scene *s) {
    const size_t pixels = (size_t)r->options.width * (size_t)r->options.height;
    const size_t side = (size_t)r->nerf->config.grid_size;
    describe(r, s);
    tg_status status = put_grids(ctx, memory, r, s);
    if (status == TG_OK) {
        status = put_weights(ctx, memory, r, s);
    }
    if (status == TG_OK) {
        status = put_fragments(ctx, memory, r, s);
    }
    if (status == TG_OK && s->torso) {
        status = put_torso(ctx, memory, r, s);
    }
    if (status == TG_OK) {
        status =
            tg_cuda_put(ctx, memory, TG_CUDA_BITFIELD, r->nerf->bitfield, r->nerf->bitfield_bytes);
    }
    if (status == TG_OK && r->skips) {
        status = tg_cuda_put(ctx, memory, TG_CUDA_BITS, r->skip.bits, side * side * side / 8);
    }
    if (status == TG_OK) {
        status =
            tg_cuda_put(ctx, memory, TG_CUDA_BACKGROUND, r->background, pixels * 3 * sizeof(float));
    }
    s->bitfield = memory->block[TG_CUDA_BITFIELD];
    s->bits = memory->block[TG_CUDA_BITS];
    s->background = memory->block[TG_CUDA_BACKGROUND];
    return status;
}
