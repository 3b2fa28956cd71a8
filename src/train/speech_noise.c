#include "train/speech_noise.h"

#include "talkgen/speech.h"

#include <math.h>
#include <string.h>

double tg_signal_rms(const float *x, int64_t n) {
    double sum = 0;
    for (int64_t i = 0; i < n; i++)
        sum += (double)x[i] * x[i];
    return n > 0 ? sqrt(sum / (double)n) : 0;
}

/* ---- noise --------------------------------------------------------------------- */

/* Nearly normal: the sum of the four 16-bit words of one draw, variance 1. */
static float hiss(tg_draws *d) {
    uint64_t z = tg_draw_word(d);
    int32_t sum = (int32_t)(z & 0xffff) + (int32_t)(z >> 16 & 0xffff) +
                  (int32_t)(z >> 32 & 0xffff) + (int32_t)(z >> 48);
    return (float)(sum - 131070) * (1.0f / 37837.0f);
}

static void pink(tg_draws *d, float *x, int64_t n) {
    /* Three poles spread over the band bring white noise to 1/f within 1 dB (Kellet). */
    float a = 0, b = 0, c = 0;
    for (int64_t i = 0; i < n; i++) {
        float w = hiss(d);
        a = 0.99765f * a + w * 0.0990460f;
        b = 0.96300f * b + w * 0.2965164f;
        c = 0.57000f * c + w * 1.0526913f;
        x[i] = a + b + c + w * 0.1848f;
    }
}

static void hum(tg_draws *d, float *x, int64_t n) {
    double mains = tg_draw_chance(d, 0.5) ? 50 : 60;
    for (int64_t i = 0; i < n; i++)
        x[i] = 0.02f * hiss(d);
    for (int k = 1; k <= 6; k++) {
        double step = 2 * M_PI * mains * k / TG_SPEECH_RATE;
        double gain = tg_draw(d) / k;
        /* sin by rotation */
        double c = cos(step), s = sin(step), re = 0, im = gain;
        for (int64_t i = 0; i < n; i++) {
            double next = re * c - im * s;
            im = re * s + im * c;
            re = next;
            x[i] += (float)re;
        }
    }
}

static void crackle(tg_draws *d, float *x, int64_t n) {
    double per_sample = tg_draw_between(d, 2, 40) / TG_SPEECH_RATE;
    float ring = 0, decay = (float)tg_draw_between(d, 0.3, 0.9);
    for (int64_t i = 0; i < n; i++) {
        float h = hiss(d);
        if (tg_draw_chance(d, per_sample))
            ring = 8 * h;
        x[i] = ring + 0.1f * h;
        ring *= -decay;
    }
}

void tg_noise_add(tg_draws *d, tg_noise_kind kind, double level, float *x, float *scratch,
                  int64_t n) {
    float state = 0;
    switch (kind) {
    case TG_NOISE_PINK:
        pink(d, scratch, n);
        break;
    case TG_NOISE_BROWN:
        for (int64_t i = 0; i < n; i++)
            scratch[i] = state = 0.985f * state + hiss(d);
        break;
    case TG_NOISE_HUM:
        hum(d, scratch, n);
        break;
    case TG_NOISE_CRACKLE:
        crackle(d, scratch, n);
        break;
    default:
        for (int64_t i = 0; i < n; i++)
            scratch[i] = hiss(d);
    }
    double scale = level / fmax(tg_signal_rms(scratch, n), 1e-9);
    /* Swell: +-3 dB, a few times per second at most. */
    double rate = 2 * M_PI * tg_draw_between(d, 0.1, 2) / TG_SPEECH_RATE;
    double depth = tg_draw_between(d, 0, 0.35), phase = tg_draw_between(d, 0, 2 * M_PI);
    for (int64_t i = 0; i < n;) {
        int64_t end = i + 160 < n ? i + 160 : n;
        float gain = (float)(scale * (1 + depth * sin(phase + rate * (double)i)));
        for (; i < end; i++)
            x[i] += gain * scratch[i];
    }
}

/* ---- filters ---------------------------------------------------------------------- */

typedef struct {
    double b0, b1, b2, a0, a1, a2;
} section;

static void run(section s, float *x, int64_t n) {
    float b0 = (float)(s.b0 / s.a0), b1 = (float)(s.b1 / s.a0), b2 = (float)(s.b2 / s.a0);
    float a1 = (float)(s.a1 / s.a0), a2 = (float)(s.a2 / s.a0), z1 = 0, z2 = 0;
    for (int64_t i = 0; i < n; i++) {
        float in = x[i], out = b0 * in + z1;
        z1 = b1 * in - a1 * out + z2;
        z2 = b2 * in - a2 * out;
        x[i] = out;
    }
}

void tg_filter_low_pass(double hz, double q, float *x, int64_t n) {
    double w = 2 * M_PI * hz / TG_SPEECH_RATE, c = cos(w), alpha = sin(w) / (2 * q);
    run((section){(1 - c) / 2, 1 - c, (1 - c) / 2, 1 + alpha, -2 * c, 1 - alpha}, x, n);
}

void tg_filter_high_pass(double hz, double q, float *x, int64_t n) {
    double w = 2 * M_PI * hz / TG_SPEECH_RATE, c = cos(w), alpha = sin(w) / (2 * q);
    run((section){(1 + c) / 2, -1 - c, (1 + c) / 2, 1 + alpha, -2 * c, 1 - alpha}, x, n);
}

void tg_filter_peak(double hz, double q, double gain_db, float *x, int64_t n) {
    double a = pow(10, gain_db / 40);
    double w = 2 * M_PI * hz / TG_SPEECH_RATE, c = cos(w), alpha = sin(w) / (2 * q);
    run((section){1 + alpha * a, -2 * c, 1 - alpha * a, 1 + alpha / a, -2 * c, 1 - alpha / a}, x,
        n);
}

void tg_filter_high_shelf(double hz, double gain_db, float *x, int64_t n) {
    double a = pow(10, gain_db / 40), w = 2 * M_PI * hz / TG_SPEECH_RATE, c = cos(w);
    double slope = sin(w) * sqrt(a) * sqrt(2); /* 2 sqrt(a) alpha with shelf slope 1 */
    run((section){a * ((a + 1) + (a - 1) * c + slope), -2 * a * ((a - 1) + (a + 1) * c),
                  a * ((a + 1) + (a - 1) * c - slope), (a + 1) - (a - 1) * c + slope,
                  2 * ((a - 1) - (a + 1) * c), (a + 1) - (a - 1) * c - slope},
        x, n);
}

/* ---- room ------------------------------------------------------------------------- */

enum { LINES = 4, LINE_ROOM = 1024, REFLECTIONS = 6 };

void tg_room(tg_draws *d, double decay_s, double wet, float *x, float *scratch, int64_t n) {
    float line[LINES][LINE_ROOM] = {{0}}, feedback[LINES], damped[LINES] = {0};
    int length[LINES], at[LINES] = {0}, delay[REFLECTIONS];
    float gain[REFLECTIONS];
    double size = tg_draw_between(d, 0.35, 1);
    for (int l = 0; l < LINES; l++) {
        length[l] = (int)(size * tg_draw_between(d, 350 + 150 * l, 500 + 150 * l));
        feedback[l] = (float)pow(10, -3.0 * length[l] / (decay_s * TG_SPEECH_RATE));
    }
    for (int r = 0; r < REFLECTIONS; r++) {
        delay[r] = (int)tg_draw_between(d, 30, 700 * size);
        gain[r] = (float)(tg_draw_between(d, 0.2, 0.8) * (tg_draw_chance(d, 0.5) ? 1 : -1));
    }
    float bright = (float)tg_draw_between(d, 0.3, 0.9);
    for (int64_t i = 0; i < n; i++) {
        float early = 0, out[LINES], sum = 0;
        for (int r = 0; r < REFLECTIONS; r++)
            if (i >= delay[r])
                early += gain[r] * x[i - delay[r]];
        for (int l = 0; l < LINES; l++) {
            damped[l] += bright * (line[l][at[l]] - damped[l]);
            out[l] = damped[l] * feedback[l];
            sum += out[l];
        }
        /* Householder matrix: lossless mixing of the lines. */
        for (int l = 0; l < LINES; l++) {
            line[l][at[l]] = x[i] + out[l] - 0.5f * sum;
            at[l] = at[l] + 1 < length[l] ? at[l] + 1 : 0;
        }
        scratch[i] = early + sum;
    }
    double dry = tg_signal_rms(x, n), echo = tg_signal_rms(scratch, n);
    float mix = (float)(wet * dry / fmax(echo, 1e-9));
    for (int64_t i = 0; i < n; i++)
        x[i] += mix * scratch[i];
}

/* ---- codecs ------------------------------------------------------------------------ */

void tg_codec_companded(double peak, float *x, int64_t n) {
    const float mu = 255, scale = 1 / log1pf(mu), top = (float)fmax(peak, 1e-6);
    for (int64_t i = 0; i < n; i++) {
        float v = fminf(fabsf(x[i]) / top, 1);
        float code = roundf(127 * log1pf(mu * v) * scale) / 127;
        x[i] = copysignf(top * expm1f(code / scale) / mu, x[i]);
    }
}

enum { HALF = 256, BANDS = 16, BAND = HALF / BANDS };

/* Modified discrete cosine transform (Princen & Bradley 1987), straight from its definition: at
 * 16 kHz that is 16 Mflop for a second of sound. */
float *tg_codec_table(void) {
    float *table = tg_alloc(sizeof(float) * HALF * 2 * HALF);
    for (int k = 0; table != NULL && k < HALF; k++)
        for (int i = 0; i < 2 * HALF; i++)
            table[k * 2 * HALF + i] =
                (float)(sin(M_PI * (i + 0.5) / (2 * HALF)) *
                        cos(M_PI / HALF * (i + 0.5 + HALF / 2.0) * (k + 0.5)));
    return table;
}

static void round_bands(double steps_db, float *coefficient) {
    for (int b = 0; b < BANDS; b++) {
        float *c = coefficient + b * BAND;
        double power = 1e-12;
        for (int k = 0; k < BAND; k++)
            power += (double)c[k] * c[k] / BAND;
        /* Higher bands get fewer bits. */
        float step = (float)(sqrt(power) * pow(10, (-steps_db + 1.0 * b) / 20));
        for (int k = 0; k < BAND; k++)
            c[k] = step * roundf(c[k] / step);
    }
}

void tg_codec_transform(const float *table, double steps_db, float *x, float *scratch, int64_t n) {
    memset(scratch, 0, sizeof(float) * (size_t)n);
    for (int64_t begin = -HALF; begin < n; begin += HALF) {
        int from = begin < 0 ? (int)-begin : 0;
        int to = n - begin < 2 * HALF ? (int)(n - begin) : 2 * HALF;
        float c[HALF];
        for (int k = 0; k < HALF; k++) {
            const float *row = table + (int64_t)k * 2 * HALF;
            float sum = 0;
            for (int i = from; i < to; i++)
                sum += row[i] * x[begin + i];
            c[k] = sum;
        }
        round_bands(steps_db, c);
        for (int k = 0; k < HALF; k++) {
            const float *row = table + (int64_t)k * 2 * HALF;
            float value = c[k] * (2.0f / HALF);
            for (int i = from; value != 0 && i < to; i++)
                scratch[begin + i] += row[i] * value;
        }
    }
    memcpy(x, scratch, sizeof(float) * (size_t)n);
}
