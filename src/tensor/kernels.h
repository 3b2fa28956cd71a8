/* Vector kernels, one table per CPU level. kernels_body.h is compiled once per level with other
 * flags and another vector width; the portable table is the oracle of the others. Pointers need no
 * alignment; n may be any size; inputs and outputs do not overlap unless they are equal. */
#ifndef TALKGEN_TENSOR_KERNELS_H
#define TALKGEN_TENSOR_KERNELS_H

#include "talkgen/core.h"

typedef enum {
    TG_UNARY_RELU,
    TG_UNARY_LEAKY_RELU, /* parameter: slope */
    TG_UNARY_GELU,
    TG_UNARY_TANH,
    TG_UNARY_SIGMOID,
    TG_UNARY_EXP,
    TG_UNARY_SQUARE,
    TG_UNARY_KINDS
} tg_unary_kind;

typedef struct {
    /* y = f(x) and dx (+)= f'(x) dy; y is what the forward pass wrote. add: += instead of =. */
    void (*unary[TG_UNARY_KINDS])(const float *x, float *y, int64_t n, float parameter);
    void (*unary_grad[TG_UNARY_KINDS])(const float *x, const float *y, const float *dy, float *dx,
                                       int64_t n, float parameter, bool add);

    void (*add)(const float *a, const float *b, float *y, int64_t n);
    void (*sub)(const float *a, const float *b, float *y, int64_t n);
    void (*mul)(const float *a, const float *b, float *y, int64_t n, bool add);
    /* y (+)= scale x + shift */
    void (*affine)(const float *x, float scale, float shift, float *y, int64_t n, bool add);
    /* y (+)= p a + q b + r */
    void (*blend)(const float *a, float p, const float *b, float q, float r, float *y, int64_t n,
                  bool add);

    /* y = tanh(a + ga) sigmoid(b + gb); ga, gb may be NULL together. The two factors are kept in t
     * and s unless NULL. */
    void (*gated)(const float *a, const float *b, const float *ga, const float *gb, float *t,
                  float *s, float *y, int64_t n);
    void (*gated_grad)(const float *t, const float *s, const float *dy, float *da, float *db,
                       int64_t n, bool add);

    /* Sums run in float over at most 1024 elements per lane group, then in double. */
    double (*sum)(const float *x, int64_t n);
    double (*dot)(const float *a, const float *b, int64_t n);
    double (*deviation)(const float *x, float mean, int64_t n); /* sum (x - mean)^2 */
    float (*max)(const float *x, int64_t n);                    /* -inf for n = 0 */
    /* y = exp(scale x - shift), the argument at most 88; 0 where it would be no normal number.
     * Returns the sum of y. */
    double (*exp_sum)(const float *x, float scale, float shift, float *y, int64_t n);
    /* dx (+)= scale y (dy - mean); with mean = y . dy the backward of a softmax row */
    void (*softmax_grad)(const float *y, const float *dy, float mean, float scale, float *dx,
                         int64_t n, bool add);

    /* y = (x - mean) rstd gain + bias; gain and bias may be NULL */
    void (*norm_row)(const float *x, float mean, float rstd, const float *gain, const float *bias,
                     float *y, int64_t n);
    /* Backward of a normalised row: dx (+)= ..., dgain += dy xhat, dbias += dy; NULL is skipped. */
    void (*norm_row_grad)(const float *x, float mean, float rstd, const float *gain,
                          const float *dy, float *dx, float *dgain, float *dbias, int64_t n,
                          bool add);

    /* The words of tg_rng_u32(rng, 4 block + 0..3) for `blocks` counter blocks. */
    void (*random_words)(const tg_rng *rng, uint64_t block, uint32_t *out, int64_t blocks);

    /* m, v: moments; w -= step m / (sqrt(v) scale + eps) + decay w */
    void (*adam)(float *w, float *m, float *v, const float *grad, int64_t n, float beta1,
                 float beta2, float step, float scale, float eps, float decay);
} tg_kernels;

extern const tg_kernels tg_kernels_portable, tg_kernels_avx2, tg_kernels_avx512;
const tg_kernels *tg_kernels_at(tg_cpu_level level);

#endif
