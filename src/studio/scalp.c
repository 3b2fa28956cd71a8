/* Where hair covers the scalp: distance of the skin to the hairs, through a grid of their points.
 */
#include "studio/hair.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

static const float REACH = 0.14f; /* dm; the mask ends at this distance */
static const float FULL = 0.04f;  /* and is 1 up to this one */

typedef struct {
    uint64_t cell;
    float p[3];
} grid_point;

static int32_t cell_of(float x) {
    return (int32_t)floorf(x / REACH) + (1 << 15);
}

static uint64_t pack_cell(int32_t x, int32_t y, int32_t z) {
    return (uint64_t)(x & 0x1fffff) << 42 | (uint64_t)(y & 0x1fffff) << 21 |
           (uint64_t)(z & 0x1fffff);
}

static int compare_cells(const void *a, const void *b) {
    uint64_t l = ((const grid_point *)a)->cell, r = ((const grid_point *)b)->cell;
    return (l > r) - (l < r);
}

static float nearest(const grid_point *grid, int n, const float p[3]) {
    float best = REACH * REACH;
    int32_t c[3] = {cell_of(p[0]), cell_of(p[1]), cell_of(p[2])};
    for (int i = 0; i < 27; i++) {
        uint64_t cell = pack_cell(c[0] + i % 3 - 1, c[1] + i / 3 % 3 - 1, c[2] + i / 9 - 1);
        int low = 0, high = n;
        while (low < high) {
            int middle = (low + high) / 2;
            if (grid[middle].cell < cell) {
                low = middle + 1;
            } else {
                high = middle;
            }
        }
        for (; low < n && grid[low].cell == cell; low++) {
            float d = 0.0f;
            for (int k = 0; k < 3; k++) {
                d += (grid[low].p[k] - p[k]) * (grid[low].p[k] - p[k]);
            }
            best = fminf(best, d);
        }
    }
    return sqrtf(best);
}

tg_status tg_scalp_paint(tg_context *ctx, const tg_grower *grower, const tg_strand_set *hair,
                         float (*mask)[TG_ATTR]) {
    enum { STEP = 5 }; /* every fifth point of the strands is dense enough */
    int total = hair->strands * hair->points, n = 0;
    grid_point *grid = tg_alloc((size_t)(total / STEP + 1) * sizeof *grid);
    if (!grid) {
        return tg_fail(ctx, TG_ENOMEM, "scalp: out of memory");
    }
    for (int i = 0; i < total; i += STEP) {
        grid_point *g = &grid[n++];
        for (int c = 0; c < 3; c++) {
            g->p[c] = 0.0f;
            for (int k = 0; k < 4; k++) {
                g->p[c] += hair->weight[i][k] * grower->neutral[hair->corner[i][k]][c];
            }
        }
        g->cell = pack_cell(cell_of(g->p[0]), cell_of(g->p[1]), cell_of(g->p[2]));
    }
    qsort(grid, (size_t)n, sizeof *grid, compare_cells);
    const tg_actor *actor = grower->actor;
    for (int v = 0; v < TG_BASE_VERTICES; v++) {
        const float *r = actor->base.position[v];
        bool sideburn = fabsf(r[0]) > 0.60f && r[1] > 7.05f;
        bool face = r[1] <= 7.45f && r[2] >= 0.45f && !sideburn;
        bool ear = fabsf(r[0]) > 0.78f && r[1] < 7.35f;
        bool inside = mask[v][TG_SKIN_INNER_MOUTH] > 0.0f;
        if (grower->body->base_row[v] >= 0 && !face && !ear && !inside) {
            float d = nearest(grid, n, grower->body->x[v]);
            mask[v][TG_SKIN_SCALP] = tg_clampf((REACH - d) / (REACH - FULL), 0.0f, 1.0f);
        }
    }
    tg_free(grid);
    return TG_OK;
}
