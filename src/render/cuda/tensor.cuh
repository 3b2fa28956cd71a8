/* The networks on tensor cores: a warp takes 32 samples through all layers of a network without
 * leaving its registers.
 *
 * The result of mma.m16n8k16 is spread over a warp as its next A has to be: of output pair
 * (16 j, 16 j + 8) a lane holds what it must hold of input block j. So a layer is: start at the
 * bias, multiply, ReLU, round to fp16, which is the next layer's input. The grids' features fit as
 * well: lane 4 g + t needs of samples g and g + 8 the levels t, t + 4, t + 8 and t + 12, and looks
 * up just these, so no lane looks up anything twice and nothing passes through shared memory but
 * weights, biases and the harmonics of the rays. Products are fp16, sums and all that is not a
 * product (interpolation, tanh, exp, weights of samples, colours) float32.
 *
 * What a multiprocessor holds (ptxas for sm_80 and sm_90; 164 and 228 KiB of shared memory, 65,536
 * registers): see kernels.cu.
 */
#ifndef TALKGEN_RENDER_CUDA_TENSOR_CUH
#define TALKGEN_RENDER_CUDA_TENSOR_CUH

#include "fragments.h"
#include "grid.cuh"

enum tensor_activation { TENSOR_NONE, TENSOR_RELU, TENSOR_LEAKY };

template <int ACT> TG_DEVICE float activate(float x) {
    return ACT == TENSOR_NONE ? x : x > 0.0f ? x : ACT == TENSOR_RELU ? 0.0f : 0.02f * x;
}

/* Starts at one bias for all samples. */
struct from_bias {
    const float *bias;
    TG_METHOD float2 start(int, int, int column) const {
        return *reinterpret_cast<const float2 *>(bias + column);
    }
};

struct from_nothing {
    TG_METHOD float2 start(int, int, int) const {
        return make_float2(0.0f, 0.0f);
    }
};

/* in [2 x 16 samples][K blocks of 16 inputs] -> out [.][P pairs of 8 outputs]. Start: start(m, h,
 * column) are the sums that sample 16 m + 8 h + g begins with in outputs column and column + 1. */
template <int K, int P, int ACT, class Start>
TG_DEVICE void tensor_layer(const uint4 *weight, const Start &start, const uint32_t (&in)[2][K][4],
                            uint32_t (&out)[2][P][4]) {
    const int lane = lane_index(), t = lane % 4;
    TG_UNROLL
    for (int p = 0; p < P; p++) {
        float sum[2][2][4];
        TG_UNROLL
        for (int m = 0; m < 2; m++) {
            TG_UNROLL
            for (int j = 0; j < 2; j++) {
                const float2 low = start.start(m, 0, 16 * p + 8 * j + 2 * t);
                const float2 high = start.start(m, 1, 16 * p + 8 * j + 2 * t);
                sum[m][j][0] = low.x;
                sum[m][j][1] = low.y;
                sum[m][j][2] = high.x;
                sum[m][j][3] = high.y;
            }
        }
        TG_UNROLL
        for (int k = 0; k < K; k++) {
            const uint4 b = weight[(p * K + k) * TG_CUDA_WARP + lane];
            TG_UNROLL
            for (int m = 0; m < 2; m++) {
                multiply(sum[m][0], in[m][k], b.x, b.y);
                multiply(sum[m][1], in[m][k], b.z, b.w);
            }
        }
        TG_UNROLL
        for (int m = 0; m < 2; m++) {
            TG_UNROLL
            for (int j = 0; j < 2; j++) {
                TG_UNROLL
                for (int h = 0; h < 2; h++) {
                    out[m][p][2 * j + h] = pack_half(activate<ACT>(sum[m][j][2 * h]),
                                                     activate<ACT>(sum[m][j][2 * h + 1]));
                }
            }
        }
    }
}

/* At most 8 outputs, kept in float32: out [2 x 16 samples]. */
template <int K>
TG_DEVICE void tensor_last(const uint4 *weight, const uint32_t (&in)[2][K][4], float (&out)[2][4]) {
    const uint2 *at = reinterpret_cast<const uint2 *>(weight) + lane_index();
    TG_UNROLL
    for (int m = 0; m < 2; m++) {
        TG_UNROLL
        for (int e = 0; e < 4; e++) {
            out[m][e] = 0.0f;
        }
    }
    TG_UNROLL
    for (int k = 0; k < K; k++) {
        const uint2 b = at[k * TG_CUDA_WARP];
        TG_UNROLL
        for (int m = 0; m < 2; m++) {
            multiply(out[m], in[m][k], b.x, b.y);
        }
    }
}

template <int K>
TG_DEVICE void tensor_copy(const uint32_t (&in)[2][K][4], uint32_t (&out)[2][K][4]) {
    TG_UNROLL
    for (int m = 0; m < 2; m++) {
        TG_UNROLL
        for (int k = 0; k < K; k++) {
            TG_UNROLL
            for (int e = 0; e < 4; e++) {
                out[m][k][e] = in[m][k][e];
            }
        }
    }
}

/* Output `column` of a last layer for sample 16 m + 8 h + g, in all lanes of group g. */
TG_DEVICE float of_row(const float (&out)[2][4], int m, int h, int column) {
    return shuffle(out[m][2 * h + (column & 1)], lane_index() / 4 * 4 + column / 2);
}

/* Output `column` of a last layer for the sample of this lane. */
TG_DEVICE float of_lane(const float (&out)[2][4], int column) {
    const int lane = lane_index(), from = lane % 8 * 4 + column / 2;
    float mine = 0.0f;
    TG_UNROLL
    for (int q = 0; q < 4; q++) {
        const float x = shuffle(out[q / 2][2 * (q % 2) + (column & 1)], from);
        mine = q == lane / 8 ? x : mine;
    }
    return mine;
}

/* Features of 32 points as input blocks at, at + 1 of `out`. u [2 x 2 rows of 8 samples][DIMS]. */
template <int DIMS, int AT, int K>
TG_DEVICE void tensor_encode(const tg_cuda_grid &grid, const tg_cuda_level *level,
                             const float (&u)[2][2][DIMS], uint32_t (&out)[2][K][4]) {
    const table_half table(grid);
    const int t = lane_index() % 4;
    TG_UNROLL
    for (int q = 0; q < 4; q++) {
        const int l = 4 * q + t;
        TG_UNROLL
        for (int m = 0; m < 2; m++) {
            TG_UNROLL
            for (int h = 0; h < 2; h++) {
                float2 f = make_float2(0.0f, 0.0f);
                if (l < grid.levels) {
                    f = grid_features<DIMS>(table, level[l], grid.smoothstep != 0, u[m][h]);
                }
                out[m][AT + q / 2][q % 2 * 2 + h] = pack_half(f.x, f.y);
            }
        }
    }
    sync_warp(); /* lanes part in the lookups, and a product needs them together */
}

/* ---- the head ---- */

/* H: width of all hidden layers, padded with zeros. SHARED: whether a multiprocessor has room for
 * the weights; otherwise they come through its cache. */
template <int H, bool SHARED> struct tensor_head {
    enum { K = H / 16, SH_WORDS = 12 /* 8 used; 12 puts the rows on different banks */ };
    const tg_cuda_scene &s;
    const uint4 *ambient_weight, *sigma_weight, *color_weight;
    const tg_cuda_level *position_level, *ambient_level;
    const float *bias; /* ambient, sigma, colour */
    uint32_t *sh;      /* [32][SH_WORDS] of this warp */
    uint32_t hidden[2][K][4];

    static size_t bytes(const tg_cuda_scene &s, int threads) {
        return (SHARED ? (size_t)s.fragment_words * sizeof(uint32_t) : 0) +
               (size_t)(s.position.levels + s.ambient.levels) * sizeof(tg_cuda_level) +
               3 * H * sizeof(float) + (size_t)threads * SH_WORDS * sizeof(uint32_t);
    }
    TG_METHOD tensor_head(const tg_cuda_scene &scene, const tg_cuda_view &view) : s(scene) {
        TG_BLOCK_MEMORY(memory);
        const uint4 *global = reinterpret_cast<const uint4 *>(s.fragments);
        const int quads = SHARED ? s.fragment_words / 4 : 0;
        for (int i = thread_index(); i < quads; i += block_threads()) {
            memory[i] = global[i];
        }
        const uint4 *fragments = SHARED ? memory : global;
        ambient_weight = fragments;
        sigma_weight =
            ambient_weight + TG_CUDA_WORDS_NET(TG_CUDA_FEATURES, H, s.ambient_net.layers) / 4;
        color_weight =
            sigma_weight + TG_CUDA_WORDS_NET(2 * TG_CUDA_FEATURES, H, s.sigma_net.layers) / 4;
        tg_cuda_level *levels = reinterpret_cast<tg_cuda_level *>(memory + quads);
        const int levels_each = s.position.levels;
        for (int i = thread_index(); i < 2 * levels_each; i += block_threads()) {
            levels[i] = i < levels_each ? s.position.level[i] : s.ambient.level[i - levels_each];
        }
        position_level = levels;
        ambient_level = levels + levels_each;
        float *biases = reinterpret_cast<float *>(levels + 2 * levels_each);
        for (int i = thread_index(); i < H; i += block_threads()) {
            biases[i] = view.ambient_bias[i];
            biases[H + i] = view.sigma_bias[i];
            biases[2 * H + i] = view.color_bias[i];
        }
        bias = biases;
        sh = reinterpret_cast<uint32_t *>(biases + 3 * H) + warp_index() * TG_CUDA_WARP * SH_WORDS;
        sync_block();
    }
    /* The ray of this lane's next samples. */
    TG_METHOD void begin(const float d[3]) {
        float y[16];
        tg_sh_terms(d, y);
        for (int i = 0; i < 8; i++) {
            sh[lane_index() * SH_WORDS + i] = pack_half(y[2 * i], y[2 * i + 1]);
        }
    }
    /* Hidden layers after the first; `at` moves on to the last layer. */
    TG_METHOD void middle(const uint4 *&at, int layers, uint32_t (&x)[2][K][4]) const {
        for (int l = 2; l < layers; l++) {
            uint32_t y[2][K][4];
            tensor_layer<K, K, TENSOR_RELU>(at, from_nothing(), x, y);
            tensor_copy<K>(y, x);
            at += TG_CUDA_WORDS(H, H) / 4;
        }
    }
    TG_METHOD float density(const float p[3], bool) {
        const int g = lane_index() / 4;
        uint32_t features[2][4][4];
        float last[2][4];
        sync_warp(); /* also keeps the compiler from holding weights from sample to sample */
        {
            float u[2][2][3];
            TG_UNROLL
            for (int m = 0; m < 2; m++) {
                TG_UNROLL
                for (int h = 0; h < 2; h++) {
                    TG_UNROLL
                    for (int a = 0; a < 3; a++) {
                        const float x = (p[a] + s.bound) * (0.5f / s.bound);
                        u[m][h][a] = shuffle(x, 16 * m + 8 * h + g);
                    }
                }
            }
            tensor_encode<3, 0>(s.position, position_level, u, features);
        }
        {
            uint32_t position[2][2][4];
            TG_UNROLL
            for (int i = 0; i < 16; i++) {
                position[i / 8][i / 4 % 2][i % 4] = features[i / 8][i / 4 % 2][i % 4];
            }
            const uint4 *at = ambient_weight;
            tensor_layer<2, K, TENSOR_RELU>(at, from_bias{bias}, position, hidden);
            at += TG_CUDA_WORDS(TG_CUDA_FEATURES, H) / 4;
            middle(at, s.ambient_net.layers, hidden);
            tensor_last<K>(at, hidden, last);
        }
        TG_UNROLL
        for (int i = 0; i < 8; i++) { /* each by the lane that has it, then handed round */
            last[i / 4][i % 4] = (tanhf(last[i / 4][i % 4]) + 1.0f) * 0.5f;
        }
        if (s.ambient_out == 2) {
            encode_ambient<2>(last, features);
        } else {
            encode_ambient<3>(last, features);
        }
        const uint4 *at = sigma_weight;
        tensor_layer<4, K, TENSOR_RELU>(at, from_bias{bias + H}, features, hidden);
        at += TG_CUDA_WORDS(2 * TG_CUDA_FEATURES, H) / 4;
        middle(at, s.sigma_net.layers, hidden);
        tensor_last<K>(at, hidden, last);
        return expf(of_lane(last, 0));
    }
    template <int DIMS>
    TG_METHOD void encode_ambient(const float (&last)[2][4], uint32_t (&features)[2][4][4]) const {
        float u[2][2][DIMS];
        TG_UNROLL
        for (int m = 0; m < 2; m++) {
            TG_UNROLL
            for (int h = 0; h < 2; h++) {
                TG_UNROLL
                for (int a = 0; a < DIMS; a++) {
                    u[m][h][a] = of_row(last, m, h, a);
                }
            }
        }
        tensor_encode<DIMS, 2>(s.ambient, ambient_level, u, features);
    }
    /* Of all samples, when any is wanted: it is a quarter of the work, and rays whose samples count
     * lie together. */
    TG_METHOD void color(uint32_t, float rgb[3]) {
        const int g = lane_index() / 4, t = lane_index() % 4;
        uint32_t x[2][K + 1][4], y[2][K][4];
        float last[2][4];
        sync_warp(); /* what begin() wrote */
        TG_UNROLL
        for (int m = 0; m < 2; m++) {
            TG_UNROLL
            for (int e = 0; e < 4 * K; e++) {
                x[m][e / 4][e % 4] = hidden[m][e / 4][e % 4];
            }
            TG_UNROLL
            for (int e = 0; e < 4; e++) {
                x[m][K][e] = sh[(16 * m + 8 * (e % 2) + g) * SH_WORDS + 4 * (e / 2) + t];
            }
        }
        sync_warp(); /* before begin() writes again */
        const uint4 *at = color_weight;
        tensor_layer<K + 1, K, TENSOR_RELU>(at, from_bias{bias + 2 * H}, x, y);
        at += TG_CUDA_WORDS(H + 16, H) / 4;
        middle(at, s.color_net.layers, y);
        tensor_last<K>(at, y, last);
        TG_UNROLL
        for (int c = 0; c < 3; c++) {
            rgb[c] = sigmoid(of_lane(last, c));
        }
    }
};

/* ---- the torso ---- */

/* 32 neighbouring pixels; AWARE: it sees the head's colours and opacity. Weights come through the
 * cache: there are few of them, and a pixel needs them once. */
template <bool AWARE> struct tensor_torso {
    enum { D = TG_CUDA_DEFORM, C = TG_CUDA_CANONICAL, FIRST = D + C, SEEN = AWARE ? 1 : 0 };
    const tg_cuda_scene &s;
    const tg_cuda_view &view;

    TG_METHOD tensor_torso(const tg_cuda_scene &scene, const tg_cuda_view &v) : s(scene), view(v) {
    }
    /* What row, column and pose give to the first layers. */
    struct from_axes {
        const float *row[2][2], *column[2][2], *bias;
        TG_METHOD float2 start(int m, int h, int j) const {
            const float2 a = *reinterpret_cast<const float2 *>(row[m][h] + j);
            const float2 b = *reinterpret_cast<const float2 *>(bias + j);
            const float2 c = *reinterpret_cast<const float2 *>(column[m][h] + j);
            return make_float2(a.x + b.x + c.x, a.y + b.y + c.y);
        }
    };
    struct shifted {
        const from_axes &axes;
        TG_METHOD float2 start(int m, int h, int j) const {
            return axes.start(m, h, D + j);
        }
    };
    TG_METHOD void evaluate(int row, int column, const float screen[2], const float head[4], bool,
                            float rgba[4]) {
        const int g = lane_index() / 4, t = lane_index() % 4;
        const uint4 *at = reinterpret_cast<const uint4 *>(s.torso_fragments);
        from_axes axes;
        axes.bias = view.torso_bias;
        uint32_t seen[2][1][4] = {};
        float moved[2][2][2], last[2][4];
        TG_UNROLL
        for (int q = 0; q < 4; q++) {
            const int m = q / 2, h = q % 2, from = 8 * q + g;
            axes.row[m][h] = s.by_row + (size_t)shuffle(row, from) * FIRST;
            axes.column[m][h] = s.by_column + (size_t)shuffle(column, from) * FIRST;
            moved[m][h][0] = shuffle(screen[0], from);
            moved[m][h][1] = shuffle(screen[1], from);
            if (AWARE) {
                float x[4];
                TG_UNROLL
                for (int c = 0; c < 4; c++) {
                    x[c] = shuffle(head[c], from);
                }
                /* inputs 2t and 2t + 1 of 16, of which four are there */
                seen[m][0][h] = t == 0   ? pack_half(x[0], x[1])
                                : t == 1 ? pack_half(x[2], x[3])
                                         : 0u;
            }
        }
        uint32_t deform[2][4][4], canonical[2][2][4];
        if (AWARE) {
            uint32_t a[2][1][4], b[2][2][4];
            tensor_layer<1, 1, TENSOR_LEAKY>(at, from_bias{s.head_encoder_bias[0]}, seen, a);
            at += TG_CUDA_WORDS(16, 16) / 4;
            tensor_layer<1, 2, TENSOR_LEAKY>(at, from_bias{s.head_encoder_bias[1]}, a, b);
            at += TG_CUDA_WORDS(16, 32) / 4;
            tensor_layer<2, 1, TENSOR_NONE>(at, from_bias{s.head_encoder_bias[2]}, b, seen);
            at += TG_CUDA_WORDS(32, 16) / 4;
            tensor_layer<1, 4, TENSOR_RELU>(at, axes, seen, deform);
            at += TG_CUDA_WORDS(16, D) / 4;
        } else {
            TG_UNROLL
            for (int i = 0; i < 32; i++) {
                const int m = i / 16, p = i / 4 % 4, e = i % 4;
                const float2 x = axes.start(m, e % 2, 16 * p + 8 * (e / 2) + 2 * t);
                deform[m][p][e] = pack_half(fmaxf(x.x, 0.0f), fmaxf(x.y, 0.0f));
            }
        }
        {
            uint32_t y[2][4][4];
            tensor_layer<4, 4, TENSOR_RELU>(at, from_nothing(), deform, y);
            at += TG_CUDA_WORDS(D, D) / 4;
            tensor_last<4>(at, y, last);
            at += TG_CUDA_WORDS_LAST(D) / 4;
        }
        TG_UNROLL
        for (int i = 0; i < 8; i++) {
            const int m = i / 4, h = i / 2 % 2, a = i % 2;
            const float x = moved[m][h][a] * s.shrink + of_row(last, m, h, a);
            moved[m][h][a] = (fminf(fmaxf(x, -1.0f), 1.0f) + 1.0f) * 0.5f;
        }
        uint32_t features[2][2 + SEEN][4];
        tensor_encode<2, 0>(s.torso_grid, s.torso_grid.level, moved, features);
        if (AWARE) {
            TG_UNROLL
            for (int i = 0; i < 8; i++) {
                features[i / 4][1 + SEEN][i % 4] = seen[i / 4][0][i % 4];
            }
        }
        tensor_layer<2 + SEEN, 2, TENSOR_RELU>(at, shifted{axes}, features, canonical);
        at += TG_CUDA_WORDS(16 * (2 + SEEN), C) / 4;
        {
            uint32_t y[2][2][4];
            tensor_layer<2, 2, TENSOR_RELU>(at, from_nothing(), canonical, y);
            at += TG_CUDA_WORDS(C, C) / 4;
            tensor_last<2>(at, y, last);
        }
        TG_UNROLL
        for (int c = 0; c < 4; c++) {
            rgba[c] = sigmoid(of_lane(last, c));
        }
    }
};

#endif
