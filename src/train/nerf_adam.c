/* Adam for grid models: tables move only where the step touched them. */
#include "train/nerf_step.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

enum { CHUNK = 1 << 16 };

typedef struct {
    const char *name;
    tg_tensor *value;
    float lr_scale;
    bool sparse;
    int64_t n, first; /* first: offset of its moments */
} moved;

struct nerf_adam {
    const nerf_kernels *kernels;
    moved *part;
    int parts;
    float *m, *v;
    int64_t steps;
};

static bool of_torso(const char *name) {
    return strncmp(name, "torso", 5) == 0 || strncmp(name, "head_color", 10) == 0;
}

static bool is_table(const char *name) {
    return strstr(name, "embeddings") || strstr(name, "codes");
}

tg_status tg_nerf_adam_create(tg_context *ctx, tg_nerf *nerf, bool torso, nerf_adam **out) {
    int count = tg_params_count(nerf->params);
    nerf_adam *adam = *out = tg_calloc(sizeof(*adam));
    if (!adam)
        return tg_fail(ctx, TG_ENOMEM, "no memory for the optimizer");
    adam->kernels = tg_nerf_kernels_for(tg_context_cpu(ctx));
    adam->part = tg_calloc(sizeof(moved) * (size_t)count);
    int64_t total = 0;
    for (int i = 0; adam->part && i < count; i++) {
        tg_param *p = tg_params_at(nerf->params, i);
        if (of_torso(p->name) != torso)
            continue;
        moved *part = &adam->part[adam->parts++];
        *part = (moved){.name = p->name,
                        .value = p->value,
                        .lr_scale = p->lr_scale,
                        .sparse = is_table(p->name),
                        .n = tg_numel(p->value),
                        .first = total};
        total += (part->n + 15) / 16 * 16;
    }
    adam->m = tg_calloc(sizeof(float) * (size_t)total);
    adam->v = tg_calloc(sizeof(float) * (size_t)total);
    if (!adam->part || !adam->m || !adam->v) {
        tg_nerf_adam_destroy(out);
        return tg_fail(ctx, TG_ENOMEM, "no memory for the optimizer");
    }
    return TG_OK;
}

void tg_nerf_adam_destroy(nerf_adam **adam) {
    if (!*adam)
        return;
    tg_free((*adam)->part);
    tg_free((*adam)->m);
    tg_free((*adam)->v);
    tg_free(*adam);
    *adam = NULL;
}

typedef struct {
    nerf_adam *adam;
    const moved *part;
    nerf_adam_rule rule;
} adam_job;

static void adam_range(void *arg, int64_t begin, int64_t end, int worker) {
    (void)worker;
    adam_job *job = arg;
    int64_t at = job->part->first + begin;
    job->adam->kernels->adam(&job->rule, end - begin, job->part->value->data + begin,
                             job->part->value->grad + begin, job->adam->m + at, job->adam->v + at);
}

void tg_nerf_adam_step(tg_context *ctx, nerf_adam *adam, float lr) {
    const double beta1 = 0.9, beta2 = 0.99;
    double t = (double)++adam->steps;
    for (int i = 0; i < adam->parts; i++) {
        const moved *part = &adam->part[i];
        if (!part->value->grad)
            continue;
        adam_job job = {.adam = adam, .part = part};
        job.rule = (nerf_adam_rule){.rate = (float)(lr * part->lr_scale / (1 - pow(beta1, t))),
                                    .beta1 = (float)beta1,
                                    .beta2 = (float)beta2,
                                    .second_scale = (float)(1 / (1 - pow(beta2, t))),
                                    .eps = 1e-15f,
                                    .sparse = part->sparse};
        tg_pool_run(tg_context_pool(ctx), part->n, CHUNK, adam_range, &job);
    }
}

int64_t tg_nerf_adam_steps(const nerf_adam *adam) {
    return adam->steps;
}

static float *moments(const nerf_adam *adam, int order) {
    return order == 1 ? adam->m : adam->v;
}

bool tg_nerf_adam_store(const nerf_adam *adam, tg_st_writer *w) {
    bool good = true;
    for (int i = 0; i < adam->parts; i++)
        for (int order = 1; order <= 2; order++) {
            char name[192];
            const moved *part = &adam->part[i];
            snprintf(name, sizeof(name), "adam.%c.%s", order == 1 ? 'm' : 'v', part->name);
            good = good && tg_st_add_f32(w, name, TG_F32, part->value->ndim, part->value->dim,
                                         moments(adam, order) + part->first);
        }
    return good;
}

tg_status tg_nerf_adam_load(tg_context *ctx, nerf_adam *adam, const tg_st *st, int64_t steps) {
    tg_status status = TG_OK;
    for (int i = 0; i < adam->parts; i++)
        for (int order = 1; order <= 2 && status == TG_OK; order++) {
            char name[192];
            const moved *part = &adam->part[i];
            snprintf(name, sizeof(name), "adam.%c.%s", order == 1 ? 'm' : 'v', part->name);
            status = tg_st_load(ctx, st, name, part->value->ndim, part->value->dim,
                                moments(adam, order) + part->first);
        }
    adam->steps = steps;
    return status;
}
