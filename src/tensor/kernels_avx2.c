/* Vector kernels, avx2 table: 8 floats at a time. */
#define TG_LANES   8
#define TG_KERNELS tg_kernels_avx2
#include "tensor/kernels_body.h"
