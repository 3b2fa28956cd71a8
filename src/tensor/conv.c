/* One-dimensional convolutions as matrix products over unfolded signals.
 *
 * A signal x [C,T] is unfolded for output times [t0, t1) into columns [C K, t1 - t0] with
 * column[c K + k, t] = x[c, t stride + k - pad] (0 outside), so that y = W column. Work is cut into
 * (batch item, group, block of times); the blocks depend on the shape alone. */
#include "tensor/gemm.h"
#include "tensor/tape.h"

#include <string.h>

typedef struct {
    int64_t batch, groups, in, out, k; /* in, out: channels of one group */
    int64_t t_in, t_out;
    int64_t stride, pad;
    int64_t block, blocks; /* output times per block, blocks per signal */
} shape;

/* Blocks such that the columns stay within the second level cache. */
static int64_t block_of(int64_t rows, int64_t t_out) {
    enum { ELEMENTS = 96 * 1024, LEAST = 96, MOST = 2048 };
    int64_t block = rows > 0 ? ELEMENTS / rows : MOST;
    block = block < LEAST ? LEAST : block > MOST ? MOST : block;
    int64_t blocks = (t_out + block - 1) / block;
    if (blocks < 1)
        blocks = 1;
    block = (t_out + blocks - 1) / blocks; /* equal ones */
    block = (block + 15) / 16 * 16;
    return block > 0 ? block : 1;
}

static void finish_shape(shape *s) {
    s->block = block_of(s->in * s->k, s->t_out);
    s->blocks = (s->t_out + s->block - 1) / s->block;
}

/* A 1-tap convolution needs no unfolding: the signal is its own column matrix. */
static bool plain(const shape *s) {
    return s->k == 1 && s->stride == 1 && s->pad == 0;
}

/* Output times t with 0 <= t stride + offset < length, as [*from, *to) inside [t0, t1). */
static void inside(int64_t t0, int64_t t1, int64_t stride, int64_t offset, int64_t length,
                   int64_t *from, int64_t *to) {
    int64_t a = offset >= 0 ? 0 : (-offset + stride - 1) / stride;
    int64_t b = offset >= length ? 0 : (length - 1 - offset) / stride + 1;
    *from = a < t0 ? t0 : a > t1 ? t1 : a;
    *to = b > t1 ? t1 : b < *from ? *from : b;
}

static void unfold(const shape *s, const float *x, int64_t t0, int64_t t1, float *column) {
    int64_t width = t1 - t0;
    for (int64_t c = 0; c < s->in; c++)
        for (int64_t k = 0; k < s->k; k++, column += width) {
            const float *source = x + c * s->t_in;
            int64_t offset = k - s->pad, from, to;
            inside(t0, t1, s->stride, offset, s->t_in, &from, &to);
            memset(column, 0, (size_t)(from - t0) * sizeof *column);
            if (s->stride == 1)
                memcpy(column + (from - t0), source + from + offset,
                       (size_t)(to - from) * sizeof *column);
            else
                for (int64_t t = from; t < to; t++)
                    column[t - t0] = source[t * s->stride + offset];
            memset(column + (to - t0), 0, (size_t)(t1 - to) * sizeof *column);
        }
}

/* x[c, t stride + k - pad] += column[c K + k, t] */
static void fold_add(const shape *s, const float *column, int64_t t0, int64_t t1, float *x) {
    int64_t width = t1 - t0;
    for (int64_t c = 0; c < s->in; c++)
        for (int64_t k = 0; k < s->k; k++, column += width) {
            float *target = x + c * s->t_in;
            int64_t offset = k - s->pad, from, to;
            inside(t0, t1, s->stride, offset, s->t_in, &from, &to);
            for (int64_t t = from; t < to; t++)
                target[t * s->stride + offset] += column[t - t0];
        }
}

typedef struct {
    const shape *s;
    const tg_gemm_kernels *gemm;
    const float *x, *w, *bias, *dy;
    float *y, *dx, *dw;
    float *scratch; /* scratch_size elements per worker */
    int64_t scratch_size;
    int64_t tasks, per_task; /* weight gradient: partial sums and (batch, block) pairs in each */
    bool add;
} job;

/* ---- forward ------------------------------------------------------------------- */

static void forward_range(void *arg, int64_t begin, int64_t end, int worker) {
    const job *j = arg;
    const shape *s = j->s;
    float *column = j->scratch + worker * j->scratch_size;
    for (int64_t item = begin; item < end; item++) {
        int64_t signal = item / s->blocks, t0 = item % s->blocks * s->block; /* signal: (b, g) */
        int64_t t1 = t0 + s->block < s->t_out ? t0 + s->block : s->t_out,
                group = signal % s->groups;
        const float *x = j->x + signal * s->in * s->t_in;
        float *y = j->y + signal * s->out * s->t_out + t0;
        const float *w = j->w + group * s->out * s->in * s->k;
        if (j->bias)
            for (int64_t o = 0; o < s->out; o++) {
                float value = j->bias[group * s->out + o];
                for (int64_t t = 0; t < t1 - t0; t++)
                    y[o * s->t_out + t] = value;
            }
        bool add = j->bias || j->add;
        if (plain(s)) {
            tg_gemm_block(j->gemm, false, false, s->out, t1 - t0, s->in, w, s->in, x + t0, s->t_in,
                          add, y, s->t_out);
        } else {
            unfold(s, x, t0, t1, column);
            tg_gemm_block(j->gemm, false, false, s->out, t1 - t0, s->in * s->k, w, s->in * s->k,
                          column, t1 - t0, add, y, s->t_out);
        }
    }
}

/* y (+)= conv(x, w) + bias */
static bool forward(tg_tape *tape, const shape *s, const float *x, const float *w,
                    const float *bias, bool add, float *y) {
    tg_pool *pool = tg_tape_pool(tape);
    tg_mark mark = tg_arena_mark(tg_tape_arena(tape));
    job j = {.s = s, .gemm = tg_tape_gemm(tape), .x = x, .w = w, .bias = bias, .y = y, .add = add};
    j.scratch_size = plain(s) ? 0 : s->in * s->k * s->block;
    j.scratch = tg_tape_alloc(tape, j.scratch_size * tg_pool_threads(pool), sizeof(float));
    if (!j.scratch)
        return false;
    tg_pool_run(pool, s->batch * s->groups * s->blocks, 1, forward_range, &j);
    tg_arena_release(tg_tape_arena(tape), mark);
    return true;
}

/* ---- gradient of the input ------------------------------------------------------ */

/* Stride 1: the gradient is itself a convolution of dy, with the taps reversed, input and output
 * channels exchanged and the padding K - 1 - pad. */
static void flip_weights(const shape *s, const float *w, float *flipped) {
    for (int64_t g = 0; g < s->groups; g++)
        for (int64_t i = 0; i < s->in; i++)
            for (int64_t o = 0; o < s->out; o++)
                for (int64_t k = 0; k < s->k; k++)
                    flipped[((g * s->in + i) * s->out + o) * s->k + k] =
                        w[((g * s->out + o) * s->in + i) * s->k + s->k - 1 - k];
}

/* Other strides: columns of the gradient are folded back; blocks of one signal overlap, so one
 * item is a whole signal. */
static void fold_range(void *arg, int64_t begin, int64_t end, int worker) {
    const job *j = arg;
    const shape *s = j->s;
    float *column = j->scratch + worker * j->scratch_size;
    for (int64_t signal = begin; signal < end; signal++) {
        const float *w = j->w + signal % s->groups * s->out * s->in * s->k;
        for (int64_t t0 = 0; t0 < s->t_out; t0 += s->block) {
            int64_t t1 = t0 + s->block < s->t_out ? t0 + s->block : s->t_out;
            tg_gemm_block(j->gemm, true, false, s->in * s->k, t1 - t0, s->out, w, s->in * s->k,
                          j->dy + signal * s->out * s->t_out + t0, s->t_out, false, column,
                          t1 - t0);
            fold_add(s, column, t0, t1, j->dx + signal * s->in * s->t_in);
        }
    }
}

static void input_gradient(tg_tape *tape, const shape *s, const float *w, const float *dy,
                           tg_tensor *x) {
    bool add;
    float *dx = tg_tape_grad(tape, x, &add);
    if (!dx)
        return;
    tg_mark mark = tg_arena_mark(tg_tape_arena(tape));
    if (s->stride == 1) {
        shape back = {.batch = s->batch,
                      .groups = s->groups,
                      .in = s->out,
                      .out = s->in,
                      .k = s->k,
                      .t_in = s->t_out,
                      .t_out = s->t_in,
                      .stride = 1,
                      .pad = s->k - 1 - s->pad};
        finish_shape(&back);
        float *flipped = tg_tape_alloc(tape, s->groups * s->out * s->in * s->k, sizeof *flipped);
        if (flipped) {
            flip_weights(s, w, flipped);
            forward(tape, &back, dy, flipped, NULL, add, dx);
        }
    } else {
        if (!add)
            memset(dx, 0, (size_t)tg_numel(x) * sizeof *dx);
        tg_pool *pool = tg_tape_pool(tape);
        job j = {.s = s,
                 .gemm = tg_tape_gemm(tape),
                 .w = w,
                 .dy = dy,
                 .dx = dx,
                 .scratch_size = s->in * s->k * s->block};
        j.scratch = tg_tape_alloc(tape, j.scratch_size * tg_pool_threads(pool), sizeof(float));
        if (j.scratch)
            tg_pool_run(pool, s->batch * s->groups, 1, fold_range, &j);
    }
    tg_arena_release(tg_tape_arena(tape), mark);
}

/* ---- gradient of the weights ---------------------------------------------------- */

/* One item is (group, task): a task sums a fixed run of (batch, block) pairs into its own partial
 * gradient, so neither the order of additions nor their grouping depends on the threads. */
static void weight_range(void *arg, int64_t begin, int64_t end, int worker) {
    const job *j = arg;
    const shape *s = j->s;
    float *column = j->scratch + worker * j->scratch_size;
    int64_t rows = s->in * s->k, size = s->out * rows;
    for (int64_t item = begin; item < end; item++) {
        int64_t task = item / s->groups, group = item % s->groups;
        int64_t first = task * j->per_task, last = first + j->per_task;
        if (last > s->batch * s->blocks)
            last = s->batch * s->blocks;
        float *dw = j->dw + (task * s->groups + group) * size;
        for (int64_t pair = first; pair < last; pair++) {
            int64_t signal = pair / s->blocks * s->groups + group;
            int64_t t0 = pair % s->blocks * s->block;
            int64_t t1 = t0 + s->block < s->t_out ? t0 + s->block : s->t_out;
            const float *dy = j->dy + signal * s->out * s->t_out + t0;
            const float *x = j->x + signal * s->in * s->t_in;
            if (plain(s)) {
                tg_gemm_block(j->gemm, false, true, s->out, rows, t1 - t0, dy, s->t_out, x + t0,
                              s->t_in, pair > first, dw, rows);
            } else {
                unfold(s, x, t0, t1, column);
                tg_gemm_block(j->gemm, false, true, s->out, rows, t1 - t0, dy, s->t_out, column,
                              t1 - t0, pair > first, dw, rows);
            }
        }
    }
}

static void weight_gradient(tg_tape *tape, const shape *s, const float *x, const float *dy,
                            tg_tensor *w) {
    enum { MOST_TASKS = 8 };
    float *dw = tg_tape_grad_zeroed(tape, w);
    int64_t pairs = s->batch * s->blocks;
    if (!dw || pairs == 0)
        return;
    tg_pool *pool = tg_tape_pool(tape);
    tg_arena *arena = tg_tape_arena(tape);
    tg_mark mark = tg_arena_mark(arena);
    job j = {.s = s,
             .gemm = tg_tape_gemm(tape),
             .x = x,
             .dy = dy,
             .scratch_size = plain(s) ? 0 : s->in * s->k * s->block};
    j.per_task = (pairs + MOST_TASKS - 1) / MOST_TASKS;
    j.tasks = (pairs + j.per_task - 1) / j.per_task;
    int64_t size = tg_numel(w);
    j.scratch = tg_tape_alloc(tape, j.scratch_size * tg_pool_threads(pool), sizeof(float));
    j.dw = tg_tape_alloc(tape, j.tasks * size, sizeof(float));
    if (j.scratch && j.dw) {
        tg_pool_run(pool, j.tasks * s->groups, 1, weight_range, &j);
        for (int64_t task = 0; task < j.tasks; task++)
            tg_tape_kernels(tape)->add(dw, j.dw + task * size, dw, size);
    }
    tg_arena_release(arena, mark);
}

/* ---- conv1d --------------------------------------------------------------------- */

typedef struct {
    tg_node node;
    shape s;
} conv_node;

static void conv_backward(tg_tape *tape, tg_node *base) {
    const shape *s = &((conv_node *)base)->s;
    tg_tensor *x = base->in[0], *w = base->in[1], *b = base->in[2];
    const float *dy = base->out->grad;
    if (x->needs_grad)
        input_gradient(tape, s, w->data, dy, x);
    if (w->needs_grad)
        weight_gradient(tape, s, x->data, dy, w);
    float *db = b ? tg_tape_grad_zeroed(tape, b) : NULL;
    if (db)
        tg_sum_channels(tape, dy, s->batch, s->groups * s->out, s->t_out, db);
}

tg_tensor *tg_conv1d(tg_tape *tape, tg_tensor *x, tg_tensor *w, tg_tensor *b, int stride, int pad,
                     int groups) {
    if (!tg_tape_expect(tape,
                        x->ndim == 3 && w->ndim == 3 && stride >= 1 && pad >= 0 && groups >= 1 &&
                            x->dim[1] == w->dim[1] * groups && w->dim[0] % groups == 0 &&
                            x->dim[2] + 2 * pad >= w->dim[2] && (!b || tg_numel(b) == w->dim[0]),
                        "conv1d", "x [B,C,T], w [O,C/groups,K], b [O], T + 2 pad >= K", x, w))
        return tg_tape_poison(tape);
    shape s = {.batch = x->dim[0],
               .groups = groups,
               .in = w->dim[1],
               .out = w->dim[0] / groups,
               .k = w->dim[2],
               .t_in = x->dim[2],
               .t_out = (x->dim[2] + 2 * pad - w->dim[2]) / stride + 1,
               .stride = stride,
               .pad = pad};
    finish_shape(&s);
    tg_tensor *y = tg_tape_new(tape, 3, (int64_t[]){s.batch, w->dim[0], s.t_out});
    if (!y || !forward(tape, &s, x->data, w->data, b ? b->data : NULL, false, y->data))
        return tg_tape_poison(tape);
    conv_node *node =
        tg_tape_record(tape, sizeof *node, conv_backward, y, 3, (tg_tensor *[]){x, w, b});
    if (node)
        node->s = s;
    return y;
}

/* ---- on rows of channels ---------------------------------------------------------- */

tg_tensor *tg_conv1d_rows(tg_tape *tape, tg_tensor *x, tg_tensor *w, tg_tensor *b, int stride) {
    if (!tg_tape_expect(tape,
                        x->ndim == 3 && w->ndim == 3 && stride >= 1 && x->dim[2] == w->dim[1] &&
                            x->dim[1] >= w->dim[2] && (!b || tg_numel(b) == w->dim[0]) &&
                            !tg_tape_recording(tape, x) && !tg_tape_recording(tape, w),
                        "conv1d_rows", "x [B,T,C], w [O,C,K], b [O], T >= K, no gradient", x, w))
        return tg_tape_poison(tape);
    const int64_t out = w->dim[0], in = w->dim[1], taps = w->dim[2];
    const int64_t time = x->dim[1], rows = (time - taps) / stride + 1;
    tg_tensor *y = tg_tape_new(tape, 3, (int64_t[]){x->dim[0], rows, out});
    if (!y)
        return tg_tape_poison(tape);
    tg_mark mark = tg_arena_mark(tg_tape_arena(tape));
    /* [O,C,K] -> [O,K,C], the order of a window */
    float *window = tg_tape_alloc(tape, out * in * taps, sizeof *window);
    if (!window)
        return tg_tape_poison(tape);
    for (int64_t o = 0; o < out; o++)
        for (int64_t c = 0; c < in; c++)
            for (int64_t k = 0; k < taps; k++)
                window[(o * taps + k) * in + c] = w->data[(o * in + c) * taps + k];
    for (int64_t n = 0; n < x->dim[0]; n++)
        tg_gemm_bias(tg_tape_layer_gemm(tape, 0, NULL), tg_tape_pool(tape), false, true, rows, out,
                     in * taps, x->data + n * time * in, stride * in, window, in * taps, NULL,
                     b ? b->data : NULL, y->data + n * rows * out, out);
    tg_arena_release(tg_tape_arena(tape), mark);
    return y;
}

/* ---- conv_transpose1d ------------------------------------------------------------- */

/* The transposed convolution is the input gradient of a convolution that goes from its output
 * y [B,O,T'] to its input x [B,C,T] with w [C,O,K]: `s` describes that convolution. */
static void transpose_backward(tg_tape *tape, tg_node *base) {
    const shape *s = &((conv_node *)base)->s;
    tg_tensor *x = base->in[0], *w = base->in[1], *b = base->in[2];
    const float *dy = base->out->grad;
    bool add;
    float *dx = tg_tape_grad(tape, x, &add);
    if (dx)
        forward(tape, s, dy, w->data, NULL, add, dx);
    if (w->needs_grad)
        weight_gradient(tape, s, dy, x->data, w);
    float *db = b ? tg_tape_grad_zeroed(tape, b) : NULL;
    if (db)
        tg_sum_channels(tape, dy, s->batch, s->in, s->t_in, db);
}

tg_tensor *tg_conv_transpose1d(tg_tape *tape, tg_tensor *x, tg_tensor *w, tg_tensor *b,
                               int stride) {
    if (!tg_tape_expect(tape,
                        x->ndim == 3 && w->ndim == 3 && stride >= 1 && x->dim[1] == w->dim[0] &&
                            x->dim[2] >= 1 && (!b || tg_numel(b) == w->dim[1]),
                        "conv_transpose1d", "x [B,C,T], w [C,O,K], b [O]", x, w))
        return tg_tape_poison(tape);
    shape s = {.batch = x->dim[0],
               .groups = 1,
               .in = w->dim[1],
               .out = w->dim[0],
               .k = w->dim[2],
               .t_in = (x->dim[2] - 1) * stride + w->dim[2],
               .t_out = x->dim[2],
               .stride = stride,
               .pad = 0};
    finish_shape(&s);
    tg_tensor *y = tg_tape_new(tape, 3, (int64_t[]){s.batch, s.in, s.t_in});
    if (!y)
        return tg_tape_poison(tape);
    for (int64_t row = 0; row < s.batch * s.in; row++)
        for (int64_t t = 0; t < s.t_in; t++)
            y->data[row * s.t_in + t] = b ? b->data[row % s.in] : 0;
    tg_pool *pool = tg_tape_pool(tape);
    tg_mark mark = tg_arena_mark(tg_tape_arena(tape));
    job j = {.s = &s,
             .gemm = tg_tape_gemm(tape),
             .w = w->data,
             .dy = x->data,
             .dx = y->data,
             .scratch_size = s.in * s.k * s.block};
    j.scratch = tg_tape_alloc(tape, j.scratch_size * tg_pool_threads(pool), sizeof(float));
    if (!j.scratch)
        return tg_tape_poison(tape);
    tg_pool_run(pool, s.batch, 1, fold_range, &j);
    tg_arena_release(tg_tape_arena(tape), mark);
    conv_node *node =
        tg_tape_record(tape, sizeof *node, transpose_backward, y, 3, (tg_tensor *[]){x, w, b});
    if (node)
        node->s = s;
    return y;
}
