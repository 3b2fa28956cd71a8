/* Kernels of the matrix product, avx2 table: tiles of 6 x 16. */
#define TG_LANES 8
#define TG_MR    6
#define TG_DEPTH 256
#define TG_GEMM  tg_gemm_avx2
#include "tensor/gemm_body.h"
