/* Kernels of the matrix product, portable table: tiles of 6 x 8. */
#define TG_LANES 4
#define TG_MR    6
#define TG_DEPTH 64
#define TG_GEMM  tg_gemm_portable
#include "tensor/gemm_body.h"
