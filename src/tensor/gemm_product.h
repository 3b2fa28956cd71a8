/* A matrix product and its parts, as gemm.c and gemm_strassen.c cut it. */
#ifndef TALKGEN_TENSOR_GEMM_PRODUCT_H
#define TALKGEN_TENSOR_GEMM_PRODUCT_H

#include "tensor/gemm.h"

enum {
    TG_GEMM_ROWS = 96,     /* of A in a block; a multiple of every mr */
    TG_GEMM_COLUMNS = 256, /* of B in a block; a multiple of every nr */
};

typedef struct {
    const tg_gemm_kernels *g;
    bool trans_a, trans_b;
    bool add;    /* to what is in C */
    bool halves; /* may be made of the products of its halves */
    int64_t m, n, k;
    float alpha;
    const float *a, *b, *row_bias, *col_bias;
    int64_t lda, ldb, ldc;
    float *c;
} tg_gemm_product;

/* A range of C and of the inner dimension. */
typedef struct {
    int64_t i0, i1, j0, j1, k0, k1;
} tg_gemm_range;

static inline int64_t tg_least(int64_t a, int64_t b) {
    return a < b ? a : b;
}

static inline int64_t tg_pieces(int64_t size, int64_t piece) {
    return (size + piece - 1) / piece;
}

static inline int64_t tg_round_up(int64_t n, int64_t multiple) {
    return tg_pieces(n, multiple) * multiple;
}

/* Panels of the product's operands, `lanes` rows of op(A) or columns of op(B) from i or j on. */
static inline void tg_gemm_pack_a(const tg_gemm_product *p, int64_t i, int64_t lanes, int64_t k,
                                  int64_t kc, float *panel) {
    const float *x = p->a + (p->trans_a ? k * p->lda + i : i * p->lda + k);
    p->g->pack_a(x, p->lda, p->trans_a, lanes, kc, p->alpha, panel);
}

static inline void tg_gemm_pack_b(const tg_gemm_product *p, int64_t j, int64_t lanes, int64_t k,
                                  int64_t kc, float *panel) {
    const float *x = p->b + (p->trans_b ? j * p->ldb + k : k * p->ldb + j);
    p->g->pack_b(x, p->ldb, !p->trans_b, lanes, kc, panel);
}

/* The product by seven products of half its size; see gemm_strassen.c. */
bool tg_gemm_strassen_pays(const tg_gemm_product *p);
/* False: no memory, and nothing was done. */
bool tg_gemm_strassen(tg_pool *pool, const tg_gemm_product *p);

#endif
