/* Vector kernels, portable table: 4 floats at a time. */
#define TG_LANES   4
#define TG_KERNELS tg_kernels_portable
#include "tensor/kernels_body.h"
