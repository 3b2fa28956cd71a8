/* Four rows side by side: how panels of the matrix product are packed. */
#ifndef TALKGEN_TENSOR_GEMM_TRANSPOSE_H
#define TALKGEN_TENSOR_GEMM_TRANSPOSE_H

#include <stdint.h>
#include <string.h>

typedef float tg_four __attribute__((vector_size(16)));

/* x[lane * ld + p] of four lanes -> panel[p * width + lane], 4 x 4 elements at a time. */
static inline void tg_transpose_lanes(const float *x, int64_t ld, int64_t kc, int width,
                                      float *panel) {
    int64_t p = 0;
    for (; p + 4 <= kc; p += 4) {
        tg_four r[4];
        for (int i = 0; i < 4; i++)
            memcpy(&r[i], x + i * ld + p, sizeof r[i]);
        tg_four a = __builtin_shufflevector(r[0], r[1], 0, 4, 1, 5);
        tg_four b = __builtin_shufflevector(r[2], r[3], 0, 4, 1, 5);
        tg_four c = __builtin_shufflevector(r[0], r[1], 2, 6, 3, 7);
        tg_four d = __builtin_shufflevector(r[2], r[3], 2, 6, 3, 7);
        r[0] = __builtin_shufflevector(a, b, 0, 1, 4, 5);
        r[1] = __builtin_shufflevector(a, b, 2, 3, 6, 7);
        r[2] = __builtin_shufflevector(c, d, 0, 1, 4, 5);
        r[3] = __builtin_shufflevector(c, d, 2, 3, 6, 7);
        for (int i = 0; i < 4; i++)
            memcpy(panel + (p + i) * width, &r[i], sizeof r[i]);
    }
    for (; p < kc; p++)
        for (int i = 0; i < 4; i++)
            panel[p * width + i] = x[i * ld + p];
}

#endif
