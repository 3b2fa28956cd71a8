/* Matrix product in 16-bit integers, avx2 table: tiles of 6 x 16. */
#include <immintrin.h>
#define TG_LANES          8
#define TG_MR             6
#define TG_DOT(sum, a, b) ((sum) + (vi)_mm256_madd_epi16((__m256i)(a), (__m256i)(b)))
#define TG_PLAIN          tg_gemm_avx2
#define TG_GEMM           tg_gemm_int16_avx2
#include "tensor/gemm_int16_body.h"
