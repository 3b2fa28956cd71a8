/* Reductions and losses: everything that ends in one number. */
#include "tensor/tape.h"

#include <math.h>
#include <string.h>

static tg_tensor *scalar(tg_tape *tape, double value) {
    tg_tensor *y = tg_tape_new(tape, 1, (int64_t[]){1});
    if (!y)
        return tg_tape_poison(tape);
    y->data[0] = (float)value;
    return y;
}

/* ---- sum and mean ----------------------------------------------------------------- */

typedef struct {
    tg_node node;
    float scale;
} sum_node;

static void sum_backward(tg_tape *tape, tg_node *node) {
    tg_tensor *x = node->in[0];
    float d = node->out->grad[0] * ((sum_node *)node)->scale;
    bool add;
    float *dx = tg_tape_grad(tape, x, &add);
    if (dx) /* slope 0: only the shift counts */
        tg_tape_kernels(tape)->affine(x->data, 0, d, dx, tg_numel(x), add);
}

static tg_tensor *scaled_sum(tg_tape *tape, tg_tensor *x, double scale) {
    if (tg_tape_status(tape) != TG_OK)
        return tg_tape_poison(tape);
    tg_tensor *y = scalar(tape, tg_tape_kernels(tape)->sum(x->data, tg_numel(x)) * scale);
    sum_node *node = tg_tape_record(tape, sizeof *node, sum_backward, y, 1, &x);
    if (node)
        node->scale = (float)scale;
    return y;
}

tg_tensor *tg_sum(tg_tape *tape, tg_tensor *x) {
    return scaled_sum(tape, x, 1);
}

tg_tensor *tg_mean(tg_tape *tape, tg_tensor *x) {
    int64_t n = tg_numel(x);
    return scaled_sum(tape, x, n ? 1 / (double)n : 0);
}

/* ---- row products -------------------------------------------------------------------- */

static void row_dot_backward(tg_tape *tape, tg_node *node) {
    const tg_kernels *kernels = tg_tape_kernels(tape);
    int64_t rows = node->in[0]->dim[0], cols = node->in[0]->dim[1];
    for (int i = 0; i < 2; i++) {
        bool add;
        float *dx = tg_tape_grad(tape, node->in[i], &add);
        for (int64_t r = 0; dx && r < rows; r++)
            kernels->affine(node->in[1 - i]->data + r * cols, node->out->grad[r], 0, dx + r * cols,
                            cols, add);
    }
}

tg_tensor *tg_row_dot(tg_tape *tape, tg_tensor *a, tg_tensor *b) {
    if (!tg_tape_expect(tape, a->ndim == 2 && tg_same_shape(a, b), "row dot", "two [N,C]", a, b))
        return tg_tape_poison(tape);
    tg_tensor *y = tg_tape_new(tape, 1, a->dim);
    if (!y)
        return tg_tape_poison(tape);
    for (int64_t r = 0, cols = a->dim[1]; r < a->dim[0]; r++)
        y->data[r] =
            (float)tg_tape_kernels(tape)->dot(a->data + r * cols, b->data + r * cols, cols);
    tg_tape_record(tape, sizeof(tg_node), row_dot_backward, y, 2, (tg_tensor *[]){a, b});
    return y;
}

/* ---- mean square error ---------------------------------------------------------------- */

typedef struct {
    tg_node node;
    const float *weight;
    double total; /* sum of weights, or the number of elements */
} mse_node;

static void mse_backward(tg_tape *tape, tg_node *base) {
    mse_node *node = (mse_node *)base;
    const float *x = base->in[0]->data, *y = base->in[1]->data;
    for (int k = 0; k < 2; k++) {
        bool add;
        float *dx = tg_tape_grad(tape, base->in[k], &add);
        if (!dx)
            continue;
        double sign = k == 0 ? 2 : -2;
        float scale = (float)(sign * (double)base->out->grad[0] / node->total);
        int64_t n = tg_numel(base->in[k]);
        if (!node->weight)
            tg_tape_kernels(tape)->blend(x, scale, y, -scale, 0, dx, n, add);
        else
            for (int64_t i = 0; i < n; i++) {
                float d = scale * node->weight[i] * (x[i] - y[i]);
                dx[i] = add ? dx[i] + d : d;
            }
    }
}

tg_tensor *tg_mse(tg_tape *tape, tg_tensor *x, tg_tensor *y, const tg_tensor *weight) {
    if (!tg_tape_expect(tape, tg_same_shape(x, y), "mse", "equal shapes", x, y) ||
        !tg_tape_expect(tape, !weight || tg_same_shape(x, weight), "mse",
                        "a weight for every element", x, weight))
        return tg_tape_poison(tape);
    double sum = 0, total = 0;
    int64_t n = tg_numel(x);
    for (int64_t i = 0; i < n; i++) {
        double d = (double)x->data[i] - (double)y->data[i],
               w = weight ? (double)weight->data[i] : 1;
        sum += w * d * d;
        total += w;
    }
    if (total == 0)
        total = 1; /* everything masked out: loss 0, gradient 0 */
    tg_tensor *loss = scalar(tape, sum / total);
    mse_node *node =
        tg_tape_record(tape, sizeof *node, mse_backward, loss, 2, (tg_tensor *[]){x, y});
    if (node) {
        node->weight = weight ? weight->data : NULL;
        node->total = total;
    }
    return loss;
}

/* ---- cross entropies --------------------------------------------------------------------- */

typedef struct {
    tg_node node;
    float *slope; /* d loss / d input, kept from the forward pass */
} slope_node;

static void slope_backward(tg_tape *tape, tg_node *base) {
    tg_tensor *x = base->in[0];
    bool add;
    float *dx = tg_tape_grad(tape, x, &add);
    if (dx)
        tg_tape_kernels(tape)->affine(((slope_node *)base)->slope, base->out->grad[0], 0, dx,
                                      tg_numel(x), add);
}

static tg_tensor *with_slope(tg_tape *tape, tg_tensor *x, double value, float *slope) {
    tg_tensor *loss = scalar(tape, value);
    slope_node *node =
        slope ? tg_tape_record(tape, sizeof *node, slope_backward, loss, 1, &x) : NULL;
    if (node)
        node->slope = slope;
    return loss;
}

/* Room for the slope when it will be needed; false when memory ran out. */
static bool alloc_slope(tg_tape *tape, tg_tensor *x, float **slope) {
    *slope = NULL;
    if (!tg_tape_records(tape, 1, &x))
        return true;
    *slope = tg_tape_alloc(tape, tg_numel(x), sizeof **slope);
    return *slope != NULL;
}

tg_tensor *tg_bce(tg_tape *tape, tg_tensor *p, const float *label) {
    float *slope;
    if (tg_tape_status(tape) != TG_OK || !alloc_slope(tape, p, &slope))
        return tg_tape_poison(tape);
    double sum = 0;
    int64_t n = tg_numel(p);
    for (int64_t i = 0; i < n; i++) {
        double x = (double)p->data[i], y = (double)label[i];
        sum -= y * fmax(log(x), -100) + (1 - y) * fmax(log1p(-x), -100);
        if (slope)
            slope[i] = (float)((x - y) / fmax(x * (1 - x), 1e-12) / (double)n);
    }
    return with_slope(tape, p, n ? sum / (double)n : 0, slope);
}

tg_tensor *tg_cross_entropy(tg_tape *tape, tg_tensor *logits, const int32_t *label,
                            const float *weight) {
    int64_t rows = logits->dim[0], cols = tg_inner(logits, 0);
    bool fits = logits->ndim == 2 && cols >= 1;
    for (int64_t r = 0; fits && r < rows; r++)
        fits = label[r] >= -1 && label[r] < cols;
    if (!tg_tape_expect(tape, fits, "cross entropy", "logits [N,C] and labels -1..C-1", logits,
                        NULL))
        return tg_tape_poison(tape);
    float *slope, *row = tg_tape_alloc(tape, cols, sizeof *row);
    if (!row || !alloc_slope(tape, logits, &slope))
        return tg_tape_poison(tape);
    const tg_kernels *kernels = tg_tape_kernels(tape);
    double sum = 0, total = 0;
    for (int64_t r = 0; r < rows; r++)
        total += label[r] < 0 ? 0 : weight ? (double)weight[r] : 1;
    if (total == 0)
        total = 1;
    for (int64_t r = 0; r < rows; r++) {
        const float *x = logits->data + r * cols;
        if (label[r] < 0) {
            if (slope)
                memset(slope + r * cols, 0, (size_t)cols * sizeof *slope);
            continue;
        }
        double w = (weight ? (double)weight[r] : 1) / total;
        float most = kernels->max(x, cols), *e = slope ? slope + r * cols : row;
        double denominator = kernels->exp_sum(x, 1, most, e, cols);
        sum += w * (log(denominator) - (double)(x[label[r]] - most));
        if (slope) { /* softmax - one hot */
            kernels->affine(e, (float)(w / denominator), 0, e, cols, false);
            e[label[r]] -= (float)w;
        }
    }
    return with_slope(tape, logits, sum, slope);
}

/* ---- sum of terms ----------------------------------------------------------------------- */

tg_tensor *tg_weighted_sum(tg_tape *tape, tg_tensor *const *terms, const float *weight, int n) {
    double sum = 0;
    for (int i = 0; i < n; i++) {
        if (!terms[i])
            continue;
        if (!tg_tape_expect(tape, tg_numel(terms[i]) == 1, "weighted sum", "terms of one element",
                            terms[i], NULL))
            return tg_tape_poison(tape);
        sum += (double)weight[i] * (double)terms[i]->data[0];
    }
    if (tg_tape_status(tape) != TG_OK)
        return tg_tape_poison(tape);
    tg_tensor *y = scalar(tape, sum);
    for (int i = 0; i < n; i++) { /* a node per term; each is the backward of weight * term */
        tg_tensor *x = terms[i];
        sum_node *node = x ? tg_tape_record(tape, sizeof *node, sum_backward, y, 1, &x) : NULL;
        if (node)
            node->scale = weight[i];
    }
    return y;
}
