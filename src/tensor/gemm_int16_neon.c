/* Matrix product in 16-bit integers, neon table: tiles of 6 x 8. NEON multiplies no more integers
 * of 16 bits than floats at a time: this saves no time, it gives the same integers. */
#include <arm_neon.h>
#define TG_LANES 4
#define TG_MR    6
#define TG_DOT(sum, a, b)                                                                          \
    ((sum) + (vi)vpaddq_s32(vmull_s16(vget_low_s16((int16x8_t)(a)), vget_low_s16((int16x8_t)(b))), \
                            vmull_high_s16((int16x8_t)(a), (int16x8_t)(b))))
#define TG_PLAIN tg_gemm_neon
#define TG_GEMM  tg_gemm_int16_neon
#include "tensor/gemm_int16_body.h"
