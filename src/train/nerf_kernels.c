#include "train/nerf_kernels.h"

const nerf_kernels *tg_nerf_kernels_for(tg_cpu_level level) {
#if defined(__x86_64__)
    if (level >= TG_CPU_AVX512)
        return &tg_nerf_kernels_avx512;
    if (level >= TG_CPU_AVX2)
        return &tg_nerf_kernels_avx2;
#elif defined(__aarch64__)
    if (level >= TG_CPU_NEON)
        return &tg_nerf_kernels_neon;
#else
    (void)level;
#endif
    return &tg_nerf_kernels_portable;
}

int64_t tg_nerf_packed_size(int n_in, int n_out) {
    int64_t blocks = (n_out + NERF_OUT_BLOCK - 1) / NERF_OUT_BLOCK;
    return blocks * NERF_OUT_BLOCK * n_in;
}
