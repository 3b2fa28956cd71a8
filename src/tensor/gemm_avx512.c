/* Kernels of the matrix product, avx512 table: tiles of 12 x 32. */
#define TG_LANES 16
#define TG_MR    12
#define TG_DEPTH 192
#define TG_GEMM  tg_gemm_avx512
#include "tensor/gemm_body.h"
