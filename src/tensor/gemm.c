/* Single precision matrix products on OpenBLAS.
 *
 * OpenBLAS runs with one thread of its own; our pool calls it on blocks of C whose size depends on
 * the matrix alone, so the bits of the result do not depend on the number of threads. */
#include "tensor/gemm.h"

#include <cblas.h>
#include <pthread.h>
#include <string.h>

static pthread_once_t once = PTHREAD_ONCE_INIT;

static void one_thread(void) {
    openblas_set_num_threads(1);
}

typedef struct {
    bool trans_a, trans_b;
    int64_t m, n, k;
    float alpha, beta;
    const float *a, *b, *row_bias, *col_bias;
    int64_t lda, ldb, ldc;
    float *c;
    int64_t block_m, block_n, blocks_n;
} product;

static void scale_block(float beta, int64_t m, int64_t n, float *c, int64_t ldc) {
    for (int64_t i = 0; i < m; i++) {
        if (beta == 0)
            memset(c + i * ldc, 0, (size_t)n * sizeof *c);
        else
            for (int64_t j = 0; j < n; j++)
                c[i * ldc + j] *= beta;
    }
}

static void multiply(bool trans_a, bool trans_b, int64_t m, int64_t n, int64_t k, float alpha,
                     const float *a, int64_t lda, const float *b, int64_t ldb, float beta, float *c,
                     int64_t ldc) {
    if (m <= 0 || n <= 0)
        return;
    if (k <= 0) {
        scale_block(beta, m, n, c, ldc);
        return;
    }
    pthread_once(&once, one_thread);
    cblas_sgemm(CblasRowMajor, trans_a ? CblasTrans : CblasNoTrans,
                trans_b ? CblasTrans : CblasNoTrans, (blasint)m, (blasint)n, (blasint)k, alpha, a,
                (blasint)lda, b, (blasint)ldb, beta, c, (blasint)ldc);
}

static void run_blocks(void *arg, int64_t begin, int64_t end, int worker) {
    (void)worker;
    const product *p = arg;
    for (int64_t block = begin; block < end; block++) {
        int64_t i = block / p->blocks_n * p->block_m, j = block % p->blocks_n * p->block_n;
        int64_t m = p->m - i < p->block_m ? p->m - i : p->block_m;
        int64_t n = p->n - j < p->block_n ? p->n - j : p->block_n;
        const float *a = p->a + (p->trans_a ? i : i * p->lda);
        const float *b = p->b + (p->trans_b ? j * p->ldb : j);
        float *c = p->c + i * p->ldc + j, beta = p->beta;
        if (p->col_bias || p->row_bias) {
            for (int64_t r = 0; r < m; r++) {
                float *row = c + r * p->ldc;
                if (p->col_bias)
                    memcpy(row, p->col_bias + j, (size_t)n * sizeof *row);
                else
                    memset(row, 0, (size_t)n * sizeof *row);
                if (p->row_bias)
                    for (int64_t s = 0; s < n; s++)
                        row[s] += p->row_bias[i + r];
            }
            beta = 1;
        }
        multiply(p->trans_a, p->trans_b, m, n, p->k, p->alpha, a, p->lda, b, p->ldb, beta, c,
                 p->ldc);
    }
}

static int64_t pieces(int64_t size, int64_t wanted, int64_t least) {
    int64_t most = size / least;
    if (wanted > most)
        wanted = most;
    return wanted > 1 ? wanted : 1;
}

static int64_t ceil_to(int64_t size, int64_t parts, int64_t multiple) {
    int64_t piece = (size + parts - 1) / parts;
    return (piece + multiple - 1) / multiple * multiple;
}

/* Blocks of some 10 MFLOP (0.1 ms), cut along the longer side first: every block packs its part of
 * A and B anew, so long thin cuts are the cheap ones. */
static void cut(product *p) {
    const double block_work = 1e7;
    double work = 2.0 * (double)p->m * (double)p->n * (double)p->k;
    int64_t wanted = work > 64 * block_work ? 64 : (int64_t)(work / block_work);
    int64_t parts_m, parts_n;
    if (p->m >= p->n) {
        parts_m = pieces(p->m, wanted, 128);
        parts_n = pieces(p->n, wanted / parts_m, 128);
    } else {
        parts_n = pieces(p->n, wanted, 128);
        parts_m = pieces(p->m, wanted / parts_n, 128);
    }
    p->block_m = ceil_to(p->m, parts_m, 16);
    p->block_n = ceil_to(p->n, parts_n, 16);
    p->blocks_n = (p->n + p->block_n - 1) / p->block_n;
}

static void run(tg_pool *pool, product *p) {
    if (p->m <= 0 || p->n <= 0)
        return;
    cut(p);
    int64_t blocks_m = (p->m + p->block_m - 1) / p->block_m;
    tg_pool_run(pool, blocks_m * p->blocks_n, 1, run_blocks, p);
}

void tg_gemm_block(bool trans_a, bool trans_b, int64_t m, int64_t n, int64_t k, const float *a,
                   int64_t lda, const float *b, int64_t ldb, bool add, float *c, int64_t ldc) {
    multiply(trans_a, trans_b, m, n, k, 1, a, lda, b, ldb, add ? 1.0f : 0.0f, c, ldc);
}

void tg_gemm_bias(tg_pool *pool, bool trans_a, bool trans_b, int64_t m, int64_t n, int64_t k,
                  const float *a, int64_t lda, const float *b, int64_t ldb, const float *row_bias,
                  const float *col_bias, float *c, int64_t ldc) {
    product p = {.trans_a = trans_a,
                 .trans_b = trans_b,
                 .m = m,
                 .n = n,
                 .k = k,
                 .alpha = 1,
                 .a = a,
                 .b = b,
                 .row_bias = row_bias,
                 .col_bias = col_bias,
                 .lda = lda,
                 .ldb = ldb,
                 .ldc = ldc,
                 .c = c};
    run(pool, &p);
}

void tg_sgemm(tg_pool *pool, bool trans_a, bool trans_b, int64_t m, int64_t n, int64_t k,
              float alpha, const float *a, int64_t lda, const float *b, int64_t ldb, float beta,
              float *c, int64_t ldc) {
    product p = {.trans_a = trans_a,
                 .trans_b = trans_b,
                 .m = m,
                 .n = n,
                 .k = k,
                 .alpha = alpha,
                 .beta = beta,
                 .a = a,
                 .b = b,
                 .lda = lda,
                 .ldb = ldb,
                 .ldc = ldc,
                 .c = c};
    run(pool, &p);
}
