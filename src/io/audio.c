/* Audio files: reading as a stream through libsndfile (FFmpeg behind it), writing WAV and FLAC. */
#include "talkgen/io.h"
#include "io/audio_decode.h"
#include "io/files.h"

#include <errno.h>
#include <inttypes.h>
#include <math.h>
#include <sndfile.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { MIN_RATE = 1000, MAX_RATE = 768000, MAX_CHANNELS = 64 };

struct tg_audio {
    char *path;
    int rate, channels;
    int64_t frames; /* -1 while unknown */
    int64_t at;     /* next frame */
    SNDFILE *sound; /* one of the two */
    tg_decoder *decoder;
};

/* ---- reading ---------------------------------------------------------------------- */

/* Containers that libsndfile knows by their first bytes. Anything else it would judge by the
 * file's name, and try its MPEG reader, which writes to stderr. */
static bool is_sound_container(const char *path) {
    static const char *const magic[] = {"RIFF", "RIFX", "RF64", "fLaC", "OggS",
                                        "FORM", "caff", ".snd", "riff"};
    char start[4];
    FILE *file = fopen(path, "rb");
    bool found = false;
    if (file && fread(start, 1, 4, file) == 4) {
        for (size_t i = 0; i < sizeof magic / sizeof magic[0]; i++) {
            found = found || memcmp(start, magic[i], 4) == 0;
        }
    }
    if (file) {
        fclose(file);
    }
    return found;
}

static tg_status open_source(tg_context *ctx, tg_audio *a) {
    SF_INFO info = {0};
    a->sound = is_sound_container(a->path) ? sf_open(a->path, SFM_READ, &info) : NULL;
    if (a->sound) {
        a->rate = info.samplerate;
        a->channels = info.channels;
        a->frames = info.frames >= 0 && info.frames < SF_COUNT_MAX ? info.frames : -1;
        return TG_OK;
    }
    tg_status status = tg_decoder_open(ctx, a->path, &a->decoder);
    if (status == TG_OK) {
        a->rate = tg_decoder_rate(a->decoder);
        a->channels = tg_decoder_channels(a->decoder);
    }
    return status;
}

tg_status tg_audio_open(tg_context *ctx, const char *path, tg_audio **out) {
    *out = NULL;
    struct stat st;
    if (stat(path, &st) != 0 || access(path, R_OK) != 0) {
        return tg_read_failed(ctx, TG_EINPUT, path, errno);
    }
    if (S_ISDIR(st.st_mode)) {
        return tg_read_failed(ctx, TG_EINPUT, path, EISDIR);
    }
    if (S_ISREG(st.st_mode) && st.st_size == 0) {
        return tg_fail(ctx, TG_EINPUT,
                       "%s: 0 samples, the file is empty\n  expected: speech\n"
                       "  try: another recording",
                       path);
    }
    tg_audio *a = tg_calloc(sizeof *a);
    size_t length = strlen(path) + 1;
    if (!a || !(a->path = tg_alloc(length))) {
        tg_free(a);
        return tg_fail(ctx, TG_ENOMEM, "%s: not enough memory to open it", path);
    }
    memcpy(a->path, path, length);
    a->frames = -1;
    tg_status status = open_source(ctx, a);
    if (status == TG_OK && (a->rate < MIN_RATE || a->rate > MAX_RATE || a->channels < 1 ||
                            a->channels > MAX_CHANNELS)) {
        status = tg_fail(ctx, TG_EINPUT,
                         "%s: %d Hz, %d channels\n  expected: %d to %d Hz, 1 to %d channels\n"
                         "  try: ffmpeg -i %s -ar 48000 -ac 1 converted.wav",
                         path, a->rate, a->channels, MIN_RATE, MAX_RATE, MAX_CHANNELS, path);
    }
    if (status == TG_OK && a->frames == 0) {
        status = tg_fail(ctx, TG_EINPUT,
                         "%s: 0 samples\n  expected: at least one\n  try: another recording", path);
    }
    if (status != TG_OK) {
        tg_audio_close(&a);
        return status;
    }
    *out = a;
    return TG_OK;
}

static void close_source(tg_audio *a) {
    if (a->sound) {
        sf_close(a->sound);
        a->sound = NULL;
    }
    tg_decoder_close(&a->decoder);
}

void tg_audio_close(tg_audio **audio) {
    if (audio && *audio) {
        close_source(*audio);
        tg_free((*audio)->path);
        tg_free(*audio);
        *audio = NULL;
    }
}

int tg_audio_rate(const tg_audio *audio) {
    return audio->rate;
}

int tg_audio_channels(const tg_audio *audio) {
    return audio->channels;
}

int64_t tg_audio_frames(const tg_audio *audio) {
    return audio->frames;
}

static tg_status check_finite(tg_context *ctx, const tg_audio *a, const float *x, int64_t frames) {
    for (int64_t i = 0; i < frames * a->channels; i++) {
        if (!isfinite(x[i])) {
            int64_t frame = a->at + i / a->channels;
            return tg_fail(ctx, TG_EINPUT,
                           "%s: sample %" PRId64 " (%.3f s) of channel %d is %s\n"
                           "  expected: finite numbers, full scale is 1\n"
                           "  try: write the file again from its source",
                           a->path, frame, (double)frame / a->rate, (int)(i % a->channels) + 1,
                           isnan(x[i]) ? "not a number (NaN)" : "infinite");
        }
    }
    return TG_OK;
}

static tg_status read_sound(tg_context *ctx, tg_audio *a, float *out, int64_t frames,
                            int64_t *got) {
    *got = sf_readf_float(a->sound, out, frames);
    int error = sf_error(a->sound);
    if (*got < frames && (error || (a->frames >= 0 && a->at + *got < a->frames))) {
        return tg_fail(ctx, TG_EINPUT,
                       "%s: damaged after sample %" PRId64 " (%.3f s): %s\n"
                       "  expected: %" PRId64 " samples\n  try: copy or make the file again",
                       a->path, a->at + *got, (double)(a->at + *got) / a->rate,
                       error ? sf_strerror(a->sound) : "it ends early", a->frames);
    }
    return TG_OK;
}

tg_status tg_audio_read(tg_context *ctx, tg_audio *a, float *out, int64_t frames, int64_t *got) {
    *got = 0;
    if (frames <= 0) {
        return TG_OK;
    }
    int64_t n = 0;
    tg_status status = a->sound ? read_sound(ctx, a, out, frames, &n)
                                : tg_decoder_read(ctx, a->decoder, out, frames, &n);
    if (status == TG_OK) {
        status = check_finite(ctx, a, out, n);
    }
    if (status != TG_OK) {
        return status;
    }
    a->at += n;
    if (n < frames) {
        a->frames = a->at;
        if (a->at == 0) {
            return tg_fail(ctx, TG_EINPUT,
                           "%s: 0 samples\n  expected: at least one\n  try: another recording",
                           a->path);
        }
    }
    *got = n;
    return TG_OK;
}

tg_status tg_audio_rewind(tg_context *ctx, tg_audio *a) {
    a->at = 0;
    if (a->sound && sf_seek(a->sound, 0, SEEK_SET) == 0) {
        return TG_OK;
    }
    /* Decoders keep state across a seek; only a new one gives the same samples again. */
    int64_t frames = a->frames;
    int rate = a->rate, channels = a->channels;
    close_source(a);
    tg_status status = open_source(ctx, a);
    if (status == TG_OK && (a->rate != rate || a->channels != channels)) {
        return tg_fail(ctx, TG_EINPUT,
                       "%s: the file changed while it was read\n  expected: the same file\n"
                       "  try: run again",
                       a->path);
    }
    a->frames = frames;
    return status;
}

tg_status tg_audio_read_all(tg_context *ctx, const char *path, float **out, int64_t *frames,
                            int *channels, int *rate) {
    *out = NULL;
    *frames = 0;
    tg_audio *a;
    tg_status status = tg_audio_open(ctx, path, &a);
    if (status != TG_OK) {
        return status;
    }
    *channels = tg_audio_channels(a);
    *rate = tg_audio_rate(a);
    size_t frame_bytes = (size_t)*channels * sizeof(float);
    /* A header may promise anything: start with what it says only up to a minute of sound. */
    int64_t known = tg_audio_frames(a), minute = (int64_t)60 * *rate;
    int64_t room = (known > 0 && known < minute ? known : minute) + 1;
    float *samples = tg_alloc((size_t)room * frame_bytes);
    int64_t used = 0, got = 1;
    while (samples && status == TG_OK && got > 0) {
        if (used == room) {
            float *larger = tg_alloc((size_t)room * 2 * frame_bytes);
            if (larger) {
                memcpy(larger, samples, (size_t)used * frame_bytes);
            }
            tg_free(samples);
            samples = larger;
            room *= 2;
            if (!samples) {
                break;
            }
        }
        status = tg_audio_read(ctx, a, samples + used * *channels, room - used, &got);
        used += status == TG_OK ? got : 0;
    }
    tg_audio_close(&a);
    if (status == TG_OK && !samples) {
        return tg_fail(ctx, TG_ENOMEM, "%s: not enough memory for its samples", path);
    }
    if (status != TG_OK) {
        tg_free(samples);
        return status;
    }
    *out = samples;
    *frames = used;
    return TG_OK;
}

/* ---- writing ------------------------------------------------------------------------ */

/* libsndfile writes through these, so that the reason of a failed write is known. */
typedef struct {
    tg_temp temp;
    int error;
} sound_file;

static sf_count_t sound_length(void *user) {
    struct stat st;
    return fstat(((sound_file *)user)->temp.fd, &st) == 0 ? st.st_size : 0;
}

static sf_count_t sound_seek(sf_count_t offset, int whence, void *user) {
    return lseek(((sound_file *)user)->temp.fd, offset, whence);
}

static sf_count_t sound_read(void *out, sf_count_t bytes, void *user) {
    return read(((sound_file *)user)->temp.fd, out, (size_t)bytes);
}

static sf_count_t sound_write(const void *data, sf_count_t bytes, void *user) {
    sound_file *file = user;
    sf_count_t done = 0;
    while (done < bytes) {
        ssize_t n = write(file->temp.fd, (const char *)data + done, (size_t)(bytes - done));
        if (n < 0 && errno == EINTR) {
            continue;
        }
        if (n <= 0) {
            file->error = n < 0 ? errno : ENOSPC;
            break;
        }
        done += n;
    }
    return done;
}

static sf_count_t sound_tell(void *user) {
    return lseek(((sound_file *)user)->temp.fd, 0, SEEK_CUR);
}

/* 16 bits by rounding to steps of 1/32768, the step that readers use: what is written comes back
 * within half a step. libsndfile's own conversion scales by 32767. */
static bool write_samples(SNDFILE *sound, const float *samples, int64_t frames, int channels) {
    int16_t block[4096];
    int64_t step = (int64_t)(sizeof block / sizeof block[0]) / channels * channels;
    int64_t values = frames * channels; /* libsndfile takes whole frames only */
    for (int64_t at = 0; at < values; at += step) {
        int64_t n = values - at < step ? values - at : step;
        for (int64_t i = 0; i < n; i++) {
            float x = samples[at + i] * 32768.0f;
            block[i] = (int16_t)lrintf(x < -32768.0f ? -32768.0f : x > 32767.0f ? 32767.0f : x);
        }
        if (sf_write_short(sound, block, n) != n) {
            return false;
        }
    }
    return true;
}

tg_status tg_audio_write(tg_context *ctx, const char *path, const float *samples, int64_t frames,
                         int channels, int rate) {
    bool flac = tg_has_extension(path, "flac");
    if (!flac && !tg_has_extension(path, "wav")) {
        return tg_fail(ctx, TG_EUSAGE,
                       "%s: unknown kind of audio file\n  expected: a name that ends in .wav or "
                       ".flac\n  try: a .wav name",
                       path);
    }
    if (frames < 0 || channels < 1 || channels > MAX_CHANNELS) {
        return tg_fail(ctx, TG_EINTERNAL, "%s: %" PRId64 " samples of %d channels", path, frames,
                       channels);
    }
    for (int64_t i = 0; i < frames * channels; i++) {
        if (!isfinite(samples[i])) {
            return tg_fail(ctx, TG_EINPUT,
                           "%s: sample %" PRId64 " to be written is not finite\n"
                           "  expected: numbers in [-1, 1]",
                           path, i / channels);
        }
    }
    sound_file file = {.error = 0};
    tg_status status = tg_temp_open(ctx, path, &file.temp);
    if (status != TG_OK) {
        return status;
    }
    SF_INFO info = {.samplerate = rate,
                    .channels = channels,
                    .format = (flac ? SF_FORMAT_FLAC : SF_FORMAT_WAV) | SF_FORMAT_PCM_16};
    SF_VIRTUAL_IO io = {sound_length, sound_seek, sound_read, sound_write, sound_tell};
    SNDFILE *sound = sf_open_virtual(&io, SFM_WRITE, &info, &file);
    bool good = sound && write_samples(sound, samples, frames, channels);
    good = (sound && sf_close(sound) == 0) && good;
    if (!good || file.error) {
        tg_temp_abort(&file.temp);
        if (file.error) {
            return tg_write_failed(ctx, path, file.error);
        }
        return tg_fail(ctx, TG_EOUTPUT,
                       "%s: %d channels at %d Hz cannot be written\n"
                       "  expected: 1 to 8 channels and a usual sample rate\n"
                       "  try: a .wav name",
                       path, channels, rate);
    }
    return tg_temp_commit(ctx, &file.temp);
}
