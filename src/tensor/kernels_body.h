/* Body of the vector kernels, in the vector extension that gcc and clang share, so that the same
 * text becomes SSE2, AVX2, AVX-512 or NEON by flags alone. The including file defines TG_LANES
 * (floats per vector, no wider than the flags allow) and TG_KERNELS (name of the table). */
#include "tensor/kernels.h"

#include <math.h>
#include <string.h>

enum { L = TG_LANES, CHUNK = 1024 };
typedef float vf __attribute__((vector_size(4 * TG_LANES)));
typedef int32_t vi __attribute__((vector_size(4 * TG_LANES)));

static inline vf load(const float *p) {
    vf v;
    memcpy(&v, p, sizeof v);
    return v;
}

static inline void store(float *p, vf v) {
    memcpy(p, &v, sizeof v);
}

/* The first k < L elements; the others are 0. */
static inline vf load_part(const float *p, int64_t k) {
    vf v = {0};
    memcpy(&v, p, (size_t)k * sizeof *p);
    return v;
}

static inline void store_part(float *p, vf v, int64_t k) {
    memcpy(p, &v, (size_t)k * sizeof *p);
}

static inline vf splat(float s) {
    return s - (vf){0};
}

static inline vf choose(vi mask, vf yes, vf no) {
    return (vf)((mask & (vi)yes) | (~mask & (vi)no));
}

static inline vf absolute(vf x) {
    return (vf)((vi)x & 0x7fffffff);
}

static inline vf with_sign_of(vf magnitude, vf x) {
    return (vf)((vi)magnitude | ((vi)x & (int32_t)0x80000000));
}

static inline double lanes_sum(vf v) {
    double s = 0;
    for (int i = 0; i < L; i++)
        s += (double)v[i];
    return s;
}

/* ---- functions --------------------------------------------------------------- */

/* exp(x) = 2^n exp(r), r = x - n ln 2 in [-ln2/2, ln2/2], Taylor to r^7 (next term < 6e-9).
 * 2^n is applied in two halves so that the ends of the range (denormals, infinity) come right. */
static inline vf v_exp(vf x) {
    const float magic = 12582912.0f; /* 1.5 2^23: adding it rounds to an integer */
    x = choose(x > 89.0f, splat(89.0f), x);
    x = choose(x < -104.0f, splat(-104.0f), x); /* NaN passes both */
    vf shifted = x * 1.44269504f + magic;
    vf n = shifted - magic;
    vf r = x - n * 0.693359375f; /* the high part of ln 2 has 9 bits: exact */
    r = r + n * 2.12194440e-4f;
    vf p = r * 1.98412698e-4f + 1.38888889e-3f;
    p = p * r + 8.33333333e-3f;
    p = p * r + 4.16666667e-2f;
    p = p * r + 1.66666667e-1f;
    p = p * r + 0.5f;
    p = p * r * r + r + 1.0f;
    vi k = (vi)shifted - 0x4B400000; /* the bits of magic */
    vi half = k >> 1;
    vf scale1 = (vf)((half + 127) << 23), scale2 = (vf)((k - half + 127) << 23);
    return p * scale1 * scale2;
}

/* exp(x) for x in [-127, 88], 0 where it would be no normal number. The minimax polynomial has a
 * relative error of 4e-9; the sum with `magic` ends in n with the exponent's bias. */
static inline vf v_exp_normal(vf x) {
    const float magic = 12583039.0f; /* 1.5 2^23 + 127 */
    vf shifted = x * 1.44269504f + magic;
    vf n = shifted - magic;
    vf r = x - n * 0.693359375f;
    r = r + n * 2.12194440e-4f;
    vf p = r * 1.38143206e-3f + 8.36885069e-3f;
    p = p * r + 4.16684002e-2f;
    p = p * r + 1.66665196e-1f;
    p = p * r + 0.49999994f;
    p = p * r + 1.0f;
    p = p * r + 1.0f;
    return p * (vf)((vi)shifted << 23);
}

/* exp(x) for x up to 88. */
static inline vf v_exp_low(vf x) {
    return (vf)((vi)v_exp_normal(x) & ~(x < -87.5f)); /* NaN stays */
}

/* |x| < 0.625: x + x^3 P(x^2), P interpolates at Chebyshev nodes (relative error 7e-10). */
static inline vf v_tanh(vf x) {
    vf a = absolute(x), z = x * x;
    vf p = z * 2.2695016e-3f - 8.3231870e-3f;
    p = p * z + 2.1762503e-2f;
    p = p * z - 5.3958462e-2f;
    p = p * z + 1.33333001e-1f;
    p = p * z - 3.33333331e-1f;
    vf small = x + x * z * p;
    vf large = with_sign_of(1.0f - 2.0f / (v_exp(a + a) + 1.0f), x);
    return choose(a < 0.625f, small, large);
}

static inline vf v_sigmoid(vf x) {
    vf e = v_exp(-absolute(x));
    vf r = 1.0f / (1.0f + e);
    return choose(x < 0.0f, e * r, r);
}

/* Normal distribution: returns its tail Phi(-|x|) = erfc(|x|/sqrt 2)/2, where
 * erfc(z) = t P(t) exp(-z^2), t = 1/(1 + 0.4 z), and P interpolates erfc(z) exp(z^2)/t at Chebyshev
 * nodes for z in [0, 9.5] (relative error 1.5e-8). *size gets |x|, at most 13.25 where the tail is
 * 0, *bell exp(-x^2/2). */
static inline vf v_normal_tail(vf x, vf *size, vf *bell) {
    vf a = absolute(x);
    a = choose(a > 13.25f, splat(13.25f), a);
    vf e = v_exp_normal(a * a * -0.5f);
    vf t = 1.0f / (a * 0.282842712f + 1.0f);
    vf p = t * -1.71614504e-2f + 1.11719549e-1f; /* P / 2 */
    p = p * t - 2.78970370e-1f;
    p = p * t + 3.12661705e-1f;
    p = p * t - 1.74134601e-1f;
    p = p * t + 1.52928248e-1f;
    p = p * t + 5.90936565e-2f;
    p = p * t + 1.08669548e-1f;
    p = p * t + 1.12333043e-1f;
    p = p * t + 1.12860672e-1f;
    *size = a;
    *bell = e;
    return p * t * e;
}

/* x Phi(x) = max(x, 0) - |x| Phi(-|x|) */
static inline vf v_gelu(vf x) {
    vf size, bell, tail = v_normal_tail(x, &size, &bell);
    return choose(x < 0.0f, splat(0.0f), x) - size * tail;
}

static inline vf v_gelu_slope(vf x) {
    vf size, bell, tail = v_normal_tail(x, &size, &bell);
    vf phi = choose(x > 0.0f, 1.0f - tail, tail);
    return phi + with_sign_of(size, x) * bell * 0.398942280f; /* 1/sqrt(2 pi) */
}

/* ---- loops ------------------------------------------------------------------- */

/* BODY reads vectors through IN(pointer) and ends with OUT(pointer, value); it is expanded for the
 * full vectors and once more for the rest. */
#define FULL_IN(p)     load((p) + i)
#define FULL_OUT(p, v) store((p) + i, v)
#define PART_IN(p)     load_part((p) + i, n - i)
#define PART_OUT(p, v) store_part((p) + i, v, n - i)
#define FOR_VECTORS(BODY)                                                                          \
    do {                                                                                           \
        int64_t i = 0;                                                                             \
        for (; i + L <= n; i += L) {                                                               \
            BODY(FULL_IN, FULL_OUT)                                                                \
        }                                                                                          \
        if (i < n) {                                                                               \
            BODY(PART_IN, PART_OUT)                                                                \
        }                                                                                          \
    } while (0)

#define UNARY(NAME)                                                                                \
    static void NAME(const float *x, float *y, int64_t n, float parameter) {                       \
        (void)parameter;                                                                           \
        FOR_VECTORS(NAME##_BODY);                                                                  \
    }                                                                                              \
    static void NAME##_grad(const float *x, const float *y, const float *dy, float *dx, int64_t n, \
                            float parameter, bool add) {                                           \
        (void)parameter, (void)x, (void)y;                                                         \
        if (add)                                                                                   \
            FOR_VECTORS(NAME##_ADD);                                                               \
        else                                                                                       \
            FOR_VECTORS(NAME##_SET);                                                               \
    }

#define relu_BODY(IN, OUT)                                                                         \
    vf a = IN(x);                                                                                  \
    OUT(y, choose(a < 0.0f, splat(0.0f), a));
#define relu_SET(IN, OUT) OUT(dx, choose(IN(y) > 0.0f, IN(dy), splat(0.0f)));
#define relu_ADD(IN, OUT) OUT(dx, IN(dx) + choose(IN(y) > 0.0f, IN(dy), splat(0.0f)));
UNARY(relu)

#define leaky_relu_BODY(IN, OUT)                                                                   \
    vf a = IN(x);                                                                                  \
    OUT(y, choose(a < 0.0f, a * parameter, a));
#define leaky_relu_SLOPE(IN)    IN(dy) * choose(IN(x) > 0.0f, splat(1.0f), splat(parameter))
#define leaky_relu_SET(IN, OUT) OUT(dx, leaky_relu_SLOPE(IN));
#define leaky_relu_ADD(IN, OUT) OUT(dx, IN(dx) + leaky_relu_SLOPE(IN));
UNARY(leaky_relu)

#define gelu_BODY(IN, OUT) OUT(y, v_gelu(IN(x)));
#define gelu_SET(IN, OUT)  OUT(dx, IN(dy) * v_gelu_slope(IN(x)));
#define gelu_ADD(IN, OUT)  OUT(dx, IN(dx) + IN(dy) * v_gelu_slope(IN(x)));
UNARY(gelu)

#define htan_BODY(IN, OUT) OUT(y, v_tanh(IN(x)));
#define htan_SLOPE(IN)     IN(dy) * (1.0f - IN(y) * IN(y))
#define htan_SET(IN, OUT)  OUT(dx, htan_SLOPE(IN));
#define htan_ADD(IN, OUT)  OUT(dx, IN(dx) + htan_SLOPE(IN));
UNARY(htan)

#define sigmoid_BODY(IN, OUT) OUT(y, v_sigmoid(IN(x)));
#define sigmoid_SLOPE(IN)     IN(dy) * IN(y) * (1.0f - IN(y))
#define sigmoid_SET(IN, OUT)  OUT(dx, sigmoid_SLOPE(IN));
#define sigmoid_ADD(IN, OUT)  OUT(dx, IN(dx) + sigmoid_SLOPE(IN));
UNARY(sigmoid)

#define expo_BODY(IN, OUT) OUT(y, v_exp(IN(x)));
#define expo_SET(IN, OUT)  OUT(dx, IN(dy) * IN(y));
#define expo_ADD(IN, OUT)  OUT(dx, IN(dx) + IN(dy) * IN(y));
UNARY(expo)

#define square_BODY(IN, OUT) OUT(y, IN(x) * IN(x));
#define square_SET(IN, OUT)  OUT(dx, IN(dy) * IN(x) * 2.0f);
#define square_ADD(IN, OUT)  OUT(dx, IN(dx) + IN(dy) * IN(x) * 2.0f);
UNARY(square)

static void add(const float *a, const float *b, float *y, int64_t n) {
#define BODY(IN, OUT) OUT(y, IN(a) + IN(b));
    FOR_VECTORS(BODY);
#undef BODY
}

static void sub(const float *a, const float *b, float *y, int64_t n) {
#define BODY(IN, OUT) OUT(y, IN(a) - IN(b));
    FOR_VECTORS(BODY);
#undef BODY
}

static void mul(const float *a, const float *b, float *y, int64_t n, bool more) {
#define SET(IN, OUT) OUT(y, IN(a) * IN(b));
#define ADD(IN, OUT) OUT(y, IN(y) + IN(a) * IN(b));
    if (more)
        FOR_VECTORS(ADD);
    else
        FOR_VECTORS(SET);
#undef SET
#undef ADD
}

static void affine(const float *x, float scale, float shift, float *y, int64_t n, bool more) {
#define SET(IN, OUT) OUT(y, IN(x) * scale + shift);
#define ADD(IN, OUT) OUT(y, IN(y) + (IN(x) * scale + shift));
    if (more)
        FOR_VECTORS(ADD);
    else
        FOR_VECTORS(SET);
#undef SET
#undef ADD
}

static void blend(const float *a, float p, const float *b, float q, float r, float *y, int64_t n,
                  bool more) {
#define SET(IN, OUT) OUT(y, IN(a) * p + (IN(b) * q + r));
#define ADD(IN, OUT) OUT(y, IN(y) + (IN(a) * p + (IN(b) * q + r)));
    if (more)
        FOR_VECTORS(ADD);
    else
        FOR_VECTORS(SET);
#undef SET
#undef ADD
}

static void gated(const float *a, const float *b, const float *ga, const float *gb, float *t,
                  float *s, float *y, int64_t n) {
#define BODY(IN, OUT)                                                                              \
    vf u = IN(a), w = IN(b);                                                                       \
    if (ga) {                                                                                      \
        u += IN(ga);                                                                               \
        w += IN(gb);                                                                               \
    }                                                                                              \
    u = v_tanh(u);                                                                                 \
    w = v_sigmoid(w);                                                                              \
    if (t) {                                                                                       \
        OUT(t, u);                                                                                 \
        OUT(s, w);                                                                                 \
    }                                                                                              \
    OUT(y, u *w);
    FOR_VECTORS(BODY);
#undef BODY
}

static void gated_grad(const float *t, const float *s, const float *dy, float *da, float *db,
                       int64_t n, bool more) {
#define BODY(IN, OUT)                                                                              \
    vf d = IN(dy), u = IN(t), w = IN(s);                                                           \
    vf gu = d * w * (1.0f - u * u), gw = d * u * w * (1.0f - w);                                   \
    if (more) {                                                                                    \
        gu += IN(da);                                                                              \
        gw += IN(db);                                                                              \
    }                                                                                              \
    OUT(da, gu);                                                                                   \
    OUT(db, gw);
    FOR_VECTORS(BODY);
#undef BODY
}

/* ---- reductions -------------------------------------------------------------- */

/* TERM(IN) is summed over [0, n): four accumulators hide the latency of the addition. */
#define REDUCE(TERM)                                                                               \
    double total = 0;                                                                              \
    int64_t i = 0;                                                                                 \
    while (i + L <= n) {                                                                           \
        vf s0 = {0}, s1 = {0}, s2 = {0}, s3 = {0};                                                 \
        int64_t end = n - i > CHUNK ? i + CHUNK : n;                                               \
        for (; i + 4 * L <= end; i += L) {                                                         \
            s0 += TERM(FULL_IN);                                                                   \
            i += L;                                                                                \
            s1 += TERM(FULL_IN);                                                                   \
            i += L;                                                                                \
            s2 += TERM(FULL_IN);                                                                   \
            i += L;                                                                                \
            s3 += TERM(FULL_IN);                                                                   \
        }                                                                                          \
        for (; i + L <= end; i += L)                                                               \
            s0 += TERM(FULL_IN);                                                                   \
        total += lanes_sum((s0 + s1) + (s2 + s3));                                                 \
    }                                                                                              \
    for (; i < n; i++)

static double sum(const float *x, int64_t n) {
#define TERM(IN) IN(x)
    REDUCE(TERM)
    total += (double)x[i];
    return total;
#undef TERM
}

static double dot(const float *a, const float *b, int64_t n) {
#define TERM(IN) IN(a) * IN(b)
    REDUCE(TERM)
    total += (double)(a[i] * b[i]);
    return total;
#undef TERM
}

static double deviation(const float *x, float mean, int64_t n) {
#define TERM(IN) (IN(x) - mean) * (IN(x) - mean)
    REDUCE(TERM)
    total += (double)((x[i] - mean) * (x[i] - mean));
    return total;
#undef TERM
}

static float max(const float *x, int64_t n) {
    float best = -INFINITY;
    int64_t i = 0;
    if (n >= L) {
        vf m = load(x);
        for (i = L; i + L <= n; i += L) {
            vf a = load(x + i);
            m = choose(a > m, a, m);
        }
        for (int k = 0; k < L; k++)
            best = m[k] > best ? m[k] : best;
    }
    for (; i < n; i++)
        best = x[i] > best ? x[i] : best;
    return best;
}

static double exp_sum(const float *x, float scale, float shift, float *y, int64_t n) {
    double total = 0;
    int64_t i = 0;
    while (i + L <= n) {
        vf s = {0};
        int64_t end = n - i > CHUNK ? i + CHUNK : n;
        for (; i + L <= end; i += L) {
            vf e = v_exp_low(load(x + i) * scale - shift);
            store(y + i, e);
            s += e;
        }
        total += lanes_sum(s);
    }
    if (i < n) {
        vf e = v_exp_low(load_part(x + i, n - i) * scale - shift);
        store_part(y + i, e, n - i);
        for (int64_t k = 0; i + k < n; k++)
            total += (double)e[k];
    }
    return total;
}

static void softmax_grad(const float *y, const float *dy, float mean, float scale, float *dx,
                         int64_t n, bool more) {
#define SET(IN, OUT) OUT(dx, IN(y) * (IN(dy) - mean) * scale);
#define ADD(IN, OUT) OUT(dx, IN(dx) + IN(y) * (IN(dy) - mean) * scale);
    if (more)
        FOR_VECTORS(ADD);
    else
        FOR_VECTORS(SET);
#undef SET
#undef ADD
}

/* ---- normalisation ----------------------------------------------------------- */

static void norm_row(const float *x, float mean, float rstd, const float *gain, const float *bias,
                     float *y, int64_t n) {
#define BODY(IN, OUT)                                                                              \
    vf h = (IN(x) - mean) * rstd;                                                                  \
    if (gain)                                                                                      \
        h *= IN(gain);                                                                             \
    if (bias)                                                                                      \
        h += IN(bias);                                                                             \
    OUT(y, h);
    FOR_VECTORS(BODY);
#undef BODY
}

/* With h = (x - mean) rstd and u = dy gain: dx = rstd (u - mean(u) - h mean(u h)). */
static void norm_row_grad(const float *x, float mean, float rstd, const float *gain,
                          const float *dy, float *dx, float *dgain, float *dbias, int64_t n,
                          bool more) {
    vf su = {0}, sh = {0};
#define BODY(IN, OUT)                                                                              \
    vf d = IN(dy);                                                                                 \
    vf dh = d * ((IN(x) - mean) * rstd);                                                           \
    if (dgain)                                                                                     \
        OUT(dgain, IN(dgain) + dh);                                                                \
    if (dbias)                                                                                     \
        OUT(dbias, IN(dbias) + d);                                                                 \
    if (gain) {                                                                                    \
        vf g = IN(gain);                                                                           \
        d *= g;                                                                                    \
        dh *= g;                                                                                   \
    }                                                                                              \
    su += d; /* dy is 0 beyond the end */                                                          \
    sh += dh;
    FOR_VECTORS(BODY);
#undef BODY
    if (!dx)
        return;
    float mu = (float)(lanes_sum(su) / (double)n), mh = (float)(lanes_sum(sh) / (double)n);
#define BODY(IN, OUT)                                                                              \
    vf u = IN(dy);                                                                                 \
    if (gain)                                                                                      \
        u *= IN(gain);                                                                             \
    vf d = rstd * (u - mu - (IN(x) - mean) * rstd * mh);                                           \
    if (more)                                                                                      \
        d += IN(dx);                                                                               \
    OUT(dx, d);
    FOR_VECTORS(BODY);
#undef BODY
}

/* ---- random numbers ------------------------------------------------------------ */

/* Philox 4x32-10 as in core/rng.c, many blocks at a time: loops over arrays that the compiler
 * vectorizes. */
static void random_words(const tg_rng *rng, uint64_t block, uint32_t *out, int64_t blocks) {
    enum { N = 64 };
    for (int64_t done = 0; done < blocks; done += N) {
        uint32_t c0[N], c1[N], c2[N], c3[N], k0 = rng->key[0], k1 = rng->key[1];
        for (int i = 0; i < N; i++) {
            uint64_t counter = block + (uint64_t)(done + i);
            c0[i] = (uint32_t)counter;
            c1[i] = (uint32_t)(counter >> 32);
            c2[i] = rng->clip;
            c3[i] = rng->purpose;
        }
        for (int round = 0; round < 10; round++) {
            for (int i = 0; i < N; i++) {
                uint64_t p0 = (uint64_t)0xD2511F53u * c0[i], p1 = (uint64_t)0xCD9E8D57u * c2[i];
                uint32_t n0 = (uint32_t)(p1 >> 32) ^ c1[i] ^ k0;
                uint32_t n2 = (uint32_t)(p0 >> 32) ^ c3[i] ^ k1;
                c1[i] = (uint32_t)p1;
                c3[i] = (uint32_t)p0;
                c0[i] = n0;
                c2[i] = n2;
            }
            k0 += 0x9E3779B9u;
            k1 += 0xBB67AE85u;
        }
        int64_t n = blocks - done < N ? blocks - done : N;
        for (int64_t i = 0; i < n; i++) {
            uint32_t *word = out + 4 * (done + i);
            word[0] = c0[i];
            word[1] = c1[i];
            word[2] = c2[i];
            word[3] = c3[i];
        }
    }
}

/* ---- optimizer --------------------------------------------------------------- */

/* A plain loop: the compiler vectorizes it, square root included. */
static void adam(float *restrict w, float *restrict m, float *restrict v,
                 const float *restrict grad, int64_t n, float beta1, float beta2, float step,
                 float scale, float eps, float decay) {
    for (int64_t i = 0; i < n; i++) {
        m[i] = beta1 * m[i] + (1.0f - beta1) * grad[i];
        v[i] = beta2 * v[i] + (1.0f - beta2) * grad[i] * grad[i];
        w[i] -= step * m[i] / (sqrtf(v[i]) * scale + eps) + decay * w[i];
    }
}

const tg_kernels TG_KERNELS = {
    .unary = {relu, leaky_relu, gelu, htan, sigmoid, expo, square},
    .unary_grad = {relu_grad, leaky_relu_grad, gelu_grad, htan_grad, sigmoid_grad, expo_grad,
                   square_grad},
    .add = add,
    .sub = sub,
    .mul = mul,
    .affine = affine,
    .blend = blend,
    .gated = gated,
    .gated_grad = gated_grad,
    .sum = sum,
    .dot = dot,
    .deviation = deviation,
    .max = max,
    .exp_sum = exp_sum,
    .softmax_grad = softmax_grad,
    .norm_row = norm_row,
    .norm_row_grad = norm_row_grad,
    .random_words = random_words,
    .adam = adam,
};
