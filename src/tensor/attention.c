/* Multi-head attention without a T x T matrix.
 *
 * Query rows are taken in blocks; the scores of a block fit the second level cache and are thrown
 * away. The backward pass computes them again from q, k and the logarithm of each row's softmax
 * denominator, as in FlashAttention (Dao et al. 2022), which is cheaper than keeping them. */
#include "tensor/gemm.h"
#include "tensor/tape.h"

#include <math.h>
#include <string.h>

enum {
    SCORES = 1 << 16, /* of a block: 256 KB */
    LEAST_ROWS = 24,  /* a multiple of every tile's height, as is the number of rows of a block */
};

typedef struct {
    const tg_kernels *kernels;
    const tg_gemm_kernels *gemm;
    const float *q, *k, *v, *y, *dy;
    float *out, *dq, *dk, *dv;
    float *log_sum; /* [B,H,Tq]; NULL when not recorded */
    int64_t batch, heads, depth, tq, tk;
    int64_t rows; /* of a block: many, since a block packs all keys and values, but few enough for
                     its scores to stay in the second level cache */
    float scale;
    float *scratch; /* per worker */
    int64_t scratch_size;
} job;

typedef struct {
    tg_node node;
    int heads;
    float scale;
    float *log_sum;
} attention_node;

static int64_t blocks_of(const job *j) {
    return (j->tq + j->rows - 1) / j->rows;
}

/* Blocks of about equal height. */
static int64_t rows_of(int64_t tq, int64_t tk) {
    int64_t most = SCORES / tk < LEAST_ROWS ? LEAST_ROWS : SCORES / tk;
    int64_t blocks = (tq + most - 1) / most, rows = (tq + blocks - 1) / blocks;
    return (rows + LEAST_ROWS / 2 - 1) / (LEAST_ROWS / 2) * (LEAST_ROWS / 2);
}

/* Items are (batch item, head, block of queries). */
static void forward_range(void *arg, int64_t begin, int64_t end, int worker) {
    const job *j = arg;
    int64_t width = j->heads * j->depth, blocks = blocks_of(j);
    float *scores = j->scratch + worker * j->scratch_size;
    for (int64_t item = begin; item < end; item++) {
        int64_t b = item / blocks / j->heads, h = item / blocks % j->heads;
        int64_t r0 = item % blocks * j->rows, rows = j->tq - r0 < j->rows ? j->tq - r0 : j->rows;
        int64_t query = (b * j->tq + r0) * width + h * j->depth;
        int64_t key = b * j->tk * width + h * j->depth;
        tg_gemm_block(j->gemm, false, true, rows, j->tk, j->depth, j->q + query, width, j->k + key,
                      width, false, scores, j->tk);
        for (int64_t r = 0; r < rows; r++) {
            float *row = scores + r * j->tk, most = j->kernels->max(row, j->tk) * j->scale;
            double total = j->kernels->exp_sum(row, j->scale, most, row, j->tk);
            j->kernels->affine(row, (float)(1 / total), 0, row, j->tk, false);
            if (j->log_sum)
                j->log_sum[(b * j->heads + h) * j->tq + r0 + r] = most + (float)log(total);
        }
        tg_gemm_block(j->gemm, false, false, rows, j->depth, j->tk, scores, j->tk, j->v + key,
                      width, false, j->out + query, width);
    }
}

/* Items are (batch item, head): the gradients of keys and values sum over all queries. With
 * P = softmax(S), D = dy v': dS = P (D - row sum of P D) and that row sum is dy . y. */
static void backward_range(void *arg, int64_t begin, int64_t end, int worker) {
    const job *j = arg;
    int64_t width = j->heads * j->depth;
    float *p = j->scratch + worker * j->scratch_size, *ds = p + j->rows * j->tk;
    for (int64_t item = begin; item < end; item++) {
        int64_t b = item / j->heads, h = item % j->heads;
        int64_t key = b * j->tk * width + h * j->depth;
        for (int64_t r0 = 0; r0 < j->tq; r0 += j->rows) {
            int64_t rows = j->tq - r0 < j->rows ? j->tq - r0 : j->rows;
            int64_t query = (b * j->tq + r0) * width + h * j->depth;
            const float *log_sum = j->log_sum + item * j->tq + r0;
            tg_gemm_block(j->gemm, false, true, rows, j->tk, j->depth, j->q + query, width,
                          j->k + key, width, false, p, j->tk);
            tg_gemm_block(j->gemm, false, true, rows, j->tk, j->depth, j->dy + query, width,
                          j->v + key, width, false, ds, j->tk);
            for (int64_t r = 0; r < rows; r++) {
                float *row = p + r * j->tk, *d = ds + r * j->tk;
                int64_t at = query + r * width;
                j->kernels->exp_sum(row, j->scale, log_sum[r], row, j->tk);
                float mean = (float)j->kernels->dot(j->dy + at, j->y + at, j->depth);
                j->kernels->softmax_grad(row, d, mean, j->scale, d, j->tk, false);
            }
            if (j->dv)
                tg_gemm_block(j->gemm, true, false, j->tk, j->depth, rows, p, j->tk, j->dy + query,
                              width, true, j->dv + key, width);
            if (j->dk)
                tg_gemm_block(j->gemm, true, false, j->tk, j->depth, rows, ds, j->tk, j->q + query,
                              width, true, j->dk + key, width);
            if (j->dq)
                tg_gemm_block(j->gemm, false, false, rows, j->depth, j->tk, ds, j->tk, j->k + key,
                              width, true, j->dq + query, width);
        }
    }
}

static bool alloc_scratch(tg_tape *tape, job *j, int matrices) {
    j->scratch_size = matrices * j->rows * j->tk;
    j->scratch = tg_tape_alloc(tape, j->scratch_size * tg_pool_threads(tg_tape_pool(tape)),
                               sizeof *j->scratch);
    return j->scratch != NULL;
}

static void attention_backward(tg_tape *tape, tg_node *base) {
    attention_node *node = (attention_node *)base;
    tg_tensor *q = base->in[0], *k = base->in[1], *v = base->in[2];
    job j = {.kernels = tg_tape_kernels(tape),
             .gemm = tg_tape_gemm(tape),
             .q = q->data,
             .k = k->data,
             .v = v->data,
             .y = base->out->data,
             .dy = base->out->grad,
             .log_sum = node->log_sum,
             .batch = q->dim[0],
             .heads = node->heads,
             .depth = q->dim[2] / node->heads,
             .tq = q->dim[1],
             .tk = k->dim[1],
             .rows = rows_of(q->dim[1], k->dim[1]),
             .scale = node->scale};
    /* q, k and v may be one tensor, so all three are added to. */
    j.dq = tg_tape_grad_zeroed(tape, q);
    j.dk = tg_tape_grad_zeroed(tape, k);
    j.dv = tg_tape_grad_zeroed(tape, v);
    tg_mark mark = tg_arena_mark(tg_tape_arena(tape));
    if (!alloc_scratch(tape, &j, 2))
        return;
    tg_pool_run(tg_tape_pool(tape), j.batch * j.heads, 1, backward_range, &j);
    tg_arena_release(tg_tape_arena(tape), mark);
}

tg_tensor *tg_attention(tg_tape *tape, tg_tensor *q, tg_tensor *k, tg_tensor *v, int heads,
                        float scale) {
    if (!tg_tape_expect(tape,
                        q->ndim == 3 && k->ndim == 3 && tg_same_shape(k, v) &&
                            q->dim[0] == k->dim[0] && q->dim[2] == k->dim[2] && heads >= 1 &&
                            q->dim[2] % heads == 0 && k->dim[1] >= 1 && scale > 0,
                        "attention", "q [B,Tq,HD], k and v [B,Tk,HD], a positive scale", q, k))
        return tg_tape_poison(tape);
    tg_tensor *y = tg_tape_like(tape, q), *in[3] = {q, k, v};
    if (!y)
        return tg_tape_poison(tape);
    job j = {.kernels = tg_tape_kernels(tape),
             .gemm = tg_tape_gemm(tape),
             .q = q->data,
             .k = k->data,
             .v = v->data,
             .out = y->data,
             .batch = q->dim[0],
             .heads = heads,
             .depth = q->dim[2] / heads,
             .tq = q->dim[1],
             .tk = k->dim[1],
             .rows = rows_of(q->dim[1], k->dim[1]),
             .scale = scale};
    if (tg_tape_records(tape, 3, in) &&
        !(j.log_sum = tg_tape_alloc(tape, j.batch * heads * j.tq, sizeof *j.log_sum)))
        return tg_tape_poison(tape);
    tg_mark mark = tg_arena_mark(tg_tape_arena(tape));
    if (!alloc_scratch(tape, &j, 1))
        return tg_tape_poison(tape);
    tg_pool_run(tg_tape_pool(tape), j.batch * heads * blocks_of(&j), 1, forward_range, &j);
    tg_arena_release(tg_tape_arena(tape), mark);
    attention_node *node = tg_tape_record(tape, sizeof *node, attention_backward, y, 3, in);
    if (node) {
        node->heads = heads;
        node->scale = scale;
        node->log_sum = j.log_sum;
    }
    return y;
}
