/* Sparse matrices with rows of few weights: skin weights and subdivision stencils. */
#ifndef TG_STUDIO_SPARSE_H
#define TG_STUDIO_SPARSE_H

#include "talkgen/core.h"

#include <string.h>

/* Four floats in one register; GCC and Clang lower it on every machine. */
typedef float tg_v4 __attribute__((vector_size(16)));

static inline tg_v4 tg_v4_splat(float x) {
    return (tg_v4){x, x, x, x};
}

static inline tg_v4 tg_v4_load3(const float *p) {
    return (tg_v4){p[0], p[1], p[2], 0.0f};
}

static inline void tg_v4_store3(float *p, tg_v4 v) {
    memcpy(p, &v, 3 * sizeof *p);
}

/* Compressed rows. */
typedef struct {
    int rows;
    int32_t *start;  /* [rows + 1] */
    int32_t *column; /* [start[rows]] */
    float *weight;   /* [start[rows]] */
} tg_sparse;

/* start is all zero. */
tg_status tg_sparse_create(tg_context *ctx, int rows, int entries, tg_sparse *out);
void tg_sparse_free(tg_sparse *m);
/* out[i] = sum_j weight[i][j] * in[column[i][j]] for begin <= i < end. */
void tg_sparse_apply(const tg_sparse *m, const tg_v4 *in, tg_v4 *out, int64_t begin, int64_t end);
/* The same for rows of `width` floats. */
void tg_sparse_apply_rows(const tg_sparse *m, const float *in, float *out, int width);

#endif
