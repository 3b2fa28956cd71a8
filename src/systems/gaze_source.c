#include "systems/gaze_source.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

enum { TERMS = 4 }; /* 1, and three numbers of the head's rotation */

struct tg_gaze_source {
    const tg_identity *id;
    enum { REPLAY, AUTO, STILL, FILE_GAZE, BY_POSE } kind; /* once open never BY_POSE */
    int64_t next;                                          /* frame */
    tg_npy npy;                                            /* of a file, degrees */
    /* Made: */
    tg_pose_source *poses;
    tg_pose_stats head;
    double turn[TERMS][TG_GAZE_DIM]; /* what the head's rotation explains of the recorded gaze */
    double rest[TG_GAZE_DIM];        /* deviation of what it does not */
    double mean[TG_GAZE_DIM];
    float low[TG_GAZE_DIM], high[TG_GAZE_DIM];
    tg_rng place, length;
    double until; /* seconds: end of the fixation */
    uint64_t fixation;
};

static tg_status kind_of(tg_context *ctx, const char *gaze, tg_gaze_source *s) {
    static const char *const kinds[] = {"replay", "auto", "still"};
    s->kind = REPLAY;
    while (s->kind < FILE_GAZE && gaze && strcmp(gaze, kinds[s->kind]) != 0)
        s->kind++;
    if (!gaze || strcmp(gaze, "pose") == 0)
        s->kind = BY_POSE;
    if (s->kind != FILE_GAZE || strchr(gaze, '.') || strchr(gaze, '/'))
        return TG_OK;
    return tg_fail(ctx, TG_EUSAGE,
                   "--gaze '%s' is not known\n"
                   "  expected: pose, replay, auto, still or a .npy file [T,2]\n"
                   "  try: --gaze auto",
                   gaze);
}

tg_status tg_gaze_check(tg_context *ctx, const tg_identity *identity, const char *gaze,
                        bool wanted) {
    tg_gaze_source s;
    tg_status status = kind_of(ctx, gaze, &s);
    if (status != TG_OK || !identity || identity->gaze || !(wanted || s.kind == FILE_GAZE))
        return status;
    return tg_fail(ctx, TG_EUSAGE,
                   "--%s: the eyes of '%s' do not move in the head\n"
                   "  expected: a person whose recording has gaze.npy\n  try: to leave it out",
                   s.kind == FILE_GAZE ? "gaze" : "gaze-out", identity->name);
}

tg_status tg_gaze_read(tg_context *ctx, const char *path, int64_t rows, tg_npy *out) {
    tg_status status = tg_npy_read(ctx, path, out);
    if (status != TG_OK)
        return status;
    char frames[48] = "frame", form[32] = "[T,2]";
    if (rows > 0) {
        snprintf(frames, sizeof frames, "of %lld frames", (long long)rows);
        snprintf(form, sizeof form, "[%lld,2]", (long long)rows);
    }
    if (out->ndim != 2 || out->dim[0] < 1 || (rows > 0 && out->dim[0] != rows) ||
        out->dim[1] != TG_GAZE_DIM)
        status = tg_fail(ctx, TG_EINPUT,
                         "%s: a gaze is two angles for each %s\n  expected: %s\n"
                         "  try: to leave it out",
                         path, frames, form);
    for (int64_t i = 0; status == TG_OK && i < out->dim[0] * TG_GAZE_DIM; i++)
        if (!(fabsf(out->data[i]) < 90))
            status = tg_fail(ctx, TG_EINPUT,
                             "%s: value %lld is no angle of an eye\n"
                             "  expected: degrees below 90\n  try: to leave it out",
                             path, (long long)i);
    if (status != TG_OK)
        tg_npy_free(out);
    return status;
}

static void terms_of(const tg_pose_stats *head, const float c2w[16], double x[TERMS]) {
    float numbers[TG_POSE_DIM];
    tg_pose_numbers(head, c2w, numbers);
    x[0] = 1;
    for (int k = 1; k < TERMS; k++)
        x[k] = (double)numbers[k - 1];
}

/* Gauss-Jordan on a symmetric, slightly lifted matrix: no pivot is small. */
static void solve(double a[TERMS][TERMS], double b[TERMS][TG_GAZE_DIM]) {
    for (int i = 0; i < TERMS; i++)
        for (int r = 0; r < TERMS; r++) {
            if (r == i)
                continue;
            double f = a[r][i] / a[i][i];
            for (int k = 0; k < TERMS; k++)
                a[r][k] -= f * a[i][k];
            for (int k = 0; k < TG_GAZE_DIM; k++)
                b[r][k] -= f * b[i][k];
        }
    for (int i = 0; i < TERMS; i++)
        for (int k = 0; k < TG_GAZE_DIM; k++)
            b[i][k] /= a[i][i];
}

static double explained(const tg_gaze_source *s, const double x[TERMS], int k) {
    double sum = 0;
    for (int i = 0; i < TERMS; i++)
        sum += s->turn[i][k] * x[i];
    return sum;
}

/* How the recorded eyes went with the recorded head. */
static tg_status learn(tg_context *ctx, tg_gaze_source *s) {
    const tg_identity *id = s->id;
    double a[TERMS][TERMS] = {{0}}, x[TERMS];
    if (!tg_pose_stats_of(id->pose, id->poses, &s->head))
        return tg_fail(ctx, TG_ENOMEM, "out of memory for the gaze of %s", id->name);
    for (int k = 0; k < TG_GAZE_DIM; k++) {
        s->low[k] = INFINITY;
        s->high[k] = -INFINITY;
    }
    for (int64_t t = 0; t < id->poses; t++) {
        terms_of(&s->head, id->pose + 16 * t, x);
        for (int i = 0; i < TERMS; i++) {
            for (int j = 0; j < TERMS; j++)
                a[i][j] += x[i] * x[j];
            for (int k = 0; k < TG_GAZE_DIM; k++)
                s->turn[i][k] += x[i] * (double)id->gaze[TG_GAZE_DIM * t + k];
        }
    }
    for (int i = 0; i < TERMS; i++)
        a[i][i] += 1e-3 * (double)id->poses;
    solve(a, s->turn);
    for (int64_t t = 0; t < id->poses; t++) {
        terms_of(&s->head, id->pose + 16 * t, x);
        for (int k = 0; k < TG_GAZE_DIM; k++) {
            const float gaze = id->gaze[TG_GAZE_DIM * t + k];
            const double off = (double)gaze - explained(s, x, k);
            s->rest[k] += off * off / (double)id->poses;
            s->mean[k] += (double)gaze / (double)id->poses;
            s->low[k] = fminf(s->low[k], gaze);
            s->high[k] = fmaxf(s->high[k], gaze);
        }
    }
    for (int k = 0; k < TG_GAZE_DIM; k++)
        s->rest[k] = sqrt(s->rest[k]);
    return TG_OK;
}

tg_status tg_gaze_source_open(tg_context *ctx, const tg_identity *identity,
                              const tg_pose_options *pose, tg_gaze_source **out) {
    *out = NULL;
    tg_status status = tg_gaze_check(ctx, identity, pose->gaze, false);
    if (status != TG_OK || !identity->gaze)
        return status;
    tg_gaze_source *s = tg_calloc(sizeof *s);
    if (!s)
        return tg_fail(ctx, TG_ENOMEM, "out of memory for a gaze");
    status = kind_of(ctx, pose->gaze, s);
    const char *clip = pose->behaviour.clip_id ? pose->behaviour.clip_id : "";
    s->id = identity;
    if (s->kind == BY_POSE)
        s->kind = strcmp(pose->spec, "replay") == 0 ? REPLAY : AUTO;
    s->place = tg_rng_make(pose->behaviour.seed, clip, "gaze");
    s->length = tg_rng_make(pose->behaviour.seed, clip, "gaze.length");
    if (status == TG_OK && s->kind == FILE_GAZE)
        status = tg_gaze_read(ctx, pose->gaze, 0, &s->npy);
    else if (status == TG_OK && s->kind != REPLAY)
        status = learn(ctx, s);
    if (status == TG_OK && s->kind == AUTO)
        status = tg_pose_source_open(ctx, identity, pose, &s->poses);
    if (status != TG_OK)
        tg_gaze_source_close(&s);
    *out = s;
    return status;
}

void tg_gaze_source_close(tg_gaze_source **source) {
    if (!source || !*source)
        return;
    tg_pose_source_close(&(*source)->poses);
    tg_npy_free(&(*source)->npy);
    tg_free(*source);
    *source = NULL;
}

static tg_status make(tg_context *ctx, tg_gaze_source *s, int64_t frame, float out[TG_GAZE_DIM]) {
    float c2w[16];
    tg_status status = tg_pose_source_at(ctx, s->poses, frame, c2w);
    if (status != TG_OK)
        return status;
    for (; (double)frame / 25 >= s->until; s->fixation++)
        s->until += 0.5 + 1.5 * (double)tg_rng_uniform(&s->length, s->fixation);
    double x[TERMS];
    terms_of(&s->head, c2w, x);
    for (int k = 0; k < TG_GAZE_DIM; k++) {
        const double off = fmax(
            fmin((double)tg_rng_normal(&s->place, TG_GAZE_DIM * s->fixation + (uint64_t)k), 2), -2);
        const float gaze = (float)(explained(s, x, k) + s->rest[k] * off);
        /* Nobody knows how eyes look that the recording has not seen. */
        out[k] = fminf(fmaxf(gaze, s->low[k]), s->high[k]);
    }
    return TG_OK;
}

static tg_status degrees(tg_context *ctx, tg_gaze_source *s, float out[TG_GAZE_DIM]) {
    const int64_t frame = s->next++;
    const float *row = NULL;
    if (s->kind == AUTO)
        return make(ctx, s, frame, out);
    if (s->kind == REPLAY)
        row = s->id->gaze + TG_GAZE_DIM * tg_mirror_index(frame, s->id->poses);
    else if (s->kind == FILE_GAZE)
        row = s->npy.data + TG_GAZE_DIM * (frame < s->npy.dim[0] ? frame : s->npy.dim[0] - 1);
    for (int k = 0; k < TG_GAZE_DIM; k++)
        out[k] = row ? row[k] : (float)s->mean[k];
    return TG_OK;
}

tg_status tg_gaze_source_next(tg_context *ctx, tg_gaze_source *s, float out[TG_GAZE_DIM]) {
    tg_status status = degrees(ctx, s, out);
    for (int k = 0; status == TG_OK && k < TG_GAZE_DIM; k++)
        out[k] /= TG_GAZE_DEGREES;
    return status;
}

tg_status tg_gaze_write(tg_context *ctx, const tg_identity *identity, const tg_pose_options *pose,
                        int64_t first, int64_t end, const char *path) {
    tg_gaze_source *s = NULL;
    float *rows = tg_alloc((size_t)end * TG_GAZE_DIM * sizeof *rows);
    tg_status status =
        rows ? tg_gaze_source_open(ctx, identity, pose, &s)
             : tg_fail(ctx, TG_ENOMEM, "out of memory for the gaze of %lld frames", (long long)end);
    for (int64_t i = 0; status == TG_OK && i < end; i++)
        status = degrees(ctx, s, rows + TG_GAZE_DIM * i);
    if (status == TG_OK)
        status = tg_npy_write(ctx, path, 2, (int64_t[]){end - first, TG_GAZE_DIM},
                              rows + TG_GAZE_DIM * first);
    tg_gaze_source_close(&s);
    tg_free(rows);
    return status;
}
