/* Matrix product in 16-bit integers, portable table: tiles of 6 x 8. */
#define TG_LANES 4
#define TG_MR    6
#define TG_DOT(sum, a, b)                                                                          \
    ((sum) + (((a) << 16) >> 16) * (((b) << 16) >> 16) + ((a) >> 16) * ((b) >> 16))
#define TG_PLAIN tg_gemm_portable
#define TG_GEMM  tg_gemm_int16_portable
#include "tensor/gemm_int16_body.h"
