#include "train/nerf_sampler.h"

#include <math.h>
#include <string.h>

/* Shares of the rays of a frame, in hundredths; the rest are anywhere in the picture. */
enum { MOUTH = 30, EYES = 12, HEAD = 40, BORDER = 12, TRIES = 28 };

static tg_box region_box(const tg_dataset *set, int64_t frame) {
    tg_box box = {set->width, set->height, 0, 0};
    const uint8_t *plane = set->parsing + frame * set->width * set->height;
    for (int y = 0; y < set->height; y++)
        for (int x = 0; x < set->width; x++)
            if (plane[y * set->width + x] & TG_PIXEL_HEAD_REGION) {
                box.left = x < box.left ? x : box.left;
                box.top = y < box.top ? y : box.top;
                box.right = x >= box.right ? x + 1 : box.right;
                box.bottom = y >= box.bottom ? y + 1 : box.bottom;
            }
    return box;
}

static tg_box or_all(tg_box box, const tg_dataset *set) {
    if (box.right > box.left && box.bottom > box.top)
        return box;
    return (tg_box){0, 0, set->width, set->height};
}

tg_status nerf_sampler_init(tg_context *ctx, nerf_sampler *sampler, const tg_dataset *set,
                            const tg_nerf_config *config) {
    sampler->dataset = set;
    sampler->frame = tg_alloc(sizeof(nerf_sampler_frame) * (size_t)set->frames);
    if (!sampler->frame)
        return tg_fail(ctx, TG_ENOMEM, "no memory for the frames' regions");
    for (int64_t f = 0; f < set->frames; f++) {
        nerf_sampler_frame *frame = &sampler->frame[f];
        frame->mouth = or_all(tg_dataset_box(set, f, 48, 67, 0.5f), set);
        frame->eyes = or_all(tg_dataset_box(set, f, 36, 47, 0.4f), set);
        frame->face = or_all(tg_dataset_box(set, f, 0, 67, 0.1f), set);
        tg_pose_to_ngp(set->c2w + 16 * f, config->camera_scale, config->camera_offset, frame->ngp);
    }
    nerf_sampler_update(sampler);
    return TG_OK;
}

void nerf_sampler_update(nerf_sampler *sampler) {
    const tg_dataset *set = sampler->dataset;
    for (int64_t i = 0; i < set->ready_trains; i++) {
        int64_t f = set->ready_train[i];
        sampler->frame[f].head = or_all(region_box(set, f), set);
    }
}

void nerf_sampler_free(nerf_sampler *sampler) {
    tg_free(sampler->frame);
    sampler->frame = NULL;
}

void nerf_sampler_ray(const nerf_sampler *sampler, int64_t f, int x, int y, float ambient,
                      nerf_ray *ray) {
    const tg_dataset *set = sampler->dataset;
    const nerf_sampler_frame *frame = &sampler->frame[f];
    int64_t at = (f * set->height + y) * set->width + x;
    *ray = (nerf_ray){.weight = 1, .opacity = -1};
    for (int d = 0; d < 3; d++) {
        ray->o[d] = frame->ngp[4 * d + 3];
        ray->target[d] = (float)set->frame_rgb[3 * at + d] / 255;
        ray->background[d] = (float)set->behind_rgb[3 * at + d] / 255;
    }
    tg_ray_ngp(frame->ngp, set->focal, set->cx, set->cy, (float)x, (float)y, ray->d);
    uint8_t pixel = set->parsing[at];
    if (pixel & TG_PIXEL_HEAD_CORE)
        ray->opacity = 1;
    else if (!(pixel & TG_PIXEL_HEAD_NEAR))
        ray->opacity = 0;
    bool in_face = x >= frame->face.left && x < frame->face.right && y >= frame->face.top &&
                   y < frame->face.bottom;
    ray->ambient = in_face ? 0 : ambient;
}

static void pick(const tg_box *box, const tg_rng *rng, uint64_t at, int *x, int *y) {
    *x = box->left + (int)(tg_rng_u32(rng, at) % (uint32_t)(box->right - box->left));
    *y = box->top + (int)(tg_rng_u32(rng, at + 1) % (uint32_t)(box->bottom - box->top));
}

void nerf_sampler_draw(const nerf_sampler *sampler, int64_t f, const tg_rng *rng, uint64_t first,
                       int n, float ambient, nerf_ray *rays) {
    const tg_dataset *set = sampler->dataset;
    const nerf_sampler_frame *frame = &sampler->frame[f];
    const uint8_t *plane = set->parsing + f * set->width * set->height;
    const tg_box all = {0, 0, set->width, set->height};
    for (int r = 0; r < n; r++) {
        uint64_t at = (first + (uint64_t)r) * 64;
        int kind = r * 100 / n, x, y;
        if (kind < MOUTH) {
            pick(&frame->mouth, rng, at, &x, &y);
        } else if (kind < MOUTH + EYES) {
            pick(&frame->eyes, rng, at, &x, &y);
        } else if (kind < MOUTH + EYES + HEAD + BORDER) {
            bool border = kind >= MOUTH + EYES + HEAD;
            for (int k = 0; k < TRIES; k++) {
                pick(&frame->head, rng, at + 2 * (uint64_t)k, &x, &y);
                uint8_t pixel = plane[y * set->width + x];
                if ((pixel & TG_PIXEL_HEAD_REGION) && !(border && (pixel & TG_PIXEL_HEAD_CORE)))
                    break;
            }
        } else {
            pick(&all, rng, at, &x, &y);
        }
        nerf_sampler_ray(sampler, f, x, y, ambient, &rays[r]);
        rays[r].jitter = tg_rng_uniform(rng, at + 63);
    }
}
