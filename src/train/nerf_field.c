#include "train/nerf_field.h"

#include <math.h>
#include <string.h>

static tg_status check_shape(tg_context *ctx, const tg_nerf *nerf) {
    const tg_nerf_config *c = &nerf->config;
    const char *wrong = NULL;
    if (c->grid_smoothstep)
        wrong = "a smoothstep grid";
    else if (c->num_layers_ambient != 3 || c->num_layers_sigma != 3 || c->num_layers_color != 2)
        wrong = "other numbers of layers";
    else if (c->ambient_out_dim != 2)
        wrong = "an ambient space that is not a plane";
    else if (nerf->cascades != 1)
        wrong = "a bound above 1";
    else if (c->hidden_dim_ambient % 16 || c->hidden_dim_sigma % 16 || c->hidden_dim_color % 16 ||
             c->geo_feat_dim % 16)
        wrong = "widths that are not multiples of 16";
    else if (c->num_levels % 8)
        wrong = "a number of grid levels that is not a multiple of 8";
    if (!wrong)
        return TG_OK;
    return tg_fail(ctx, TG_EUSAGE,
                   "the head model has %s, which cannot be trained\n"
                   "  expected: a linear grid, layers 3/3/2, ambient plane, bound 1, widths "
                   "in sixteens\n"
                   "  try: the default model configuration",
                   wrong);
}

tg_status tg_nerf_field_init(tg_context *ctx, tg_arena *arena, nerf_field *f, tg_nerf *nerf) {
    tg_status status = check_shape(ctx, nerf);
    if (status != TG_OK)
        return status;
    const tg_nerf_config *c = &nerf->config;
    *f = (nerf_field){.kernels = tg_nerf_kernels_for(tg_context_cpu(ctx)),
                      .nerf = nerf,
                      .grid_width = c->num_levels * TG_GRID_FEATURES,
                      .condition = c->cond_out_dim,
                      .code = c->individual_embedding_dim};
    int geo = c->geo_feat_dim, grid = f->grid_width;
    const struct {
        nerf_layer *layer;
        tg_tensor *weight;
        int n_in, rotate;
    } layers[] = {
        {&f->ambient[0], nerf->ambient_net[0], grid, 0},
        {&f->ambient[1], nerf->ambient_net[1], c->hidden_dim_ambient, 0},
        {&f->ambient[2], nerf->ambient_net[2], c->hidden_dim_ambient, 0},
        {&f->sigma[0], nerf->sigma_net[0], 2 * grid, 0},
        {&f->sigma[1], nerf->sigma_net[1], c->hidden_dim_sigma, 0},
        /* geo first, then density, so that geo lies beside SH as the colour net's input */
        {&f->sigma[2], nerf->sigma_net[2], c->hidden_dim_sigma, 1},
        {&f->color[0], nerf->color_net[0], NERF_SH + geo, 0},
        {&f->color[1], nerf->color_net[1], c->hidden_dim_color, 0},
    };
    for (size_t i = 0; i < sizeof(layers) / sizeof(layers[0]) && status == TG_OK; i++)
        status = tg_nerf_layer_init(ctx, arena, layers[i].layer, layers[i].weight, 0,
                                    layers[i].n_in, layers[i].rotate, &f->gradient_size);
    if (status != TG_OK)
        return status;
    f->density = f->sigma[2];
    f->density.packed = tg_arena_calloc(
        arena, sizeof(float) * (size_t)tg_nerf_packed_size(f->density.pad_in, NERF_OUT_BLOCK));
    if (!f->density.packed)
        return tg_fail(ctx, TG_ENOMEM, "no memory for packed weights of the head's training");

    int64_t rows = 0;
    const struct {
        int64_t *at;
        int rows;
    } parts[] = {
        {&f->u3, 3},
        {&f->features, 2 * grid},
        {&f->a1, c->hidden_dim_ambient},
        {&f->a2, c->hidden_dim_ambient},
        {&f->a_out, f->ambient[2].pad_out},
        {&f->amb, 2},
        {&f->u2, 2},
        {&f->s1, c->hidden_dim_sigma},
        {&f->s2, c->hidden_dim_sigma},
        {&f->color_in, NERF_SH + f->sigma[2].pad_out},
        {&f->c1, c->hidden_dim_color},
        {&f->rgb, f->color[1].pad_out},
    };
    for (size_t i = 0; i < sizeof(parts) / sizeof(parts[0]); i++) {
        *parts[i].at = rows * NERF_TILE;
        rows += parts[i].rows;
    }
    f->density_row = f->color_in + (int64_t)(NERF_SH + geo) * NERF_TILE;
    f->tile_size = rows * NERF_TILE;
    int widest = 2 * grid;
    for (size_t i = 0; i < sizeof(layers) / sizeof(layers[0]); i++) {
        if (layers[i].layer->pad_in > widest)
            widest = layers[i].layer->pad_in;
        if (layers[i].layer->pad_out > widest)
            widest = layers[i].layer->pad_out;
    }
    f->delta_size = 3 * (int64_t)widest * NERF_TILE;
    return TG_OK;
}

void tg_nerf_field_pack(nerf_field *f) {
    for (int i = 0; i < 3; i++) {
        tg_nerf_layer_pack(&f->ambient[i]);
        tg_nerf_layer_pack(&f->sigma[i]);
    }
    tg_nerf_layer_pack(&f->color[0]);
    tg_nerf_layer_pack(&f->color[1]);
    const float *row = f->density.weight->data; /* row 0 */
    for (int i = 0; i < f->density.n_in; i++)
        f->density.packed[i * NERF_OUT_BLOCK] = row[i];
}

void tg_nerf_field_frame(const nerf_field *f, const float *condition, const float *code,
                         float *ambient_bias, float *color_bias) {
    tg_nerf_frame_bias(f->ambient[0].weight, f->grid_width, f->condition, condition, ambient_bias);
    tg_nerf_frame_bias(f->color[0].weight, f->color[0].n_in, f->code, code, color_bias);
}

static void layer_forward(const nerf_field *f, const nerf_layer *layer, const float *bias,
                          const float *x, float *y, bool relu) {
    f->kernels->forward(layer->packed, layer->pad_in, layer->n_out, bias, x, y, relu);
}

/* Everything below the last sigma layer. */
static void trunk(const nerf_field *f, const nerf_frame *frame, float *tile) {
    const nerf_kernels *k = f->kernels;
    const tg_nerf *nerf = f->nerf;
    float *features = tile + f->features;
    k->encode(&nerf->position_grid, nerf->position_embeddings->data, tile + f->u3, features);
    layer_forward(f, &f->ambient[0], frame->ambient_bias, features, tile + f->a1, true);
    layer_forward(f, &f->ambient[1], NULL, tile + f->a1, tile + f->a2, true);
    layer_forward(f, &f->ambient[2], NULL, tile + f->a2, tile + f->a_out, false);
    for (int i = 0; i < 2 * NERF_TILE; i++) {
        float a = tanhf(tile[f->a_out + i]);
        tile[f->amb + i] = a;
        tile[f->u2 + i] = (a + 1) * 0.5f;
    }
    k->encode(&nerf->ambient_grid, nerf->ambient_embeddings->data, tile + f->u2,
              features + (int64_t)f->grid_width * NERF_TILE);
    layer_forward(f, &f->sigma[0], NULL, features, tile + f->s1, true);
    layer_forward(f, &f->sigma[1], NULL, tile + f->s1, tile + f->s2, true);
}

void tg_nerf_field_density(const nerf_field *f, const nerf_frame *frame, float *tile,
                           float *density) {
    trunk(f, frame, tile);
    f->kernels->forward(f->density.packed, f->density.pad_in, 1, NULL, tile + f->s2,
                        tile + f->color_in, false);
    for (int s = 0; s < NERF_TILE; s++)
        density[s] = expf(tile[f->color_in + s]);
}

void tg_nerf_field_forward(const nerf_field *f, const nerf_frame *frame, float *tile,
                           float *density) {
    trunk(f, frame, tile);
    layer_forward(f, &f->sigma[2], NULL, tile + f->s2, tile + f->color_in + NERF_SH * NERF_TILE,
                  false);
    for (int s = 0; s < NERF_TILE; s++)
        density[s] = expf(tile[f->density_row + s]);
    layer_forward(f, &f->color[0], frame->color_bias, tile + f->color_in, tile + f->c1, true);
    layer_forward(f, &f->color[1], NULL, tile + f->c1, tile + f->rgb, false);
    for (int i = 0; i < 3 * NERF_TILE; i++)
        tile[f->rgb + i] = 1 / (1 + expf(-tile[f->rgb + i]));
}

void tg_nerf_field_backward(const nerf_field *f, const float *tile, const nerf_field_gradient *g) {
    const nerf_kernels *k = f->kernels;
    int64_t third = f->delta_size / 3;
    float *a = g->scratch, *b = a + third, *xt = b + third;
    int64_t geo = (int64_t)(f->sigma[2].n_out - 1) * NERF_TILE;
    int64_t half = (int64_t)f->grid_width * NERF_TILE;

    /* colour: only geo's part of the first layer's input is wanted, rows 16.. of its transpose */
    tg_nerf_layer_backward(k, &f->color[1], tile + f->c1, g->d_rgb, tile + f->c1, a, false, xt,
                           g->block);
    tg_nerf_row_sums(a, f->color[0].n_out, g->d_color_bias);
    tg_nerf_layer_backward(k, &f->color[0], tile + f->color_in, a, NULL, NULL, false, xt, g->block);
    k->backward_input(f->color[0].packed_t + (int64_t)NERF_SH * f->color[0].pad_out,
                      f->color[0].n_in - NERF_SH, f->color[0].pad_out, a, NULL, b, false);
    memcpy(b + geo, g->d_density, sizeof(float) * NERF_TILE);
    memset(b + geo + NERF_TILE, 0,
           sizeof(float) * (size_t)((int64_t)f->sigma[2].pad_out * NERF_TILE - geo - NERF_TILE));

    tg_nerf_layer_backward(k, &f->sigma[2], tile + f->s2, b, tile + f->s2, a, false, xt, g->block);
    tg_nerf_layer_backward(k, &f->sigma[1], tile + f->s1, a, tile + f->s1, b, false, xt, g->block);
    tg_nerf_layer_backward(k, &f->sigma[0], tile + f->features, b, NULL, g->d_features, false, xt,
                           g->block);

    /* ambient: u = (tanh + 1) / 2 */
    float d_u[2 * NERF_TILE] __attribute__((aligned(64)));
    k->encode_backward(&f->nerf->ambient_grid, f->nerf->ambient_embeddings->data, tile + f->u2,
                       g->d_features + half, d_u);
    memset(a, 0, sizeof(float) * (size_t)f->ambient[2].pad_out * NERF_TILE);
    for (int i = 0; i < 2 * NERF_TILE; i++) {
        float t = tile[f->amb + i];
        a[i] = (0.5f * d_u[i] + g->d_ambient[i]) * (1 - t * t);
    }
    tg_nerf_layer_backward(k, &f->ambient[2], tile + f->a2, a, tile + f->a2, b, false, xt,
                           g->block);
    tg_nerf_layer_backward(k, &f->ambient[1], tile + f->a1, b, tile + f->a1, a, false, xt,
                           g->block);
    tg_nerf_row_sums(a, f->ambient[0].n_out, g->d_ambient_bias);
    tg_nerf_layer_backward(k, &f->ambient[0], tile + f->features, a, NULL, g->d_features, true, xt,
                           g->block);
}

void tg_nerf_field_add_gradient(const nerf_field *f, const float *block) {
    for (int i = 0; i < 3; i++) {
        tg_nerf_layer_add_gradient(&f->ambient[i], block);
        tg_nerf_layer_add_gradient(&f->sigma[i], block);
    }
    tg_nerf_layer_add_gradient(&f->color[0], block);
    tg_nerf_layer_add_gradient(&f->color[1], block);
}
