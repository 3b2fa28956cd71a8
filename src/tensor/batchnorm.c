/* Batch norm: each channel normalised over the batch and time. */
#include "tensor/tape.h"

#include <math.h>
#include <string.h>

typedef struct {
    const tg_kernels *kernels;
    const float *x, *dy, *gain, *bias;
    float *y, *dx, *dgain, *dbias, *mean, *rstd, *running_mean, *running_var;
    int64_t batch, channels, time;
    float momentum, eps;
    bool training, add;
} job;

typedef struct {
    tg_node node;
    float *mean, *rstd;
    bool training;
} batch_node;

/* [B,C] is [B,C,1]: rows of one element, slow per element but such inputs are small. */
static void forward_range(void *arg, int64_t begin, int64_t end, int worker) {
    (void)worker;
    const job *j = arg;
    double n = (double)(j->batch * j->time);
    for (int64_t c = begin; c < end; c++) {
        if (j->training) {
            double sum = 0, deviation = 0;
            for (int64_t b = 0; b < j->batch; b++)
                sum += j->kernels->sum(j->x + (b * j->channels + c) * j->time, j->time);
            float mean = (float)(sum / n);
            for (int64_t b = 0; b < j->batch; b++)
                deviation +=
                    j->kernels->deviation(j->x + (b * j->channels + c) * j->time, mean, j->time);
            j->mean[c] = mean;
            j->rstd[c] = (float)(1 / sqrt(deviation / n + (double)j->eps));
            double unbiased = n > 1 ? deviation / (n - 1) : deviation;
            j->running_mean[c] += j->momentum * (mean - j->running_mean[c]);
            j->running_var[c] += j->momentum * ((float)unbiased - j->running_var[c]);
        } else {
            j->mean[c] = j->running_mean[c];
            j->rstd[c] = (float)(1 / sqrt((double)j->running_var[c] + (double)j->eps));
        }
        float scale = j->rstd[c] * (j->gain ? j->gain[c] : 1);
        float shift = (j->bias ? j->bias[c] : 0) - j->mean[c] * scale;
        for (int64_t b = 0; b < j->batch; b++) {
            int64_t at = (b * j->channels + c) * j->time;
            j->kernels->affine(j->x + at, scale, shift, j->y + at, j->time, false);
        }
    }
}

/* Training: the statistics depend on x, dx = gain rstd (dy - mean(dy) - h mean(dy h)).
 * Otherwise they are constants, dx = gain rstd dy. */
static void backward_range(void *arg, int64_t begin, int64_t end, int worker) {
    (void)worker;
    enum { WIDTH = 1024 };
    const job *j = arg;
    double n = (double)(j->batch * j->time);
    for (int64_t c = begin; c < end; c++) {
        float mean = j->mean[c], rstd = j->rstd[c], scale = rstd * (j->gain ? j->gain[c] : 1);
        double sum = 0, dot = 0;
        for (int64_t b = 0; b < j->batch; b++) {
            int64_t at = (b * j->channels + c) * j->time;
            sum += j->kernels->sum(j->dy + at, j->time);
            for (int64_t t0 = 0; t0 < j->time; t0 += WIDTH) {
                float h[WIDTH];
                int64_t width = j->time - t0 < WIDTH ? j->time - t0 : WIDTH;
                j->kernels->affine(j->x + at + t0, rstd, -mean * rstd, h, width, false);
                dot += j->kernels->dot(h, j->dy + at + t0, width);
            }
        }
        if (j->dgain)
            j->dgain[c] += (float)dot;
        if (j->dbias)
            j->dbias[c] += (float)sum;
        if (!j->dx)
            continue;
        double slope = j->training ? -(double)scale * (double)rstd * dot / n : 0;
        double shift = j->training ? -(double)scale * sum / n - slope * (double)mean : 0;
        for (int64_t b = 0; b < j->batch; b++) {
            int64_t at = (b * j->channels + c) * j->time;
            j->kernels->blend(j->dy + at, scale, j->x + at, (float)slope, (float)shift, j->dx + at,
                              j->time, j->add);
        }
    }
}

static void batch_backward(tg_tape *tape, tg_node *base) {
    batch_node *node = (batch_node *)base;
    tg_tensor *x = base->in[0], *gain = base->in[1], *bias = base->in[2];
    job j = {.kernels = tg_tape_kernels(tape),
             .x = x->data,
             .dy = base->out->grad,
             .gain = gain ? gain->data : NULL,
             .mean = node->mean,
             .rstd = node->rstd,
             .batch = x->dim[0],
             .channels = x->dim[1],
             .time = tg_inner(x, 1),
             .training = node->training};
    j.dx = tg_tape_grad(tape, x, &j.add);
    j.dgain = gain ? tg_tape_grad_zeroed(tape, gain) : NULL;
    j.dbias = bias ? tg_tape_grad_zeroed(tape, bias) : NULL;
    tg_pool_run(tg_tape_pool(tape), j.channels, tg_grain(j.batch * j.time), backward_range, &j);
}

tg_tensor *tg_batch_norm(tg_tape *tape, tg_tensor *x, tg_tensor *gain, tg_tensor *bias,
                         tg_tensor *running_mean, tg_tensor *running_var, float momentum,
                         float eps) {
    if (!tg_tape_expect(tape,
                        (x->ndim == 2 || x->ndim == 3) && tg_numel(running_mean) == x->dim[1] &&
                            tg_numel(running_var) == x->dim[1] &&
                            (!gain || tg_numel(gain) == x->dim[1]) &&
                            (!bias || tg_numel(bias) == x->dim[1]),
                        "batch norm", "x [B,C,T] or [B,C] and statistics [C]", x, running_mean))
        return tg_tape_poison(tape);
    tg_tensor *y = tg_tape_like(tape, x);
    job j = {.kernels = tg_tape_kernels(tape),
             .x = x->data,
             .gain = gain ? gain->data : NULL,
             .bias = bias ? bias->data : NULL,
             .mean = tg_tape_alloc(tape, x->dim[1], sizeof *j.mean),
             .rstd = tg_tape_alloc(tape, x->dim[1], sizeof *j.rstd),
             .running_mean = running_mean->data,
             .running_var = running_var->data,
             .batch = x->dim[0],
             .channels = x->dim[1],
             .time = tg_inner(x, 1),
             .momentum = momentum,
             .eps = eps,
             .training = tg_tape_training(tape)};
    if (!y || !j.mean || !j.rstd)
        return tg_tape_poison(tape);
    j.y = y->data;
    if (tg_numel(x) > 0)
        tg_pool_run(tg_tape_pool(tape), j.channels, tg_grain(j.batch * j.time), forward_range, &j);
    batch_node *node =
        tg_tape_record(tape, sizeof *node, batch_backward, y, 3, (tg_tensor *[]){x, gain, bias});
    if (node) {
        node->mean = j.mean;
        node->rstd = j.rstd;
        node->training = j.training;
    }
    return y;
}
