#include "studio/strands.h"

#include <string.h>

tg_status tg_strands_create(tg_context *ctx, tg_strand_kind kind, int strands, int points,
                            tg_strand_set *out) {
    size_t n = (size_t)strands, p = n * (size_t)points;
    *out = (tg_strand_set){.kind = kind,
                           .points = points,
                           .corner = tg_calloc(p * sizeof *out->corner),
                           .weight = tg_calloc(p * sizeof *out->weight),
                           .offset = tg_calloc(p * sizeof *out->offset),
                           .normal = tg_calloc(n * sizeof *out->normal),
                           .radius = tg_calloc((size_t)points * sizeof *out->radius),
                           .scale = tg_calloc(n * sizeof *out->scale),
                           .albedo = tg_calloc(n * 3 * sizeof *out->albedo),
                           .random = tg_calloc(n * sizeof *out->random),
                           .shade = tg_calloc(n * sizeof *out->shade)};
    if (!out->corner || !out->weight || !out->offset || !out->normal || !out->radius ||
        !out->scale || !out->albedo || !out->random || !out->shade) {
        tg_strands_free(out);
        return tg_fail(ctx, TG_ENOMEM, "hair: out of memory for %d strands", strands);
    }
    return TG_OK;
}

void tg_strands_free(tg_strand_set *set) {
    tg_free(set->corner);
    tg_free(set->weight);
    tg_free(set->offset);
    tg_free(set->normal);
    tg_free(set->radius);
    tg_free(set->scale);
    tg_free(set->albedo);
    tg_free(set->random);
    tg_free(set->shade);
    memset(set, 0, sizeof *set);
}

typedef struct {
    const tg_strand_set *set;
    const tg_v4 *control;
    tg_v4 column[3]; /* of the head's rotation */
    tg_strands *out;
} strand_job;

static tg_v4 rotate(const tg_v4 column[3], const float v[3]) {
    return column[0] * tg_v4_splat(v[0]) + column[1] * tg_v4_splat(v[1]) +
           column[2] * tg_v4_splat(v[2]);
}

static void run_strands(void *arg, int64_t begin, int64_t end, int worker) {
    (void)worker;
    const strand_job *job = arg;
    const tg_strand_set *set = job->set;
    for (int64_t i = begin; i < end; i++) {
        tg_v4_store3(job->out->normal + 3 * i, rotate(job->column, set->normal[i]));
        for (int64_t p = i * set->points; p < (i + 1) * set->points; p++) {
            const uint16_t *c = set->corner[p];
            const float *w = set->weight[p];
            tg_v4 sum = rotate(job->column, set->offset[p]);
            for (int k = 0; k < 4; k++) {
                sum += tg_v4_splat(w[k]) * job->control[c[k]];
            }
            tg_v4_store3(job->out->point + 3 * p, sum);
        }
    }
}

void tg_strands_evaluate(const tg_strand_set *set, const tg_v4 *control, const float head[12],
                         tg_pool *pool, tg_strands *out) {
    enum { GRAIN = 256 };
    strand_job job = {.set = set, .control = control, .out = out};
    for (int k = 0; k < 3; k++) {
        job.column[k] = (tg_v4){head[k], head[4 + k], head[8 + k], 0.0f};
    }
    tg_pool_run(pool, set->strands, GRAIN, run_strands, &job);
}
