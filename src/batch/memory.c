/* How much memory a clip takes, and how many fit. */
#include "batch/runner.h"

/* Bytes of the networks' intermediate results over a window, of the encoder's look-ahead and of the
 * pictures. Measured with the shipped voice, clips of 20 s at 32x32: 66 MiB for each clip more at
 * the same time, where this says 70. */
size_t tg_job_memory(const tg_identity *id, int width, int height) {
    size_t pixels = (size_t)(width ? width : id->width) * (size_t)(height ? height : id->height);
    size_t bytes = ((size_t)40 << 20) + 512 * pixels;
    if (id->hubert) {
        const tg_hubert_config *c = tg_hubert_config_of(id->hubert);
        size_t rows = (size_t)c->frames_per_clip;
        size_t layer = rows * (size_t)(10 * c->hidden_size + 2 * c->intermediate_size) +
                       rows * rows * (size_t)c->heads + 3200 * (size_t)c->conv_dim[0];
        bytes += sizeof(float) * layer;
    }
    return bytes;
}

int tg_runner_jobs(int wanted, int threads, int64_t clips, size_t per_job) {
    int jobs = wanted > 0 ? wanted : threads;
    if (clips >= 0 && clips < jobs)
        jobs = clips > 0 ? (int)clips : 1;
    size_t left = tg_memory_now().left;
    if (left != SIZE_MAX && per_job > 0 && left / per_job < (size_t)jobs)
        jobs = left / per_job > 0 ? (int)(left / per_job) : 1;
    return jobs;
}
