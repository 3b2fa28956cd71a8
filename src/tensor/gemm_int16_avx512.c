/* Matrix product in 16-bit integers, avx512 table: tiles of 12 x 32. */
#include <immintrin.h>
#define TG_LANES          16
#define TG_MR             12
#define TG_DOT(sum, a, b) ((sum) + (vi)_mm512_madd_epi16((__m512i)(a), (__m512i)(b)))
#define TG_PLAIN          tg_gemm_avx512
#define TG_GEMM           tg_gemm_int16_avx512
#include "tensor/gemm_int16_body.h"
