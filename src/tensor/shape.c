/* Operations that only move values. */
#include "tensor/tape.h"

#include <string.h>

/* ---- reshape ----------------------------------------------------------------- */

/* dx (+)= dy over equal layouts. */
static void pass_gradient(tg_tape *tape, tg_tensor *x, const float *dy) {
    bool add;
    float *dx = tg_tape_grad(tape, x, &add);
    if (!dx)
        return;
    int64_t n = tg_numel(x);
    if (add)
        tg_tape_kernels(tape)->add(dx, dy, dx, n);
    else
        memcpy(dx, dy, (size_t)n * sizeof *dx);
}

static void reshape_backward(tg_tape *tape, tg_node *node) {
    tg_tensor *x = node->in[0];
    if (x->needs_grad && !x->grad && !x->in_set)
        x->grad = node->out->grad; /* nobody needs the gradient of the view any more */
    else
        pass_gradient(tape, x, node->out->grad);
}

tg_tensor *tg_reshape(tg_tape *tape, tg_tensor *x, int ndim, const int64_t *dim) {
    int64_t n = 1;
    for (int i = 0; i < ndim; i++)
        n *= dim[i];
    if (!tg_tape_expect(tape, ndim >= 1 && ndim <= TG_MAX_DIMS && n == tg_numel(x), "reshape",
                        "as many elements as before", x, NULL))
        return tg_tape_poison(tape);
    tg_tensor *y = tg_tape_view(tape, ndim, dim, x->data);
    if (!y)
        return tg_tape_poison(tape);
    tg_tape_record(tape, sizeof(tg_node), reshape_backward, y, 1, &x);
    return y;
}

/* ---- transpose --------------------------------------------------------------- */

enum { TILE = 32 };

typedef struct {
    const float *x;
    float *y;
    int64_t rows, cols, tiles; /* tiles of rows per matrix */
    bool add;
} transpose_job;

static void transpose_range(void *arg, int64_t begin, int64_t end, int worker) {
    (void)worker;
    const transpose_job *job = arg;
    for (int64_t item = begin; item < end; item++) {
        int64_t matrix = item / job->tiles, r0 = item % job->tiles * TILE;
        int64_t r1 = r0 + TILE < job->rows ? r0 + TILE : job->rows;
        const float *x = job->x + matrix * job->rows * job->cols;
        float *y = job->y + matrix * job->rows * job->cols;
        for (int64_t c0 = 0; c0 < job->cols; c0 += TILE) {
            int64_t c1 = c0 + TILE < job->cols ? c0 + TILE : job->cols;
            float tile[TILE][TILE]; /* so that x and y are both walked along their rows */
            for (int64_t r = r0; r < r1; r++)
                for (int64_t c = c0; c < c1; c++)
                    tile[c - c0][r - r0] = x[r * job->cols + c];
            for (int64_t c = c0; c < c1; c++)
                for (int64_t r = r0; r < r1; r++) {
                    float v = tile[c - c0][r - r0];
                    y[c * job->rows + r] = job->add ? y[c * job->rows + r] + v : v;
                }
        }
    }
}

static void transpose(tg_tape *tape, const float *x, float *y, int64_t matrices, int64_t rows,
                      int64_t cols, bool add) {
    transpose_job job = {x, y, rows, cols, (rows + TILE - 1) / TILE, add};
    tg_pool_run(tg_tape_pool(tape), matrices * job.tiles, tg_grain(TILE * cols), transpose_range,
                &job);
}

static void transpose_backward(tg_tape *tape, tg_node *node) {
    tg_tensor *x = node->in[0];
    bool add;
    float *dx = tg_tape_grad(tape, x, &add);
    if (dx)
        transpose(tape, node->out->grad, dx, tg_outer(x, x->ndim - 2), x->dim[x->ndim - 1],
                  x->dim[x->ndim - 2], add);
}

tg_tensor *tg_transpose(tg_tape *tape, tg_tensor *x) {
    if (!tg_tape_expect(tape, x->ndim >= 2, "transpose", "two or more dimensions", x, NULL))
        return tg_tape_poison(tape);
    int64_t dim[TG_MAX_DIMS];
    memcpy(dim, x->dim, sizeof dim);
    dim[x->ndim - 2] = x->dim[x->ndim - 1];
    dim[x->ndim - 1] = x->dim[x->ndim - 2];
    tg_tensor *y = tg_tape_new(tape, x->ndim, dim);
    if (!y)
        return tg_tape_poison(tape);
    transpose(tape, x->data, y->data, tg_outer(x, x->ndim - 2), x->dim[x->ndim - 2],
              x->dim[x->ndim - 1], false);
    tg_tape_record(tape, sizeof(tg_node), transpose_backward, y, 1, &x);
    return y;
}

/* ---- picks along one axis: slice, stride, flip --------------------------------- */

/* Element i of the result is element begin + i step of x; step may be -1. */
typedef struct {
    tg_node node;
    int axis;
    int64_t begin, step;
} pick_node;

static void pick_backward(tg_tape *tape, tg_node *base) {
    pick_node *node = (pick_node *)base;
    tg_tensor *x = base->in[0], *y = base->out;
    float *dx = tg_tape_grad_zeroed(tape, x);
    if (!dx)
        return;
    const tg_kernels *kernels = tg_tape_kernels(tape);
    int64_t outer = tg_outer(x, node->axis), inner = tg_inner(x, node->axis);
    int64_t from = x->dim[node->axis], to = y->dim[node->axis];
    for (int64_t o = 0; o < outer; o++) {
        const float *dy = y->grad + o * to * inner;
        float *base_dx = dx + (o * from + node->begin) * inner;
        if (node->step == 1)
            kernels->add(base_dx, dy, base_dx, to * inner);
        else
            for (int64_t i = 0; i < to; i++)
                for (int64_t k = 0; k < inner; k++)
                    base_dx[i * node->step * inner + k] += dy[i * inner + k];
    }
}

static tg_tensor *pick(tg_tape *tape, tg_tensor *x, int axis, int64_t begin, int64_t count,
                       int64_t step) {
    int64_t dim[TG_MAX_DIMS];
    memcpy(dim, x->dim, sizeof dim);
    dim[axis] = count;
    int64_t outer = tg_outer(x, axis), inner = tg_inner(x, axis), from = x->dim[axis];
    tg_tensor *y = step == 1 && outer == 1
                       ? tg_tape_view(tape, x->ndim, dim, x->data + begin * inner)
                       : tg_tape_new(tape, x->ndim, dim);
    if (!y)
        return tg_tape_poison(tape);
    for (int64_t o = 0; o < outer && (step != 1 || outer != 1); o++) {
        const float *source = x->data + (o * from + begin) * inner;
        float *target = y->data + o * count * inner;
        if (step == 1)
            memcpy(target, source, (size_t)(count * inner) * sizeof *target);
        else if (inner == 1)
            for (int64_t i = 0; i < count; i++)
                target[i] = source[i * step];
        else
            for (int64_t i = 0; i < count; i++)
                memcpy(target + i * inner, source + i * step * inner,
                       (size_t)inner * sizeof *target);
    }
    pick_node *node = tg_tape_record(tape, sizeof *node, pick_backward, y, 1, &x);
    if (node) {
        node->axis = axis;
        node->begin = begin;
        node->step = step;
    }
    return y;
}

tg_tensor *tg_slice(tg_tape *tape, tg_tensor *x, int axis, int64_t begin, int64_t end) {
    if (!tg_tape_expect(
            tape, axis >= 0 && axis < x->ndim && 0 <= begin && begin <= end && end <= x->dim[axis],
            "slice", "a range inside the axis", x, NULL))
        return tg_tape_poison(tape);
    return pick(tape, x, axis, begin, end - begin, 1);
}

tg_tensor *tg_stride(tg_tape *tape, tg_tensor *x, int axis, int64_t begin, int64_t step) {
    if (!tg_tape_expect(
            tape, axis >= 0 && axis < x->ndim && step >= 1 && begin >= 0 && begin <= x->dim[axis],
            "stride", "an axis and a begin inside it", x, NULL))
        return tg_tape_poison(tape);
    return pick(tape, x, axis, begin, (x->dim[axis] - begin + step - 1) / step, step);
}

tg_tensor *tg_flip(tg_tape *tape, tg_tensor *x, int axis) {
    if (!tg_tape_expect(tape, axis >= 0 && axis < x->ndim, "flip", "an axis of the tensor", x,
                        NULL))
        return tg_tape_poison(tape);
    if (x->dim[axis] == 0)
        return x;
    return pick(tape, x, axis, x->dim[axis] - 1, x->dim[axis], -1);
}

/* ---- concat ------------------------------------------------------------------ */

typedef struct {
    tg_node node; /* in[0]: the part */
    int axis;
    int64_t begin; /* where the part starts in the whole */
} concat_node;

/* One node per part: any number of parts. They all read the gradient of the same output. */
static void concat_backward(tg_tape *tape, tg_node *base) {
    concat_node *node = (concat_node *)base;
    tg_tensor *x = base->in[0], *y = base->out;
    bool add;
    float *dx = tg_tape_grad(tape, x, &add);
    if (!dx)
        return;
    const tg_kernels *kernels = tg_tape_kernels(tape);
    int64_t outer = tg_outer(x, node->axis), inner = tg_inner(x, node->axis);
    int64_t part = x->dim[node->axis] * inner, whole = y->dim[node->axis] * inner;
    for (int64_t o = 0; o < outer; o++) {
        const float *dy = y->grad + o * whole + node->begin * inner;
        if (add)
            kernels->add(dx + o * part, dy, dx + o * part, part);
        else
            memcpy(dx + o * part, dy, (size_t)part * sizeof *dx);
    }
}

tg_tensor *tg_concat(tg_tape *tape, tg_tensor *const *parts, int n, int axis) {
    bool fits = n >= 1 && axis >= 0 && axis < parts[0]->ndim;
    int64_t dim[TG_MAX_DIMS] = {0};
    for (int i = 0; fits && i < n; i++) {
        fits = parts[i]->ndim == parts[0]->ndim;
        for (int d = 0; fits && d < parts[0]->ndim; d++)
            fits = d == axis || parts[i]->dim[d] == parts[0]->dim[d];
    }
    if (!tg_tape_expect(tape, fits, "concat", "parts equal but for the axis", n ? parts[0] : NULL,
                        n > 1 ? parts[1] : NULL))
        return tg_tape_poison(tape);
    memcpy(dim, parts[0]->dim, sizeof dim);
    for (int i = 1; i < n; i++)
        dim[axis] += parts[i]->dim[axis];
    tg_tensor *y = tg_tape_new(tape, parts[0]->ndim, dim);
    if (!y)
        return tg_tape_poison(tape);
    int64_t outer = tg_outer(y, axis), inner = tg_inner(y, axis), begin = 0;
    for (int i = 0; i < n; i++) {
        tg_tensor *x = parts[i];
        int64_t part = x->dim[axis] * inner;
        for (int64_t o = 0; o < outer; o++)
            memcpy(y->data + (o * dim[axis] + begin) * inner, x->data + o * part,
                   (size_t)part * sizeof(float));
        concat_node *node = tg_tape_record(tape, sizeof *node, concat_backward, y, 1, &x);
        if (node) {
            node->axis = axis;
            node->begin = begin;
        }
        begin += x->dim[axis];
    }
    return y;
}

/* ---- rows -------------------------------------------------------------------- */

typedef struct {
    tg_node node;
    const int32_t *rows;
    int64_t n;
} gather_node;

static void gather_backward(tg_tape *tape, tg_node *base) {
    gather_node *node = (gather_node *)base;
    tg_tensor *x = base->in[0];
    float *dx = tg_tape_grad_zeroed(tape, x);
    if (!dx)
        return;
    const tg_kernels *kernels = tg_tape_kernels(tape);
    int64_t inner = tg_inner(x, 0);
    for (int64_t i = 0; i < node->n; i++) { /* in order: a row may be picked more than once */
        float *row = dx + node->rows[i] * inner;
        kernels->add(row, base->out->grad + i * inner, row, inner);
    }
}

tg_tensor *tg_gather_rows(tg_tape *tape, tg_tensor *x, const int32_t *rows, int64_t n) {
    bool fits = true;
    for (int64_t i = 0; i < n; i++)
        fits = fits && rows[i] >= 0 && rows[i] < x->dim[0];
    if (!tg_tape_expect(tape, fits, "gather rows", "row numbers inside the tensor", x, NULL))
        return tg_tape_poison(tape);
    int64_t dim[TG_MAX_DIMS], inner = tg_inner(x, 0);
    memcpy(dim, x->dim, sizeof dim);
    dim[0] = n;
    tg_tensor *y = tg_tape_new(tape, x->ndim, dim);
    if (!y)
        return tg_tape_poison(tape);
    for (int64_t i = 0; i < n; i++)
        memcpy(y->data + i * inner, x->data + rows[i] * inner, (size_t)inner * sizeof(float));
    gather_node *node = tg_tape_record(tape, sizeof *node, gather_backward, y, 1, &x);
    if (node) {
        int32_t *copy = tg_tape_alloc(tape, n, sizeof *copy);
        if (copy)
            memcpy(copy, rows, (size_t)n * sizeof *copy);
        node->rows = copy;
        node->n = copy ? n : 0;
    }
    return y;
}

tg_tensor *tg_embedding(tg_tape *tape, tg_tensor *table, const int32_t *index, int64_t n) {
    if (!tg_tape_expect(tape, table->ndim == 2, "embedding", "a table [N,C]", table, NULL))
        return tg_tape_poison(tape);
    return tg_gather_rows(tape, table, index, n);
}
