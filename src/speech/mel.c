/* GeneFace's mel: |STFT| without centring, Slaney filters, log10. */
#include "speech/fft.h"
#include "talkgen/speech.h"

#include <fftw3.h>
#include <math.h>
#include <pthread.h>
#include <string.h>

static pthread_mutex_t planner = PTHREAD_MUTEX_INITIALIZER;

void tg_fft_lock(void) {
    pthread_mutex_lock(&planner);
}

void tg_fft_unlock(void) {
    pthread_mutex_unlock(&planner);
}

tg_mel_config tg_mel_defaults(void) {
    return (tg_mel_config){.rate = TG_SPEECH_RATE,
                           .fft = 512,
                           .window = 512,
                           .hop = TG_SPEECH_HOP,
                           .mels = 80,
                           .fmin = 80,
                           .fmax = 7600,
                           .eps = 1e-6f};
}

int64_t tg_mel_frames(const tg_mel_config *config, int64_t n) {
    return n < config->fft ? 0 : 1 + (n - config->fft) / config->hop;
}

/* Slaney's scale (Auditory Toolbox): linear to 1 kHz, then 27 steps per factor 6.4. */
static double hz_to_mel(double hz) {
    return hz < 1000 ? hz * 3 / 200 : 15 + 27 * log(hz / 1000) / log(6.4);
}

static double mel_to_hz(double mel) {
    return mel < 15 ? mel * 200 / 3 : 1000 * exp((mel - 15) * log(6.4) / 27);
}

void tg_mel_basis(const tg_mel_config *config, float *out) {
    int bins = config->fft / 2 + 1;
    double low = hz_to_mel(config->fmin), high = hz_to_mel(config->fmax);
    double step = (high - low) / (config->mels + 1);
    for (int m = 0; m < config->mels; m++) {
        double left = mel_to_hz(low + m * step), centre = mel_to_hz(low + (m + 1) * step);
        double right = mel_to_hz(low + (m + 2) * step);
        for (int k = 0; k < bins; k++) {
            double hz = (double)k * config->rate / config->fft;
            double rise = (hz - left) / (centre - left), fall = (right - hz) / (right - centre);
            double height = fmax(0, fmin(rise, fall));
            out[m * bins + k] = (float)(height * 2 / (right - left));
        }
    }
}

tg_status tg_mel(tg_context *ctx, const tg_mel_config *config, const float *samples, int64_t n,
                 float *out) {
    int bins = config->fft / 2 + 1;
    float *basis = tg_alloc(sizeof(float) * (size_t)config->mels * (size_t)bins);
    float *window = tg_calloc(sizeof(float) * (size_t)config->fft);
    float *frame = tg_alloc(sizeof(float) * (size_t)config->fft);
    fftwf_complex *spectrum = tg_alloc(sizeof(fftwf_complex) * (size_t)bins);
    fftwf_plan plan = NULL;
    if (basis != NULL && window != NULL && frame != NULL && spectrum != NULL) {
        tg_fft_lock();
        plan = fftwf_plan_dft_r2c_1d(config->fft, frame, spectrum, FFTW_ESTIMATE);
        tg_fft_unlock();
    }
    if (plan != NULL) {
        tg_mel_basis(config, basis);
        /* A shorter window sits in the middle of the frame. */
        int offset = (config->fft - config->window) / 2;
        for (int i = 0; i < config->window; i++)
            window[offset + i] = (float)(0.5 - 0.5 * cos(2 * M_PI * i / config->window));
        int64_t frames = tg_mel_frames(config, n);
        for (int64_t t = 0; t < frames; t++) {
            for (int i = 0; i < config->fft; i++)
                frame[i] = samples[t * config->hop + i] * window[i];
            fftwf_execute(plan);
            for (int k = 0; k < bins; k++)
                spectrum[k][0] = hypotf(spectrum[k][0], spectrum[k][1]);
            for (int m = 0; m < config->mels; m++) {
                double sum = 0;
                for (int k = 0; k < bins; k++)
                    sum += (double)basis[m * bins + k] * spectrum[k][0];
                out[t * config->mels + m] = (float)log10(fmax(sum, config->eps));
            }
        }
        tg_fft_lock();
        fftwf_destroy_plan(plan);
        tg_fft_unlock();
    }
    tg_free(spectrum);
    tg_free(frame);
    tg_free(window);
    tg_free(basis);
    return plan != NULL ? TG_OK : tg_fail(ctx, TG_ENOMEM, "out of memory for a mel spectrogram");
}

const char *tg_fftw_version(void) {
    return fftwf_version;
}
