/* Inside speech: the frames of the pitch analysis, for whole signals and for streams. */
#ifndef TALKGEN_SPEECH_PITCH_H
#define TALKGEN_SPEECH_PITCH_H

#include "talkgen/speech.h"

#include <fftw3.h>

enum { TG_PITCH_CANDIDATES = 32 };

typedef struct {
    double hz, strength; /* hz 0: the unvoiced candidate */
} tg_pitch_candidate;

typedef struct {
    const tg_pitch_config *config;
    int rate;
    int64_t window, half, fft;      /* samples of the analysis window, its half, FFT length */
    int64_t longest;                /* samples of the longest period */
    int64_t lags;                   /* lags kept, half a window */
    float *hann, *hann_correlation; /* [window], [lags] */
    float *frame;                   /* [fft] */
    double *correlation;            /* [lags], normalised; even in the lag */
    fftwf_complex *spectrum;
    fftwf_plan forward, backward;
    double global_peak;
} tg_pitch_analysis;

/* config is borrowed; global_peak is the caller's to set. false = no memory; free in both cases. */
bool tg_pitch_analysis_init(tg_pitch_analysis *a, const tg_pitch_config *config, int rate);
void tg_pitch_analysis_free(tg_pitch_analysis *a);
/* Sample at the middle of frame t when frame 0 is at first_s. */
int64_t tg_pitch_centre(const tg_pitch_analysis *a, double first_s, int64_t t);
/* Candidates of the frame around sample `centre` of samples [n] (zero outside), whose mean is that
 * of the whole signal; out[0] is the unvoiced one. Returns how many. */
int tg_pitch_frame(tg_pitch_analysis *a, const float *samples, int64_t n, double mean,
                   int64_t centre, tg_pitch_candidate out[TG_PITCH_CANDIDATES]);
/* One step of the search for the best path: to[k] becomes the best score of a path that ends in
 * now[k], back[k] its candidate before. */
void tg_pitch_step(const tg_pitch_config *c, const tg_pitch_candidate *before, int before_count,
                   const double *from, const tg_pitch_candidate *now, int now_count, double *to,
                   int16_t *back);

#endif
