/* The networks in float32, one sample a lane, activations in memory: any width and depth, and the
 * numbers that the golden cases are compared with. Not written for speed. */
#ifndef TALKGEN_RENDER_CUDA_FULL_CUH
#define TALKGEN_RENDER_CUDA_FULL_CUH

#include "grid.cuh"

enum full_activation { FULL_NONE, FULL_RELU, FULL_LEAKY };

/* out[o] = act(start + sum_i w[o][i] in[i]); start = bias[o], or out[o] itself when `add`. in and
 * out are columns of rows of 32. */
TG_DEVICE void full_layer(const tg_cuda_dense &layer, const float *in, const float *bias, bool add,
                          full_activation act, float *out) {
    for (int o = 0; o < layer.out; o += 4) {
        const int count = layer.out - o < 4 ? layer.out - o : 4;
        float sum[4] = {0.0f, 0.0f, 0.0f, 0.0f};
        for (int j = 0; j < count; j++) {
            sum[j] = add ? out[(o + j) * TG_CUDA_WARP] : bias != NULL ? bias[o + j] : 0.0f;
        }
        const float *weight = layer.weight + (size_t)o * (size_t)layer.in;
        for (int i = 0; i < layer.in; i++) {
            const float x = in[i * TG_CUDA_WARP];
            for (int j = 0; j < count; j++) {
                sum[j] += weight[(size_t)j * (size_t)layer.in + (size_t)i] * x;
            }
        }
        for (int j = 0; j < count; j++) {
            const float slope = act == FULL_NONE ? 1.0f : act == FULL_RELU ? 0.0f : 0.02f;
            out[(o + j) * TG_CUDA_WARP] = sum[j] > 0.0f ? sum[j] : slope * sum[j];
        }
    }
}

/* All layers, with ReLU between; where the result is. a and b are used in turn, `in` is kept. */
TG_DEVICE float *full_net(const tg_cuda_net &net, const float *in, const float *bias, float *a,
                          float *b) {
    const float *from = in;
    float *to = a;
    for (int l = 0; l < net.layers; l++) {
        to = l % 2 == 0 ? a : b;
        full_layer(net.dense[l], from, l == 0 ? bias : NULL, false,
                   l + 1 < net.layers ? FULL_RELU : FULL_NONE, to);
        from = to;
    }
    return to;
}

template <int DIMS>
TG_DEVICE void full_encode(const tg_cuda_grid &grid, const float *u, float *out) {
    const table_full table(grid);
    for (int l = 0; l < grid.levels; l++) {
        const float2 f = grid_features<DIMS>(table, grid.level[l], grid.smoothstep != 0, u);
        out[2 * l * TG_CUDA_WARP] = f.x;
        out[(2 * l + 1) * TG_CUDA_WARP] = f.y;
    }
}

/* Scratch of a warp in rows of 32: features of both grids, colour's input (hidden of sigma and the
 * harmonics of the ray), two layers. */
struct full_head {
    const tg_cuda_scene &s;
    const tg_cuda_view &view;
    float *features, *hidden, *direction, *a, *b;

    TG_METHOD full_head(const tg_cuda_scene &scene, const tg_cuda_view &v) : s(scene), view(v) {
        const int warp = block_index() * (block_threads() / TG_CUDA_WARP) + warp_index();
        const int inputs = s.color_net.dense[0].in;
        const int widest = s.scratch_rows - 4 * s.position.levels - inputs;
        features = s.scratch + (size_t)warp * (size_t)s.scratch_rows * TG_CUDA_WARP + lane_index();
        hidden = features + 4 * s.position.levels * TG_CUDA_WARP;
        direction = hidden + (inputs - 16) * TG_CUDA_WARP;
        a = hidden + inputs * TG_CUDA_WARP;
        b = a + widest / 2 * TG_CUDA_WARP;
    }
    TG_METHOD void begin(const float d[3]) {
        float sh[16];
        tg_sh_terms(d, sh);
        for (int i = 0; i < 16; i++) {
            direction[i * TG_CUDA_WARP] = sh[i];
        }
    }
    TG_METHOD float density(const float p[3], bool wanted) {
        if (!wanted) {
            return 0.0f;
        }
        float u[3];
        for (int i = 0; i < 3; i++) {
            u[i] = (p[i] + s.bound) * (0.5f / s.bound);
        }
        full_encode<3>(s.position, u, features);
        const float *ambient = full_net(s.ambient_net, features, view.ambient_bias, a, b);
        for (int i = 0; i < s.ambient_out; i++) {
            u[i] = (tanhf(ambient[i * TG_CUDA_WARP]) + 1.0f) * 0.5f;
        }
        float *second = features + 2 * s.position.levels * TG_CUDA_WARP;
        if (s.ambient_out == 2) {
            full_encode<2>(s.ambient, u, second);
        } else {
            full_encode<3>(s.ambient, u, second);
        }
        /* all but the last layer, which is colour's too */
        const int layers = s.sigma_net.layers;
        const float *from = features;
        for (int l = 0; l + 1 < layers; l++) {
            float *to = l + 2 == layers ? hidden : l % 2 == 0 ? a : b;
            full_layer(s.sigma_net.dense[l], from, l == 0 ? view.sigma_bias : NULL, false,
                       FULL_RELU, to);
            from = to;
        }
        full_layer(s.sigma_net.dense[layers - 1], hidden, NULL, false, FULL_NONE, a);
        return expf(a[0]);
    }
    TG_METHOD void color(uint32_t wanted, float rgb[3]) {
        if ((wanted >> lane_index() & 1u) != 0) {
            const float *out = full_net(s.color_net, hidden, view.color_bias, a, b);
            for (int c = 0; c < 3; c++) {
                rgb[c] = sigmoid(out[c * TG_CUDA_WARP]);
            }
        }
    }
};

struct full_torso {
    const tg_cuda_scene &s;
    const tg_cuda_view &view;
    float *first, *a, *b;

    TG_METHOD full_torso(const tg_cuda_scene &scene, const tg_cuda_view &v) : s(scene), view(v) {
        const int warp = block_index() * (block_threads() / TG_CUDA_WARP) + warp_index();
        const int width = s.width_deform + s.width_canonical;
        first = s.scratch + (size_t)warp * (size_t)s.scratch_rows * TG_CUDA_WARP + lane_index();
        a = first + width * TG_CUDA_WARP;
        b = a + (s.scratch_rows - width) / 2 * TG_CUDA_WARP;
    }
    /* Pixel (row, column) with head (rgb, opacity) in front -> alpha, r, g, b. */
    TG_METHOD void evaluate(int row, int column, const float screen[2], const float head[4],
                            bool wanted, float rgba[4]) {
        if (!wanted) {
            return;
        }
        const int width = s.width_deform + s.width_canonical;
        const float *by_row = s.by_row + (size_t)row * (size_t)width;
        const float *by_column = s.by_column + (size_t)column * (size_t)width;
        float *canonical = first + s.width_deform * TG_CUDA_WARP;
        for (int j = 0; j < width; j++) {
            first[j * TG_CUDA_WARP] = by_row[j] + view.torso_bias[j] + by_column[j];
        }
        if (s.head_aware) {
            for (int c = 0; c < 4; c++) {
                b[c * TG_CUDA_WARP] = head[c];
            }
            const float *const *bias = s.head_encoder_bias;
            full_layer(s.head_encoder.dense[0], b, bias[0], false, FULL_LEAKY, a);
            full_layer(s.head_encoder.dense[1], a, bias[1], false, FULL_LEAKY, b);
            full_layer(s.head_encoder.dense[2], b, bias[2], false, FULL_NONE, a);
            full_layer(s.deform.dense[0], a, NULL, true, FULL_NONE, first);
            full_layer(s.canonical_head, a, NULL, true, FULL_NONE, canonical);
        }
        for (int j = 0; j < s.width_deform; j++) {
            first[j * TG_CUDA_WARP] = fmaxf(first[j * TG_CUDA_WARP], 0.0f);
        }
        full_layer(s.deform.dense[1], first, NULL, false, FULL_RELU, a);
        full_layer(s.deform.dense[2], a, NULL, false, FULL_NONE, b);
        float u[2];
        for (int i = 0; i < 2; i++) {
            const float x = screen[i] * s.shrink + b[i * TG_CUDA_WARP];
            u[i] = (fminf(fmaxf(x, -1.0f), 1.0f) + 1.0f) * 0.5f;
        }
        full_encode<2>(s.torso_grid, u, a);
        full_layer(s.canonical.dense[0], a, NULL, true, FULL_RELU, canonical);
        full_layer(s.canonical.dense[1], canonical, NULL, false, FULL_RELU, a);
        full_layer(s.canonical.dense[2], a, NULL, false, FULL_NONE, b);
        for (int i = 0; i < 4; i++) {
            rgba[i] = sigmoid(b[i * TG_CUDA_WARP]);
        }
    }
};

#endif
