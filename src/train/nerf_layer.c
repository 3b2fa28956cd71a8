#include "train/nerf_layer.h"

tg_status tg_nerf_layer_init(tg_context *ctx, tg_arena *arena, nerf_layer *layer, tg_tensor *weight,
                             int column, int n_in, int rotate, int64_t *gradient_size) {
    int n_out = (int)weight->dim[0];
    *layer = (nerf_layer){.weight = weight,
                          .column = column,
                          .n_in = n_in,
                          .n_out = n_out,
                          .rotate = rotate,
                          .pad_in = (n_in + 15) / 16 * 16,
                          .pad_out = (n_out + NERF_OUT_BLOCK - 1) / NERF_OUT_BLOCK * NERF_OUT_BLOCK,
                          .gradient = *gradient_size};
    *gradient_size += (int64_t)layer->pad_in * layer->pad_out;
    size_t forward = sizeof(float) * (size_t)tg_nerf_packed_size(layer->pad_in, layer->pad_out);
    size_t back = sizeof(float) * (size_t)tg_nerf_packed_size(layer->pad_out, layer->pad_in);
    layer->packed = tg_arena_calloc(arena, forward);
    layer->packed_t = tg_arena_calloc(arena, back);
    if (!layer->packed || !layer->packed_t)
        return tg_fail(ctx, TG_ENOMEM, "no memory for packed weights of the renderer's training");
    return TG_OK;
}

static const float *matrix_row(const nerf_layer *layer, int o) {
    int row = (o + layer->rotate) % layer->n_out;
    return layer->weight->data + row * layer->weight->dim[1] + layer->column;
}

void tg_nerf_layer_pack(nerf_layer *layer) {
    float *to = layer->packed;
    for (int o0 = 0; o0 < layer->pad_out; o0 += NERF_OUT_BLOCK)
        for (int o = o0; o < o0 + NERF_OUT_BLOCK; o++) {
            if (o >= layer->n_out)
                continue; /* stays zero */
            const float *row = matrix_row(layer, o);
            for (int i = 0; i < layer->n_in; i++)
                to[(int64_t)o0 * layer->pad_in + i * NERF_OUT_BLOCK + o - o0] = row[i];
        }
    to = layer->packed_t;
    for (int o = 0; o < layer->n_out; o++) {
        const float *row = matrix_row(layer, o);
        for (int i = 0; i < layer->n_in; i++) {
            int i0 = i / NERF_OUT_BLOCK * NERF_OUT_BLOCK;
            to[(int64_t)i0 * layer->pad_out + o * NERF_OUT_BLOCK + i - i0] = row[i];
        }
    }
}

void tg_nerf_layer_add_gradient(const nerf_layer *layer, const float *block) {
    const float *from = block + layer->gradient;
    for (int o = 0; o < layer->n_out; o++) {
        int row = (o + layer->rotate) % layer->n_out;
        float *to = layer->weight->grad + row * layer->weight->dim[1] + layer->column;
        for (int i = 0; i < layer->n_in; i++)
            to[i] += from[(int64_t)o * layer->pad_in + i];
    }
}

void tg_nerf_layer_backward(const nerf_kernels *k, const nerf_layer *layer, const float *x,
                            const float *dy, const float *act, float *dx, bool add, float *xt,
                            float *block) {
    k->transpose(x, layer->pad_in, xt);
    k->backward_weight(layer->pad_in, layer->pad_out, dy, xt, block + layer->gradient);
    if (dx)
        k->backward_input(layer->packed_t, layer->n_in, layer->pad_out, dy, act, dx, add);
}

void tg_nerf_frame_bias(const tg_tensor *weight, int column, int n, const float *input,
                        float *bias) {
    for (int64_t o = 0; o < weight->dim[0]; o++) {
        const float *row = weight->data + o * weight->dim[1] + column;
        float sum = 0;
        for (int j = 0; j < n; j++)
            sum += row[j] * input[j];
        bias[o] = sum;
    }
}

void tg_nerf_frame_bias_backward(tg_tensor *weight, int column, int n, const float *input,
                                 const float *d_bias, float *d_input) {
    for (int64_t o = 0; o < weight->dim[0]; o++) {
        const float *row = weight->data + o * weight->dim[1] + column;
        float *grad = weight->grad + o * weight->dim[1] + column;
        for (int j = 0; j < n; j++) {
            grad[j] += d_bias[o] * input[j];
            if (d_input)
                d_input[j] += d_bias[o] * row[j];
        }
    }
}

void tg_nerf_row_sums(const float *x, int n, float *sum) {
    for (int r = 0; r < n; r++) {
        float total = 0;
        for (int s = 0; s < NERF_TILE; s++)
            total += x[r * NERF_TILE + s];
        sum[r] += total;
    }
}
