/* Loudness, voicing and pitch at 25 rows a second. A first pass over the recording counts how loud
 * its frames are, so that a whisper and a shout into another microphone are heard alike. The pitch
 * is the best lag of each frame by itself, at a quarter of the rate: a hundredth of the work of
 * pitch.c, whose tracking the melody of a phrase does not need. */
#include "talkgen/speech.h"

#include <math.h>
#include <string.h>

enum {
    FRAME = 640, /* samples of a video frame */
    BINS = 100,  /* 1 dB each, from FLOOR up */
    FLOOR = -95,
    LOWER = 4,             /* the pitch is sought at 4 kHz */
    SHORT = FRAME / LOWER, /* of that */
    LEAST_LAG = 10,        /* 400 Hz */
    MOST_LAG = 57          /* 70 Hz */
};
static const double fps = 25;
/* Frames this much below the loud ones are silence, unless the room is louder. */
static const double silent_db = 30, over_room_db = 8, slope_db = 10;
/* Nobody speaks in what is never louder than this (dB of full scale), or never changes by more. */
static const double faint_db = -60, steady_db = 6;

struct tg_prosody {
    tg_wave16k *wave;
    int64_t frames, next;
    double loud, silence;        /* dB: the loud parts; nobody speaks below */
    float low[MOST_LAG + SHORT]; /* at 4 kHz: the end of the last frame, and this one */
    double octave;               /* mean log2 of F0 so far */
    bool voiced;                 /* there was one */
    float recent, talk;
};

/* The next frame, zero behind the end, and its RMS in dB; *got = 0 at the end. */
static tg_status next_frame(tg_context *ctx, tg_wave16k *wave, float x[FRAME], double *db,
                            int64_t *got) {
    double sum = 0, mean = 0;
    int64_t have = 0, n = 0;
    tg_status s = TG_OK;
    while (have < FRAME && (s = tg_wave16k_read(ctx, wave, x + have, FRAME - have, &n)) == TG_OK &&
           n > 0)
        have += n;
    for (int64_t i = 0; i < have; i++)
        mean += (double)x[i] / (double)have;
    for (int64_t i = 0; i < have; i++)
        sum += ((double)x[i] - mean) * ((double)x[i] - mean);
    memset(x + have, 0, (size_t)(FRAME - have) * sizeof *x);
    *db = have > 0 ? fmax(10 * log10(sum / (double)have + 1e-12), FLOOR) : FLOOR;
    *got = have;
    return s;
}

/* The level below which `share` of the counted frames are. */
static double quantile(const int64_t *count, int64_t total, double share) {
    int64_t below = 0;
    for (int i = 0; i < BINS; i++) {
        below += count[i];
        if ((double)below >= share * (double)total)
            return FLOOR + i + 0.5;
    }
    return 0;
}

static tg_status listen(tg_context *ctx, tg_prosody *p) {
    int64_t count[BINS] = {0}, total = 0, got = 1;
    tg_status s = TG_OK;
    while (s == TG_OK) {
        float x[FRAME];
        double db;
        s = next_frame(ctx, p->wave, x, &db, &got);
        if (s != TG_OK || got == 0)
            break;
        int bin = (int)(db - FLOOR);
        count[bin < 0 ? 0 : bin < BINS ? bin : BINS - 1]++;
        total++;
    }
    /* Loud is what the louder half of the sounding frames is; the quietest tenth is the room. */
    double top = quantile(count, total, 0.995), room = quantile(count, total, 0.05);
    int64_t sounding[BINS] = {0}, n = 0;
    for (int i = 0; i < BINS; i++)
        if (FLOOR + i + 0.5 >= top - silent_db) {
            sounding[i] = count[i];
            n += count[i];
        }
    p->loud = fmax(quantile(sounding, n, 0.75), faint_db);
    if (top - room < steady_db) /* a room without anybody: as far below speech as silence is */
        p->loud = fmax(p->loud, top + silent_db);
    p->silence = fmax(p->loud - silent_db, fmin(room + over_room_db, p->loud - slope_db));
    return s == TG_OK ? tg_wave16k_rewind(ctx, p->wave) : s;
}

tg_status tg_prosody_open(tg_context *ctx, const char *path, const tg_wave_range *range,
                          tg_prosody **out) {
    *out = NULL;
    tg_prosody *p = tg_calloc(sizeof *p);
    if (!p)
        return tg_fail(ctx, TG_ENOMEM, "%s: out of memory", path);
    tg_wave_stats stats;
    tg_status s = tg_wave16k_open(ctx, path, range, &p->wave);
    if (s == TG_OK)
        s = tg_wave16k_stats(ctx, p->wave, &stats);
    if (s == TG_OK)
        p->frames = tg_wave_video_frames(stats.samples);
    if (s == TG_OK)
        s = listen(ctx, p);
    if (s != TG_OK)
        tg_prosody_close(&p);
    *out = p;
    return s;
}

void tg_prosody_close(tg_prosody **prosody) {
    if (!prosody || !*prosody)
        return;
    tg_wave16k_close(&(*prosody)->wave);
    tg_free(*prosody);
    *prosody = NULL;
}

int64_t tg_prosody_frames(const tg_prosody *prosody) {
    return prosody->frames;
}

/* Normalised autocorrelation of the frame at 4 kHz with what lies `lag` before. */
static double likeness(const float *now, int lag) {
    double both = 0, a = 1e-9, b = 1e-9;
    for (int i = 0; i < SHORT; i++) {
        both += (double)now[i] * (double)now[i - lag];
        a += (double)now[i] * (double)now[i];
        b += (double)now[i - lag] * (double)now[i - lag];
    }
    return both / sqrt(a * b);
}

/* How voiced the frame is, 0 to 1, and how high against the last seconds. */
static void hear_pitch(tg_prosody *p, const float x[FRAME], float active,
                       float row[TG_PROSODY_DIM]) {
    double r[MOST_LAG + 2], best = 0;
    double lag = 0;
    memmove(p->low, p->low + SHORT, MOST_LAG * sizeof *p->low);
    for (int i = 0; i < SHORT; i++) {
        double sum = 0;
        for (int k = 0; k < LOWER; k++)
            sum += (double)x[LOWER * i + k];
        p->low[MOST_LAG + i] = (float)(sum / LOWER);
    }
    for (int k = LEAST_LAG - 1; k <= MOST_LAG; k++)
        r[k] = likeness(p->low + MOST_LAG, k);
    for (int k = LEAST_LAG; k < MOST_LAG; k++) {
        if (!(r[k] > r[k - 1] && r[k] >= r[k + 1]))
            continue;
        double bend = r[k - 1] - 2 * r[k] + r[k + 1]; /* a parabola through three */
        double off = bend < 0 ? 0.5 * (r[k - 1] - r[k + 1]) / bend : 0;
        double peak = r[k] - 0.25 * (r[k - 1] - r[k + 1]) * off;
        if (peak > best + 0.08) { /* a longer lag must be better to be taken */
            best = peak;
            lag = k + off;
        }
    }
    row[TG_PROSODY_VOICED] = active * (float)fmin(fmax((best - 0.4) / 0.3, 0), 1);
    row[TG_PROSODY_PITCH] = 0;
    if (lag == 0 || row[TG_PROSODY_VOICED] < 0.5f)
        return;
    double octave = log2(TG_SPEECH_RATE / LOWER / lag);
    double keep = p->voiced ? exp(-1 / (fps * 4)) : 0;
    p->octave = keep * p->octave + (1 - keep) * octave;
    p->voiced = true;
    row[TG_PROSODY_PITCH] = (float)fmin(fmax(2 * (octave - p->octave), -2), 2);
}

tg_status tg_prosody_next(tg_context *ctx, tg_prosody *p, float row[TG_PROSODY_DIM], bool *done) {
    *done = p->next >= p->frames;
    if (*done)
        return TG_OK;
    p->next++;
    double db;
    int64_t got;
    float x[FRAME];
    tg_status s = next_frame(ctx, p->wave, x, &db, &got);
    if (s != TG_OK)
        return s;
    row[TG_PROSODY_LEVEL] = (float)fmin(fmax((db - p->loud) / 20 + 1, -0.5), 1.5);
    float active = (float)fmin(fmax((db - p->silence) / slope_db, 0), 1);
    const float fast = expf(-1 / 25.f), slow = expf(-1 / 100.f);
    p->recent = fast * p->recent + (1 - fast) * active;
    p->talk = slow * p->talk + (1 - slow) * active;
    row[TG_PROSODY_ACTIVE] = active;
    hear_pitch(p, x, active, row);
    row[TG_PROSODY_RECENT] = p->recent;
    row[TG_PROSODY_TALK] = p->talk;
    return TG_OK;
}
