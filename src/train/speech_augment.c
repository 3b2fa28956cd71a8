#include "train/speech_augment.h"

#include "talkgen/speech.h"
#include "train/speech_noise.h"

#include <math.h>
#include <string.h>

/* Rates in percent: 100 = unchanged, 118 = faster and higher. */
enum { SLOWEST = 85, FASTEST = 118, SPEEDS = FASTEST - SLOWEST + 1 };

struct tg_augmenter {
    tg_resampler *resampler[SPEEDS];
    float *source, *scratch, *codec;
    int64_t source_room, scratch_room;
};

void tg_augmenter_destroy(tg_augmenter **a) {
    if (*a != NULL) {
        for (int i = 0; i < SPEEDS; i++)
            tg_resampler_destroy(&(*a)->resampler[i]);
        tg_free((*a)->source);
        tg_free((*a)->scratch);
        tg_free((*a)->codec);
        tg_free(*a);
    }
    *a = NULL;
}

tg_augmenter *tg_augmenter_create(void) {
    tg_augmenter *a = tg_calloc(sizeof *a);
    if (a != NULL && (a->codec = tg_codec_table()) == NULL)
        tg_augmenter_destroy(&a);
    return a;
}

static bool room_for(float **block, int64_t *room, int64_t n) {
    if (n > *room) {
        tg_free(*block);
        *block = tg_alloc(sizeof(float) * (size_t)n);
        *room = *block != NULL ? n : 0;
    }
    return *block != NULL;
}

/* Samples [begin, begin+n) of the clip, zero outside, with gain. */
static void copy_piece(const tg_speech_clip *clip, int64_t begin, int64_t n, float gain, bool add,
                       float *out) {
    for (int64_t i = 0; i < n; i++) {
        int64_t at = begin + i;
        float x = at >= 0 && at < clip->n ? (float)clip->samples[at] * gain : 0;
        out[i] = add ? out[i] + x : x;
    }
}

/* Piece that starts at `start` (samples of the clip, may be negative), played `percent` fast. */
static tg_status play(tg_context *ctx, tg_augmenter *a, const tg_speech_clip *clip, int64_t start,
                      int percent, tg_speech_example *out) {
    if (percent == 100) {
        copy_piece(clip, start, out->n, 1.0f / 32768, false, out->samples);
        return TG_OK;
    }
    tg_resampler **r = &a->resampler[percent - SLOWEST];
    if (*r == NULL) {
        tg_status status =
            tg_resampler_create(ctx, TG_SPEECH_RATE / 100 * percent, TG_SPEECH_RATE, r);
        if (status != TG_OK)
            return status;
    }
    int64_t needed = (out->n + 1) * percent / 100 + 2;
    tg_resampler_reset(*r);
    if (!room_for(&a->source, &a->source_room, needed))
        return tg_fail(ctx, TG_ENOMEM, "out of memory for a training example");
    copy_piece(clip, start, needed, 1.0f / 32768, false, a->source);
    if (!tg_resampler_push(*r, a->source, needed))
        return tg_fail(ctx, TG_ENOMEM, "out of memory for a training example");
    tg_resampler_finish(*r);
    tg_resampler_pull(*r, out->samples, out->n);
    return TG_OK;
}

/* The voice before the room: other resonances, level and pauses. */
static void change_voice(tg_draws *d, tg_speech_example *e) {
    if (tg_draw_chance(d, 0.5))
        tg_filter_high_shelf(tg_draw_between(d, 800, 3000), tg_draw_between(d, -12, 9), e->samples,
                             e->n);
    for (int k = 0; k < 2; k++)
        if (tg_draw_chance(d, 0.4))
            tg_filter_peak(200 * pow(25, tg_draw(d)), tg_draw_between(d, 0.5, 3),
                           tg_draw_between(d, -9, 9), e->samples, e->n);
    if (tg_draw_chance(d, 0.3)) {
        /* The speaker turns away and comes back. */
        double depth = tg_draw_between(d, 0.1, 0.6), phase = tg_draw_between(d, 0, 6.28);
        double rate = 2 * M_PI * tg_draw_between(d, 0.1, 0.7) / TG_SPEECH_RATE;
        for (int64_t i = 0; i < e->n;) {
            int64_t end = i + 160 < e->n ? i + 160 : e->n;
            float gain = (float)exp(depth * sin(phase + rate * (double)i));
            for (; i < end; i++)
                e->samples[i] *= gain;
        }
    }
}

static void add_babble(tg_draws *d, const tg_speech_corpus *corpus, double level, float *x,
                       float *scratch, int64_t n) {
    int voices = (int)tg_draw_between(d, 3, 8);
    memset(scratch, 0, sizeof(float) * (size_t)n);
    for (int v = 0; v < voices; v++) {
        const tg_speech_clip *clip = &corpus->clips[(int)(tg_draw(d) * corpus->count)];
        int64_t begin = (int64_t)(tg_draw(d) * (double)(clip->n > n ? clip->n - n : 1));
        float gain = (float)(tg_draw_between(d, 0.5, 1) / fmax(clip->level, 1e-3) / 32768);
        copy_piece(clip, begin, n, gain, true, scratch);
    }
    float scale = (float)(level / fmax(tg_signal_rms(scratch, n), 1e-6));
    for (int64_t i = 0; i < n; i++)
        x[i] += scale * scratch[i];
}

/* Everything between the mouth and the file. level: RMS of the speech. */
static void change_channel(tg_draws *d, const tg_augmenter *a, const tg_speech_corpus *corpus,
                           double level, tg_speech_example *e) {
    float *x = e->samples, *scratch = a->scratch;
    int64_t n = e->n;
    if (tg_draw_chance(d, 0.4))
        tg_room(d, tg_draw_between(d, 0.1, 0.7), tg_draw_between(d, 0.1, 0.8), x, scratch, n);
    /* Synthetic silence is digital zero; recorded silence never is. */
    tg_noise_add(d, tg_draw_chance(d, 0.5) ? TG_NOISE_WHITE : TG_NOISE_PINK,
                 level * pow(10, -tg_draw_between(d, 35, 75) / 20), x, scratch, n);
    if (tg_draw_chance(d, 0.7)) {
        tg_noise_kind kind = (tg_noise_kind)(tg_draw(d) * TG_NOISE_KINDS);
        tg_noise_add(d, kind, level * pow(10, -tg_draw_between(d, 2, 40) / 20), x, scratch, n);
    }
    if (tg_draw_chance(d, 0.2))
        add_babble(d, corpus, level * pow(10, -tg_draw_between(d, 8, 35) / 20), x, scratch, n);
    if (tg_draw_chance(d, 0.12)) {
        /* telephone */
        tg_filter_high_pass(tg_draw_between(d, 200, 350), 0.7, x, n);
        tg_filter_low_pass(tg_draw_between(d, 3000, 3700), 0.55, x, n);
        tg_filter_low_pass(tg_draw_between(d, 3000, 3700), 1.3, x, n);
        if (tg_draw_chance(d, 0.5))
            tg_codec_companded(level * tg_draw_between(d, 2, 12), x, n);
    } else if (tg_draw_chance(d, 0.35)) {
        double hz = tg_draw_between(d, 3500, 7700);
        tg_filter_low_pass(hz, 0.55, x, n);
        tg_filter_low_pass(hz, 1.3, x, n);
    }
    if (tg_draw_chance(d, 0.4))
        tg_filter_high_pass(tg_draw_between(d, 40, 250), 0.7, x, n);
    if (tg_draw_chance(d, 0.1)) {
        float drive = (float)(tg_draw_between(d, 0.3, 1.5) / fmax(level, 1e-4));
        for (int64_t i = 0; i < n; i++)
            x[i] = tanhf(drive * x[i]);
    }
    if (tg_draw_chance(d, 0.12))
        tg_codec_transform(a->codec, tg_draw_between(d, -4, 14), x, scratch, n);
    for (int k = 0; k < 2; k++)
        if (tg_draw_chance(d, 0.25)) {
            /* dropout of up to 80 ms: the context has to tell what was said */
            int64_t length = (int64_t)tg_draw_between(d, 160, 1280);
            int64_t begin = (int64_t)(tg_draw(d) * (double)n);
            for (int64_t i = begin; i < begin + length && i < n; i++)
                x[i] *= 0.02f;
        }
}

static void normalise(float *x, int64_t n, double gain) {
    double sum = 0, squares = 0;
    for (int64_t i = 0; i < n; i++)
        sum += x[i];
    double mean = sum / (double)n;
    for (int64_t i = 0; i < n; i++)
        squares += (x[i] - mean) * (x[i] - mean);
    float scale = (float)(gain / sqrt(squares / (double)n + 1e-7));
    for (int64_t i = 0; i < n; i++)
        x[i] = (x[i] - (float)mean) * scale;
}

/* Row j is what its middle says: sample 320 j + 200 of the example. */
static void label(const tg_speech_clip *clip, double start_s, double speed, tg_speech_example *e) {
    for (int64_t j = 0; j < e->rows; j++) {
        double time = start_s + speed * (double)(TG_SPEECH_HOP * j + 200) / TG_SPEECH_RATE;
        float lips[TG_LIPS] = {0};
        bool known = tg_speech_lips_at(clip, time, lips);
        e->phone[j] = tg_speech_phone_at(clip, time);
        for (int k = 0; k < TG_LIPS; k++) {
            e->lips[j * TG_LIPS + k] = lips[k];
            e->lip_weight[j * TG_LIPS + k] = known;
        }
    }
}

/* Nobody speaks: noise alone is silence for the lips. */
static void silence(tg_speech_example *e) {
    memset(e->samples, 0, sizeof(float) * (size_t)e->n);
    memset(e->phone, 0, sizeof(int32_t) * (size_t)e->rows);
    memset(e->lip_weight, 0, sizeof(float) * TG_LIPS * (size_t)e->rows);
}

int tg_draw_speed(tg_draws *d) {
    return tg_draw_chance(d, 0.8) ? SLOWEST + (int)(tg_draw(d) * SPEEDS) : 100;
}

static tg_status make(tg_context *ctx, tg_augmenter *a, const tg_speech_corpus *corpus,
                      const tg_speech_cut *cut, tg_draws *d, bool augment, tg_speech_example *out) {
    const tg_speech_clip *clip = &corpus->clips[cut->clip];
    tg_status status = play(ctx, a, clip, cut->start, cut->percent, out);
    if (status != TG_OK)
        return status;
    label(clip, (double)cut->start / TG_SPEECH_RATE, cut->percent / 100.0, out);
    double gain = 1;
    if (augment) {
        if (!room_for(&a->scratch, &a->scratch_room, out->n))
            return tg_fail(ctx, TG_ENOMEM, "out of memory for a training example");
        double level = fmax(clip->level, 1e-3);
        if (tg_draw_chance(d, 0.02))
            silence(out);
        change_voice(d, out);
        change_channel(d, a, corpus, level, out);
        /* A piece is louder or softer than its file, and the file is what gets normalised. */
        if (tg_draw_chance(d, 0.6))
            gain = pow(10, tg_draw_between(d, -12, 6) / 20);
    }
    normalise(out->samples, out->n, gain);
    return TG_OK;
}

tg_status tg_speech_example_cut(tg_context *ctx, tg_augmenter *a, const tg_speech_corpus *corpus,
                                const tg_speech_cut *cut, tg_draws draws, tg_speech_example *out) {
    return make(ctx, a, corpus, cut, &draws, true, out);
}

tg_status tg_speech_example_make(tg_context *ctx, tg_augmenter *a, const tg_speech_corpus *corpus,
                                 tg_draws draws, bool augment, tg_speech_example *out) {
    tg_draws *d = &draws;
    /* Clips by their length: every second of the corpus is as likely as any other. */
    int64_t at = (int64_t)(tg_draw(d) * (double)corpus->samples);
    int index = 0;
    while (index + 1 < corpus->count && at >= corpus->clips[index].n)
        at -= corpus->clips[index++].n;
    const tg_speech_clip *clip = &corpus->clips[index];
    int percent = augment ? tg_draw_speed(d) : 100;
    /* Up to a second of silence before or after the clip belongs to it. */
    double used = (double)out->n * percent / 100, margin = TG_SPEECH_RATE;
    double slack = (double)clip->n - used;
    double start = slack > 0 ? tg_draw_between(d, -0.1 * margin, slack + 0.1 * margin)
                             : tg_draw_between(d, slack, 0);
    if (augment && tg_draw_chance(d, 0.1))
        start += tg_draw_between(d, -margin, margin);
    tg_speech_cut cut = {.clip = index, .start = (int64_t)start, .percent = percent};
    return make(ctx, a, corpus, &cut, d, augment, out);
}

void tg_speech_example_clean(const tg_speech_clip *clip, tg_speech_example *out) {
    copy_piece(clip, 0, out->n, 1.0f / 32768, false, out->samples);
    label(clip, 0, 1, out);
    normalise(out->samples, out->n, 1);
}
