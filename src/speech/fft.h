/* FFTW's planner is not thread-safe: every plan is made and destroyed under this lock. */
#ifndef TALKGEN_SPEECH_FFT_H
#define TALKGEN_SPEECH_FFT_H

void tg_fft_lock(void);
void tg_fft_unlock(void);

#endif
