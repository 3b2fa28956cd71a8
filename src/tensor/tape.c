/* The tape: tensors in an arena, the list of operations, and the walk back through it. */
#include "tensor/tape.h"

#include <assert.h>
#include <stdio.h>
#include <string.h>

struct tg_tape {
    tg_context *ctx;
    tg_arena *arena;
    tg_node *last; /* operations in reverse order of their running */
    tg_status status;
    bool record, paused, training;
    tg_tensor poison;
    float poison_data[1];
};

enum { CHUNK_BYTES = 4 << 20 };

tg_tape *tg_tape_create(tg_context *ctx, bool record) {
    tg_tape *tape = tg_calloc(sizeof *tape);
    tg_arena *arena = tg_arena_create(CHUNK_BYTES);
    if (!tape || !arena) {
        tg_free(tape);
        tg_arena_destroy(&arena);
        return NULL;
    }
    tape->ctx = ctx;
    tape->arena = arena;
    tape->record = record;
    tape->poison.ndim = 1;
    tape->poison.dim[0] = 1;
    tape->poison.data = tape->poison_data;
    return tape;
}

void tg_tape_destroy(tg_tape **tape) {
    if (!tape || !*tape)
        return;
    tg_arena_destroy(&(*tape)->arena);
    tg_free(*tape);
    *tape = NULL;
}

void tg_tape_reset(tg_tape *tape) {
    tg_arena_reset(tape->arena);
    tape->last = NULL;
    tape->status = TG_OK;
}

tg_status tg_tape_status(const tg_tape *tape) {
    return tape->status;
}

tg_arena *tg_tape_arena(tg_tape *tape) {
    return tape->arena;
}

tg_context *tg_tape_context(tg_tape *tape) {
    return tape->ctx;
}

tg_mark tg_tape_mark(tg_tape *tape) {
    return tg_arena_mark(tape->arena);
}

void tg_tape_release(tg_tape *tape, tg_mark mark) {
    /* Recorded operations would point into what is given back. */
    assert(!tape->record || tape->paused || !tape->last);
    tg_arena_release(tape->arena, mark);
}

void tg_tape_set_training(tg_tape *tape, bool training) {
    tape->training = training;
}

bool tg_tape_training(const tg_tape *tape) {
    return tape->training;
}

void tg_tape_pause(tg_tape *tape, bool paused) {
    tape->paused = paused;
}

tg_pool *tg_tape_pool(const tg_tape *tape) {
    return tg_context_pool(tape->ctx);
}

const tg_kernels *tg_tape_kernels(const tg_tape *tape) {
    return tg_kernels_at(tg_context_cpu(tape->ctx));
}

const tg_gemm_kernels *tg_tape_gemm(const tg_tape *tape) {
    return tg_gemm_at(tg_context_cpu(tape->ctx));
}

const tg_gemm_kernels *tg_tape_layer_gemm(const tg_tape *tape, int n, tg_tensor *const *in) {
    if (tg_context_precision(tape->ctx) == TG_INT16 && !tg_tape_records(tape, n, in))
        return tg_gemm_int16_at(tg_context_cpu(tape->ctx));
    return tg_tape_gemm(tape);
}

static void shape_text(const tg_tensor *x, char *out, size_t size) {
    size_t used = (size_t)snprintf(out, size, "[");
    for (int i = 0; i < x->ndim && used < size; i++)
        used +=
            (size_t)snprintf(out + used, size - used, i ? ",%lld" : "%lld", (long long)x->dim[i]);
    if (used < size)
        snprintf(out + used, size - used, "]");
}

bool tg_tape_expect(tg_tape *tape, bool fits, const char *op, const char *expected,
                    const tg_tensor *a, const tg_tensor *b) {
    if (tape->status != TG_OK)
        return false;
    if (fits)
        return true;
    char first[96] = "", second[96] = "";
    if (a)
        shape_text(a, first, sizeof first);
    if (b)
        shape_text(b, second, sizeof second);
    tape->status = tg_fail(tape->ctx, TG_EINTERNAL,
                           "tensor operation %s: got shapes %s %s\n  expected: %s\n  try: report "
                           "this, it is a mistake in the program",
                           op, first, second, expected);
    return false;
}

tg_tensor *tg_tape_poison(tg_tape *tape) {
    /* Nobody's writes to it may reach the next user. */
    tape->poison.grad = NULL;
    tape->poison.needs_grad = false;
    tape->poison_data[0] = 0;
    return &tape->poison;
}

void tg_tape_fail_memory(tg_tape *tape, const char *what) {
    if (tape->status == TG_OK)
        tape->status = tg_fail(tape->ctx, TG_ENOMEM,
                               "out of memory: %s\n  expected: to fit in this machine's memory\n  "
                               "try: a smaller batch or shorter clips",
                               what);
}

void *tg_tape_alloc(tg_tape *tape, int64_t count, size_t size) {
    size_t bytes;
    void *block = NULL;
    /* 2^46 bytes and more are no allocation but a size gone wrong. */
    if (tape->status == TG_OK && count >= 0 && tg_mul_size((size_t)count, size, &bytes) &&
        bytes >> 46 == 0)
        block = tg_arena_alloc(tape->arena, bytes);
    if (!block) {
        char what[64];
        snprintf(what, sizeof what, "%lld elements of %zu bytes", (long long)count, size);
        tg_tape_fail_memory(tape, what);
    }
    return block;
}

tg_tensor *tg_tape_view(tg_tape *tape, int ndim, const int64_t *dim, float *data) {
    assert(ndim >= 1 && ndim <= TG_MAX_DIMS);
    tg_tensor *t = tg_tape_alloc(tape, 1, sizeof *t);
    if (!t)
        return NULL;
    *t = (tg_tensor){.ndim = ndim, .data = data};
    for (int i = 0; i < ndim; i++)
        t->dim[i] = dim[i];
    return t;
}

tg_tensor *tg_tape_new(tg_tape *tape, int ndim, const int64_t *dim) {
    size_t count = 1;
    bool ok = true;
    for (int i = 0; i < ndim; i++)
        ok = ok && dim[i] >= 0 && tg_mul_size(count, (size_t)dim[i], &count);
    if (!ok || count > INT64_MAX / sizeof(float)) {
        tg_tape_fail_memory(tape, "tensor with impossible dimensions");
        return NULL;
    }
    float *data = tg_tape_alloc(tape, (int64_t)count, sizeof *data);
    return data ? tg_tape_view(tape, ndim, dim, data) : NULL;
}

tg_tensor *tg_tape_like(tg_tape *tape, const tg_tensor *x) {
    return tg_tape_new(tape, x->ndim, x->dim);
}

bool tg_tape_records(const tg_tape *tape, int n, tg_tensor *const *in) {
    if (!tape->record || tape->paused || tape->status != TG_OK)
        return false;
    for (int i = 0; i < n; i++)
        if (in[i] && in[i]->needs_grad)
            return true;
    return false;
}

bool tg_tape_recording(const tg_tape *tape, const tg_tensor *x) {
    return tape->record && !tape->paused && x->needs_grad;
}

void *tg_tape_record(tg_tape *tape, size_t bytes, tg_backward_fn *backward, tg_tensor *out, int n,
                     tg_tensor *const *in) {
    assert(n <= TG_MAX_INPUTS && bytes >= sizeof(tg_node));
    if (!tg_tape_records(tape, n, in))
        return NULL;
    tg_node *node = tg_tape_alloc(tape, 1, bytes);
    if (!node)
        return NULL;
    memset(node, 0, bytes);
    node->previous = tape->last;
    node->backward = backward;
    node->out = out;
    for (int i = 0; i < n; i++)
        node->in[i] = in[i];
    out->needs_grad = true;
    tape->last = node;
    return node;
}

float *tg_tape_grad(tg_tape *tape, tg_tensor *x, bool *add) {
    *add = true;
    if (!x || !x->needs_grad || tape->status != TG_OK)
        return NULL;
    if (x->grad)
        return x->grad;
    size_t bytes = (size_t)tg_numel(x) * sizeof(float);
    if (x->in_set) { /* nobody called tg_params_zero_grad yet; the set frees this block */
        x->grad = tg_calloc(bytes);
    } else {
        *add = false;
        x->grad = tg_arena_alloc(tape->arena, bytes);
    }
    if (!x->grad)
        tg_tape_fail_memory(tape, "gradients");
    return x->grad;
}

float *tg_tape_grad_zeroed(tg_tape *tape, tg_tensor *x) {
    bool add;
    float *grad = tg_tape_grad(tape, x, &add);
    if (grad && !add)
        memset(grad, 0, (size_t)tg_numel(x) * sizeof *grad);
    return grad;
}

void tg_backward(tg_tape *tape, tg_tensor *loss) {
    if (!tg_tape_expect(tape, tg_numel(loss) == 1, "backward", "a loss of one element", loss, NULL))
        return;
    if (!loss->needs_grad)
        return;
    /* Gradients of an earlier walk over the same operations are over. */
    for (tg_node *node = tape->last; node; node = node->previous)
        node->out->grad = NULL;
    bool add;
    float *seed = tg_tape_grad(tape, loss, &add);
    if (!seed)
        return;
    *seed = add ? *seed + 1 : 1;
    for (tg_node *node = tape->last; node && tape->status == TG_OK; node = node->previous)
        if (node->out->grad) /* otherwise the loss does not depend on it */
            node->backward(tape, node);
}

tg_tensor *tg_input(tg_tape *tape, int ndim, const int64_t *dim, const float *data) {
    tg_tensor *t = tape->status == TG_OK ? tg_tape_new(tape, ndim, dim) : NULL;
    if (!t)
        return tg_tape_poison(tape);
    size_t bytes = (size_t)tg_numel(t) * sizeof(float);
    if (data)
        memcpy(t->data, data, bytes);
    else
        memset(t->data, 0, bytes);
    return t;
}

tg_tensor *tg_borrow(tg_tape *tape, int ndim, const int64_t *dim, const float *data) {
    /* Operations never write their inputs, so dropping const is safe. */
    tg_tensor *t =
        tape->status == TG_OK ? tg_tape_view(tape, ndim, dim, (float *)(uintptr_t)data) : NULL;
    return t ? t : tg_tape_poison(tape);
}

tg_tensor *tg_detach(tg_tape *tape, tg_tensor *x) {
    return tg_borrow(tape, x->ndim, x->dim, x->data);
}

int64_t tg_numel(const tg_tensor *t) {
    return tg_inner(t, -1);
}

int64_t tg_outer(const tg_tensor *x, int axis) {
    int64_t n = 1;
    for (int i = 0; i < axis; i++)
        n *= x->dim[i];
    return n;
}

int64_t tg_inner(const tg_tensor *x, int axis) {
    int64_t n = 1;
    for (int i = axis + 1; i < x->ndim; i++)
        n *= x->dim[i];
    return n;
}

bool tg_same_shape(const tg_tensor *a, const tg_tensor *b) {
    if (a->ndim != b->ndim)
        return false;
    for (int i = 0; i < a->ndim; i++)
        if (a->dim[i] != b->dim[i])
            return false;
    return true;
}

int64_t tg_grain(int64_t per_item) {
    enum { ELEMENTS = 1 << 15 }; /* some 10 us of work, several times the cost of a wake-up */
    return per_item >= ELEMENTS ? 1 : ELEMENTS / (per_item > 0 ? per_item : 1);
}
