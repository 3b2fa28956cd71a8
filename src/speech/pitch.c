/* F0 by autocorrelation: P. Boersma (1993), "Accurate short-term analysis of the fundamental
 * frequency and the harmonics-to-noise ratio of a sampled sound". Equation numbers are the
 * paper's; parameters and costs are Praat's.
 */
#include "speech/pitch.h"
#include "speech/fft.h"

#include <float.h>
#include <math.h>
#include <string.h>

enum { MAX_CANDIDATES = TG_PITCH_CANDIDATES, SINC_DEPTH = 30 };
static const double periods_per_window = 3;

typedef tg_pitch_candidate candidate;
typedef tg_pitch_analysis analysis;

tg_pitch_config tg_pitch_defaults(void) {
    return (tg_pitch_config){.time_step = 0.02,
                             .floor_hz = 80,
                             .ceiling_hz = 750,
                             .voicing_threshold = 0.6,
                             .silence_threshold = 0.03,
                             .octave_cost = 0.01,
                             .octave_jump_cost = 0.35,
                             .voiced_unvoiced_cost = 0.14,
                             .candidates = 15};
}

int64_t tg_pitch_frames(const tg_pitch_config *config, int rate, int64_t n, double *first_s) {
    double duration = (double)n / rate, window = periods_per_window / config->floor_hz;
    if (duration < window)
        return 0;
    int64_t frames = (int64_t)floor((duration - window) / config->time_step) + 1;
    if (first_s != NULL)
        *first_s = 0.5 * (duration - (double)(frames - 1) * config->time_step);
    return frames;
}

void tg_pitch_analysis_free(analysis *a) {
    tg_fft_lock();
    if (a->forward != NULL)
        fftwf_destroy_plan(a->forward);
    if (a->backward != NULL)
        fftwf_destroy_plan(a->backward);
    tg_fft_unlock();
    tg_free(a->hann);
    tg_free(a->hann_correlation);
    tg_free(a->frame);
    tg_free(a->correlation);
    tg_free(a->spectrum);
}

/* Autocorrelation of frame[0..fft) by the power spectrum, left in frame. */
static void autocorrelate(analysis *a) {
    fftwf_execute(a->forward);
    for (int64_t k = 0; k <= a->fft / 2; k++) {
        float re = a->spectrum[k][0], im = a->spectrum[k][1];
        a->spectrum[k][0] = re * re + im * im;
        a->spectrum[k][1] = 0;
    }
    fftwf_execute(a->backward);
}

bool tg_pitch_analysis_init(analysis *a, const tg_pitch_config *config, int rate) {
    *a = (analysis){.config = config, .rate = rate};
    a->half = (int64_t)floor(periods_per_window / config->floor_hz * rate) / 2 - 1;
    a->window = 2 * a->half;
    a->longest = (int64_t)floor(rate / config->floor_hz);
    a->lags = a->window / 2;
    a->fft = 1;
    while (2 * a->fft < 3 * a->window)
        a->fft *= 2;
    a->hann = tg_alloc(sizeof(float) * (size_t)a->window);
    a->hann_correlation = tg_alloc(sizeof(float) * (size_t)a->lags);
    a->frame = tg_alloc(sizeof(float) * (size_t)a->fft);
    a->correlation = tg_alloc(sizeof(double) * (size_t)a->lags);
    a->spectrum = tg_alloc(sizeof(fftwf_complex) * (size_t)(a->fft / 2 + 1));
    if (a->hann == NULL || a->hann_correlation == NULL || a->frame == NULL ||
        a->correlation == NULL || a->spectrum == NULL)
        return false;
    tg_fft_lock();
    a->forward = fftwf_plan_dft_r2c_1d((int)a->fft, a->frame, a->spectrum, FFTW_ESTIMATE);
    a->backward = fftwf_plan_dft_c2r_1d((int)a->fft, a->spectrum, a->frame, FFTW_ESTIMATE);
    tg_fft_unlock();
    if (a->forward == NULL || a->backward == NULL)
        return false;
    memset(a->frame, 0, sizeof(float) * (size_t)a->fft);
    for (int64_t i = 0; i < a->window; i++) {
        double phase = 2 * M_PI * (double)(i + 1) / (double)(a->window + 1);
        a->frame[i] = a->hann[i] = (float)(0.5 - 0.5 * cos(phase));
    }
    autocorrelate(a);
    for (int64_t i = 0; i < a->lags; i++)
        a->hann_correlation[i] = a->frame[i] / a->frame[0];
    return true;
}

/* r at a fractional lag: sinc interpolation under a raised cosine (eq. 22). */
static double correlation_at(const analysis *a, double lag) {
    int64_t left = (int64_t)floor(lag);
    double part = lag - (double)left, sum = 0;
    if (part < 1e-9)
        return a->correlation[left];
    int64_t depth = SINC_DEPTH;
    if (depth > a->lags - 1 - left)
        depth = a->lags - 1 - left;
    if (depth < 1)
        return a->correlation[left];
    double s = sin(M_PI * part) / M_PI;
    for (int64_t k = 0; k < depth; k++) {
        double sign = k % 2 == 0 ? s : -s, down = part + (double)k, up = 1 - part + (double)k;
        int64_t below = left - k; /* even in the lag */
        sum += a->correlation[below < 0 ? -below : below] * sign / down *
               (0.5 + 0.5 * cos(M_PI * down / (part + (double)depth)));
        sum += a->correlation[left + 1 + k] * sign / up *
               (0.5 + 0.5 * cos(M_PI * up / (1 - part + (double)depth)));
    }
    return sum;
}

/* Lag of the largest value within one sample of `lag`, by golden section. */
static double refine(const analysis *a, double lag, double *value) {
    const double golden = 0.6180339887498949;
    double low = lag - 1, high = lag + 1;
    double x = high - golden * (high - low), y = low + golden * (high - low);
    double fx = correlation_at(a, x), fy = correlation_at(a, y);
    for (int i = 0; i < 32; i++) {
        if (fx > fy) {
            high = y;
            y = x;
            fy = fx;
            x = high - golden * (high - low);
            fx = correlation_at(a, x);
        } else {
            low = x;
            x = y;
            fx = fy;
            y = low + golden * (high - low);
            fy = correlation_at(a, y);
        }
    }
    *value = fmax(fx, fy);
    return 0.5 * (low + high);
}

/* Windowed samples around `centre` into frame; returns the local peak relative to the global. */
static double take_frame(analysis *a, const float *samples, int64_t n, double mean,
                         int64_t centre) {
    double sum = 0;
    int64_t count = 0;
    for (int64_t i = centre - a->longest; i < centre + a->longest; i++)
        if (i >= 0 && i < n) {
            sum += samples[i] - mean;
            count++;
        }
    double local = mean + (count > 0 ? sum / (double)count : 0), peak = 0;
    int64_t reach = a->longest / 2 + 1;
    for (int64_t i = 0; i < a->window; i++) {
        int64_t at = centre - a->half + i;
        double x = at >= 0 && at < n ? samples[at] - local : 0;
        a->frame[i] = (float)x * a->hann[i];
        if (i >= a->half - reach && i < a->half + reach)
            peak = fmax(peak, fabs((double)a->frame[i]));
    }
    memset(a->frame + a->window, 0, sizeof(float) * (size_t)(a->fft - a->window));
    return fmin(1, peak / a->global_peak);
}

/* Candidates of the frame; [0] is the unvoiced one. Returns how many. */
static int find_candidates(analysis *a, double intensity, candidate *out) {
    const tg_pitch_config *c = a->config;
    int count = 1, most = c->candidates < MAX_CANDIDATES ? c->candidates : MAX_CANDIDATES;
    /* eq. 23 */
    double silence = 2 - intensity * (1 + c->voicing_threshold) / c->silence_threshold;
    out[0] = (candidate){0, c->voicing_threshold + fmax(0, silence)};
    autocorrelate(a);
    if (!(a->frame[0] > 0))
        return count;
    for (int64_t i = 0; i < a->lags; i++)
        a->correlation[i] = (double)a->frame[i] / ((double)a->frame[0] * a->hann_correlation[i]);
    const double *r = a->correlation;
    int64_t last = a->window / (int64_t)periods_per_window + 2;
    for (int64_t i = 2; i < last && i + 1 < a->lags; i++) {
        if (!(r[i] > 0.5 * c->voicing_threshold && r[i] > r[i - 1] && r[i] >= r[i + 1]))
            continue;
        double strength, lag = refine(a, (double)i, &strength), hz = a->rate / lag;
        if (hz > c->ceiling_hz || hz < c->floor_hz)
            continue;
        if (strength > 1)
            strength = 1 / strength;
        /* eq. 24: of two equally good periods the shorter one */
        strength -= c->octave_cost * log2(c->floor_hz * lag / a->rate);
        int place = count;
        if (count == most) {
            place = 1;
            for (int k = 2; k < count; k++)
                if (out[k].strength < out[place].strength)
                    place = k;
            if (out[place].strength >= strength)
                continue;
        } else {
            count++;
        }
        out[place] = (candidate){hz, strength};
    }
    return count;
}

static double transition(const tg_pitch_config *c, double from_hz, double to_hz) {
    /* The costs are for steps of 10 ms. */
    double correction = 0.01 / c->time_step;
    if (from_hz == 0 && to_hz == 0)
        return 0;
    if (from_hz == 0 || to_hz == 0)
        return correction * c->voiced_unvoiced_cost;
    return correction * c->octave_jump_cost * fabs(log2(from_hz / to_hz)); /* eq. 27 */
}

int64_t tg_pitch_centre(const analysis *a, double first_s, int64_t t) {
    double time = first_s + (double)t * a->config->time_step;
    return (int64_t)floor(time * a->rate - 0.5) + 1;
}

int tg_pitch_frame(analysis *a, const float *samples, int64_t n, double mean, int64_t centre,
                   candidate out[MAX_CANDIDATES]) {
    return find_candidates(a, take_frame(a, samples, n, mean, centre), out);
}

void tg_pitch_step(const tg_pitch_config *c, const candidate *before, int before_count,
                   const double *from, const candidate *now, int now_count, double *to,
                   int16_t *back) {
    for (int k = 0; k < now_count; k++) {
        double best = -DBL_MAX;
        for (int j = 0; j < before_count; j++) {
            double value = from[j] - transition(c, before[j].hz, now[k].hz);
            if (value > best) {
                best = value;
                back[k] = (int16_t)j;
            }
        }
        to[k] = best + now[k].strength;
    }
}

/* The cheapest path through all candidates (Viterbi). */
static void best_path(const tg_pitch_config *c, const candidate *candidates, const int *counts,
                      int64_t frames, double *score, int16_t *back, float *out) {
    for (int k = 0; k < counts[0]; k++)
        score[k] = candidates[k].strength;
    for (int64_t t = 1; t < frames; t++) {
        const candidate *now = candidates + t * MAX_CANDIDATES;
        tg_pitch_step(c, now - MAX_CANDIDATES, counts[t - 1], score + (t + 1) % 2 * MAX_CANDIDATES,
                      now, counts[t], score + t % 2 * MAX_CANDIDATES, back + t * MAX_CANDIDATES);
    }
    const double *end = score + (frames - 1) % 2 * MAX_CANDIDATES;
    int place = 0;
    for (int k = 1; k < counts[frames - 1]; k++)
        if (end[k] > end[place])
            place = k;
    for (int64_t t = frames - 1; t >= 0; t--) {
        out[t] = (float)candidates[t * MAX_CANDIDATES + place].hz;
        if (t > 0)
            place = back[t * MAX_CANDIDATES + place];
    }
}

tg_status tg_pitch(tg_context *ctx, const tg_pitch_config *config, const float *samples, int64_t n,
                   int rate, float *out) {
    double first, mean = 0;
    int64_t frames = tg_pitch_frames(config, rate, n, &first);
    if (frames == 0)
        return TG_OK;
    analysis a;
    bool good = tg_pitch_analysis_init(&a, config, rate);
    size_t slots = (size_t)frames * MAX_CANDIDATES;
    candidate *candidates = tg_alloc(sizeof *candidates * slots);
    int *counts = tg_alloc(sizeof(int) * (size_t)frames);
    int16_t *back = tg_calloc(sizeof(int16_t) * slots);
    double *score = tg_alloc(sizeof(double) * 2 * MAX_CANDIDATES);
    good = good && candidates != NULL && counts != NULL && back != NULL && score != NULL;
    if (good) {
        for (int64_t i = 0; i < n; i++)
            mean += samples[i];
        mean /= (double)n;
        for (int64_t i = 0; i < n; i++)
            a.global_peak = fmax(a.global_peak, fabs(samples[i] - mean));
        if (a.global_peak == 0)
            memset(out, 0, sizeof(float) * (size_t)frames);
    }
    if (good && a.global_peak > 0) {
        for (int64_t t = 0; t < frames; t++) {
            int64_t centre = tg_pitch_centre(&a, first, t);
            counts[t] =
                tg_pitch_frame(&a, samples, n, mean, centre, candidates + t * MAX_CANDIDATES);
        }
        best_path(config, candidates, counts, frames, score, back, out);
    }
    tg_pitch_analysis_free(&a);
    tg_free(candidates);
    tg_free(counts);
    tg_free(back);
    tg_free(score);
    return good ? TG_OK : tg_fail(ctx, TG_ENOMEM, "out of memory for a pitch analysis");
}

tg_status tg_f0(tg_context *ctx, const float *samples, int64_t n, float *out, int64_t frames) {
    tg_pitch_config config = tg_pitch_defaults();
    int64_t padded = (n / TG_SPEECH_HOP + 1) * TG_SPEECH_HOP;
    int64_t found = tg_pitch_frames(&config, TG_SPEECH_RATE, padded, NULL);
    float *signal = tg_calloc(sizeof(float) * (size_t)padded);
    float *track = tg_alloc(sizeof(float) * (size_t)(found > 0 ? found : 1));
    tg_status status = TG_OK;
    if (signal == NULL || track == NULL)
        status = tg_fail(ctx, TG_ENOMEM, "out of memory for a pitch analysis");
    if (status == TG_OK) {
        memcpy(signal, samples, sizeof(float) * (size_t)n);
        status = tg_pitch(ctx, &config, signal, padded, TG_SPEECH_RATE, track);
    }
    for (int64_t i = 0; i < frames && status == TG_OK; i++)
        out[i] = found == 0 ? 0 : track[i < found ? i : found - 1];
    tg_free(signal);
    tg_free(track);
    return status;
}

int tg_f0_coarse(float hz) {
    const double low = 1127 * log(1 + 50.0 / 700), high = 1127 * log(1 + 1100.0 / 700);
    double mel = hz > 0 ? 1127 * log(1 + hz / 700.0) : 0;
    double bin = mel > 0 ? (mel - low) * 254 / (high - low) + 1 : 1;
    return (int)floor(fmax(1, fmin(255, bin)) + 0.5);
}
