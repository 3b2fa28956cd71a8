/* Rays through the head: samples are collected in tiles, densities become weights, and samples with
 * weight wait in a queue until 32 of them can be coloured together. */
#include "frame.h"

#include <float.h>
#include <math.h>
#include <string.h>

/* Weight from which a sample counts when rays nearby are begun by it. */
static const float counts_from = 1.0f / 256.0f;
enum { STEPS_BACK = 4 };

bool tg_ray_start(const tg_renderer *r, const float d[3], int row, int column, tg_ray *ray) {
    *ray = (tg_ray){.d = {d[0], d[1], d[2]}, .begin = FLT_MAX};
    tg_ray_box(r->nerf->aabb, r->nerf->config.min_near, r->origin, d, &ray->near, &ray->far);
    ray->t = ray->near;
    if (r->skips) {
        const bool meets =
            tg_skip_range(&r->skip, row, column, ray->near, ray->far, &ray->step, &ray->last_step);
        ray->first = ray->start = ray->step;
        return meets;
    }
    return ray->near < ray->far;
}

void tg_ray_guess(const tg_renderer *r, tg_ray *ray, float t) {
    const float k = ceilf((t - ray->near) / r->skip.dt);
    if (k > (float)ray->step && k <= (float)ray->last_step) {
        ray->step = ray->start = (int32_t)k;
        ray->guessed = true;
    }
}

/* The surface is in front of where the ray was begun. */
static void begin_again(tg_ray *ray) {
    ray->start = ray->start - STEPS_BACK > ray->first ? ray->start - STEPS_BACK : ray->first;
    ray->step = ray->start;
    ray->guessed = ray->start > ray->first;
    ray->again = true;
    ray->ended = false;
}

static float *queue_row(const tg_renderer *r, tg_worker *w, int row) {
    return w->queue + ((size_t)r->head.hidden + (size_t)row) * TG_QUEUE;
}

/* Colours of the first 32 queued samples (or of all, when fewer). */
static void color_tile(const tg_renderer *r, tg_worker *w) {
    float rgb[3 * TG_TILE];
    const int count = w->queued < TG_TILE ? w->queued : TG_TILE;
    tg_head_color(&r->head, w->scratch, w->queue, TG_QUEUE, rgb);
    for (int s = 0; s < count; s++) {
        tg_ray *ray = w->queue_ray[s];
        for (int c = 0; c < 3; c++) {
            ray->rgb[c] += w->queue_weight[s] * rgb[c * TG_TILE + s];
        }
    }
    w->counts.color_samples += count;
    const int left = w->queued - count;
    if (left > 0) {
        const int rows = r->head.hidden + 16 + 3;
        for (int row = 0; row < rows; row++) {
            float *at = w->queue + (size_t)row * TG_QUEUE;
            memcpy(at, at + TG_TILE, TG_TILE * sizeof *at);
        }
        memcpy(w->queue_weight, w->queue_weight + TG_TILE, TG_TILE * sizeof(float));
        memcpy(w->queue_ray, w->queue_ray + TG_TILE, TG_TILE * sizeof(tg_ray *));
    }
    w->queued = left;
}

/* Density and weight of the samples of the tile; those that count go to the queue. */
static void density_tile(const tg_renderer *r, tg_worker *w) {
    const float min_weight = r->options.min_weight;
    const float limit = r->options.min_transmittance;
    const bool published = r->options.reference_schedule;
    float sigma[TG_TILE], passed[TG_TILE], weight[TG_TILE];
    for (int s = w->lanes; s < TG_TILE; s++) { /* idle lanes repeat the first */
        for (int a = 0; a < 3; a++) {
            w->xyz[a * TG_TILE + s] = w->xyz[a * TG_TILE];
        }
        w->dt[s] = 0.0f;
    }
    tg_head_density(&r->head, w->scratch, w->xyz, sigma, w->hidden, NULL);
    for (int s = 0; s < TG_TILE; s++) {
        passed[s] = -sigma[s] * w->dt[s];
    }
    r->head.kernels->exp(passed, TG_TILE);
    uint32_t mask = 0;
    for (int s = 0; s < w->lanes; s++) {
        tg_ray *ray = w->lane_ray[s];
        if (ray->opaque || ray->again) {
            continue;
        }
        const float transmittance = 1.0f - ray->weight;
        weight[s] = (1.0f - passed[s]) * transmittance;
        if (ray->guessed) {
            ray->guessed = false;
            if (weight[s] > counts_from) {
                begin_again(ray);
                continue;
            }
        }
        if (weight[s] > counts_from && ray->begin == FLT_MAX) {
            ray->begin = w->t_after[s] - w->dt[s];
        }
        ray->weight += weight[s];
        ray->depth += weight[s] * w->t_after[s];
        /* the published rule sees a sample's transmittance only with the next one */
        ray->opaque = (published ? transmittance : 1.0f - ray->weight) < limit;
        mask |= (uint32_t)(weight[s] > min_weight) << s;
    }
    w->counts.density_samples += w->lanes;
    w->lanes = 0;
    if (mask == 0) {
        return;
    }
    r->head.kernels->compress(w->hidden, r->head.hidden, mask, w->queue, TG_QUEUE, w->queued);
    float *direction[3];
    for (int a = 0; a < 3; a++) {
        direction[a] = queue_row(r, w, 16 + a);
    }
    for (; mask != 0; mask &= mask - 1) {
        const int s = __builtin_ctz(mask), to = w->queued++;
        w->queue_weight[to] = weight[s];
        w->queue_ray[to] = w->lane_ray[s];
        for (int a = 0; a < 3; a++) {
            direction[a][to] = w->lane_ray[s]->d[a];
        }
    }
    if (w->queued >= TG_TILE) {
        color_tile(r, w);
    }
}

void tg_rays_advance(const tg_renderer *r, tg_worker *w, tg_ray *rays, const int32_t *ids,
                     int32_t count, int n) {
    float xyz[3 * TG_ROUND_SAMPLES], delta[2 * TG_ROUND_SAMPLES];
    for (int32_t i = 0; i < count; i++) {
        tg_ray *ray = &rays[ids[i]];
        ray->again = false;
        const int got =
            r->skips ? tg_skip_march(&r->skip, r->origin, ray->d, ray->near, &ray->step,
                                     ray->last_step, n, xyz, delta)
                     : tg_march_ray(&r->march, r->origin, ray->d, ray->far, &ray->t, n, xyz, delta);
        ray->ended = got < n;
        ray->samples += got;
        for (int k = 0; k < got; k++) {
            const int s = w->lanes++;
            for (int a = 0; a < 3; a++) {
                w->xyz[a * TG_TILE + s] = xyz[3 * k + a];
            }
            w->dt[s] = delta[2 * k];
            w->t_after[s] = delta[2 * k + 1];
            w->lane_ray[s] = ray;
            if (w->lanes == TG_TILE) {
                density_tile(r, w);
            }
        }
    }
    if (w->lanes > 0) {
        density_tile(r, w);
    }
}

void tg_rays_finish(const tg_renderer *r, tg_worker *w) {
    while (w->queued > 0) {
        color_tile(r, w);
    }
}

/* Samples per ray in the next round: one, or as many as fill a tile. */
static int round_samples(int32_t alive, int left) {
    int n = TG_TILE / alive;
    n = n < 1 ? 1 : n > TG_ROUND_SAMPLES ? TG_ROUND_SAMPLES : n;
    return n > left ? left : n;
}

int32_t tg_rays_keep(const tg_ray *rays, int32_t *ids, int32_t count) {
    int32_t kept = 0;
    for (int32_t i = 0; i < count; i++) {
        const tg_ray *ray = &rays[ids[i]];
        if (!ray->ended && !ray->opaque) {
            ids[kept++] = ids[i];
        }
    }
    return kept;
}

void tg_rays_march(const tg_renderer *r, tg_worker *w, int32_t alive) {
    for (int taken = 0; alive > 0 && taken < r->options.max_samples;) {
        const int n = round_samples(alive, r->options.max_samples - taken);
        tg_rays_advance(r, w, w->rays, w->alive, alive, n);
        alive = tg_rays_keep(w->rays, w->alive, alive);
        taken += n;
    }
    tg_rays_finish(r, w);
}
