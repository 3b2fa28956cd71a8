/* Who renders what: square blocks of pixels, each for itself, or GeneFace's rounds over the whole
 * picture. Either way the cut does not depend on the number of threads. */
#include "frame.h"

#include <string.h>

enum { GROUP = 256 /* rays of a work item in the whole-picture schedule */ };

typedef struct {
    tg_renderer *r;
    const float *rays_d;
    int32_t alive;
    int samples;
} job;

void tg_ray_direction(const tg_renderer *r, const float *rays_d, int row, int col, float d[3]) {
    const tg_renderer_options *o = &r->options;
    if (rays_d != NULL) {
        memcpy(d, rays_d + 3 * ((size_t)row * (size_t)o->width + (size_t)col), 3 * sizeof *d);
    } else {
        tg_ray_ngp(r->pose, o->focal, o->cx, o->cy, (float)col, (float)row, d);
    }
}

/* ---- each block for itself ---- */

static void render_block(const tg_renderer *r, tg_worker *w, const float *rays_d, int row0,
                         int col0) {
    const int rows = r->options.height - row0 < TG_BLOCK ? r->options.height - row0 : TG_BLOCK;
    const int cols = r->options.width - col0 < TG_BLOCK ? r->options.width - col0 : TG_BLOCK;
    int32_t alive = 0;
    /* rays in Morton order, so that a tile's samples share grid cells */
    for (uint32_t code = 0; code < TG_BLOCK * TG_BLOCK; code++) {
        int row = 0, col = 0;
        for (int bit = 0; bit < 5; bit++) {
            col |= (int)(code >> (2 * bit) & 1u) << bit;
            row |= (int)(code >> (2 * bit + 1) & 1u) << bit;
        }
        if (row >= rows || col >= cols) {
            continue;
        }
        float d[3];
        tg_ray_direction(r, rays_d, row0 + row, col0 + col, d);
        const int32_t id = row * TG_BLOCK + col;
        if (tg_ray_start(r, d, row0 + row, col0 + col, &w->rays[id])) {
            w->alive[alive++] = id;
        }
    }
    w->counts.rays += rows * cols;
    tg_rays_march(r, w, alive);
    const tg_ray *line[TG_BLOCK];
    for (int row = 0; row < rows; row++) {
        for (int col = 0; col < cols; col++) {
            line[col] = &w->rays[row * TG_BLOCK + col];
        }
        tg_compose_run(r, w, row0 + row, col0, cols, line);
    }
}

static void render_blocks(void *arg, int64_t begin, int64_t end, int worker) {
    const job *j = arg;
    const int across = (j->r->options.width + TG_BLOCK - 1) / TG_BLOCK;
    for (int64_t i = begin; i < end; i++) {
        render_block(j->r, &j->r->workers[worker], j->rays_d, (int)(i / across) * TG_BLOCK,
                     (int)(i % across) * TG_BLOCK);
    }
}

/* ---- the whole picture in rounds ---- */

static void start_rays(void *arg, int64_t begin, int64_t end, int worker) {
    const job *j = arg;
    tg_renderer *r = j->r;
    for (int64_t i = begin; i < end; i++) {
        float d[3];
        const int row = (int)(i / r->options.width), column = (int)(i % r->options.width);
        tg_ray_direction(r, j->rays_d, row, column, d);
        tg_ray_start(r, d, row, column, &r->rays[i]);
        r->alive[i] = (int32_t)i;
    }
    r->workers[worker].counts.rays += end - begin;
}

static void advance_group(void *arg, int64_t begin, int64_t end, int worker) {
    const job *j = arg;
    tg_worker *w = &j->r->workers[worker];
    tg_rays_advance(j->r, w, j->r->rays, j->r->alive + begin, (int32_t)(end - begin), j->samples);
    tg_rays_finish(j->r, w);
}

static void compose_rows(void *arg, int64_t begin, int64_t end, int worker) {
    const job *j = arg;
    const int width = j->r->options.width;
    const tg_ray *line[TG_TILE];
    for (int64_t row = begin; row < end; row++) {
        for (int col = 0; col < width; col += TG_TILE) {
            const int count = width - col < TG_TILE ? width - col : TG_TILE;
            for (int s = 0; s < count; s++) {
                line[s] = &j->r->rays[row * width + col + s];
            }
            tg_compose_run(j->r, &j->r->workers[worker], (int)row, col, count, line);
        }
    }
}

static void render_rounds(tg_renderer *r, tg_pool *pool, job *j) {
    const int32_t pixels = r->options.width * r->options.height;
    const int max_steps = r->nerf->config.max_steps;
    tg_pool_run(pool, pixels, 4096, start_rays, j);
    int32_t alive = pixels;
    for (int step = 0, round = 0; step < max_steps && alive > 0; step += j->samples, round++) {
        const int n = pixels / alive;
        j->samples = n < 1 ? 1 : n > TG_ROUND_SAMPLES ? TG_ROUND_SAMPLES : n;
        if (r->probe != NULL && r->probe->schedule != NULL) {
            r->probe->schedule[round][0] = alive;
            r->probe->schedule[round][1] = j->samples;
            r->probe->rounds = round + 1;
        }
        tg_pool_run(pool, alive, GROUP, advance_group, j);
        alive = tg_rays_keep(r->rays, r->alive, alive);
    }
    tg_pool_run(pool, r->options.height, 8, compose_rows, j);
}

void tg_renderer_condition(tg_renderer *r, const float *condition, const float pose[6]) {
    for (int a = 0; a < 3; a++) {
        r->origin[a] = r->pose[4 * a + 3];
    }
    tg_head_condition(&r->head, condition, 0, r->eye);
    if (r->has_torso) {
        tg_torso_pose(&r->torso, pose, 0);
    }
    if (r->skips) {
        tg_skip_frame(&r->skip, &r->options, r->pose);
    }
}

void tg_renderer_run(tg_renderer *r, tg_pool *pool, const float *condition, const float pose[6],
                     const float *rays_d) {
    job j = {.r = r, .rays_d = rays_d};
    tg_renderer_condition(r, condition, pose);
    for (int i = 0; i < r->threads; i++) {
        r->workers[i].counts = (tg_render_counts){0};
    }
    if (r->options.reference_schedule) {
        render_rounds(r, pool, &j);
    } else if (r->skips && r->coarse > 1) {
        tg_render_adaptive(r, pool, rays_d);
    } else {
        const int across = (r->options.width + TG_BLOCK - 1) / TG_BLOCK;
        const int down = (r->options.height + TG_BLOCK - 1) / TG_BLOCK;
        tg_pool_run(pool, (int64_t)across * down, 1, render_blocks, &j);
    }
    r->counts = (tg_render_counts){0};
    for (int i = 0; i < r->threads; i++) {
        const tg_render_counts *c = &r->workers[i].counts;
        r->counts.rays += c->rays;
        r->counts.density_samples += c->density_samples;
        r->counts.color_samples += c->color_samples;
        r->counts.torso_pixels += c->torso_pixels;
    }
}
