#include "train/nerf_rays.h"

#include <float.h>
#include <math.h>
#include <string.h>

/* A ray ends when less light than this passes. */
static const float opaque = 1e-3f;

typedef struct {
    int ray, tile, lane;
    float t, dt, density, weight; /* t behind the sample */
    float transmittance;          /* behind the sample; negative: hidden by earlier samples */
    float rgb[3], sum[3];         /* colour; colour accumulated up to and with the sample */
    float d_spread;               /* of the distortion with respect to density */
} sample;

typedef struct {
    float sh[NERF_SH];
    float t, far;
    float transmittance, color[3], ambient;
    int samples;
    bool alive;
} ray_state;

struct nerf_ray_scratch {
    tg_march march;
    int max_steps, max_tiles;
    float *tiles;   /* [max_tiles][tile_size] */
    float *density; /* [max_tiles][NERF_TILE] */
    int *fill;      /* lanes used per tile */
    sample *samples;
    ray_state state[NERF_BLOCK_RAYS];
    float *delta;
    float *d_tile; /* density, rgb[8], ambient[2] rows */
};

int tg_nerf_block_tiles(int max_steps) {
    int rounds = (max_steps + NERF_ROUND_SAMPLES - 1) / NERF_ROUND_SAMPLES;
    return (NERF_BLOCK_RAYS * max_steps + NERF_TILE - 1) / NERF_TILE + rounds;
}

nerf_ray_scratch *tg_nerf_ray_scratch_create(tg_arena *arena, const nerf_field *field,
                                             int max_steps) {
    nerf_ray_scratch *w = tg_arena_calloc(arena, sizeof(*w));
    if (!w)
        return NULL;
    w->max_steps = max_steps;
    w->max_tiles = tg_nerf_block_tiles(max_steps);
    size_t tiles = (size_t)w->max_tiles;
    w->tiles = tg_arena_calloc(arena, sizeof(float) * tiles * (size_t)field->tile_size);
    w->density = tg_arena_calloc(arena, sizeof(float) * tiles * NERF_TILE);
    w->fill = tg_arena_calloc(arena, sizeof(int) * tiles);
    w->samples = tg_arena_calloc(arena, sizeof(sample) * NERF_BLOCK_RAYS * (size_t)max_steps);
    w->delta = tg_arena_calloc(arena, sizeof(float) * (size_t)field->delta_size);
    w->d_tile = tg_arena_calloc(arena, sizeof(float) * 11 * NERF_TILE);
    bool good = w->tiles && w->density && w->fill && w->samples && w->delta && w->d_tile;
    return good ? w : NULL;
}

static void start_rays(const nerf_field *field, nerf_ray_scratch *w, const nerf_ray *rays, int n) {
    for (int r = 0; r < n; r++) {
        ray_state *state = &w->state[r];
        *state = (ray_state){.transmittance = 1};
        float near;
        tg_ray_box(field->nerf->aabb, field->nerf->config.min_near, rays[r].o, rays[r].d, &near,
                   &state->far);
        state->alive = near < FLT_MAX;
        state->t = near + rays[r].jitter * w->march.dt_max;
        tg_sh_encode(rays[r].d, state->sh);
    }
}

/* Samples outside their lane's use repeat lane 0, so that a tile never reads stale numbers. */
static void run_tile(const nerf_field *field, nerf_ray_scratch *w, const nerf_frame *frame,
                     int tile) {
    float *at = w->tiles + tile * field->tile_size;
    for (int s = w->fill[tile]; s < NERF_TILE; s++) {
        for (int d = 0; d < 3; d++)
            at[field->u3 + d * NERF_TILE + s] = at[field->u3 + d * NERF_TILE];
        for (int d = 0; d < NERF_SH; d++)
            at[field->color_in + d * NERF_TILE + s] = at[field->color_in + d * NERF_TILE];
    }
    tg_nerf_field_forward(field, frame, at, w->density + tile * NERF_TILE);
}

/* One round of marching: appends samples and evaluates them. Returns the new sample count. */
static int march_round(const nerf_field *field, nerf_ray_scratch *w, const nerf_frame *frame,
                       const nerf_ray *rays, int n, int samples, int *tiles) {
    int tile = *tiles, lane = 0;
    float scale = 1 / (2 * field->nerf->config.bound), shift = field->nerf->config.bound;
    for (int r = 0; r < n; r++) {
        ray_state *state = &w->state[r];
        if (!state->alive)
            continue;
        float xyz[3 * NERF_ROUND_SAMPLES], delta[2 * NERF_ROUND_SAMPLES];
        int want = w->max_steps - state->samples;
        want = want < NERF_ROUND_SAMPLES ? want : NERF_ROUND_SAMPLES;
        int got =
            tg_march_ray(&w->march, rays[r].o, rays[r].d, state->far, &state->t, want, xyz, delta);
        state->samples += got;
        state->alive = got == want && state->samples < w->max_steps;
        for (int i = 0; i < got; i++) {
            float *at = w->tiles + tile * field->tile_size;
            for (int d = 0; d < 3; d++)
                at[field->u3 + d * NERF_TILE + lane] = (xyz[3 * i + d] + shift) * scale;
            for (int d = 0; d < NERF_SH; d++)
                at[field->color_in + d * NERF_TILE + lane] = state->sh[d];
            w->samples[samples++] = (sample){
                .ray = r, .tile = tile, .lane = lane, .t = delta[2 * i + 1], .dt = delta[2 * i]};
            if (++lane == NERF_TILE) {
                w->fill[tile] = lane;
                run_tile(field, w, frame, tile++);
                lane = 0;
            }
        }
    }
    if (lane) {
        w->fill[tile] = lane;
        run_tile(field, w, frame, tile++);
    }
    *tiles = tile;
    return samples;
}

/* Front to back over the samples of a round. Samples behind an opaque one keep weight zero. */
static void composite(const nerf_field *field, nerf_ray_scratch *w, int begin, int end) {
    for (int i = begin; i < end; i++) {
        sample *p = &w->samples[i];
        ray_state *state = &w->state[p->ray];
        const float *tile = w->tiles + p->tile * field->tile_size;
        p->density = w->density[p->tile * NERF_TILE + p->lane];
        if (state->transmittance < opaque) {
            p->transmittance = -1;
            continue;
        }
        float alpha = 1 - expf(-p->density * p->dt);
        float weight = p->weight = alpha * state->transmittance;
        state->transmittance *= 1 - alpha;
        p->transmittance = state->transmittance;
        for (int c = 0; c < 3; c++) {
            p->rgb[c] = tile[field->rgb + c * NERF_TILE + p->lane];
            state->color[c] += weight * p->rgb[c];
            p->sum[c] = state->color[c];
        }
        for (int d = 0; d < 2; d++)
            state->ambient += fabsf(tile[field->amb + d * NERF_TILE + p->lane]);
        if (state->transmittance < opaque)
            state->alive = false;
    }
}

/* Loss of a ray and its gradient with respect to the composite colour and the opacity. */
typedef struct {
    float d_color[3], d_opacity, d_ambient;
    float total[3]; /* colour with background */
} ray_gradient;

static ray_gradient ray_loss(const nerf_ray *ray, const ray_state *state,
                             const nerf_loss_weights *weights, nerf_block_result *result) {
    ray_gradient g;
    float opacity = 1 - state->transmittance, loss = 0;
    for (int c = 0; c < 3; c++) {
        g.total[c] = state->color[c] + state->transmittance * ray->background[c];
        float error = g.total[c] - ray->target[c];
        result->squared_error += error * error;
        loss += ray->weight * error * error / 3;
        g.d_color[c] = weights->scale * ray->weight * 2 * error / 3;
    }
    /* H(a) = -a log2 a - (1-a) log2(1-a) */
    float a = fminf(fmaxf(opacity, 1e-5f), 1 - 1e-5f);
    loss -= weights->entropy * (a * log2f(a) + (1 - a) * log2f(1 - a));
    g.d_opacity = opacity == a ? weights->entropy * (log2f(1 - a) - log2f(a)) : 0;
    if (ray->opacity >= 0) {
        float error = opacity - ray->opacity;
        loss += weights->opacity * error * error;
        g.d_opacity += weights->opacity * 2 * error;
    }
    g.d_opacity *= weights->scale;
    loss += ray->ambient * state->ambient;
    g.d_ambient = weights->scale * ray->ambient;
    result->loss += loss;
    return g;
}

/* Distortion of every ray, sum_ij w_i w_j |t_i - t_j| + sum_i w_i^2 dt_i / 3, and its derivative by
 * density, in three passes over the samples. With q_i the derivative by weight i, the derivative by
 * density i is dt_i (T_i q_i - sum_{j>i} w_j q_j), as for a colour q. */
static double distortion(nerf_ray_scratch *w, int samples) {
    const float unit = 1 / (w->march.dt_max * (float)w->max_steps);
    double weight[NERF_BLOCK_RAYS] = {0}, moment[NERF_BLOCK_RAYS] = {0}, total = 0;
    double before[NERF_BLOCK_RAYS] = {0}, moment_before[NERF_BLOCK_RAYS] = {0};
    double behind[NERF_BLOCK_RAYS] = {0};
    for (int i = 0; i < samples; i++) {
        const sample *p = &w->samples[i];
        if (p->transmittance < 0)
            continue;
        weight[p->ray] += p->weight;
        moment[p->ray] += (double)p->weight * p->t;
    }
    for (int i = 0; i < samples; i++) {
        sample *p = &w->samples[i];
        if (p->transmittance < 0)
            continue;
        int r = p->ray;
        double spread = p->t * before[r] - moment_before[r];
        before[r] += p->weight;
        moment_before[r] += (double)p->weight * p->t;
        spread += (moment[r] - moment_before[r]) - p->t * (weight[r] - before[r]);
        double q = 2 * unit * (spread + p->weight * p->dt / 3);
        p->d_spread = (float)q;
        behind[r] += p->weight * q;
        total += p->weight * unit * (spread + p->weight * p->dt / 3);
    }
    for (int i = 0; i < samples; i++) {
        sample *p = &w->samples[i];
        if (p->transmittance < 0)
            continue;
        double q = p->d_spread;
        behind[p->ray] -= p->weight * q;
        p->d_spread = (float)(p->dt * (p->transmittance * q - behind[p->ray]));
    }
    return total;
}

/* Slope of the excess' penalty in a sample's log density; adds the penalty to *total. */
static float excess(const nerf_loss_weights *weights, float density, double *total) {
    if (weights->excess <= 0 || density <= weights->enough)
        return 0;
    float over = logf(fminf(density, FLT_MAX) / weights->enough);
    *total += 0.5 * over * over;
    return over;
}

/* Returns the sum of the excess' penalties. */
static double backward(const nerf_field *field, nerf_ray_scratch *w, const nerf_ray *rays,
                       const ray_gradient *ray_gradients, int samples, int tiles,
                       const nerf_loss_weights *weights, const nerf_block_gradient *out) {
    const float spread_weight = weights->distortion * weights->scale,
                excess_weight = weights->excess * weights->scale;
    double penalty = 0;
    float *d_density = w->d_tile, *d_rgb = d_density + NERF_TILE,
          *d_ambient = d_rgb + 8 * NERF_TILE;
    *out->tiles = 0;
    for (int tile = 0, i = 0; tile < tiles; tile++) {
        memset(w->d_tile, 0, sizeof(float) * 11 * NERF_TILE);
        const float *at = w->tiles + tile * field->tile_size;
        bool any = false;
        for (; i < samples && w->samples[i].tile == tile; i++) {
            const sample *p = &w->samples[i];
            if (p->transmittance < 0)
                continue;
            const ray_gradient *g = &ray_gradients[p->ray];
            const ray_state *state = &w->state[p->ray];
            float d_sigma = g->d_opacity * state->transmittance;
            for (int c = 0; c < 3; c++) {
                d_sigma +=
                    g->d_color[c] * (p->transmittance * p->rgb[c] - (g->total[c] - p->sum[c]));
                d_rgb[c * NERF_TILE + p->lane] =
                    g->d_color[c] * p->weight * p->rgb[c] * (1 - p->rgb[c]);
            }
            /* d exp(x) = exp(clamp(x, -15, 15)) */
            float slope = fminf(fmaxf(p->density, 3.0590232e-7f), 3269017.4f);
            d_density[p->lane] = (d_sigma * p->dt + spread_weight * p->d_spread) * slope +
                                 excess_weight * excess(weights, p->density, &penalty);
            if (rays[p->ray].ambient > 0)
                for (int d = 0; d < 2; d++) {
                    float a = at[field->amb + d * NERF_TILE + p->lane];
                    d_ambient[d * NERF_TILE + p->lane] = g->d_ambient * (a > 0   ? 1.0f
                                                                         : a < 0 ? -1.0f
                                                                                 : 0.0f);
                }
            any = true;
        }
        if (!any)
            continue;
        nerf_tile_store *store = &out->store[(*out->tiles)++];
        memcpy(store->u3, at + field->u3, sizeof(float) * 3 * NERF_TILE);
        memcpy(store->u2, at + field->u2, sizeof(float) * 2 * NERF_TILE);
        nerf_field_gradient gradient = {.d_density = d_density,
                                        .d_rgb = d_rgb,
                                        .d_ambient = d_ambient,
                                        .d_features = store->d_features,
                                        .block = out->block,
                                        .d_ambient_bias = out->d_ambient_bias,
                                        .d_color_bias = out->d_color_bias,
                                        .scratch = w->delta};
        tg_nerf_field_backward(field, at, &gradient);
    }
    return penalty;
}

nerf_block_result tg_nerf_rays_run(const nerf_field *field, nerf_ray_scratch *w,
                                   const nerf_frame *frame, const nerf_ray *rays, int n,
                                   const nerf_loss_weights *weights,
                                   const nerf_block_gradient *gradient, float *rgb) {
    nerf_block_result result = {0};
    ray_gradient gradients[NERF_BLOCK_RAYS];
    int samples = 0, tiles = 0;
    w->march = tg_nerf_march(field->nerf);
    start_rays(field, w, rays, n);
    for (;;) {
        int before = samples;
        samples = march_round(field, w, frame, rays, n, samples, &tiles);
        if (samples == before)
            break;
        composite(field, w, before, samples);
    }
    for (int r = 0; r < n; r++) {
        gradients[r] = ray_loss(&rays[r], &w->state[r], weights, &result);
        for (int c = 0; rgb && c < 3; c++)
            rgb[3 * r + c] = gradients[r].total[c];
    }
    if (gradient) {
        result.loss += weights->distortion * distortion(w, samples);
        result.loss += weights->excess *
                       backward(field, w, rays, gradients, samples, tiles, weights, gradient);
    }
    result.samples = samples;
    return result;
}
