/* Noises, filters and rooms for training speech. Everything works in place on n samples at
 * 16 kHz. */
#ifndef TALKGEN_TRAIN_SPEECH_NOISE_H
#define TALKGEN_TRAIN_SPEECH_NOISE_H

#include "train/draws.h"

typedef enum {
    TG_NOISE_WHITE,
    TG_NOISE_PINK,  /* 1/f */
    TG_NOISE_BROWN, /* 1/f^2 */
    TG_NOISE_HUM,   /* mains and its harmonics over a little hiss */
    TG_NOISE_CRACKLE,
    TG_NOISE_KINDS
} tg_noise_kind;

/* Adds noise of RMS `level`, slowly swelling. scratch [n]. */
void tg_noise_add(tg_draws *d, tg_noise_kind kind, double level, float *x, float *scratch,
                  int64_t n);
double tg_signal_rms(const float *x, int64_t n);

/* Second-order sections (Bristow-Johnson's cookbook). */
void tg_filter_low_pass(double hz, double q, float *x, int64_t n);
void tg_filter_high_pass(double hz, double q, float *x, int64_t n);
void tg_filter_peak(double hz, double q, double gain_db, float *x, int64_t n);
void tg_filter_high_shelf(double hz, double gain_db, float *x, int64_t n);

/* Telephone: 8 bits a sample on a logarithmic scale (mu-law), full scale = `peak`. */
void tg_codec_companded(double peak, float *x, int64_t n);
/* A lossy codec in short: lapped transform of 512 samples, coefficients rounded to steps that
 * follow the energy of their band (steps_db below it), what is below the step gone. scratch [n].
 * table: the transform, made by tg_codec_table (NULL = no memory; tg_free). */
float *tg_codec_table(void);
void tg_codec_transform(const float *table, double steps_db, float *x, float *scratch, int64_t n);

/* A room: early reflections and a feedback delay network. decay_s: time to -60 dB; wet: level of
 * the room's answer relative to the direct sound. */
void tg_room(tg_draws *d, double decay_s, double wet, float *x, float *scratch, int64_t n);

#endif
