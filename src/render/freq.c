/* Frequency encodings of RAD-NeRF and AD-NeRF: [x, sin x, cos x, sin 2x, cos 2x, ...]. */
#include "talkgen/render.h"

#include <math.h>

static float cosine(float angle) {
    return cosf(angle);
}

/* RAD-NeRF's encoder has no cosine: it shifts the phase in float32, which costs up to 4e-6 at the
 * highest octaves, and published weights were trained with that. */
static float shifted_sine(float angle) {
    return sinf(angle + 1.57079632679489661923f);
}

static void encode(const float *x, int n, int octaves, float (*second)(float), float *out) {
    for (int d = 0; d < n; d++) {
        out[d] = x[d];
    }
    for (int k = 0; k < octaves; k++) {
        float *at = out + n + 2 * n * k;
        for (int d = 0; d < n; d++) {
            const float angle = ldexpf(x[d], k);
            at[d] = sinf(angle);
            at[n + d] = second(angle);
        }
    }
}

void tg_freq_encode_rad(const float *x, int n, int octaves, float *out) {
    encode(x, n, octaves, shifted_sine, out);
}

void tg_freq_encode_ad(const float *x, int n, int octaves, float *out) {
    encode(x, n, octaves, cosine, out);
}
