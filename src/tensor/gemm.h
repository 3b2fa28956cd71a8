/* Matrix products of the tensor room.
 *
 * An element of C is the sum of its products in runs of fixed length that depend on the CPU level
 * and the shape alone, so that its bits do not depend on the number of threads. Nor do they depend
 * on the rows and columns computed beside it, unless the product is large (256 rows and columns,
 * 512 to sum) and not by tg_gemm_block: then it is made of products of halves, with errors up to
 * three times as large. */
#ifndef TALKGEN_TENSOR_GEMM_H
#define TALKGEN_TENSOR_GEMM_H

#include "talkgen/tensor.h"
#include "tensor/gemm_kernels.h"

/* C [m,n] = op(A) op(B) + (add ? C : 0) in the calling thread: what a pool worker runs on its
 * block. k = 0 gives zeros (or C). Needs 400 KB of stack. */
void tg_gemm_block(const tg_gemm_kernels *g, bool trans_a, bool trans_b, int64_t m, int64_t n,
                   int64_t k, const float *a, int64_t lda, const float *b, int64_t ldb, bool add,
                   float *c, int64_t ldc);

/* C = op(A) op(B) + bias on the pool: row_bias[m] is added to all of a row, col_bias[n] to all
 * rows; NULL = none. Rows of A and B may overlap (lda smaller than a row). */
void tg_gemm_bias(const tg_gemm_kernels *g, tg_pool *pool, bool trans_a, bool trans_b, int64_t m,
                  int64_t n, int64_t k, const float *a, int64_t lda, const float *b, int64_t ldb,
                  const float *row_bias, const float *col_bias, float *c, int64_t ldc);

#endif
