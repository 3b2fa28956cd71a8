/* Windows of rows around each frame, from rows that arrive one by one: a ring holds no more than
 * one frame's windows see. */
#include "systems/condition.h"

#include "systems/gaze_source.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

struct tg_condition {
    tg_condition_rows rows;
    int64_t next;       /* frame */
    int64_t frames;     /* to be asked for, no more than rows.frames */
    int64_t read, span; /* rows read, rows in the ring */
    bool ended;
    float *ring;    /* [span,width] */
    float *windows; /* [windows,size,width] */
};

tg_status tg_condition_open(tg_context *ctx, const tg_condition_rows *rows, tg_condition **out) {
    *out = NULL;
    tg_condition *c = calloc(1, sizeof *c);
    if (!c) {
        if (rows->close)
            rows->close(rows->user);
        return tg_fail(ctx, TG_ENOMEM, "out of memory for the condition of a clip");
    }
    c->rows = *rows;
    c->next = rows->first;
    c->frames = rows->frames;
    c->span = (int64_t)rows->rows_per_frame * (rows->windows - 1) + rows->size;
    c->ring = tg_alloc((size_t)c->span * (size_t)rows->width * sizeof *c->ring);
    c->windows = tg_alloc((size_t)rows->windows * (size_t)rows->size * (size_t)rows->width *
                          sizeof *c->windows);
    if (!c->ring || !c->windows) {
        tg_condition_close(&c);
        return tg_fail(ctx, TG_ENOMEM, "out of memory for the condition of a clip");
    }
    *out = c;
    return TG_OK;
}

void tg_condition_close(tg_condition **condition) {
    if (!condition || !*condition)
        return;
    tg_condition *c = *condition;
    if (c->rows.close)
        c->rows.close(c->rows.user);
    tg_free(c->ring);
    tg_free(c->windows);
    free(c);
    *condition = NULL;
}

int64_t tg_condition_frames(const tg_condition *condition) {
    return condition->frames;
}

void tg_condition_limit(tg_condition *condition, int64_t frames) {
    if (frames < condition->frames)
        condition->frames = frames;
}

static int64_t clamp(int64_t i, int64_t n) {
    return i < 0 ? 0 : i >= n ? n - 1 : i;
}

/* First row of the window of a frame. */
static int64_t first_row(const tg_condition *c, int64_t frame) {
    return c->rows.rows_per_frame * frame - c->rows.size / 2;
}

static tg_status read_until(tg_context *ctx, tg_condition *c, int64_t end) {
    while (c->read < end && !c->ended) {
        float *row = c->ring + (c->read % c->span) * c->rows.width;
        tg_status s = c->rows.read(ctx, c->rows.user, row, &c->ended);
        if (s != TG_OK)
            return s;
        c->read += !c->ended;
    }
    return TG_OK;
}

tg_status tg_condition_next(tg_context *ctx, tg_condition *c, const float **windows) {
    const int count = c->rows.windows, size = c->rows.size, width = c->rows.width;
    const int64_t frame = c->next++, end = c->rows.first + c->rows.frames;
    const int64_t first = frame - count / 2;
    const size_t bytes = (size_t)width * sizeof *c->windows;
    tg_status s = read_until(ctx, c, first_row(c, first + count - 1) + size);
    if (s != TG_OK)
        return s;
    float *to = c->windows;
    for (int k = 0; k < count; k++) {
        int64_t f = first + k;
        bool inside = f >= 0 && f < end;
        f = clamp(f, end);
        for (int i = 0; i < size; i++, to += width) {
            int64_t row = first_row(c, f) + i;
            bool there = inside && row >= 0 && row < c->read;
            if (there || (c->rows.edge && c->read > 0))
                memcpy(to, c->ring + (clamp(row, c->read) % c->span) * width, bytes);
            else
                memset(to, 0, bytes);
        }
    }
    *windows = c->windows;
    return TG_OK;
}

/* ---- what renderers take ---- */

void tg_condition_shape(const tg_identity *id, int dim[3]) {
    if (id->nerf) {
        const tg_nerf_config *c = &id->nerf->config;
        dim[0] = c->smo_win_size;
        dim[1] = c->cond_win_size;
        dim[2] = c->cond_dim;
    } else {
        const tg_vanilla_config *c = &id->head->config;
        dim[0] = c->smo_win_size;
        dim[1] = c->cond_win_size;
        dim[2] = c->cond_dim;
    }
}

bool tg_condition_torso_shape(const tg_identity *id, int dim[3]) {
    if (!id->torso || id->torso->config.cond_from_head)
        return false;
    const tg_vanilla_config *c = &id->torso->config;
    int head[3];
    tg_condition_shape(id, head);
    dim[0] = c->smo_win_size;
    dim[1] = c->cond_win_size;
    dim[2] = c->cond_dim;
    return memcmp(head, dim, sizeof head) != 0;
}

/* ---- landmarks ---- */

typedef struct {
    const tg_identity *id;
    tg_motion_source *motion;
    tg_gaze_source *gaze; /* owned, NULL = none */
} landmarks;

static tg_status read_landmarks(tg_context *ctx, void *user, float *row, bool *done) {
    landmarks *l = user;
    tg_status s = tg_motion_source_next(ctx, l->motion, row, done);
    if (s != TG_OK || *done)
        return s;
    for (int k = 0; k < TG_MOTION_DIM; k++)
        row[k] = 10 * (row[k] - l->id->lm_mean[k]);
    tg_motion_normalize(&l->id->stats, INFINITY, row);
    return l->gaze ? tg_gaze_source_next(ctx, l->gaze, row + TG_MOTION_DIM) : TG_OK;
}

static void close_landmarks(void *user) {
    landmarks *l = user;
    tg_gaze_source_close(&l->gaze);
    free(l);
}

tg_status tg_condition_of_landmarks(tg_context *ctx, const tg_identity *id,
                                    tg_motion_source *motion, const tg_pose_options *pose,
                                    tg_condition **out) {
    *out = NULL;
    landmarks *l = malloc(sizeof *l);
    if (!l)
        return tg_fail(ctx, TG_ENOMEM, "out of memory for the condition of a clip");
    *l = (landmarks){id, motion, NULL};
    tg_status s = tg_gaze_source_open(ctx, id, pose, &l->gaze);
    if (s != TG_OK) {
        free(l);
        return s;
    }
    int dim[3];
    tg_condition_shape(id, dim);
    /* before the first and after the last frame the edge repeats, as in GeneFace's inference */
    tg_condition_rows rows = {.windows = dim[0],
                              .size = dim[1],
                              .width = dim[2],
                              .rows_per_frame = 1,
                              .edge = true,
                              .frames = tg_motion_source_frames(motion),
                              .read = read_landmarks,
                              .close = close_landmarks,
                              .user = l};
    return tg_condition_open(ctx, &rows, out);
}
