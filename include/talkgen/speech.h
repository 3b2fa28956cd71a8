/* talkgen speech: from any recording to what the networks hear.
 *
 *     tg_wave16k *wave;
 *     tg_wave16k_open(ctx, "a.mp3", NULL, &wave);              // 16 kHz mono, streamed
 *     tg_features *features;
 *     tg_features_open(ctx, hubert, wave, &features);          // whole-file normalisation
 *     while (tg_features_next(ctx, features, &rows, &n) == TG_OK && n > 0)
 *         ...                                                  // rows [n,D], 50 per second
 *
 * Time: HuBERT row j covers samples [320 j, 320 j + 400) of the 16 kHz signal, its centre is at
 * (320 j + 200) / 16000 s; video frame i (25 fps) takes row 2 i.
 */
#ifndef TALKGEN_SPEECH_H
#define TALKGEN_SPEECH_H

#include "talkgen/core.h"
#include "talkgen/io.h"
#include "talkgen/tensor.h"

#ifdef __cplusplus
extern "C" {
#endif

enum { TG_SPEECH_RATE = 16000, TG_SPEECH_HOP = 320 };

/* ---- resampling --------------------------------------------------------------- */

/* Band-limited rate conversion: a Kaiser-windowed sinc, cut at 0.95 of the lower Nyquist
 * frequency, stop band below -90 dB. Output sample i is the signal at time i / to_rate; the
 * signal is zero outside the input; n input samples give ceil(n * to / from) output samples. The
 * result does not depend on how the input is cut into pushes. */
typedef struct tg_resampler tg_resampler;
/* rates 1000..768000 Hz (otherwise TG_EINPUT). */
tg_status tg_resampler_create(tg_context *ctx, int from_rate, int to_rate, tg_resampler **out);
void tg_resampler_destroy(tg_resampler **resampler);
void tg_resampler_reset(tg_resampler *resampler);
/* Takes n samples; false when out of memory. */
bool tg_resampler_push(tg_resampler *resampler, const float *samples, int64_t n);
/* No more input follows: pull delivers the rest. */
void tg_resampler_finish(tg_resampler *resampler);
/* Up to n finished output samples; returns how many. */
int64_t tg_resampler_pull(tg_resampler *resampler, float *out, int64_t n);
/* Everything at once; *out is owned by the caller (tg_free). */
tg_status tg_resample(tg_context *ctx, const float *samples, int64_t n, int from_rate, int to_rate,
                      float **out, int64_t *out_n);

/* ---- 16 kHz mono stream ---------------------------------------------------------- */

/* Any recording as 16 kHz mono, in constant memory. Channels are averaged once, here: mel, pitch
 * and encoder all see the same signal (the reference takes channel 0 for one and the mean for the
 * others). */
typedef struct tg_wave16k tg_wave16k;
typedef struct {
    double start_s;    /* part of the file, cut at its own rate; 0 = from its beginning */
    double duration_s; /* <= 0 = to its end */
} tg_wave_range;
/* range NULL = everything. TG_EINPUT: unreadable, no samples, or the range has none. */
tg_status tg_wave16k_open(tg_context *ctx, const char *path, const tg_wave_range *range,
                          tg_wave16k **out);
/* View of caller memory, 16 kHz mono. */
tg_status tg_wave16k_borrow(tg_context *ctx, const float *samples, int64_t n, tg_wave16k **out);
void tg_wave16k_close(tg_wave16k **wave);
/* Up to n samples; *got = 0 at the end. */
tg_status tg_wave16k_read(tg_context *ctx, tg_wave16k *wave, float *out, int64_t n, int64_t *got);
tg_status tg_wave16k_rewind(tg_context *ctx, tg_wave16k *wave);
const char *tg_wave16k_path(const tg_wave16k *wave); /* "memory" for borrowed samples */

typedef struct {
    int64_t samples; /* at 16 kHz */
    double mean, variance, peak;
} tg_wave_stats;
/* One pass over the whole stream the first time, then remembered; leaves it rewound. */
tg_status tg_wave16k_stats(tg_context *ctx, tg_wave16k *wave, tg_wave_stats *out);
/* The whole stream; *out is owned by the caller (tg_free). */
tg_status tg_wave16k_read_all(tg_context *ctx, tg_wave16k *wave, float **out, int64_t *n);
/* Video frames of n samples: max(1, round(25 n / 16000)). */
int64_t tg_wave_video_frames(int64_t samples);

/* ---- mel ---------------------------------------------------------------------- */

/* GeneFace's mel: amplitude STFT (periodic Hann, no centring), Slaney scale and area, then
 * log10(max(eps, mel)). */
typedef struct {
    int rate, fft, window, hop, mels;
    float fmin, fmax, eps;
} tg_mel_config;
tg_mel_config tg_mel_defaults(void); /* 16000, 512, 512, 320, 80, 80..7600 Hz, 1e-6 */
/* Frames of n samples: 1 + (n - fft) / hop, 0 when n < fft. */
int64_t tg_mel_frames(const tg_mel_config *config, int64_t n);
/* out [mels, fft/2+1]. */
void tg_mel_basis(const tg_mel_config *config, float *out);
/* out [tg_mel_frames, mels]. */
tg_status tg_mel(tg_context *ctx, const tg_mel_config *config, const float *samples, int64_t n,
                 float *out);

/* ---- pitch -------------------------------------------------------------------- */

/* Autocorrelation pitch (Boersma 1993, "Accurate short-term analysis of the fundamental
 * frequency", the method of Praat's "To Pitch (ac)"). */
typedef struct {
    double time_step, floor_hz, ceiling_hz;
    double voicing_threshold, silence_threshold;
    double octave_cost, octave_jump_cost, voiced_unvoiced_cost;
    int candidates;
} tg_pitch_config;
tg_pitch_config tg_pitch_defaults(void); /* 0.02 s, 80..750 Hz, voicing 0.6, Praat's costs */
/* Analysis frames of n samples at `rate` and the time of the first; 0 when n is too short. */
int64_t tg_pitch_frames(const tg_pitch_config *config, int rate, int64_t n, double *first_s);
/* out [tg_pitch_frames] Hz, 0 = unvoiced. */
tg_status tg_pitch(tg_context *ctx, const tg_pitch_config *config, const float *samples, int64_t n,
                   int rate, float *out);
/* GeneFace's F0 at 50 Hz: the signal padded to a multiple of the hop, the track as Praat gives it,
 * its last value repeated or cut to `frames` values. */
tg_status tg_f0(tg_context *ctx, const float *samples, int64_t n, float *out, int64_t frames);
/* tg_f0 of a stream of any length in constant memory: the same numbers, unless a path of candidates
 * stays undecided for 20 s. wave is borrowed and read by the stream until it is closed. */
typedef struct tg_f0_stream tg_f0_stream;
tg_status tg_f0_open(tg_context *ctx, tg_wave16k *wave, tg_f0_stream **out);
void tg_f0_close(tg_f0_stream **stream);
/* The next n values at 50 Hz; the last one repeats for ever, 0 where there is none. */
tg_status tg_f0_next(tg_context *ctx, tg_f0_stream *stream, float *hz, int64_t n);
/* GeneFace's 256 mel-spaced bins: 1 for unvoiced, 1..255. */
int tg_f0_coarse(float hz);

/* ---- HuBERT --------------------------------------------------------------------- */

enum { TG_HUBERT_MAX_CONVS = 8, TG_HUBERT_MAX_LAYERS = 64, TG_HUBERT_MAX_LOGITS = 65536 };

/* The keys of Hugging Face's config.json that shape the network. Both published variants:
 *   base  feat_extract_norm "group", do_stable_layer_norm false, conv_bias false
 *   large feat_extract_norm "layer", do_stable_layer_norm true,  conv_bias true */
typedef struct {
    int convs;
    int conv_dim[TG_HUBERT_MAX_CONVS], conv_kernel[TG_HUBERT_MAX_CONVS];
    int conv_stride[TG_HUBERT_MAX_CONVS];
    bool conv_bias;
    bool conv_layer_norm; /* feat_extract_norm: true "layer", false "group" */
    bool feat_proj_layer_norm;
    bool stable_layer_norm; /* pre-LN */
    int hidden_size, intermediate_size, heads, layers;
    int pos_kernel, pos_groups;
    float eps;
    int frames_per_clip; /* rows per window of long audio, 1000 as published */
    int logits; /* outputs of the CTC head (lm_head), 0 = none; tensors tell it, no config.json */
} tg_hubert_config;

/* This project's small encoder: under 0.7 GFLOP per second of audio. */
tg_hubert_config tg_hubert_small(void);
/* Missing keys take Hugging Face's defaults (hubert-base). name: for messages. TG_EMODEL when a
 * value is out of range or names something that is not implemented. */
tg_status tg_hubert_config_parse(tg_context *ctx, const tg_json *json, const char *name,
                                 tg_hubert_config *out);
tg_json *tg_hubert_config_json(const tg_hubert_config *config); /* NULL = no memory */
int tg_hubert_stride(const tg_hubert_config *config);           /* 320 samples per row */
int tg_hubert_field(const tg_hubert_config *config);            /* 400 samples under a row */
int64_t tg_hubert_conv_rows(const tg_hubert_config *config, int64_t samples); /* 0 if too few */
/* Multiply-adds x 2 per second of audio with full windows. */
double tg_hubert_flop_per_second(const tg_hubert_config *config);

typedef struct tg_hubert tg_hubert;
/* Parameters are zero until tg_hubert_init or a load. */
tg_status tg_hubert_create(tg_context *ctx, const tg_hubert_config *config, tg_hubert **out);
/* Names and shapes of its parameters, which have no memory (tg_params_defer). */
tg_status tg_hubert_outline(tg_context *ctx, const tg_hubert_config *config, tg_hubert **out);
void tg_hubert_destroy(tg_hubert **model);
const tg_hubert_config *tg_hubert_config_of(const tg_hubert *model);
tg_params *tg_hubert_params(tg_hubert *model); /* published names, without "hubert." */
void tg_hubert_init(tg_hubert *model, uint64_t seed);
/* Tensors named prefix + [hubert.] + published name. TG_EMODEL names what is missing. */
tg_status tg_hubert_load(tg_context *ctx, tg_hubert *model, const tg_st *st, const char *prefix);
/* Adds all parameters as prefix + published name. false: no memory or a name is taken. */
bool tg_hubert_store(tg_st_writer *w, tg_hubert *model, const char *prefix, tg_dtype dtype);
/* A voice file or any safetensors file that holds tensors under `prefix` ("speech.") and the
 * metadata "talkgen.speech" with the config as JSON. Float32 tensors are used where the file is
 * mapped; the model keeps it open and does not train (tg_params_own). */
tg_status tg_hubert_open(tg_context *ctx, const tg_st *st, const char *prefix, tg_hubert **out);
enum { TG_HUBERT_NAME_ROOM = 96 };
#define TG_HUBERT_META "talkgen.speech"

/* Convolutional features: input [B,N] -> [B,T,C]. */
tg_tensor *tg_hubert_extract(tg_tape *tape, tg_hubert *model, tg_tensor *input);
/* Projection, position and transformer: [B,T,C] -> [B,T,hidden]. hidden_states (NULL, or room for
 * `layers` tensors) receives the input of each layer. */
tg_tensor *tg_hubert_contextualize(tg_tape *tape, tg_hubert *model, tg_tensor *conv_features,
                                   tg_tensor **hidden_states);
/* Both: normalised input [B,N] -> last_hidden_state [B,T,hidden]. */
tg_tensor *tg_hubert_forward(tg_tape *tape, tg_hubert *model, tg_tensor *input);
/* Whether the encoder has the linear head of a CTC model (esperanto wav2vec2: 44 letters). */
bool tg_hubert_has_logits(const tg_hubert *model);
/* That head: last_hidden_state [B,T,hidden] -> letter scores before the softmax [B,T,logits]. Only
 * for encoders that have one. */
tg_tensor *tg_hubert_head(tg_tape *tape, tg_hubert *model, tg_tensor *hidden);

/* ---- features of a recording ---------------------------------------------------------- */

/* Rows of `samples`: (samples - 80) / 320 as in GeneFace, at least 2 (one video frame). */
int64_t tg_features_rows(const tg_hubert_config *config, int64_t samples);

/* GeneFace's loop: (x - mean) / sqrt(variance + 1e-7) over the whole file, windows of
 * frames_per_clip rows (20 s) that share nothing, a tail under 400 samples dropped, rows cut or
 * filled with zeros to tg_features_rows. Very short audio is padded with zeros after
 * normalisation. Memory does not grow with the length. */
typedef struct tg_features tg_features;
/* wave is borrowed and read by the stream until it is closed. */
tg_status tg_features_open(tg_context *ctx, tg_hubert *model, tg_wave16k *wave, tg_features **out);
/* The same rows through the CTC head: [rows, logits], what audio-driven NeRFs are conditioned on.
 * TG_EMODEL when the encoder has no head. */
tg_status tg_features_open_logits(tg_context *ctx, tg_hubert *model, tg_wave16k *wave,
                                  tg_features **out);
void tg_features_close(tg_features **features);
int64_t tg_features_total(const tg_features *features); /* rows in all */
int tg_features_dim(const tg_features *features);       /* D: hidden_size, or logits */
/* The next window: *rows [n,D] valid until the next call; *n = 0 at the end. */
tg_status tg_features_next(tg_context *ctx, tg_features *features, const float **rows, int64_t *n);
/* All that is left of a stream; *out [*n,D] is owned by the caller (tg_free). */
tg_status tg_features_collect(tg_context *ctx, tg_features *features, float **out, int64_t *n);
/* Everything at once; *out [*n,D] is owned by the caller (tg_free). */
tg_status tg_features_read_all(tg_context *ctx, tg_hubert *model, tg_wave16k *wave, float **out,
                               int64_t *n);

/* ---- prosody ---------------------------------------------------------------------- */

/* How something is said, 25 rows a second, whatever the encoder: what head and eyes follow. */
enum {
    TG_PROSODY_LEVEL,  /* RMS in dB against the loud parts of the recording, 20 dB down = 0 */
    TG_PROSODY_ACTIVE, /* 0 nobody speaks .. 1 */
    TG_PROSODY_VOICED, /* how much of a pitch the frame has, 0 .. 1 */
    TG_PROSODY_PITCH,  /* octaves above the speaker's recent mean, times 2; 0 unvoiced */
    TG_PROSODY_RECENT, /* activity, mean over some 1 s before */
    TG_PROSODY_TALK,   /* the same over some 4 s */
    TG_PROSODY_DIM
};
/* Rows of a recording of any length in constant memory; row i is video frame i. */
typedef struct tg_prosody tg_prosody;
tg_status tg_prosody_open(tg_context *ctx, const char *path, const tg_wave_range *range,
                          tg_prosody **out);
void tg_prosody_close(tg_prosody **prosody);
int64_t tg_prosody_frames(const tg_prosody *prosody);
/* The next row; *done behind the last, and row is untouched. */
tg_status tg_prosody_next(tg_context *ctx, tg_prosody *prosody, float row[TG_PROSODY_DIM],
                          bool *done);

/* Version of the linked FFTW, such as "fftw-3.3.10-sse2-avx". */
const char *tg_fftw_version(void);

#ifdef __cplusplus
}
#endif
#endif
