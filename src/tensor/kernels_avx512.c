/* Vector kernels, avx512 table: 16 floats at a time. */
#define TG_LANES   16
#define TG_KERNELS tg_kernels_avx512
#include "tensor/kernels_body.h"
