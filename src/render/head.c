#include "head.h"

#include <string.h>

static int max_int(int a, int b) {
    return a > b ? a : b;
}

/* Inputs of layer l when the first layer's constant inputs are taken out. */
static tg_status create_net(tg_context *ctx, const tg_tile_kernels *k, tg_layer *net, int layers,
                            int first_in, int hidden, int out) {
    for (int l = 0; l < layers; l++) {
        if (!tg_layer_create(&net[l], k, l == 0 ? first_in : hidden,
                             l == layers - 1 ? out : hidden)) {
            return tg_fail(ctx, TG_ENOMEM, "not enough memory for the head's networks");
        }
    }
    return TG_OK;
}

tg_status tg_head_create(tg_context *ctx, const tg_nerf *nerf, bool full_precision, tg_head *head) {
    const tg_nerf_config *config = &nerf->config;
    memset(head, 0, sizeof *head);
    head->nerf = nerf;
    head->kernels = tg_tile_kernels_for(tg_context_cpu(ctx), full_precision);
    head->exact =
        head->kernels->fine ? head->kernels : tg_tile_kernels_for(tg_context_cpu(ctx), true);
    head->features = config->num_levels * TG_GRID_FEATURES;
    head->hidden = config->hidden_dim_sigma;
    head->widest = max_int(max_int(config->hidden_dim_ambient, config->hidden_dim_sigma),
                           max_int(config->hidden_dim_color, 2 * head->features));
    head->scratch_rows = 2 * head->features + 2 * head->widest + 4;
    const size_t fused = (size_t)config->hidden_dim_color * (size_t)(head->hidden + 16);
    head->fused = tg_alloc(fused * sizeof(float));
    head->ambient_bias = tg_calloc((size_t)config->hidden_dim_ambient * sizeof(float));
    head->color_bias = tg_calloc((size_t)config->hidden_dim_color * sizeof(float));
    if (config->eye_dim > 0) {
        head->sigma_bias = tg_calloc((size_t)config->hidden_dim_sigma * sizeof(float));
    }
    tg_status status = TG_OK;
    if (head->fused == NULL || head->ambient_bias == NULL || head->color_bias == NULL ||
        (config->eye_dim > 0 && head->sigma_bias == NULL) ||
        !tg_tile_grid_create(&head->position, head->kernels, &nerf->position_grid) ||
        !tg_tile_grid_create(&head->ambient, head->kernels, &nerf->ambient_grid)) {
        status = tg_fail(ctx, TG_ENOMEM, "not enough memory for the head's tables");
    }
    if (status == TG_OK) {
        status = create_net(ctx, head->exact, head->ambient_net, config->num_layers_ambient,
                            head->features, config->hidden_dim_ambient, config->ambient_out_dim);
    }
    if (status == TG_OK) {
        status = create_net(ctx, head->kernels, head->sigma_net, config->num_layers_sigma,
                            2 * head->features, config->hidden_dim_sigma, 1);
    }
    if (status == TG_OK) {
        status = create_net(ctx, head->kernels, head->color_net, config->num_layers_color,
                            head->hidden + 16, config->hidden_dim_color, 3);
    }
    if (status != TG_OK) {
        tg_head_destroy(head);
        return status;
    }
    tg_head_update(head);
    return TG_OK;
}

void tg_head_destroy(tg_head *head) {
    for (int l = 0; l < TG_NERF_MAX_LAYERS; l++) {
        tg_layer_destroy(&head->ambient_net[l]);
        tg_layer_destroy(&head->sigma_net[l]);
        tg_layer_destroy(&head->color_net[l]);
    }
    tg_free(head->position.table);
    tg_free(head->ambient.table);
    tg_free(head->ambient_bias);
    tg_free(head->color_bias);
    tg_free(head->sigma_bias);
    tg_free(head->fused);
    memset(head, 0, sizeof *head);
}

static void fill_net(const tg_tile_kernels *k, tg_layer *net, tg_tensor *const *weights, int begin,
                     int layers) {
    for (int l = begin; l < layers; l++) {
        tg_layer_fill(&net[l], k, weights[l]->data, weights[l]->dim[1]);
    }
}

void tg_head_update(tg_head *head) {
    const tg_nerf *nerf = head->nerf;
    const tg_nerf_config *config = &nerf->config;
    tg_tile_grid_fill(&head->position, head->kernels, nerf->position_embeddings->data);
    tg_tile_grid_fill(&head->ambient, head->kernels, nerf->ambient_embeddings->data);
    fill_net(head->exact, head->ambient_net, nerf->ambient_net, 0, config->num_layers_ambient);
    fill_net(head->kernels, head->sigma_net, nerf->sigma_net, 0, config->num_layers_sigma);
    fill_net(head->kernels, head->color_net, nerf->color_net, 1, config->num_layers_color);
    /* colour layer 0 on [SH 16, geometry, code]: geometry = rows 1.. of sigma's last layer. */
    const tg_tensor *color = nerf->color_net[0];
    const tg_tensor *geometry = nerf->sigma_net[config->num_layers_sigma - 1];
    const int64_t hidden = head->hidden, width = hidden + 16;
    for (int64_t o = 0; o < color->dim[0]; o++) {
        const float *row = color->data + o * color->dim[1];
        float *to = head->fused + o * width;
        for (int64_t i = 0; i < hidden; i++) {
            double sum = 0;
            for (int64_t g = 0; g < config->geo_feat_dim; g++) {
                sum += (double)row[16 + g] * (double)geometry->data[(1 + g) * hidden + i];
            }
            to[i] = (float)sum;
        }
        memcpy(to + hidden, row, 16 * sizeof(float));
    }
    tg_layer_fill(&head->color_net[0], head->kernels, head->fused, width);
}

/* bias[o] = columns [begin, begin+n) of weight times x */
static void constant_part(const tg_tensor *weight, int64_t begin, int64_t n, const float *x,
                          float *bias) {
    for (int64_t o = 0; o < weight->dim[0]; o++) {
        const float *row = weight->data + o * weight->dim[1] + begin;
        double sum = 0;
        for (int64_t i = 0; i < n; i++) {
            sum += (double)row[i] * (double)x[i];
        }
        bias[o] = (float)sum;
    }
}

void tg_head_condition(tg_head *head, const float *condition, int code, float eye) {
    const tg_nerf *nerf = head->nerf;
    const tg_nerf_config *config = &nerf->config;
    constant_part(nerf->ambient_net[0], head->features, config->cond_out_dim, condition,
                  head->ambient_bias);
    constant_part(nerf->color_net[0], 16 + config->geo_feat_dim, config->individual_embedding_dim,
                  nerf->individual_embeddings->data +
                      (size_t)code * (size_t)config->individual_embedding_dim,
                  head->color_bias);
    if (head->sigma_bias != NULL) {
        constant_part(nerf->sigma_net[0], 2 * head->features, 1, &eye, head->sigma_bias);
    }
}

/* Layers 1.. of a net whose first layer's output is in `a`; the last one writes to `out`. */
static void run_rest(const tg_tile_kernels *k, const tg_layer *net, int layers, float *a, float *b,
                     float *out) {
    for (int l = 1; l < layers; l++) {
        const bool last = l == layers - 1;
        float *to = last ? out : b;
        k->layer(&net[l], a, TG_TILE, NULL, NULL, last ? TG_ACT_NONE : TG_ACT_RELU, to);
        b = a;
        a = to;
    }
}

void tg_head_density(const tg_head *head, float *scratch, const float *xyz, float *sigma,
                     float *hidden, float *ambient) {
    const tg_nerf_config *config = &head->nerf->config;
    const tg_tile_kernels *k = head->kernels;
    float *features = scratch; /* position, then ambient: the input of sigma_net */
    float *a = features + (size_t)(2 * head->features) * TG_TILE;
    float *b = a + (size_t)head->widest * TG_TILE;
    float *u = b + (size_t)head->widest * TG_TILE; /* 3 rows */
    const float half = 0.5f / config->bound;
    for (int i = 0; i < 3 * TG_TILE; i++) {
        u[i] = (xyz[i] + config->bound) * half;
    }
    k->grid(&head->position, u, features);
    head->exact->layer(&head->ambient_net[0], features, TG_TILE, head->ambient_bias, NULL,
                       TG_ACT_RELU, a);
    run_rest(head->exact, head->ambient_net, config->num_layers_ambient, a, b, u);
    k->tanh(u, config->ambient_out_dim * TG_TILE);
    if (ambient != NULL) {
        memcpy(ambient, u, (size_t)config->ambient_out_dim * TG_TILE * sizeof(float));
    }
    for (int i = 0; i < config->ambient_out_dim * TG_TILE; i++) {
        u[i] = (u[i] + 1.0f) * 0.5f;
    }
    k->grid(&head->ambient, u, features + (size_t)head->features * TG_TILE);
    /* hidden layers of sigma_net: the last one writes `hidden`, from which sigma is one row */
    const float *in = features;
    for (int l = 0; l + 1 < config->num_layers_sigma; l++) {
        float *to = l + 2 == config->num_layers_sigma ? hidden : l % 2 == 0 ? a : b;
        k->layer(&head->sigma_net[l], in, TG_TILE, l == 0 ? head->sigma_bias : NULL, NULL,
                 TG_ACT_RELU, to);
        in = to;
    }
    k->layer(&head->sigma_net[config->num_layers_sigma - 1], hidden, TG_TILE, NULL, NULL,
             TG_ACT_NONE, sigma);
    k->exp(sigma, TG_TILE);
}

void tg_head_color(const tg_head *head, float *scratch, float *inputs, int stride, float *rgb) {
    const tg_nerf_config *config = &head->nerf->config;
    const tg_tile_kernels *k = head->kernels;
    float *a = scratch, *b = a + (size_t)head->widest * TG_TILE;
    float *harmonics = inputs + (size_t)head->hidden * (size_t)stride;
    k->sh(harmonics + (size_t)16 * (size_t)stride, harmonics, stride);
    k->layer(&head->color_net[0], inputs, stride, head->color_bias, NULL, TG_ACT_RELU, a);
    run_rest(k, head->color_net, config->num_layers_color, a, b, rgb);
    k->sigmoid(rgb, 3 * TG_TILE);
}
