/* Which kernel table belongs to a CPU level. There is none for NEON: the portable one works on
 * vectors of four and is compiled to it. */
#include "tensor/kernels.h"

const tg_kernels *tg_kernels_at(tg_cpu_level level) {
#if defined(__x86_64__)
    if (level >= TG_CPU_AVX512)
        return &tg_kernels_avx512;
    if (level == TG_CPU_AVX2)
        return &tg_kernels_avx2;
#endif
    (void)level;
    return &tg_kernels_portable;
}
