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

tg_status tg_nerf_sampler_init(tg_context *ctx, nerf_sampler *sampler, const tg_dataset *set,
                               const tg_nerf_config *config) {
    sampler->dataset = set;
    sampler->frame = tg_alloc(sizeof(nerf_sampler_frame) * (size_t)set->frames);
    bool good = sampler->frame;
    for (int which = 0; which < NERF_MEASURES; which++) {
        sampler->bins[which].frame = tg_alloc(sizeof(int64_t) * (size_t)set->train_frames);
        good = good && sampler->bins[which].frame;
    }
    if (!good)
        return tg_fail(ctx, TG_ENOMEM, "no memory for the frames' regions");
    for (int64_t f = 0; f < set->frames; f++) {
        nerf_sampler_frame *frame = &sampler->frame[f];
        frame->mouth = or_all(tg_dataset_box(set, f, 48, 67, 0.5f), set);
        frame->eyes = or_all(tg_dataset_box(set, f, 36, 47, 0.4f), set);
        frame->face = or_all(tg_dataset_box(set, f, 0, 67, 0.1f), set);
        tg_pose_to_ngp(set->c2w + 16 * f, config->camera_scale, config->camera_offset, frame->ngp);
    }
    tg_nerf_sampler_update(sampler);
    return TG_OK;
}

static float landmark_distance(const tg_dataset *set, int64_t frame, int a, int b) {
    const float *p = set->landmarks + set->image_id[frame] * TG_COND_DIM;
    float sum = 0;
    for (int d = 0; d < 3; d++)
        sum += (p[3 * a + d] - p[3 * b + d]) * (p[3 * a + d] - p[3 * b + d]);
    return sqrtf(sum);
}

static float measure(const tg_dataset *set, int64_t frame, int which) {
    if (which == 0)
        return landmark_distance(set, frame, 62, 66);
    if (which == 1)
        return landmark_distance(set, frame, 48, 54);
    return landmark_distance(set, frame, 37, 41) + landmark_distance(set, frame, 38, 40) +
           landmark_distance(set, frame, 43, 47) + landmark_distance(set, frame, 44, 46);
}

static void fill_bins(const tg_dataset *set, int which, nerf_bins *bins) {
    float low = INFINITY, high = -INFINITY;
    for (int64_t i = 0; i < set->ready_trains; i++) {
        float x = measure(set, set->ready_train[i], which);
        low = fminf(low, x);
        high = fmaxf(high, x);
    }
    float scale = high > low ? NERF_BINS / (high - low) : 0;
    int64_t n = 0;
    bins->bins = 0;
    for (int bin = 0; bin < NERF_BINS; bin++) {
        int64_t begin = n;
        for (int64_t i = 0; i < set->ready_trains; i++) {
            int at = (int)((measure(set, set->ready_train[i], which) - low) * scale);
            if ((at < NERF_BINS ? at : NERF_BINS - 1) == bin)
                bins->frame[n++] = set->ready_train[i];
        }
        if (n > begin) {
            bins->first[bins->bins++] = begin;
            bins->first[bins->bins] = n;
        }
    }
}

void tg_nerf_sampler_update(nerf_sampler *sampler) {
    const tg_dataset *set = sampler->dataset;
    for (int64_t i = 0; i < set->ready_trains; i++) {
        int64_t f = set->ready_train[i];
        sampler->frame[f].head = or_all(region_box(set, f), set);
    }
    for (int which = 0; which < NERF_MEASURES; which++)
        fill_bins(set, which, &sampler->bins[which]);
}

int64_t tg_nerf_sampler_pick(const nerf_sampler *sampler, const tg_rng *rng, uint64_t index) {
    const tg_dataset *set = sampler->dataset;
    uint32_t any = tg_rng_u32(rng, 4 * index), which = tg_rng_u32(rng, 4 * index + 1);
    if (which % 2)
        return set->ready_train[any % (uint32_t)set->ready_trains];
    const nerf_bins *bins = &sampler->bins[which / 2 % NERF_MEASURES];
    uint32_t bin = tg_rng_u32(rng, 4 * index + 2) % (uint32_t)bins->bins;
    return bins
        ->frame[bins->first[bin] + any % (uint32_t)(bins->first[bin + 1] - bins->first[bin])];
}

void tg_nerf_sampler_free(nerf_sampler *sampler) {
    tg_free(sampler->frame);
    sampler->frame = NULL;
    for (int which = 0; which < NERF_MEASURES; which++) {
        tg_free(sampler->bins[which].frame);
        sampler->bins[which].frame = NULL;
    }
}

void tg_nerf_sampler_ray(const nerf_sampler *sampler, int64_t f, int x, int y, float ambient,
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

void tg_nerf_sampler_draw(const nerf_sampler *sampler, int64_t f, const tg_rng *rng, uint64_t first,
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
        tg_nerf_sampler_ray(sampler, f, x, y, ambient, &rays[r]);
        rays[r].jitter = tg_rng_uniform(rng, at + 63);
    }
}
