/* Sums, products and masks of equal shapes. */
#include "tensor/tape.h"

#include <string.h>

typedef struct {
    const tg_kernels *kernels;
    const float *a, *b;
    float *y;
    float scale, shift;
    bool add;
    int64_t row, period; /* row length; rows per repetition of b */
} job;

static void run(tg_tape *tape, tg_range_fn *fn, job *j, int64_t n, int64_t per_item) {
    j->kernels = tg_tape_kernels(tape);
    tg_pool_run(tg_tape_pool(tape), n, tg_grain(per_item), fn, j);
}

static void add_range(void *arg, int64_t begin, int64_t end, int worker) {
    (void)worker;
    const job *j = arg;
    j->kernels->add(j->a + begin, j->b + begin, j->y + begin, end - begin);
}

static void sub_range(void *arg, int64_t begin, int64_t end, int worker) {
    (void)worker;
    const job *j = arg;
    j->kernels->sub(j->a + begin, j->b + begin, j->y + begin, end - begin);
}

static void mul_range(void *arg, int64_t begin, int64_t end, int worker) {
    (void)worker;
    const job *j = arg;
    j->kernels->mul(j->a + begin, j->b + begin, j->y + begin, end - begin, j->add);
}

static void affine_range(void *arg, int64_t begin, int64_t end, int worker) {
    (void)worker;
    const job *j = arg;
    j->kernels->affine(j->a + begin, j->scale, j->shift, j->y + begin, end - begin, j->add);
}

/* dx (+)= scale dy */
static void give(tg_tape *tape, tg_tensor *x, const float *dy, float scale) {
    bool add;
    float *dx = tg_tape_grad(tape, x, &add);
    if (dx)
        run(tape, affine_range, &(job){.a = dy, .y = dx, .scale = scale, .add = add}, tg_numel(x),
            1);
}

static void add_backward(tg_tape *tape, tg_node *node) {
    give(tape, node->in[0], node->out->grad, 1);
    give(tape, node->in[1], node->out->grad, 1);
}

static void sub_backward(tg_tape *tape, tg_node *node) {
    give(tape, node->in[0], node->out->grad, 1);
    give(tape, node->in[1], node->out->grad, -1);
}

static void mul_backward(tg_tape *tape, tg_node *node) {
    for (int i = 0; i < 2; i++) {
        bool add;
        float *dx = tg_tape_grad(tape, node->in[i], &add);
        if (dx)
            run(tape, mul_range,
                &(job){.a = node->out->grad, .b = node->in[1 - i]->data, .y = dx, .add = add},
                tg_numel(node->out), 1);
    }
}

static tg_tensor *binary(tg_tape *tape, const char *name, tg_range_fn *fn, tg_backward_fn *backward,
                         tg_tensor *a, tg_tensor *b) {
    if (!tg_tape_expect(tape, tg_same_shape(a, b), name, "equal shapes", a, b))
        return tg_tape_poison(tape);
    tg_tensor *y = tg_tape_like(tape, a);
    if (!y)
        return tg_tape_poison(tape);
    run(tape, fn, &(job){.a = a->data, .b = b->data, .y = y->data}, tg_numel(a), 1);
    tg_tape_record(tape, sizeof(tg_node), backward, y, 2, (tg_tensor *[]){a, b});
    return y;
}

tg_tensor *tg_add(tg_tape *tape, tg_tensor *a, tg_tensor *b) {
    return binary(tape, "add", add_range, add_backward, a, b);
}

tg_tensor *tg_sub(tg_tape *tape, tg_tensor *a, tg_tensor *b) {
    return binary(tape, "sub", sub_range, sub_backward, a, b);
}

tg_tensor *tg_mul(tg_tape *tape, tg_tensor *a, tg_tensor *b) {
    return binary(tape, "mul", mul_range, mul_backward, a, b);
}

/* ---- affine ------------------------------------------------------------------ */

typedef struct {
    tg_node node;
    float scale;
} affine_node;

static void affine_backward(tg_tape *tape, tg_node *node) {
    give(tape, node->in[0], node->out->grad, ((affine_node *)node)->scale);
}

tg_tensor *tg_affine(tg_tape *tape, tg_tensor *x, float scale, float shift) {
    tg_tensor *y = tg_tape_status(tape) == TG_OK ? tg_tape_like(tape, x) : NULL;
    if (!y)
        return tg_tape_poison(tape);
    run(tape, affine_range, &(job){.a = x->data, .y = y->data, .scale = scale, .shift = shift},
        tg_numel(x), 1);
    affine_node *node = tg_tape_record(tape, sizeof *node, affine_backward, y, 1, &x);
    if (node)
        node->scale = scale;
    return y;
}

/* ---- broadcasts -------------------------------------------------------------- */

/* Row r of y is row r of a times row r / period of b. */
static void mul_rows_range(void *arg, int64_t begin, int64_t end, int worker) {
    (void)worker;
    const job *j = arg;
    for (int64_t r = begin; r < end; r++)
        j->kernels->mul(j->a + r * j->row, j->b + r / j->period * j->row, j->y + r * j->row, j->row,
                        j->add);
}

typedef struct {
    tg_node node;
    const float *mask;
} mask_node;

static void mask_backward(tg_tape *tape, tg_node *node) {
    tg_tensor *x = node->in[0];
    bool add;
    float *dx = tg_tape_grad(tape, x, &add);
    if (dx)
        run(tape, mul_rows_range,
            &(job){.a = node->out->grad,
                   .b = ((mask_node *)node)->mask,
                   .y = dx,
                   .add = add,
                   .row = x->dim[2],
                   .period = x->dim[1]},
            x->dim[0] * x->dim[1], x->dim[2]);
}

tg_tensor *tg_mul_mask(tg_tape *tape, tg_tensor *x, const tg_tensor *mask) {
    if (!tg_tape_expect(tape,
                        x->ndim == 3 && mask->dim[0] == x->dim[0] &&
                            mask->dim[mask->ndim - 1] == x->dim[2] &&
                            tg_numel(mask) == x->dim[0] * x->dim[2],
                        "mul mask", "x [B,C,T] and mask [B,T]", x, mask))
        return tg_tape_poison(tape);
    tg_tensor *y = tg_tape_like(tape, x);
    if (!y)
        return tg_tape_poison(tape);
    run(tape, mul_rows_range,
        &(job){.a = x->data, .b = mask->data, .y = y->data, .row = x->dim[2], .period = x->dim[1]},
        x->dim[0] * x->dim[1], x->dim[2]);
    mask_node *node = tg_tape_record(tape, sizeof *node, mask_backward, y, 1, &x);
    if (node)
        node->mask = mask->data;
    return y;
}

static void add_row_range(void *arg, int64_t begin, int64_t end, int worker) {
    (void)worker;
    const job *j = arg;
    for (int64_t r = begin; r < end; r++)
        j->kernels->add(j->a + r * j->row, j->b, j->y + r * j->row, j->row);
}

static void add_row_backward(tg_tape *tape, tg_node *node) {
    tg_tensor *b = node->in[1];
    give(tape, node->in[0], node->out->grad, 1);
    float *db = tg_tape_grad_zeroed(tape, b);
    if (db)
        tg_sum_columns(tape, node->out->grad, tg_numel(node->out) / tg_numel(b), tg_numel(b), db);
}

tg_tensor *tg_add_row(tg_tape *tape, tg_tensor *x, tg_tensor *b) {
    int64_t row = x->dim[x->ndim - 1];
    if (!tg_tape_expect(tape, tg_numel(b) == row, "add row", "x [..,C] and b [C]", x, b))
        return tg_tape_poison(tape);
    tg_tensor *y = tg_tape_like(tape, x);
    if (!y)
        return tg_tape_poison(tape);
    run(tape, add_row_range, &(job){.a = x->data, .b = b->data, .y = y->data, .row = row},
        row ? tg_numel(x) / row : 0, row);
    tg_tape_record(tape, sizeof(tg_node), add_row_backward, y, 2, (tg_tensor *[]){x, b});
    return y;
}
