#include "train/nerf_occupancy.h"

#include <math.h>
#include <string.h>

/* Frames that carve, and the share of them that must see a cell on the head. */
enum { CARVING_FRAMES = 240 };
static const double seen_share = 0.04;
static const float decay = 0.95f;

struct nerf_occupancy {
    tg_nerf *nerf;
    uint32_t *cell; /* Morton codes of the hull, ascending */
    int64_t cells;
    float *fresh;           /* [all cells] density of this round, -1 outside the hull */
    float *tiles;           /* [workers][tile_size] */
    float *ambient, *color; /* biases of the conditions */
    int ambient_width, conditions;
    const nerf_field *field;
    tg_rng rng;
    int64_t round;
};

/* Cell centre in head coordinates, dm: the volume's axes are (up, front, side) times scale. */
static void cell_centre(const tg_nerf *nerf, const uint32_t cell[3], float out[3]) {
    float volume[3];
    for (int d = 0; d < 3; d++) {
        float u = ((float)cell[d] + 0.5f) / (float)nerf->config.grid_size;
        volume[d] = (2 * u - 1) * nerf->config.bound - nerf->config.camera_offset[d];
        volume[d] *= 10 / nerf->config.camera_scale;
    }
    out[0] = volume[2];
    out[1] = volume[0];
    out[2] = volume[1];
}

typedef struct {
    const tg_nerf *nerf;
    const tg_dataset *dataset;
    int64_t frames[CARVING_FRAMES];
    int n;
    uint8_t *inside; /* [cells] */
} carve_job;

static bool sees_head(const tg_dataset *set, int64_t frame, const float point[3]) {
    float pixel[2];
    if (!tg_dataset_project(set, frame, point, pixel))
        return false;
    int x = (int)floorf(pixel[0]), y = (int)floorf(pixel[1]);
    if (x < 0 || y < 0 || x >= set->width || y >= set->height)
        return false;
    return set->parsing[(frame * set->height + y) * set->width + x] & TG_PIXEL_HEAD_REGION;
}

static void carve_range(void *arg, int64_t begin, int64_t end, int worker) {
    (void)worker;
    carve_job *job = arg;
    int need = (int)ceil(seen_share * job->n);
    for (int64_t i = begin; i < end; i++) {
        uint32_t cell[3];
        float point[3];
        tg_morton3_inverse((uint32_t)i, cell);
        cell_centre(job->nerf, cell, point);
        int seen = 0;
        for (int k = 0; k < job->n && seen < need; k++)
            seen += sees_head(job->dataset, job->frames[k], point);
        job->inside[i] = seen >= need &&
                         fabsf(point[2]) * job->nerf->config.camera_scale / 10 < job->nerf->aabb[4];
    }
}

tg_status tg_nerf_occupancy_create(tg_context *ctx, tg_nerf *nerf, const tg_dataset *dataset,
                                   bool fresh, nerf_occupancy **out) {
    nerf_occupancy *o = *out = tg_calloc(sizeof(*o));
    carve_job job = {.nerf = nerf, .dataset = dataset};
    int64_t all = (int64_t)nerf->cells;
    int64_t ready = dataset->ready_trains;
    job.n = (int)(ready < CARVING_FRAMES ? ready : CARVING_FRAMES);
    for (int k = 0; k < job.n; k++)
        job.frames[k] = dataset->ready_train[k * ready / job.n];
    job.inside = tg_calloc((size_t)all);
    tg_status status = TG_OK;
    if (o) {
        o->nerf = nerf;
        o->fresh = tg_alloc(sizeof(float) * (size_t)all);
        o->cell = tg_alloc(sizeof(uint32_t) * (size_t)all);
        o->ambient =
            tg_calloc(sizeof(float) * NERF_MAX_FRAMES * (size_t)nerf->config.hidden_dim_ambient);
        o->color =
            tg_calloc(sizeof(float) * NERF_MAX_FRAMES * (size_t)nerf->config.hidden_dim_color);
        o->ambient_width = nerf->config.hidden_dim_ambient;
    }
    if (!o || !job.inside || !o->fresh || !o->cell || !o->ambient || !o->color)
        status = tg_fail(ctx, TG_ENOMEM, "no memory for the occupancy grid");
    if (status == TG_OK) {
        tg_pool_run(tg_context_pool(ctx), all, 4096, carve_range, &job);
        for (int64_t i = 0; i < all; i++) {
            o->fresh[i] = -1;
            if (job.inside[i])
                o->cell[o->cells++] = (uint32_t)i;
            if (!job.inside[i])
                nerf->density_grid[i] = -1;
            else if (fresh || nerf->density_grid[i] < 0)
                nerf->density_grid[i] = 1;
        }
        if (o->cells == 0)
            status =
                tg_fail(ctx, TG_EINPUT,
                        "the head masks and poses have no volume in common\n"
                        "  expected: parsing pictures with a blue head that the poses look at\n"
                        "  try: filming or tracking again");
        else
            tg_nerf_pack_occupancy(nerf);
    }
    tg_free(job.inside);
    if (status != TG_OK)
        tg_nerf_occupancy_destroy(out);
    return status;
}

void tg_nerf_occupancy_destroy(nerf_occupancy **occupancy) {
    if (!*occupancy)
        return;
    tg_free((*occupancy)->cell);
    tg_free((*occupancy)->fresh);
    tg_free((*occupancy)->tiles);
    tg_free((*occupancy)->ambient);
    tg_free((*occupancy)->color);
    tg_free(*occupancy);
    *occupancy = NULL;
}

int64_t tg_nerf_occupancy_cells(const nerf_occupancy *o) {
    return o->cells;
}

static void density_range(void *arg, int64_t begin, int64_t end, int worker) {
    nerf_occupancy *o = arg;
    float *tile = o->tiles + worker * o->field->tile_size;
    float density[NERF_TILE];
    const float inverse = 1 / (float)o->nerf->config.grid_size;
    for (int64_t t = begin; t < end; t++) {
        int64_t first = t * NERF_TILE;
        uint64_t which =
            tg_rng_u32(&o->rng, (uint64_t)(o->round * o->cells + first)) % (uint32_t)o->conditions;
        nerf_frame frame = {o->ambient + which * (uint64_t)o->ambient_width, NULL};
        for (int s = 0; s < NERF_TILE; s++) {
            int64_t i = first + s < o->cells ? first + s : o->cells - 1;
            uint32_t cell[3], bits = tg_rng_u32(&o->rng, (uint64_t)(o->round * o->cells + i));
            tg_morton3_inverse(o->cell[i], cell);
            for (int d = 0; d < 3; d++, bits >>= 10)
                tile[o->field->u3 + d * NERF_TILE + s] =
                    ((float)cell[d] + ((float)(bits & 1023) + 0.5f) / 1024) * inverse;
        }
        tg_nerf_field_density(o->field, &frame, tile, density);
        for (int s = 0; s < NERF_TILE && first + s < o->cells; s++)
            o->fresh[o->cell[first + s]] = density[s];
    }
}

static float neighbourhood(const nerf_occupancy *o, uint32_t code) {
    uint32_t cell[3];
    const int size = o->nerf->config.grid_size;
    float best = o->fresh[code];
    tg_morton3_inverse(code, cell);
    for (int d = 0; d < 3; d++)
        for (int side = -1; side <= 1; side += 2) {
            uint32_t at[3] = {cell[0], cell[1], cell[2]};
            at[d] += (uint32_t)side;
            if (at[d] < (uint32_t)size)
                best = fmaxf(best, o->fresh[tg_morton3(at[0], at[1], at[2])]);
        }
    return best;
}

tg_status tg_nerf_occupancy_refresh(tg_context *ctx, nerf_occupancy *o, nerf_stepper *stepper,
                                    const nerf_step_frame *frames, int n, const tg_rng *rng,
                                    int64_t round) {
    o->field = tg_nerf_stepper_field(stepper);
    o->rng = *rng;
    o->round = round;
    o->conditions = n;
    if (!o->tiles) {
        int workers = tg_pool_threads(tg_context_pool(ctx));
        o->tiles = tg_calloc(sizeof(float) * (size_t)workers * (size_t)o->field->tile_size);
        if (!o->tiles)
            return tg_fail(ctx, TG_ENOMEM, "no memory for the occupancy grid");
    }
    tg_status status = tg_nerf_step_biases(ctx, stepper, frames, n, o->ambient, o->color);
    if (status != TG_OK)
        return status;
    int64_t tiles = (o->cells + NERF_TILE - 1) / NERF_TILE;
    tg_pool_run(tg_context_pool(ctx), tiles, 64, density_range, o);
    float *grid = o->nerf->density_grid;
    for (int64_t i = 0; i < o->cells; i++) {
        uint32_t code = o->cell[i];
        grid[code] = fmaxf(decay * grid[code], neighbourhood(o, code));
    }
    tg_nerf_pack_occupancy(o->nerf);
    return TG_OK;
}

double tg_nerf_occupancy_share(const tg_nerf *nerf) {
    int64_t set = 0;
    for (size_t i = 0; i < nerf->bitfield_bytes; i++)
        set += __builtin_popcount(nerf->bitfield[i]);
    return (double)set / (double)nerf->cells;
}
