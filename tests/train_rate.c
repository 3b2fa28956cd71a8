/* train_rate [WIDTH [RAYS [THREADS]]]: how fast the head's training is: samples per second of a
 * step (forwards, backwards, Adam) and of the forward pass alone over the same kind of rays,
 * medians of nine. WIDTH of the networks (64; the published GeneFace has 128), RAYS of a step
 * (4096), THREADS (all). Tables and widths are those of training, weights random, every cell
 * occupied. */
#include "train/nerf_step.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { FRAMES = 8, RUNS = 9 };

typedef struct {
    tg_context *ctx;
    tg_nerf *nerf;
    nerf_stepper *stepper;
    nerf_adam *adam;
    nerf_step_frame frames[FRAMES];
    nerf_ray *rays;
    int n;
    float *rgb, *windows;
} work;

/* Rays of a camera 3.3 units in front, spread over the middle of the volume. */
static void draw(work *w) {
    tg_rng rng = tg_rng_make(5, "", "rays");
    for (int i = 0; i < w->n; i++) {
        nerf_ray *r = &w->rays[i];
        float u[4], length = 0;
        for (int k = 0; k < 4; k++)
            u[k] = tg_rng_uniform(&rng, 4 * (uint64_t)i + (uint64_t)k);
        *r = (nerf_ray){.o = {0, 0, 3.3f},
                        .d = {0.4f * (u[0] - 0.5f), 0.4f * (u[1] - 0.5f), -1},
                        .jitter = u[2],
                        .target = {u[0], u[1], u[3]},
                        .background = {1, 1, 1},
                        .weight = 1,
                        .opacity = -1,
                        .ambient = 0.1f};
        for (int k = 0; k < 3; k++)
            length += r->d[k] * r->d[k];
        for (int k = 0; k < 3; k++)
            r->d[k] /= sqrtf(length);
    }
}

static int by_size(const void *a, const void *b) {
    const double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

int main(int argc, char **argv) {
    const int width = argc > 1 ? atoi(argv[1]) : 64;
    work w = {.n = argc > 2 ? atoi(argv[2]) : 4096};
    w.ctx = tg_context_create(argc > 3 ? atoi(argv[3]) : 0);
    tg_nerf_config c = tg_nerf_config_defaults();
    c.hidden_dim_ambient = c.hidden_dim_sigma = c.hidden_dim_color = c.geo_feat_dim = width;
    c.individual_embedding_num = FRAMES;
    const size_t window = (size_t)(c.smo_win_size * c.cond_win_size * c.cond_dim);
    w.rays = tg_calloc(sizeof *w.rays * (size_t)w.n);
    w.rgb = tg_calloc(sizeof *w.rgb * 3 * (size_t)w.n);
    w.windows = tg_calloc(sizeof *w.windows * window);
    if (w.n < FRAMES * NERF_BLOCK_RAYS || w.n % (FRAMES * NERF_BLOCK_RAYS) || !w.ctx || !w.rays ||
        !w.rgb || !w.windows || tg_nerf_create(w.ctx, &c, 3, &w.nerf) != TG_OK ||
        tg_nerf_stepper_create(w.ctx, w.nerf, w.n, &w.stepper) != TG_OK ||
        tg_nerf_adam_create(w.ctx, w.nerf, false, &w.adam) != TG_OK) {
        fprintf(stderr, "train_rate: %s (RAYS is a multiple of %d)\n",
                w.ctx ? tg_message(w.ctx) : "out of memory", FRAMES * NERF_BLOCK_RAYS);
        return 2;
    }
    for (int f = 0; f < FRAMES; f++)
        w.frames[f] = (nerf_step_frame){w.windows, f};
    draw(&w);
    const nerf_loss_weights weights = {
        .entropy = 1e-3f, .opacity = 0.1f, .distortion = 1e-3f, .scale = 1.0f / (float)w.n};
    double step[RUNS], gradients[RUNS], forward[RUNS];
    double samples = 0;
    for (int i = -1; i < RUNS; i++) {
        nerf_step_result result;
        const double t0 = tg_now_s();
        tg_status s = tg_nerf_step_gradients(w.ctx, w.stepper, w.frames, FRAMES, w.rays,
                                             w.n / FRAMES, &weights, &result);
        const double t1 = tg_now_s();
        tg_nerf_adam_step(w.ctx, w.adam, 0);
        const double t2 = tg_now_s();
        if (s == TG_OK)
            s = tg_nerf_step_render(w.ctx, w.stepper, w.frames, w.rays, w.n, w.rgb);
        const double t3 = tg_now_s();
        if (s != TG_OK) {
            fprintf(stderr, "train_rate: %s\n", tg_message(w.ctx));
            return tg_exit_code(s);
        }
        samples = (double)result.samples;
        if (i >= 0)
            step[i] = t2 - t0, gradients[i] = t1 - t0, forward[i] = t3 - t2;
    }
    qsort(step, RUNS, sizeof *step, by_size);
    qsort(gradients, RUNS, sizeof *gradients, by_size);
    qsort(forward, RUNS, sizeof *forward, by_size);
    const int m = RUNS / 2;
    printf("%d wide, %d rays, %.1f samples each, %d threads: step %.1f ms (Adam %.1f), forwards "
           "%.1f ms\n%.3f Msamples/s trained, %.3f forwards: %.3f of it\n",
           width, w.n, samples / w.n, tg_pool_threads(tg_context_pool(w.ctx)), 1e3 * step[m],
           1e3 * (step[m] - gradients[m]), 1e3 * forward[m], 1e-6 * samples / step[m],
           1e-6 * samples / forward[m], forward[m] / step[m]);
    tg_nerf_adam_destroy(&w.adam);
    tg_nerf_stepper_destroy(&w.stepper);
    tg_nerf_destroy(&w.nerf);
    tg_free(w.rays);
    tg_free(w.rgb);
    tg_free(w.windows);
    tg_context_destroy(&w.ctx);
    return 0;
}
