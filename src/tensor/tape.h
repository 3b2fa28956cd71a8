/* Inside of the tape, for the files that implement operations.
 *
 * The life of an operation:
 *
 *     if (!tg_tape_expect(tape, shapes fit, "name", "what was expected", a, b))
 *         return tg_tape_poison(tape);
 *     tg_tensor *y = tg_tape_new(tape, ndim, dim);        // values not initialised
 *     if (!y) return tg_tape_poison(tape);
 *     ... compute y->data ...
 *     my_node *node = tg_tape_record(tape, sizeof *node, backward, y, 2, (tg_tensor *[]){a, b});
 *     if (node) ... keep what the backward pass needs ...
 *
 * and its backward function adds to the gradients of node->in[i] through tg_tape_grad.
 */
#ifndef TALKGEN_TENSOR_TAPE_H
#define TALKGEN_TENSOR_TAPE_H

#include "talkgen/tensor.h"
#include "tensor/gemm_kernels.h"
#include "tensor/kernels.h"

enum { TG_MAX_INPUTS = 4 };

typedef struct tg_node tg_node;
typedef void tg_backward_fn(tg_tape *tape, tg_node *node);
struct tg_node {
    tg_node *previous;
    tg_backward_fn *backward;
    tg_tensor *out;
    tg_tensor *in[TG_MAX_INPUTS]; /* NULL where there is none */
};

/* False when the tape is poisoned already or becomes so because `fits` is false. a and b (either
 * may be NULL) are shown in the message. */
bool tg_tape_expect(tg_tape *tape, bool fits, const char *op, const char *expected,
                    const tg_tensor *a, const tg_tensor *b);
tg_tensor *tg_tape_poison(tg_tape *tape);
void tg_tape_fail_memory(tg_tape *tape, const char *what);

/* New tensor, values not initialised; NULL (tape poisoned) when out of memory. */
tg_tensor *tg_tape_new(tg_tape *tape, int ndim, const int64_t *dim);
tg_tensor *tg_tape_like(tg_tape *tape, const tg_tensor *x);
/* Tensor over existing memory. */
tg_tensor *tg_tape_view(tg_tape *tape, int ndim, const int64_t *dim, float *data);
/* count elements of size bytes from the arena, not initialised; NULL (poisoned) when out of
 * memory. */
void *tg_tape_alloc(tg_tape *tape, int64_t count, size_t size);
/* True when a node over these inputs would be recorded: what is only needed by the backward pass
 * is kept then. */
bool tg_tape_records(const tg_tape *tape, int n, tg_tensor *const *in);
/* Node of `bytes` (starting with a tg_node), or NULL when nothing is to be recorded. */
void *tg_tape_record(tg_tape *tape, size_t bytes, tg_backward_fn *backward, tg_tensor *out, int n,
                     tg_tensor *const *in);

/* Gradient buffer of x, NULL when x needs none (or memory ran out). *add false: the buffer is not
 * initialised yet and must be written completely; true: add to what is there. */
float *tg_tape_grad(tg_tape *tape, tg_tensor *x, bool *add);
/* The same, but zeroed when new, for operations that write only parts. */
float *tg_tape_grad_zeroed(tg_tape *tape, tg_tensor *x);

tg_pool *tg_tape_pool(const tg_tape *tape);
const tg_kernels *tg_tape_kernels(const tg_tape *tape);
const tg_gemm_kernels *tg_tape_gemm(const tg_tape *tape);
/* Kernels of a layer's product whose operands are in[n]: those that round their factors when the
 * context's precision allows it and nothing is recorded. */
const tg_gemm_kernels *tg_tape_layer_gemm(const tg_tape *tape, int n, tg_tensor *const *in);

/* Products of the dimensions before and after `axis`. */
int64_t tg_outer(const tg_tensor *x, int axis);
int64_t tg_inner(const tg_tensor *x, int axis);
bool tg_same_shape(const tg_tensor *a, const tg_tensor *b);
/* Items of `per_item` elements that make a block worth sending to another thread. A function of
 * the shape alone. */
int64_t tg_grain(int64_t per_item);

/* ---- pieces that several operations share (parts.c) ---------------------------- */

/* out[c] += sum over rows of x [rows, cols], in fixed order. */
void tg_sum_columns(tg_tape *tape, const float *x, int64_t rows, int64_t cols, float *out);
/* out[c] += sum over b, t of x [B,C,T]. */
void tg_sum_channels(tg_tape *tape, const float *x, int64_t batch, int64_t channels, int64_t time,
                     float *out);
/* y = softmax(scale x), scale > 0; y may be x. */
void tg_softmax_row(const tg_kernels *kernels, const float *x, float scale, float *y, int64_t n);

#endif
