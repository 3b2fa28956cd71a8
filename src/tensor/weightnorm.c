/* Norms that rescale to a given length: weight norm and rows of length one. */
#include "tensor/tape.h"

#include <math.h>
#include <string.h>

/* ---- weight norm -------------------------------------------------------------------- */

typedef struct {
    tg_node node;
    int axis;
    double *norm; /* ||v|| per index of the axis */
} weight_node;

/* sums[a] += sum over everything else of p q */
static void axis_dot(const float *p, const float *q, int64_t outer, int64_t axis, int64_t inner,
                     const tg_kernels *kernels, double *sums) {
    for (int64_t o = 0; o < outer; o++)
        for (int64_t a = 0; a < axis; a++) {
            int64_t at = (o * axis + a) * inner;
            sums[a] +=
                inner == 1 ? (double)p[at] * (double)q[at] : kernels->dot(p + at, q + at, inner);
        }
}

/* y (+)= p[a] x + q[a] z along the axis; z and q may be NULL */
static void axis_blend(const float *x, const float *p, const float *z, const float *q,
                       int64_t outer, int64_t axis, int64_t inner, const tg_kernels *kernels,
                       float *y, bool add) {
    for (int64_t o = 0; o < outer; o++) {
        int64_t row = o * axis * inner;
        if (inner == 1) { /* the last axis: whole rows at once */
            kernels->mul(x + row, p, y + row, axis, add);
            if (z)
                kernels->mul(z + row, q, y + row, axis, true);
            continue;
        }
        for (int64_t a = 0; a < axis; a++) {
            int64_t at = row + a * inner;
            kernels->affine(x + at, p[a], 0, y + at, inner, add);
            if (z)
                kernels->affine(z + at, q[a], 0, y + at, inner, true);
        }
    }
}

/* w = g v / n with n = ||v||: dg = (dw . v) / n, dv = g/n (dw - v (dw . v) / n^2). */
static void weight_backward(tg_tape *tape, tg_node *base) {
    weight_node *node = (weight_node *)base;
    tg_tensor *v = base->in[0], *g = base->in[1];
    int64_t outer = tg_outer(v, node->axis), inner = tg_inner(v, node->axis);
    int64_t axis = v->dim[node->axis];
    const float *dw = base->out->grad;
    const tg_kernels *kernels = tg_tape_kernels(tape);
    bool add;
    float *dv = tg_tape_grad(tape, v, &add), *dg = tg_tape_grad_zeroed(tape, g);
    tg_mark mark = tg_arena_mark(tg_tape_arena(tape));
    double *dots = tg_tape_alloc(tape, axis, sizeof *dots);
    float *p = tg_tape_alloc(tape, axis, sizeof *p), *q = tg_tape_alloc(tape, axis, sizeof *q);
    if (!dots || !p || !q)
        return;
    memset(dots, 0, (size_t)axis * sizeof *dots);
    axis_dot(dw, v->data, outer, axis, inner, kernels, dots);
    for (int64_t a = 0; a < axis; a++) {
        double n = node->norm[a], scale = (double)g->data[a] / n;
        p[a] = (float)scale;
        q[a] = (float)(-scale * dots[a] / (n * n));
        if (dg)
            dg[a] += (float)(dots[a] / n);
    }
    if (dv)
        axis_blend(dw, p, v->data, q, outer, axis, inner, kernels, dv, add);
    tg_arena_release(tg_tape_arena(tape), mark);
}

tg_tensor *tg_weight_norm(tg_tape *tape, tg_tensor *v, tg_tensor *g, int axis) {
    if (!tg_tape_expect(tape, axis >= 0 && axis < v->ndim && tg_numel(g) == v->dim[axis],
                        "weight norm", "v and g of the size of the axis", v, g))
        return tg_tape_poison(tape);
    int64_t outer = tg_outer(v, axis), inner = tg_inner(v, axis), n = v->dim[axis];
    const tg_kernels *kernels = tg_tape_kernels(tape);
    tg_tensor *w = tg_tape_like(tape, v);
    double *norm = tg_tape_alloc(tape, n, sizeof *norm);
    float *scale = tg_tape_alloc(tape, n, sizeof *scale);
    if (!w || !norm || !scale)
        return tg_tape_poison(tape);
    memset(norm, 0, (size_t)n * sizeof *norm);
    axis_dot(v->data, v->data, outer, n, inner, kernels, norm);
    for (int64_t a = 0; a < n; a++) {
        norm[a] = sqrt(norm[a]);
        scale[a] = (float)((double)g->data[a] / norm[a]);
    }
    axis_blend(v->data, scale, NULL, NULL, outer, n, inner, kernels, w->data, false);
    weight_node *node =
        tg_tape_record(tape, sizeof *node, weight_backward, w, 2, (tg_tensor *[]){v, g});
    if (node) {
        node->axis = axis;
        node->norm = norm;
    }
    return w;
}

/* ---- rows of length one ---------------------------------------------------------------- */

typedef struct {
    tg_node node;
    float *norm;
    float eps;
} row_node;

/* y = x / n, n = max(||x||, eps): dx = (dy - y (dy . y)) / n, without the second term where eps
 * was the larger. */
static void row_backward(tg_tape *tape, tg_node *base) {
    row_node *node = (row_node *)base;
    tg_tensor *x = base->in[0];
    const tg_kernels *kernels = tg_tape_kernels(tape);
    int64_t rows = x->dim[0], cols = x->dim[1];
    bool add;
    float *dx = tg_tape_grad(tape, x, &add);
    for (int64_t r = 0; dx && r < rows; r++) {
        const float *y = base->out->data + r * cols, *dy = base->out->grad + r * cols;
        double n = (double)node->norm[r];
        double along = node->norm[r] > node->eps ? kernels->dot(dy, y, cols) : 0;
        kernels->blend(dy, (float)(1 / n), y, (float)(-along / n), 0, dx + r * cols, cols, add);
    }
}

tg_tensor *tg_normalize_rows(tg_tape *tape, tg_tensor *x, float eps) {
    if (!tg_tape_expect(tape, x->ndim == 2 && eps > 0, "normalize rows", "x [N,C]", x, NULL))
        return tg_tape_poison(tape);
    const tg_kernels *kernels = tg_tape_kernels(tape);
    int64_t rows = x->dim[0], cols = x->dim[1];
    tg_tensor *y = tg_tape_like(tape, x);
    float *norm = tg_tape_alloc(tape, rows, sizeof *norm);
    if (!y || !norm)
        return tg_tape_poison(tape);
    for (int64_t r = 0; r < rows; r++) {
        const float *row = x->data + r * cols;
        float n = (float)sqrt(kernels->dot(row, row, cols));
        norm[r] = n > eps ? n : eps;
        kernels->affine(row, (float)(1 / (double)norm[r]), 0, y->data + r * cols, cols, false);
    }
    row_node *node = tg_tape_record(tape, sizeof *node, row_backward, y, 1, &x);
    if (node) {
        node->norm = norm;
        node->eps = eps;
    }
    return y;
}
