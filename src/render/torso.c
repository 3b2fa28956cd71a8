#include "torso.h"

#include <string.h>

enum { PIXEL_FEATURES = 42, POSE_FEATURES = 54, HEAD_FEATURES = 16, OCTAVES = 10 };

static int max_int(int a, int b) {
    return a > b ? a : b;
}

tg_status tg_torso_create(tg_context *ctx, const tg_nerf *nerf, bool full_precision, int width,
                          int height, tg_torso *torso) {
    const tg_nerf_config *config = &nerf->config;
    memset(torso, 0, sizeof *torso);
    torso->nerf = nerf;
    const tg_tile_kernels *k = tg_tile_kernels_for(tg_context_cpu(ctx), full_precision);
    torso->kernels = k;
    torso->width = width;
    torso->height = height;
    const int deform = config->torso_hidden_deform, canonical = config->torso_hidden_canonical;
    const int features = config->num_levels * TG_GRID_FEATURES;
    torso->first = deform + canonical;
    torso->widest = max_int(max_int(deform, canonical), max_int(features, 32));
    torso->scratch_rows = 3 * torso->widest + HEAD_FEATURES + 4;
    torso->by_row = tg_alloc((size_t)height * (size_t)torso->first * sizeof(float));
    torso->by_column = tg_alloc((size_t)width * (size_t)torso->first * sizeof(float));
    torso->bias = tg_calloc((size_t)torso->first * sizeof(float));
    bool ok = torso->by_row != NULL && torso->by_column != NULL && torso->bias != NULL &&
              tg_tile_grid_create(&torso->grid, k, &nerf->torso_grid) &&
              tg_layer_create(&torso->deform[1], k, deform, deform) &&
              tg_layer_create(&torso->deform[2], k, deform, 2) &&
              tg_layer_create(&torso->canonical[0], k, features, canonical) &&
              tg_layer_create(&torso->canonical[1], k, canonical, canonical) &&
              tg_layer_create(&torso->canonical[2], k, canonical, 4);
    if (ok && config->torso_head_aware) {
        ok = tg_layer_create(&torso->deform[0], k, HEAD_FEATURES, deform) &&
             tg_layer_create(&torso->canonical_head, k, HEAD_FEATURES, canonical) &&
             tg_layer_create(&torso->head_encoder[0], k, 4, 16) &&
             tg_layer_create(&torso->head_encoder[1], k, 16, 32) &&
             tg_layer_create(&torso->head_encoder[2], k, 32, 16);
    }
    if (!ok) {
        tg_torso_destroy(torso);
        return tg_fail(ctx, TG_ENOMEM, "not enough memory for the torso");
    }
    tg_torso_update(torso);
    return TG_OK;
}

void tg_torso_destroy(tg_torso *torso) {
    for (int l = 0; l < 3; l++) {
        tg_layer_destroy(&torso->deform[l]);
        tg_layer_destroy(&torso->canonical[l]);
        tg_layer_destroy(&torso->head_encoder[l]);
    }
    tg_layer_destroy(&torso->canonical_head);
    tg_free(torso->grid.table);
    tg_free(torso->by_row);
    tg_free(torso->by_column);
    tg_free(torso->bias);
    memset(torso, 0, sizeof *torso);
}

static void fill(tg_torso *torso, tg_layer *layer, const tg_tensor *weight, int64_t begin) {
    tg_layer_fill(layer, torso->kernels, weight->data + begin, weight->dim[1]);
}

void tg_torso_update(tg_torso *torso) {
    const tg_nerf *nerf = torso->nerf;
    const int code = nerf->config.torso_individual_embedding_dim;
    const int features = nerf->config.num_levels * TG_GRID_FEATURES;
    tg_tile_grid_fill(&torso->grid, torso->kernels, nerf->torso_embeddings->data);
    fill(torso, &torso->canonical[0], nerf->torso_canonical_net[0], 0);
    for (int l = 1; l < 3; l++) {
        fill(torso, &torso->deform[l], nerf->torso_deform_net[l], 0);
        fill(torso, &torso->canonical[l], nerf->torso_canonical_net[l], 0);
    }
    if (nerf->config.torso_head_aware) {
        const int head = PIXEL_FEATURES + POSE_FEATURES + code;
        fill(torso, &torso->deform[0], nerf->torso_deform_net[0], head);
        fill(torso, &torso->canonical_head, nerf->torso_canonical_net[0], features + head);
        for (int l = 0; l < 3; l++) {
            fill(torso, &torso->head_encoder[l], nerf->head_encoder_w[l], 0);
        }
    }
    for (int r = 0; r < torso->height; r++) {
        tg_torso_axis(torso, 0, tg_screen_coord(r, torso->height),
                      torso->by_row + (size_t)r * (size_t)torso->first);
    }
    for (int c = 0; c < torso->width; c++) {
        tg_torso_axis(torso, 1, tg_screen_coord(c, torso->width),
                      torso->by_column + (size_t)c * (size_t)torso->first);
    }
}

/* Weights of output j (deform's outputs, then canonical's) for the features after the grid's. */
static const float *first_weights(const tg_torso *torso, int j) {
    const tg_nerf *nerf = torso->nerf;
    const int deform = nerf->config.torso_hidden_deform;
    if (j < deform) {
        return nerf->torso_deform_net[0]->data + (size_t)j * nerf->torso_deform_net[0]->dim[1];
    }
    return nerf->torso_canonical_net[0]->data +
           (size_t)(j - deform) * nerf->torso_canonical_net[0]->dim[1] +
           nerf->config.num_levels * TG_GRID_FEATURES;
}

void tg_torso_axis(const tg_torso *torso, int axis, float x, float *out) {
    float code[1 + 2 * OCTAVES];
    const float shrunk = x * torso->nerf->config.torso_shrink;
    tg_freq_encode_rad(&shrunk, 1, OCTAVES, code);
    for (int j = 0; j < torso->first; j++) {
        const float *w = first_weights(torso, j) + axis;
        double sum = 0;
        for (int i = 0; i < 1 + 2 * OCTAVES; i++) {
            sum += (double)w[2 * i] * (double)code[i]; /* the two axes alternate */
        }
        out[j] = (float)sum;
    }
}

void tg_torso_pose(tg_torso *torso, const float pose[6], int code) {
    const int dim = torso->nerf->config.torso_individual_embedding_dim;
    const float *codes = torso->nerf->torso_codes->data + (size_t)code * (size_t)dim;
    float encoded[POSE_FEATURES];
    tg_freq_encode_rad(pose, 6, 4, encoded);
    for (int j = 0; j < torso->first; j++) {
        const float *w = first_weights(torso, j) + PIXEL_FEATURES;
        double sum = 0;
        for (int i = 0; i < POSE_FEATURES; i++) {
            sum += (double)w[i] * (double)encoded[i];
        }
        for (int i = 0; i < dim; i++) {
            sum += (double)w[POSE_FEATURES + i] * (double)codes[i];
        }
        torso->bias[j] = (float)sum;
    }
}

void tg_torso_first(const tg_torso *torso, int row, int column, float *first) {
    const float *by_row = torso->by_row + (size_t)row * (size_t)torso->first;
    const float *by_column = torso->by_column + (size_t)column * (size_t)torso->first;
    for (int j = 0; j < torso->first; j++) {
        first[j * TG_TILE] = by_row[j] + torso->bias[j] + by_column[j];
    }
}

static float clamp_unit(float x) {
    return x < -1.0f ? -1.0f : x > 1.0f ? 1.0f : x;
}

void tg_torso_tile(const tg_torso *torso, float *scratch, const float *screen, float *first,
                   const float *head, float *rgba, float *dx) {
    const tg_nerf_config *config = &torso->nerf->config;
    const tg_tile_kernels *k = torso->kernels;
    const int deform = config->torso_hidden_deform;
    float *canonical_first = first + (size_t)deform * TG_TILE;
    float *a = scratch, *b = a + (size_t)torso->widest * TG_TILE;
    float *features = b + (size_t)torso->widest * TG_TILE;
    float *encoded = features + (size_t)torso->widest * TG_TILE;
    float *u = encoded + HEAD_FEATURES * TG_TILE;
    if (head != NULL) {
        const tg_tensor *const *bias = (const tg_tensor *const *)torso->nerf->head_encoder_b;
        k->layer(&torso->head_encoder[0], head, TG_TILE, bias[0]->data, NULL, TG_ACT_LEAKY, a);
        k->layer(&torso->head_encoder[1], a, TG_TILE, bias[1]->data, NULL, TG_ACT_LEAKY, b);
        k->layer(&torso->head_encoder[2], b, TG_TILE, bias[2]->data, NULL, TG_ACT_NONE, encoded);
        k->layer(&torso->deform[0], encoded, TG_TILE, NULL, first, TG_ACT_NONE, first);
        k->layer(&torso->canonical_head, encoded, TG_TILE, NULL, canonical_first, TG_ACT_NONE,
                 canonical_first);
    }
    for (int i = 0; i < deform * TG_TILE; i++) {
        first[i] = first[i] > 0.0f ? first[i] : 0.0f;
    }
    k->layer(&torso->deform[1], first, TG_TILE, NULL, NULL, TG_ACT_RELU, a);
    k->layer(&torso->deform[2], a, TG_TILE, NULL, NULL, TG_ACT_NONE, u);
    if (dx != NULL) {
        memcpy(dx, u, 2 * TG_TILE * sizeof(float));
    }
    for (int i = 0; i < 2 * TG_TILE; i++) {
        u[i] = (clamp_unit(screen[i] * config->torso_shrink + u[i]) + 1.0f) * 0.5f;
    }
    k->grid(&torso->grid, u, features);
    k->layer(&torso->canonical[0], features, TG_TILE, NULL, canonical_first, TG_ACT_RELU, a);
    k->layer(&torso->canonical[1], a, TG_TILE, NULL, NULL, TG_ACT_RELU, b);
    k->layer(&torso->canonical[2], b, TG_TILE, NULL, NULL, TG_ACT_NONE, rgba);
    k->sigmoid(rgba, 4 * TG_TILE);
}
