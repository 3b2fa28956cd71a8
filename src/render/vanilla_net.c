/* The perceptron of AD-NeRF on batches of samples: every layer is one matrix product and one pass
 * of bias and ReLU over activations that are still in the cache. */
#include "tensor/gemm.h"
#include "vanilla.h"

#include <math.h>
#include <string.h>

static int padded(int n) {
    return (n + 15) / 16 * 16;
}

static int out_width(const tg_tensor *w) {
    return (int)w->dim[0];
}

/* to [out, to_ld] = columns [from, from + n) of w. */
static void copy_columns(const tg_tensor *w, int from, int n, float *to, int to_ld) {
    const int64_t in = w->dim[1];
    for (int64_t o = 0; o < w->dim[0]; o++) {
        memcpy(to + o * to_ld, w->data + o * in + from, (size_t)n * sizeof *to);
    }
}

tg_status tg_vanilla_net_create(tg_context *ctx, const tg_vanilla_config *config,
                                const tg_vanilla_mlp *mlp, tg_vanilla_net *net) {
    *net = (tg_vanilla_net){.mlp = mlp,
                            .gemm = tg_context_precision(ctx) == TG_INT16
                                        ? tg_gemm_int16_at(tg_context_cpu(ctx))
                                        : tg_gemm_at(tg_context_cpu(ctx)),
                            .position_octaves = config->position_octaves,
                            .view_octaves = config->view_octaves};
    net->position = 3 * (1 + 2 * config->position_octaves);
    net->position_ld = padded(net->position);
    net->view = 3 * (1 + 2 * config->view_octaves);
    net->condition = (int)mlp->density_w[0]->dim[1] - net->position;
    for (int l = 0; l < mlp->layers; l++) {
        const int width = out_width(mlp->density_w[l]);
        net->width = width > net->width ? width : net->width;
    }
    for (int l = 0; l < mlp->color_layers; l++) {
        const int width = out_width(mlp->color_w[l]);
        net->color_width = width > net->color_width ? width : net->color_width;
    }
    const size_t rows = (size_t)out_width(mlp->density_w[0]);
    net->first = tg_calloc(rows * (size_t)net->position_ld * sizeof *net->first);
    bool ok = net->first != NULL;
    if (ok) {
        copy_columns(mlp->density_w[0], 0, net->position, net->first, net->position_ld);
    }
    if (ok && mlp->skip > 0) {
        const tg_tensor *w = mlp->density_w[mlp->skip];
        net->skip_width = out_width(mlp->density_w[mlp->skip - 1]);
        const int ld = net->position_ld + net->skip_width;
        net->again = tg_calloc((size_t)w->dim[0] * (size_t)ld * sizeof *net->again);
        ok = net->again != NULL;
        if (ok) {
            copy_columns(w, 0, net->position, net->again, ld);
            copy_columns(w, net->position + net->condition, net->skip_width,
                         net->again + net->position_ld, ld);
        }
    }
    if (!ok) {
        tg_vanilla_net_destroy(net);
        return tg_fail(ctx, TG_ENOMEM, "not enough memory for the renderer");
    }
    return TG_OK;
}

void tg_vanilla_net_destroy(tg_vanilla_net *net) {
    tg_free(net->first);
    tg_free(net->again);
    net->first = net->again = NULL;
}

/* The condition's part of a layer. In double precision: its rounding is the same for all samples of
 * a ray or picture, so that it would not average out, and few products are so rare. */
static void layer_bias(const tg_tensor *w, const tg_tensor *b, int from, const float *condition,
                       int n, int rows, float *out) {
    const int64_t width = w->dim[0];
    for (int r = 0; r < rows; r++) {
        for (int64_t o = 0; o < width; o++) {
            const float *row = w->data + o * w->dim[1] + from;
            double part[4] = {0};
            int i = 0;
            for (; i + 4 <= n; i += 4) {
                for (int k = 0; k < 4; k++) {
                    part[k] += (double)condition[r * n + i + k] * (double)row[i + k];
                }
            }
            for (; i < n; i++) {
                part[0] += (double)condition[r * n + i] * (double)row[i];
            }
            out[r * width + o] =
                (float)((double)b->data[o] + (part[0] + part[1]) + (part[2] + part[3]));
        }
    }
}

void tg_vanilla_net_bias(const tg_vanilla_net *net, const float *condition, int rows,
                         const tg_vanilla_bias *bias) {
    const tg_vanilla_mlp *mlp = net->mlp;
    layer_bias(mlp->density_w[0], mlp->density_b[0], net->position, condition, net->condition, rows,
               bias->first);
    if (mlp->skip > 0) {
        layer_bias(mlp->density_w[mlp->skip], mlp->density_b[mlp->skip], net->position, condition,
                   net->condition, rows, bias->again);
    }
}

bool tg_vanilla_scratch_create(const tg_vanilla_net *const *nets, int n,
                               tg_vanilla_scratch *scratch) {
    size_t input = 0, width = 0, color = 0;
    for (int i = 0; i < n; i++) {
        const size_t in = (size_t)(nets[i]->position_ld + nets[i]->skip_width);
        input = in > input ? in : input;
        width = (size_t)nets[i]->width > width ? (size_t)nets[i]->width : width;
        color = (size_t)nets[i]->color_width > color ? (size_t)nets[i]->color_width : color;
    }
    const size_t row = TG_VANILLA_ROWS * sizeof(float);
    scratch->input = tg_calloc(input * row);
    scratch->view = tg_calloc(color * TG_VANILLA_RAYS * sizeof(float));
    bool ok = scratch->input != NULL && scratch->view != NULL;
    for (int i = 0; i < 2; i++) {
        scratch->trunk[i] = tg_calloc(width * row);
        scratch->color[i] = tg_calloc(color * row);
        ok = ok && scratch->trunk[i] != NULL && scratch->color[i] != NULL;
    }
    return ok;
}

void tg_vanilla_scratch_destroy(tg_vanilla_scratch *scratch) {
    tg_free(scratch->input);
    tg_free(scratch->view);
    for (int i = 0; i < 2; i++) {
        tg_free(scratch->trunk[i]);
        tg_free(scratch->color[i]);
    }
}

/* tg_freq_encode_ad of a position, fast: only the first octave calls the library, the others
 * follow by doubling the angle in double precision, whose error (times 2 each octave) stays far
 * below float32's. */
static void encode_position(const double x[3], int octaves, float *out) {
    double s[3], c[3];
    for (int d = 0; d < 3; d++) {
        out[d] = (float)x[d];
        s[d] = sin(x[d]);
        c[d] = cos(x[d]);
    }
    for (int k = 0; k < octaves; k++) {
        float *at = out + 3 + 6 * k;
        for (int d = 0; d < 3; d++) {
            at[d] = (float)s[d];
            at[3 + d] = (float)c[d];
            const double twice = 2.0 * s[d] * c[d];
            c[d] = (c[d] - s[d]) * (c[d] + s[d]);
            s[d] = twice;
        }
    }
}

/* x [rows, width] = max(0, x + bias); the rows belong to rays of `samples` samples, the first being
 * sample `first` of the block; bias [rays, width], or one row for all with stride 0. */
static void bias_relu(float *x, int ld, int rows, int width, const float *bias, int stride,
                      int first, int samples) {
    for (int r = 0; r < rows; r++) {
        const float *b = bias + (size_t)((first + r) / samples) * (size_t)stride;
        float *row = x + (size_t)r * (size_t)ld;
        for (int j = 0; j < width; j++) {
            const float v = row[j] + b[j];
            row[j] = v > 0.0f ? v : 0.0f;
        }
    }
}

/* Sum of products in eight interleaved parts, an order that compilers turn into vectors. */
static float dot(const float *a, const float *b, int n) {
    float part[8] = {0};
    int i = 0;
    for (; i + 8 <= n; i += 8) {
        for (int k = 0; k < 8; k++) {
            part[k] += a[i + k] * b[i + k];
        }
    }
    for (; i < n; i++) {
        part[i % 8] += a[i] * b[i];
    }
    return ((part[0] + part[4]) + (part[1] + part[5])) +
           ((part[2] + part[6]) + (part[3] + part[7]));
}

/* y [rows, out] = x [rows, in] w^T */
static void product(const tg_vanilla_net *net, const float *x, int ldx, int rows, const float *w,
                    int ldw, int in, int out, float *y, int ldy) {
    tg_gemm_block(net->gemm, false, true, rows, out, in, x, ldx, w, ldw, false, y, ldy);
}

/* Runs the trunk; returns the last activations and their row length. */
static const float *trunk(const tg_vanilla_net *net, tg_vanilla_scratch *s,
                          const tg_vanilla_bias *bias, int rows, int first, int samples, int *ld) {
    const tg_vanilla_mlp *mlp = net->mlp;
    const int input_ld = net->position_ld + net->skip_width;
    const float *x = s->input;
    int x_ld = input_ld, next = 0;
    for (int l = 0; l < mlp->layers; l++) {
        const tg_tensor *w = mlp->density_w[l];
        const int out = out_width(w);
        const bool joins = l + 1 == mlp->skip;
        float *y = joins ? s->input + net->position_ld : s->trunk[next];
        const int y_ld = joins ? input_ld : net->width;
        const float *b = mlp->density_b[l]->data;
        int stride = 0;
        if (l == 0) {
            product(net, x, x_ld, rows, net->first, net->position_ld, net->position_ld, out, y,
                    y_ld);
            b = bias->first;
            stride = bias->shared ? 0 : out;
        } else if (l == mlp->skip) {
            product(net, s->input, input_ld, rows, net->again, input_ld, input_ld, out, y, y_ld);
            b = bias->again;
            stride = bias->shared ? 0 : out;
        } else {
            const int in = (int)w->dim[1];
            product(net, x, x_ld, rows, w->data, in, in, out, y, y_ld);
        }
        bias_relu(y, y_ld, rows, out, b, stride, first, samples);
        x = y;
        x_ld = y_ld;
        next = joins ? next : 1 - next;
    }
    *ld = x_ld;
    return x;
}

static void color_branch(const tg_vanilla_net *net, tg_vanilla_scratch *s, const float *h, int h_ld,
                         int rows, int first, int samples, float *raw) {
    const tg_vanilla_mlp *mlp = net->mlp;
    const float *x = h;
    int x_ld = h_ld;
    for (int l = 0; l < mlp->color_layers; l++) {
        const tg_tensor *w = mlp->color_w[l];
        const int in = (int)w->dim[1], out = out_width(w);
        float *y = s->color[l % 2];
        product(net, x, x_ld, rows, w->data, in, l == 0 ? in - net->view : in, out, y,
                net->color_width);
        bias_relu(y, net->color_width, rows, out, l == 0 ? s->view : mlp->color_b[l]->data,
                  l == 0 ? out : 0, first, samples);
        x = y;
        x_ld = net->color_width;
    }
    const int in = (int)mlp->color_out_w->dim[1];
    for (int r = 0; r < rows; r++) {
        for (int c = 0; c < 3; c++) {
            raw[4 * r + c] = dot(x + (size_t)r * (size_t)x_ld,
                                 mlp->color_out_w->data + (size_t)c * (size_t)in, in) +
                             mlp->color_out_b->data[c];
        }
    }
}

void tg_vanilla_net_eval(const tg_vanilla_net *net, tg_vanilla_scratch *s,
                         const tg_vanilla_bias *bias, const double *xyz, const float *direction,
                         int rays, int samples, bool color, float *raw) {
    const tg_vanilla_mlp *mlp = net->mlp;
    const int input_ld = net->position_ld + net->skip_width, all = rays * samples;
    if (color) {
        float encoded[TG_VANILLA_RAYS * 3 * (1 + 2 * 24)];
        for (int r = 0; r < rays; r++) {
            tg_freq_encode_ad(direction + 3 * r, 3, net->view_octaves, encoded + r * net->view);
        }
        const tg_tensor *w = mlp->color_w[0];
        layer_bias(w, mlp->color_b[0], (int)w->dim[1] - net->view, encoded, net->view, rays,
                   s->view);
    }
    for (int first = 0; first < all; first += TG_VANILLA_ROWS) {
        const int rows = all - first < TG_VANILLA_ROWS ? all - first : TG_VANILLA_ROWS;
        for (int r = 0; r < rows; r++) {
            float *row = s->input + (size_t)r * (size_t)input_ld;
            encode_position(xyz + 3 * (size_t)(first + r), net->position_octaves, row);
            for (int j = net->position; j < net->position_ld; j++) {
                row[j] = 0.0f;
            }
        }
        int ld;
        const float *h = trunk(net, s, bias, rows, first, samples, &ld);
        float *out = raw + 4 * (size_t)first;
        const int in = (int)mlp->density_out_w->dim[1];
        for (int r = 0; r < rows; r++) {
            out[4 * r + 3] = dot(h + (size_t)r * (size_t)ld, mlp->density_out_w->data, in) +
                             mlp->density_out_b->data[0];
        }
        if (color) {
            color_branch(net, s, h, ld, rows, first, samples, out);
        }
    }
}
