/* Rate conversion with a polyphase Kaiser-windowed sinc.
 *
 * Output sample i lies at input position i * M / L (L/M = to/from in lowest terms), so only L
 * different fractional positions occur and each has its own row of taps. Rates without a common
 * divisor would need a huge table; then the rows sit on a fixed grid of positions and two
 * neighbours are blended, whose error is far below the stop band.
 */
#include "talkgen/speech.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum {
    ZERO_CROSSINGS = 32,      /* of the sinc on each side, at the lower rate */
    GRID_ROWS = 2048,         /* rows of a blended table */
    MAX_EXACT_TAPS = 1 << 21, /* floats in an exact table */
    LANES = 8
};
static const double cutoff = 0.95;     /* of the lower Nyquist frequency */
static const double kaiser_beta = 9.0; /* stop band about -90 dB */

struct tg_resampler {
    int64_t up, down; /* L, M */
    int half, taps;   /* taps = 2 half, rounded up to LANES */
    int rows;         /* rows of the table without the closing one */
    bool exact;
    float *table; /* [rows+1, taps] */
    /* Input that later outputs still need: buffer[0] is input sample `origin`. */
    float *buffer;
    int64_t origin, filled, capacity;
    int64_t received, produced;
    bool finished;
};

static double bessel_i0(double x) {
    double sum = 1, term = 1;
    for (int k = 1; k < 64 && term > 1e-17 * sum; k++) {
        term *= (x / (2 * k)) * (x / (2 * k));
        sum += term;
    }
    return sum;
}

static int64_t greatest_divisor(int64_t a, int64_t b) {
    while (b != 0) {
        int64_t rest = a % b;
        a = b;
        b = rest;
    }
    return a;
}

/* Taps for an output at `fraction` of an input sample after tap half-1. */
static void fill_row(float *row, int half, int taps, double fraction, double scale) {
    double norm = bessel_i0(kaiser_beta), sum = 0, value[2 * half];
    for (int t = 0; t < 2 * half; t++) {
        double x = (t - (half - 1)) - fraction;
        double inside = 1 - (x / half) * (x / half);
        double window = inside > 0 ? bessel_i0(kaiser_beta * sqrt(inside)) / norm : 0;
        double arg = M_PI * x * scale;
        value[t] = window * (fabs(arg) < 1e-9 ? 1 : sin(arg) / arg);
        sum += value[t];
    }
    /* Sum 1 for every row: a constant comes out unchanged, without a ripple between the phases. */
    for (int t = 0; t < taps; t++)
        row[t] = t < 2 * half ? (float)(value[t] / sum) : 0;
}

tg_status tg_resampler_create(tg_context *ctx, int from_rate, int to_rate, tg_resampler **out) {
    *out = NULL;
    if (from_rate < 1000 || from_rate > 768000 || to_rate < 1000 || to_rate > 768000)
        return tg_fail(ctx, TG_EINPUT,
                       "sample rate %d Hz cannot be converted to %d Hz\n"
                       "  expected: rates from 1000 to 768000 Hz\n"
                       "  try: convert the recording to 16 kHz WAV first",
                       from_rate, to_rate);
    tg_resampler *r = tg_calloc(sizeof *r);
    if (r == NULL)
        return tg_fail(ctx, TG_ENOMEM, "out of memory for a resampler");
    int64_t divisor = greatest_divisor(from_rate, to_rate);
    r->up = to_rate / divisor;
    r->down = from_rate / divisor;
    double ratio = from_rate > to_rate ? (double)to_rate / from_rate : 1.0;
    r->half = (int)ceil(ZERO_CROSSINGS / ratio);
    r->taps = (2 * r->half + LANES - 1) / LANES * LANES;
    r->exact = r->up * r->taps <= MAX_EXACT_TAPS;
    r->rows = r->exact ? (int)r->up : GRID_ROWS;
    r->table = tg_alloc(sizeof(float) * (size_t)(r->rows + 1) * (size_t)r->taps);
    if (r->table == NULL) {
        tg_resampler_destroy(&r);
        return tg_fail(ctx, TG_ENOMEM, "out of memory for a resampler");
    }
    for (int i = 0; i <= r->rows; i++)
        fill_row(r->table + (size_t)i * r->taps, r->half, r->taps, (double)i / r->rows,
                 ratio * cutoff);
    tg_resampler_reset(r);
    *out = r;
    return TG_OK;
}

void tg_resampler_destroy(tg_resampler **resampler) {
    if (*resampler != NULL) {
        tg_free((*resampler)->table);
        tg_free((*resampler)->buffer);
        tg_free(*resampler);
    }
    *resampler = NULL;
}

void tg_resampler_reset(tg_resampler *r) {
    r->origin = -(int64_t)(r->half - 1); /* zeros before the first sample */
    r->filled = r->received = r->produced = 0;
    r->finished = false;
}

static bool reserve(tg_resampler *r, int64_t n) {
    if (r->filled + n <= r->capacity)
        return true;
    int64_t capacity = r->filled + n + 4096;
    float *buffer = tg_alloc(sizeof(float) * (size_t)capacity);
    if (buffer == NULL)
        return false;
    if (r->filled > 0)
        memcpy(buffer, r->buffer, sizeof(float) * (size_t)r->filled);
    tg_free(r->buffer);
    r->buffer = buffer;
    r->capacity = capacity;
    return true;
}

static bool append(tg_resampler *r, const float *samples, int64_t n) {
    if (!reserve(r, n))
        return false;
    if (samples != NULL)
        memcpy(r->buffer + r->filled, samples, sizeof(float) * (size_t)n);
    else
        memset(r->buffer + r->filled, 0, sizeof(float) * (size_t)n);
    r->filled += n;
    return true;
}

bool tg_resampler_push(tg_resampler *r, const float *samples, int64_t n) {
    if (n <= 0)
        return true;
    if (r->filled == 0 && r->received == 0 && !append(r, NULL, r->half - 1))
        return false;
    /* Drop what no later output needs. */
    int64_t first = r->produced / r->up * r->down + r->produced % r->up * r->down / r->up;
    int64_t unneeded = first - (r->half - 1) - r->origin;
    if (unneeded > 0 && unneeded <= r->filled) {
        memmove(r->buffer, r->buffer + unneeded, sizeof(float) * (size_t)(r->filled - unneeded));
        r->origin += unneeded;
        r->filled -= unneeded;
    }
    /* Room for the zeros of the end too, so that finish cannot fail. */
    if (!reserve(r, n + r->taps + 1) || !append(r, samples, n))
        return false;
    r->received += n;
    return true;
}

void tg_resampler_finish(tg_resampler *r) {
    if (!r->finished && r->received > 0)
        append(r, NULL, r->taps + 1);
    r->finished = true;
}

static float dot(const float *a, const float *b, int n) {
    float lane[LANES] = {0};
    for (int i = 0; i < n; i += LANES)
        for (int l = 0; l < LANES; l++)
            lane[l] += a[i + l] * b[i + l];
    float sum = 0;
    for (int l = 0; l < LANES; l++)
        sum += lane[l];
    return sum;
}

int64_t tg_resampler_pull(tg_resampler *r, float *out, int64_t n) {
    int64_t end =
        (r->received / r->down) * r->up + (r->received % r->down * r->up + r->down - 1) / r->down;
    int64_t done = 0;
    while (done < n && r->produced < end) {
        int64_t part = r->produced % r->up * r->down;
        int64_t first = r->produced / r->up * r->down + part / r->up;
        int64_t phase = part % r->up;
        int64_t at = first - (r->half - 1) - r->origin;
        if (at + r->taps > r->filled)
            break;
        const float *x = r->buffer + at;
        if (r->exact) {
            out[done] = dot(r->table + (size_t)phase * (size_t)r->taps, x, r->taps);
        } else {
            double position = (double)phase / (double)r->up * r->rows;
            int row = (int)position;
            float blend = (float)(position - row);
            const float *taps = r->table + (size_t)row * (size_t)r->taps;
            out[done] =
                (1 - blend) * dot(taps, x, r->taps) + blend * dot(taps + r->taps, x, r->taps);
        }
        r->produced++;
        done++;
    }
    return done;
}

tg_status tg_resample(tg_context *ctx, const float *samples, int64_t n, int from_rate, int to_rate,
                      float **out, int64_t *out_n) {
    *out = NULL;
    *out_n = 0;
    tg_resampler *r = NULL;
    tg_status status = tg_resampler_create(ctx, from_rate, to_rate, &r);
    if (status != TG_OK)
        return status;
    int64_t total = n / r->down * r->up + (n % r->down * r->up + r->down - 1) / r->down;
    float *result = tg_alloc(sizeof(float) * (size_t)(total > 0 ? total : 1));
    if (result == NULL || !tg_resampler_push(r, samples, n)) {
        tg_free(result);
        tg_resampler_destroy(&r);
        return tg_fail(ctx, TG_ENOMEM, "out of memory for %lld samples", (long long)total);
    }
    tg_resampler_finish(r);
    *out_n = tg_resampler_pull(r, result, total);
    *out = result;
    tg_resampler_destroy(&r);
    return TG_OK;
}
