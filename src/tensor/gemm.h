/* Matrix products of the tensor room; the only place that names BLAS. */
#ifndef TALKGEN_TENSOR_GEMM_H
#define TALKGEN_TENSOR_GEMM_H

#include "talkgen/tensor.h"

/* C [m,n] = op(A) op(B) + (add ? C : 0) in the calling thread: what a pool worker runs on its
 * block. k = 0 gives zeros (or C). */
void tg_gemm_block(bool trans_a, bool trans_b, int64_t m, int64_t n, int64_t k, const float *a,
                   int64_t lda, const float *b, int64_t ldb, bool add, float *c, int64_t ldc);

/* C = op(A) op(B) + bias on the pool in fixed blocks: row_bias[m] is added to all of a row,
 * col_bias[n] to all rows; NULL = none. */
void tg_gemm_bias(tg_pool *pool, bool trans_a, bool trans_b, int64_t m, int64_t n, int64_t k,
                  const float *a, int64_t lda, const float *b, int64_t ldb, const float *row_bias,
                  const float *col_bias, float *c, int64_t ldc);

#endif
