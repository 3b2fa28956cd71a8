/* Sums and softmax rows that several operations share. */
#include "tensor/tape.h"

#include <string.h>

typedef struct {
    const tg_kernels *kernels;
    const float *x;
    float *out;
    int64_t rows, cols, batch, time;
} sum_job;

/* Columns are cut, rows are not: each sum is taken in one order by one thread. Within 64 columns
 * the partial sums of 64 rows are added to the total, which keeps rounding small. */
static void columns_range(void *arg, int64_t begin, int64_t end, int worker) {
    (void)worker;
    enum { WIDTH = 64, ROWS = 64 };
    const sum_job *j = arg;
    for (int64_t c0 = begin; c0 < end; c0 += WIDTH) {
        int64_t width = end - c0 < WIDTH ? end - c0 : WIDTH;
        double total[WIDTH] = {0};
        for (int64_t r0 = 0; r0 < j->rows; r0 += ROWS) {
            float part[WIDTH] = {0};
            int64_t r1 = r0 + ROWS < j->rows ? r0 + ROWS : j->rows;
            for (int64_t r = r0; r < r1; r++)
                j->kernels->add(part, j->x + r * j->cols + c0, part, width);
            for (int64_t c = 0; c < width; c++)
                total[c] += (double)part[c];
        }
        for (int64_t c = 0; c < width; c++)
            j->out[c0 + c] += (float)total[c];
    }
}

void tg_sum_columns(tg_tape *tape, const float *x, int64_t rows, int64_t cols, float *out) {
    sum_job job = {
        .kernels = tg_tape_kernels(tape), .x = x, .out = out, .rows = rows, .cols = cols};
    int64_t grain = (tg_grain(rows) + 63) / 64 * 64;
    tg_pool_run(tg_tape_pool(tape), cols, grain, columns_range, &job);
}

static void channels_range(void *arg, int64_t begin, int64_t end, int worker) {
    (void)worker;
    const sum_job *j = arg;
    for (int64_t c = begin; c < end; c++) {
        double total = 0;
        for (int64_t b = 0; b < j->batch; b++)
            total += j->kernels->sum(j->x + (b * j->cols + c) * j->time, j->time);
        j->out[c] += (float)total;
    }
}

void tg_sum_channels(tg_tape *tape, const float *x, int64_t batch, int64_t channels, int64_t time,
                     float *out) {
    sum_job job = {.kernels = tg_tape_kernels(tape),
                   .x = x,
                   .out = out,
                   .cols = channels,
                   .batch = batch,
                   .time = time};
    tg_pool_run(tg_tape_pool(tape), channels, tg_grain(batch * time), channels_range, &job);
}

void tg_softmax_row(const tg_kernels *kernels, const float *x, float scale, float *y, int64_t n) {
    float most = kernels->max(x, n) * scale;
    double total = kernels->exp_sum(x, scale, most, y, n);
    kernels->affine(y, (float)(1 / total), 0, y, n, false);
}
