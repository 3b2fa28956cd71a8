/* Normalisations: layer, channel, group, batch, weight and row. */
#include "tensor/tape.h"

#include <math.h>
#include <string.h>

/* Mean and 1/sqrt(var + eps) of n values, population variance. */
static void moments(const tg_kernels *kernels, const float *x, int64_t n, float eps, float *mean,
                    float *rstd) {
    *mean = (float)(kernels->sum(x, n) / (double)n);
    *rstd = (float)(1 / sqrt(kernels->deviation(x, *mean, n) / (double)n + (double)eps));
}

static bool fits_affine(const tg_tensor *gain, const tg_tensor *bias, int64_t n) {
    return (!gain || tg_numel(gain) == n) && (!bias || tg_numel(bias) == n);
}

typedef struct {
    const tg_kernels *kernels;
    const float *x, *dy, *gain, *bias;
    float *y, *dx, *mean, *rstd, *partial;
    int64_t batch, channels, time, groups, rows;
    float eps;
    bool add;
} job;

typedef struct {
    tg_node node;
    float *mean, *rstd;
    int groups;
} norm_node;

/* What all of them record: statistics for the backward pass. */
static tg_tensor *record(tg_tape *tape, tg_backward_fn *backward, tg_tensor *y, tg_tensor *x,
                         tg_tensor *gain, tg_tensor *bias, const job *j) {
    norm_node *node =
        tg_tape_record(tape, sizeof *node, backward, y, 3, (tg_tensor *[]){x, gain, bias});
    if (node) {
        node->mean = j->mean;
        node->rstd = j->rstd;
        node->groups = (int)j->groups;
    }
    return y;
}

static bool alloc_moments(tg_tape *tape, job *j, int64_t count) {
    j->mean = tg_tape_alloc(tape, count, sizeof *j->mean);
    j->rstd = tg_tape_alloc(tape, count, sizeof *j->rstd);
    return j->mean && j->rstd;
}

static job backward_job(tg_tape *tape, tg_node *base) {
    norm_node *node = (norm_node *)base;
    tg_tensor *x = base->in[0], *gain = base->in[1];
    job j = {.kernels = tg_tape_kernels(tape),
             .x = x->data,
             .dy = base->out->grad,
             .gain = gain ? gain->data : NULL,
             .mean = node->mean,
             .rstd = node->rstd,
             .groups = node->groups};
    return j;
}

/* ---- layer norm: rows ------------------------------------------------------------ */

enum { ROWS_PER_PART = 128 }; /* rows whose gain gradients share a partial sum */

static void layer_range(void *arg, int64_t begin, int64_t end, int worker) {
    (void)worker;
    const job *j = arg;
    for (int64_t r = begin; r < end; r++) {
        const float *x = j->x + r * j->channels;
        moments(j->kernels, x, j->channels, j->eps, &j->mean[r], &j->rstd[r]);
        j->kernels->norm_row(x, j->mean[r], j->rstd[r], j->gain, j->bias, j->y + r * j->channels,
                             j->channels);
    }
}

static void layer_grad_range(void *arg, int64_t begin, int64_t end, int worker) {
    (void)worker;
    const job *j = arg;
    int64_t n = j->channels;
    for (int64_t part = begin; part < end; part++) {
        float *dgain = j->partial + part * 2 * n, *dbias = dgain + n;
        memset(dgain, 0, (size_t)(2 * n) * sizeof *dgain);
        int64_t last = (part + 1) * ROWS_PER_PART < j->rows ? (part + 1) * ROWS_PER_PART : j->rows;
        for (int64_t r = part * ROWS_PER_PART; r < last; r++)
            j->kernels->norm_row_grad(j->x + r * n, j->mean[r], j->rstd[r], j->gain, j->dy + r * n,
                                      j->dx ? j->dx + r * n : NULL, dgain, dbias, n, j->add);
    }
}

static void layer_backward(tg_tape *tape, tg_node *node) {
    tg_tensor *x = node->in[0], *gain = node->in[1], *bias = node->in[2];
    job j = backward_job(tape, node);
    j.channels = x->dim[x->ndim - 1];
    j.rows = tg_numel(x) / j.channels;
    j.dx = tg_tape_grad(tape, x, &j.add);
    float *dgain = gain ? tg_tape_grad_zeroed(tape, gain) : NULL;
    float *dbias = bias ? tg_tape_grad_zeroed(tape, bias) : NULL;
    int64_t parts = (j.rows + ROWS_PER_PART - 1) / ROWS_PER_PART;
    tg_mark mark = tg_arena_mark(tg_tape_arena(tape));
    j.partial = tg_tape_alloc(tape, parts * 2 * j.channels, sizeof *j.partial);
    if (!j.partial)
        return;
    tg_pool_run(tg_tape_pool(tape), parts, 1, layer_grad_range, &j);
    for (int64_t part = 0; part < parts; part++) {
        const float *sums = j.partial + part * 2 * j.channels;
        if (dgain)
            j.kernels->add(dgain, sums, dgain, j.channels);
        if (dbias)
            j.kernels->add(dbias, sums + j.channels, dbias, j.channels);
    }
    tg_arena_release(tg_tape_arena(tape), mark);
}

tg_tensor *tg_layer_norm(tg_tape *tape, tg_tensor *x, tg_tensor *gain, tg_tensor *bias, float eps) {
    int64_t n = x->dim[x->ndim - 1];
    if (!tg_tape_expect(tape, n > 0 && fits_affine(gain, bias, n), "layer norm",
                        "x [..,C], gain [C], bias [C]", x, gain))
        return tg_tape_poison(tape);
    tg_tensor *y = tg_tape_like(tape, x);
    job j = {.kernels = tg_tape_kernels(tape),
             .x = x->data,
             .gain = gain ? gain->data : NULL,
             .bias = bias ? bias->data : NULL,
             .channels = n,
             .rows = tg_numel(x) / n,
             .eps = eps};
    if (!y || !alloc_moments(tape, &j, j.rows))
        return tg_tape_poison(tape);
    j.y = y->data;
    tg_pool_run(tg_tape_pool(tape), j.rows, tg_grain(n), layer_range, &j);
    return record(tape, layer_backward, y, x, gain, bias, &j);
}

/* ---- channel norm: over C at each time -------------------------------------------- */

enum { TIMES = 128 }; /* times that go through the channels together */

/* Items are (batch item, block of times). */
static void channel_range(void *arg, int64_t begin, int64_t end, int worker) {
    (void)worker;
    const job *j = arg;
    int64_t blocks = (j->time + TIMES - 1) / TIMES;
    for (int64_t item = begin; item < end; item++) {
        int64_t b = item / blocks, t0 = item % blocks * TIMES;
        int64_t n = j->time - t0 < TIMES ? j->time - t0 : TIMES;
        const float *x = j->x + b * j->channels * j->time + t0;
        float *y = j->y + b * j->channels * j->time + t0, *mean = j->mean + b * j->time + t0,
              *rstd = j->rstd + b * j->time + t0;
        float total[TIMES] = {0}, m[TIMES] = {0}, s[TIMES];
        for (int64_t c = 0; c < j->channels; c++)
            j->kernels->add(m, x + c * j->time, m, n);
        for (int64_t t = 0; t < n; t++)
            m[t] /= (float)j->channels;
        for (int64_t c = 0; c < j->channels; c++)
            for (int64_t t = 0; t < n; t++) {
                float d = x[c * j->time + t] - m[t];
                total[t] += d * d;
            }
        for (int64_t t = 0; t < n; t++)
            s[t] = 1 / sqrtf(total[t] / (float)j->channels + j->eps);
        for (int64_t c = 0; c < j->channels; c++) {
            float gain = j->gain ? j->gain[c] : 1, bias = j->bias ? j->bias[c] : 0;
            for (int64_t t = 0; t < n; t++)
                y[c * j->time + t] = (x[c * j->time + t] - m[t]) * s[t] * gain + bias;
        }
        memcpy(mean, m, (size_t)n * sizeof *mean);
        memcpy(rstd, s, (size_t)n * sizeof *rstd);
    }
}

static void channel_grad_range(void *arg, int64_t begin, int64_t end, int worker) {
    (void)worker;
    const job *j = arg;
    int64_t blocks = (j->time + TIMES - 1) / TIMES;
    for (int64_t item = begin; item < end; item++) {
        int64_t b = item / blocks, t0 = item % blocks * TIMES;
        int64_t n = j->time - t0 < TIMES ? j->time - t0 : TIMES;
        int64_t at = b * j->channels * j->time + t0;
        const float *x = j->x + at, *dy = j->dy + at, *mean = j->mean + b * j->time + t0,
                    *rstd = j->rstd + b * j->time + t0;
        float *dx = j->dx + at;
        float su[TIMES] = {0}, sh[TIMES] = {0}, m[TIMES], s[TIMES];
        memcpy(m, mean, (size_t)n * sizeof *m);
        memcpy(s, rstd, (size_t)n * sizeof *s);
        for (int64_t c = 0; c < j->channels; c++) {
            float gain = j->gain ? j->gain[c] : 1;
            for (int64_t t = 0; t < n; t++) {
                float u = dy[c * j->time + t] * gain;
                su[t] += u;
                sh[t] += u * (x[c * j->time + t] - m[t]) * s[t];
            }
        }
        for (int64_t t = 0; t < n; t++) {
            su[t] /= (float)j->channels;
            sh[t] /= (float)j->channels;
        }
        for (int64_t c = 0; c < j->channels; c++) {
            float gain = j->gain ? j->gain[c] : 1;
            for (int64_t t = 0; t < n; t++) {
                int64_t i = c * j->time + t;
                float d = s[t] * (dy[i] * gain - su[t] - (x[i] - m[t]) * s[t] * sh[t]);
                dx[i] = j->add ? dx[i] + d : d;
            }
        }
    }
}

/* dgain[c] += sum over b, t of dy (x - mean) rstd; dy in j->dy, dgain in j->y */
static void channel_gain_range(void *arg, int64_t begin, int64_t end, int worker) {
    (void)worker;
    const job *j = arg;
    for (int64_t c = begin; c < end; c++) {
        double total = 0;
        for (int64_t b = 0; b < j->batch; b++) {
            const float *x = j->x + (b * j->channels + c) * j->time;
            const float *dy = j->dy + (b * j->channels + c) * j->time;
            for (int64_t t0 = 0; t0 < j->time; t0 += TIMES) {
                int64_t n = j->time - t0 < TIMES ? j->time - t0 : TIMES;
                const float *mean = j->mean + b * j->time + t0, *rstd = j->rstd + b * j->time + t0;
                float h[TIMES];
                for (int64_t t = 0; t < n; t++)
                    h[t] = (x[t0 + t] - mean[t]) * rstd[t];
                total += j->kernels->dot(h, dy + t0, n);
            }
        }
        j->y[c] += (float)total;
    }
}

static void channel_backward(tg_tape *tape, tg_node *node) {
    tg_tensor *x = node->in[0], *gain = node->in[1], *bias = node->in[2];
    job j = backward_job(tape, node);
    j.batch = x->dim[0];
    j.channels = x->dim[1];
    j.time = x->dim[2];
    tg_pool *pool = tg_tape_pool(tape);
    j.dx = tg_tape_grad(tape, x, &j.add);
    if (j.dx)
        tg_pool_run(pool, j.batch * ((j.time + TIMES - 1) / TIMES), tg_grain(TIMES * j.channels),
                    channel_grad_range, &j);
    j.y = gain ? tg_tape_grad_zeroed(tape, gain) : NULL;
    if (j.y)
        tg_pool_run(pool, j.channels, tg_grain(j.batch * j.time), channel_gain_range, &j);
    float *dbias = bias ? tg_tape_grad_zeroed(tape, bias) : NULL;
    if (dbias)
        tg_sum_channels(tape, j.dy, j.batch, j.channels, j.time, dbias);
}

tg_tensor *tg_channel_norm(tg_tape *tape, tg_tensor *x, tg_tensor *gain, tg_tensor *bias,
                           float eps) {
    if (!tg_tape_expect(tape, x->ndim == 3 && fits_affine(gain, bias, x->dim[1]), "channel norm",
                        "x [B,C,T], gain [C], bias [C]", x, gain))
        return tg_tape_poison(tape);
    tg_tensor *y = tg_tape_like(tape, x);
    job j = {.kernels = tg_tape_kernels(tape),
             .x = x->data,
             .gain = gain ? gain->data : NULL,
             .bias = bias ? bias->data : NULL,
             .batch = x->dim[0],
             .channels = x->dim[1],
             .time = x->dim[2],
             .eps = eps};
    if (!y || !alloc_moments(tape, &j, j.batch * j.time))
        return tg_tape_poison(tape);
    j.y = y->data;
    tg_pool_run(tg_tape_pool(tape), j.batch * ((j.time + TIMES - 1) / TIMES),
                tg_grain(TIMES * j.channels), channel_range, &j);
    return record(tape, channel_backward, y, x, gain, bias, &j);
}

/* ---- group norm: over time and the channels of a group ------------------------------ */

static void group_range(void *arg, int64_t begin, int64_t end, int worker) {
    (void)worker;
    const job *j = arg;
    int64_t per_group = j->channels / j->groups;
    for (int64_t item = begin; item < end; item++) { /* (b, group) */
        const float *x = j->x + item * per_group * j->time;
        moments(j->kernels, x, per_group * j->time, j->eps, &j->mean[item], &j->rstd[item]);
        for (int64_t i = 0; i < per_group; i++) {
            int64_t c = item % j->groups * per_group + i;
            float scale = j->rstd[item] * (j->gain ? j->gain[c] : 1);
            float shift = (j->bias ? j->bias[c] : 0) - j->mean[item] * scale;
            j->kernels->affine(x + i * j->time, scale, shift,
                               j->y + (item * per_group + i) * j->time, j->time, false);
        }
    }
}

/* partial[row] = sum dy h, partial[rows + row] = sum dy for each row (b, c); then dx. */
static void group_grad_range(void *arg, int64_t begin, int64_t end, int worker) {
    (void)worker;
    const job *j = arg;
    int64_t per_group = j->channels / j->groups;
    for (int64_t item = begin; item < end; item++) {
        float mean = j->mean[item], rstd = j->rstd[item];
        double su = 0, sh = 0, n = (double)(per_group * j->time);
        for (int64_t i = 0; i < per_group; i++) {
            int64_t row = item * per_group + i, c = item % j->groups * per_group + i;
            const float *x = j->x + row * j->time, *dy = j->dy + row * j->time;
            double sum = j->kernels->sum(dy, j->time);
            double dot = 0;
            for (int64_t t0 = 0; t0 < j->time; t0 += 1024) { /* centred first: no cancellation */
                float h[1024];
                int64_t width = j->time - t0 < 1024 ? j->time - t0 : 1024;
                j->kernels->affine(x + t0, rstd, -mean * rstd, h, width, false);
                dot += j->kernels->dot(h, dy + t0, width);
            }
            j->partial[row] = (float)dot;
            j->partial[j->rows + row] = (float)sum;
            double gain = j->gain ? (double)j->gain[c] : 1;
            su += sum * gain;
            sh += dot * gain;
        }
        if (!j->dx)
            continue;
        /* dx = rstd (gain dy - mean(u) - h mean(u h)) */
        double mu = su / n, mh = sh / n;
        for (int64_t i = 0; i < per_group; i++) {
            int64_t row = item * per_group + i, c = item % j->groups * per_group + i;
            float gain = j->gain ? j->gain[c] : 1;
            double slope = -(double)rstd * (double)rstd * mh;
            j->kernels->blend(j->dy + row * j->time, rstd * gain, j->x + row * j->time,
                              (float)slope, (float)(-(double)rstd * mu - slope * (double)mean),
                              j->dx + row * j->time, j->time, j->add);
        }
    }
}

static void group_backward(tg_tape *tape, tg_node *node) {
    tg_tensor *x = node->in[0], *gain = node->in[1], *bias = node->in[2];
    job j = backward_job(tape, node);
    j.batch = x->dim[0];
    j.channels = x->dim[1];
    j.time = x->dim[2];
    j.rows = j.batch * j.channels;
    j.dx = tg_tape_grad(tape, x, &j.add);
    float *dgain = gain ? tg_tape_grad_zeroed(tape, gain) : NULL;
    float *dbias = bias ? tg_tape_grad_zeroed(tape, bias) : NULL;
    tg_mark mark = tg_arena_mark(tg_tape_arena(tape));
    j.partial = tg_tape_alloc(tape, 2 * j.rows, sizeof *j.partial);
    if (!j.partial)
        return;
    tg_pool_run(tg_tape_pool(tape), j.batch * j.groups, tg_grain(j.channels / j.groups * j.time),
                group_grad_range, &j);
    for (int64_t b = 0; b < j.batch; b++)
        for (int64_t c = 0; c < j.channels; c++) {
            if (dgain)
                dgain[c] += j.partial[b * j.channels + c];
            if (dbias)
                dbias[c] += j.partial[j.rows + b * j.channels + c];
        }
    tg_arena_release(tg_tape_arena(tape), mark);
}

tg_tensor *tg_group_norm(tg_tape *tape, tg_tensor *x, tg_tensor *gain, tg_tensor *bias, int groups,
                         float eps) {
    if (!tg_tape_expect(tape,
                        x->ndim == 3 && groups >= 1 && x->dim[1] % groups == 0 &&
                            fits_affine(gain, bias, x->dim[1]),
                        "group norm", "x [B,C,T] with C divisible by the groups", x, gain))
        return tg_tape_poison(tape);
    tg_tensor *y = tg_tape_like(tape, x);
    job j = {.kernels = tg_tape_kernels(tape),
             .x = x->data,
             .gain = gain ? gain->data : NULL,
             .bias = bias ? bias->data : NULL,
             .batch = x->dim[0],
             .channels = x->dim[1],
             .time = x->dim[2],
             .groups = groups,
             .eps = eps};
    if (!y || !alloc_moments(tape, &j, j.batch * groups))
        return tg_tape_poison(tape);
    j.y = y->data;
    tg_pool_run(tg_tape_pool(tape), j.batch * groups, tg_grain(j.channels / groups * j.time),
                group_range, &j);
    return record(tape, group_backward, y, x, gain, bias, &j);
}
