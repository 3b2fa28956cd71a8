/* Matrix product in 16-bit integers for processors with AVX512-VNNI: one instruction where
 * gemm_int16_avx512.c needs two, the same integers. */
#include <immintrin.h>
#define TG_LANES          16
#define TG_MR             12
#define TG_DOT(sum, a, b) ((vi)_mm512_dpwssd_epi32((__m512i)(sum), (__m512i)(a), (__m512i)(b)))
#define TG_PLAIN          tg_gemm_avx512
#define TG_GEMM           tg_gemm_int16_avx512vnni
#include "tensor/gemm_int16_body.h"
