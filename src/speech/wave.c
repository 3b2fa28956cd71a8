/* Any recording as a 16 kHz mono stream: average of the channels, then the resampler. */
#include "talkgen/speech.h"

#include <math.h>
#include <string.h>

enum { BLOCK = 8192 }; /* sample frames read from the file at once */

struct tg_wave16k {
    const float *memory; /* borrowed samples, or NULL: the file */
    int64_t memory_n;
    tg_audio *audio;
    tg_resampler *resampler; /* NULL when the file is at 16 kHz already */
    int rate, channels;
    int64_t skip, limit; /* range in sample frames of the file; limit -1 = to the end */
    float *interleaved, *mono;
    char *path;
    /* Position: frames of the range taken from the file; samples given out from memory. */
    int64_t taken;
    int64_t mono_at, mono_n; /* unread part of `mono` when there is no resampler */
    bool at_end;
    bool have_stats;
    tg_wave_stats stats;
};

void tg_wave16k_close(tg_wave16k **wave) {
    tg_wave16k *w = *wave;
    if (w != NULL) {
        tg_audio_close(&w->audio);
        tg_resampler_destroy(&w->resampler);
        tg_free(w->interleaved);
        tg_free(w->mono);
        tg_free(w->path);
        tg_free(w);
    }
    *wave = NULL;
}

const char *tg_wave16k_path(const tg_wave16k *wave) {
    return wave->path != NULL ? wave->path : "memory";
}

static tg_status out_of_memory(tg_context *ctx, const char *path) {
    return tg_fail(ctx, TG_ENOMEM, "%s: out of memory while reading", path);
}

/* Skips to the start of the range. */
static tg_status go_to_start(tg_context *ctx, tg_wave16k *w) {
    for (int64_t left = w->skip; left > 0;) {
        int64_t got = 0;
        tg_status status =
            tg_audio_read(ctx, w->audio, w->interleaved, left < BLOCK ? left : BLOCK, &got);
        if (status != TG_OK)
            return status;
        if (got == 0)
            return tg_fail(ctx, TG_EINPUT,
                           "%s: ends after %.3f s, before the start at %.3f s\n"
                           "  expected: a start inside the recording\n"
                           "  try: a smaller --start",
                           w->path, (double)(w->skip - left) / w->rate, (double)w->skip / w->rate);
        left -= got;
    }
    return TG_OK;
}

tg_status tg_wave16k_open(tg_context *ctx, const char *path, const tg_wave_range *range,
                          tg_wave16k **out) {
    *out = NULL;
    tg_wave16k *w = tg_calloc(sizeof *w);
    if (w == NULL)
        return out_of_memory(ctx, path);
    size_t length = strlen(path) + 1;
    w->path = tg_alloc(length);
    tg_status status = w->path != NULL ? TG_OK : out_of_memory(ctx, path);
    if (status == TG_OK) {
        memcpy(w->path, path, length);
        status = tg_audio_open(ctx, path, &w->audio);
    }
    if (status == TG_OK) {
        w->rate = tg_audio_rate(w->audio);
        w->channels = tg_audio_channels(w->audio);
        size_t samples;
        if (!tg_mul_size((size_t)w->channels, sizeof(float) * BLOCK, &samples))
            samples = SIZE_MAX;
        w->interleaved = tg_alloc(samples);
        w->mono = tg_alloc(sizeof(float) * BLOCK);
        if (w->interleaved == NULL || w->mono == NULL)
            status = out_of_memory(ctx, path);
    }
    if (status == TG_OK && w->rate != TG_SPEECH_RATE)
        status = tg_resampler_create(ctx, w->rate, TG_SPEECH_RATE, &w->resampler);
    w->limit = -1;
    if (status == TG_OK && range != NULL) {
        if (!(range->start_s >= 0) || !(range->start_s < 1e9) || !(range->duration_s < 1e9))
            status = tg_fail(ctx, TG_EUSAGE,
                             "start %g s, duration %g s: not a part of a recording\n"
                             "  expected: a start >= 0 and a duration in seconds\n"
                             "  try: --start 0",
                             range->start_s, range->duration_s);
        else {
            w->skip = llround(range->start_s * w->rate);
            if (range->duration_s > 0)
                w->limit = llround(range->duration_s * w->rate);
        }
    }
    if (status == TG_OK && w->limit == 0)
        status = tg_fail(ctx, TG_EINPUT,
                         "%s: a duration of %g s holds no sample at %d Hz\n"
                         "  expected: at least one sample\n"
                         "  try: a longer --duration",
                         path, range->duration_s, w->rate);
    if (status == TG_OK)
        status = go_to_start(ctx, w);
    if (status != TG_OK)
        tg_wave16k_close(&w);
    *out = w;
    return status;
}

tg_status tg_wave16k_borrow(tg_context *ctx, const float *samples, int64_t n, tg_wave16k **out) {
    *out = NULL;
    if (n <= 0)
        return tg_fail(ctx, TG_EINPUT,
                       "no samples\n  expected: at least one sample of 16 kHz audio\n"
                       "  try: a recording that is not empty");
    *out = tg_calloc(sizeof **out);
    if (*out == NULL)
        return out_of_memory(ctx, "memory");
    (*out)->memory = samples;
    (*out)->memory_n = n;
    return TG_OK;
}

/* Next block of the range, averaged over the channels, into w->mono. */
static tg_status read_block(tg_context *ctx, tg_wave16k *w, int64_t *got) {
    int64_t want = BLOCK;
    if (w->limit >= 0 && w->limit - w->taken < want)
        want = w->limit - w->taken;
    *got = 0;
    if (want > 0) {
        tg_status status = tg_audio_read(ctx, w->audio, w->interleaved, want, got);
        if (status != TG_OK)
            return status;
    }
    float scale = 1.0f / (float)w->channels;
    for (int64_t i = 0; i < *got; i++) {
        const float *frame = w->interleaved + i * w->channels;
        float sum = 0;
        for (int c = 0; c < w->channels; c++)
            sum += frame[c];
        w->mono[i] = sum * scale;
    }
    w->taken += *got;
    return TG_OK;
}

static tg_status read_file(tg_context *ctx, tg_wave16k *w, float *out, int64_t n, int64_t *got) {
    while (*got < n) {
        if (w->resampler != NULL)
            *got += tg_resampler_pull(w->resampler, out + *got, n - *got);
        else if (w->mono_at < w->mono_n) {
            int64_t take = w->mono_n - w->mono_at;
            if (take > n - *got)
                take = n - *got;
            memcpy(out + *got, w->mono + w->mono_at, sizeof(float) * (size_t)take);
            w->mono_at += take;
            *got += take;
        }
        if (*got == n || w->at_end)
            return TG_OK;
        if (w->resampler == NULL && w->mono_at < w->mono_n)
            continue;
        int64_t block;
        tg_status status = read_block(ctx, w, &block);
        if (status != TG_OK)
            return status;
        w->mono_at = 0;
        w->mono_n = block;
        if (w->resampler != NULL && !tg_resampler_push(w->resampler, w->mono, block))
            return out_of_memory(ctx, w->path);
        if (block == 0) {
            if (w->resampler != NULL) {
                tg_resampler_finish(w->resampler);
                *got += tg_resampler_pull(w->resampler, out + *got, n - *got);
                w->at_end = *got < n;
                return TG_OK;
            }
            w->at_end = true;
        }
    }
    return TG_OK;
}

tg_status tg_wave16k_read(tg_context *ctx, tg_wave16k *w, float *out, int64_t n, int64_t *got) {
    *got = 0;
    if (w->memory == NULL)
        return read_file(ctx, w, out, n, got);
    *got = w->memory_n - w->taken < n ? w->memory_n - w->taken : n;
    if (*got > 0)
        memcpy(out, w->memory + w->taken, sizeof(float) * (size_t)*got);
    w->taken += *got;
    return TG_OK;
}

tg_status tg_wave16k_rewind(tg_context *ctx, tg_wave16k *w) {
    w->taken = w->mono_at = w->mono_n = 0;
    w->at_end = false;
    if (w->memory != NULL)
        return TG_OK;
    if (w->resampler != NULL)
        tg_resampler_reset(w->resampler);
    tg_status status = tg_audio_rewind(ctx, w->audio);
    return status == TG_OK ? go_to_start(ctx, w) : status;
}

tg_status tg_wave16k_stats(tg_context *ctx, tg_wave16k *w, tg_wave_stats *out) {
    if (!w->have_stats) {
        tg_status status = tg_wave16k_rewind(ctx, w);
        tg_wave_stats stats = {0};
        double shift = 0, sum = 0, squares = 0;
        float block[4096];
        while (status == TG_OK) {
            int64_t got;
            status = tg_wave16k_read(ctx, w, block, 4096, &got);
            if (status != TG_OK || got == 0)
                break;
            /* Sums about the first sample: an offset in the recording costs no precision. */
            if (stats.samples == 0)
                shift = block[0];
            for (int64_t i = 0; i < got; i++) {
                double x = block[i] - shift;
                sum += x;
                squares += x * x;
                stats.peak = fmax(stats.peak, fabs((double)block[i]));
            }
            stats.samples += got;
            status = tg_cancelled(ctx);
        }
        if (status == TG_OK && stats.samples == 0)
            status = tg_fail(ctx, TG_EINPUT,
                             "%s: 0 samples\n  expected: a recording with sound in it\n"
                             "  try: another file, or another --start",
                             tg_wave16k_path(w));
        if (status == TG_OK)
            status = tg_wave16k_rewind(ctx, w);
        if (status != TG_OK)
            return status;
        double n = (double)stats.samples, mean = sum / n;
        stats.mean = mean + shift;
        stats.variance = fmax(squares / n - mean * mean, 0);
        w->stats = stats;
        w->have_stats = true;
    } else {
        tg_status status = tg_wave16k_rewind(ctx, w);
        if (status != TG_OK)
            return status;
    }
    *out = w->stats;
    return TG_OK;
}

tg_status tg_wave16k_read_all(tg_context *ctx, tg_wave16k *w, float **out, int64_t *n) {
    *out = NULL;
    *n = 0;
    tg_wave_stats stats;
    tg_status status = tg_wave16k_stats(ctx, w, &stats);
    if (status != TG_OK)
        return status;
    float *samples = tg_alloc(sizeof(float) * (size_t)stats.samples);
    if (samples == NULL)
        return out_of_memory(ctx, tg_wave16k_path(w));
    status = tg_wave16k_read(ctx, w, samples, stats.samples, n);
    if (status == TG_OK)
        status = tg_wave16k_rewind(ctx, w);
    if (status != TG_OK) {
        tg_free(samples);
        return status;
    }
    *out = samples;
    return TG_OK;
}

int64_t tg_wave_video_frames(int64_t samples) {
    int64_t frames = (2 * samples * 25 + TG_SPEECH_RATE) / (2 * TG_SPEECH_RATE);
    return frames > 1 ? frames : 1;
}
