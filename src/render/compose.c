/* Head over torso over background, and the picture that leaves the renderer. */
#include "frame.h"

#include <math.h>

/* Head opacity above which the torso behind it does not show: it could change a byte by a quarter.
 */
static const float opaque_head = 1.0f - 1.0f / 1024.0f;

static float clamp01(float x) {
    return x < 0.0f ? 0.0f : x > 1.0f ? 1.0f : x;
}

void tg_compose_run(const tg_renderer *r, tg_worker *w, int row, int column, int count,
                    const tg_ray *const *rays) {
    const int width = r->options.width;
    const size_t at = (size_t)row * (size_t)width + (size_t)column;
    const bool see_all = r->options.reference_schedule || r->options.exhaustive;
    float rgba[4 * TG_TILE] = {0}, dx[2 * TG_TILE];
    bool shows[TG_TILE] = {false};
    int needed = 0;
    for (int s = 0; r->has_torso && s < count; s++) {
        shows[s] = r->torso_mask[at + (size_t)s] && (see_all || rays[s]->weight < opaque_head);
        needed += shows[s];
    }
    if (needed > 0) {
        float screen[2 * TG_TILE], head[4 * TG_TILE] = {0};
        for (int s = 0; s < TG_TILE; s++) {
            screen[s] = tg_screen_coord(row, r->options.height);
            screen[TG_TILE + s] = tg_screen_coord(column + s, width);
        }
        tg_torso_first(&r->torso, row, column, w->first);
        const bool aware = r->nerf->config.torso_head_aware;
        for (int s = 0; aware && s < count; s++) {
            if (r->probe != NULL && r->probe->blind_torso) {
                break;
            }
            for (int c = 0; c < 3; c++) {
                head[c * TG_TILE + s] = rays[s]->rgb[c];
            }
            head[3 * TG_TILE + s] = rays[s]->weight;
        }
        tg_torso_tile(&r->torso, w->scratch, screen, w->first, aware ? head : NULL, rgba, dx);
        w->counts.torso_pixels += needed;
    }
    const tg_picture *picture = r->picture;
    for (int s = 0; s < count; s++) {
        const tg_ray *ray = rays[s];
        const size_t pixel = at + (size_t)s;
        const float *background = r->background + 3 * pixel;
        const float alpha = shows[s] ? rgba[s] : 0.0f;
        for (int c = 0; c < 3; c++) {
            const float torso = shows[s] ? rgba[(1 + c) * TG_TILE + s] : 0.0f;
            const float behind = torso * alpha + background[c] * (1.0f - alpha);
            const float value = clamp01(ray->rgb[c] + (1.0f - ray->weight) * behind);
            if (picture->rgb != NULL) {
                picture->rgb[3 * pixel + (size_t)c] = value;
            }
            if (picture->rgb8 != NULL) {
                picture->rgb8[3 * pixel + (size_t)c] = (uint8_t)(value * 255.0f);
            }
            if (r->probe != NULL && r->probe->torso_rgb != NULL) {
                r->probe->torso_rgb[3 * pixel + (size_t)c] = behind;
            }
        }
        if (picture->alpha != NULL) {
            picture->alpha[pixel] = clamp01(1.0f - (1.0f - ray->weight) * (1.0f - alpha));
        }
        if (picture->weights != NULL) {
            picture->weights[pixel] = ray->weight;
        }
        if (picture->depth != NULL) {
            const float depth = ray->depth - ray->near;
            picture->depth[pixel] = (depth > 0.0f ? depth : 0.0f) / (ray->far - ray->near);
        }
        if (r->probe != NULL) {
            tg_probe *probe = r->probe;
            if (probe->samples != NULL) {
                probe->samples[pixel] = ray->samples;
                probe->near[pixel] = ray->near;
                probe->far[pixel] = ray->far;
            }
            if (probe->torso_alpha != NULL) {
                probe->torso_alpha[pixel] = alpha;
                probe->torso_dx[2 * pixel] = dx[s];
                probe->torso_dx[2 * pixel + 1] = dx[TG_TILE + s];
            }
        }
    }
}
