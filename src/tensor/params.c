/* Named parameters and buffers of a network, and their gradients as a whole. */
#include "tensor/tape.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* What borrowed values live in. */
typedef struct keeper {
    struct keeper *next;
    void *owner;
    void (*release)(void *owner);
} keeper;

struct tg_params {
    tg_param **item; /* one block each, so that pointers stay valid while the list grows */
    int count, capacity;
    bool deferred;
    keeper *keepers;
};

tg_init tg_init_fan_in(int64_t fan_in) {
    return (tg_init){TG_INIT_UNIFORM, fan_in > 0 ? (float)(1.0 / sqrt((double)fan_in)) : 0.0f};
}

tg_params *tg_params_create(void) {
    return calloc(1, sizeof(tg_params));
}

static void free_param(tg_param *param) {
    if (!param)
        return;
    if (param->value) {
        if (!param->borrowed)
            tg_free(param->value->data);
        tg_free(param->value->grad);
        free(param->value);
    }
    free(param);
}

void tg_params_destroy(tg_params **set) {
    if (!set || !*set)
        return;
    for (int i = 0; i < (*set)->count; i++)
        free_param((*set)->item[i]);
    free((*set)->item);
    for (keeper *k = (*set)->keepers; k;) {
        keeper *next = k->next;
        k->release(k->owner);
        free(k);
        k = next;
    }
    free(*set);
    *set = NULL;
}

static tg_tensor *new_value(int ndim, const int64_t *dim, bool deferred) {
    size_t count = 1, bytes;
    bool ok = ndim >= 1 && ndim <= TG_MAX_DIMS;
    for (int i = 0; ok && i < ndim; i++)
        ok = dim[i] >= 0 && tg_mul_size(count, (size_t)dim[i], &count);
    tg_tensor *value = ok && tg_mul_size(count, sizeof(float), &bytes) && bytes < INT64_MAX
                           ? calloc(1, sizeof *value)
                           : NULL;
    if (!value)
        return NULL;
    value->ndim = ndim;
    memcpy(value->dim, dim, (size_t)ndim * sizeof *dim);
    value->in_set = true;
    if (!deferred && !(value->data = tg_calloc(bytes))) {
        free(value);
        return NULL;
    }
    return value;
}

static tg_param *append(tg_params *set, const char *name, int ndim, const int64_t *dim) {
    if (strlen(name) >= sizeof((tg_param *)0)->name || tg_params_find(set, name))
        return NULL;
    if (set->count == set->capacity) {
        int capacity = set->capacity ? 2 * set->capacity : 64;
        tg_param **item = realloc(set->item, (size_t)capacity * sizeof(tg_param *));
        if (!item)
            return NULL;
        set->item = item;
        set->capacity = capacity;
    }
    tg_param *param = calloc(1, sizeof *param);
    if (!param || !(param->value = new_value(ndim, dim, set->deferred))) {
        free_param(param);
        return NULL;
    }
    snprintf(param->name, sizeof param->name, "%s", name);
    param->lr_scale = 1;
    set->item[set->count++] = param;
    return param;
}

tg_tensor *tg_params_add(tg_params *set, const char *name, int ndim, const int64_t *dim,
                         tg_init init) {
    tg_param *param = append(set, name, ndim, dim);
    if (!param)
        return NULL;
    param->trainable = true;
    param->init = init;
    param->value->needs_grad = true;
    return param->value;
}

tg_tensor *tg_params_add_buffer(tg_params *set, const char *name, int ndim, const int64_t *dim,
                                float value) {
    tg_param *param = append(set, name, ndim, dim);
    if (!param)
        return NULL;
    /* As an initial value, so that tg_params_init restores it. */
    param->init = (tg_init){TG_INIT_ONE, value};
    for (int64_t i = 0, n = tg_numel(param->value); param->value->data && i < n; i++)
        param->value->data[i] = value;
    return param->value;
}

void tg_params_defer(tg_params *set) {
    set->deferred = true;
}

void tg_params_borrow(tg_params *set, int index, const float *data) {
    tg_param *param = set->item[index];
    if (!param->borrowed)
        tg_free(param->value->data);
    param->value->data = (float *)(uintptr_t)data; /* never written: see `borrowed` */
    param->value->needs_grad = false;
    param->borrowed = true;
}

bool tg_params_keep(tg_params *set, void *owner, void (*release)(void *owner)) {
    keeper *k = malloc(sizeof *k);
    if (!k)
        return false;
    *k = (keeper){set->keepers, owner, release};
    set->keepers = k;
    return true;
}

static bool trains(const tg_param *param) {
    return param->trainable && !param->frozen && !param->borrowed;
}

tg_status tg_params_own(tg_context *ctx, tg_params *set, int index) {
    for (int i = index < 0 ? 0 : index; i < set->count && (index < 0 || i == index); i++) {
        tg_param *param = set->item[i];
        size_t bytes = (size_t)tg_numel(param->value) * sizeof(float);
        if (param->value->data && !param->borrowed)
            continue;
        float *own = param->borrowed ? tg_alloc(bytes) : tg_calloc(bytes);
        if (!own)
            return tg_fail(ctx, TG_ENOMEM,
                           "out of memory: %s (%zu bytes)\n  expected: to fit in this machine's "
                           "memory\n  try: a smaller model",
                           param->name, bytes);
        if (param->borrowed)
            memcpy(own, param->value->data, bytes);
        param->value->data = own;
        param->borrowed = false;
        param->value->needs_grad = trains(param);
    }
    return TG_OK;
}

int tg_params_count(const tg_params *set) {
    return set->count;
}

tg_param *tg_params_at(tg_params *set, int index) {
    return index >= 0 && index < set->count ? set->item[index] : NULL;
}

tg_param *tg_params_find(tg_params *set, const char *name) {
    for (int i = 0; i < set->count; i++)
        if (strcmp(set->item[i]->name, name) == 0)
            return set->item[i];
    return NULL;
}

void tg_params_init(tg_params *set, uint64_t seed) {
    for (int k = 0; k < set->count; k++) {
        tg_param *param = set->item[k];
        float *data = param->value->data;
        int64_t n = tg_numel(param->value);
        tg_rng rng = tg_rng_make(seed, "", param->name);
        float scale = param->init.scale;
        switch (param->init.kind) {
        case TG_INIT_ZERO:
            memset(data, 0, (size_t)n * sizeof *data);
            break;
        case TG_INIT_ONE:
            for (int64_t i = 0; i < n; i++)
                data[i] = param->trainable ? 1.0f : scale;
            break;
        case TG_INIT_NORMAL:
            tg_rng_fill_normal(&rng, 0, data, (size_t)n);
            for (int64_t i = 0; i < n; i++)
                data[i] *= scale;
            break;
        case TG_INIT_UNIFORM:
            for (int64_t i = 0; i < n; i++)
                data[i] = scale * (2 * tg_rng_uniform(&rng, (uint64_t)i) - 1);
            break;
        }
    }
}

void tg_params_freeze(tg_params *set, const char *prefix, bool frozen) {
    for (int i = 0; i < set->count; i++) {
        tg_param *param = set->item[i];
        if (strncmp(param->name, prefix, strlen(prefix)) != 0)
            continue;
        param->frozen = frozen;
        param->value->needs_grad = trains(param);
    }
}

tg_status tg_params_zero_grad(tg_context *ctx, tg_params *set) {
    for (int i = 0; i < set->count; i++) {
        tg_param *param = set->item[i];
        size_t bytes = (size_t)tg_numel(param->value) * sizeof(float);
        if (param->trainable && !param->frozen && param->borrowed)
            return tg_fail(ctx, TG_EINTERNAL,
                           "%s lies in a mapped file and cannot train\n  expected: parameters in "
                           "memory of their own\n  try: tg_params_own, or to freeze it",
                           param->name);
        param->value->needs_grad = trains(param);
        if (param->value->grad)
            memset(param->value->grad, 0, bytes);
        else if (trains(param) && !(param->value->grad = tg_calloc(bytes)))
            return tg_fail(ctx, TG_ENOMEM,
                           "out of memory: gradients of %s (%zu bytes)\n  expected: to fit in this "
                           "machine's memory\n  try: a smaller model",
                           param->name, bytes);
    }
    return TG_OK;
}

double tg_params_grad_norm(const tg_params *set) {
    const tg_kernels *kernels = tg_kernels_at(TG_CPU_PORTABLE);
    double total = 0;
    for (int i = 0; i < set->count; i++) {
        const tg_param *param = set->item[i];
        if (trains(param) && param->value->grad)
            total += kernels->deviation(param->value->grad, 0, tg_numel(param->value));
    }
    return sqrt(total);
}

double tg_params_clip_grad(tg_params *set, double max_norm) {
    double norm = tg_params_grad_norm(set);
    if (!(norm > max_norm))
        return norm;
    float scale = (float)(max_norm / (norm + 1e-6)); /* PyTorch's guard */
    for (int k = 0; k < set->count; k++) {
        tg_param *param = set->item[k];
        if (!trains(param) || !param->value->grad)
            continue;
        for (int64_t i = 0, n = tg_numel(param->value); i < n; i++)
            param->value->grad[i] *= scale;
    }
    return norm;
}

int64_t tg_params_numel(const tg_params *set, bool trainable_only) {
    int64_t total = 0;
    for (int i = 0; i < set->count; i++)
        if (!trainable_only || trains(set->item[i]))
            total += tg_numel(set->item[i]->value);
    return total;
}
