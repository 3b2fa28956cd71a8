/* Linear layers and batched matrix products. */
#include "tensor/gemm.h"
#include "tensor/tape.h"

#include <string.h>

static void linear_backward(tg_tape *tape, tg_node *node) {
    tg_tensor *x = node->in[0], *w = node->in[1], *b = node->in[2];
    const float *dy = node->out->grad;
    int64_t in = w->dim[1], out = w->dim[0], rows = tg_numel(node->out) / (out ? out : 1);
    tg_context *ctx = tg_tape_context(tape);
    bool add;
    float *dx = tg_tape_grad(tape, x, &add);
    if (dx)
        tg_sgemm(ctx, false, false, rows, in, out, 1, dy, out, w->data, in, add ? 1.0f : 0.0f, dx,
                 in);
    float *dw = tg_tape_grad(tape, w, &add);
    if (dw)
        tg_sgemm(ctx, true, false, out, in, rows, 1, dy, out, x->data, in, add ? 1.0f : 0.0f, dw,
                 in);
    float *db = b ? tg_tape_grad_zeroed(tape, b) : NULL;
    if (db)
        tg_sum_columns(tape, dy, rows, out, db);
}

tg_tensor *tg_linear(tg_tape *tape, tg_tensor *x, tg_tensor *w, tg_tensor *b) {
    if (!tg_tape_expect(tape,
                        w->ndim == 2 && x->dim[x->ndim - 1] == w->dim[1] &&
                            (!b || tg_numel(b) == w->dim[0]),
                        "linear", "x [..,I], w [O,I], b [O]", x, w))
        return tg_tape_poison(tape);
    int64_t dim[TG_MAX_DIMS], in = w->dim[1], out = w->dim[0];
    memcpy(dim, x->dim, sizeof dim);
    dim[x->ndim - 1] = out;
    tg_tensor *y = tg_tape_new(tape, x->ndim, dim);
    if (!y)
        return tg_tape_poison(tape);
    tg_tensor *const inputs[] = {x, w, b};
    tg_gemm_bias(tg_tape_layer_gemm(tape, 3, inputs), tg_tape_pool(tape), false, true,
                 tg_outer(x, x->ndim - 1), out, in, x->data, in, w->data, in, NULL,
                 b ? b->data : NULL, y->data, out);
    tg_tape_record(tape, sizeof(tg_node), linear_backward, y, 3, inputs);
    return y;
}

/* ---- batched product ----------------------------------------------------------- */

typedef struct {
    const tg_gemm_kernels *gemm;
    bool trans_a, trans_b, add;
    int64_t m, n, k, lda, ldb;
    const float *a, *b;
    float *c;
} batch_job;

static void batch_range(void *arg, int64_t begin, int64_t end, int worker) {
    (void)worker;
    const batch_job *j = arg;
    for (int64_t i = begin; i < end; i++)
        tg_gemm_block(j->gemm, j->trans_a, j->trans_b, j->m, j->n, j->k, j->a + i * j->m * j->k,
                      j->lda, j->b + i * j->k * j->n, j->ldb, j->add, j->c + i * j->m * j->n, j->n);
}

/* c[i] = op(a[i]) op(b[i]) (+ c[i]): many small products go to the pool one by one, a single one
 * in blocks. */
static void batch_product(tg_tape *tape, int64_t count, bool trans_a, bool trans_b, int64_t m,
                          int64_t n, int64_t k, const float *a, const float *b, bool add,
                          float *c) {
    int64_t lda = trans_a ? m : k, ldb = trans_b ? k : n;
    if (count == 1) {
        tg_sgemm(tg_tape_context(tape), trans_a, trans_b, m, n, k, 1, a, lda, b, ldb,
                 add ? 1.0f : 0.0f, c, n);
        return;
    }
    batch_job job = {tg_tape_gemm(tape), trans_a, trans_b, add, m, n, k, lda, ldb, a, b, c};
    int64_t work = m * n * k, grain = work > 0 && work < 1000000 ? 1000000 / work : 1;
    tg_pool_run(tg_tape_pool(tape), count, grain, batch_range, &job);
}

typedef struct {
    tg_node node;
    bool transpose_b;
    int64_t count, m, n, k;
} matmul_node;

/* C = A B: dA = dC B', dB = A' dC. With C = A B': dA = dC B, dB = dC' A. */
static void matmul_backward(tg_tape *tape, tg_node *base) {
    matmul_node *p = (matmul_node *)base;
    tg_tensor *a = base->in[0], *b = base->in[1];
    const float *dc = base->out->grad;
    bool add;
    float *da = tg_tape_grad(tape, a, &add);
    if (da)
        batch_product(tape, p->count, false, !p->transpose_b, p->m, p->k, p->n, dc, b->data, add,
                      da);
    float *db = tg_tape_grad(tape, b, &add);
    if (db && p->transpose_b)
        batch_product(tape, p->count, true, false, p->n, p->k, p->m, dc, a->data, add, db);
    else if (db)
        batch_product(tape, p->count, true, false, p->k, p->n, p->m, a->data, dc, add, db);
}

tg_tensor *tg_matmul(tg_tape *tape, tg_tensor *a, tg_tensor *b, bool transpose_b) {
    int nd = a->ndim;
    bool fits = nd >= 2 && b->ndim == nd && a->dim[nd - 1] == b->dim[transpose_b ? nd - 1 : nd - 2];
    for (int i = 0; fits && i < nd - 2; i++)
        fits = a->dim[i] == b->dim[i];
    if (!tg_tape_expect(tape, fits, "matmul",
                        transpose_b ? "a [..,M,K] and b [..,N,K]" : "a [..,M,K] and b [..,K,N]", a,
                        b))
        return tg_tape_poison(tape);
    int64_t dim[TG_MAX_DIMS];
    memcpy(dim, a->dim, sizeof dim);
    dim[nd - 1] = b->dim[transpose_b ? nd - 2 : nd - 1];
    tg_tensor *y = tg_tape_new(tape, nd, dim);
    if (!y)
        return tg_tape_poison(tape);
    int64_t count = tg_outer(a, nd - 2), m = dim[nd - 2], n = dim[nd - 1], k = a->dim[nd - 1];
    batch_product(tape, count, false, transpose_b, m, n, k, a->data, b->data, false, y->data);
    matmul_node *node =
        tg_tape_record(tape, sizeof *node, matmul_backward, y, 2, (tg_tensor *[]){a, b});
    if (node) {
        node->transpose_b = transpose_b;
        node->count = count;
        node->m = m;
        node->n = n;
        node->k = k;
    }
    return y;
}
