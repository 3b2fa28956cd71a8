/* Head over torso over background, and the picture that leaves the renderer. */
#include "frame.h"

#include <string.h>

/* Head opacity above which the torso behind it does not show: it could change a byte by a quarter.
 */
static const float opaque_head = 1.0f - 1.0f / 1024.0f;

static float clamp01(float x) {
    return x < 0.0f ? 0.0f : x > 1.0f ? 1.0f : x;
}

bool tg_torso_shows(const tg_renderer *r, size_t pixel, float weight) {
    const bool see_all = r->options.reference_schedule || r->options.exhaustive;
    return r->torso_mask[pixel] && (see_all || weight < opaque_head);
}

void tg_compose_torso(const tg_renderer *r, tg_worker *w, int count, const uint32_t *pixel,
                      const tg_seen *const *seen, float (*torso)[4], float *dx) {
    const uint32_t width = (uint32_t)r->options.width;
    float screen[2 * TG_TILE], head[4 * TG_TILE] = {0}, rgba[4 * TG_TILE];
    const bool aware = r->nerf->config.torso_head_aware;
    const bool blind = r->probe != NULL && r->probe->blind_torso;
    for (int s = 0; s < TG_TILE; s++) {
        const int i = s < count ? s : 0; /* idle lanes repeat the first */
        const int row = (int)(pixel[i] / width), column = (int)(pixel[i] % width);
        screen[s] = tg_screen_coord(row, r->options.height);
        screen[TG_TILE + s] = tg_screen_coord(column, r->options.width);
        tg_torso_first(&r->torso, row, column, w->first + s);
        for (int c = 0; aware && !blind && c < 3; c++) {
            head[c * TG_TILE + s] = seen[i]->rgb[c];
        }
        head[3 * TG_TILE + s] = blind ? 0.0f : seen[i]->weight;
    }
    tg_torso_tile(&r->torso, w->scratch, screen, w->first, aware ? head : NULL, rgba, dx);
    for (int s = 0; s < count; s++) {
        for (int c = 0; c < 3; c++) {
            torso[s][c] = rgba[(1 + c) * TG_TILE + s] * rgba[s];
        }
        torso[s][3] = rgba[s];
    }
    w->counts.torso_pixels += count;
}

void tg_compose_write(const tg_renderer *r, size_t at, int count, const tg_seen *seen,
                      const float (*box)[2]) {
    const tg_picture *picture = r->picture;
    for (int s = 0; s < count; s++, seen++) {
        const size_t pixel = at + (size_t)s;
        const float *background = r->background + 3 * pixel;
        const float alpha = seen->torso[3];
        for (int c = 0; c < 3; c++) {
            const float behind = seen->torso[c] + background[c] * (1.0f - alpha);
            const float value = clamp01(seen->rgb[c] + (1.0f - seen->weight) * behind);
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
            picture->alpha[pixel] = clamp01(1.0f - (1.0f - seen->weight) * (1.0f - alpha));
        }
        if (picture->weights != NULL) {
            picture->weights[pixel] = seen->weight;
        }
        if (picture->depth != NULL) {
            const float depth = seen->depth - box[s][0];
            picture->depth[pixel] = (depth > 0.0f ? depth : 0.0f) / (box[s][1] - box[s][0]);
        }
    }
}

tg_seen tg_ray_seen(const tg_ray *ray) {
    return (tg_seen){.rgb = {ray->rgb[0], ray->rgb[1], ray->rgb[2]},
                     .weight = ray->weight,
                     .depth = ray->depth,
                     .begin = ray->begin};
}

void tg_compose_run(const tg_renderer *r, tg_worker *w, int row, int column, int count,
                    const tg_ray *const *rays) {
    const size_t at = (size_t)row * (size_t)r->options.width + (size_t)column;
    float torso[TG_TILE][4], dx[2 * TG_TILE], box[TG_TILE][2];
    tg_seen seen[TG_TILE];
    const tg_seen *behind[TG_TILE];
    uint32_t pixel[TG_TILE];
    int needed = 0;
    for (int s = 0; s < count; s++) {
        seen[s] = tg_ray_seen(rays[s]);
        box[s][0] = rays[s]->near;
        box[s][1] = rays[s]->far;
        if (r->has_torso && tg_torso_shows(r, at + (size_t)s, seen[s].weight)) {
            behind[needed] = &seen[s];
            pixel[needed++] = (uint32_t)(at + (size_t)s);
        }
    }
    if (needed > 0) {
        tg_compose_torso(r, w, needed, pixel, behind, torso, dx);
    }
    for (int i = 0; i < needed; i++) {
        memcpy(seen[pixel[i] - at].torso, torso[i], sizeof torso[i]);
        if (r->probe != NULL && r->probe->torso_alpha != NULL) {
            r->probe->torso_dx[2 * pixel[i]] = dx[i];
            r->probe->torso_dx[2 * pixel[i] + 1] = dx[TG_TILE + i];
        }
    }
    for (int s = 0; r->probe != NULL && s < count; s++) {
        const tg_probe *probe = r->probe;
        if (probe->samples != NULL) {
            probe->samples[at + (size_t)s] = rays[s]->samples;
            probe->near[at + (size_t)s] = rays[s]->near;
            probe->far[at + (size_t)s] = rays[s]->far;
        }
        if (probe->torso_alpha != NULL) {
            probe->torso_alpha[at + (size_t)s] = seen[s].torso[3];
        }
    }
    tg_compose_write(r, at, count, seen, box);
}
