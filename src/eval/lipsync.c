/* Articulatory lip-sync score: do lips close on P B M, open on vowels, rest in silence, and does
 * the gap follow the phones beyond what loudness explains? */
#include "talkgen/eval.h"
#include "talkgen/io.h"

#include "eval/made_motion.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { POINTS = 68, DIM = 3 * POINTS, MAX_LAG = 3, MARGIN = 4, REGRESSORS = 4, FEWEST = 20 };

/* ---- small statistics ---------------------------------------------------------------- */

typedef struct {
    double *value;
    int64_t count, capacity;
} list;

static bool list_add(list *l, double value) {
    if (l->count == l->capacity) {
        int64_t more = l->capacity ? 2 * l->capacity : 256;
        double *grown = realloc(l->value, (size_t)more * sizeof *grown);
        if (!grown)
            return false;
        l->value = grown;
        l->capacity = more;
    }
    l->value[l->count++] = value;
    return true;
}

static double mean_of(const double *x, int64_t n) {
    double sum = 0;
    for (int64_t i = 0; i < n; i++)
        sum += x[i];
    return n > 0 ? sum / (double)n : NAN;
}

static double variance_of(const double *x, int64_t n) {
    double m = mean_of(x, n), sum = 0;
    for (int64_t i = 0; i < n; i++)
        sum += (x[i] - m) * (x[i] - m);
    return n > 0 ? sum / (double)n : NAN;
}

static int ascending(const void *a, const void *b) {
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

/* Linear interpolation between order statistics; scratch [n]. */
static double percentile(const double *x, int64_t n, double p, double *scratch) {
    memcpy(scratch, x, (size_t)n * sizeof *x);
    qsort(scratch, (size_t)n, sizeof *x, ascending);
    double at = p / 100 * (double)(n - 1);
    int64_t i = (int64_t)floor(at);
    double f = at - (double)i;
    return i + 1 < n ? scratch[i] + f * (scratch[i + 1] - scratch[i]) : scratch[n - 1];
}

/* ---- phones ------------------------------------------------------------------------------ */

static const struct {
    const char *name;
    double aperture;
} apertures[] = {{"AA", 1},  {"AE", .9}, {"AW", .9}, {"AY", .9}, {"AO", .8}, {"AH", .6},
                 {"EH", .6}, {"OW", .6}, {"OY", .6}, {"EY", .5}, {"ER", .4}, {"IH", .4},
                 {"UH", .4}, {"IY", .3}, {"UW", .3}, {"W", .2},  {"F", .1},  {"V", .1},
                 {"P", 0},   {"B", 0},   {"M", 0},   {"SIL", 0}, {"PAU", 0}, {"SP", 0}};

static double aperture_of(const char *phone) {
    for (size_t i = 0; i < sizeof apertures / sizeof apertures[0]; i++)
        if (strcmp(apertures[i].name, phone) == 0)
            return apertures[i].aperture;
    return 0.25;
}

static bool is_one_of(const char *phone, const char *names) {
    size_t n = strlen(phone);
    for (const char *p = names; n && (p = strstr(p, phone)); p += n)
        if ((p == names || p[-1] == ' ') && (p[n] == ' ' || p[n] == '\0'))
            return true;
    return false;
}

/* Letters only, upper case: "ah1" -> "AH". */
static void phone_name(const char *text, char out[8]) {
    int n = 0;
    for (; *text && n < 7; text++) {
        char c = *text >= 'a' && *text <= 'z' ? (char)(*text - 32) : *text;
        if (c >= 'A' && c <= 'Z')
            out[n++] = c;
    }
    out[n] = '\0';
}

/* ---- one clip ------------------------------------------------------------------------------ */

typedef struct {
    int64_t n;
    double *gap;   /* scaled: 0 at min(p2, 0.05 p95), 1 at p95 */
    double *want;  /* expected aperture, smoothed over 3 frames */
    double *sound; /* sqrt of loudness */
    bool *speech;
} track;

typedef struct {
    list close, open, silent, round, spread;
} verdicts;

static void verdicts_free(verdicts *v) {
    free(v->close.value);
    free(v->open.value);
    free(v->silent.value);
    free(v->round.value);
    free(v->spread.value);
}

static void track_free(track *t) {
    free(t->gap);
    free(t->want);
    free(t->sound);
    free(t->speech);
}

static void segment(double start, double end, double pad, double fps, int64_t n, int64_t *a,
                    int64_t *b) {
    double first = floor((start - pad) * fps), last = ceil((end + pad) * fps);
    *a = first < 0 ? 0 : first > (double)(n - 1) ? n - 1 : (int64_t)first;
    *b = last > (double)n ? n : last < 0 ? 0 : (int64_t)last;
    if (*b < *a + 1)
        *b = *a + 1;
}

static double lowest(const double *x, int64_t a, int64_t b) {
    double m = x[a];
    for (int64_t i = a; i < b; i++)
        m = fmin(m, x[i]);
    return m;
}

static double highest(const double *x, int64_t a, int64_t b) {
    double m = x[a];
    for (int64_t i = a; i < b; i++)
        m = fmax(m, x[i]);
    return m;
}

/* Scales the gap, judges every phone and fills *t. false = no memory. */
static bool judge(const double *gap, const double *width, const double *rms, int64_t n,
                  const tg_json *phones, double fps, verdicts *v, track *t, double *p95) {
    *t = (track){.n = n,
                 .gap = malloc((size_t)n * sizeof(double)),
                 .want = malloc((size_t)n * sizeof(double)),
                 .sound = malloc((size_t)n * sizeof(double)),
                 .speech = calloc((size_t)n, sizeof(bool))};
    double *scratch = malloc((size_t)n * sizeof *scratch);
    bool ok = t->gap && t->want && t->sound && t->speech && scratch;
    if (!ok) {
        free(scratch);
        return false;
    }
    double low = percentile(gap, n, 2, scratch), high = percentile(gap, n, 95, scratch);
    double zero = fmin(low, 0.05 * high);
    *p95 = high;
    for (int64_t i = 0; i < n; i++) {
        t->gap[i] = (gap[i] - zero) / fmax(high - zero, 1e-9);
        t->sound[i] = sqrt(rms[i]);
        t->want[i] = 0.25;
    }
    for (int k = 0; ok && k < tg_json_count(phones); k++) {
        const tg_json *row = tg_json_at(phones, k);
        char p[8];
        phone_name(tg_json_string(tg_json_at(row, 0), ""), p);
        double s = tg_json_number(tg_json_at(row, 1), NAN),
               e = tg_json_number(tg_json_at(row, 2), NAN);
        if (!(s * fps < (double)n))
            continue;
        int64_t a, b;
        bool silence = is_one_of(p, "SIL PAU SP");
        segment(s, e, 0, fps, n, &a, &b);
        for (int64_t i = a; i < b; i++) {
            t->want[i] = aperture_of(p);
            t->speech[i] = !silence;
        }
        if (is_one_of(p, "UW OW W UH"))
            ok = ok && list_add(&v->round, mean_of(width + a, b - a));
        if (is_one_of(p, "IY IH EY EH AE"))
            ok = ok && list_add(&v->spread, mean_of(width + a, b - a));
        if (is_one_of(p, "P B M")) {
            segment(s, e, 0.04, fps, n, &a, &b);
            ok = ok && list_add(&v->close, lowest(t->gap, a, b) <= 0.15);
        }
        if (is_one_of(p, "AA AE AO AW AY EH AH OW") && e - s >= 0.05) {
            segment(s, e, 0.02, fps, n, &a, &b);
            ok = ok && list_add(&v->open, highest(t->gap, a, b) >= 0.30);
        }
        if (silence && e - s >= 0.25) {
            segment(s + 0.08, e - 0.08, 0, fps, n, &a, &b);
            ok = ok && list_add(&v->silent, percentile(t->gap + a, b - a, 50, scratch) <= 0.20);
        }
    }
    /* Three-frame mean, zero outside. */
    memcpy(scratch, t->want, (size_t)n * sizeof *scratch);
    for (int64_t i = 0; i < n; i++)
        t->want[i] =
            ((i > 0 ? scratch[i - 1] : 0) + scratch[i] + (i + 1 < n ? scratch[i + 1] : 0)) / 3;
    free(scratch);
    return ok;
}

/* ---- all clips together -----------------------------------------------------------------------
 */

/* Takes out of y what the columns of e explain (least squares; dependent columns are dropped). */
static void residual(double *y, const double *e[REGRESSORS], int64_t n, double *basis) {
    int rank = 0;
    for (int c = 0; c < REGRESSORS; c++) {
        double *q = basis + (int64_t)rank * n, before = 0, after = 0;
        for (int64_t i = 0; i < n; i++) {
            q[i] = e[c][i];
            before += q[i] * q[i];
        }
        for (int pass = 0; pass < 2; pass++) /* twice is enough (Kahan) */
            for (int k = 0; k < rank; k++) {
                const double *b = basis + (int64_t)k * n;
                double dot = 0;
                for (int64_t i = 0; i < n; i++)
                    dot += b[i] * q[i];
                for (int64_t i = 0; i < n; i++)
                    q[i] -= dot * b[i];
            }
        for (int64_t i = 0; i < n; i++)
            after += q[i] * q[i];
        if (!(after > 1e-20 * before))
            continue;
        for (int64_t i = 0; i < n; i++)
            q[i] /= sqrt(after);
        rank++;
    }
    for (int k = 0; k < rank; k++) {
        const double *b = basis + (int64_t)k * n;
        double dot = 0;
        for (int64_t i = 0; i < n; i++)
            dot += b[i] * y[i];
        for (int64_t i = 0; i < n; i++)
            y[i] -= dot * b[i];
    }
}

static double correlation(const double *a, const double *b, int64_t n) {
    double ma = mean_of(a, n), mb = mean_of(b, n), ab = 0, aa = 0, bb = 0;
    for (int64_t i = 0; i < n; i++) {
        ab += (a[i] - ma) * (b[i] - mb);
        aa += (a[i] - ma) * (a[i] - ma);
        bb += (b[i] - mb) * (b[i] - mb);
    }
    return ab / sqrt(aa * bb);
}

/* Partial correlation of gap and expected aperture at the best of seven lags. false = no memory. */
static bool correlate(const track *clips, int count, double fps, tg_lipsync_figures *out) {
    int64_t total = 0;
    for (int c = 0; c < count; c++)
        for (int64_t i = MARGIN; i < clips[c].n - MARGIN; i++)
            total += clips[c].speech[i];
    out->phone_corr = out->corr = out->lag_ms = NAN;
    if (total < FEWEST)
        return true;
    double *block = malloc((size_t)total * (4 + 2 * REGRESSORS) * sizeof *block);
    if (!block)
        return false;
    double *g = block, *w = g + total, *rg = w + total, *rw = rg + total, *e = rw + total;
    double *basis = e + REGRESSORS * total;
    const double *columns[REGRESSORS] = {e, e + total, e + 2 * total, e + 3 * total};
    for (int lag = -MAX_LAG; lag <= MAX_LAG; lag++) {
        int64_t k = 0;
        for (int c = 0; c < count; c++)
            for (int64_t i = MARGIN; i < clips[c].n - MARGIN; i++) {
                if (!clips[c].speech[i])
                    continue;
                g[k] = clips[c].gap[i + lag];
                w[k] = clips[c].want[i];
                for (int d = -1; d <= 1; d++)
                    e[(d + 1) * total + k] = clips[c].sound[i + d];
                e[3 * total + k] = 1;
                k++;
            }
        memcpy(rg, g, (size_t)total * sizeof *g);
        memcpy(rw, w, (size_t)total * sizeof *w);
        residual(rg, columns, total, basis);
        residual(rw, columns, total, basis);
        double ab = 0, aa = 0, bb = 0;
        for (int64_t i = 0; i < total; i++) {
            ab += rg[i] * rw[i];
            aa += rg[i] * rg[i];
            bb += rw[i] * rw[i];
        }
        double p = ab / (sqrt(aa) * sqrt(bb) + 1e-9);
        if (isnan(out->phone_corr) || p > out->phone_corr) {
            out->phone_corr = p;
            out->corr = sqrt(variance_of(g, total)) > 1e-9 ? correlation(g, w, total) : 0;
            out->lag_ms = 1000.0 * lag / fps;
        }
    }
    free(block);
    return true;
}

static void summarize(const verdicts *v, tg_lipsync_figures *out) {
    out->close = mean_of(v->close.value, v->close.count);
    out->open = mean_of(v->open.value, v->open.count);
    out->silent = mean_of(v->silent.value, v->silent.count);
    out->n_close = v->close.count;
    out->n_open = v->open.count;
    out->n_silent = v->silent.count;
    out->round_d = NAN;
    if (v->round.count > 2 && v->spread.count > 2) {
        double pooled = (variance_of(v->round.value, v->round.count) +
                         variance_of(v->spread.value, v->spread.count)) /
                        2;
        out->round_d =
            (mean_of(v->spread.value, v->spread.count) - mean_of(v->round.value, v->round.count)) /
            sqrt(pooled + 1e-12);
    }
}

/* ---- a clip's files ----------------------------------------------------------------------------
 */

/* RMS per video frame over its 95th percentile; out, scratch [n]. */
static tg_status loudness(tg_context *ctx, const char *path, int64_t n, double fps, double *out,
                          double *scratch) {
    float *samples;
    int64_t count;
    int channels, rate;
    tg_status s = tg_audio_read_all(ctx, path, &samples, &count, &channels, &rate);
    if (s != TG_OK)
        return s;
    for (int64_t i = 0; i < n; i++) {
        int64_t a = (int64_t)((double)i * rate / fps),
                b = (int64_t)((double)(i + 1) * rate / fps) + 1;
        double sum = 0;
        b = b < count ? b : count;
        for (int64_t k = a; k < b; k++) {
            double x = 0;
            for (int c = 0; c < channels; c++)
                x += samples[k * channels + c];
            sum += x / channels * (x / channels);
        }
        out[i] = a < count ? sqrt(sum / (double)(b - a)) : 0;
    }
    tg_free(samples);
    double p95 = percentile(out, n, 95, scratch);
    for (int64_t i = 0; i < n; i++)
        out[i] /= p95 + 1e-9;
    return TG_OK;
}

static const char *name_of(const tg_lipsync_clip *clip) {
    return clip->motion ? clip->motion : clip->audio;
}

static tg_status copy_landmarks(tg_context *ctx, const tg_lipsync_clip *clip, tg_npy *out) {
    *out = (tg_npy){.ndim = 2, .dim = {clip->rows, DIM}};
    size_t bytes;
    if (tg_mul_size((size_t)clip->rows, DIM * sizeof(float), &bytes))
        out->data = tg_alloc(bytes);
    if (!out->data)
        return tg_fail(ctx, TG_ENOMEM, "%s: out of memory", clip->audio);
    memcpy(out->data, clip->landmarks, bytes);
    return TG_OK;
}

static tg_status read_clip(tg_context *ctx, const tg_lipsync_clip *clip, tg_npy *motion,
                           tg_json **phones) {
    tg_status s = clip->landmarks ? copy_landmarks(ctx, clip, motion)
                                  : tg_npy_read(ctx, clip->motion, motion);
    bool ok = s == TG_OK && motion->dim[0] > 2 * MARGIN &&
              ((motion->ndim == 2 && motion->dim[1] == DIM) ||
               (motion->ndim == 3 && motion->dim[1] == POINTS && motion->dim[2] == 3));
    if (s == TG_OK && !ok)
        s = tg_fail(
            ctx, TG_EINPUT,
            "%s: these are no landmarks of a clip\n"
            "  expected: [frames,68,3] or [frames,204], more than %d frames\n  try: talkgen motion",
            name_of(clip), 2 * MARGIN);
    for (int64_t i = 0; s == TG_OK && i < motion->dim[0] * DIM; i++)
        if (!isfinite(motion->data[i]))
            s = tg_fail(ctx, TG_EINPUT,
                        "%s: value %lld is not a number\n  expected: finite positions\n"
                        "  try: talkgen motion again",
                        name_of(clip), (long long)i);
    if (s == TG_OK)
        s = tg_json_read(ctx, clip->phones, phones);
    for (int i = 0; s == TG_OK && i < tg_json_count(*phones); i++) {
        const tg_json *row = tg_json_at(*phones, i);
        if (!tg_json_is_string(tg_json_at(row, 0)) || !tg_json_is_number(tg_json_at(row, 1)) ||
            !tg_json_is_number(tg_json_at(row, 2)))
            s = tg_fail(ctx, TG_EINPUT,
                        "%s: entry %d is no phone\n  expected: [name, start_s, end_s]\n  try: "
                        "talkgen help formats",
                        clip->phones, i);
    }
    if (s == TG_OK && tg_json_count(*phones) == 0)
        s = tg_fail(
            ctx, TG_EINPUT,
            "%s: no phones\n  expected: [[name, start_s, end_s], ...]\n  try: talkgen help formats",
            clip->phones);
    return s;
}

/* dm between the outer corners of the eyes; even a child's are 0.7 apart. */
static const double SMALLEST_EYES = 0.3;

/* Adds a clip to the three rankings: the motion, an energy envelope, a 4 Hz swing. */
static tg_status add_clip(tg_context *ctx, const tg_lipsync_clip *clip, double fps, verdicts v[3],
                          track t[3], double *gap95) {
    tg_npy motion = {0};
    tg_json *phones = NULL;
    double *block = NULL;
    tg_status s = read_clip(ctx, clip, &motion, &phones);
    int64_t n = s == TG_OK ? motion.dim[0] : 0;
    if (s == TG_OK && !(block = malloc((size_t)n * 5 * sizeof *block)))
        s = tg_fail(ctx, TG_ENOMEM, "%s: out of memory", name_of(clip));
    if (s == TG_OK) {
        double *gap = block, *width = gap + n, *rms = width + n, *flat = rms + n, *other = flat + n;
        double eyes = 0, unused, p95 = 0;
        for (int64_t i = 0; i < n; i++)
            eyes += tg_landmark_distance(motion.data + i * DIM, 36, 45) / (double)n;
        if (eyes < SMALLEST_EYES)
            s = tg_fail(ctx, TG_EINPUT,
                        "%s: its eyes are %.3g apart, these are no points of a face\n"
                        "  expected: absolute landmarks in dm; displacements, which identities of "
                        "landmark space idexp make, have no lips to measure\n"
                        "  try: talkgen motion with another identity",
                        name_of(clip), eyes);
        for (int64_t i = 0; i < n; i++) {
            const float *f = motion.data + i * DIM;
            gap[i] = tg_lip_gap(f);
            width[i] = tg_landmark_distance(f, 48, 54) / eyes;
            flat[i] = 1;
        }
        if (s == TG_OK)
            s = loudness(ctx, clip->audio, n, fps, rms, other);
        bool ok = s != TG_OK || judge(gap, width, rms, n, phones, fps, &v[0], &t[0], &p95);
        for (int64_t i = 0; i < n; i++)
            other[i] = sqrt(rms[i]);
        ok = ok && (s != TG_OK || judge(other, flat, rms, n, phones, fps, &v[1], &t[1], &unused));
        for (int64_t i = 0; i < n; i++)
            other[i] = rms[i] > 0.08
                           ? 0.5 - 0.5 * cos(2 * 3.14159265358979323846 * 4 * (double)i / fps)
                           : 0;
        ok = ok && (s != TG_OK || judge(other, flat, rms, n, phones, fps, &v[2], &t[2], &unused));
        if (!ok)
            s = tg_fail(ctx, TG_ENOMEM, "%s: out of memory", name_of(clip));
        *gap95 = p95 / eyes;
    }
    free(block);
    tg_json_destroy(&phones);
    tg_npy_free(&motion);
    return s;
}

tg_status tg_lipsync(tg_context *ctx, const tg_lipsync_clip *clips, int count, double fps,
                     tg_lipsync_score *out) {
    memset(out, 0, sizeof *out);
    verdicts v[3];
    memset(v, 0, sizeof v);
    track *t[3];
    for (int k = 0; k < 3; k++)
        t[k] = calloc((size_t)count, sizeof *t[k]);
    tg_status s = count > 0 && t[0] && t[1] && t[2]
                      ? TG_OK
                      : tg_fail(ctx, TG_ENOMEM, "out of memory for %d clips", count);
    double gap95 = 0;
    for (int i = 0; s == TG_OK && i < count; i++) {
        track one[3];
        memset(one, 0, sizeof one);
        double g = 0;
        s = add_clip(ctx, &clips[i], fps, v, one, &g);
        gap95 += g / count;
        for (int k = 0; k < 3; k++)
            t[k][i] = one[k];
    }
    tg_lipsync_figures *figures[3] = {&out->motion, &out->envelope, &out->sine};
    for (int k = 0; s == TG_OK && k < 3; k++) {
        summarize(&v[k], figures[k]);
        if (!correlate(t[k], count, fps, figures[k]))
            s = tg_fail(ctx, TG_ENOMEM, "out of memory for %d clips", count);
        double jitter = 0;
        for (int i = 0; i < count; i++) {
            double sum = 0;
            for (int64_t f = 2; f < t[k][i].n; f++)
                sum += fabs(t[k][i].gap[f] - 2 * t[k][i].gap[f - 1] + t[k][i].gap[f - 2]);
            jitter += sum / (double)(t[k][i].n - 2) / count;
        }
        figures[k]->jitter = jitter;
    }
    out->gap95_over_eyes = gap95;
    for (int k = 0; k < 3; k++) {
        for (int i = 0; t[k] && i < count; i++)
            track_free(&t[k][i]);
        free(t[k]);
        verdicts_free(&v[k]);
    }
    return s;
}
